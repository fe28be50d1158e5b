/* SPDX-License-Identifier: MIT */
/*
 * The other processors. They are started one after the other, each by the one before
 * it (by the boot processor the first), and join the scheduler when they are up: nobody
 * waits for them. And what one processor asks of another: TLB shootdown, leaving an
 * address space, saving FPU state. The asker holds the kernel lock and waits; the other
 * answers from an interrupt or while it waits for the lock.
 */
#include "core/timer.h"
#include "machine.h"

#define CR3_STALE 1ul /* in loaded_cr3 of an idle processor */
#define START_RETRY_NS 10000000ul
#define START_TRIES 100 /* a second */
#define INIT_EVERY 50

enum request_kind {
	REQUEST_NONE,
	REQUEST_FLUSH_RANGE,
	REQUEST_FLUSH_SPACE,
	REQUEST_LEAVE_SPACE,
	REQUEST_SAVE_FPU,
};

/* One at a time: the kernel lock is held. */
static struct {
	uint64_t start, end;
} request;

extern char smp_trampoline[], smp_trampoline_end[];
extern uint64_t smp_boot_stack, smp_boot_cpu;
void smp_main(struct cpu *cpu) __attribute__((noreturn));

static uint64_t trampoline;
static unsigned next; /* in acpi.apic_ids: who is started after the one that is being started */
static unsigned tries;
static bool alive; /* the one that is being started has reached C */
static struct timer start_timer;

/* --- starting -------------------------------------------------------------------- */

static void start_next(void);

/*
 * Once it is alive it comes to the lock by itself, however late: an INIT might meet it when it
 * holds the lock. A startup request is ignored by one that does not wait for it, so these can be
 * many; where a host has no time for its virtual processors, one takes long to answer.
 */
static void start_kick(struct timer *timer)
{
	uint32_t apic_id = cpus[cpu_count].apic_id;

	if (__atomic_load_n(&alive, __ATOMIC_ACQUIRE))
		return;
	if (tries % INIT_EVERY == 0) /* the last, too: what will not come shall not disturb the others */
		lapic_send(apic_id, LAPIC_INIT);
	if (tries++ == START_TRIES) {
		kprintf("smp: the processor with APIC id %u does not start\n", apic_id);
		start_next();
		return;
	}
	lapic_send(apic_id, LAPIC_STARTUP | (uint32_t)(trampoline >> 12));
	timer_set(timer, arch_now_ns() + START_RETRY_NS, start_kick);
}

static bool startable(uint32_t apic_id)
{
	return apic_id != cpus[0].apic_id && lapic_can_reach(apic_id);
}

/* The processor that is being started has the place after those that run, and is counted when it does. */
static bool prepare(uint32_t apic_id)
{
	struct cpu *cpu = &cpus[cpu_count];

	if (cpu_count == MAX_CPUS || (!cpu->arch && cpu_prepare(cpu)))
		return false;
	cpu->id = cpu_count;
	cpu->apic_id = apic_id;
	sched_cpu_init(cpu);
	smp_boot_stack = cpu->kernel_stack;
	smp_boot_cpu = (uint64_t)cpu;
	return true;
}

static void start_next(void)
{
	while (next < acpi.cpu_count && !startable(acpi.apic_ids[next]))
		next++;
	if (next >= acpi.cpu_count || !prepare(acpi.apic_ids[next++]))
		return;
	tries = 0;
	alive = false;
	start_kick(&start_timer);
}

static void trampoline_copy(void)
{
	size_t size = (size_t)(smp_trampoline_end - smp_trampoline);

	__builtin_memcpy(phys_to_virt(trampoline), smp_trampoline, size);
}

void arch_start_processors(void)
{
	trampoline = memory_low_page();
	if (!trampoline || acpi.cpu_count < 2)
		return;
	trampoline_copy();
	start_next();
}

void smp_main(struct cpu *cpu)
{
	__atomic_store_n(&alive, true, __ATOMIC_RELEASE);
	cpu->loaded_cr3 = kernel_cr3;
	cpu_init(cpu);
	cpu_finish_user(cpu);
	lapic_init(cpu);
	lapic_timer_init();
	kernel_lock();
	timer_cancel(&start_timer);
	cpu_count++;
	kprintf("smp: processor %u up\n", cpu->id);
	start_next();
	arch_return_to_user(kernel_leave());
}

