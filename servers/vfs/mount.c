/* SPDX-License-Identifier: MIT */
/*
 * mount, umount, the root. Mounting goes by stages, each a job; rq->progress[0] is the stage,
 * [1] the number of the mount being made plus one, [2] the capability of its block device plus one.
 */
#include "vfs.h"

#define MS_REMOUNT 32u
#define MS_UNSUPPORTED (4096u | 8192u | 0x100000u | 0x20000u | 0x40000u | 0x80000u) /* bind, move, propagation */
#define MS_KEPT 15u

enum stage { STAGE_DEVICE, STAGE_SERVER, STAGE_MOUNT, STAGE_ATTACH, STAGE_DEV, STAGE_POPULATE };

PRESERVED struct mount *dev_mount;

static PRESERVED struct type {
	char name[16];
	cap_t endpoint; /* of an instance that serves all mounts of the type, 0 none yet */
} shared_types[2];

/* Which server a type needs. */
static const struct known {
	const char *name, *server;
	bool device, shared;
} known[] = {
	{ "ext2", "ext2", true, false },
	{ "tmpfs", "tmpfs", false, true },
	{ "devtmpfs", "tmpfs", false, true },
	{ "proc", "procfs", false, true },
	{ "procfs", "procfs", false, true },
};

static const struct known *type_find(const char *name)
{
	for (const struct known *k = known; k < known + sizeof(known) / sizeof(known[0]); k++)
		if (!strcmp(k->name, name))
			return k;
	return NULL;
}

static struct type *shared_type(const char *server)
{
	for (struct type *t = shared_types; t < shared_types + 2; t++) {
		if (!t->name[0])
			strlcpy(t->name, server, sizeof(t->name));
		if (!strcmp(t->name, server))
			return t;
	}
	return NULL;
}

static struct mount *mount_of(const struct request *rq)
{
	return rq->progress[1] ? &mounts[(rq->progress[1] - 1) % MOUNT_MAX] : NULL;
}

static cap_t device_cap(const struct request *rq)
{
	return rq->progress[2] ? (cap_t)(rq->progress[2] - 1) : CAP_NONE;
}

static void stopped(struct acall *call)
{
	if (call->status < 0)
		slog("an instance cannot be stopped: error %ld", -call->status);
}

static void stop_instance(const struct mount *m)
{
	struct rs_stop_instance_req request = { m->instance };
	struct acall *call;

	if (m->endpoint == CAP_NONE)
		return;
	kcall(cap_close, m->endpoint);
	call = acall_new(stopped, NULL);
	if (call)
		rs_send_stop_instance(call, SLOT_RS, &request);
}

/* What a mount that failed, or is over, leaves behind. */
static void mount_drop(struct mount *m)
{
	stop_instance(m);
	if (m->covered) {
		if (m->covered->mounted == m)
			m->covered->mounted = NULL;
		dentry_put(m->covered);
	}
	m->covered = NULL;
	if (m->root)
		dentry_put(m->root);
	m->root = NULL;
	forget_flush();
	if (m->fs != CAP_NONE)
		kcall(cap_close, m->fs);
	m->fs = CAP_NONE;
	if (m->epochs)
		kcall(vm_unmap, CAP_SELF_SPACE, m->epochs, ANOLE_PAGE_SIZE);
	if (m->epochs_memory != CAP_NONE)
		kcall(cap_close, m->epochs_memory);
	m->epochs = NULL;
	m->epochs_memory = CAP_NONE;
	mount_free(m);
}

static long mount_fail(struct request *rq, long status)
{
	struct mount *m = mount_of(rq);

	if (device_cap(rq) != CAP_NONE)
		kcall(cap_close, device_cap(rq));
	if (m)
		mount_drop(m);
	rq->progress[1] = rq->progress[2] = 0;
	return status;
}

/* --- the stages ------------------------------------------------------------------------------------------------- */

static long begin_device(struct request *rq, const struct device *device, uint32_t minor, uint64_t flags)
{
	struct dev_open_block_req request = { device->major, minor, flags & MOUNT_READ_ONLY ? O_RDONLY : O_RDWR };
	struct job *job = job_new(rq, JOB_OTHER, device->server);

	if (!job)
		return job_wait(rq);
	return job_send(job, dev_op_open_block, OP_PARK | OP_RCAPS(1), &request, sizeof(request));
}

static long begin_server(struct request *rq, const struct known *type)
{
	struct type *shared = type->shared ? shared_type(type->server) : NULL;
	struct job *job;

	if (shared && shared->endpoint)
		return 0;
	job = job_new(rq, JOB_OTHER, SLOT_RS);
	if (!job)
		return job_wait(rq);
	job_text(job, type->server, strlen(type->server));
	return job_send(job, rs_op_start_instance, OP_IN | OP_PARK | OP_RCAPS(1), NULL, 0);
}

