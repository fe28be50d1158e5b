/* SPDX-License-Identifier: MIT */
/* Options of sockets, as setsockopt and getsockopt have them. */
#include <fs/stream.h>
#include <lwip/igmp.h>
#include <lwip/mld6.h>
#include <lwip/raw.h>
#include <lwip/tcp.h>
#include <lwip/udp.h>
#include <util/string.h>

#include "net.h"

#define IPPROTO_IP 0u
#define IPPROTO_TCP 6u
#define IPPROTO_IPV6 41u
#define IPPROTO_RAW 255u

#define IP_TOS 1u
#define IP_TTL 2u
#define IP_HDRINCL 3u
#define IP_PKTINFO 8u
#define IP_MTU_DISCOVER 10u
#define IP_RECVERR 11u
#define IP_RECVTTL 12u
#define IP_MTU 14u
#define IP_MULTICAST_IF 32u
#define IP_MULTICAST_TTL 33u
#define IP_MULTICAST_LOOP 34u
#define IP_ADD_MEMBERSHIP 35u
#define IP_DROP_MEMBERSHIP 36u

#define IPV6_CHECKSUM 7u
#define IPV6_UNICAST_HOPS 16u
#define IPV6_MULTICAST_IF 17u
#define IPV6_MULTICAST_HOPS 18u
#define IPV6_MULTICAST_LOOP 19u
#define IPV6_ADD_MEMBERSHIP 20u
#define IPV6_DROP_MEMBERSHIP 21u
#define IPV6_MTU_DISCOVER 23u
#define IPV6_RECVERR 25u
#define IPV6_V6ONLY 26u
#define IPV6_RECVPKTINFO 49u
#define IPV6_RECVHOPLIMIT 51u
#define IPV6_TCLASS 67u

#define TCP_NODELAY_OPTION 1u
#define TCP_MAXSEG 2u
#define TCP_CORK 3u
#define TCP_KEEPIDLE_OPTION 4u
#define TCP_KEEPINTVL_OPTION 5u
#define TCP_KEEPCNT_OPTION 6u
#define TCP_INFO 11u
#define TCP_USER_TIMEOUT 18u

#define IPPROTO_ICMPV6 58u
#define ICMP6_FILTER 1u

#define CHECKSUM_AT_MAX 254
#define NS 1000000000ull
#define SIZE_MIN 2304u
#define SIZE_LIMIT 425984u /* twice what a program asks for is kept, as Linux does */

struct linger {
	int32_t on, seconds;
};

struct timeval {
	int64_t seconds, microseconds;
};

static bool is_tcp(const struct sock *s)
{
	return s->kind == SOCK_TCP && s->tcp && s->state != SOCK_LISTENING;
}

/* --- asking --------------------------------------------------------------------------------------------------------- */

static long get_socket(struct sock *s, uint64_t name)
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
	case SO_RCVBUF: return s->receive_size;
	case SO_SNDBUF: return s->send_size;
	case SO_REUSEADDR:
	case SO_REUSEPORT: return s->ip && ip_get_option(s->ip, SOF_REUSEADDR) ? 1 : 0;
	case SO_KEEPALIVE: return s->ip && ip_get_option(s->ip, SOF_KEEPALIVE) ? 1 : 0;
	case SO_BROADCAST: return s->ip && ip_get_option(s->ip, SOF_BROADCAST) ? 1 : 0;
	case SO_RCVLOWAT:
	case SO_SNDLOWAT: return 1;
	case SO_DONTROUTE:
	case SO_OOBINLINE:
	case SO_PRIORITY:
	case SO_PASSCRED:
	case SO_TIMESTAMP:
	case SO_MARK: return 0;
	}
	return -ENOPROTOOPT;
}

static long get_tcp(const struct sock *s, uint64_t name)
{
	if (s->kind != SOCK_TCP)
		return -EOPNOTSUPP;
	if (!is_tcp(s))
		return name == TCP_NODELAY_OPTION || name == TCP_MAXSEG ? 0 : -EINVAL;
	switch (name) {
	case TCP_NODELAY_OPTION: return tcp_nagle_disabled(s->tcp) ? 1 : 0;
	case TCP_MAXSEG: return tcp_mss(s->tcp);
	case TCP_CORK: return 0;
	case TCP_KEEPIDLE_OPTION: return s->tcp->keep_idle / 1000;
	case TCP_KEEPINTVL_OPTION: return s->tcp->keep_intvl / 1000;
	case TCP_KEEPCNT_OPTION: return s->tcp->keep_cnt;
	case TCP_USER_TIMEOUT: return 0;
	}
	return -ENOPROTOOPT;
}

static u8_t *multicast_ttl(struct sock *s)
{
	return s->kind == SOCK_UDP ? &s->udp->mcast_ttl : s->kind == SOCK_RAW_IP ? &s->raw->mcast_ttl : NULL;
}

