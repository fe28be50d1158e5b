/* SPDX-License-Identifier: MIT */
/* Sockets of UDP, and raw ones. */
#include <lwip/icmp.h>
#include <lwip/icmp6.h>
#include <lwip/ip.h>
#include <lwip/prot/ip4.h>
#include <lwip/raw.h>
#include <lwip/udp.h>
#include <util/string.h>

#include "net.h"

#define IP_PROTO_RAW 255u
#define DATAGRAM_MAX 65507u

/* --- what comes ------------------------------------------------------------------------------------------------------ */

static bool queue(struct sock *s, struct pbuf *data, const struct endpoint *from)
{
	const ip_addr_t *to = ip_current_dest_addr();

	if (s->shut_read || s->queued + data->tot_len > (uint32_t)s->option[OPTION_RCVBUF] ||
	    !parcel_add(s, data, from, to))
		return false;
	s->last->interface = netif_get_index(ip_current_netif());
	s->last->ttl = ip_current_is_v6() ? IP6H_HOPLIM(ip6_current_header()) : IPH_TTL(ip4_current_header());
	s->last->tos = ip_current_is_v6() ? IP6H_TC(ip6_current_header()) : IPH_TOS(ip4_current_header());
	if (s->option[OPTION_TIMESTAMP] || s->option[OPTION_TIMESTAMPNS])
		s->last->when = clock_realtime_ns();
	sock_tell(s);
	return true;
}

static void udp_received(void *arg, struct udp_pcb *pcb, struct pbuf *data, const ip_addr_t *from, u16_t port)
{
	struct endpoint sender = { *from, port };

	(void)pcb;
	if (!queue(arg, data, &sender))
		pbuf_free(data);
}

static bool filtered(const struct sock *s, const struct pbuf *data)
{
	uint8_t type = pbuf_get_at(data, 0);

	return s->family == AF_INET6 && s->protocol == IP6_NEXTH_ICMP6 &&
	       s->icmp6_filter[type >> 5] >> (type & 31) & 1;
}

/* Every raw socket gets a copy, with the IPv4 header and without that of IPv6; what is the protocol's own goes on. */
static u8_t raw_received(void *arg, struct raw_pcb *pcb, struct pbuf *data, const ip_addr_t *from)
{
	struct endpoint sender = { *from, 0 };
	struct pbuf *copy = pbuf_clone(PBUF_RAW, PBUF_RAM, data);

	(void)pcb;
	if (!copy)
		return 0;
	if (ip_current_is_v6())
		pbuf_remove_header(copy, ip_current_header_tot_len());
	if (filtered(arg, copy) || !queue(arg, copy, &sender))
		pbuf_free(copy);
	return 0;
}

/* --- making and ending ------------------------------------------------------------------------------------------------- */

static PRESERVED uint32_t segment_readers;

static bool reads_segments(const struct sock *s)
{
	return s->kind == SOCK_RAW_IP && (s->protocol == IP_PROTO_TCP || s->protocol == IP_PROTO_UDP);
}

bool segments_wanted(void)
{
	return segment_readers;
}

long datagram_socket(struct sock *s)
{
	u8_t type = s->family == AF_INET ? IPADDR_TYPE_V4 : IPADDR_TYPE_ANY;

	if (s->kind == SOCK_UDP) {
		s->udp = udp_new_ip_type(type);
		if (s->udp)
			udp_recv(s->udp, udp_received, s);
	} else {
		s->raw = raw_new_ip_type(s->family == AF_INET ? IPADDR_TYPE_V4 : IPADDR_TYPE_V6,
					 (u8_t)s->protocol);
		if (s->raw)
			raw_recv(s->raw, raw_received, s);
		if (s->raw && s->protocol == IP_PROTO_RAW)
			s->option[OPTION_HDRINCL] = 1;
		if (s->raw && s->family == AF_INET6 && s->protocol == IP6_NEXTH_ICMP6) {
			s->raw->chksum_reqd = 1;
			s->raw->chksum_offset = 2;
		}
	}
	options_apply(s);
	if (s->ip && reads_segments(s))
		segment_readers++;
	return s->ip ? 0 : -ENOBUFS;
}

