/* SPDX-License-Identifier: MIT */
/*
 * effects: what comes of faults for programs that are running. For root, on a system that may be damaged by it.
 *
 *     effects LOAD SERVICE COMMAND...    a cell of the matrix; COMMAND is a line for /proc/service_control
 *     effects constant SECONDS SEED SERVICE...
 *                                        services end behind random numbers of their instructions all the time
 *     effects cost SERVICE COUNT         what a kill costs who waits for the service (cost.c)
 *
 * LOAD is "idle" (one worker, which begins when the service is about to die), "pipeline", "files" or "shell" (that, and
 * others of this kind, which are at work already). A line for the cell: "cell recovered|unreached|failed: what PAUSE_US
 * ...". Workers go on until the service has been restarted and some rounds more.
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

#define WORKERS 3
#define ROUNDS_AFTER 2
#define ROUNDS_LIMIT 6 /* without the fault having come */
#define HANG_S 20      /* that a worker does nothing more */

static const struct place {
	const struct worker *worker;
	const char *parent;
} loads[][WORKERS] = {
	{ { &mixed_worker, "/root" } },
	{ { &mixed_worker, "/root" }, { &pipeline_worker, "/tmp" }, { &pipeline_worker, "/tmp" } },
	{ { &mixed_worker, "/root" }, { &files_worker, "/root" }, { &files_worker, "/tmp" } },
	{ { &mixed_worker, "/root" }, { &shell_worker, "/tmp" } },
};
static const char *const load_names[] = { "idle", "pipeline", "files", "shell" };
#define LOADS (sizeof load_names / sizeof *load_names)
#define CONSTANT_LOAD 2

static struct shared {
	volatile bool stop;
	struct account accounts[WORKERS];
} * shared;
static unsigned count; /* of workers */
static pid_t pids[WORKERS];
static bool hang;

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

/* In a process of its own. */
static void work(const struct place *place, unsigned index)
{
	struct account *account = &shared->accounts[index];
	char directory[64];
	void *work;

	snprintf(directory, sizeof directory, "%s/effects.%d", place->parent, (int)getpid());
	account->began_us = now_us();
	work = place->worker->begin(directory, account);
	while (work && !shared->stop && place->worker->round(work))
		;
	_exit(!work || account->failed || !place->worker->end(work));
}

static void begin(const struct place *places)
{
	memset(shared, 0, sizeof *shared);
	hang = false;
	for (count = 0; count < WORKERS && places[count].worker; count++) {
		shared->accounts[count].began_us = now_us();
		pids[count] = fork();
		if (!pids[count])
			work(&places[count], count);
	}
}

/* Whoever looks at the workers asks services as well. */
static void observer_hangs(int signal)
{
	static const char text[] = "cell failed 0 -; hangs: who asks for the restarts\n";

	_exit(write(1, text, sizeof text - 1) < 0 || signal);
}

static bool hangs(const struct account *account)
{
	hang = hang || now_us() > account->began_us + HANG_S * 1000000ul;
	return hang;
}

/* Until every worker has done that many rounds more, or has failed. */
static void wait_rounds(uint64_t rounds)
{
	uint64_t until[WORKERS];

	for (unsigned i = 0; i < count; i++)
		until[i] = shared->accounts[i].rounds + rounds;
	for (unsigned i = 0; i < count; i++) {
		const struct account *account = &shared->accounts[i];

		alarm(4 * HANG_S);
		while (!account->failed && account->rounds < until[i] && !hangs(account))
			usleep(2000);
	}
}

static bool any_failed(void)
{
	for (unsigned i = 0; i < count; i++)
		if (shared->accounts[i].failed || hangs(&shared->accounts[i]))
			return true;
	return false;
}

static bool ends_well(unsigned index)
{
	int status = -1;
	pid_t pid;

	alarm(4 * HANG_S);
	while ((pid = waitpid(pids[index], &status, WNOHANG)) == 0 && !hangs(&shared->accounts[index]))
		usleep(2000);
	return pid == pids[index] && status == 0;
}

