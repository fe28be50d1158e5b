/* SPDX-License-Identifier: MIT */
/*
 * Kernel calls from C: kcall(name, arguments...) with the names and arguments of
 * abi/kcall.def; answers what rax holds. Arguments may be integers, handles or
 * pointers. Used by services and by libposix.
 */
#ifndef LIB_SYS_KCALL_H
#define LIB_SYS_KCALL_H

#include <abi/kcall.h>

static inline long kcall_raw(uint64_t nr, uint64_t a, uint64_t b, uint64_t c, uint64_t d, uint64_t e,
			     uint64_t f)
{
	long result;
	register uint64_t r10 __asm__("r10") = d;
	register uint64_t r8 __asm__("r8") = e;
	register uint64_t r9 __asm__("r9") = f;

	__asm__ volatile("syscall"
			 : "=a"(result)
			 : "a"(nr), "D"(a), "S"(b), "d"(c), "r"(r10), "r"(r8), "r"(r9)
			 : "rcx", "r11", "memory");
	return result;
}

#define KCALL_ARG(x) ((uint64_t)(uintptr_t)(x))
#define KCALL_0(n) kcall_raw(n, 0, 0, 0, 0, 0, 0)
#define KCALL_1(n, a) kcall_raw(n, KCALL_ARG(a), 0, 0, 0, 0, 0)
#define KCALL_2(n, a, b) kcall_raw(n, KCALL_ARG(a), KCALL_ARG(b), 0, 0, 0, 0)
#define KCALL_3(n, a, b, c) kcall_raw(n, KCALL_ARG(a), KCALL_ARG(b), KCALL_ARG(c), 0, 0, 0)
#define KCALL_4(n, a, b, c, d) kcall_raw(n, KCALL_ARG(a), KCALL_ARG(b), KCALL_ARG(c), KCALL_ARG(d), 0, 0)
#define KCALL_5(n, a, b, c, d, e) \
	kcall_raw(n, KCALL_ARG(a), KCALL_ARG(b), KCALL_ARG(c), KCALL_ARG(d), KCALL_ARG(e), 0)
#define KCALL_6(n, a, b, c, d, e, f) \
	kcall_raw(n, KCALL_ARG(a), KCALL_ARG(b), KCALL_ARG(c), KCALL_ARG(d), KCALL_ARG(e), KCALL_ARG(f))
#define KCALL_PICK(n, a, b, c, d, e, f, macro, ...) macro
#define kcall(name, ...)                                                                            \
	KCALL_PICK(0, ##__VA_ARGS__, KCALL_6, KCALL_5, KCALL_4, KCALL_3, KCALL_2, KCALL_1, KCALL_0) \
	(KCALL_##name, ##__VA_ARGS__)

/*
 * ipc.S: a call, and reply-and-wait, with every register moved from and to *msg.
 *
 * ipc_call: sends op, w, in_*, out_* to `destination` with IPC_* `flags`; answers
 * the status (>= 0 or -errno); msg->w and msg->flags are the reply's.
 *
 * ipc_reply_wait: answers msg->token (0: none) with status msg->op and msg->w and
 * IPC_EXTRA of `flags`, then waits; answers enum ipc_kind or -errno, and fills *msg.
 */
long ipc_call(cap_t destination, uint32_t flags, struct ipc_msg *msg);
long ipc_reply_wait(cap_t endpoint, uint32_t flags, struct ipc_msg *msg);

#endif
