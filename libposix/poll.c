/* SPDX-License-Identifier: MIT */
/*
 * poll and select over many servers. Each descriptor's server is asked what holds now. If nothing
 * does, each is asked again with a watch: a word of the thread's message page that the server ors
 * events into, signalling the thread's notification. Only descriptors whose word was set are asked
 * again after that.
 */
#include "libposix.h"
#include "poll.h"

#include <proto/file.h>

#define WORDS 64u /* of the message page; descriptors beyond share */
#define FD_SETSIZE 1024u
#define ALWAYS (POLLERR | POLLHUP | POLLNVAL)
#define FOR_EVER UINT64_MAX
#define MILLISECOND 1000000ull
#define MICROSECOND 1000ull
#define NANOSECONDS 1000000000ll

/* What holds; a server that does not know polling holds something that never blocks. */
static long ask(const struct pollfd *p, const struct call_options *options)
{
	struct file_poll_req request = { .events = (uint16_t)p->events | ALWAYS };
	struct file_poll_reply reply;
	long status = file_call_poll(p->fd, options, &request, &reply);

	if (status == -EBADF)
		return POLLNVAL;
	if (status < 0)
		return p->events & (POLLIN | POLLOUT | POLLRDNORM | POLLWRNORM);
	return status & ((uint16_t)p->events | ALWAYS);
}

static long ask_all(struct pollfd *fds, uint64_t count)
{
	long ready = 0;

	for (uint64_t i = 0; i < count; i++) {
		fds[i].revents = fds[i].fd < 0 ? 0 : (int16_t)ask(&fds[i], NULL);
		ready += fds[i].revents != 0;
	}
	return ready;
}

/* The thread's notification, made at its first wait. */
static long notification(void)
{
	struct lp_thread *thread = lp_thread();
	long slot;

	if (thread->poll_notify)
		return thread->poll_notify;
	slot = kcall(notify_create);
	if (slot > 0)
		thread->poll_notify = (cap_t)slot;
	return slot;
}

/* Leave a watch with the server; answers what holds already. */
static long arm(const struct pollfd *p, cap_t notify, uint64_t word)
{
	struct call_options options = { .caps_count = 1 };
	long watch = kcall(watch_create, notify, 0, word), ready;

	if (watch < 0)
		return watch;
	options.caps[0] = (cap_t)watch;
	ready = ask(p, &options);
	kcall(cap_close, watch);
	return ready;
}

static bool is_set(uint64_t word)
{
	return __atomic_load_n(&ipc_page()->watches[word], __ATOMIC_ACQUIRE) != 0;
}

/* Arm all descriptors, or those whose word was set. Answers how many are ready, or -errno. */
static long arm_some(struct pollfd *fds, uint64_t count, cap_t notify, uint64_t which)
{
	long ready = 0, status;

	for (uint64_t i = 0; i < count; i++) {
		if (fds[i].fd < 0 || !(which >> i % WORDS & 1))
			continue;
		status = arm(&fds[i], notify, i % WORDS);
		if (status < 0)
			return status;
		fds[i].revents = (int16_t)status;
		ready += status != 0;
	}
	return ready;
}

/* The words that are set, as a mask; their watches are spent. */
static uint64_t take_words(uint64_t count)
{
	uint64_t set = 0;

	for (uint64_t word = 0; word < WORDS && word < count; word++)
		if (is_set(word))
			set |= 1ull << word;
	if (set)
		kcall(watch_revoke, set);
	return set;
}

static long wait_ready(struct pollfd *fds, uint64_t count, uint64_t deadline, bool first_wakes)
{
	long notify = notification(), ready, status = 0;
	uint64_t which = UINT64_MAX;

	if (notify < 0)
		return notify;
	for (;;) {
		ready = arm_some(fds, count, (cap_t)notify, which);
		if (ready)
			return ready;
		if (lp_signal_pending())
			return -EINTR;
		status = lp_sleepy_raw(KCALL_notify_wait, (uint64_t)notify, deadline, 0, 0, 0, 0);
		if (status < 0)
			return status == -ETIMEDOUT ? 0 : status;
		which = take_words(count);
		if (first_wakes && (which & 1))
			return 1;
	}
}

long lp_poll_until(struct pollfd *fds, uint64_t count, uint64_t deadline, bool first_wakes)
{
	long ready = ask_all(fds, count);

	if (ready || !deadline)
		return ready;
	ready = wait_ready(fds, count, deadline, first_wakes);
	if (count)
		kcall(watch_revoke, -1);
	return ready;
}

/* timeout in ns; FOR_EVER. */
static long poll_for(struct pollfd *fds, uint64_t count, uint64_t timeout)
{
	uint64_t deadline = timeout == FOR_EVER ? FOR_EVER : timeout ? lp_deadline(timeout) : 0;
	long status = lp_poll_until(fds, count, deadline, false);

	return deadline && deadline != FOR_EVER ? lp_deadline_end(status) : status;
}

static long poll_checked(uint64_t fds, uint64_t count, uint64_t timeout)
{
	if (count > 1u << 20)
		return -EINVAL;
	if (count)
		lp_writable((void *)fds, count * sizeof(struct pollfd));
	return poll_for((struct pollfd *)fds, count, timeout);
}

long lp_poll(uint64_t fds, uint64_t count, uint64_t milliseconds)
{
	int32_t timeout = (int32_t)milliseconds;

	return poll_checked(fds, (uint32_t)count, timeout < 0 ? FOR_EVER : (uint64_t)timeout * MILLISECOND);
}

static long timeout_of(const struct lp_timespec *time, uint64_t *timeout)
{
	long ns = time ? lp_timespec_ns(time) : 0;

	*timeout = time ? (uint64_t)ns : FOR_EVER;
	return ns < 0 ? ns : 0;
}

