/* SPDX-License-Identifier: MIT */
/* mount(2), umount2(2), sync(2) and the table of mounts. */
#include "mounting.h"

#define MS_REMOUNT 32u
#define MS_BIND 4096u
#define MS_MOVE 8192u
#define MS_KEPT 15u
#define WHERE_MAX sizeof(((struct mount *)0)->where)

struct arguments {
	char source[PATH_LENGTH_MAX], type[16], data[1024];
	size_t source_length, data_length;
};
static struct arguments arguments;

static long read_arguments(struct request *rq, const struct vfs_mount_req *in, struct arguments *a)
{
	uint64_t at = in->source_length + in->target_length;
	long got = 0;

	if (in->source_length >= sizeof(a->source) || in->target_length >= PATH_LENGTH_MAX)
		return -ENAMETOOLONG;
	if (in->type_length >= sizeof(a->type))
		return -ENODEV;
	if (in->data_length > sizeof(a->data) || rq->in_length != at + in->type_length + in->data_length)
		return -EINVAL;
	memset(a->type, 0, sizeof(a->type));
	if (in->source_length)
		got = request_read(rq, 0, a->source, in->source_length);
	if (got >= 0 && in->type_length)
		got = request_read(rq, at, a->type, in->type_length);
	if (got >= 0 && in->data_length)
		got = request_read(rq, at + in->type_length, a->data, in->data_length);
	a->source[in->source_length] = 0;
	a->source_length = in->source_length;
	a->data_length = in->data_length;
	return got < 0 ? got : 0;
}

static long remount(struct request *rq, const struct vfs_mount_req *in, struct mount *m)
{
	struct fs_remount_req request = { in->flags & MOUNT_READ_ONLY };
	struct job *job = job_new(rq, JOB_OTHER, m->fs);

	if (!job)
		return job_wait(rq);
	rq->progress[3] = (uint64_t)(m - mounts) + 1;
	return job_send(job, fs_op_remount, OP_PARK, &request, sizeof(request));
}

static long remount_done(struct request *rq, const struct vfs_mount_req *in, struct job *job)
{
	struct mount *m = &mounts[(rq->progress[3] - 1) % MOUNT_MAX];

	if (job->status >= 0) {
		m->flags = (uint32_t)in->flags & MS_KEPT;
		m->super->read_only = in->flags & MOUNT_READ_ONLY;
	}
	return job_finish(rq, job);
}

/* The source is a block device that exists and is not mounted: two caches of one device would ruin it. From here on
 * it counts as mounted. */
static long source_device(struct request *rq, const struct arguments *a, uint64_t flags)
{
	struct place place;
	struct vnode *node;
	struct device *device;
	struct mount *m;
	long status = path_walk_text(rq, &place, session_find(rq->stamp)->cwd, a->source, a->source_length,
				     WALK_FOLLOW);

	if (status)
		return status;
	node = place.walk.found->node;
	if (!node_is(node, S_IFBLK))
		return -ENOTBLK;
	device = device_find(S_IFBLK, node->rdev);
	if (!device)
		return -ENXIO;
	if (!mount_of(rq)) {
		if (mount_on_device(node->rdev))
			return -EBUSY;
		m = mount_begin(rq, a->source, a->type, flags, "");
		if (!m)
			return -ENOMEM;
		m->device = node->rdev;
	}
	return begin_device(rq, device, dev_minor(node->rdev), flags);
}

static long mount_target(struct request *rq, const struct vfs_mount_req *in, struct place *place)
{
	long status = path_walk(rq, place, AT_FDCWD, 0, in->source_length, in->target_length, WALK_FOLLOW);

	if (status)
		return status;
	if (place->creds.uid)
		return -EPERM;
	return node_is(place->walk.found->node, S_IFDIR) ? 0 : -ENOTDIR;
}

static void note_where(const struct dentry *d, char where[WHERE_MAX])
{
	char *start;

	if (tree_path(d, root_mount->root, where, WHERE_MAX - 1, &start) < 0)
		start = where + WHERE_MAX - 1;
	where[WHERE_MAX - 1] = 0;
	memmove(where, start, (size_t)(where + WHERE_MAX - start));
}

static long mount_start(struct request *rq, const struct vfs_mount_req *in, const struct known *type,
			char where[WHERE_MAX])
{
	struct place place;
	struct job *job;
	long status = job_resume(rq, &job);

	if (status)
		return status;
	if (job && rq->progress[3])
		return remount_done(rq, in, job) < 0 ? -EINVAL : 1;
	if (job)
		return device_done(rq, job);
	status = mount_target(rq, in, &place);
	if (status)
		return status;
	if (in->flags & MS_REMOUNT)
		return dentry_is_root(place.walk.found) ? remount(rq, in, place.walk.found->mount) : -EINVAL;
	if (!type)
		return -ENODEV;
	if (type->device)
		return source_device(rq, &arguments, in->flags);
	note_where(place.walk.found, where);
	return 0;
}

