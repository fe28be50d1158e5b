/* SPDX-License-Identifier: MIT */
/* Processor time by quota, fading: an eighth goes each 134 ms, so that one processor's whole time comes to a second. */
#include "core/fair.h"
#include "core/quota.h"
#include "core/table.h"
#include "ipc/ipc.h"
#include "mm/space.h"

#define STEP_SHIFT 27u /* ns: how often it fades, and how much of it lowers the priority by one */
#define FADE_SHIFT 3u
#define FADED 64u     /* steps after which next to nothing is left */
#define LOWER_MOST 4u /* so that niceness, which is as much either way, still tells */

static uint64_t steps; /* of the clock, as of the last tick */

static void fade(struct quota *quota)
{
	uint64_t passed = steps - quota->faded;

	quota->faded = steps;
	if (passed > FADED)
		quota->processor_ns = 0;
	for (; passed && quota->processor_ns; passed--)
		quota->processor_ns -= (quota->processor_ns >> FADE_SHIFT) + 1;
}

uint8_t fair_priority(const struct thread *thread)
{
	struct quota *quota = thread->space ? thread->space->quota : NULL;
	uint64_t lower;

	if (thread->base_priority >= PROGRAMS || !quota)
		return thread->base_priority;
	if (quota->faded != steps)
		fade(quota);
	lower = quota->processor_ns >> STEP_SHIFT;
	if (lower > LOWER_MOST)
		lower = LOWER_MOST;
	return lower < thread->base_priority ? thread->base_priority - lower : 0;
}

/* Whatever the handle has come to mean is looked at as what it is. */
static struct endpoint *endpoint_of(struct thread *service)
{
	struct cap *cap = service->receives_from & CAP_PRIVATE
			      ? table_slot(service->private_table, service->receives_from & ~CAP_PRIVATE)
			      : NULL;

	return cap && cap->object && cap->object->type == CAPT_ENDPOINT ? (struct endpoint *)cap->object
									: NULL;
}

/* The call that a service has received last, if it has taken up nothing else since and not answered it. */
static struct caller *at_work_on(struct thread *service)
{
	struct endpoint *endpoint = endpoint_of(service);
	struct caller *caller;

	if (!endpoint || list_empty(&endpoint->in_service))
		return NULL;
	caller = container_of(endpoint->in_service.prev, struct caller, link);
	return caller->token >= service->other_work ? caller : NULL;
}

static bool is_program(const struct thread *thread)
{
	return thread->base_priority < PROGRAMS;
}

struct thread *fair_client(struct thread *thread)
{
	struct caller *caller;

	if (is_program(thread))
		return thread;
	if (thread->state == THREAD_WAITING)
		return NULL;
	caller = at_work_on(thread);
	if (!caller || caller->kind != CALLER_THREAD || caller->dead || !is_program(caller_thread(caller)))
		return NULL;
	return caller_thread(caller);
}

struct quota *fair_payer(struct thread *thread)
{
	struct thread *client = fair_client(thread);
	struct caller *caller;

	if (client)
		return client->space ? client->space->quota : NULL;
	if (is_program(thread) || thread->state == THREAD_WAITING)
		return NULL;
	caller = at_work_on(thread);
	if (!caller)
		return quotas[thread->works_for];
	return caller->kind == CALLER_OBJECT ? quotas[caller_callobj(caller)->payer] : NULL;
}

void fair_charge(struct quota *quota, uint64_t ns, uint64_t now)
{
	steps = now >> STEP_SHIFT;
	if (!quota)
		return;
	fade(quota);
	quota->processor_ns += ns;
}
