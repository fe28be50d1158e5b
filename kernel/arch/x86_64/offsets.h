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

#define THREAD_REFLECT 488

/* Numbers of our own kernel calls: KCALL_FIRST, KCALL_LIMIT */
#define SYSCALL_FIRST 0x1000
#define SYSCALL_LIMIT 0x1100

#endif