static long get_ip(struct sock *s, uint64_t name)
{
	switch (name) {
	case IP_TOS:
	case IPV6_TCLASS: return s->ip ? s->ip->tos : 0;
	case IP_TTL:
	case IPV6_UNICAST_HOPS: return s->ip ? s->ip->ttl : 64;
	case IP_HDRINCL: return s->kind == SOCK_RAW_IP && s->raw->flags & RAW_FLAGS_HDRINCL ? 1 : 0;
	case IP_PKTINFO:
	case IPV6_RECVPKTINFO: return s->pktinfo;
	case IP_RECVTTL:
	case IPV6_RECVHOPLIMIT: return s->recv_ttl;
	case IP_MULTICAST_TTL:
	case IPV6_MULTICAST_HOPS: return multicast_ttl(s) ? *multicast_ttl(s) : 1;
	case IP_MULTICAST_LOOP:
	case IPV6_MULTICAST_LOOP:
		return s->kind == SOCK_UDP && s->udp->flags & UDP_FLAGS_MULTICAST_LOOP ? 1 : 0;
	case IP_MTU_DISCOVER:
	case IP_RECVERR:
	case IPV6_MTU_DISCOVER:
	case IPV6_RECVERR: return 0;
	case IPV6_V6ONLY: return s->v6only;
	}
	return -ENOPROTOOPT;
}

static long put_option(struct request *rq, const void *value, size_t length)
{
	return request_write(rq, 0, value, length < rq->out_length ? length : rq->out_length);
}

static long put_time(struct request *rq, uint64_t ns)
{
	struct timeval value = { (int64_t)(ns / NS), (int64_t)(ns % NS / 1000) };

	return put_option(rq, &value, sizeof(value));
}

/* struct tcp_info as far as its first bytes: the state, and zeroes. */
static long put_tcp_info(struct request *rq, const struct sock *s)
{
	static const uint8_t states[] = { 7, 10, 2, 3, 1, 4, 5, 8, 11, 9, 6 }; /* lwIP's in Linux's numbers */
	uint8_t info[104] = { s->tcp ? states[s->tcp->state] : 7 };

	return put_option(rq, info, sizeof(info));
}

SOCKET_OP(get_option)
{
	struct sock *s = sock_find(rq->badge);
	struct linger linger;
	int32_t value;
	long answer = -ENOPROTOOPT;

	(void)out;
	if (!s)
		return -ENOTSOCK;
	if (in->level == SOL_SOCKET && in->name == SO_LINGER) {
		linger = (struct linger){ s->linger, (int32_t)s->linger_seconds };
		return put_option(rq, &linger, sizeof(linger));
	}
	if (in->level == SOL_SOCKET && (in->name == SO_RCVTIMEO || in->name == SO_SNDTIMEO))
		return put_time(rq, in->name == SO_RCVTIMEO ? s->receive_timeout : s->send_timeout);
	if (in->level == IPPROTO_TCP && in->name == TCP_INFO && s->kind == SOCK_TCP)
		return put_tcp_info(rq, s);
	if (in->level == SOL_SOCKET)
		answer = get_socket(s, in->name);
	else if (in->level == IPPROTO_TCP)
		answer = get_tcp(s, in->name);
	else if ((in->level == IPPROTO_IP && s->family == AF_INET) ||
		 (in->level == IPPROTO_IPV6 && s->family == AF_INET6))
		answer = get_ip(s, in->name);
	else
		answer = -EOPNOTSUPP;
	value = (int32_t)answer;
	return answer < 0 ? answer : put_option(rq, &value, sizeof(value));
}

/* --- setting --------------------------------------------------------------------------------------------------------------- */

static long set_size(uint32_t *size, int32_t value)
{
	uint32_t wanted = value < 0 ? 0 : (uint32_t)value;

	wanted = wanted > SIZE_LIMIT / 2 ? SIZE_LIMIT : wanted * 2;
	*size = wanted < SIZE_MIN ? SIZE_MIN : wanted;
	return 0;
}

static long set_flag(struct sock *s, u8_t flag, int32_t value)
{
	if (!s->ip)
		return 0;
	if (value)
		ip_set_option(s->ip, flag);
	else
		ip_reset_option(s->ip, flag);
	return 0;
}

