/* SPDX-License-Identifier: MIT */
/* virtio_rng: the host's entropy (Virtual I/O Device 1.1, 5.4). The device fills one buffer at a time. */
#include <drv/virtio.h>
#include <fs/description.h>
#include <fs/stream.h>
#include <proto/rng.h>
#include <util/string.h>

#define BUFFER 256u
#define SEED 32u

PRESERVED struct description_table descriptions;
static PRESERVED struct virtio_queue queue;
static PRESERVED struct waitq waiting;
static PRESERVED struct dma_memory buffer;

/* Of this incarnation. */
static struct virtio_device device;
static uint32_t available; /* unused bytes at the start of the buffer */
static bool filling;

static void fill(void)
{
	struct phys_range range = { buffer.physical, BUFFER };

	if (filling)
		return;
	filling = true;
	virtio_offer(&queue, 0, &range, 1, 0);
	virtio_kick(&queue);
}

/* Up to `length` bytes that are given out this once: how many. If there are none the device is asked for more. */
static uint32_t take(void *to, uint32_t length)
{
	uint32_t taken = length < available ? length : available;

	available -= taken;
	memcpy(to, buffer.at + available, taken);
	memset(buffer.at + available, 0, taken);
	if (!available)
		fill();
	return taken;
}

static long do_seed(struct request *rq, const struct rng_seed_req *in, struct rng_seed_reply *out)
{
	(void)in;
	if (available < SEED) {
		available = 0;
		fill();
		return request_park(rq, &waiting);
	}
	take(out, SEED);
	return 0;
}

static long rng_read(struct request *rq, const struct file_read_req *in, struct file_read_reply *out)
{
	struct description *d = description_find(rq->badge);
	uint8_t bytes[BUFFER];
	uint32_t taken;

	(void)out;
	if (!d || (d->flags & O_ACCMODE) == O_WRONLY)
		return -EBADF;
	if (!rq->out_length)
		return 0;
	taken = take(bytes, rq->out_length < BUFFER ? (uint32_t)rq->out_length : BUFFER);
	if (taken)
		return request_write(rq, 0, bytes, taken);
	return stream_nonblocking(d->flags, in->flags) ? -EAGAIN : request_park(rq, &waiting);
}

static long rng_write(struct request *rq, const struct file_write_req *in, struct file_write_reply *out)
{
	(void)in, (void)out;
	return description_find(rq->badge) ? -EINVAL : -EBADF;
}

static long rng_ioctl(struct request *rq, const struct file_ioctl_req *in, struct file_ioctl_reply *out)
{
	(void)in, (void)out;
	return description_find(rq->badge) ? -ENOTTY : -EBADF;
}

/* Readable at any time, as on Linux: a read waits no longer than the device takes. */
static long rng_poll(struct request *rq, const struct file_poll_req *in, struct file_poll_reply *out)
{
	(void)out;
	if (!description_find(rq->badge))
		return -EBADF;
	return (long)(in->events & (POLLIN | POLLRDNORM));
}

static long rng_path(struct request *rq, const struct file_path_req *in, struct file_path_reply *out)
{
	(void)in, (void)out;
	return description_find(rq->badge) ? stream_put_text(rq, "/dev/hwrng") : -EBADF;
}

static const struct file_ops file_ops = {
	DESCRIPTION_FILE_OPS, STREAM_FILE_OPS,     .read = rng_read, .write = rng_write,
	.ioctl = rng_ioctl,   .mmap = stream_mmap, .poll = rng_poll, .path = rng_path,
};

static long rng_open(struct request *rq, const struct dev_open_req *in, struct dev_open_reply *out)
{
	struct description *d = rq->context ? rq->context : description_new_special(sizeof(*d), in);

	(void)out;
	if (!d)
		return -ENFILE;
	rq->context = d; /* for the run after a crash */
	return request_give_badge(rq, d->badge);
}

static const struct dev_ops dev_ops = { .open = rng_open };
static const struct rng_ops rng_ops = { .seed = do_seed };

static long dispatch(struct request *rq)
{
	switch (IPC_OP_PROTO(rq->op)) {
	case PROTO_ID_FILE: return file_dispatch(&file_ops, rq);
	case PROTO_ID_DEV: return rq->badge & BADGE_SERVICE ? dev_dispatch(&dev_ops, rq) : -EPERM;
	case PROTO_ID_RNG: return rq->badge & BADGE_SERVICE ? rng_dispatch(&rng_ops, rq) : -EPERM;
	}
	return -ENOSYS;
}

static void release(uint64_t badge)
{
	struct description *d = description_find(badge);

	if (d)
		description_delete(d);
}

static void interrupt(uint64_t bits)
{
	uint32_t written;

	(void)bits;
	virtio_interrupt_ack(&device);
	while (virtio_take(&queue, &written) >= 0) {
		available = written < BUFFER ? written : BUFFER;
		filling = false;
		waitq_wake(&waiting);
	}
}

static long start(bool restarted)
{
	long error = virtio_open(&device, VIRTIO_F_INDIRECT);

	(void)restarted;
	if (!error)
		error = dma_open(&buffer, ANOLE_PAGE_SIZE);
	if (!error)
		error = virtio_interrupt_open(&device);
	if (!error)
		error = virtio_queue_open(&device, &queue, 0, 1, 1);
	if (error)
		return error;
	virtio_run(&device);
	return 0;
}

static long shutdown(struct request *rq)
{
	(void)rq;
	virtio_reset(&device);
	return 0;
}

int main(void)
{
	/* Without transactions: it keeps nothing. */
	static const struct service service = {
		.name = "virtio_rng",
		.dispatch = dispatch,
		.start = start,
		.notify = interrupt,
		.release = release,
		.shutdown = shutdown,
	};

	service_main(&service);
}
