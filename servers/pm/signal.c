/* SPDX-License-Identifier: MIT */
/*
 * Signals: who gets one, and what it does there. A signal with a handler waits in a queue until the
 * thread asks (take_signal); whatever else it does, PM does at once.
 *
 * The mask is in the thread's own memory and may change at any time: what is decided by it here
 * is as if the signal had come a moment earlier or later.
 */
#include "machine.h"

#include <util/string.h>

static PRESERVED struct queued_signal pool[QUEUE_POOL];
static PRESERVED struct {
	struct queued_signal *free;
	uint64_t used; /* beyond it none has been used yet */
} queued_signals;

/* --- queues --------------------------------------------------------------------------------------- */
static struct queued_signal *queued_new(void)
{
	struct queued_signal *queued = queued_signals.free;

	if (queued)
		queued_signals.free = queued->next;
	else if (queued_signals.used < QUEUE_POOL)
		queued = &pool[queued_signals.used++];
	return queued;
}

static void queued_free(struct queued_signal *queued)
{
	queued->next = queued_signals.free;
	queued_signals.free = queued;
}

/* False if there is no room for what comes with a real-time signal. A standard one stays pending even so. */
bool queue_add(struct signal_queue *queue, const struct signal_info *info)
{
	uint64_t bit = SIGNAL_BIT(info->signo);
	struct queued_signal *queued;

	if (queue->pending & bit && info->signo < SIGRTMIN)
		return true;
	queued = queued_new();
	if (!queued && info->signo >= SIGRTMIN && info->code != SI_USER)
		return false;
	queue->pending |= bit;
	queue->length += queued != NULL;
	if (!queued)
		return true;
	queued->info = *info;
	queued->next = NULL;
	if (queue->last)
		queue->last->next = queued;
	else
		queue->first = queued;
	queue->last = queued;
	return true;
}

static void queue_unlink(struct signal_queue *queue, struct queued_signal *previous,
			 struct queued_signal *queued)
{
	if (previous)
		previous->next = queued->next;
	else
		queue->first = queued->next;
	if (queue->last == queued)
		queue->last = previous;
	queue->length--;
	queued_free(queued);
}

/* The oldest of that number; the signal stays pending while there are more. */
bool queue_take(struct signal_queue *queue, int signal, struct signal_info *info)
{
	struct queued_signal *previous = NULL, *queued, *found = NULL, *before = NULL;
	unsigned of_it = 0;

	if (!(queue->pending & SIGNAL_BIT(signal)))
		return false;
	for (queued = queue->first; queued; previous = queued, queued = queued->next) {
		if (queued->info.signo != signal)
			continue;
		of_it++;
		if (found)
			continue;
		found = queued;
		before = previous;
	}
	if (of_it < 2)
		queue->pending &= ~SIGNAL_BIT(signal);
	*info = found ? found->info : (struct signal_info){ .signo = signal };
	if (found)
		queue_unlink(queue, before, found);
	return true;
}

void queue_discard(struct signal_queue *queue, uint64_t signals)
{
	struct queued_signal *previous = NULL, *queued = queue->first, *next;

	if (!(queue->pending & signals))
		return;
	for (; queued; queued = next) {
		next = queued->next;
		if (SIGNAL_BIT(queued->info.signo) & signals)
			queue_unlink(queue, previous, queued);
		else
			previous = queued;
	}
	queue->pending &= ~signals;
}

void queue_clear(struct signal_queue *queue)
{
	queue_discard(queue, ~0ull);
}

static void discard_everywhere(struct process *process, uint64_t signals)
{
	queue_discard(&process->signals, signals);
	for (struct thread *thread = process->threads; thread; thread = thread->next)
		queue_discard(&thread->signals, signals);
}

/* --- what a signal does ------------------------------------------------------------------------------ */
enum effect { EFFECT_IGNORE, EFFECT_HANDLER, EFFECT_END, EFFECT_STOP };

static enum effect default_effect(int signal)
{
	switch (signal) {
	case SIGCHLD:
	case SIGCONT:
	case SIGURG:
	case SIGWINCH: return EFFECT_IGNORE;
	case SIGSTOP:
	case SIGTSTP:
	case SIGTTIN:
	case SIGTTOU: return EFFECT_STOP;
	}
	return EFFECT_END;
}

/* init gets only what it has handlers for: nobody could take its place. */
static enum effect effect_of(const struct process *process, int signal)
{
	const struct process_entry *entry = process_entry(process);
	enum effect effect;

	if (entry->signals_ignored & SIGNAL_BIT(signal))
		return EFFECT_IGNORE;
	if (entry->signals_caught & SIGNAL_BIT(signal))
		return EFFECT_HANDLER;
	effect = default_effect(signal);
	if (effect != EFFECT_IGNORE && process_pid(process) == INIT_PID)
		return EFFECT_IGNORE;
	if (effect == EFFECT_STOP && signal != SIGSTOP && job_group_orphaned(process_entry(process)->pgid))
		return EFFECT_IGNORE;
	return effect;
}

