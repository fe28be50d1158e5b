/* SPDX-License-Identifier: MIT */
/* The files of /proc/net, as Linux has them and busybox reads them. */
#include <lwip/etharp.h>
#include <lwip/nd6.h>
#include <lwip/priv/tcp_priv.h>
#include <lwip/raw.h>
#include <lwip/tcp.h>
#include <lwip/udp.h>
#include <util/string.h>

#include "interface.h"

#define RTF_UP 1u
#define RTF_GATEWAY 2u
#define RTF_HOST 4u

static struct text {
	char at[524288];
	size_t used;
} text;

/* A line goes in whole or not at all. */
static void put(const char *format, ...) __attribute__((format(printf, 1, 2)));
static void put(const char *format, ...)
{
	size_t room = sizeof(text.at) - text.used;
	va_list args;
	int length;

	va_start(args, format);
	length = vsnprintf(text.at + text.used, room, format, args);
	va_end(args);
	if ((size_t)length < room)
		text.used += (size_t)length;
}

/* --- sockets ------------------------------------------------------------------------------------------------------ */

static bool is_v6(const ip_addr_t *address)
{
	return !IP_IS_V4_VAL(*address);
}

/* As hexadecimal words of the machine's byte order. */
static const char *address_text(char *to, const ip_addr_t *address, bool v6)
{
	const u32_t *words = ip_2_ip6(address)->addr;

	if (!v6)
		snprintf(to, 40, "%08X", ip_2_ip4(address)->addr);
	else if (IP_IS_V4(address) && !ip_addr_isany(address))
		snprintf(to, 40, "0000000000000000%08X%08X", 0xffff0000u, ip_2_ip4(address)->addr);
	else if (IP_IS_V4(address) || IP_IS_ANY_TYPE_VAL(*address))
		snprintf(to, 40, "%032X", 0u);
	else
		snprintf(to, 40, "%08X%08X%08X%08X", words[0], words[1], words[2], words[3]);
	return to;
}

static void put_socket(unsigned n, const struct sock *s, const ip_addr_t *local, unsigned local_port,
		       const ip_addr_t *peer, unsigned peer_port, unsigned state, unsigned sending, bool v6)
{
	char from[40], to[40];

	put("%4u: %s:%04X %s:%04X %02X %08X:%08X 00:00000000 00000000 %5u        0 %lu 2 0000000000000000 "
	    "0\n",
	    n, address_text(from, local, v6), local_port, address_text(to, peer, v6), peer_port, state,
	    sending, s ? s->queued : 0, s ? s->d.uid : 0, s ? (unsigned long)s->d.node : 0);
}

static void put_head(void)
{
	put("  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout "
	    "inode\n");
}

static bool of_family(const ip_addr_t *local, const struct sock *s, bool v6)
{
	return (s ? s->family == AF_INET6 : is_v6(local)) == v6;
}

static void tcp_table(bool v6)
{
	/* lwIP's states in Linux's numbers. */
	static const uint8_t states[] = { 7, 10, 2, 3, 1, 4, 5, 8, 11, 9, 6 };
	struct tcp_pcb *const *lists[] = { &tcp_active_pcbs, &tcp_tw_pcbs };
	unsigned n = 0;

	put_head();
	for (const struct tcp_pcb_listen *p = tcp_listen_pcbs.listen_pcbs; p; p = p->next) {
		const struct sock *s = p->callback_arg;

		if (of_family(&p->local_ip, s, v6))
			put_socket(n++, s, &p->local_ip, p->local_port, v6 ? IP6_ADDR_ANY : IP4_ADDR_ANY, 0,
				   10, 0, v6);
	}
	for (unsigned i = 0; i < 2; i++)
		for (const struct tcp_pcb *p = *lists[i]; p; p = p->next) {
			const struct sock *s = i ? NULL : p->callback_arg;

			if (of_family(&p->local_ip, s, v6))
				put_socket(n++, s, &p->local_ip, p->local_port, &p->remote_ip, p->remote_port,
					   states[p->state], p->snd_lbb - p->lastack, v6);
		}
}

static void udp_table(bool v6)
{
	unsigned n = 0;

	put_head();
	for (const struct udp_pcb *p = udp_pcbs; p; p = p->next) {
		const struct sock *s = p->recv_arg;

		if (s && s->kind == SOCK_UDP && s->udp == p && of_family(&p->local_ip, s, v6))
			put_socket(n++, s, &p->local_ip, p->local_port, &p->remote_ip, p->remote_port,
				   s->state == SOCK_CONNECTED ? 1 : 7, 0, v6);
	}
}

