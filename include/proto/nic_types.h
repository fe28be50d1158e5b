/* SPDX-License-Identifier: MIT */
/*
 * What a network driver and the network server share: two rings of packets and the buffers behind them.
 *
 * Each ring has one producer and one consumer; each of the counters is written by one of them only, counts without end
 * and names entry `counter % NIC_ENTRIES`. The producer fills in an entry before it raises `produced`; it may use the entry
 * again once `consumed` has passed it. What the other side writes can be anything: a counter that is not between what it was and what it
 * can be, a length or a buffer out of range is not believed.
 *
 * In the ring `received` an entry names the buffer that the driver has put the packet in, and the server gives that
 * buffer back by consuming the entry. In `sent` entry n has buffer n.
 *
 * What the device takes over (Virtual I/O Device 1.1, 5.1.6) is agreed on when the server attaches: NIC_SEND_CHECKSUM allows it
 * to send packets that are NIC_PARTIAL; NIC_RECEIVE_LARGE the driver to hand it such ones, NIC_CHECKED ones, and packets of
 * several entries, of which all but the first are NIC_CONTINUED. A packet's entries are produced at once, and have 65,535 bytes
 * at most.
 */
#ifndef PROTO_NIC_TYPES_H
#define PROTO_NIC_TYPES_H

#include <stdbool.h>
#include <stdint.h>

#define NIC_ENTRIES 256u
#define NIC_BUFFER 2048u
#define NIC_HEADROOM 16u /* of each buffer, the driver's own; the packet is behind it */
#define NIC_PACKET_MAX (NIC_BUFFER - NIC_HEADROOM)
#define NIC_BIT (1ull << 1)
#define NIC_LINK_UP 1u
/* Agreed on. */
#define NIC_SEND_CHECKSUM 1u
#define NIC_RECEIVE_LARGE 2u
/* Of an entry. Partial: the sum of all from `sum_from` on, in the first entry, belongs at `sum_at` behind that, where that of
 * the pseudo header is now. */
#define NIC_PARTIAL 1u
#define NIC_CHECKED 2u
#define NIC_CONTINUED 4u

struct nic_entry {
	uint32_t buffer, length;
	uint16_t begin; /* in its buffer; of what is sent always NIC_HEADROOM */
	uint16_t flags, sum_from, sum_at;
};

struct nic_ring {
	volatile uint32_t produced;
	uint32_t pad[15];
	volatile uint32_t consumed;
	uint32_t pad2[15];
	volatile struct nic_entry entry[NIC_ENTRIES];
};

struct nic_area {
	/* The driver's: NIC_LINK_UP; and who is served, by the number that its attaching was answered with. */
	volatile uint32_t status, owner;
	uint32_t pad[14];
	struct nic_ring received, sent;
	uint8_t buffers[2 * NIC_ENTRIES][NIC_BUFFER] __attribute__((aligned(4096))); /* received, then sent */
};

/* How many entries lie between two counters; more than there are: one of them is wrong. */
static inline uint32_t nic_between(uint32_t from, uint32_t to)
{
	return to - from;
}

/* Whether an entry of `received`, of which this is a private copy, names bytes of a buffer. */
static inline bool nic_is_sane(const struct nic_entry *entry)
{
	return entry->buffer < NIC_ENTRIES && entry->begin <= NIC_BUFFER &&
	       entry->length <= NIC_BUFFER - entry->begin;
}

#endif
