/* SPDX-License-Identifier: MIT */
/*
 * Death and reincarnation. A child that dies first loses its thread and address space, then its
 * device is made quiet, then its calls are put back and the next incarnation starts: at once the
 * first time, later and later if it goes on dying, at last never.
 */
#include "rs.h"

#include <proto/pci.h>
#include <proto/rs_types.h>
#include <proto/service.h>

#define QUICK_NS (10 * SECONDS) /* a crash within this of its start is one of a series */
#define VECTOR_DEBUG 1

static void due(struct timer *timer);

/* One for each child: a back-off, or the patience with an orderly end. */
static struct timer timers[CHILDREN];

static void child_timer_start(struct child *child, uint64_t deadline_ns)
{
	child->deadline_ns = deadline_ns;
	timer_start(&timers[child - children], deadline_ns, due);
}

void child_timer_stop(struct child *child)
{
	timer_stop(&timers[child - children]);
}

/* From now on its endpoint answers EIO, also the calls that it had in service. */
static void refuse(struct child *child)
{
	kcall(ep_reset, child->endpoint);
	kcall(ep_refuse, child->endpoint, EIO);
}

static void give_up(struct child *child)
{
	slog("%s: given up after %u crashes: %s", child->name, child->crashes, child->reason);
	child->state = CHILD_FAILED;
	refuse(child);
}

/* What it has put into its table is named by nothing any more; its device is quiet. What RS has put there stays. */
static void sweep_table(const struct child *child)
{
	long slot = (SLOT_RS & ~CAP_PRIVATE) + 1;

	for (; (slot = kcall(table_next, child->table, slot)) >= 0; slot++)
		if (slot < (SLOT_FIRST_NAMED & ~CAP_PRIVATE) || slot >= child->next_slot)
			kcall(table_remove, child->table, slot);
}

/* Drop what it remembers; the calls in service come to it as new ones. */
static void forget(struct child *child)
{
	long fresh = tx_made(child_memory(child));

	if (fresh < 0)
		return;
	slog("%s: started clean: its open objects are lost", child->name);
	tx_close(child->preserved);
	child->preserved = (cap_t)fresh;
	child->incarnation = 0;
	sweep_table(child);
}

static void reincarnate(struct child *child)
{
	kcall(ep_reset, child->endpoint);
	if (child->crashes == child->manifest->restart.clean)
		forget(child);
	child->restarts++;
	if (child_launch(child))
		give_up(child);
}

enum crash_action restart_action(const struct child *child, uint64_t *delay_ns)
{
	const struct manifest_restart *policy = &child->manifest->restart;

	*delay_ns = 0;
	if (policy->never || child->crashes >= policy->limit)
		return CRASH_GIVEN_UP;
	if (child->crashes >= 2)
		*delay_ns = policy->delay_ms * MILLISECONDS;
	for (uint32_t i = 2; i < child->crashes && *delay_ns < policy->longest_ms * MILLISECONDS; i++)
		*delay_ns *= 2;
	return child->crashes == policy->clean ? CRASH_STARTED_CLEAN : CRASH_RESTARTED;
}

static void succeed(struct child *child)
{
	uint64_t delay_ns;

	if (restart_action(child, &delay_ns) == CRASH_GIVEN_UP) {
		give_up(child);
	} else if (!delay_ns) {
		reincarnate(child);
	} else {
		child->state = CHILD_WAITING;
		child_timer_start(child, clock_monotonic_ns() + delay_ns);
	}
}

static void quiesced(struct acall *call)
{
	struct child *child = call->owner;

	if (child->state == CHILD_ENDING)
		child->ended(child);
}

void child_end(struct child *child, const char *reason, void (*ended)(struct child *))
{
	struct child *pci = child_find("pci");
	struct pci_quiesce_req request = { child->address };
	struct acall *call;

	strlcpy(child->reason, reason, sizeof child->reason);
	child_timer_stop(child);
	child_destroy(child);
	child->state = CHILD_ENDING;
	child->ended = ended;
	call = child->is_device && pci ? acall_new(quiesced, child) : NULL;
	if (call)
		pci_send_quiesce(call, pci->control, &request);
	else
		ended(child);
}

void child_crashed(struct child *child, const char *reason)
{
	if (child->after_shut_down) { /* it was to end anyway */
		child_shut_down_over(child);
		return;
	}
	if (clock_monotonic_ns() - child->started_ns > QUICK_NS)
		child->crashes = 0;
	child->crashes += !child->injected;
	child->crashed = !child->injected;
	crash_note(child, reason);
	child_end(child, reason, succeed);
}

void child_kill(struct child *child, const char *reason)
{
	slog("%s: %s", child->name, reason);
	child->crashed = false;
	child->crashes = 0;
	child_end(child, reason, succeed);
}

void child_stopped(struct child *child)
{
	child->state = CHILD_STOPPED;
	refuse(child);
}

void child_start(struct child *child)
{
	kcall(ep_refuse, child->endpoint, 0);
	child->crashes = 0;
	child->crashed = false;
	child_enter_class(child);
	reincarnate(child);
	waitq_wake(&driver_waiters);
}

