/* SPDX-License-Identifier: MIT */
/* The state of everything, for people. */
#ifndef KERNEL_CORE_DUMP_H
#define KERNEL_CORE_DUMP_H

#include <stdbool.h>

void dump_all(void); /* into the log; under the kernel lock */
/* From an NMI, where nothing may be touched: the next way out of the kernel dumps, onto the console too. */
void dump_request(void);
bool dump_requested(void);
void dump_deferred(void); /* kernel_deferred, if one is requested */

#endif
