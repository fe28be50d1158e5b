/* SPDX-License-Identifier: MIT */
/*
 * What a store comes to whose line the log does not have yet: tx_line_REGISTER, with the number of the line in that
 * register, which it may change; every other one is as it was. mk/tx.cc makes the calls, tx.c has the layout of a record
 * and the same in C.
 */
/* TX_SHADOW, which tx.c asserts. */
#define LINE 64
#define RECORD (LINE + 8)
#define SHADOW 0x38000000

	.macro save line, a, b
	.globl tx_line_\line
	.type tx_line_\line, @function
tx_line_\line:
	movb $0, SHADOW(%\line)
	shlq $6, %\line
	pushq %r\a
	pushq %r\b
	movl tx_log, %e\a
	cmpl tx_log_last, %e\a
	ja tx_full
	.irp at, 0, 8, 16, 24, 32, 40, 48, 56
	movq \at(%\line), %r\b
	movq %r\b, tx_log + 8 + \at(%r\a)
	.endr
	movq %\line, tx_log + 8 + LINE(%r\a)
	addq $RECORD, tx_log
	popq %r\b
	popq %r\a
	ret
	.size tx_line_\line, . - tx_line_\line
	.endm

	.text
	.irp line, rax, rbx, rsi, rdi, rbp, r8, r9, r10, r11, r12, r13, r14, r15
	save \line, cx, dx
	.endr
	save rcx, ax, dx
	save rdx, ax, cx
	.section .note.GNU-stack, "", @progbits
