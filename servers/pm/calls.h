/* SPDX-License-Identifier: MIT */
/* The handlers, by family; main.c puts them into the table. */
#ifndef PM_CALLS_H
#define PM_CALLS_H

#include "machine.h"

#include <proto/pm.h>

#define HANDLER(name) \
	long do_##name(struct request *, const struct pm_##name##_req *, struct pm_##name##_reply *)
HANDLER(fork);
HANDLER(thread_create);
HANDLER(exec);
HANDLER(exec_commit);
HANDLER(exec_abort);
HANDLER(exit);
HANDLER(exit_thread);
HANDLER(wait);
HANDLER(kill);
HANDLER(sigaction);
HANDLER(take_signal);
HANDLER(sigpending);
HANDLER(sigsuspend);
HANDLER(sigtimedwait);
HANDLER(set_ids);
HANDLER(get_ids);
HANDLER(set_groups);
HANDLER(get_groups);
HANDLER(setpgid);
HANDLER(getpgid);
HANDLER(setsid);
HANDLER(getsid);
HANDLER(itimer);
HANDLER(times);
HANDLER(limit);
HANDLER(priority);
HANDLER(name);
HANDLER(reboot);
HANDLER(timer_create);
HANDLER(timer_set);
HANDLER(timer_get);
HANDLER(timer_delete);
HANDLER(set_tid_address);
HANDLER(clock_set);
HANDLER(signal_group);
HANDLER(set_tty);
HANDLER(signal_stamp);
HANDLER(start_init);
HANDLER(process_cap);
HANDLER(process_times);
HANDLER(system_counts);
HANDLER(threads);
HANDLER(limits);
HANDLER(random);
HANDLER(trace_unknown);
HANDLER(host_name);
HANDLER(option);
HANDLER(affinity);
#undef HANDLER

/* The live process that calls, or NULL. */
struct process *caller_of(const struct request *rq);
/* A request of a thread that waits for a signal is over: forget it. */
void sigtimedwait_cancelled(struct request *rq);
/* IPC_KERNEL_FAULT */
long thread_faulted(struct request *rq);
/* The loader of init gave up: try the next name. */
void init_exec_failed(struct process *process, long error);

#endif