/* What the workers say in the end; the longest pause. */
static const char *finish(uint64_t *pause_us, const char **pause)
{
	static char text[200];
	const char *failure = NULL;

	shared->stop = true;
	*pause_us = 0;
	*pause = "";
	for (unsigned i = 0; i < count; i++) {
		const struct account *a = &shared->accounts[i];

		if (!ends_well(i) || a->failed) {
			snprintf(text, sizeof text, "%s%s",
				 a->failed ? a->failure
				 : hang    ? "hangs behind "
					   : "a process ended by itself behind ",
				 a->failed ? "" : a->last);
			failure = text;
		}
		if (a->longest_us > *pause_us) {
			*pause_us = a->longest_us;
			*pause = a->longest;
		}
	}
	return failure;
}

static bool wait_restart(const char *service, long before)
{
	for (int i = 0; i < ROUNDS_LIMIT && !any_failed(); i++) {
		if (restarts_of(service) > before)
			return true;
		wait_rounds(1);
	}
	return restarts_of(service) > before;
}

static bool cell(unsigned load, const char *service, const char *command)
{
	long before;
	bool reached = false, armed;
	uint64_t pause_us;
	const char *failure, *pause;
	char restart[64];

	alarm(4 * HANG_S);
	before = restarts_of(service);
	if (load) {
		begin(loads[load]);
		wait_rounds(1);
	}
	armed = before >= 0 && control(command);
	if (!load)
		begin(loads[load]);
	if (armed) {
		reached = wait_restart(service, before);
		wait_rounds(ROUNDS_AFTER);
	}
	failure = finish(&pause_us, &pause);
	snprintf(restart, sizeof restart, "kill %s", service);
	if (armed && !reached && !failure)
		control(restart); /* nothing is armed any more */
	printf("cell %s %lu %s; %s\n",
	       failure   ? "failed"
	       : !armed  ? "refused"
	       : reached ? "recovered"
			 : "unreached",
	       (unsigned long)pause_us, *pause ? pause : "-", failure ? failure : "-");
	return !failure;
}

static uint64_t random_from(uint64_t *seed)
{
	*seed = *seed * 6364136223846793005u + 1442695040888963407u;
	return *seed >> 33;
}

static int constant(unsigned seconds, uint64_t seed, int names, char **services)
{
	uint64_t pause_us, rounds = 0, restarts = 0;
	const char *failure, *pause;
	time_t end = time(NULL) + (time_t)seconds;

	for (int i = 0; i < names; i++)
		restarts -= (uint64_t)restarts_of(services[i]);
	begin(loads[CONSTANT_LOAD]);
	while (time(NULL) < end && !any_failed()) {
		char line[64];

		snprintf(line, sizeof line, "step %s %lu", services[random_from(&seed) % (uint64_t)names],
			 1 + random_from(&seed) % 3000);
		control(line); /* it may be counting or dying already */
		usleep(20000);
	}
	failure = finish(&pause_us, &pause);
	for (int i = 0; i < names; i++)
		restarts += (uint64_t)restarts_of(services[i]);
	for (unsigned i = 0; i < count; i++)
		rounds += shared->accounts[i].rounds;
	printf("constant: %lu rounds, %lu restarts, longest pause %lu us (%s): %s\n", (unsigned long)rounds,
	       (unsigned long)restarts, (unsigned long)pause_us, pause, failure ? failure : "each once");
	return failure != NULL;
}

/* COMMAND in one line. */
static int one_cell(unsigned load, const char *service, char **words)
{
	static char command[200];

	for (; *words; words++) {
		strncat(command, *words, sizeof command - strlen(command) - 1);
		if (words[1])
			strncat(command, " ", sizeof command - strlen(command) - 1);
	}
	return !cell(load, service, command);
}

int main(int argc, char **argv)
{
	shared = mmap(NULL, sizeof *shared, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (shared == MAP_FAILED || signal(SIGALRM, observer_hangs) == SIG_ERR)
		return 2;
	if (argc > 4 && !strcmp(argv[1], "constant"))
		return constant((unsigned)atoi(argv[2]), strtoull(argv[3], NULL, 10), argc - 4, argv + 4);
	if (argc == 4 && !strcmp(argv[1], "cost"))
		return cost(argv[2], (unsigned)atoi(argv[3]));
	for (unsigned load = 0; argc > 3 && load < LOADS; load++)
		if (!strcmp(argv[1], load_names[load]))
			return one_cell(load, argv[2], argv + 3);
	fprintf(stderr, "usage: effects LOAD SERVICE COMMAND... | constant SECONDS SEED SERVICE... | cost "
			"SERVICE COUNT\n");
	return 2;
}
