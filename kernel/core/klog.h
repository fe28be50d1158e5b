/* SPDX-License-Identifier: MIT */
/* The kernel log: a ring of bytes that run from 0 for ever. */
#ifndef KERNEL_CORE_KLOG_H
#define KERNEL_CORE_KLOG_H

#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>

void kvprintf(const char *format, va_list arguments) __attribute__((format(printf, 1, 0)));
/* Repeat the end of the log on the console, if a driver owned that: before a panic. */
void klog_tail(void);
/* A panic ends QEMU (the command line says panic=exit). */
bool klog_exit_on_panic(void);
void klog_set_exit_on_panic(bool exit);
/* The driver owns the console from now on. */
void klog_release_console(void);
/* Running offsets: the oldest byte still there, and the next. */
uint64_t klog_begin(void), klog_end(void);

#endif
