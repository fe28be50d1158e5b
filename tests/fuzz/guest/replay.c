/* SPDX-License-Identifier: MIT */
/*
 * Honest programs with changes. Each workload below runs once in every worker, and its calls are noted: number,
 * arguments, and which of them are what an earlier call has answered. A step makes the same calls again, with some left
 * out, repeated, exchanged or given another argument.
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <poll.h>
#include <netinet/in.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <time.h>

#include <abi/kcall.h>

#include "fuzz.h"

#define CALLS_MAX 40
#define MEMORY 32768u

struct noted {
	uint16_t number;
	int8_t from[6]; /* the call whose answer this argument is, or -1 */
	uint64_t a[6];
	long answer;
};

struct recording {
	unsigned count;
	struct noted calls[CALLS_MAX];
};

/* --- recording -------------------------------------------------------------------------------------------- */

/* What pointers of the workloads point into; as it was when all had been recorded. */
static char *memory;
static char snapshot[MEMORY];
static size_t memory_used;
static struct recording *current;

static void *room(size_t size)
{
	void *at = memory + memory_used;

	memory_used += (size + 15) & ~15ul;
	return at;
}

static uint64_t text(const char *string)
{
	return (uint64_t)(uintptr_t)strcpy(room(strlen(string) + 1), string);
}

static uint64_t bytes(const void *from, size_t size)
{
	return (uint64_t)(uintptr_t)memcpy(room(size), from, size);
}

/* Answers worth being followed: descriptors above the standard ones, and addresses. */
static int8_t origin(uint64_t value)
{
	for (unsigned i = current->count; i > 0; i--)
		if (current->calls[i - 1].answer > 2 && (uint64_t)current->calls[i - 1].answer == value)
			return (int8_t)(i - 1);
	return -1;
}

static long note_call(uint16_t number, const uint64_t a[6])
{
	struct noted *call = &current->calls[current->count];

	if (current->count == CALLS_MAX)
		return -1;
	call->number = number;
	for (unsigned i = 0; i < 6; i++) {
		call->a[i] = a[i];
		call->from[i] = origin(a[i]);
	}
	call->answer = linux_call(number, a);
	current->count++;
	return call->answer;
}

#define SYS(name, ...) note_call(SYS_##name, (const uint64_t[6]){ __VA_ARGS__ })
#define KERNEL(name, ...) note_call(KCALL_##name, (const uint64_t[6]){ __VA_ARGS__ })
#define WORD(x) ((uint64_t)(int64_t)(x))

/* --- workloads ------------------------------------------------------------------------------------------------ */

static void files(void)
{
	uint64_t name = text("replay.file"), other = text("replay.other"), buffer = text("0123456789abcdef");
	uint64_t fd = WORD(SYS(open, name, O_RDWR | O_CREAT | O_TRUNC, 0644)), map, two;

	SYS(write, fd, buffer, 16);
	SYS(pwrite64, fd, buffer, 16, 100000);
	SYS(lseek, fd, 4, 0);
	SYS(read, fd, WORD((uintptr_t)room(4096)), 4096);
	map = WORD(SYS(mmap, 0, 131072, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0));
	SYS(read, fd, map + 8192, 4096);
	SYS(write, fd, map, 8192);
	SYS(ftruncate, fd, 5000);
	SYS(msync, map, 131072, MS_SYNC);
	two = WORD(SYS(dup, fd));
	SYS(rename, name, other);
	SYS(fstat, two, WORD((uintptr_t)room(144)));
	SYS(link, other, name);
	SYS(unlink, other);
	SYS(fallocate, fd, 0, 0, 50000);
	SYS(munmap, map, 131072);
	SYS(close, fd);
	SYS(fsync, two);
	SYS(unlink, name);
	SYS(close, two);
}

