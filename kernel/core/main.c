/* SPDX-License-Identifier: MIT */
/* The machine-independent part begins here. */
#include "arch/arch.h"
#include "core/boot.h"
#include "core/clock.h"
#include "core/cpu.h"
#include "core/klog.h"

static bool contains(const char *text, const char *word)
{
	for (; *text; text++) {
		size_t i = 0;

		while (word[i] && text[i] == word[i])
			i++;
		if (!word[i])
			return true;
	}
	return false;
}

void kernel_main(const struct boot_module *archive, uint64_t rsdp, const char *command_line)
{
	klog_set_exit_on_panic(contains(command_line, "panic=exit"));
	kernel_lock();
	sched_init();
	clock_init();
	boot_rs(archive, rsdp, command_line);
	arch_time_ready();
	arch_start_processors();
	kprintf("boot: rs starts %lu us after kernel entry\n", arch_now_ns() / 1000);
	arch_return_to_user(kernel_leave());
}
