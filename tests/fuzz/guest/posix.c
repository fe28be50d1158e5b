/* SPDX-License-Identifier: MIT */
/* Every Linux call that libposix knows, with arguments of the kind that it takes, or of any other. */
#define _GNU_SOURCE
#include <fcntl.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#include "fuzz.h"

enum { DONE, RESTART, ERROR };

static const struct call {
	uint16_t number, arguments;
	int answered; /* always with the same error */
	const char *name;
} calls[] = {
#define L(number, name, handler, arguments, status) { number, arguments, status == ERROR, #name },
#include "../../../libposix/syscalls.def"
#undef L
};
#define CALLS (sizeof calls / sizeof *calls)
#define NUMBERS 512

/*
 * What the arguments mean: p path, f descriptor, d directory or AT_FDCWD, b buffer, n its length, o flags of
 * open, m mode, F a few bits, k small number, s signal, i process, v iovec, c small count, a pages, l their
 * length, t time, x offset, A list of strings, D address family, y type of socket, K its protocol, S socket address, Z
 * its length, M message header, w level of options, I request of ioctl, ? anything.
 */
static const char *const meaning[NUMBERS] = {
	[SYS_read] = "fbn",
	[SYS_write] = "fbn",
	[SYS_open] = "pom",
	[SYS_close] = "f",
	[SYS_stat] = "pb",
	[SYS_fstat] = "fb",
	[SYS_lstat] = "pb",
	[SYS_poll] = "bck",
	[SYS_lseek] = "fxk",
	[SYS_mmap] = "alFFfx",
	[SYS_mprotect] = "alF",
	[SYS_munmap] = "al",
	[SYS_brk] = "a",
	[SYS_rt_sigaction] = "sbbk",
	[SYS_rt_sigprocmask] = "kbbk",
	[SYS_ioctl] = "fIb",
	[SYS_pread64] = "fbnx",
	[SYS_pwrite64] = "fbnx",
	[SYS_readv] = "fvc",
	[SYS_writev] = "fvc",
	[SYS_access] = "pF",
	[SYS_pipe] = "b",
	[SYS_select] = "nbbbt",
	[SYS_mremap] = "allFa",
	[SYS_msync] = "alF",
	[SYS_mincore] = "alb",
	[SYS_madvise] = "alk",
	[SYS_dup] = "f",
	[SYS_dup2] = "ff",
	[SYS_nanosleep] = "tb",
	[SYS_getitimer] = "kb",
	[SYS_alarm] = "k",
	[SYS_setitimer] = "ktb",
	[SYS_sendfile] = "ffbn",
	[SYS_socket] = "DyK",
	[SYS_connect] = "fSZ",
	[SYS_accept] = "fbb",
	[SYS_sendto] = "fbnFSZ",
	[SYS_recvfrom] = "fbnFbb",
	[SYS_sendmsg] = "fMF",
	[SYS_recvmsg] = "fMF",
	[SYS_sendmmsg] = "fMkF",
	[SYS_recvmmsg] = "fMkFt",
	[SYS_shutdown] = "fk",
	[SYS_bind] = "fSZ",
	[SYS_listen] = "fk",
	[SYS_getsockname] = "fbb",
	[SYS_getpeername] = "fbb",
	[SYS_socketpair] = "kkkb",
	[SYS_setsockopt] = "fwkbk",
	[SYS_getsockopt] = "fwkbb",
	[SYS_clone] = "F?bbb",
	[SYS_execve] = "pAA",
	[SYS_exit] = "k",
	[SYS_wait4] = "ibFb",
	[SYS_kill] = "is",
	[SYS_uname] = "b",
	[SYS_fcntl] = "fk?",
	[SYS_flock] = "fF",
	[SYS_fsync] = "f",
	[SYS_fdatasync] = "f",
	[SYS_truncate] = "px",
	[SYS_ftruncate] = "fx",
	[SYS_getdents] = "fbn",
	[SYS_getcwd] = "bn",
	[SYS_chdir] = "p",
	[SYS_fchdir] = "f",
	[SYS_rename] = "pp",
	[SYS_mkdir] = "pm",
	[SYS_rmdir] = "p",
	[SYS_creat] = "pm",
	[SYS_link] = "pp",
	[SYS_unlink] = "p",
	[SYS_symlink] = "pp",
	[SYS_readlink] = "pbn",
	[SYS_chmod] = "pm",
	[SYS_fchmod] = "fm",
	[SYS_chown] = "pkk",
	[SYS_fchown] = "fkk",
	[SYS_lchown] = "pkk",
	[SYS_umask] = "m",
	[SYS_gettimeofday] = "bb",
	[SYS_getrlimit] = "kb",
	[SYS_getrusage] = "kb",
	[SYS_sysinfo] = "b",
	[SYS_times] = "b",
	[SYS_syslog] = "kbn",
	[SYS_setuid] = "k",
	[SYS_setgid] = "k",
	[SYS_setpgid] = "ii",
	[SYS_setreuid] = "kk",
	[SYS_setregid] = "kk",
	[SYS_getgroups] = "kb",
	[SYS_setgroups] = "kb",
	[SYS_setresuid] = "kkk",
	[SYS_getresuid] = "bbb",
	[SYS_setresgid] = "kkk",
	[SYS_getresgid] = "bbb",
	[SYS_getpgid] = "i",
	[SYS_setfsuid] = "k",
	[SYS_setfsgid] = "k",
	[SYS_getsid] = "i",
	[SYS_capget] = "bb",
	[SYS_capset] = "bb",
	[SYS_rt_sigpending] = "bk",
	[SYS_rt_sigtimedwait] = "bbtk",
	[SYS_rt_sigqueueinfo] = "isb",
	[SYS_rt_sigsuspend] = "bk",
	[SYS_sigaltstack] = "bb",
	[SYS_utime] = "pb",
	[SYS_mknod] = "pmk",
	[SYS_personality] = "F",
	[SYS_statfs] = "pb",
	[SYS_fstatfs] = "fb",
	[SYS_getpriority] = "ki",
	[SYS_setpriority] = "kik",
	[SYS_sched_setparam] = "ib",
	[SYS_sched_getparam] = "ib",
	[SYS_sched_setscheduler] = "ikb",
	[SYS_sched_getscheduler] = "i",
	[SYS_sched_get_priority_max] = "k",
	[SYS_sched_get_priority_min] = "k",
	[SYS_sched_rr_get_interval] = "ib",
	[SYS_mlock] = "al",
	[SYS_munlock] = "al",
	[SYS_mlockall] = "F",
	[SYS_prctl] = "k????",
	[SYS_arch_prctl] = "kb",
	[SYS_setrlimit] = "kb",
	[SYS_chroot] = "p",
	[SYS_settimeofday] = "bb",
	[SYS_mount] = "pppFb",
	[SYS_umount2] = "pF",
	[SYS_reboot] = "???b",
	[SYS_sethostname] = "bn",
	[SYS_setdomainname] = "bn",
	[SYS_readahead] = "fxn",
	[SYS_tkill] = "is",
	[SYS_time] = "b",
	[SYS_futex] = "bkktbk",
	[SYS_sched_setaffinity] = "inb",
	[SYS_sched_getaffinity] = "inb",
	[SYS_epoll_create] = "k",
	[SYS_getdents64] = "fbn",
	[SYS_set_tid_address] = "b",
	[SYS_fadvise64] = "fxxk",
	[SYS_timer_create] = "kbb",
	[SYS_timer_settime] = "kFtb",
	[SYS_timer_gettime] = "kb",
	[SYS_timer_getoverrun] = "k",
	[SYS_timer_delete] = "k",
	[SYS_clock_settime] = "kt",
	[SYS_clock_gettime] = "kb",
	[SYS_clock_getres] = "kb",
	[SYS_clock_nanosleep] = "kktb",
	[SYS_exit_group] = "k",
	[SYS_epoll_wait] = "fbck",
	[SYS_epoll_ctl] = "fkfb",
	[SYS_tgkill] = "iis",
	[SYS_utimes] = "pb",
	[SYS_waitid] = "kibFb",
	[SYS_ioprio_set] = "kik",
	[SYS_ioprio_get] = "ki",
	[SYS_openat] = "dpom",
	[SYS_mkdirat] = "dpm",
	[SYS_mknodat] = "dpmk",
	[SYS_fchownat] = "dpkkF",
	[SYS_futimesat] = "dpb",
	[SYS_newfstatat] = "dpbF",
	[SYS_unlinkat] = "dpF",
	[SYS_renameat] = "dpdp",
	[SYS_linkat] = "dpdpF",
	[SYS_symlinkat] = "pdp",
	[SYS_readlinkat] = "dpbn",
	[SYS_fchmodat] = "dpm",
	[SYS_faccessat] = "dpF",
	[SYS_pselect6] = "nbbbtb",
	[SYS_ppoll] = "bctbk",
	[SYS_set_robust_list] = "bk",
	[SYS_get_robust_list] = "ibb",
	[SYS_sync_file_range] = "fxxF",
	[SYS_utimensat] = "dpbF",
	[SYS_epoll_pwait] = "fbckbk",
	[SYS_timerfd_create] = "kF",
	[SYS_eventfd] = "k",
	[SYS_fallocate] = "fFxx",
	[SYS_timerfd_settime] = "fFtb",
	[SYS_timerfd_gettime] = "fb",
	[SYS_accept4] = "fbbo",
	[SYS_eventfd2] = "kF",
	[SYS_epoll_create1] = "F",
	[SYS_dup3] = "ffo",
	[SYS_pipe2] = "bo",
	[SYS_preadv] = "fvcxk",
	[SYS_pwritev] = "fvcxk",
	[SYS_rt_tgsigqueueinfo] = "iisb",
	[SYS_prlimit64] = "ikbb",
	[SYS_syncfs] = "f",
	[SYS_getcpu] = "bbb",
	[SYS_renameat2] = "dpdpF",
	[SYS_getrandom] = "bnF",
	[SYS_memfd_create] = "pF",
	[SYS_execveat] = "dpAAF",
	[SYS_membarrier] = "kFk",
	[SYS_mlock2] = "alF",
	[SYS_copy_file_range] = "fbfbnk",
	[SYS_preadv2] = "fvcxkF",
	[SYS_pwritev2] = "fvcxkF",
	[SYS_statx] = "dpFFb",
	[SYS_close_range] = "ffF",
	[SYS_faccessat2] = "dpFF",
};