static void directories(void)
{
	uint64_t dir = text("replay.dir"), below = text("replay.dir/x"), link = text("replay.link"), fd;

	SYS(mkdir, dir, 0755);
	SYS(symlink, dir, link);
	fd = WORD(SYS(open, link, O_RDONLY | O_DIRECTORY));
	SYS(mkdir, below, 0700);
	SYS(openat, fd, text("file"), O_CREAT | O_WRONLY, 0600);
	SYS(getdents64, fd, WORD((uintptr_t)room(1024)), 1024);
	SYS(renameat, fd, text("file"), fd, text("x/file"));
	SYS(unlinkat, fd, text("x/file"), 0);
	SYS(rmdir, below);
	SYS(fchdir, fd);
	SYS(chdir, text("/tmp/fuzz"));
	SYS(unlink, link);
	SYS(rmdir, dir);
	SYS(getdents64, fd, WORD((uintptr_t)room(1024)), 1024);
	SYS(close, fd);
}

static void pipes(void)
{
	int *ends = room(8);
	uint64_t buffer = text("through the pipe"), wait = bytes(&(struct timespec){ 0, 1000000 }, 16), event;

	SYS(pipe2, WORD((uintptr_t)ends), O_NONBLOCK);
	SYS(write, WORD(ends[1]), buffer, 16);
	SYS(poll, bytes(&(struct pollfd){ ends[0], POLLIN, 0 }, 8), 1, 0);
	SYS(read, WORD(ends[0]), buffer, 8);
	SYS(ioctl, WORD(ends[0]), 0x541b, WORD((uintptr_t)room(8)));
	event = WORD(SYS(eventfd2, 3, O_NONBLOCK));
	SYS(write, event, buffer, 8);
	SYS(ppoll, bytes(&(struct pollfd){ (int)event, POLLIN, 0 }, 8), 1, wait, 0, 8);
	SYS(close, WORD(ends[1]));
	SYS(read, WORD(ends[0]), buffer, 16);
	SYS(close, WORD(ends[0]));
	SYS(close, event);
}

static void memory_maps(void)
{
	uint64_t at = WORD(
		     SYS(mmap, 0, 65536, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, WORD(-1), 0)),
		 to;
	uint64_t fd = WORD(SYS(memfd_create, text("replay"), 0));

	SYS(read, fd, at, 65536);
	SYS(mprotect, at + 8192, 4096, PROT_READ);
	SYS(getrandom, at, 32768, 0);
	to = WORD(SYS(mremap, at, 65536, 1u << 20, 1, 0));
	SYS(madvise, to, 65536, 4);
	SYS(write, fd, to, 100000);
	SYS(mmap, to + 65536, 65536, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_FIXED, fd, 0);
	SYS(ftruncate, fd, 10);
	SYS(read, fd, to + 65536, 4096);
	SYS(munmap, to + 4096, 4096);
	SYS(write, fd, to, 8192);
	SYS(munmap, to, 1u << 20);
	SYS(close, fd);
}

static void signals(void)
{
	uint64_t pid = WORD(SYS(getpid)), set = bytes(&(uint64_t){ 1ul << (SIGUSR1 - 1) }, 8), timer;
	uint64_t old = WORD((uintptr_t)room(8)), short_time = bytes(&(struct timespec){ 0, 100000 }, 16);
	struct itimerspec often = { { 0, 300000 }, { 0, 300000 } };

	SYS(rt_sigprocmask, SIG_BLOCK, set, old, 8);
	SYS(kill, pid, SIGUSR1);
	SYS(rt_sigpending, old, 8);
	SYS(rt_sigtimedwait, set, 0, short_time, 8);
	SYS(tgkill, pid, pid, SIGUSR1);
	SYS(rt_sigprocmask, SIG_UNBLOCK, set, 0, 8);
	timer = WORD((uintptr_t)room(8));
	SYS(timer_create, 1, 0, timer);
	SYS(timer_settime, *(unsigned *)(uintptr_t)timer, 0, bytes(&often, sizeof often), 0);
	SYS(nanosleep, short_time, 0);
	SYS(timer_delete, *(unsigned *)(uintptr_t)timer);
	SYS(rt_sigprocmask, SIG_SETMASK, bytes(&(uint64_t){ 0 }, 8), 0, 8);
}

