/* SPDX-License-Identifier: MIT */
/*
 * Segments of one connection that lie in a ring one behind the other become one packet, before anything else looks at them:
 * what a packet costs, and the acknowledgement, are due once. Acknowledgements without data of which the next
 * acknowledges more are left out.
 */
#include <lwip/inet_chksum.h>
#include <lwip/prot/ethernet.h>
#include <lwip/prot/ip.h>
#include <lwip/prot/ip4.h>
#include <lwip/prot/ip6.h>
#include <lwip/prot/tcp.h>
#include <util/string.h>

#include "net.h"

#define SEGMENTS_MAX 48u
#define BYTES_MAX 32768u
#define HEADERS_MIN (SIZEOF_ETH_HDR + IP_HLEN + TCP_HLEN)
#define HEADERS_MAX (SIZEOF_ETH_HDR + IP6_HLEN + TCP_HLEN)

/* A private copy of the headers, for what is in the ring can change. */
struct segment {
	uint8_t headers[HEADERS_MAX];
	uint32_t ip_length, before; /* of IP's header; of all headers */
	uint32_t data;
	uint32_t sequence, acknowledged;
	uint32_t begin; /* among all bytes of the buffers */
	bool checked;   /* by the device */
};
static struct segment segments[SEGMENTS_MAX];

static struct tcp_hdr *tcp_of(struct segment *s)
{
	return (struct tcp_hdr *)(s->headers + SIZEOF_ETH_HDR + s->ip_length);
}

/* The length of what is behind IP's header; 0 if that is not TCP, or IP's header is not of the usual kind. */
static uint32_t look_into_ip(struct segment *s)
{
	const struct eth_hdr *ether = (const void *)s->headers;
	const struct ip_hdr *four = (const void *)(s->headers + SIZEOF_ETH_HDR);
	const struct ip6_hdr *six = (const void *)four;

	if (ether->type == PP_HTONS(ETHTYPE_IP)) {
		s->ip_length = IP_HLEN;
		if (four->_v_hl != 0x45 || IPH_OFFSET(four) & PP_HTONS(IP_OFFMASK | IP_MF) ||
		    IPH_PROTO(four) != IP_PROTO_TCP || inet_chksum(four, IP_HLEN) ||
		    lwip_ntohs(IPH_LEN(four)) < IP_HLEN)
			return 0;
		return lwip_ntohs(IPH_LEN(four)) - IP_HLEN;
	}
	s->ip_length = IP6_HLEN;
	if (ether->type != PP_HTONS(ETHTYPE_IPV6) || IP6H_V(six) != 6 || IP6H_NEXTH(six) != IP_PROTO_TCP)
		return 0;
	return IP6H_PLEN(six);
}

/* Whether a frame is a segment that can be joined with others: of a connection that stands, and without options. */
static bool segment_read(struct segment *s, const uint8_t *frame, uint32_t length)
{
	const struct tcp_hdr *tcp;
	uint32_t behind;

	if (length < HEADERS_MIN)
		return false;
	memcpy(s->headers, frame, length < HEADERS_MAX ? length : HEADERS_MAX);
	behind = look_into_ip(s);
	tcp = tcp_of(s);
	s->before = SIZEOF_ETH_HDR + s->ip_length + TCP_HLEN;
	if (behind < TCP_HLEN || SIZEOF_ETH_HDR + s->ip_length + behind > length ||
	    TCPH_HDRLEN_BYTES(tcp) != TCP_HLEN || (TCPH_FLAGS(tcp) & ~TCP_PSH) != TCP_ACK)
		return false;
	s->data = behind - TCP_HLEN;
	s->sequence = lwip_ntohl(tcp->seqno);
	s->acknowledged = lwip_ntohl(tcp->ackno);
	return true;
}

/* From where to where: addresses and ports, and what IP says of how it is to be sent. */
static bool same_connection(struct segment *a, struct segment *b)
{
	uint32_t addresses = a->ip_length == IP_HLEN ? 8 : 32;
	uint32_t at = SIZEOF_ETH_HDR + a->ip_length - addresses;

	return !memcmp(a->headers, b->headers, SIZEOF_ETH_HDR + 2) &&
	       !memcmp(a->headers + at, b->headers + at, addresses + 4);
}

