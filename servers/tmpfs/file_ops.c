/* SPDX-License-Identifier: MIT */
/* What processes ask of an open file: the file protocol. */
#include "tmpfs.h"

#define SEEK_SET 0
#define SEEK_CUR 1
#define SEEK_END 2
#define SEEK_DATA 3
#define SEEK_HOLE 4
#define KEEP_SIZE 1u

#define F(op) struct request *rq, const struct file_##op##_req *in, struct file_##op##_reply *out
#define UNUSED ((void)rq, (void)in, (void)out)

static bool readable(const struct description *d)
{
	return (d->flags & O_ACCMODE) != O_WRONLY && !d->exec;
}

static bool writable(const struct description *d)
{
	return (d->flags & O_ACCMODE) != O_RDONLY;
}

/* Unless a read since the last change has been noted already (Linux's relatime). */
static void note_access(struct description *d)
{
	struct node *node = d->node;

	if (d->flags & O_NOATIME)
		return;
	if (node->atime.seconds > node->mtime.seconds && node->atime.seconds > node->ctime.seconds)
		return;
	if (node->atime.seconds == node->mtime.seconds && node->atime.nanoseconds > node->mtime.nanoseconds)
		return;
	node->atime = now();
	changed(node);
}

static long read_at(struct request *rq, struct description *d, uint64_t offset)
{
	struct node *node = d->node;
	uint64_t length = rq->out_length;
	long done;

	if (offset >= node->size)
		return 0;
	if (length > node->size - offset)
		length = node->size - offset;
	note_access(d);
	/* The size may be set beyond the memory: what lies there is zero. */
	if (__builtin_expect(offset + length > node->capacity, 0)) {
		done = data_grow(node, offset + length);
		if (done < 0)
			return done;
	}
	return request_write_memory(rq, 0, node->memory, offset, length);
}

static long file_read(F(read))
{
	struct description *d = description_find(rq->badge);
	long done;

	UNUSED;
	if (!d || !readable(d))
		return -EBADF;
	done = read_at(rq, d, d->offset);
	if (done > 0)
		d->offset = d->offset + (uint64_t)done;
	return done;
}

static long file_pread(F(pread))
{
	struct description *d = description_find(rq->badge);

	UNUSED;
	if (!d || !(readable(d) || d->exec))
		return -EBADF;
	if ((int64_t)in->offset < 0)
		return -EINVAL;
	return read_at(rq, d, in->offset);
}

/* The file-size limit of the process; the caller raises SIGXFSZ on EFBIG. */
static long within_limit(const struct request *rq, uint64_t offset, uint64_t *length)
{
	const struct process_entry *process = process_find(rq->stamp);

	if (!process || !process->limit_file_size)
		return 0;
	if (offset >= process->limit_file_size)
		return -EFBIG;
	if (*length > process->limit_file_size - offset)
		*length = process->limit_file_size - offset;
	return 0;
}

static void drop_set_id(const struct request *rq, struct node *node)
{
	struct creds creds;

	creds_of(rq->stamp, &creds, false);
	if (!creds.uid)
		return;
	node->mode &= ~(uint32_t)S_ISUID;
	if (node->mode & 010)
		node->mode &= ~(uint32_t)S_ISGID;
}

static long write_at(struct request *rq, struct node *node, uint64_t offset)
{
	uint64_t length = rq->in_length;
	long status;

	if (!length)
		return 0;
	if (offset + length > node->size) {
		status = within_limit(rq, offset, &length);
		if (status)
			return status;
	}
	status = data_reserve(node, offset, length);
	if (status < 0)
		return status;
	status = request_read_memory(rq, 0, node->memory, offset, (size_t)status);
	if (status < 0)
		return status;
	if (!status) /* no memory left to whoever writes */
		return -ENOSPC;
	data_written(node, offset, (uint64_t)status);
	if (node->mode & (S_ISUID | S_ISGID))
		drop_set_id(rq, node);
	touch(node);
	return status;
}

static long file_write(F(write))
{
	struct description *d = description_find(rq->badge);
	uint64_t offset;
	long done;

	UNUSED;
	if (!d || !writable(d))
		return -EBADF;
	offset = d->flags & O_APPEND ? d->node->size : d->offset;
	done = write_at(rq, d->node, offset);
	if (done > 0)
		d->offset = offset + (uint64_t)done;
	return done;
}

