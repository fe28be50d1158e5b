/* SPDX-License-Identifier: MIT */
/* Opening block special files, and what can be done with them then. */
#include "block.h"

#include <fs/stream.h>
#include <util/string.h>

#define PAGE_BITS 12u
#define PAGE 4096ul
#define SETTABLE (O_APPEND | O_NONBLOCK | O_DIRECT)

#define BLKROGET 0x125eu
#define BLKRRPART 0x125fu
#define BLKGETSIZE 0x1260u
#define BLKFLSBUF 0x1261u
#define BLKSSZGET 0x1268u
#define BLKIOMIN 0x1278u
#define BLKIOOPT 0x1279u
#define BLKALIGNOFF 0x127au
#define BLKPBSZGET 0x127bu
#define BLKBSZGET 0x80081270u
#define BLKGETSIZE64 0x80081272u

PRESERVED struct description_table descriptions;

static uint64_t size_of(const struct device *device)
{
	return device->sectors * SECTOR;
}

/* --- opening ---------------------------------------------------------------------------------------- */

static long make_description(struct request *rq, struct device *device, const struct dev_open_req *in)
{
	struct opened *d = description_new_special(sizeof(*d), in);
	long status;

	if (!d)
		return -ENFILE;
	d->base.flags |= O_LARGEFILE | ((uint32_t)in->flags & (O_DSYNC | O_DIRECT));
	d->device = device;
	device->opens++;
	rq->context = d;
	status = request_give_badge(rq, d->base.badge);
	if (status < 0)
		file_release(d->base.badge);
	return status < 0 ? status : 0;
}

static long dev_open(struct request *rq, const struct dev_open_req *in, struct dev_open_reply *out)
{
	struct device *device = device_by_number(in->major, in->minor);
	long status;

	(void)out;
	if (rq->badge != DEVICE_BADGE)
		return -EPERM;
	if (!device)
		return -ENXIO;
	if (device->read_only && (in->flags & O_ACCMODE) != O_RDONLY)
		return -EROFS;
	if (rq->context)
		return request_give_badge(rq, ((struct opened *)rq->context)->base.badge);
	status = cache_open(device);
	return status < 0 ? status : make_description(rq, device, in);
}

/* progress[0]: the capability for the range plus one, or the error. */
static void range_made(struct acall *call)
{
	struct request *rq = call->owner;

	if (rq->token != call->tag[0])
		return; /* it has gone */
	rq->progress[0] = 1;
	rq->progress[1] = call->status < 0 || !call->received_count ? 0 : (uint64_t)call->received[0].slot;
	rq->progress[2] = (uint64_t)call->status;
	request_wake(rq);
}

static long ask_range(struct request *rq, const struct device *device, bool read_only)
{
	static struct waitq asked;
	struct blk_range_req request = { device->start, device->sectors, read_only };
	struct acall *call = acall_new(range_made, rq);

	if (!call)
		return -ENOMEM;
	call->tag[0] = rq->token;
	blk_send_range(call, disks[device->disk].driver, &request);
	return request_park(rq, &asked);
}

/* Whoever mounts it has a cache of his own: what lies in ours is written first, and forgotten. */
static long dev_open_block(struct request *rq, const struct dev_open_block_req *in,
			   struct dev_open_block_reply *out)
{
	struct device *device = device_by_number(in->major, in->minor);
	bool read_only = (in->flags & O_ACCMODE) == O_RDONLY;
	long status;

	if (rq->badge != DEVICE_BADGE)
		return -EPERM;
	if (!device)
		return -ENXIO;
	if (device->read_only && !read_only)
		return -EROFS;
	if (device->memory && !rq->progress[0]) {
		status = device->dirty || device->writing ? cache_sync(rq, device) : 0;
		if (status)
			return status;
		cache_drop_clean(device);
	}
	if (!rq->progress[0])
		return ask_range(rq, device, read_only);
	if (!rq->progress[1])
		return (long)rq->progress[2] < 0 ? (long)rq->progress[2] : -EIO;
	out->sectors = device->sectors;
	return request_give(rq, (cap_t)rq->progress[1], CAP_ALL, true);
}