static void locks(void)
{
	uint64_t fd = WORD(SYS(open, text("replay.lock"), O_RDWR | O_CREAT, 0644));
	uint64_t lock = bytes(&(struct flock){ F_WRLCK, SEEK_SET, 10, 20, 0 }, sizeof(struct flock));
	uint64_t other = WORD(SYS(open, text("replay.lock"), O_RDWR));

	SYS(fcntl, fd, F_SETLK, lock);
	SYS(fcntl, other, F_GETLK, lock);
	SYS(flock, fd, 2 | 4);
	SYS(flock, other, 1 | 4);
	SYS(fcntl, fd, F_SETFL, O_APPEND);
	SYS(fcntl, fd, F_DUPFD, 30);
	SYS(close, fd);
	SYS(fcntl, other, F_SETLK, lock);
	SYS(close, other);
}

static void local_sockets(void)
{
	static const struct sockaddr_un name = { AF_UNIX, "replay.socket" };
	uint64_t a = bytes(&name, sizeof name),
		 listener = WORD(SYS(socket, AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0));
	uint64_t one = WORD(SYS(socket, AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0)), two;
	struct iovec *v = room(sizeof *v);
	struct msghdr *m = room(sizeof *m);

	SYS(unlink, text("replay.socket"));
	SYS(bind, listener, a, sizeof name);
	SYS(listen, listener, 4);
	SYS(connect, one, a, sizeof name);
	two = WORD(SYS(accept4, listener, 0, 0, SOCK_NONBLOCK));
	SYS(sendto, one, text("between friends"), 15, MSG_DONTWAIT, 0, 0);
	*v = (struct iovec){ room(64), 64 };
	*m = (struct msghdr){ .msg_iov = v, .msg_iovlen = 1, .msg_control = room(64), .msg_controllen = 64 };
	SYS(recvmsg, two, WORD((uintptr_t)m), MSG_DONTWAIT);
	*(struct cmsghdr *)m->msg_control = (struct cmsghdr){ CMSG_LEN(4), 0, SOL_SOCKET, SCM_RIGHTS };
	*(int *)CMSG_DATA((struct cmsghdr *)m->msg_control) = (int)listener;
	m->msg_controllen = CMSG_SPACE(4);
	SYS(sendmsg, two, WORD((uintptr_t)m), MSG_DONTWAIT);
	SYS(recvmsg, one, WORD((uintptr_t)m), MSG_DONTWAIT);
	SYS(getsockopt, two, SOL_SOCKET, SO_PEERCRED, WORD((uintptr_t)room(16)), bytes(&(int){ 12 }, 4));
	SYS(shutdown, one, SHUT_WR);
	SYS(close, two);
	SYS(close, one);
	SYS(close, listener);
}

static void net_sockets(void)
{
	struct sockaddr_in name = { .sin_family = AF_INET, .sin_addr = { 0x100007f } };
	uint64_t a = bytes(&name, sizeof name), length = bytes(&(int){ sizeof name }, 4);
	uint64_t listener = WORD(SYS(socket, AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0));
	uint64_t one = WORD(SYS(socket, AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0)), two;

	SYS(bind, listener, a, sizeof name);
	SYS(listen, listener, 4);
	SYS(getsockname, listener, a, length);
	SYS(connect, one, a, sizeof name);
	SYS(poll, bytes(&(struct pollfd){ (int)listener, POLLIN, 0 }, 8), 1, 2);
	two = WORD(SYS(accept, listener, 0, 0));
	SYS(setsockopt, one, 6, 1, bytes(&(int){ 1 }, 4), 4);
	SYS(sendto, one, text("over the loop"), 13, MSG_DONTWAIT, 0, 0);
	SYS(recvfrom, two, WORD((uintptr_t)room(64)), 64, MSG_DONTWAIT, 0, 0);
	SYS(shutdown, two, SHUT_RDWR);
	SYS(close, two);
	SYS(close, one);
	SYS(close, listener);
	one = WORD(SYS(socket, AF_INET, SOCK_DGRAM | SOCK_NONBLOCK, 0));
	SYS(bind, one, a, sizeof name);
	SYS(sendto, one, text("to itself"), 9, 0, a, sizeof name);
	SYS(recvfrom, one, WORD((uintptr_t)room(64)), 64, MSG_DONTWAIT, a, length);
	SYS(close, one);
}

