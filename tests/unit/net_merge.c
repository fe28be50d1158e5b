/* SPDX-License-Identifier: MIT */
/*
 * What the network server makes of segments that follow each other in a driver's ring: one packet, if they belong together
 * and none is damaged. Segments are made by hand, as TCP and IP would, and then spoiled in each way; at last the ring is
 * filled with whatever a driver may write.
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

#include "../../servers/net/merge.c"

static int failures;

static void check(const char *name, int good)
{
	printf(good ? "ok %s\n" : "not ok %s\n", name);
	failures += !good;
}

/* --- what merge.c asks for ------------------------------------------------------------------------------------- */

/* RFC 1071, in the plainest way. */
unsigned short net_checksum(const void *data, int length)
{
	const uint8_t *at = data;
	uint32_t sum = 0;

	for (; length > 1; length -= 2, at += 2)
		sum += (uint32_t)(at[0] | at[1] << 8);
	if (length)
		sum += at[0];
	sum = (sum >> 16) + (sum & 0xffff);
	return (unsigned short)((sum >> 16) + (sum & 0xffff));
}

void check_failed(const char *file, int line, const char *what)
{
	printf("not ok %s:%d: %s\n", file, line, what);
	abort();
}

static unsigned packets;

struct pbuf *pbuf_alloc(pbuf_layer layer, u16_t length, pbuf_type type)
{
	struct pbuf *p = malloc(sizeof(*p));

	(void)layer, (void)type;
	p->payload = malloc(length);
	p->len = p->tot_len = length;
	packets++;
	return p;
}

u8_t pbuf_free(struct pbuf *p)
{
	free(p->payload);
	free(p);
	packets--;
	return 1;
}

void pbuf_realloc(struct pbuf *p, u16_t length)
{
	p->len = p->tot_len = length;
}

/* --- segments ---------------------------------------------------------------------------------------------------- */

#define DATA_MAX 1460u

static struct nic_area area;
static struct card card;

static struct made {
	bool v6;
	uint16_t port;
	uint32_t sequence, acknowledged, data, window;
	uint8_t flags;
} plain = {
	.port = 4000, .sequence = 1000, .acknowledged = 77, .data = 100, .window = 5000, .flags = TCP_ACK
};

static uint8_t *frame_of(unsigned n)
{
	return area.buffers[n % NIC_ENTRIES] + NIC_HEADROOM;
}

static void put16(uint8_t *at, uint32_t value)
{
	at[0] = (uint8_t)(value >> 8);
	at[1] = (uint8_t)value;
}

static void put32(uint8_t *at, uint32_t value)
{
	put16(at, value >> 16);
	put16(at + 2, value);
}

static uint32_t ip_length(const struct made *m)
{
	return m->v6 ? IP6_HLEN : IP_HLEN;
}

static void sum_ip(uint8_t *ip)
{
	put16(ip + 10, 0);
	put16(ip + 10, lwip_htons((u16_t)~net_checksum(ip, IP_HLEN)));
}

static void put_ip(const struct made *m, uint8_t *ip)
{
	uint32_t behind = TCP_HLEN + m->data;

	memset(ip, 0, ip_length(m));
	if (m->v6) {
		ip[0] = 0x60;
		put16(ip + 4, behind);
		ip[6] = IP_PROTO_TCP;
		ip[7] = 64;
		ip[8 + 15] = 1;
		ip[24 + 15] = 2;
		return;
	}
	ip[0] = 0x45;
	put16(ip + 2, IP_HLEN + behind);
	ip[8] = 64;
	ip[9] = IP_PROTO_TCP;
	put32(ip + 12, 0x0a000001);
	put32(ip + 16, 0x0a000002);
	sum_ip(ip);
}

static void sum_tcp(const struct made *m, uint8_t *ip)
{
	static uint8_t pseudo[40 + TCP_HLEN + DATA_MAX];
	uint32_t addresses = m->v6 ? 32 : 8, behind = TCP_HLEN + m->data;
	uint8_t *tcp = ip + ip_length(m);

	put16(tcp + 16, 0);
	memcpy(pseudo, tcp - addresses, addresses);
	put32(pseudo + addresses, IP_PROTO_TCP);
	put32(pseudo + addresses + 4, behind);
	memcpy(pseudo + addresses + 8, tcp, behind);
	put16(tcp + 16, lwip_htons((u16_t)~net_checksum(pseudo, (int)(addresses + 8 + behind))));
}

