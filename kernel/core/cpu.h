/* SPDX-License-Identifier: MIT */
/*
 * The kernel lock, and what scheduling offers beside thread.h.
 *
 * The kernel runs with interrupts off and one lock. A processor that waits for it
 * answers requests of the holder (TLB shootdown and the like), so the holder may wait
 * for another processor. The lock is not handed on in order: where a hypervisor has taken the
 * next in line off its processor, everybody would wait for that one.
 */
#ifndef KERNEL_CORE_CPU_H
#define KERNEL_CORE_CPU_H

#include "core/thread.h"

extern uint32_t big_lock; /* 1 while held */

/* Wait for the lock and take it, answering requests of the holder. */
void kernel_lock_wait(void);

/* With the lock free: a moment for those who wait for it, before a long call takes it again. */
void kernel_lock_offer(void);

static inline void kernel_lock(void)
{
	if (__builtin_expect(__atomic_exchange_n(&big_lock, 1, __ATOMIC_ACQUIRE), 0))
		kernel_lock_wait();
}

static inline void kernel_unlock(void)
{
	__atomic_store_n(&big_lock, 0, __ATOMIC_RELEASE);
}

/* Queues of a processor that is being prepared. */
void sched_cpu_init(struct cpu *cpu);

/* A part of the work that was put off; work_deferred is still set if there is more. kcall.c */
void kernel_deferred(struct cpu *cpu);

/* Let `current` go behind its equals at the way out: yield(). */
void sched_yield_current(void);

/* Charge the time that has passed on this processor to its current thread: before
 * user_cycles is read. */
void sched_account(void);

/* Threads that have a processor or wait for one. */
uint32_t sched_running(void);
/* Their number, summed up over time: what it grows by in a second, over a second, is the load. */
uint64_t sched_runnable_ns(void);

/* The priority or affinity of a thread has been changed: requeue it or look again. */
void sched_changed(struct thread *thread);

/* Make another processor that runs `thread` enter the kernel soon (stop, interrupt). */
void sched_poke(struct thread *thread);
/* A service is about to answer: what it has done so far is for whom it has done it. */
void sched_charge(void);

#endif
