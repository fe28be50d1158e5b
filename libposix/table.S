/* SPDX-License-Identifier: MIT */
/* syscalls.def as two tables: handlers as offsets from lp_table, and which calls a signal restarts. */
#include "frame.h"

#define DONE 0
#define RESTART 1
#define ERROR 0

	.section .rodata.table, "a"
	.balign 64
	.globl lp_table
	.hidden lp_table
lp_table:
#define L(number, name, handler, args, status) \
	.rept number - (. - lp_table) / 4; .long lp_unknown_numbered - lp_table; .endr; \
	.long handler - lp_table;
#include "syscalls.def"
#undef L

	.globl lp_restartable
	.hidden lp_restartable
lp_restartable:
#define L(number, name, handler, args, status) \
	.rept number - (. - lp_restartable); .byte 0; .endr; .byte status;
#include "syscalls.def"
#undef L

	.section .note.GNU-stack, "", @progbits
