/* SPDX-License-Identifier: MIT */
/*
 * The syscall instruction, and the way back to user mode.
 *
 * SYSCALL leaves the return address in rcx, the flags in r11 and the user's rsp in
 * place, with interrupts masked by SFMASK (AMD APM 3, SYSCALL). Until the stack is
 * switched nothing may fault; NMI and the like have stacks of their own.
 */
#include "offsets.h"

	.section .text
	.balign 16
	.globl syscall_entry
syscall_entry:
	swapgs
	movq %rsp, %gs:CPU_SCRATCH
	movzwl %ax, %esp
	subl $SYSCALL_FIRST, %esp
	cmpl $(SYSCALL_LIMIT - SYSCALL_FIRST), %esp
	jae foreign
save_frame:
	movq %gs:CPU_CURRENT, %rsp
	leaq THREAD_FRAME + FRAME_SIZE(%rsp), %rsp
	pushq $USER_SS
	pushq %gs:CPU_SCRATCH
	pushq %r11
	pushq $USER_CS
	pushq %rcx
	pushq $0
	pushq $VECTOR_SYSCALL
	pushq %rdi
	pushq %rsi
	pushq %rdx
	pushq %rcx
	pushq %rax
	pushq %r8
	pushq %r9
	pushq %r10
	pushq %r11
	pushq %rbx
	pushq %rbp
	pushq %r12
	pushq %r13
	pushq %r14
	pushq %r15
	leaq -THREAD_FRAME(%rsp), %rdi
	movq %gs:CPU_KERNEL_STACK, %rsp
	xorl %ebp, %ebp
	call kernel_syscall
	ud2

	/*
	 * A system call of another kernel: on to the registered entry, all registers but rip
	 * as they were. Only iret can do that, since sysret takes rip from rcx.
	 */
	.balign 16
foreign:
	movq %gs:CPU_CURRENT, %rsp
	cmpq $0, THREAD_REFLECT(%rsp)
	je save_frame
	movq %gs:CPU_KERNEL_STACK, %rsp
	pushq $USER_SS
	pushq %gs:CPU_SCRATCH
	pushq %r11
	pushq $USER_CS
	pushq %rax
	movq %gs:CPU_CURRENT, %rax
	movq THREAD_REFLECT(%rax), %rax
	xchgq %rax, (%rsp)
	swapgs
	iretq

	/* The frame is what the stack pointer walks through. */
	.balign 16
	.globl arch_return_to_user
arch_return_to_user:
	leaq THREAD_FRAME(%rdi), %rsp
	cmpl $VECTOR_SYSCALL, FRAME_VECTOR(%rsp)
	jne 1f
	popq %r15
	popq %r14
	popq %r13
	popq %r12
	popq %rbp
	popq %rbx
	popq %r11
	popq %r10
	popq %r9
	popq %r8
	popq %rax
	popq %rcx
	popq %rdx
	popq %rsi
	popq %rdi
	movq FRAME_RIP - FRAME_VECTOR(%rsp), %rcx
	movq FRAME_RFLAGS - FRAME_VECTOR(%rsp), %r11
	movq FRAME_RSP - FRAME_VECTOR(%rsp), %rsp
	swapgs
	sysretq
1:	popq %r15
	popq %r14
	popq %r13
	popq %r12
	popq %rbp
	popq %rbx
	popq %r11
	popq %r10
	popq %r9
	popq %r8
	popq %rax
	popq %rcx
	popq %rdx
	popq %rsi
	popq %rdi
	addq $(FRAME_RIP - FRAME_VECTOR), %rsp
	swapgs
	iretq

	.section .note.GNU-stack, "", @progbits
