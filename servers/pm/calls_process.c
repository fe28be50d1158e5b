/* SPDX-License-Identifier: MIT */
/* fork, threads, exec, exit, wait: messages. */
#include "calls.h"
#include "image.h"
#include "peers.h"

#include <util/string.h>

static PRESERVED struct waitq exec_callers;

struct process *caller_of(const struct request *rq)
{
	struct process *process = process_by_stamp(rq->stamp);

	return process && !process_is_zombie(process) ? process : NULL;
}

static struct thread *caller_thread(const struct request *rq, uint64_t tid)
{
	struct process *process = caller_of(rq);

	return process ? process_thread(process, (int32_t)tid) : NULL;
}

/* --- fork ------------------------------------------------------------------------------------- */
/* progress: 0 the child's stamp, 1 its pid */
static long fork_start(struct request *rq, const struct pm_fork_req *in)
{
	struct thread *caller = caller_thread(rq, in->tid);
	struct process *child;
	long status;

	if (!caller || in->exit_signal > SIGNAL_COUNT)
		return -EINVAL;
	child = process_fork(caller, in->flags & PM_FORK_VM, in->stack, (uint32_t)in->exit_signal);
	if (!child && shortage_relieve(caller->process))
		child = process_fork(caller, in->flags & PM_FORK_VM, in->stack, (uint32_t)in->exit_signal);
	if (!child)
		return -EAGAIN;
	rq->progress[0] = process_entry(child)->stamp;
	rq->progress[1] = (uint64_t)process_pid(child);
	status = peers_session_fork(child, rq->stamp);
	if (status >= 0)
		return request_park(rq, &child->makers);
	process_undo(child);
	return status;
}

long do_fork(struct request *rq, const struct pm_fork_req *in, struct pm_fork_reply *out)
{
	struct process *child;
	long error;

	out->is_child = out->thread_page = 0;
	if (!rq->progress[0])
		return fork_start(rq, in);
	child = process_by_stamp(rq->progress[0]);
	if (!child || process_is_zombie(child))
		return (long)rq->progress[1];
	error = child->fork_error;
	if (error) {
		process_undo(child);
		return error;
	}
	if (child->flags & (PROC_STARTING | PROC_VFORKED))
		return request_park(rq, &child->makers);
	return (long)rq->progress[1];
}

/* --- threads -------------------------------------------------------------------------------------- */
long do_thread_create(struct request *rq, const struct pm_thread_create_req *in,
		      struct pm_thread_create_reply *out)
{
	struct process *process = caller_of(rq);
	struct thread *thread;

	out->thread_page = 0;
	if (!process)
		return -ESRCH;
	threads_sweep(process);
	thread = thread_make(process, process->image, process->private_table, 0, libposix.thread_start,
			     in->stack, ~0ull);
	if (!thread)
		return -EAGAIN;
	if (caller_thread(rq, in->tid))
		machine_bind_alike(thread, caller_thread(rq, in->tid));
	if (in->tid_address)
		kcall(space_write, process->image->space, in->tid_address, &thread->tid, sizeof(thread->tid));
	out->thread_page = block_page(thread->block);
	thread_join(thread);
	signal_update_hints(process);
	return thread->tid;
}

static bool only_thread(const struct thread *only)
{
	for (const struct thread *thread = only->process->threads; thread; thread = thread->next)
		if (thread != only && thread->phase == THREAD_LIVE)
			return false;
	return true;
}

long do_exit_thread(struct request *rq, const struct pm_exit_thread_req *in, struct pm_exit_thread_reply *out)
{
	struct thread *thread = caller_thread(rq, in->tid);

	(void)out;
	if (!thread)
		return -ESRCH;
	threads_sweep(thread->process);
	if (only_thread(thread)) {
		process_exit(thread->process, (uint32_t)in->status & 0xff00);
		return 0;
	}
	thread->phase = THREAD_LEAVING;
	return 0;
}

