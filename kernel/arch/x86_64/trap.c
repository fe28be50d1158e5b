/* SPDX-License-Identifier: MIT */
/* Exceptions and interrupts, after trap.S has saved the registers. */
#include "core/account.h"
#include "core/dump.h"
#include "core/quota.h"
#include "core/timer.h"
#include "machine.h"

#define PAGE_FAULT_WRITE 0x2ul
#define PAGE_FAULT_EXECUTE 0x10ul

static void timer_interrupt(struct cpu *cpu, bool shared)
{
	uint64_t now = arch_now_ns();

	cpu->timer_deadline = UINT64_MAX;
	timers_run(now);
	sched_tick(now, shared);
}

/* With the lock held. shared: account_user(). */
static void interrupt(struct cpu *cpu, uint64_t vector, bool shared)
{
	cpu->interrupts++;
	switch (vector) {
	case VECTOR_TIMER:
		lapic_eoi();
		timer_interrupt(cpu, shared);
		break;
	case VECTOR_RESCHEDULE:
		lapic_eoi();
		cpu_choose_entry();
		cpu->need_resched = true;
		break;
	case VECTOR_SPURIOUS: break; /* wants no end of interrupt (SDM 11.9) */
	default:
		if (vector >= VECTOR_IRQ_FIRST && vector <= VECTOR_IRQ_LAST)
			irq_dispatch((uint32_t)vector);
	}
}

static void page_fault(struct thread *current, uint64_t address)
{
	uint64_t error = current->frame.error;
	long result;

	this_cpu()->faults++;
	result = space_fault(current, address, error & PAGE_FAULT_WRITE, error & PAGE_FAULT_EXECUTE);
	if (result >= 0 || (result == -ENOMEM && quota_reclaim_end()))
		return; /* in the latter case it faults again */
	if (result == -EIO)
		error |= IPC_FAULT_BUS;
	else if (result == -ENOMEM)
		error |= IPC_FAULT_MEMORY;
	thread_fault(current, VECTOR_PAGE_FAULT, address, error);
}

static void exception(struct thread *current, uint64_t address)
{
	uint64_t vector = current->frame.vector;

	if (vector == VECTOR_PAGE_FAULT) {
		page_fault(current, address);
		return;
	}
	if (vector == VECTOR_NO_FPU && fpu_first_use(current))
		return;
	thread_fault(current, vector, current->frame.rip, current->frame.error);
}

void kernel_trap(struct thread *current)
{
	uint64_t vector = current->frame.vector, address = 0;
	struct cpu *cpu = this_cpu();
	bool shared;

	if (vector == VECTOR_REQUEST) {
		smp_answer_request(cpu);
		lapic_eoi();
		/* A space is only left by those who need it no more; else nothing has changed. */
		if (cpu->loaded_cr3 == current->space->cr3)
			arch_return_to_user(current);
	}
	if (vector == VECTOR_PAGE_FAULT)
		address = read_cr2();
	kernel_lock();
	shared = account_user(cpu);
	if (vector >= 32)
		interrupt(cpu, vector, shared);
	else
		exception(current, address);
	arch_return_to_user(kernel_leave());
}

void kernel_interrupt_idle(struct frame *frame)
{
	struct cpu *cpu = this_cpu();

	if (frame->vector == VECTOR_REQUEST) {
		smp_answer_request(cpu);
		lapic_eoi();
		return;
	}
	kernel_lock();
	interrupt(cpu, frame->vector, false);
	kernel_unlock();
}

/* From kernel mode: an interrupt while idle, or a bug. */
void trap_from_kernel(struct frame *frame)
{
	if (frame->vector >= 32 && this_cpu()->idle)
		kernel_interrupt_idle(frame);
	else
		panic_frame("fault in the kernel", frame);
}

/*
 * Somebody pressed a button: QEMU's `nmi`, a server's management. All processors get one; the first acts.
 * If the dump that was asked for before has not come, the kernel is stuck, and this is where.
 */
static void external_nmi(struct frame *frame)
{
	if (this_cpu()->id)
		return;
	if (dump_requested() && !(frame->cs & 3) && !this_cpu()->idle)
		panic_frame("second NMI, and the kernel is still busy", frame);
	dump_request();
}

void trap_paranoid_from(struct frame *frame)
{
	if (panicking && frame->vector == VECTOR_NMI)
		for (;;)
			__asm__ volatile("cli; hlt");
	if (frame->vector == VECTOR_NMI) {
		external_nmi(frame);
		return;
	}
	panic_frame(frame->vector == VECTOR_DOUBLE_FAULT ? "double fault" : "machine check", frame);
}
