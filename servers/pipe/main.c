/* SPDX-License-Identifier: MIT */
/* pipe: pipes, FIFOs, connected sockets, event and timer descriptors. */
#include <util/string.h>

#include "socket.h"

#define CREATE_FLAGS ((uint64_t)O_NONBLOCK)
#define EFD_SEMAPHORE 1u
#define CLOCK_REALTIME 0u
#define CLOCK_MONOTONIC 1u
#define CLOCK_BOOTTIME 7u

long pipe_give_again(struct request *rq, struct pipe *p)
{
	long status = request_give_badge(rq, p->d.badge);

	if (status >= 0)
		p->held = true;
	return status;
}

long pipe_give(struct request *rq, struct pipe *p)
{
	long status = pipe_give_again(rq, p);

	if (status < 0)
		pipe_free(p);
	return status;
}

/* Give two descriptions; on failure neither stays. What was given first goes by its release. */
static long give_both(struct request *rq, struct pipe *first, struct pipe *second)
{
	long status = pipe_give(rq, first);

	if (status < 0) {
		pipe_free(second);
		return status;
	}
	return pipe_give(rq, second);
}

static long pipe_pipe(struct request *rq, const struct pipe_pipe_req *in, struct pipe_pipe_reply *out)
{
	uint32_t flags = (uint32_t)(in->flags & CREATE_FLAGS);
	struct channel *channel = channel_new(rq->stamp);
	struct pipe *reader, *writer;

	(void)out;
	if (!channel)
		return -ENFILE;
	reader = pipe_new(PIPE_END, flags | O_RDONLY, rq->stamp);
	writer = pipe_new(PIPE_END, flags | O_WRONLY, rq->stamp);
	if (reader)
		channel_attach(channel, reader, true, false);
	if (writer)
		channel_attach(channel, writer, false, true);
	if (reader && writer) {
		writer->d.node = reader->d.node;
		return give_both(rq, reader, writer);
	}
	if (reader)
		pipe_free(reader);
	else if (writer)
		pipe_free(writer);
	else
		channel_free(channel);
	return -ENFILE;
}

static long pipe_socketpair(struct request *rq, const struct pipe_socketpair_req *in,
			    struct pipe_socketpair_reply *out)
{
	uint32_t type = (uint32_t)in->type;
	struct pipe *a, *b;

	(void)out;
	if (type != SOCK_STREAM && type != SOCK_DGRAM && type != SOCK_SEQPACKET)
		return -ESOCKTNOSUPPORT;
	a = socket_new(type, in->flags, rq->stamp);
	b = a ? socket_new(type, in->flags, rq->stamp) : NULL;
	if (!b || !socket_connect_pair(a, b, rq->stamp)) {
		if (b)
			pipe_free(b);
		if (a)
			pipe_free(a);
		return -ENFILE;
	}
	return give_both(rq, a, b);
}

static long pipe_eventfd(struct request *rq, const struct pipe_eventfd_req *in,
			 struct pipe_eventfd_reply *out)
{
	struct pipe *p;

	(void)out;
	p = pipe_new(EVENT, (uint32_t)(in->flags & CREATE_FLAGS) | O_RDWR, rq->stamp);
	if (!p)
		return -ENFILE;
	p->counter = (uint32_t)in->initial;
	p->semaphore = in->flags & EFD_SEMAPHORE;
	return pipe_give(rq, p);
}

static long pipe_timerfd(struct request *rq, const struct pipe_timerfd_req *in,
			 struct pipe_timerfd_reply *out)
{
	struct pipe *p;

	(void)out;
	if (in->clock != CLOCK_REALTIME && in->clock != CLOCK_MONOTONIC && in->clock != CLOCK_BOOTTIME)
		return -EINVAL;
	p = pipe_new(TIMER, (uint32_t)(in->flags & CREATE_FLAGS) | O_RDWR, rq->stamp);
	if (!p)
		return -ENFILE;
	p->clock = (uint32_t)in->clock;
	return pipe_give(rq, p);
}

/*
 * Opening a FIFO waits until the other side has been opened, be it only for a moment: an opener
 * therefore enters as an end first and then waits for the other side's count to grow. progress[0]:
 * the badge of its description; progress[1]: the count at which it began to wait.
 */
static long fifo_enter(struct request *rq, struct channel *channel, const struct pipe_open_fifo_req *in,
		       struct pipe **p)
{
	uint32_t access = in->flags & O_ACCMODE;
	bool reads = access != O_WRONLY, writes = access != O_RDONLY;

