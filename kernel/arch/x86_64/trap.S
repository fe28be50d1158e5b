/* SPDX-License-Identifier: MIT */
/*
 * Exceptions and interrupts. From user mode the registers go into the frame of the
 * current thread; from kernel mode (idle, or a bug) onto the stack. The machine pushes
 * ss, rsp, rflags, rip with cs and perhaps an error code; the stub of the vector completes
 * that to the tail of struct frame.
 */
#include "layout.h"
#include "offsets.h"

	.section .text
	.balign TRAP_STUB_SIZE
	.globl trap_stubs
trap_stubs:
	.set vector, 0
	.rept 256
	.balign TRAP_STUB_SIZE
	.if !(vector == 8 || (vector >= 10 && vector <= 14) || vector == 17 || vector == 21 || vector == 29 || vector == 30)
	pushq $0
	.endif
	pushq $vector
	.if vector == VECTOR_NMI || vector == VECTOR_DOUBLE_FAULT || vector == VECTOR_MACHINE_CHECK
	jmp trap_paranoid
	.else
	jmp trap_common
	.endif
	.set vector, vector + 1
	.endr

	.balign 16
trap_common:
	testb $3, 24(%rsp)
	jz trap_kernel
	swapgs
	/* Becomes clac where the processor has SMAP: an interrupt gate leaves AC as it is. */
	.globl trap_clac
trap_clac:
	.byte 0x0f, 0x1f, 0x00
	cld
	movq %rax, %gs:CPU_SCRATCH
	movq %gs:CPU_CURRENT, %rax
	movq %r15, THREAD_FRAME + FRAME_R15(%rax)
	movq %r14, THREAD_FRAME + FRAME_R14(%rax)
	movq %r13, THREAD_FRAME + FRAME_R13(%rax)
	movq %r12, THREAD_FRAME + FRAME_R12(%rax)
	movq %rbp, THREAD_FRAME + FRAME_RBP(%rax)
	movq %rbx, THREAD_FRAME + FRAME_RBX(%rax)
	movq %r11, THREAD_FRAME + FRAME_R11(%rax)
	movq %r10, THREAD_FRAME + FRAME_R10(%rax)
	movq %r9, THREAD_FRAME + FRAME_R9(%rax)
	movq %r8, THREAD_FRAME + FRAME_R8(%rax)
	movq %gs:CPU_SCRATCH, %r8
	movq %r8, THREAD_FRAME + FRAME_RAX(%rax)
	movq %rcx, THREAD_FRAME + FRAME_RCX(%rax)
	movq %rdx, THREAD_FRAME + FRAME_RDX(%rax)
	movq %rsi, THREAD_FRAME + FRAME_RSI(%rax)
	movq %rdi, THREAD_FRAME + FRAME_RDI(%rax)
	popq THREAD_FRAME + FRAME_VECTOR(%rax)
	popq THREAD_FRAME + FRAME_ERROR(%rax)
	popq THREAD_FRAME + FRAME_RIP(%rax)
	popq THREAD_FRAME + FRAME_CS(%rax)
	popq THREAD_FRAME + FRAME_RFLAGS(%rax)
	popq THREAD_FRAME + FRAME_RSP(%rax)
	popq THREAD_FRAME + FRAME_SS(%rax)
	movq %rax, %rdi
	xorl %ebp, %ebp
	call kernel_trap
	ud2

	.macro push_registers
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
	cld
	.endm

	.macro pop_registers
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
	addq $16, %rsp
	.endm

trap_kernel:
	push_registers
	movq %rsp, %rdi
	call trap_from_kernel
	pop_registers
	iretq

	/*
	 * NMI, double fault and machine check come at any instruction, also between an
	 * entry and its swapgs: whether %gs is the kernel's shows in the sign of its base.
	 */
trap_paranoid:
	push_registers
	movl $0xc0000101, %ecx
	rdmsr
	xorl %ebx, %ebx
	testl %edx, %edx
	js 1f
	swapgs
	movl $1, %ebx
1:	movq %rsp, %rdi
	call trap_paranoid_from
	testl %ebx, %ebx
	jz 2f
	swapgs
2:	pop_registers
	iretq

	.section .note.GNU-stack, "", @progbits
