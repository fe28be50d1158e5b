/* SPDX-License-Identifier: MIT */
/* Cards, and packets from and to their drivers' rings. */
#include <lwip/dhcp.h>
#include <lwip/etharp.h>
#include <lwip/ethip6.h>
#include <lwip/snmp.h>
#include <netif/ethernet.h>
#include <proto/nic.h>
#include <util/string.h>

#include "net.h"

#define BURST 64u
#define FRAME_MIN 60u /* without its checksum */
#define CRASHES_MAX 2u
#define PARTS_MAX 40u      /* entries of a packet */
#define LENGTH_MAX 0xffffu /* of what lwIP can take up */
#define CHECKED_BY_DEVICE (NETIF_CHECKSUM_CHECK_TCP | NETIF_CHECKSUM_CHECK_UDP)

PRESERVED struct card cards[CARDS_MAX];
static struct nic_area *areas[CARDS_MAX];

static unsigned index_of(const struct card *card)
{
	return (unsigned)(card - cards);
}

void interface_name(const struct netif *netif, char name[16])
{
	if (netif->name[0] == 'l')
		strlcpy(name, "lo", 16);
	else
		snprintf(name, 16, "eth%u", index_of(netif->state));
}

struct netif *interface_named(const char *name)
{
	struct netif *netif;
	char own[16];

	NETIF_FOREACH(netif)
	{
		interface_name(netif, own);
		if (!strncmp(name, own, sizeof(own)))
			return netif;
	}
	return NULL;
}

/* NULL: it has no driver that serves us. */
static struct nic_area *area_of(const struct card *card)
{
	struct nic_area *area = areas[index_of(card)];

	return area && area->owner == card->owner ? area : NULL;
}

/* --- sending ----------------------------------------------------------------------------------------------------- */

/* A packet is in the ring, but the driver learns of it only after the commit. */
static err_t send(struct netif *netif, struct pbuf *packet)
{
	struct card *card = netif->state;
	struct nic_area *area = area_of(card);
	uint32_t at = card->produced % NIC_ENTRIES;
	struct nic_entry entry = { .buffer = at, .length = packet->tot_len, .begin = NIC_HEADROOM };
	uint8_t *frame;

	if (!area || nic_between(area->sent.consumed, card->produced) >= NIC_ENTRIES ||
	    packet->tot_len > NIC_PACKET_MAX)
		return ERR_MEM;
	frame = area->buffers[NIC_ENTRIES + at] + NIC_HEADROOM;
	pbuf_copy_partial(packet, frame, packet->tot_len, 0);
	if (card->offloads & NIC_SEND_CHECKSUM)
		offload_send(frame, packet->tot_len, &entry);
	area->sent.entry[at] = entry;
	card->produced++;
	MIB2_STATS_NETIF_ADD(netif, ifoutoctets, packet->tot_len);
	MIB2_STATS_NETIF_INC(netif, ifoutucastpkts);
	tx_notice();
	return ERR_OK;
}

/* The driver has not been told what the shared words say: while many packets are taken one after the other, it is told once. */
static bool untold[CARDS_MAX], bursting;

static void publish(unsigned i, struct nic_area *area)
{
	const struct card *card = &cards[i];

	if (area->sent.produced != card->produced || area->received.consumed != card->consumed) {
		area->sent.produced = card->produced;
		area->received.consumed = card->consumed;
		untold[i] = true;
	}
	if (!untold[i] || bursting)
		return;
	untold[i] = false;
	kcall(notify_signal, card->notify, NIC_BIT);
}

void cards_publish(void)
{
	for (unsigned i = 0; i < CARDS_MAX; i++) {
		struct nic_area *area = area_of(&cards[i]);

		if (area)
			publish(i, area);
	}
}

/* --- receiving -------------------------------------------------------------------------------------------------------- */

/* Private copies of the entries of one packet, for what is in the ring can change. */
static struct nic_entry parts[PARTS_MAX];

/* How many entries the packet at the head has; *length: its bytes, 0 if it is none. */
static unsigned read_parts(const struct card *card, const struct nic_area *area, uint32_t produced,
			   uint32_t *length)
{
	uint32_t at = card->consumed;
	bool good = true;
	unsigned n = 0;

	*length = 0;
	do {
		struct nic_entry entry = area->received.entry[at % NIC_ENTRIES];

		if (n && !(entry.flags & NIC_CONTINUED))
			break;
		good = good && n < PARTS_MAX && nic_is_sane(&entry);
		if (good) {
			parts[n] = entry;
			*length += entry.length;
		}
		n++;
	} while (++at != produced);
	if (!good || *length > LENGTH_MAX || *length < SIZEOF_ETH_HDR || parts[0].flags & NIC_CONTINUED)
		*length = 0;
	return n;
}

