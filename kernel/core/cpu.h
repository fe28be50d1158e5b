/* SPDX-License-Identifier: MIT */
/*
 * The kernel lock, and what scheduling offers beside thread.h.
 *
 * The kernel runs with interrupts off and one ticket lock. A processor that waits
 * for the lock answers requests of the holder (TLB shootdown and the like), so the
 * holder may wait for another processor.
 */
#ifndef KERNEL_CORE_CPU_H
#define KERNEL_CORE_CPU_H

#include "core/thread.h"

struct ticket_lock {
	uint32_t next, serving; /* assembly knows: next at 0, serving at 4 */
};
extern struct ticket_lock big_lock;

/* Wait for `ticket`, answering requests of the holder. */
void kernel_lock_wait(uint32_t ticket);

static inline void kernel_lock(void)
{
	uint32_t ticket = __atomic_fetch_add(&big_lock.next, 1, __ATOMIC_ACQUIRE);

	if (__builtin_expect(__atomic_load_n(&big_lock.serving, __ATOMIC_ACQUIRE) != ticket, 0))
		kernel_lock_wait(ticket);
}

static inline void kernel_unlock(void)
{
	__atomic_store_n(&big_lock.serving, big_lock.serving + 1, __ATOMIC_RELEASE);
}

/* Queues of a processor that is being prepared. */
void sched_cpu_init(struct cpu *cpu);

/* A part of the work that was put off; work_deferred is still set if there is more. kcall.c */
void kernel_deferred(struct cpu *cpu);

/* Let `current` go behind its equals at the way out: yield(). */
void sched_yield_current(void);

/* Charge the time that has passed on this processor to its current thread: before
 * user_ns is read. */
void sched_account(void);

/* The priority or affinity of a thread has been changed: requeue it or look again. */
void sched_changed(struct thread *thread);

/* Make another processor that runs `thread` enter the kernel soon (stop, interrupt). */
void sched_poke(struct thread *thread);

#endif