void file_release(uint64_t badge)
{
	struct opened *d = description_find(badge);

	if (!d)
		return;
	locks_close_description(&d->device->locks, badge);
	if (d->device->opens)
		d->device->opens--;
	description_delete(d);
}

/* --- reading and writing ------------------------------------------------------------------------------- */

static long wait(struct request *rq, struct device *device, long status)
{
	return status == CACHE_WAIT ? request_park(rq, &device->waiting) : status;
}

/* progress[0]: bytes done; a failed fill shows as an error of the device. */
static long read_at(struct request *rq, struct opened *d, uint64_t offset)
{
	struct device *device = d->device;
	uint64_t done = rq->progress[0], length = rq->out_length, left;

	if (offset >= size_of(device))
		return 0;
	left = size_of(device) - offset;
	if (length > left)
		length = left;
	while (done < length) {
		uint64_t at = offset + done;
		long n = request_write_memory(rq, done, device->memory, at, length - done);

		if (n < 0)
			return n;
		done += (uint64_t)n;
		rq->progress[0] = done;
		if (done == length || (n == 0 && device->error))
			break;
		n = cache_fill(device, (offset + done) >> PAGE_BITS, ((length - done) >> PAGE_BITS) + 1);
		if (n < 0)
			return n == CACHE_WAIT ? wait(rq, device, n) : n;
	}
	if (done < length) {
		long error = device->error;

		device->error = 0;
		return done ? (long)done : error;
	}
	return (long)done;
}

/* Pages written in part are read first, the others only made present. */
static long prepare(struct device *device, uint64_t offset, uint64_t length)
{
	uint64_t first = offset >> PAGE_BITS, last = (offset + length - 1) >> PAGE_BITS;
	uint64_t end = offset + length;
	long status = 0;

	if (offset & (PAGE - 1))
		status = cache_fill(device, first++, 1);
	if (status == 0 && last >= first && (end & (PAGE - 1)) && end != size_of(device))
		status = cache_fill(device, last--, 1);
	if (status == 0 && last + 1 > first)
		status = cache_zero(device, first, last + 1 - first);
	return status;
}

static long write_at(struct request *rq, struct opened *d, uint64_t offset)
{
	struct device *device = d->device;
	uint64_t length = rq->in_length;
	long status, n;

	if (!length)
		return 0;
	if (offset >= size_of(device))
		return -ENOSPC;
	if (length > size_of(device) - offset)
		length = size_of(device) - offset;
	n = request_read_memory(rq, 0, device->memory, offset, length);
	if (n >= 0 && (uint64_t)n < length) {
		status = prepare(device, offset, length);
		if (status < 0)
			return wait(rq, device, status);
		n = request_read_memory(rq, 0, device->memory, offset, length);
	}
	if (n > 0)
		cache_written(device);
	cache_limit();
	return n;
}

static bool readable(const struct opened *d)
{
	return d && (d->base.flags & O_ACCMODE) != O_WRONLY;
}

static bool writable(const struct opened *d)
{
	return d && (d->base.flags & O_ACCMODE) != O_RDONLY;
}

static long file_pread(struct request *rq, const struct file_pread_req *in, struct file_pread_reply *out)
{
	struct opened *d = description_find(rq->badge);

	(void)out;
	if (!readable(d))
		return -EBADF;
	return (int64_t)in->offset < 0 ? -EINVAL : read_at(rq, d, in->offset);
}

static long file_read(struct request *rq, const struct file_read_req *in, struct file_read_reply *out)
{
	struct opened *d = description_find(rq->badge);
	long status;

	(void)in, (void)out;
	if (!readable(d))
		return -EBADF;
	status = read_at(rq, d, d->offset);
	if (status > 0)
		d->offset += (uint64_t)status;
	cache_limit();
	return status;
}

static long file_pwrite(struct request *rq, const struct file_pwrite_req *in, struct file_pwrite_reply *out)
{
	struct opened *d = description_find(rq->badge);

	(void)out;
	if (!writable(d))
		return -EBADF;
	return (int64_t)in->offset < 0 ? -EINVAL : write_at(rq, d, in->offset);
}

