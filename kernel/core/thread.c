/* SPDX-License-Identifier: MIT */
/* The life of a thread: made, blocked and woken, stopped, interrupted, torn down. */
#include "core/thread.h"
#include "arch/arch.h"
#include "arch/x86_64/offsets.h"
#include "core/cpu.h"
#include "core/kcall.h"
#include "core/quota.h"
#include "core/table.h"
#include "ipc/ipc.h"
#include "mm/mm.h"

struct list_node all_threads = { &all_threads, &all_threads };
struct list_node dead_threads = { &dead_threads, &dead_threads };
uint32_t thread_count;

static void *get_or_null(void *object)
{
	return object ? object_get(object) : NULL;
}

static void put_or_null(void *object)
{
	if (object)
		object_put(object);
}

/* What a thread costs: its FPU state too, which comes later. */
static size_t thread_cost(void)
{
	return sizeof(struct thread) + arch_fpu_size();
}

static void thread_unalloc(struct thread *thread)
{
	struct quota *quota = thread->quota;

	kfree(thread);
	quota_uncharge(quota, QUOTA_MEMORY, thread_cost());
	quota_uncharge(quota, QUOTA_THREADS, 1);
}

static struct thread *thread_alloc(struct quota *quota)
{
	struct thread *thread;

	if (quota_charge(quota, QUOTA_THREADS, 1))
		return NULL;
	if (quota_charge(quota, QUOTA_MEMORY, thread_cost())) {
		quota_uncharge(quota, QUOTA_THREADS, 1);
		return NULL;
	}
	thread = kalloc(sizeof(*thread));
	if (!thread) {
		quota_uncharge(quota, QUOTA_MEMORY, thread_cost());
		quota_uncharge(quota, QUOTA_THREADS, 1);
		return NULL;
	}
	thread->quota = quota;
	if (!caller_register(&thread->caller))
		return thread;
	thread_unalloc(thread);
	return NULL;
}

struct thread *thread_new(struct space *space, struct table *private_table, struct table *fd_table)
{
	struct thread *thread = thread_alloc(space->quota);

	if (!thread)
		return NULL;
	object_begin(&thread->object, CAPT_THREAD);
	thread->state = THREAD_STOPPED;
	thread->affinity = ~0u;
	thread->no_fast_receive = true;
	thread->deadline = UINT64_MAX;
	thread->frame.cs = USER_CS;
	thread->frame.ss = USER_SS;
	thread->frame.rflags = 0x202;
	thread->space = object_get(space);
	thread->private_table = object_get(private_table);
	thread->fd_table = get_or_null(fd_table);
	list_init(&thread->watches);
	list_push_back(&all_threads, &thread->all_link);
	thread_count++;
	return thread;
}

void thread_begin(struct thread *thread)
{
	thread->attention &= ~ATTENTION_STOP;
	thread->no_fast_receive = !thread->no_fpu || ~thread->affinity;
	if (!thread->started) {
		thread->started = true;
		object_get(thread);
	}
	if (thread->state == THREAD_STOPPED)
		thread_ready(thread);
}

static bool runs_elsewhere(struct thread *thread)
{
	struct cpu *cpu = &cpus[thread->cpu];

	return cpu->current == thread && cpu != this_cpu();
}

/* Off whatever queue it waits on; a call that is out is not touched. */
static void thread_leave_queue(struct thread *thread)
{
	switch (thread->wait) {
	case WAIT_RECEIVE:
	case WAIT_NOTIFY: list_remove(&thread->wait_link); break;
	case WAIT_FUTEX: futex_leave(thread); break;
	default: break;
	}
	thread->wait = WAIT_NONE;
	if (thread->deadline != UINT64_MAX)
		timeout_remove(thread);
	thread->deadline = UINT64_MAX;
}

void thread_continue(struct thread *thread)
{
	bool received = thread->wait == WAIT_RECEIVE; /* endpoint_deliver has set the priority */

	thread_leave_queue(thread);
	thread->attention &= ~ATTENTION_YIELD;
	if (thread->attention & ATTENTION_STOP)
		thread->state = THREAD_STOPPED;
	else if (received)
		thread_ready_inherited(thread);
	else
		thread_ready(thread);
}

void thread_wake(struct thread *thread, long answer)
{
	thread->frame.rax = answer;
	thread_continue(thread);
}

void thread_switch(struct thread *thread)
{
	struct cpu *cpu = this_cpu();

	if (!cpu->current || cpu->current->state == THREAD_RUNNING || thread->attention ||
	    cpu->need_resched || !(thread->affinity >> cpu->id & 1) ||
	    (thread->cpu != cpu->id && !thread->no_fpu) || cpu->ready_mask >> thread->priority >> 1) {
		thread_continue(thread);
		return;
	}
	thread_leave_queue(thread);
	thread->cpu = cpu->id;
	thread->state = THREAD_RUNNING;
	cpu->current = thread;
	cpu->switches++;
}

void thread_timeout(struct thread *thread)
{
	thread->deadline = UINT64_MAX;
	thread_wake(thread, thread->wait == WAIT_SLEEP ? 0 : -ETIMEDOUT);
}

