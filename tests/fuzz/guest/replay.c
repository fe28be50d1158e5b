/* SPDX-License-Identifier: MIT */
/*
 * Honest programs with changes. Each workload below runs once in every worker, and its calls are noted: number,
 * arguments, and which of them are what an earlier call has answered. A step makes the same calls again, with some left
 * out, repeated, exchanged or given another argument.
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <time.h>

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

/* --- playing ----------------------------------------------------------------------------------------------------- */

static void (*const workloads[])(void) = { files, directories, pipes, memory_maps, signals, locks };
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
