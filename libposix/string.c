/* SPDX-License-Identifier: MIT */
/* C's string functions, which the compiler calls too. */
#include "libposix.h"

void *memcpy(void *to, const void *from, size_t length)
{
	void *at = to;
	size_t words = length >> 3, bytes = length & 7;

	__asm__ volatile("rep movsq" : "+D"(at), "+S"(from), "+c"(words) : : "memory");
	__asm__ volatile("rep movsb" : "+D"(at), "+S"(from), "+c"(bytes) : : "memory");
	return to;
}

void *memset(void *to, int byte, size_t length)
{
	void *at = to;
	uint64_t pattern = (uint64_t)(uint8_t)byte * 0x0101010101010101ull;
	size_t words = length >> 3, bytes = length & 7;

	__asm__ volatile("rep stosq" : "+D"(at), "+c"(words) : "a"(pattern) : "memory");
	__asm__ volatile("rep stosb" : "+D"(at), "+c"(bytes) : "a"(pattern) : "memory");
	return to;
}

void *memmove(void *to, const void *from, size_t length)
{
	char *target = to;
	const char *source = from;

	if ((uint64_t)(target - source) >= length)
		return memcpy(to, from, length);
	while (length--) {
		target[length] = source[length];
		__asm__ volatile("" : : : "memory"); /* or the compiler calls memmove */
	}
	return to;
}

int memcmp(const void *a, const void *b, size_t length)
{
	const uint8_t *left = a, *right = b;

	for (size_t i = 0; i < length; i++)
		if (left[i] != right[i])
			return left[i] - right[i];
	return 0;
}

size_t strnlen(const char *s, size_t limit)
{
	size_t length = 0;

	while (length < limit && s[length])
		length++;
	return length;
}

size_t strlen(const char *s)
{
	return strnlen(s, SIZE_MAX);
}
