/* SPDX-License-Identifier: MIT */
/* block: partitions and block special files. */
#include "block.h"

/* A page of a device's cache is missing somewhere. The badge is the device. */
static long page_fault(struct request *rq)
{
	struct device *device = (struct device *)rq->badge;
	long status;

	if (device < devices || device >= devices + DISKS_MAX * MINORS || !device->memory)
		return -EIO;
	if (device->error && rq->progress[0]++)
		return -EIO;
	status = cache_fill(device, rq->words[0], 1);
	return status == CACHE_WAIT ? request_park(rq, &device->waiting) : status;
}

static long dispatch(struct request *rq)
{
	switch (IPC_OP_PROTO(rq->op)) {
	case PROTO_ID_FILE: return file_dispatch(&file_handlers, rq);
	case PROTO_ID_DEV: return dev_dispatch(&device_handlers, rq);
	case PROTO_ID_KERNEL:
		return rq->op == IPC_OP(PROTO_ID_KERNEL, IPC_KERNEL_PAGE) ? page_fault(rq) : -ENOSYS;
	}
	return -ENOSYS;
}

static long start(bool restarted)
{
	long status = disks_start(restarted);

	if (status == 0 && restarted)
		cache_restart();
	return status;
}

/* The disk answers soon. */
static long cancel(struct request *rq)
{
	if (rq->caller_dead || rq->op == file_op_flock || rq->op == file_op_lock)
		return -EINTR;
	return PARK;
}

/* Without transactions: pages come and go by kernel calls, which cannot be taken back; what is taken to be written is
 * noted before, and marked dirty again by the next incarnation (cache.c). */
static const struct service service = {
	.name = "block",
	.dispatch = dispatch,
	.start = start,
	.release = file_release,
	.cancel = cancel,
	.shutdown = cache_sync_all,
};

int main(void)
{
	service_main(&service);
}
