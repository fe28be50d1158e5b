/* SPDX-License-Identifier: MIT */
/* The root and /dev, once, for RS. */
#include "mounting.h"

static void number_root(struct mount *m, const char *source)
{
	uint32_t minor = 0;
	const struct device *device = device_by_name(source, strlen(source), &minor);

	if (device)
		m->device = dev_make(device->major, minor);
}

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
		if (!mount_begin(rq, "devtmpfs", "devtmpfs", 0, "/dev"))
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
	mount_attach_to(dev_mount, place.walk.found);
	rq->progress[0] = STAGE_POPULATE;
	return 0;
}

/* The source and the type, each with a NUL. */
static long root_names(struct request *rq, uint64_t source_length, char source[48], char type[16])
{
	uint64_t type_length = rq->in_length - source_length;
	long status;

	if (source_length >= 48 || rq->in_length <= source_length || type_length >= 16)
		return -EINVAL;
	status = request_read(rq, 0, source, source_length);
	if (status >= 0)
		status = request_read(rq, source_length, type, type_length);
	return status < 0 ? status : 0;
}

/* rq->progress[3]: the root itself is mounted. */
static long root_itself(struct request *rq, uint64_t source_length, uint64_t flags)
{
	char source[48] = "", type_name[16] = "";
	const struct known *type;
	struct mount *m;
	long status = root_names(rq, source_length, source, type_name);

	if (status)
		return status;
	type = type_find(type_name);
	if (!type)
		return -ENODEV;
	if (rq->progress[0] == STAGE_DEVICE) {
		status = type->device ? root_device(rq, source, source_length, flags) : 0;
		if (status)
			return status;
		m = mount_begin(rq, source, type_name, flags, "");
		if (!m)
			return mount_fail(rq, -ENOMEM);
		if (type->device)
			number_root(m, source);
		rq->progress[0] = STAGE_SERVER;
	}
	status = mount_stages(rq, type, "", 0);
	if (status)
		return status == PARK ? PARK : mount_fail(rq, status);
	root_mount = mount_of(rq);
	mount_attach_to(root_mount, NULL);
	rq->progress[3] = 1;
	rq->progress[0] = STAGE_DEV;
	rq->progress[1] = 0;
	return 0;
}

/* Without /dev the root is there all the same. */
static long root_without_dev(struct request *rq, long error)
{
	slog("/dev cannot be mounted: error %ld", -error);
	mount_fail(rq, error);
	sessions_root_mounted();
	return 0;
}

long mount_root(struct request *rq, const struct vfs_mount_root_req *in, struct vfs_mount_root_reply *out)
{
	long status = 0;

	(void)out;
	if (rq->badge != BADGE_RS && !(rq->badge & BADGE_SERVICE))
		return -EPERM;
	if (root_mount && !rq->progress[3])
		return -EBUSY;
	if (!rq->progress[3])
		status = root_itself(rq, in->source_length, in->flags);
	if (!status && rq->progress[0] != STAGE_POPULATE) {
		status = root_dev(rq);
		if (status && status != PARK)
			return root_without_dev(rq, status);
	}
	if (status)
		return status;
	status = device_populate(rq);
	if (status != PARK)
		sessions_root_mounted();
	return status;
}
