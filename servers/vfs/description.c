/* SPDX-License-Identifier: MIT */
/* Open directories and O_PATH descriptors: the descriptions that VFS holds itself. */
#include "vfs.h"

#define DESCRIPTION_MAX 8192u
#define INDEX_BITS 16
#define GETDENTS_MAX 16384u

static PRESERVED struct description descriptions[DESCRIPTION_MAX];
static PRESERVED uint32_t touched;
static uint32_t hint;

static struct description *description_take(void)
{
	for (uint32_t n = 0; n < DESCRIPTION_MAX; n++) {
		struct description *d = &descriptions[(hint + n) % DESCRIPTION_MAX];

		if (d->used)
			continue;
		hint = (uint32_t)(d - descriptions) + 1;
		if (hint > touched)
			touched = hint;
		return d;
	}
	return NULL;
}

long description_open(struct request *rq, struct dentry *dentry, uint32_t flags)
{
	struct description *d = description_take();
	uint64_t index;
	long status;

	if (!d)
		return -ENFILE;
	index = (uint64_t)(d - descriptions);
	d->generation++;
	d->badge = BADGE_FIRST_OWN + index + ((uint64_t)(d->generation & 0x3fffffff) << INDEX_BITS);
	d->path_only = flags & O_PATH;
	d->flags = flags & ~(uint32_t)(O_CREAT | O_EXCL | O_TRUNC | O_NOCTTY | O_CLOEXEC);
	d->offset = 0;
	dentry_get(dentry);
	d->dentry = dentry;
	d->used = true;
	status = request_give_badge(rq, d->badge);
	if (status < 0)
		description_release(d->badge);
	return status;
}

struct description *description_find(uint64_t badge)
{
	uint64_t index = (badge - BADGE_FIRST_OWN) & ((1u << INDEX_BITS) - 1);

	if (index >= DESCRIPTION_MAX || !descriptions[index].used || descriptions[index].badge != badge)
		return NULL;
	return &descriptions[index];
}

void description_release(uint64_t badge)
{
	struct description *d = description_find(badge);

	if (!d)
		return;
	d->used = false;
	locks_close_description(&d->dentry->node->locks, badge);
	dentry_put(d->dentry);
	hint = (uint32_t)(d - descriptions);
}

void descriptions_count(void)
{
	for (uint32_t i = 0; i < touched; i++)
		if (descriptions[i].used)
			dentry_get(descriptions[i].dentry);
}

/* --- the file protocol on them ----------------------------------------------------------------------------- */

#define F(op) struct request *rq, const struct file_##op##_req *in, struct file_##op##_reply *out
#define UNUSED_ARGUMENTS ((void)rq, (void)in, (void)out)

static struct description *readable(const struct request *rq)
{
	struct description *d = description_find(rq->badge);

	return d && !d->path_only ? d : NULL;
}

static long on_path_only(const struct request *rq, long status)
{
	return readable(rq) ? status : -EBADF;
}

static long dir_read(F(read))
{
	UNUSED_ARGUMENTS;
	return on_path_only(rq, -EISDIR);
}
static long dir_pread(F(pread))
{
	UNUSED_ARGUMENTS;
	return on_path_only(rq, -EISDIR);
}
static long dir_write(F(write))
{
	UNUSED_ARGUMENTS;
	return -EBADF;
}
static long dir_pwrite(F(pwrite))
{
	UNUSED_ARGUMENTS;
	return -EBADF;
}
static long dir_ftruncate(F(ftruncate))
{
	UNUSED_ARGUMENTS;
	return on_path_only(rq, -EINVAL);
}
static long dir_ioctl(F(ioctl))
{
	UNUSED_ARGUMENTS;
	return on_path_only(rq, -ENOTTY);
}
static long dir_mmap(F(mmap))
{
	UNUSED_ARGUMENTS;
	return on_path_only(rq, -ENODEV);
}
static long dir_allocate(F(allocate))
{
	UNUSED_ARGUMENTS;
	return -EBADF;
}
static long dir_lock(F(lock))
{
	UNUSED_ARGUMENTS;
	return on_path_only(rq, -EBADF);
}
static long dir_close_notice(F(close_notice))
{
	UNUSED_ARGUMENTS;
	return 0;
}

