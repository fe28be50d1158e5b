/* SPDX-License-Identifier: MIT */
/* Threads: making one, and two that wait for each other in turn. */
#include "bench.h"
#include <pthread.h>
#include <semaphore.h>

static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t changed = PTHREAD_COND_INITIALIZER;
static int turn; /* 0: the benchmark's, 1: the partner's, 2: the partner is to end */
static sem_t there, back;
static bool ending;
static pthread_t partner;

static void *nothing(void *unused)
{
	return unused;
}

OPERATION(create_join)
{
	pthread_t thread;
	int error = pthread_create(&thread, NULL, nothing, NULL);

	must_be_zero(error);
	if (!error)
		must_be_zero(pthread_join(thread, NULL));
}

static void hand_over(int to)
{
	turn = to;
	pthread_cond_signal(&changed);
	while (turn == to && to != 2)
		pthread_cond_wait(&changed, &mutex);
}

OPERATION(cond)
{
	pthread_mutex_lock(&mutex);
	hand_over(1);
	pthread_mutex_unlock(&mutex);
}

static void *answer_cond(void *unused)
{
	pthread_mutex_lock(&mutex);
	while (turn != 2) {
		while (turn == 0)
			pthread_cond_wait(&changed, &mutex);
		if (turn == 1) {
			turn = 0;
			pthread_cond_signal(&changed);
		}
	}
	pthread_mutex_unlock(&mutex);
	return unused;
}

static void start_cond(void)
{
	turn = 0;
	must_be_zero(pthread_create(&partner, NULL, answer_cond, NULL));
}

static void end_cond(void)
{
	pthread_mutex_lock(&mutex);
	hand_over(2);
	pthread_mutex_unlock(&mutex);
	if (!bench_error)
		pthread_join(partner, NULL);
}

OPERATION(sem)
{
	must(sem_post(&there));
	must(sem_wait(&back));
}

static void *answer_sem(void *unused)
{
	while (sem_wait(&there) == 0 && !ending)
		sem_post(&back);
	return unused;
}

static void start_sem(void)
{
	ending = false;
	must(sem_init(&there, 0, 0));
	must(sem_init(&back, 0, 0));
	must_be_zero(pthread_create(&partner, NULL, answer_sem, NULL));
}

static void end_sem(void)
{
	ending = true;
	sem_post(&there);
	if (!bench_error)
		pthread_join(partner, NULL);
}

static const struct bench table[] = {
	BENCH_AS("pthread_create_join", create_join),
	BENCH_AS("cond_ping_pong", cond, .setup = start_cond, .teardown = end_cond),
	BENCH_AS("sem_ping_pong", sem, .setup = start_sem, .teardown = end_sem),
};

int main(int argc, char **argv)
{
	return bench_main(table, NELEMS(table), argc, argv);
}
