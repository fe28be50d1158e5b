/* SPDX-License-Identifier: MIT */
/*
 * Pseudo-terminals: a terminal whose line is a program, the holder of the master. What it writes is the terminal's
 * input, what the terminal puts out it reads. The slave's node in /dev/pts is there as long as the master is open.
 */
#include <fs/stream.h>
#include <proto/vfs.h>
#include <util/string.h>

#include "tty.h"

#define PIECE 256u
#define NODE_MODE 0620u

/* What has become of the node in /dev/pts. */
enum { NODE_NONE, NODE_MAKING, NODE_OWNING, NODE_THERE, NODE_REMOVING };

PRESERVED static struct tty *ptys[TTY_PTYS];
PRESERVED static uint64_t removals; /* begun so far */
static struct waitq settling;

struct tty *pty_at(uint32_t number)
{
	return number < TTY_PTYS ? ptys[number] : NULL;
}

/* --- the node -------------------------------------------------------------------------------------------- */

static void node_step(struct tty *tty, long status);

static void node_answered(struct acall *call)
{
	node_step(call->owner, call->status);
}

static struct acall *node_call(struct tty *tty)
{
	struct acall *call = acall_new(node_answered, tty);

	if (call)
		call->in = tty_buffer(tty->node_path, strlen(tty->node_path));
	return call;
}

static void node_make(struct tty *tty)
{
	struct vfs_mknod_req req = { AT_FDCWD, S_IFCHR | NODE_MODE, tty->device };
	struct acall *call = node_call(tty);

	tty->node_state = call ? NODE_MAKING : NODE_THERE;
	if (call)
		vfs_send_mknod(call, service_cap("vfs"), &req);
}

static void node_own(struct tty *tty)
{
	struct vfs_set_attr_req req = {
		.dir = AT_FDCWD,
		.flags_valid = FILE_SET_UID | FILE_SET_GID | FILE_SET_MODE,
		.mode = NODE_MODE,
		.owner = tty->owner,
	};
	struct acall *call = node_call(tty);

	tty->node_state = call ? NODE_OWNING : NODE_THERE;
	if (call)
		vfs_send_set_attr(call, service_cap("vfs"), &req);
}

static void node_remove(struct tty *tty)
{
	struct vfs_unlink_req req = { AT_FDCWD, 0 };
	struct acall *call = node_call(tty);

	tty->node_state = call ? NODE_REMOVING : NODE_NONE;
	if (call)
		vfs_send_unlink(call, service_cap("vfs"), &req);
}

static void free_unused(struct tty *tty)
{
	if (tty->master || tty->opens || tty->node_state != NODE_NONE)
		return;
	ptys[dev_minor(tty->device)] = NULL;
	timer_stop(&tty->read_timer);
	pheap_free(tty);
}

/* An answer has come, or was lost in a crash: then the same is asked again, for which the node may be there already. A
 * node that cannot be made is missed by whoever opens it. */
static void node_step(struct tty *tty, long status)
{
	bool again = status == -ERESTART;

	switch (tty->node_state) {
	case NODE_MAKING: (again ? node_make : node_own)(tty); return;
	case NODE_OWNING:
		if (again) {
			node_own(tty);
			return;
		}
		tty->node_state = NODE_THERE;
		waitq_wake(&tty->masters);
		if (tty->abandoned)
			pty_closed(tty, true);
		return;
	case NODE_REMOVING:
		tty->node_state = NODE_NONE;
		if (again)
			node_remove(tty);
		waitq_wake(&settling);
		free_unused(tty);
	}
}

/* --- opening and closing --------------------------------------------------------------------------------- */

static struct tty *pty_new(uint32_t number, uint64_t stamp)
{
	const struct process_entry *process = process_find(stamp);
	struct tty *tty = pheap_alloc(sizeof(*tty));

	if (!tty)
		return NULL;
	ldisc_reset(&tty->ldisc);
	tty->ldisc.termios.cflag = B38400 | CS8 | CREAD;
	tty->device = dev_make(TTY_MAJOR_SLAVE, number);
	tty->line = CAP_NONE;
	tty->present = tty->pty = tty->locked = true;
	tty->owner = process ? process->fsuid | (uint64_t)process->fsgid << 32 : 0;
	snprintf(tty->node_path, sizeof(tty->node_path), "/dev/pts/%u", number);
	ptys[number] = tty;
	return tty;
}

/* The open of /dev/ptmx makes a pair and waits for its node. progress[0]: 1 + its number. */
long pty_open(struct request *rq, uint64_t stamp, struct tty **tty)
{
	uint32_t number = (uint32_t)rq->progress[0] - 1;

	if (!rq->progress[0]) {
		for (number = 0; number < TTY_PTYS && ptys[number]; number++)
			;
		if (number == TTY_PTYS)
			return -ENOSPC;
		rq->progress[0] = number + 1;
	}
	*tty = ptys[number] ? ptys[number] : pty_new(number, stamp);
	if (!*tty)
		return -ENOMEM;
	if ((*tty)->node_state == NODE_NONE)
		node_make(*tty);
	return (*tty)->node_state == NODE_THERE ? 0 : request_park(rq, &(*tty)->masters);
}

bool pty_slave_gone(const struct tty *tty)
{
	return tty->was_open && !tty->opens;
}

static void number_removal(struct tty *tty)
{
	if (!tty->removal)
		tty->removal = ++removals;
}