/* A dump of the interfaces. */
static void netlink(void)
{
	static const struct {
		uint32_t length;
		uint16_t type, flags;
		uint32_t sequence, pid;
		uint8_t family, pad[15];
	} dump = { .length = sizeof dump, .type = 18, .flags = 0x301, .sequence = 1 };
	uint64_t fd = WORD(SYS(socket, AF_NETLINK, SOCK_RAW | SOCK_NONBLOCK, 0));
	uint64_t a = bytes(&(struct { uint16_t f[6]; }){ { AF_NETLINK } }, 12),
		 request = bytes(&dump, sizeof dump);

	SYS(bind, fd, a, 12);
	SYS(sendto, fd, request, sizeof dump, 0, a, 12);
	SYS(recvfrom, fd, WORD((uintptr_t)room(2048)), 2048, MSG_DONTWAIT, 0, 0);
	SYS(recvfrom, fd, WORD((uintptr_t)room(2048)), 2048, MSG_DONTWAIT, 0, 0);
	SYS(close, fd);
}

static void events(void)
{
	uint64_t poll = WORD(SYS(epoll_create1, 0)), event = WORD(SYS(eventfd2, 1, O_NONBLOCK));
	uint64_t timer = WORD(SYS(timerfd_create, 1, O_NONBLOCK));
	struct itimerspec soon = { { 0, 100000 }, { 0, 100000 } };
	uint64_t want = bytes(&(struct epoll_event){ EPOLLIN, { .u64 = 7 } }, sizeof(struct epoll_event));

	SYS(epoll_ctl, poll, EPOLL_CTL_ADD, event, want);
	SYS(timerfd_settime, timer, 0, bytes(&soon, sizeof soon), 0);
	SYS(epoll_ctl, poll, EPOLL_CTL_ADD, timer, want);
	SYS(epoll_wait, poll, WORD((uintptr_t)room(64)), 4, 1);
	SYS(read, timer, WORD((uintptr_t)room(8)), 8);
	SYS(epoll_ctl, poll, EPOLL_CTL_MOD, event, want);
	SYS(epoll_ctl, poll, EPOLL_CTL_DEL, event, 0);
	SYS(close, timer);
	SYS(epoll_wait, poll, WORD((uintptr_t)room(64)), 4, 0);
	SYS(close, event);
	SYS(close, poll);
}

static void terminal(void)
{
	uint64_t master = WORD(SYS(open, text("/dev/ptmx"), O_RDWR | O_NOCTTY | O_NONBLOCK)), slave;
	uint64_t modes = WORD((uintptr_t)room(64)), number = WORD((uintptr_t)room(8));
	char name[32];

	SYS(ioctl, master, 0x40045431, bytes(&(int){ 0 }, 4));
	SYS(ioctl, master, 0x80045430, number);
	snprintf(name, sizeof name, "/dev/pts/%d", *(int *)(uintptr_t)number);
	slave = WORD(SYS(open, text(name), O_RDWR | O_NOCTTY | O_NONBLOCK));
	SYS(ioctl, slave, 0x5401, modes);
	SYS(write, master, text("line\nhalf"), 9);
	SYS(read, slave, WORD((uintptr_t)room(64)), 64);
	SYS(ioctl, slave, 0x5402, modes);
	SYS(write, slave, text("answer"), 6);
	SYS(read, master, WORD((uintptr_t)room(64)), 64);
	SYS(ioctl, master, 0x5414, bytes(&(uint16_t[4]){ 24, 80 }, 8));
	SYS(close, master);
	SYS(close, slave);
}