/* lwIP reads ARP's fields without asking whether they are there: a frame has 60 bytes on every real wire. */
static struct pbuf *copy_parts(const struct nic_area *area, uint32_t length)
{
	uint32_t whole = length < FRAME_MIN ? FRAME_MIN : length, at = 0;
	struct pbuf *packet = pbuf_alloc(PBUF_RAW, (u16_t)whole, PBUF_RAM);

	for (const struct nic_entry *part = parts; packet && at < length; part++) {
		memcpy((char *)packet->payload + at, area->buffers[part->buffer] + part->begin, part->length);
		at += part->length;
	}
	if (packet && whole != length)
		memset((char *)packet->payload + length, 0, whole - length);
	return packet;
}

static void hand_over(struct card *card, struct pbuf *packet, unsigned count, unsigned known)
{
	struct netif *netif = &card->netif;
	u16_t checks = netif->chksum_flags;

	MIB2_STATS_NETIF_ADD(netif, ifinoctets, packet->tot_len);
	MIB2_STATS_NETIF_ADD(netif, ifinucastpkts, count);
	NETIF_SET_CHECKSUM_CTRL(netif, (u16_t)(checks & ~known));
	if (netif->input(packet, netif) != ERR_OK)
		pbuf_free(packet);
	NETIF_SET_CHECKSUM_CTRL(netif, checks);
}

/* A checksum that is not whole never leaves this machine's memory; who reads packets as they are gets it completed. */
static unsigned take_packet(struct card *card, const struct nic_area *area, uint32_t produced)
{
	uint32_t length;
	unsigned count = read_parts(card, area, produced, &length);
	struct pbuf *packet = length ? copy_parts(area, length) : NULL;
	bool wanted = packets_wanted() || segments_wanted();

	if (packet && wanted && parts[0].flags & NIC_PARTIAL &&
	    !offload_complete(packet, parts[0].sum_from, parts[0].sum_at)) {
		pbuf_free(packet);
		packet = NULL;
	}
	if (!packet) {
		MIB2_STATS_NETIF_INC(&card->netif, ifindiscards);
		return count;
	}
	packet_came(&card->netif, packet);
	hand_over(card, packet, 1, parts[0].flags & (NIC_PARTIAL | NIC_CHECKED) ? CHECKED_BY_DEVICE : 0);
	return count;
}

static void look_at_link(struct card *card, const struct nic_area *area)
{
	bool up = area && area->status & NIC_LINK_UP;

	if (up == netif_is_link_up(&card->netif))
		return;
	if (up)
		netif_set_link_up(&card->netif);
	else
		netif_set_link_down(&card->netif);
}

/*
 * A packet that has crashed two incarnations is not looked at by a third. What is noted of it is not undone.
 */
static PRESERVED struct {
	bool running;
	uint32_t crashes, at;
	const struct card *card;
} suspect;

static __attribute__((noinline)) TX_DERIVED bool take_up(const struct card *card)
{
	if (suspect.card != card || suspect.at != card->consumed)
		suspect.crashes = 0;
	suspect.card = card;
	suspect.at = card->consumed;
	suspect.running = true;
	return suspect.crashes < CRASHES_MAX;
}

static __attribute__((noinline)) TX_DERIVED void put_down(void)
{
	suspect.running = false;
}

static __attribute__((noinline)) TX_DERIVED void count_crash(void)
{
	if (suspect.running && startup->crashed)
		suspect.crashes++;
	suspect.running = false;
}

static void give_up(struct card *card)
{
	slog("a packet that has crashed two incarnations is dropped");
	MIB2_STATS_NETIF_INC(&card->netif, ifindiscards);
}

/* How many entries of the ring are done with. After a crash each packet is suspected by itself, and who listens to packets
 * gets them as they are. */
static unsigned take_next(struct card *card, const struct nic_area *area, uint32_t produced)
{
	struct pbuf *packet = NULL;
	unsigned count;

	if (!take_up(card)) {
		give_up(card);
		return 1;
	}
	FAULT_POINT("a packet is looked at");
	count = suspect.crashes || packets_wanted() || segments_wanted()
		    ? 0
		    : merge(card, area, produced, &packet);
	if (!count)
		return take_packet(card, area, produced);
	if (packet)
		hand_over(card, packet, count, NETIF_CHECKSUM_CHECK_IP | NETIF_CHECKSUM_CHECK_TCP);
	return count;
}

/* Counters that cannot be are not followed; the packets between are lost. Answers whether more are there. */
static bool run_card(struct card *card)
{
	const struct nic_area *area = area_of(card);
	uint32_t produced;

	look_at_link(card, area);
	if (!area)
		return false;
	produced = area->received.produced;
	if (nic_between(card->consumed, produced) > NIC_ENTRIES) {
		card->consumed = produced;
		tx_notice();
	}
	for (unsigned n = 0; card->consumed != produced; n++) {
		if (n == BURST)
			return true;
		card->consumed += take_next(card, area, produced);
		FAULT_POINT("a packet was taken");
		tx_notice();
		tx_checkpoint();
		put_down();
	}
	return false;
}

