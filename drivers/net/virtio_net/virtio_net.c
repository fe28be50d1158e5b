/* SPDX-License-Identifier: MIT */
/*
 * Virtio network devices (Virtual I/O Device 1.1, 5.1). The device works on the buffers that are shared with the network
 * server (proto/nic_types.h); no packet is copied here.
 */
#include <drv/virtio.h>
#include <proto/nic.h>
#include <util/string.h>

#define F_CSUM (1ull << 0)
#define F_GUEST_CSUM (1ull << 1)
#define F_MTU (1ull << 3)
#define F_MAC (1ull << 5)
#define F_GUEST_TSO4 (1ull << 7)
#define F_GUEST_TSO6 (1ull << 8)
#define F_MRG_RXBUF (1ull << 15)
#define F_STATUS (1ull << 16)
#define F_ALWAYS (F_MAC | F_STATUS | F_MTU)
#define F_LARGE (F_GUEST_CSUM | F_GUEST_TSO4 | F_GUEST_TSO6 | F_MRG_RXBUF)
#define LINK_UP 1u
#define MTU 1500u
#define FRAME_MIN 14u
#define DEVICE_BIT 1ull
#define NEEDS_CHECKSUM 1u
#define DATA_VALID 2u
#define PACKET_BUFFERS 40u /* of the largest packet */

/* 5.1.6, with VIRTIO_F_VERSION_1 */
struct header {
	uint8_t flags, kind;
	uint16_t length, segment_size, sum_from, sum_at, buffers;
};
#define HEADER ((uint32_t)sizeof(struct header))

/* 5.1.4 */
struct configuration {
	uint8_t mac[6];
	uint16_t status, pairs, mtu;
};

static PRESERVED struct virtio_queue receive_queue, send_queue;
static PRESERVED struct dma_memory memory;
/* The server's notification. */
static PRESERVED struct {
	cap_t notify;
	uint64_t bits;
	uint32_t owner;
} peer;
static PRESERVED struct waitq watchers;
/* Agreed on with it. */
static PRESERVED uint32_t offloads;
/* What this side believes of the rings: it is written before the shared word is. */
static PRESERVED uint32_t received, given_back, sent;
static PRESERVED uint16_t received_buffer[NIC_ENTRIES];

static struct virtio_device device;
static struct nic_area *area;
static uint32_t submitted; /* of `sent`: at the device, or done */
static bool at_device[NIC_ENTRIES], posted[NIC_ENTRIES];
static bool at_server[NIC_ENTRIES]; /* when the device began */
static unsigned to_come;            /* buffers of the packet that is being received */

static uint64_t buffer_address(unsigned buffer)
{
	return memory.physical + offsetof(struct nic_area, buffers) + (uint64_t)buffer * NIC_BUFFER +
	       NIC_HEADROOM - HEADER;
}

/* --- receiving ------------------------------------------------------------------------------------------------ */

static void post(unsigned buffer)
{
	struct phys_range range = { buffer_address(buffer), NIC_PACKET_MAX + HEADER };

	if (buffer >= receive_queue.slots)
		return;
	posted[buffer] = true;
	virtio_offer(&receive_queue, buffer, &range, 1, 0);
}

/* Buffers that the server is done with go back to the device. */
static void take_back(void)
{
	uint32_t consumed = area->received.consumed;

	if (nic_between(given_back, consumed) > nic_between(given_back, received))
		return;
	if (given_back == consumed)
		return;
	for (; given_back != consumed; given_back++)
		post(received_buffer[given_back % NIC_ENTRIES]);
	virtio_kick(&receive_queue);
}

static struct header *header_of(unsigned buffer)
{
	return (struct header *)(area->buffers[buffer] + NIC_HEADROOM - HEADER);
}

/* What the device says of a packet: the server judges whether that can be. */
static void describe(volatile struct nic_entry *entry, unsigned buffer)
{
	const struct header *header = header_of(buffer);

	entry->begin = NIC_HEADROOM;
	entry->flags = 0;
	if (!(offloads & NIC_RECEIVE_LARGE))
		return;
	if (header->flags & NEEDS_CHECKSUM)
		entry->flags = NIC_PARTIAL;
	else if (header->flags & DATA_VALID)
		entry->flags = NIC_CHECKED;
	entry->sum_from = header->sum_from;
	entry->sum_at = header->sum_at;
	if (device.features & F_MRG_RXBUF && header->buffers - 1u < PACKET_BUFFERS)
		to_come = header->buffers - 1u;
}

/* Whether it is a packet, or goes on with one, and the server's now. Only a packet's first buffer has a header. */
static bool enter(unsigned buffer, uint32_t written)
{
	volatile struct nic_entry *entry = &area->received.entry[received % NIC_ENTRIES];

	if (written > HEADER + NIC_PACKET_MAX || (!to_come && written < HEADER + FRAME_MIN))
		return false;
	entry->buffer = buffer;
	if (to_come) {
		to_come--;
		entry->begin = NIC_HEADROOM - HEADER;
		entry->length = written;
		entry->flags = NIC_CONTINUED;
	} else {
		entry->length = written - HEADER;
		describe(entry, buffer);
	}
	received_buffer[received % NIC_ENTRIES] = (uint16_t)buffer;
	received++;
	return true;
}

