/* SPDX-License-Identifier: MIT */
/* TEST: stock */
/* Timers with the shortest of intervals, whose signals are taken, blocked, ignored or not asked for. */
#define _GNU_SOURCE
#include <sys/time.h>
#include <sys/timerfd.h>

#include "hostile.h"

#define TIMERS 32

static volatile unsigned taken;

static void take(int signal)
{
	(void)signal;
	taken++;
}

static void start_timers(int notify, int signal)
{
	struct itimerspec nanosecond = { { 0, 1 }, { 0, 1 } };

	for (unsigned i = 0; i < TIMERS; i++) {
		struct sigevent event = { .sigev_notify = notify, .sigev_signo = signal };
		timer_t timer;

		if (timer_create(CLOCK_MONOTONIC, &event, &timer) ||
		    timer_settime(timer, 0, &nanosecond, NULL))
			_exit(1);
	}
}

static void taking(void)
{
	signal(SIGUSR1, take);
	start_timers(SIGEV_SIGNAL, SIGUSR1);
}

static void blocking(void)
{
	sigset_t set;

	sigfillset(&set);
	sigprocmask(SIG_BLOCK, &set, NULL);
	start_timers(SIGEV_SIGNAL, SIGRTMIN + 1);
}

static void ignoring(void)
{
	signal(SIGUSR1, SIG_IGN);
	start_timers(SIGEV_SIGNAL, SIGUSR1);
}

static void asking_for_none(void)
{
	start_timers(SIGEV_NONE, 0);
}

static void interval_timers(void)
{
	struct itimerval microsecond = { { 0, 1 }, { 0, 1 } };

	for (int which = 0; which < 3; which++) {
		signal(SIGALRM, take);
		signal(SIGVTALRM, take);
		signal(SIGPROF, take);
		if (setitimer(which, &microsecond, NULL))
			_exit(1);
	}
}

static void descriptors(void)
{
	struct itimerspec nanosecond = { { 0, 1 }, { 0, 1 } };

	for (unsigned i = 0; i < TIMERS; i++)
		if (timerfd_settime(timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK), 0, &nanosecond, NULL))
			_exit(1);
}

static void forever(void)
{
	struct itimerspec never = { { 0, 0 }, { 0x7fffffffffffffff, 999999999 } };
	struct sigevent event = { .sigev_notify = SIGEV_SIGNAL, .sigev_signo = SIGUSR1 };
	timer_t timer;

	if (timer_create(CLOCK_MONOTONIC, &event, &timer) ||
	    timer_settime(timer, TIMER_ABSTIME, &never, NULL) || timer_settime(timer, 0, &never, NULL))
		_exit(1);
}

static int works_beside(void (*start)(void))
{
	struct timespec before, after;
	int good = 1, status = -1;
	pid_t pid;

	fflush(stdout);
	pid = fork();
	if (pid == 0) {
		start();
		for (;;)
			pause();
	}
	clock_gettime(CLOCK_MONOTONIC, &before);
	for (unsigned i = 0; i < 20; i++) {
		good &= pipe_works();
		sleep_ms(5);
	}
	clock_gettime(CLOCK_MONOTONIC, &after);
	if (after.tv_sec - before.tv_sec > 15)
		good = 0;
	kill(pid, SIGKILL);
	return good && waitpid(pid, &status, 0) == pid && WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL;
}

int main(void)
{
	hostile_setup();
	services_now(services_before);
	CHECK("signals that are taken", works_beside(taking));
	CHECK("signals that are blocked", works_beside(blocking));
	CHECK("signals that are ignored", works_beside(ignoring));
	CHECK("no signals", works_beside(asking_for_none));
	CHECK("interval timers", works_beside(interval_timers));
	CHECK("timers as descriptors", works_beside(descriptors));
	CHECK("a time that never comes", works_beside(forever));
	check_system("wild timers");
	return check_result();
}
