/* SPDX-License-Identifier: MIT */
/*
 * Processes and threads that fork, exec, map, protect, signal, write, read and kill all at once,
 * on all processors; every result is verified. `stress SECONDS [SEED]`; 10 if not said.
 * TEST: timeout=180
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdint.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "check.h"

#define PAGE 4096ul
#define STUCK 60 /* seconds without a turn: something was lost */

/* What each worker has done, in memory that all share. */
static struct worker_state {
	volatile unsigned long turns;
	volatile int line; /* where it failed */
	volatile int error;
} * states;

static struct worker_state *self;
static unsigned random_state;
static time_t until;
static const char *program;

static unsigned chance(unsigned below)
{
	random_state = random_state * 1103515245u + 12345u;
	return (random_state >> 16) % below;
}

/* In a worker: what must hold. */
#define MUST(condition)                        \
	do {                                   \
		errno = 0;                     \
		if (!(condition)) {            \
			self->error = errno;   \
			self->line = __LINE__; \
			_exit(1);              \
		}                              \
	} while (0)

static unsigned char pattern(unsigned seed, size_t at)
{
	return (unsigned char)(seed * 31 + at * 7 + (at >> 8));
}

static pid_t wait_for(pid_t pid, int *status)
{
	pid_t got;

	do
		got = waitpid(pid, status, 0);
	while (got < 0 && errno == EINTR);
	return got;
}

/* --- the kinds of work ------------------------------------------------------------------------ */

/* A child writes to what it has copied: neither may see the other's. */
static void work_fork(void)
{
	static int data[PAGE * 4 / sizeof(int)];
	int value = (int)chance(1000000), status;
	pid_t pid;

	for (size_t i = 0; i < sizeof(data) / sizeof(*data); i += 64)
		data[i] = value;
	pid = fork();
	MUST(pid >= 0);
	if (!pid) {
		for (size_t i = 0; i < sizeof(data) / sizeof(*data); i += 64) {
			if (data[i] != value)
				_exit(9);
			data[i] = getpid();
		}
		_exit(value & 63);
	}
	MUST(wait_for(pid, &status) == pid);
	MUST(WIFEXITED(status) && WEXITSTATUS(status) == (value & 63));
	for (size_t i = 0; i < sizeof(data) / sizeof(*data); i += 64)
		MUST(data[i] == value);
}

static __attribute__((noinline)) pid_t start_program(char *number, unsigned shared)
{
	char *arguments[] = { (char *)(uintptr_t)program, "exit", number, NULL };
	pid_t pid = shared ? vfork() : fork();

	if (!pid) {
		execv(program, arguments);
		_exit(127);
	}
	return pid;
}

static void work_exec(void)
{
	int status, code = (int)chance(100);
	char number[16];
	pid_t pid;

	snprintf(number, sizeof(number), "%d", code);
	pid = start_program(number, chance(2));
	MUST(pid >= 0);
	MUST(wait_for(pid, &status) == pid);
	MUST(WIFEXITED(status) && WEXITSTATUS(status) == code);
}

static volatile int faults;
static unsigned char *volatile fault_page;
static void repair_fault(int number, siginfo_t *info, void *context)
{
	(void)number, (void)context;
	if ((unsigned char *)info->si_addr != fault_page ||
	    mprotect(fault_page, PAGE, PROT_READ | PROT_WRITE))
		_exit(3);
	faults++;
}

/* A second thread reads and writes what is mapped meanwhile: its translations must follow. */
static void *touching(void *argument)
{
	volatile unsigned char *page = argument;

	for (int i = 0; i < 2000; i++)
		page[i % 64] = (unsigned char)(page[i % 64] + 1);
	return NULL;
}

