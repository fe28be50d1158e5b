/* SPDX-License-Identifier: MIT */
/* open(2) and the loader's open_exec. */
#include "vfs.h"

#define OPENED_TTY 1
/* rq->progress[0]: the file has been created for this very call. */
#define CREATED 1u
/* progress[2]: how often the server did not know the node any more. */
#define STALE_TRIES 8u

static uint32_t access_mask(uint64_t flags)
{
	uint32_t mask = 0;

	switch (flags & O_ACCMODE) {
	case O_RDONLY: mask = MAY_READ; break;
	case O_WRONLY: mask = MAY_WRITE; break;
	default: mask = MAY_READ | MAY_WRITE;
	}
	return flags & O_TRUNC ? mask | MAY_WRITE : mask;
}

static uint64_t server_flags(uint64_t flags)
{
	return flags & ~(uint64_t)(O_CREAT | O_EXCL | O_CLOEXEC);
}

/* exec: the name, if it is to be executed. */
static long open_file(struct request *rq, struct vnode *node, uint64_t flags, struct dentry *exec)
{
	struct fs_open_req request = {
		.node = node->number,
		.flags = server_flags(flags),
		.stamp = rq->stamp,
		.exec = exec != NULL,
	};
	struct job *job = job_new(rq, JOB_OPEN, node->mount->fs);

	if (!job)
		return job_wait(rq);
	job_hold_node(job, node);
	if (exec)
		job_hold_entry(job, exec);
	vnode_changed(node);
	return job_send(job, fs_op_open, OP_PARK | OP_RCAPS(1), &request, sizeof(request));
}

static long open_device(struct request *rq, const struct dentry *d, uint64_t flags)
{
	struct vnode *node = d->node;
	struct device *device = device_find(node->mode & S_IFMT, node->rdev);
	struct dev_open_req request = {
		.major = dev_major(node->rdev),
		.minor = dev_minor(node->rdev),
		.flags = flags,
		.stamp = rq->stamp,
		.device = node->mount->device,
		.node = node->number,
		.mode = node->mode,
		.owner = node->uid | (uint64_t)node->gid << 32,
	};
	struct job *job;

	if (d->mount->flags & MOUNT_NO_DEVICES)
		return -EACCES;
	if (!device)
		return -ENXIO;
	if (node_is(node, S_IFBLK) && (flags & O_EXCL) && mount_on_device(node->rdev))
		return -EBUSY; /* what mke2fs, e2fsck and resize2fs ask by it */
	job = job_new(rq, JOB_OPEN, device->server);
	if (!job)
		return job_wait(rq);
	job_hold_node(job, node);
	return job_send(job, dev_op_open, OP_PARK | OP_RCAPS(1), &request, sizeof(request));
}

static long open_fifo(struct request *rq, struct vnode *node, uint64_t flags)
{
	struct pipe_open_fifo_req request = {
		.device = node->mount->device,
		.node = node->number,
		.flags = flags,
		.stamp = rq->stamp,
	};
	struct job *job = job_new(rq, JOB_OPEN, service_cap("pipe"));

	if (!job)
		return job_wait(rq);
	job_hold_node(job, node);
	return job_send(job, pipe_op_open_fifo, OP_PARK | OP_INTR | OP_RCAPS(1), &request, sizeof(request));
}

/* What bind and connect take in place of the path. */
static long open_socket_name(struct request *rq, struct vnode *node)
{
	struct pipe_path_name_req request = { node->mount->device, node->number, node->uid, rq->stamp };
	struct job *job = job_new(rq, JOB_OPEN, service_cap("pipe"));

	if (!job)
		return job_wait(rq);
	job_hold_node(job, node);
	return job_send(job, pipe_op_path_name, OP_RCAPS(1), &request, sizeof(request));
}

static long open_kind(struct request *rq, struct dentry *d, uint64_t flags)
{
	struct vnode *node = d->node;

	switch (node->mode & S_IFMT) {
	case S_IFREG: return open_file(rq, node, flags, NULL);
	case S_IFDIR: return description_open(rq, d, (uint32_t)flags);
	case S_IFCHR:
	case S_IFBLK: return open_device(rq, d, flags);
	case S_IFIFO: return open_fifo(rq, node, flags);
	case S_IFSOCK: return flags & O_SOCKET_NAME ? open_socket_name(rq, node) : -ENXIO;
	}
	return -ENXIO;
}

