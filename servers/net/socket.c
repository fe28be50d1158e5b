/* SPDX-License-Identifier: MIT */
/* Sockets: making, finding, ending them; their names and connections. */
#include <fs/stream.h>
#include <lwip/err.h>
#include <lwip/ip.h>
#include <util/string.h>

#include "net.h"

#define PORT_PRIVILEGED 1024u
#define SOMAXCONN 4096u
#define PARCELS_MAX 2048u /* that wait at one socket: memory is bounded also if they are small */
#define PARCELS_SHORT 4u

PRESERVED struct description_table descriptions;

bool is_root(uint64_t stamp)
{
	const struct process_entry *process = process_find(stamp);

	return stamp_is_service(stamp) || (process && !process->euid);
}

long error_of(int err)
{
	switch (err) {
	case ERR_OK: return 0;
	case ERR_MEM:
	case ERR_BUF: return -ENOBUFS;
	case ERR_TIMEOUT: return -ETIMEDOUT;
	case ERR_RTE: return -ENETUNREACH;
	case ERR_INPROGRESS: return -EINPROGRESS;
	case ERR_WOULDBLOCK: return -EAGAIN;
	case ERR_USE: return -EADDRINUSE;
	case ERR_ALREADY: return -EALREADY;
	case ERR_ISCONN: return -EISCONN;
	case ERR_CONN: return -ENOTCONN;
	case ERR_ABRT: return -ECONNABORTED;
	case ERR_RST: return -ECONNRESET;
	case ERR_CLSD: return -ENOTCONN;
	}
	return -EINVAL;
}

/* --- making and ending ----------------------------------------------------------------------------------------------- */

struct sock *sock_new(uint32_t family, enum sock_kind kind, uint32_t protocol, uint32_t flags, uint64_t stamp)
{
	const struct process_entry *process = process_find(stamp);
	struct sock *s = description_new(sizeof(*s), flags);

	if (!s)
		return NULL;
	s->d.mode = S_IFSOCK | 0777;
	s->d.uid = process ? process->fsuid : 0;
	s->d.gid = process ? process->fsgid : 0;
	s->d.node = s->d.badge;
	s->family = family;
	s->kind = kind;
	s->protocol = protocol;
	options_first(s);
	return s;
}

struct sock *sock_find(uint64_t badge)
{
	return description_find(badge);
}

void sock_free(struct sock *s)
{
	timer_stop(&s->timer);
	multicast_end(s);
	if (s->kind == SOCK_TCP)
		tcp_socket_end(s);
	else if (s->kind == SOCK_PACKET)
		packet_end();
	else if (s->kind != SOCK_ROUTE)
		datagram_end(s);
	while (s->first)
		parcel_drop(s);
	description_delete(s);
}

/* --- what has come ------------------------------------------------------------------------------------------------------ */

bool parcel_add(struct sock *s, struct pbuf *data, const struct endpoint *from, const ip_addr_t *to)
{
	unsigned most = memory_short() ? PARCELS_SHORT : PARCELS_MAX;
	struct parcel *parcel = s->parcels < most ? net_allocate(sizeof(*parcel)) : NULL;

	if (!parcel)
		return false;
	memset(parcel, 0, sizeof(*parcel));
	parcel->data = data;
	parcel->length = data->tot_len;
	if (from)
		parcel->from = *from;
	if (to)
		parcel->to = *to;
	*(s->last ? &s->last->next : &s->first) = parcel;
	s->last = parcel;
	s->queued += parcel->length;
	s->parcels++;
	return true;
}

void parcel_drop(struct sock *s)
{
	struct parcel *parcel = s->first;

	s->first = parcel->next;
	if (!s->first)
		s->last = NULL;
	s->queued -= parcel->length - parcel->taken;
	s->parcels--;
	pbuf_free(parcel->data);
	net_free(parcel);
}

/* --- waiting --------------------------------------------------------------------------------------------------------------- */

uint64_t sock_ready(const struct sock *s)
{
	uint64_t ready = 0;

	if (s->error)
		ready |= POLLERR;
	if (s->kind == SOCK_TCP)
		return ready | tcp_socket_ready(s);
	if (s->first || s->shut_read)
		ready |= POLLIN | POLLRDNORM;
	if (s->shut_read)
		ready |= POLLRDHUP | (s->shut_write ? POLLHUP : 0);
	return ready | POLLOUT | POLLWRNORM;
}

void sock_tell(struct sock *s)
{
	waitq_wake(&s->readers);
	waitq_wake(&s->writers);
	if (s->d.watches.first)
		watch_notify(&s->d.watches, sock_ready(s));
}

