/* SPDX-License-Identifier: MIT */
/* Clocks, sleeping, timers. */
#define _GNU_SOURCE
#include <signal.h>
#include <sys/resource.h>
#include <sys/time.h>
#include <sys/times.h>
#include <time.h>
#include <unistd.h>

#include "check.h"

static volatile sig_atomic_t fired, value, overruns;

static void note(int signal, siginfo_t *info, void *context)
{
	(void)signal, (void)context;
	fired++;
	value = info->si_value.sival_int;
	overruns += info->si_overrun;
}

static long now_ms(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

static void test_clocks(void)
{
	struct timespec a, b;
	struct timeval tv;
	long start = now_ms();
	int backwards = 0;

	clock_gettime(CLOCK_MONOTONIC, &a);
	for (int i = 0; i < 10000; i++) {
		clock_gettime(CLOCK_MONOTONIC, &b);
		backwards += b.tv_sec < a.tv_sec || (b.tv_sec == a.tv_sec && b.tv_nsec < a.tv_nsec);
		a = b;
	}
	CHECK("monotonic", backwards == 0);
	CHECK("realtime", time(NULL) > 1700000000);
	gettimeofday(&tv, NULL);
	CHECK("clocks_agree", labs(tv.tv_sec - time(NULL)) <= 1);
	CHECK("resolution", clock_getres(CLOCK_REALTIME, &a) == 0 && a.tv_sec == 0 && a.tv_nsec == 1);
	CHECK_ERROR("bad_clock", clock_gettime(99, &a), EINVAL);
	usleep(50000);
	CHECK("usleep", now_ms() - start >= 50 && now_ms() - start < 2000);
	clock_gettime(CLOCK_MONOTONIC, &a);
	a.tv_nsec += 30000000;
	if (a.tv_nsec >= 1000000000)
		a.tv_sec++, a.tv_nsec -= 1000000000;
	start = now_ms();
	CHECK("absolute_sleep",
	      clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &a, NULL) == 0 && now_ms() - start >= 29);
	a.tv_nsec = 2000000000;
	CHECK("bad_sleep", clock_nanosleep(CLOCK_MONOTONIC, 0, &a, NULL) == EINVAL);
}

static void test_cpu_time(void)
{
	struct timespec a, b;
	struct rusage usage;
	struct tms tms;

	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &a);
	for (volatile int i = 0; i < 20000000; i++)
		;
	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &b);
	CHECK("cpu_time", b.tv_sec > a.tv_sec || b.tv_nsec > a.tv_nsec);
	CHECK("rusage", getrusage(RUSAGE_SELF, &usage) == 0 &&
			    usage.ru_utime.tv_sec * 1000000 + usage.ru_utime.tv_usec > 0);
	CHECK("times", times(&tms) != (clock_t)-1 && tms.tms_utime > 0);
}

static void test_itimer(void)
{
	struct itimerval set = { { 0, 20000 }, { 0, 20000 } }, old;
	long start = now_ms();

	fired = 0;
	CHECK("setitimer", setitimer(ITIMER_REAL, &set, NULL) == 0);
	while (fired < 5)
		pause();
	CHECK("itimer_repeats", now_ms() - start >= 95 && now_ms() - start < 3000);
	memset(&set, 0, sizeof(set));
	CHECK("itimer_off", setitimer(ITIMER_REAL, &set, &old) == 0 && old.it_interval.tv_usec == 20000);
	CHECK("alarm", alarm(10) == 0 && alarm(0) == 10);
	signal(SIGVTALRM, SIG_IGN);
	set.it_value.tv_usec = 30000;
	fired = 0;
	sigaction(SIGVTALRM, &(struct sigaction){ .sa_sigaction = note, .sa_flags = SA_SIGINFO }, NULL);
	setitimer(ITIMER_VIRTUAL, &set, NULL);
	for (volatile long i = 0; i < 4000000000 && !fired; i++)
		;
	CHECK("virtual_timer", fired == 1);
}

static void test_posix_timer(void)
{
	struct sigevent event = { .sigev_notify = SIGEV_SIGNAL,
				  .sigev_signo = SIGALRM,
				  .sigev_value.sival_int = 55 };
	struct itimerspec set = { { 0, 10000000 }, { 0, 10000000 } }, left;
	timer_t timer;

	CHECK("timer_create", timer_create(CLOCK_MONOTONIC, &event, &timer) == 0);
	fired = 0;
	CHECK("timer_settime", timer_settime(timer, 0, &set, NULL) == 0);
	while (fired < 3)
		pause();
	CHECK("timer_value", value == 55);
	CHECK("timer_gettime", timer_gettime(timer, &left) == 0 && left.it_interval.tv_nsec == 10000000 &&
				   left.it_value.tv_nsec <= 10000000 && left.it_value.tv_nsec > 0);
	CHECK("timer_delete", timer_delete(timer) == 0);
	CHECK_ERROR("timer_gone", timer_gettime(timer, &left), EINVAL);
}

int main(void)
{
	sigaction(SIGALRM, &(struct sigaction){ .sa_sigaction = note, .sa_flags = SA_SIGINFO }, NULL);
	test_clocks();
	test_cpu_time();
	test_itimer();
	test_posix_timer();
	return check_result();
}