static void raw_table(bool v6)
{
	uint32_t index = 0;
	struct sock *s;
	unsigned n = 0;

	put_head();
	while ((s = description_next(&index)))
		if (s->kind == SOCK_RAW_IP && (s->family == AF_INET6) == v6)
			put_socket(n++, s, &s->raw->local_ip, s->protocol, &s->raw->remote_ip, 0, 7, 0, v6);
}

/* --- interfaces and routes ------------------------------------------------------------------------------------------- */

static void dev_table(void)
{
	const struct netif *netif;
	char name[16];

	put("Inter-|   Receive                                                |  Transmit\n"
	    " face |bytes    packets errs drop fifo frame compressed multicast|bytes    packets errs drop "
	    "fifo colls "
	    "carrier compressed\n");
	NETIF_FOREACH(netif)
	{
		const struct stats_mib2_netif_ctrs *c = &netif->mib2_counters;

		interface_name(netif, name);
		put("%6s: %7u %7u %4u %4u    0     0          0 %9u %8u %7u %4u %4u    0     0       0       "
		    "   0\n",
		    name, c->ifinoctets, c->ifinucastpkts + c->ifinnucastpkts, c->ifinerrors, c->ifindiscards,
		    c->ifinnucastpkts, c->ifoutoctets, c->ifoutucastpkts + c->ifoutnucastpkts, c->ifouterrors,
		    c->ifoutdiscards);
	}
}

static void put_route(const char *name, u32_t to, u32_t gateway, unsigned flags, u32_t mask)
{
	put("%s\t%08X\t%08X\t%04X\t0\t0\t0\t%08X\t0\t0\t0\n", name, to, gateway, flags, mask);
}

static void route_table(void)
{
	const struct netif *netif;
	const struct route *r;
	char name[16];

	put("Iface\tDestination\tGateway \tFlags\tRefCnt\tUse\tMetric\tMask\t\tMTU\tWindow\tIRTT\n");
	NETIF_FOREACH(netif)
	{
		u32_t own = netif_ip4_addr(netif)->addr, mask = netif_ip4_netmask(netif)->addr;

		interface_name(netif, name);
		if (!own || !netif_is_up(netif) || name[0] == 'l')
			continue;
		if (netif == netif_default && netif_ip4_gw(netif)->addr)
			put_route(name, 0, netif_ip4_gw(netif)->addr, RTF_UP | RTF_GATEWAY, 0);
		put_route(name, own & mask, 0, RTF_UP, mask);
	}
	for (unsigned n = 0; (r = route_number(n)); n++) {
		netif = netif_get_by_index((u8_t)r->interface);
		if (!netif || !netif_is_up(netif))
			continue;
		interface_name(netif, name);
		put_route(name, r->to, r->gateway.addr,
			  RTF_UP | (r->gateway.addr ? RTF_GATEWAY : 0) | (~r->mask ? 0 : RTF_HOST), r->mask);
	}
}

/* Of IPv6 each address stands for its own /64. */
static void each_address6(void (*show)(const struct netif *netif, const char *name, unsigned n))
{
	const struct netif *netif;
	char name[16];

	NETIF_FOREACH(netif)
	{
		interface_name(netif, name);
		for (unsigned n = 0; n < LWIP_IPV6_NUM_ADDRESSES; n++)
			if (netif_ip6_addr_state(netif, n) != IP6_ADDR_INVALID)
				show(netif, name, n);
	}
}

static const char *plain_address6(char *to, const ip6_addr_t *address, unsigned words)
{
	for (unsigned i = 0; i < 4; i++)
		snprintf(to + 8 * i, 9, "%08x", i < words ? lwip_ntohl(address->addr[i]) : 0);
	return to;
}

static void show_address6(const struct netif *netif, const char *name, unsigned n)
{
	const ip6_addr_t *address = netif_ip6_addr(netif, n);
	unsigned scope = ip6_addr_isloopback(address) ? 0x10 : ip6_addr_islinklocal(address) ? 0x20 : 0;
	bool tentative = ip6_addr_istentative(netif_ip6_addr_state(netif, n));
	char text_of[40];

	put("%s %02x %02x %02x %02x %8s\n", plain_address6(text_of, address, 4), netif_get_index(netif),
	    scope == 0x10 ? 128 : 64, scope, tentative ? 0x40 : 0x80, name);
}