static long dir_poll(F(poll))
{
	UNUSED_ARGUMENTS;
	return on_path_only(rq, (long)(in->events & (POLLIN | POLLOUT | POLLRDNORM | POLLWRNORM)));
}

static long dir_get_flags(F(get_flags))
{
	struct description *d = description_find(rq->badge);

	UNUSED_ARGUMENTS;
	return d ? (long)(d->flags | O_LARGEFILE) : -EBADF;
}

static long dir_set_flags(F(set_flags))
{
	struct description *d = readable(rq);
	uint32_t mask = O_APPEND | O_NONBLOCK | O_NOATIME | O_DIRECT;

	UNUSED_ARGUMENTS;
	if (!d)
		return -EBADF;
	d->flags = (d->flags & ~mask) | ((uint32_t)in->flags & mask);
	return 0;
}

static long dir_lseek(F(lseek))
{
	struct description *d = readable(rq);

	UNUSED_ARGUMENTS;
	if (!d)
		return -EBADF;
	switch (in->whence) {
	case 0:
		if (in->offset < 0)
			return -EINVAL;
		d->offset = (uint64_t)in->offset;
		return in->offset;
	case 1:
		if (in->offset)
			return -EINVAL;
		return (long)d->offset;
	}
	return -EINVAL;
}

static long dir_fstat(F(fstat))
{
	struct description *d = description_find(rq->badge);
	const struct file_stat *stat;
	struct job *job;
	long status = job_resume(rq, &job);

	UNUSED_ARGUMENTS;
	if (status)
		return status;
	if (job) {
		status = job->status < 0 ? job->status : stat_answer(rq, &job->stat);
		job_free(job);
		return status;
	}
	if (!d)
		return -EBADF;
	status = node_stat(rq, d->dentry->node, &stat);
	return status ? status : stat_answer(rq, stat);
}

static long dir_fsync(F(fsync))
{
	struct description *d = readable(rq);
	struct fs_sync_node_req request;
	struct job *job;
	long status = job_resume(rq, &job);

	UNUSED_ARGUMENTS;
	if (status)
		return status;
	if (job)
		return job_finish(rq, job);
	if (!d)
		return -EBADF;
	job = job_new(rq, JOB_OTHER, d->dentry->mount->fs);
	if (!job)
		return job_wait(rq);
	job_hold_node(job, d->dentry->node);
	request.node = d->dentry->node->number;
	return job_send(job, fs_op_sync_node, OP_PARK, &request, sizeof(request));
}

/* The cookie behind the last whole record; the server's bytes are not trusted. */
static uint64_t last_cookie(const char *buffer, size_t length, uint64_t cookie)
{
	for (size_t at = 0; at + sizeof(struct file_dirent) <= length;) {
		const struct file_dirent *entry = (const void *)(buffer + at);

		if (entry->length < sizeof(*entry) || entry->length > length - at)
			break;
		cookie = (uint64_t)entry->offset;
		at += entry->length;
	}
	return cookie;
}

static long getdents_finish(struct request *rq, struct description *d, struct job *job)
{
	long status = job->status;

	if (status > (long)job->out_length)
		status = -EIO;
	if (status == -ESTALE)
		status = -ENOENT; /* removed */
	if (status > 0)
		status = request_write(rq, 0, job->big, (size_t)status);
	if (status > 0 && d)
		d->offset = last_cookie(job->big, (size_t)status, d->offset);
	job_free(job);
	return status;
}

