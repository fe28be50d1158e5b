/* SPDX-License-Identifier: MIT */
/* Clocks, read from the page that the kernel keeps; sleeping; interval timers. */
#include "libposix.h"

#include <proto/pm.h>

#define NSEC 1000000000ull

enum {
	CLOCK_REALTIME,
	CLOCK_MONOTONIC,
	CLOCK_PROCESS_CPUTIME_ID,
	CLOCK_THREAD_CPUTIME_ID,
	CLOCK_MONOTONIC_RAW,
	CLOCK_REALTIME_COARSE,
	CLOCK_MONOTONIC_COARSE,
	CLOCK_BOOTTIME,
	CLOCK_REALTIME_ALARM,
	CLOCK_BOOTTIME_ALARM,
};
#define TIMER_ABSTIME 1

static inline uint64_t read_clock(uint64_t *realtime_offset)
{
	const struct time_page *page = (struct time_page *)TIME_PAGE;
	uint32_t sequence, low, high;
	uint64_t ns;

	do {
		sequence = page->sequence;
		__asm__ volatile("rdtsc" : "=a"(low), "=d"(high) : : "memory");
		ns = page->base_ns +
		     (uint64_t)((unsigned __int128)(((uint64_t)high << 32 | low) - page->base_tsc) *
				    page->multiplier >>
				32);
		*realtime_offset = page->realtime_offset_ns;
		__asm__ volatile("" : : : "memory");
	} while (sequence & 1 || sequence != page->sequence);
	return ns;
}

uint64_t lp_monotonic(void)
{
	uint64_t offset;

	return read_clock(&offset);
}

uint64_t lp_realtime(void)
{
	uint64_t offset, now = read_clock(&offset);

	return now + offset;
}

static struct lp_timespec timespec(uint64_t ns)
{
	return (struct lp_timespec){ (int64_t)(ns / NSEC), (int64_t)(ns % NSEC) };
}

static struct lp_timeval timeval(uint64_t ns)
{
	return (struct lp_timeval){ (int64_t)(ns / NSEC), (int64_t)(ns % NSEC / 1000) };
}

static long timeval_ns(const struct lp_timeval *time)
{
	int64_t seconds = time->seconds, microseconds = time->microseconds;

	if (seconds < 0 || (uint64_t)microseconds >= 1000000)
		return -EINVAL;
	if (seconds > 9000000000)
		return INT64_MAX;
	return (long)((uint64_t)seconds * NSEC) + microseconds * 1000;
}

static uint64_t cpu_time(int64_t which)
{
	struct pm_times_req request = { .which = which, .tid = tb()->tid };
	struct pm_times_reply reply;
	struct process_times times = {};
	struct call_options options = { .out = &times, .out_length = sizeof(times) };

	pm_call_times(PROC_SLOT_PM, &options, &request, &reply);
	return times.user_ns + times.system_ns;
}

/* CPU-time clock of another process (clock_getcpuclockid): ~pid << 3 | 2. */
static long other_cpu_clock(int32_t clock, uint64_t *ns)
{
	int32_t id = ~(clock >> 3);

	if ((clock & 3) != 2 || id < 0)
		return -EINVAL;
	if (clock & 4) {
		*ns = cpu_time(1);
		return id == 0 || id == (int32_t)tb()->tid ? 0 : -EINVAL;
	}
	*ns = cpu_time(0);
	return id == 0 || id == tb()->pid ? 0 : -EINVAL;
}

static long clock_ns(int32_t clock, uint64_t *ns)
{
	switch (clock) {
	case CLOCK_REALTIME:
	case CLOCK_REALTIME_COARSE:
	case CLOCK_REALTIME_ALARM: *ns = lp_realtime(); return 0;
	case CLOCK_MONOTONIC:
	case CLOCK_MONOTONIC_RAW:
	case CLOCK_MONOTONIC_COARSE:
	case CLOCK_BOOTTIME:
	case CLOCK_BOOTTIME_ALARM: *ns = lp_monotonic(); return 0;
	case CLOCK_PROCESS_CPUTIME_ID: *ns = cpu_time(0); return 0;
	case CLOCK_THREAD_CPUTIME_ID: *ns = cpu_time(1); return 0;
	}
	return clock < 0 ? other_cpu_clock(clock, ns) : -EINVAL;
}

