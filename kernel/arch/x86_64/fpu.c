/* SPDX-License-Identifier: MIT */
/*
 * FPU state. The registers of a processor belong to cpu->fpu_owner; they are saved
 * when another thread with FPU runs there, or when the owner is about to run elsewhere.
 * The save area hangs on thread->fpu from the first switch to it on; a thread for
 * which there was no memory runs with CR0.TS set and tries again at its first use.
 */
#include "machine.h"
#include "switch.h"

#define FXSAVE_SIZE 512
#define XCR0_STATES 0xe7ul /* x87, SSE, AVX, AVX-512 */

static uint32_t state_size = FXSAVE_SIZE;
static uint32_t states; /* XCR0; 0 without XSAVE */

void fpu_init(struct cpu *cpu)
{
	(void)cpu;
	if (!features.xsave)
		return;
	states = cpuid(0xd, 0).eax & XCR0_STATES;
	__asm__ volatile("xsetbv" : : "c"(0), "a"(states), "d"(0));
	state_size = cpuid(0xd, 0).ebx;
}

static void state_save(void *area)
{
	if (states)
		__asm__ volatile("xsave64 (%0)" : : "r"(area), "a"(states), "d"(0) : "memory");
	else
		__asm__ volatile("fxsave64 (%0)" : : "r"(area) : "memory");
}

static void state_load(const void *area)
{
	if (states)
		__asm__ volatile("xrstor64 (%0)" : : "r"(area), "a"(states), "d"(0) : "memory");
	else
		__asm__ volatile("fxrstor64 (%0)" : : "r"(area) : "memory");
}

/* Aligned, and with a word before it. */
size_t arch_fpu_size(void)
{
	return state_size + 64 + 8;
}

/*
 * XSAVE wants 64-byte alignment; the word before the area remembers what to free. Zero
 * is the initial state but for the control words: 0x37f and, in XSAVE too, MXCSR 0x1f80.
 */
static void *area_new(void)
{
	uint8_t *memory = kalloc(arch_fpu_size()), *area;

	if (!memory)
		return NULL;
	area = (uint8_t *)(((uint64_t)memory + 8 + 63) & ~63ul);
	((void **)area)[-1] = memory;
	*(uint16_t *)area = 0x37f;
	*(uint32_t *)(area + 24) = 0x1f80;
	if (states)
		*(uint64_t *)(area + FXSAVE_SIZE) = 3; /* XSTATE_BV: x87 and SSE are in the area */
	return area;
}

void fpu_save_owner(struct cpu *cpu)
{
	uint64_t cr0 = read_cr0();

	if (!cpu->fpu_owner)
		return;
	__asm__ volatile("clts");
	state_save(cpu->fpu_owner->fpu);
	cpu->fpu_owner = NULL;
	write_cr0(cr0);
}

static void fpu_load(struct cpu *cpu, struct thread *thread)
{
	if (!thread->fpu)
		thread->fpu = area_new();
	if (!thread->fpu) {
		write_cr0(cr0_without_fpu);
		return;
	}
	smp_save_fpu(thread);
	__asm__ volatile("clts");
	if (cpu->fpu_owner)
		state_save(cpu->fpu_owner->fpu);
	state_load(thread->fpu);
	cpu->fpu_owner = thread;
}

void switch_user_state(struct cpu *cpu, struct thread *next)
{
	if (cpu->segment_owner != next) {
		wrmsr(MSR_FS_BASE, next->fs_base);
		wrmsr(MSR_KERNEL_GS_BASE, next->gs_base);
		cpu->segment_owner = next;
	}
	if (cpu->fpu_owner != next)
		fpu_load(cpu, next);
	else
		__asm__ volatile("clts");
}

void arch_switch_to(struct thread *next)
{
	switch_to(this_cpu(), next);
}

bool fpu_first_use(struct thread *thread)
{
	if (thread->no_fpu || thread->fpu)
		return false;
	fpu_load(this_cpu(), thread);
	return thread->fpu;
}

void arch_segments_changed(struct thread *thread)
{
	for (uint32_t i = 0; i < cpu_count; i++)
		if (cpus[i].segment_owner == thread)
			cpus[i].segment_owner = NULL;
}

void arch_fpu_copy(struct thread *to, struct thread *from)
{
	struct cpu *cpu = this_cpu();

	if (!from->fpu || from->no_fpu)
		return;
	if (!to->fpu)
		to->fpu = area_new();
	if (!to->fpu)
		return;                          /* it gets a fresh state at its first use */
	for (uint32_t i = 0; i < cpu_count; i++) /* what it had before is no longer its state */
		if (cpus[i].fpu_owner == to)
			cpus[i].fpu_owner = NULL;
	smp_save_fpu(from);
	if (cpu->fpu_owner == from)
		fpu_save_owner(cpu);
	__builtin_memcpy(to->fpu, from->fpu, state_size);
}

void arch_fpu_drop(struct thread *thread)
{
	arch_segments_changed(thread);
	for (uint32_t i = 0; i < cpu_count; i++)
		if (cpus[i].fpu_owner == thread)
			cpus[i].fpu_owner = NULL;
	if (thread->fpu)
		kfree(((void **)thread->fpu)[-1]);
	thread->fpu = NULL;
}