static long open_found(struct request *rq, const struct place *place, uint64_t flags)
{
	struct dentry *d = place->walk.found;
	struct vnode *node = d->node;
	bool directory = node_is(node, S_IFDIR), created = rq->progress[0] == CREATED;
	long status;

	if ((flags & O_CREAT) && (flags & O_EXCL) && !created)
		return -EEXIST;
	if ((flags & O_DIRECTORY) && !directory)
		return -ENOTDIR;
	if ((flags & O_SOCKET_NAME) && !node_is(node, S_IFSOCK))
		return -ECONNREFUSED;
	if (flags & O_PATH)
		return description_open(rq, d, (uint32_t)(flags & (O_PATH | O_DIRECTORY | O_NOFOLLOW)));
	if (node_is(node, S_IFLNK))
		return -ELOOP;
	if (directory && (access_mask(flags) & MAY_WRITE || flags & O_CREAT))
		return -EISDIR;
	status = created ? 0 : may_access(&place->creds, d, access_mask(flags));
	if (status)
		return status;
	if ((flags & O_NOATIME) && place->creds.uid && place->creds.uid != node->uid)
		return -EPERM;
	return open_kind(rq, d, flags);
}

static long open_new(struct request *rq, struct place *place, uint64_t flags, uint32_t mode)
{
	if (!(flags & O_CREAT))
		return -ENOENT;
	if (rq->progress[0] == CREATED)
		return -ENOENT; /* removed again at once */
	return make_entry(rq, place, (mode & 07777 & ~place->session->umask) | S_IFREG, 0,
			  server_flags(flags));
}

/* The capability that came goes to the client. */
static long open_give(struct request *rq, struct job *job, uint64_t flags, uint64_t *identity)
{
	long status = job->status;

	if (job->received == CAP_NONE) {
		job_free(job);
		return -EIO;
	}
	*identity = job->node->mode;
	request_give(rq, job_take_cap(job), CAP_ALL, true);
	job_free(job);
	return status == OPENED_TTY && !(flags & O_NOCTTY) ? OPENED_TTY : 0;
}

static long open_made(struct request *rq, struct job *job, uint64_t flags, uint64_t *identity)
{
	struct vnode *node = job->node;
	long status;

	if (job->status < 0 || !node) {
		status = job_finish(rq, job);
		return status < 0 ? status : -ENOMEM;
	}
	rq->progress[0] = CREATED;
	if (job->received != CAP_NONE)
		return open_give(rq, job, flags, identity);
	vnode_get(node);
	job_free(job);
	status = open_file(rq, node, flags & ~(uint64_t)O_TRUNC, NULL);
	vnode_put(node);
	return status;
}

/* A file without a name, which never gets one: O_EXCL says so. */
static long open_unnamed(struct request *rq, const struct vfs_open_req *in)
{
	struct fs_tmpfile_req request = { .flags = server_flags(in->flags & ~(uint64_t)O_TMPFILE),
					  .stamp = rq->stamp };
	struct place place;
	struct vnode *dir;
	struct job *job;
	uint32_t mode, gid;
	long status;

	if (!(in->flags & O_EXCL))
		return -EOPNOTSUPP;
	if (!(access_mask(in->flags) & MAY_WRITE))
		return -EINVAL;
	status = path_walk(rq, &place, in->dir, 0, 0, rq->in_length, WALK_FOLLOW);
	if (status)
		return status;
	dir = place.walk.found->node;
	if (!node_is(dir, S_IFDIR))
		return -ENOTDIR;
	status = may_create(&place.creds, place.walk.found);
	if (status)
		return status;
	job = job_new(rq, JOB_OTHER, dir->mount->fs);
	if (!job)
		return job_wait(rq);
	mode = S_IFREG | (in->mode & 07777 & ~place.session->umask);
	new_node_owner(&place.creds, dir, &mode, &gid);
	request.dir = dir->number;
	request.mode = mode;
	request.owner = place.creds.uid | (uint64_t)gid << 32;
	return job_send(job, fs_op_tmpfile, OP_PARK | OP_RCAPS(1), &request, sizeof(request));
}

