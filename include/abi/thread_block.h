/* SPDX-License-Identifier: MIT */
/*
 * The block of each thread of a process, made by PM, used by libposix: THREAD_AREA_STEP bytes at
 * THREAD_AREA + n * THREAD_AREA_STEP: the message page (VM_PINNED), an unmapped guard page, then
 * libposix's stack. %gs points at struct thread_block, in the message page at
 * THREAD_BLOCK_OFFSET. Both sides of musl's entry convention: a system call jumps to
 * *%gs:0x10 with its number in rax, arguments as for `syscall`, and the return address in rcx.
 */
#ifndef ABI_THREAD_BLOCK_H
#define ABI_THREAD_BLOCK_H

#include <abi/ipc.h>
#include <abi/kcall.h>

#define THREAD_AREA 0x7fe000000000ul
#define THREAD_AREA_STEP 0x8000ul
#define THREAD_STACK_OFFSET 0x2000ul
#define THREAD_BLOCK_OFFSET 0x800ul
#define THREADS_MAX 1024u /* of one process */

#define PROCESS_BLOCK 0x7fdffffff000ul  /* struct process_block: one private page, written by libposix */
#define TIME_PAGE 0x7fdfffffe000ul      /* struct time_page, read-only */
#define USER_STACK_TOP 0x7fdf00000000ul /* minus a random offset; grows to 8 MiB */

struct thread_block {
	struct thread_block *self;          /* 0x00 */
	uint64_t user_rsp;                  /* 0x08: caller's stack while inside */
	uint64_t entry;                     /* 0x10: libposix's entry */
	uint64_t stack_top;                 /* 0x18: libposix's stack */
	uint64_t scratch[4];                /* 0x20: entry code */
	volatile uint64_t mask;             /* 0x40: blocked signals; libposix writes, PM reads */
	volatile uint64_t pending;          /* 0x48: hint: signals that PM holds for this thread or its
	                             * process; PM writes, libposix looks on the way out */
	uint64_t saved_mask;                /* 0x50: sigsuspend */
	uint32_t saved_mask_valid, tid;     /* 0x58 */
	uint64_t clear_tid;                 /* 0x60: set_tid_address */
	uint64_t alt_stack, alt_stack_size; /* 0x68 */
	uint64_t alt_stack_flags;
	uint64_t robust_list;  /* 0x80 */
	int32_t pid;           /* 0x88: of the process; PM, and libposix in a forked child */
	volatile int32_t ppid; /* PM changes it when the parent dies */
	uint64_t seed[4];      /* 0x90: fresh random bits from PM at exec */
	uint64_t libposix[80]; /* 0xb0: libposix's own */
};
_Static_assert(offsetof(struct thread_block, libposix) == 0xb0, "known to entry.S");

#define THREAD_PAGE(block) ((struct ipc_page *)((uint64_t)(block)-THREAD_BLOCK_OFFSET))

/* libposix's image begins with this header (section .header). Offsets are from its start. */
#define LIBPOSIX_MAGIC 0x31584f504c4e41ull
struct libposix_header {
	uint64_t magic;
	uint64_t image_size;   /* text and read-only data, whole pages; no writable data */
	uint64_t entry;        /* reflected system calls and musl's %gs:0x10 */
	uint64_t upcall;       /* thread_interrupt enters here */
	uint64_t load;         /* first code of a new image: the loader; rdi: arguments object size */
	uint64_t thread_start; /* first code of a new thread */
	uint64_t restart_start, restart_end; /* see thread_create */
	uint64_t text_end;                   /* code is [0, text_end) */
	uint64_t fault; /* PM sends a thread here that faulted inside: the call answers EFAULT */
};

#endif
