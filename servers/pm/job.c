/* SPDX-License-Identifier: MIT */
/* Job control: stop and continue, process groups, sessions. */
#include "machine.h"

/* --- telling the parent ------------------------------------------------------------------------------ */
static int32_t news_status(const struct process *process, int code)
{
	if (code == CLD_EXITED)
		return (int32_t)(process->wait_status >> 8 & 0xff);
	if (code == CLD_CONTINUED)
		return SIGCONT;
	return code == CLD_STOPPED ? (int32_t)process->stop_signal : (int32_t)(process->wait_status & 0x7f);
}

void job_tell_parent(struct process *process, int code)
{
	struct process *parent = process->parent;
	const struct process_entry *entry = process_entry(process);
	bool ended = code == CLD_EXITED || code == CLD_KILLED;
	int signal = ended ? (int)process->exit_signal : SIGCHLD;
	struct signal_info info = {
		.signo = signal, .code = code,
		.child = {
			.pid = entry->pid, .uid = entry->uid, .status = news_status(process, code),
			.utime = (int64_t)(process->times.user_ns / 10000000),
			.stime = (int64_t)(process->times.system_ns / 10000000),
		},
	};

	if (!parent)
		return;
	machine_wake(&parent->waiters);
	if (!ended && parent->flags & PROC_NOCLDSTOP)
		return;
	if (signal)
		signal_post(parent, NULL, &info);
}

/* --- stop and continue ---------------------------------------------------------------------------------- */
void job_stop(struct process *process, int signal)
{
	if (process->flags & PROC_STOPPED)
		return;
	process->flags |= PROC_STOPPED | PROC_STOP_NEWS;
	process->flags &= ~(uint32_t)PROC_CONTINUE_NEWS;
	process->stop_signal = (uint32_t)signal;
	process_entry(process)->state = PROCESS_STOPPED;
	for (struct thread *thread = process->threads; thread; thread = thread->next)
		machine_stop(thread);
	job_tell_parent(process, CLD_STOPPED);
}

void job_continue(struct process *process)
{
	if (!(process->flags & PROC_STOPPED))
		return;
	process->flags &= ~(uint32_t)(PROC_STOPPED | PROC_STOP_NEWS);
	process->flags |= PROC_CONTINUE_NEWS;
	process_entry(process)->state = PROCESS_ALIVE;
	for (struct thread *thread = process->threads; thread; thread = thread->next) {
		/* What came meanwhile is looked at on the way. */
		if (thread->hint)
			machine_interrupt(thread);
		machine_continue(thread);
	}
	job_tell_parent(process, CLD_CONTINUED);
}

/* --- orphaned groups ---------------------------------------------------------------------------------------- */
/* Whether this member has a parent outside the group but in the session, who could continue it.
 * `leaving` counts no more, as member or as parent. */
static bool links_group(const struct process *process, const struct process *leaving)
{
	const struct process_entry *entry = process_entry(process), *parent;

	if (process == leaving || process_is_zombie(process) || !process->parent ||
	    process->parent == leaving)
		return false;
	parent = process_entry(process->parent);
	return parent->pgid != entry->pgid && parent->sid == entry->sid && parent->pid != INIT_PID;
}

static bool orphaned_without(int32_t pgid, const struct process *leaving)
{
	for (const struct process *process = table.first; process; process = process->next)
		if (process_entry(process)->pgid == pgid && links_group(process, leaving))
			return false;
	return true;
}

bool job_group_orphaned(int32_t pgid)
{
	return orphaned_without(pgid, NULL);
}

static bool has_stopped(int32_t pgid, const struct process *except)
{
	for (const struct process *process = table.first; process; process = process->next)
		if (process != except && process_entry(process)->pgid == pgid &&
		    process->flags & PROC_STOPPED)
			return true;
	return false;
}

static void check_group(int32_t pgid, const struct process *leaving)
{
	struct signal_info hangup = { .signo = SIGHUP, .code = SI_KERNEL };
	struct signal_info proceed = { .signo = SIGCONT, .code = SI_KERNEL };

	if (!has_stopped(pgid, leaving) || !orphaned_without(pgid, leaving))
		return;
	signal_group(NULL, pgid, &hangup);
	signal_group(NULL, pgid, &proceed);
}

static bool has_other_groups(const struct process *process)
{
	for (const struct process *child = process->children; child; child = child->older)
		if (process_entry(child)->pgid != process_entry(process)->pgid)
			return true;
	return false;
}

void job_departure(struct process *process)
{
	const struct process_entry *entry = process_entry(process);

	if (process->parent && links_group(process, NULL))
		check_group(entry->pgid, process);
	if (!has_other_groups(process))
		return;
	for (uint32_t place = 0; place < process_places(); place++) {
		const struct process *child = process_at(place);

		if (child && child->parent == process && process_entry(child)->sid == entry->sid &&
		    process_entry(child)->pgid != entry->pgid)
			check_group(process_entry(child)->pgid, process);
	}
}

/* --- groups and sessions ---------------------------------------------------------------------------------------- */
static bool group_in_session(int32_t pgid, int32_t sid)
{
	for (const struct process *process = table.first; process; process = process->next)
		if (process_entry(process)->pgid == pgid && process_entry(process)->sid == sid)
			return true;
	return false;
}

long job_setpgid(struct process *caller, int32_t pid, int32_t pgid)
{
	struct process *process = pid ? process_by_pid(pid) : caller;
	struct process_entry *entry;

	if (pgid < 0 || pid < 0)
		return -EINVAL;
	if (!process || process_is_zombie(process) || (process != caller && process->parent != caller))
		return -ESRCH;
	entry = process_entry(process);
	if (!pgid)
		pgid = entry->pid;
	if (process != caller && entry->sid != process_entry(caller)->sid)
		return -EPERM;
	if (process != caller && process->flags & PROC_EXECED)
		return -EACCES;
	if (entry->sid == entry->pid || (pgid != entry->pid && !group_in_session(pgid, entry->sid)))
		return -EPERM;
	if (pgid == entry->pgid)
		return 0;
	process_set_group(process, pgid, entry->sid);
	return 0;
}

static bool group_exists(int32_t pgid)
{
	for (const struct process *process = table.first; process; process = process->next)
		if (process_entry(process)->pgid == pgid)
			return true;
	return false;
}

long job_setsid(struct process *caller)
{
	struct process_entry *entry = process_entry(caller);

	if (group_exists(entry->pid))
		return -EPERM;
	process_set_group(caller, entry->pid, entry->pid);
	process_entry(caller)->tty = 0;
	return entry->pid;
}
