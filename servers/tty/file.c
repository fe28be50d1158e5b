/* SPDX-License-Identifier: MIT */
/* The file protocol on terminals. */
#include <fs/stream.h>
#include <util/string.h>

#include "tty.h"

#define DECISECOND 100000000ull

/* Hand input over and take it from the discipline only once the copy has gone through. */
static long hand_over(struct request *rq, struct tty *tty)
{
	uint8_t bytes[512];
	size_t done = 0, count;
	uint32_t cells;
	long status;

	do {
		size_t want = rq->out_length - done;

		count = ldisc_peek(&tty->ldisc, bytes, want < sizeof(bytes) ? want : sizeof(bytes), &cells);
		status = count ? request_write(rq, done, bytes, count) : 0;
		if (status < 0)
			return done ? (long)done : status;
		ldisc_take(&tty->ldisc, cells);
		done += count;
		/* A line longer than the piece goes on; a new line must not. */
	} while (count == sizeof(bytes) && done < rq->out_length && bytes[count - 1] != '\n' &&
		 ldisc_ready(&tty->ldisc, 1));
	if (tty->pty)
		tty_changed(tty); /* there is room for the master */
	return (long)done;
}

static void read_timeout(struct timer *timer)
{
	struct tty *tty = (struct tty *)((char *)timer - offsetof(struct tty, read_timer));

	waitq_wake(&tty->readers);
}

/* A non-canonical read that has too little: VMIN and VTIME say whether it waits. progress[2]: its
 * deadline, progress[3]: the input that was there when it was set. */
static long wait_raw(struct request *rq, struct tty *tty)
{
	uint32_t min = tty->ldisc.termios.cc[VMIN], time = tty->ldisc.termios.cc[VTIME];
	uint32_t used = tty->ldisc.input_used;
	uint64_t now;

	if (!time)
		return min ? request_park(rq, &tty->readers) : 0;
	if (min && !used)
		return request_park(rq, &tty->readers);
	now = clock_monotonic_ns();
	if (!rq->progress[2] || (min && rq->progress[3] != used)) {
		rq->progress[2] = now + time * DECISECOND;
		rq->progress[3] = used;
	}
	if (now >= rq->progress[2])
		return used ? hand_over(rq, tty) : 0;
	timer_start(&tty->read_timer, rq->progress[2], read_timeout);
	return request_park(rq, &tty->readers);
}

/* What a read must find before it answers at once. */
static uint32_t wanted(const struct request *rq, const struct tty *tty)
{
	uint32_t min = tty->ldisc.termios.cc[VMIN];

	if (tty->ldisc.termios.lflag & ICANON)
		return 1;
	if (min > rq->out_length)
		min = (uint32_t)rq->out_length;
	return min ? min : 1;
}

static long tty_read(struct request *rq, const struct file_read_req *in, struct file_read_reply *out)
{
	struct open_tty *open = description_find(rq->badge);
	struct tty *tty = open ? open->tty : NULL;
	long status;

	(void)out;
	if (!open || (open->d.flags & O_ACCMODE) == O_WRONLY)
		return -EBADF;
	if (open->master)
		return pty_master_read(rq, open, in->flags);
	if (open->hung_up || !rq->out_length)
		return 0;
	status = jobs_check(rq, tty, SIGTTIN);
	if (status)
		return status;
	if (ldisc_ready(&tty->ldisc, wanted(rq, tty)))
		return hand_over(rq, tty);
	if (stream_nonblocking(open->d.flags, in->flags))
		return tty->ldisc.input_used && !(tty->ldisc.termios.lflag & ICANON) ? hand_over(rq, tty)
										     : -EAGAIN;
	if (tty->ldisc.termios.lflag & ICANON)
		return request_park(rq, &tty->readers);
	return wait_raw(rq, tty);
}

/* Move bytes into the output ring; progress[0] says how many have gone. */
static long write_on(struct request *rq, struct tty *tty, bool nonblocking)
{
	uint8_t bytes[1024];
	size_t count, accepted;
	long status;

	while (rq->progress[0] < rq->in_length) {
		count = rq->in_length - rq->progress[0];
		if (count > sizeof(bytes))
			count = sizeof(bytes);
		status = request_read(rq, rq->progress[0], bytes, count);
		if (status < 0)
			return rq->progress[0] ? (long)rq->progress[0] : status;
		accepted = ldisc_write(&tty->ldisc, bytes, count);
		rq->progress[0] += accepted;
		tty_pump(tty);
		if (accepted == count)
			continue;
		if (!nonblocking)
			return request_park(rq, &tty->writers);
		return rq->progress[0] ? (long)rq->progress[0] : -EAGAIN;
	}
	return (long)rq->progress[0];
}

static long tty_write(struct request *rq, const struct file_write_req *in, struct file_write_reply *out)
{
	struct open_tty *open = description_find(rq->badge);
	long status;

	(void)out;
	if (!open || (open->d.flags & O_ACCMODE) == O_RDONLY)
		return -EBADF;
	if (open->master)
		return pty_master_write(rq, open, in->flags);
	if (open->hung_up)
		return -EIO;
	if (open->tty->ldisc.termios.lflag & TOSTOP) {
		status = jobs_check(rq, open->tty, SIGTTOU);
		if (status)
			return status;
	}
	return write_on(rq, open->tty, stream_nonblocking(open->d.flags, in->flags));
}

static long tty_poll(struct request *rq, const struct file_poll_req *in, struct file_poll_reply *out)
{
	struct open_tty *open = description_find(rq->badge);

	(void)out;
	if (!open)
		return -EBADF;
	return watch_poll(&open->d.watches, rq, in->events, tty_poll_events(open));
}

static long tty_path(struct request *rq, const struct file_path_req *in, struct file_path_reply *out)
{
	struct open_tty *open = description_find(rq->badge);
	static const char *const alias[] = { "/dev/tty", "/dev/console", "/dev/ptmx" };
	char text[32];

	(void)in, (void)out;
	if (!open)
		return -EBADF;
	if (dev_major(open->d.rdev) == TTY_MAJOR_ALIAS)
		strlcpy(text, alias[dev_minor(open->d.rdev) % 3], sizeof(text));
	else if (dev_major(open->d.rdev) == TTY_MAJOR_SLAVE)
		snprintf(text, sizeof(text), "/dev/pts/%u", dev_minor(open->d.rdev));
	else
		snprintf(text, sizeof(text), "/dev/ttyS%u", dev_minor(open->d.rdev) - TTY_SERIAL_MINOR);
	return stream_put_text(rq, text);
}

const struct file_ops tty_file_ops = {
	STREAM_FILE_OPS,    DESCRIPTION_FILE_OPS, .mmap = stream_mmap, .read = tty_read,
	.write = tty_write, .ioctl = tty_ioctl,   .poll = tty_poll,    .path = tty_path,
};
