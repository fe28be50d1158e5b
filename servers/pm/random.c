/* SPDX-License-Identifier: MIT */
/*
 * Random bytes for address spaces and for the processes' own generators: ChaCha20 with fast key
 * erasure, keyed with what differs from boot to boot: the clocks, RDRAND where there is one, and the low bits of the
 * time stamp counter at each use, which come from when users and devices do things.
 */
#include "pm.h"

#include <util/chacha.h>
#include <util/string.h>

static PRESERVED uint64_t key[4], counter;

static uint64_t time_stamp(void)
{
	uint32_t low, high;

	__asm__ volatile("rdtsc" : "=a"(low), "=d"(high));
	return (uint64_t)high << 32 | low;
}

static bool has_rdrand(void)
{
	uint32_t eax = 1, ebx, ecx = 0, edx;

	__asm__("cpuid" : "+a"(eax), "=b"(ebx), "+c"(ecx), "=d"(edx));
	return ecx >> 30 & 1;
}

void random_start(void)
{
	bool hardware = has_rdrand();

	key[0] ^= time_stamp();
	key[1] ^= clock_realtime_ns();
	for (int i = 0; hardware && i < 4; i++) {
		uint64_t value = 0;
		uint8_t carry;

		__asm__ volatile("rdrand %0; setc %1" : "=r"(value), "=qm"(carry));
		key[i] ^= value;
	}
}

void random_bytes(void *to, size_t length)
{
	uint8_t *at = to;

	while (length) {
		struct chacha in = { { CHACHA_CONSTANTS } }, out;
		size_t part = length < 32 ? length : 32;
		uint64_t now = time_stamp();

		memcpy(in.word + 4, key, sizeof(key));
		counter++;
		memcpy(in.word + 12, &counter, sizeof(counter));
		memcpy(in.word + 14, &now, sizeof(now));
		chacha_block(&in, &out);
		memcpy(key, out.word, sizeof(key));
		memcpy(at, out.word + 8, part);
		at += part;
		length -= part;
	}
}
