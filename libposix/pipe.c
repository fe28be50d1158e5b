/* SPDX-License-Identifier: MIT */
/* Descriptors that the pipe server makes: pipes, eventfd, timerfd, socketpair. */
#include "files.h"

#define AF_UNIX 1
#define SOCK_TYPE 0xfu
#define EFD_SEMAPHORE 1u
#define NS 1000000000ull

static struct call_options fd_options(uint64_t flags)
{
	return (struct call_options){ .flags = IPC_RECV_FD | (flags & O_CLOEXEC ? IPC_RECV_CLOEXEC : 0) };
}

static long pair_answer(int32_t *fds)
{
	fds[0] = (int32_t)received_fd(0);
	fds[1] = (int32_t)received_fd(1);
	return 0;
}

long lp_pipe2(uint64_t a, uint64_t b)
{
	struct call_options options = fd_options(b);
	struct pipe_pipe_req request = { b & O_NONBLOCK };
	long status;

	if (b & ~(uint64_t)(O_CLOEXEC | O_NONBLOCK | O_DIRECT))
		return -EINVAL;
	if (b & O_DIRECT)
		return -EINVAL; /* packets: not there */
	lp_writable((void *)a, 8);
	status = pipe_call_pipe(PROC_SLOT_PIPE, &options, &request, NULL);
	return status < 0 ? status : pair_answer((int32_t *)a);
}

long lp_pipe(uint64_t a)
{
	return lp_pipe2(a, 0);
}

long lp_socketpair(uint64_t a, uint64_t b, uint64_t c, uint64_t d)
{
	struct call_options options = fd_options(b);
	struct pipe_socketpair_req request = { b & SOCK_TYPE, b & O_NONBLOCK };
	long status;

	if (a != AF_UNIX)
		return -EAFNOSUPPORT;
	if (c > 1)
		return -EPROTONOSUPPORT;
	if (b & ~(uint64_t)(SOCK_TYPE | O_CLOEXEC | O_NONBLOCK))
		return -EINVAL;
	lp_writable((void *)d, 8);
	status = pipe_call_socketpair(PROC_SLOT_PIPE, &options, &request, NULL);
	return status < 0 ? status : pair_answer((int32_t *)d);
}

long lp_eventfd2(uint64_t a, uint64_t b)
{
	struct call_options options = fd_options(b);
	struct pipe_eventfd_req request = { (uint32_t)a, b & (O_NONBLOCK | EFD_SEMAPHORE) };
	long status;

	if (b & ~(uint64_t)(O_CLOEXEC | O_NONBLOCK | EFD_SEMAPHORE))
		return -EINVAL;
	status = pipe_call_eventfd(PROC_SLOT_PIPE, &options, &request, NULL);
	return status < 0 ? status : received_fd(0);
}

long lp_eventfd(uint64_t a)
{
	return lp_eventfd2(a, 0);
}

/* --- timerfd ---------------------------------------------------------------------------------------- */

struct itimerspec {
	struct lp_timespec interval, value;
};

long lp_timerfd_create(uint64_t a, uint64_t b)
{
	struct call_options options = fd_options(b);
	struct pipe_timerfd_req request = { (uint32_t)a, b & O_NONBLOCK };
	long status;

	if (b & ~(uint64_t)(O_CLOEXEC | O_NONBLOCK))
		return -EINVAL;
	status = pipe_call_timerfd(PROC_SLOT_PIPE, &options, &request, NULL);
	return status < 0 ? status : received_fd(0);
}

static void put_times(struct itimerspec *to, uint64_t value, uint64_t interval)
{
	to->value = (struct lp_timespec){ (int64_t)(value / NS), (int64_t)(value % NS) };
	to->interval = (struct lp_timespec){ (int64_t)(interval / NS), (int64_t)(interval % NS) };
}

/* A descriptor of another server does not know the operation. */
static long timer_status(long status)
{
	return status == -ENOSYS ? -EINVAL : status;
}

long lp_timerfd_settime(uint64_t a, uint64_t b, uint64_t c, uint64_t d)
{
	const struct itimerspec *new = (const void *)c;
	struct pipe_timerfd_settime_reply old;
	long value = lp_timespec_ns(&new->value), interval = lp_timespec_ns(&new->interval), status;
	struct pipe_timerfd_settime_req request = { b, (uint64_t)value, (uint64_t)interval };

	if (value < 0 || interval < 0 || b > 3)
		return -EINVAL;
	status = timer_status(pipe_call_timerfd_settime(fd_cap(a), NULL, &request, &old));
	if (status >= 0 && d)
		put_times((void *)d, old.value_ns, old.interval_ns);
	return status;
}

long lp_timerfd_gettime(uint64_t a, uint64_t b)
{
	struct pipe_timerfd_gettime_reply now;
	long status = timer_status(
		pipe_call_timerfd_gettime(fd_cap(a), NULL, &(struct pipe_timerfd_gettime_req){}, &now));

	if (status >= 0)
		put_times((void *)b, now.value_ns, now.interval_ns);
	return status;
}