static long set_socket(struct request *rq, struct sock *s, uint64_t name, int32_t value)
{
	switch (name) {
	case SO_REUSEADDR:
	case SO_REUSEPORT: return set_flag(s, SOF_REUSEADDR, value);
	case SO_KEEPALIVE: return set_flag(s, SOF_KEEPALIVE, value);
	case SO_BROADCAST: return set_flag(s, SOF_BROADCAST, value);
	case SO_RCVBUFFORCE:
	case SO_SNDBUFFORCE:
		if (!is_root(rq->stamp))
			return -EPERM;
		return set_size(name == SO_RCVBUFFORCE ? &s->receive_size : &s->send_size, value);
	case SO_RCVBUF: return set_size(&s->receive_size, value);
	case SO_SNDBUF: return set_size(&s->send_size, value);
	case SO_DONTROUTE:
	case SO_OOBINLINE:
	case SO_PRIORITY:
	case SO_RCVLOWAT:
	case SO_DETACH_FILTER: return 0;
	}
	return -ENOPROTOOPT;
}

static long set_tcp(struct sock *s, uint64_t name, int32_t value)
{
	if (s->kind != SOCK_TCP)
		return -ENOPROTOOPT;
	if (!is_tcp(s))
		return name == TCP_NODELAY_OPTION ? 0 : -EINVAL;
	switch (name) {
	case TCP_NODELAY_OPTION:
		if (value)
			tcp_nagle_disable(s->tcp);
		else
			tcp_nagle_enable(s->tcp);
		if (value)
			tcp_output(s->tcp);
		return 0;
	case TCP_KEEPIDLE_OPTION:
	case TCP_KEEPINTVL_OPTION:
		if (value < 1 || value > 32767)
			return -EINVAL;
		*(name == TCP_KEEPIDLE_OPTION ? &s->tcp->keep_idle : &s->tcp->keep_intvl) =
		    (u32_t)value * 1000;
		return 0;
	case TCP_KEEPCNT_OPTION:
		if (value < 1 || value > 127)
			return -EINVAL;
		s->tcp->keep_cnt = (u32_t)value;
		return 0;
	case TCP_CORK:
	case TCP_USER_TIMEOUT: return 0;
	}
	return -ENOPROTOOPT;
}

static long set_byte(u8_t *byte, int32_t value, u8_t standard)
{
	if (value < -1 || value > 255)
		return -EINVAL;
	*byte = value == -1 ? standard : (u8_t)value;
	return 0;
}

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

static long set_ip(struct sock *s, uint64_t name, int32_t value)
{
	switch (name) {
	case IP_TOS:
	case IPV6_TCLASS: return s->ip ? set_byte(&s->ip->tos, value, 0) : 0;
	case IP_TTL: return value == 0 ? -EINVAL : s->ip ? set_byte(&s->ip->ttl, value, 64) : 0;
	case IPV6_UNICAST_HOPS: return s->ip ? set_byte(&s->ip->ttl, value, 64) : 0;
	case IP_HDRINCL:
		if (s->kind != SOCK_RAW_IP)
			return -ENOPROTOOPT;
		s->raw->flags =
		    value ? s->raw->flags | RAW_FLAGS_HDRINCL : s->raw->flags & (u8_t)~RAW_FLAGS_HDRINCL;
		return 0;
	case IP_PKTINFO:
	case IPV6_RECVPKTINFO: s->pktinfo = value; return 0;
	case IP_RECVTTL:
	case IPV6_RECVHOPLIMIT: s->recv_ttl = value; return 0;
	case IP_MULTICAST_TTL:
	case IPV6_MULTICAST_HOPS: return multicast_ttl(s) ? set_byte(multicast_ttl(s), value, 1) : 0;
	case IP_MULTICAST_LOOP:
	case IPV6_MULTICAST_LOOP:
		if (s->kind == SOCK_UDP && value)
			udp_set_flags(s->udp, UDP_FLAGS_MULTICAST_LOOP);
		else if (s->kind == SOCK_UDP)
			udp_clear_flags(s->udp, UDP_FLAGS_MULTICAST_LOOP);
		return 0;
	case IP_MTU_DISCOVER:
	case IP_RECVERR:
	case IPV6_MTU_DISCOVER:
	case IPV6_RECVERR: return 0;
	case IPV6_CHECKSUM: return set_checksum(s, value);
	case IPV6_V6ONLY:
		if (s->bound || s->family != AF_INET6)
			return -EINVAL;
		s->v6only = value;
		if (s->ip)
			IP_SET_TYPE_VAL(s->ip->local_ip, value ? IPADDR_TYPE_V6 : IPADDR_TYPE_ANY);
		return 0;
	}
	return -ENOPROTOOPT;
}

