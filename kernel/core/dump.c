/* SPDX-License-Identifier: MIT */
/*
 * What the whole system is waiting for, for people: every thread, every service's endpoint with the calls that are
 * there, and memory. Goes to the log; asked for by system_dump or by an NMI, which is how one asks a machine
 * whose services hang.
 */
#include "core/dump.h"
#include "arch/arch.h"
#include "core/cpu.h"
#include "core/kcall.h"
#include "core/table.h"
#include "ipc/ipc.h"
#include "mm/mm.h"

#define CALLS_SHOWN 16u /* of each endpoint */

static const char *const states[] = { "stopped", "ready",    "running", "calling",
				      "waiting", "sleeping", "faulted", "dead" };
static const char *const waits[] = { "",           "for its call",   "for messages",  "for a notification",
				     "on a futex", "for a deadline", "for its fault", "for a page" };

static bool requested;

/* The first endpoint in its table is a service's own. */
static struct endpoint *own_endpoint(const struct thread *thread)
{
	struct table *table = thread->private_table;

	if (!(thread->stamp & STAMP_SERVICE) || thread->state == THREAD_DEAD)
		return NULL;
	for (long slot = 0; (slot = table_next_used(table, (uint32_t)slot)) >= 0; slot++) {
		struct object *object = table_slot(table, (uint32_t)slot)->object;

		if (object && object->type == CAPT_ENDPOINT)
			return (struct endpoint *)object;
	}
	return NULL;
}

static const char *owner_of(const struct endpoint *endpoint)
{
	for (struct list_node *link = all_threads.next; link != &all_threads; link = link->next) {
		struct thread *thread = container_of(link, struct thread, all_link);

		if (own_endpoint(thread) == endpoint)
			return thread->name;
	}
	return "?";
}

static void dump_call_of(const struct thread *thread)
{
	const struct caller *caller = &thread->caller;
	uint64_t op = caller->kernel_op ? caller->kernel_op : thread->frame.rdi;

	if (caller->state == CALLER_IDLE)
		return;
	kprintf("; %s at %s: operation %u.%u, badge %lx",
		caller->state == CALLER_QUEUED ? "queued" : "served", owner_of(caller->endpoint),
		IPC_OP_PROTO(op), IPC_OP_NUMBER(op), caller->badge_number);
}

static void dump_thread(const struct thread *thread)
{
	kprintf("  %s %d: %s %s, cpu %u, priority %u, pc %lx", thread->name, thread->number,
		states[thread->state], waits[thread->wait], thread->cpu, thread->priority, thread->frame.rip);
	dump_call_of(thread);
	kprintf("\n");
}

static void dump_caller(const struct caller *caller, const char *what)
{
	const struct thread *thread =
	    caller->kind == CALLER_THREAD ? caller_thread((struct caller *)caller) : NULL;
	uint64_t op;

	if (thread)
		op = caller->kernel_op ? caller->kernel_op : thread->frame.rdi;
	else
		op = caller_callobj((struct caller *)caller)->op;
	kprintf("    %s: operation %u.%u of %s %d, stamp %lx, badge %lx%s\n", what, IPC_OP_PROTO(op),
		IPC_OP_NUMBER(op), thread ? thread->name : "an asynchronous call",
		thread ? thread->number : 0, caller->stamp, caller->badge_number,
		caller->cancelled ? ", cancelled" : "");
}

static unsigned dump_calls(const struct list_node *list, const char *what)
{
	unsigned count = 0;

	for (const struct list_node *link = list->next; link != list; link = link->next)
		if (count++ < CALLS_SHOWN)
			dump_caller(container_of(link, struct caller, link), what);
	return count;
}

static void dump_endpoint(const struct thread *thread)
{
	const struct endpoint *endpoint = own_endpoint(thread);
	unsigned served, queued = 0;

	if (!endpoint)
		return;
	kprintf("  %s:%s%s%s\n", thread->name, list_empty(&endpoint->receivers) ? "" : " waits",
		endpoint->pending ? ", something is to be delivered" : "",
		endpoint->refuse ? ", refuses calls" : "");
	served = dump_calls(&endpoint->in_service, "served");
	for (unsigned level = CALL_LEVELS; level--;)
		queued += dump_calls(&endpoint->queue.calls[level], "queued");
	if (served > CALLS_SHOWN || queued > CALLS_SHOWN)
		kprintf("    %u served, %u queued in all\n", served, queued);
}

void dump_all(void)
{
	struct list_node *link;

	kprintf("dump: %u threads\n", thread_count);
	for (link = all_threads.next; link != &all_threads; link = link->next)
		dump_thread(container_of(link, struct thread, all_link));
	kprintf("dump: endpoints\n");
	for (link = all_threads.next; link != &all_threads; link = link->next)
		dump_endpoint(container_of(link, struct thread, all_link));
	kprintf("dump: memory: %lu pages, %lu free, %lu of the kernel, %lu of files\n", frames_total(),
		frames_free(), kalloc_pages(), memory_cached);
	kprintf("dump: end\n");
}

void dump_request(void)
{
	requested = true;
	work_deferred = true;
}

bool dump_requested(void)
{
	return requested;
}

void dump_deferred(void)
{
	requested = false;
	console_borrow(true);
	dump_all();
	console_borrow(false);
}

long sys_system_dump(uint64_t root, uint64_t console)
{
	int error;

	if (!cap_lookup((cap_t)root, CAPT_ROOT, CAP_CONTROL, &error))
		return -error;
	console_borrow(console != 0);
	dump_all();
	console_borrow(false);
	return 0;
}