static void update_hint(struct thread *thread)
{
	uint64_t hint = thread->signals.pending | thread->process->signals.pending;

	if (thread->hint == hint)
		return;
	thread->hint = hint;
	machine_set_pending(thread, hint);
}

void signal_update_hints(struct process *process)
{
	for (struct thread *thread = process->threads; thread; thread = thread->next)
		update_hint(thread);
}

static const struct thread *calling;

/* Where the request that runs notes how many places have been told. */
static uint64_t *told_before;

void signal_calling(const struct thread *thread, uint64_t *told)
{
	calling = thread;
	told_before = told;
}

/* --- posting -------------------------------------------------------------------------------------------- */
static struct thread *waiting_for(struct process *process, struct thread *only, int signal)
{
	for (struct thread *thread = process->threads; thread; thread = thread->next)
		if (thread->waiting && thread->wait_set & SIGNAL_BIT(signal) && (!only || only == thread))
			return thread;
	return NULL;
}

/* A thread that does not block it. The first made is asked first. */
static struct thread *open_for(struct process *process, struct thread *only, int signal)
{
	struct thread *found = NULL;

	if (only)
		return machine_mask(only) & SIGNAL_BIT(signal) ? NULL : only;
	for (struct thread *thread = process->threads; thread; thread = thread->next)
		if (thread->phase == THREAD_LIVE && !(machine_mask(thread) & SIGNAL_BIT(signal)))
			found = thread;
	return found;
}

static void queue_and_tell(struct process *process, struct thread *only, const struct signal_info *info,
			   struct thread *waiting, struct thread *open)
{
	queue_add(only ? &only->signals : &process->signals, info);
	if (waiting) {
		machine_wake_request(waiting->waiting);
		return;
	}
	if (only)
		update_hint(only);
	else
		signal_update_hints(process);
	if (open && open != calling)
		machine_interrupt(open);
}

/* Stop and continue undo each other's pending signals, and continue works even if it is blocked. */
static void job_control(struct process *process, int signal)
{
	if (SIGNAL_BIT(signal) & SIGNALS_STOP) {
		discard_everywhere(process, SIGNAL_BIT(SIGCONT));
		signal_update_hints(process);
	} else if (signal == SIGCONT) {
		discard_everywhere(process, SIGNALS_STOP);
		signal_update_hints(process);
		job_continue(process);
	}
}

void signal_post(struct process *process, struct thread *only, const struct signal_info *info)
{
	int signal = info->signo;
	struct thread *waiting, *open;
	enum effect effect;

	if (process_is_zombie(process))
		return;
	if (signal == SIGKILL) {
		if (process_pid(process) != INIT_PID)
			process_exit(process, SIGKILL);
		return;
	}
	job_control(process, signal);
	effect = effect_of(process, signal);
	waiting = waiting_for(process, only, signal);
	open = waiting ? NULL : open_for(process, only, signal);
	if (effect == EFFECT_IGNORE && open)
		return;
	if (open && effect == EFFECT_END && !(process->flags & PROC_STOPPED))
		process_exit(process, (uint32_t)signal);
	else if (open && effect == EFFECT_STOP)
		job_stop(process, signal);
	else
		queue_and_tell(process, only, info, waiting, open);
}

void signal_simple(struct process *process, int signal)
{
	struct signal_info info = { .signo = signal, .code = SI_KERNEL };

	signal_post(process, NULL, &info);
}

void signal_force(struct thread *thread, const struct signal_info *info)
{
	struct process *process = thread->process;
	int signal = info->signo;
	bool blocked = machine_mask(thread) & SIGNAL_BIT(signal);

	if (blocked || effect_of(process, signal) != EFFECT_HANDLER) {
		process_exit(process, (uint32_t)signal);
		return;
	}
	queue_add(&thread->signals, info);
	update_hint(thread);
	machine_interrupt(thread);
}

/* --- taking ------------------------------------------------------------------------------------------------ */
static int lowest(uint64_t set)
{
	return set ? __builtin_ctzll(set) + 1 : 0;
}

/* Faults first: the frame of any other must show the state before them. */
static bool take_next(struct thread *thread, uint64_t allowed, struct signal_info *info)
{
	struct process *process = thread->process;
	int signal = lowest(thread->signals.pending & allowed & SIGNALS_SYNCHRONOUS);

	if (!signal)
		signal = lowest((thread->signals.pending | process->signals.pending) & allowed);
	if (!signal)
		return false;
	return queue_take(&thread->signals, signal, info) || queue_take(&process->signals, signal, info);
}

int signal_take(struct thread *thread, uint64_t mask, struct signal_info *info)
{
	struct process *process = thread->process;
	int taken = 0;

	while (!taken && take_next(thread, ~mask, info)) {
		int signal = info->signo;

		switch (effect_of(process, signal)) {
		case EFFECT_IGNORE: break;
		case EFFECT_STOP: job_stop(process, signal); break;
		case EFFECT_END: process_exit(process, (uint32_t)signal); return -1;
		case EFFECT_HANDLER: taken = signal; break;
		}
	}
	signal_update_hints(process);
	return taken;
}