/* The target is walked once more when all is ready: it may have been moved meanwhile. */
static long mount_attach(struct request *rq, const struct vfs_mount_req *in)
{
	struct place place;
	struct job *job;
	long status = job_resume(rq, &job);

	if (!status)
		status = mount_target(rq, in, &place);
	if (status == PARK)
		return PARK;
	if (status)
		return mount_fail(rq, status);
	status = mount_join(mount_of(rq), place.walk.found);
	return status ? mount_fail(rq, status) : 0;
}

/* Calls that make no file system, but show or join what is mounted. */
static bool is_rearrangement(uint64_t flags)
{
	if (flags & MS_REMOUNT)
		return flags & MS_BIND;
	return flags & (MS_BIND | MS_MOVE | MS_PROPAGATION);
}

static long rearrange_at(struct request *rq, const struct vfs_mount_req *in, struct dentry *from,
			 struct dentry *at)
{
	(void)rq;
	if (in->flags & MS_BIND)
		return bind_mount(from, at, in->flags & MS_REC);
	return move_mount(from, at);
}

/* Both paths are walked in the cache in one go, so that the first name found stays while the second is looked for.
 * progress[3]: it is done. */
static long rearrange(struct request *rq, const struct vfs_mount_req *in)
{
	struct place source, place;
	struct job *job;
	long status = job_resume(rq, &job);

	if (status || rq->progress[3])
		return status;
	if (in->flags & (MS_BIND | MS_MOVE) && !(in->flags & MS_REMOUNT)) {
		status = path_walk_text(rq, &source, session_find(rq->stamp)->cwd, arguments.source,
					arguments.source_length, WALK_FOLLOW);
		if (status)
			return status;
	}
	status = path_walk(rq, &place, AT_FDCWD, 0, in->source_length, in->target_length, WALK_FOLLOW);
	if (status)
		return status;
	if (place.creds.uid)
		return -EPERM;
	if (in->flags & MS_REMOUNT) {
		if (!dentry_is_root(place.walk.found))
			return -EINVAL;
		place.walk.found->mount->flags = (uint32_t)in->flags & MS_KEPT;
	} else if (in->flags & (MS_BIND | MS_MOVE)) {
		status = rearrange_at(rq, in, source.walk.found, place.walk.found);
	} else {
		status = change_propagation(place.walk.found, in->flags);
	}
	rq->progress[3] = !status;
	return status;
}

long mount_path(struct request *rq, const struct vfs_mount_req *in, struct vfs_mount_reply *out)
{
	char where[WHERE_MAX] = "";
	const struct known *type;
	long status = read_arguments(rq, in, &arguments);

	(void)out;
	if (status)
		return rq->progress[1] ? mount_fail(rq, status) : status;
	if (is_rearrangement(in->flags))
		return rearrange(rq, in);
	type = type_find(arguments.type);
	if (rq->progress[0] == STAGE_DEVICE) {
		status = mount_start(rq, in, type, where);
		if (status == PARK || status == 1)
			return status == PARK ? PARK : 0;
		if (status)
			return mount_fail(rq, status);
		if (!mount_of(rq) && !mount_begin(rq, arguments.source, arguments.type, in->flags, where))
			return mount_fail(rq, -ENOMEM);
		rq->progress[0] = STAGE_SERVER;
	}
	if (rq->progress[0] < STAGE_ATTACH) {
		status = mount_stages(rq, type, arguments.data, arguments.data_length);
		if (status)
			return status == PARK ? PARK : mount_fail(rq, status);
	}
	return mount_attach(rq, in);
}

/* --- umount ---------------------------------------------------------------------------------------------------------- */

static void unmount_now(struct mount *m)
{
	struct mount *super = m->super;

	mount_drop(m);
	if (super != m && !super->root && !mount_is_shown(super))
		mount_drop(super);
}

static long unmount_done(struct request *rq, struct job *job)
{
	struct mount *m = &mounts[(rq->progress[1] - 1) % MOUNT_MAX];
	long status = job->status;

	job_free(job);
	if (status < 0) {
		m->covered->mounted = m;
		m->dying = false;
		return status;
	}
	unmount_now(m);
	return 0;
}

