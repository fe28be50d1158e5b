/* SPDX-License-Identifier: MIT */
/* What PM has the kernel do to processes. machine.c does it; tests on the host only note it. */
#ifndef PM_MACHINE_H
#define PM_MACHINE_H

#include "pm.h"

void machine_interrupt(struct thread *thread); /* enter libposix; cuts off an interruptible call */
void machine_stop(struct thread *thread);
void machine_continue(struct thread *thread);
void machine_kill(struct thread *thread);     /* the kernel's thread, and our capability, with the commit */
uint64_t machine_mask(struct thread *thread); /* which signals it blocks now */
void machine_set_pending(struct thread *thread, uint64_t pending);
void machine_set_parent(struct thread *thread, int32_t pid, int32_t ppid);
uint64_t machine_now(void); /* monotonic ns */
uint64_t machine_realtime(void);
void machine_wake(struct waitq *queue);
void machine_wake_request(struct request *request);
void machine_timer(struct timer *timer, uint64_t deadline,
		   void (*fire)(struct timer *)); /* deadline 0: stop */
void machine_times(const struct thread *thread, uint64_t *user_ns, uint64_t *system_ns);
bool machine_thread_gone(const struct thread *thread);
bool machine_runs(const struct thread *thread); /* has or waits for a processor */
void machine_priority(struct thread *thread, uint32_t nice);
uint64_t machine_processor(const struct thread *thread);       /* where it runs or ran last */
uint64_t machine_affinity(const struct thread *thread);        /* a bit for each processor */
long machine_bind(struct thread *thread, uint64_t processors); /* -EINVAL if there is none of them */
/* A new thread, that has not run, may run where another may. */
void machine_bind_alike(struct thread *thread, const struct thread *model);

#endif
