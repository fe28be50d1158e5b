/* SPDX-License-Identifier: MIT */
/* Strings that end with NUL. */
#include <util/string.h>

size_t strlen(const char *s)
{
	const char *at = s;

	while (*at)
		at++;
	return (size_t)(at - s);
}

size_t strnlen(const char *s, size_t limit)
{
	size_t length = 0;

	while (length < limit && s[length])
		length++;
	return length;
}

int strcmp(const char *a, const char *b)
{
	while (*a && *a == *b)
		a++, b++;
	return (unsigned char)*a - (unsigned char)*b;
}

int strncmp(const char *a, const char *b, size_t limit)
{
	for (; limit; limit--, a++, b++)
		if (*a != *b || !*a)
			return (unsigned char)*a - (unsigned char)*b;
	return 0;
}

char *strchr(const char *s, int c)
{
	for (; *s != (char)c; s++)
		if (!*s)
			return NULL;
	return (char *)s;
}

size_t strlcpy(char *to, const char *from, size_t size)
{
	size_t length = strlen(from), fit = length < size ? length : size - 1;

	memcpy(to, from, fit);
	to[fit] = 0;
	return length;
}