void datagram_end(struct sock *s)
{
	if (!s->ip)
		return;
	if (reads_segments(s))
		segment_readers--;
	if (s->kind == SOCK_UDP)
		udp_remove(s->udp);
	else
		raw_remove(s->raw);
	s->ip = NULL;
}

long datagram_bind(struct sock *s, const struct endpoint *to)
{
	struct ports ports = ports_for(s);
	u16_t port = to->port;
	err_t err = ERR_USE;
	long status;

	if (s->kind == SOCK_UDP && port)
		err = udp_bind(s->udp, &to->address, port);
	else if (s->kind == SOCK_UDP)
		while (err == ERR_USE && (port = port_next(&ports)))
			err = udp_bind(s->udp, &to->address, port);
	else
		err = raw_bind(s->raw, &to->address);
	status = error_of(err);
	if (status)
		return status;
	s->local = *to;
	if (s->kind == SOCK_UDP)
		s->local.port = s->udp->local_port;
	return 0;
}

/* A port of its own, if it has none; -EAGAIN if there is none left. */
static long have_port(struct sock *s)
{
	struct endpoint any = { .port = 0 };
	long status;

	if (s->kind != SOCK_UDP || s->udp->local_port)
		return 0;
	any.address = s->family == AF_INET ? *IP4_ADDR_ANY : *IP_ANY_TYPE;
	status = datagram_bind(s, &any);
	return status == -EADDRINUSE ? -EAGAIN : status;
}

long datagram_connect(struct sock *s, const struct endpoint *to)
{
	long status;

	if (!to) {
		if (s->kind == SOCK_UDP)
			udp_disconnect(s->udp);
		else
			raw_disconnect(s->raw);
		s->state = SOCK_NEW;
		return 0;
	}
	if (!reachable(&s->ip->local_ip, &to->address))
		return -ENETUNREACH;
	status = have_port(s);
	if (status)
		return status;
	if (s->kind == SOCK_UDP)
		status = error_of(udp_connect(s->udp, &to->address, to->port));
	else
		status = error_of(raw_connect(s->raw, &to->address));
	if (status)
		return status;
	s->peer = *to;
	s->state = SOCK_CONNECTED;
	return 0;
}

/* --- what goes --------------------------------------------------------------------------------------------------------------- */

static struct pbuf *take_data(struct request *rq, long *status)
{
	struct pbuf *data;

	*status = -EMSGSIZE;
	if (rq->in_length > DATAGRAM_MAX)
		return NULL;
	data = pbuf_alloc(PBUF_TRANSPORT, (u16_t)rq->in_length, PBUF_RAM);
	*status = data ? 0 : -ENOBUFS;
	if (data && rq->in_length)
		*status = request_read(rq, 0, data->payload, rq->in_length);
	if (data && *status < 0) {
		pbuf_free(data);
		return NULL;
	}
	return data;
}

static bool is_broadcast(const struct sock *s, const struct endpoint *to)
{
	struct netif *netif;

	if (!IP_IS_V4(&to->address) || ip_get_option(s->ip, SOF_BROADCAST))
		return false;
	if (ip4_addr_get_u32(ip_2_ip4(&to->address)) == IPADDR_BROADCAST)
		return true;
	NETIF_FOREACH(netif)
	{
		if (netif->name[0] != 'l' && ip4_addr_isbroadcast(ip_2_ip4(&to->address), netif) &&
		    ip4_addr_netcmp(ip_2_ip4(&to->address), netif_ip4_addr(netif), netif_ip4_netmask(netif)))
			return true;
	}
	return false;
}

