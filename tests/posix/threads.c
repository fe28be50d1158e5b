/* SPDX-License-Identifier: MIT */
/* Threads: creation, mutexes, conditions, cancellation, signals to a thread, robust mutexes. */
#define _GNU_SOURCE
#include <pthread.h>
#include <semaphore.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "check.h"

static void *identity(void *argument)
{
	return argument;
}

static void test_create(void)
{
	pthread_t threads[20];
	void *result;
	int wrong = 0;

	for (long i = 0; i < 20; i++)
		NEED(pthread_create(&threads[i], NULL, identity, (void *)i) == 0);
	for (long i = 0; i < 20; i++)
		wrong += pthread_join(threads[i], &result) || result != (void *)i;
	CHECK("twenty_threads", wrong == 0);
	for (long i = 0; i < 300; i++) {
		wrong += pthread_create(&threads[0], NULL, identity, (void *)i) != 0;
		wrong += pthread_join(threads[0], &result) || result != (void *)i;
	}
	CHECK("three_hundred_in_turn", wrong == 0);
}

static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
static long counter;
static __thread int own = 3;

static void *add(void *argument)
{
	(void)argument;
	for (int i = 0; i < 20000; i++) {
		pthread_mutex_lock(&mutex);
		counter++;
		pthread_mutex_unlock(&mutex);
	}
	return (void *)(long)own++;
}

static void test_mutex(void)
{
	pthread_t threads[4];
	void *result;

	for (int i = 0; i < 4; i++)
		pthread_create(&threads[i], NULL, add, NULL);
	for (int i = 0; i < 4; i++) {
		pthread_join(threads[i], &result);
		NEED(result == (void *)3);
	}
	CHECK("mutex", counter == 80000);
	CHECK("thread_local", own == 3);
}

static sem_t ping, pong;
static void *ponging(void *argument)
{
	for (int i = 0; i < 1000; i++) {
		sem_wait(&ping);
		sem_post(&pong);
	}
	return argument;
}

static void test_semaphore(void)
{
	struct timespec soon;
	pthread_t thread;

	sem_init(&ping, 0, 0);
	sem_init(&pong, 0, 0);
	pthread_create(&thread, NULL, ponging, NULL);
	for (int i = 0; i < 1000; i++) {
		sem_post(&ping);
		sem_wait(&pong);
	}
	pthread_join(thread, NULL);
	CHECK("ping_pong", 1);
	clock_gettime(CLOCK_REALTIME, &soon);
	soon.tv_nsec += 30000000;
	if (soon.tv_nsec >= 1000000000)
		soon.tv_sec++, soon.tv_nsec -= 1000000000;
	CHECK_ERROR("sem_timedwait", sem_timedwait(&ping, &soon), ETIMEDOUT);
}

static pthread_cond_t condition = PTHREAD_COND_INITIALIZER;
static int turn;
static void *waiting(void *argument)
{
	pthread_mutex_lock(&mutex);
	while (turn < 1)
		pthread_cond_wait(&condition, &mutex);
	turn++;
	pthread_mutex_unlock(&mutex);
	return argument;
}

static void test_condition(void)
{
	pthread_t threads[5];

	for (int i = 0; i < 5; i++)
		pthread_create(&threads[i], NULL, waiting, NULL);
	usleep(20000);
	pthread_mutex_lock(&mutex);
	turn = 1;
	pthread_cond_broadcast(&condition);
	pthread_mutex_unlock(&mutex);
	for (int i = 0; i < 5; i++)
		pthread_join(threads[i], NULL);
	CHECK("broadcast", turn == 6);
}

static int pipe_ends[2], cleaned;
static void clean(void *argument)
{
	(void)argument;
	cleaned++;
}

static void *reading(void *argument)
{
	char byte;

	pthread_cleanup_push(clean, NULL);
	read(pipe_ends[0], &byte, 1);
	pthread_cleanup_pop(0);
	return argument;
}

static void *sleeping(void *argument)
{
	pthread_cleanup_push(clean, NULL);
	sleep(100);
	pthread_cleanup_pop(0);
	return argument;
}

