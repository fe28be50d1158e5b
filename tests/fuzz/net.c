/* SPDX-License-Identifier: MIT */
/*
 * lwIP, as the network server builds it, and the server's crowd.c and route.c under a fuzzer. An input is a series of
 * records: frames as they would come from a card, segments of connections that are made to fit, and time that goes by.
 * Whatever comes: no memory is touched but its own (the sanitisers look), no assertion fails, and when the card has gone
 * and its connections are ended nothing is left allocated.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <lwip/dns.h>
#include <lwip/ip_addr.h>
void dns_setserver(u8_t number, const ip_addr_t *address);
const ip_addr_t *dns_getserver(u8_t number);

#include <core/def.c>
#include <core/inet_chksum.c>
#include <core/init.c>
#include <core/ip.c>
#undef LWIP_DNS
#define LWIP_DNS 1 /* as in the server's Makefile */
#include <core/ipv4/dhcp.c>
#undef LWIP_DNS
#define LWIP_DNS 0
#include <core/ipv4/etharp.c>
#include <core/ipv4/icmp.c>
#include <core/ipv4/igmp.c>
#include <core/ipv4/ip4.c>
#include <core/ipv4/ip4_addr.c>
#include <core/ipv4/ip4_frag.c>
#include <core/ipv6/ethip6.c>
#include <core/ipv6/icmp6.c>
#include <core/ipv6/inet6.c>
#include <core/ipv6/ip6.c>
#include <core/ipv6/ip6_addr.c>
#define reassdatagrams reassdatagrams6
#include <core/ipv6/ip6_frag.c>
#undef reassdatagrams
#include <core/ipv6/mld6.c>
#include <core/ipv6/nd6.c>
#include <core/mem.c>
#include <core/memp.c>
#include <core/netif.c>
#include <core/pbuf.c>
#include <core/raw.c>
#include <core/stats.c>
#include <core/tcp.c>
#include <core/tcp_in.c>
#include <core/tcp_out.c>
#define tcp_tmr net_tcp_tmr
#include <core/timeouts.c>
#undef tcp_tmr
#include <core/udp.c>
#include <netif/ethernet.c>

#include "../../servers/net/crowd.c"
#include "../../servers/net/route.c"
#include "../../servers/net/route6.c"
#include "input.h"

int LLVMFuzzerInitialize(int *argc, char ***argv);
int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t length);

#define REQUIRE(condition) ((condition) ? (void)0 : check_failed(__FILE__, __LINE__, #condition))
#define FRAME_MIN 60 /* as card.c fills up */
#define PORT 6000
#define UDP_PORT 6001
#define PORTS 4u /* of ours: 1024 on */
#define PEER 0xac100002u
#define GUEST 0xac100001u
#define SEQUENCE 0x10000u
#define FAR 0x0a000000u /* a net behind the peer */
#define FAR_MASK 0xff000000u

/* --- what lwIP and crowd.c ask for ------------------------------------------------------------------ */

bool fault_armed;
static u32_t time_ms, random_state;
static size_t outstanding;

void fault_hit(const struct fault_point *point) {}
void tx_notice(void) {}
void tx_checkpoint(void) {}
void dns_setserver(u8_t number, const ip_addr_t *address) {}

const ip_addr_t *dns_getserver(u8_t number)
{
	return IP_ADDR_ANY;
}

bool tx_is_long(void)
{
	return true;
}

void check_failed(const char *file, int line, const char *what)
{
	fprintf(stderr, "%s:%d: %s\n", file, line, what);
	abort();
}

uint32_t net_random(void)
{
	return random_state = random_state * 1664525u + 1013904223u;
}

uint32_t net_sequence_number(const ip_addr_t *local, uint16_t local_port, const ip_addr_t *remote,
			     uint16_t remote_port)
{
	return SEQUENCE;
}

unsigned net_out_of_order_max(void)
{
	return 16;
}

u32_t sys_now(void)
{
	return time_ms;
}

void *net_allocate(size_t size)
{
	outstanding++;
	return malloc(size);
}

void *net_allocate_zeroed(size_t count, size_t size)
{
	outstanding++;
	return calloc(count, size);
}

