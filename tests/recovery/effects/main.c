/* SPDX-License-Identifier: MIT */
/*
 * effects: what comes of faults for programs that are running. For root, on a system that may be damaged by it.
 *
 *     effects LOAD SERVICE COMMAND...    a cell of the matrix: LOAD is "idle" or "load"; COMMAND is a line for
 *                                        /proc/service_control. Several cells are separated by commas
 *     effects constant SECONDS SEED SERVICE...
 *                                        services end behind random numbers of their instructions all the time
 *
 * A line for each: "cell N recovered|unreached|failed: what PAUSE_US ...". Workers go on until the service has been
 * restarted and some rounds more.
 */
#define _GNU_SOURCE
#include "effects.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define ROUNDS_AFTER 3
#define ROUNDS_LIMIT 25 /* without the fault having come */

static struct shared {
	volatile bool stop;
	struct account accounts[WORKERS];
} * shared;

long restarts_of(const char *name)
{
	static char text[16384];
	int fd = open("/proc/services", O_RDONLY);
	size_t length = 0;
	ssize_t n;
	char wanted[40], *line;
	long restarts = -1;

	while (fd >= 0 && (n = read(fd, text + length, sizeof text - 1 - length)) > 0)
		length += (size_t)n;
	close(fd);
	text[length] = 0;
	snprintf(wanted, sizeof wanted, "\n%s ", name);
	line = strstr(text, wanted);
	if (line && sscanf(line, "%*s %*s %*u %*s %ld", &restarts) != 1)
		restarts = -1;
	return restarts;
}

bool control(const char *line)
{
	int fd = open("/proc/service_control", O_WRONLY);
	bool good = fd >= 0 && write(fd, line, strlen(line)) == (ssize_t)strlen(line);
	int error = errno;

	close(fd);
	errno = error;
	return good;
}

static const char *const parents[WORKERS] = { "/root", "/tmp", "/tmp" };

/* In a process of its own. */
static void worker(unsigned index)
{
	struct account *account = &shared->accounts[index];
	char directory[64];
	struct work *work;

	snprintf(directory, sizeof directory, "%s/effects.%d", parents[index], (int)getpid());
	work = work_begin(directory, account);
	while (work && !shared->stop && work_round(work))
		;
	_exit(!work || account->failed || !work_end(work));
}

static void begin(unsigned count, pid_t *pids)
{
	memset(shared, 0, sizeof *shared);
	for (unsigned i = 0; i < count; i++) {
		pids[i] = fork();
		if (!pids[i])
			worker(i);
	}
}

/* Until every worker has done that many rounds more, or has failed. */
static void wait_rounds(unsigned count, uint64_t rounds)
{
	uint64_t until[WORKERS];

	for (unsigned i = 0; i < count; i++)
		until[i] = shared->accounts[i].rounds + rounds;
	for (unsigned i = 0; i < count; i++)
		while (!shared->accounts[i].failed && shared->accounts[i].rounds < until[i])
			usleep(2000);
}

static bool any_failed(unsigned count)
{
	for (unsigned i = 0; i < count; i++)
		if (shared->accounts[i].failed)
			return true;
	return false;
}

/* What the workers say in the end; the longest pause. */
static const char *finish(unsigned count, const pid_t *pids, uint64_t *pause_us, const char **pause)
{
	static char text[200];
	const char *failure = NULL;

	shared->stop = true;
	*pause_us = 0;
	*pause = "";
	for (unsigned i = 0; i < count; i++) {
		const struct account *a = &shared->accounts[i];
		int status = -1;

		if (waitpid(pids[i], &status, 0) != pids[i] || status || a->failed) {
			snprintf(text, sizeof text, "%s",
				 a->failed ? a->failure : "a process ended by itself");
			failure = text;
		}
		if (a->longest_us > *pause_us) {
			*pause_us = a->longest_us;
			*pause = a->longest;
		}
	}
	return failure;
}

