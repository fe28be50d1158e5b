/* SPDX-License-Identifier: MIT */
/* The kernel lock, when it must be waited for. */
#include "core/cpu.h"
#include "arch/arch.h"

#define OFFER_TURNS 256u

uint32_t big_lock;
static uint32_t waiting; /* processors in kernel_lock_wait */

void kernel_lock_wait(void)
{
	__atomic_fetch_add(&waiting, 1, __ATOMIC_RELAXED);
	do {
		while (__atomic_load_n(&big_lock, __ATOMIC_RELAXED))
			arch_lock_wait();
	} while (__atomic_exchange_n(&big_lock, 1, __ATOMIC_ACQUIRE));
	__atomic_fetch_sub(&waiting, 1, __ATOMIC_RELAXED);
}

void kernel_lock_offer(void)
{
	for (unsigned i = 0; i < OFFER_TURNS && __atomic_load_n(&waiting, __ATOMIC_RELAXED) &&
			     !__atomic_load_n(&big_lock, __ATOMIC_RELAXED);
	     i++)
		arch_lock_wait();
}
