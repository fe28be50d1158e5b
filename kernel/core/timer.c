/* SPDX-License-Identifier: MIT */
/*
 * Deadlines in a radix heap. A deadline lives in the bucket of the highest bit in
 * which it differs from `base`, the time up to which all has fired; when base moves on, only
 * buckets up to the highest bit that changed are looked through. So adding and removing are
 * constant, and each deadline moves at most 64 times.
 *
 * Threads and timers differ in what follows the link and the deadline; each kind has a
 * heap of its own.
 */
#include "core/timer.h"
#include "arch/arch.h"
#include "core/cpu.h"

#define BUCKETS 65
#define SCAN_LIMIT 32 /* entries looked at to find the exact earliest */

/* The beginning of struct timer, and of that part of struct thread. */
struct timed {
	struct list_node link;
	uint64_t deadline;
};

struct heap {
	struct list_node buckets[BUCKETS]; /* 0: due at base or before */
	void (*fire)(struct timed *timed);
};

_Static_assert(offsetof(struct thread, deadline) ==
		   offsetof(struct thread, timeout_link) + offsetof(struct timed, deadline),
	       "struct timed");
_Static_assert(offsetof(struct timer, deadline) == offsetof(struct timed, deadline), "struct timed");

static uint64_t base;

static void fire_thread(struct timed *timed)
{
	thread_timeout(container_of(&timed->link, struct thread, timeout_link));
}

static void fire_timer(struct timed *timed)
{
	struct timer *timer = (struct timer *)timed;

	timer->fire(timer);
}

static struct heap threads = { .fire = fire_thread }, timers = { .fire = fire_timer };

static unsigned bucket_of(uint64_t deadline)
{
	return deadline <= base ? 0 : 64u - (unsigned)__builtin_clzl(deadline ^ base);
}

static void heap_add(struct heap *heap, struct timed *timed)
{
	list_push_back(&heap->buckets[bucket_of(timed->deadline)], &timed->link);
}

static void bucket_run(struct heap *heap, struct list_node *bucket)
{
	struct list_node list = *bucket;

	if (list_empty(bucket))
		return;
	/* On a head of their own: firing and adding may put others into the bucket. */
	list.next->prev = list.prev->next = &list;
	list_init(bucket);
	while (!list_empty(&list)) {
		struct timed *timed = container_of(list.next, struct timed, link);

		list_remove(&timed->link);
		if (timed->deadline <= base)
			heap->fire(timed);
		else
			heap_add(heap, timed);
	}
}

static uint64_t heap_next(const struct heap *heap)
{
	uint64_t earliest = UINT64_MAX;
	const struct list_node *node;
	unsigned i = 0, seen = 0;

	while (i < BUCKETS && list_empty(&heap->buckets[i]))
		i++;
	if (i == BUCKETS)
		return UINT64_MAX;
	list_for_each(node, &heap->buckets[i])
	{
		uint64_t deadline = container_of(node, struct timed, link)->deadline;

		if (++seen > SCAN_LIMIT) /* the least that belongs into the bucket */
			return i ? (base >> (i - 1) | 1) << (i - 1) : base;
		if (deadline < earliest)
			earliest = deadline;
	}
	return earliest;
}

uint64_t timers_next(void)
{
	uint64_t a = heap_next(&threads), b = heap_next(&timers);

	return a < b ? a : b;
}

static void arm(uint64_t deadline)
{
	struct cpu *cpu = this_cpu();

	if (deadline >= cpu->timer_deadline)
		return;
	cpu->timer_deadline = deadline;
	arch_timer_set(deadline);
}

void timers_run(uint64_t now)
{
	unsigned highest = now > base ? 64u - (unsigned)__builtin_clzl(now ^ base) : 0;

	if (now > base)
		base = now;
	for (unsigned i = 0; i <= highest; i++) {
		bucket_run(&threads, &threads.buckets[i]);
		bucket_run(&timers, &timers.buckets[i]);
	}
	arm(timers_next());
}

void timers_init(void)
{
	for (unsigned i = 0; i < BUCKETS; i++) {
		list_init(&threads.buckets[i]);
		list_init(&timers.buckets[i]);
	}
}

void timeout_add(struct thread *thread, uint64_t deadline)
{
	timeout_remove(thread);
	thread->deadline = deadline;
	heap_add(&threads, (struct timed *)&thread->timeout_link);
	arm(deadline);
}

void timeout_remove(struct thread *thread)
{
	if (list_linked(&thread->timeout_link))
		list_remove(&thread->timeout_link);
}

void timer_set(struct timer *timer, uint64_t deadline, void (*fire)(struct timer *timer))
{
	timer_cancel(timer);
	timer->deadline = deadline;
	timer->fire = fire;
	heap_add(&timers, (struct timed *)timer);
	arm(deadline);
}

void timer_cancel(struct timer *timer)
{
	if (timer_armed(timer))
		list_remove(&timer->link);
}