/* --- arguments ---------------------------------------------------------------------------------------- */

static uint64_t at(const void *memory)
{
	return (uint64_t)(uintptr_t)memory;
}

static uint64_t vector(struct dice *d)
{
	struct iovec *v = (struct iovec *)piece(d, 2048);

	for (unsigned i = 0; i < 8; i++) {
		v[i].iov_base = rarely(d, 8) ? (void *)(uintptr_t)address(d) : piece(d, 4096);
		v[i].iov_len = rarely(d, 12) ? number(d) : below(d, 4096);
	}
	return at(v);
}

static uint64_t a_time(struct dice *d)
{
	struct timespec *t = (struct timespec *)piece(d, 64);

	t[0] = (struct timespec){ 0, (long)below(d, 2000000) };
	t[1] = (struct timespec){ 0, (long)below(d, 2000000) };
	if (rarely(d, 12))
		t[below(d, 2)] = (struct timespec){ (long)anything(d), (long)anything(d) };
	return at(t);
}

static uint64_t strings(struct dice *d)
{
	char **list = (char **)piece(d, 256);
	unsigned count = (unsigned)below(d, 6);

	for (unsigned i = 0; i < count; i++)
		list[i] = rarely(d, 12) ? (char *)(uintptr_t)address(d) : path(d);
	list[count] = rarely(d, 20) ? (char *)(uintptr_t)anything(d) : NULL;
	return at(list);
}

