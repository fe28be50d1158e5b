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
	memory_init();
	cpu_finish_user(cpu);
	acpi_init(boot.rsdp);
	lapic_init(cpu);
	ioapic_init();
	time_init();
	cpu->online = true;
	kernel_main(&boot.archive, boot.rsdp, boot.command_line);
}
