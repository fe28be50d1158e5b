/* SPDX-License-Identifier: MIT */
/* printf's formats as the kernel needs them: %s %c %d %u %x %p %%, with l, a width and 0. */
#ifndef KERNEL_CORE_FORMAT_H
#define KERNEL_CORE_FORMAT_H

#include <stdarg.h>
#include <stddef.h>

void format_to(void (*sink)(void *, char), void *context, const char *format, va_list arguments)
    __attribute__((format(printf, 3, 0)));
/* Terminated and cut to `size`. */
void format_text(char *to, size_t size, const char *format, ...) __attribute__((format(printf, 3, 4)));

#endif
