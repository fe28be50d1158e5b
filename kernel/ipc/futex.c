/* SPDX-License-Identifier: MIT */
/* Futexes: waiting on a word of memory, found by memory object and offset. */
#include "arch/arch.h"
#include "core/kcall.h"
#include "ipc/ipc.h"
#include "mm/mm.h"

#define BUCKETS 256
#define COMPARE_GIVEN (1ul << 32)
#define OP_MASK 0xfu

static struct list_node buckets[BUCKETS];

static struct list_node *bucket_of(const struct futex_key *key)
{
	uint64_t hash = (key->object ^ key->offset >> 2) * 0x9e3779b97f4a7c15ul;
	struct list_node *bucket = &buckets[hash >> 56];

	if (!bucket->next)
		list_init(bucket);
	return bucket;
}

static bool waits_for(const struct thread *thread, const struct futex_key *key)
{
	return thread->futex.object == key->object && thread->futex.offset == key->offset;
}

void futex_leave(struct thread *thread)
{
	list_remove(&thread->futex.link);
}

static long futex_key(struct thread *thread, uint64_t address, struct futex_key *key)
{
	if (address & 3)
		return -EINVAL;
	return space_futex_key(thread->space, address, key);
}

static void futex_enter(struct thread *thread, const struct futex_key *key)
{
	thread->futex.object = key->object;
	thread->futex.offset = key->offset;
	list_push_back(bucket_of(key), &thread->futex.link);
}

/* Wakes up to `wake` waiters of `from`, moves up to `move` more to `to`. */
static long wake_and_move(const struct futex_key *from, uint32_t wake, const struct futex_key *to,
			  uint32_t move)
{
	struct list_node *bucket = bucket_of(from), *node = bucket->next, *next;
	long done = 0;

	for (; node != bucket && (wake || move); node = next) {
		struct thread *thread = container_of(node, struct thread, futex.link);

		next = node->next;
		if (!waits_for(thread, from))
			continue;
		if (wake) {
			wake--;
			thread_wake(thread, 0);
		} else {
			move--;
			futex_leave(thread);
			futex_enter(thread, to);
		}
		done++;
	}
	return done;
}

long futex_wake_address(struct thread *thread, uint64_t address, uint32_t count)
{
	struct futex_key key;
	long error = futex_key(thread, address, &key);

	return error ? error : wake_and_move(&key, count, NULL, 0);
}

static long futex_value(struct thread *thread, uint64_t address, uint32_t *value)
{
	return copy_from_user(thread->space, value, address, sizeof(*value), NULL);
}

static long futex_wait(struct thread *thread, uint64_t address, uint32_t value, uint64_t deadline)
{
	struct futex_key key;
	uint32_t now;
	long error = futex_key(thread, address, &key);

	if (!error)
		error = futex_value(thread, address, &now);
	if (error)
		return error;
	if (now != value)
		return -EAGAIN;
	if (deadline && deadline != UINT64_MAX && deadline <= arch_now_ns())
		return -ETIMEDOUT;
	thread_block(thread, THREAD_SLEEPING);
	thread->wait = WAIT_FUTEX;
	futex_enter(thread, &key);
	if (deadline && deadline != UINT64_MAX)
		timeout_add(thread, deadline);
	return KCALL_BLOCKED;
}

static long futex_requeue(struct thread *thread, uint64_t address, uint32_t wake, uint64_t compare,
			  uint64_t address2, uint32_t move)
{
	struct futex_key from, to;
	uint32_t now;
	long error = futex_key(thread, address, &from);

	if (!error)
		error = futex_key(thread, address2, &to);
	if (!error && compare & COMPARE_GIVEN)
		error = futex_value(thread, address, &now);
	if (error)
		return error;
	if (compare & COMPARE_GIVEN && now != (uint32_t)compare)
		return -EAGAIN;
	if (from.object == to.object && from.offset == to.offset)
		move = 0;
	return wake_and_move(&from, wake, &to, move);
}

long sys_futex(uint64_t address, uint64_t op, uint64_t value, uint64_t deadline, uint64_t address2,
	       uint64_t value2)
{
	struct thread *thread = current_thread();

	if (op & ~(uint64_t)(OP_MASK | FUTEX_OP_SHARED))
		return -EINVAL;
	switch (op & OP_MASK) {
	case FUTEX_OP_WAIT: return futex_wait(thread, address, value, deadline);
	case FUTEX_OP_WAKE: return futex_wake_address(thread, address, value);
	case FUTEX_OP_REQUEUE: return futex_requeue(thread, address, value, deadline, address2, value2);
	default: return -EINVAL;
	}
}