static long give_unnamed(struct request *rq, struct job *job, uint64_t *identity)
{
	long status = job->status >= 0 && job->received == CAP_NONE ? -EIO : job->status;

	if (status >= 0) {
		*identity = job->answer[0];
		request_give(rq, job_take_cap(job), CAP_ALL, true);
	}
	job_free(job);
	return status == -ENOSYS ? -EOPNOTSUPP : status;
}

/* Whether a finished job says that the walk is to be made again: somebody else was first, or the name has come to
 * mean something else since. */
static bool open_again(struct request *rq, struct job *job, uint64_t flags)
{
	if (job->kind == JOB_MAKE)
		return job->status == -EEXIST && !(flags & O_EXCL);
	return job->status == -ESTALE && rq->progress[2]++ < STALE_TRIES;
}

static uint32_t walk_flags(uint64_t flags)
{
	uint32_t walk = 0;

	if (!(flags & O_NOFOLLOW) && (flags & (O_CREAT | O_EXCL)) != (O_CREAT | O_EXCL))
		walk |= WALK_FOLLOW;
	if (flags & O_CREAT)
		walk |= WALK_MAY_LACK;
	return walk;
}

long open_path(struct request *rq, const struct vfs_open_req *in, struct vfs_open_reply *out)
{
	uint64_t flags = in->flags;
	struct place place;
	struct job *job;
	long status = job_resume(rq, &job);

	if (status)
		return status;
	if (job && job->kind == JOB_OTHER)
		return give_unnamed(rq, job, &out->identity);
	if (job && !open_again(rq, job, flags)) {
		if (job->kind == JOB_MAKE)
			return open_made(rq, job, flags, &out->identity);
		return job->status < 0 ? job_finish(rq, job) : open_give(rq, job, flags, &out->identity);
	}
	if (job)
		job_free(job);
	if (flags & O_PATH)
		flags &= O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC;
	if ((flags & O_TMPFILE) == O_TMPFILE)
		return open_unnamed(rq, in);
	status = path_walk(rq, &place, in->dir, 0, 0, rq->in_length, walk_flags(flags));
	if (status)
		return status;
	if ((flags & O_CREAT) && place.walk.slash)
		return -EISDIR;
	if (!place.walk.found)
		return open_new(rq, &place, flags, (uint32_t)in->mode);
	out->identity = place.walk.found->node->mode;
	return open_found(rq, &place, flags);
}

/* --- open_exec --------------------------------------------------------------------------------------------- */

static long exec_answer(struct request *rq, struct job *job)
{
	struct file_stat stat = job->node->stat;
	long status = job->status;

	if (status < 0 || job->received == CAP_NONE) {
		job_free(job);
		return status < 0 ? status : -EIO;
	}
	if (job->entry->mount->flags & MOUNT_NO_SUID)
		stat.mode &= ~(S_ISUID | S_ISGID);
	status = stat_answer(rq, &stat);
	if (!status)
		request_give(rq, job_take_cap(job), CAP_ALL, true);
	job_free(job);
	return status;
}

/* rq->progress[1]: the node whose attributes have been brought. */
long open_exec(struct request *rq, const struct vfs_open_exec_req *in, struct vfs_open_exec_reply *out)
{
	const struct file_stat *stat;
	struct place place;
	struct vnode *node;
	struct job *job;
	long status = job_resume(rq, &job);

	(void)out;
	if (status)
		return status;
	if (job && job->kind == JOB_OPEN)
		return exec_answer(rq, job);
	if (job) {
		status = job->status;
		rq->progress[1] = job->node->number;
		job_free(job);
		if (status < 0)
			return status;
	}
	status = path_walk(rq, &place, in->dir, 0, 0, rq->in_length,
			   (in->flags & AT_SYMLINK_NOFOLLOW ? 0 : WALK_FOLLOW) |
			       (in->flags & AT_EMPTY_PATH ? PATH_EMPTY : 0));
	if (status)
		return status;
	node = place.walk.found->node;
	if (node_is(node, S_IFLNK))
		return -ELOOP;
	status = may_access(&place.creds, place.walk.found, MAY_EXEC);
	if (status || !node_is(node, S_IFREG) || (place.walk.found->mount->flags & MOUNT_NO_EXEC))
		return -EACCES;
	if (rq->progress[1] != node->number) {
		status = node_stat(rq, node, &stat);
		if (status)
			return status;
	}
	return open_file(rq, node, O_RDONLY, place.walk.found);
}
