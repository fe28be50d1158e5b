/* SPDX-License-Identifier: MIT */
#include "machine.h"
#include "image.h"

void machine_interrupt(struct thread *thread)
{
	kcall(thread_interrupt, thread->cap, 0);
}

void machine_stop(struct thread *thread)
{
	kcall(thread_stop, thread->cap);
}

void machine_continue(struct thread *thread)
{
	kcall(thread_start, thread->cap);
}

void machine_kill(struct thread *thread)
{
	if (thread->cap == CAP_NONE)
		return;
	tx_kill(thread->cap);
	thread->cap = CAP_NONE;
}

static uint64_t field(const struct thread *thread, size_t offset)
{
	return block_address(thread->block) + offset;
}

/* A block that cannot be read belongs to a thread that will not run again: it blocks all. */
uint64_t machine_mask(struct thread *thread)
{
	uint64_t mask = ~0ull;

	kcall(space_read, thread->process->image->space, field(thread, offsetof(struct thread_block, mask)),
	      &mask, sizeof(mask));
	return mask;
}

void machine_set_pending(struct thread *thread, uint64_t pending)
{
	kcall(space_write, thread->process->image->space,
	      field(thread, offsetof(struct thread_block, pending)), &pending, sizeof(pending));
}

void machine_set_parent(struct thread *thread, int32_t pid, int32_t ppid)
{
	int32_t both[2] = { pid, ppid };

	_Static_assert(offsetof(struct thread_block, ppid) == offsetof(struct thread_block, pid) + 4,
		       "adjacent");
	kcall(space_write, thread->process->image->space, field(thread, offsetof(struct thread_block, pid)),
	      both, sizeof(both));
}

uint64_t machine_now(void)
{
	return clock_monotonic_ns();
}

uint64_t machine_realtime(void)
{
	return clock_realtime_ns();
}

void machine_wake(struct waitq *queue)
{
	waitq_wake(queue);
}

void machine_wake_request(struct request *request)
{
	request_wake(request);
}

void machine_timer(struct timer *timer, uint64_t deadline, void (*fire)(struct timer *))
{
	if (deadline)
		timer_start(timer, deadline, fire);
	else
		timer_stop(timer);
}

void machine_times(const struct thread *thread, uint64_t *user_ns, uint64_t *system_ns)
{
	struct thread_info info = { 0 };

	kcall(thread_info, thread->cap, &info);
	*user_ns = info.user_ns;
	*system_ns = info.system_ns;
}

bool machine_thread_gone(const struct thread *thread)
{
	struct thread_info info = { .state = THREAD_DEAD };

	kcall(thread_info, thread->cap, &info);
	return info.state == THREAD_DEAD;
}

bool machine_runs(const struct thread *thread)
{
	struct thread_info info = { 0 };

	kcall(thread_info, thread->cap, &info);
	return info.state == THREAD_READY || info.state == THREAD_RUNNING;
}

/* Nice 0 is priority 8; each five steps are one, from 12 down to 4. */
void machine_priority(struct thread *thread, uint32_t nice)
{
	int32_t steps = (int32_t)nice;

	kcall(thread_set, thread->cap, THREAD_PRIORITY, 8 - steps / 5);
}

uint64_t machine_processor(const struct thread *thread)
{
	struct thread_info info = { 0 };

	kcall(thread_info, thread->cap, &info);
	return info.processor;
}

uint64_t machine_affinity(const struct thread *thread)
{
	struct thread_info info = { 0 };

	kcall(thread_info, thread->cap, &info);
	return info.affinity;
}

long machine_bind(struct thread *thread, uint64_t mask)
{
	return kcall(thread_set, thread->cap, THREAD_AFFINITY, mask);
}

void machine_bind_alike(struct thread *thread, const struct thread *model)
{
	if (model->process->flags & PROC_BOUND)
		machine_bind(thread, machine_affinity(model));
}
