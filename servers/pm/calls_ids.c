/* SPDX-License-Identifier: MIT */
/* Ids, groups, sessions, limits, priorities, times: messages. */
#include "calls.h"
#include "image.h"
#include "quota.h"

#include <util/string.h>

static uint64_t pair(uint32_t low, uint32_t high)
{
	return low | (uint64_t)high << 32;
}

long do_set_ids(struct request *rq, const struct pm_set_ids_req *in, struct pm_set_ids_reply *out)
{
	struct process *process = caller_of(rq);
	uint32_t before;
	long status;

	(void)out;
	if (!process)
		return -ESRCH;
	before = process_entry(process)->uid;
	status = cred_set(process, (uint32_t)in->which, in->a, in->b, in->c);
	if (process_entry(process)->uid != before)
		quota_move(process);
	return status;
}

long do_get_ids(struct request *rq, const struct pm_get_ids_req *in, struct pm_get_ids_reply *out)
{
	struct process *process = caller_of(rq);
	const struct process_entry *entry;

	(void)in;
	if (!process)
		return -ESRCH;
	entry = process_entry(process);
	out->pgid_sid = pair((uint32_t)entry->pgid, (uint32_t)entry->sid);
	out->uid_euid = pair(entry->uid, entry->euid);
	out->gid_egid = pair(entry->gid, entry->egid);
	out->suid_sgid = pair(entry->suid, entry->sgid);
	out->fsuid_fsgid = pair(entry->fsuid, entry->fsgid);
	return 0;
}

long do_set_groups(struct request *rq, const struct pm_set_groups_req *in, struct pm_set_groups_reply *out)
{
	struct process *process = caller_of(rq);
	uint32_t groups[PROCESS_GROUPS];
	long status = 0;

	(void)in, (void)out;
	if (!process || rq->in_length > sizeof(groups) || rq->in_length % sizeof(groups[0]))
		return -EINVAL;
	if (rq->in_length)
		status = request_read(rq, 0, groups, rq->in_length);
	if (status < 0)
		return status;
	return cred_set_groups(process, groups, (uint32_t)(rq->in_length / sizeof(groups[0])));
}

long do_get_groups(struct request *rq, const struct pm_get_groups_req *in, struct pm_get_groups_reply *out)
{
	struct process *process = caller_of(rq);
	const struct process_entry *entry;
	long status;

	(void)in, (void)out;
	if (!process)
		return -ESRCH;
	entry = process_entry(process);
	if (!rq->out_length || !entry->group_count)
		return entry->group_count;
	if (rq->out_length < entry->group_count * sizeof(entry->groups[0]))
		return -EINVAL;
	status = request_write(rq, 0, entry->groups, entry->group_count * sizeof(entry->groups[0]));
	return status < 0 ? status : (long)entry->group_count;
}

long do_setpgid(struct request *rq, const struct pm_setpgid_req *in, struct pm_setpgid_reply *out)
{
	struct process *process = caller_of(rq);

	(void)out;
	return process ? job_setpgid(process, (int32_t)in->pid, (int32_t)in->pgid) : -ESRCH;
}

static const struct process_entry *named_or_self(struct request *rq, int64_t pid)
{
	struct process *process = pid ? process_by_pid((int32_t)pid) : caller_of(rq);

	return process ? process_entry(process) : NULL;
}

long do_getpgid(struct request *rq, const struct pm_getpgid_req *in, struct pm_getpgid_reply *out)
{
	const struct process_entry *entry = named_or_self(rq, in->pid);

	(void)out;
	return entry ? entry->pgid : -ESRCH;
}

long do_getsid(struct request *rq, const struct pm_getsid_req *in, struct pm_getsid_reply *out)
{
	const struct process_entry *entry = named_or_self(rq, in->pid);

	(void)out;
	return entry ? entry->sid : -ESRCH;
}

long do_setsid(struct request *rq, const struct pm_setsid_req *in, struct pm_setsid_reply *out)
{
	struct process *process = caller_of(rq);

	(void)in, (void)out;
	return process ? job_setsid(process) : -ESRCH;
}

/* --- times ----------------------------------------------------------------------------------------- */
#define RUSAGE_THREAD 1

static void thread_account(const struct thread *thread, struct process_times *times)
{
	*times = (struct process_times){ 0 };
	machine_times(thread, &times->user_ns, &times->system_ns);
}

static void count_pages(const struct process *process, struct process_times *times)
{
	struct space_stat stat = { 0 };

	if (!process->image)
		return;
	kcall(space_stat, process->image->space, &stat);
	times->max_resident_pages = stat.resident_pages;
}

long do_times(struct request *rq, const struct pm_times_req *in, struct pm_times_reply *out)
{
	struct process *process = caller_of(rq);
	struct process_times times;
	struct thread *thread;
	long status;

	(void)out;
	if (!process)
		return -ESRCH;
	thread = in->which == RUSAGE_THREAD ? process_thread(process, (int32_t)in->tid) : NULL;
	if (thread)
		thread_account(thread, &times);
	else
		process_account(process, &times);
	count_pages(process, &times);
	status = request_write(rq, 0, &times, sizeof(times));
	return status < 0 ? status : 0;
}

long do_process_times(struct request *rq, const struct pm_process_times_req *in,
		      struct pm_process_times_reply *out)
{
	struct process *process = process_by_pid((int32_t)in->pid);
	struct process_times times;
	long status;

	if (!stamp_is_service(rq->stamp))
		return -EPERM;
	if (!process)
		return -ESRCH;
	process_account(process, &times);
	count_pages(process, &times);
	out->state = process_entry(process)->state;
	out->priority = 20 + (uint64_t)(int64_t)(int32_t)process_entry(process)->nice;
	out->processor = process->threads ? machine_processor(process->threads) : 0;
	for (const struct thread *thread = process->threads; thread; thread = thread->next)
		out->running += machine_runs(thread);
	status = request_write(rq, 0, &times, sizeof(times));
	return status < 0 ? status : 0;
}

