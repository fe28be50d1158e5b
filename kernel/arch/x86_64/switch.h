/* SPDX-License-Identifier: MIT */
/* The cheap part of switching to another thread, inline for the IPC fast path. */
#ifndef KERNEL_ARCH_X86_64_SWITCH_H
#define KERNEL_ARCH_X86_64_SWITCH_H

#include "arch/x86_64/asm.h"
#include "core/cpu.h"
#include "mm/mm.h"

static inline uint64_t arch_cycles(void)
{
	return rdtsc();
}

extern uint64_t cr0_without_fpu; /* CR0 with TS set */

/* The rest, for threads that use FPU and segment bases and find others' loaded. */
void switch_user_state(struct cpu *cpu, struct thread *next);

/*
 * CR0.TS is set while a thread with no_fpu runs, so that it cannot see registers of others; an
 * FPU thread that finds its own state still there only clears it. Interrupts are off.
 */
static inline void switch_to(struct cpu *cpu, struct thread *next)
{
	uint64_t cr3 = next->space->cr3;

	if (cpu->loaded_cr3 != cr3) {
		cpu->loaded_cr3 = cr3;
		__asm__ volatile("mov %0, %%cr3" : : "r"(cr3) : "memory");
	}
	if (next->no_fpu)
		__asm__ volatile("mov %0, %%cr0" : : "r"(cr0_without_fpu) : "memory");
	else if (cpu->fpu_owner != next || cpu->segment_owner != next)
		switch_user_state(cpu, next);
	else
		__asm__ volatile("clts");
}

#endif
