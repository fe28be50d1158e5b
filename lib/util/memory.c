/* SPDX-License-Identifier: MIT */
/*
 * Copying and filling. The string instructions are the fast way without SIMD: they
 * count as one instruction per word on an emulator and move cache lines on a processor.
 */
#include <util/string.h>

void *memcpy(void *to, const void *from, size_t length)
{
	void *start = to;
	size_t words = length >> 3, rest = length & 7;

	__asm__ volatile("rep movsq" : "+D"(to), "+S"(from), "+c"(words) : : "memory");
	__asm__ volatile("rep movsb" : "+D"(to), "+S"(from), "+c"(rest) : : "memory");
	return start;
}

static void copy_backwards(char *to, const char *from, size_t length)
{
	while (length >= 8) {
		uint64_t word;

		length -= 8;
		__builtin_memcpy(&word, from + length, 8);
		__builtin_memcpy(to + length, &word, 8);
	}
	while (length--)
		to[length] = from[length];
}

void *memmove(void *to, const void *from, size_t length)
{
	if ((uintptr_t)to - (uintptr_t)from >= length)
		return memcpy(to, from, length);
	copy_backwards(to, from, length);
	return to;
}

void *memset(void *to, int byte, size_t length)
{
	void *at = to;
	size_t words = length >> 3, rest = length & 7;
	uint64_t pattern = 0x0101010101010101ull * (uint8_t)byte;

	__asm__ volatile("rep stosq" : "+D"(at), "+c"(words) : "a"(pattern) : "memory");
	__asm__ volatile("rep stosb" : "+D"(at), "+c"(rest) : "a"(pattern) : "memory");
	return to;
}

int memcmp(const void *a, const void *b, size_t length)
{
	const unsigned char *x = a, *y = b;

	while (length >= 8) {
		uint64_t p, q;

		__builtin_memcpy(&p, x, 8);
		__builtin_memcpy(&q, y, 8);
		if (p != q)
			break;
		x += 8, y += 8, length -= 8;
	}
	for (; length; length--, x++, y++)
		if (*x != *y)
			return *x - *y;
	return 0;
}

void *memchr(const void *in, int byte, size_t length)
{
	const unsigned char *at = in;

	for (; length; length--, at++)
		if (*at == (unsigned char)byte)
			return (void *)at;
	return NULL;
}
