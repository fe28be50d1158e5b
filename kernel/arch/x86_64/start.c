/* SPDX-License-Identifier: MIT */
/* From boot.S to kernel_main(). */
#include "machine.h"

void arch_main(uint32_t magic, uint64_t info);

void arch_main(uint32_t magic, uint64_t info)
{
	struct cpu *cpu = &cpus[0];

	features_init();
	cpu_init(cpu);
	serial_init();
	kprintf("Anole\n");
	multiboot_parse(magic, info);
	/* The tables of boot.S reach the ACPI tables and the APIC: the sooner the clocks are
	 * read the first time, the better they are known at the end of all this. */
	acpi_init(boot.rsdp);
	lapic_init(cpu);
	time_init();
	memory_init();
	cpu_finish_user(cpu);
	ioapic_init();
	kernel_main(&boot.archive, boot.rsdp, boot.command_line);
}
