/* SPDX-License-Identifier: MIT */
/* Finding and setting up a virtio function (Virtual I/O Device 1.1, 3.1.1, 4.1.4). */
#include <drv/pci.h>
#include <drv/virtio.h>
#include <util/string.h>

enum structure { COMMON = 1, NOTIFY = 2, ISR = 3, DEVICE = 4 };

#define STATUS_ACKNOWLEDGE 1u
#define STATUS_DRIVER 2u
#define STATUS_DRIVER_OK 4u
#define STATUS_FEATURES_OK 8u
#define NO_VECTOR 0xffffu
#define RESET_LIMIT_NS 100000000ul

/* 4.1.4.3 */
struct virtio_common {
	uint32_t device_feature_select, device_feature;
	uint32_t driver_feature_select, driver_feature;
	uint16_t msix_config, num_queues;
	uint8_t status, generation;
	uint16_t queue_select, queue_size, queue_vector, queue_enable, queue_notify_offset;
	uint32_t descriptors_low, descriptors_high;
	uint32_t available_low, available_high;
	uint32_t used_low, used_high;
};

long dma_open(struct dma_memory *memory, uint64_t size)
{
	struct phys_range range;

	size = (size + ANOLE_PAGE_SIZE - 1) & ~(ANOLE_PAGE_SIZE - 1);
	if (!memory->memory || memory->size != size) {
		long slot = kcall(mo_create, size, MO_CONTIGUOUS);

		if (slot < 0)
			return slot;
		memory->memory = (cap_t)slot;
		memory->size = size;
	}
	if (kcall(mo_phys, memory->memory, 0, &range, 1) != 1 || range.length < size)
		return -ENOMEM;
	memory->physical = range.address;
	memory->at = map_memory(memory->memory, 0, size, VM_R | VM_W | VM_SHARED);
	if (!memory->at)
		return -ENOMEM;
	return 0;
}

/* The structure of this kind inside its BAR; *at: its capability. */
static volatile void *find_structure(enum structure kind, uint64_t least, uint64_t *length, unsigned *at)
{
	unsigned capability = 0;

	while ((capability = pci_capability(PCI_CAPABILITY_VENDOR, capability))) {
		uint64_t size = 0, offset;
		char *bar;

		if (pci_read(capability + 3, 1) != (uint32_t)kind)
			continue;
		bar = pci_map_bar(pci_read(capability + 4, 1), &size);
		offset = pci_read(capability + 8, 4);
		*length = pci_read(capability + 12, 4);
		*at = capability;
		if (bar && *length >= least && offset <= size && *length <= size - offset)
			return bar + offset;
	}
	return NULL;
}

static long find_structures(struct virtio_device *device)
{
	uint64_t length = 0;
	unsigned at = 0;

	device->common = find_structure(COMMON, sizeof(struct virtio_common), &length, &at);
	device->config = find_structure(DEVICE, 1, &device->config_size, &at);
	device->notify = find_structure(NOTIFY, 2, &length, &at);
	if (!device->common || !device->notify || !device->config) {
		slog("the device speaks virtio 0.9 only, which nothing here does");
		return -ENODEV;
	}
	device->notify_step = pci_read(at + 16, 4);
	return 0;
}

void virtio_reset(struct virtio_device *device)
{
	uint64_t limit = clock_monotonic_ns() + RESET_LIMIT_NS;

	device->common->status = 0;
	while (device->common->status && clock_monotonic_ns() < limit)
		;
}

uint64_t virtio_offered(struct virtio_device *device)
{
	uint64_t features;

	device->common->device_feature_select = 1;
	features = (uint64_t)device->common->device_feature << 32;
	device->common->device_feature_select = 0;
	return features | device->common->device_feature;
}

long virtio_negotiate(struct virtio_device *device, uint64_t wanted)
{
	/* Reset first: with bus mastering on it could go on where the last incarnation left it. */
	virtio_reset(device);
	device->common->status = STATUS_ACKNOWLEDGE;
	device->common->status = STATUS_ACKNOWLEDGE | STATUS_DRIVER;
	device->features = virtio_offered(device) & (wanted | VIRTIO_F_VERSION_1);
	if (!(device->features & VIRTIO_F_VERSION_1))
		return -ENODEV;
	device->common->driver_feature_select = 0;
	device->common->driver_feature = (uint32_t)device->features;
	device->common->driver_feature_select = 1;
	device->common->driver_feature = (uint32_t)(device->features >> 32);
	device->common->status = STATUS_ACKNOWLEDGE | STATUS_DRIVER | STATUS_FEATURES_OK;
	return device->common->status & STATUS_FEATURES_OK ? 0 : -ENODEV;
}