long unmount_path(struct request *rq, const struct vfs_umount_req *in, struct vfs_umount_reply *out)
{
	struct fs_unmount_req request = { 0 };
	struct place place;
	struct mount *m;
	struct job *job;
	long status = job_resume(rq, &job);

	(void)out;
	if (status)
		return status;
	if (job)
		return unmount_done(rq, job);
	if (in->flags & ~15ull)
		return -EINVAL;
	status = path_walk(rq, &place, AT_FDCWD, 0, 0, rq->in_length, in->flags & 8 ? 0 : WALK_FOLLOW);
	if (status)
		return status;
	if (place.creds.uid)
		return -EPERM;
	m = place.walk.found->mount;
	if (place.walk.found != m->root)
		return -EINVAL;
	if (m == root_mount || m->dying || mount_busy(m))
		return -EBUSY;
	unmount_copies(m);
	if (mount_is_shown(m)) {
		unmount_now(m);
		return 0;
	}
	job = job_new(rq, JOB_OTHER, m->fs);
	if (!job)
		return job_wait(rq);
	rq->progress[1] = (uint64_t)(m - mounts) + 1;
	m->dying = true;
	m->covered->mounted = NULL;
	return job_send(job, fs_op_unmount, OP_PARK, &request, sizeof(request));
}

/* --- sync, /proc/mounts -------------------------------------------------------------------------------------------------- */

/* The n-th of all that store something: the mounts, then the servers of block devices. CAP_NONE if there is
 * nothing in that place, -EINVAL behind the last. */
static cap_t storing(uint64_t n)
{
	if (n < MOUNT_MAX)
		return mounts[n].used && !mounts[n].dying && mounts[n].super == &mounts[n] ? mounts[n].fs
											   : CAP_NONE;
	return (cap_t)device_block_server(n - MOUNT_MAX);
}

/* One operation on each of them, one after the other; whether it fails there does not matter. progress[0]: whose
 * turn it is. */
static long ask_all(struct request *rq, uint64_t fs_op, uint64_t dev_op, uint32_t flags, uint64_t word)
{
	uint64_t n;
	cap_t to;

	while ((to = storing(n = rq->progress[0])) != -EINVAL) {
		struct job *job = to == CAP_NONE ? NULL : job_new(rq, JOB_OTHER, to);

		if (to != CAP_NONE && !job)
			return job_wait(rq);
		rq->progress[0]++;
		if (job)
			return job_send(job, n < MOUNT_MAX ? fs_op : dev_op, flags, &word,
					flags & OP_PARK ? 0 : sizeof(word));
	}
	return 0;
}

long sync_all(struct request *rq, const struct vfs_sync_req *in, struct vfs_sync_reply *out)
{
	struct job *job;
	long status = job_resume(rq, &job);

	(void)in, (void)out;
	if (status)
		return status;
	if (job)
		job_free(job);
	return ask_all(rq, fs_op_sync, dev_op_sync, OP_PARK, 0);
}

/* The names go first, and each server is told what VFS has forgotten before it is asked. */
long drop_caches(struct request *rq, const struct vfs_drop_caches_req *in, struct vfs_drop_caches_reply *out)
{
	struct job *job;
	long status = job_resume(rq, &job);

	(void)out;
	if (!stamp_is_service(rq->stamp))
		return -EPERM;
	if (status)
		return status;
	if (job)
		job_free(job);
	else if (!rq->progress[1] && in->which & 2)
		names_drop();
	rq->progress[1] = 1;
	if (!rq->progress[0] && forgets_wait(rq))
		return PARK;
	return ask_all(rq, fs_op_drop_caches, dev_op_drop_caches, 0, in->which);
}

static size_t mount_line(const struct mount *m, char *to, size_t size)
{
	static char path[PATH_LENGTH_MAX];
	char *start = NULL;

	if (tree_path(m->root, root_mount->root, path, sizeof(path) - 1, &start) < 0)
		return 0;
	return (size_t)snprintf(
	    to, size, "%s%s %.*s %s %s%s%s%s 0 0\n",
	    strchr(m->source, '/') || m->super != root_mount ? "" : "/dev/",
	    m->source[0] ? m->source : "none", (int)(path + sizeof(path) - 1 - start), start, m->type,
	    is_read_only(m) ? "ro" : "rw", m->flags & MOUNT_NO_SUID ? ",nosuid" : "",
	    m->flags & MOUNT_NO_DEVICES ? ",nodev" : "", m->flags & MOUNT_NO_EXEC ? ",noexec" : "");
}

long list_mounts(struct request *rq, const struct vfs_mounts_req *in, struct vfs_mounts_reply *out)
{
	static char text[16384];
	size_t length = 0, line;

	(void)out;
	for (const struct mount *m = mounts; root_mount && m < mounts + MOUNT_MAX; m++) {
		if (!m->used || m->dying || !m->root)
			continue;
		line = mount_line(m, text + length, sizeof(text) - length);
		if (line >= sizeof(text) - length)
			break;
		length += line;
	}
	if (in->offset >= length)
		return 0;
	length -= in->offset;
	if (length > rq->out_length)
		length = rq->out_length;
	return length ? request_write(rq, 0, text + in->offset, length) : 0;
}
