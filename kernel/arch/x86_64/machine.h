/* SPDX-License-Identifier: MIT */
/* What the files of arch/x86_64 offer one another. */
#ifndef KERNEL_ARCH_X86_64_MACHINE_H
#define KERNEL_ARCH_X86_64_MACHINE_H

#include "arch/arch.h"
#include "asm.h"
#include "core/cpu.h"
#include "layout.h"
#include "mm/mm.h"
#include "offsets.h"

/* --- cpu.c: descriptor tables and processor features ------------------------------- */
struct cpu_features {
	bool smep, smap, umip, pge, xsave, large_pages, tsc_deadline;
};
extern struct cpu_features features;
void features_init(void);              /* boot processor, before memory_init() */
void cpu_init(struct cpu *cpu);        /* on that processor: GDT, TSS, IDT, MSRs, control registers */
void cpu_finish_user(struct cpu *cpu); /* features that forbid touching user pages */
void cpu_choose_entry(void);           /* on each processor when tracing begins or ends */
long cpu_prepare(struct cpu *cpu);     /* tables and stack of another processor; 0 or -ENOMEM */

/* --- fpu.c --------------------------------------------------------------------------- */
void fpu_init(struct cpu *cpu);
bool fpu_first_use(struct thread *thread); /* #NM; false if it may not or no memory is left */
void fpu_save_owner(struct cpu *cpu);      /* registers to the owner's memory; none owns them now */

/* --- multiboot.c, memory.c -------------------------------------------------------------- */
#define MEMORY_RANGES 128
enum { MEMORY_USABLE = 1, MEMORY_RESERVED, MEMORY_ACPI, MEMORY_NVS, MEMORY_BAD };
struct memory_range {
	uint64_t start, end;
	uint32_t kind;
};
struct boot_data {
	struct memory_range memory[MEMORY_RANGES];
	unsigned memory_count;
	struct boot_module archive;
	uint64_t rsdp; /* physical address of `rsdp_copy`'s original or of the copy */
	char command_line[512];
};
extern struct boot_data boot;
extern char kernel_start[], kernel_text_end[], kernel_rodata_end[], kernel_end[];
void multiboot_parse(uint32_t magic, uint64_t info);
void memory_init(void);
uint64_t memory_low_page(void); /* a usable page below 640 KiB for starting processors; 0: none */

/* --- acpi.c -------------------------------------------------------------------------------- */
struct acpi_info {
	unsigned cpu_count;
	uint32_t apic_ids[MAX_CPUS];
	uint64_t lapic;
	unsigned ioapic_count;
	struct {
		uint64_t address;
		uint32_t gsi_base;
	} ioapics[8];
	unsigned override_count;
	struct {
		uint32_t source, gsi;
		uint16_t flags;
	} overrides[16];
	uint16_t pm_timer; /* I/O port of the 3.579545 MHz timer, 0: none */
	struct {
		uint8_t space, value;
		uint64_t address;
	} reset; /* space 1: I/O; 0xff: none */
};
extern struct acpi_info acpi;
void acpi_init(uint64_t rsdp);

/* --- lapic.c, ioapic.c ------------------------------------------------------------------------ */
void lapic_init(struct cpu *cpu);
void lapic_eoi(void);
bool lapic_can_reach(uint32_t apic_id);              /* 8 bits, but in x2APIC mode */
void lapic_send(uint32_t apic_id, uint32_t command); /* low word of the command register */
#define LAPIC_FIXED 0x4000u
#define LAPIC_NMI 0x4400u
#define LAPIC_INIT 0x4500u
#define LAPIC_STARTUP 0x4600u
void lapic_timer_init(void);
void lapic_timer_start(uint32_t count); /* one shot; 0 stops */
uint32_t lapic_timer_count(void);
void ioapic_init(void);
void irq_dispatch(uint32_t vector);

/* --- smp.c ---------------------------------------------------------------------------------- */
void smp_answer_request(struct cpu *cpu);
bool smp_save_fpu(struct thread *thread); /* if another processor has its registers */
void smp_stop_others(void);               /* panic */

/* --- time.c ---------------------------------------------------------------------------------- */
void time_init(void);

/* --- serial.c, panic.c ------------------------------------------------------------------------- */
void serial_init(void);
void panic_frame(const char *what, const struct frame *frame) __attribute__((noreturn));
extern bool panicking;

#endif
