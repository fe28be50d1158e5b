/* SPDX-License-Identifier: MIT */
/* The log, and the ways to end. */
#include "internal.h"

#define LINE 256

void slog(const char *format, ...)
{
	char line[LINE];
	va_list args;
	int length = snprintf(line, sizeof line, "%s: ", startup->name);

	va_start(args, format);
	length += vsnprintf(line + length, sizeof line - (size_t)length, format, args);
	va_end(args);
	if (length > LINE - 1)
		length = LINE - 1;
	line[length++] = '\n';
	kcall(klog_write, line, length);
}

/* There is no call to end a service: RS, which gets its faults, recognises this one. */
void service_exit(int status)
{
	__asm__ volatile("ud2" : : "a"(SERVICE_EXIT_MAGIC), "D"((long)status));
	__builtin_unreachable();
}

void check_failed(const char *file, int line, const char *what)
{
	slog("%s:%d: check failed: %s", file, line, what);
	service_exit(-1);
}
