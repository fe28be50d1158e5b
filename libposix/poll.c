/* SPDX-License-Identifier: MIT */
/*
 * poll and select over any servers. Each descriptor's server is asked once what holds. If nothing does,
 * it is asked again with a watch, a capability with which it sets a word of this thread's message page and
 * signals this thread's notification when something changes; after that only descriptors whose word was set
 * are asked. With more descriptors than words, several share one.
 */
#include "files.h"

#define WORDS 63u
#define POLL_MAX 65536u
#define SELECT_MAX 1024u
#define ALWAYS (POLLERR | POLLHUP)

struct lp_pollfd {
	int32_t fd;
	int16_t events, revents;
};

static cap_t notification(void)
{
	struct lp_thread *self = lp_thread();
	long made;

	if (self->poll_notify)
		return self->poll_notify;
	made = kcall(notify_create);
	if (made > 0)
		self->poll_notify = (cap_t)made;
	return (cap_t)made;
}

/* What holds of the wanted events, with a watch left behind if nothing does. */
static long ask(const struct lp_pollfd *item, cap_t watch)
{
	struct file_poll_req request = { (uint16_t)item->events | ALWAYS };
	struct call_options options = { .caps_count = watch != CAP_NONE, .caps = { watch } };
	long ready = file_call_poll(fd_cap((uint32_t)item->fd), watch == CAP_NONE ? NULL : &options, &request, NULL);

	if (ready == -EBADF)
		return POLLNVAL;
	if (ready < 0)
		return ready == -EINTR ? 0 : POLLERR;
	return ready & ((uint16_t)item->events | ALWAYS);
}

static unsigned word_of(uint64_t i)
{
	return (unsigned)(i % WORDS);
}

static long ask_all(struct lp_pollfd *items, uint64_t count)
{
	long ready = 0;

	for (uint64_t i = 0; i < count; i++) {
		items[i].revents = items[i].fd < 0 ? 0 : (int16_t)ask(&items[i], CAP_NONE);
		ready += items[i].revents != 0;
	}
	return ready;
}

static long ask_with_watch(struct lp_pollfd *item, cap_t notify, unsigned word)
{
	long watch = kcall(watch_create, notify, 1, word);
	long ready;

	if (watch < 0)
		return watch;
	ready = ask(item, (cap_t)watch);
	kcall(cap_close, watch);
	item->revents = (int16_t)ready;
	return ready != 0;
}

/* Those whose word is set, or all at first. */
static long watch_some(struct lp_pollfd *items, uint64_t count, cap_t notify, uint64_t words)
{
	long ready = 0;

	for (uint64_t i = 0; i < count; i++) {
		long status;

		if (items[i].fd < 0 || !(words >> word_of(i) & 1))
			continue;
		status = ask_with_watch(&items[i], notify, word_of(i));
		if (status < 0)
			return ready ? ready : status;
		ready += status;
	}
	return ready;
}

static uint64_t take_words(void)
{
	struct ipc_page *page = ipc_page();
	uint64_t set = 0;

	for (unsigned i = 0; i < WORDS; i++)
		if (__atomic_exchange_n(&page->watches[i], 0, __ATOMIC_ACQUIRE))
			set |= 1ull << i;
	return set;
}

static long wait_watched(struct lp_pollfd *items, uint64_t count, uint64_t deadline, cap_t notify)
{
	uint64_t words = UINT64_MAX;
	long status;

	take_words();
	for (;;) {
		status = watch_some(items, count, notify, words);
		if (status)
			return status;
		status = kcall(notify_wait, notify, deadline);
		if (status < 0)
			return status == -ETIMEDOUT ? 0 : status;
		words = take_words();
	}
}

/* deadline: 0 none: do not wait; UINT64_MAX: for ever. */
static long poll_until(struct lp_pollfd *items, uint64_t count, uint64_t deadline)
{
	long ready = ask_all(items, count);
	cap_t notify;

	if (ready || !deadline)
		return ready;
	if (lp_signal_pending())
		return -EINTR;
	notify = notification();
	if (notify < 0)
		return notify;
	ready = wait_watched(items, count, deadline, notify);
	if (count)
		kcall(watch_revoke, -1);
	return ready;
}

