/* SPDX-License-Identifier: MIT */
/* How a thread made by clone(2) begins. */
#ifndef LIBPOSIX_THREAD_H
#define LIBPOSIX_THREAD_H

#include "libposix.h"

#define CLONE_VM 0x100u
#define CLONE_FS 0x200u
#define CLONE_FILES 0x400u
#define CLONE_SIGHAND 0x800u
#define CLONE_PIDFD 0x1000u
#define CLONE_VFORK 0x4000u
#define CLONE_PARENT 0x8000u
#define CLONE_THREAD 0x10000u
#define CLONE_NEWNS 0x20000u
#define CLONE_SYSVSEM 0x40000u
#define CLONE_SETTLS 0x80000u
#define CLONE_PARENT_SETTID 0x100000u
#define CLONE_CHILD_CLEARTID 0x200000u
#define CLONE_DETACHED 0x400000u
#define CLONE_UNTRACED 0x800000u
#define CLONE_CHILD_SETTID 0x1000000u
#define CLONE_NAMESPACES 0x7e020000u

#define ARCH_SET_GS 0x1001
#define ARCH_SET_FS 0x1002
#define ARCH_GET_FS 0x1003
#define ARCH_GET_GS 0x1004

/*
 * What the first code of a thread takes over from its maker. It stands just below the new thread's
 * stack pointer, where nobody looks yet, or in the maker's own libposix stack when that thread is
 * suspended meanwhile (vfork).
 */
struct lp_start {
	struct lp_frame frame;
	uint64_t rsp, mask, tls;
	uint64_t set_tid, clear_tid; /* addresses in the child's memory, 0 none */
	uint64_t alt_stack, alt_stack_size, alt_stack_flags;
	uint32_t vforked, reserved;
};

#endif
