/* SPDX-License-Identifier: MIT */
/* The file protocol on pipes, sockets, event and timer descriptors. */
#include <fs/stream.h>
#include <util/string.h>

#include "socket.h"

#define FIONREAD 0x541bu
#define FIONBIO 0x5421u

static bool is_channel(const struct pipe *p)
{
	return p->kind == PIPE_END || p->kind == SOCKET;
}

static long pipe_read(struct request *rq, const struct file_read_req *in, struct file_read_reply *out)
{
	struct pipe *p = description_find(rq->badge);

	(void)out;
	if (!p)
		return -EBADF;
	if (p->kind == EPOLL || p->kind == NAME)
		return -EINVAL;
	if (p->kind == SOCKET)
		return socket_read(rq, p, in->flags);
	return is_channel(p) ? channel_read(rq, p, in->flags) : event_read(rq, p, in->flags);
}

static long pipe_write(struct request *rq, const struct file_write_req *in, struct file_write_reply *out)
{
	struct pipe *p = description_find(rq->badge);

	(void)out;
	if (!p)
		return -EBADF;
	if (p->kind == SOCKET)
		return socket_write(rq, p, in->flags);
	return is_channel(p) ? channel_write(rq, p, in->flags) : event_write(rq, p, in->flags);
}

static long pipe_ioctl(struct request *rq, const struct file_ioctl_req *in, struct file_ioctl_reply *out)
{
	struct pipe *p = description_find(rq->badge);
	int32_t value;
	long status;

	(void)out;
	if (!p)
		return -EBADF;
	if (in->request == FIONREAD && p->in) {
		value = (int32_t)(p->kind == SOCKET && p->socket->type != SOCK_STREAM
				      ? p->in->parcels ? p->in->parcels->length : 0
				      : ring_used(&p->in->ring));
		return stream_put(rq, &value, sizeof(value));
	}
	if (in->request != FIONBIO)
		return -ENOTTY;
	status = stream_take(rq, &value, sizeof(value));
	if (status < 0)
		return status;
	p->d.flags = value ? p->d.flags | O_NONBLOCK : p->d.flags & ~(uint32_t)O_NONBLOCK;
	return 0;
}

static long pipe_poll(struct request *rq, const struct file_poll_req *in, struct file_poll_reply *out)
{
	struct pipe *p = description_find(rq->badge);

	(void)out;
	if (!p)
		return -EBADF;
	return watch_poll(&p->d.watches, rq, in->events, pipe_ready(p));
}

static long pipe_set_attr(struct request *rq, const struct file_set_attr_req *in,
			  struct file_set_attr_reply *out)
{
	struct pipe *p = description_find(rq->badge);
	const struct process_entry *process = process_find(rq->stamp);

	(void)out;
	if (!p)
		return -EBADF;
	if (!process || (process->fsuid && process->fsuid != p->d.uid))
		return -EPERM;
	if (in->valid & FILE_SET_MODE)
		p->d.mode = (p->d.mode & S_IFMT) | ((uint32_t)in->mode & 07777);
	if ((in->valid & (FILE_SET_UID | FILE_SET_GID)) && process->fsuid)
		return -EPERM;
	if (in->valid & FILE_SET_UID)
		p->d.uid = (uint32_t)in->uid;
	if (in->valid & FILE_SET_GID)
		p->d.gid = (uint32_t)in->gid;
	return 0;
}

static long pipe_path(struct request *rq, const struct file_path_req *in, struct file_path_reply *out)
{
	struct pipe *p = description_find(rq->badge);
	static const char *const anonymous[] = { "anon_inode:[eventfd]", "anon_inode:[timerfd]",
						 "anon_inode:[eventpoll]", "anon_inode:[socket name]" };
	char text[40];

	(void)in, (void)out;
	if (!p)
		return -EBADF;
	if (is_channel(p))
		snprintf(text, sizeof(text), p->kind == SOCKET ? "socket:[%lu]" : "pipe:[%lu]",
			 (unsigned long)p->d.node);
	else
		strlcpy(text, anonymous[p->kind - EVENT], sizeof(text));
	return stream_put_text(rq, text);
}

const struct file_ops pipe_file_ops = {
	STREAM_FILE_OPS,   DESCRIPTION_FILE_OPS,      .mmap = stream_mmap,
	.read = pipe_read, .write = pipe_write,       .ioctl = pipe_ioctl,
	.poll = pipe_poll, .set_attr = pipe_set_attr, .path = pipe_path,
};
