/* SPDX-License-Identifier: MIT */
/* What goes through sockets: bytes, messages with their limits, descriptors on their way. */
#include <fs/stream.h>
#include <util/string.h>

#include "socket.h"

static void parcel_drop(struct channel *channel)
{
	struct parcel *parcel = channel->parcels;

	channel->parcels = parcel->next;
	if (!channel->parcels)
		channel->last_parcel = NULL;
	channel->parcels_count--;
	parcel_free(parcel);
}

void parcels_free(struct channel *channel)
{
	while (channel->parcels)
		parcel_drop(channel);
}

/* --- receiving ---------------------------------------------------------------------------------------------------- */

/* Without taking them out. */
static long copy_out(struct request *rq, const struct ring *ring, size_t length)
{
	size_t piece, done = 0;
	struct ring rest = *ring;

	while (done < length) {
		const uint8_t *from = ring_read_piece(&rest, length - done, &piece);
		long status = request_write(rq, done, from, piece);

		if (status < 0)
			return status;
		ring_consumed(&rest, piece);
		done += piece;
	}
	return (long)length;
}

/* What one call may take: a message, or bytes up to the end of those that descriptors came with. */
static size_t in_one_piece(const struct channel *channel, bool messages)
{
	const struct parcel *head = channel->parcels;

	if (messages)
		return head->length;
	return head ? (size_t)(head->at - channel->taken) + head->length : ring_used(&channel->ring);
}

static long nothing_there(struct request *rq, struct pipe *p, uint64_t flags)
{
	struct channel *channel = p->in;

	if (channel->reset) {
		channel->reset = false;
		return -ECONNRESET;
	}
	if (p->socket->type != SOCK_DGRAM && !channel->writers)
		return 0;
	if (stream_nonblocking(p->d.flags, flags))
		return -EAGAIN;
	return socket_wait(rq, p, &channel->readable, p->socket->receive_timeout);
}

/* The sender, and descriptors if they are wanted; those that are not go. */
static void hand_over(struct request *rq, struct pipe *p, struct parcel *head, bool wanted,
		      struct socket_receive_reply *out)
{
	struct socket *s = p->socket;
	const struct socket_creds *creds = head ? &head->creds : &s->peer_creds;
	const struct socket_name *from = head ? &head->from : &s->peer;

	if (out) {
		out->name0 = (uint32_t)creds->pid;
		out->name1 = creds->uid | (uint64_t)creds->gid << 32;
		out->what |= s->option[UNIX_PASSCRED] ? SOCKET_HAS_CREDS : 0;
		out->what |= head && wanted ? (uint64_t)head->fds << SOCKET_GOT_FDS_AT : 0;
		out->what |= head && !wanted && head->fds ? SOCKET_HAS_LOST : 0;
	}
	if (from->length | s->from.length)
		s->from = *from;
	if (head && wanted)
		parcel_give_fds(rq, head);
}

static long receive(struct request *rq, struct pipe *p, const struct socket_receive_req *in,
		    struct socket_receive_reply *out)
{
	struct channel *channel = p->in;
	bool messages = p->socket->type != SOCK_STREAM, peek = in->flags & SOCKET_PEEK;
	struct parcel *head;
	size_t whole, length;
	long status;

	if (!channel)
		return p->socket->connected ? 0 : p->socket->type == SOCK_STREAM ? -EINVAL : -ENOTCONN;
	if (!messages && !rq->out_length)
		return 0;
	head = channel->parcels;
	if (messages ? !head : !ring_used(&channel->ring))
		return nothing_there(rq, p, in->flags);
	whole = in_one_piece(channel, messages);
	length = whole < rq->out_length ? whole : rq->out_length;
	status = copy_out(rq, &channel->ring, length);
	if (status < 0)
		return status;
	if (out)
		out->what = socket_what((uint32_t)(messages ? whole : length), AF_UNIX, 0) |
			    (messages ? 0 : SOCKET_IS_STREAM);
	if (peek)
		return status;
	if (!messages)
		whole = length;
	if (head && !messages && channel->taken + length <= head->at)
		head = NULL;
	hand_over(rq, p, head, in->fds, out);
	ring_consumed(&channel->ring, whole);
	channel->taken += whole;
	if (head)
		parcel_drop(channel);
	waitq_wake(&channel->writable);
	channel_notify(channel);
	return status;
}

long socket_read(struct request *rq, struct pipe *p, uint64_t flags)
{
	struct socket_receive_req in = { .flags = flags & RWF_NONBLOCK };

	return receive(rq, p, &in, NULL);
}

SOCKET_OP(receive)
{
	struct pipe *p = description_find(rq->badge);

	return p && p->kind == SOCKET ? receive(rq, p, in, out) : -ENOTSOCK;
}

/* --- sending --------------------------------------------------------------------------------------------------------- */

static long parcel_new(struct request *rq, const struct pipe *p, const struct channel *channel, uint64_t fds,
		       struct parcel **made)
{
	const struct process_entry *process = process_find(rq->stamp);
	struct parcel *parcel = pheap_alloc(sizeof(*parcel));
	long status;