static uint64_t open_flags(struct dice *d)
{
	static const int bits[] = { O_CREAT, O_EXCL,     O_TRUNC,   O_APPEND, O_NONBLOCK, O_DIRECTORY,
				    O_PATH,  O_NOFOLLOW, O_CLOEXEC, O_SYNC,   O_NOCTTY,   O_TMPFILE };
	int flags = (int)below(d, 4);

	while (!rarely(d, 2))
		flags |= bits[below(d, sizeof bits / sizeof *bits)];
	return (uint64_t)flags;
}

/* --- of sockets ----------------------------------------------------------------------------------------- */

static uint64_t family(struct dice *d)
{
	static const uint16_t families[] = { AF_UNIX, AF_INET, AF_INET6, AF_NETLINK, AF_PACKET };

	return rarely(d, 8) ? below(d, 48) : families[below(d, sizeof families / sizeof *families)];
}

/* Of this machine, or of nobody: what the fuzzer sends goes to no other. */
static uint64_t socket_address(struct dice *d)
{
	struct sockaddr_un *a = (struct sockaddr_un *)piece(d, 256);
	uint16_t port = (uint16_t)(7000 + below(d, 8));

	memset(a, 0, sizeof *a);
	a->sun_family = (sa_family_t)family(d);
	if (a->sun_family == AF_UNIX) {
		strncpy(a->sun_path + rarely(d, 3), (char *)(uintptr_t)path(d), sizeof a->sun_path - 1);
	} else if (a->sun_family == AF_INET || a->sun_family == AF_INET6) {
		a->sun_path[0] = (char)(port >> 8);
		a->sun_path[1] = (char)port;
		if (a->sun_family == AF_INET)
			memcpy(a->sun_path + 2, "\x7f\0\0\1", 4);
		else
			a->sun_path[6 + 15] = 1;
	}
	return at(a);
}