/* What libposix asks of the kernel itself. */
static void kernel_objects(void)
{
	uint64_t memory = WORD(KERNEL(mo_create, 65536, 0)), notification = WORD(KERNEL(notify_create)), at;
	uint64_t self = WORD(CAP_SELF_SPACE), buffer = text("into an object");

	KERNEL(mo_write, memory, 4096, buffer, 14);
	at = WORD(KERNEL(vm_map, self, 0, 65536, VM_R | VM_W | VM_SHARED, memory, 0));
	KERNEL(mo_read, memory, 4096, at, 100);
	KERNEL(vm_protect, self, at, 8192, VM_R);
	KERNEL(vm_query, self, at, WORD((uintptr_t)room(128)));
	KERNEL(vm_discard, self, at + 16384, 16384);
	KERNEL(mo_resize, memory, 10000);
	at = WORD(KERNEL(vm_move, self, at, 65536, 131072, 1, 0));
	KERNEL(space_stat, self, WORD((uintptr_t)room(128)));
	KERNEL(watch_create, notification, 1, 1);
	KERNEL(notify_signal, notification, 2);
	KERNEL(notify_wait, notification, 0);
	KERNEL(notify_timer, notification, 2, 1);
	KERNEL(cap_copy, memory, ~0u, 40, 0);
	KERNEL(futex, buffer, 1, 1, 0, 0, 0);
	KERNEL(mo_info, memory, WORD((uintptr_t)room(64)));
	KERNEL(vm_unmap, self, at, 131072);
	KERNEL(cap_close, notification);
	KERNEL(cap_close, memory);
}

/* --- playing ----------------------------------------------------------------------------------------------------- */

static void (*const workloads[])(void) = {
	files,         directories, pipes,   memory_maps, signals,  locks,
	local_sockets, net_sockets, netlink, events,      terminal, kernel_objects,
};
#define WORKLOADS (sizeof workloads / sizeof *workloads)
static struct recording recordings[WORKLOADS];

static void prepare(void)
{
	memory = mmap(NULL, MEMORY, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (memory == MAP_FAILED)
		return;
	for (unsigned i = 0; i < WORKLOADS; i++) {
		current = &recordings[i];
		current->count = 0;
		workloads[i]();
	}
	memcpy(snapshot, memory, MEMORY);
}

static void play(struct dice *d, const struct noted *call, const long *answers, long *answer)
{
	uint64_t a[6];

	for (unsigned i = 0; i < 6; i++) {
		a[i] = call->from[i] < 0 ? call->a[i] : (uint64_t)answers[call->from[i]];
		if (rarely(d, 30))
			a[i] = anything(d);
	}
	*answer = answered(linux_call(call->number, a));
}

static void step(struct dice *d, volatile uint64_t *note)
{
	const struct recording *recording = &recordings[below(d, WORKLOADS)];
	long answers[CALLS_MAX] = { 0 };

	if (memory == MAP_FAILED)
		return;
	*note = (uint64_t)(recording - recordings);
	memcpy(memory, snapshot, MEMORY);
	for (unsigned i = 0; i < recording->count; i++) {
		unsigned which = rarely(d, 10) ? (unsigned)below(d, recording->count) : i;

		if (!rarely(d, 12))
			play(d, &recording->calls[which], answers, &answers[which]);
		if (rarely(d, 12))
			play(d, &recording->calls[which], answers, &answers[which]);
	}
}

const struct kind replay_kind = { "replay", prepare, step };
