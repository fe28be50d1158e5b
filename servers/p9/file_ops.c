/* SPDX-License-Identifier: MIT */
/* What processes ask of an open file: the file protocol. */
#include <fs/stream.h>

#include "p9.h"

#define SEEK_SET 0
#define SEEK_CUR 1
#define SEEK_END 2
#define F(op) struct request *rq, const struct file_##op##_req *in, struct file_##op##_reply *out
#define UNUSED ((void)rq, (void)in, (void)out)

static bool readable(const struct opened *file)
{
	return (file->d.flags & O_ACCMODE) != O_WRONLY && !file->exec;
}

static bool writable(const struct opened *file)
{
	return (file->d.flags & O_ACCMODE) != O_RDONLY;
}

static uint64_t at_most(const struct opened *file, uint64_t length)
{
	uint64_t limit = file->node->mount->host->transfer;

	return length < limit ? length : limit;
}

/* One message after the other, each step 0; progress[2]: bytes that are done. Answers them, or an error if there are
 * none. */
static long transfer(struct request *rq, struct opened *file, uint64_t offset, bool write)
{
	uint64_t length = write ? rq->in_length : rq->out_length, *done = &rq->progress[2], count = 0, part;
	struct host *host = file->node->mount->host;
	long status = 0;

	while (*done < length) {
		part = at_most(file, length - *done);
		status = reach_open(rq, file);
		if (!status && write)
			status = talk_write(rq, host, 0, file->fid, offset + *done, *done, part, &count);
		else if (!status)
			status = talk_read(rq, host, 0, file->fid, offset + *done, *done, part, &count);
		if (status == PARK)
			return PARK;
		if (status < 0)
			break;
		*done += count;
		rq->progress[0] = 0;
		if (count < part)
			break;
	}
	return *done ? (long)*done : status < 0 ? status : 0;
}

/* progress[1]: the offset at which it works, plus one. */
static long at_offset(struct request *rq, struct opened *file, bool write)
{
	long done;

	if (!rq->progress[1])
		rq->progress[1] = file->offset + 1;
	done = transfer(rq, file, rq->progress[1] - 1, write);
	if (done > 0)
		file->offset = rq->progress[1] - 1 + (uint64_t)done;
	return done;
}

static long file_read(F(read))
{
	struct opened *file = description_find(rq->badge);

	UNUSED;
	return file && readable(file) ? at_offset(rq, file, false) : -EBADF;
}

static long file_pread(F(pread))
{
	struct opened *file = description_find(rq->badge);

	UNUSED;
	if (!file || !(readable(file) || file->exec))
		return -EBADF;
	return (int64_t)in->offset < 0 ? -EINVAL : transfer(rq, file, in->offset, false);
}

/* Where an appending write goes: the host says, and writes there in any case. progress[1] is set. In a new session:
 * how much of what was on its way in the last one has been written. 0: known. */
static long to_end(struct request *rq, struct opened *file)
{
	uint64_t begun = rq->progress[1], at, rest;
	struct p9_attr attr;
	long status = reach_open(rq, file);

	if (!status)
		status = ask_attr(rq, file->node, file->fid, 0, &attr);
	if (status != 1)
		return status;
	at = begun - 1 + rq->progress[2];
	rest = rq->in_length - rq->progress[2];
	if (!begun)
		rq->progress[1] = attr.size + 1;
	else if (attr.size > at)
		rq->progress[2] += attr.size - at < rest ? attr.size - at : rest;
	rq->progress[0] = rq->progress[7] = 0;
	return 0;
}

static long file_write(F(write))
{
	struct opened *file = description_find(rq->badge);
	long status;

	UNUSED;
	if (!file || !writable(file))
		return -EBADF;
	status = host_ready(rq, file->node->mount->host);
	if (!status && file->d.flags & O_APPEND && (!rq->progress[1] || rq->progress[7]))
		status = to_end(rq, file);
	return status ? status : at_offset(rq, file, true);
}

static long file_pwrite(F(pwrite))
{
	struct opened *file = description_find(rq->badge);

	UNUSED;
	if (!file || !writable(file))
		return -EBADF;
	return (int64_t)in->offset < 0 ? -EINVAL : transfer(rq, file, in->offset, true);
}

/* The attributes, as step 0: 1, and *attr. */
static long attr_of(struct request *rq, struct opened *file, struct p9_attr *attr)
{
	long status = reach_open(rq, file);

	return status ? status : ask_attr(rq, file->node, file->fid, 0, attr);
}