static void work_map(void)
{
	size_t pages = 2 + chance(40), keep = chance((unsigned)pages - 1);
	unsigned seed = chance(1000);
	unsigned char *at =
	    mmap(NULL, pages * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	pthread_t thread;

	MUST(at != MAP_FAILED);
	MUST(pthread_create(&thread, NULL, touching, at + keep * PAGE + 128) == 0);
	for (size_t i = 0; i < pages; i++) {
		MUST(at[i * PAGE] == 0);
		at[i * PAGE] = pattern(seed, i);
	}
	fault_page = at + keep * PAGE;
	faults = 0;
	MUST(mprotect(fault_page + PAGE, PAGE, PROT_NONE) == 0);
	fault_page += PAGE;
	*(volatile unsigned char *)fault_page = *fault_page; /* the handler lets it through */
	MUST(faults == 1);
	MUST(pthread_join(thread, NULL) == 0);
	for (size_t i = 0; i < pages; i++)
		MUST(at[i * PAGE] == pattern(seed, i));
	MUST(munmap(at, pages * PAGE) == 0);
}

/* Each byte must come once and in order, whatever the sizes. */
static void pipe_writer(int fd, unsigned seed, size_t total)
{
	unsigned char buffer[3000];

	for (size_t at = 0; at < total;) {
		size_t count = 1 + chance(sizeof(buffer));
		ssize_t written;

		count = count > total - at ? total - at : count;
		for (size_t i = 0; i < count; i++)
			buffer[i] = pattern(seed, at + i);
		written = write(fd, buffer, count);
		if (written <= 0)
			_exit(5);
		at += (size_t)written;
	}
	_exit(0);
}

static void work_pipe(void)
{
	size_t total = 1 + chance(100000), at = 0;
	unsigned seed = chance(1000);
	unsigned char buffer[2000];
	int ends[2], status;
	ssize_t count;
	pid_t pid;

	MUST(pipe(ends) == 0);
	pid = fork();
	MUST(pid >= 0);
	if (!pid) {
		close(ends[0]);
		pipe_writer(ends[1], seed, total);
	}
	close(ends[1]);
	while ((count = read(ends[0], buffer, 1 + chance(sizeof(buffer)))) > 0) {
		for (ssize_t i = 0; i < count; i++)
			MUST(buffer[i] == pattern(seed, at + (size_t)i));
		at += (size_t)count;
	}
	MUST(count == 0 && at == total);
	close(ends[0]);
	MUST(wait_for(pid, &status) == pid && status == 0);
}

static volatile sig_atomic_t signals_seen;
static void count_signal(int number)
{
	(void)number;
	signals_seen++;
}

/* Ping-pong by signals: none may be lost, so one is sent only when the last was seen. */
static void work_signal(void)
{
	sigset_t block, old;
	pid_t parent = getpid(), pid;
	int status, rounds = 5 + (int)chance(20);

	signals_seen = 0;
	sigemptyset(&block);
	sigaddset(&block, SIGUSR1);
	sigprocmask(SIG_BLOCK, &block, &old);
	pid = fork();
	MUST(pid >= 0);
	for (int i = 0; i < rounds; i++) {
		if (pid)
			MUST(kill(pid, SIGUSR1) == 0);
		while (signals_seen <= i)
			sigsuspend(&old);
		if (!pid)
			kill(parent, SIGUSR1);
	}
	if (!pid)
		_exit(signals_seen == rounds ? 0 : 4);
	MUST(signals_seen == rounds);
	sigprocmask(SIG_SETMASK, &old, NULL);
	MUST(wait_for(pid, &status) == pid && status == 0);
}

/* Killed wherever it is: in a call, in a fault, in between. */
static void work_kill(void)
{
	int ends[2], status;
	pid_t pid;

	MUST(pipe(ends) == 0);
	pid = fork();
	MUST(pid >= 0);
	if (!pid) {
		char byte = 0;

		for (;;) {
			char *at =
			    mmap(NULL, PAGE * 8, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

			memset(at, 1, PAGE * 8);
			write(ends[1], &byte, 1);
			read(ends[0], &byte, 1);
			munmap(at, PAGE * 8);
		}
	}
	if (chance(2))
		usleep(chance(3000));
	MUST(kill(pid, SIGKILL) == 0);
	MUST(wait_for(pid, &status) == pid);
	MUST(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
	close(ends[0]);
	close(ends[1]);
}

static void work_file(void)
{
	size_t size = 1 + chance(60000);
	unsigned char buffer[4096];
	unsigned seed = chance(1000);
	char name[64], other[80];
	struct stat stat;
	int fd;

	snprintf(name, sizeof(name), "%s%d", chance(2) ? "/root/stress." : "/tmp/stress.", getpid());
	snprintf(other, sizeof(other), "%s.moved", name);
	fd = open(name, O_RDWR | O_CREAT | O_EXCL, 0600);
	MUST(fd >= 0);
	for (size_t at = 0; at < size;) {
		size_t count = size - at < sizeof(buffer) ? size - at : sizeof(buffer);

		for (size_t i = 0; i < count; i++)
			buffer[i] = pattern(seed, at + i);
		MUST(write(fd, buffer, count) == (ssize_t)count);
		at += count;
	}
	MUST(rename(name, other) == 0);
	MUST(fstat(fd, &stat) == 0 && stat.st_size == (off_t)size);
	for (size_t at = 0; at < size;) {
		ssize_t count = pread(fd, buffer, sizeof(buffer), (off_t)at);

		MUST(count > 0);
		for (ssize_t i = 0; i < count; i++)
			MUST(buffer[i] == pattern(seed, at + (size_t)i));
		at += (size_t)count;
	}
	MUST(unlink(other) == 0 && close(fd) == 0);
}

/* --- threads ------------------------------------------------------------------------------------ */

#define THREADS 4
#define TICKETS 300

static struct team {
	pthread_mutex_t mutex;
	pthread_cond_t changed;
	int turn, sum;
} team;

/* Each waits for its turn: a wake-up that is lost stops all. */
static void *team_member(void *argument)
{
	int number = (int)(long)argument;

	for (int i = 0; i < TICKETS / THREADS; i++) {
		pthread_mutex_lock(&team.mutex);
		while (team.turn % THREADS != number)
			pthread_cond_wait(&team.changed, &team.mutex);
		team.turn++;
		team.sum += number;
		pthread_cond_broadcast(&team.changed);
		pthread_mutex_unlock(&team.mutex);
	}
	return argument;
}

static void work_threads(void)
{
	pthread_t threads[THREADS];
	void *result;

	team = (struct team){ .mutex = PTHREAD_MUTEX_INITIALIZER, .changed = PTHREAD_COND_INITIALIZER };
	for (long i = 0; i < THREADS; i++)
		MUST(pthread_create(&threads[i], NULL, team_member, (void *)i) == 0);
	for (long i = 0; i < THREADS; i++)
		MUST(pthread_join(threads[i], &result) == 0 && result == (void *)i);
	MUST(team.turn == TICKETS && team.sum == TICKETS / THREADS * (THREADS * (THREADS - 1) / 2));
}

/* A process whose other threads are busy execs, exits or is killed. */
static void *busy_thread(void *argument)
{
	for (;;)
		getppid();
	return argument;
}

static void work_thread_death(void)
{
	unsigned how = chance(3);
	pthread_t thread;
	int status;
	pid_t pid = fork();

	MUST(pid >= 0);
	if (!pid) {
		for (int i = 0; i < 3; i++)
			if (pthread_create(&thread, NULL, busy_thread, NULL))
				_exit(6);
		if (how == 0)
			_exit(42);
		if (how == 1)
			execl(program, program, "exit", "42", (char *)NULL);
		pause();
	}
	if (how == 2) {
		usleep(chance(2000));
		MUST(kill(pid, SIGKILL) == 0);
	}
	MUST(wait_for(pid, &status) == pid);
	MUST(how == 2 ? WIFSIGNALED(status) : WIFEXITED(status) && WEXITSTATUS(status) == 42);
}

static void *hopping(void *argument)
{
	long processors = sysconf(_SC_NPROCESSORS_ONLN);

	for (int i = 0; i < 20; i++) {
		cpu_set_t set;
		double x = i * 1.5;

		CPU_ZERO(&set);
		CPU_SET(i % processors, &set);
		if (sched_setaffinity(0, sizeof(set), &set) || sched_getcpu() != i % processors ||
		    x != i * 1.5)
			return NULL;
	}
	return argument;
}

static void work_hop(void)
{
	pthread_t thread;
	void *result;

	MUST(pthread_create(&thread, NULL, hopping, &team) == 0);
	MUST(pthread_join(thread, &result) == 0 && result == &team);
}

static void (*const works[])(void) = {
	work_fork, work_exec, work_map,     work_pipe,         work_signal,
	work_kill, work_file, work_threads, work_thread_death, work_hop,
};
#define WORKS (int)(sizeof(works) / sizeof(*works))

/* --- all of it -------------------------------------------------------------------------------------- */

static void worker(int number, unsigned seed)
{
	struct sigaction repair = { .sa_sigaction = repair_fault, .sa_flags = SA_SIGINFO };
	struct sigaction counting = { .sa_handler = count_signal };

	self = &states[number];
	random_state = seed + (unsigned)number * 7919;
	sigaction(SIGSEGV, &repair, NULL);
	sigaction(SIGUSR1, &counting, NULL);
	/* Each kind has one that does only that, the others do all. */
	while (time(NULL) < until) {
		works[number < WORKS ? number : (int)chance(WORKS)]();
		self->turns++;
	}
	_exit(0);
}

static long meminfo(const char *name)
{
	char line[128];
	long value = -1;
	FILE *file = fopen("/proc/meminfo", "r");

	while (file && fgets(line, sizeof(line), file))
		if (!strncmp(line, name, strlen(name)))
			value = atol(line + strlen(name));
	if (file)
		fclose(file);
	return value;
}

/* Whether all have ended well; who makes no more turns is named. */
static void watch(const pid_t *pids, int count)
{
	unsigned long *last = calloc((size_t)count, sizeof(*last));
	time_t *moved = calloc((size_t)count, sizeof(*moved));
	int left = count, stuck = 0, bad = 0;

	for (int i = 0; i < count; i++)
		moved[i] = time(NULL);
	while (left && !stuck) {
		int status;
		pid_t pid = waitpid(-1, &status, WNOHANG);

		for (int i = 0; i < count; i++) {
			if (pid > 0 && pids[i] == pid) {
				left--;
				bad += status != 0;
				last[i] = ~0ul;
			} else if (last[i] != ~0ul && states[i].turns != last[i]) {
				last[i] = states[i].turns;
				moved[i] = time(NULL);
			} else if (last[i] != ~0ul && time(NULL) - moved[i] > STUCK) {
				printf("worker %d is stuck after %lu turns\n", i, last[i]);
				stuck++;
			}
		}
		if (pid <= 0)
			usleep(50000);
	}
	CHECK("nobody_is_stuck", stuck == 0);
	CHECK("all_end_well", bad == 0);
}

int main(int argc, char **argv)
{
	int count = WORKS + 4, wrong = 0, idle = 0;
	unsigned seed = argc > 2 ? (unsigned)atoi(argv[2]) : (unsigned)time(NULL);
	pid_t pids[WORKS + 4];
	long before, after = 0;

	if (argc > 2 && !strcmp(argv[1], "exit"))
		return atoi(argv[2]);
	program = argv[0];
	states = mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	NEED(states != MAP_FAILED);
	before = meminfo("MemFree:");
	until = time(NULL) + (argc > 1 ? atoi(argv[1]) : 10);
	for (int i = 0; i < count; i++) {
		pids[i] = fork();
		NEED(pids[i] >= 0);
		if (!pids[i])
			worker(i, seed);
	}
	watch(pids, count);
	for (int i = 0; i < count; i++) {
		if (states[i].line)
			printf("worker %d: line %d, errno %d, turn %lu, seed %u\n", i, states[i].line,
			       states[i].error, states[i].turns, seed);
		wrong += states[i].line != 0;
		idle += !states[i].turns;
		printf("worker %d: %lu turns\n", i, states[i].turns);
	}
	CHECK("every_result_is_right", wrong == 0);
	CHECK("every_worker_has_had_turns", idle == 0);
	for (int i = 0; i < 50 && (after = meminfo("MemFree:")) < before - 8192; i++)
		usleep(100000);
	if (after < before - 8192)
		printf("free: %ld kB before, %ld kB after\n", before, after);
	CHECK("memory_is_given_back", after >= before - 8192);
	return check_result();
}
