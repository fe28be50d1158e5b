/* SPDX-License-Identifier: MIT */
/* TEST: timeout=300 */
/*
 * A user who takes all there is of something hurts nobody else: root and another user go on beside each
 * kind of hog, and when its processes have been killed everything is back. With HOGS="KIND ..." in the
 * environment only those; "all" is all at once. How long others are kept waiting is judged strictly only where time is
 * counted in instructions (tests/machines/counted.py): elsewhere the build machine's load, and how it runs several
 * processors on few, decide about it.
 *
 *     hogs KIND      just that, without end, as whoever starts it
 */
#define _GNU_SOURCE
#include <poll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <sys/sysinfo.h>

#include "hostile.h"

#define HOG 1000u
#define OTHER 1001u
#define ROUND_MS 1500
#define LONGEST_MS 2500       /* for what takes a tenth of a second or two alone */
#define LONGEST_HOST_MS 30000 /* likewise, whatever the build machine does meanwhile */

static uint64_t now_ms(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
}

/* Then the same loop takes the same time, but when an interrupt comes between. */
static int time_is_counted(void)
{
	uint64_t took[16];
	int same = 0;

	for (int i = 0; i < 16; i++) {
		uint64_t start = __builtin_ia32_rdtsc(), count = 2000;

		__asm__ volatile("1: dec %0; jnz 1b" : "+r"(count));
		took[i] = __builtin_ia32_rdtsc() - start;
		same += took[i] == took[i / 2];
	}
	return same >= 12;
}

static void raise_files(void)
{
	struct rlimit files;

	if (getrlimit(RLIMIT_NOFILE, &files) == 0) {
		files.rlim_cur = files.rlim_max;
		setrlimit(RLIMIT_NOFILE, &files);
	}
}

/* --- what they do: each without end ---------------------------------------------------------------- */

static void hog_forks(void)
{
	for (;;)
		if (fork() < 0)
			sleep_ms(1);
}

