/* SPDX-License-Identifier: MIT */
/* mem: the character devices without hardware: null, zero, full, random, urandom, kmsg. */
#include <fs/stream.h>
#include <proto/dev.h>
#include <util/string.h>

#include "mem.h"

#define MEM_MAJOR 1u
enum { MEM_NULL = 3, MEM_ZERO = 5, MEM_FULL = 7, MEM_RANDOM = 8, MEM_URANDOM = 9, MEM_KMSG = 11 };

struct description {
	uint64_t badge;
	uint32_t minor, flags, mode, uid, gid;
	uint64_t device, node, offset; /* offset: of kmsg, in the log */
};

#define DESCRIPTIONS_MAX 4096u
PRESERVED static struct description *table[DESCRIPTIONS_MAX];
PRESERVED static uint64_t generation;

static const uint8_t zeros[16384];

static struct description *find(uint64_t badge)
{
	uint64_t index = (badge & 0xffffffff) - BADGE_FIRST_OWN;

	if (index >= DESCRIPTIONS_MAX || !table[index] || table[index]->badge != badge)
		return NULL;
	return table[index];
}

static const char *name_of(uint64_t minor)
{
	switch (minor) {
	case MEM_NULL:
		return "/dev/null";
	case MEM_ZERO:
		return "/dev/zero";
	case MEM_FULL:
		return "/dev/full";
	case MEM_RANDOM:
		return "/dev/random";
	case MEM_URANDOM:
		return "/dev/urandom";
	case MEM_KMSG:
		return "/dev/kmsg";
	}
	return NULL;
}

/* --- reading -------------------------------------------------------------------------------------- */

static long fill(struct request *rq, bool random)
{
	uint8_t bytes[512];
	const void *from = random ? bytes : zeros;
	size_t limit = random ? sizeof(bytes) : sizeof(zeros), done, piece;
	long status;

	for (done = 0; done < rq->out_length; done += piece) {
		piece = rq->out_length - done < limit ? rq->out_length - done : limit;
		if (random)
			random_bytes(bytes, piece);
		status = request_write(rq, done, from, piece);
		if (status < 0)
			return done ? (long)done : status;
	}
	return (long)done;
}

/* kmsg: the log as text from where this description stands; at its end a read finds nothing. */
static long read_log(struct request *rq, struct description *d)
{
	char text[1024];
	struct klog_read read = { .offset = d->offset, .buffer = (uint64_t)text,
				  .length = rq->out_length < sizeof(text) ? rq->out_length : sizeof(text) };
	long count = kcall(klog_read, &read), status;

	if (count <= 0)
		return count;
	status = request_write(rq, 0, text, (size_t)count);
	if (status < 0)
		return status;
	d->offset = read.offset;
	return count;
}

static long mem_read(struct request *rq, const struct file_read_req *in, struct file_read_reply *out)
{
	struct description *d = find(rq->badge);

	(void)in, (void)out;
	if (!d || (d->flags & O_ACCMODE) == O_WRONLY)
		return -EBADF;
	switch (d->minor) {
	case MEM_NULL:
		return 0;
	case MEM_KMSG:
		return read_log(rq, d);
	default:
		return fill(rq, d->minor == MEM_RANDOM || d->minor == MEM_URANDOM);
	}
}

static long mem_pread(struct request *rq, const struct file_pread_req *in, struct file_pread_reply *out)
{
	(void)in, (void)out;
	return mem_read(rq, NULL, NULL);
}

/* --- writing -------------------------------------------------------------------------------------- */

static long mix(struct request *rq)
{
	uint8_t bytes[256];
	size_t done, piece;
	long status;

	for (done = 0; done < rq->in_length; done += piece) {
		piece = rq->in_length - done < sizeof(bytes) ? rq->in_length - done : sizeof(bytes);
		status = request_read(rq, done, bytes, piece);
		if (status < 0)
			return done ? (long)done : status;
		random_add(bytes, piece);
	}
	return (long)done;
}

static long write_log(struct request *rq)
{
	char text[200];
	size_t length = rq->in_length < sizeof(text) ? rq->in_length : sizeof(text);
	long status = request_read(rq, 0, text, length);

	if (status < 0)
		return status;
	status = kcall(klog_write, text, length);
	return status < 0 ? status : (long)rq->in_length;
}

static long mem_write(struct request *rq, const struct file_write_req *in, struct file_write_reply *out)
{
	struct description *d = find(rq->badge);

	(void)in, (void)out;
	if (!d || (d->flags & O_ACCMODE) == O_RDONLY)
		return -EBADF;
	switch (d->minor) {
	case MEM_FULL:
		return -ENOSPC;
	case MEM_RANDOM:
	case MEM_URANDOM:
		return mix(rq);
	case MEM_KMSG:
		return write_log(rq);
	default:
		return (long)rq->in_length;
	}
}

static long mem_pwrite(struct request *rq, const struct file_pwrite_req *in,
		       struct file_pwrite_reply *out)
{
	(void)in, (void)out;
	return mem_write(rq, NULL, NULL);
}

/* --- the rest of the file protocol ------------------------------------------------------------------ */

/* As on Linux a seek succeeds and means nothing. */
static long mem_lseek(struct request *rq, const struct file_lseek_req *in, struct file_lseek_reply *out)
{
	struct description *d = find(rq->badge);

	(void)out;
	if (!d)
		return -EBADF;
	if (d->minor == MEM_KMSG)
		d->offset = in->whence == 0 ? (uint64_t)in->offset : d->offset;
	return 0;
}

