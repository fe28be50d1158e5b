/* SPDX-License-Identifier: MIT */
/*
 * The kernel log. Each line begins with the time since the kernel's entry. Until a
 * driver owns the console every byte goes there too.
 */
#include "core/klog.h"
#include "arch/arch.h"
#include "core/format.h"
#include "core/kcall.h"
#include "core/thread.h"
#include "mm/mm.h"

#define RING 65536u
#define WRITE_MAX 256u
#define TAIL 4096u

static char ring[RING];
static uint64_t end;
static bool in_line, released, exit_on_panic;

static void put_raw(char c)
{
	ring[end++ % RING] = c;
	console_putc(c);
}

static void put_time(void)
{
	char text[32];
	uint64_t us = arch_now_ns() / 1000;

	format_text(text, sizeof(text), "[%5lu.%06lu] ", us / 1000000, us % 1000000);
	for (const char *p = text; *p; p++)
		put_raw(*p);
}

static void put(char c)
{
	if (!in_line && c != '\n')
		put_time();
	in_line = c != '\n';
	put_raw(c);
}

static void put_sink(void *unused, char c)
{
	(void)unused;
	put(c);
}

void kvprintf(const char *format, va_list arguments)
{
	format_to(put_sink, NULL, format, arguments);
}

void kprintf(const char *format, ...)
{
	va_list arguments;

	va_start(arguments, format);
	kvprintf(format, arguments);
	va_end(arguments);
}

uint64_t klog_begin(void)
{
	return end > RING ? end - RING : 0;
}

uint64_t klog_end(void)
{
	return end;
}

void klog_tail(void)
{
	uint64_t at = end > TAIL ? end - TAIL : 0;

	if (!released)
		return;
	for (; at < end; at++)
		console_putc(ring[at % RING]);
}

void klog_set_exit_on_panic(bool exit)
{
	exit_on_panic = exit;
}

bool klog_exit_on_panic(void)
{
	return exit_on_panic;
}

/* What a service writes is text: control characters could fool a terminal. */
static char clean(char c)
{
	return (uint8_t)c >= 32 || c == '\t' || c == '\n' ? c : '?';
}

/* Every write is whole lines, so that those of two services do not mix. */
long sys_klog_write(uint64_t text, uint64_t length)
{
	struct thread *thread = current_thread();
	char buffer[WRITE_MAX];

	if (!caller_is_service())
		return -EPERM;
	if (length > WRITE_MAX)
		return -EINVAL;
	if (copy_from_user(thread->space, buffer, text, length, NULL))
		return -EFAULT;
	for (uint64_t i = 0; i < length; i++)
		put(clean(buffer[i]));
	if (length && buffer[length - 1] != '\n')
		put('\n');
	return (long)length;
}

/* Answers bytes copied; at most up to the end of the ring in one go. */
static long read_part(struct thread *thread, uint64_t at, uint64_t to, uint64_t length)
{
	uint64_t index = at % RING;

	if (length > end - at)
		length = end - at;
	if (length > RING - index)
		length = RING - index;
	if (copy_to_user(thread->space, to, ring + index, length, NULL))
		return -EFAULT;
	return (long)length;
}

long sys_klog_read(uint64_t argument)
{
	struct thread *thread = current_thread();
	struct klog_read read;
	uint64_t done = 0;

	if (copy_from_user(thread->space, &read, argument, sizeof(read), NULL))
		return -EFAULT;
	if (read.offset < klog_begin())
		read.offset = klog_begin();
	while (done < read.length && read.offset < end) {
		long n = read_part(thread, read.offset, read.buffer + done, read.length - done);

		if (n < 0)
			return n;
		done += (uint64_t)n;
		read.offset += (uint64_t)n;
	}
	if (copy_to_user(thread->space, argument, &read, sizeof(read), NULL))
		return -EFAULT;
	return (long)done;
}

void klog_release_console(void)
{
	released = true;
	console_release();
}
