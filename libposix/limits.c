/* SPDX-License-Identifier: MIT */
/* Resource limits, usage, priorities. */
#include "libposix.h"

#include <proto/pm.h>

#define NSEC 1000000000ull

static long limit(int64_t pid, uint64_t resource, const uint64_t *new, uint64_t *old)
{
	struct pm_limit_req request = { .pid = pid, .resource = (uint32_t)resource };
	struct pm_limit_reply reply;
	long status;

	if (new) {
		request.set = 1;
		request.soft = new[0];
		request.hard = new[1];
	}
	status = pm_call_limit(PROC_SLOT_PM, NULL, &request, &reply);
	if (!status && old) {
		old[0] = reply.soft;
		old[1] = reply.hard;
	}
	return status;
}

long lp_getrlimit(uint64_t resource, uint64_t old)
{
	return limit(0, resource, NULL, (uint64_t *)old);
}

long lp_setrlimit(uint64_t resource, uint64_t new)
{
	return limit(0, resource, (uint64_t *)new, NULL);
}

long lp_prlimit64(uint64_t pid, uint64_t resource, uint64_t new, uint64_t old)
{
	return limit((int32_t)pid, resource, (uint64_t *)new, (uint64_t *)old);
}

/* struct rusage: two times, then 14 numbers. */
void lp_fill_rusage(void *to, uint64_t user_ns, uint64_t system_ns, const struct process_times *times)
{
	int64_t *usage = to;

	memset(usage, 0, 144);
	usage[0] = (int64_t)(user_ns / NSEC);
	usage[1] = (int64_t)(user_ns % NSEC / 1000);
	usage[2] = (int64_t)(system_ns / NSEC);
	usage[3] = (int64_t)(system_ns % NSEC / 1000);
	usage[4] = (int64_t)(times->max_resident_pages * 4);
	usage[8] = (int64_t)times->faults;
}

static long get_times(int64_t which, struct process_times *times)
{
	struct pm_times_req request = { .which = which, .tid = tb()->tid };
	struct pm_times_reply reply;
	struct call_options options = { .out = times, .out_length = sizeof(*times) };

	return pm_call_times(PROC_SLOT_PM, &options, &request, &reply);
}

long lp_getrusage(uint64_t who, uint64_t usage)
{
	struct process_times times;
	int64_t which = (int32_t)who;
	long status;

	if (which < -1 || which > 1)
		return -EINVAL;
	status = get_times(which, &times);
	if (status < 0)
		return status;
	if (which < 0)
		lp_fill_rusage((void *)usage, times.children_user_ns, times.children_system_ns, &times);
	else
		lp_fill_rusage((void *)usage, times.user_ns, times.system_ns, &times);
	return 0;
}

/* Ticks of 10 ms: AT_CLKTCK is 100. */
long lp_times(uint64_t to)
{
	struct process_times times;
	int64_t *ticks = (int64_t *)to;
	long status = get_times(0, &times);

	if (status < 0)
		return status;
	if (to) {
		ticks[0] = (int64_t)(times.user_ns / 10000000);
		ticks[1] = (int64_t)(times.system_ns / 10000000);
		ticks[2] = (int64_t)(times.children_user_ns / 10000000);
		ticks[3] = (int64_t)(times.children_system_ns / 10000000);
	}
	return (long)(lp_monotonic() / 10000000);
}

/* The system call answers 20 - nice, so that it is never negative. */
long lp_getpriority(uint64_t which, uint64_t who)
{
	struct pm_priority_req request = { .which = (uint32_t)which, .who = (int32_t)who };
	struct pm_priority_reply reply;

	return pm_call_priority(PROC_SLOT_PM, NULL, &request, &reply);
}

long lp_setpriority(uint64_t which, uint64_t who, uint64_t value)
{
	struct pm_priority_req request = {
		.which = (uint32_t)which,
		.who = (int32_t)who,
		.set = 1,
		.value = (int32_t)value,
	};
	struct pm_priority_reply reply;

	return pm_call_priority(PROC_SLOT_PM, NULL, &request, &reply);
}

/* I/O goes in order of arrival; the call is there for those who are polite. */
long lp_ioprio_get(uint64_t which, uint64_t who)
{
	(void)who;
	return which >= 1 && which <= 3 ? 4 : -EINVAL;
}

long lp_ioprio_set(uint64_t which, uint64_t who, uint64_t value)
{
	(void)who;
	return which >= 1 && which <= 3 && value >> 13 <= 3 ? 0 : -EINVAL;
}
