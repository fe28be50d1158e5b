/* SPDX-License-Identifier: MIT */
/* Names and connections of unix sockets. */
#include "socket.h"

#include <fs/stream.h>
#include <util/string.h>

#define SOMAXCONN 4096u

static PRESERVED struct pipe *bound;

static struct socket_creds creds_of(uint64_t stamp)
{
	const struct process_entry *process = process_find(stamp);

	return process ? (struct socket_creds){ process->pid, process->euid, process->egid }
		       : (struct socket_creds){ 0 };
}

static struct pipe *socket_find(const struct request *rq)
{
	struct pipe *p = description_find(rq->badge);

	return p && p->kind == SOCKET ? p : NULL;
}

struct pipe *socket_new(uint32_t type, uint64_t flags, uint64_t stamp)
{
	struct pipe *p = pipe_new(SOCKET, (uint32_t)(flags & O_NONBLOCK) | O_RDWR, stamp);

	if (!p)
		return NULL;
	p->socket = pheap_alloc(sizeof(*p->socket));
	if (!p->socket) {
		pipe_free(p);
		return NULL;
	}
	p->socket->type = type;
	unix_options_first(p->socket);
	p->socket->creds = creds_of(stamp);
	return p;
}

static void waited(struct timer *timer)
{
	struct pipe *p = (struct pipe *)((char *)timer - offsetof(struct pipe, timer));

	waitq_wake(&p->socket->waiters);
	if (p->in)
		waitq_wake(&p->in->readable);
	if (p->out)
		waitq_wake(&p->out->writable);
}

/* The limit is not for what belongs to others, a listener's backlog or the queue of who is sent to by name. */
long socket_wait(struct request *rq, struct pipe *p, struct waitq *queue, uint64_t timeout)
{
	return stream_wait(rq, queue, &p->timer, timeout, waited);
}

void socket_ends(struct pipe *p)
{
	timer_stop(&p->timer);
	if (p->socket->type != SOCK_DGRAM && p->in && p->out &&
	    (p->socket->embryo || ring_used(&p->in->ring) || p->in->parcels))
		p->out->reset = true;
}

static void unbind(struct pipe *p)
{
	struct pipe **link = &bound;

	while (*link && *link != p)
		link = &(*link)->socket->next_bound;
	if (*link)
		*link = p->socket->next_bound;
}

void socket_free(struct pipe *p)
{
	struct socket *s = p->socket;
	struct pipe *next;

	if (s->bound)
		unbind(p);
	for (; s->pending; s->pending = next) {
		next = s->pending->socket->next_pending;
		pipe_end_later(s->pending);
	}
	waitq_wake(&s->waiters);
	p->socket = NULL;
	pheap_free(s);
}

static bool is_type(uint64_t type)
{
	return type == SOCK_STREAM || type == SOCK_DGRAM || type == SOCK_SEQPACKET;
}

NAME_OP(socket)
{
	struct pipe *p;
	struct channel *channel;

	(void)out;
	if (!is_type(in->type))
		return -ESOCKTNOSUPPORT;
	p = socket_new((uint32_t)in->type, in->flags, rq->stamp);
	if (!p)
		return -ENFILE;
	if (in->type == SOCK_DGRAM) {
		channel = channel_new(rq->stamp);
		if (!channel) {
			pipe_free(p);
			return -ENFILE;
		}
		channel_attach(channel, p, true, false);
	}
	return pipe_give(rq, p);
}

/* Two channels, or for datagrams the two that are there. */
bool socket_connect_pair(struct pipe *a, struct pipe *b, uint64_t stamp)
{
	struct channel *there = b->in ? b->in : channel_new(stamp);
	struct channel *back = a->in ? a->in : there ? channel_new(stamp) : NULL;

	if (!back) {
		if (there && !b->in)
			channel_free(there);
		return false;
	}
	channel_attach(there, a, false, true);
	if (!b->in)
		channel_attach(there, b, true, false);
	if (!a->in)
		channel_attach(back, a, true, false);
	channel_attach(back, b, false, true);
	a->socket->connected = b->socket->connected = true;
	a->socket->peer_creds = b->socket->creds;
	b->socket->peer_creds = a->socket->creds;
	return true;
}

