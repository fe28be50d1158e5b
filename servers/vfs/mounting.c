/* SPDX-License-Identifier: MIT */
/* The stages of a mount: block device, server, the server's mount, the place in the tree. */
#include "mounting.h"

#define MS_KEPT 15u

PRESERVED struct mount *dev_mount;

static PRESERVED struct type {
	char name[16];
	cap_t endpoint; /* of an instance that serves all mounts of the type, 0 none yet */
} shared_types[3];

static const struct known known[] = {
	{ "ext2", "ext2", true, false },      { "tmpfs", "tmpfs", false, true },
	{ "devtmpfs", "tmpfs", false, true }, { "proc", "procfs", false, true },
	{ "procfs", "procfs", false, true },  { "9p", "p9", false, true },
};

const struct known *type_find(const char *name)
{
	for (const struct known *k = known; k < known + sizeof(known) / sizeof(known[0]); k++)
		if (!strcmp(k->name, name))
			return k;
	return NULL;
}

static struct type *shared_type(const char *server)
{
	for (struct type *t = shared_types; t < shared_types + 3; t++) {
		if (!t->name[0])
			strlcpy(t->name, server, sizeof(t->name));
		if (!strcmp(t->name, server))
			return t;
	}
	return NULL;
}

struct mount *mount_of(const struct request *rq)
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
	tx_close(m->endpoint);
	call = acall_new(stopped, NULL);
	if (call)
		rs_send_stop_instance(call, SLOT_RS, &request);
}

static void file_system_drop(struct mount *m)
{
	stop_instance(m);
	forget_mount(m);
	if (m->fs != CAP_NONE)
		tx_close(m->fs);
	m->fs = CAP_NONE;
	if (m->epochs)
		kcall(vm_unmap, CAP_SELF_SPACE, m->epochs, ANOLE_PAGE_SIZE);
	if (m->epochs_memory != CAP_NONE)
		tx_close(m->epochs_memory);
	m->epochs = NULL;
	m->epochs_memory = CAP_NONE;
}

void mount_drop(struct mount *m)
{
	mount_detach(m);
	leave_peers(m);
	if (m->origin)
		dentry_put(m->origin);
	m->origin = NULL;
	if (m->root)
		dentry_put(m->root);
	m->root = NULL;
	if (m->super == m && mount_is_shown(m)) {
		m->dying = false;
		return;
	}
	forget_flush();
	if (m->super == m)
		file_system_drop(m);
	mount_free(m);
}

long mount_fail(struct request *rq, long status)
{
	struct mount *m = mount_of(rq);

	if (device_cap(rq) != CAP_NONE)
		tx_close(device_cap(rq));
	if (m)
		mount_drop(m);
	rq->progress[1] = rq->progress[2] = 0;
	return status;
}

/* --- the stages ------------------------------------------------------------------------------------------------- */

long begin_device(struct request *rq, const struct device *device, uint32_t minor, uint64_t flags)
{
	struct dev_open_block_req request = { device->major, minor,
					      flags & MOUNT_READ_ONLY ? O_RDONLY : O_RDWR };
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

/* The server of all mounts of a type is told what of it is mounted, and where, so that it can tell the paths of its
 * open files. */
static size_t add_where(const struct mount *m, const struct known *type, char *to, size_t size,
			const char *options, size_t length)
{
	if (!type->shared || !m->where[0] || length + sizeof(m->where) + sizeof(m->source) + 32 > size) {
		memcpy(to, options, length);
		return length;
	}
	return (size_t)snprintf(to, size, "%.*s%ssource=%s,mounted-on=%s", (int)length, options,
				length ? "," : "", m->source, m->where);
}

static long begin_mount(struct request *rq, struct mount *m, const struct known *type, const char *options,
			size_t length)
{
	static char text[1200];
	struct type *shared = type->shared ? shared_type(type->server) : NULL;
	struct fs_mount_req request = { m->flags, m->device };
	struct job *job =
	    job_new(rq, JOB_MOUNT, m->endpoint != CAP_NONE || !shared ? m->endpoint : shared->endpoint);

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
		if (m->used && m->super == m)
			map_epochs(m);
}

static long mount_done(struct mount *m, struct job *job)
{
	struct node_words words = { job->answer[0], job->answer[1], job->answer[2], job->answer[3],
				    job->answer[4] };
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

void mount_attach_to(struct mount *m, struct dentry *covered)
{
	if (covered) {
		dentry_get(covered);
		m->covered = covered;
		covered->mounted = m;
	}
	m->dying = false;
}

void mount_detach(struct mount *m)
{
	struct dentry *covered = m->covered;

	if (!covered)
		return;
	m->covered = NULL;
	if (covered->mounted == m)
		covered->mounted = NULL;
	dentry_put(covered);
}

struct mount *mount_begin(struct request *rq, const char *source, const char *type, uint64_t flags,
			  const char *where)
{
	struct mount *m = mount_new();

	if (!m)
		return NULL;
	strlcpy(m->source, source, sizeof(m->source));
	strlcpy(m->type, type, sizeof(m->type));
	strlcpy(m->where, where, sizeof(m->where));
	m->flags = (uint32_t)flags & MS_KEPT;
	m->read_only = flags & MOUNT_READ_ONLY;
	rq->progress[1] = (uint64_t)(m - mounts) + 1;
	return m;
}

long mount_stages(struct request *rq, const struct known *type, const char *options, size_t length)
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

long device_done(struct request *rq, struct job *job)
{
	long status = job->status;

	if (status >= 0)
		rq->progress[2] = (uint64_t)job_take_cap(job) + 1;
	job_free(job);
	return status < 0 ? status : 0;
}