/* --- orderly end -------------------------------------------------------------------------- */

void child_shut_down_over(struct child *child)
{
	void (*then)(struct child *) = child->after_shut_down;

	child->after_shut_down = NULL;
	child_timer_stop(child);
	if (then)
		then(child);
}

static void shut_down_answered(struct acall *call)
{
	struct child *child = call->owner;

	if (call->tag[0] == child->incarnation && child->state == CHILD_RUNNING)
		child_shut_down_over(child);
}

static void due(struct timer *timer)
{
	struct child *child = &children[timer - timers];

	if (child->state == CHILD_WAITING) {
		reincarnate(child);
		return;
	}
	slog("%s: does not end by itself", child->name);
	child_shut_down_over(child);
}

void child_shut_down(struct child *child, uint64_t patience_ns, void (*then)(struct child *))
{
	struct service_shutdown_req request = {};
	struct acall *call = acall_new(shut_down_answered, child);

	child->after_shut_down = then;
	if (!call) {
		child_shut_down_over(child);
		return;
	}
	call->tag[0] = child->incarnation;
	child_timer_start(child, clock_monotonic_ns() + patience_ns);
	service_send_shutdown(call, child->control, &request);
}

/* --- a new incarnation of RS -------------------------------------------------------------- */

static bool has_ended(const struct child *child)
{
	struct thread_info info;

	return kcall(thread_info, child->thread, &info) < 0 || info.state == THREAD_DEAD;
}

void children_go_on(void)
{
	for (struct child *child = children; child < children + CHILDREN; child++) {
		if (child->state == CHILD_RUNNING && has_ended(child))
			child_crashed(child, "ended together with rs");
		else if (child->state == CHILD_WAITING ||
			 (child->state == CHILD_RUNNING && child->after_shut_down))
			child_timer_start(child, child->deadline_ns);
	}
}

/* --- faults ------------------------------------------------------------------------------- */

static void describe(const struct child *child, const struct request *rq, const struct thread_regs *regs,
		     char *reason, size_t size)
{
	uint64_t vector = rq->words[0], address = rq->words[1], rip = rq->words[2];

	if (vector == 6 && regs->rax == SERVICE_EXIT_MAGIC) {
		snprintf(reason, size, "exit with status %ld%s", (long)regs->rdi,
			 regs->rdi == EPROTO ? ": it broke the protocol" : "");
		slog("%s: %s", child->name, reason);
		return;
	}
	snprintf(reason, size, "%s %lu at %lx, address %lx",
		 rq->words[3] & IPC_FAULT_MEMORY ? "out of memory: fault" : "fault", vector, rip, address);
	slog("%s: %s, error code %lx, rsp %lx", child->name, reason, rq->words[3], rq->words[4]);
	slog("%s: rax %lx rbx %lx rcx %lx rdx %lx rsi %lx rdi %lx", child->name, regs->rax, regs->rbx,
	     regs->rcx, regs->rdx, regs->rsi, regs->rdi);
	slog("%s: rbp %lx r8 %lx r9 %lx r10 %lx r12 %lx r13 %lx r14 %lx r15 %lx", child->name, regs->rbp,
	     regs->r8, regs->r9, regs->r10, regs->r12, regs->r13, regs->r14, regs->r15);
}

static void log_stack(const struct child *child, uint64_t rsp)
{
	uint64_t words[64];
	char line[160] = "";
	size_t length = 0;
	long bytes = kcall(space_read, child->space, rsp, words, sizeof words);

	for (long i = 0; i < bytes / 8 && length < sizeof line - 20; i++)
		if (words[i] >= 0x400000 && words[i] < PRESERVED_BASE)
			length += (size_t)snprintf(line + length, sizeof line - length, " %lx", words[i]);
	slog("%s: on the stack:%s", child->name, line);
}

static void end_instance(struct child *child)
{
	child_free(child);
}

/* Not one of the incarnation before, whose end was settled otherwise. */
static bool stands(const struct child *child)
{
	struct thread_info info;

	return child->state == CHILD_RUNNING && kcall(thread_info, child->thread, &info) == 0 &&
	       (info.state == THREAD_FAULTED || info.state == THREAD_STOPPED);
}

long fault_taken(struct request *rq)
{
	struct child *child = child_of_badge(rq->badge);
	struct thread_regs regs = { 0 };
	char reason[80];
	bool ended;

	if (!child || !stands(child))
		return -EIO;
	if (rq->words[0] == VECTOR_DEBUG && child->steps) {
		if (step_taken(child))
			return 0;
		request_answer(rq, -EIO);
		child_crashed(child, "ended after the instructions asked for");
		return ANSWERED;
	}
	kcall(thread_regs, child->thread, 0, &regs);
	describe(child, rq, &regs, reason, sizeof reason);
	ended = rq->words[0] == 6 && regs.rax == SERVICE_EXIT_MAGIC;
	if (!ended)
		log_stack(child, rq->words[4]);
	/* The thread stays stopped. */
	request_answer(rq, -EIO);
	if (ended && regs.rdi == 0 && child->manifest->instance)
		child_end(child, reason, end_instance);
	else
		child_crashed(child, reason);
	return ANSWERED;
}