uint64_t socket_ready(const struct pipe *p)
{
	const struct socket *s = p->socket;
	uint64_t ready;

	if (s->listening)
		return s->pending ? POLLIN | POLLRDNORM : 0;
	if (!s->connected && s->type != SOCK_DGRAM)
		return POLLOUT | POLLWRNORM | POLLHUP;
	ready = channel_ready(p);
	if (s->type == SOCK_DGRAM) {
		ready &= ~(uint64_t)(POLLHUP | POLLRDHUP | POLLIN | POLLRDNORM | POLLERR);
		if (!p->out)
			ready |= POLLOUT | POLLWRNORM;
	}
	if (p->in && p->out && p->out->readers)
		ready &= ~(uint64_t)POLLHUP; /* one direction only is over */
	if (p->in && p->in->parcels)
		ready |= POLLIN | POLLRDNORM;
	if (!p->in && s->type != SOCK_DGRAM)
		ready |= POLLIN | POLLRDNORM | POLLRDHUP | (p->out ? 0 : POLLHUP);
	return ready;
}

/* --- names -------------------------------------------------------------------------------------------------------- */

static long name_give(struct request *rq, struct pipe *p)
{
	p->kind = NAME;
	return pipe_give(rq, p);
}

/* VFS says which node a path names, to one who may write to it. */
NAME_OP(path_name)
{
	struct pipe *p;

	(void)out;
	if (rq->badge == BADGE_PUBLIC)
		return -EPERM;
	p = socket_new(0, 0, in->stamp);
	if (!p)
		return -ENFILE;
	p->socket->device = in->device;
	p->socket->node = in->node;
	p->d.uid = (uint32_t)in->owner;
	return name_give(rq, p);
}

static long take_name(struct request *rq, struct socket_name *name)
{
	if (rq->in_length > SOCKET_PATH)
		return -EINVAL;
	name->length = (uint32_t)rq->in_length;
	return name->length ? request_read(rq, 0, name->text, name->length) : 0;
}

NAME_OP(abstract_name)
{
	struct pipe *p = socket_new(0, 0, rq->stamp);
	long status;

	(void)in, (void)out;
	if (!p)
		return -ENFILE;
	status = take_name(rq, &p->socket->name);
	if (status >= 0 && (!p->socket->name.length || p->socket->name.text[0]))
		status = -EINVAL;
	if (status < 0) {
		pipe_free(p);
		return status;
	}
	return name_give(rq, p);
}

static struct pipe *name_of(const struct request *rq, unsigned i)
{
	struct pipe *name =
	    i < rq->caps_count && rq->caps[i].slot == CAP_NONE ? description_find(rq->caps[i].badge) : NULL;

	return name && name->kind == NAME ? name : NULL;
}

/* Abstract names are each type's own. */
static bool same_name(const struct socket *a, const struct socket *b, uint32_t type)
{
	if (a->node || b->node)
		return a->node == b->node && a->device == b->device;
	return a->type == type && a->name.length == b->name.length &&
	       !memcmp(a->name.text, b->name.text, a->name.length);
}

static struct pipe *bound_as(const struct pipe *name, uint32_t type)
{
	struct pipe *p = bound;

	while (p && !same_name(p->socket, name->socket, type))
		p = p->socket->next_bound;
	return p;
}

struct pipe *socket_named(const struct request *rq, unsigned i, uint32_t type)
{
	const struct pipe *name = name_of(rq, i);

	return name ? bound_as(name, type) : NULL;
}

/* in: sun_path as it is to be shown. Only the owner of a path's node may serve it. */
SOCKET_OP(bind)
{
	struct pipe *p = socket_find(rq), *name = name_of(rq, 0);
	const struct process_entry *process = process_find(rq->stamp);
	struct socket *s;
	long status;

	(void)in, (void)out;
	if (!p || !name)
		return p ? -EINVAL : -ENOTSOCK;
	s = p->socket;
	if (s->bound || s->connected)
		return -EINVAL;
	if (name->socket->node && (!process || (process->fsuid && process->fsuid != name->d.uid)))
		return -EACCES;
	if (bound_as(name, s->type))
		return -EADDRINUSE;
	status = take_name(rq, &s->name);
	if (status < 0) {
		s->name.length = 0;
		return status;
	}
	s->device = name->socket->device;
	s->node = name->socket->node;
	s->bound = true;
	s->next_bound = bound;
	bound = p;
	return 0;
}

SOCKET_OP(names)
{
	const struct pipe *p = socket_find(rq);
	const struct socket_name *name;

	if (!p)
		return -ENOTSOCK;
	out->family = AF_UNIX;
	if (in->which == SOCKET_PEER && !p->socket->connected)
		return -ENOTCONN;
	name = in->which == SOCKET_PEER   ? &p->socket->peer
	       : in->which == SOCKET_FROM ? &p->socket->from
					  : &p->socket->name;
	if (name->length > rq->out_length)
		return -EINVAL;
	return name->length ? request_write(rq, 0, name->text, name->length) : 0;
}