static bool receive(void)
{
	uint32_t written, before = received;
	int buffer;

	while ((buffer = virtio_take(&receive_queue, &written)) >= 0) {
		if (!posted[buffer])
			continue;
		posted[buffer] = false;
		if (enter((unsigned)buffer, written))
			continue;
		post((unsigned)buffer);
		virtio_kick(&receive_queue);
	}
	__atomic_signal_fence(__ATOMIC_SEQ_CST);
	area->received.produced = received;
	return received != before;
}

/* All buffers but those whose packets the server has not taken yet: of these it still knows the entries. */
static void post_all(void)
{
	for (unsigned buffer = 0; buffer < NIC_ENTRIES; buffer++)
		if (!at_server[buffer])
			post(buffer);
	area->received.produced = received;
}

/* --- sending -------------------------------------------------------------------------------------------------- */

/* Whether it can be sent so; nothing that is not agreed on. */
static bool write_header(unsigned buffer, const struct nic_entry *entry)
{
	struct header header = {};

	if (entry->length < FRAME_MIN || entry->length > NIC_PACKET_MAX || entry->flags & ~NIC_PARTIAL)
		return false;
	if (entry->flags) {
		if (!(offloads & NIC_SEND_CHECKSUM) || entry->sum_from + entry->sum_at + 2u > entry->length)
			return false;
		header.flags = NEEDS_CHECKSUM;
		header.sum_from = entry->sum_from;
		header.sum_at = entry->sum_at;
	}
	*header_of(NIC_ENTRIES + buffer) = header;
	return true;
}

static void submit(void)
{
	uint32_t produced = area->sent.produced, before = submitted;

	if (nic_between(sent, produced) > NIC_ENTRIES)
		return;
	while (submitted != produced && nic_between(sent, submitted) < send_queue.slots) {
		unsigned buffer = submitted % NIC_ENTRIES;
		struct nic_entry entry = area->sent.entry[buffer];
		struct phys_range range = { buffer_address(NIC_ENTRIES + buffer), HEADER + entry.length };

		if (at_device[buffer % send_queue.slots])
			break;
		submitted++;
		if (!write_header(buffer, &entry))
			continue;
		at_device[buffer % send_queue.slots] = true;
		virtio_offer(&send_queue, buffer % send_queue.slots, &range, 1, 1);
	}
	/* What is sent is looked at when something else is to be done, unless there is much of it. */
	virtio_quiet(&send_queue, nic_between(sent, submitted) < NIC_ENTRIES / 2);
	if (submitted != before)
		virtio_kick(&send_queue);
}

/* Whether the server, which had no room, has some again. */
static bool reap(void)
{
	bool full = nic_between(sent, area->sent.produced) >= NIC_ENTRIES;
	uint32_t before = sent, written;
	int slot;

	while ((slot = virtio_take(&send_queue, &written)) >= 0)
		at_device[slot] = false;
	while (sent != submitted && !at_device[sent % NIC_ENTRIES % send_queue.slots])
		sent++;
	area->sent.consumed = sent;
	return full && sent != before;
}

/* --- after a restart ------------------------------------------------------------------------------------------ */

/* Which buffers the server has: it still knows the entries. */
static void count_buffers(void)
{
	uint32_t consumed = area->received.consumed;

	if (nic_between(given_back, consumed) <= nic_between(given_back, received))
		given_back = consumed;
	for (uint32_t n = given_back; n != received; n++)
		at_server[received_buffer[n % NIC_ENTRIES]] = true;
}

/* What the device had received and sent before it was reset. */
static void take_left(void)
{
	bool done[NIC_ENTRIES] = {};
	uint32_t written;
	int slot;

	if (virtio_queue_left(&receive_queue))
		while ((slot = virtio_take(&receive_queue, &written)) >= 0)
			if (!at_server[slot])
				at_server[slot] = enter((unsigned)slot, written);
	if (!virtio_queue_left(&send_queue))
		return;
	while ((slot = virtio_take(&send_queue, &written)) >= 0)
		done[slot] = true;
	for (; done[sent % NIC_ENTRIES % send_queue.slots]; sent++)
		done[sent % NIC_ENTRIES % send_queue.slots] = false;
	area->sent.consumed = sent;
}

/* --- the device ---------------------------------------------------------------------------------------------- */

static void look_at_link(void)
{
	volatile const struct configuration *configuration = device.config;

	area->status = !(device.features & F_STATUS) || configuration->status & LINK_UP ? NIC_LINK_UP : 0;
}

