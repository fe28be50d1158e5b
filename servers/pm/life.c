/* SPDX-License-Identifier: MIT */
/* Threads and processes come and go. */
#include "image.h"
#include "machine.h"
#include "peers.h"
#include "quota.h"

#include <util/string.h>

#define ENDS_LOGGED 5 /* a second */
#define SIGNALS_CRASH                                                                         \
	(SIGNAL_BIT(SIGSEGV) | SIGNAL_BIT(SIGBUS) | SIGNAL_BIT(SIGILL) | SIGNAL_BIT(SIGFPE) | \
	 SIGNAL_BIT(SIGABRT) | SIGNAL_BIT(SIGTRAP) | SIGNAL_BIT(SIGSYS))

/* --- threads ------------------------------------------------------------------------------------- */
static long create_kernel_thread(struct thread *thread, struct image *image, cap_t private_table,
				 uint64_t entry, uint64_t argument)
{
	struct process *process = thread->process;
	struct thread_create create = {
		.space = image->space,
		.private_table = private_table,
		.fd_table = process->fd_table,
		.fault_endpoint = fault_cap,
		.quota = process_quota,
		.stamp = process_entry(process)->stamp,
		.message_page = block_page(thread->block),
		.entry = image->base + entry,
		.stack = block_page(thread->block) + THREAD_AREA_STEP,
		.argument = argument,
		.gs_base = block_address(thread->block),
		.priority = 8,
		.reflect_entry = image->base + libposix.entry,
		.upcall_entry = image->base + libposix.upcall,
		.image_start = image->base,
		.image_end = image->base + libposix.text_end,
		.restart_start = image->base + libposix.restart_start,
		.restart_end = image->base + libposix.restart_end,
	};
	long cap = tx_made(kcall(thread_create, &create));

	if (cap >= 0)
		thread->cap = (cap_t)cap;
	return cap;
}

/* For traces and dumps; not worth an error. */
void thread_show(const struct thread *thread)
{
	const char *name = process_entry(thread->process)->command;

	kcall(thread_describe, thread->cap, name, strnlen(name, THREAD_NAME_MAX), (uint64_t)thread->tid);
}

/* The part of its block that a thread finds filled in. */
static long write_block(struct thread *thread, struct image *image, uint64_t mask)
{
	struct thread_block block = {
		.self = (struct thread_block *)block_address(thread->block),
		.entry = image->base + libposix.entry,
		.stack_top = block_page(thread->block) + THREAD_AREA_STEP,
		.mask = mask,
		.tid = (uint32_t)thread->tid,
		.pid = process_pid(thread->process),
		.ppid = process_entry(thread->process)->ppid,
	};
	long status;

	random_bytes(block.seed, sizeof(block.seed));
	status = kcall(space_write, image->space, block_address(thread->block), &block,
		       offsetof(struct thread_block, libposix));
	return status < 0 ? status : 0;
}

void thread_enter(struct thread *thread)
{
	struct process *process = thread->process;

	thread_name(thread);
	thread_show(thread);
	thread->next = process->threads;
	process->threads = thread;
	process_entry(process)->threads++;
	thread->phase = THREAD_LIVE;
	if (process_entry(process)->nice)
		machine_priority(thread, process_entry(process)->nice);
}

static void thread_leave(struct thread *thread)
{
	struct thread **link = &thread->process->threads;

	while (*link && *link != thread)
		link = &(*link)->next;
	if (!*link)
		return;
	*link = thread->next;
	process_entry(thread->process)->threads--;
}

/* One that is not yet among its process's: exec's loader and fork's child are not until they run. */
static struct thread *prepare_thread(struct process *process, struct image *image, int32_t tid, long block)
{
	struct thread *thread = block < 0 ? NULL : thread_new(process, tid);

	if (!thread) {
		if (block >= 0)
			image_block_put(image, (unsigned)block);
		return NULL;
	}
	thread->block = (uint16_t)block;
	return thread;
}

void thread_drop(struct thread *thread, struct image *image)
{
	machine_kill(thread);
	image_block_put(image, thread->block);
	thread_free(thread);
}

struct thread *thread_make(struct process *process, struct image *image, cap_t private_table, int32_t tid,
			   uint64_t entry, uint64_t argument, uint64_t mask)
{
	struct thread *thread = prepare_thread(process, image, tid, image_block_get(image));

	if (!thread)
		return NULL;
	if (write_block(thread, image, mask) >= 0 &&
	    create_kernel_thread(thread, image, private_table, entry, argument) >= 0)
		return thread;
	thread_drop(thread, image);
	return NULL;
}

void thread_join(struct thread *thread)
{
	thread_enter(thread);
	tx_start(thread->cap);
}

void thread_end(struct thread *thread)
{
	struct process *process = thread->process;
	uint64_t user_ns, system_ns;

	machine_times(thread, &user_ns, &system_ns);
	process->times.user_ns += user_ns;
	process->times.system_ns += system_ns;
	machine_timer(&thread->timer, 0, NULL);
	thread_leave(thread);
	thread_drop(thread, process->image);
}

