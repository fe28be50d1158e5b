/* SPDX-License-Identifier: MIT */
/* Chains in and out of a split virtqueue (Virtual I/O Device 1.1, 2.6). */
#include <drv/virtio.h>

#define FLAG_NEXT 1u
#define FLAG_WRITE 2u
#define FLAG_INDIRECT 4u
#define AVAILABLE_FLAGS 0 /* in 16-bit words */
#define AVAILABLE_INDEX 1
#define AVAILABLE_NO_INTERRUPT 1u
#define AVAILABLE_RING 2
#define USED_INDEX 1

/* x86 keeps stores in order: it is enough that the compiler does. */
static void order(void)
{
	__atomic_signal_fence(__ATOMIC_SEQ_CST);
}

static void fill(struct virtio_descriptor *table, unsigned first, const struct phys_range *ranges,
		 unsigned count, unsigned writable)
{
	for (unsigned i = 0; i < count; i++) {
		table[i].address = ranges[i].address;
		table[i].length = (uint32_t)ranges[i].length;
		table[i].flags =
		    (uint16_t)((i + 1 < count ? FLAG_NEXT : 0) | (i >= writable ? FLAG_WRITE : 0));
		table[i].next = (uint16_t)(first + i + 1);
	}
}

void virtio_offer(struct virtio_queue *queue, unsigned slot, const struct phys_range *ranges, unsigned count,
		  unsigned writable)
{
	unsigned table = slot * queue->slot_length, head = queue->indirect ? slot : table;
	uint16_t index = queue->available[AVAILABLE_INDEX];

	fill(queue->tables + table, queue->indirect ? 0 : table, ranges, count, writable);
	if (queue->indirect) {
		struct virtio_descriptor *descriptor = &queue->ring[slot];

		descriptor->address = queue->tables_physical + table * sizeof *descriptor;
		descriptor->length = count * (uint32_t)sizeof *descriptor;
		descriptor->flags = FLAG_INDIRECT;
		descriptor->next = 0;
	}
	queue->available[AVAILABLE_RING + index % queue->size] = (uint16_t)head;
	order();
	queue->available[AVAILABLE_INDEX] = (uint16_t)(index + 1);
}

void virtio_kick(struct virtio_queue *queue)
{
	order();
	*queue->doorbell = queue->number;
}

void virtio_quiet(struct virtio_queue *queue, bool quiet)
{
	queue->available[AVAILABLE_FLAGS] = quiet ? AVAILABLE_NO_INTERRUPT : 0;
}

/* What the device writes is not trusted further than that it names a slot. */
int virtio_take(struct virtio_queue *queue, uint32_t *written)
{
	volatile uint32_t *ring = (volatile uint32_t *)(queue->used + 2);

	while (queue->used[USED_INDEX] != queue->used_seen) {
		unsigned at = queue->used_seen % queue->size * 2;
		uint32_t head;

		order();
		head = ring[at];
		*written = ring[at + 1];
		queue->used_seen++;
		if (!queue->indirect)
			head /= queue->slot_length;
		if (head < queue->slots)
			return (int)head;
	}
	return -EAGAIN;
}