void net_free(void *memory)
{
	outstanding--;
	free(memory);
}

unsigned short net_checksum(const void *data, int length)
{
	const uint8_t *at = data;
	uint32_t sum = 0;

	for (int i = 0; i + 1 < length; i += 2)
		sum += (uint32_t)at[i] | (uint32_t)at[i + 1] << 8;
	if (length & 1)
		sum += at[length - 1];
	while (sum >> 16)
		sum = (sum & 0xffff) + (sum >> 16);
	return (unsigned short)sum;
}

/* --- the card --------------------------------------------------------------------------------------------- */

static struct netif card;
static u32_t theirs[PORTS], ours[PORTS]; /* what comes next of the connection of each port */

/* What lwIP sends tells where its side of a connection is. */
static err_t sent(struct netif *netif, struct pbuf *packet)
{
	uint8_t head[54];
	unsigned port;

	if (pbuf_copy_partial(packet, head, sizeof(head), 0) < sizeof(head) || head[12] != 8 || head[23] != 6)
		return ERR_OK;
	port = (unsigned)(head[36] << 8 | head[37]) - 1024;
	if (port < PORTS)
		theirs[port] =
		    (u32_t)head[38] << 24 | (u32_t)head[39] << 16 | (u32_t)head[40] << 8 | (u32_t)head[41];
	if (port < PORTS)
		theirs[port] += (packet->tot_len - 34u - (head[46] >> 4) * 4u) + !!(head[47] & 3);
	return ERR_OK;
}

static err_t set_up(struct netif *netif)
{
	static const u8_t address[] = { 0x52, 0x54, 0, 0x12, 0x34, 0x99 };

	netif->linkoutput = sent;
	netif->output = etharp_output;
	netif->output_ip6 = ethip6_output;
	netif->hwaddr_len = ETH_HWADDR_LEN;
	memcpy(netif->hwaddr, address, sizeof(address));
	netif->mtu = 1500;
	netif->flags = NETIF_FLAG_BROADCAST | NETIF_FLAG_ETHARP | NETIF_FLAG_ETHERNET | NETIF_FLAG_IGMP |
		       NETIF_FLAG_MLD6;
	return ERR_OK;
}

static void put(const uint8_t *frame, size_t length)
{
	u16_t whole = length < FRAME_MIN ? FRAME_MIN : (u16_t)length;
	struct pbuf *packet = length >= SIZEOF_ETH_HDR ? pbuf_alloc(PBUF_RAW, whole, PBUF_RAM) : NULL;

	if (!packet)
		return;
	memset(packet->payload, 0, whole);
	pbuf_take(packet, frame, (u16_t)length);
	if (card.input(packet, &card) != ERR_OK)
		pbuf_free(packet);
	for (unsigned n = 0; n < 16; n++)
		netif_poll_all();
}

static void pass(u32_t ms)
{
	time_ms += ms;
	crowd_timers();
	netif_poll_all();
}

/* --- the programs ------------------------------------------------------------------------------------------- */

static err_t came_in(void *arg, struct tcp_pcb *pcb, struct pbuf *data, err_t err)
{
	if (!data)
		return tcp_close(pcb);
	for (struct pbuf *part = data; part; part = part->next)
		tcp_write(pcb, part->payload, part->len, TCP_WRITE_FLAG_COPY);
	tcp_recved(pcb, data->tot_len);
	pbuf_free(data);
	return ERR_OK;
}

static err_t accepted(void *arg, struct tcp_pcb *pcb, err_t err)
{
	if (!pcb)
		return ERR_MEM;
	tcp_recv(pcb, came_in);
	return ERR_OK;
}

static void datagram(void *arg, struct udp_pcb *pcb, struct pbuf *data, const ip_addr_t *from, u16_t port)
{
	udp_sendto(pcb, data, from, port);
	pbuf_free(data);
}

/* --- an input ------------------------------------------------------------------------------------------------ */

static size_t take_bytes(uint8_t *to, size_t length)
{
	if (length > (size_t)(input.end - input.at))
		length = (size_t)(input.end - input.at);
	memcpy(to, input.at, length);
	input.at += length;
	return length;
}

