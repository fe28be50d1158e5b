/* SPDX-License-Identifier: MIT */
/* What a compiled program leans on: threads, signals, long jumps, floating point, varargs, processes. */
#include <errno.h>
#include <math.h>
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

static jmp_buf back;
static volatile sig_atomic_t seen;
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static long shared;

static void expect(int good, const char *what)
{
	if (!good) {
		printf("not so: %s\n", what);
		exit(1);
	}
}

static void handler(int sig)
{
	seen = sig;
}

static void *adder(void *turns)
{
	for (long i = 0; i < (long)turns; i++) {
		pthread_mutex_lock(&lock);
		shared++;
		pthread_mutex_unlock(&lock);
	}
	return turns;
}

static double sum(int count, ...)
{
	double total = 0;
	va_list list;

	va_start(list, count);
	while (count--)
		total += va_arg(list, double);
	va_end(list);
	return total;
}

static void threads(void)
{
	pthread_t thread[4];
	void *answer;

	for (int i = 0; i < 4; i++)
		expect(!pthread_create(&thread[i], NULL, adder, (void *)5000), "a thread is made");
	for (int i = 0; i < 4; i++) {
		expect(!pthread_join(thread[i], &answer), "a thread is joined");
		expect((long)answer == 5000, "a thread's answer");
	}
	expect(shared == 20000, "nothing lost under the mutex");
}

static int compare(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

int main(int argc, char **argv)
{
	char text[64], *words[] = { "pear", "apple", "fig" };
	int status;
	pid_t child;

	(void)argc, (void)argv;
	threads();
	signal(SIGUSR1, handler);
	raise(SIGUSR1);
	expect(seen == SIGUSR1, "a signal is handled");
	if (!setjmp(back))
		longjmp(back, 5);
	snprintf(text, sizeof(text), "%.3f %Lg %lld %s", sqrt(2), 0.5L, -1LL, strerror(ENOENT));
	expect(!strcmp(text, "1.414 0.5 -1 No such file or directory"), text);
	expect(sum(3, 1.5, 2.5, -1.0) == 3.0, "variable arguments");
	qsort(words, 3, sizeof(words[0]), compare);
	expect(!strcmp(words[0], "apple") && !strcmp(words[2], "pear"), "qsort");
	child = fork();
	if (child == 0)
		_exit(11);
	expect(waitpid(child, &status, 0) == child && WEXITSTATUS(status) == 11, "a child's status");
	puts("all as expected");
	return 0;
}