/* Once the master is gone, those who have the slave open read the end of the file (Linux: tty_vhangup). */
void pty_closed(struct tty *tty, bool master)
{
	struct open_tty *open;

	if (!master) {
		tty_changed(tty);
		free_unused(tty);
		return;
	}
	tty->master = NULL;
	jobs_hang_up(tty);
	for (open = tty->opens; open; open = open->next)
		open->hung_up = true;
	tty_changed(tty);
	number_removal(tty);
	node_remove(tty);
	free_unused(tty);
}

/* An open that came no further leaves a pair that nobody holds. */
void pty_abandon(struct tty *tty)
{
	if (tty->master)
		return;
	if (tty->node_state == NODE_THERE)
		pty_closed(tty, true);
	else
		tty->abandoned = true; /* until its node has been made */
}

void pty_open_cancelled(const struct request *rq)
{
	struct tty *tty = pty_at((uint32_t)rq->progress[0] - 1);

	if (tty)
		pty_abandon(tty);
}

/* --- the master's side ----------------------------------------------------------------------------------- */

long pty_master_read(struct request *rq, struct open_tty *open, uint64_t flags)
{
	struct tty *tty = open->tty;
	const uint8_t *piece;
	size_t done = 0;
	uint32_t count;
	long status;

	while (done < rq->out_length && (piece = ldisc_output_piece(&tty->ldisc, &count))) {
		if (count > rq->out_length - done)
			count = (uint32_t)(rq->out_length - done);
		status = request_write(rq, done, piece, count);
		if (status < 0 && !done)
			return status;
		if (status < 0)
			break;
		ldisc_sent(&tty->ldisc, count);
		done += count;
	}
	if (done)
		tty_changed(tty);
	if (done || !rq->out_length)
		return (long)done;
	if (pty_slave_gone(tty))
		return -EIO;
	return stream_nonblocking(open->d.flags, flags) ? -EAGAIN : request_park(rq, &tty->masters);
}

/* progress[0]: the bytes that have gone in. */
long pty_master_write(struct request *rq, struct open_tty *open, uint64_t flags)
{
	struct tty *tty = open->tty;
	uint8_t bytes[PIECE];
	size_t count;
	long status;

	while (rq->progress[0] < rq->in_length) {
		if (pty_slave_gone(tty))
			return rq->progress[0] ? (long)rq->progress[0] : -EIO;
		count = ldisc_input_room(&tty->ldisc);
		if (!count && stream_nonblocking(open->d.flags, flags))
			return rq->progress[0] ? (long)rq->progress[0] : -EAGAIN;
		if (!count)
			return request_park(rq, &tty->masters);
		if (count > rq->in_length - rq->progress[0])
			count = rq->in_length - rq->progress[0];
		if (count > sizeof(bytes))
			count = sizeof(bytes);
		status = request_read(rq, rq->progress[0], bytes, count);
		if (status < 0)
			return rq->progress[0] ? (long)rq->progress[0] : status;
		rq->progress[0] += count;
		tty_input(tty, bytes, count);
	}
	return (long)rq->progress[0];
}

uint64_t pty_master_events(const struct tty *tty)
{
	uint64_t ready = 0;
	uint32_t length;

	if (ldisc_output_piece(&tty->ldisc, &length))
		ready |= POLLIN | POLLRDNORM;
	if (ldisc_input_room(&tty->ldisc))
		ready |= POLLOUT | POLLWRNORM;
	return pty_slave_gone(tty) ? ready | POLLHUP : ready;
}

/* The ioctls that only a master has; -ENOTTY for the others. */
long pty_ioctl(struct request *rq, struct tty *tty, uint64_t request)
{
	int32_t value;
	long status;

	switch (request) {
	case TIOCGPTN: value = (int32_t)dev_minor(tty->device); break;
	case TIOCGPTLCK: value = tty->locked; break;
	case FIONREAD: value = (int32_t)tty->ldisc.output_used; break;
	case TIOCSPTLCK:
		status = stream_take(rq, &value, sizeof(value));
		if (status >= 0)
			tty->locked = value != 0;
		return status;
	default: return -ENOTTY;
	}
	return stream_put(rq, &value, sizeof(value));
}

/* Whether the master was closed and this is only not told yet: calls may overtake the word of it. */
static bool master_closing(const struct tty *tty)
{
	uint64_t badge = tty->master->d.badge, found;

	return kcall(badge_list, SLOT_ENDPOINT, badge - 1, &found, 1) != 1 || found != badge;
}

static bool to_be_removed(const struct tty *tty, uint64_t before)
{
	return tty->removal && tty->removal < before && tty->node_state != NODE_NONE;
}

/* progress[0]: 1 + the removals that had begun or were due. */
long ptys_settle(struct request *rq)
{
	uint32_t number;

	for (number = 0; number < TTY_PTYS && !rq->progress[0]; number++)
		if (ptys[number] && ptys[number]->master && master_closing(ptys[number]))
			number_removal(ptys[number]);
	if (!rq->progress[0])
		rq->progress[0] = 1 + removals;
	for (number = 0; number < TTY_PTYS; number++)
		if (ptys[number] && to_be_removed(ptys[number], rq->progress[0]))
			return request_park(rq, &settling);
	return 0;
}

void ptys_start(void)
{
	uint32_t number;

	for (number = 0; number < TTY_PTYS; number++)
		if (ptys[number])
			tty_changed(ptys[number]);
}