	if (!parcel)
		return -ENOBUFS;
	parcel->at = channel->taken + ring_used(&channel->ring);
	parcel->from = p->socket->name;
	if (process)
		parcel->creds = (struct socket_creds){ process->pid, process->euid, process->egid };
	status = parcel_take_fds(rq, parcel, (uint32_t)fds);
	if (status < 0)
		parcel_free(parcel);
	else
		*made = parcel;
	return status;
}

static void parcel_append(struct channel *channel, struct parcel *parcel)
{
	*(channel->last_parcel ? &channel->last_parcel->next : &channel->parcels) = parcel;
	channel->last_parcel = parcel;
	channel->parcels_count++;
}

static void arrived(struct channel *channel)
{
	waitq_wake(&channel->readable);
	channel_notify(channel);
}

static long send_message(struct request *rq, struct pipe *p, struct channel *channel, uint64_t flags,
			 uint64_t fds)
{
	uint32_t before = channel->ring.used;
	struct parcel *parcel;
	long status;

	if (rq->in_length > RING_SIZE)
		return -EMSGSIZE;
	if (ring_room(&channel->ring) < rq->in_length || channel->parcels_count == MESSAGES_MAX)
		return stream_nonblocking(p->d.flags, flags)
			   ? -EAGAIN
			   : socket_wait(rq, p, &channel->writable, p->socket->send_timeout);
	status = parcel_new(rq, p, channel, fds, &parcel);
	if (status < 0)
		return status;
	if (rq->in_length)
		status = channel_fill(rq, &channel->ring, 0);
	rq->progress[0] = 0;
	if (status != (long)rq->in_length) {
		channel->ring.used = before;
		parcel_free(parcel);
		return status < 0 ? status : -EFAULT;
	}
	parcel->length = (uint32_t)rq->in_length;
	parcel_append(channel, parcel);
	arrived(channel);
	return status;
}

/* progress[0]: how many bytes have gone; the descriptors went with the first. */
static long send_stream(struct request *rq, struct pipe *p, struct channel *channel, uint64_t flags,
			uint64_t fds)
{
	size_t done = rq->progress[0];
	struct parcel *parcel = NULL;
	long status;

	if (!rq->in_length)
		return 0;
	if (ring_room(&channel->ring) && channel->parcels_count < MESSAGES_MAX) {
		if (!done && fds) {
			status = parcel_new(rq, p, channel, fds, &parcel);
			if (status < 0)
				return status;
		}
		status = channel_fill(rq, &channel->ring, done);
		if (status < 0) {
			if (parcel)
				parcel_free(parcel);
			return status;
		}
		if (parcel) {
			parcel->length = (uint32_t)status;
			parcel_append(channel, parcel);
		}
		done = (size_t)status;
		arrived(channel);
	}
	if (done == rq->in_length)
		return (long)done;
	if (stream_nonblocking(p->d.flags, flags))
		return done ? (long)done : -EAGAIN;
	status = socket_wait(rq, p, &channel->writable, p->socket->send_timeout);
	return status == -EAGAIN && done ? (long)done : status;
}

static long transmit(struct request *rq, struct pipe *p, struct channel *channel, uint64_t flags,
		     uint64_t fds)
{
	if (!channel || (!channel->readers && p->socket->type == SOCK_DGRAM))
		return p->socket->type == SOCK_DGRAM && channel ? -ECONNREFUSED
		       : p->socket->connected                   ? -EPIPE
								: -ENOTCONN;
	if (!channel->readers)
		return rq->progress[0] ? (long)rq->progress[0] : -EPIPE;
	if (p->socket->type == SOCK_STREAM)
		return send_stream(rq, p, channel, flags, fds);
	return send_message(rq, p, channel, flags, fds);
}

long socket_write(struct request *rq, struct pipe *p, uint64_t flags)
{
	return transmit(rq, p, p->out, flags & RWF_NONBLOCK, 0);
}

SOCKET_OP(send)
{
	struct pipe *p = description_find(rq->badge), *to;
	uint64_t fds = in->what >> SOCKET_FDS_AT & 0xff;
	struct channel *channel;

	(void)out;
	if (!p || p->kind != SOCKET)
		return -ENOTSOCK;
	if (fds > SOCKET_FDS || (fds && rq->caps_count != IPC_MAX_CAPS))
		return -EINVAL;
	channel = p->out;
	if (socket_what_length(in->what)) {
		if (p->socket->type != SOCK_DGRAM)
			return p->socket->connected ? -EISCONN : -EOPNOTSUPP;
		to = socket_named(rq, SOCKET_FDS, p->socket->type);
		if (!to || to->socket->type != SOCK_DGRAM)
			return to ? -EPROTOTYPE : -ECONNREFUSED;
		channel = to->in;
	}
	return transmit(rq, p, channel, in->what & RWF_NONBLOCK, fds);
}
