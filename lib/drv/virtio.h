/* SPDX-License-Identifier: MIT */
/*
 * The virtio transport over PCI (Virtual I/O Device 1.1, 2.6 split virtqueues, 4.1 PCI).
 *
 * A queue is divided into slots, one for each request in flight. A slot has a chain of
 * descriptors of its own: in an indirect table where the device can, else a fixed run of the
 * queue's. So nothing is allocated while the driver runs.
 */
#ifndef LIB_DRV_VIRTIO_H
#define LIB_DRV_VIRTIO_H

#include <sys/server.h>

#define VIRTIO_F_INDIRECT (1ull << 28)
#define VIRTIO_F_VERSION_1 (1ull << 32)

/* Memory that the device reads and writes. The object is preserved, so that no page goes back to
 * the kernel that a device might still know. */
struct dma_memory {
	cap_t memory;  /* preserved; 0: none yet */
	uint64_t size; /* preserved */
	uint64_t physical;
	char *at; /* of this incarnation */
};
/* Contiguous, mapped; zero when it is new, else as the incarnation before has left it. */
long dma_open(struct dma_memory *memory, uint64_t size);

struct virtio_descriptor {
	uint64_t address;
	uint32_t length;
	uint16_t flags, next;
};

struct virtio_queue {
	unsigned size;        /* descriptors of the ring */
	unsigned slots;       /* requests in flight at most */
	unsigned slot_length; /* descriptors of a chain at most */
	bool indirect;
	uint16_t used_seen;
	struct virtio_descriptor *ring, *tables;
	uint64_t tables_physical;
	volatile uint16_t *available; /* flags, index, ring */
	volatile uint16_t *used;      /* flags, index, then pairs of 32-bit words */
	volatile uint16_t *doorbell;
	uint16_t number;
	struct dma_memory memory; /* the rings, then the tables */
};

struct virtio_device {
	uint64_t features;     /* accepted */
	volatile void *config; /* device-specific configuration */
	uint64_t config_size;
	volatile struct virtio_common *common;
	volatile char *notify;
	uint32_t notify_step;
	cap_t irq;
	volatile uint8_t *line_status; /* interrupts by a line: reading it quiets the device */
};

/* Find the function's structures, reset the device, agree on those of `wanted` that it has. Both structs
 * may be PRESERVED; only their DMA memory is carried over. */
long virtio_open(struct virtio_device *device, uint64_t wanted);
/* In an incarnation that is not the first, before virtio_queue_open, which forgets it: whether what the device had done
 * for the one before can still be taken. */
bool virtio_queue_left(struct virtio_queue *queue);
/* Queue `number` with up to `slots` chains of up to `slot_length`; its interrupt is bit 0. */
long virtio_queue_open(struct virtio_device *device, struct virtio_queue *queue, uint16_t number,
		       unsigned slots, unsigned slot_length);
long virtio_interrupt_open(struct virtio_device *device); /* before the queues */
/* At an interrupt, before the queues are looked at: what the device adds then comes as another. */
void virtio_interrupt_ack(struct virtio_device *device);
void virtio_run(struct virtio_device *device); /* DRIVER_OK */
void virtio_reset(struct virtio_device *device);
/* What the device can; and to begin anew with those of `wanted` among that: the queues have to be opened again. */
uint64_t virtio_offered(struct virtio_device *device);
long virtio_negotiate(struct virtio_device *device, uint64_t wanted);

/* Offer a chain: `count` ranges, of which the device writes those from `writable` on. */
void virtio_offer(struct virtio_queue *queue, unsigned slot, const struct phys_range *ranges, unsigned count,
		  unsigned writable);
void virtio_kick(struct virtio_queue *queue);
/* Whether the device is asked not to interrupt when it is done with a chain of this queue. */
void virtio_quiet(struct virtio_queue *queue, bool quiet);
/* The slot of a chain that the device is done with, or -EAGAIN. What the device says that names no slot is passed over.
 * *written: bytes it wrote. */
int virtio_take(struct virtio_queue *queue, uint32_t *written);

#endif