/* struct ip_mreq or ip_mreqn: group, interface's address, perhaps its index. */
static long set_group4(struct request *rq, struct sock *s, bool join, bool interface_only)
{
	uint32_t words[3] = {};
	size_t least = interface_only ? 4 : 8, length = rq->in_length < 12 ? rq->in_length : 12;
	ip4_addr_t group, address;
	struct netif *netif;
	long status = length < least ? -EINVAL : request_read(rq, 0, words, length);

	if (status < 0)
		return status;
	address.addr = interface_only && length < 8 ? words[0] : words[1];
	group.addr = words[0];
	netif = length == 12 && words[2] ? netif_get_by_index((u8_t)words[2]) : NULL;
	if (netif)
		address = *netif_ip4_addr(netif);
	if (interface_only) {
		if (s->kind == SOCK_UDP)
			udp_set_multicast_netif_addr(s->udp, &address);
		return 0;
	}
	if (!ip4_addr_ismulticast(&group))
		return -EINVAL;
	status = join ? igmp_joingroup(&address, &group) : igmp_leavegroup(&address, &group);
	return status == ERR_OK ? 0 : join ? -ENODEV : -EADDRNOTAVAIL;
}

static long set_group6(struct request *rq, bool join)
{
	struct {
		uint32_t group[4], interface;
	} wanted;
	struct netif *netif;
	ip6_addr_t group = {};
	long status = stream_take(rq, &wanted, sizeof(wanted));

	if (status < 0)
		return status;
	memcpy(group.addr, wanted.group, sizeof(group.addr));
	if (!ip6_addr_ismulticast(&group))
		return -EINVAL;
	netif = wanted.interface ? netif_get_by_index((u8_t)wanted.interface) : netif_default;
	if (!netif)
		return -ENODEV;
	ip6_addr_assign_zone(&group, IP6_MULTICAST, netif);
	status = join ? mld6_joingroup_netif(netif, &group) : mld6_leavegroup_netif(netif, &group);
	return status == ERR_OK ? 0 : join ? -ENOBUFS : -EADDRNOTAVAIL;
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

static long set_struct(struct request *rq, struct sock *s, uint64_t name)
{
	struct timeval time;
	struct linger linger;
	uint64_t ns;
	long status;

	if (name == SO_LINGER) {
		status = stream_take(rq, &linger, sizeof(linger));
		if (status < 0)
			return status;
		s->linger = linger.on;
		s->linger_seconds = linger.seconds < 0 ? 0 : (uint32_t)linger.seconds;
		return 0;
	}
	status = stream_take(rq, &time, sizeof(time));
	if (status < 0)
		return status;
	if (time.microseconds < 0 || time.microseconds >= 1000000)
		return -EDOM;
	ns = time.seconds < 0 ? 1 : time.seconds > 1000000000 ? 0 : (uint64_t)time.seconds * NS;
	*(name == SO_RCVTIMEO ? &s->receive_timeout : &s->send_timeout) =
	    ns + (uint64_t)time.microseconds * 1000;
	return 0;
}

SOCKET_OP(set_option)
{
	struct sock *s = sock_find(rq->badge);
	int32_t value = 0;
	uint8_t byte = 0;
	bool ip;
	long status;

	(void)out;
	if (!s)
		return -ENOTSOCK;
	ip = (in->level == IPPROTO_IP && s->family == AF_INET) ||
	     (in->level == IPPROTO_IPV6 && s->family == AF_INET6);
	if (in->level == SOL_SOCKET &&
	    (in->name == SO_LINGER || in->name == SO_RCVTIMEO || in->name == SO_SNDTIMEO))
		return set_struct(rq, s, in->name);
	if (in->level == SOL_SOCKET && in->name == SO_BINDTODEVICE)
		return bind_to_device(rq, s);
	if (ip && s->family == AF_INET && in->name >= IP_ADD_MEMBERSHIP && in->name <= IP_DROP_MEMBERSHIP)
		return set_group4(rq, s, in->name == IP_ADD_MEMBERSHIP, false);
	if (ip && s->family == AF_INET && in->name == IP_MULTICAST_IF)
		return set_group4(rq, s, false, true);
	if (ip && s->family == AF_INET6 && in->name >= IPV6_ADD_MEMBERSHIP &&
	    in->name <= IPV6_DROP_MEMBERSHIP)
		return set_group6(rq, in->name == IPV6_ADD_MEMBERSHIP);
	if (in->level == IPPROTO_ICMPV6 && in->name == ICMP6_FILTER && s->kind == SOCK_RAW_IP)
		return stream_take(rq, s->icmp6_filter, sizeof(s->icmp6_filter));
	if (rq->in_length == 1 && ip) {
		status = stream_take(rq, &byte, 1);
		value = byte;
	} else {
		status = stream_take(rq, &value, sizeof(value));
	}
	if (status < 0)
		return status;
	if (in->level == SOL_SOCKET)
		return set_socket(rq, s, in->name, value);
	if (in->level == IPPROTO_TCP)
		return set_tcp(s, in->name, value);
	if (in->level == IPPROTO_RAW && in->name == IPV6_CHECKSUM)
		return set_checksum(s, value);
	return ip ? set_ip(s, in->name, value) : -ENOPROTOOPT;
}