long virtio_open(struct virtio_device *device, uint64_t wanted)
{
	long error = find_structures(device);

	if (error)
		return error;
	virtio_reset(device);
	error = pci_switch_on();
	return error ? error : virtio_negotiate(device, wanted);
}

long virtio_interrupt_open(struct virtio_device *device)
{
	long error = pci_message_interrupt(0, 0, &device->irq);
	uint64_t length;
	unsigned at;

	device->line_status = NULL;
	if (error == -ENODEV) {
		device->line_status = find_structure(ISR, 1, &length, &at);
		error = device->line_status ? pci_line_interrupt(0, &device->irq) : -ENODEV;
	}
	device->common->msix_config = NO_VECTOR;
	return error;
}

/* 4.1.4.5 */
void virtio_interrupt_ack(struct virtio_device *device)
{
	if (device->line_status)
		(void)*device->line_status;
	kcall(irq_ack, device->irq);
}

void virtio_run(struct virtio_device *device)
{
	device->common->status = STATUS_ACKNOWLEDGE | STATUS_DRIVER | STATUS_FEATURES_OK | STATUS_DRIVER_OK;
}

/* --- a queue's memory and registers ------------------------------------------------------- */

static uint64_t align(uint64_t value, uint64_t to)
{
	return (value + to - 1) & ~(to - 1);
}

static uint64_t used_offset(const struct virtio_queue *queue)
{
	return align(queue->size * sizeof(struct virtio_descriptor) + 6 + 2ul * queue->size, 4);
}

static long lay_out(struct virtio_queue *queue)
{
	uint64_t available = queue->size * sizeof(struct virtio_descriptor);
	uint64_t used = used_offset(queue);
	uint64_t tables = align(used + 6 + 8ul * queue->size, ANOLE_PAGE_SIZE);
	uint64_t end = tables;
	long error;

	if (queue->indirect)
		end += queue->slots * queue->slot_length * sizeof(struct virtio_descriptor);
	error = dma_open(&queue->memory, end);
	if (error)
		return error;
	memset(queue->memory.at, 0, end);
	queue->ring = (struct virtio_descriptor *)queue->memory.at;
	queue->available = (volatile uint16_t *)(queue->memory.at + available);
	queue->used = (volatile uint16_t *)(queue->memory.at + used);
	queue->tables = queue->ring;
	if (queue->indirect)
		queue->tables = (struct virtio_descriptor *)(queue->memory.at + tables);
	queue->tables_physical = queue->memory.physical + tables;
	return 0;
}

bool virtio_queue_left(struct virtio_queue *queue)
{
	if (!queue->used || dma_open(&queue->memory, queue->memory.size))
		return false;
	queue->used = (volatile uint16_t *)(queue->memory.at + used_offset(queue));
	return true;
}

static void tell_device(struct virtio_device *device, const struct virtio_queue *queue)
{
	volatile struct virtio_common *common = device->common;
	uint64_t base = queue->memory.physical;
	uint64_t available = base + (uint64_t)((char *)queue->available - queue->memory.at);
	uint64_t used = base + (uint64_t)((char *)queue->used - queue->memory.at);

	common->queue_size = (uint16_t)queue->size;
	common->queue_vector = 0;
	common->descriptors_low = (uint32_t)base;
	common->descriptors_high = (uint32_t)(base >> 32);
	common->available_low = (uint32_t)available;
	common->available_high = (uint32_t)(available >> 32);
	common->used_low = (uint32_t)used;
	common->used_high = (uint32_t)(used >> 32);
	common->queue_enable = 1;
}

long virtio_queue_open(struct virtio_device *device, struct virtio_queue *queue, uint16_t number,
		       unsigned slots, unsigned slot_length)
{
	long error;

	device->common->queue_select = number;
	queue->size = device->common->queue_size;
	if (queue->size > 256)
		queue->size = 256; /* a power of two, as any size the device may offer */
	queue->indirect = device->features & VIRTIO_F_INDIRECT;
	queue->slot_length = slot_length;
	if (!queue->indirect && slot_length > 8)
		queue->slot_length = 8;
	queue->slots = queue->indirect ? queue->size : queue->size / queue->slot_length;
	if (queue->slots > slots)
		queue->slots = slots;
	if (!queue->slots)
		return -ENODEV;
	queue->number = number;
	queue->used = NULL;
	queue->used_seen = 0;
	queue->doorbell =
	    (volatile uint16_t *)(device->notify + device->common->queue_notify_offset * device->notify_step);
	error = lay_out(queue);
	if (!error)
		tell_device(device, queue);
	return error;
}