static void put_word(uint8_t *to, uint32_t value)
{
	for (unsigned i = 0; i < 4; i++)
		to[i] = (uint8_t)(value >> (24 - 8 * i));
}

/* Flags, how far off its numbers are, window, options, data. */
static void segment(unsigned port)
{
	uint8_t frame[600] = { 0x52, 0x54, 0, 0x12, 0x34, 0x99, 0x52, 0x54, 0, 0x99, 0x99, 1, 8, 0, 0x45 };
	uint8_t flags = (uint8_t)take(1), *tcp = frame + 34;
	u32_t sequence = ours[port] + (u32_t)(int8_t)take(1),
	      acknowledged = theirs[port] + (u32_t)(int8_t)take(1);
	size_t options, data;

	frame[22] = 64;
	frame[23] = 6;
	put_word(frame + 26, PEER);
	put_word(frame + 30, GUEST);
	put_word(tcp, (1024 + port) << 16 | PORT);
	put_word(tcp + 4, sequence);
	put_word(tcp + 8, acknowledged);
	tcp[13] = flags;
	tcp[14] = (uint8_t)take(1);
	options = take(1) % 11 * 4;
	take_bytes(tcp + 20, options);
	tcp[12] = (uint8_t)((20 + options) / 4 << 4);
	data = take_bytes(tcp + 20 + options, take(1));
	frame[16] = (uint8_t)((40 + options + data) >> 8);
	frame[17] = (uint8_t)(40 + options + data);
	ours[port] = sequence + (u32_t)data + !!(flags & 3);
	put(frame, 54 + options + data);
}

static void record(void)
{
	uint8_t frame[1514], what = (uint8_t)take(1);

	switch (what >> 6) {
	case 0: put(frame, take_bytes(frame, take(2) % sizeof(frame))); break;
	case 1: pass((what & 63) * 100u); break;
	default: segment(what % PORTS);
	}
}

static void begin(void)
{
	ip4_addr_t address = { lwip_htonl(GUEST) }, mask = { lwip_htonl(0xfff00000u) }, none = { 0 };

	random_state = 1;
	memset(theirs, 0, sizeof(theirs));
	for (unsigned i = 0; i < PORTS; i++)
		ours[i] = 1000;
	netif_add(&card, &address, &mask, &none, NULL, set_up, ethernet_input);
	NETIF_SET_CHECKSUM_CTRL(&card, 0); /* spoiled frames get further so */
	netif_set_link_up(&card);
	netif_create_ip6_linklocal_address(&card, 1);
	netif_set_ip6_autoconfig_enabled(&card, 1);
	netif_set_up(&card);
	dhcp_start(&card);
	route_add(lwip_htonl(FAR), lwip_htonl(FAR_MASK), lwip_htonl(PEER), &card);
}

static void end(void)
{
	route_delete(lwip_htonl(FAR), lwip_htonl(FAR_MASK), 0);
	dhcp_release_and_stop(&card);
	dhcp_cleanup(&card);
	while (tcp_active_pcbs)
		tcp_abort(tcp_active_pcbs);
	while (tcp_tw_pcbs)
		tcp_abort(tcp_tw_pcbs);
	for (unsigned n = 0; n < 130; n++) /* fragments that wait for others */
		pass(1000);
	netif_remove(&card);
}

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
	struct tcp_pcb *listener;
	struct udp_pcb *udp;

	lwip_init();
	listener = tcp_new_ip_type(IPADDR_TYPE_ANY);
	tcp_bind(listener, IP_ANY_TYPE, PORT);
	listener = tcp_listen_with_backlog(listener, 3);
	tcp_accept(listener, accepted);
	udp = udp_new_ip_type(IPADDR_TYPE_ANY);
	udp_bind(udp, IP_ANY_TYPE, UDP_PORT);
	udp_recv(udp, datagram, NULL);
	return 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t length)
{
	static size_t before;

	input_begin(bytes, length);
	begin();
	while (more())
		record();
	end();
	if (!before)
		before = outstanding;
	REQUIRE(outstanding == before);
	return 0;
}
