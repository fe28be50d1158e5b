/* SPDX-License-Identifier: MIT */
/* What the calls of a worker are made on: memory, files, descriptors, processes. */
#define _GNU_SOURCE
#include <dirent.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/timerfd.h>
#include <sys/un.h>
#include <unistd.h>

#include "fuzz.h"

#define PATHS_MAX 256
#define PATH_ROOM 64
#define ARENA_GUARD (16ul << 20) /* around the arena nothing may be touched */

char *arena;

static char paths[PATHS_MAX][PATH_ROOM] = {
	"",
	".",
	"..",
	"/",
	"//",
	"no/such/file",
	"a",
	"b",
	"c",
	"d",
	"d/a",
	"d/b",
	"d/../a",
	"d/./d",
	"link",
	"loop",
	"fifo",
	"big",
	"text",
	"a/",
	"d/",
	"../d",
	"/tmp",
	"/tmp/fuzz",
	"/tmp/fuzz/a",
	"/tmp/fuzz/d",
	"/tmp/fuzz/d/socket",
	"/home/fuzz",
	"/home/fuzz/a",
	"/home/fuzz/d",
	"/home/fuzz/big",
	"/root",
	"/root/x",
	"/etc",
	"/etc/passwd",
	"/etc/shadow",
	"/bin/busybox",
	"/bin/true",
	"/bin/sh",
	"/boot/anole.elf",
	"/proc",
	"/proc/self",
	"/proc/self/fd",
	"/proc/self/fd/0",
	"/proc/self/fd/5",
	"/proc/self/exe",
	"/proc/self/cwd",
	"/proc/self/root",
	"/proc/self/mem",
	"/proc/1/mem",
	"/proc/1/fd",
	"/proc/1/maps",
	"/proc/1/environ",
	"/proc/99999",
};
static unsigned path_count;

static void add_names(const char *directory)
{
	DIR *dir = opendir(directory);
	struct dirent *entry;

	while (dir && path_count < PATHS_MAX && (entry = readdir(dir)))
		if (strlen(directory) + strlen(entry->d_name) + 2 < PATH_ROOM)
			snprintf(paths[path_count++], PATH_ROOM, "%.20s/%.40s", directory, entry->d_name);
	if (dir)
		closedir(dir);
}

static void collect_paths(void)
{
	for (path_count = 3; paths[path_count][0]; path_count++)
		;
	add_names("/dev");
	add_names("/proc/self");
	add_names("/proc");
}

/* --- memory ----------------------------------------------------------------------------------------- */

/* A hole in the arena is filled and the access made again; any other fault ends the worker. */
static void fault(int signo, siginfo_t *info, void *context)
{
	uintptr_t page = (uintptr_t)info->si_addr & ~4095ul;

	(void)context;
	if (page >= (uintptr_t)arena && page < (uintptr_t)arena + ARENA_SIZE &&
	    mmap((void *)page, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1,
		 0) != MAP_FAILED)
		return;
	signal(signo, SIG_DFL);
}

static void nothing(int signo)
{
	(void)signo;
}

void ground_catch(void)
{
	static char stack[65536];
	stack_t other = { .ss_sp = stack, .ss_size = sizeof stack };
	struct sigaction action = { .sa_handler = nothing };
	int null = open("/dev/null", O_RDWR);

	/* Whatever the supervisor has open, its output above all, is not for the worker. */
	for (int fd = 0; fd < 3; fd++)
		if (null < 0 || dup2(null, fd) < 0)
			_exit(3);
	syscall(SYS_close_range, 3, ~0u, 0);
	sigaltstack(&other, NULL);
	for (int signo = 1; signo <= SIGRTMAX; signo++)
		sigaction(signo, &action, NULL);
	action = (struct sigaction){ .sa_sigaction = fault, .sa_flags = SA_SIGINFO | SA_NODEFER };
	sigaction(SIGSEGV, &action, NULL);
	sigaction(SIGBUS, &action, NULL);
	signal(SIGCHLD, SIG_IGN);
}

