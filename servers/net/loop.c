/* SPDX-License-Identifier: MIT */
/* Packets to ourselves: those for lo, and for a card's own address. */
#include <lwip/ip.h>
#include <lwip/netif.h>
#include <lwip/priv/tcp_priv.h>
#include <lwip/snmp.h>
#include <util/string.h>

#include "net.h"

#define LOOP_MTU (TCP_MSS + 60)
#define LOOP_INDEX 1 /* lwIP makes it first */
#define BURST 64u
#define LEND_MIN 2048u
/* What does not leave this machine's memory needs none of these. */
#define BULK_CHECKSUMS                                                                \
	(NETIF_CHECKSUM_GEN_TCP | NETIF_CHECKSUM_GEN_UDP | NETIF_CHECKSUM_CHECK_TCP | \
	 NETIF_CHECKSUM_CHECK_UDP)

static bool running;

static struct netif *loop_interface(void)
{
	return netif_get_by_index(LOOP_INDEX);
}

/* --- what goes ------------------------------------------------------------------------------------------------------ */

/* Data of a segment that its sender still has, and does not change. */
struct loan {
	struct pbuf_custom packet;
	struct pbuf *owner;
};

static void give_back(struct pbuf *packet)
{
	struct loan *loan = (struct loan *)packet;

	pbuf_free(loan->owner);
	net_free(loan);
}

/* What is behind the headers, without a copy. */
static struct pbuf *lend(struct pbuf *owner, u16_t headers)
{
	u16_t length = owner->len - headers;
	struct loan *loan = net_allocate_zeroed(1, sizeof(*loan));

	if (!loan)
		return NULL;
	loan->packet.custom_free_function = give_back;
	loan->owner = owner;
	pbuf_ref(owner);
	return pbuf_alloced_custom(PBUF_RAW, length, PBUF_REF, &loan->packet,
				   (u8_t *)owner->payload + headers, length);
}

/* lwIP changes the headers of what it receives: these are copied. */
static struct pbuf *split(struct pbuf *packet, u16_t headers)
{
	struct pbuf *first = pbuf_alloc(PBUF_RAW, headers, PBUF_RAM), *rest;

	if (!first)
		return NULL;
	rest = lend(packet, headers);
	if (!rest) {
		pbuf_free(first);
		return NULL;
	}
	memcpy(first->payload, packet->payload, headers);
	pbuf_cat(first, rest);
	return first;
}

/* How much of a segment of TCP is headers; 0: it is something else, or not worth the trouble. */
static u16_t headers_of(const struct pbuf *packet)
{
	const struct ip_hdr *four = packet->payload;
	const struct ip6_hdr *six = packet->payload;
	u16_t length = IP6_HLEN;
	u8_t protocol;

	if (packet->next || packet->len < LEND_MIN)
		return 0;
	if (IPH_V(four) == 6) {
		protocol = IP6H_NEXTH(six);
	} else {
		length = IPH_HL_BYTES(four);
		protocol = IPH_OFFSET(four) & PP_HTONS(IP_OFFMASK | IP_MF) ? 0 : IPH_PROTO(four);
	}
	if (protocol != IP_PROTO_TCP)
		return 0;
	return (u16_t)(length + TCPH_HDRLEN_BYTES((struct tcp_hdr *)((u8_t *)packet->payload + length)));
}

/*
 * In the place of lwIP's (see the Makefile), which copies everything. While somebody else refers to a segment that has to be
 * sent again, lwIP waits.
 */
err_t netif_loop_output(struct netif *netif, struct pbuf *packet)
{
	u16_t headers = headers_of(packet);
	struct pbuf *to_come = headers ? split(packet, headers) : pbuf_clone(PBUF_RAW, PBUF_RAM, packet);
	unsigned pieces = headers ? 2 : 1;

	if (!to_come || netif->loop_cnt_current + pieces > LWIP_LOOPBACK_MAX_PBUFS) {
		if (to_come)
			pbuf_free(to_come);
		MIB2_STATS_NETIF_INC(loop_interface(), ifoutdiscards);
		return ERR_MEM;
	}
	netif->loop_cnt_current = (u16_t)(netif->loop_cnt_current + pieces);
	*(netif->loop_last ? &netif->loop_last->next : &netif->loop_first) = to_come;
	netif->loop_last = headers ? to_come->next : to_come;
	MIB2_STATS_NETIF_ADD(loop_interface(), ifoutoctets, packet->tot_len);
	MIB2_STATS_NETIF_INC(loop_interface(), ifoutucastpkts);
	return ERR_OK;
}

void loop_start(void)
{
	struct netif *loop = loop_interface();

	loop->mtu = LOOP_MTU;
	NETIF_SET_CHECKSUM_CTRL(loop, NETIF_CHECKSUM_ENABLE_ALL & ~BULK_CHECKSUMS);
}

/* --- what comes ----------------------------------------------------------------------------------------------------- */

bool looping(void)
{
	struct netif *netif;

	NETIF_FOREACH(netif)
	{
		if (netif->loop_first)
			return true;
	}
	return false;
}

/* The first packet of the queue; a packet is all buffers up to the one that holds all that is left. */
static void take_packet(struct netif *netif)
{
	struct pbuf *first = netif->loop_first, *last = first;
	u16_t checks = netif->chksum_flags;

	for (netif->loop_cnt_current--; last->len != last->tot_len; last = last->next)
		netif->loop_cnt_current--;
	netif->loop_first = last->next;
	if (!last->next)
		netif->loop_last = NULL;
	last->next = NULL;
	/* A card's device would have computed it. */
	NETIF_SET_CHECKSUM_CTRL(netif, checks & ~NETIF_CHECKSUM_CHECK_TCP);
	if (ip_input(first, netif) != ERR_OK)
		pbuf_free(first);
	NETIF_SET_CHECKSUM_CTRL(netif, checks);
}

void loop_packets(void)
{
	struct netif *netif;

	running = true;
	for (unsigned n = 0; n < BURST && looping(); n++) {
		NETIF_FOREACH(netif)
		{
			if (!netif->loop_first)
				continue;
			take_packet(netif);
			tx_notice();
			tx_checkpoint();
		}
	}
	running = false;
	tx_notice();
}

bool loop_runs(void)
{
	return running;
}