static void show_route6(const struct netif *netif, const char *name, unsigned n)
{
	const ip6_addr_t *address = netif_ip6_addr(netif, n);
	bool loop = ip6_addr_isloopback(address);
	char to[40];

	put("%s %02x %032x 00 %032x 00000100 00000001 00000000 00000001 %8s\n",
	    plain_address6(to, address, loop ? 4 : 2), loop ? 128 : 64, 0u, 0u, name);
}

static void arp_table(void)
{
	put("IP address       HW type     Flags       HW address            Mask     Device\n");
	for (size_t i = 0; i < ARP_TABLE_SIZE; i++) {
		ip4_addr_t *address;
		struct netif *netif;
		struct eth_addr *mac;
		const u8_t *b;
		char name[16], dotted[20];

		if (!etharp_get_entry(i, &address, &netif, &mac))
			continue;
		b = (const u8_t *)address;
		interface_name(netif, name);
		snprintf(dotted, sizeof(dotted), "%u.%u.%u.%u", b[0], b[1], b[2], b[3]);
		b = mac->addr;
		put("%-16s 0x1         0x2         %02x:%02x:%02x:%02x:%02x:%02x     *        %s\n", dotted,
		    b[0], b[1], b[2], b[3], b[4], b[5], name);
	}
}

static void name_server_table(void)
{
	for (unsigned i = 0; i < NAME_SERVERS; i++) {
		const ip_addr_t *address = &name_servers[i];
		const u8_t *b = (const u8_t *)ip_2_ip4(address);
		const u32_t *w = ip_2_ip6(address)->addr;

		if (ip_addr_isany(address))
			continue;
		if (IP_IS_V4(address))
			put("nameserver %u.%u.%u.%u\n", b[0], b[1], b[2], b[3]);
		else
			put("nameserver %x:%x:%x:%x:%x:%x:%x:%x\n", lwip_ntohl(w[0]) >> 16,
			    lwip_ntohl(w[0]) & 0xffff, lwip_ntohl(w[1]) >> 16, lwip_ntohl(w[1]) & 0xffff,
			    lwip_ntohl(w[2]) >> 16, lwip_ntohl(w[2]) & 0xffff, lwip_ntohl(w[3]) >> 16,
			    lwip_ntohl(w[3]) & 0xffff);
	}
}

/* --- counts ------------------------------------------------------------------------------------------------------------- */

static unsigned count_state(bool established)
{
	unsigned n = 0;

	for (const struct tcp_pcb *p = tcp_active_pcbs; p; p = p->next)
		n += !established || p->state == ESTABLISHED || p->state == CLOSE_WAIT;
	return n;
}

static void put_icmp(const struct stats_mib2 *m)
{
	put("Icmp: InMsgs InErrors InCsumErrors InDestUnreachs InTimeExcds InParmProbs InSrcQuenchs "
	    "InRedirects "
	    "InEchos InEchoReps InTimestamps InTimestampReps InAddrMasks InAddrMaskReps OutMsgs OutErrors "
	    "OutDestUnreachs OutTimeExcds OutParmProbs OutSrcQuenchs OutRedirects OutEchos OutEchoReps "
	    "OutTimestamps OutTimestampReps OutAddrMasks OutAddrMaskReps\n");
	put("Icmp: %u %u 0 %u %u %u %u %u %u %u %u %u %u %u %u %u %u %u 0 0 0 %u %u 0 0 0 0\n", m->icmpinmsgs,
	    m->icmpinerrors, m->icmpindestunreachs, m->icmpintimeexcds, m->icmpinparmprobs,
	    m->icmpinsrcquenchs, m->icmpinredirects, m->icmpinechos, m->icmpinechoreps, m->icmpintimestamps,
	    m->icmpintimestampreps, m->icmpinaddrmasks, m->icmpinaddrmaskreps, m->icmpoutmsgs,
	    m->icmpouterrors, m->icmpoutdestunreachs, m->icmpouttimeexcds, m->icmpoutechos,
	    m->icmpoutechoreps);
}

