/* SPDX-License-Identifier: MIT */
/* The functions that the compiler calls by itself. */
#include <stddef.h>
#include <stdint.h>

void *memcpy(void *restrict to, const void *restrict from, size_t length);
void *memmove(void *to, const void *from, size_t length);
void *memset(void *to, int value, size_t length);
int memcmp(const void *a, const void *b, size_t length);
size_t strlen(const char *s);

void *memcpy(void *restrict to, const void *restrict from, size_t length)
{
	void *at = to;
	size_t words = length / 8, rest = length % 8;

	__asm__ volatile("rep movsq" : "+D"(at), "+S"(from), "+c"(words) : : "memory");
	__asm__ volatile("rep movsb" : "+D"(at), "+S"(from), "+c"(rest) : : "memory");
	return to;
}

void *memmove(void *to, const void *from, size_t length)
{
	if ((uintptr_t)to - (uintptr_t)from >= length)
		return memcpy(to, from, length);
	while (length--) {
		((uint8_t *)to)[length] = ((const uint8_t *)from)[length];
		__asm__ volatile("" : : : "memory"); /* or this becomes a call to memmove */
	}
	return to;
}

void *memset(void *to, int value, size_t length)
{
	void *at = to;
	size_t words = length / 8, rest = length % 8;
	uint64_t word = 0x0101010101010101ul * (uint8_t)value;

	__asm__ volatile("rep stosq" : "+D"(at), "+c"(words) : "a"(word) : "memory");
	__asm__ volatile("rep stosb" : "+D"(at), "+c"(rest) : "a"(word) : "memory");
	return to;
}

int memcmp(const void *a, const void *b, size_t length)
{
	for (size_t i = 0; i < length; i++) {
		int difference = ((const uint8_t *)a)[i] - ((const uint8_t *)b)[i];

		if (difference)
			return difference;
	}
	return 0;
}

/* gcc turns loops that look for the end of a string into a call of this. */
size_t strlen(const char *s)
{
	size_t length = 0;

	while (s[length]) {
		length++;
		__asm__ volatile("" : : : "memory");
	}
	return length;
}