/* Entry n of the ring. The data says where in the stream it is. */
static void put_segment(unsigned n, const struct made *m)
{
	uint8_t *frame = frame_of(n), *ip = frame + SIZEOF_ETH_HDR, *tcp = ip + ip_length(m);

	memset(frame, 1, 12);
	put16(frame + 12, m->v6 ? ETHTYPE_IPV6 : ETHTYPE_IP);
	put_ip(m, ip);
	memset(tcp, 0, TCP_HLEN);
	put16(tcp, m->port);
	put16(tcp + 2, 80);
	put32(tcp + 4, m->sequence);
	put32(tcp + 8, m->acknowledged);
	tcp[12] = 5 << 4;
	tcp[13] = m->flags;
	put16(tcp + 14, m->window);
	for (uint32_t i = 0; i < m->data; i++)
		tcp[TCP_HLEN + i] = (uint8_t)((m->sequence + i) * 7);
	sum_tcp(m, ip);
	area.received.entry[n % NIC_ENTRIES].buffer = n % NIC_ENTRIES;
	area.received.entry[n % NIC_ENTRIES].begin = NIC_HEADROOM;
	area.received.entry[n % NIC_ENTRIES].length = SIZEOF_ETH_HDR + ip_length(m) + TCP_HLEN + m->data;
}

/* `count` that follow each other, from entry `at` on. */
static void put_run(unsigned at, unsigned count, struct made m)
{
	card.consumed = at;
	for (unsigned n = 0; n < count; n++) {
		put_segment(at + n, &m);
		m.sequence += m.data;
		m.acknowledged += m.data ? 0 : 10;
		m.window += 100;
	}
}

/* Whether what was made of the ring is one packet of so many bytes, which are the right ones. */
static bool is_packet(const struct pbuf *p, const struct made *m, uint32_t data)
{
	uint32_t before = SIZEOF_ETH_HDR + ip_length(m) + TCP_HLEN;
	const uint8_t *bytes = p ? p->payload : NULL;

	if (!p || p->tot_len != before + data)
		return false;
	for (uint32_t i = 0; i < data; i++)
		if (bytes[before + i] != (uint8_t)((m->sequence + i) * 7))
			return false;
	bytes += SIZEOF_ETH_HDR;
	return m->v6 ? bytes[4] << 8 == ((TCP_HLEN + data) & 0xff00) && bytes[5] == ((TCP_HLEN + data) & 0xff)
		     : (uint32_t)(bytes[2] << 8 | bytes[3]) == IP_HLEN + TCP_HLEN + data;
}

/* How many entries of `count` are taken, and that it is as one packet of so much data; 0 data: of none. */
static bool takes(unsigned count, const struct made *m, unsigned taken, uint32_t data)
{
	struct pbuf *packet = (struct pbuf *)1;
	unsigned n = merge(&card, &area, card.consumed + count, &packet);
	bool good = n == taken && (data ? is_packet(packet, m, data) : !packet);

	if (packet)
		pbuf_free(packet);
	return good && !packets;
}

/* --- the tests ------------------------------------------------------------------------------------------------------ */

static void joined(void)
{
	struct made m = plain, last;
	struct pbuf *packet;
	const struct tcp_hdr *tcp;

	put_run(0, 3, m);
	check("three segments are one packet", takes(3, &m, 3, 300));
	check("one is none", takes(1, &m, 0, 0));
	check("an empty ring is none", takes(0, &m, 0, 0));
	m.sequence = 0xffffff80u;
	put_run(0xfffffffeu, 4, m);
	check("numbers may come round", takes(4, &m, 4, 400));
	m = plain;
	m.v6 = true;
	put_run(9, 3, m);
	check("of IPv6 too", takes(3, &m, 3, 300));
	m = plain;
	put_run(0, 3, m);
	last = m;
	last.sequence += 200;
	last.acknowledged += 5;
	last.window = 777;
	last.flags |= TCP_PSH;
	put_segment(2, &last);
	merge(&card, &area, 3, &packet);
	tcp = (const void *)((uint8_t *)packet->payload + SIZEOF_ETH_HDR + IP_HLEN);
	check("what the last says holds: acknowledgement, window, push",
	      lwip_ntohl(tcp->ackno) == 82 && lwip_ntohs(tcp->wnd) == 777 &&
		  TCPH_FLAGS(tcp) == (TCP_ACK | TCP_PSH) && lwip_ntohl(tcp->seqno) == 1000);
	pbuf_free(packet);
}

static void bounds(void)
{
	struct made m = plain;
	struct pbuf *packet;
	unsigned n;

	m.data = DATA_MAX;
	put_run(0, 60, m);
	n = merge(&card, &area, 60, &packet);
	check("no more than fits into a packet",
	      n == BYTES_MAX / DATA_MAX && is_packet(packet, &m, n * DATA_MAX));
	pbuf_free(packet);
	m.data = 1;
	put_run(0, 60, m);
	check("nor more than so many at once", takes(60, &m, SEGMENTS_MAX, SEGMENTS_MAX));
}

