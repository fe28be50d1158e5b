/* The entry into libposix stands for the syscall instruction: see arch/x86_64/syscall_arch.h. */
/* Copyright 2011-2012 Nicholas J. Kain, licensed under standard MIT license */
.text
.global __set_thread_area
.hidden __set_thread_area
.type __set_thread_area,@function
__set_thread_area:
	mov %rdi,%rsi           /* shift for syscall */
	movl $0x1002,%edi       /* SET_FS register */
	movl $158,%eax          /* set fs segment to */
	lea 2f(%rip),%rcx   /* arch_prctl(SET_FS, arg)*/
	jmp *%gs:0x10
2:
	ret