static long mem_fstat(struct request *rq, const struct file_fstat_req *in, struct file_fstat_reply *out)
{
	struct description *d = find(rq->badge);
	struct file_stat stat = { 0 };

	(void)in, (void)out;
	if (!d)
		return -EBADF;
	stat.dev = d->device;
	stat.ino = d->node;
	stat.nlink = 1;
	stat.mode = d->mode;
	stat.uid = d->uid;
	stat.gid = d->gid;
	stat.rdev = dev_make(MEM_MAJOR, d->minor);
	stat.blksize = 4096;
	return stream_put(rq, &stat, sizeof(stat));
}

static long mem_ioctl(struct request *rq, const struct file_ioctl_req *in, struct file_ioctl_reply *out)
{
	(void)in, (void)out;
	return find(rq->badge) ? -ENOTTY : -EBADF;
}

/* A mapping of zero is fresh memory; a private mapping of it copies on write. */
static long mem_mmap(struct request *rq, const struct file_mmap_req *in, struct file_mmap_reply *out)
{
	struct description *d = find(rq->badge);
	uint64_t end = in->offset + in->length;
	long memory;

	if (!d)
		return -EBADF;
	if (d->minor != MEM_ZERO)
		return -ENODEV;
	if (end < in->offset || end > 1ull << 46)
		return -EINVAL;
	memory = kcall(mo_create, end, 0);
	if (memory < 0)
		return memory;
	out->size = end;
	return request_give(rq, (cap_t)memory, (uint32_t)in->rights & (CAP_R | CAP_W | CAP_X), true);
}

static long mem_poll(struct request *rq, const struct file_poll_req *in, struct file_poll_reply *out)
{
	(void)out;
	if (!find(rq->badge))
		return -EBADF;
	return (long)(in->events & (POLLIN | POLLRDNORM | POLLOUT | POLLWRNORM));
}

static long mem_get_flags(struct request *rq, const struct file_get_flags_req *in,
			  struct file_get_flags_reply *out)
{
	struct description *d = find(rq->badge);

	(void)in, (void)out;
	return d ? (long)d->flags : -EBADF;
}

static long mem_set_flags(struct request *rq, const struct file_set_flags_req *in,
			  struct file_set_flags_reply *out)
{
	struct description *d = find(rq->badge);

	(void)out;
	if (!d)
		return -EBADF;
	d->flags = stream_set_flags(d->flags, in->flags);
	return 0;
}

static long mem_path(struct request *rq, const struct file_path_req *in, struct file_path_reply *out)
{
	struct description *d = find(rq->badge);

	(void)in, (void)out;
	return d ? stream_put_text(rq, name_of(d->minor)) : -EBADF;
}

static long mem_identify(struct request *rq, const struct file_identify_req *in,
			 struct file_identify_reply *out)
{
	struct description *d = find(rq->badge);

	(void)in;
	if (!d)
		return -EBADF;
	out->device = d->device;
	out->inode = d->node;
	out->flags = d->flags;
	return S_IFCHR;
}

static const struct file_ops file_ops = {
	.read = mem_read, .write = mem_write, .pread = mem_pread, .pwrite = mem_pwrite,
	.lseek = mem_lseek, .fstat = mem_fstat, .ftruncate = stream_ftruncate, .fsync = stream_fsync,
	.ioctl = mem_ioctl, .mmap = mem_mmap, .poll = mem_poll, .getdents = stream_getdents,
	.get_flags = mem_get_flags, .set_flags = mem_set_flags, .path = mem_path,
	.identify = mem_identify,
};

/* --- opening ------------------------------------------------------------------------------------------ */

static struct description *description_new(const struct dev_open_req *in)
{
	struct description *d;
	uint32_t index = 0;

	while (index < DESCRIPTIONS_MAX && table[index])
		index++;
	if (index == DESCRIPTIONS_MAX)
		return NULL;
	d = pheap_alloc(sizeof(*d));
	if (!d)
		return NULL;
	generation = (generation + 1) & 0x3fffffff;
	d->badge = generation << 32 | (index + BADGE_FIRST_OWN);
	d->minor = (uint32_t)in->minor;
	d->flags = (uint32_t)in->flags & (O_ACCMODE | O_NONBLOCK | O_APPEND);
	d->mode = in->mode ? (uint32_t)in->mode : S_IFCHR | 0666;
	d->uid = (uint32_t)in->owner;
	d->gid = (uint32_t)(in->owner >> 32);
	d->device = in->device;
	d->node = in->node;
	table[index] = d;
	return d;
}

static void release(uint64_t badge)
{
	struct description *d = find(badge);

	if (!d)
		return;
	table[(badge & 0xffffffff) - BADGE_FIRST_OWN] = NULL;
	pheap_free(d);
}

static long mem_open(struct request *rq, const struct dev_open_req *in, struct dev_open_reply *out)
{
	struct description *d;
	long status;

	(void)out;
	if (in->major != MEM_MAJOR || !name_of(in->minor))
		return -ENXIO;
	d = description_new(in);
	if (!d)
		return -ENFILE;
	status = request_give_badge(rq, d->badge);
	if (status < 0)
		release(d->badge);
	return status;
}

static const struct dev_ops dev_ops = { .open = mem_open };

static long dispatch(struct request *rq)
{
	if (IPC_OP_PROTO(rq->op) == PROTO_ID_FILE)
		return file_dispatch(&file_ops, rq);
	if (IPC_OP_PROTO(rq->op) == PROTO_ID_DEV)
		return rq->badge >= BADGE_SERVICE ? dev_dispatch(&dev_ops, rq) : -EPERM;
	return -ENOSYS;
}

static long start(bool restarted)
{
	(void)restarted;
	random_start();
	return 0;
}

static const struct service service = {
	.name = "mem", .dispatch = dispatch, .start = start, .release = release,
};

int main(void)
{
	service_main(&service);
}