long sock_take_error(struct sock *s)
{
	int32_t error = s->error;

	s->error = 0;
	return -error;
}

static void waited(struct timer *timer)
{
	struct sock *s = (struct sock *)((char *)timer - offsetof(struct sock, timer));

	waitq_wake(&s->readers);
	waitq_wake(&s->writers);
}

long sock_wait(struct request *rq, struct sock *s, struct waitq *queue, uint64_t timeout)
{
	return stream_wait(rq, queue, &s->timer, timeout, waited);
}

/* --- names -------------------------------------------------------------------------------------------------------------------- */

static struct sock *socket_find(const struct request *rq)
{
	return sock_find(rq->badge);
}

/* The name in the in buffer, for this socket. */
static long take_name(struct request *rq, const struct sock *s, uint64_t family, struct endpoint *to)
{
	char name[NAME_IN6] = {};
	size_t length = rq->in_length < sizeof(name) ? rq->in_length : sizeof(name);
	long status;

	if (length < (s->family == AF_INET6 ? NAME_IN6 - 4 : NAME_IN))
		return -EINVAL;
	if (family != s->family)
		return -EAFNOSUPPORT;
	status = length ? request_read(rq, 0, name, length) : -EINVAL;
	return status < 0 ? status : endpoint_read(s->family, name, length, to);
}

static bool is_ours(const ip_addr_t *address)
{
	struct netif *netif;

	if (ip_addr_isany(address) || ip_addr_ismulticast(address) || ip_addr_isloopback(address))
		return true;
	NETIF_FOREACH(netif)
	{
		if (IP_IS_V4(address) ? ip4_addr_cmp(ip_2_ip4(address), netif_ip4_addr(netif))
				      : netif_get_ip6_addr_match(netif, ip_2_ip6(address)) >= 0)
			return true;
	}
	return false;
}

/* What lwIP is to be told: any address of both families, unless the socket is of one only. */
static void widen(const struct sock *s, struct endpoint *to)
{
	if (s->family == AF_INET6 && !s->option[OPTION_V6ONLY] && IP_IS_V6(&to->address) &&
	    ip_addr_isany(&to->address))
		ip_addr_copy(to->address, *IP_ANY_TYPE);
}

SOCKET_OP(bind)
{
	struct sock *s = socket_find(rq);
	struct endpoint to;
	long status;

	(void)out;
	if (!s)
		return -ENOTSOCK;
	if (s->kind == SOCK_ROUTE)
		return 0;
	if (s->kind == SOCK_PACKET)
		return in->family == AF_PACKET ? packet_bind(rq, s) : -EINVAL;
	status = take_name(rq, s, in->family, &to);
	if (status < 0)
		return status;
	if (s->bound || s->state != SOCK_NEW)
		return -EINVAL;
	if (s->option[OPTION_V6ONLY] && IP_IS_V4(&to.address))
		return -EINVAL;
	if (!is_ours(&to.address) && !s->option[OPTION_FREEBIND])
		return -EADDRNOTAVAIL;
	if (s->kind != SOCK_RAW_IP && to.port && to.port < PORT_PRIVILEGED && !is_root(rq->stamp))
		return -EACCES;
	widen(s, &to);
	status = s->kind == SOCK_TCP ? tcp_socket_bind(s, &to) : datagram_bind(s, &to);
	s->bound = !status;
	s->port_given = s->bound && to.port;
	return status;
}

/* A connection that has ended both ways. */
static bool sock_is_over(const struct sock *s)
{
	return s->kind == SOCK_TCP && s->ended && s->shut_write;
}

static long give_name(struct request *rq, const struct sock *s, const struct endpoint *from)
{
	char name[NAME_IN6];
	uint32_t length = endpoint_write(s->family, from, name);

	return request_write(rq, 0, name, length < rq->out_length ? length : rq->out_length);
}

static long route_name(struct request *rq, const struct sock *s)
{
	uint32_t name[3] = { 0, (uint32_t)s->d.badge, 0 }; /* two bytes of padding, port, groups */
	size_t length = rq->out_length < 10 ? rq->out_length : 10;

	return request_write(rq, 0, (char *)name + 2, length);
}

static long packet_name(struct request *rq, const struct sock *s, uint64_t which)
{
	char name[SOCKET_NAME];
	uint32_t length = which == SOCKET_FROM ? packet_from(&s->recent, name) : packet_own(s, name);

	if (which == SOCKET_PEER)
		return -EOPNOTSUPP;
	return request_write(rq, 0, name, length < rq->out_length ? length : rq->out_length);
}

