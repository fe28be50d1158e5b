/* SPDX-License-Identifier: MIT */
/*
 * What a store comes to whose line the log is to have as a whole: tx_line_REGISTER, with an address in the line in that
 * register, which it may change; every other one is as it was. mk/tx.cc makes the calls, tx.c has the layout of a record
 * and the same in C.
 */
/* TX_SHADOW, which tx.c asserts. */
#define LINE 64
#define RECORD (LINE + 8)
#define SHADOW 0x38000000

	.macro save line, low, a
	.globl tx_line_\line
	.type tx_line_\line, @function
tx_line_\line:
	pushq %r\a
	andq $-LINE, %\line
	movl %\low, %e\a
	shrl $6, %e\a
	cmpb $0, SHADOW(%r\a)
	je 1f
	movb $0, SHADOW(%r\a)
	pushq %\line
	movl tx_lines_count, %\low
	movl %e\a, tx_lines(, %\line, 4)
	incl tx_lines_count
	popq %\line
	movl tx_log, %e\a
	cmpl tx_log_last, %e\a
	ja tx_full
	.irp at, 0, 8, 16, 24, 32, 40, 48, 56
	pushq \at(%\line)
	popq tx_log + 8 + \at(%r\a)
	.endr
	movq %\line, tx_log + 8 + LINE(%r\a)
	addq $RECORD, tx_log
1:	popq %r\a
	ret
	.size tx_line_\line, . - tx_line_\line
	.endm

	.text
	save rax, eax, cx
	.irp line, bx, cx, dx, si, di, bp
	save r\line, e\line, ax
	.endr
	.irp line, r8, r9, r10, r11, r12, r13, r14, r15
	save \line, \line\()d, ax
	.endr
	.section .note.GNU-stack, "", @progbits
