/* SPDX-License-Identifier: MIT */
/* The kernel lock, when it must be waited for. */
#include "core/cpu.h"
#include "arch/arch.h"

uint32_t big_lock;

void kernel_lock_wait(void)
{
	do {
		while (__atomic_load_n(&big_lock, __ATOMIC_RELAXED))
			arch_lock_wait();
	} while (__atomic_exchange_n(&big_lock, 1, __ATOMIC_ACQUIRE));
}
