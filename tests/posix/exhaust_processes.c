/* SPDX-License-Identifier: MIT */
/* TEST: timeout=240 */
/* A fork bomb, processes and threads up to a limit: EAGAIN for who does it, and nobody else is hurt. */
#define _GNU_SOURCE
#include <pthread.h>

#include "hostile.h"

#define LIMIT 40
#define MANY 5000

static pid_t children[MANY];

/* Says that it is there, and waits for the end of `held`. */
static void be_child(const int *held, const int *there)
{
	char byte = 0;

	close(held[1]);
	close(there[0]);
	if (write(there[1], &byte, 1) != 1)
		_exit(9);
	close(there[1]);
	_exit(read(held[0], &byte, 1) == 0 ? 7 : 8);
}

/* Whether it could be made. It has its own copies of the pages that it writes before the next one is made: of hundreds that
 * find no page when memory is used up some would have to be killed. */
static int one_child(const int *held, pid_t *pid)
{
	int there[2], said;
	char byte;

	if (pipe(there))
		return 0;
	*pid = fork();
	if (*pid == 0)
		be_child(held, there);
	said = errno;
	close(there[1]);
	if (*pid > 0)
		NEED(read(there[0], &byte, 1) == 1);
	close(there[0]);
	errno = said;
	return *pid > 0;
}

/* Children wait for the end of a pipe. Answers how many could be made. */
static int fork_until_refused(int most, int *error)
{
	int ends[2], made = 0;

	NEED(pipe(ends) == 0);
	*error = 0;
	while (made < most && !*error) {
		if (one_child(ends, &children[made]))
			made++;
		else
			*error = errno;
	}
	close(ends[0]);
	close(ends[1]);
	return made;
}

static int all_reaped(int made)
{
	int good = 0, status;

	for (int i = 0; i < made; i++)
		good += waitpid(children[i], &status, 0) == children[i] && WIFEXITED(status) &&
			WEXITSTATUS(status) == 7;
	return good == made && waitpid(-1, &status, 0) == -1 && errno == ECHILD;
}

/* In a child without privileges, since root has no limit. */
static void limited(void)
{
	struct rlimit processes = { LIMIT, LIMIT };
	int error, made;

	if (setrlimit(RLIMIT_NPROC, &processes) || setgid(HOSTILE_UID) || setuid(HOSTILE_UID))
		_exit(1);
	made = fork_until_refused(LIMIT * 4, &error);
	CHECK("RLIMIT_NPROC: EAGAIN", error == EAGAIN);
	CHECK("RLIMIT_NPROC: as many as allowed", made == LIMIT - 1);
	CHECK("all are reaped", all_reaped(made));
	made = fork_until_refused(LIMIT * 4, &error);
	CHECK("as many again", error == EAGAIN && made == LIMIT - 1);
	CHECK("all are reaped again", all_reaped(made));
	exit(check_result());
}

/* Each child goes on forking; the limit is the only end. */
static void bomb(void)
{
	struct rlimit processes = { LIMIT, LIMIT };

	if (setrlimit(RLIMIT_NPROC, &processes) || setgid(HOSTILE_UID) || setuid(HOSTILE_UID))
		_exit(1);
	for (;;)
		if (fork() < 0)
			usleep(1000);
}

static int ended_well(pid_t pid)
{
	int status = -1;

	return waitpid(pid, &status, 0) == pid && WIFEXITED(status) && WEXITSTATUS(status) == 0;
}

static void check_bomb(void)
{
	pid_t pid = fork();
	int works = 1;

	if (pid == 0)
		bomb();
	for (unsigned i = 0; i < 20; i++) {
		works &= pipe_works();
		sleep_ms(10);
	}
	CHECK("others work beside a fork bomb", works);
	kill_strays();
	sleep_ms(100);
	kill_strays();
	CHECK("the bomb is gone", waitpid(-1, NULL, 0) == -1 && errno == ECHILD);
}

/* Root has no limit but the system's own. */
static void check_all(void)
{
	int error, made = fork_until_refused(MANY, &error);

	printf("# %d processes, then errno %d\n", made, error);
	CHECK("processes until the system has no more",
	      made > 100 && (error == EAGAIN || error == ENOMEM || made == MANY));
	CHECK("all processes are reaped", all_reaped(made));
	CHECK("and processes again", pipe_works());
}

/* --- threads ------------------------------------------------------------------------------------- */

static pthread_mutex_t gate = PTHREAD_MUTEX_INITIALIZER;

static void *wait_at_gate(void *argument)
{
	pthread_mutex_lock(&gate);
	pthread_mutex_unlock(&gate);
	return argument;
}

static void check_threads(void)
{
	static pthread_t threads[3000];
	pthread_attr_t attributes;
	unsigned made = 0, joined = 0;
	int error = 0;
	void *value;

	pthread_attr_init(&attributes);
	pthread_attr_setstacksize(&attributes, 16384);
	pthread_mutex_lock(&gate);
	while (made < 3000 && !error) {
		error = pthread_create(&threads[made], &attributes, wait_at_gate, &gate);
		made += !error;
	}
	pthread_mutex_unlock(&gate);
	for (unsigned i = 0; i < made; i++)
		joined += pthread_join(threads[i], &value) == 0 && value == &gate;
	printf("# %u threads, then errno %d\n", made, error);
	CHECK("threads until there are no more", made >= 100 && (error == EAGAIN || made == 3000));
	CHECK("all are joined", joined == made);
	CHECK("and a thread again", pthread_create(threads, &attributes, wait_at_gate, NULL) == 0 &&
					pthread_join(threads[0], &value) == 0);
}

int main(void)
{
	pid_t pid;

	hostile_setup();
	services_now(services_before);
	fflush(stdout);
	pid = fork();
	if (pid == 0)
		limited();
	CHECK("a user's processes", ended_well(pid));
	check_bomb();
	check_all();
	check_threads();
	check_system("processes ran out");
	return check_result();
}
