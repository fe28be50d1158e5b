/* SPDX-License-Identifier: MIT */
/* Attributes: stat, access, readlink, chmod, chown, utimensat, truncate, statfs. */
#include "vfs.h"

long stat_answer(struct request *rq, const struct file_stat *stat)
{
	long sent;

	if (rq->out_length < sizeof(*stat))
		return -EINVAL;
	sent = request_write(rq, 0, stat, sizeof(*stat));
	return sent < 0 ? sent : 0;
}

long node_stat(struct request *rq, struct vnode *node, const struct file_stat **stat)
{
	struct fs_stat_req request = { node->number };
	struct job *job;

	if (vnode_stat_known(node)) {
		*stat = &node->stat;
		return 0;
	}
	job = job_new(rq, JOB_STAT, node->mount->fs);
	if (!job)
		return job_wait(rq);
	job_hold_node(job, node);
	job->changes = node->changes;
	job->epoch = vnode_epoch(node);
	job->out_length = sizeof(job->stat);
	return job_send(job, fs_op_stat, OP_OUT | OP_PARK, &request, sizeof(request));
}

static long stat_finish(struct request *rq, struct job *job)
{
	long status = job->status;

	if (status >= 0)
		status = stat_answer(rq, &job->stat);
	job_free(job);
	return status;
}

static uint32_t follow_flags(uint64_t flags)
{
	return (flags & AT_SYMLINK_NOFOLLOW ? 0 : WALK_FOLLOW) | (flags & AT_EMPTY_PATH ? PATH_EMPTY : 0);
}

long stat_path(struct request *rq, const struct vfs_stat_req *in, struct vfs_stat_reply *out)
{
	const struct file_stat *stat;
	struct place place;
	struct job *job;
	long status = job_resume(rq, &job);

	(void)out;
	if (status)
		return status;
	if (job)
		return stat_finish(rq, job);
	status = path_walk(rq, &place, in->dir, 0, 0, rq->in_length, follow_flags(in->flags));
	if (status)
		return status;
	status = node_stat(rq, place.walk.found->node, &stat);
	return status ? status : stat_answer(rq, stat);
}

long access_path(struct request *rq, const struct vfs_access_req *in, struct vfs_access_reply *out)
{
	struct place place;
	struct job *job;
	long status = job_resume(rq, &job);

	(void)out;
	if (status)
		return status;
	if (in->mode & ~7ull || in->flags & ~(uint64_t)(AT_EACCESS | AT_SYMLINK_NOFOLLOW | AT_EMPTY_PATH))
		return -EINVAL;
	status = path_walk(rq, &place, in->dir, 0, 0, rq->in_length,
			   follow_flags(in->flags) | (in->flags & AT_EACCESS ? 0 : PATH_REAL));
	if (status)
		return status;
	return may_access(&place.creds, place.walk.found, (uint32_t)in->mode);
}

static long link_answer(struct request *rq, const struct vnode *link)
{
	size_t length = link->link_length;

	if (!rq->out_length)
		return -EINVAL;
	if (length > rq->out_length)
		length = rq->out_length;
	return request_write(rq, 0, link->link, length);
}

long read_link(struct request *rq, const struct vfs_readlink_req *in, struct vfs_readlink_reply *out)
{
	struct place place;
	struct job *job;
	long status = job_resume(rq, &job);

	(void)out;
	if (status)
		return status;
	/* An empty path reads the link that an O_PATH descriptor holds. */
	status = path_walk(rq, &place, in->dir, 0, 0, rq->in_length, in->dir == AT_FDCWD ? 0 : PATH_EMPTY);
	if (status)
		return status;
	if (!node_is(place.walk.found->node, S_IFLNK))
		return rq->in_length ? -EINVAL : -ENOENT;
	place.walk.token = rq->token; /* an empty path has not been walked */
	if (link_known(&place.walk, place.walk.found->node))
		return link_answer(rq, place.walk.found->node);
	return job_fill(rq, &place.walk, WALK_READ_LINK);
}

/* --- changes ------------------------------------------------------------------------------------------------- */

static long attr_send(struct request *rq, struct vnode *node, const struct attr_change *change, uint64_t size)
{
	struct fs_set_attr_req request = {
		.node = node->number,
		.valid = change->valid,
		.mode = change->mode,
		.owner = change->uid | (uint64_t)change->gid << 32,
		.size = size,
		.atime = change->atime,
		.atime_nsec = change->atime_nsec,
		.mtime = change->mtime,
		.mtime_nsec = change->mtime_nsec,
	};
	struct job *job;

	if (!change->valid)
		return 0;
	job = job_new(rq, JOB_ATTR, node->mount->fs);
	if (!job)
		return job_wait(rq);
	job_hold_node(job, node);
	return job_send(job, fs_op_set_attr, OP_PARK, &request, sizeof(request));
}

long node_set_attr(struct request *rq, const struct dentry *d, const struct creds *creds,
		   struct attr_change *change)
{
	struct vnode *node = d->node;
	struct attr_owner owner = { node->mode, node->uid, node->gid };
	long status;

