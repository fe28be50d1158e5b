/* SPDX-License-Identifier: MIT */
/* The file protocol's lock, flock and close_notice on top of locks.c: who waits, and for whom. */
#include <fs/locks.h>
#include <proto/file.h>
#include <sys/server.h>

enum { LOCK_GET, LOCK_SET, LOCK_SET_WAIT };

#define DEAD_OWNER_CHECK_NS 200000000ull
#define BLOCKER 7 /* index into a waiting request's progress: the stamp that it waits for */

/* Waiters of all files together: they are few, and a wake-up only runs them again. */
static struct waitq lock_waiters, flock_waiters;
static struct timer check_timer;

static bool owner_alive(uint64_t owner)
{
	const struct process_entry *process = process_find(owner);

	return process && process->state != PROCESS_ZOMBIE && process->state != PROCESS_FREE;
}

/* The holder may have died without a word: look again while someone waits. */
static void check_owners(struct timer *timer)
{
	if (!lock_waiters.first)
		return;
	timer_start(timer, clock_monotonic_ns() + DEAD_OWNER_CHECK_NS, check_owners);
	waitq_wake(&lock_waiters);
}

/* Whether `holder` waits, at any remove, for `waiter`. */
static bool deadlock(uint64_t waiter, uint64_t holder)
{
	for (unsigned step = 0; step < 64; step++) {
		const struct request *rq = lock_waiters.first;

		while (rq && rq->stamp != holder)
			rq = rq->next;
		if (!rq)
			return false;
		holder = rq->progress[BLOCKER];
		if (holder == waiter)
			return true;
	}
	return false;
}

static long wait_for(struct request *rq, const struct lock_record *holder)
{
	if (deadlock(rq->stamp, holder->owner))
		return -EDEADLK;
	rq->progress[BLOCKER] = holder->owner;
	if (!check_timer.deadline)
		timer_start(&check_timer, clock_monotonic_ns() + DEAD_OWNER_CHECK_NS, check_owners);
	return request_park(rq, &lock_waiters);
}

/* A range as fcntl gives it: a negative length reaches back, zero to the end. */
static long make_range(struct lock_record *record, int64_t start, int64_t length)
{
	int64_t last;

	if (length < 0) {
		last = start - 1;
		if (__builtin_add_overflow(start, length, &start))
			return -EINVAL;
	} else if (!length) {
		last = LOCK_END;
	} else if (__builtin_add_overflow(start, length - 1, &last)) {
		return -EOVERFLOW;
	}
	if (start < 0)
		return -EINVAL;
	record->first = start;
	record->last = last;
	return 0;
}

static long get_lock(struct file_locks *locks, const struct lock_record *wanted,
		     struct file_lock_reply *reply)
{
	const struct lock_record *holder = locks_conflict(locks, wanted, owner_alive);

	reply->type = holder ? holder->type : LOCK_TYPE_NONE;
	if (!holder)
		return 0;
	reply->start = holder->first;
	reply->length = holder->last == LOCK_END ? 0 : holder->last - holder->first + 1;
	reply->pid = (uint64_t)holder->pid;
	return 0;
}

long lock_request(struct request *rq, struct file_locks *locks, const struct file_lock_req *request,
		  struct file_lock_reply *reply)
{
	const struct process_entry *process = process_find(rq->stamp);
	struct lock_record wanted = { .owner = rq->stamp, .type = (uint32_t)request->type };
	const struct lock_record *holder;
	long status = make_range(&wanted, request->start, request->length);

	if (status)
		return status;
	if (!process || request->type > LOCK_TYPE_NONE || request->command > LOCK_SET_WAIT)
		return -EINVAL;
	wanted.pid = process->pid;
	if (request->command == LOCK_GET)
		return get_lock(locks, &wanted, reply);
	if (request->command == LOCK_SET_WAIT && wanted.type != LOCK_TYPE_NONE) {
		holder = locks_conflict(locks, &wanted, owner_alive);
		if (holder)
			return wait_for(rq, holder);
	}
	status = locks_set(locks, &wanted, owner_alive);
	if (!status && wanted.type != LOCK_TYPE_WRITE)
		waitq_wake(&lock_waiters);
	return status;
}

long flock_request(struct request *rq, struct file_locks *locks, uint64_t description, uint64_t operation)
{
	bool held = flock_held(locks, description);
	long status;

	if (operation > (FLOCK_UNLOCK | FLOCK_NONBLOCK))
		return -EINVAL;
	status = flock_set(locks, description, (uint32_t)operation);
	/* Even a refused conversion has given up what was held. A waiter that is run again holds nothing, so
	 * that two of them do not wake each other for ever. */
	if (held && (!status || status == -EAGAIN))
		waitq_wake(&flock_waiters);
	if (status == -EAGAIN && !(operation & FLOCK_NONBLOCK))
		return request_park(rq, &flock_waiters);
	return status;
}

void locks_close_notice(struct file_locks *locks, uint64_t stamp)
{
	if (locks_clear_owner(locks, stamp))
		waitq_wake(&lock_waiters);
}

void locks_close_description(struct file_locks *locks, uint64_t description)
{
	if (flock_clear(locks, description))
		waitq_wake(&flock_waiters);
}
