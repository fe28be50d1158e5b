/* SPDX-License-Identifier: MIT */
/*
 * long request_exchange(struct request *fresh, const struct request *answered, uint64_t first_word)
 *
 * reply_wait between two records, without a message structure in between (abi/ipc.h has the
 * registers; loop.c asserts the layout). rax comes back as the kernel gave it.
 */
#define TOKEN 0
#define OP 8
#define BADGE 16
#define STAMP 24
#define WORDS 32
#define IN_LENGTH 112
#define OUT_LENGTH 120
#define RECEIVED 128
#define STATUS 136
#define REPLY 144
#define PROGRESS 256
#define STATE 384
#define STATE_RUNNING 1

	.text
	.balign 16
	.globl request_exchange
	.type request_exchange, @function
request_exchange:
	pushq %rbx
	pushq %rbp
	pushq %r12
	pushq %r13
	pushq %r14
	pushq %r15
	pushq %rdi
	movq %rdx, %rax
	xorl %r14d, %r14d
	testq %rsi, %rsi
	jz 1f
	movq TOKEN(%rsi), %r14
	movq STATUS(%rsi), %rdi
	movq REPLY+8(%rsi), %rdx
	movq REPLY+16(%rsi), %r10
	movq REPLY+24(%rsi), %r8
	movq REPLY+32(%rsi), %r9
	movq REPLY(%rsi), %rsi
1:	syscall
	popq %rcx
	xorl %r11d, %r11d
	movq %r14, TOKEN(%rcx)
	movq %rdi, OP(%rcx)
	movq %rbx, BADGE(%rcx)
	movq %rbp, STAMP(%rcx)
	movq %rsi, WORDS(%rcx)
	movq %rdx, WORDS+8(%rcx)
	movq %r10, WORDS+16(%rcx)
	movq %r8, WORDS+24(%rcx)
	movq %r9, WORDS+32(%rcx)
	movq %r12, IN_LENGTH(%rcx)
	movq %r13, OUT_LENGTH(%rcx)
	movq %r15, RECEIVED(%rcx)
	.irp i, 0, 8, 16, 24, 32
	movq %r11, REPLY+\i(%rcx)
	.endr
	.irp i, 0, 8, 16, 24, 32, 40, 48, 56
	movq %r11, PROGRESS+\i(%rcx)
	.endr
	movl $STATE_RUNNING, STATE(%rcx)
	popq %r15
	popq %r14
	popq %r13
	popq %r12
	popq %rbp
	popq %rbx
	ret
	.size request_exchange, . - request_exchange
	.section .note.GNU-stack, "", @progbits