/* Of what the server could do with, what the device can. Large packets only where they need not fit into one buffer. */
static uint32_t possible(uint64_t wanted)
{
	uint64_t offered = virtio_offered(&device);
	uint64_t can = offered & F_CSUM ? NIC_SEND_CHECKSUM : 0;

	if (offered & F_GUEST_CSUM && offered & F_MRG_RXBUF)
		can |= NIC_RECEIVE_LARGE;
	return (uint32_t)(can & wanted);
}

/* A queue's slots are descriptors: as many as buffers, if the device has that many. */
static long open_queues(void)
{
	long error = virtio_queue_open(&device, &receive_queue, 0, NIC_ENTRIES, 1);

	return error ? error : virtio_queue_open(&device, &send_queue, 1, NIC_ENTRIES, 1);
}

/* The device has been reset, and does what is agreed on. */
static long run_device(void)
{
	uint64_t wanted = F_ALWAYS;
	long error;

	if (offloads & NIC_SEND_CHECKSUM)
		wanted |= F_CSUM;
	if (offloads & NIC_RECEIVE_LARGE)
		wanted |= F_LARGE;
	error = virtio_negotiate(&device, wanted);
	if (!error)
		error = open_queues();
	if (error)
		return error;
	memset(at_device, 0, sizeof(at_device));
	memset(posted, 0, sizeof(posted));
	to_come = 0;
	submitted = sent;
	post_all();
	virtio_run(&device);
	virtio_kick(&receive_queue);
	look_at_link();
	return 0;
}

/* Something else is agreed on from now on. */
static long agree(uint32_t on)
{
	if (on == offloads)
		return 0;
	virtio_reset(&device);
	memset(at_server, 0, sizeof(at_server));
	count_buffers();
	take_left();
	offloads = on;
	slog("offloads:%s%s", on & NIC_SEND_CHECKSUM ? " send-checksum" : "",
	     on & NIC_RECEIVE_LARGE ? " receive-large" : "");
	return run_device();
}

/* --- the server --------------------------------------------------------------------------------------------- */

static void tell_peer(void)
{
	if (peer.notify)
		kcall(notify_signal, peer.notify, peer.bits);
}

static uint64_t mac(void)
{
	volatile const struct configuration *configuration = device.config;
	uint64_t address = 0;

	for (unsigned i = 0; i < 6; i++)
		address |= (uint64_t)configuration->mac[i] << 8 * i;
	return device.features & F_MAC ? address : 0x563412005452ul; /* 52:54:00:12:34:56 */
}

static long nic_attach(struct request *rq, const struct nic_attach_req *in, struct nic_attach_reply *out)
{
	volatile const struct configuration *configuration = device.config;
	long status;

	if (rq->caps[0].rights != CAPT_NOTIFY || in->bit > 61)
		return -EINVAL;
	status = agree(possible(in->offloads));
	if (!status)
		status = request_give(rq, memory.memory, CAP_R | CAP_W, false);
	if (!status)
		status = request_give(rq, SLOT_NOTIFY, CAP_W, false);
	if (status)
		return status;
	area->owner = ++peer.owner;
	tell_peer();
	if (peer.notify)
		kcall(cap_close, peer.notify);
	peer.notify = request_take(rq, 0);
	peer.bits = 1ull << in->bit;
	waitq_wake(&watchers);
	out->owner = peer.owner;
	out->offloads = offloads;
	out->mac = mac();
	out->mtu = device.features & F_MTU && configuration->mtu < MTU ? configuration->mtu : MTU;
	return 0;
}

static long nic_watch(struct request *rq, const struct nic_watch_req *in, struct nic_watch_reply *out)
{
	(void)out;
	if (!peer.notify)
		return 0;
	return in->owner == peer.owner ? request_park(rq, &watchers) : -ESTALE;
}

static void notify(uint64_t bits)
{
	uint32_t link = area->status;
	bool news;

	if (bits & DEVICE_BIT) {
		virtio_interrupt_ack(&device);
		look_at_link();
	}
	take_back();
	news = reap();
	submit();
	news |= reap();
	news |= receive();
	if (news || link != area->status)
		tell_peer();
}

static long start(bool restarted)
{
	long error = virtio_open(&device, F_ALWAYS);

	if (!error)
		error = virtio_interrupt_open(&device);
	if (!error)
		error = dma_open(&memory, sizeof(struct nic_area));
	if (error)
		return error;
	area = (struct nic_area *)memory.at;
	if (restarted) {
		count_buffers();
		take_left();
	}
	error = run_device();
	if (restarted && !error)
		tell_peer();
	return error;
}

static long shutdown(struct request *rq)
{
	(void)rq;
	virtio_reset(&device);
	return 0;
}

static long dispatch(struct request *rq)
{
	static const struct nic_ops operations = { .attach = nic_attach, .watch = nic_watch };

	return nic_dispatch(&operations, rq);
}

int main(void)
{
	/* Without transactions: it keeps nothing, packets may get lost. */
	static const struct service service = {
		.name = "virtio_net",
		.dispatch = dispatch,
		.start = start,
		.notify = notify,
		.shutdown = shutdown,
	};

	service_main(&service);
}
