/* SPDX-License-Identifier: MIT */
/*
 * exec: a loader runs in a new address space beside the old image, with the process's stamp and
 * descriptors, until it commits or gives up. Only its capability to PM, which has a badge of its own, may do
 * either: the old image cannot pose as the loader of a set-id program.
 */
#include "image.h"
#include "machine.h"
#include "quota.h"

static PRESERVED uint64_t last_badge;

/* Not that of an attempt that was not committed: its badge may not be released yet. */
TX_DERIVED static uint64_t unused_badge(void)
{
	return BADGE_FIRST_OWN + ++last_badge;
}

static cap_t loader_table(uint64_t badge, cap_t args, cap_t quota)
{
	long cap = tx_made(kcall(badge_create, SLOT_ENDPOINT, badge)), status;
	cap_t table;

	if (cap < 0)
		return (cap_t)cap;
	table = table_standard((cap_t)cap, quota);
	tx_close((cap_t)cap);
	if (table < 0)
		return table;
	status = kcall(table_put, table, PROC_SLOT_EXEC_ARGS & ~CAP_PRIVATE, args, CAP_R);
	if (status >= 0)
		return table;
	tx_close(table);
	return (cap_t)status;
}

static void forget(struct process *process)
{
	struct exec_state *exec = &process->exec;

	if (exec->loader)
		thread_drop(exec->loader, exec->image);
	if (exec->image)
		image_put(exec->image);
	if (exec->private_table > 0)
		tx_close(exec->private_table);
	*exec = (struct exec_state){ 0 };
}

long exec_begin(struct process *process, struct thread *caller, struct request *request, cap_t args)
{
	struct exec_state *exec = &process->exec;
	uint64_t mask = caller ? machine_mask(caller) : 0;
	cap_t quota = quota_of(process_entry(process)->uid);

	if (exec->image)
		return -EAGAIN;
	exec->badge = unused_badge();
	exec->private_table = loader_table(exec->badge, args, quota);
	exec->image = exec->private_table < 0 ? NULL : image_new(quota);
	if (exec->image)
		exec->loader = thread_make(process, exec->image, exec->private_table, process_pid(process),
					   libposix.load, EXEC_ARGS_MAX, mask);
	if (!exec->loader) {
		forget(process);
		return -ENOMEM;
	}
	image_limit(exec->image, process->limits);
	exec->request = request;
	exec->caller = caller ? caller->tid : 0;
	thread_show(exec->loader);
	tx_start(exec->loader->cap);
	return 0;
}

/* The handler of exec runs again and finds how it went. */
static void tell_caller(struct request *request, long error)
{
	if (!request)
		return;
	request->progress[1] = (uint64_t)error;
	machine_wake_request(request);
}

void exec_abandon(struct process *process, long error)
{
	struct request *request = process->exec.request;

	if (!process->exec.image)
		return;
	forget(process);
	tell_caller(request, error);
}

/* From now on it is a process like any other. */
static void public_table(struct exec_state *exec)
{
	uint64_t slot = PROC_SLOT_PM & ~CAP_PRIVATE;

	kcall(table_remove, exec->private_table, slot);
	kcall(table_put, exec->private_table, slot, public_cap, CAP_ALL);
	kcall(badge_destroy, SLOT_ENDPOINT, exec->badge);
}

static void change_image(struct process *process, struct exec_state *exec)
{
	struct thread *old = process_thread(process, exec->caller);

	/* What waits for the calling thread waits for its successor; the others' signals end with them. */
	if (old) {
		signal_move(old, exec->loader);
		machine_bind_alike(exec->loader, old);
	}
	while (process->threads)
		thread_end(process->threads);
	if (process->image)
		image_put(process->image);
	if (process->private_table >= 0)
		tx_close(process->private_table);
	process->image = exec->image;
	process->private_table = exec->private_table;
}

/* The signal of a process's end was agreed on by two programs; neither may now send it to another, which could
 * have rights of its own. */
static void forget_exit_signals(struct process *process)
{
	process->exit_signal = SIGCHLD;
	for (struct process *child = process->children; child; child = child->older)
		if (child->exit_signal != SIGCHLD)
			child->exit_signal = SIGCHLD;
}

bool exec_commit(struct process *process, const struct exec_file *file)
{
	struct exec_state exec = process->exec;
	uint32_t set_id = file->no_setid ? 0 : file->mode;

	process->exec = (struct exec_state){ 0 };
	public_table(&exec);
	change_image(process, &exec);
	tell_caller(exec.request, EINTR);
	thread_enter(exec.loader);
	if (process->flags & PROC_STOPPED)
		machine_stop(exec.loader);
	kcall(table_cloexec, process->fd_table);
	timers_exit(process, true);
	signal_reset_actions(process);
	signal_update_hints(process);
	process->flags |= PROC_EXECED;
	process->flags &= ~(uint32_t)(PROC_KEEP_CAPS | PROC_UNDUMPABLE);
	forget_exit_signals(process);
	process->death_signal = set_id & 06000 ? 0 : process->death_signal;
	vfork_release(process);
	return cred_exec(process, set_id, file->uid, file->gid);
}