long datagram_send(struct request *rq, struct sock *s, const struct endpoint *to)
{
	struct pbuf *data;
	long status;
	err_t err;

	if (!to && s->state != SOCK_CONNECTED)
		return -EDESTADDRREQ;
	if (!to)
		to = &s->peer;
	if (s->kind == SOCK_UDP && !to->port)
		return -EINVAL;
	if (s->kind == SOCK_RAW_IP && s->raw->chksum_reqd && rq->in_length < s->raw->chksum_offset + 2ul)
		return -EINVAL;
	if (is_broadcast(s, to))
		return -EACCES;
	if (!reachable(&s->ip->local_ip, &to->address))
		return -ENETUNREACH;
	status = have_port(s);
	data = status ? NULL : take_data(rq, &status);
	if (!data)
		return status;
	if (s->kind == SOCK_UDP)
		err = udp_sendto(s->udp, data, &to->address, to->port);
	else
		err = raw_sendto(s->raw, data, &to->address);
	pbuf_free(data);
	/* Where the packet had no room on its way, it is lost as any may be. */
	return err == ERR_OK || err == ERR_MEM ? (long)rq->in_length : error_of(err);
}

/* --- ICMP's errors ---------------------------------------------------------------------------------------------------------------- */

/* What cannot be delivered, by the code of "destination unreachable" (RFC 792; RFC 4443, 3.1). */
static int32_t error_of_code(bool v6, uint8_t code)
{
	static const uint8_t codes4[] = { ENETUNREACH, EHOSTUNREACH, ENOPROTOOPT, ECONNREFUSED };
	static const uint8_t codes6[] = { ENETUNREACH, EACCES, EHOSTUNREACH, EHOSTUNREACH, ECONNREFUSED };

	if (v6)
		return code < sizeof(codes6) ? codes6[code] : EPROTO;
	return code < sizeof(codes4) ? codes4[code] : EHOSTUNREACH;
}

/* The ports of the packet that could not be delivered say whose it was; only who is connected to its receiver is told. */
static void tell_sender(const ip_addr_t *to, uint16_t port, uint16_t to_port, int32_t error)
{
	for (struct udp_pcb *pcb = udp_pcbs; pcb; pcb = pcb->next) {
		struct sock *s = pcb->recv_arg;

		if (!(pcb->flags & UDP_FLAGS_CONNECTED) || pcb->local_port != port ||
		    pcb->remote_port != to_port || !ip_addr_cmp(&pcb->remote_ip, to) ||
		    pcb->recv != udp_received)
			continue;
		s->error = error;
		sock_tell(s);
	}
}

static u8_t icmp_came(void *arg, struct raw_pcb *pcb, struct pbuf *data, const ip_addr_t *from)
{
	bool v6 = ip_current_is_v6();
	uint8_t bytes[64];
	size_t at = ip_current_header_tot_len(), inner = at + 8, ports;
	u16_t length = pbuf_copy_partial(data, bytes, sizeof(bytes), (u16_t)at);
	const uint8_t *packet = bytes + (inner - at);
	ip_addr_t to;

	(void)arg, (void)pcb, (void)from;
	if (length < (v6 ? 8 + 40 + 4 : 8 + 20 + 4) || bytes[0] != (v6 ? ICMP6_TYPE_DUR : ICMP_DUR))
		return 0;
	ports = 8 + (v6 ? 40u : (packet[0] & 15u) * 4);
	if (packet[v6 ? 6 : 9] != IP_PROTO_UDP || ports + 4 > length)
		return 0;
	memset(&to, 0, sizeof(to));
	if (v6)
		memcpy(ip_2_ip6(&to)->addr, packet + 24, 16);
	else
		memcpy(&ip_2_ip4(&to)->addr, packet + 16, 4);
	IP_SET_TYPE(&to, v6 ? IPADDR_TYPE_V6 : IPADDR_TYPE_V4);
	tell_sender(&to, (uint16_t)(bytes[ports] << 8 | bytes[ports + 1]),
		    (uint16_t)(bytes[ports + 2] << 8 | bytes[ports + 3]), error_of_code(v6, bytes[1]));
	return 0;
}

void datagram_start(void)
{
	struct raw_pcb *four = raw_new_ip_type(IPADDR_TYPE_V4, IP_PROTO_ICMP);
	struct raw_pcb *six = raw_new_ip_type(IPADDR_TYPE_V6, IP6_NEXTH_ICMP6);

	if (four)
		raw_recv(four, icmp_came, NULL);
	if (six)
		raw_recv(six, icmp_came, NULL);
}
