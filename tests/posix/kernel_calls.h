/* SPDX-License-Identifier: MIT */
/* The kernel's interface from an ordinary program, past libposix. */
#ifndef TESTS_POSIX_KERNEL_CALLS_H
#define TESTS_POSIX_KERNEL_CALLS_H

#include <abi/kcall.h>
#include <abi/thread_block.h>
#include <proto/pm_types.h>

#include "../../lib/sys/kcall.h"

static inline struct ipc_page *own_page(void)
{
	struct thread_block *block;

	__asm__("mov %%gs:0, %0" : "=r"(block));
	return THREAD_PAGE(block);
}

/* A call as abi/ipc.h has it: everything in registers but what is in the message page. */
static __attribute__((noinline, unused)) long raw_call(cap_t to, uint64_t flags, struct ipc_msg *msg)
{
	uint64_t rax = KCALL_call | flags << 16 | (uint64_t)(uint32_t)to << 32;
	uint64_t rdi = msg->op, rsi = msg->w[0], rdx = msg->w[1], rbx = msg->in_addr;
	register uint64_t r10 __asm__("r10") = msg->w[2];
	register uint64_t r8 __asm__("r8") = msg->w[3];
	register uint64_t r9 __asm__("r9") = msg->w[4];
	register uint64_t r11 __asm__("r11") = msg->in_len;
	register uint64_t r12 __asm__("r12") = msg->out_addr;
	register uint64_t r13 __asm__("r13") = msg->out_len;

	__asm__ volatile("mov %%rbp, %%r14\n\tmov %%r11, %%rbp\n\tsyscall\n\tmov %%r14, %%rbp"
			 : "+a"(rax), "+D"(rdi), "+S"(rsi), "+d"(rdx), "+r"(r10), "+r"(r8), "+r"(r9),
			   "+r"(r11)
			 : "b"(rbx), "r"(r12), "r"(r13)
			 : "rcx", "r14", "memory");
	msg->flags = rdi;
	msg->w[0] = rsi;
	msg->w[1] = rdx;
	msg->w[2] = r10;
	msg->w[3] = r8;
	msg->w[4] = r9;
	return (long)rax;
}

#endif
