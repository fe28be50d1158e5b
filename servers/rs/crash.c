/* SPDX-License-Identifier: MIT */
/*
 * What is known of the last deaths: kept here until somebody with a file system asks (crashd, by way of procfs).
 * Called while the dead thread, its space and its calls are still there.
 */
#include "rs.h"

#include <proto/rs.h>
#include <proto/rs_types.h>

#define REPORTS 8

static PRESERVED struct crash_report reports[REPORTS]; /* number n is in n % REPORTS */
static PRESERVED uint64_t last;
static struct waitq readers;

static void copy_stack(const struct child *child, struct crash_report *report)
{
	uint64_t length = CRASH_STACK, rsp = report->regs.rsp;
	long copied;

	if (rsp < SERVICE_STACK_TOP && SERVICE_STACK_TOP - rsp < length)
		length = SERVICE_STACK_TOP - rsp;
	copied = kcall(space_read, child->space, rsp, report->stack, length);
	report->stack_length = copied < 0 ? 0 : (uint32_t)copied;
}

void crash_note(const struct child *child, const char *reason)
{
	struct crash_report *report = &reports[(last + 1) % REPORTS];
	uint64_t now = clock_monotonic_ns();
	long calls;

	last++;
	tx_fresh(report, sizeof *report); /* nobody reads it before */
	memset(report, 0, sizeof *report);
	report->number = last;
	report->time_ns = now;
	report->uptime_ns = now - child->started_ns;
	report->incarnation = child->incarnation;
	report->crashes = child->crashes;
	strlcpy(report->name, child->name, sizeof report->name);
	strlcpy(report->program, child->image->name, sizeof report->program);
	strlcpy(report->reason, reason, sizeof report->reason);
	report->action = restart_action(child, &report->delay_ns);
	strlcpy(report->script, child->manifest->script, sizeof report->script);
	calls = kcall(ep_calls, child->endpoint, report->calls, CRASH_CALLS);
	report->call_count = calls < 0 ? 0 : (uint32_t)calls;
	kcall(thread_stop, child->thread);
	if (kcall(thread_regs, child->thread, 0, &report->regs) == 0)
		copy_stack(child, report);
	waitq_wake(&readers);
}

/* The first report after number `after` that is still there. */
static const struct crash_report *report_after(uint64_t after)
{
	uint64_t number = after + 1;

	if (last >= REPORTS && number <= last - REPORTS)
		number = last - REPORTS + 1;
	return after < last ? &reports[number % REPORTS] : NULL;
}

long crash_give(struct request *rq, uint64_t after, uint64_t *number)
{
	const struct crash_report *report = report_after(after);

	if (rq->out_length < sizeof *report)
		return -EINVAL;
	if (!report)
		return request_park(rq, &readers);
	*number = report->number;
	return request_write(rq, 0, report, sizeof *report);
}
