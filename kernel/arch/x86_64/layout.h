/* SPDX-License-Identifier: MIT */
/* Numbers that C, assembly and the linker script share. */
#ifndef KERNEL_ARCH_X86_64_LAYOUT_H
#define KERNEL_ARCH_X86_64_LAYOUT_H

#define KERNEL_BASE 0xffffffff80000000 /* virtual address of physical 0 for kernel code */
#define KERNEL_STACK_SIZE 16384

/* Selectors; the user's are in offsets.h. sysret wants SS and CS in this order. */
#define KERNEL_CS 0x08
#define KERNEL_SS 0x10
#define TSS_SELECTOR 0x38

/* Interrupt stacks: entries that must work whatever the kernel stack looks like. */
#define IST_NMI 1
#define IST_DOUBLE_FAULT 2
#define IST_MACHINE_CHECK 3

/* Vectors */
#define VECTOR_BREAKPOINT 3
#define VECTOR_OVERFLOW 4
#define VECTOR_NO_FPU 7
#define VECTOR_NMI 2
#define VECTOR_DOUBLE_FAULT 8
#define VECTOR_PAGE_FAULT 14
#define VECTOR_MACHINE_CHECK 18
#define VECTOR_PIC 0x20 /* where the masked 8259s would interrupt */
#define VECTOR_IRQ_FIRST 0x30
#define VECTOR_IRQ_LAST 0xef
#define VECTOR_TIMER 0xf0
#define VECTOR_RESCHEDULE 0xf1
#define VECTOR_REQUEST 0xf2
#define VECTOR_SPURIOUS 0xff

#define TRAP_STUB_SIZE 16

#endif
