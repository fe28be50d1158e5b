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

static struct crash_report *new_report(void)
{
	struct crash_report *report = &reports[(last + 1) % REPORTS];

	last++;
	tx_fresh(report, sizeof *report); /* nobody reads it before */
	memset(report, 0, sizeof *report);
	report->number = last;
	return report;
}

void crash_note(const struct child *child, const char *reason)
{
	struct crash_report *report = new_report();
	uint64_t now = clock_monotonic_ns();
	long calls;

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

/* --- RS's own deaths ------------------------------------------------------------------------ */

/* What each of the standbys has told. */
static PRESERVED struct teller {
	cap_t memory; /* its answer */
	uint64_t number;
} tellers[STANDBYS];

static void ask(struct teller *teller);

static void own_told(struct acall *call)
{
	const struct rs_crash_reply *reply = acall_reply(call);
	struct teller *teller = call->owner;
	struct crash_report *report;

	if (call->status < 0 && call->status != -ERESTART) {
		slog("a standby tells no more of RS's deaths: error %ld", -call->status);
		return;
	}
	if (call->status >= 0) {
		report = new_report();
		kcall(mo_read, teller->memory, 0, report, sizeof *report);
		report->number = last;
		teller->number = reply->number;
		waitq_wake(&readers);
	}
	ask(teller);
}

static void ask(struct teller *teller)
{
	struct rs_crash_req request = { teller->number };
	const struct child *standby = standby_number((unsigned)(teller - tellers));
	struct acall *call = standby ? acall_new(own_told, teller) : NULL;

	if (!call)
		return;
	call->out = (struct call_buffer){ teller->memory, 0, 0, sizeof(struct crash_report) };
	rs_send_crash(call, standby->control, &request);
}

void crash_ask_own(void)
{
	for (unsigned i = 0; i < STANDBYS; i++) {
		long made = tx_made(kcall(mo_create, sizeof(struct crash_report), 0ul));

		if (made < 0)
			continue;
		tellers[i].memory = (cap_t)made;
		ask(&tellers[i]);
	}
}