static long server_done(struct mount *m, const struct known *type, struct job *job)
{
	struct type *shared = type->shared ? shared_type(type->server) : NULL;
	cap_t endpoint;

	if (job->status < 0)
		return job->status == -ENOENT ? -ENODEV : job->status;
	endpoint = job_take_cap(job);
	if (shared && !shared->endpoint) {
		shared->endpoint = endpoint;
	} else {
		m->endpoint = endpoint;
		m->instance = job->answer[0];
	}
	return 0;
}

/* The server is told where it is mounted, so that it can tell the paths of its open files. */
static size_t add_where(const struct mount *m, const struct known *type, char *to, size_t size, const char *options,
			size_t length)
{
	if (!type->shared || !m->where[0] || length + sizeof(m->where) + 16 > size) {
		memcpy(to, options, length);
		return length;
	}
	return (size_t)snprintf(to, size, "%.*s%smounted-on=%s", (int)length, options, length ? "," : "", m->where);
}

static long begin_mount(struct request *rq, struct mount *m, const struct known *type, const char *options,
			size_t length)
{
	static char text[1200];
	struct type *shared = type->shared ? shared_type(type->server) : NULL;
	struct fs_mount_req request = { m->flags, m->device };
	struct job *job = job_new(rq, JOB_MOUNT, m->endpoint != CAP_NONE || !shared ? m->endpoint : shared->endpoint);

	if (!job)
		return job_wait(rq);
	length = add_where(m, type, text, sizeof(text), options, length);
	if (!job_text(job, text, length)) {
		job_free(job);
		return -ENOMEM;
	}
	job->sent = device_cap(rq);
	rq->progress[2] = 0;
	return job_send(job, fs_op_mount, OP_IN | OP_PARK | OP_CAPS(1) | OP_CAPS_OPT | OP_RCAPS(2), &request,
			sizeof(request));
}

static void map_epochs(struct mount *m)
{
	m->epochs = NULL;
	if (m->epochs_memory != CAP_NONE)
		m->epochs = map_memory(m->epochs_memory, 0, sizeof(*m->epochs), VM_R | VM_SHARED);
}

/* Mappings are each incarnation's own. */
void mounts_start(void)
{
	for (struct mount *m = mounts; m < mounts + MOUNT_MAX; m++)
		if (m->used)
			map_epochs(m);
}

static long mount_done(struct mount *m, struct job *job)
{
	struct node_words words = { job->answer[0], job->answer[1], job->answer[2], job->answer[3], job->answer[4] };
	struct vnode *node;

	if (job->status < 0)
		return job->status;
	m->fs = job_take_cap(job);
	m->epochs_memory = job_take_second_cap(job);
	map_epochs(m);
	if (m->fs == CAP_NONE || (words.mode & S_IFMT) != S_IFDIR)
		return -EIO;
	m->volatile_names = words.mode & FS_MODE_VOLATILE;
	node = vnode_enter(m, &words);
	if (!node)
		return -ENOMEM;
	m->root = dentry_make_root(m, node);
	if (!m->root)
		vnode_put(node);
	return m->root ? 0 : -ENOMEM;
}

static void attach(struct mount *m, struct dentry *covered)
{
	if (covered) {
		dentry_get(covered);
		m->covered = covered;
		covered->mounted = m;
	}
	m->dying = false;
}

/* Where the mount that is being made will be; set right before mount_begin. */
static char where[96];

static void note_where(const struct dentry *d)
{
	char *start;

	where[0] = 0;
	if (tree_path(d, root_mount->root, where, sizeof(where) - 1, &start) < 0)
		return;
	where[sizeof(where) - 1] = 0;
	memmove(where, start, (size_t)(where + sizeof(where) - start));
}

static struct mount *mount_begin(struct request *rq, const char *source, const char *type, uint64_t flags)
{
	struct mount *m = mount_new();

	if (!m)
		return NULL;
	strlcpy(m->source, source, sizeof(m->source));
	strlcpy(m->type, type, sizeof(m->type));
	strlcpy(m->where, where, sizeof(m->where));
	where[0] = 0;
	m->flags = (uint32_t)flags & MS_KEPT;
	rq->progress[1] = (uint64_t)(m - mounts) + 1;
	return m;
}