static long poll_finish(long status)
{
	return lp_deadline_end(status);
}

long lp_poll(uint64_t a, uint64_t b, uint64_t c)
{
	struct lp_pollfd *items = (struct lp_pollfd *)a;
	uint64_t deadline = UINT64_MAX;

	if (b > POLL_MAX)
		return -EINVAL;
	lp_writable(items, b * sizeof(*items));
	if (!(int32_t)c)
		return poll_until(items, b, 0);
	if ((int32_t)c > 0)
		deadline = lp_deadline((uint64_t)c * 1000000);
	return poll_finish(poll_until(items, b, deadline));
}

/* A timespec's deadline; NULL: for ever. -EINVAL. */
static long deadline_of(const struct lp_timespec *timeout, uint64_t *deadline)
{
	long ns;

	*deadline = UINT64_MAX;
	if (!timeout)
		return 0;
	ns = lp_timespec_ns(timeout);
	if (ns < 0)
		return ns;
	*deadline = ns ? lp_deadline((uint64_t)ns) : 0;
	return 0;
}

static void put_left(struct lp_timespec *timeout, uint64_t deadline)
{
	uint64_t now = lp_monotonic(), left = deadline > now ? deadline - now : 0;

	if (!timeout)
		return;
	timeout->seconds = (int64_t)(left / 1000000000);
	timeout->nanoseconds = (int64_t)(left % 1000000000);
}

long lp_ppoll(uint64_t a, uint64_t b, uint64_t c, uint64_t d, uint64_t e)
{
	struct lp_pollfd *items = (struct lp_pollfd *)a;
	uint64_t deadline;
	long status;

	if (b > POLL_MAX)
		return -EINVAL;
	lp_writable(items, b * sizeof(*items));
	status = deadline_of((const void *)c, &deadline);
	if (!status && d)
		status = lp_temporary_mask((const uint64_t *)d, e);
	if (!status)
		status = poll_until(items, b, deadline);
	if (status != -EINVAL)
		put_left((void *)c, deadline);
	return poll_finish(status);
}

/* --- select ------------------------------------------------------------------------------------------ */

#define SELECT_IN (POLLIN | POLLRDNORM | POLLHUP | POLLERR)
#define SELECT_OUT (POLLOUT | POLLWRNORM | POLLERR)
#define SELECT_PRI POLLPRI

struct sets {
	uint64_t *set[3]; /* read, write, exceptional */
};

static bool in_set(const uint64_t *set, uint64_t fd)
{
	return set && set[fd / 64] >> fd % 64 & 1;
}

static uint64_t collect(const struct sets *sets, uint64_t limit, struct lp_pollfd *items)
{
	uint64_t count = 0;

	for (uint64_t fd = 0; fd < limit; fd++) {
		uint32_t events = (in_set(sets->set[0], fd) ? POLLIN | POLLRDNORM : 0) |
				  (in_set(sets->set[1], fd) ? POLLOUT | POLLWRNORM : 0) |
				  (in_set(sets->set[2], fd) ? POLLPRI : 0);

		if (events)
			items[count++] = (struct lp_pollfd){ (int32_t)fd, (int16_t)events, 0 };
	}
	return count;
}

static long mark(uint64_t *set, const struct lp_pollfd *item, uint32_t wanted, uint32_t holds)
{
	if (!set || !(item->events & (int16_t)wanted) || !(item->revents & (int16_t)holds))
		return 0;
	set[item->fd / 64] |= 1ull << item->fd % 64;
	return 1;
}

static long answer_sets(const struct sets *sets, uint64_t limit, const struct lp_pollfd *items, uint64_t count)
{
	long total = 0;

	for (int i = 0; i < 3; i++)
		if (sets->set[i])
			memset(sets->set[i], 0, (limit + 63) / 64 * 8);
	for (uint64_t i = 0; i < count; i++) {
		total += mark(sets->set[0], &items[i], POLLIN, SELECT_IN);
		total += mark(sets->set[1], &items[i], POLLOUT, SELECT_OUT);
		total += mark(sets->set[2], &items[i], POLLPRI, SELECT_PRI);
	}
	return total;
}

