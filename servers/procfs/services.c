/* SPDX-License-Identifier: MIT */
/* The kernel and the services, shown as Linux shows the threads of its kernel: without command line, in brackets. */
#include "procfs.h"

#include <util/string.h>

#define KERNEL_NUMBER 0
#define RS_NUMBER 1

static char letter_of(uint64_t state)
{
	switch (state) {
	case THREAD_READY:
	case THREAD_RUNNING: return 'R';
	case THREAD_STOPPED: return 'T';
	case THREAD_FAULTED:
	case THREAD_DEAD: return 'X';
	}
	return 'S';
}

/* It has no threads of its own: whoever calls it is charged for its work. */
static struct service_info kernel_info(void)
{
	struct system_info system = { 0 };
	struct service_info info = { .number = KERNEL_NUMBER, .name = "kernel", .state = THREAD_WAITING };

	kcall(system_info, &system);
	info.memory.resident_pages = system.pages_kernel + system.pages_table + system.tables_spare;
	info.memory.mapped_pages = info.memory.resident_pages;
	info.memory.table_pages = system.pages_table;
	return info;
}

static int32_t parent_of(uint64_t number)
{
	return number > RS_NUMBER ? PID_KERNEL + RS_NUMBER : 0;
}

static void describe(struct gather *g, const struct service_info *info)
{
	g->entry = (struct process_entry){
		.stamp = STAMP_SERVICE | info->number,
		.pid = g->pid,
		.ppid = parent_of(info->number),
		.threads = 1,
		.start_ns = info->start_ns,
		.state = PROCESS_ALIVE,
	};
	strlcpy(g->entry.command, info->name, sizeof g->entry.command);
	g->times.user_ns = info->user_ns;
	g->times.system_ns = info->system_ns;
	g->state = letter_of(info->state);
	g->priority = -1 - (int64_t)info->priority;
	g->processor = info->processor;
	g->memory = info->memory;
	g->tids[0] = (uint32_t)g->pid;
	g->thread_count = 1;
}

long service_describe(struct gather *g)
{
	struct service_info info = g->services[0];

	if (g->pid == PID_KERNEL + KERNEL_NUMBER)
		info = kernel_info();
	else if (!g->service_count || info.number != (uint64_t)(g->pid - PID_KERNEL))
		return -ENOENT;
	describe(g, &info);
	return 0;
}

int32_t service_next(const struct gather *g, int32_t after)
{
	if (after < PID_KERNEL + KERNEL_NUMBER)
		return PID_KERNEL + KERNEL_NUMBER;
	for (uint32_t i = 0; i < g->service_count && i < SERVICES_MAX; i++)
		if (g->services[i].number < SERVICES_MAX &&
		    PID_KERNEL + (int32_t)g->services[i].number > after)
			return PID_KERNEL + (int32_t)g->services[i].number;
	return INT32_MAX;
}