static void snmp_table(void)
{
	const struct stats_mib2 *m = &lwip_stats.mib2;

	put("Ip: Forwarding DefaultTTL InReceives InHdrErrors InAddrErrors ForwDatagrams InUnknownProtos "
	    "InDiscards InDelivers OutRequests OutDiscards OutNoRoutes ReasmTimeout ReasmReqds ReasmOKs "
	    "ReasmFails FragOKs FragFails FragCreates\n");
	put("Ip: 2 64 %u %u %u %u %u %u %u %u %u %u 0 %u %u %u %u %u %u\n", m->ipinreceives, m->ipinhdrerrors,
	    m->ipinaddrerrors, m->ipforwdatagrams, m->ipinunknownprotos, m->ipindiscards, m->ipindelivers,
	    m->ipoutrequests, m->ipoutdiscards, m->ipoutnoroutes, m->ipreasmreqds, m->ipreasmoks,
	    m->ipreasmfails, m->ipfragoks, m->ipfragfails, m->ipfragcreates);
	put_icmp(m);
	put("Tcp: RtoAlgorithm RtoMin RtoMax MaxConn ActiveOpens PassiveOpens AttemptFails EstabResets "
	    "CurrEstab InSegs OutSegs RetransSegs InErrs OutRsts InCsumErrors\n");
	put("Tcp: 1 500 64000 -1 %u %u %u %u %u %u %u %u %u %u 0\n", m->tcpactiveopens, m->tcppassiveopens,
	    m->tcpattemptfails, m->tcpestabresets, count_state(true), m->tcpinsegs, m->tcpoutsegs,
	    m->tcpretranssegs, m->tcpinerrs, m->tcpoutrsts);
	put("Udp: InDatagrams NoPorts InErrors OutDatagrams RcvbufErrors SndbufErrors InCsumErrors "
	    "IgnoredMulti "
	    "MemErrors\n");
	put("Udp: %u %u %u %u 0 0 0 0 0\n", m->udpindatagrams, m->udpnoports, m->udpinerrors,
	    m->udpoutdatagrams);
}

static void sockstat_table(void)
{
	unsigned used = 0, tcp = 0, udp = 0, raw = 0, waiting = 0, orphans = 0;
	uint32_t index = 0;
	struct sock *s;

	while ((s = description_next(&index))) {
		used++;
		tcp += s->kind == SOCK_TCP;
		udp += s->kind == SOCK_UDP && s->udp->local_port;
		raw += s->kind == SOCK_RAW_IP;
	}
	for (const struct tcp_pcb *p = tcp_tw_pcbs; p; p = p->next)
		waiting++;
	for (const struct tcp_pcb *p = tcp_active_pcbs; p; p = p->next)
		orphans += !p->callback_arg;
	put("sockets: used %u\n", used);
	put("TCP: inuse %u orphan %u tw %u alloc %u mem 0\n", count_state(false), orphans, waiting, tcp);
	put("UDP: inuse %u mem 0\nUDPLITE: inuse 0\nRAW: inuse %u\nFRAG: inuse 0 memory 0\n", udp, raw);
}

static void packet_table(void)
{
	uint32_t index = 0;
	struct sock *s;

	put("sk               RefCnt Type Proto  Iface R Rmem   User   Inode\n");
	while ((s = description_next(&index)))
		if (s->kind == SOCK_PACKET)
			put("%016x 2      %-4u %04x   %-5u 1 %-6u %-6u %-6lu\n", 0u, s->cooked ? 2u : 3u,
			    lwip_ntohs((u16_t)s->protocol), s->interface, s->queued, s->d.uid,
			    (unsigned long)s->d.node);
}

static size_t whole_lines(size_t room)
{
	size_t length = text.used < room ? text.used : room;

	while (length && text.at[length - 1] != '\n')
		length--;
	return length;
}

long net_table(struct request *rq, const struct net_table_req *in, struct net_table_reply *out)
{
	(void)out;
	text.used = 0;
	switch (in->which) {
	case NET_TABLE_DEV: dev_table(); break;
	case NET_TABLE_TCP:
	case NET_TABLE_TCP6: tcp_table(in->which == NET_TABLE_TCP6); break;
	case NET_TABLE_UDP:
	case NET_TABLE_UDP6: udp_table(in->which == NET_TABLE_UDP6); break;
	case NET_TABLE_RAW:
	case NET_TABLE_RAW6: raw_table(in->which == NET_TABLE_RAW6); break;
	case NET_TABLE_ROUTE: route_table(); break;
	case NET_TABLE_ROUTE6: each_address6(show_route6); break;
	case NET_TABLE_ARP: arp_table(); break;
	case NET_TABLE_ADDRESSES6: each_address6(show_address6); break;
	case NET_TABLE_NAME_SERVERS: name_server_table(); break;
	case NET_TABLE_SNMP: snmp_table(); break;
	case NET_TABLE_SOCKSTAT: sockstat_table(); break;
	case NET_TABLE_PACKET: packet_table(); break;
	default: return -EINVAL;
	}
	return text.used ? request_write(rq, 0, text.at, whole_lines(rq->out_length)) : 0;
}
