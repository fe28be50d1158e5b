/* SPDX-License-Identifier: MIT */
/*
 * Virtio network devices (Virtual I/O Device 1.1, 5.1). The device works on the buffers that are shared with the network
 * server (proto/nic_types.h); no packet is copied here.
 */
#include <drv/virtio.h>
#include <proto/nic.h>
#include <util/string.h>

#define F_MTU (1ull << 3)
#define F_MAC (1ull << 5)
#define F_STATUS (1ull << 16)
#define LINK_UP 1u
#define HEADER 12u /* 5.1.6, with VIRTIO_F_VERSION_1 */
#define MTU 1500u
#define FRAME_MIN 14u
#define DEVICE_BIT 1ull

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
/* What this side believes of the rings: it is written before the shared word is. */
static PRESERVED uint32_t received, given_back, sent;
static PRESERVED uint16_t received_buffer[NIC_ENTRIES];

static struct virtio_device device;
static struct nic_area *area;
static uint32_t submitted; /* of `sent`: at the device, or done */
static bool at_device[NIC_ENTRIES], posted[NIC_ENTRIES];
static bool at_server[NIC_ENTRIES]; /* when this incarnation began */

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

/* Whether it is a packet, and the server's now. */
static bool enter(unsigned buffer, uint32_t written)
{
	volatile struct nic_entry *entry = &area->received.entry[received % NIC_ENTRIES];

	if (written < HEADER + FRAME_MIN || written > HEADER + NIC_PACKET_MAX)
		return false;
	entry->buffer = buffer;
	entry->length = written - HEADER;
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

static void submit(void)
{
	uint32_t produced = area->sent.produced, before = submitted;

	if (nic_between(sent, produced) > NIC_ENTRIES)
		return;
	while (submitted != produced && nic_between(sent, submitted) < send_queue.slots) {
		unsigned buffer = submitted % NIC_ENTRIES;
		uint32_t length = area->sent.entry[buffer].length;
		struct phys_range range = { buffer_address(NIC_ENTRIES + buffer), HEADER + length };

		if (at_device[buffer % send_queue.slots])
			break;
		submitted++;
		if (length < FRAME_MIN || length > NIC_PACKET_MAX)
			continue;
		memset(area->buffers[NIC_ENTRIES + buffer] + NIC_HEADROOM - HEADER, 0, HEADER);
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
	out->owner = peer.owner;
	out->mac = mac();
	out->mtu = device.features & F_MTU && configuration->mtu < MTU ? configuration->mtu : MTU;
	return 0;
}

static void look_at_link(void)
{
	volatile const struct configuration *configuration = device.config;

	area->status = !(device.features & F_STATUS) || configuration->status & LINK_UP ? NIC_LINK_UP : 0;
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

/* A queue's slots are descriptors: as many as buffers, if the device has that many. */
static long open_queues(void)
{
	long error = virtio_interrupt_open(&device);

	if (!error)
		error = virtio_queue_open(&device, &receive_queue, 0, NIC_ENTRIES, 1);
	if (!error)
		error = virtio_queue_open(&device, &send_queue, 1, NIC_ENTRIES, 1);
	return error;
}

static long start(bool restarted)
{
	long error = virtio_open(&device, F_MAC | F_STATUS | F_MTU);

	if (!error)
		error = dma_open(&memory, sizeof(struct nic_area));
	if (error)
		return error;
	area = (struct nic_area *)memory.at;
	if (restarted) {
		count_buffers();
		take_left();
	}
	error = open_queues();
	if (error)
		return error;
	submitted = sent;
	post_all();
	virtio_run(&device);
	virtio_kick(&receive_queue);
	look_at_link();
	if (restarted)
		tell_peer();
	return 0;
}

static long shutdown(struct request *rq)
{
	(void)rq;
	virtio_reset(&device);
	return 0;
}

static long dispatch(struct request *rq)
{
	static const struct nic_ops operations = { .attach = nic_attach };

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