	change->valid &= FILE_SET_MODE | FILE_SET_UID | FILE_SET_GID | FILE_SET_ATIME | FILE_SET_MTIME |
			 FILE_SET_ATIME_NOW | FILE_SET_MTIME_NOW;
	if ((change->valid & FILE_SET_MODE) && node_is(node, S_IFLNK))
		return -EOPNOTSUPP;
	if (is_read_only(d->mount))
		return -EROFS;
	status = attr_check(creds, &owner, change);
	if (status)
		return status;
	/* Told as a time, so that file servers need not agree with each other. */
	attr_resolve_now(change);
	return attr_send(rq, node, change, 0);
}

long set_attr_path(struct request *rq, const struct vfs_set_attr_req *in, struct vfs_set_attr_reply *out)
{
	struct attr_change change = {
		.valid = (uint32_t)in->flags_valid,
		.mode = (uint32_t)in->mode,
		.uid = (uint32_t)in->owner,
		.gid = (uint32_t)(in->owner >> 32),
		.atime = in->atime,
		.atime_nsec = in->atime_nsec,
		.mtime = in->mtime,
		.mtime_nsec = in->mtime_nsec,
	};
	struct place place;
	long status;

	(void)out;
	if (job_settles(rq, &status))
		return status;
	status = path_walk(rq, &place, in->dir, 0, 0, rq->in_length, follow_flags(in->flags_valid >> 32));
	if (status)
		return status;
	return node_set_attr(rq, place.walk.found, &place.creds, &change);
}

long truncate_path(struct request *rq, const struct vfs_truncate_req *in, struct vfs_truncate_reply *out)
{
	struct attr_change change = { .valid = FILE_SET_SIZE };
	struct place place;
	struct vnode *node;
	long status;

	(void)out;
	if (job_settles(rq, &status))
		return status;
	if ((int64_t)in->size < 0)
		return -EINVAL;
	status = path_walk(rq, &place, AT_FDCWD, 0, 0, rq->in_length, WALK_FOLLOW);
	if (status)
		return status;
	node = place.walk.found->node;
	if (!node_is(node, S_IFREG))
		return node_is(node, S_IFDIR) ? -EISDIR : -EINVAL;
	status = may_access(&place.creds, place.walk.found, MAY_WRITE);
	return status ? status : attr_send(rq, node, &change, in->size);
}

/* progress[0]: the file's server has said which node it is, in progress[1] and [2]. */
long attr_changed(struct request *rq, const struct vfs_attr_changed_req *in,
		  struct vfs_attr_changed_reply *out)
{
	const struct file_stat *stat;
	struct vnode *node = NULL;
	struct job *job;
	long status = job_resume(rq, &job);

	(void)in;
	(void)out;
	if (status)
		return status;
	if (job && job->kind == JOB_STAT)
		return job_finish(rq, job) < 0 ? -EIO : 0;
	if (!job) {
		if (!rq->caps_count || rq->caps[0].slot == CAP_NONE)
			return 0;
		job = job_new(rq, JOB_OTHER, rq->caps[0].slot);
		if (!job)
			return job_wait(rq);
		return job_send(job, file_op_identify, 0, NULL, 0);
	}
	for (struct mount *m = mounts; job->status >= 0 && m < mounts + MOUNT_MAX && !node; m++)
		if (m->used && m->device == job->answer[0])
			node = vnode_find(m, job->answer[1]);
	job_free(job);
	if (!node)
		return 0;
	vnode_changed(node);
	status = node_stat(rq, node, &stat);
	return status == PARK ? PARK : 0;
}

/* --- statfs ------------------------------------------------------------------------------------------------------ */

_Static_assert(sizeof(struct file_statfs) <= sizeof(struct file_stat), "shares the job's buffer");

long node_statfs(struct request *rq, struct job *job, const struct mount *mount)
{
	struct file_statfs *statfs;
	uint64_t none = 0;
	long status;

	if (!job) {
		job = job_new(rq, JOB_OTHER, mount->fs);
		if (!job)
			return job_wait(rq);
		job->out_length = sizeof(struct file_statfs);
		rq->progress[0] = (uint64_t)(mount - mounts);
		return job_send(job, fs_op_statfs, OP_OUT | OP_PARK, &none, 0);
	}
	status = job->status;
	statfs = (void *)&job->stat;
	mount = &mounts[rq->progress[0] % MOUNT_MAX];
	statfs->flags |= (int64_t)(mount->flags & 15) | 0x20; /* ST_RDONLY ..., ST_VALID */
	statfs->fsid[0] = (int32_t)mount->device;
	if (status >= 0)
		status = rq->out_length < sizeof(*statfs) ? -EINVAL
							  : request_write(rq, 0, statfs, sizeof(*statfs));
	job_free(job);
	return status < 0 ? status : 0;
}

long statfs_path(struct request *rq, const struct vfs_statfs_req *in, struct vfs_statfs_reply *out)
{
	struct place place;
	struct job *job;
	long status = job_resume(rq, &job);

	(void)in;
	(void)out;
	if (status)
		return status;
	if (job)
		return node_statfs(rq, job, NULL);
	status = path_walk(rq, &place, AT_FDCWD, 0, 0, rq->in_length, WALK_FOLLOW);
	return status ? status : node_statfs(rq, NULL, place.walk.found->mount);
}
