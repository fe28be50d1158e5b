/* SPDX-License-Identifier: MIT */
	.text
	.globl _start
_start:
	xorl %ebp, %ebp
	call test_main
	ud2
	.section .note.GNU-stack, "", @progbits
