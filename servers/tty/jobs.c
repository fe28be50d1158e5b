/* SPDX-License-Identifier: MIT */
/*
 * Job control: which session a terminal controls, which process group may read it, and the
 * signals that follow (POSIX.1-2017, chapter 11.1).
 */
#include "tty.h"

PRESERVED struct waitq jobs_waiting;

static void signalled(struct acall *call)
{
	(void)call;
}

void jobs_signal(int32_t group, int signal, int32_t session)
{
	struct pm_signal_group_req req = { .pgid = group,
					   .signal = (uint64_t)signal,
					   .session = (uint64_t)session };
	struct acall *call = acall_new(signalled, NULL);

	if (call && pm_send_signal_group(call, service_cap("pm"), &req) < 0)
		acall_free(call);
}

/* PM has signalled the background caller's group (progress[1]: its answer): now the call may end. */
static void caller_signalled(struct acall *call)
{
	struct request *rq = call->owner;

	if (rq->token != call->tag[0])
		return;
	rq->progress[1] = call->status < 0 ? (uint64_t)-call->status : ERESTARTSYS;
	request_wake(rq);
}

static bool signal_ignored(const struct process_entry *process, int signal)
{
	return process->signals_ignored >> (signal - 1) & 1;
}

static long signal_caller(struct request *rq, int32_t group, int signal)
{
	struct pm_signal_group_req req = { .pgid = group, .signal = (uint64_t)signal };
	struct acall *call = acall_new(caller_signalled, rq);

	if (!call)
		return -EAGAIN;
	call->tag[0] = rq->token;
	if (pm_send_signal_group(call, service_cap("pm"), &req) < 0) {
		acall_free(call);
		return -EIO;
	}
	return request_park(rq, &jobs_waiting);
}

/* A caller outside the terminal's session, or in its foreground group, is not held up. */
long jobs_check(struct request *rq, struct tty *tty, int signal)
{
	const struct process_entry *process = process_find(rq->stamp);

	if (!process || process->sid != tty->session || !tty->group || process->pgid == tty->group)
		return 0;
	if (rq->progress[1])
		return -(long)rq->progress[1];
	if (signal_ignored(process, signal))
		return signal == SIGTTIN ? -EIO : 0;
	return signal_caller(rq, process->pgid, signal);
}

static void acquired(struct acall *call)
{
	(void)call;
}

static void tell_pm(uint64_t stamp, uint64_t device)
{
	struct pm_set_tty_req req = { .stamp = stamp, .device = device };
	struct acall *call = acall_new(acquired, NULL);

	if (call && pm_send_set_tty(call, service_cap("pm"), &req) < 0)
		acall_free(call);
}

/* TIOCSCTTY, and the open of a terminal by a session leader that has none. */
long jobs_acquire(struct request *rq, struct tty *tty, bool force)
{
	const struct process_entry *process = process_find(rq->stamp);

	if (!process)
		return -EPERM;
	if (process->pid == process->sid && tty->session == process->sid)
		return 0;
	if (process->pid != process->sid || process->tty)
		return -EPERM;
	if (tty->session && !(force && process->euid == 0))
		return -EPERM;
	tty->session = process->sid;
	tty->group = process->pgid;
	tell_pm(rq->stamp, tty->device);
	return 0;
}

/* TIOCNOTTY: a session leader gives the terminal up for its whole session. */
long jobs_release(struct request *rq, struct tty *tty)
{
	const struct process_entry *process = process_find(rq->stamp);

	if (!process || process->tty != tty->device)
		return -ENOTTY;
	if (process->pid == process->sid)
		tty_hang_up(tty);
	tell_pm(rq->stamp, 0);
	return 0;
}

long jobs_set_group(struct request *rq, struct tty *tty, int32_t group)
{
	const struct process_entry *process = process_find(rq->stamp);
	const struct process_table *table = share_address("proctab");
	uint32_t slot;

	if (!process || !tty->session || process->sid != tty->session)
		return -ENOTTY;
	if (group <= 0)
		return -EINVAL;
	for (slot = 0; slot < PROCESS_MAX; slot++)
		if (table->entry[slot].stamp && table->entry[slot].pgid == group)
			break;
	if (slot == PROCESS_MAX)
		return -ESRCH;
	if (table->entry[slot].sid != process->sid)
		return -EPERM;
	tty->group = group;
	return 0;
}

static void signal_hang_up(int32_t group, int32_t session)
{
	jobs_signal(group, SIGHUP, session);
	jobs_signal(group, SIGCONT, session);
}

void jobs_hang_up(struct tty *tty)
{
	const struct process_table *table = share_address("proctab");
	uint32_t slot;

	if (!tty->session)
		return;
	for (slot = 0; slot < PROCESS_MAX; slot++)
		if (table->entry[slot].stamp && table->entry[slot].pid == tty->session) {
			signal_hang_up(tty->session, tty->session);
			tell_pm(table->entry[slot].stamp, 0);
		}
	if (tty->group && tty->group != tty->session)
		signal_hang_up(tty->group, tty->session);
	tty->session = tty->group = 0;
}

void jobs_session_exit(int32_t session)
{
	uint32_t minor;

	for (minor = 0; minor < TTY_LINES; minor++) {
		struct tty *tty = tty_of_device(dev_make(TTY_MAJOR_SERIAL, TTY_SERIAL_MINOR + minor));

		if (tty && tty->session == session)
			tty_hang_up(tty);
	}
	for (minor = 0; minor < TTY_PTYS; minor++)
		if (pty_at(minor) && pty_at(minor)->session == session)
			tty_hang_up(pty_at(minor));
}