/* --- limits ------------------------------------------------------------------------------------------- */
#define DESCRIPTORS_MAX 65536u

static long apply_limit(struct process *process, uint32_t resource, const struct limit *limit)
{
	struct process_entry *entry = process_entry(process);
	long status = 0;

	if (resource == RLIMIT_NOFILE) {
		if (limit->hard > DESCRIPTORS_MAX)
			return -EPERM;
		status = kcall(table_limit, process->fd_table, limit->soft);
		if (status >= 0)
			entry->limit_files = limit->soft;
	}
	if (resource == RLIMIT_FSIZE)
		entry->limit_file_size = limit->soft;
	if (status >= 0)
		process->limits[resource] = *limit;
	if (resource == RLIMIT_AS || resource == RLIMIT_DATA || resource == RLIMIT_STACK)
		image_limit(process->image, process->limits);
	if (resource == RLIMIT_CPU)
		timers_limit(process);
	return status < 0 ? status : 0;
}

static bool same_user(const struct process *caller, const struct process *target)
{
	const struct process_entry *from = process_entry(caller), *to = process_entry(target);

	return caller == target || !from->euid ||
	       (from->uid == to->uid && from->uid == to->euid && from->uid == to->suid);
}

long do_limit(struct request *rq, const struct pm_limit_req *in, struct pm_limit_reply *out)
{
	struct process *caller = caller_of(rq),
		       *process = in->pid ? process_by_pid((int32_t)in->pid) : caller;
	struct limit new = { in->soft, in->hard }, *old;

	if (!caller || !process || process_is_zombie(process))
		return -ESRCH;
	if (in->resource >= LIMITS)
		return -EINVAL;
	if (!same_user(caller, process))
		return -EPERM;
	old = &process->limits[in->resource];
	out->soft = old->soft;
	out->hard = old->hard;
	if (!in->set)
		return 0;
	if (new.soft > new.hard)
		return -EINVAL;
	if (new.hard > old->hard && process_entry(caller)->euid)
		return -EPERM;
	return apply_limit(process, (uint32_t)in->resource, &new);
}

long do_limits(struct request *rq, const struct pm_limits_req *in, struct pm_limits_reply *out)
{
	struct process *process = process_by_pid((int32_t)in->pid);
	long status;

	_Static_assert(sizeof(process->limits) == sizeof(struct process_limits), "as it travels");
	(void)out;
	if (!stamp_is_service(rq->stamp))
		return -EPERM;
	if (!process)
		return -ESRCH;
	status = rq->out_length < sizeof(process->limits)
		     ? -EINVAL
		     : request_write(rq, 0, process->limits, sizeof(process->limits));
	return status < 0 ? status : 0;
}

/* --- priority --------------------------------------------------------------------------------------------- */
enum { PRIO_PROCESS, PRIO_PGRP, PRIO_USER };

static bool chosen(const struct process *process, const struct process_entry *self, uint64_t which,
		   int64_t who)
{
	const struct process_entry *entry = process_entry(process);

	if (process_is_zombie(process))
		return false;
	if (which == PRIO_PROCESS)
		return entry->pid == (who ? who : self->pid);
	if (which == PRIO_PGRP)
		return entry->pgid == (who ? who : self->pgid);
	return entry->uid == (who ? (uint32_t)who : self->uid);
}

static long set_nice(struct process *caller, struct process *process, int64_t value)
{
	const struct process_entry *from = process_entry(caller);
	struct process_entry *entry = process_entry(process);
	int32_t nice = value < -20 ? -20 : value > 19 ? 19 : (int32_t)value;

	if (from->euid && from->euid != entry->uid && from->euid != entry->euid)
		return -EPERM;
	if (from->euid && nice < (int32_t)entry->nice)
		return -EACCES;
	process_entry(process)->nice = (uint32_t)nice;
	for (struct thread *thread = process->threads; thread; thread = thread->next)
		machine_priority(thread, entry->nice);
	return 0;
}

long do_priority(struct request *rq, const struct pm_priority_req *in, struct pm_priority_reply *out)
{
	struct process *caller = caller_of(rq);
	long best = 0, status = -ESRCH, error;

	(void)out;
	if (!caller)
		return -ESRCH;
	if (in->which > PRIO_USER)
		return -EINVAL;
	for (struct process *process = table.first; process; process = process->next) {
		long level = 20 - (int32_t)process_entry(process)->nice;

		if (!chosen(process, process_entry(caller), in->which, in->who))
			continue;
		if (level > best)
			best = level;
		error = in->set ? set_nice(caller, process, in->value) : 0;
		if (status == -ESRCH || error)
			status = error;
	}
	return status || in->set ? status : best;
}

/* --- affinity ---------------------------------------------------------------------------------------------- */
long do_affinity(struct request *rq, const struct pm_affinity_req *in, struct pm_affinity_reply *out)
{
	struct process *caller = caller_of(rq);
	struct thread *thread = caller ? thread_by_tid((int32_t)(in->of ? in->of : in->tid)) : NULL;
	const struct process_entry *from, *to;
	long status;

	if (!thread)
		return -ESRCH;
	from = process_entry(caller);
	to = process_entry(thread->process);
	if (in->set && from->euid && from->euid != to->uid && from->euid != to->euid)
		return -EPERM;
	if (in->set)
		thread->process->flags = thread->process->flags | PROC_BOUND;
	status = in->set ? machine_bind(thread, in->mask) : 0;
	out->mask = machine_affinity(thread);
	return status;
}
