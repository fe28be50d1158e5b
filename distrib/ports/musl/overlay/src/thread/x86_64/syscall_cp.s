/*
 * A cancellation point. The cancel handler acts if the interrupted pc lies in
 * [__cp_begin, __cp_end), so the entry into libposix (see syscall_arch.h) lies in
 * that range whole, and what libposix puts into the signal frame decides:
 *   call completed, or its effect done    pc = __cp_end, its return address: not cancelled
 *   call given up, to be restarted        pc = __cp_end - 15, the lea: cancelled
 * No window stays open between the check of the flag and the block, as long as
 * libposix delivers a pending signal in one of these two ways before it blocks.
 */
.text
.global __cp_begin
.hidden __cp_begin
.global __cp_end
.hidden __cp_end
.global __cp_cancel
.hidden __cp_cancel
.hidden __cancel
.global __syscall_cp_asm
.hidden __syscall_cp_asm
.type   __syscall_cp_asm,@function
__syscall_cp_asm:

__cp_begin:
	mov (%rdi),%eax
	test %eax,%eax
	jnz __cp_cancel
	mov %rdi,%r11
	mov %rsi,%rax
	mov %rdx,%rdi
	mov %rcx,%rsi
	mov %r8,%rdx
	mov %r9,%r10
	mov 8(%rsp),%r8
	mov 16(%rsp),%r9
	mov %r11,8(%rsp)
	lea __cp_end(%rip),%rcx
	jmp *%gs:0x10
__cp_end:
	ret
__cp_cancel:
	jmp __cancel
