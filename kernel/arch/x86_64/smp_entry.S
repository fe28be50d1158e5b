/* SPDX-License-Identifier: MIT */
/*
 * Where another processor starts: real mode, cs:ip = page:0 of the copy that smp.c
 * made below 1 MiB. It finds the copy's address in cs. The page tables and the GDT
 * are those of boot.S.
 */
#include "layout.h"

#define PHYS(symbol) ((symbol) - KERNEL_BASE)

	.section .rodata
	.globl smp_trampoline, smp_trampoline_end, smp_trampoline_target
	.code16
smp_trampoline:
	cli
	cld
	xorl %eax, %eax
	movw %cs, %ax
	movw %ax, %ds
	lgdtl smp_gdt_pointer - smp_trampoline
	movl %cr0, %eax
	orb $1, %al
	movl %eax, %cr0
	ljmpl *(smp_trampoline_target - smp_trampoline)
smp_gdt_pointer:
	.short 0x1f
	.long PHYS(smp_gdt)
smp_trampoline_target:
	.long PHYS(smp_protected)
	.short 0x18
smp_trampoline_end:

	.section .boot, "ax"
	.balign 8
smp_gdt:
	.quad 0
	.quad 0x00af9b000000ffff /* 64-bit code: KERNEL_CS */
	.quad 0x00cf93000000ffff /* data: KERNEL_SS */
	.quad 0x00cf9b000000ffff /* 32-bit code */

	.code32
smp_protected:
	movw $KERNEL_SS, %ax
	movw %ax, %ds
	movw %ax, %ss
	/* A stack of four bytes for one call, one processor at a time. */
	movl $PHYS(smp_stack) + 8, %esp
	call enter_long_mode
	ljmp $KERNEL_CS, $PHYS(smp_64)

	.code64
smp_64:
	movabsq $1f, %rax
	jmp *%rax
1:	movq kernel_cr3, %rax /* the stack may be above 4 GiB */
	movq %rax, %cr3
	xorl %eax, %eax
	movw %ax, %ds
	movw %ax, %es
	movw %ax, %fs
	movw %ax, %gs
	/* smp.c starts one processor after the other. */
	movq smp_boot_stack, %rsp
	xorl %ebp, %ebp
	movq smp_boot_cpu, %rdi
	call smp_main
	ud2

	.section .data
	.balign 8
	.globl smp_boot_stack, smp_boot_cpu
smp_stack:
	.quad 0
smp_boot_stack:
	.quad 0
smp_boot_cpu:
	.quad 0

	.section .note.GNU-stack, "", @progbits