static bool continues(struct segment *s, struct segment *next)
{
	int32_t more = (int32_t)(next->acknowledged - s->acknowledged);

	if (!same_connection(s, next) || next->sequence != s->sequence + s->data)
		return false;
	return s->data ? next->data && more >= 0 : !next->data && more > 0;
}

/* How many entries from this one on can be one packet. */
static unsigned find_run(const struct card *card, const struct nic_area *area, uint32_t produced)
{
	uint32_t bytes = 0, at = card->consumed;
	unsigned n = 0;

	for (; n < SEGMENTS_MAX && at != produced; n++, at++) {
		struct nic_entry entry = area->received.entry[at % NIC_ENTRIES];

		if (entry.flags & NIC_CONTINUED)
			return n ? n - 1 : 0;
		if (!nic_is_sane(&entry) ||
		    !segment_read(&segments[n], area->buffers[entry.buffer] + entry.begin, entry.length))
			break;
		segments[n].checked = entry.flags & (NIC_PARTIAL | NIC_CHECKED);
		segments[n].begin = entry.buffer * NIC_BUFFER + entry.begin;
		bytes += segments[n].data;
		if (n && (bytes > BYTES_MAX || !continues(&segments[n - 1], &segments[n])))
			break;
	}
	return n;
}

/* The sum of the segment's pseudo header (RFC 9293, 3.1), its own and its data, which are at `data`, is all ones. */
static bool is_whole(struct segment *s, const void *data)
{
	uint32_t addresses = s->ip_length == IP_HLEN ? 8 : 32;
	uint32_t sum = PP_HTONS(IP_PROTO_TCP) + lwip_htons((u16_t)(TCP_HLEN + s->data));

	sum +=
	    net_checksum(s->headers + SIZEOF_ETH_HDR + s->ip_length - addresses, (int)(addresses + TCP_HLEN));
	sum += net_checksum(data, (int)s->data);
	sum = (sum >> 16) + (sum & 0xffff);
	return (sum >> 16) + (sum & 0xffff) == 0xffff;
}

/* The headers are the first one's, with what the last one says. */
static void write_headers(struct pbuf *packet, struct segment *last, uint32_t data)
{
	struct segment *first = &segments[0];
	struct ip_hdr *four = (struct ip_hdr *)(first->headers + SIZEOF_ETH_HDR);
	struct ip6_hdr *six = (struct ip6_hdr *)four;

	if (first->ip_length == IP_HLEN)
		IPH_LEN_SET(four, lwip_htons((u16_t)(IP_HLEN + TCP_HLEN + data)));
	else
		IP6H_PLEN_SET(six, TCP_HLEN + data);
	tcp_of(first)->ackno = tcp_of(last)->ackno;
	tcp_of(first)->wnd = tcp_of(last)->wnd;
	TCPH_SET_FLAG(tcp_of(first), TCPH_FLAGS(tcp_of(last)));
	memcpy(packet->payload, first->headers, first->before);
}

/* What is damaged ends the run and is dropped, as alone it would be. */
static unsigned join(const struct nic_area *area, struct pbuf *packet, unsigned count)
{
	uint32_t before = segments[0].before, data = 0;
	uint8_t *to = (uint8_t *)packet->payload + before;
	unsigned n = 0, whole = 0;

	for (; n == whole && n < count; n++) {
		memcpy(to + data, (const uint8_t *)area->buffers + segments[n].begin + before,
		       segments[n].data);
		if (!segments[n].checked && !is_whole(&segments[n], to + data))
			continue;
		data += segments[n].data;
		whole++;
	}
	if (whole) {
		write_headers(packet, &segments[whole - 1], data);
		pbuf_realloc(packet, (u16_t)(before + data));
	}
	return whole;
}

unsigned merge(const struct card *card, const struct nic_area *area, uint32_t produced, struct pbuf **packet)
{
	unsigned count = find_run(card, area, produced), whole;
	uint32_t bytes = segments[0].before;

	*packet = NULL;
	if (count < 2)
		return 0;
	for (unsigned n = 0; n < count; n++)
		bytes += segments[n].data;
	*packet = pbuf_alloc(PBUF_RAW, (u16_t)bytes, PBUF_RAM);
	if (!*packet)
		return 0;
	whole = join(area, *packet, count);
	if (!whole) {
		pbuf_free(*packet);
		*packet = NULL;
	}
	return whole < count ? whole + 1 : count;
}