/* Server and mount, from STAGE_SERVER to STAGE_ATTACH. 0: the mount is there, to be attached. */
static long mount_stages(struct request *rq, const struct known *type, const char *options, size_t length)
{
	struct mount *m = mount_of(rq);
	struct job *job;
	long status = job_resume(rq, &job);

	if (status)
		return status;
	if (rq->progress[0] == STAGE_SERVER) {
		status = job ? server_done(m, type, job) : begin_server(rq, type);
		if (job)
			job_free(job);
		job = NULL;
		if (status)
			return status;
		rq->progress[0] = STAGE_MOUNT;
	}
	if (rq->progress[0] == STAGE_MOUNT) {
		if (!job)
			return begin_mount(rq, m, type, options, length);
		status = mount_done(m, job);
		job_free(job);
		if (status)
			return status;
		rq->progress[0] = STAGE_ATTACH;
	}
	return 0;
}

/* --- mount(2) ---------------------------------------------------------------------------------------------------- */

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
	if (job->status >= 0)
		mounts[(rq->progress[3] - 1) % MOUNT_MAX].flags = (uint32_t)in->flags & MS_KEPT;
	return job_finish(rq, job);
}

/* The source is a block device that exists. */
static long source_device(struct request *rq, const struct arguments *a, uint64_t flags)
{
	struct place place;
	struct vnode *node;
	struct device *device;
	long status = path_walk_text(rq, &place, session_find(rq->stamp)->cwd, a->source, a->source_length, WALK_FOLLOW);

	if (status)
		return status;
	node = place.walk.found->node;
	if (!node_is(node, S_IFBLK))
		return -ENOTBLK;
	device = device_find(S_IFBLK, node->rdev);
	if (!device)
		return -ENXIO;
	return begin_device(rq, device, dev_minor(node->rdev), flags);
}

/* Takes the answer of open_block; 0 to go on with the server. */
static long device_done(struct request *rq, struct job *job)
{
	long status = job->status;

	if (status >= 0)
		rq->progress[2] = (uint64_t)job_take_cap(job) + 1;
	job_free(job);
	return status < 0 ? status : 0;
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

static long mount_start(struct request *rq, const struct vfs_mount_req *in, const struct known *type)
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
	if (in->flags & MS_REMOUNT) {
		if (!dentry_is_root(place.walk.found))
			return -EINVAL;
		return remount(rq, in, place.walk.found->mount);
	}
	if (in->flags & MS_UNSUPPORTED)
		return -EINVAL;
	if (!type)
		return -ENODEV;
	if (type->device)
		return source_device(rq, &arguments, in->flags);
	note_where(place.walk.found);
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
	attach(mount_of(rq), place.walk.found);
	return 0;
}

