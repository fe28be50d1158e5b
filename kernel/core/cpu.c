/* SPDX-License-Identifier: MIT */
/* The kernel lock, when it must be waited for. */
#include "core/cpu.h"
#include "arch/arch.h"

struct ticket_lock big_lock;

void kernel_lock_wait(uint32_t ticket)
{
	while (__atomic_load_n(&big_lock.serving, __ATOMIC_ACQUIRE) != ticket)
		arch_lock_wait();
}
