/* SPDX-License-Identifier: MIT */
/* Device numbers and who serves them, and the nodes under /dev. */
#include "vfs.h"

#define DEVICE_MAX 128u
#define MADE_ALL UINT32_MAX

static PRESERVED struct device devices[DEVICE_MAX];
static PRESERVED uint32_t made[DEVICE_MAX]; /* how many nodes of it are there */
struct waitq device_arrivals;

/* What /dev has besides devices. */
static const struct fixed {
	const char *name, *target;
	uint32_t mode;
} fixed[] = {
	{ "pts", NULL, S_IFDIR | 0755 },
	{ "shm", NULL, S_IFDIR | 01777 },
	{ "fd", "/proc/self/fd", S_IFLNK | 0777 },
	{ "stdin", "/proc/self/fd/0", S_IFLNK | 0777 },
	{ "stdout", "/proc/self/fd/1", S_IFLNK | 0777 },
	{ "stderr", "/proc/self/fd/2", S_IFLNK | 0777 },
};
#define FIXED_COUNT (sizeof(fixed) / sizeof(fixed[0]))
static PRESERVED uint32_t fixed_made;

struct device *device_find(uint32_t kind, uint64_t rdev)
{
	uint32_t major = dev_major(rdev), minor = dev_minor(rdev);

	for (struct device *d = devices; d < devices + DEVICE_MAX; d++)
		if (d->used && d->kind == kind && d->major == major && minor - d->minor < d->count)
			return d;
	return NULL;
}

/*
 * The name of a device's n-th node. The given name is the first's; further ones count its final number up, or
 * from 0 if it ends in none: ttyS0 gives ttyS0, ttyS1 ...; pts/ gives pts/0, pts/1 ...
 */
static size_t node_name(const struct device *d, uint32_t n, char *to, size_t size)
{
	size_t length = strlen(d->name), stem = length;
	uint32_t first = 0, scale = 1;

	while (stem && d->name[stem - 1] >= '0' && d->name[stem - 1] <= '9') {
		first += (uint32_t)(d->name[--stem] - '0') * scale;
		scale *= 10;
	}
	if (stem == length && d->count == 1)
		return strlcpy(to, d->name, size);
	return (size_t)snprintf(to, size, "%.*s%u", (int)stem, d->name, first + n);
}

struct device *device_by_name(const char *name, size_t length, uint32_t *minor)
{
	char text[48];

	for (struct device *d = devices; d < devices + DEVICE_MAX; d++)
		for (uint32_t n = 0; d->used && d->kind == S_IFBLK && d->name[0] && n < d->count; n++)
			if (node_name(d, n, text, sizeof(text)) == length && !memcmp(text, name, length)) {
				*minor = d->minor + n;
				return d;
			}
	return NULL;
}

long device_block_server(uint64_t n)
{
	if (n >= DEVICE_MAX)
		return -EINVAL;
	return devices[n].used && devices[n].kind == S_IFBLK ? devices[n].server : CAP_NONE;
}

/* --- nodes ----------------------------------------------------------------------------------------------------- */

/* A place in /dev; 0, -EEXIST, or the walk's answer. */
static long dev_place(struct request *rq, struct place *place, const char *name)
{
	long status =
	    path_walk_text(rq, place, dev_mount->root, name, strlen(name), WALK_MAY_LACK | WALK_NAME);

	if (!status && place->walk.found)
		return -EEXIST;
	return status;
}

static long make_fixed(struct request *rq, const struct fixed *f)
{
	char text[64];
	struct fs_symlink_req request;
	struct place place;
	struct job *job;
	size_t length = strlen(f->name);
	long status = dev_place(rq, &place, f->name);

	if (status)
		return status;
	if (!f->target)
		return make_node(rq, &place, f->mode, 0);
	if (place.walk.dir->node->locked)
		return dir_wait(rq);
	job = job_new(rq, JOB_MAKE, dev_mount->fs);
	if (!job)
		return job_wait(rq);
	memcpy(text, f->name, length);
	strlcpy(text + length, f->target, sizeof(text) - length);
	job_text(job, text, length + strlen(f->target));
	job->name_length = (uint32_t)length;
	job_hold_dir(job, place.walk.dir);
	request = (struct fs_symlink_req){ place.walk.dir->node->number, length, 0, rq->stamp };
	return job_send(job, fs_op_symlink, OP_IN | OP_PARK, &request, sizeof(request));
}

static long make_device_node(struct request *rq, const struct device *d, uint32_t n)
{
	char name[48];
	struct place place;
	long status;

	node_name(d, n, name, sizeof(name));
	status = dev_place(rq, &place, name);
	if (status)
		return status;
	return make_node(rq, &place, d->kind | (d->mode & 07777), dev_make(d->major, d->minor + n));
}

