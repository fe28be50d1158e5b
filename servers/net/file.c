/* SPDX-License-Identifier: MIT */
/* The file protocol on sockets, and their ioctls. */
#include <fs/stream.h>
#include <util/string.h>

#include "net.h"

#define FIONREAD 0x541bu
#define FIONBIO 0x5421u
#define SIOCATMARK 0x8905u

static long sock_read(struct request *rq, const struct file_read_req *in, struct file_read_reply *out)
{
	struct sock *s = sock_find(rq->badge);

	(void)out;
	return s ? sock_receive(rq, s, in->flags & RWF_NONBLOCK, NULL) : -EBADF;
}

static long sock_write(struct request *rq, const struct file_write_req *in, struct file_write_reply *out)
{
	struct sock *s = sock_find(rq->badge);

	(void)out;
	return s ? sock_send(rq, s, stream_nonblocking(s->d.flags, in->flags), NULL) : -EBADF;
}

static long sock_ioctl(struct request *rq, const struct file_ioctl_req *in, struct file_ioctl_reply *out)
{
	struct sock *s = sock_find(rq->badge);
	int32_t value = 0;
	long status;

	(void)out;
	if (!s)
		return -EBADF;
	switch (in->request) {
	case FIONREAD:
		value = (int32_t)(s->kind == SOCK_TCP || !s->first ? s->queued : s->first->length);
		return stream_put(rq, &value, sizeof(value));
	case SIOCATMARK: return stream_put(rq, &value, sizeof(value));
	case FIONBIO:
		status = stream_take(rq, &value, sizeof(value));
		if (status < 0)
			return status;
		s->d.flags = value ? s->d.flags | O_NONBLOCK : s->d.flags & ~(uint32_t)O_NONBLOCK;
		return 0;
	}
	return interface_ioctl(rq, (uint32_t)in->request);
}

static long sock_poll(struct request *rq, const struct file_poll_req *in, struct file_poll_reply *out)
{
	struct sock *s = sock_find(rq->badge);

	(void)out;
	return s ? watch_poll(&s->d.watches, rq, in->events, sock_ready(s)) : -EBADF;
}

static long sock_set_attr(struct request *rq, const struct file_set_attr_req *in,
			  struct file_set_attr_reply *out)
{
	struct sock *s = sock_find(rq->badge);
	const struct process_entry *process = process_find(rq->stamp);

	(void)out;
	if (!s)
		return -EBADF;
	if (!process || (process->fsuid && process->fsuid != s->d.uid))
		return -EPERM;
	if (in->valid & FILE_SET_MODE)
		s->d.mode = (s->d.mode & S_IFMT) | ((uint32_t)in->mode & 07777);
	if ((in->valid & (FILE_SET_UID | FILE_SET_GID)) && process->fsuid)
		return -EPERM;
	if (in->valid & FILE_SET_UID)
		s->d.uid = (uint32_t)in->uid;
	if (in->valid & FILE_SET_GID)
		s->d.gid = (uint32_t)in->gid;
	return 0;
}

static long sock_path(struct request *rq, const struct file_path_req *in, struct file_path_reply *out)
{
	struct sock *s = sock_find(rq->badge);
	char text[40];

	(void)in, (void)out;
	if (!s)
		return -EBADF;
	snprintf(text, sizeof(text), "socket:[%lu]", (unsigned long)s->d.node);
	return stream_put_text(rq, text);
}

const struct file_ops sock_file_ops = {
	STREAM_FILE_OPS,   DESCRIPTION_FILE_OPS,      .mmap = stream_mmap,
	.read = sock_read, .write = sock_write,       .ioctl = sock_ioctl,
	.poll = sock_poll, .set_attr = sock_set_attr, .path = sock_path,
};
