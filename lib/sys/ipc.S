/* SPDX-License-Identifier: MIT */
/*
 * ipc_call and ipc_reply_wait: struct ipc_msg into and out of the registers that
 * abi/ipc.h names.
 */
#define MSG_OP 0
#define MSG_W0 8
#define MSG_W1 16
#define MSG_W2 24
#define MSG_W3 32
#define MSG_W4 40
#define MSG_IN_ADDR 48
#define MSG_IN_LEN 56
#define MSG_OUT_ADDR 64
#define MSG_OUT_LEN 72
#define MSG_BADGE 80
#define MSG_STAMP 88
#define MSG_TOKEN 96
#define MSG_FLAGS 104

#define NR_CALL 0x1000
#define NR_REPLY_WAIT 0x1001

	/* rax from the handle in edi and the flags in esi */
	.macro first_word number
	shlq $32, %rdi
	shll $16, %esi
	leaq \number(%rdi, %rsi), %rax
	.endm

	.macro store_words
	movq %rsi, MSG_W0(%r14)
	movq %rdx, MSG_W1(%r14)
	movq %r10, MSG_W2(%r14)
	movq %r8, MSG_W3(%r14)
	movq %r9, MSG_W4(%r14)
	.endm

	/* All but rdx, which points to the message until the end. */
	.macro load_words
	movq MSG_OP(%rdx), %rdi
	movq MSG_W0(%rdx), %rsi
	movq MSG_W2(%rdx), %r10
	movq MSG_W3(%rdx), %r8
	movq MSG_W4(%rdx), %r9
	.endm

	.text
	.balign 16
	.globl ipc_call
	.type ipc_call, @function
ipc_call:
	pushq %rbx
	pushq %rbp
	pushq %r12
	pushq %r13
	pushq %r14
	first_word NR_CALL
	movq %rdx, %r14
	movq MSG_IN_ADDR(%rdx), %rbx
	movq MSG_IN_LEN(%rdx), %rbp
	movq MSG_OUT_ADDR(%rdx), %r12
	movq MSG_OUT_LEN(%rdx), %r13
	load_words
	movq MSG_W1(%rdx), %rdx
	syscall
	movq %rdi, MSG_FLAGS(%r14)
	store_words
	popq %r14
	popq %r13
	popq %r12
	popq %rbp
	popq %rbx
	ret
	.size ipc_call, . - ipc_call

	.balign 16
	.globl ipc_reply_wait
	.type ipc_reply_wait, @function
ipc_reply_wait:
	pushq %rbx
	pushq %rbp
	pushq %r12
	pushq %r13
	pushq %r14
	pushq %r15
	pushq %rdx
	first_word NR_REPLY_WAIT
	movq MSG_TOKEN(%rdx), %r14
	load_words
	movq MSG_W1(%rdx), %rdx
	syscall
	movq %r14, %rcx
	popq %r14
	movq %rcx, MSG_TOKEN(%r14)
	movq %rdi, MSG_OP(%r14)
	store_words
	movq %rbx, MSG_BADGE(%r14)
	movq %rbp, MSG_STAMP(%r14)
	movq %r12, MSG_IN_LEN(%r14)
	movq %r13, MSG_OUT_LEN(%r14)
	movq %r15, MSG_FLAGS(%r14)
	popq %r15
	popq %r14
	popq %r13
	popq %r12
	popq %rbp
	popq %rbx
	ret
	.size ipc_reply_wait, . - ipc_reply_wait

	.section .note.GNU-stack, "", @progbits
