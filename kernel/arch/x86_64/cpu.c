/* SPDX-License-Identifier: MIT */
/* Descriptor tables, MSRs and control registers of a processor. */
#include "machine.h"

struct tss {
	uint32_t reserved0;
	uint64_t rsp[3];
	uint64_t reserved1;
	uint64_t ist[7]; /* ist[0] is IST 1 */
	uint64_t reserved2;
	uint16_t reserved3, io_map;
} __attribute__((packed));

struct table_pointer {
	uint16_t limit;
	uint64_t base;
} __attribute__((packed));

struct gate {
	uint16_t offset_low, selector;
	uint8_t ist, type;
	uint16_t offset_middle;
	uint32_t offset_high, reserved;
};

#define IST_STACK 4096
struct cpu_tables {
	uint64_t gdt[9];
	struct tss tss;
	uint8_t ist[3][IST_STACK] __attribute__((aligned(16)));
};

#define GATE_INTERRUPT 0x8e
#define GATE_USER 0xee

#define SEGMENT_CODE64 0x00af9b000000fffful
#define SEGMENT_DATA 0x00cf93000000fffful
#define SEGMENT_USER 0x0000600000000000ul /* privilege level 3 */

struct cpu_features features;
uint64_t cr0_without_fpu;
struct cpu cpus[MAX_CPUS];
uint32_t cpu_count = 1;

extern char trap_stubs[], trap_clac[], boot_stack_top[];

static struct cpu_tables boot_tables;
static struct gate idt[256] __attribute__((aligned(16)));

void features_init(void)
{
	struct cpuid basic = cpuid(1, 0), extended = cpuid_checked(0x80000001u, 0);
	struct cpuid structured = cpuid_checked(7, 0);

	features.pge = basic.edx & 1u << 13;
	features.xsave = basic.ecx & 1u << 26;
	features.tsc_deadline = basic.ecx & 1u << 24;
	features.large_pages = extended.edx & 1u << 26;
	features.smep = structured.ebx & 1u << 7;
	features.smap = structured.ebx & 1u << 20;
	features.umip = structured.ecx & 1u << 2;
}

static void gdt_init(struct cpu_tables *tables)
{
	uint64_t tss = (uint64_t)&tables->tss;
	struct table_pointer pointer = { sizeof(tables->gdt) - 1, (uint64_t)tables->gdt };

	tables->gdt[KERNEL_CS / 8] = SEGMENT_CODE64;
	tables->gdt[KERNEL_SS / 8] = SEGMENT_DATA;
	tables->gdt[USER_SS / 8] = SEGMENT_DATA | SEGMENT_USER;
	tables->gdt[USER_CS / 8] = SEGMENT_CODE64 | SEGMENT_USER;
	tables->gdt[TSS_SELECTOR / 8] =
	    (sizeof(struct tss) - 1) | (tss & 0xffffff) << 16 | 0x89ul << 40 | (tss >> 24 & 0xff) << 56;
	tables->gdt[TSS_SELECTOR / 8 + 1] = tss >> 32;
	__asm__ volatile("lgdt %0\n\t"
			 "pushq %1\n\t"
			 "leaq 1f(%%rip), %%rax\n\t"
			 "pushq %%rax\n\t"
			 "lretq\n"
			 "1:\tmovw %w2, %%ss\n\t"
			 "movw %w3, %%ds\n\t"
			 "movw %w3, %%es\n\t"
			 "movw %w3, %%fs\n\t"
			 "movw %w3, %%gs"
			 :
			 : "m"(pointer), "i"(KERNEL_CS), "r"(KERNEL_SS), "r"(0)
			 : "rax", "memory");
}

static void tss_init(struct cpu *cpu, struct cpu_tables *tables)
{
	for (int i = 0; i < 3; i++)
		tables->tss.ist[i] = (uint64_t)tables->ist[i] + IST_STACK;
	tables->tss.rsp[0] = cpu->kernel_stack;
	tables->tss.io_map = sizeof(struct tss); /* no port is allowed to user mode */
	__asm__ volatile("ltr %w0" : : "r"(TSS_SELECTOR));
}

static void gate_set(unsigned vector, uint8_t type, uint8_t ist)
{
	uint64_t target = (uint64_t)trap_stubs + vector * TRAP_STUB_SIZE;

	idt[vector] = (struct gate){
		.offset_low = (uint16_t)target,
		.selector = KERNEL_CS,
		.ist = ist,
		.type = type,
		.offset_middle = (uint16_t)(target >> 16),
		.offset_high = (uint32_t)(target >> 32),
	};
}

static void idt_init(void)
{
	for (unsigned vector = 0; vector < 256; vector++)
		gate_set(vector, GATE_INTERRUPT, 0);
	gate_set(VECTOR_BREAKPOINT, GATE_USER, 0);
	gate_set(VECTOR_OVERFLOW, GATE_USER, 0);
	gate_set(VECTOR_NMI, GATE_INTERRUPT, IST_NMI);
	gate_set(VECTOR_DOUBLE_FAULT, GATE_INTERRUPT, IST_DOUBLE_FAULT);
	gate_set(VECTOR_MACHINE_CHECK, GATE_INTERRUPT, IST_MACHINE_CHECK);
}