static long file_pwrite(F(pwrite))
{
	struct description *d = description_find(rq->badge);

	UNUSED;
	if (!d || !writable(d))
		return -EBADF;
	if ((int64_t)in->offset < 0)
		return -EINVAL;
	/* As Linux does, against POSIX: O_APPEND holds for pwrite too. */
	return write_at(rq, d->node, d->flags & O_APPEND ? d->node->size : in->offset);
}

static long file_lseek(F(lseek))
{
	struct description *d = description_find(rq->badge);
	int64_t base = 0, offset;

	UNUSED;
	if (!d)
		return -EBADF;
	switch (in->whence) {
	case SEEK_SET: break;
	case SEEK_CUR: base = (int64_t)d->offset; break;
	case SEEK_END: base = (int64_t)d->node->size; break;
	case SEEK_DATA:
	case SEEK_HOLE:
		offset = in->offset < 0 ? -ENXIO
					: data_seek(d->node, (uint64_t)in->offset, in->whence == SEEK_HOLE);
		if (offset >= 0)
			d->offset = (uint64_t)offset;
		return offset;
	default: return -EINVAL;
	}
	if (__builtin_add_overflow(base, in->offset, &offset))
		return -EOVERFLOW;
	if (offset < 0)
		return -EINVAL;
	d->offset = (uint64_t)offset;
	return offset;
}

static long file_fstat(F(fstat))
{
	struct description *d = description_find(rq->badge);
	struct file_stat stat;

	UNUSED;
	if (!d)
		return -EBADF;
	if (rq->out_length < sizeof(stat))
		return -EINVAL;
	node_stat(d->node, &stat);
	return request_write(rq, 0, &stat, sizeof(stat)) < 0 ? -EFAULT : 0;
}

static long file_ftruncate(F(ftruncate))
{
	struct description *d = description_find(rq->badge);
	uint64_t growth = 1;
	long status;

	UNUSED;
	if (!d || !writable(d))
		return d ? -EINVAL : -EBADF;
	if ((int64_t)in->size < 0)
		return -EINVAL;
	if (in->size > d->node->size) {
		status = within_limit(rq, in->size - 1, &growth);
		if (status)
			return status;
	}
	status = data_truncate(d->node, in->size);
	if (!status)
		touch(d->node);
	return status;
}

static long file_allocate(F(allocate))
{
	struct description *d = description_find(rq->badge);
	uint64_t end;
	long status;

	UNUSED;
	if (!d || !writable(d))
		return -EBADF;
	if (in->mode & ~(uint64_t)KEEP_SIZE)
		return -EOPNOTSUPP;
	if (!in->length || __builtin_add_overflow(in->offset, in->length, &end) || (int64_t)end < 0)
		return -EINVAL;
	status = data_reserve(d->node, in->offset, in->length);
	if (status >= 0 && (uint64_t)status < in->length)
		status = -ENOSPC;
	if (status < 0)
		return status;
	touch(d->node);
	if (!(in->mode & KEEP_SIZE) && end > d->node->size)
		d->node->size = end;
	return 0;
}

static long file_fsync(F(fsync))
{
	UNUSED;
	return description_find(rq->badge) ? 0 : -EBADF;
}

static long file_ioctl(F(ioctl))
{
	struct description *d = description_find(rq->badge);
	int32_t left;

	UNUSED;
	if (!d)
		return -EBADF;
	if (in->request != 0x541b) /* FIONREAD */
		return -ENOTTY;
	left = d->node->size > d->offset ? (int32_t)(d->node->size - d->offset) : 0;
	if (rq->out_length < sizeof(left))
		return -EINVAL;
	return request_write(rq, 0, &left, sizeof(left)) < 0 ? -EFAULT : 0;
}

static long file_mmap(F(mmap))
{
	struct description *d = description_find(rq->badge);
	cap_t memory;
	long status;

	if (!d)
		return -EBADF;
	if (!readable(d) && !d->exec)
		return -EACCES;
	if ((in->rights & CAP_W) && ((d->flags & O_ACCMODE) != O_RDWR || d->exec))
		return -EACCES;
	status = data_map(d->node, &memory);
	if (status < 0)
		return status;
	if (in->rights & CAP_W) {
		d->node->mapped_shared = true;
		changed(d->node);
	}
	out->size = d->node->size;
	return request_give(rq, memory, (uint32_t)in->rights & (CAP_R | CAP_W | CAP_X), false);
}

static long file_poll(F(poll))
{
	UNUSED;
	if (!description_find(rq->badge))
		return -EBADF;
	return (long)(in->events & (POLLIN | POLLOUT | POLLRDNORM | POLLWRNORM));
}

