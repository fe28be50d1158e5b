/* SPDX-License-Identifier: MIT */
/* Things that happen at a time of the monotonic clock. All under the kernel lock. */
#ifndef KERNEL_CORE_TIMER_H
#define KERNEL_CORE_TIMER_H

#include <stdbool.h>
#include <stdint.h>

#include "core/list.h"

struct timer {
	struct list_node link; /* struct timer may be all zero before its first use */
	uint64_t deadline;
	void (*fire)(struct timer *timer);
};

/* Call fire(timer) once when the clock has reached the deadline; replaces an earlier
 * setting. A deadline that has passed fires at the way out of the kernel or soon after. */
void timer_set(struct timer *timer, uint64_t deadline_ns, void (*fire)(struct timer *timer));
void timer_cancel(struct timer *timer);
static inline bool timer_armed(const struct timer *timer)
{
	return list_linked(&timer->link);
}

/* Earliest deadline, or a time before it; UINT64_MAX if there is none. */
uint64_t timers_next(void);
void timers_init(void);

/* Provided by core/thread.c: the deadline of timeout_add has passed. */
struct thread;
void thread_timeout(struct thread *thread);

#endif
