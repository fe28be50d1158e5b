/* SPDX-License-Identifier: MIT */
/* Offsets from %gs, for the assembler; support.c checks them against the structures. */
#ifndef LIBPOSIX_FRAME_H
#define LIBPOSIX_FRAME_H

#define TB_SELF 0x00
#define TB_USER_RSP 0x08
#define TB_STACK_TOP 0x18
#define TB_MASK 0x40
#define TB_PENDING 0x48
#define TB_LIBPOSIX 0xb0

#define FRAME_RDI (TB_LIBPOSIX + 0x00)
#define FRAME_RSI (TB_LIBPOSIX + 0x08)
#define FRAME_RDX (TB_LIBPOSIX + 0x10)
#define FRAME_R10 (TB_LIBPOSIX + 0x18)
#define FRAME_R8 (TB_LIBPOSIX + 0x20)
#define FRAME_R9 (TB_LIBPOSIX + 0x28)
#define FRAME_NUMBER (TB_LIBPOSIX + 0x30)
#define FRAME_RETURN_PC (TB_LIBPOSIX + 0x38)
#define FRAME_RBX (TB_LIBPOSIX + 0x40)
#define FRAME_RBP (TB_LIBPOSIX + 0x48)
#define FRAME_R12 (TB_LIBPOSIX + 0x50)
#define FRAME_R13 (TB_LIBPOSIX + 0x58)
#define FRAME_R14 (TB_LIBPOSIX + 0x60)
#define FRAME_R15 (TB_LIBPOSIX + 0x68)
#define FRAME_FULL (TB_LIBPOSIX + 0x70)
#define FRAME_WINDOW (TB_LIBPOSIX + 0x74)

/* The message page lies below the block: THREAD_PAGE_* - THREAD_BLOCK_OFFSET. */
#define TB_UPCALL (1024 - 0x800)
#define REGS_RAX 0
#define REGS_RBX 8
#define REGS_RCX 16
#define REGS_RDX 24
#define REGS_RSI 32
#define REGS_RDI 40
#define REGS_RBP 48
#define REGS_RSP 56
#define REGS_R8 64
#define REGS_R9 72
#define REGS_R10 80
#define REGS_R11 88
#define REGS_R12 96
#define REGS_R13 104
#define REGS_R14 112
#define REGS_R15 120
#define REGS_RIP 128
#define REGS_RFLAGS 136

/* struct time_page.tracing, where every process has it */
#define TIME_PAGE_TRACING 0x7fdfffffe004

#define CALL_COUNT 451

#endif
