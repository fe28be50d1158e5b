/* SPDX-License-Identifier: MIT */
/*
 * In and out of libposix.
 *
 * While the pc lies in this image the kernel does not divert the thread to the upcall; a signal is
 * looked for at lp_leave. (The `inside` word of abi/kcall.h stays 0: nothing outside runs for us.) The
 * code from lp_restart to lp_restart_end can be entered again from its start at any point: the kernel
 * moves the pc back there when it interrupts. In it lie the way out, which reads only memory and rax and
 * changes no memory, and the window between the last look for signals and the system call that could
 * sleep. `window` tells which.
 *
 * `full` (a word of the thread's block) says that the way out restores every register from the upcall
 * area of the message page, not only those that a system call keeps.
 */
#include "frame.h"

	.section .header, "a"
	.globl libposix_start
	.hidden libposix_start
libposix_start:
	.quad 0x31584f504c4e41
	.quad libposix_end - libposix_start
	.quad lp_entry - libposix_start
	.quad lp_upcall - libposix_start
	.quad lp_load_entry - libposix_start
	.quad lp_thread_entry - libposix_start
	.quad lp_restart - libposix_start
	.quad lp_restart_end - libposix_start
	.quad libposix_end - libposix_start
	.quad lp_fault - libposix_start

	.section .text.entry, "ax"
	.globl lp_entry
	.hidden lp_entry
	.type lp_entry, @function
lp_entry:
	mov %rsp, %gs:TB_USER_RSP
	mov %gs:TB_STACK_TOP, %rsp
	mov %rdi, %gs:FRAME_RDI
	mov %rsi, %gs:FRAME_RSI
	mov %rdx, %gs:FRAME_RDX
	mov %r10, %gs:FRAME_R10
	mov %r8, %gs:FRAME_R8
	mov %r9, %gs:FRAME_R9
	mov %rax, %gs:FRAME_NUMBER
	mov %rcx, %gs:FRAME_RETURN_PC
	mov %rbx, %gs:FRAME_RBX
	mov %rbp, %gs:FRAME_RBP
	mov %r12, %gs:FRAME_R12
	mov %r13, %gs:FRAME_R13
	mov %r14, %gs:FRAME_R14
	mov %r15, %gs:FRAME_R15
	movl $0, %gs:FRAME_FULL
lp_dispatch:
	movabs $TIME_PAGE_TRACING, %r11
	cmpl $0, (%r11)
	jne lp_traced
	cmp $CALL_COUNT, %rax
	jae 1f
	lea lp_table(%rip), %r11
	movslq (%r11,%rax,4), %rax
	add %r11, %rax
	mov %r10, %rcx
	call *%rax
	cmp $-4, %rax			/* EINTR: perhaps to be run again */
	je lp_signals_first
	jmp lp_leave

lp_restart:
	cmpl $0, %gs:FRAME_WINDOW
	jne 3f
lp_leave:
	mov %gs:TB_MASK, %rcx
	not %rcx
	test %rcx, %gs:TB_PENDING
	jnz lp_signals_first
	cmpl $0, %gs:FRAME_FULL
	jne 2f
	mov %gs:FRAME_RDI, %rdi
	mov %gs:FRAME_RSI, %rsi
	mov %gs:FRAME_RDX, %rdx
	mov %gs:FRAME_R10, %r10
	mov %gs:FRAME_R8, %r8
	mov %gs:FRAME_R9, %r9
	mov %gs:FRAME_RETURN_PC, %rcx
	mov %gs:TB_USER_RSP, %rsp
	jmp *%rcx
2:
	/*
	 * All that is left is loaded without touching the program's stack: the flags from ours, then
	 * rsp, then rip by a jump through memory. (iretq would do it in one instruction, but
	 * QEMU 7.2 reads its frame with the kernel's rights: with SMAP a fault without end.)
	 */
	mov %gs:TB_STACK_TOP, %rsp
	push %gs:(TB_UPCALL + REGS_RFLAGS)
	mov %gs:(TB_UPCALL + REGS_RAX), %rax
	mov %gs:(TB_UPCALL + REGS_RBX), %rbx
	mov %gs:(TB_UPCALL + REGS_RCX), %rcx
	mov %gs:(TB_UPCALL + REGS_RDX), %rdx
	mov %gs:(TB_UPCALL + REGS_RSI), %rsi
	mov %gs:(TB_UPCALL + REGS_RDI), %rdi
	mov %gs:(TB_UPCALL + REGS_RBP), %rbp
	mov %gs:(TB_UPCALL + REGS_R8), %r8
	mov %gs:(TB_UPCALL + REGS_R9), %r9
	mov %gs:(TB_UPCALL + REGS_R10), %r10
	mov %gs:(TB_UPCALL + REGS_R11), %r11
	mov %gs:(TB_UPCALL + REGS_R12), %r12
	mov %gs:(TB_UPCALL + REGS_R13), %r13
	mov %gs:(TB_UPCALL + REGS_R14), %r14
	mov %gs:(TB_UPCALL + REGS_R15), %r15
	popfq
	mov %gs:(TB_UPCALL + REGS_RSP), %rsp
	jmp *%gs:(TB_UPCALL + REGS_RIP)

