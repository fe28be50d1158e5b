/* SPDX-License-Identifier: MIT */
/* Signals as Linux x86-64 lays them out on the user's stack, and what the files of signals share. */
#ifndef LIBPOSIX_SIGNAL_H
#define LIBPOSIX_SIGNAL_H

#include "libposix.h"

#define SIGKILL 9
#define SIGSEGV 11
#define SIGSTOP 19
#define SIGCHLD 17
#define SIGNAL_MAX 64
#define SIGNAL_BIT(signal) (1ull << ((signal)-1))
#define SIGNAL_UNBLOCKABLE (SIGNAL_BIT(SIGKILL) | SIGNAL_BIT(SIGSTOP))

#define SIG_DFL 0
#define SIG_IGN 1
#define SA_NOCLDSTOP 1ull
#define SA_NOCLDWAIT 2ull
#define SA_RESETHAND 0x80000000ull
#define SA_ONSTACK 0x08000000ull
#define SA_RESTART 0x10000000ull
#define SA_NODEFER 0x40000000ull
#define SA_RESTORER 0x04000000ull

#define SS_ONSTACK 1
#define SS_DISABLE 2
#define SS_AUTODISARM (1u << 31)
#define MINSIGSTKSZ 2048u

#define SIG_BLOCK 0
#define SIG_UNBLOCK 1
#define SIG_SETMASK 2

/* stack_t */
struct signal_stack {
	uint64_t address;
	uint32_t flags, pad;
	uint64_t size;
};

/* arch/x86/include/uapi/asm/sigcontext.h of Linux, struct sigcontext_64 */
struct signal_context {
	uint64_t r8, r9, r10, r11, r12, r13, r14, r15;
	uint64_t rdi, rsi, rbp, rbx, rdx, rax, rcx, rsp, rip, rflags;
	uint16_t cs, gs, fs, ss;
	uint64_t error, trap, old_mask, cr2, fpu, reserved[8];
};
_Static_assert(sizeof(struct signal_context) == 256, "sigcontext");

/* struct rt_sigframe: rsp points at `restorer` when the handler begins. */
struct signal_frame {
	uint64_t restorer;
	uint64_t flags, link; /* ucontext from here on */
	struct signal_stack stack;
	struct signal_context context;
	uint64_t mask;
	uint8_t info[128];
};
_Static_assert(offsetof(struct signal_frame, info) == 312, "rt_sigframe");

#define SIGNAL_FPU_SIZE 512u /* fxsave */

/* action.c: what is to be done with a signal that PM hands over. False: nothing, after all. */
bool lp_action(int signal, struct signal_action *action);
void lp_actions_forked(void);

/* What lp_signals answers to entry.S, in rax and rdx. */
struct signal_outcome {
	long result;
	uint64_t again;
};

#endif
