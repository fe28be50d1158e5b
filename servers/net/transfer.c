/* SPDX-License-Identifier: MIT */
/* Sending and receiving, for every kind of socket. */
#include <util/string.h>

#include <fs/stream.h>

#include "net.h"

/* From `skip` bytes into a chain on to the caller's buffer. */
static long copy_out(struct request *rq, uint64_t at, const struct pbuf *data, uint32_t skip, uint32_t length)
{
	uint32_t done = 0;

	for (; data && done < length; data = data->next) {
		uint32_t piece = data->len;
		long status;

		if (skip >= piece) {
			skip -= piece;
			continue;
		}
		piece -= skip;
		if (piece > length - done)
			piece = length - done;
		status = request_write(rq, at + done, (const char *)data->payload + skip, piece);
		if (status < 0)
			return status;
		done += piece;
		skip = 0;
	}
	return (long)done;
}

static long receive_stream(struct request *rq, struct sock *s, bool peek)
{
	struct parcel *parcel = s->first;
	uint32_t done = 0, taken = 0;

	for (; parcel && done < rq->out_length; parcel = parcel->next) {
		uint32_t part = parcel->length - parcel->taken;
		long status;

		if (part > rq->out_length - done)
			part = (uint32_t)(rq->out_length - done);
		status = copy_out(rq, done, parcel->data, parcel->taken, part);
		if (status < 0)
			return status;
		done += part;
	}
	FAULT_POINT("data was copied out");
	if (peek)
		return (long)done;
	for (uint32_t rest = done; rest; rest -= taken) {
		parcel = s->first;
		taken = parcel->length - parcel->taken;
		if (taken > rest) {
			taken = rest;
			parcel->taken += taken;
			s->queued -= taken;
		} else {
			parcel_drop(s);
		}
	}
	tcp_socket_taken(s, done);
	return (long)done;
}

static long receive_datagram(struct request *rq, struct sock *s, bool peek, struct socket_receive_reply *out)
{
	struct parcel *parcel = s->first;
	uint32_t length = parcel->length < rq->out_length ? parcel->length : (uint32_t)rq->out_length;
	uint32_t name_length = 0;
	char name[SOCKET_NAME] = {};
	long status = length ? copy_out(rq, 0, parcel->data, 0, length) : 0;

	if (status < 0)
		return status;
	if (s->kind == SOCK_ROUTE)
		name_length = 10; /* sockaddr_nl of the kernel: zeroes */
	else if (s->kind == SOCK_PACKET)
		name_length = packet_from(parcel, name);
	else
		name_length = endpoint_write(s->family, &parcel->from, name);
	if (out) {
		memcpy(&out->name0, name, sizeof(name));
		out->what = socket_what(parcel->length, s->family, name_length);
		if (s->pktinfo || s->recv_ttl)
			out->what |= SOCKET_HAS_CONTROL;
	}
	if (peek)
		return length;
	s->recent = *parcel;
	s->recent.data = NULL;
	parcel_drop(s);
	return length;
}

/* Nothing is there: why, or for how long. */
static long nothing_there(struct request *rq, struct sock *s, uint64_t flags)
{
	if (s->error)
		return sock_take_error(s);
	if (s->ended || s->shut_read)
		return 0;
	if (s->kind == SOCK_TCP && s->state != SOCK_CONNECTED && s->state != SOCK_CONNECTING)
		return -ENOTCONN;
	if (stream_nonblocking(s->d.flags, flags))
		return -EAGAIN;
	return sock_wait(rq, s, &s->readers, s->receive_timeout);
}

long sock_receive(struct request *rq, struct sock *s, uint64_t flags, struct socket_receive_reply *out)
{
	bool peek = flags & SOCKET_PEEK;
	long status;

	if (s->kind == SOCK_TCP && !rq->out_length)
		return 0;
	if (!s->first)
		return nothing_there(rq, s, flags);
	if (s->kind != SOCK_TCP)
		return receive_datagram(rq, s, peek, out);
	status = receive_stream(rq, s, peek);
	if (out && status >= 0)
		out->what = socket_what((uint32_t)status, s->family, 0);
	return status;
}

