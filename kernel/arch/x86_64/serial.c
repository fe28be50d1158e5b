/* SPDX-License-Identifier: MIT */
/* COM1 as the console until its driver owns it, ports, and ways to stop the machine. */
#include "machine.h"

#define COM1 0x3f8
enum { UART_DATA = 0, UART_IER = 1, UART_FCR = 2, UART_LCR = 3, UART_MCR = 4, UART_LSR = 5 };
#define LSR_EMPTY 0x20

static bool present, released, borrowed;

static void uart_setup(void)
{
	outb(COM1 + UART_IER, 0);
	outb(COM1 + UART_LCR, 0x80);
	outb(COM1 + UART_DATA, 1); /* 115200 baud */
	outb(COM1 + UART_IER, 0);
	outb(COM1 + UART_LCR, 0x03);
	outb(COM1 + UART_FCR, 0x07);
	outb(COM1 + UART_MCR, 0x03);
}

void serial_init(void)
{
	/* The line control register keeps what is written only if there is a UART. */
	outb(COM1 + UART_LCR, 0x1a);
	present = inb(COM1 + UART_LCR) == 0x1a;
	if (present)
		uart_setup();
}

static void put(char c)
{
	/* A transmitter that is stuck does not stop the kernel. */
	for (int i = 0; i < 100000 && !(inb(COM1 + UART_LSR) & LSR_EMPTY); i++)
		pause();
	outb(COM1 + UART_DATA, (uint8_t)c);
}

void console_putc(char c)
{
	if (!present || (released && !panicking && !borrowed))
		return;
	if (c == '\n')
		put('\r');
	put(c);
}

void console_borrow(bool on)
{
	borrowed = on;
}

void console_release(void)
{
	released = true;
}

bool console_owned(void)
{
	return present && !released;
}

uint64_t arch_port_in(uint16_t port, unsigned width)
{
	switch (width) {
	case 1: return inb(port);
	case 2: return inw(port);
	default: return inl(port);
	}
}

void arch_port_out(uint16_t port, unsigned width, uint32_t value)
{
	switch (width) {
	case 1: outb(port, (uint8_t)value); break;
	case 2: outw(port, (uint16_t)value); break;
	default: outl(port, value);
	}
}

void arch_reset(void)
{
	struct table_pointer {
		uint16_t limit;
		uint64_t base;
	} __attribute__((packed)) none = { 0, 0 };

	if (acpi.reset.space == 1)
		outb((uint16_t)acpi.reset.address, acpi.reset.value);
	outb(0xcf9, 0x02);
	outb(0xcf9, 0x06);
	for (int i = 0; i < 1000; i++)
		inb(0x80); /* about a microsecond each */
	outb(0x64, 0xfe);
	for (int i = 0; i < 1000; i++)
		inb(0x80);
	__asm__ volatile("lidt %0; int3" : : "m"(none)); /* no handler: triple fault */
	for (;;)
		__asm__ volatile("cli; hlt");
}

void arch_exit_emulator(bool success)
{
	outb(0xf4, success ? 0x10 : 0x11);
	arch_reset();
}

void arch_halt(void)
{
	smp_stop_others();
	for (;;)
		__asm__ volatile("cli; hlt");
}

void arch_idle(void)
{
	/* sti takes effect after hlt has begun: no wake-up is lost between the two. */
	__asm__ volatile("sti; hlt; cli" : : : "memory");
}

void arch_interrupt_window(void)
{
	__asm__ volatile("sti; nop; cli" : : : "memory");
}
