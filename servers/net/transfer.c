/* SPDX-License-Identifier: MIT */
/* Sending and receiving, for every kind of socket. */
#include <lwip/priv/tcp_priv.h>
#include <util/string.h>

#include <fs/stream.h>

#include "net.h"

#define LEAST_MAX 65536u /* of SO_RCVLOWAT: what surely fits into the window */

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

/* --- control messages ------------------------------------------------------------------------------------------------------ */

#define CONTROL_MAX 256u

struct control {
	uint64_t length;
	int32_t level, type;
};

/* What has been collected, as far as there is room. */
struct controls {
	char text[CONTROL_MAX];
	size_t used, room;
	bool lost;
};

static void add_control(struct controls *to, uint32_t level, uint32_t type, const void *data, size_t length)
{
	struct control control = { sizeof(control) + length, (int32_t)level, (int32_t)type };
	size_t whole = (control.length + 7) & ~7ul;

	if (to->room - to->used < control.length) {
		to->lost = true;
		return;
	}
	memcpy(to->text + to->used, &control, sizeof(control));
	memcpy(to->text + to->used + sizeof(control), data, length);
	to->used = to->room - to->used < whole ? to->room : to->used + whole;
}

static void add_time(struct controls *to, const struct sock *s)
{
	bool exact = s->option[OPTION_TIMESTAMPNS];
	uint64_t ns = s->recent.when % 1000000000, time[2] = { s->recent.when / 1000000000 };

	if (!exact && !s->option[OPTION_TIMESTAMP])
		return;
	time[1] = exact ? ns : ns / 1000;
	add_control(to, SOL_SOCKET, exact ? SO_TIMESTAMPNS : SO_TIMESTAMP, time, sizeof(time));
}

static void add_of_ip(struct controls *to, const struct sock *s)
{
	struct endpoint at = { .address = s->recent.to };
	uint32_t info[3] = { s->recent.interface };
	int32_t ttl = s->recent.ttl;
	char name[NAME_IN6];

	if (s->option[OPTION_PKTINFO]) {
		endpoint_write(AF_INET, &at, name);
		memcpy(&info[1], name + 2, 4);
		memcpy(&info[2], name + 2, 4);
		add_control(to, IPPROTO_IP, IP_PKTINFO, info, sizeof(info));
	}
	if (s->option[OPTION_RECVTTL])
		add_control(to, IPPROTO_IP, IP_TTL, &ttl, sizeof(ttl));
	if (s->option[OPTION_RECVTOS])
		add_control(to, IPPROTO_IP, IP_TOS, &s->recent.tos, 1);
}

static void add_of_ip6(struct controls *to, const struct sock *s)
{
	struct endpoint at = { .address = s->recent.to };
	int32_t hops = s->recent.ttl, class = s->recent.tos;
	uint32_t info[5] = {};
	char name[NAME_IN6];

	if (s->option[OPTION_RECVPKTINFO6]) {
		endpoint_write(AF_INET6, &at, name);
		memcpy(info, name + 6, 16);
		info[4] = s->recent.interface;
		add_control(to, IPPROTO_IPV6, IPV6_PKTINFO, info, sizeof(info));
	}
	if (s->option[OPTION_RECVHOPLIMIT6])
		add_control(to, IPPROTO_IPV6, IPV6_HOPLIMIT, &hops, sizeof(hops));
	if (s->option[OPTION_RECVTCLASS6])
		add_control(to, IPPROTO_IPV6, IPV6_TCLASS, &class, sizeof(class));
}

/* Whether control messages go with a socket's datagrams. */
static bool has_control(const struct sock *s)
{
	const int32_t *o = s->option;

	return o[OPTION_TIMESTAMP] || o[OPTION_TIMESTAMPNS] || o[OPTION_PKTINFO] || o[OPTION_RECVTTL] ||
	       o[OPTION_RECVTOS] || o[OPTION_RECVPKTINFO6] || o[OPTION_RECVHOPLIMIT6] ||
	       o[OPTION_RECVTCLASS6];
}

/* Of the datagram received last: when it came, where it was sent to, and how. */
SOCKET_OP(control)
{
	const struct sock *s = sock_find(rq->badge);
	struct controls all = { .room = rq->out_length < CONTROL_MAX ? rq->out_length : CONTROL_MAX };

	(void)in;
	if (!s)
		return -ENOTSOCK;
	add_time(&all, s);
	if (s->family == AF_INET)
		add_of_ip(&all, s);
	else if (s->family == AF_INET6)
		add_of_ip6(&all, s);
	out->lost = all.lost;
	return all.used ? request_write(rq, 0, all.text, all.used) : 0;
}

/* --- receiving and sending -------------------------------------------------------------------------------------------- */

static long receive_stream(struct request *rq, struct sock *s, uint64_t flags)
{
	struct parcel *parcel = s->first;
	uint32_t done = 0, taken = 0;

	for (; parcel && done < rq->out_length; parcel = parcel->next) {
		uint32_t part = parcel->length - parcel->taken;
		long status;

		if (part > rq->out_length - done)
			part = (uint32_t)(rq->out_length - done);
		status = flags & SOCKET_DISCARD ? 0 : copy_out(rq, done, parcel->data, parcel->taken, part);
		if (status < 0)
			return status;
		done += part;
	}
	FAULT_POINT("data was copied out");
	if (flags & SOCKET_PEEK)
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
		if (has_control(s))
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

bool sock_has_enough(const struct sock *s)
{
	uint32_t least = (uint32_t)s->option[OPTION_RCVLOWAT];

	return s->queued >= (least < LEAST_MAX ? least : LEAST_MAX) || s->ended || s->shut_read || s->error ||
	       memory_short();
}

/* Who waits for SO_RCVLOWAT, or for what it wants if that is less, takes what there is when its time is over. */
static long wait_for_more(struct request *rq, struct sock *s, uint64_t flags)
{
	long status;

	if (s->kind != SOCK_TCP || sock_has_enough(s) || s->queued >= rq->out_length ||
	    stream_nonblocking(s->d.flags, flags))
		return 0;
	status = sock_wait(rq, s, &s->readers, s->receive_timeout);
	return status == -EAGAIN ? 0 : status;
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
	status = wait_for_more(rq, s, flags);
	if (status)
		return status;
	status = receive_stream(rq, s, flags);
	if (out && status >= 0)
		out->what = socket_what((uint32_t)status, s->family, 0) | SOCKET_IS_STREAM;
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

/* Twice a second. What is to be sent, or was not acknowledged, waits for TCP_USER_TIMEOUT, and not much longer. */
err_t tcp_socket_poll(void *arg, struct tcp_pcb *pcb)
{
	struct sock *s = arg;
	uint64_t now = clock_monotonic_ns();

	if (!s)
		return ERR_OK;
	if (!pcb->unsent && !pcb->unacked) {
		s->stuck_since = 0;
	} else if (!s->stuck_since || pcb->lastack != s->acknowledged) {
		s->acknowledged = pcb->lastack;
		s->stuck_since = now;
	} else if (now - s->stuck_since >= (uint64_t)s->option[OPTION_USER_TIMEOUT] * 1000000) {
		tcp_abandon(pcb, 0);
		return ERR_ABRT;
	}
	return ERR_OK;
}