void cards_run(uint64_t bits)
{
	bursting = true;
	for (unsigned i = 0; i < CARDS_MAX; i++)
		if (bits & CARD_BIT(i) && areas[i] && run_card(&cards[i]))
			kcall(notify_signal, SLOT_NOTIFY, CARD_BIT(i));
	bursting = false;
	tx_notice();
}

/* --- interfaces ------------------------------------------------------------------------------------------ */

static err_t set_up(struct netif *netif)
{
	netif->name[0] = 'e';
	netif->name[1] = 't';
	netif->linkoutput = send;
	netif->output = etharp_output;
	netif->output_ip6 = ethip6_output;
	netif->hwaddr_len = ETH_HWADDR_LEN;
	netif->flags = NETIF_FLAG_BROADCAST | NETIF_FLAG_ETHARP | NETIF_FLAG_ETHERNET | NETIF_FLAG_IGMP |
		       NETIF_FLAG_MLD6;
	netif_set_hostname(netif, "anole");
	MIB2_INIT_NETIF(netif, snmp_ifType_ethernet_csmacd, 1000000000);
	return ERR_OK;
}

/* Where a gateway becomes known and the default interface has none, the default way is that one's. */
static void gateway_known(struct netif *netif, netif_nsc_reason_t why, const netif_ext_callback_args_t *what)
{
	(void)what;
	if (why & LWIP_NSC_IPV4_SETTINGS_CHANGED && netif_ip4_gw(netif)->addr &&
	    (!netif_default || !netif_ip4_gw(netif_default)->addr))
		netif_set_default(netif);
}

void cards_need(void)
{
	static PRESERVED netif_ext_callback_t callback;

	netif_add_ext_callback(&callback, gateway_known);
}

/* Those that the driver does not. */
static void compute_checksums(struct card *card)
{
	u16_t driver = card->offloads & NIC_SEND_CHECKSUM ? NETIF_CHECKSUM_GEN_TCP : 0;

	NETIF_SET_CHECKSUM_CTRL(&card->netif, (u16_t)(NETIF_CHECKSUM_ENABLE_ALL & ~driver));
}

/* DHCP and router advertisements are asked at once; who wants something else says so later. */
static void bring_up(struct card *card, uint64_t mac, uint64_t mtu)
{
	struct netif *netif = &card->netif;

	net_need();
	if (!netif_add_noaddr(netif, card, set_up, ethernet_input))
		return;
	netif->mtu = (u16_t)(mtu >= 576 && mtu <= 1500 ? mtu : 1500);
	for (unsigned i = 0; i < ETH_HWADDR_LEN; i++)
		netif->hwaddr[i] = (u8_t)(mac >> 8 * i);
	netif_set_default(netif);
	if (area_of(card) && area_of(card)->status & NIC_LINK_UP)
		netif_set_link_up(netif);
	netif_create_ip6_linklocal_address(netif, 1);
	netif_set_ip6_autoconfig_enabled(netif, 1);
	netif_set_up(netif);
	dhcp_start(netif);
	card->attached = true;
}

static struct nic_area *map_area(cap_t memory)
{
	return map_memory(memory, 0, sizeof(struct nic_area), VM_R | VM_W | VM_SHARED);
}

static void let_go(const struct card *card)
{
	if (areas[index_of(card)])
		kcall(vm_unmap, CAP_SELF_SPACE, areas[index_of(card)], sizeof(struct nic_area));
	if (card->memory) {
		tx_close(card->memory);
		tx_close(card->notify);
	}
}

void card_begin(struct card *card, const struct nic_attach_reply *told, cap_t memory, cap_t notify)
{
	struct nic_area *area = map_area(memory);

	if (!area) {
		slog("no memory to map a driver's");
		tx_close(memory);
		tx_close(notify);
		return;
	}
	let_go(card);
	areas[index_of(card)] = area;
	card->memory = memory;
	card->notify = notify;
	card->owner = (uint32_t)told->owner;
	card->offloads = (uint32_t)told->offloads;
	card->produced = area->sent.produced;
	card->consumed = area->received.consumed;
	if (!card->attached)
		bring_up(card, told->mac, told->mtu);
	if (card->attached) {
		compute_checksums(card);
		look_at_link(card, area);
	}
}

void cards_start(void)
{
	count_crash();
	for (struct card *card = cards; card < cards + CARDS_MAX; card++)
		if (card->memory) {
			areas[index_of(card)] = map_area(card->memory);
			untold[index_of(card)] = areas[index_of(card)];
		}
	cards_publish();
}