static long file_write(struct request *rq, const struct file_write_req *in, struct file_write_reply *out)
{
	struct opened *d = description_find(rq->badge);
	long status;

	(void)in, (void)out;
	if (!writable(d))
		return -EBADF;
	status = write_at(rq, d, d->offset);
	if (status > 0)
		d->offset += (uint64_t)status;
	return status;
}

static long file_lseek(struct request *rq, const struct file_lseek_req *in, struct file_lseek_reply *out)
{
	struct opened *d = description_find(rq->badge);
	int64_t to = in->offset, base;

	(void)out;
	if (!d)
		return -EBADF;
	base = in->whence == 1 ? (int64_t)d->offset : in->whence == 2 ? (int64_t)size_of(d->device) : 0;
	if (in->whence > 2 || __builtin_add_overflow(to, base, &to) || to < 0 ||
	    (uint64_t)to > size_of(d->device))
		return -EINVAL;
	d->offset = (uint64_t)to;
	return to;
}

/* --- the rest ------------------------------------------------------------------------------------------------ */

static long file_ftruncate(struct request *rq, const struct file_ftruncate_req *in,
			   struct file_ftruncate_reply *out)
{
	(void)rq, (void)in, (void)out;
	return -EINVAL;
}

static long file_fsync(struct request *rq, const struct file_fsync_req *in, struct file_fsync_reply *out)
{
	struct opened *d = description_find(rq->badge);

	(void)in, (void)out;
	return d ? cache_sync(rq, d->device) : -EBADF;
}

static long put_int(struct request *rq, uint32_t value)
{
	return stream_put(rq, &value, sizeof value);
}

static long put_long(struct request *rq, uint64_t value)
{
	return stream_put(rq, &value, sizeof value);
}

static long flush_buffers(struct request *rq, struct device *device)
{
	long status = cache_sync(rq, device);

	if (status == 0)
		cache_drop_clean(device);
	return status;
}

static long file_ioctl(struct request *rq, const struct file_ioctl_req *in, struct file_ioctl_reply *out)
{
	struct opened *d = description_find(rq->badge);

	(void)out;
	if (!d)
		return -EBADF;
	switch (in->request) {
	case BLKGETSIZE64: return put_long(rq, size_of(d->device));
	case BLKGETSIZE: return put_long(rq, d->device->sectors);
	case BLKSSZGET:
	case BLKPBSZGET:
	case BLKIOMIN: return put_int(rq, SECTOR);
	case BLKBSZGET: return put_int(rq, PAGE);
	case BLKIOOPT:
	case BLKALIGNOFF: return put_int(rq, 0);
	case BLKROGET: return put_int(rq, d->device->read_only);
	case BLKFLSBUF: return flush_buffers(rq, d->device);
	case BLKRRPART: /* the table is read when the disk appears */ return -EINVAL;
	}
	return -ENOTTY;
}

static long file_mmap(struct request *rq, const struct file_mmap_req *in, struct file_mmap_reply *out)
{
	struct opened *d = description_find(rq->badge);
	uint32_t rights = (uint32_t)in->rights & (CAP_R | CAP_W | CAP_X);

	if (!d)
		return -EBADF;
	if (!readable(d) || ((rights & CAP_W) && !writable(d)))
		return -EACCES;
	if (rights & CAP_W)
		cache_written(d->device);
	out->size = size_of(d->device);
	return request_give(rq, d->device->memory, rights, false);
}

static long file_poll(struct request *rq, const struct file_poll_req *in, struct file_poll_reply *out)
{
	(void)out;
	return description_find(rq->badge) ? (long)(in->events & (POLLIN | POLLOUT | POLLRDNORM | POLLWRNORM))
					   : -EBADF;
}

static long file_set_flags(struct request *rq, const struct file_set_flags_req *in,
			   struct file_set_flags_reply *out)
{
	struct opened *d = description_find(rq->badge);

	(void)out;
	if (!d)
		return -EBADF;
	d->base.flags = (d->base.flags & ~(uint32_t)SETTABLE) | ((uint32_t)in->flags & SETTABLE);
	return 0;
}

