/* SPDX-License-Identifier: MIT */
/* Pipes, socket pairs, event and timer descriptors: all made by the pipe server. */
#include "libposix.h"

#include <proto/file_types.h>
#include <proto/pipe.h>

#define AF_UNIX 1
#define SOCK_TYPE_MASK 0xfu
#define EFD_SEMAPHORE 1u
#define TFD_TIMER_FLAGS 3u /* ABSTIME, CANCEL_ON_SET */
#define NANOSECONDS 1000000000ull

struct itimerspec {
	struct lp_timespec interval, value;
};

static struct call_options new_descriptors(uint64_t flags)
{
	return (struct call_options){
		.flags = IPC_RECV_FD | (flags & O_CLOEXEC ? IPC_RECV_CLOEXEC : 0),
	};
}

static long first_descriptor(long status)
{
	return status < 0 ? status : ipc_page()->caps[0].slot;
}

/* The program's int[2] has been found writable before anything was made. */
static long both_descriptors(long status, int32_t *to)
{
	if (status < 0)
		return status;
	to[0] = ipc_page()->caps[0].slot;
	to[1] = ipc_page()->caps[1].slot;
	return 0;
}

long lp_pipe2(uint64_t to, uint64_t flags)
{
	struct call_options options = new_descriptors(flags);
	struct pipe_pipe_req request = { .flags = flags & O_NONBLOCK };
	struct pipe_pipe_reply reply;

	if (flags & ~(uint64_t)(O_CLOEXEC | O_NONBLOCK))
		return -EINVAL;
	lp_writable((void *)to, 2 * sizeof(int32_t));
	return both_descriptors(pipe_call_pipe(PROC_SLOT_PIPE, &options, &request, &reply), (int32_t *)to);
}

long lp_pipe(uint64_t to)
{
	return lp_pipe2(to, 0);
}

long lp_socketpair(uint64_t domain, uint64_t type, uint64_t protocol, uint64_t to)
{
	struct call_options options = new_descriptors(type);
	struct pipe_socketpair_req request = { .type = type & SOCK_TYPE_MASK, .flags = type & O_NONBLOCK };
	struct pipe_socketpair_reply reply;

	if (domain != AF_UNIX)
		return -EAFNOSUPPORT;
	if (protocol > 1)
		return -EPROTONOSUPPORT;
	lp_writable((void *)to, 2 * sizeof(int32_t));
	return both_descriptors(pipe_call_socketpair(PROC_SLOT_PIPE, &options, &request, &reply),
				(int32_t *)to);
}

long lp_eventfd2(uint64_t initial, uint64_t flags)
{
	struct call_options options = new_descriptors(flags);
	struct pipe_eventfd_req request = { .initial = (uint32_t)initial,
					    .flags = flags & (O_NONBLOCK | EFD_SEMAPHORE) };
	struct pipe_eventfd_reply reply;

	if (flags & ~(uint64_t)(O_CLOEXEC | O_NONBLOCK | EFD_SEMAPHORE))
		return -EINVAL;
	return first_descriptor(pipe_call_eventfd(PROC_SLOT_PIPE, &options, &request, &reply));
}

long lp_eventfd(uint64_t initial)
{
	return lp_eventfd2(initial, 0);
}

long lp_timerfd_create(uint64_t clock, uint64_t flags)
{
	struct call_options options = new_descriptors(flags);
	struct pipe_timerfd_req request = { .clock = clock, .flags = flags & O_NONBLOCK };
	struct pipe_timerfd_reply reply;

	if (flags & ~(uint64_t)(O_CLOEXEC | O_NONBLOCK))
		return -EINVAL;
	return first_descriptor(pipe_call_timerfd(PROC_SLOT_PIPE, &options, &request, &reply));
}

static struct lp_timespec timespec_of(uint64_t ns)
{
	return (struct lp_timespec){ (int64_t)(ns / NANOSECONDS), (int64_t)(ns % NANOSECONDS) };
}

static void put_setting(struct itimerspec *to, uint64_t value_ns, uint64_t interval_ns)
{
	to->value = timespec_of(value_ns);
	to->interval = timespec_of(interval_ns);
}

long lp_timerfd_settime(uint64_t fd, uint64_t flags, uint64_t setting, uint64_t old)
{
	const struct itimerspec *new = (const struct itimerspec *)setting;
	long value = lp_timespec_ns(&new->value), interval = lp_timespec_ns(&new->interval);
	struct pipe_timerfd_settime_req request = {
		.flags = flags,
		.value_ns = (uint64_t)value,
		.interval_ns = (uint64_t)interval,
	};
	struct pipe_timerfd_settime_reply reply;
	long status;

	if (value < 0 || interval < 0 || (flags & ~(uint64_t)TFD_TIMER_FLAGS))
		return -EINVAL;
	if (old)
		lp_writable((void *)old, sizeof(*new));
	status = pipe_call_timerfd_settime((cap_t)fd, NULL, &request, &reply);
	if (status >= 0 && old)
		put_setting((struct itimerspec *)old, reply.value_ns, reply.interval_ns);
	return status == -ENOSYS ? -EINVAL : status;
}

long lp_timerfd_gettime(uint64_t fd, uint64_t to)
{
	struct pipe_timerfd_gettime_req request = {};
	struct pipe_timerfd_gettime_reply reply;
	long status = pipe_call_timerfd_gettime((cap_t)fd, NULL, &request, &reply);

	if (status >= 0)
		put_setting((struct itimerspec *)to, reply.value_ns, reply.interval_ns);
	return status == -ENOSYS ? -EINVAL : status;
}