static void prepare_memory(void)
{
	arena = mmap(NULL, ARENA_SIZE + 2 * ARENA_GUARD, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (arena == MAP_FAILED || mprotect(arena + ARENA_GUARD, ARENA_SIZE, PROT_READ | PROT_WRITE))
		_exit(3);
	arena += ARENA_GUARD;
}

char *piece(struct dice *d, size_t room)
{
	size_t at = below(d, ARENA_SIZE - room);

	return arena + (rarely(d, 4) ? at : at & ~15ul);
}

char *path(struct dice *d)
{
	const char *from = paths[below(d, path_count)];
	char *at = piece(d, 8192);

	if (rarely(d, 40))
		memset(at, "/.xy"[below(d, 4)], 4500);
	else if (rarely(d, 8))
		sprintf(at, "%s/%s", from, paths[below(d, path_count)]);
	else
		strcpy(at, from);
	return at;
}

char *filled(struct dice *d, size_t room)
{
	char *at = piece(d, room + 8);

	if (rarely(d, 3))
		return strcpy(at, paths[below(d, path_count)]);
	for (size_t i = 0; i + 8 <= room && i < 512; i += 8)
		*(uint64_t *)(at + i) = anything(d);
	return at;
}

/* --- descriptors --------------------------------------------------------------------------------------- */

int descriptor(struct dice *d)
{
	if (rarely(d, 12))
		return (int)anything(d);
	return (int)below(d, 48);
}

static void make_files(const char *directory)
{
	int fd;

	if (chdir(directory))
		return;
	mkdir("d", 0755);
	mkfifo("fifo", 0644);
	(void)!symlink("a", "link");
	(void)!symlink("loop", "loop");
	fd = open("big", O_RDWR | O_CREAT | O_NONBLOCK, 0644);
	(void)!ftruncate(fd, 300000);
	close(fd);
	fd = open("text", O_RDWR | O_CREAT | O_NONBLOCK, 0755);
	(void)!write(fd, "#!/bin/true\n", 12);
	close(fd);
}

/* Where other workers may connect to. */
static void open_listeners(void)
{
	static const struct sockaddr_in port = { .sin_family = AF_INET,
						 .sin_port = (7000 & 0xff) << 8 | 7000 >> 8,
						 .sin_addr = { 0x100007f } };
	static const struct sockaddr_un name = { AF_UNIX, "/tmp/fuzz/d/socket" };
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);

	(void)!setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &(int){ 1 }, sizeof(int));
	(void)!bind(fd, (const struct sockaddr *)&port, sizeof port);
	(void)!listen(fd, 4);
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0);
	unlink(name.sun_path);
	(void)!bind(fd, (const struct sockaddr *)&name, sizeof name);
	(void)!listen(fd, 4);
	(void)!socket(AF_UNIX, SOCK_DGRAM | SOCK_NONBLOCK, 0);
}

static void open_files(void)
{
	static const char *const names[] = { "a", "b", "big", "text", "/tmp/fuzz/a", "/tmp/fuzz/big" };
	static const char *const others[] = { "/dev/zero",     "/dev/urandom",   "/proc/self/maps",
					      "/proc/meminfo", "/proc/services", "/etc/passwd" };
	int ends[2];

	for (unsigned i = 0; i < sizeof names / sizeof *names; i++)
		(void)!open(names[i], O_RDWR | O_CREAT | O_NONBLOCK, 0644);
	(void)!open("a", O_WRONLY | O_APPEND | O_NONBLOCK);
	(void)!open("d", O_RDONLY | O_DIRECTORY);
	(void)!open("/", O_PATH);
	for (unsigned i = 0; i < sizeof others / sizeof *others; i++)
		(void)!open(others[i], O_RDONLY);
	(void)!open("/dev/null", O_RDWR);
	(void)!open("/proc/self/fd", O_RDONLY | O_DIRECTORY);
	(void)!pipe(ends);
	(void)!pipe2(ends, O_NONBLOCK);
	(void)!socketpair(AF_UNIX, SOCK_STREAM, 0, ends);
	(void)!socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
	(void)!socket(AF_INET6, SOCK_DGRAM | SOCK_NONBLOCK, 0);
	(void)!socket(AF_NETLINK, SOCK_RAW | SOCK_NONBLOCK, 0);
	open_listeners();
	(void)!eventfd(3, 0);
	(void)!epoll_create1(0);
	(void)!open("/dev/ptmx", O_RDWR | O_NOCTTY | O_NONBLOCK);
	(void)!timerfd_create(CLOCK_MONOTONIC, 0);
	(void)!memfd_create("fuzz", 0);
	(void)!open("fifo", O_RDWR | O_NONBLOCK);
}

void ground_prepare(void)
{
	prepare_memory();
	umask(022);
	make_files("/tmp/fuzz");
	make_files("/home/fuzz");
	open_files();
	collect_paths();
}

/* --- processes and calls ---------------------------------------------------------------------------------- */

long process(struct dice *d)
{
	static const uint64_t none[6];
	long pid = linux_call(SYS_getpid, none);

	switch (below(d, 8)) {
	case 0: return 0;
	case 1: return (long)anything(d);
	case 2: return (long)below(d, 40);
	case 3: return -pid;
	}
	return pid + (long)below(d, 9) - 4;
}

long linux_call(long nr, const uint64_t a[6])
{
	register uint64_t r10 __asm__("r10") = a[3];
	register uint64_t r8 __asm__("r8") = a[4];
	register uint64_t r9 __asm__("r9") = a[5];
	long answer;

	__asm__ volatile("syscall"
			 : "=a"(answer)
			 : "a"(nr), "D"(a[0]), "S"(a[1]), "d"(a[2]), "r"(r10), "r"(r8), "r"(r9)
			 : "rcx", "r11", "memory");
	return answer;
}
