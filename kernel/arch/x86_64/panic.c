/* SPDX-License-Identifier: MIT */
/*
 * The end: what happened, where, the registers and who called whom, on the serial line.
 * Without frame pointers the backtrace is every word on the stack that points behind a
 * call instruction in kernel text; some of these are left over from earlier calls.
 */
#include <stdarg.h>

#include "core/klog.h"
#include "machine.h"

#define BACKTRACE_LINES 24

/* Made by the build from the first link (mk/symbols.awk), in ascending order. */
struct kernel_symbol {
	uint64_t address;
	uint64_t name; /* offset into the names */
};
extern const struct kernel_symbol kernel_symbols[] __attribute__((weak));
extern const char kernel_symbol_names[] __attribute__((weak));
extern const uint64_t kernel_symbol_count __attribute__((weak));

bool panicking;

static const struct kernel_symbol *symbol_at(uint64_t address)
{
	uint64_t low = 0, high = &kernel_symbol_count ? kernel_symbol_count : 0;

	while (low < high) {
		uint64_t middle = (low + high) / 2;

		if (kernel_symbols[middle].address <= address)
			low = middle + 1;
		else
			high = middle;
	}
	return low ? &kernel_symbols[low - 1] : NULL;
}

static bool in_text(uint64_t address)
{
	return address >= (uint64_t)kernel_start && address < (uint64_t)kernel_text_end;
}

static void print_place(const char *before, uint64_t address)
{
	const struct kernel_symbol *symbol = in_text(address) ? symbol_at(address) : NULL;

	if (symbol)
		kprintf("%s%016lx %s+0x%lx\n", before, address, kernel_symbol_names + symbol->name,
			address - symbol->address);
	else
		kprintf("%s%016lx\n", before, address);
}

/* call rel32 (e8), or an indirect call (ff /2) of two to seven bytes. */
static bool behind_call(uint64_t address)
{
	const uint8_t *at = (const uint8_t *)address;

	if (!in_text(address - 8) || !in_text(address))
		return false;
	if (at[-5] == 0xe8)
		return true;
	for (int length = 2; length <= 7; length++)
		if (at[-length] == 0xff && (at[1 - length] >> 3 & 7) == 2)
			return true;
	return false;
}

static void backtrace(uint64_t stack)
{
	uint64_t end = (stack & ~(KERNEL_STACK_SIZE - 1ul)) + KERNEL_STACK_SIZE;
	struct cpu *cpu = this_cpu();
	int lines = 0;

	if (stack >= cpu->kernel_stack - KERNEL_STACK_SIZE && stack < cpu->kernel_stack)
		end = cpu->kernel_stack;
	else if (stack < KERNEL_BASE && (stack < DIRECT_MAP || stack >= DIRECT_MAP + direct_map_end))
		return;
	for (stack &= ~7ul; stack < end && lines < BACKTRACE_LINES; stack += 8) {
		uint64_t address = *(uint64_t *)stack;

		if (!behind_call(address))
			continue;
		print_place("  ", address);
		lines++;
	}
}

static void panic_begin(void)
{
	__asm__ volatile("cli");
	if (panicking)
		for (;;)
			__asm__ volatile("hlt");
	panicking = true;
	smp_stop_others();
	serial_init();
	klog_tail();
	kprintf("\n*** Anole kernel panic on processor %u ***\n", this_cpu()->id);
}

static void panic_thread(void)
{
	struct thread *thread = current_thread();

	if (thread)
		kprintf("thread: stamp %lx, pc %lx, sp %lx, rax %lx\n", thread->stamp, thread->frame.rip,
			thread->frame.rsp, thread->frame.rax);
}

static void panic_end(void) __attribute__((noreturn));
static void panic_end(void)
{
	kprintf("*** halted ***\n");
	if (klog_exit_on_panic())
		arch_exit_emulator(false);
	for (;;)
		__asm__ volatile("cli; hlt");
}

void panic(const char *format, ...)
{
	va_list arguments;

	panic_begin();
	va_start(arguments, format);
	kvprintf(format, arguments);
	va_end(arguments);
	kprintf("\n");
	panic_thread();
	backtrace((uint64_t)__builtin_frame_address(0));
	panic_end();
}

void panic_frame(const char *what, const struct frame *f)
{
	uint64_t cr2 = read_cr2();

	panic_begin();
	kprintf("%s: vector %lu, error %lx, cr2 %016lx, cr3 %lx\n", what, f->vector, f->error, cr2,
		read_cr3());
	print_place("pc  ", f->rip);
	kprintf("rax %016lx rbx %016lx rcx %016lx rdx %016lx\n", f->rax, f->rbx, f->rcx, f->rdx);
	kprintf("rsi %016lx rdi %016lx rbp %016lx rsp %016lx\n", f->rsi, f->rdi, f->rbp, f->rsp);
	kprintf("r8  %016lx r9  %016lx r10 %016lx r11 %016lx\n", f->r8, f->r9, f->r10, f->r11);
	kprintf("r12 %016lx r13 %016lx r14 %016lx r15 %016lx\n", f->r12, f->r13, f->r14, f->r15);
	kprintf("flags %lx cs %lx ss %lx\n", f->rflags, f->cs, f->ss);
	panic_thread();
	backtrace(f->rsp);
	panic_end();
}