/* The special file is on another server. */
static long file_set_attr(struct request *rq, const struct file_set_attr_req *in,
			  struct file_set_attr_reply *out)
{
	(void)in, (void)out;
	return description_find(rq->badge) ? -EOPNOTSUPP : -EBADF;
}

static long file_flock(struct request *rq, const struct file_flock_req *in, struct file_flock_reply *out)
{
	struct opened *d = description_find(rq->badge);

	(void)out;
	return d ? flock_request(rq, &d->device->locks, rq->badge, in->operation) : -EBADF;
}

static long file_lock(struct request *rq, const struct file_lock_req *in, struct file_lock_reply *out)
{
	struct opened *d = description_find(rq->badge);

	return d ? lock_request(rq, &d->device->locks, in, out) : -EBADF;
}

static long file_close_notice(struct request *rq, const struct file_close_notice_req *in,
			      struct file_close_notice_reply *out)
{
	struct opened *d = description_find(rq->badge);

	(void)in, (void)out;
	if (!d)
		return -EBADF;
	locks_close_notice(&d->device->locks, rq->stamp);
	return 0;
}

static long file_statfs(struct request *rq, const struct file_statfs_req *in, struct file_statfs_reply *out)
{
	(void)in, (void)out;
	return description_find(rq->badge) ? -ENOSYS : -EBADF;
}

static long file_allocate(struct request *rq, const struct file_allocate_req *in,
			  struct file_allocate_reply *out)
{
	(void)in, (void)out;
	return description_find(rq->badge) ? -ENODEV : -EBADF;
}

static long file_path(struct request *rq, const struct file_path_req *in, struct file_path_reply *out)
{
	struct opened *d = description_find(rq->badge);
	char path[32];

	(void)in, (void)out;
	if (!d)
		return -EBADF;
	snprintf(path, sizeof path, "/dev/%s", d->device->name);
	return stream_put_text(rq, path);
}

const struct file_ops file_handlers = {
	.read = file_read,
	.write = file_write,
	.pread = file_pread,
	.pwrite = file_pwrite,
	.lseek = file_lseek,
	.fstat = description_fstat,
	.ftruncate = file_ftruncate,
	.fsync = file_fsync,
	.ioctl = file_ioctl,
	.mmap = file_mmap,
	.poll = file_poll,
	.getdents = stream_getdents,
	.get_flags = description_get_flags,
	.set_flags = file_set_flags,
	.set_attr = file_set_attr,
	.flock = file_flock,
	.lock = file_lock,
	.close_notice = file_close_notice,
	.statfs = file_statfs,
	.allocate = file_allocate,
	.path = file_path,
	.identify = description_identify,
};

static long dev_list(struct request *rq, const struct dev_list_req *in, struct dev_list_reply *out)
{
	static char text[16384];
	size_t length = 0;

	(void)out;
	if (!(rq->badge & BADGE_SERVICE))
		return -EPERM;
	for (uint32_t i = 0; i < DISKS_MAX * MINORS && length < sizeof text - 80; i++)
		if (devices[i].present)
			length +=
			    (size_t)snprintf(text + length, sizeof text - length, "%4u %8u %10lu %s\n", MAJOR,
					     devices[i].minor, devices[i].sectors / 2, devices[i].name);
	if (in->offset >= length)
		return 0;
	length -= in->offset;
	return request_write(rq, 0, text + in->offset, length < rq->out_length ? length : rq->out_length);
}

static long dev_sync(struct request *rq, const struct dev_sync_req *in, struct dev_sync_reply *out)
{
	(void)in, (void)out;
	return cache_sync_all(rq);
}

static long dev_drop_caches(struct request *rq, const struct dev_drop_caches_req *in,
			    struct dev_drop_caches_reply *out)
{
	(void)rq, (void)out;
	if (in->which & 1)
		cache_drop_all();
	return 0;
}

const struct dev_ops device_handlers = {
	.open = dev_open,
	.open_block = dev_open_block,
	.list = dev_list,
	.sync = dev_sync,
	.drop_caches = dev_drop_caches,
};