long lp_clock_gettime(uint64_t clock, uint64_t time)
{
	uint64_t ns, offset;
	long error = 0;

	if (__builtin_expect(clock <= CLOCK_MONOTONIC, 1)) {
		ns = read_clock(&offset);
		if (clock == CLOCK_REALTIME)
			ns += offset;
	} else {
		error = clock_ns((int32_t)clock, &ns);
	}
	if (!error)
		*(struct lp_timespec *)time = timespec(ns);
	return error;
}

long lp_clock_getres(uint64_t clock, uint64_t time)
{
	uint64_t ns;
	long error = clock_ns((int32_t)clock, &ns);

	if (!error && time)
		*(struct lp_timespec *)time = timespec(1);
	return error;
}

long lp_gettimeofday(uint64_t time, uint64_t zone)
{
	if (time)
		*(struct lp_timeval *)time = timeval(lp_realtime());
	if (zone)
		memset((void *)zone, 0, 8);
	return 0;
}

long lp_time(uint64_t time)
{
	int64_t seconds = (int64_t)(lp_realtime() / NSEC);

	if (time)
		*(int64_t *)time = seconds;
	return seconds;
}

static long set_clock(long ns)
{
	struct pm_clock_set_req request = { .realtime_ns = (uint64_t)ns };
	struct pm_clock_set_reply reply;

	return ns < 0 ? ns : pm_call_clock_set(PROC_SLOT_PM, NULL, &request, &reply);
}

long lp_clock_settime(uint64_t clock, uint64_t time)
{
	return clock == CLOCK_REALTIME ? set_clock(lp_timespec_ns((struct lp_timespec *)time)) : -EINVAL;
}

long lp_settimeofday(uint64_t time, uint64_t zone)
{
	(void)zone;
	return time ? set_clock(timeval_ns((struct lp_timeval *)time)) : 0;
}

/* --- sleeping --------------------------------------------------------------------------------------- */
static long sleep_until(uint64_t deadline, uint64_t left)
{
	long status = lp_sleepy_raw(KCALL_sleep, deadline, 0, 0, 0, 0, 0);
	uint64_t now;

	if (status != -EINTR)
		return 0;
	now = lp_monotonic();
	if (left)
		*(struct lp_timespec *)left = timespec(deadline > now ? deadline - now : 0);
	return now < deadline ? -EINTR : 0;
}

long lp_nanosleep(uint64_t time, uint64_t left)
{
	long ns = lp_timespec_ns((struct lp_timespec *)time);

	if (ns < 0)
		return ns;
	return lp_deadline_end(sleep_until(lp_deadline((uint64_t)ns), left));
}

static long sleep_absolute(int32_t clock, uint64_t ns)
{
	uint64_t offset;

	read_clock(&offset);
	if (clock == CLOCK_REALTIME)
		ns = ns > offset ? ns - offset : 0;
	return sleep_until(ns, 0);
}

long lp_clock_nanosleep(uint64_t clock, uint64_t flags, uint64_t time, uint64_t left)
{
	long ns = lp_timespec_ns((struct lp_timespec *)time);

	if (clock == CLOCK_THREAD_CPUTIME_ID || clock > CLOCK_BOOTTIME_ALARM)
		return -EINVAL;
	if (clock != CLOCK_REALTIME && clock != CLOCK_MONOTONIC && clock != CLOCK_BOOTTIME)
		return -EOPNOTSUPP;
	if (ns < 0)
		return ns;
	if (flags & TIMER_ABSTIME)
		return sleep_absolute((int32_t)clock, (uint64_t)ns);
	return lp_deadline_end(sleep_until(lp_deadline((uint64_t)ns), left));
}

/* --- interval timers ------------------------------------------------------------------------------------ */
struct itimerval {
	struct lp_timeval interval, value;
};

