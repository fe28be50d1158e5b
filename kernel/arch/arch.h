/* SPDX-License-Identifier: MIT */
/* What the machine-dependent part (arch/x86_64) offers to the rest of the kernel. */
#ifndef KERNEL_ARCH_ARCH_H
#define KERNEL_ARCH_ARCH_H

#include "core/object.h"

struct thread;
struct frame;
struct space;

/* --- console and log: core/klog.c ------------------------------------------------- */
void kprintf(const char *format, ...) __attribute__((format(printf, 1, 2)));
void panic(const char *format, ...) __attribute__((noreturn, format(printf, 1, 2)));
#define ASSERT(condition)                                                   \
	do {                                                                \
		if (!(condition))                                           \
			panic("%s:%d: %s", __FILE__, __LINE__, #condition); \
	} while (0)
void console_putc(char c);    /* arch: polled COM1, until released to the driver */
void console_borrow(bool on); /* for what must be seen although the driver owns it */
void console_release(void);   /* the driver owns it; a panic takes it back */

/* --- processors ----------------------------------------------------------------------- */
void arch_start_processors(void);
void arch_send_reschedule(uint32_t cpu);
void arch_kick_all(void);
/* `tracing` has changed: every processor is to enter the kernel by the path that goes with it. Others
 * come to it with their next interrupt, which this sends. */
void arch_trace_changed(void);
void arch_lock_wait(void); /* one turn of a wait: answers requests of the lock's holder */
/* Load space (CR3, if another), FS/GS base and FPU of the thread that returns to user mode next.
 * kernel_leave() does it; arch/x86_64/switch.h has it inline for the IPC fast path. */
void arch_switch_to(struct thread *next);
/* fs_base or gs_base of a thread was changed, maybe of the current one. */
void arch_segments_changed(struct thread *thread);
/* Make frame a valid one to return to user mode with: selectors and the flags that a user
 * may set. False if rip is no user address. After every change from outside, and for new threads. */
bool arch_frame_sanitize(struct frame *frame);
void arch_idle(void);             /* enable interrupts, halt, disable; lock is not held */
void arch_interrupt_window(void); /* let pending interrupts in, as in arch_idle */
size_t arch_fpu_size(void);       /* bytes of a thread's state */
void arch_fpu_copy(struct thread *to, struct thread *from); /* fork */
void arch_fpu_drop(struct thread *thread);                  /* it is being destroyed */
/* Invalidate translations of a space on every processor that may hold them (space->cpus). */
void arch_tlb_flush_page(struct space *space, uint64_t addr);
void arch_tlb_flush_range(struct space *space, uint64_t start, uint64_t end);
void arch_tlb_flush_space(struct space *space);
/* Before the page tables of a space are freed: every processor that has them loaded leaves them. */
void arch_space_leave(struct space *space);
/*
 * Which processors have a space loaded is known from cpu->loaded_cr3 alone (no PCID), so
 * space->cpus need not be kept up.
 */

/* --- time ------------------------------------------------------------------------------- */
uint64_t arch_now_ns(void);                /* monotonic, from the TSC */
uint64_t arch_cycles_ns(uint64_t cycles);  /* of arch_cycles(), arch/x86_64/switch.h */
uint64_t arch_cycles_start(void);          /* arch_cycles() when arch_now_ns() was 0 */
void arch_timer_set(uint64_t deadline_ns); /* one-shot local timer; UINT64_MAX: none */
uint64_t arch_tsc_multiplier(void);        /* for struct time_page */
void arch_time_ready(void);                /* the rates must be known now; before the first thread */

/* --- interrupts, ports --------------------------------------------------------------------- */
/* Connect a GSI or allocate an MSI vector; `irq` is opaque, passed back to irq_fired().
 * Answers the vector or -errno. A line starts masked. Only level lines need masking. */
long arch_irq_connect(uint32_t gsi, uint32_t flags, void *irq, struct irq_message *message);
void arch_irq_disconnect(uint32_t vector);
void arch_irq_mask(uint32_t vector);
void arch_irq_unmask(uint32_t vector);
void irq_fired(void *irq); /* core/irq.c */
uint64_t arch_port_in(uint16_t port, unsigned width);
void arch_port_out(uint16_t port, unsigned width, uint32_t value);
void arch_reset(void) __attribute__((noreturn));
/* QEMU's isa-debug-exit, or else a reset. */
void arch_exit_emulator(bool success) __attribute__((noreturn));
void arch_halt(void) __attribute__((noreturn));

/* --- page tables: arch/x86_64/pagetable.c (owned by mm) ----------------------------------- */
/* Top table with the kernel half, to copy from: the upper 256 entries never change.
 * Defined and set by arch/x86_64/memory.c before frames_init(). */
extern uint64_t kernel_cr3;
extern uint64_t pagetable_pages; /* in use */
uint64_t pagetable_spare(void);  /* kept for the next space */
/* First physical address beyond the direct map: what is above has no kernel address. */
extern uint64_t direct_map_end;

/* --- start of the machine-independent part: core/main.c --------------------------------- */
struct boot_module {
	uint64_t start, end; /* physical */
	const char *command_line;
};
/* Runs on the boot processor with memory, interrupts and time ready; loads RS and schedules. */
void kernel_main(const struct boot_module *archive, uint64_t rsdp, const char *command_line)
    __attribute__((noreturn));

/* Entered by entry.S with the kernel lock not held, interrupts off, frame saved in current. */
void kernel_syscall(struct thread *current);     /* every syscall that is not ours to do fast */
void kernel_trap(struct thread *current);        /* exception or interrupt from user mode */
void kernel_interrupt_idle(struct frame *frame); /* interrupt while idle */

#endif
