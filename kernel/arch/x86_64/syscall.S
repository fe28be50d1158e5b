/* SPDX-License-Identifier: MIT */
/*
 * The syscall instruction, the IPC fast path, and the way back to user mode.
 *
 * SYSCALL leaves the return address in rcx, the flags in r11 and the user's rsp in
 * place, with interrupts masked by SFMASK (AMD APM 3, SYSCALL). rsp is then made to point to
 * the current thread: nothing here needs a stack, and nothing may fault. NMI and the
 * like have stacks of their own.
 *
 * The fast path is the common case of call and reply_wait, and does what ipc/call.c and
 * ipc/deliver.c do for it: a call to a server that waits, and an answer when nothing else is
 * to be delivered; between threads, without capabilities, on one processor. It changes
 * nothing before it is sure, so that it can always fall back to C.
 */
#include "offsets.h"

	/* Into the frame of the thread in rsp. CS and SS stand there always. */
	.macro save_return
	movq %rcx, THREAD_FRAME + FRAME_RIP(%rsp)
	movq %r11, THREAD_FRAME + FRAME_RFLAGS(%rsp)
	movq %gs:CPU_SCRATCH, %rcx
	movq %rcx, THREAD_FRAME + FRAME_RSP(%rsp)
	movl $VECTOR_SYSCALL, THREAD_FRAME + FRAME_VECTOR(%rsp)
	.endm

	.macro save_message
	movq %rdi, THREAD_FRAME + FRAME_RDI(%rsp)
	movq %rsi, THREAD_FRAME + FRAME_RSI(%rsp)
	movq %rdx, THREAD_FRAME + FRAME_RDX(%rsp)
	movq %r10, THREAD_FRAME + FRAME_R10(%rsp)
	movq %r8, THREAD_FRAME + FRAME_R8(%rsp)
	movq %r9, THREAD_FRAME + FRAME_R9(%rsp)
	.endm

	.macro save_rest
	movq %rbx, THREAD_FRAME + FRAME_RBX(%rsp)
	movq %rbp, THREAD_FRAME + FRAME_RBP(%rsp)
	movq %r12, THREAD_FRAME + FRAME_R12(%rsp)
	movq %r13, THREAD_FRAME + FRAME_R13(%rsp)
	movq %r14, THREAD_FRAME + FRAME_R14(%rsp)
	movq %r15, THREAD_FRAME + FRAME_R15(%rsp)
	.endm

	.macro to_c function
	movq %rsp, %rdi
	movq %gs:CPU_KERNEL_STACK, %rsp
	xorl %ebp, %ebp
	call \function
	ud2
	.endm

	/* core/cpu.h; destroys ecx */
	.macro lock_or contended
	movl $1, %ecx
	xchgl %ecx, big_lock
	testl %ecx, %ecx
	jnz \contended
	.endm

	.macro unlock
	movl $0, big_lock
	.endm

	/* rbp: the object of the handle in the upper half of rax; destroys rax, rbx, rcx. */
	.macro look_up slow
	shrq $32, %rax
	movq THREAD_FD_TABLE_POINTER(%rsp), %rbx
	btrl $HANDLE_PRIVATE_BIT, %eax
	cmovcq THREAD_PRIVATE_TABLE(%rsp), %rbx
	testq %rbx, %rbx
	jz \slow
	cmpl %eax, TABLE_SLOTS(%rbx)
	jbe \slow
	movl %eax, %ecx
	shrl $6, %ecx
	andl $63, %eax
	shll $4, %ecx
	shll $4, %eax
	addq TABLE_CHUNKS(%rbx), %rcx
	addq (%rcx), %rax
	movq (%rax), %rbp
	testq %rbp, %rbp
	jz \slow
	.endm

	/* Make the thread whose `field` is at \base the current one and load its space. */
	.macro switch_space base, field
	leaq -\field(\base), %rax
	movq %rax, %gs:CPU_CURRENT
	movq THREAD_SPACE - \field(\base), %rax
	movq SPACE_CR3(%rax), %rax
	cmpq %rax, %gs:CPU_LOADED_CR3
	je 1f
	movq %rax, %gs:CPU_LOADED_CR3
	movq %rax, %cr3
