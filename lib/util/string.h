/* SPDX-License-Identifier: MIT */
/* The few functions of C's string.h that freestanding code needs, and a small formatter. */
#ifndef LIB_UTIL_STRING_H
#define LIB_UTIL_STRING_H

#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

void *memcpy(void *to, const void *from, size_t length);
void *memmove(void *to, const void *from, size_t length);
void *memset(void *to, int byte, size_t length);
int memcmp(const void *a, const void *b, size_t length);
void *memchr(const void *in, int byte, size_t length);
size_t strlen(const char *s);
size_t strnlen(const char *s, size_t limit);
int strcmp(const char *a, const char *b);
int strncmp(const char *a, const char *b, size_t limit);
char *strchr(const char *s, int c);
/* Copies at most size - 1 bytes and always ends with NUL (size > 0); answers strlen(from). */
size_t strlcpy(char *to, const char *from, size_t size);
/* %d %u %x %lx %lu %ld %llu %s %.*s %c %p %% with width, 0 and - flags. Answers the length that
 * would have been written. */
int vsnprintf(char *to, size_t size, const char *format, va_list args);
int snprintf(char *to, size_t size, const char *format, ...) __attribute__((format(printf, 3, 4)));

#endif
