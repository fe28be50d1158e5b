/* SPDX-License-Identifier: MIT */
/*
 * Users share the processor: each quota counts the time that its threads have used of late, in servers too, and
 * its programs run with a priority that is the lower the more that is. So whoever has done little goes before
 * all the processes of a user who keeps the machine busy, and two who keep it busy get about the same.
 */
#ifndef KERNEL_CORE_FAIR_H
#define KERNEL_CORE_FAIR_H

#include "core/thread.h"

#define PROGRAMS 16u /* priorities below it */

/* The priority to become ready with. */
uint8_t fair_priority(const struct thread *thread);
/* The program that waits for what `thread` does: itself, or who made the call that a service is at; or NULL. */
struct thread *fair_client(struct thread *thread);
/* Who pays for what `thread` does: its own quota or, for a service, that of the program at the beginning of the chain
 * of calls that it works on; NULL: nobody. */
struct quota *fair_payer(struct thread *thread);
/* `quota` (or nobody) has had the processor for so long. */
void fair_charge(struct quota *quota, uint64_t ns, uint64_t now);

#endif
