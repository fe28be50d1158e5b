/* SPDX-License-Identifier: MIT */
/* What wait finds among the children. */
#include "machine.h"

#define WUNTRACED 2u
#define WEXITED 4u
#define WCONTINUED 8u
#define WNOWAIT 0x1000000u

static bool matches(const struct process *parent, const struct process *child, int64_t pid)
{
	const struct process_entry *entry = process_entry(child);

	if (child->flags & PROC_STARTING)
		return false;
	if (pid > 0)
		return entry->pid == pid;
	if (pid == 0)
		return entry->pgid == process_entry(parent)->pgid;
	return pid == -1 || entry->pgid == -pid;
}

/* Status word of the child's news, or 0x10000: none of those asked for. */
#define NO_NEWS 0x10000u
static uint32_t news(const struct process *child, uint64_t options)
{
	if (process_is_zombie(child))
		return options & WEXITED ? child->wait_status : NO_NEWS;
	if (child->flags & PROC_STOP_NEWS && options & WUNTRACED)
		return child->stop_signal << 8 | 0x7f;
	if (child->flags & PROC_CONTINUE_NEWS && options & WCONTINUED)
		return 0xffff;
	return NO_NEWS;
}

static void add_times(struct process *parent, const struct process_times *child)
{
	struct process_times *times = &parent->times;

	process_change(parent);
	times->children_user_ns += child->user_ns + child->children_user_ns;
	times->children_system_ns += child->system_ns + child->children_system_ns;
}

static long know(struct process *parent, struct process *child, uint64_t options, struct wait_result *result)
{
	int32_t pid = process_pid(child);

	result->uid = process_entry(child)->uid;
	result->times = child->times;
	if (options & WNOWAIT)
		return pid;
	if (process_is_zombie(child)) {
		add_times(parent, &child->times);
		process_reap(child);
	} else {
		process_change(child);
		child->flags &= ~(uint32_t)(PROC_STOP_NEWS | PROC_CONTINUE_NEWS);
	}
	return pid;
}

long wait_find(struct process *process, int64_t pid, uint64_t options, struct wait_result *result)
{
	long status = -ECHILD;

	for (struct process *child = process->children; child; child = child->older) {
		if (!matches(process, child, pid))
			continue;
		result->status = news(child, options);
		if (result->status != NO_NEWS)
			return know(process, child, options, result);
		status = 0;
	}
	return status;
}

bool wait_ignored(const struct process *parent)
{
	return process_entry(parent)->signals_ignored & SIGNAL_BIT(SIGCHLD) || parent->flags & PROC_NOCLDWAIT;
}