static __attribute__((noinline)) long select_until(uint64_t limit, const struct sets *sets, uint64_t deadline)
{
	struct lp_pollfd items[SELECT_MAX];
	uint64_t count;
	long status;

	if ((int32_t)limit < 0)
		return -EINVAL;
	if (limit > SELECT_MAX)
		limit = SELECT_MAX;
	for (int i = 0; i < 3; i++)
		if (sets->set[i])
			lp_writable(sets->set[i], (limit + 63) / 64 * 8);
	count = collect(sets, limit, items);
	status = poll_until(items, count, deadline);
	if (status < 0)
		return status;
	for (uint64_t i = 0; i < count; i++)
		if (items[i].revents & POLLNVAL)
			return -EBADF;
	return answer_sets(sets, limit, items, count);
}

long lp_select(uint64_t a, uint64_t b, uint64_t c, uint64_t d, uint64_t e)
{
	struct sets sets = { { (uint64_t *)b, (uint64_t *)c, (uint64_t *)d } };
	struct lp_timeval *timeout = (struct lp_timeval *)e;
	struct lp_timespec time;
	uint64_t deadline;
	long status;

	if (timeout && (timeout->seconds < 0 || timeout->microseconds < 0))
		return -EINVAL;
	if (timeout)
		time = (struct lp_timespec){ timeout->seconds + timeout->microseconds / 1000000,
					     timeout->microseconds % 1000000 * 1000 };
	status = deadline_of(timeout ? &time : NULL, &deadline);
	if (!status)
		status = select_until((uint32_t)a, &sets, deadline);
	if (timeout) {
		put_left(&time, deadline);
		*timeout = (struct lp_timeval){ time.seconds, time.nanoseconds / 1000 };
	}
	return poll_finish(status);
}

long lp_pselect6(uint64_t a, uint64_t b, uint64_t c, uint64_t d, uint64_t e, uint64_t f)
{
	struct sets sets = { { (uint64_t *)b, (uint64_t *)c, (uint64_t *)d } };
	const struct {
		const uint64_t *mask;
		uint64_t size;
	} *signals = (const void *)f;
	uint64_t deadline;
	long status = deadline_of((const void *)e, &deadline);

	if (!status && signals && signals->mask)
		status = lp_temporary_mask(signals->mask, signals->size);
	if (!status)
		status = select_until((uint32_t)a, &sets, deadline);
	if (status != -EINVAL)
		put_left((void *)e, deadline);
	return poll_finish(status);
}

/* --- epoll, signalfd: no server holds them -------------------------------------------------------------- */

long lp_epoll_create(uint64_t a)
{
	(void)a;
	return -ENOSYS;
}

long lp_epoll_create1(uint64_t a)
{
	return lp_epoll_create(a);
}

long lp_epoll_ctl(uint64_t a, uint64_t b, uint64_t c, uint64_t d)
{
	(void)b;
	(void)c;
	(void)d;
	return lp_epoll_create(a);
}

long lp_epoll_wait(uint64_t a, uint64_t b, uint64_t c, uint64_t d)
{
	return lp_epoll_ctl(a, b, c, d);
}

long lp_epoll_pwait(uint64_t a, uint64_t b, uint64_t c, uint64_t d, uint64_t e, uint64_t f)
{
	(void)e;
	(void)f;
	return lp_epoll_ctl(a, b, c, d);
}

long lp_epoll_pwait2(uint64_t a, uint64_t b, uint64_t c, uint64_t d, uint64_t e, uint64_t f)
{
	return lp_epoll_pwait(a, b, c, d, e, f);
}

long lp_signalfd(uint64_t a, uint64_t b, uint64_t c)
{
	(void)b;
	(void)c;
	return lp_epoll_create(a);
}

long lp_signalfd4(uint64_t a, uint64_t b, uint64_t c, uint64_t d)
{
	return lp_epoll_ctl(a, b, c, d);
}

long lp_memfd_create(uint64_t a, uint64_t b)
{
	(void)b;
	return lp_epoll_create(a);
}
