/* SPDX-License-Identifier: MIT */
/* Notifications and watches: bits that are set without waiting or allocating. */
#include "arch/arch.h"
#include "core/kcall.h"
#include "core/quota.h"
#include "ipc/ipc.h"
#include "mm/mm.h"

#define NOTIFY_BITS (~0ul >> 1) /* an answer must not look like an error */
#define WATCH_WORDS 64
#define WATCHES_MAX 8192 /* of a thread: they end with it at once */
#define STEP_WATCHES 512 /* revoked before others may run */

static struct notify *notify_arg(uint64_t handle, uint32_t rights, int *error)
{
	return (struct notify *)cap_lookup(handle, CAPT_NOTIFY, rights, error);
}

long sys_notify_create(void)
{
	struct quota *quota = quota_current();
	struct notify *notify = quota_alloc(quota, sizeof(*notify));

	if (!notify)
		return -ENOMEM;
	notify->quota = quota;
	object_begin(&notify->object, CAPT_NOTIFY);
	list_init(&notify->waiters);
	return cap_install(&notify->object, CAP_ALL);
}

/* A waiter holds no count: the last capability may be closed under it. */
void notify_destroy(struct object *object)
{
	struct notify *notify = container_of(object, struct notify, object);

	timer_cancel(&notify->timer);
	while (!list_empty(&notify->waiters))
		thread_wake(container_of(notify->waiters.next, struct thread, wait_link), -EBADF);
	object_end(notify);
	quota_free(notify->quota, notify, sizeof(*notify));
}

void notify_signal(struct notify *notify, uint64_t bits)
{
	notify->bits |= bits & NOTIFY_BITS;
	if (!notify->bits)
		return;
	if (!list_empty(&notify->waiters)) {
		struct thread *waiter = container_of(notify->waiters.next, struct thread, wait_link);

		bits = notify->bits;
		notify->bits = 0;
		thread_wake(waiter, bits);
	} else if (notify->endpoint) {
		notify->endpoint->pending |= PENDING_NOTIFY;
		endpoint_poll(notify->endpoint);
	}
}

long sys_notify_signal(uint64_t handle, uint64_t bits)
{
	int error;
	struct notify *notify = notify_arg(handle, CAP_W, &error);

	if (!notify)
		return -error;
	notify_signal(notify, bits);
	return 0;
}

long sys_notify_wait(uint64_t handle, uint64_t deadline)
{
	struct thread *thread = current_thread();
	int error;
	struct notify *notify = notify_arg(handle, CAP_R, &error);
	uint64_t bits;

	if (!notify)
		return -error;
	bits = notify->bits;
	if (bits) {
		notify->bits = 0;
		return bits;
	}
	if (!deadline || (deadline != UINT64_MAX && deadline <= arch_now_ns()))
		return -ETIMEDOUT;
	thread_block(thread, THREAD_SLEEPING);
	thread->wait = WAIT_NOTIFY;
	thread->waiting_notify = notify;
	list_push_back(&notify->waiters, &thread->wait_link);
	if (deadline != UINT64_MAX)
		timeout_add(thread, deadline);
	return KCALL_BLOCKED;
}

static void notify_timer_fired(struct timer *timer)
{
	struct notify *notify = container_of(timer, struct notify, timer);

	notify_signal(notify, notify->timer_bits);
}

long sys_notify_timer(uint64_t handle, uint64_t bits, uint64_t deadline)
{
	int error;
	struct notify *notify = notify_arg(handle, CAP_W, &error);

	if (!notify)
		return -error;
	timer_cancel(&notify->timer);
	notify->timer_bits = bits;
	if (deadline)
		timer_set(&notify->timer, deadline, notify_timer_fired);
	return 0;
}

long sys_watch_create(uint64_t handle, uint64_t bit, uint64_t word)
{
	struct thread *thread = current_thread();
	int error;
	struct notify *notify = notify_arg(handle, CAP_W, &error);
	struct watch *watch;

	if (!notify)
		return -error;
	if (bit > 62 || word >= WATCH_WORDS || !thread->message_page)
		return -EINVAL;
	if (thread->watch_count >= WATCHES_MAX)
		return -ENOMEM;
	watch = quota_alloc(quota_current(), sizeof(*watch));
	if (!watch)
		return -ENOMEM;
	watch->quota = quota_current();
	thread->watch_count++;
	object_begin(&watch->object, CAPT_WATCH);
	watch->thread = thread;
	watch->notify = object_get(notify);
	watch->bit = bit;
	watch->word = word;
	list_push_back(&thread->watches, &watch->link);
	return cap_install(&watch->object, CAP_ALL);
}

uint64_t watches_dead;

static void watch_drop(struct watch *watch)
{
	if (!watch->thread)
		return;
	watch->thread->watch_count--;
	watch->thread = NULL;
	list_remove(&watch->link);
	object_put(watch->notify);
	watches_dead++;
}

void watch_destroy(struct object *object)
{
	struct watch *watch = container_of(object, struct watch, object);

	watch_drop(watch);
	watches_dead--;
	object_end(watch);
	quota_free(watch->quota, watch, sizeof(*watch));
}

void watches_drop(struct thread *thread)
{
	while (!list_empty(&thread->watches))
		watch_drop(container_of(thread->watches.next, struct watch, link));
}

long sys_watch_signal(uint64_t handle, uint64_t events)
{
	int error;
	struct watch *watch = (struct watch *)cap_lookup(handle, CAPT_WATCH, CAP_W, &error);

	if (!watch)
		return -error;
	if (!watch->thread)
		return -ESTALE;
	if (!events)
		return 0; /* only the question whether it lives */
	__atomic_fetch_or(&watch->thread->message_page->watches[watch->word], events, __ATOMIC_RELAXED);
	notify_signal(watch->notify, 1ul << watch->bit);
	return 0;
}

/* Answers whether none is left: WATCHES_MAX bounds the walk, the budget what is freed. */
static bool revoke_some(struct thread *thread, uint64_t words, unsigned budget)
{
	struct list_node *next;

	for (struct list_node *node = thread->watches.next; node != &thread->watches; node = next) {
		struct watch *watch = container_of(node, struct watch, link);

		next = node->next;
		if (!(words >> watch->word & 1))
			continue;
		if (!budget--)
			return false;
		watch_drop(watch);
	}
	return true;
}

long sys_watch_revoke(uint64_t words)
{
	struct thread *thread = current_thread();

	if (!revoke_some(thread, words, STEP_WATCHES))
		return KCALL_RESTART;
	for (unsigned i = 0; thread->message_page && i < WATCH_WORDS; i++)
		if (words >> i & 1)
			thread->message_page->watches[i] = 0;
	return 0;
}