int signal_accept(struct thread *thread, uint64_t set, struct signal_info *info)
{
	if (!take_next(thread, set, info))
		return 0;
	signal_update_hints(thread->process);
	return info->signo;
}

/* --- actions ------------------------------------------------------------------------------------------------- */
static void set_flag(struct process *process, uint32_t flag, bool on)
{
	process->flags = on ? process->flags | flag : process->flags & ~flag;
}

long signal_set_action(struct process *process, int signal, uint64_t handler, uint64_t flags)
{
	struct process_entry *entry;
	uint64_t bit;

	if (signal < 1 || signal > SIGNAL_COUNT || signal == SIGKILL || signal == SIGSTOP)
		return -EINVAL;
	entry = process_entry(process);
	bit = SIGNAL_BIT(signal);
	entry->signals_ignored = (entry->signals_ignored & ~bit) | (handler == SIG_IGN ? bit : 0);
	entry->signals_caught = (entry->signals_caught & ~bit) | (handler > SIG_IGN ? bit : 0);
	if (signal == SIGCHLD) {
		set_flag(process, PROC_NOCLDSTOP, flags & SA_NOCLDSTOP);
		set_flag(process, PROC_NOCLDWAIT, flags & SA_NOCLDWAIT);
	}
	/* What is ignored now is discarded, blocked or not (POSIX, sigaction). */
	if (handler == SIG_IGN || (handler == SIG_DFL && default_effect(signal) == EFFECT_IGNORE)) {
		discard_everywhere(process, bit);
		signal_update_hints(process);
	}
	return 0;
}

void signal_reset_actions(struct process *process)
{
	process_entry(process)->signals_caught = 0;
	process->flags &= ~(uint32_t)(PROC_NOCLDSTOP | PROC_NOCLDWAIT);
}

void signal_move(struct thread *from, struct thread *to)
{
	to->signals = from->signals;
	from->signals = (struct signal_queue){ 0 };
}

/* --- kill(2) --------------------------------------------------------------------------------------------------- */
bool signal_allowed(const struct process *from, const struct process *to, int signal)
{
	const struct process_entry *sender = process_entry(from), *target = process_entry(to);

	if (sender->euid == 0 || from == to)
		return true;
	if (sender->euid == target->uid || sender->euid == target->suid || sender->uid == target->uid ||
	    sender->uid == target->suid)
		return true;
	return signal == SIGCONT && sender->sid == target->sid;
}

static long kill_one(const struct process *from, struct process *to, struct thread *thread,
		     const struct signal_info *info)
{
	if (from && !signal_allowed(from, to, info->signo))
		return -EPERM;
	if (!info->signo)
		return 0;
	if (info->signo >= SIGRTMIN && info->code < 0 &&
	    (thread ? thread->signals.length : to->signals.length) >= QUEUE_MAX)
		return -EAGAIN;
	signal_post(to, thread, info);
	return 0;
}

/* 0 if one could be told, else why the last could not. The sender comes last: it may not survive. */
static long kill_many(const struct process *from, int32_t pgid, const struct signal_info *info)
{
	uint64_t *told = told_before, first = told ? *told : 0;
	long status = first ? 0 : -ESRCH;

	told_before = NULL; /* not of what follows from a signal */
	for (uint32_t place = (uint32_t)first; place < process_places(); place++) {
		struct process *process = process_at(place);

		if (!process || process == from)
			continue;
		if (pgid ? process_entry(process)->pgid != pgid : process_pid(process) == INIT_PID)
			continue;
		if (!kill_one(from, process, NULL, info))
			status = 0;
		else if (status)
			status = -EPERM;
		if (told)
			*told = place + 1;
		breathe();
	}
	if (from && pgid && process_entry(from)->pgid == pgid)
		status = kill_one(from, process_at(process_slot(from)), NULL, info);
	return status;
}

long signal_group(const struct process *from, int32_t pgid, const struct signal_info *info)
{
	return kill_many(from, pgid, info);
}

static long kill_thread(const struct process *from, int32_t pid, int32_t tid, const struct signal_info *info)
{
	struct thread *thread = thread_by_tid(tid);

	if (!thread || thread->phase != THREAD_LIVE || (pid && process_pid(thread->process) != pid))
		return -ESRCH;
	return kill_one(from, thread->process, thread, info);
}

long signal_kill(struct process *from, int32_t pid, int32_t tid, const struct signal_info *info)
{
	struct process *process;

	if (info->signo < 0 || info->signo > SIGNAL_COUNT)
		return -EINVAL;
	if (pid_is_service(tid ? tid : pid))
		return -EPERM;
	if (tid)
		return kill_thread(from, pid, tid, info);
	if (pid == 0)
		return signal_group(from, process_entry(from)->pgid, info);
	if (pid == -1)
		return kill_many(from, 0, info);
	if (pid < 0)
		return pid == INT32_MIN ? -ESRCH : signal_group(from, -pid, info);
	process = process_by_pid(pid);
	return process ? kill_one(from, process, NULL, info) : -ESRCH;
}