/* The next thing that is not there; 0 when all is. */
static long make_next(struct request *rq, uint32_t **progress)
{
	*progress = &fixed_made;
	if (fixed_made < FIXED_COUNT)
		return make_fixed(rq, &fixed[fixed_made]);
	for (uint32_t i = 0; i < DEVICE_MAX; i++) {
		*progress = &made[i];
		if (devices[i].used && devices[i].name[0] && made[i] < devices[i].count)
			return make_device_node(rq, &devices[i], made[i]);
	}
	*progress = NULL;
	return 0;
}

/* A node that cannot be made is passed over. */
long device_populate(struct request *rq)
{
	uint32_t *progress;
	struct job *job;
	long status = job_resume(rq, &job);

	if (job)
		job_free(job); /* the walk finds what it has made, or that it is not there */
	else if (status == PARK)
		return status;
	for (;;) {
		status = make_next(rq, &progress);
		if (!progress || status == PARK)
			return status == PARK ? PARK : 0;
		if (status != -EEXIST && rq->progress[7]++ < 1000)
			slog("/dev: a node cannot be made: error %ld", -status);
		++*progress;
	}
}

/* --- nodes that come and go with what is open -------------------------------------------------------------------- */

/* progress[5]: the request has waited. */
static long settle(struct request *rq, const struct device *d)
{
	struct job *job;

	if (rq->progress[5] || stamp_is_service(rq->stamp))
		return 0;
	job = job_new(rq, JOB_SETTLE, d->server);
	if (!job)
		return job_wait(rq);
	return job_send(job, dev_op_settle, OP_PARK, NULL, 0);
}

long device_settle_node(struct request *rq, const struct vnode *node)
{
	const struct device *d = node_is(node, S_IFCHR) ? device_find(S_IFCHR, node->rdev) : NULL;

	return d && !d->name[0] ? settle(rq, d) : 0;
}

long device_settle_dir(struct request *rq, const struct dentry *dir)
{
	if (!dev_mount || dir->mount->super != dev_mount->super || dentry_is_root(dir))
		return 0;
	for (const struct device *d = devices; d < devices + DEVICE_MAX; d++)
		if (d->used && d->kind == S_IFCHR && !d->name[0])
			return settle(rq, d);
	return 0;
}

/* --- add and remove ------------------------------------------------------------------------------------------------ */

static bool from_service(const struct request *rq)
{
	return rq->badge & (BADGE_SERVICE | BADGE_RS) && stamp_is_service(rq->stamp);
}

static struct device *device_enter(struct request *rq, const struct vfs_add_device_req *in)
{
	uint64_t rdev = dev_make((uint32_t)in->major, (uint32_t)in->minor);
	struct device *d = device_find((uint32_t)in->kind, rdev);

	if (d && d->minor == in->minor) {
		tx_close(d->server); /* the same again from a new incarnation */
	} else {
		for (d = devices; d < devices + DEVICE_MAX && d->used; d++)
			;
		if (d == devices + DEVICE_MAX)
			return NULL;
		made[d - devices] = 0;
	}
	d->kind = (uint32_t)in->kind;
	d->major = (uint32_t)in->major;
	d->minor = (uint32_t)in->minor;
	d->count = (uint32_t)in->count;
	d->mode = (uint32_t)in->mode;
	d->server = request_take(rq, 0);
	d->used = true;
	return d;
}

long add_device(struct request *rq, const struct vfs_add_device_req *in, struct vfs_add_device_reply *out)
{
	char name[sizeof(devices[0].name)] = "";
	struct device *d;
	long got = 0;

	(void)out;
	if (!from_service(rq))
		return -EPERM;
	if (rq->progress[0])
		return dev_mount ? device_populate(rq) : 0;
	if ((in->kind != S_IFCHR && in->kind != S_IFBLK) || !in->count || in->count > 65536 ||
	    rq->in_length >= sizeof(name) || !rq->caps_count || rq->caps[0].slot == CAP_NONE)
		return -EINVAL;
	if (rq->in_length)
		got = request_read(rq, 0, name, rq->in_length);
	if (got < 0)
		return got;
	d = device_enter(rq, in);
	if (!d)
		return -ENOSPC;
	memcpy(d->name, name, sizeof(name));
	rq->progress[0] = 1;
	waitq_wake(&device_arrivals);
	return dev_mount ? device_populate(rq) : 0;
}

long remove_device(struct request *rq, const struct vfs_remove_device_req *in,
		   struct vfs_remove_device_reply *out)
{
	struct device *d =
	    device_find((uint32_t)in->kind, dev_make((uint32_t)in->major, (uint32_t)in->minor));

	(void)out;
	if (!from_service(rq))
		return -EPERM;
	if (!d)
		return -ENOENT;
	tx_close(d->server);
	d->used = false;
	return 0;
}