/* --- connections ---------------------------------------------------------------------------------------------------- */

SOCKET_OP(listen)
{
	struct pipe *p = socket_find(rq);

	(void)out;
	if (!p)
		return -ENOTSOCK;
	if (p->socket->type == SOCK_DGRAM)
		return -EOPNOTSUPP;
	if (!p->socket->bound || p->socket->connected)
		return -EINVAL;
	p->socket->listening = true;
	p->socket->creds = creds_of(rq->stamp);
	p->socket->backlog = in->backlog < SOMAXCONN ? (uint32_t)in->backlog : SOMAXCONN;
	waitq_wake(&p->socket->waiters);
	return 0;
}

static long connect_datagram(struct pipe *p, struct pipe *to)
{
	if (to->socket->type != SOCK_DGRAM)
		return -EPROTOTYPE;
	if (p->out)
		channel_detach_side(p, false);
	channel_attach(to->in, p, false, true);
	p->socket->connected = true;
	p->socket->peer = to->socket->name;
	p->socket->peer_creds = to->socket->creds;
	return 0;
}

static void enqueue(struct socket *listener, struct pipe *accepted)
{
	*(listener->pending ? &listener->pending_last->socket->next_pending : &listener->pending) = accepted;
	listener->pending_last = accepted;
	listener->pending_count++;
}

static long connect_stream(struct request *rq, struct pipe *p, struct pipe *to)
{
	struct socket *listener = to->socket;
	struct pipe *accepted;

	if (p->socket->listening)
		return -EINVAL;
	if (p->socket->connected)
		return -EISCONN;
	if (listener->type != p->socket->type)
		return -EPROTOTYPE;
	if (!listener->listening)
		return -ECONNREFUSED;
	if (listener->pending_count > listener->backlog)
		return p->d.flags & O_NONBLOCK
			   ? -EAGAIN
			   : socket_wait(rq, p, &listener->waiters, p->socket->send_timeout);
	p->socket->creds = creds_of(rq->stamp);
	accepted = socket_new(listener->type, 0, rq->stamp);
	if (!accepted)
		return -ENFILE;
	accepted->socket->creds = listener->creds;
	if (!socket_connect_pair(p, accepted, rq->stamp)) {
		pipe_free(accepted);
		return -ENFILE;
	}
	accepted->socket->name = p->socket->peer = listener->name;
	accepted->socket->peer = p->socket->name;
	accepted->socket->embryo = true;
	enqueue(listener, accepted);
	waitq_wake(&listener->waiters);
	pipe_tell(to);
	pipe_tell(p);
	return 0;
}

/* progress[0]: done, should the answer be lost. */
SOCKET_OP(connect)
{
	struct pipe *p = socket_find(rq), *to;
	long status;

	(void)out;
	if (!p)
		return -ENOTSOCK;
	if (rq->progress[0])
		return 0;
	if (in->family != AF_UNIX)
		return -EINVAL;
	to = socket_named(rq, 0, p->socket->type);
	if (!to)
		return -ECONNREFUSED;
	status = p->socket->type == SOCK_DGRAM ? connect_datagram(p, to) : connect_stream(rq, p, to);
	rq->progress[0] = !status;
	return status;
}

SOCKET_OP(accept)
{
	struct pipe *p = socket_find(rq), *accepted;
	long status;

	(void)out;
	if (!p || !p->socket->listening)
		return p ? -EINVAL : -ENOTSOCK;
	accepted = p->socket->pending;
	if (!accepted)
		return p->d.flags & O_NONBLOCK
			   ? -EAGAIN
			   : socket_wait(rq, p, &p->socket->waiters, p->socket->receive_timeout);
	status = pipe_give_again(rq, accepted);
	if (status < 0)
		return status;
	accepted->d.flags |= (uint32_t)in->flags & O_NONBLOCK;
	accepted->socket->embryo = false;
	p->socket->pending = accepted->socket->next_pending;
	p->socket->pending_count--;
	waitq_wake(&p->socket->waiters);
	return status;
}

SOCKET_OP(shutdown)
{
	struct pipe *p = socket_find(rq);

	(void)out;
	if (!p)
		return -ENOTSOCK;
	if (in->how > SHUT_RDWR)
		return -EINVAL;
	if (!p->socket->connected)
		return -ENOTCONN;
	if (in->how != SHUT_RD && p->out)
		channel_detach_side(p, false);
	if (in->how != SHUT_WR && p->in && p->socket->type != SOCK_DGRAM)
		channel_detach_side(p, true);
	pipe_tell(p);
	return 0;
}