/* The entry that goes with `tracing`. */
void cpu_choose_entry(void)
{
	struct cpu *cpu = this_cpu();

	if (cpu->traced == tracing)
		return;
	cpu->traced = tracing;
	wrmsr(MSR_LSTAR, (uint64_t)(tracing ? syscall_entry_traced : syscall_entry));
}

static void syscall_init(void)
{
	/* sysret takes SS from STAR[63:48] + 8 and CS from + 16. */
	wrmsr(MSR_STAR, (uint64_t)(USER_SS - 8) << 48 | (uint64_t)KERNEL_CS << 32);
	wrmsr(MSR_LSTAR, (uint64_t)syscall_entry);
	cpu_choose_entry();
	wrmsr(MSR_SFMASK,
	      RFLAGS_TF | RFLAGS_IF | RFLAGS_DF | RFLAGS_IOPL | RFLAGS_NT | RFLAGS_RF | RFLAGS_AC);
	wrmsr(MSR_EFER, rdmsr(MSR_EFER) | EFER_SCE | EFER_NXE);
}

/*
 * FSGSBASE stays off on purpose: the kernel then knows every thread's bases without
 * reading them, and the sign of the GS base tells the paranoid entries where they are.
 */
static void control_init(void)
{
	uint64_t cr4 = read_cr4() | CR4_MCE | CR4_OSFXSR | CR4_OSXMMEXCPT;

	if (features.pge)
		cr4 |= CR4_PGE;
	if (features.umip)
		cr4 |= CR4_UMIP;
	if (features.xsave)
		cr4 |= CR4_OSXSAVE;
	write_cr4(cr4);
	write_cr0((read_cr0() & ~(CR0_EM | CR0_TS)) | CR0_MP | CR0_NE | CR0_WP);
	cr0_without_fpu = read_cr0() | CR0_TS;
}

void cpu_finish_user(struct cpu *cpu)
{
	uint64_t cr4 = read_cr4();

	(void)cpu;
	if (features.smep)
		cr4 |= CR4_SMEP;
	if (features.smap)
		cr4 |= CR4_SMAP;
	write_cr4(cr4);
}

/* Text is still writable when the boot processor comes here. */
static void clac_patch(void)
{
	static const char clac[3] = { 0x0f, 0x01, (char)0xca };

	for (int i = 0; i < 3 && features.smap; i++)
		trap_clac[i] = clac[i];
}

void cpu_init(struct cpu *cpu)
{
	struct cpu_tables *tables = cpu->arch;
	struct table_pointer pointer = { sizeof(idt) - 1, (uint64_t)idt };

	cpu->self = cpu;
	if (!tables) {
		cpu->arch = tables = &boot_tables;
		cpu->kernel_stack = (uint64_t)boot_stack_top;
		idt_init();
		clac_patch();
	}
	gdt_init(tables);
	tss_init(cpu, tables);
	__asm__ volatile("lidt %0" : : "m"(pointer));
	wrmsr(MSR_GS_BASE, (uint64_t)cpu);
	wrmsr(MSR_KERNEL_GS_BASE, 0);
	syscall_init();
	control_init();
	fpu_init(cpu);
}

long cpu_prepare(struct cpu *cpu)
{
	uint8_t *stack = kalloc(KERNEL_STACK_SIZE);

	cpu->arch = kalloc(sizeof(struct cpu_tables));
	if (!stack || !cpu->arch) {
		kfree(stack);
		kfree(cpu->arch);
		cpu->arch = NULL;
		return -ENOMEM;
	}
	cpu->kernel_stack = (uint64_t)stack + KERNEL_STACK_SIZE;
	return 0;
}

bool arch_frame_sanitize(struct frame *frame)
{
	const uint64_t allowed = 0xcd5 | RFLAGS_AC | 1ul << 21; /* arithmetic, TF, DF, AC, ID */

	frame->cs = USER_CS;
	frame->ss = USER_SS;
	frame->rflags = (frame->rflags & (allowed | RFLAGS_TF)) | RFLAGS_IF | 2;
	return frame->rip < VM_USER_HIGH;
}

_Static_assert(USER_SS + 8 == USER_CS, "the order that sysret wants");
_Static_assert(offsetof(struct cpu, current) == CPU_CURRENT, "offsets.h");
_Static_assert(offsetof(struct cpu, kernel_stack) == CPU_KERNEL_STACK, "offsets.h");
_Static_assert(offsetof(struct cpu, scratch) == CPU_SCRATCH, "offsets.h");
_Static_assert(offsetof(struct thread, frame) == THREAD_FRAME, "offsets.h");