/* Datagrams that go to one peer have the address that the way there begins at. */
static void fill_in_local(const struct sock *s, struct endpoint *local)
{
	struct netif *netif;
	const ip_addr_t *address;

	if (s->kind == SOCK_TCP || s->state != SOCK_CONNECTED || !ip_addr_isany(&local->address))
		return;
	netif = ip_route(&local->address, &s->peer.address);
	address = netif ? ip_netif_get_local_ip(netif, &s->peer.address) : NULL;
	if (address)
		local->address = *address;
}

SOCKET_OP(names)
{
	struct sock *s = socket_find(rq);
	struct endpoint local;

	if (!s)
		return -ENOTSOCK;
	out->family = s->family;
	if (s->kind == SOCK_ROUTE)
		return route_name(rq, s);
	if (s->kind == SOCK_PACKET)
		return packet_name(rq, s, in->which);
	if (in->which == SOCKET_PEER)
		return s->state == SOCK_CONNECTED && !sock_is_over(s) ? give_name(rq, s, &s->peer)
								      : -ENOTCONN;
	if (in->which == SOCKET_FROM)
		return give_name(rq, s, s->kind == SOCK_TCP ? &s->peer : &s->recent.from);
	local = s->local;
	fill_in_local(s, &local);
	return give_name(rq, s, &local);
}

/* --- connections ---------------------------------------------------------------------------------------------------------------- */

SOCKET_OP(listen)
{
	struct sock *s = socket_find(rq);
	uint32_t backlog = in->backlog < SOMAXCONN ? (uint32_t)in->backlog : SOMAXCONN;

	(void)out;
	if (!s)
		return -ENOTSOCK;
	if (s->kind != SOCK_TCP)
		return -EOPNOTSUPP;
	return tcp_socket_listen(s, backlog ? backlog : 1);
}

/* An address of which none is meant is this machine's own. */
static void to_somewhere(struct endpoint *to)
{
	if (!ip_addr_isany(&to->address))
		return;
	if (IP_IS_V4(&to->address))
		ip_addr_set_loopback(false, &to->address);
	else
		ip_addr_set_loopback(true, &to->address);
}

SOCKET_OP(connect)
{
	struct sock *s = socket_find(rq);
	struct endpoint to;
	long status;

	(void)out;
	if (!s)
		return -ENOTSOCK;
	if (s->kind == SOCK_ROUTE)
		return 0;
	if (s->kind == SOCK_PACKET)
		return -EOPNOTSUPP;
	if (in->family == AF_UNSPEC)
		return s->kind == SOCK_TCP ? tcp_socket_again(s) : datagram_connect(s, NULL);
	status = take_name(rq, s, in->family, &to);
	if (status < 0)
		return status;
	if (s->option[OPTION_V6ONLY] && IP_IS_V4(&to.address))
		return -ENETUNREACH;
	to_somewhere(&to);
	return s->kind == SOCK_TCP ? tcp_socket_connect(rq, s, &to) : datagram_connect(s, &to);
}

SOCKET_OP(accept)
{
	struct sock *s = socket_find(rq), *accepted;
	long status;

	(void)out;
	if (!s)
		return -ENOTSOCK;
	if (s->kind != SOCK_TCP)
		return -EOPNOTSUPP;
	if (s->state != SOCK_LISTENING)
		return -EINVAL;
	accepted = s->pending;
	if (!accepted)
		return s->d.flags & O_NONBLOCK ? -EAGAIN : sock_wait(rq, s, &s->readers, s->receive_timeout);
	status = request_give_badge(rq, accepted->d.badge);
	if (status < 0)
		return status;
	accepted->d.flags |= (uint32_t)in->flags & O_NONBLOCK;
	s->pending = accepted->next_pending;
	if (!s->pending)
		s->last_pending = NULL;
	s->pending_count--;
	accepted->next_pending = accepted->listener = NULL;
	tcp_listener_taken(accepted);
	return status;
}

SOCKET_OP(shutdown)
{
	struct sock *s = socket_find(rq);
	long status = 0;

	(void)out;
	if (!s)
		return -ENOTSOCK;
	if (in->how > SHUT_RDWR)
		return -EINVAL;
	if (s->kind == SOCK_TCP && s->state == SOCK_LISTENING)
		return in->how == SHUT_WR ? 0 : tcp_socket_again(s);
	if (s->state != SOCK_CONNECTED || sock_is_over(s))
		return -ENOTCONN;
	if (in->how != SHUT_RD && !s->shut_write) {
		status = s->kind == SOCK_TCP ? tcp_socket_shutdown(s) : 0;
		if (status)
			return status;
		s->shut_write = true;
	}
	if (in->how != SHUT_WR)
		s->shut_read = true;
	sock_tell(s);
	return 0;
}