1:
	.endm

	.macro copy_extra from, to, through
	.irp offset, 0, 8, 16, 24, 32
	movq \offset(\from), \through
	movq \through, \offset(\to)
	.endr
	movl $0, PAGE_CAPS_COUNT(\to)
	.endm

	.section .text
	.balign 16
	.globl syscall_entry
syscall_entry:
	swapgs
	movq %rsp, %gs:CPU_SCRATCH
	movq %gs:CPU_CURRENT, %rsp
	cmpw $SYSCALL_REPLY_WAIT, %ax
	je fast_reply_wait
	jb call_or_foreign
	cmpw $SYSCALL_LIMIT, %ax
	jae foreign
save_frame:
	save_return
	movq %rax, THREAD_FRAME + FRAME_RAX(%rsp)
	save_message
	save_rest
	to_c kernel_syscall

	/* While tracing: what the fast path would do is for C, which records it. */
	.balign 16
	.globl syscall_entry_traced
syscall_entry_traced:
	swapgs
	movq %rsp, %gs:CPU_SCRATCH
	movq %gs:CPU_CURRENT, %rsp
	cmpw $SYSCALL_FIRST, %ax
	jb foreign
	cmpw $SYSCALL_LIMIT, %ax
	jae foreign
	jmp save_frame

	.balign 16
call_or_foreign:
	cmpw $SYSCALL_CALL, %ax
	jne foreign
	testl $((FLAG_EXTRA | FLAG_INTR) << 16 ^ 0xffff0000), %eax
	jnz save_frame

	/*
	 * call. rsp: the caller; the message registers stay as they are. rbp: the badge, rbx: the
	 * endpoint, r14: wait_link of the receiver.
	 */
fast_call:
	save_return
	movq %rax, THREAD_FRAME + FRAME_RAX(%rsp)
	save_message
	save_rest
	lock_or call_contended
	cmpb $0, THREAD_ATTENTION(%rsp)
	jne call_slow
	look_up call_slow
	cmpl $TYPE_BADGE, (%rbp)
	jne call_slow
	movq BADGE_ENDPOINT(%rbp), %rbx
	testq %rbx, %rbx
	jz call_slow
	cmpq $0, EP_PENDING(%rbx)
	jne call_slow
	movq EP_RECEIVERS(%rbx), %r14
	leaq EP_RECEIVERS(%rbx), %rax
	cmpq %rax, %r14
	je call_slow
	cmpw $0, THREAD_ATTENTION - THREAD_WAIT_LINK(%r14)
	jne call_slow
	testl $FLAG_EXTRA << 16, THREAD_FRAME + FRAME_RAX(%rsp)
	jnz call_extra
call_commit:
	/* The receiver leaves the endpoint and runs, with the higher of both priorities. */
	movq (%r14), %rcx
	movq %rcx, (%rax)
	movq %rax, 8(%rcx)
	movw $STATE_CALLING, THREAD_STATE(%rsp)
	movw $STATE_RUNNING, THREAD_STATE - THREAD_WAIT_LINK(%r14)
	movl %gs:CPU_ID, %eax
	movl %eax, THREAD_CPU - THREAD_WAIT_LINK(%r14)
	movb THREAD_PRIORITY_BYTE(%rsp), %al
	movb THREAD_BASE_PRIORITY - THREAD_WAIT_LINK(%r14), %cl
	cmpb %cl, %al
	cmovbl %ecx, %eax
	movb %al, THREAD_PRIORITY_BYTE - THREAD_WAIT_LINK(%r14)
	/* The call goes into service. */
	movq $CALLER_WORD_IN_SERVICE, THREAD_CALLER(%rsp)
	movzwl THREAD_FRAME + FRAME_RAX + 2(%rsp), %r15d
	movl %r15d, THREAD_CALLER + CALLER_FLAGS(%rsp)
	movl $1, THREAD_CALLER + CALLER_DELIVERIES(%rsp)
	movq %rbx, THREAD_CALLER + CALLER_ENDPOINT(%rsp)
	movq %rbp, THREAD_CALLER + CALLER_BADGE(%rsp)
	incl OBJECT_REFS(%rbp)
	movq next_token, %r12
	addq $1 << 20, next_token
	orq THREAD_CALLER + CALLER_INDEX(%rsp), %r12
	movq %r12, THREAD_CALLER + CALLER_TOKEN(%rsp)
	leaq EP_IN_SERVICE(%rbx), %rcx
	leaq THREAD_CALLER + CALLER_LINK(%rsp), %rax
	movq 8(%rcx), %r11
	movq %rcx, (%rax)
	movq %r11, 8(%rax)
	movq %rax, (%r11)
	movq %rax, 8(%rcx)
	movq BADGE_NUMBER(%rbp), %rbx
	movq %rbx, THREAD_CALLER + CALLER_BADGE_NUMBER(%rsp)
	movq THREAD_CALLER + CALLER_STAMP(%rsp), %rbp
	incq %gs:CPU_IPC_CALLS
	switch_space %r14, THREAD_WAIT_LINK
	/* switch.h: the receiver has no FPU, so it must not see the caller's. */
	cmpb $0, THREAD_NO_FPU_BYTE(%rsp)
	jne 1f
	movq cr0_without_fpu, %rax
	movq %rax, %cr0