static bool wait_restart(const char *service, long before, unsigned count)
{
	for (int i = 0; i < ROUNDS_LIMIT && !any_failed(count); i++) {
		if (restarts_of(service) > before)
			return true;
		wait_rounds(count, 1);
	}
	return restarts_of(service) > before;
}

/* One worker begins when the fault is armed, or all of them are at work when it comes. */
static void cell(unsigned number, bool load, const char *service, const char *command)
{
	unsigned count = load ? WORKERS : 1;
	pid_t pids[WORKERS];
	long before = restarts_of(service);
	bool reached = false, armed;
	uint64_t pause_us;
	const char *failure, *pause;
	char restart[64];

	if (load) {
		begin(count, pids);
		wait_rounds(count, 1);
	}
	armed = before >= 0 && control(command);
	if (!load)
		begin(count, pids);
	if (armed) {
		reached = wait_restart(service, before, count);
		wait_rounds(count, ROUNDS_AFTER);
	}
	failure = finish(count, pids, &pause_us, &pause);
	snprintf(restart, sizeof restart, "kill %s", service);
	if (armed && !reached)
		control(restart); /* nothing is armed any more */
	printf("cell %u %s %lu %s; %s\n", number,
	       failure   ? "failed"
	       : !armed  ? "refused"
	       : reached ? "recovered"
			 : "unreached",
	       (unsigned long)pause_us, *pause ? pause : "-", failure ? failure : "-");
	fflush(stdout);
}

/* Cells of "SERVICE COMMAND", separated by commas. */
static int cells(bool load, int argc, char **argv)
{
	static char line[8192];
	unsigned number = 0;

	for (int i = 0; i < argc; i++) {
		strncat(line, argv[i], sizeof line - strlen(line) - 1);
		strncat(line, " ", sizeof line - strlen(line) - 1);
	}
	for (char *one = strtok(line, ","); one; one = strtok(NULL, ",")) {
		char service[32];
		int at = 0;

		if (sscanf(one, " %31s %n", service, &at) == 1 && at)
			cell(number++, load, service, one + at);
	}
	return 0;
}

static uint64_t random_from(uint64_t *seed)
{
	*seed = *seed * 6364136223846793005u + 1442695040888963407u;
	return *seed >> 33;
}

static int constant(unsigned seconds, uint64_t seed, int count, char **services)
{
	pid_t pids[WORKERS];
	uint64_t pause_us, rounds = 0, restarts = 0;
	const char *failure, *pause;
	time_t end = time(NULL) + (time_t)seconds;

	for (int i = 0; i < count; i++)
		restarts -= (uint64_t)restarts_of(services[i]);
	begin(WORKERS, pids);
	while (time(NULL) < end && !any_failed(WORKERS)) {
		char line[64];

		snprintf(line, sizeof line, "step %s %lu", services[random_from(&seed) % (uint64_t)count],
			 1 + random_from(&seed) % 3000);
		control(line); /* it may be counting or dying already */
		usleep(20000);
	}
	failure = finish(WORKERS, pids, &pause_us, &pause);
	for (int i = 0; i < count; i++)
		restarts += (uint64_t)restarts_of(services[i]);
	for (int i = 0; i < WORKERS; i++)
		rounds += shared->accounts[i].rounds;
	printf("constant: %lu rounds, %lu restarts, longest pause %lu us (%s): %s\n", (unsigned long)rounds,
	       (unsigned long)restarts, (unsigned long)pause_us, pause, failure ? failure : "each once");
	return failure != NULL;
}

int main(int argc, char **argv)
{
	shared = mmap(NULL, sizeof *shared, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (shared == MAP_FAILED)
		return 2;
	if (argc > 4 && !strcmp(argv[1], "constant"))
		return constant((unsigned)atoi(argv[2]), strtoull(argv[3], NULL, 10), argc - 4, argv + 4);
	if (argc > 3 && (!strcmp(argv[1], "idle") || !strcmp(argv[1], "load")))
		return cells(argv[1][0] == 'l', argc - 2, argv + 2);
	fprintf(stderr, "usage: effects idle|load SERVICE COMMAND... | constant SECONDS SEED SERVICE...\n");
	return 2;
}
