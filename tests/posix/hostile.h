/* SPDX-License-Identifier: MIT */
/*
 * What the hostile tests share: a campaign runs its steps in a worker process without privileges,
 * and goes on behind a step that killed or blocked the worker; afterwards the system must be as it
 * was before. Each step draws from a generator of its own, so that a seed and a step's number name
 * an attack.
 */
#ifndef TESTS_POSIX_HOSTILE_H
#define TESTS_POSIX_HOSTILE_H

#include <fcntl.h>
#include <grp.h>
#include <signal.h>
#include <stdint.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/utsname.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "check.h"

#define HOSTILE_UID 65533u
#define HOSTILE_TEXT 8192

static inline int on_anole(void)
{
	struct utsname name;

	return uname(&name) == 0 && strstr(name.release, "anole") != NULL;
}

/* --- random arguments ------------------------------------------------------------------------- */

static uint64_t hostile_state;
static unsigned hostile_seed = 20261123; /* environment: HOSTILE_SEED */

static inline uint64_t random_word(void)
{
	uint64_t z = hostile_state += 0x9e3779b97f4a7c15u;

	z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9u;
	z = (z ^ z >> 27) * 0x94d049bb133111ebu;
	return z ^ z >> 31;
}

static inline uint64_t random_below(uint64_t limit)
{
	return random_word() % limit;
}

/* Sizes, counts and indices at and beyond their limits. */
static inline uint64_t random_number(void)
{
	static const uint64_t numbers[] = {
		0,           1,           2,          3,
		7,           8,           15,         16,
		63,          64,          65,         255,
		256,         511,         512,        1023,
		1024,        4095,        4096,       4097,
		65535,       65536,       1u << 20,   0x7fffffff,
		0x80000000u, 0xffffffffu, 1ull << 32, 1ull << 40,
		1ull << 47,  ~0ull >> 1,  1ull << 63, ~0ull - 4095,
		~0ull - 7,   ~0ull - 2,   ~0ull - 1,  ~0ull,
	};

	return numbers[random_below(sizeof numbers / sizeof *numbers)];
}

/* Good memory, made by the campaign. */
static char *hostile_buffer;
#define HOSTILE_BUFFER 65536u

/* Addresses: good, at the edge of a mapping, absent, of the kernel, not canonical. */
static inline uint64_t random_address(void)
{
	uint64_t good = (uint64_t)(uintptr_t)hostile_buffer;
	const uint64_t addresses[] = {
		good,
		good,
		good + 1,
		good + HOSTILE_BUFFER - 1,
		good + HOSTILE_BUFFER - 8,
		good + HOSTILE_BUFFER,
		0,
		1,
		8,
		4095,
		4096,
		0x10000,
		0x400000,
		0x7fffffffe000,
		0x7ffffffff000,
		0x7ffffffffff8,
		0x800000000000,
		0xffff7fffffffffff,
		0xffff800000000000,
		0xffffffff80000000,
		~0ull - 7,
		~0ull,
	};

	return addresses[random_below(sizeof addresses / sizeof *addresses)];
}

/* Anything. */
static inline uint64_t random_argument(void)
{
	switch (random_below(8)) {
	case 0:
	case 1: return random_address();
	case 2: return random_word();
	case 3: return random_word() >> random_below(64);
	case 4: return 1ull << random_below(64);
	case 5: return random_below(12);
	}
	return random_number();
}

/* --- campaigns ---------------------------------------------------------------------------------- */

struct campaign {
	const char *name;
	unsigned steps;
	unsigned patience_ms;            /* without progress for so long, the worker is ended */
	void (*prepare)(void);           /* in each worker, still with root's rights; or NULL */
	void (*step)(unsigned number);   /* may kill or block the worker */
	int (*may_block)(uint64_t note); /* it does what was asked of it; NULL: nothing may */
};

struct hostile_progress {
	volatile unsigned next;
	volatile int over;      /* the worker has done all */
	volatile uint64_t note; /* the step's own: what it is about */
	volatile unsigned answers, refusals;
};
static struct hostile_progress *progress;

struct campaign_result {
	unsigned deaths;     /* workers that ended before the last step */
	unsigned blocked;    /* ... because they were blocked, as they might be */
	unsigned stalls;     /* ... although they should not */
	uint64_t last_stall; /* note of the last step of this kind */
};