static long file_lseek(F(lseek))
{
	struct opened *file = description_find(rq->badge);
	struct p9_attr attr = { 0 };
	int64_t base = 0, offset;
	long status;

	UNUSED;
	if (!file)
		return -EBADF;
	switch (in->whence) {
	case SEEK_SET: break;
	case SEEK_CUR: base = (int64_t)file->offset; break;
	case SEEK_END:
		status = attr_of(rq, file, &attr);
		if (status != 1)
			return status;
		base = (int64_t)attr.size;
		break;
	default: return -EINVAL;
	}
	if (__builtin_add_overflow(base, in->offset, &offset))
		return -EOVERFLOW;
	if (offset < 0)
		return -EINVAL;
	file->offset = (uint64_t)offset;
	return offset;
}

static long file_fstat(F(fstat))
{
	struct opened *file = description_find(rq->badge);
	struct file_stat stat;
	struct p9_attr attr;
	long status;

	UNUSED;
	if (!file)
		return -EBADF;
	status = attr_of(rq, file, &attr);
	if (status != 1)
		return status;
	stat_of(file->node, &attr, &stat);
	return stream_put(rq, &stat, sizeof stat);
}

static long file_ftruncate(F(ftruncate))
{
	struct opened *file = description_find(rq->badge);
	struct attr_change change = { .valid = FILE_SET_SIZE };
	long status;

	UNUSED;
	if (!file || !writable(file))
		return file ? -EINVAL : -EBADF;
	if ((int64_t)in->size < 0)
		return -EINVAL;
	status = reach(rq, file->node);
	if (!status)
		status = set_attr(rq, file->node, 0, &change, in->size);
	return status == 1 ? 0 : status;
}

static long file_allocate(F(allocate))
{
	UNUSED;
	return description_find(rq->badge) ? -EOPNOTSUPP : -EBADF;
}

static long file_fsync(F(fsync))
{
	struct opened *file = description_find(rq->badge);
	struct message answer;
	long status;

	UNUSED;
	if (!file)
		return -EBADF;
	status = reach_open(rq, file);
	if (!status)
		status = talk(rq, file->node->mount->host, 0, &answer, P9_FSYNC, "dd", file->fid,
			      (uint32_t)in->data_only);
	return status == 1 ? 0 : status;
}

static long file_ioctl(F(ioctl))
{
	UNUSED;
	return description_find(rq->badge) ? -ENOTTY : -EBADF;
}

/* The file's bytes in memory, as they are now, for mapping: made anew if the file has changed. progress[1]: the
 * object being filled, plus one; [2]: bytes that are in it. */
static long fill_image(struct request *rq, struct opened *file, uint64_t size)
{
	struct host *host = file->node->mount->host;
	cap_t image = (cap_t)(rq->progress[1] - 1);
	struct message answer;
	uint64_t count;
	long status;

	while (rq->progress[2] < size) {
		status = reach_open(rq, file);
		if (!status)
			status = talk(rq, host, 1, &answer, P9_READ, "dqd", file->fid, rq->progress[2],
				      (uint32_t)at_most(file, size - rq->progress[2]));
		if (status < 0)
			return status;
		count = message_get(&answer, 4);
		if (answer.bad || count > answer.size - answer.used || count > size - rq->progress[2])
			return -EIO;
		if (!count)
			return 0;
		status = kcall(mo_write, image, rq->progress[2], answer.at + answer.used, count);
		if (status < 0)
			return status;
		rq->progress[2] += count;
		rq->progress[0] = 1;
	}
	return 0;
}

static long make_image(struct request *rq, struct opened *file)
{
	struct node *node = file->node;
	struct p9_attr attr;
	long status;

	if (!rq->progress[1]) {
		status = attr_of(rq, file, &attr);
		if (status != 1)
			return status;
		if (node->image && node->image_size == attr.size && node->image_mtime == attr.mtime &&
		    node->image_mtime_nsec == attr.mtime_nsec)
			return 0;
		status = kcall(mo_create, attr.size ? attr.size : 1, 0ul);
		if (status < 0)
			return status;
		rq->progress[1] = (uint64_t)status + 1;
		rq->progress[3] = attr.size;
		node->image_mtime = attr.mtime;
		node->image_mtime_nsec = attr.mtime_nsec;
	}
	status = fill_image(rq, file, rq->progress[3]);
	if (status == PARK)
		return PARK;
	if (status < 0) {
		kcall(cap_close, (cap_t)(rq->progress[1] - 1));
		return status;
	}
	if (node->image)
		kcall(cap_close, node->image);
	node->image = (cap_t)(rq->progress[1] - 1);
	node->image_size = rq->progress[3];
	return 0;
}

