/* SPDX-License-Identifier: MIT */
/* /dev/lossy: a schedule is written to it, and what has happened is read. */
#include <fs/description.h>
#include <fs/stream.h>
#include <util/string.h>

#include "lossy.h"

struct control {
	struct description d;
	uint64_t taken; /* of the text */
};

PRESERVED struct description_table descriptions;

/* As a whole, by one write. */
static long control_write(struct request *rq, const struct file_write_req *in, struct file_write_reply *out)
{
	struct control *control = description_find(rq->badge);
	char text[SCHEDULE_TEXT];
	struct schedule fresh;
	long status;

	(void)in, (void)out;
	if (!control || (control->d.flags & O_ACCMODE) == O_RDONLY)
		return -EBADF;
	if (rq->in_length >= sizeof(text))
		return -EFBIG;
	status = request_read(rq, 0, text, rq->in_length);
	if (status < 0)
		return status;
	text[rq->in_length] = 0;
	if (!schedule_parse(&fresh, text))
		return -EINVAL;
	schedule = fresh;
	counts = (struct lossy_counts){ 0 };
	return (long)rq->in_length;
}

static int describe(char *text, size_t size)
{
	return snprintf(
	    text, size,
	    "seed %lu rules %u sent %lu received %lu dropped %lu duplicated %lu reordered %lu delayed %lu\n",
	    schedule.seed, schedule.rules_count, counts.packets[LOSSY_SEND], counts.packets[LOSSY_RECEIVE],
	    counts.accidents[LOSSY_DROP], counts.accidents[LOSSY_DUPLICATE], counts.accidents[LOSSY_REORDER],
	    counts.accidents[LOSSY_DELAY]);
}

/* progress[0]: where it begins, plus one: a run after a crash reads the same. */
static long control_read(struct request *rq, const struct file_read_req *in, struct file_read_reply *out)
{
	struct control *control = description_find(rq->badge);
	char text[256];
	uint64_t length = (uint64_t)describe(text, sizeof(text)), at;
	long status;

	(void)in, (void)out;
	if (!control || (control->d.flags & O_ACCMODE) == O_WRONLY)
		return -EBADF;
	if (!rq->progress[0])
		rq->progress[0] = control->taken + 1;
	at = rq->progress[0] - 1;
	if (at >= length || !rq->out_length)
		return 0;
	length -= at;
	status = request_write(rq, 0, text + at, length < rq->out_length ? length : rq->out_length);
	if (status > 0)
		control->taken = at + (uint64_t)status;
	return status;
}

static long control_ioctl(struct request *rq, const struct file_ioctl_req *in, struct file_ioctl_reply *out)
{
	(void)in, (void)out;
	return description_find(rq->badge) ? -ENOTTY : -EBADF;
}

static long control_poll(struct request *rq, const struct file_poll_req *in, struct file_poll_reply *out)
{
	(void)out;
	if (!description_find(rq->badge))
		return -EBADF;
	return (long)(in->events & (POLLIN | POLLRDNORM | POLLOUT | POLLWRNORM));
}

static long control_path(struct request *rq, const struct file_path_req *in, struct file_path_reply *out)
{
	(void)in, (void)out;
	return description_find(rq->badge) ? stream_put_text(rq, "/dev/lossy") : -EBADF;
}

static const struct file_ops file_ops = {
	DESCRIPTION_FILE_OPS,   STREAM_FILE_OPS,     .read = control_read, .write = control_write,
	.ioctl = control_ioctl, .mmap = stream_mmap, .poll = control_poll, .path = control_path,
};

static long control_open(struct request *rq, const struct dev_open_req *in, struct dev_open_reply *out)
{
	struct control *control = rq->context ? rq->context : description_new_special(sizeof(*control), in);

	(void)out;
	if (!control)
		return -ENFILE;
	rq->context = control; /* for the run after a crash */
	return request_give_badge(rq, control->d.badge);
}

long control_dispatch(struct request *rq)
{
	static const struct dev_ops dev_ops = { .open = control_open };

	if (IPC_OP_PROTO(rq->op) == PROTO_ID_FILE)
		return file_dispatch(&file_ops, rq);
	return rq->badge & BADGE_SERVICE ? dev_dispatch(&dev_ops, rq) : -EPERM;
}

void control_release(uint64_t badge)
{
	struct control *control = description_find(badge);

	if (control)
		description_delete(control);
}
