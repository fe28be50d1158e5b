/* SPDX-License-Identifier: MIT */
/* mem: the character devices without hardware: null, zero, full, random, urandom, kmsg. */
#include <fs/description.h>
#include <fs/stream.h>
#include <proto/dev.h>
#include <util/string.h>

#include <sys/random.h>

#define MEM_MAJOR 1u
enum { MEM_NULL = 3, MEM_ZERO = 5, MEM_FULL = 7, MEM_RANDOM = 8, MEM_URANDOM = 9, MEM_KMSG = 11 };

struct mem {
	struct description d;
	uint32_t minor;
	uint64_t offset; /* of kmsg, in the log */
};

PRESERVED struct description_table descriptions;

static const uint8_t zeros[16384];

static const char *name_of(uint64_t minor)
{
	switch (minor) {
	case MEM_NULL: return "/dev/null";
	case MEM_ZERO: return "/dev/zero";
	case MEM_FULL: return "/dev/full";
	case MEM_RANDOM: return "/dev/random";
	case MEM_URANDOM: return "/dev/urandom";
	case MEM_KMSG: return "/dev/kmsg";
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
static long read_log(struct request *rq, struct mem *mem)
{
	char text[1024];
	struct klog_read read = { .offset = mem->offset,
				  .buffer = (uint64_t)text,
				  .length = rq->out_length < sizeof(text) ? rq->out_length : sizeof(text) };
	long count = kcall(klog_read, &read), status;

	if (count <= 0)
		return count;
	status = request_write(rq, 0, text, (size_t)count);
	if (status < 0)
		return status;
	mem->offset = read.offset;
	return count;
}

static long mem_read(struct request *rq, const struct file_read_req *in, struct file_read_reply *out)
{
	struct mem *mem = description_find(rq->badge);

	(void)in, (void)out;
	if (!mem || (mem->d.flags & O_ACCMODE) == O_WRONLY)
		return -EBADF;
	switch (mem->minor) {
	case MEM_NULL: return 0;
	case MEM_KMSG: return read_log(rq, mem);
	default: return fill(rq, mem->minor == MEM_RANDOM || mem->minor == MEM_URANDOM);
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
	struct mem *mem = description_find(rq->badge);

	(void)in, (void)out;
	if (!mem || (mem->d.flags & O_ACCMODE) == O_RDONLY)
		return -EBADF;
	switch (mem->minor) {
	case MEM_FULL: return -ENOSPC;
	case MEM_RANDOM:
	case MEM_URANDOM: return mix(rq);
	case MEM_KMSG: return write_log(rq);
	default: return (long)rq->in_length;
	}
}

static long mem_pwrite(struct request *rq, const struct file_pwrite_req *in, struct file_pwrite_reply *out)
{
	(void)in, (void)out;
	return mem_write(rq, NULL, NULL);
}

/* --- the rest of the file protocol ------------------------------------------------------------------ */

/* As on Linux a seek succeeds and means nothing. */
static long mem_lseek(struct request *rq, const struct file_lseek_req *in, struct file_lseek_reply *out)
{
	struct mem *mem = description_find(rq->badge);

	(void)out;
	if (!mem)
		return -EBADF;
	if (mem->minor == MEM_KMSG)
		mem->offset = in->whence == 0 ? (uint64_t)in->offset : mem->offset;
	return 0;
}

static long mem_ioctl(struct request *rq, const struct file_ioctl_req *in, struct file_ioctl_reply *out)
{
	(void)in, (void)out;
	return description_find(rq->badge) ? -ENOTTY : -EBADF;
}

/* A mapping of zero is fresh memory; a private mapping of it copies on write. */
static long mem_mmap(struct request *rq, const struct file_mmap_req *in, struct file_mmap_reply *out)
{
	struct mem *mem = description_find(rq->badge);
	uint64_t end = in->offset + in->length;
	long memory;

	if (!mem)
		return -EBADF;
	if (mem->minor != MEM_ZERO)
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
	if (!description_find(rq->badge))
		return -EBADF;
	return (long)(in->events & (POLLIN | POLLRDNORM | POLLOUT | POLLWRNORM));
}

static long mem_path(struct request *rq, const struct file_path_req *in, struct file_path_reply *out)
{
	struct mem *mem = description_find(rq->badge);

	(void)in, (void)out;
	return mem ? stream_put_text(rq, name_of(mem->minor)) : -EBADF;
}

static const struct file_ops file_ops = {
	DESCRIPTION_FILE_OPS,
	.read = mem_read,
	.write = mem_write,
	.pread = mem_pread,
	.pwrite = mem_pwrite,
	.lseek = mem_lseek,
	.ftruncate = stream_ftruncate,
	.fsync = stream_fsync,
	.ioctl = mem_ioctl,
	.mmap = mem_mmap,
	.poll = mem_poll,
	.getdents = stream_getdents,
	.path = mem_path,
};

/* --- opening ------------------------------------------------------------------------------------------ */

static void release(uint64_t badge)
{
	struct mem *mem = description_find(badge);

	if (mem)
		description_delete(mem);
}

static long mem_open(struct request *rq, const struct dev_open_req *in, struct dev_open_reply *out)
{
	struct mem *mem;
	long status;

	(void)out;
	if (in->major != MEM_MAJOR || !name_of(in->minor))
		return -ENXIO;
	mem = description_new_special(sizeof(*mem), in);
	if (!mem)
		return -ENFILE;
	mem->minor = (uint32_t)in->minor;
	status = request_give_badge(rq, mem->d.badge);
	if (status < 0)
		description_delete(mem);
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

/* Without transactions: it keeps nothing but who has what open. */
static const struct service service = {
	.name = "mem",
	.dispatch = dispatch,
	.start = start,
	.release = release,
};

int main(void)
{
	service_main(&service);
}