/* Whoever is killed for it is replaced. */
static void hog_memory(void)
{
	for (;;) {
		pid_t pid = fork();

		if (pid == 0)
			for (;;) {
				char *more = mmap(NULL, 1 << 20, PROT_READ | PROT_WRITE,
						  MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

				if (more != MAP_FAILED)
					memset(more, 1, 1 << 20);
			}
		if (pid > 0)
			waitpid(pid, NULL, 0);
	}
}

static void hog_files(void)
{
	static char data[65536];
	char name[64];
	unsigned n = 0;

	mkdir("/tmp/hog", 0777);
	for (;; n++) {
		int fd;

		snprintf(name, sizeof name, "/tmp/hog/%d.%u", getpid(), n);
		fd = open(name, O_CREAT | O_WRONLY, 0600);
		if (fd < 0) {
			sleep_ms(1);
			continue;
		}
		for (unsigned i = 0; i < 256 && write(fd, data, sizeof data) > 0; i++)
			continue;
		close(fd);
	}
}

/* As many processes as are needed hold what they have. */
static void by_many(int (*take)(void))
{
	raise_files();
	for (int i = 0; i < 40; i++)
		if (fork() == 0)
			break;
	for (;;)
		if (take() < 0)
			sleep_ms(20);
}

static int take_file(void)
{
	return open("/dev/null", O_RDONLY);
}

static int take_socket(void)
{
	int ends[2];

	return eventfd(0, 0) < 0 ? -1 : socketpair(AF_UNIX, SOCK_STREAM, 0, ends);
}

static int take_pipe(void)
{
	static char data[65536];
	int ends[2];

	if (pipe2(ends, O_NONBLOCK))
		return -1;
	return write(ends[1], data, sizeof data) < 0 ? -1 : 0;
}

static void hog_files_open(void)
{
	by_many(take_file);
}

static void hog_sockets(void)
{
	by_many(take_socket);
}

static void hog_pipes(void)
{
	by_many(take_pipe);
}

/* Each polls many descriptors that never become ready. */
static void hog_watches(void)
{
	static struct pollfd polled[250];
	int ends[2];

	raise_files();
	if (pipe(ends))
		_exit(1);
	for (unsigned i = 0; i < 250; i++)
		polled[i] = (struct pollfd){ .fd = i ? dup(ends[0]) : ends[0], .events = POLLIN };
	for (int i = 0; i < 40; i++)
		if (fork() == 0)
			break;
	for (;;)
		if (poll(polled, 250, 1000) < 0)
			sleep_ms(100);
}

/* Opening the end of a FIFO that has no other is a call of VFS that stays out. */
static void hog_fifos(void)
{
	char name[64];

	for (unsigned n = 0;; n++) {
		snprintf(name, sizeof name, "/tmp/fifo.%d", getpid());
		mkfifo(name, 0600);
		if (fork() < 0)
			sleep_ms(5);
		else if (n % 2)
			close(open(name, O_RDONLY));
	}
}

static void hog_processor(void)
{
	for (int i = 0; i < 20; i++)
		if (fork() == 0)
			break;
	setpriority(PRIO_PROCESS, 0, -20);
	for (;;)
		continue;
}

static const struct hog {
	const char *name;
	void (*run)(void);
} hogs[] = {
	{ "forks", hog_forks },     { "memory", hog_memory },   { "files", hog_files },
	{ "open", hog_files_open }, { "sockets", hog_sockets }, { "pipes", hog_pipes },
	{ "watches", hog_watches }, { "fifos", hog_fifos },     { "processor", hog_processor },
};
#define HOGS (sizeof hogs / sizeof *hogs)

/* --- the others ---------------------------------------------------------------------------------------- */

static void become(uid_t uid)
{
	setsid();
	if (setgroups(0, NULL) || setgid(uid) || setuid(uid))
		_exit(99);
}

/* How long each part has taken at most: says what to look at when the whole takes too long. */
enum part { PART_START, PART_MEMORY, PART_FILE, PART_FORK, PART_WAIT, PART_PIPE, PART_END, PARTS };
static const char *const part_names[PARTS] = { "start",         "memory", "file", "fork",
					       "exec and wait", "pipe",   "end" };
static struct {
	unsigned most[PARTS];
	uint64_t since;
} * parts; /* shared with those who work */

static void part_done(enum part part)
{
	uint64_t now = now_ms();

	if (now - parts->since > parts->most[part])
		parts->most[part] = (unsigned)(now - parts->since);
	parts->since = now;
}

static void tell_parts(void)
{
	for (enum part part = 0; part < PARTS; part++)
		printf("#   %s %u ms\n", part_names[part], parts->most[part]);
	memset(parts->most, 0, sizeof parts->most);
}

static int use_memory(void)
{
	char *memory = malloc(4 << 20);

	if (memory)
		memset(memory, 1, 4 << 20);
	part_done(PART_MEMORY);
	return memory != NULL;
}

static int use_file(void)
{
	static char data[65536];
	char name[64];
	int fd, good;

	snprintf(name, sizeof name, "/tmp/work.%d", getpid());
	fd = open(name, O_CREAT | O_RDWR, 0600);
	good = fd >= 0 && write(fd, data, sizeof data) == sizeof data && !unlink(name);
	part_done(PART_FILE);
	return good;
}

static int use_process(void)
{
	int status = -1;
	pid_t pid = fork();

	if (pid == 0) {
		execl("/bin/busybox", "true", NULL);
		_exit(3);
	}
	part_done(PART_FORK);
	if (pid < 0 || waitpid(pid, &status, 0) != pid)
		return 0;
	part_done(PART_WAIT);
	return status == 0;
}

static int use_pipe(void)
{
	char byte = 'x', back = 0;
	int ends[2];
	int good =
	    !pipe(ends) && write(ends[1], &byte, 1) == 1 && read(ends[0], &back, 1) == 1 && back == 'x';

	part_done(PART_PIPE);
	return good;
}

static int work(void)
{
	part_done(PART_START);
	if (!use_memory())
		return 1;
	if (!use_file())
		return 2;
	return !use_process() ? 3 : !use_pipe() ? 4 : 0;
}

static int works_for(uid_t uid, unsigned *took_ms)
{
	uint64_t start = parts->since = now_ms();
	int status = -1;
	pid_t pid = fork();

	if (pid == 0) {
		if (uid)
			become(uid);
		_exit(work());
	}
	if (pid < 0 || waitpid(pid, &status, 0) != pid)
		return -1;
	part_done(PART_END);
	*took_ms = (unsigned)(now_ms() - start);
	return WIFEXITED(status) ? WEXITSTATUS(status) : 1000 + WTERMSIG(status);
}

static void start_hog(const struct hog *hog)
{
	pid_t pid = fork();

	if (pid)
		return;
	become(HOG);
	hog->run();
	_exit(1);
}

static void remove_files(void)
{
	pid_t pid = fork();

	if (pid == 0) {
		execl("/bin/busybox", "sh", "-c", "rm -rf /tmp/hog /tmp/fifo.* /tmp/work.*", NULL);
		_exit(1);
	}
	waitpid(pid, NULL, 0);
}

/* kill(-1) as that user, until there is nobody: some may just have been made, and zombies count. */
static void end_hogs(void)
{
	for (int i = 0; i < 200; i++) {
		int status = 1;
		pid_t pid = fork();

		if (pid == 0) {
			become(HOG);
			_exit(kill(-1, SIGKILL) == 0);
		}
		if (pid > 0 && waitpid(pid, &status, 0) == pid && WIFEXITED(status) && !WEXITSTATUS(status))
			break;
		while (waitpid(-1, NULL, WNOHANG) > 0)
			continue;
		sleep_ms(5);
	}
	remove_files();
}

struct figures {
	long free_kib, processes;
};

static struct figures figures_now(void)
{
	struct sysinfo info;

	sysinfo(&info);
	return (struct figures){ (long)(info.freeram * info.mem_unit >> 10), info.procs };
}

/* What is being torn down takes a moment. */
static struct figures figures_settled(const struct figures *before)
{
	struct figures now = figures_now();

	for (int i = 0; i < 100 && before &&
			(now.free_kib + 4096 < before->free_kib || now.processes > before->processes);
	     i++) {
		sleep_ms(20);
		now = figures_now();
	}
	return now;
}

static unsigned longest_ms;

static void beside(const struct hog *first, size_t count, const char *name)
{
	unsigned took, most = 0;
	int root = 0, other = 0;
	uint64_t end;

	for (size_t i = 0; i < count; i++)
		start_hog(&first[i]);
	for (end = now_ms() + ROUND_MS; now_ms() < end;) {
		int status = works_for(0, &took);

		root = root ? root : status;
		most = took > most ? took : most;
		status = works_for(OTHER, &took);
		other = other ? other : status;
		most = took > most ? took : most;
		sleep_ms(20);
	}
	end_hogs();
	printf("# %s: root %d, another user %d, %u ms at most\n", name, root, other, most);
	if (most >= longest_ms)
		tell_parts();
	CHECK("root's work goes on", root == 0);
	CHECK("another user's work goes on", other == 0);
	CHECK("in reasonable time", most < longest_ms);
}

/* What servers have once touched stays theirs: so it must be back after some round but the first. */
static void rounds(const struct hog *first, size_t count, const char *name)
{
	struct figures before, after = { 0, 0 };
	int back = 0;

	beside(first, count, name);
	for (int round = 0; round < 4 && !back; round++) {
		figures_settled(NULL);
		sleep_ms(100);
		before = figures_settled(NULL);
		beside(first, count, name);
		after = figures_settled(&before);
		printf("# %s: %ld KiB free before, %ld after; %ld processes before, %ld after\n", name,
		       before.free_kib, after.free_kib, before.processes, after.processes);
		back = after.free_kib + 4096 >= before.free_kib && after.processes <= before.processes;
	}
	CHECK("memory is back, and its processes are gone", back);
}

int main(int argc, char **argv)
{
	struct rlimit none = { 0, 0 };

	const char *only = getenv("HOGS"); /* the names of some */

	longest_ms = time_is_counted() ? LONGEST_MS : LONGEST_HOST_MS;
	setrlimit(RLIMIT_CORE, &none);
	setvbuf(stdout, NULL, _IOLBF, 0);
	for (size_t i = 0; i < HOGS && argc > 1; i++)
		if (!strcmp(argv[1], hogs[i].name))
			hogs[i].run();
	if (argc > 1)
		return 2;
	if (!on_anole())
		return 0;
	parts = mmap(NULL, sizeof *parts, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (parts == MAP_FAILED)
		return 1;
	for (size_t i = 0; i < HOGS; i++)
		if (!only || strstr(only, hogs[i].name))
			rounds(&hogs[i], 1, hogs[i].name);
	if (!only || strstr(only, "all"))
		rounds(hogs, HOGS, "all at once");
	return check_result();
}