static void acknowledgements(void)
{
	struct made m = plain;
	struct pbuf *packet;
	unsigned n;

	m.data = 0;
	put_run(0, 3, m);
	n = merge(&card, &area, 3, &packet);
	check("acknowledgements of more and more are one", n == 3 && is_packet(packet, &m, 0));
	pbuf_free(packet);
	put_segment(0, &m);
	put_segment(1, &m);
	check("one that is repeated means something", takes(2, &m, 0, 0));
	put_run(0, 3, plain);
	m.sequence += 200;
	put_segment(2, &m);
	check("one without data does not continue data", takes(3, &plain, 2, 200));
}

static void apart(void)
{
	struct made other = plain;

	other.sequence += 201;
	put_run(0, 3, plain);
	put_segment(2, &other);
	check("a gap ends the run", takes(3, &plain, 2, 200));
	other.sequence -= 1;
	other.port++;
	put_segment(2, &other);
	check("so does another port", takes(3, &plain, 2, 200));
	other = plain;
	other.sequence += 200;
	other.acknowledged--;
	put_segment(2, &other);
	check("an acknowledgement that goes back", takes(3, &plain, 2, 200));
	other = plain;
	other.sequence += 200;
	put_segment(2, &other);
	put32(frame_of(2) + SIZEOF_ETH_HDR + 12, 0x0a000003);
	sum_ip(frame_of(2) + SIZEOF_ETH_HDR);
	check("another address", takes(3, &plain, 2, 200));
	other.flags |= TCP_FIN;
	put_segment(2, &other);
	check("the end of the connection", takes(3, &plain, 2, 200));
}

/* The first of two is changed so that it is not to be joined with anything. */
static void unusual(const char *name, unsigned at, uint8_t value)
{
	put_run(0, 2, plain);
	frame_of(0)[at] = value;
	sum_ip(frame_of(0) + SIZEOF_ETH_HDR);
	check(name, takes(2, &plain, 0, 0));
}

static void left_alone(void)
{
	unsigned ip = SIZEOF_ETH_HDR, tcp = ip + IP_HLEN;

	unusual("another protocol than IP", 12, 0x42);
	unusual("options of IP", ip, 0x46);
	unusual("a fragment", ip + 6, 0x20);
	unusual("UDP", ip + 9, IP_PROTO_UDP);
	unusual("options of TCP", tcp + 12, 6 << 4);
	unusual("a request for a connection", tcp + 13, TCP_SYN);
	unusual("a reset", tcp + 13, TCP_RST | TCP_ACK);
	unusual("urgent data", tcp + 13, TCP_URG | TCP_ACK);
	unusual("longer than the frame", ip + 2, 0x10);
	unusual("shorter than its headers", ip + 3, 0);
	put_run(0, 2, plain);
	frame_of(0)[ip + 8]++;
	check("a damaged header of IP", takes(2, &plain, 0, 0));
}

static void damaged(void)
{
	unsigned data = SIZEOF_ETH_HDR + IP_HLEN + TCP_HLEN;

	put_run(0, 3, plain);
	frame_of(1)[data + 50] ^= 1;
	check("what is damaged is dropped, with what is before it taken", takes(3, &plain, 2, 100));
	put_run(0, 3, plain);
	frame_of(0)[data] ^= 0x80;
	check("if it is the first, alone", takes(3, &plain, 1, 0));
	put_run(0, 3, plain);
	frame_of(2)[data - TCP_HLEN + 15]++;
	check("a damaged window", takes(3, &plain, 3, 200));
}

static void hostile(void)
{
	static uint8_t *const bytes = (uint8_t *)&area;
	struct pbuf *packet;
	bool good = true;

	put_run(0, 3, plain);
	area.received.entry[1].buffer = 2 * NIC_ENTRIES;
	check("a buffer that is not ends the run", takes(3, &plain, 0, 0));
	put_run(0, 3, plain);
	area.received.entry[1].length = NIC_PACKET_MAX + 1;
	check("so does a length that cannot be", takes(3, &plain, 0, 0));
	srand(1);
	for (unsigned round = 0; round < 20000; round++) {
		put_run(0, 8, plain);
		for (unsigned i = 0; i < 4; i++)
			if (rand() & 1)
				bytes[offsetof(struct nic_area, received.entry) + (unsigned)rand() % 64] ^=
				    (uint8_t)rand();
			else
				frame_of((unsigned)rand() % 8)[(unsigned)rand() % 80] ^= (uint8_t)rand();
		good = good && merge(&card, &area, 8, &packet) <= 8 &&
		       (!packet || packet->tot_len <= SIZEOF_ETH_HDR + IP_HLEN + TCP_HLEN + 800);
		if (packet)
			pbuf_free(packet);
	}
	check("whatever is in the ring, nothing else is touched", good && !packets);
}

int main(void)
{
	joined();
	bounds();
	acknowledgements();
	apart();
	left_alone();
	damaged();
	hostile();
	return failures != 0;
}