static uint64_t message(struct dice *d)
{
	struct msghdr *m = (struct msghdr *)piece(d, 256);
	struct cmsghdr *c = (struct cmsghdr *)piece(d, 512);
	int *descriptors = (int *)CMSG_DATA(c);

	*m = (struct msghdr){ .msg_iov = (struct iovec *)(uintptr_t)vector(d),
			      .msg_iovlen = (int)below(d, 9) };
	if (rarely(d, 2)) {
		m->msg_name = (void *)(uintptr_t)socket_address(d);
		m->msg_namelen = (socklen_t)(rarely(d, 4) ? number(d) : below(d, 130));
	}
	*c = (struct cmsghdr){ .cmsg_len = (socklen_t)CMSG_LEN(sizeof(int) * below(d, 5)),
			       .cmsg_level = SOL_SOCKET,
			       .cmsg_type = 1 + (int)below(d, 3) };
	for (unsigned i = 0; i < 4; i++)
		descriptors[i] = descriptor(d);
	if (rarely(d, 6))
		c->cmsg_len = (socklen_t)anything(d);
	m->msg_control = c;
	m->msg_controllen = (socklen_t)(rarely(d, 8) ? number(d) : CMSG_SPACE(sizeof(int) * below(d, 5)));
	return at(m);
}

/* Requests that some server knows, and their neighbours. */
static uint64_t ioctl_request(struct dice *d)
{
	static const uint32_t first[] = {
		0x5401, 0x5420, 0x541b, 0x5450, 0x8910, 0x8930, 0x1260, 0x80045430
	};

	return rarely(d, 6) ? anything(d) : first[below(d, sizeof first / sizeof *first)] + below(d, 32);
}