/* Threads that said they would end have ended, or will: their blocks are free again. */
void threads_sweep(struct process *process)
{
	struct thread *next;

	for (struct thread *thread = process->threads; thread; thread = next) {
		next = thread->next;
		if (thread->phase == THREAD_LEAVING && machine_thread_gone(thread))
			thread_end(thread);
	}
}

void process_account(struct process *process, struct process_times *times)
{
	*times = process->times;
	for (struct thread *thread = process->threads; thread; thread = thread->next) {
		uint64_t user_ns, system_ns;

		machine_times(thread, &user_ns, &system_ns);
		times->user_ns += user_ns;
		times->system_ns += system_ns;
	}
}

/* --- fork ------------------------------------------------------------------------------------------------ */
/* What a child has from its parent, apart from memory and descriptors. */
static void inherit(struct process *child, const struct process *parent, uint32_t exit_signal)
{
	memcpy(child->limits, parent->limits, sizeof(child->limits));
	timers_limit(child);
	child->flags = PROC_STARTING | (parent->flags & (PROC_BOUND | PROC_NO_NEW_PRIVS | PROC_KEEP_CAPS |
							 PROC_NOCLDSTOP | PROC_NOCLDWAIT));
	child->exit_signal = exit_signal;
	process_entry(child)->start_ns = machine_now();
}

/* The child stands where its parent's thread does: in the call to us, with this answer. */
static long answer_child(struct thread *child, const struct thread *parent)
{
	struct thread_regs regs;
	long status = kcall(thread_copy, child->cap, parent->cap);

	if (status >= 0)
		status = kcall(thread_regs, child->cap, 0, &regs);
	if (status < 0)
		return status;
	regs.rax = 0;
	regs.rdi = 0;
	regs.rsi = (uint64_t)process_pid(child->process);
	return kcall(thread_regs, child->cap, 1, &regs);
}

static struct thread *copied_thread(struct process *child, const struct thread *caller)
{
	struct thread *thread;

	child->image = image_clone(caller->process->image, caller->block);
	if (!child->image)
		return NULL;
	thread = prepare_thread(child, child->image, process_pid(child), caller->block);
	if (!thread)
		return NULL;
	thread->hint = caller->hint; /* as the copied block has it */
	if (create_kernel_thread(thread, child->image, child->private_table, libposix.entry, 0) >= 0 &&
	    answer_child(thread, caller) >= 0)
		return thread;
	thread_drop(thread, child->image);
	return NULL;
}

static struct thread *shared_thread(struct process *child, const struct thread *caller, uint64_t argument)
{
	child->image = caller->process->image;
	image_use(child->image);
	child->flags |= PROC_VFORKED;
	return thread_make(child, child->image, child->private_table, process_pid(child),
			   libposix.thread_start, argument, ~0ull);
}

static bool may_fork(const struct process *parent)
{
	uint32_t uid = process_entry(parent)->uid;
	uint64_t limit = parent->limits[RLIMIT_NPROC].soft;

	/* A few places are root's, so that somebody can clean up. */
	if (uid && process_count() > PROCESS_MAX - 64)
		return false;
	return !uid || processes_of(uid) < limit;
}

struct process *process_fork(struct thread *caller, bool share, uint64_t argument, uint32_t exit_signal)
{
	struct process *parent = caller->process, *child = may_fork(parent) ? process_new(parent) : NULL;
	struct thread *thread = NULL;

	if (!child)
		return NULL;
	inherit(child, parent, exit_signal);
	child->private_table = table_standard(public_cap, quota_of(process_entry(child)->uid));
	child->fd_table = (cap_t)tx_made(kcall(table_clone, parent->fd_table, CAP_NONE));
	if (child->private_table >= 0 && child->fd_table >= 0)
		thread = share ? shared_thread(child, caller, argument) : copied_thread(child, caller);
	if (thread)
		machine_bind_alike(thread, caller);
	if (!thread) {
		process_undo(child);
		return NULL;
	}
	/* Not started: VFS has to know it first. */
	thread_enter(thread);
	signal_update_hints(child);
	if (!share)
		machine_set_parent(thread, process_pid(child), process_pid(parent));
	return child;
}

static void close_cap(cap_t *cap)
{
	if (*cap >= 0)
		tx_close(*cap);
	*cap = CAP_NONE;
}

static void release_resources(struct process *process)
{
	for (; process->threads; breathe())
		thread_end(process->threads);
	if (process->image)
		image_put(process->image);
	process->image = NULL;
	close_cap(&process->private_table);
	close_cap(&process->fd_table);
}

/* A child that never ran. */
void process_undo(struct process *child)
{
	release_resources(child);
	queue_clear(&child->signals);
	process_free(child);
}

