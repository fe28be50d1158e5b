/* SPDX-License-Identifier: MIT */
/* Where a service begins: RS (for RS the kernel) has set the stack; main does not return. */
	.section .text._start, "ax"
	.globl _start
	.type _start, @function
_start:
	xorl %ebp, %ebp
	andq $-16, %rsp
	call main
	movl %eax, %edi
	call service_exit
	ud2
	.size _start, . - _start
	.section .note.GNU-stack, "", @progbits
