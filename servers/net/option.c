/* SPDX-License-Identifier: MIT */
/* Options of sockets, as setsockopt and getsockopt have them. */
#include <fs/stream.h>
#include <lwip/priv/tcp_priv.h>
#include <lwip/raw.h>
#include <lwip/udp.h>
#include <util/string.h>

#include "net.h"

#define TCP_MAXSEG 2u
#define TCP_INFO 11u
#define TCP_CONGESTION 13u
#define ICMP6_FILTER 1u

#define CHECKSUM_AT_MAX 254
#define SIZE_LIMIT 425984u /* twice what a program asks for is kept, as Linux does */
#define PRIORITY_OF_ALL 6

struct linger {
	int32_t on, seconds;
};

/* --- numbers ------------------------------------------------------------------------------------------------------- */

enum how { FLAG, BYTE, WITHIN, OR_FIRST, SIZE };

static const struct number {
	uint8_t level, number, kinds, how;
	int32_t first, least, most;
} numbers[OPTIONS] = {
#define ROW(name, level, number, kinds, first, how, least, most) \
	[OPTION_##name] = { level, number, kinds, how, first, least, most },
	OPTION_NUMBERS(ROW)
#undef ROW
};

static unsigned kind_bit(const struct sock *s)
{
	return s->kind == SOCK_TCP      ? OF_TCP
	       : s->kind == SOCK_UDP    ? OF_UDP
	       : s->kind == SOCK_RAW_IP ? OF_RAW
					: OF_OTHER;
}

static bool has_level(const struct sock *s, uint64_t level)
{
	if (level == IPPROTO_IPV6)
		return s->family == AF_INET6;
	return level != IPPROTO_IP || s->family == AF_INET || s->kind != SOCK_RAW_IP;
}

/* OPTIONS: there is none. */
static unsigned find_number(const struct sock *s, uint64_t level, uint64_t name)
{
	unsigned i = 0;

	while (i < OPTIONS &&
	       (numbers[i].level != level || numbers[i].number != name || !(numbers[i].kinds & kind_bit(s))))
		i++;
	return has_level(s, level) ? i : OPTIONS;
}

void options_first(struct sock *s)
{
	for (unsigned i = 0; i < OPTIONS; i++)
		s->option[i] = numbers[i].first;
}

static void apply_flag(struct sock *s, u8_t flag, bool on)
{
	if (on)
		ip_set_option(s->ip, flag);
	else
		ip_reset_option(s->ip, flag);
}

static void apply_tcp(const struct sock *s)
{
	struct tcp_pcb *pcb = s->tcp;

	if (s->option[OPTION_NODELAY])
		tcp_nagle_disable(pcb);
	else
		tcp_nagle_enable(pcb);
	pcb->keep_idle = (u32_t)s->option[OPTION_KEEPIDLE] * 1000;
	pcb->keep_intvl = (u32_t)s->option[OPTION_KEEPINTVL] * 1000;
	pcb->keep_cnt = (u32_t)s->option[OPTION_KEEPCNT];
	tcp_poll(pcb, s->option[OPTION_USER_TIMEOUT] ? tcp_socket_poll : NULL, 1);
	if (s->option[OPTION_MAXSEG] != numbers[OPTION_MAXSEG].first && pcb->mss > s->option[OPTION_MAXSEG])
		pcb->mss = (u16_t)s->option[OPTION_MAXSEG];
}

static void apply_multicast(const struct sock *s)
{
	bool v6 = s->family == AF_INET6;
	u8_t ttl = (u8_t)s->option[v6 ? OPTION_MULTICAST_HOPS6 : OPTION_MULTICAST_TTL];

	if (s->kind == SOCK_RAW_IP) {
		s->raw->mcast_ttl = ttl;
		return;
	}
	s->udp->mcast_ttl = ttl;
	if (s->option[v6 ? OPTION_MULTICAST_LOOP6 : OPTION_MULTICAST_LOOP])
		udp_set_flags(s->udp, UDP_FLAGS_MULTICAST_LOOP);
	else
		udp_clear_flags(s->udp, UDP_FLAGS_MULTICAST_LOOP);
}

/* lwIP has one value for both families: that of the socket's own. */
void options_apply(struct sock *s)
{
	bool v6 = s->family == AF_INET6;

	if (!s->ip || s->kind == SOCK_PACKET || s->kind == SOCK_ROUTE)
		return;
	apply_flag(s, SOF_REUSEADDR, s->option[OPTION_REUSEADDR] || s->option[OPTION_REUSEPORT]);
	apply_flag(s, SOF_KEEPALIVE, s->option[OPTION_KEEPALIVE]);
	apply_flag(s, SOF_BROADCAST, s->option[OPTION_BROADCAST]);
	s->ip->tos = (u8_t)s->option[v6 ? OPTION_TCLASS6 : OPTION_TOS];
	s->ip->ttl = (u8_t)s->option[v6 ? OPTION_UNICAST_HOPS6 : OPTION_TTL];
	if (s->kind != SOCK_TCP)
		apply_multicast(s);
	else if (s->state != SOCK_LISTENING)
		apply_tcp(s);
	if (s->kind == SOCK_RAW_IP)
		s->raw->flags = s->option[OPTION_HDRINCL] ? s->raw->flags | RAW_FLAGS_HDRINCL
							  : s->raw->flags & (u8_t)~RAW_FLAGS_HDRINCL;
}

static int32_t doubled(int32_t value, int32_t least)
{
	uint32_t size = value < 0 ? 0 : (uint32_t)value;

	size = size > SIZE_LIMIT / 2 ? SIZE_LIMIT : size * 2;
	return size < (uint32_t)least ? least : (int32_t)size;
}

/* What is not to be had by everybody, or not at any time. */
static long may_set(const struct request *rq, const struct sock *s, unsigned option, int32_t value)
{
	if (option == OPTION_MARK || (option == OPTION_PRIORITY && value > PRIORITY_OF_ALL))
		return is_root(rq->stamp) ? 0 : -EPERM;
	if (s->kind == SOCK_TCP && (option == OPTION_MULTICAST_TTL || option == OPTION_MULTICAST_HOPS6))
		return -EINVAL;
	if (option == OPTION_V6ONLY && s->bound)
		return -EINVAL;
	if (option == OPTION_LOCAL_PORT_RANGE && !port_range_is_sane((uint32_t)value))
		return -EINVAL;
	return 0;
}

static void took(struct sock *s, unsigned option)
{
	if (option == OPTION_TIMESTAMP || option == OPTION_TIMESTAMPNS)
		s->option[option ^ OPTION_TIMESTAMP ^ OPTION_TIMESTAMPNS] = 0;
	if (option == OPTION_V6ONLY && s->ip)
		IP_SET_TYPE_VAL(s->ip->local_ip, s->option[option] ? IPADDR_TYPE_V6 : IPADDR_TYPE_ANY);
	if (option == OPTION_USER_TIMEOUT)
		s->stuck_since = 0;
	options_apply(s);
	if (option == OPTION_NODELAY && s->option[option] && s->tcp && s->state == SOCK_CONNECTED)
		tcp_output(s->tcp);
	if (option == OPTION_RCVLOWAT)
		sock_tell(s);
}

static long set_number(const struct request *rq, struct sock *s, unsigned option, int32_t value)
{
	const struct number *n = &numbers[option];
	long status = may_set(rq, s, option, value);

	if (status)
		return status;
	if (n->how == OR_FIRST && value == -1)
		value = n->first;
	if ((n->how == WITHIN || n->how == OR_FIRST) && (value < n->least || value > n->most))
		return -EINVAL;
	if (n->how == FLAG)
		value = value != 0;
	else if (n->how == BYTE)
		value &= s->kind == SOCK_TCP ? 0xfc : 0xff; /* TCP's ECN bits are its own */
	else if (n->how == SIZE)
		value = doubled(value, n->least);
	else if (option == OPTION_RCVLOWAT)
		value = value < 0 ? INT32_MAX : value ? value : 1;
	s->option[option] = value;
	took(s, option);
	return 0;
}

/* --- asking --------------------------------------------------------------------------------------------------------- */

static long get_told(struct sock *s, uint64_t name)
{
	switch (name) {
	case SO_TYPE:
		return s->kind == SOCK_TCP                ? SOCK_STREAM
		       : s->kind == SOCK_UDP || s->cooked ? SOCK_DGRAM
							  : SOCK_RAW;
	case SO_DOMAIN: return s->family;
	case SO_PROTOCOL:
		return s->kind == SOCK_TCP   ? IP_PROTO_TCP
		       : s->kind == SOCK_UDP ? IP_PROTO_UDP
					     : (long)s->protocol;
	case SO_ERROR: return -sock_take_error(s);
	case SO_ACCEPTCONN: return s->state == SOCK_LISTENING;
	case SO_SNDLOWAT: return 1;
	}
	return -ENOPROTOOPT;
}

static long put_option(struct request *rq, const void *value, size_t length)
{
	return request_write(rq, 0, value, length < rq->out_length ? length : rq->out_length);
}

static u8_t interface_of(const struct sock *s)
{
	return s->kind == SOCK_PACKET ? (u8_t)s->interface : s->ip ? s->ip->netif_idx : NETIF_NO_INDEX;
}

static long put_device(struct request *rq, const struct sock *s)
{
	const struct netif *netif = interface_of(s) ? netif_get_by_index(interface_of(s)) : NULL;
	char name[16] = "";

	if (!netif)
		return 0;
	interface_name(netif, name);
	return rq->out_length < sizeof(name) ? -EINVAL : put_option(rq, name, strlen(name) + 1);
}

/* What is not a number; false: it may be one. */
static bool get_other(struct request *rq, struct sock *s, uint64_t level, uint64_t name, long *answer)
{
	static const struct {
		int32_t pid;
		uint32_t user, group;
	} nobody = { 0, UINT32_MAX, UINT32_MAX };
	struct linger linger = { s->linger, (int32_t)s->linger_seconds };
	static const char congestion[16] = "reno";

	if (level == IPPROTO_TCP && s->kind == SOCK_TCP && name == TCP_INFO)
		*answer = put_tcp_info(rq, s);
	else if (level == IPPROTO_TCP && s->kind == SOCK_TCP && name == TCP_CONGESTION)
		*answer = put_option(rq, congestion, sizeof(congestion));
	else if (level != SOL_SOCKET)
		return false;
	else if (name == SO_LINGER)
		*answer = put_option(rq, &linger, sizeof(linger));
	else if (name == SO_RCVTIMEO || name == SO_SNDTIMEO)
		*answer = stream_put_timeout(rq, name == SO_RCVTIMEO ? s->receive_timeout : s->send_timeout);
	else if (name == SO_BINDTODEVICE)
		*answer = put_device(rq, s);
	else if (name == SO_PEERCRED)
		*answer = put_option(rq, &nobody, sizeof(nobody));
	else
		return false;
	return true;
}

static long no_option(const struct sock *s, uint64_t level)
{
	if (level == SOL_SOCKET || level == IPPROTO_IP || (level == IPPROTO_TCP && s->kind == SOCK_TCP) ||
	    (level == IPPROTO_IPV6 && s->family == AF_INET6))
		return -ENOPROTOOPT;
	return -EOPNOTSUPP;
}

static long get_number(struct sock *s, uint64_t level, uint64_t name, int32_t *value)
{
	unsigned option = find_number(s, level, name);
	long answer = 0;

	if (option == OPTION_MAXSEG && s->tcp && s->state == SOCK_CONNECTED)
		answer = tcp_mss(s->tcp);
	else if (option < OPTIONS)
		answer = s->option[option];
	else if (level == SOL_SOCKET)
		answer = get_told(s, name);
	else if (has_level(s, level) && ((level == IPPROTO_IP && name == IP_MULTICAST_IF) ||
					 (level == IPPROTO_IPV6 && name == IPV6_MULTICAST_IF)))
		answer = multicast_interface(s, level);
	else
		return no_option(s, level);
	*value = (int32_t)answer;
	return option == OPTIONS && level == SOL_SOCKET && answer < 0 ? answer : 0;
}

SOCKET_OP(get_option)
{
	struct sock *s = sock_find(rq->badge);
	int32_t value = 0;
	long answer;

	(void)out;
	if (!s)
		return -ENOTSOCK;
	if (get_other(rq, s, in->level, in->name, &answer))
		return answer;
	answer = get_number(s, in->level, in->name, &value);
	return answer < 0 ? answer : put_option(rq, &value, sizeof(value));
}

/* --- setting --------------------------------------------------------------------------------------------------------------- */

/* RFC 3542, 3.1: where in a raw socket's packets their checksum goes; negative: there is none. */
static long set_checksum(struct sock *s, int32_t value)
{
	if (s->kind != SOCK_RAW_IP || s->family != AF_INET6)
		return -ENOPROTOOPT;
	if ((value > 0 && value & 1) || value > CHECKSUM_AT_MAX)
		return -EINVAL;
	s->raw->chksum_reqd = value >= 0;
	s->raw->chksum_offset = value >= 0 ? (u16_t)value : 0;
	return 0;
}

/* Only what comes by this interface, and out of it. */
static long bind_to_device(struct request *rq, struct sock *s)
{
	char name[16] = {};
	size_t length = rq->in_length < sizeof(name) - 1 ? rq->in_length : sizeof(name) - 1;
	long status = length ? request_read(rq, 0, name, length) : 0;
	const struct netif *netif;

	if (status < 0)
		return status;
	if (!is_root(rq->stamp))
		return -EPERM;
	netif = interface_named(name);
	if (name[0] && !netif)
		return -ENODEV;
	if (s->kind == SOCK_PACKET)
		s->interface = netif ? netif_get_index((struct netif *)netif) : 0;
	else if (s->ip && s->state != SOCK_LISTENING)
		s->ip->netif_idx = netif ? netif_get_index((struct netif *)netif) : NETIF_NO_INDEX;
	return 0;
}

static long set_linger(struct request *rq, struct sock *s)
{
	struct linger linger;
	long status = stream_take(rq, &linger, sizeof(linger));

	if (status < 0)
		return status;
	s->linger = linger.on;
	s->linger_seconds = linger.seconds < 0 ? 0 : (uint32_t)linger.seconds;
	return 0;
}

static long set_congestion(struct request *rq)
{
	char name[16] = {};
	size_t length = rq->in_length < sizeof(name) - 1 ? rq->in_length : sizeof(name) - 1;
	long status = length ? request_read(rq, 0, name, length) : -EINVAL;

	return status < 0 ? status : strcmp(name, "reno") ? -ENOENT : 0;
}

/* What is not a number; false: it may be one. */
static bool set_other(struct request *rq, struct sock *s, uint64_t level, uint64_t name, long *status)
{
	if (level == SOL_SOCKET && name == SO_LINGER)
		*status = set_linger(rq, s);
	else if (level == SOL_SOCKET && (name == SO_RCVTIMEO || name == SO_SNDTIMEO))
		*status =
		    stream_take_timeout(rq, name == SO_RCVTIMEO ? &s->receive_timeout : &s->send_timeout);
	else if (level == SOL_SOCKET && name == SO_BINDTODEVICE)
		*status = bind_to_device(rq, s);
	else if (level == IPPROTO_TCP && name == TCP_CONGESTION && s->kind == SOCK_TCP)
		*status = set_congestion(rq);
	else if (level == IPPROTO_ICMPV6 && name == ICMP6_FILTER && s->kind == SOCK_RAW_IP)
		*status = stream_take(rq, s->icmp6_filter, sizeof(s->icmp6_filter));
	else if (s->ip && (level == IPPROTO_IP || level == IPPROTO_IPV6))
		*status = multicast_set(rq, s, level, name);
	else
		return false;
	return *status != -ENOPROTOOPT;
}

static long take_number(struct request *rq, uint64_t level, int32_t *value)
{
	uint8_t byte = 0;
	long status;

	if (rq->in_length != 1 || (level != IPPROTO_IP && level != IPPROTO_IPV6))
		return stream_take(rq, value, sizeof(*value));
	status = stream_take(rq, &byte, 1);
	*value = byte;
	return status;
}

SOCKET_OP(set_option)
{
	struct sock *s = sock_find(rq->badge);
	int32_t value = 0;
	unsigned option;
	uint64_t name;
	long status;

	(void)out;
	if (!s)
		return -ENOTSOCK;
	if (set_other(rq, s, in->level, in->name, &status))
		return status;
	status = take_number(rq, in->level, &value);
	if (status < 0)
		return status;
	name = in->name;
	if (in->level == SOL_SOCKET && (name == SO_RCVBUFFORCE || name == SO_SNDBUFFORCE)) {
		if (!is_root(rq->stamp))
			return -EPERM;
		name = name == SO_RCVBUFFORCE ? SO_RCVBUF : SO_SNDBUF;
	}
	if (in->level == SOL_SOCKET && name == SO_DETACH_FILTER)
		return 0;
	if (name == IPV6_CHECKSUM && (in->level == IPPROTO_RAW || in->level == IPPROTO_IPV6))
		return set_checksum(s, value);
	option = find_number(s, in->level, name);
	return option < OPTIONS ? set_number(rq, s, option, value) : -ENOPROTOOPT;
}