long mount_path(struct request *rq, const struct vfs_mount_req *in, struct vfs_mount_reply *out)
{
	const struct known *type;
	long status = read_arguments(rq, in, &arguments);

	(void)out;
	if (status)
		return rq->progress[1] ? mount_fail(rq, status) : status;
	type = type_find(arguments.type);
	if (rq->progress[0] == STAGE_DEVICE) {
		status = mount_start(rq, in, type);
		if (status)
			return status == 1 ? 0 : status;
		if (!mount_begin(rq, arguments.source, arguments.type, in->flags))
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

/* --- the root ------------------------------------------------------------------------------------------------------ */

static long root_device(struct request *rq, const char *source, size_t length, uint64_t flags)
{
	uint32_t minor = 0;
	struct device *device;
	struct job *job;
	long status = job_resume(rq, &job);

	if (status)
		return status;
	if (job)
		return device_done(rq, job);
	device = device_by_name(source, length, &minor);
	if (!device)
		return request_park(rq, &device_arrivals); /* its driver is still looking */
	return begin_device(rq, device, minor, flags);
}

/* /dev: a tmpfs over the root's directory of that name. */
static long root_dev(struct request *rq)
{
	const struct known *type = type_find("devtmpfs");
	struct place place;
	struct job *job;
	long status;

	if (rq->progress[0] == STAGE_DEV) {
		strlcpy(where, "/dev", sizeof(where));
		if (!mount_begin(rq, "devtmpfs", "devtmpfs", 0))
			return -ENOMEM;
		rq->progress[0] = STAGE_SERVER;
	}
	if (rq->progress[0] < STAGE_ATTACH) {
		status = mount_stages(rq, type, "mode=0755", 9);
		if (status)
			return status;
	}
	status = job_resume(rq, &job);
	if (status)
		return status;
	status = path_walk_text(rq, &place, root_mount->root, "/dev", 4, WALK_FOLLOW);
	if (status)
		return status;
	dev_mount = mount_of(rq);
	attach(dev_mount, place.walk.found);
	rq->progress[0] = STAGE_POPULATE;
	return 0;
}

/* progress[3]: the root itself is mounted. */
long mount_root(struct request *rq, const struct vfs_mount_root_req *in, struct vfs_mount_root_reply *out)
{
	char text[96] = "";
	const char *type_name = text + 48;
	const struct known *type;
	long status;

	(void)out;
	if (rq->badge != BADGE_RS && !(rq->badge & BADGE_SERVICE))
		return -EPERM;
	if (root_mount && !rq->progress[3])
		return -EBUSY;
	if (in->source_length >= 48 || rq->in_length <= in->source_length || rq->in_length - in->source_length >= 16)
		return -EINVAL;
	status = request_read(rq, 0, text, in->source_length);
	if (status >= 0)
		status = request_read(rq, in->source_length, text + 48, rq->in_length - in->source_length);
	if (status < 0)
		return status;
	type = type_find(type_name);
	if (!type)
		return -ENODEV;
	if (!rq->progress[3] && rq->progress[0] == STAGE_DEVICE) {
		status = type->device ? root_device(rq, text, in->source_length, in->flags) : 0;
		if (status)
			return status;
		if (!mount_begin(rq, text, type_name, in->flags))
			return mount_fail(rq, -ENOMEM);
		rq->progress[0] = STAGE_SERVER;
	}
	if (!rq->progress[3]) {
		status = mount_stages(rq, type, "", 0);
		if (status)
			return status == PARK ? PARK : mount_fail(rq, status);
		root_mount = mount_of(rq);
		attach(root_mount, NULL);
		rq->progress[3] = 1;
		rq->progress[0] = STAGE_DEV;
		rq->progress[1] = 0;
	}
	if (rq->progress[0] != STAGE_POPULATE) {
		status = root_dev(rq);
		if (status == PARK)
			return PARK;
		if (status) {
			slog("/dev cannot be mounted: error %ld", -status);
			mount_fail(rq, status);
			sessions_root_mounted();
			return 0;
		}
	}
	status = device_populate(rq);
	if (status != PARK)
		sessions_root_mounted();
	return status;
}

/* --- umount ---------------------------------------------------------------------------------------------------------- */

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
	mount_drop(m);
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
	mount_prune(m);
	if (m == root_mount || m->dying || m->root->references > 1)
		return -EBUSY;
	job = job_new(rq, JOB_OTHER, m->fs);
	if (!job)
		return job_wait(rq);
	rq->progress[1] = (uint64_t)(m - mounts) + 1;
	m->dying = true;
	m->covered->mounted = NULL;
	return job_send(job, fs_op_unmount, OP_PARK, &request, sizeof(request));
}

/* --- sync, /proc/mounts -------------------------------------------------------------------------------------------------- */

long sync_all(struct request *rq, const struct vfs_sync_req *in, struct vfs_sync_reply *out)
{
	uint64_t none = 0;
	struct job *job;
	long status = job_resume(rq, &job);

	(void)in;
	(void)out;
	if (status)
		return status;
	if (job)
		job_free(job); /* sync(2) reports no errors */
	while (rq->progress[0] < MOUNT_MAX) {
		struct mount *m = &mounts[rq->progress[0]];

		if (!m->used || m->dying) {
			rq->progress[0]++;
			continue;
		}
		job = job_new(rq, JOB_OTHER, m->fs);
		if (!job)
			return job_wait(rq);
		rq->progress[0]++;
		return job_send(job, fs_op_sync, OP_PARK, &none, 0);
	}
	return 0;
}

static size_t mount_line(const struct mount *m, char *to, size_t size)
{
	static char path[PATH_LENGTH_MAX];
	char *start = NULL;

	if (tree_path(m->root, root_mount->root, path, sizeof(path) - 1, &start) < 0)
		return 0;
	return (size_t)snprintf(to, size, "%s%s %.*s %s %s%s%s%s 0 0\n", strchr(m->source, '/') || m != root_mount ? "" : "/dev/",
				m->source[0] ? m->source : "none", (int)(path + sizeof(path) - 1 - start), start,
				m->type, m->flags & MOUNT_READ_ONLY ? "ro" : "rw",
				m->flags & MOUNT_NO_SUID ? ",nosuid" : "", m->flags & MOUNT_NO_DEVICES ? ",nodev" : "",
				m->flags & MOUNT_NO_EXEC ? ",noexec" : "");
}

long list_mounts(struct request *rq, const struct vfs_mounts_req *in, struct vfs_mounts_reply *out)
{
	static char text[16384];
	size_t length = 0, line;

	(void)out;
	for (const struct mount *m = mounts; root_mount && m < mounts + MOUNT_MAX; m++) {
		if (!m->used || m->dying)
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