lp_window:
	mov %gs:TB_MASK, %rcx
	not %rcx
	test %rcx, %gs:TB_PENDING
	jnz 3f
	syscall
lp_restart_end:
	movl $0, %gs:FRAME_WINDOW
	ret
3:	movl $0, %gs:FRAME_WINDOW
	mov $-4, %rax
	ret

	/*
	 * A kernel call that a signal may cut off: all registers are the kernel call's. EINTR if a signal is
	 * pending already.
	 */
	.globl lp_sleepy_call
	.hidden lp_sleepy_call
lp_sleepy_call:
	movl $1, %gs:FRAME_WINDOW
	jmp lp_window

	/* Unknown number. */
1:	mov %rax, %rdi
	call lp_unknown
	jmp lp_leave

	/* The same with a mark in the kernel's trace before and after it. */
lp_traced:
	call lp_trace_enter
	mov %gs:FRAME_RDI, %rdi
	mov %gs:FRAME_RSI, %rsi
	mov %gs:FRAME_RDX, %rdx
	mov %gs:FRAME_R10, %rcx
	mov %gs:FRAME_R8, %r8
	mov %gs:FRAME_R9, %r9
	mov %gs:FRAME_NUMBER, %rax
	cmp $CALL_COUNT, %rax
	jae 1b
	lea lp_table(%rip), %r11
	movslq (%r11,%rax,4), %rax
	add %r11, %rax
	call *%rax
	mov %rax, %rdi
	call lp_trace_leave
	cmp $-4, %rax
	je lp_signals_first
	jmp lp_leave

	/* Deliver a signal, or run the call again. lp_signals(result): rdx set: again. */
lp_signals_first:
	mov %gs:TB_STACK_TOP, %rsp
	mov %rax, %rdi
	call lp_signals
	test %rdx, %rdx
	jz lp_leave
	mov %gs:FRAME_RDI, %rdi
	mov %gs:FRAME_RSI, %rsi
	mov %gs:FRAME_RDX, %rdx
	mov %gs:FRAME_R10, %r10
	mov %gs:FRAME_R8, %r8
	mov %gs:FRAME_R9, %r9
	mov %gs:FRAME_NUMBER, %rax
	jmp lp_dispatch

	/* lp_sigreturn takes the frame down; a context that was in a call needs no more than a call's end. */
	.globl lp_rt_sigreturn
	.hidden lp_rt_sigreturn
lp_rt_sigreturn:
	sub $8, %rsp
	call lp_sigreturn
	test %rdx, %rdx
	jz lp_leave
	jmp lp_leave_whole

	/* thread_interrupt found the thread in the program; its registers are in the upcall area. */
	.globl lp_upcall
	.hidden lp_upcall
lp_upcall:
	mov %gs:TB_STACK_TOP, %rsp
	cld
	movl $1, %gs:FRAME_FULL
	xor %eax, %eax
	jmp lp_leave

	/* A new thread: rdi points to the registers it begins with (struct lp_start). */
	.globl lp_thread_entry
	.hidden lp_thread_entry
lp_thread_entry:
	mov %gs:TB_STACK_TOP, %rsp
	call lp_thread_begin
	xor %eax, %eax
	/* The registers that C keeps are in the frame too. */
lp_leave_whole:
	mov %gs:FRAME_RBX, %rbx
	mov %gs:FRAME_RBP, %rbp
	mov %gs:FRAME_R12, %r12
	mov %gs:FRAME_R13, %r13
	mov %gs:FRAME_R14, %r14
	mov %gs:FRAME_R15, %r15
	jmp lp_leave

	/* A new image: rdi is the size of the arguments object. */
	.globl lp_load_entry
	.hidden lp_load_entry
lp_load_entry:
	mov %gs:TB_STACK_TOP, %rsp
	call lp_load
	xor %ebx, %ebx
	xor %ebp, %ebp
	xor %r12d, %r12d
	xor %r13d, %r13d
	xor %r14d, %r14d
	xor %r15d, %r15d
	xor %eax, %eax
	jmp lp_leave

	/* A pointer of the program led nowhere: the whole call answers EFAULT. */
	.globl lp_fault
	.hidden lp_fault
lp_fault:
	mov %gs:TB_STACK_TOP, %rsp
	cld
	call lp_faulted
	jmp lp_leave_whole

	.section .note.GNU-stack, "", @progbits
