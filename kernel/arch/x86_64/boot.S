/* SPDX-License-Identifier: MIT */
/*
 * Entry from a Multiboot2 loader (specification 2.0, section 3): 32-bit protected
 * mode, paging off, eax the magic number, ebx the boot information. Makes page tables
 * that map the first 4 GiB at 0, at the direct map and, the first of them, at
 * KERNEL_BASE, and goes on in 64-bit mode at the kernel's addresses. Other
 * processors come through the same tables (smp_entry.S).
 */
#include "layout.h"

#define PHYS(symbol) ((symbol) - KERNEL_BASE)
#define ENTRY_TABLE 0x3   /* present, writable */
#define ENTRY_LARGE 0x83  /* and 2 MiB */
#define DIRECT_MAP_SLOT 273
#define KERNEL_SLOT 511
#define KERNEL_PDPT_SLOT 510

	.section .boot, "ax"
	.balign 8
multiboot_header:
	.long 0xe85250d6, 0, multiboot_end - multiboot_header
	.long -(0xe85250d6 + (multiboot_end - multiboot_header))
	.short 6, 0 /* modules page-aligned */
	.long 8
	.short 0, 0
	.long 8
multiboot_end:

	.code32
	.globl boot_entry
boot_entry:
	cli
	cld
	movl $PHYS(boot_stack_top), %esp
	movl %eax, %edi
	movl %ebx, %esi

	/* The time stamp here is the zero of the clock. */
	rdtsc
	movl %eax, PHYS(boot_tsc)
	movl %edx, PHYS(boot_tsc) + 4

	/* Long mode and NX, without which there is nothing to be done. */
	movl $0x80000001, %eax
	cpuid
	andl $(1 << 29 | 1 << 20), %edx
	cmpl $(1 << 29 | 1 << 20), %edx
	jne 9f

	movl $PHYS(boot_pdpt) + ENTRY_TABLE, PHYS(boot_pml4)
	movl $PHYS(boot_pdpt) + ENTRY_TABLE, PHYS(boot_pml4) + DIRECT_MAP_SLOT * 8
	movl $PHYS(boot_kernel_pdpt) + ENTRY_TABLE, PHYS(boot_pml4) + KERNEL_SLOT * 8
	movl $PHYS(boot_pd) + ENTRY_TABLE, PHYS(boot_kernel_pdpt) + KERNEL_PDPT_SLOT * 8
	movl $PHYS(boot_pd) + ENTRY_TABLE, %eax
	movl $PHYS(boot_pdpt), %edx
	movl $4, %ecx
1:	movl %eax, (%edx)
	addl $4096, %eax
	addl $8, %edx
	loop 1b
	movl $ENTRY_LARGE, %eax
	movl $PHYS(boot_pd), %edx
	movl $2048, %ecx
2:	movl %eax, (%edx)
	addl $0x200000, %eax
	addl $8, %edx
	loop 2b

	call enter_long_mode
	lgdt PHYS(boot_gdt_pointer)
	ljmp $KERNEL_CS, $PHYS(boot_64)

9:	hlt
	jmp 9b

	/* Paging and long mode on; also for the other processors. Uses eax, ecx, edx. */
	.globl enter_long_mode
enter_long_mode:
	movl %cr4, %eax
	orl $0x20, %eax /* PAE */
	movl %eax, %cr4
	movl $PHYS(boot_pml4), %eax
	movl %eax, %cr3
	movl $0xc0000080, %ecx
	rdmsr
	orl $0x901, %eax /* EFER: SCE, LME, NXE */
	wrmsr
	movl %cr0, %eax
	orl $0x80010001, %eax /* PG, WP, PE */
	movl %eax, %cr0
	ret

	.code64
boot_64:
	movabsq $1f, %rax
	jmp *%rax
1:	movw $KERNEL_SS, %ax
	movw %ax, %ss
	xorl %eax, %eax
	movw %ax, %ds
	movw %ax, %es
	movw %ax, %fs
	movw %ax, %gs
	movq $boot_stack_top, %rsp
	movl %edi, %edi
	movl %esi, %esi
	xorl %ebp, %ebp
	call arch_main
	ud2

	.balign 8
	.globl boot_gdt_pointer
boot_gdt:
	.quad 0
	.quad 0x00af9b000000ffff /* 64-bit code */
	.quad 0x00cf93000000ffff /* data */
boot_gdt_pointer:
	.short . - boot_gdt - 1
	.long PHYS(boot_gdt)

	.section .data
	.balign 8
	.globl boot_tsc
boot_tsc:
	.quad 0

	.section .bss
	.balign 4096
	.globl boot_pml4, boot_stack_top
boot_pml4:
	.skip 4096
boot_pdpt:
	.skip 4096
boot_kernel_pdpt:
	.skip 4096
boot_pd:
	.skip 4096 * 4
	.skip KERNEL_STACK_SIZE
boot_stack_top:

	.section .note.GNU-stack, "", @progbits