1:	unlock
	movq %r14, %rax
	movq %r12, %r14
	movq THREAD_FRAME + FRAME_RBP(%rsp), %r12
	movq THREAD_FRAME + FRAME_RIP - THREAD_WAIT_LINK(%rax), %rcx
	movq THREAD_FRAME + FRAME_RFLAGS - THREAD_WAIT_LINK(%rax), %r11
	movq THREAD_FRAME + FRAME_RSP - THREAD_WAIT_LINK(%rax), %rsp
	xorl %eax, %eax
	swapgs
	sysretq

	/* Both have message pages and no capabilities travel: five words more. */
call_extra:
	movq THREAD_MESSAGE_PAGE(%rsp), %rcx
	movq THREAD_MESSAGE_PAGE - THREAD_WAIT_LINK(%r14), %r15
	testq %rcx, %rcx
	jz call_slow
	testq %r15, %r15
	jz call_slow
	cmpl $0, PAGE_CAPS_COUNT(%rcx)
	jne call_slow
	copy_extra %rcx, %r15, %r11
	jmp call_commit

call_slow:
	to_c kernel_syscall_locked
call_contended:
	to_c kernel_syscall

	/*
	 * reply_wait. rsp: the server; rbx, rbp, r12, r13, r15 hold nothing on entry. rbx: the
	 * endpoint, then rbp: the caller part of the thread that is answered.
	 */
	.balign 16
fast_reply_wait:
	testl $(FLAG_EXTRA << 16 ^ 0xffff0000), %eax
	jnz save_frame
	save_return
	movq %rax, THREAD_FRAME + FRAME_RAX(%rsp)
	lock_or reply_contended
	cmpb $0, THREAD_ATTENTION(%rsp)
	jne reply_slow
	look_up reply_slow
	cmpl $TYPE_ENDPOINT, (%rbp)
	jne reply_slow
	movq %rbp, %rbx
	cmpq $0, EP_PENDING(%rbx)
	jne reply_slow
	/* ipc/callers.c: the call in service that r14 names; no_caller has token 0. */
	movl %r14d, %eax
	movl %r14d, %ecx
	shrl $10, %ecx
	andl $1023, %eax
	andl $1023, %ecx
	movq caller_chunks(, %rcx, 8), %rcx
	movq (%rcx, %rax, 8), %rbp
	testq %r14, %r14
	jz reply_slow
	cmpq %r14, CALLER_TOKEN(%rbp)
	jne reply_slow
	cmpq %rbx, CALLER_ENDPOINT(%rbp)
	jne reply_slow
	cmpq $CALLER_WORD_IN_SERVICE, (%rbp)
	jne reply_slow
	cmpb $0, THREAD_ATTENTION - THREAD_CALLER(%rbp)
	jne reply_slow
	movl %gs:CPU_ID, %eax
	cmpl %eax, THREAD_CPU - THREAD_CALLER(%rbp)
	jne reply_slow
	/* Nobody with a higher priority than the caller's is ready. */
	movl %gs:CPU_READY_MASK, %eax
	movb THREAD_PRIORITY_BYTE - THREAD_CALLER(%rbp), %cl
	shrl %cl, %eax
	shrl $1, %eax
	jnz reply_slow
	movq CALLER_BADGE(%rbp), %r12
	cmpl $1, OBJECT_REFS(%r12)
	je reply_slow
	testl $FLAG_EXTRA << 16, THREAD_FRAME + FRAME_RAX(%rsp)
	jnz reply_extra