long sock_send(struct request *rq, struct sock *s, bool nonblocking, const struct endpoint *to)
{
	if (s->kind == SOCK_TCP)
		return to && s->state == SOCK_CONNECTED ? -EISCONN : tcp_socket_send(rq, s, nonblocking);
	if (s->kind == SOCK_ROUTE)
		return route_send(rq, s);
	if (s->kind == SOCK_PACKET)
		return packet_send(rq, s, NULL, 0);
	if (s->shut_write)
		return -EPIPE;
	if (s->error)
		return sock_take_error(s);
	return datagram_send(rq, s, to);
}

static size_t min_length(size_t length)
{
	return length < SOCKET_NAME ? length : SOCKET_NAME;
}

SOCKET_OP(send)
{
	struct sock *s = sock_find(rq->badge);
	bool nonblocking = in->what & RWF_NONBLOCK;
	struct endpoint to;
	long status;

	(void)out;
	if (!s)
		return -ENOTSOCK;
	if (in->what >> SOCKET_FDS_AT & 0xff)
		return -EINVAL;
	nonblocking |= (s->d.flags & O_NONBLOCK) != 0;
	if (!socket_what_length(in->what) || s->kind == SOCK_ROUTE)
		return sock_send(rq, s, nonblocking, NULL);
	if (socket_what_family(in->what) != s->family)
		return -EAFNOSUPPORT;
	if (s->kind == SOCK_PACKET)
		return packet_send(rq, s, &in->name0, min_length(socket_what_length(in->what)));
	status = socket_what_length(in->what) > SOCKET_NAME
		     ? -EINVAL
		     : endpoint_read(s->family, &in->name0, socket_what_length(in->what), &to);
	return status < 0 ? status : sock_send(rq, s, nonblocking, &to);
}

SOCKET_OP(receive)
{
	struct sock *s = sock_find(rq->badge);

	return s ? sock_receive(rq, s, in->flags, out) : -ENOTSOCK;
}

/* --- control messages ------------------------------------------------------------------------------------------------------ */

struct control {
	uint64_t length;
	int32_t level, type;
};

#define IPPROTO_IP 0
#define IPPROTO_IPV6 41
#define IP_TTL 2
#define IP_PKTINFO 8
#define IPV6_PKTINFO 50
#define IPV6_HOPLIMIT 52

static size_t add_control(char *to, size_t at, int32_t level, int32_t type, const void *data, size_t length)
{
	struct control control = { sizeof(control) + length, level, type };

	memcpy(to + at, &control, sizeof(control));
	memcpy(to + at + sizeof(control), data, length);
	return at + ((control.length + 7) & ~7ul);
}

/* Of the datagram received last: where it was sent to, and how far it could still have gone. */
SOCKET_OP(control)
{
	const struct sock *s = sock_find(rq->badge);
	bool v6 = s && s->family == AF_INET6;
	char text[128] = {}, name[NAME_IN6];
	struct endpoint to;
	uint32_t info[5] = {};
	int32_t ttl;
	size_t used = 0;

	(void)in, (void)out;
	if (!s)
		return -ENOTSOCK;
	to = (struct endpoint){ .address = s->recent.to };
	endpoint_write(s->family, &to, name);
	if (s->pktinfo && v6) {
		memcpy(info, name + 6, 16);
		info[4] = s->recent.interface;
		used = add_control(text, used, IPPROTO_IPV6, IPV6_PKTINFO, info, 20);
	} else if (s->pktinfo) {
		info[0] = s->recent.interface;
		memcpy(&info[1], name + 2, 4);
		memcpy(&info[2], name + 2, 4);
		used = add_control(text, used, IPPROTO_IP, IP_PKTINFO, info, 12);
	}
	ttl = s->recent.ttl;
	if (s->recv_ttl)
		used = add_control(text, used, v6 ? IPPROTO_IPV6 : IPPROTO_IP, v6 ? IPV6_HOPLIMIT : IP_TTL,
				   &ttl, sizeof(ttl));
	if (used > rq->out_length)
		used = rq->out_length;
	return used ? request_write(rq, 0, text, used) : 0;
}