long do_exit(struct request *rq, const struct pm_exit_req *in, struct pm_exit_reply *out)
{
	struct process *process = caller_of(rq);

	(void)out;
	if (process)
		process_exit(process, (uint32_t)in->status & 0xff7f);
	return 0;
}

long do_set_tid_address(struct request *rq, const struct pm_set_tid_address_req *in,
			struct pm_set_tid_address_reply *out)
{
	(void)rq, (void)in, (void)out;
	return -ENOSYS; /* it is libposix's business */
}

/* --- exec --------------------------------------------------------------------------------------------- */
/* progress: 0 begun, 1 how it went. The other threads run until the commit. */
long do_exec(struct request *rq, const struct pm_exec_req *in, struct pm_exec_reply *out)
{
	struct process *process = caller_of(rq);
	struct thread *thread = caller_thread(rq, in->tid);
	long status;

	(void)out;
	if (rq->progress[1])
		return -(long)rq->progress[1];
	if (!process)
		return -ESRCH;
	if (rq->progress[0])
		return request_park(rq, &exec_callers);
	if (!thread || rq->caps[0].rights != CAPT_MEMORY)
		return -EINVAL;
	status = exec_begin(process, thread, rq, rq->caps[0].slot);
	if (status == -ENOMEM && shortage_relieve(process))
		status = exec_begin(process, thread, rq, rq->caps[0].slot);
	if (status < 0)
		return status;
	rq->progress[0] = 1;
	return request_park(rq, &exec_callers);
}

/* The process whose loader this is. */
static struct process *loading(const struct request *rq)
{
	struct process *process = caller_of(rq);

	return process && process->exec.image && process->exec.badge == rq->badge ? process : NULL;
}

static void set_command(struct request *rq, struct process_entry *entry)
{
	memset(entry->command, 0, sizeof(entry->command));
	if (rq->in_length && rq->in_length < sizeof(entry->command))
		request_read(rq, 0, entry->command, rq->in_length);
}

long do_exec_commit(struct request *rq, const struct pm_exec_commit_req *in, struct pm_exec_commit_reply *out)
{
	struct process *process = loading(rq);
	struct process_entry *entry;
	struct exec_file file = {
		.mode = (uint32_t)in->mode,
		.uid = (uint32_t)in->owner,
		.gid = (uint32_t)(in->owner >> 32),
		.no_setid = in->no_setid != 0,
	};

	if (!process)
		return -EPERM;
	entry = process_entry(process);
	set_command(rq, entry);
	entry->args_start = in->args_start;
	entry->args_end = in->args_end;
	entry->env_start = in->env_start;
	entry->env_end = in->env_end;
	out->secure = exec_commit(process, &file);
	out->uids = entry->uid | (uint64_t)entry->euid << 32;
	out->gids = entry->gid | (uint64_t)entry->egid << 32;
	out->tid = (uint64_t)entry->pid;
	out->ignored = entry->signals_ignored;
	return 0;
}

long do_exec_abort(struct request *rq, const struct pm_exec_abort_req *in, struct pm_exec_abort_reply *out)
{
	struct process *process = loading(rq);
	bool first = process && !process->exec.request;

	(void)out;
	if (!process)
		return -EPERM;
	exec_abandon(process, in->error && in->error < 4096 ? (long)in->error : ENOEXEC);
	if (first)
		init_exec_failed(process, (long)in->error);
	return 0;
}

/* --- wait ------------------------------------------------------------------------------------------------ */
#define WNOHANG 1u

long do_wait(struct request *rq, const struct pm_wait_req *in, struct pm_wait_reply *out)
{
	struct process *process = caller_of(rq);
	struct wait_result result;
	long pid;

	if (!process)
		return -EINTR;
	pid = wait_find(process, in->pid, in->options, &result);
	if (pid == 0 && !(in->options & WNOHANG))
		return rq->cancelled ? -EINTR : request_park(rq, &process->waiters);
	if (pid <= 0)
		return pid;
	out->wait_status = result.status;
	out->uid = result.uid;
	if (rq->out_length >= sizeof(result.times))
		request_write(rq, 0, &result.times, sizeof(result.times));
	return pid;
}