static long file_getdents(F(getdents))
{
	UNUSED;
	return -ENOTDIR;
}

static long file_get_flags(F(get_flags))
{
	struct description *d = description_find(rq->badge);

	UNUSED;
	return d ? (long)(d->flags | O_LARGEFILE) : -EBADF;
}

static long file_set_flags(F(set_flags))
{
	struct description *d = description_find(rq->badge);
	uint32_t mask = O_APPEND | O_NONBLOCK | O_DIRECT | O_NOATIME;

	UNUSED;
	if (!d)
		return -EBADF;
	d->flags = (d->flags & ~mask) | ((uint32_t)in->flags & mask);
	return 0;
}

static long file_set_attr(F(set_attr))
{
	struct description *d = description_find(rq->badge);
	struct attr_change change = {
		.valid = (uint32_t)in->valid & 0x7f,
		.mode = (uint32_t)in->mode,
		.uid = (uint32_t)in->uid,
		.gid = (uint32_t)in->gid,
		.atime = in->atime,
		.atime_nsec = in->atime_nsec,
		.mtime = in->mtime,
		.mtime_nsec = in->mtime_nsec,
	};
	struct attr_owner owner;
	struct creds creds;
	long status;

	UNUSED;
	if (!d)
		return -EBADF;
	owner = (struct attr_owner){ d->node->mode, d->node->uid, d->node->gid };
	creds_of(rq->stamp, &creds, false);
	status = attr_check(&creds, &owner, &change);
	if (status)
		return status;
	attr_resolve_now(&change);
	node_set_attr(d->node, &change);
	return 0;
}

static long file_flock(F(flock))
{
	struct description *d = description_find(rq->badge);

	UNUSED;
	return d ? flock_request(rq, &d->node->locks, rq->badge, in->operation) : -EBADF;
}

static long file_lock(F(lock))
{
	struct description *d = description_find(rq->badge);

	if (!d)
		return -EBADF;
	if (in->command &&
	    ((in->type == LOCK_TYPE_READ && !readable(d)) || (in->type == LOCK_TYPE_WRITE && !writable(d))))
		return -EBADF;
	return lock_request(rq, &d->node->locks, in, out);
}

static long file_close_notice(F(close_notice))
{
	struct description *d = description_find(rq->badge);

	UNUSED;
	if (d)
		locks_close_notice(&d->node->locks, rq->stamp);
	return 0;
}

static long file_statfs(F(statfs))
{
	struct description *d = description_find(rq->badge);
	struct file_statfs statfs;

	UNUSED;
	if (!d)
		return -EBADF;
	if (rq->out_length < sizeof(statfs))
		return -EINVAL;
	mount_statfs(d->node->mount, &statfs);
	return request_write(rq, 0, &statfs, sizeof(statfs)) < 0 ? -EFAULT : 0;
}

static long file_identify(F(identify))
{
	struct description *d = description_find(rq->badge);

	UNUSED;
	if (!d)
		return -EBADF;
	out->device = d->node->mount->device;
	out->inode = d->node->number;
	out->flags = d->flags;
	return (long)(d->node->mode & S_IFMT);
}

static long file_path(F(path))
{
	static char text[PATH_LENGTH_MAX];
	struct description *d = description_find(rq->badge);
	char *start;
	long status;

	UNUSED;
	if (!d)
		return -EBADF;
	status = node_path(d->node, text, sizeof(text), &start);
	if (status)
		return status;
	if ((size_t)(text + sizeof(text) - start) > rq->out_length)
		return -ERANGE;
	return request_write(rq, 0, start, (size_t)(text + sizeof(text) - start));
}

const struct file_ops tmpfs_file_ops = {
	.read = file_read,
	.write = file_write,
	.pread = file_pread,
	.pwrite = file_pwrite,
	.lseek = file_lseek,
	.fstat = file_fstat,
	.ftruncate = file_ftruncate,
	.fsync = file_fsync,
	.ioctl = file_ioctl,
	.mmap = file_mmap,
	.poll = file_poll,
	.getdents = file_getdents,
	.get_flags = file_get_flags,
	.set_flags = file_set_flags,
	.set_attr = file_set_attr,
	.flock = file_flock,
	.lock = file_lock,
	.close_notice = file_close_notice,
	.statfs = file_statfs,
	.allocate = file_allocate,
	.path = file_path,
	.identify = file_identify,
};
