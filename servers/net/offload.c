/* SPDX-License-Identifier: MIT */
/* Checksums that a card's device computes of what is sent, and has not computed of what comes (include/proto/nic_types.h). */
#include <lwip/prot/ethernet.h>
#include <lwip/prot/ip.h>
#include <lwip/prot/ip4.h>
#include <lwip/prot/ip6.h>
#include <lwip/prot/tcp.h>
#include <util/string.h>

#include "net.h"

/* A segment of TCP in a frame. */
struct place {
	uint32_t addresses, addresses_length, tcp, length;
};

static uint32_t big_endian(const uint8_t *at)
{
	return (uint32_t)at[0] << 8 | at[1];
}

static bool find_tcp(const uint8_t *frame, uint32_t length, struct place *place)
{
	const uint8_t *ip = frame + SIZEOF_ETH_HDR;
	uint32_t headers = 0;

	if (length < SIZEOF_ETH_HDR + IP_HLEN + TCP_HLEN)
		return false;
	switch (big_endian(frame + 12)) {
	case ETHTYPE_IP:
		headers = (ip[0] & 15u) * 4;
		if (ip[9] != IP_PROTO_TCP || big_endian(ip + 6) & (IP_MF | IP_OFFMASK) || headers < IP_HLEN)
			return false;
		*place = (struct place){ SIZEOF_ETH_HDR + 12, 8, 0, big_endian(ip + 2) - headers };
		break;
	case ETHTYPE_IPV6:
		headers = IP6_HLEN;
		if (ip[6] != IP_PROTO_TCP)
			return false;
		*place = (struct place){ SIZEOF_ETH_HDR + 8, 32, 0, big_endian(ip + 4) };
		break;
	default: return false;
	}
	place->tcp = SIZEOF_ETH_HDR + headers;
	return place->length >= TCP_HLEN && place->length <= length && place->tcp + place->length <= length;
}

static uint16_t fold(uint32_t sum)
{
	sum = (sum >> 16) + (sum & 0xffff);
	return (uint16_t)((sum >> 16) + (sum & 0xffff));
}

/* What has a checksum already, as root's own packets may, is left alone. */
void offload_send(uint8_t *frame, uint32_t length, struct nic_entry *entry)
{
	const uint32_t at = offsetof(struct tcp_hdr, chksum);
	struct place place;
	uint16_t sum;

	if (!find_tcp(frame, length, &place) || big_endian(frame + place.tcp + at))
		return;
	sum = fold(PP_HTONS(IP_PROTO_TCP) + (uint32_t)lwip_htons((u16_t)place.length) +
		   net_checksum(frame + place.addresses, (int)place.addresses_length));
	memcpy(frame + place.tcp + at, &sum, sizeof(sum));
	entry->flags = NIC_PARTIAL;
	entry->sum_from = (uint16_t)place.tcp;
	entry->sum_at = (uint16_t)at;
}

bool offload_complete(struct pbuf *packet, uint32_t from, uint32_t at)
{
	uint16_t sum;

	if (from + at + sizeof(sum) > packet->len)
		return false;
	sum = (uint16_t)~net_checksum((uint8_t *)packet->payload + from, (int)(packet->len - from));
	if (!sum)
		sum = 0xffff; /* UDP: 0 would be none */
	memcpy((uint8_t *)packet->payload + from + at, &sum, sizeof(sum));
	return true;
}
