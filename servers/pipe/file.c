/* SPDX-License-Identifier: MIT */
/* The file protocol on pipes, sockets, event and timer descriptors. */
#include <fs/stream.h>
#include <util/string.h>

#include "pipe.h"

#define FIONREAD 0x541bu
#define FIONBIO 0x5421u

static bool is_channel(const struct description *d)
{
	return d->kind == PIPE_END || d->kind == SOCKET;
}

static long pipe_read(struct request *rq, const struct file_read_req *in, struct file_read_reply *out)
{
	struct description *d = description_find(rq->badge);

	(void)out;
	if (!d)
		return -EBADF;
	return is_channel(d) ? channel_read(rq, d, in->flags) : event_read(rq, d, in->flags);
}

static long pipe_write(struct request *rq, const struct file_write_req *in, struct file_write_reply *out)
{
	struct description *d = description_find(rq->badge);

	(void)out;
	if (!d)
		return -EBADF;
	return is_channel(d) ? channel_write(rq, d, in->flags) : event_write(rq, d, in->flags);
}

static uint32_t mode_of(const struct description *d)
{
	if (d->mode)
		return d->mode;
	if (d->kind == SOCKET)
		return S_IFSOCK | 0777;
	return d->kind == PIPE_END ? S_IFIFO | 0600 : 0600;
}

static long pipe_fstat(struct request *rq, const struct file_fstat_req *in, struct file_fstat_reply *out)
{
	struct description *d = description_find(rq->badge);
	struct file_stat stat = { 0 };

	(void)in, (void)out;
	if (!d)
		return -EBADF;
	stat.dev = d->device;
	stat.ino = d->node ? d->node : (uint64_t)(d->in ? d->in : d->out) >> 4;
	stat.nlink = 1;
	stat.mode = mode_of(d);
	stat.uid = d->uid;
	stat.gid = d->gid;
	stat.blksize = 4096;
	stat.atime = stat.mtime = stat.ctime = d->created_ns / 1000000000;
	stat.atime_nsec = stat.mtime_nsec = stat.ctime_nsec = d->created_ns % 1000000000;
	return stream_put(rq, &stat, sizeof(stat));
}

static long pipe_ioctl(struct request *rq, const struct file_ioctl_req *in, struct file_ioctl_reply *out)
{
	struct description *d = description_find(rq->badge);
	int32_t value;
	long status;

	(void)out;
	if (!d)
		return -EBADF;
	if (in->request == FIONREAD && d->in) {
		value = (int32_t)ring_used(&d->in->ring);
		return stream_put(rq, &value, sizeof(value));
	}
	if (in->request != FIONBIO)
		return -ENOTTY;
	status = stream_take(rq, &value, sizeof(value));
	if (status < 0)
		return status;
	d->flags = value ? d->flags | O_NONBLOCK : d->flags & ~(uint32_t)O_NONBLOCK;
	return 0;
}

static long pipe_poll(struct request *rq, const struct file_poll_req *in, struct file_poll_reply *out)
{
	struct description *d = description_find(rq->badge);

	(void)out;
	if (!d)
		return -EBADF;
	return watch_poll(&d->watches, rq, in->events, description_ready(d));
}

static long pipe_get_flags(struct request *rq, const struct file_get_flags_req *in,
			   struct file_get_flags_reply *out)
{
	struct description *d = description_find(rq->badge);

	(void)in, (void)out;
	return d ? (long)d->flags : -EBADF;
}

static long pipe_set_flags(struct request *rq, const struct file_set_flags_req *in,
			   struct file_set_flags_reply *out)
{
	struct description *d = description_find(rq->badge);

	(void)out;
	if (!d)
		return -EBADF;
	d->flags = stream_set_flags(d->flags, in->flags);
	return 0;
}

static long pipe_set_attr(struct request *rq, const struct file_set_attr_req *in,
			  struct file_set_attr_reply *out)
{
	struct description *d = description_find(rq->badge);
	const struct process_entry *process = process_find(rq->stamp);

	(void)out;
	if (!d)
		return -EBADF;
	if (!process || (process->fsuid && process->fsuid != d->uid))
		return -EPERM;
	if (in->valid & FILE_SET_MODE)
		d->mode = (mode_of(d) & S_IFMT) | ((uint32_t)in->mode & 07777);
	if ((in->valid & (FILE_SET_UID | FILE_SET_GID)) && process->fsuid)
		return -EPERM;
	if (in->valid & FILE_SET_UID)
		d->uid = (uint32_t)in->uid;
	if (in->valid & FILE_SET_GID)
		d->gid = (uint32_t)in->gid;
	return 0;
}

static long pipe_identify(struct request *rq, const struct file_identify_req *in,
			  struct file_identify_reply *out)
{
	struct description *d = description_find(rq->badge);

	(void)in;
	if (!d)
		return -EBADF;
	out->device = d->device;
	out->inode = d->node ? d->node : (uint64_t)(d->in ? d->in : d->out) >> 4;
	out->flags = d->flags;
	return mode_of(d) & S_IFMT;
}

static long pipe_path(struct request *rq, const struct file_path_req *in, struct file_path_reply *out)
{
	struct description *d = description_find(rq->badge);
	char text[40];

	(void)in, (void)out;
	if (!d)
		return -EBADF;
	if (is_channel(d))
		snprintf(text, sizeof(text), d->kind == SOCKET ? "socket:[%lu]" : "pipe:[%lu]",
			 (unsigned long)((uint64_t)(d->in ? d->in : d->out) >> 4));
	else
		strlcpy(text, d->kind == EVENT ? "anon_inode:[eventfd]" : "anon_inode:[timerfd]",
			sizeof(text));
	return stream_put_text(rq, text);
}

const struct file_ops pipe_file_ops = {
	STREAM_FILE_OPS,
	.mmap = stream_mmap, .read = pipe_read, .write = pipe_write, .fstat = pipe_fstat,
	.ioctl = pipe_ioctl, .poll = pipe_poll, .get_flags = pipe_get_flags,
	.set_flags = pipe_set_flags, .set_attr = pipe_set_attr, .path = pipe_path,
	.identify = pipe_identify,
};