void thread_finish(struct thread *thread)
{
	if (thread->state == THREAD_DEAD)
		return;
	if (runs_elsewhere(thread)) {
		thread->attention |= ATTENTION_FINISH;
		sched_poke(thread);
		return;
	}
	thread_leave_queue(thread);
	thread_block(thread, THREAD_DEAD);
	thread->attention = 0;
	object_get(thread); /* until threads_release */
	if (thread->caller.state != CALLER_IDLE)
		endpoint_cancel(&thread->caller, true);
	watches_drop(thread);
	list_remove(&thread->all_link);
	list_push_back(&dead_threads, &thread->all_link);
	work_deferred = true;
	thread_count--;
}

static void thread_release(struct thread *thread)
{
	list_remove(&thread->all_link);
	arch_fpu_drop(thread);
	if (thread->message_page)
		frame_put(virt_to_phys(thread->message_page));
	thread->message_page = NULL;
	put_or_null(thread->work);
	put_or_null(thread->fault_badge);
	put_or_null(thread->private_table);
	put_or_null(thread->fd_table);
	put_or_null(thread->space);
	thread->work = NULL;
	thread->fault_badge = NULL;
	thread->private_table = thread->fd_table = NULL;
	thread->space = NULL;
	if (thread->started)
		object_put(thread);
	object_put(thread);
}

void threads_release(void)
{
	while (!list_empty(&dead_threads))
		thread_release(container_of(dead_threads.next, struct thread, all_link));
}

/* A live thread holds a count of itself, so this one is dead or was never started. */
void thread_destroy(struct object *object)
{
	struct thread *thread = container_of(object, struct thread, object);

	if (thread->state != THREAD_DEAD) {
		object->refs = 1;
		thread_finish(thread);
		object_put(thread); /* threads_release has the last count now */
		return;
	}
	caller_unregister(&thread->caller);
	object_end(thread);
	thread_unalloc(thread);
}

long thread_set_message_page(struct thread *thread, uint64_t user)
{
	int error;
	void *page;

	if (user & (ANOLE_PAGE_SIZE - 1))
		return -EINVAL;
	page = space_page(thread->space, user, true, &error);
	if (!page)
		return -error;
	frame_get(virt_to_phys(page));
	if (thread->message_page)
		frame_put(virt_to_phys(thread->message_page));
	thread->message_page = page;
	thread->message_page_user = user;
	return 0;
}

static bool inside_libposix(const struct thread *thread)
{
	uint64_t rip = thread->frame.rip;

	return (rip >= thread->image_start && rip < thread->image_end) ||
	       *(volatile uint32_t *)((char *)thread->message_page + THREAD_PAGE_INSIDE);
}

/* Signals that find the thread inside libposix are looked for on its way out: all that is to
 * be done is to move a pc between that look and the exit back to the look. */
static void enter_upcall(struct thread *thread)
{
	struct frame *frame = &thread->frame;
	struct thread_regs *saved;

	if (frame->rip >= thread->restart_start && frame->rip < thread->restart_end)
		frame->rip = thread->restart_start;
	if (!thread->upcall_entry || !thread->message_page || inside_libposix(thread))
		return;
	saved = (struct thread_regs *)((char *)thread->message_page + THREAD_PAGE_UPCALL);
	thread_regs_get(thread, saved);
	frame->rip = thread->upcall_entry;
	frame->rflags &= ~(RFLAGS_DF | RFLAGS_TF | RFLAGS_AC);
	frame->vector = 0;
}

bool thread_attend(struct thread *thread)
{
	if (thread->attention & ATTENTION_FINISH) {
		thread_finish(thread);
		return false;
	}
	if (thread->attention & ATTENTION_STOP) {
		thread->state = THREAD_STOPPED;
		return false;
	}
	if (thread->attention & ATTENTION_UPCALL)
		enter_upcall(thread);
	thread->attention = 0;
	return true;
}

struct step *step_resume(uint64_t call, uint64_t key0, uint64_t key1, uint64_t key2, uint64_t key3)
{
	struct step *step = &current_thread()->step;

	if (step->call != call || step->key[0] != key0 || step->key[1] != key1 || step->key[2] != key2 ||
	    step->key[3] != key3)
		*step = (struct step){ .call = call, .key = { key0, key1, key2, key3 } };
	return step;
}

long step_end(struct step *step, long answer)
{
	if (answer != KCALL_RESTART)
		step->call = 0;
	return answer;
}

struct object *work_resume(struct thread *thread, struct object *from, enum cap_type type)
{
	struct object *work = thread->work;

	if (work && thread->work_of == from && work->type == type)
		return work;
	thread->work = NULL;
	put_or_null(work);
	return NULL;
}

void work_begin(struct thread *thread, struct object *from, struct object *built)
{
	thread->work = built;
	thread->work_of = from;
	thread->work_position = 0;
}

struct object *work_take(struct thread *thread)
{
	struct object *work = thread->work;

	thread->work = NULL;
	return work;
}

bool caller_may_use_reserve(void)
{
	return !current_thread() || caller_is_service();
}
