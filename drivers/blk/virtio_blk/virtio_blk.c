/* SPDX-License-Identifier: MIT */
/* Virtio block devices (Virtual I/O Device 1.1, 5.2). */
#include <drv/blk.h>
#include <drv/virtio.h>

#define F_SEG_MAX (1ull << 2)
#define F_READ_ONLY (1ull << 5)
#define F_FLUSH (1ull << 9)

#define TYPE_IN 0u
#define TYPE_OUT 1u
#define TYPE_FLUSH 4u
#define STATUS_OK 0u
#define STATUS_UNSUPPORTED 2u
#define SLOTS 64

/* 5.2.4 */
struct configuration {
	uint32_t capacity_low, capacity_high;
	uint32_t size_max, seg_max;
};

/* 5.2.6: what surrounds the data of a request. */
struct envelope {
	uint32_t type, reserved;
	uint64_t sector;
	volatile uint8_t status;
	uint8_t padding[15];
};

static PRESERVED struct virtio_queue queue;
static PRESERVED struct dma_memory envelopes_memory;
static struct virtio_device device;
static struct envelope *envelopes;
static struct request *in_slot[SLOTS];
static uint64_t free_slots; /* a bit each */

static uint64_t envelope_address(unsigned slot, size_t field)
{
	return envelopes_memory.physical + slot * sizeof(struct envelope) + field;
}

static long begin(const struct blk_transfer *transfer)
{
	static const uint32_t types[] = { TYPE_IN, TYPE_OUT, TYPE_FLUSH };
	struct phys_range ranges[BLK_RANGES + 2];
	unsigned slot, count = transfer->count;

	if (!free_slots)
		return -EAGAIN;
	slot = (unsigned)__builtin_ctzl(free_slots);
	free_slots &= free_slots - 1;
	in_slot[slot] = transfer->rq;
	envelopes[slot].type = types[transfer->kind];
	envelopes[slot].sector = transfer->kind == BLK_FLUSH ? 0 : transfer->sector;
	envelopes[slot].status = UINT8_MAX;
	ranges[0] = (struct phys_range){ envelope_address(slot, 0), 16 };
	for (unsigned i = 0; i < count; i++)
		ranges[i + 1] = transfer->ranges[i];
	ranges[count + 1] =
	    (struct phys_range){ envelope_address(slot, offsetof(struct envelope, status)), 1 };
	virtio_offer(&queue, slot, ranges, count + 2, transfer->kind == BLK_READ ? 1 : count + 1);
	virtio_kick(&queue);
	return 0;
}

static long status_of(unsigned slot)
{
	switch (envelopes[slot].status) {
	case STATUS_OK: return 0;
	case STATUS_UNSUPPORTED: return -EOPNOTSUPP;
	}
	return -EIO;
}

static void interrupt(uint64_t bits)
{
	uint32_t written;
	int slot;

	(void)bits;
	virtio_interrupt_ack(&device);
	while ((slot = virtio_take(&queue, &written)) >= 0) {
		struct request *rq = in_slot[slot];

		if (!rq)
			continue;
		in_slot[slot] = NULL;
		free_slots |= 1ul << slot;
		blk_done(rq, status_of((unsigned)slot));
	}
}

static void describe(struct blk_device *blk)
{
	volatile struct configuration *configuration = device.config;

	blk->sectors = (uint64_t)configuration->capacity_high << 32 | configuration->capacity_low;
	blk->read_only = device.features & F_READ_ONLY;
	blk->has_cache = device.features & F_FLUSH;
	blk->max_ranges = queue.slot_length - 2;
	if (device.features & F_SEG_MAX && configuration->seg_max < blk->max_ranges)
		blk->max_ranges = configuration->seg_max;
	if (blk->max_ranges < 2)
		blk->max_ranges = 2;
}

static long open_queue(void)
{
	long error = virtio_interrupt_open(&device);

	if (!error)
		error = virtio_queue_open(&device, &queue, 0, SLOTS, BLK_RANGES + 2);
	if (!error)
		error = dma_open(&envelopes_memory, SLOTS * sizeof(struct envelope));
	return error;
}

static long start(bool restarted, struct blk_device *blk)
{
	long error = virtio_open(&device, F_SEG_MAX | F_READ_ONLY | F_FLUSH | VIRTIO_F_INDIRECT);

	(void)restarted;
	if (!error)
		error = open_queue();
	if (error)
		return error;
	envelopes = (struct envelope *)envelopes_memory.at;
	free_slots = queue.slots == 64 ? ~0ul : (1ul << queue.slots) - 1;
	describe(blk);
	virtio_run(&device);
	slog("%lu sectors%s", blk->sectors, blk->read_only ? ", read-only" : "");
	return 0;
}

static void stop(void)
{
	virtio_reset(&device);
}

int main(void)
{
	static const struct blk_driver driver = {
		.name = "virtio_blk",
		.start = start,
		.begin = begin,
		.interrupt = interrupt,
		.stop = stop,
	};

	return blk_main(&driver);
}
