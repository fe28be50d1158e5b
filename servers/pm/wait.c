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
		child->flags &= ~(uint32_t)(PROC_STOP_NEWS | PROC_CONTINUE_NEWS);
	}
	return pid;
}

/* Any number of them may live, and each end makes somebody look: what they are not asked for need not be seen of all. */
static bool may_have_news(int64_t pid, uint64_t options)
{
	return pid != -1 || options & (WUNTRACED | WCONTINUED);
}

static long find_among(struct process *process, struct process *first, int64_t pid, uint64_t options,
		       struct wait_result *result)
{
	long status = -ECHILD;

	for (struct process *child = first; child; child = child->older) {
		if (!matches(process, child, pid))
			continue;
		result->status = news(child, options);
		if (result->status != NO_NEWS)
			return know(process, child, options, result);
		status = 0;
		if (!may_have_news(pid, options))
			break;
	}
	return status;
}

static long find_one(struct process *process, int32_t pid, uint64_t options, struct wait_result *result)
{
	struct process *child = process_by_pid(pid);

	if (!child || child->parent != process || !matches(process, child, pid))
		return -ECHILD;
	result->status = news(child, options);
	return result->status == NO_NEWS ? 0 : know(process, child, options, result);
}

long wait_find(struct process *process, int64_t pid, uint64_t options, struct wait_result *result)
{
	long found, living;

	if (pid > INT32_MAX || pid < -INT32_MAX)
		return -ECHILD;
	if (pid > 0)
		return find_one(process, (int32_t)pid, options, result);
	found = find_among(process, process->zombies, pid, options, result);
	if (found > 0)
		return found;
	living = find_among(process, process->children, pid, options, result);
	return living == -ECHILD ? found : living;
}

bool wait_ignored(const struct process *parent)
{
	return process_entry(parent)->signals_ignored & SIGNAL_BIT(SIGCHLD) || parent->flags & PROC_NOCLDWAIT;
}