long lp_ppoll(uint64_t fds, uint64_t count, uint64_t time, uint64_t mask, uint64_t mask_size)
{
	uint64_t timeout;
	long status = timeout_of((const struct lp_timespec *)time, &timeout);

	if (status < 0)
		return status;
	status = lp_temporary_mask((const uint64_t *)mask, mask_size);
	if (!status)
		status = poll_checked(fds, count, timeout);
	return lp_temporary_mask_end(status);
}

/* --- select ------------------------------------------------------------------------------------------ */
/* The sets of select(2), in the order of its arguments, and the events that they mean. */
struct sets {
	uint64_t *set[3];
};
#define READ_EVENTS (POLLIN | POLLRDNORM | POLLHUP | POLLERR)
#define WRITE_EVENTS (POLLOUT | POLLWRNORM | POLLERR)

static bool in_set(const uint64_t *set, uint64_t fd)
{
	return set && (set[fd / 64] >> fd % 64 & 1);
}

static int16_t events_of(const struct sets *sets, uint64_t fd)
{
	return (int16_t)((in_set(sets->set[0], fd) ? POLLIN | POLLRDNORM : 0) |
			 (in_set(sets->set[1], fd) ? POLLOUT | POLLWRNORM : 0) |
			 (in_set(sets->set[2], fd) ? POLLPRI : 0));
}

static uint64_t gather(const struct sets *sets, uint64_t count, struct pollfd *fds)
{
	uint64_t used = 0;

	for (uint64_t fd = 0; fd < count; fd++) {
		int16_t events = events_of(sets, fd);

		if (events)
			fds[used++] = (struct pollfd){ (int32_t)fd, events, 0 };
	}
	return used;
}

static long put_bit(uint64_t *set, uint64_t fd, bool wanted, bool ready)
{
	if (!set || !wanted)
		return 0;
	if (ready)
		set[fd / 64] |= 1ull << fd % 64;
	return ready;
}

/* Write the answer into the sets; select counts bits, not descriptors. */
static long scatter(const struct sets *sets, uint64_t count, const struct pollfd *fds, uint64_t used)
{
	long bits = 0;

	for (unsigned i = 0; i < 3; i++)
		if (sets->set[i])
			memset(sets->set[i], 0, (count + 63) / 64 * 8);
	for (uint64_t i = 0; i < used; i++) {
		uint64_t fd = (uint64_t)fds[i].fd;

		bits += put_bit(sets->set[0], fd, fds[i].events & POLLIN, fds[i].revents & READ_EVENTS);
		bits += put_bit(sets->set[1], fd, fds[i].events & POLLOUT, fds[i].revents & WRITE_EVENTS);
		bits += put_bit(sets->set[2], fd, fds[i].events & POLLPRI, fds[i].revents & POLLPRI);
	}
	return bits;
}

static long select_for(uint64_t count, const struct sets *sets, uint64_t timeout)
{
	struct pollfd fds[FD_SETSIZE];
	uint64_t used;
	long status;

	if (count > FD_SETSIZE)
		count = FD_SETSIZE;
	for (unsigned i = 0; i < 3; i++)
		if (sets->set[i])
			lp_writable(sets->set[i], (count + 63) / 64 * 8);
	used = gather(sets, count, fds);
	status = poll_for(fds, used, timeout);
	for (uint64_t i = 0; i < used && status > 0; i++)
		if (fds[i].revents & POLLNVAL)
			return -EBADF;
	return status < 0 ? status : scatter(sets, count, fds, used);
}

static struct sets sets_of(uint64_t read, uint64_t write, uint64_t except)
{
	return (struct sets){ { (uint64_t *)read, (uint64_t *)write, (uint64_t *)except } };
}

long lp_select(uint64_t count, uint64_t read, uint64_t write, uint64_t except, uint64_t time)
{
	struct sets sets = sets_of(read, write, except);
	struct lp_timeval *given = (struct lp_timeval *)time;
	uint64_t timeout = FOR_EVER, before = lp_monotonic(), spent;
	long status;

	if ((int32_t)count < 0 || (given && (given->seconds < 0 || given->microseconds < 0)))
		return -EINVAL;
	if (given)
		timeout = (uint64_t)given->seconds > 1u << 30
			      ? (uint64_t)NANOSECONDS << 30
			      : (uint64_t)given->seconds * (uint64_t)NANOSECONDS +
				    (uint64_t)given->microseconds * MICROSECOND;
	status = select_for(count, &sets, timeout);
	if (given && status != -EBADF) {
		spent = lp_monotonic() - before;
		spent = spent < timeout ? timeout - spent : 0;
		given->seconds = (int64_t)(spent / (uint64_t)NANOSECONDS);
		given->microseconds = (int64_t)(spent % (uint64_t)NANOSECONDS / MICROSECOND);
	}
	return status;
}

struct pselect_mask {
	uint64_t set, size;
};

long lp_pselect6(uint64_t count, uint64_t read, uint64_t write, uint64_t except, uint64_t time, uint64_t mask)
{
	const struct pselect_mask *given = (const struct pselect_mask *)mask;
	struct sets sets = sets_of(read, write, except);
	uint64_t timeout;
	long status = timeout_of((const struct lp_timespec *)time, &timeout);

	if ((int32_t)count < 0)
		return -EINVAL;
	if (status < 0)
		return status;
	status = lp_temporary_mask(given ? (const uint64_t *)given->set : NULL, given ? given->size : 8);
	if (!status)
		status = select_for(count, &sets, timeout);
	return lp_temporary_mask_end(status);
}
