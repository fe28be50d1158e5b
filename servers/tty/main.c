/* SPDX-License-Identifier: MIT */
/* tty: terminals, their line discipline and job control. */
#include "tty.h"

PRESERVED struct description_table descriptions;

static struct tty *own_terminal(uint64_t stamp)
{
	const struct process_entry *process = process_find(stamp);

	return process && process->tty ? tty_of_device(process->tty) : NULL;
}

static void close_tty(struct open_tty *open)
{
	struct open_tty **link = &open->tty->opens;
	struct tty *tty = open->tty;
	bool master = open->master;

	while (!master && *link != open)
		link = &(*link)->next;
	if (!master)
		*link = open->next;
	description_delete(open);
	if (tty->pty)
		pty_closed(tty, master);
}

/* The description of an open, and its badge to the opener. */
static long give_open(struct request *rq, const struct dev_open_req *in, struct tty *tty, bool master)
{
	struct open_tty *open = description_new_special(sizeof(*open), in);
	long status;

	if (!open && master)
		pty_abandon(tty);
	if (!open)
		return -ENFILE;
	open->tty = tty;
	open->master = master;
	open->next = tty->opens;
	*(master ? &tty->master : &tty->opens) = open;
	tty->was_open |= !master;
	status = request_give_badge(rq, open->d.badge);
	if (status < 0)
		close_tty(open);
	return status < 0 ? status : 0;
}

static long open_master(struct request *rq, const struct dev_open_req *in)
{
	struct tty *tty = NULL;
	long status = pty_open(rq, in->stamp, &tty);

	return status ? status : give_open(rq, in, tty, true);
}

static long tty_open(struct request *rq, const struct dev_open_req *in, struct dev_open_reply *out)
{
	bool own = in->major == TTY_MAJOR_ALIAS && in->minor == 0;
	struct request opener = { .stamp = in->stamp };
	struct tty *tty;
	long status;

	(void)out;
	if (in->major == TTY_MAJOR_ALIAS && in->minor == TTY_MINOR_MASTER)
		return open_master(rq, in);
	tty =
	    own ? own_terminal(in->stamp) : tty_of_device(dev_make((uint32_t)in->major, (uint32_t)in->minor));
	if (!tty)
		return -ENXIO;
	if (tty->pty && (tty->locked || !tty->master))
		return -EIO;
	if (tty->exclusive && tty->opens)
		return -EBUSY;
	status = give_open(rq, in, tty, false);
	if (status)
		return status;
	if (tty->pty)
		tty_changed(tty); /* who polls the master sees no hang-up any more */
	if (!(in->flags & O_NOCTTY) && !own)
		jobs_acquire(&opener, tty, false);
	return 0;
}

static long tty_session_exit(struct request *rq, const struct tty_session_exit_req *in,
			     struct tty_session_exit_reply *out)
{
	(void)rq, (void)out;
	jobs_session_exit((int32_t)in->session);
	return 0;
}

static long tty_settle(struct request *rq, const struct dev_settle_req *in, struct dev_settle_reply *out)
{
	(void)in, (void)out;
	return ptys_settle(rq);
}

static const struct dev_ops dev_ops = { .open = tty_open, .settle = tty_settle };
static const struct tty_ops tty_ops = { .session_exit = tty_session_exit };

/* An open file's badge speaks only file; the services' badges the rest. */
static long dispatch(struct request *rq)
{
	bool service = rq->badge >= BADGE_SERVICE;

	switch (IPC_OP_PROTO(rq->op)) {
	case PROTO_ID_FILE: return file_dispatch(&tty_file_ops, rq);
	case PROTO_ID_DEV: return service ? dev_dispatch(&dev_ops, rq) : -EPERM;
	case PROTO_ID_TTY: return service ? tty_dispatch(&tty_ops, rq) : -EPERM;
	}
	return -ENOSYS;
}

static long start(bool restarted)
{
	ttys_start(restarted);
	return 0;
}

static void release(uint64_t badge)
{
	struct open_tty *open = description_find(badge);

	if (open)
		close_tty(open);
}

/* A write that has moved bytes reports them. */
static long cancel(struct request *rq)
{
	if (rq->op == file_op_write && rq->progress[0])
		return (long)rq->progress[0];
	if (rq->op == dev_op_open && rq->progress[0])
		pty_open_cancelled(rq);
	return -EINTR;
}

static const struct service service = {
	.name = "tty",
	.dispatch = dispatch,
	.start = start,
	.release = release,
	.cancel = cancel,
	.transactional = true,
};

int main(void)
{
	service_main(&service);
}