/* Private mappings, and shared ones that are only read: what is written to memory would not come to the host. */
static long file_mmap(F(mmap))
{
	struct opened *file = description_find(rq->badge);
	long status;

	if (!file)
		return -EBADF;
	if (!readable(file) && !file->exec)
		return -EACCES;
	if (in->rights & CAP_W)
		return -ENODEV;
	status = make_image(rq, file);
	if (status)
		return status;
	out->size = file->node->image_size;
	return request_give(rq, file->node->image, (uint32_t)in->rights & (CAP_R | CAP_X), false);
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

/* O_APPEND is the host's matter: the file is opened anew with it. */
static long file_set_flags(F(set_flags))
{
	struct opened *file = description_find(rq->badge);
	uint32_t old;

	UNUSED;
	if (!file)
		return -EBADF;
	old = file->d.flags;
	file->d.flags = stream_set_flags(old, in->flags);
	if ((old ^ file->d.flags) & O_APPEND && file->epoch == file->node->mount->host->epoch) {
		clunk(file->node->mount->host, file->fid);
		file->epoch = 0;
	}
	return 0;
}

static long file_set_attr(F(set_attr))
{
	struct opened *file = description_find(rq->badge);
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
	struct p9_attr attr;
	struct creds creds;
	long status;

	UNUSED;
	if (!file)
		return -EBADF;
	status = reach(rq, file->node);
	if (!status)
		status = ask_attr(rq, file->node, file->node->fid, 0, &attr);
	if (status < 0)
		return status;
	if (status == 1) {
		owner = (struct attr_owner){ attr.mode, attr.uid, attr.gid };
		creds_of(rq->stamp, &creds, false);
		status = attr_check(&creds, &owner, &change);
		if (status)
			return status;
		rq->progress[1] = change.valid;
		rq->progress[2] = change.mode;
	}
	/* As it was corrected. */
	change.valid = (uint32_t)rq->progress[1];
	change.mode = (uint32_t)rq->progress[2];
	status = set_attr(rq, file->node, 1, &change, 0);
	return status == 1 ? 0 : status;
}

static long file_flock(F(flock))
{
	struct opened *file = description_find(rq->badge);

	UNUSED;
	return file ? flock_request(rq, &file->node->locks, rq->badge, in->operation) : -EBADF;
}

static long file_lock(F(lock))
{
	struct opened *file = description_find(rq->badge);

	if (!file)
		return -EBADF;
	if (in->command && ((in->type == LOCK_TYPE_READ && !readable(file)) ||
			    (in->type == LOCK_TYPE_WRITE && !writable(file))))
		return -EBADF;
	return lock_request(rq, &file->node->locks, in, out);
}

static long file_close_notice(F(close_notice))
{
	struct opened *file = description_find(rq->badge);

	UNUSED;
	if (file)
		locks_close_notice(&file->node->locks, rq->stamp);
	return 0;
}

static long file_statfs(F(statfs))
{
	struct opened *file = description_find(rq->badge);
	struct file_statfs statfs;
	long status;

	UNUSED;
	if (!file)
		return -EBADF;
	status = ask_statfs(rq, file->node, &statfs);
	return status == 1 ? stream_put(rq, &statfs, sizeof statfs) : status;
}

static long file_identify(F(identify))
{
	struct opened *file = description_find(rq->badge);

	UNUSED;
	if (!file)
		return -EBADF;
	out->device = file->node->mount->device;
	out->inode = file->node->path;
	out->flags = file->d.flags;
	return (long)(file->node->mode & S_IFMT);
}

static long file_path(F(path))
{
	static char text[PATH_LENGTH_MAX];
	struct opened *file = description_find(rq->badge);
	char *start;
	long status;

	UNUSED;
	if (!file)
		return -EBADF;
	status = node_path(file->node, text, sizeof text, &start);
	if (status)
		return status;
	if ((size_t)(text + sizeof text - start) > rq->out_length)
		return -ERANGE;
	return request_write(rq, 0, start, (size_t)(text + sizeof text - start));
}

const struct file_ops p9_file_ops = {
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
	.get_flags = description_get_flags,
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