/* --- requests ------------------------------------------------------------------------ */

void arch_send_reschedule(uint32_t cpu)
{
	lapic_send(cpus[cpu].apic_id, LAPIC_FIXED | VECTOR_RESCHEDULE);
}

static void leave_space(struct cpu *cpu)
{
	cpu->loaded_cr3 = kernel_cr3;
	write_cr3(kernel_cr3);
}

static void flush_range(uint64_t start, uint64_t end)
{
	for (; start < end; start += ANOLE_PAGE_SIZE)
		invlpg(start);
}

void smp_answer_request(struct cpu *cpu)
{
	uint32_t kind = __atomic_load_n(&cpu->tlb_request, __ATOMIC_ACQUIRE);

	switch (kind) {
	case REQUEST_FLUSH_RANGE: flush_range(request.start, request.end); break;
	case REQUEST_FLUSH_SPACE: write_cr3(cpu->loaded_cr3); break;
	case REQUEST_LEAVE_SPACE: leave_space(cpu); break;
	case REQUEST_SAVE_FPU: fpu_save_owner(cpu); break;
	}
	__atomic_store_n(&cpu->tlb_request, REQUEST_NONE, __ATOMIC_RELEASE);
}

void arch_lock_wait(void)
{
	struct cpu *cpu = this_cpu();

	if (cpu->tlb_request != REQUEST_NONE)
		smp_answer_request(cpu);
	pause();
}

static void ask(struct cpu *cpu, enum request_kind kind)
{
	__atomic_store_n(&cpu->tlb_request, kind, __ATOMIC_RELEASE);
	lapic_send(cpu->apic_id, LAPIC_FIXED | VECTOR_REQUEST);
	while (__atomic_load_n(&cpu->tlb_request, __ATOMIC_ACQUIRE) != REQUEST_NONE)
		pause();
}

/*
 * An idle processor touches no user address: it is not woken for a flush, but loads CR3
 * anew before the next thread, as loaded_cr3 does not match then.
 */
static void ask_holders(uint64_t cr3, enum request_kind kind)
{
	struct cpu *self = this_cpu();

	for (uint32_t i = 0; i < cpu_count; i++) {
		struct cpu *cpu = &cpus[i];

		if (cpu == self || (cpu->loaded_cr3 & ~CR3_STALE) != cr3)
			continue;
		if (cpu->idle && kind != REQUEST_LEAVE_SPACE)
			cpu->loaded_cr3 |= CR3_STALE;
		else
			ask(cpu, kind);
	}
}

void arch_tlb_flush_range(struct space *space, uint64_t start, uint64_t end)
{
	if (this_cpu()->loaded_cr3 == space->cr3)
		flush_range(start, end);
	if (cpu_count == 1)
		return;
	request.start = start;
	request.end = end;
	ask_holders(space->cr3, REQUEST_FLUSH_RANGE);
}

void arch_tlb_flush_page(struct space *space, uint64_t address)
{
	arch_tlb_flush_range(space, address, address + ANOLE_PAGE_SIZE);
}

void arch_tlb_flush_space(struct space *space)
{
	if (this_cpu()->loaded_cr3 == space->cr3)
		write_cr3(space->cr3);
	ask_holders(space->cr3, REQUEST_FLUSH_SPACE);
}

void arch_space_leave(struct space *space)
{
	if ((this_cpu()->loaded_cr3 & ~CR3_STALE) == space->cr3)
		leave_space(this_cpu());
	ask_holders(space->cr3, REQUEST_LEAVE_SPACE);
}

bool smp_save_fpu(struct thread *thread)
{
	for (uint32_t i = 0; i < cpu_count; i++) {
		if (&cpus[i] == this_cpu() || cpus[i].fpu_owner != thread)
			continue;
		ask(&cpus[i], REQUEST_SAVE_FPU);
		return true;
	}
	return false;
}

void arch_kick_all(void)
{
	for (uint32_t i = 0; i < cpu_count; i++)
		if (&cpus[i] != this_cpu())
			arch_send_reschedule(i);
}

void arch_trace_changed(void)
{
	cpu_choose_entry();
	arch_kick_all();
}

void smp_stop_others(void)
{
	for (uint32_t i = 0; i < cpu_count; i++)
		if (&cpus[i] != this_cpu())
			lapic_send(cpus[i].apic_id, LAPIC_NMI);
}