void process_begin(struct process *child)
{
	child->flags &= ~(uint32_t)PROC_STARTING;
	if (child->flags & PROC_STOPPED)
		return; /* the continue starts it */
	for (struct thread *thread = child->threads; thread; thread = thread->next)
		tx_start(thread->cap);
}

/* --- exit -------------------------------------------------------------------------------------------------- */
static struct process *new_parent(const struct process *process)
{
	struct process *ancestor = process->parent;

	while (ancestor && !(ancestor->flags & PROC_SUBREAPER))
		ancestor = ancestor->parent;
	if (ancestor && !process_is_zombie(ancestor))
		return ancestor;
	return init_process() == process ? NULL : init_process();
}

static void reparent_one(struct process *child, struct process *parent)
{
	process_adopt(child, parent);
	for (struct thread *thread = child->threads; thread; thread = thread->next)
		machine_set_parent(thread, process_pid(child), process_entry(child)->ppid);
	/* What signal its end sends was agreed on with the parent it had. */
	child->exit_signal = SIGCHLD;
	if (child->death_signal)
		signal_simple(child, (int)child->death_signal);
	if (!process_is_zombie(child) || !parent)
		return;
	if (wait_ignored(parent))
		process_reap(child);
	else
		job_tell_parent(child, child->wait_status & 0x7f ? CLD_KILLED : CLD_EXITED);
}

static void reparent_children(struct process *process)
{
	struct process *parent = new_parent(process);

	for (; process->children; breathe())
		reparent_one(process->children, parent);
	for (; process->zombies; breathe())
		reparent_one(process->zombies, parent);
}

/* The session's terminal is nobody's now. */
static void leave_session(struct process *process)
{
	const struct process_entry *entry = process_entry(process);

	if (entry->sid != entry->pid || !entry->tty)
		return;
	peers_session_exit(entry->sid);
	for (uint32_t place = 0; place < process_places(); place++)
		if (process_at(place) && proctab->entry[place].sid == entry->sid)
			proctab->entry[place].tty = 0;
}

void vfork_release(struct process *child)
{
	if (!(child->flags & PROC_VFORKED))
		return;
	child->flags &= ~(uint32_t)PROC_VFORKED;
	machine_wake(&child->makers);
}

bool may_log_end(void)
{
	static uint64_t second;
	static unsigned lines;
	uint64_t now = machine_now() / 1000000000;

	if (now != second) {
		second = now;
		lines = 0;
	}
	return lines++ < ENDS_LOGGED;
}

/* Ends that a program did not mean, or said so: the signals that would leave a core. */
static void log_crash(const struct process *process, uint32_t wait_status)
{
	const struct process_entry *entry = process_entry(process);
	uint64_t signal = wait_status & 0x7f;
	struct thread_regs regs = { 0 };

	if (!signal || !(SIGNALS_CRASH & SIGNAL_BIT(signal)) || !may_log_end())
		return;
	if (process->threads)
		kcall(thread_regs, process->threads->cap, 0, &regs);
	slog("%s (%d): ended by signal %lu at %lx, sp %lx", entry->command, entry->pid, signal, regs.rip,
	     regs.rsp);
}

/* Nothing of it is there any more, but for what its parent waits for. */
static void become_zombie(struct process *process)
{
	process_become_zombie(process);
	process->flags &= PROC_VFORKED | PROC_ENDING;
	vfork_release(process);
	machine_wake(&process->makers);
	machine_wake(&process->waiters);
	if (process_pid(process) == INIT_PID)
		peers_init_ended(process->wait_status);
	peers_session_gone(process_entry(process)->stamp);
	leave_session(process);
	job_departure(process);
}

/* Each part may have been done before, for with many threads or children it is more than one transaction. */
static void end_process(struct process *process)
{
	struct process *parent;

	exec_abandon(process, 0);
	timers_exit(process, false);
	release_resources(process);
	queue_clear(&process->signals);
	become_zombie(process);
	reparent_children(process);
	process->flags &= ~(uint32_t)PROC_ENDING;
	parent = process->parent;
	if (parent && (!wait_ignored(parent) || process->exit_signal != SIGCHLD)) {
		job_tell_parent(process, process->wait_status & 0x7f ? CLD_KILLED : CLD_EXITED);
		return;
	}
	process_reap(process);
	if (parent)
		machine_wake(&parent->waiters);
}

void process_exit(struct process *process, uint32_t wait_status)
{
	if (process_is_zombie(process) || process->flags & PROC_ENDING)
		return;
	log_crash(process, wait_status);
	process->flags |= PROC_ENDING;
	process->wait_status = wait_status;
	end_process(process);
}

void exits_restart(void)
{
	for (uint32_t place = 0; place < process_places(); place++)
		if (process_at(place) && processes[place].flags & PROC_ENDING)
			end_process(&processes[place]);
}

void process_reap(struct process *process)
{
	process_free(process);
}
