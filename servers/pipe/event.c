/* SPDX-License-Identifier: MIT */
/* eventfd(2) and timerfd_create(2): counters that can be read and polled. */
#include <fs/stream.h>

#include "pipe.h"

#define EVENT_MAX 0xfffffffffffffffeull
#define TFD_TIMER_ABSTIME 1u

uint64_t event_ready(const struct pipe *p)
{
	uint64_t ready = p->counter ? POLLIN | POLLRDNORM : 0;

	if (p->kind == EVENT && p->counter < EVENT_MAX)
		ready |= POLLOUT | POLLWRNORM;
	return ready;
}

long event_read(struct request *rq, struct pipe *p, uint64_t flags)
{
	uint64_t value = p->semaphore && p->counter ? 1 : p->counter;
	long status;

	if (rq->out_length < sizeof(value))
		return -EINVAL;
	if (!value)
		return stream_nonblocking(p->d.flags, flags) ? -EAGAIN : request_park(rq, &p->waiters);
	status = request_write(rq, 0, &value, sizeof(value));
	if (status < 0)
		return status;
	p->counter -= value;
	waitq_wake(&p->waiters);
	pipe_tell(p);
	return sizeof(value);
}

long event_write(struct request *rq, struct pipe *p, uint64_t flags)
{
	uint64_t value;
	long status;

	if (p->kind != EVENT || rq->in_length < sizeof(value))
		return -EINVAL;
	status = request_read(rq, 0, &value, sizeof(value));
	if (status < 0)
		return status;
	if (value > EVENT_MAX)
		return -EINVAL;
	if (value > EVENT_MAX - p->counter)
		return stream_nonblocking(p->d.flags, flags) ? -EAGAIN : request_park(rq, &p->waiters);
	p->counter += value;
	waitq_wake(&p->waiters);
	pipe_tell(p);
	return sizeof(value);
}

static void timer_fired(struct timer *timer);

#define SOONEST_NS 50000ul   /* between two looks at a timer that is read */
#define UNREAD_NS 10000000ul /* ... at one that is not */

/* The count is right whenever it is looked at, so a shorter interval need not be more work. */
static void start_again(struct pipe *p, uint64_t now, bool unread)
{
	uint64_t soonest = now + (unread ? UNREAD_NS : SOONEST_NS);

	if (p->deadline)
		timer_start(&p->timer, p->deadline > soonest ? p->deadline : soonest, timer_fired);
}

static void timer_fired(struct timer *timer)
{
	struct pipe *p = (struct pipe *)((char *)timer - offsetof(struct pipe, timer));
	uint64_t now = clock_monotonic_ns();
	uint64_t times = 1;
	bool unread = p->counter != 0;

	if (p->interval && now > p->deadline)
		times += (now - p->deadline) / p->interval;
	p->counter += times;
	p->deadline = p->interval ? p->deadline + times * p->interval : 0;
	start_again(p, now, unread);
	waitq_wake(&p->waiters);
	pipe_tell(p);
}

void event_timer_arm(struct pipe *p)
{
	if (p->deadline)
		timer_start(&p->timer, p->deadline, timer_fired);
	else
		timer_stop(&p->timer);
}

static uint64_t remaining(const struct pipe *p)
{
	uint64_t now = clock_monotonic_ns();

	if (!p->deadline)
		return 0;
	return p->deadline > now ? p->deadline - now : 1;
}

/* The monotonic deadline that a setting means; clock 0 is the realtime clock. */
static uint64_t deadline_of(const struct pipe *p, uint64_t flags, uint64_t value)
{
	uint64_t now = clock_monotonic_ns(), offset;

	if (!(flags & TFD_TIMER_ABSTIME))
		return now + value < now ? UINT64_MAX : now + value;
	offset = p->clock == 0 ? clock_realtime_ns() - now : 0;
	return value > offset ? value - offset : 1;
}

long pipe_timerfd_settime(struct request *rq, const struct pipe_timerfd_settime_req *in,
			  struct pipe_timerfd_settime_reply *out)
{
	struct pipe *p = description_find(rq->badge);

	if (!p || p->kind != TIMER)
		return -EINVAL;
	out->value_ns = remaining(p);
	out->interval_ns = p->interval;
	p->counter = 0;
	p->interval = in->interval_ns;
	p->deadline = in->value_ns ? deadline_of(p, in->flags, in->value_ns) : 0;
	event_timer_arm(p);
	return 0;
}

long pipe_timerfd_gettime(struct request *rq, const struct pipe_timerfd_gettime_req *in,
			  struct pipe_timerfd_gettime_reply *out)
{
	struct pipe *p = description_find(rq->badge);

	(void)in;
	if (!p || p->kind != TIMER)
		return -EINVAL;
	out->value_ns = remaining(p);
	out->interval_ns = p->interval;
	return 0;
}
