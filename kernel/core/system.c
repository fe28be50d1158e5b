/* SPDX-License-Identifier: MIT */
/* Figures about the whole system, and its end. */
#include "arch/arch.h"
#include "core/cpu.h"
#include "core/kcall.h"
#include "core/klog.h"
#include "core/table.h"
#include "ipc/ipc.h"
#include "mm/mm.h"

enum reset {
	RESET_REBOOT,
	RESET_HALT,
	RESET_RELEASE_CONSOLE,
	RESET_EXIT_SUCCESS,
	RESET_EXIT_FAILURE,
	RESET_PANIC
};

static void add_processor(struct system_info *info, const struct cpu *cpu)
{
	info->processors++;
	info->idle_ns += arch_cycles_ns(cpu->idle_cycles);
	info->system_ns += arch_cycles_ns(cpu->system_cycles);
	info->page_faults += cpu->faults;
	info->context_switches += cpu->switches;
	info->interrupts += cpu->interrupts;
	info->ipc_calls += cpu->ipc_calls;
}

long sys_system_info(uint64_t out)
{
	struct system_info info = {
		.pages_total = frames_total(),
		.pages_free = frames_free(),
		.pages_kernel = kalloc_pages(),
		.pages_cache = memory_cached,
		.threads = thread_count,
		.threads_running = sched_running(),
		.runnable_ns = sched_runnable_ns(),
		.uptime_ns = arch_now_ns(),
		.klog_start = klog_begin(),
		.klog_end = klog_end(),
		.pages_table = pagetable_pages,
		.tables_spare = pagetable_spare(),
		.blocks_spare = kalloc_kept(),
		.kernel_bytes = kalloc_bytes(),
		.capabilities = capabilities_used,
		.watches_dead = watches_dead,
	};

	__builtin_memcpy(info.objects, object_counts, sizeof(info.objects));
	sched_account();
	for (uint32_t i = 0; i < cpu_count; i++)
		add_processor(&info, &cpus[i]);
	return copy_to_user(current_thread()->space, out, &info, sizeof(info), NULL);
}

long sys_system_reset(uint64_t root, uint64_t how)
{
	int error;

	if (!cap_lookup((cap_t)root, CAPT_ROOT, CAP_CONTROL, &error))
		return -error;
	switch (how) {
	case RESET_REBOOT: arch_reset();
	case RESET_HALT: arch_halt();
	case RESET_RELEASE_CONSOLE: klog_release_console(); return 0;
	case RESET_PANIC: panic("asked for");
	case RESET_EXIT_SUCCESS:
	case RESET_EXIT_FAILURE: arch_exit_emulator(how == RESET_EXIT_SUCCESS);
	}
	return -EINVAL;
}