	*p = pipe_new(PIPE_END, (uint32_t)(in->flags & (CREATE_FLAGS | O_APPEND)) | access, in->stamp);
	if (!*p)
		return -ENFILE;
	(*p)->d.device = in->device;
	(*p)->d.node = in->node;
	rq->progress[1] = reads ? channel->writers_ever : channel->readers_ever;
	channel_attach(channel, *p, reads, writes);
	rq->progress[0] = (*p)->d.badge;
	return 0;
}

static bool fifo_must_wait(const struct request *rq, const struct pipe *p)
{
	if ((p->d.flags & O_NONBLOCK) || (p->in && p->out))
		return false;
	if (p->in)
		return !p->in->writers && p->in->writers_ever == rq->progress[1];
	return !p->out->readers && p->out->readers_ever == rq->progress[1];
}

static long pipe_open_fifo(struct request *rq, const struct pipe_open_fifo_req *in,
			   struct pipe_open_fifo_reply *out)
{
	struct channel *channel = channel_find_fifo(in->device, in->node);
	struct pipe *p = NULL;
	long status;

	(void)out;
	if (rq->badge == BADGE_PUBLIC)
		return -EPERM;
	if (rq->progress[0])
		p = description_find(rq->progress[0]);
	if (!p) {
		if ((in->flags & O_ACCMODE) == O_WRONLY && (in->flags & O_NONBLOCK) &&
		    !(channel && channel->readers))
			return -ENXIO;
		if (!channel)
			channel = channel_new_fifo(in->device, in->node, rq->stamp);
		if (!channel)
			return -ENFILE;
		status = fifo_enter(rq, channel, in, &p);
		if (status < 0) {
			channel_end_unused(channel);
			return status;
		}
	}
	if (fifo_must_wait(rq, p))
		return request_park(rq, &(p->in ? p->in : p->out)->openers);
	return pipe_give(rq, p);
}

static long pipe_epoll(struct request *rq, const struct pipe_epoll_req *in, struct pipe_epoll_reply *out)
{
	struct pipe *p = pipe_new(EPOLL, O_RDWR, rq->stamp);

	(void)in, (void)out;
	return p ? pipe_give(rq, p) : -ENFILE;
}

static const struct pipe_ops pipe_ops = {
	.pipe = pipe_pipe,
	.eventfd = pipe_eventfd,
	.timerfd = pipe_timerfd,
	.timerfd_settime = pipe_timerfd_settime,
	.timerfd_gettime = pipe_timerfd_gettime,
	.open_fifo = pipe_open_fifo,
	.socketpair = pipe_socketpair,
	.epoll = pipe_epoll,
	.epoll_ctl = pipe_epoll_ctl,
	.epoll_list = pipe_epoll_list,
	.socket = pipe_socket,
	.path_name = pipe_path_name,
	.abstract_name = pipe_abstract_name,
	.unix_table = pipe_unix_table,
};

static const struct socket_ops socket_ops = {
	.bind = unix_bind,
	.listen = unix_listen,
	.connect = unix_connect,
	.accept = unix_accept,
	.names = unix_names,
	.send = unix_send,
	.receive = unix_receive,
	.get_option = unix_get_option,
	.set_option = unix_set_option,
	.shutdown = unix_shutdown,
};

static long dispatch(struct request *rq)
{
	switch (IPC_OP_PROTO(rq->op)) {
	case PROTO_ID_FILE: return file_dispatch(&pipe_file_ops, rq);
	case PROTO_ID_PIPE: return pipe_dispatch(&pipe_ops, rq);
	case PROTO_ID_SOCKET: return socket_dispatch(&socket_ops, rq);
	}
	return -ENOSYS;
}

static long start(bool restarted)
{
	pipes_start(restarted);
	return 0;
}

static void release(uint64_t badge)
{
	struct pipe *p = description_find(badge);

	if (p)
		pipe_released(p);
}

/* A write that has moved bytes reports them; a FIFO opener gives up its end. */
static long cancel(struct request *rq)
{
	struct pipe *p;

	if ((rq->op == file_op_write || rq->op == socket_op_send) && rq->progress[0])
		return (long)rq->progress[0];
	if (rq->op == pipe_op_open_fifo && rq->progress[0]) {
		p = description_find(rq->progress[0]);
		request_dequeue(rq); /* a channel that somebody waits for stays */
		if (p)
			pipe_free(p);
	}
	return -EINTR;
}

static const struct service service = {
	.name = "pipe",
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
