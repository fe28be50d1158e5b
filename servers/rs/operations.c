/* SPDX-License-Identifier: MIT */
/* What services ask of RS. The badge says which of them asks. */
#include "rs.h"

#include <proto/rs.h>
#include <proto/rs_types.h>

#define LIST_TEXT 16384

static const char *const state_names[] = {
	[CHILD_MADE] = "made",       [CHILD_RUNNING] = "running", [CHILD_ENDING] = "ending",
	[CHILD_WAITING] = "waiting", [CHILD_STOPPED] = "stopped", [CHILD_FAILED] = "failed",
};

bool asked_by(const struct request *rq, const char *name)
{
	const struct child *child = child_of_badge(rq->badge);

	return child && !strcmp(child->manifest->name, name);
}

static uint64_t memory_kib(cap_t space)
{
	struct space_stat stat;

	return space > 0 && !kcall(space_stat, space, &stat) ? stat.resident_pages * (ANOLE_PAGE_SIZE / 1024)
							     : 0;
}

static int list_line(char *to, size_t size, const struct child *child)
{
	uint64_t uptime = child->state == CHILD_RUNNING ? clock_monotonic_ns() - child->started_ns : 0;

	return snprintf(to, size, "%-14s %-8s %11u %4lu.%03lu %8u %7luK %s\n", child->name,
			state_names[child->state], child->incarnation, uptime / SECONDS,
			uptime % SECONDS / MILLISECONDS, child->restarts, memory_kib(child->space),
			child->reason[0] ? child->reason : "-");
}

long list_text(char *to, size_t size)
{
	size_t length = (size_t)snprintf(to, size, "%-14s %-8s %11s %8s %8s %8s %s\n", "name", "state",
					 "incarnation", "uptime", "restarts", "memory", "last end");

	for (unsigned i = 0; i < CHILDREN && length < size - 1; i++)
		if (children[i].state != CHILD_FREE)
			length += (size_t)list_line(to + length, size - length, &children[i]);
	return (long)(length < size ? length : size - 1);
}

static long do_list(struct request *rq, const struct rs_list_req *request, struct rs_list_reply *reply)
{
	static char text[LIST_TEXT];
	uint64_t length = (uint64_t)list_text(text, sizeof text), part;

	(void)reply;
	if (request->offset >= length)
		return 0;
	part = length - request->offset;
	return request_write(rq, 0, text + request->offset, part < rq->out_length ? part : rq->out_length);
}

static bool tell_service(struct service_info *info, const struct child *child)
{
	struct thread_info thread;

	if (child->state != CHILD_RUNNING || kcall(thread_info, child->thread, &thread) < 0)
		return false;
	*info = (struct service_info){
		.number = child->number,
		.user_ns = thread.user_ns,
		.system_ns = thread.system_ns,
		.start_ns = child->started_ns,
		.incarnation = child->incarnation,
		.priority = thread.priority,
		.processor = thread.processor,
		.state = thread.state,
	};
	strlcpy(info->name, child->name, sizeof info->name);
	return kcall(space_stat, child->space, &info->memory) == 0;
}

static long do_services(struct request *rq, const struct rs_services_req *request,
			struct rs_services_reply *reply)
{
	static struct service_info found[CHILDREN];
	uint64_t room = rq->out_length / sizeof *found, count = 0;
	long status;

	(void)reply;
	for (unsigned i = 0; i < CHILDREN && count < room; i++)
		if (children[i].state == CHILD_RUNNING && children[i].number >= request->from)
			count += tell_service(&found[count], &children[i]);
	status = count ? request_write(rq, 0, found, count * sizeof *found) : 0;
	return status < 0 ? status : (long)count;
}

/* --- the others --------------------------------------------------------------------------- */

static long do_ready(struct request *rq, const struct rs_ready_req *request, struct rs_ready_reply *reply)
{
	struct child *child = child_of_badge(rq->badge);

	(void)request, (void)reply;
	if (!child)
		return -ESRCH;
	child->ready = true;
	boot_ready(child);
	return 0;
}

static long do_start_instance(struct request *rq, const struct rs_start_instance_req *request,
			      struct rs_start_instance_reply *reply)
{
	char name[MANIFEST_NAME] = "";
	const struct manifest *manifest;
	struct child *child;
	long status;

	(void)request;
	if (!asked_by(rq, "vfs"))
		return -EPERM;
	if (!rq->in_length || rq->in_length >= sizeof name)
		return -ENOENT;
	status = request_read(rq, 0, name, rq->in_length);
	if (status < 0)
		return status;
	manifest = manifest_of(name);
	if (!manifest || !manifest->instance)
		return -ENODEV;
	child = child_new(manifest);
	if (!child)
		return -ENOMEM;
	status = child_grant(child);
	if (!status)
		status = child_right(child, rq->badge);
	if (status > 0)
		status = request_give(rq, (cap_t)status, CAP_ALL, true);
	if (!status)
		status = child_launch(child);
	if (status)
		child_free(child);
	reply->instance = child->number;
	return status;
}

static long do_stop_instance(struct request *rq, const struct rs_stop_instance_req *request,
			     struct rs_stop_instance_reply *reply)
{
	struct child *child = child_of_badge(BADGE_SERVICE | request->instance);

	(void)reply;
	if (!asked_by(rq, "vfs"))
		return -EPERM;
	if (!child || !child->manifest->instance)
		return -ENOENT;
	child_free(child);
	return 0;
}

static long do_shutdown(struct request *rq, const struct rs_shutdown_req *request,
			struct rs_shutdown_reply *reply)
{
	(void)reply;
	if (!asked_by(rq, "pm"))
		return -EPERM;
	if (request->how > 2)
		return -EINVAL;
	shutdown_begin(request->how);
	return 0;
}

static long do_next_driver(struct request *rq, const struct rs_next_driver_req *request,
			   struct rs_next_driver_reply *reply)
{
	char class[MANIFEST_NAME] = "";
	struct child *driver;
	long status;

	if (!rq->in_length || rq->in_length >= sizeof class)
		return -EINVAL;
	status = request_read(rq, 0, class, rq->in_length);
	if (status < 0)
		return status;
	driver = driver_next(class, request->from);
	if (!driver)
		return request_park(rq, &driver_waiters);
	status = child_right(driver, rq->badge);
	if (status >= 0)
		status = request_give(rq, (cap_t)status, CAP_ALL, true);
	if (status < 0)
		return status;
	reply->number = driver->class_number;
	if (!rq->out_length)
		return 0;
	status = (long)strlen(driver->name) + 1;
	if ((uint64_t)status > rq->out_length)
		status = (long)rq->out_length;
	return request_write(rq, 0, driver->name, (size_t)status);
}

static long do_crash(struct request *rq, const struct rs_crash_req *request, struct rs_crash_reply *reply)
{
	if (!asked_by(rq, "procfs"))
		return -EPERM;
	return crash_give(rq, request->after, &reply->number);
}

static long do_points(struct request *rq, const struct rs_points_req *request, struct rs_points_reply *reply)
{
	(void)reply;
	return asked_by(rq, "procfs") ? points_give(rq, request->offset) : -EPERM;
}

const struct rs_ops operations = {
	.list = do_list,
	.control = control,
	.ready = do_ready,
	.start_instance = do_start_instance,
	.stop_instance = do_stop_instance,
	.shutdown = do_shutdown,
	.next_driver = do_next_driver,
	.crash = do_crash,
	.services = do_services,
	.points = do_points,
};