static uint64_t argument(struct dice *d, char kind)
{
	if (rarely(d, 12))
		return anything(d);
	switch (kind) {
	case 'p': return at(path(d));
	case 'f': return (uint64_t)descriptor(d);
	case 'd': return rarely(d, 2) ? (uint64_t)descriptor(d) : (uint64_t)(int64_t)AT_FDCWD;
	case 'b': return at(rarely(d, 2) ? filled(d, 512) : piece(d, 8192));
	case 'n': return rarely(d, 6) ? number(d) : below(d, 16384);
	case 'o': return open_flags(d);
	case 'm': return rarely(d, 4) ? below(d, 0200000) : 0755 & word(d);
	case 'F': return rarely(d, 3) ? word(d) & word(d) & 0xffffff : below(d, 64);
	case 'k': return below(d, 20) - rarely(d, 6);
	case 's': return below(d, 66);
	case 'i': return (uint64_t)process(d);
	case 'v': return vector(d);
	case 'c': return below(d, 9);
	case 'a': return at(arena) + below(d, ARENA_PAGES) * 4096;
	case 'l': return below(d, 17) * 4096;
	case 't': return a_time(d);
	case 'x': return rarely(d, 4) ? number(d) : below(d, 100000);
	case 'A': return strings(d);
	case 'D': return family(d);
	case 'y': return 1 + below(d, 3) + (rarely(d, 2) ? SOCK_NONBLOCK : 0);
	case 'K': return rarely(d, 2) ? 0 : below(d, 60);
	case 'S': return socket_address(d);
	case 'Z': return rarely(d, 2) ? 16 : below(d, 130);
	case 'M': return message(d);
	case 'w': return (uint64_t[]){ 0, 1, 6, 17, 41, 263, 270 }[below(d, 7)];
	case 'I': return ioctl_request(d);
	}
	return anything(d);
}

/* What the table has and `meaning` does not; NULL: nothing. */
const char *undescribed_call(void)
{
	for (unsigned i = 0; i < CALLS; i++)
		if (calls[i].arguments && !calls[i].answered &&
		    (!meaning[calls[i].number] || strlen(meaning[calls[i].number]) != calls[i].arguments))
			return calls[i].name;
	return NULL;
}

/* --- a step --------------------------------------------------------------------------------------------- */

/* These end the thread, the process or what it can do from then on; they are left to chance. */
static unsigned rareness(uint64_t number)
{
	static const uint16_t fatal[] = { SYS_exit,         SYS_exit_group,     SYS_execve,
					  SYS_execveat,     SYS_rt_sigreturn,   SYS_arch_prctl,
					  SYS_brk,          SYS_fork,           SYS_vfork,
					  SYS_clone,        SYS_sigaltstack,    SYS_setrlimit,
					  SYS_prlimit64,    SYS_chdir,          SYS_close_range,
					  SYS_rt_sigaction, SYS_rt_sigprocmask, SYS_kill,
					  SYS_pause,        SYS_rt_sigsuspend };

	for (unsigned i = 0; i < sizeof fatal / sizeof *fatal; i++)
		if (fatal[i] == number)
			return i < 2 ? 200 : 8;
	return 1;
}

static uint64_t pid_now(void)
{
	static const uint64_t none[6];

	return (uint64_t)linux_call(SYS_getpid, none);
}

/* What waits in a child that a clone of chance has made must not go on as the worker. */
static void leave_if_child(uint64_t pid)
{
	static const uint64_t none[6];

	while (pid_now() != pid)
		linux_call(SYS_exit_group, none);
}

static void step(struct dice *d, volatile uint64_t *note)
{
	const struct call *call = &calls[below(d, CALLS)];
	uint64_t a[6], nr = rarely(d, 200) ? below(d, 600) : call->number, pid = pid_now();
	const char *kinds = nr < NUMBERS && meaning[nr] ? meaning[nr] : "";

	if ((!call->arguments && !rarely(d, 10)) || !rarely(d, rareness(nr)))
		return;
	*note = nr;
	for (unsigned i = 0; i < 6; i++) {
		a[i] = argument(d, *kinds ? *kinds : '?');
		kinds += *kinds != 0;
	}
	answered(linux_call((long)nr, a));
	leave_if_child(pid);
}

const struct kind posix_kind = { "posix", NULL, step };
