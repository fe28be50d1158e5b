/* SPDX-License-Identifier: MIT */
/* The clock page that user mode reads, and the wall clock. */
#ifndef KERNEL_CORE_CLOCK_H
#define KERNEL_CORE_CLOCK_H

#include <stdbool.h>
#include <stdint.h>

void clock_init(void); /* needs memory; before arch_time_ready() */
/* From arch: monotonic ns = base_ns + ((tsc - base_tsc) * multiplier >> 32) from now on. */
void clock_rate_changed(uint64_t base_tsc, uint64_t base_ns, uint64_t multiplier);
/* Tells libposix whether system calls are to be marked. */
void clock_set_tracing(bool on);

#endif
