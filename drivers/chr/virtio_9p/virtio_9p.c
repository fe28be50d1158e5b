/* SPDX-License-Identifier: MIT */
/*
 * Carries 9P messages to the host that runs the machine. The Virtual I/O Device specification reserves the device
 * number and says no more; QEMU and Linux agree on one queue, whose chains hold a T-message and the room for its
 * R-message. The device works on the caller's own memory; what the messages say is `p9`'s.
 */
#include <drv/virtio.h>
#include <proto/p9.h>
#include <util/string.h>

#define F_MOUNT_TAG 1ull
#define SLOTS 32
#define RANGES 34 /* of one buffer: 128 KiB and an unaligned end */
#define TAG_MAX 64u

/* progress[0]: incarnation << 2 | enum; progress[1]: the status once it is DONE. */
enum progress { FRESH = 0, IN_FLIGHT = 1, DONE = 2 };

static PRESERVED struct virtio_queue queue;
static PRESERVED struct waitq no_room, stopping;
static struct virtio_device device;
static struct request *in_slot[SLOTS];
static uint64_t free_slots; /* a bit each */
static unsigned in_flight;
static bool stopped;

static enum progress progress_of(const struct request *rq)
{
	return rq->progress[0] >> 2 == startup->incarnation ? rq->progress[0] & 3 : FRESH;
}

static void set_progress(struct request *rq, enum progress progress)
{
	rq->progress[0] = (uint64_t)startup->incarnation << 2 | (unsigned)progress;
}

/* The physical ranges of one of the caller's buffers, all of it: how many, or -EMSGSIZE, or the kernel's error. */
static long buffer_ranges(const struct request *rq, bool out, struct phys_range *ranges)
{
	uint64_t length = out ? rq->out_length : rq->in_length, covered = 0;
	long count = kcall(buf_phys, SLOT_ENDPOINT, rq->token, out, 0, ranges, RANGES);

	for (long i = 0; i < count; i++)
		covered += ranges[i].length;
	if (count < 0)
		return count;
	return covered == length ? count : -EMSGSIZE;
}

static long begin(struct request *rq)
{
	struct phys_range ranges[2 * RANGES];
	long readable = buffer_ranges(rq, false, ranges), writable;
	unsigned slot;

	if (readable < 0)
		return readable;
	writable = buffer_ranges(rq, true, ranges + readable);
	if (writable < 0)
		return writable;
	if (readable + writable > queue.slot_length)
		return -EMSGSIZE;
	if (!free_slots)
		return request_park(rq, &no_room);
	slot = (unsigned)__builtin_ctzl(free_slots);
	free_slots &= free_slots - 1;
	in_slot[slot] = rq;
	in_flight++;
	set_progress(rq, IN_FLIGHT);
	virtio_offer(&queue, slot, ranges, (unsigned)(readable + writable), (unsigned)readable);
	virtio_kick(&queue);
	return PARK;
}

static long do_exchange(struct request *rq, const struct p9_exchange_req *in, struct p9_exchange_reply *out)
{
	(void)out;
	if (progress_of(rq) == DONE)
		return (long)rq->progress[1];
	if (progress_of(rq) == IN_FLIGHT)
		return PARK;
	if (in->session != startup->incarnation)
		return -ESTALE;
	if (stopped)
		return -ENODEV;
	return rq->in_length && rq->out_length ? begin(rq) : -EINVAL;
}

/* The configuration is a 16-bit length and the tag. */
static size_t mount_tag(char tag[TAG_MAX])
{
	volatile const uint8_t *config = device.config;
	size_t length = (size_t)(config[0] | config[1] << 8);

	if (!(device.features & F_MOUNT_TAG))
		return 0;
	if (length > TAG_MAX)
		length = TAG_MAX;
	if (length + 2 > device.config_size)
		length = device.config_size - 2;
	for (size_t i = 0; i < length; i++)
		tag[i] = (char)config[2 + i];
	return length;
}

static long do_info(struct request *rq, const struct p9_info_req *in, struct p9_info_reply *out)
{
	char tag[TAG_MAX];
	size_t length = mount_tag(tag);

	(void)in;
	out->session = startup->incarnation;
	out->messages = queue.slots;
	if (length > rq->out_length)
		length = rq->out_length;
	return length ? request_write(rq, 0, tag, length) : 0;
}

static void interrupt(uint64_t bits)
{
	uint32_t written;
	int slot;

	(void)bits;
	/* Acknowledged first: what the device adds while we look comes as another interrupt. */
	virtio_interrupt_ack(&device);
	while ((slot = virtio_take(&queue, &written)) >= 0) {
		struct request *rq = in_slot[slot];

		if (!rq)
			continue;
		in_slot[slot] = NULL;
		free_slots |= 1ul << slot;
		in_flight--;
		rq->progress[1] = written <= rq->out_length ? written : 0;
		set_progress(rq, DONE);
		request_wake(rq);
		waitq_wake_one(&no_room);
	}
	if (!in_flight)
		waitq_wake(&stopping);
}

static long start(bool restarted)
{
	long error = virtio_open(&device, F_MOUNT_TAG | VIRTIO_F_INDIRECT);

	(void)restarted;
	if (!error)
		error = virtio_interrupt_open(&device);
	if (!error)
		error = virtio_queue_open(&device, &queue, 0, SLOTS, 2 * RANGES);
	if (error)
		return error;
	free_slots = (1ul << queue.slots) - 1;
	virtio_run(&device);
	return 0;
}

/* What the device works on cannot be called back: it ends by itself. */
static long cancel(struct request *rq)
{
	return progress_of(rq) == IN_FLIGHT ? PARK : -EINTR;
}

static long shutdown(struct request *rq)
{
	if (in_flight)
		return request_park(rq, &stopping);
	stopped = true;
	virtio_reset(&device);
	return 0;
}

static long dispatch(struct request *rq)
{
	static const struct p9_ops operations = { .info = do_info, .exchange = do_exchange };

	return p9_dispatch(&operations, rq);
}

int main(void)
{
	/* Without transactions: it keeps nothing, messages are sent again. */
	static const struct service service = {
		.name = "virtio_9p",
		.dispatch = dispatch,
		.start = start,
		.notify = interrupt,
		.cancel = cancel,
		.shutdown = shutdown,
	};

	service_main(&service);
}