static inline void hostile_setup(void)
{
	progress = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	hostile_buffer =
	    mmap(NULL, HOSTILE_BUFFER + 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	NEED(progress != MAP_FAILED && hostile_buffer != MAP_FAILED);
	NEED(munmap(hostile_buffer + HOSTILE_BUFFER, 4096) == 0);
	memset(hostile_buffer, '.', HOSTILE_BUFFER);
	if (getenv("HOSTILE_SEED"))
		hostile_seed = (unsigned)atoi(getenv("HOSTILE_SEED"));
}

static inline void drop_privileges(void)
{
	struct rlimit processes = { 64, 64 };

	setrlimit(RLIMIT_NPROC, &processes);
	if (getuid() == 0 && (setgroups(0, NULL) || setgid(HOSTILE_UID) || setuid(HOSTILE_UID)))
		_exit(99);
}

static inline void campaign_work(const struct campaign *campaign)
{
	setsid();
	if (campaign->prepare)
		campaign->prepare();
	drop_privileges();
	while (progress->next < campaign->steps) {
		unsigned number = progress->next;

		progress->next = number + 1;
		hostile_state = hostile_seed + 1000003ull * number;
		campaign->step(number);
	}
	progress->over = 1;
	_exit(0);
}

static inline void sleep_ms(unsigned ms)
{
	struct timespec time = { ms / 1000, (long)(ms % 1000) * 1000000 };

	while (nanosleep(&time, &time) && errno == EINTR)
		;
}

/* Watch one worker until its end. */
static inline void campaign_watch(const struct campaign *campaign, pid_t worker,
				  struct campaign_result *result)
{
	unsigned last = progress->next, idle = 0;
	int killed = 0, status;
	pid_t pid;

	for (;;) {
		while ((pid = waitpid(-1, &status, WNOHANG)) > 0) {
			if (pid != worker)
				continue;
			result->deaths += !killed && !progress->over;
			return;
		}
		if (progress->next != last)
			idle = 0;
		last = progress->next;
		if (idle >= campaign->patience_ms && !killed) {
			kill(worker, SIGKILL);
			killed = 1;
			if (campaign->may_block && campaign->may_block(progress->note)) {
				result->blocked++;
			} else {
				result->stalls++;
				result->last_stall = progress->note;
			}
		}
		sleep_ms(2);
		idle += 2;
	}
}

/* Whatever the workers have left behind, in whichever group or session. */
static inline void kill_strays(void)
{
	pid_t pid = fork();

	if (pid == 0) {
		if (getuid() == 0 && setuid(HOSTILE_UID) == 0)
			kill(-1, SIGKILL);
		_exit(0);
	}
	while (waitpid(-1, NULL, 0) > 0)
		;
}

static inline struct campaign_result campaign_run(const struct campaign *campaign)
{
	struct campaign_result result = { 0, 0, 0, 0 };

	memset((void *)progress, 0, sizeof *progress);
	while (progress->next < campaign->steps) {
		pid_t worker;

		fflush(stdout);
		worker = fork();
		if (worker == 0)
			campaign_work(campaign);
		NEED(worker > 0);
		campaign_watch(campaign, worker, &result);
	}
	kill_strays();
	printf("# %s: seed %u, %u steps, %u answers, %u of them errors, %u workers died, %u blocked\n",
	       campaign->name, hostile_seed, campaign->steps, progress->answers, progress->refusals,
	       result.deaths, result.blocked + result.stalls);
	fflush(stdout);
	return result;
}

static inline long count_answer(long answer)
{
	progress->answers++;
	progress->refusals += answer < 0;
	return answer;
}

/* --- the system afterwards ---------------------------------------------------------------------- */

/* Name and incarnation of every service, one a line; empty where there is no such list. */
static inline void services_now(char text[HOSTILE_TEXT])
{
	FILE *stream = fopen("/proc/services", "r");
	char line[256], name[64], state[64];
	size_t used = 0;
	unsigned incarnation;

	text[0] = 0;
	while (stream && fgets(line, sizeof line, stream) && used < HOSTILE_TEXT - 160)
		if (sscanf(line, "%63s %63s %u", name, state, &incarnation) == 3)
			used += (size_t)sprintf(text + used, "%s %s %u\n", name, state, incarnation);
	if (stream)
		fclose(stream);
}

static char services_before[HOSTILE_TEXT];

static inline int services_unchanged(void)
{
	static char text[HOSTILE_TEXT];

	services_now(text);
	if (!strcmp(text, services_before))
		return 1;
	printf("# services before:\n%s# services now:\n%s", services_before, text);
	return 0;
}

static inline int pipe_works(void)
{
	int ends[2], status = -1;
	char byte = 0;
	pid_t pid;

	if (pipe(ends))
		return 0;
	pid = fork();
	if (pid == 0)
		_exit(write(ends[1], "x", 1) == 1 ? 7 : 1);
	close(ends[1]);
	if (pid < 0 || read(ends[0], &byte, 1) != 1 || waitpid(pid, &status, 0) != pid)
		byte = 0;
	close(ends[0]);
	return byte == 'x' && WIFEXITED(status) && WEXITSTATUS(status) == 7;
}

static inline int file_works(const char *path)
{
	char text[6] = "";
	int fd = open(path, O_CREAT | O_TRUNC | O_RDWR, 0600);
	int good =
	    fd >= 0 && write(fd, "hello", 5) == 5 && pread(fd, text, 5, 0) == 5 && !strcmp(text, "hello");

	if (fd >= 0)
		close(fd);
	return unlink(path) == 0 && good;
}

static inline int program_works(void)
{
	int status = -1;
	pid_t pid = fork();

	if (pid == 0) {
		execl("/bin/sh", "sh", "-c", "exit 3", (char *)NULL);
		_exit(1);
	}
	return pid > 0 && waitpid(pid, &status, 0) == pid && WIFEXITED(status) && WEXITSTATUS(status) == 3;
}

/* Processes, pipes, programs, files of both kinds, and the services are those of before. */
static inline void check_system(const char *after)
{
	char name[128];

#define AFTER(what, condition)                                        \
	do {                                                          \
		snprintf(name, sizeof name, what " after %s", after); \
		CHECK(name, condition);                               \
	} while (0)
	AFTER("processes and pipes", pipe_works());
	AFTER("programs", program_works());
	AFTER("files in memory", file_works("/tmp/hostile.check"));
	AFTER("files on disk", file_works("/root/hostile.check") || file_works("/var/tmp/hostile.check"));
	AFTER("services", services_unchanged());
#undef AFTER
}

#endif
