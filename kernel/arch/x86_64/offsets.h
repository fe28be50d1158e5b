/* SPDX-License-Identifier: MIT */
/* Offsets that assembly needs; core/kcall.c asserts each. */
#ifndef KERNEL_ARCH_X86_64_OFFSETS_H
#define KERNEL_ARCH_X86_64_OFFSETS_H

#define USER_SS 0x1b
#define USER_CS 0x23

#define CPU_CURRENT 8
#define CPU_KERNEL_STACK 16
#define CPU_SCRATCH 24

/* struct frame within struct thread */
#define THREAD_FRAME 8
#define FRAME_R15 0
#define FRAME_R14 8
#define FRAME_R13 16
#define FRAME_R12 24
#define FRAME_RBP 32
#define FRAME_RBX 40
#define FRAME_R11 48
#define FRAME_R10 56
#define FRAME_R9 64
#define FRAME_R8 72
#define FRAME_RAX 80
#define FRAME_RCX 88
#define FRAME_RDX 96
#define FRAME_RSI 104
#define FRAME_RDI 112
#define FRAME_VECTOR 120
#define FRAME_ERROR 128
#define FRAME_RIP 136
#define FRAME_CS 144
#define FRAME_RFLAGS 152
#define FRAME_RSP 160
#define FRAME_SS 168
#define FRAME_SIZE 176
#define VECTOR_SYSCALL 0x100 /* FRAME_SYSCALL */

/* Numbers of our own kernel calls: KCALL_FIRST, KCALL_LIMIT */
#define SYSCALL_FIRST 0x1000
#define SYSCALL_LIMIT 0x1100
#define SYSCALL_CALL 0x1000
#define SYSCALL_REPLY_WAIT 0x1001
#define FLAG_EXTRA 0x1
#define FLAG_INTR 0x2

#define HANDLE_PRIVATE_BIT 30
#define OBJECT_REFS 4
#define TYPE_BADGE 5
#define TYPE_ENDPOINT 4

/* The first eight bytes of struct caller: in service, of a thread, nothing unusual. */
#define CALLER_WORD_IN_SERVICE 2
/* state and wait of struct thread */
#define STATE_RUNNING 0x002
#define STATE_CALLING 0x103
#define STATE_RECEIVING 0x204

#define THREAD_REFLECT 496
#define THREAD_STATE 448
#define THREAD_ATTENTION 450
#define THREAD_NO_FPU_BYTE 454
#define THREAD_PRIORITY_BYTE 452
#define THREAD_BASE_PRIORITY 453
#define THREAD_CPU 640
#define THREAD_SPACE 416
#define THREAD_PRIVATE_TABLE 424
#define THREAD_FD_TABLE_POINTER 432
#define THREAD_MESSAGE_PAGE 464
#define THREAD_WAIT_LINK 584
#define THREAD_CALLER 184
#define CALLER_INDEX 8
#define CALLER_FLAGS 16
#define CALLER_DELIVERIES 20
#define CALLER_TOKEN 24
#define CALLER_STAMP 32
#define CALLER_BADGE_NUMBER 40
#define CALLER_ENDPOINT 48
#define CALLER_BADGE 56
#define CALLER_LINK 64
#define SPACE_CR3 8
#define TABLE_SLOTS 8
#define TABLE_CHUNKS 32
#define BADGE_ENDPOINT 8
#define BADGE_NUMBER 16
#define EP_PENDING 8
#define EP_RECEIVERS 24
#define EP_IN_SERVICE 40
#define CPU_ID 32
#define CPU_NEED_RESCHED 40
#define CPU_FPU_OWNER 48
#define CPU_SEGMENT_OWNER 56
#define CPU_LOADED_CR3 64
#define CPU_READY_MASK 584
#define CPU_IPC_CALLS 624
#define PAGE_CAPS_COUNT 40

/* X(name, type, member) of those that are just offsets, for the assertions. */
#define OFFSETS(X)                                            \
	X(THREAD_REFLECT, struct thread, reflect_entry)       \
	X(THREAD_STATE, struct thread, state)                 \
	X(THREAD_ATTENTION, struct thread, attention)         \
	X(THREAD_NO_FPU_BYTE, struct thread, no_fpu)          \
	X(THREAD_PRIORITY_BYTE, struct thread, priority)      \
	X(THREAD_BASE_PRIORITY, struct thread, base_priority) \
	X(THREAD_CPU, struct thread, cpu)                     \
	X(THREAD_SPACE, struct thread, space)                 \
	X(THREAD_PRIVATE_TABLE, struct thread, private_table) \
	X(THREAD_FD_TABLE_POINTER, struct thread, fd_table)   \
	X(THREAD_MESSAGE_PAGE, struct thread, message_page)   \
	X(THREAD_WAIT_LINK, struct thread, wait_link)         \
	X(THREAD_CALLER, struct thread, caller)               \
	X(CALLER_INDEX, struct caller, index)                 \
	X(CALLER_FLAGS, struct caller, flags)                 \
	X(CALLER_DELIVERIES, struct caller, deliveries)       \
	X(CALLER_TOKEN, struct caller, token)                 \
	X(CALLER_STAMP, struct caller, stamp)                 \
	X(CALLER_BADGE_NUMBER, struct caller, badge_number)   \
	X(CALLER_ENDPOINT, struct caller, endpoint)           \
	X(CALLER_BADGE, struct caller, badge)                 \
	X(CALLER_LINK, struct caller, link)                   \
	X(SPACE_CR3, struct space, cr3)                       \
	X(TABLE_SLOTS, struct table, slots)                   \
	X(TABLE_CHUNKS, struct table, chunks)                 \
	X(BADGE_ENDPOINT, struct badge, endpoint)             \
	X(BADGE_NUMBER, struct badge, number)                 \
	X(EP_PENDING, struct endpoint, pending)               \
	X(EP_RECEIVERS, struct endpoint, receivers)           \
	X(EP_IN_SERVICE, struct endpoint, in_service)         \
	X(CPU_ID, struct cpu, id)                             \
	X(CPU_NEED_RESCHED, struct cpu, need_resched)         \
	X(CPU_FPU_OWNER, struct cpu, fpu_owner)               \
	X(CPU_SEGMENT_OWNER, struct cpu, segment_owner)       \
	X(CPU_LOADED_CR3, struct cpu, loaded_cr3)             \
	X(CPU_READY_MASK, struct cpu, ready_mask)             \
	X(CPU_IPC_CALLS, struct cpu, ipc_calls)               \
	X(PAGE_CAPS_COUNT, struct ipc_page, caps_count)

#endif
