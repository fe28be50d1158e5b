/* SPDX-License-Identifier: MIT */
/*
 * Who has used the processor. The clock (the TSC) is read where the kernel is entered and left in C: what has passed
 * since then is user time of the thread that comes in, or system time of the one that was at work. The IPC fast
 * path reads no clock: after it, the time since the last exit belongs to several threads and nobody can tell the
 * shares. It is put aside, and each tick that interrupts such a stretch charges all that has been put aside to
 * the thread it interrupts. Ticks come at moments that no thread chooses, so in the long run each gets its
 * share; what a thread uses without fast IPC is exact.
 */
#ifndef KERNEL_CORE_ACCOUNT_H
#define KERNEL_CORE_ACCOUNT_H

#include "arch/x86_64/switch.h"
#include "core/cpu.h"

/* Answers whether the stretch that has ended was one of several threads. */
static inline bool account_user(struct cpu *cpu)
{
	uint64_t now = arch_cycles(), passed = now - cpu->charged;

	cpu->charged = now;
	if (__builtin_expect(cpu->left == cpu->current && cpu->calls_charged == cpu->ipc_calls, 1)) {
		cpu->current->user_cycles += passed;
		return false;
	}
	cpu->left = cpu->current;
	cpu->calls_charged = cpu->ipc_calls;
	cpu->shared_cycles += passed;
	return true;
}

static inline void account_system(struct cpu *cpu, struct thread *thread)
{
	uint64_t now = arch_cycles(), passed = now - cpu->charged;

	cpu->charged = now;
	cpu->system_cycles += passed;
	thread->system_cycles += passed;
}

/* The last thing before `thread` returns to user mode. */
static inline void account_leave(struct cpu *cpu, struct thread *thread)
{
	account_system(cpu, thread);
	cpu->left = thread;
	cpu->calls_charged = cpu->ipc_calls;
}

#endif