static void *spinning(void *argument)
{
	pthread_setcanceltype(PTHREAD_CANCEL_ASYNCHRONOUS, NULL);
	for (volatile long i = 0;; i++)
		;
	return argument;
}

static void cancel_one(const char *name, void *(*start)(void *), unsigned delay)
{
	pthread_t thread;
	void *result;

	pthread_create(&thread, NULL, start, NULL);
	usleep(delay);
	pthread_cancel(thread);
	pthread_join(thread, &result);
	CHECK(name, result == PTHREAD_CANCELED);
}

static void test_cancel(void)
{
	NEED(pipe(pipe_ends) == 0);
	cancel_one("cancel_in_read", reading, 20000);
	cancel_one("cancel_in_sleep", sleeping, 20000);
	cancel_one("cancel_before_read", reading, 0);
	cancel_one("cancel_spinning", spinning, 20000);
	CHECK("cleanup_ran", cleaned == 3);
}

static volatile pid_t signalled;
static void note_thread(int signal)
{
	(void)signal;
	signalled = gettid();
}

static volatile pid_t other_tid;
static void *signal_waiter(void *argument)
{
	other_tid = gettid();
	while (!signalled)
		usleep(1000);
	return argument;
}

static void test_thread_signals(void)
{
	pthread_t thread;

	signal(SIGUSR1, note_thread);
	pthread_create(&thread, NULL, signal_waiter, NULL);
	while (!other_tid)
		usleep(1000);
	pthread_kill(thread, SIGUSR1);
	pthread_join(thread, NULL);
	CHECK("pthread_kill", signalled == other_tid && other_tid != getpid());
}

static pthread_mutex_t *robust;
static void test_robust(void)
{
	pthread_mutexattr_t attributes;
	pid_t pid;

	robust = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	pthread_mutexattr_init(&attributes);
	pthread_mutexattr_setrobust(&attributes, PTHREAD_MUTEX_ROBUST);
	pthread_mutexattr_setpshared(&attributes, PTHREAD_PROCESS_SHARED);
	pthread_mutex_init(robust, &attributes);
	pid = fork();
	if (!pid) {
		pthread_mutex_lock(robust);
		pthread_exit(NULL);
	}
	waitpid(pid, NULL, 0);
	CHECK("robust_mutex", pthread_mutex_lock(robust) == EOWNERDEAD);
}

static void *exiting(void *argument)
{
	(void)argument;
	exit(7);
}

static void *executing(void *argument)
{
	execl("/bin/sh", "sh", "-c", "exit 9", (char *)NULL);
	return argument;
}

static int child_with_thread(void *(*start)(void *))
{
	pthread_t thread;
	pid_t pid = fork();
	int status = -1;

	if (!pid) {
		pthread_create(&thread, NULL, start, NULL);
		pause();
		_exit(1);
	}
	waitpid(pid, &status, 0);
	return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

static void *leaving(void *argument)
{
	usleep(30000);
	return argument;
}

static const char *self;

static void leave(void)
{
	pthread_t thread;

	pthread_create(&thread, NULL, leaving, NULL);
	pthread_exit(NULL);
}

static void test_process(void)
{
	pid_t pid;
	int status;

	CHECK("exit_from_thread", child_with_thread(exiting) == 7);
	CHECK("exec_from_thread", child_with_thread(executing) == 9);
	/* A fresh program: musl's main thread can end by itself only where it did not come from fork. */
	pid = fork();
	if (!pid) {
		execl(self, self, "leave", (char *)NULL);
		_exit(1);
	}
	waitpid(pid, &status, 0);
	CHECK("last_thread_ends_process", WIFEXITED(status) && WEXITSTATUS(status) == 0);
}

int main(int argc, char **argv)
{
	self = argv[0];
	if (argc > 1)
		leave();
	test_create();
	test_mutex();
	test_semaphore();
	test_condition();
	test_cancel();
	test_thread_signals();
	test_robust();
	test_process();
	return check_result();
}