reply_fpu:
	cmpb $0, THREAD_NO_FPU_BYTE - THREAD_CALLER(%rbp)
	je reply_check_fpu
reply_commit:
	decl OBJECT_REFS(%r12)
	movq CALLER_LINK(%rbp), %rax
	movq CALLER_LINK + 8(%rbp), %rcx
	movq %rax, (%rcx)
	movq %rcx, 8(%rax)
	movq $0, (%rbp)
	/* The server waits, the first of the receivers. */
	leaq EP_RECEIVERS(%rbx), %rcx
	leaq THREAD_WAIT_LINK(%rsp), %r15
	movq (%rcx), %rax
	movq %rax, (%r15)
	movq %rcx, 8(%r15)
	movq %r15, 8(%rax)
	movq %r15, (%rcx)
	movw $STATE_RECEIVING, THREAD_STATE(%rsp)
	movw $STATE_RUNNING, THREAD_STATE - THREAD_CALLER(%rbp)
	switch_space %rbp, THREAD_CALLER
	unlock
	movq %rdi, %rax
	movzwl THREAD_FRAME + FRAME_RAX + 2(%rsp), %edi
	leaq THREAD_FRAME - THREAD_CALLER(%rbp), %rsp
	movq FRAME_R15(%rsp), %r15
	movq FRAME_R14(%rsp), %r14
	movq FRAME_R13(%rsp), %r13
	movq FRAME_R12(%rsp), %r12
	movq FRAME_RBP(%rsp), %rbp
	movq FRAME_RBX(%rsp), %rbx
	movq FRAME_RIP(%rsp), %rcx
	movq FRAME_RFLAGS(%rsp), %r11
	movq FRAME_RSP(%rsp), %rsp
	swapgs
	sysretq

	/* What the caller left in the processor must still be there. */
reply_check_fpu:
	leaq -THREAD_CALLER(%rbp), %rax
	cmpq %rax, %gs:CPU_FPU_OWNER
	jne reply_slow
	cmpq %rax, %gs:CPU_SEGMENT_OWNER
	jne reply_slow
	clts
	jmp reply_commit

reply_extra:
	movq THREAD_MESSAGE_PAGE(%rsp), %rcx
	movq THREAD_MESSAGE_PAGE - THREAD_CALLER(%rbp), %rax
	testq %rcx, %rcx
	jz reply_slow
	testq %rax, %rax
	jz reply_slow
	cmpl $0, PAGE_CAPS_COUNT(%rcx)
	jne reply_slow
	copy_extra %rcx, %rax, %r15
	jmp reply_fpu

	/* The registers that the kernel has used get into the frame as zero. */
	.macro save_reply
	save_message
	xorl %ebx, %ebx
	xorl %ebp, %ebp
	xorl %r12d, %r12d
	xorl %r13d, %r13d
	xorl %r15d, %r15d
	save_rest
	.endm
reply_slow:
	save_reply
	to_c kernel_syscall_locked
reply_contended:
	save_reply
	to_c kernel_syscall

	/*
	 * A system call of another kernel: on to the registered entry, all registers but rip
	 * as they were. Only iret can do that, since sysret takes rip from rcx.
	 */
	.balign 16
foreign:
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

	.macro restore_registers
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
	.endm

	/* The frame is what the stack pointer walks through. */
	.balign 16
	.globl arch_return_to_user
arch_return_to_user:
	leaq THREAD_FRAME(%rdi), %rsp
	cmpl $VECTOR_SYSCALL, FRAME_VECTOR(%rsp)
	jne 1f
	restore_registers
	movq FRAME_RIP - FRAME_VECTOR(%rsp), %rcx
	movq FRAME_RFLAGS - FRAME_VECTOR(%rsp), %r11
	movq FRAME_RSP - FRAME_VECTOR(%rsp), %rsp
	swapgs
	sysretq
1:	restore_registers
	addq $(FRAME_RIP - FRAME_VECTOR), %rsp
	swapgs
	iretq

	.section .note.GNU-stack, "", @progbits
