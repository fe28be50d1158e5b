/* SPDX-License-Identifier: MIT */
/* Sockets of AF_PACKET: what a card receives and sends, as it is or without its Ethernet header. Only root has them. */
#include <lwip/prot/ethernet.h>
#include <util/string.h>

#include "interface.h"

#define ARPHRD_ETHER 1u
#define PROTOCOL_ALL PP_HTONS(3)
#define TO_HOST 0u
#define TO_BROADCAST 1u
#define TO_MULTICAST 2u
#define TO_OTHER 3u

/* A sockaddr_ll behind its family. */
struct link_name {
	uint16_t protocol;
	int32_t interface;
	uint16_t hardware;
	uint8_t kind, length, address[8];
} __attribute__((packed));
#define NAME_LL ((uint32_t)sizeof(struct link_name))
#define NAME_LL_MIN 10u

static PRESERVED uint32_t count;

void packet_socket(struct sock *s, uint64_t type)
{
	s->cooked = type == SOCK_DGRAM;
	count++;
}

void packet_end(void)
{
	count--;
}

bool packets_wanted(void)
{
	return count;
}

static long read_name(const void *from, size_t length, struct link_name *name)
{
	memset(name, 0, sizeof(*name));
	if (length < NAME_LL_MIN)
		return -EINVAL;
	memcpy(name, from, length < NAME_LL ? length : NAME_LL);
	return 0;
}

long packet_bind(struct request *rq, struct sock *s)
{
	struct link_name name;
	char bytes[NAME_LL] = {};
	size_t length = rq->in_length < NAME_LL ? rq->in_length : NAME_LL;
	long status = length ? request_read(rq, 0, bytes, length) : 0;

	if (status >= 0)
		status = read_name(bytes, length, &name);
	if (status < 0)
		return status;
	if (name.interface && !netif_get_by_index((u8_t)name.interface))
		return -ENODEV;
	s->interface = (uint32_t)name.interface;
	if (name.protocol)
		s->protocol = name.protocol;
	s->bound = true;
	return 0;
}

/* --- names ---------------------------------------------------------------------------------------------------------- */

uint32_t packet_from(const struct parcel *parcel, void *to)
{
	struct link_name name = { .protocol = parcel->from.port,
				  .interface = parcel->interface,
				  .hardware = ARPHRD_ETHER,
				  .kind = parcel->ttl,
				  .length = ETH_HWADDR_LEN };

	memcpy(name.address, &parcel->from.address, ETH_HWADDR_LEN);
	memcpy(to, &name, sizeof(name));
	return sizeof(name);
}

uint32_t packet_own(const struct sock *s, void *to)
{
	struct link_name name = { .protocol = (uint16_t)s->protocol, .interface = (int32_t)s->interface };
	const struct netif *netif = netif_get_by_index((u8_t)s->interface);

	if (netif && netif->hwaddr_len) {
		name.hardware = ARPHRD_ETHER;
		name.length = ETH_HWADDR_LEN;
		memcpy(name.address, netif->hwaddr, ETH_HWADDR_LEN);
	}
	memcpy(to, &name, sizeof(name));
	return sizeof(name);
}

/* --- what comes ----------------------------------------------------------------------------------------------------- */

static uint8_t kind_of(const struct netif *netif, const struct eth_hdr *ether)
{
	static const uint8_t everybody[] = { 0xff, 0xff, 0xff, 0xff, 0xff, 0xff };

	if (!memcmp(&ether->dest, everybody, sizeof(everybody)))
		return TO_BROADCAST;
	if (ether->dest.addr[0] & 1)
		return TO_MULTICAST;
	return memcmp(&ether->dest, netif->hwaddr, ETH_HWADDR_LEN) ? TO_OTHER : TO_HOST;
}

static void deliver(struct sock *s, const struct netif *netif, const struct pbuf *frame)
{
	const struct eth_hdr *ether = frame->payload;
	struct endpoint from = { .port = ether->type };
	struct pbuf *copy;

	if (s->queued + frame->tot_len > (uint32_t)s->option[OPTION_RCVBUF])
		return;
	copy = pbuf_clone(PBUF_RAW, PBUF_RAM, (struct pbuf *)frame);
	if (!copy)
		return;
	memcpy(&from.address, &ether->src, ETH_HWADDR_LEN);
	if (s->cooked)
		pbuf_remove_header(copy, SIZEOF_ETH_HDR);
	if (!parcel_add(s, copy, &from, NULL)) {
		pbuf_free(copy);
		return;
	}
	s->last->interface = netif_get_index((struct netif *)netif);
	s->last->ttl = kind_of(netif, ether);
	sock_tell(s);
}

void packet_came(const struct netif *netif, const struct pbuf *frame)
{
	const struct eth_hdr *ether = frame->payload;
	uint32_t index = 0;
	struct sock *s;

	while (count && (s = description_next(&index)))
		if (s->kind == SOCK_PACKET &&
		    (!s->interface || s->interface == netif_get_index((struct netif *)netif)) &&
		    (s->protocol == PROTOCOL_ALL || s->protocol == ether->type))
			deliver(s, netif, frame);
}

/* --- what goes ------------------------------------------------------------------------------------------------------- */

static long send_frame(struct request *rq, struct netif *netif, const struct eth_hdr *ether)
{
	uint32_t before = ether ? SIZEOF_ETH_HDR : 0;
	struct pbuf *frame;
	long status;

	if (rq->in_length + before > netif->mtu + (uint64_t)SIZEOF_ETH_HDR)
		return -EMSGSIZE;
	if (rq->in_length + before < SIZEOF_ETH_HDR)
		return -EINVAL;
	frame = pbuf_alloc(PBUF_RAW, (u16_t)(rq->in_length + before), PBUF_RAM);
	if (!frame)
		return -ENOBUFS;
	if (ether)
		memcpy(frame->payload, ether, SIZEOF_ETH_HDR);
	status = rq->in_length ? request_read(rq, 0, (char *)frame->payload + before, rq->in_length) : 0;
	if (status >= 0 && netif->linkoutput(netif, frame) != ERR_OK)
		status = -ENOBUFS;
	pbuf_free(frame);
	return status < 0 ? status : (long)rq->in_length;
}

long packet_send(struct request *rq, const struct sock *s, const void *to, size_t length)
{
	struct link_name name = { .interface = (int32_t)s->interface };
	struct eth_hdr ether;
	struct netif *netif;
	long status = length ? read_name(to, length, &name) : 0;

	if (status)
		return status;
	netif = netif_get_by_index((u8_t)name.interface);
	if (!netif || !netif->linkoutput)
		return -ENXIO;
	if (!netif_is_up(netif))
		return -ENETDOWN;
	if (!s->cooked)
		return send_frame(rq, netif, NULL);
	if (name.length != ETH_HWADDR_LEN)
		return -EINVAL;
	memcpy(&ether.dest, name.address, ETH_HWADDR_LEN);
	memcpy(&ether.src, netif->hwaddr, ETH_HWADDR_LEN);
	ether.type = name.protocol ? name.protocol : (uint16_t)s->protocol;
	return send_frame(rq, netif, &ether);
}