static long dir_getdents(F(getdents))
{
	struct description *d = readable(rq);
	struct fs_readdir_req request;
	struct job *job;
	long status = job_resume(rq, &job);

	UNUSED_ARGUMENTS;
	if (status)
		return status;
	if (job)
		return getdents_finish(rq, d, job);
	if (!d)
		return -EBADF;
	if (!node_is(d->dentry->node, S_IFDIR))
		return -ENOTDIR;
	if (dentry_is_gone(d->dentry))
		return -ENOENT;
	status = d->offset ? 0 : device_settle_dir(rq, d->dentry);
	if (status)
		return status;
	job = job_new(rq, JOB_OTHER, d->dentry->mount->fs);
	if (!job)
		return job_wait(rq);
	job->out_length = rq->out_length < GETDENTS_MAX ? (uint32_t)rq->out_length : GETDENTS_MAX;
	job->big = pheap_alloc_data(job->out_length + 8);
	if (!job->big) {
		job_free(job);
		return -ENOMEM;
	}
	job_hold_node(job, d->dentry->node);
	request = (struct fs_readdir_req){ d->dentry->node->number, d->offset };
	return job_send(job, fs_op_readdir, OP_OUT | OP_PARK, &request, sizeof(request));
}

static long dir_set_attr(F(set_attr))
{
	struct description *d = readable(rq);
	struct attr_change change = {
		.valid = (uint32_t)in->valid,
		.mode = (uint32_t)in->mode,
		.uid = (uint32_t)in->uid,
		.gid = (uint32_t)in->gid,
		.atime = in->atime,
		.atime_nsec = in->atime_nsec,
		.mtime = in->mtime,
		.mtime_nsec = in->mtime_nsec,
	};
	struct creds creds;
	struct job *job;
	long status = job_resume(rq, &job);

	UNUSED_ARGUMENTS;
	if (status)
		return status;
	if (job)
		return job_finish(rq, job);
	if (!d)
		return -EBADF;
	creds_of(rq->stamp, &creds, false);
	return node_set_attr(rq, d->dentry, &creds, &change);
}

static long dir_flock(F(flock))
{
	struct description *d = readable(rq);

	UNUSED_ARGUMENTS;
	if (!d)
		return -EBADF;
	return flock_request(rq, &d->dentry->node->locks, rq->badge, in->operation);
}

static long dir_statfs(F(statfs))
{
	struct description *d = description_find(rq->badge);
	struct job *job;
	long status = job_resume(rq, &job);

	UNUSED_ARGUMENTS;
	if (status)
		return status;
	if (!d && !job)
		return -EBADF;
	return node_statfs(rq, job, d ? d->dentry->mount : NULL);
}

static long dir_path(F(path))
{
	static char text[PATH_LENGTH_MAX];
	struct description *d = description_find(rq->badge);
	char *start;
	size_t length;
	long status;

	UNUSED_ARGUMENTS;
	if (!d)
		return -EBADF;
	status = tree_path(d->dentry, root_mount->root, text, sizeof(text), &start);
	if (status)
		return status;
	length = (size_t)(text + sizeof(text) - start);
	return length > rq->out_length ? -ERANGE : request_write(rq, 0, start, length);
}

static long dir_identify(F(identify))
{
	struct description *d = description_find(rq->badge);

	UNUSED_ARGUMENTS;
	if (!d)
		return -EBADF;
	out->device = d->dentry->mount->device;
	out->inode = d->dentry->node->number;
	out->flags = d->flags;
	return (long)(d->dentry->node->mode & S_IFMT);
}

const struct file_ops description_ops = {
	.read = dir_read,
	.write = dir_write,
	.pread = dir_pread,
	.pwrite = dir_pwrite,
	.lseek = dir_lseek,
	.fstat = dir_fstat,
	.ftruncate = dir_ftruncate,
	.fsync = dir_fsync,
	.ioctl = dir_ioctl,
	.mmap = dir_mmap,
	.poll = dir_poll,
	.getdents = dir_getdents,
	.get_flags = dir_get_flags,
	.set_flags = dir_set_flags,
	.set_attr = dir_set_attr,
	.flock = dir_flock,
	.lock = dir_lock,
	.close_notice = dir_close_notice,
	.statfs = dir_statfs,
	.allocate = dir_allocate,
	.path = dir_path,
	.identify = dir_identify,
};
