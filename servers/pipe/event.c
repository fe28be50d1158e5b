/* SPDX-License-Identifier: MIT */
/* eventfd(2) and timerfd_create(2): counters that can be read and polled. */
#include <fs/stream.h>

#include "pipe.h"

#define EVENT_MAX 0xfffffffffffffffeull
#define TFD_TIMER_ABSTIME 1u

uint64_t event_ready(const struct description *d)
{
	uint64_t ready = d->counter ? POLLIN | POLLRDNORM : 0;

	if (d->kind == EVENT && d->counter < EVENT_MAX)
		ready |= POLLOUT | POLLWRNORM;
	return ready;
}

long event_read(struct request *rq, struct description *d, uint64_t flags)
{
	uint64_t value = d->semaphore && d->counter ? 1 : d->counter;
	long status;

	if (rq->out_length < sizeof(value))
		return -EINVAL;
	if (!value)
		return stream_nonblocking(d->flags, flags) ? -EAGAIN : request_park(rq, &d->waiters);
	status = request_write(rq, 0, &value, sizeof(value));
	if (status < 0)
		return status;
	d->counter -= value;
	waitq_wake(&d->waiters);
	description_notify(d);
	return sizeof(value);
}

long event_write(struct request *rq, struct description *d, uint64_t flags)
{
	uint64_t value;
	long status;

	if (d->kind != EVENT || rq->in_length < sizeof(value))
		return -EINVAL;
	status = request_read(rq, 0, &value, sizeof(value));
	if (status < 0)
		return status;
	if (value > EVENT_MAX)
		return -EINVAL;
	if (value > EVENT_MAX - d->counter)
		return stream_nonblocking(d->flags, flags) ? -EAGAIN : request_park(rq, &d->waiters);
	d->counter += value;
	waitq_wake(&d->waiters);
	description_notify(d);
	return sizeof(value);
}

static void timer_fired(struct timer *timer)
{
	struct description *d = (struct description *)((char *)timer - offsetof(struct description, timer));
	uint64_t now = clock_monotonic_ns();
	uint64_t times = 1;

	if (d->interval && now > d->deadline)
		times += (now - d->deadline) / d->interval;
	d->counter += times;
	d->deadline = d->interval ? d->deadline + times * d->interval : 0;
	event_timer_arm(d);
	waitq_wake(&d->waiters);
	description_notify(d);
}

void event_timer_arm(struct description *d)
{
	if (d->deadline)
		timer_start(&d->timer, d->deadline, timer_fired);
	else
		timer_stop(&d->timer);
}

static uint64_t remaining(const struct description *d)
{
	uint64_t now = clock_monotonic_ns();

	if (!d->deadline)
		return 0;
	return d->deadline > now ? d->deadline - now : 1;
}

/* The monotonic deadline that a setting means; clock 0 is the realtime clock. */
static uint64_t deadline_of(const struct description *d, uint64_t flags, uint64_t value)
{
	uint64_t now = clock_monotonic_ns(), offset;

	if (!(flags & TFD_TIMER_ABSTIME))
		return now + value < now ? UINT64_MAX : now + value;
	offset = d->clock == 0 ? clock_realtime_ns() - now : 0;
	return value > offset ? value - offset : 1;
}

long pipe_timerfd_settime(struct request *rq, const struct pipe_timerfd_settime_req *in,
			  struct pipe_timerfd_settime_reply *out)
{
	struct description *d = description_find(rq->badge);

	if (!d || d->kind != TIMER)
		return -EINVAL;
	out->value_ns = remaining(d);
	out->interval_ns = d->interval;
	d->counter = 0;
	d->interval = in->interval_ns;
	d->deadline = in->value_ns ? deadline_of(d, in->flags, in->value_ns) : 0;
	event_timer_arm(d);
	return 0;
}

long pipe_timerfd_gettime(struct request *rq, const struct pipe_timerfd_gettime_req *in,
			  struct pipe_timerfd_gettime_reply *out)
{
	struct description *d = description_find(rq->badge);

	(void)in;
	if (!d || d->kind != TIMER)
		return -EINVAL;
	out->value_ns = remaining(d);
	out->interval_ns = d->interval;
	return 0;
}