static long itimer(uint64_t which, bool set, long value, long interval, struct itimerval *old)
{
	struct pm_itimer_req request = {
		.which = which,
		.set = set,
		.value_ns = (uint64_t)value,
		.interval_ns = (uint64_t)interval,
	};
	struct pm_itimer_reply reply;
	long status;

	if (value < 0 || interval < 0)
		return -EINVAL;
	status = pm_call_itimer(PROC_SLOT_PM, NULL, &request, &reply);
	if (!status && old)
		*old = (struct itimerval){ timeval(reply.interval_ns), timeval(reply.value_ns) };
	return status;
}

long lp_getitimer(uint64_t which, uint64_t old)
{
	return itimer((uint32_t)which, false, 0, 0, (struct itimerval *)old);
}

long lp_setitimer(uint64_t which, uint64_t new, uint64_t old)
{
	const struct itimerval *set = (struct itimerval *)new;

	if (!new)
		return itimer((uint32_t)which, true, 0, 0, (struct itimerval *)old);
	return itimer((uint32_t)which, true, timeval_ns(&set->value), timeval_ns(&set->interval),
		      (struct itimerval *)old);
}

long lp_alarm(uint64_t seconds)
{
	struct itimerval old;
	long status = itimer(0, true, (long)((uint32_t)seconds * NSEC), 0, &old);

	if (status)
		return status;
	/* A second that has begun counts whole, and a timer that runs is never 0. */
	return old.value.seconds +
	       (old.value.microseconds >= 500000 || (!old.value.seconds && old.value.microseconds));
}

/* --- timer_create ------------------------------------------------------------------------------------------ */
struct itimerspec {
	struct lp_timespec interval, value;
};

struct sigevent {
	uint64_t value;
	int32_t signal, notify, tid;
};
#define SIGALRM 14

long lp_timer_create(uint64_t clock, uint64_t event, uint64_t id)
{
	const struct sigevent *how = (struct sigevent *)event;
	struct pm_timer_create_req request = { .clock = (uint32_t)clock, .signal = SIGALRM, .tid = ~0ull };
	struct pm_timer_create_reply reply;
	long status;

	lp_writable((void *)id, 4);
	if (how) {
		request.notify = (uint32_t)how->notify;
		request.signal = (uint32_t)how->signal;
		request.value = how->value;
		request.tid = (uint32_t)how->tid;
	}
	status = pm_call_timer_create(PROC_SLOT_PM, NULL, &request, &reply);
	if (status >= 0)
		*(uint32_t *)id = (uint32_t)reply.id;
	return status;
}

long lp_timer_settime(uint64_t id, uint64_t flags, uint64_t new, uint64_t old)
{
	const struct itimerspec *set = (struct itimerspec *)new;
	struct pm_timer_set_req request = { .id = (uint32_t)id, .flags = flags };
	struct pm_timer_set_reply reply;
	long value, interval, status;

	if (!new)
		return -EINVAL;
	value = lp_timespec_ns(&set->value);
	interval = lp_timespec_ns(&set->interval);
	if (value < 0 || interval < 0)
		return -EINVAL;
	request.value_ns = (uint64_t)value;
	request.interval_ns = (uint64_t)interval;
	status = pm_call_timer_set(PROC_SLOT_PM, NULL, &request, &reply);
	if (!status && old)
		*(struct itimerspec *)old =
		    (struct itimerspec){ timespec(reply.interval_ns), timespec(reply.value_ns) };
	return status;
}

static long timer_get(uint64_t id, struct pm_timer_get_reply *reply)
{
	struct pm_timer_get_req request = { .id = (uint32_t)id };

	return pm_call_timer_get(PROC_SLOT_PM, NULL, &request, reply);
}

long lp_timer_gettime(uint64_t id, uint64_t now)
{
	struct pm_timer_get_reply reply;
	long status = timer_get(id, &reply);

	if (!status)
		*(struct itimerspec *)now =
		    (struct itimerspec){ timespec(reply.interval_ns), timespec(reply.value_ns) };
	return status;
}

long lp_timer_getoverrun(uint64_t id)
{
	struct pm_timer_get_reply reply;
	long status = timer_get(id, &reply);

	return status ? status : (long)reply.overrun;
}

long lp_timer_delete(uint64_t id)
{
	struct pm_timer_delete_req request = { .id = (uint32_t)id };
	struct pm_timer_delete_reply reply;

	return pm_call_timer_delete(PROC_SLOT_PM, NULL, &request, &reply);
}
