/* SPDX-License-Identifier: MIT */
/*
 * Random bytes without a message: ChaCha20 with fast key erasure (the first half of each block is
 * the next key, so what has been handed out cannot be computed from the memory later). The key
 * comes from PM at exec; a forked child stirs its pid, the time stamp counter and RDRAND, where there is one,
 * into its copy before the first use.
 */
#include "libposix.h"

#include <util/chacha.h>

static bool has_rdrand(void)
{
	uint32_t eax = 1, ebx, ecx = 0, edx;

	__asm__("cpuid" : "+a"(eax), "=b"(ebx), "+c"(ecx), "=d"(edx));
	return ecx >> 30 & 1;
}

static void stir(void)
{
	uint64_t *key = this_process()->random_key, hardware = 0;
	uint32_t low, high;
	uint8_t carry;

	__asm__ volatile("rdtsc" : "=a"(low), "=d"(high));
	key[0] ^= (uint64_t)high << 32 | low;
	key[1] ^= (uint64_t)tb()->pid;
	for (int i = 2; i < 4 && has_rdrand(); i++) {
		__asm__ volatile("rdrand %0; setc %1" : "=r"(hardware), "=qm"(carry));
		key[i] ^= hardware;
	}
}

/* 32 bytes, and the next key. Under the lock. */
static void next_block(uint8_t *to)
{
	struct process_block *block = this_process();
	struct chacha in = { { CHACHA_CONSTANTS } }, out;

	memcpy(in.word + 4, block->random_key, 32);
	in.word[12] = (uint32_t)++block->random_count;
	chacha_block(&in, &out);
	memcpy(block->random_key, out.word, 32);
	memcpy(to, out.word + 8, 32);
}

void lp_random(void *to, size_t length)
{
	struct process_block *block = this_process();
	uint8_t buffer[32], *at = to;

	while (length) {
		size_t part = length < sizeof(buffer) ? length : sizeof(buffer);

		lp_lock(&block->random_lock);
		if (!block->random_count)
			stir();
		next_block(buffer);
		lp_unlock(&block->random_lock);
		memcpy(at, buffer, part); /* outside the lock: it may fault */
		at += part;
		length -= part;
	}
}

long lp_getrandom(uint64_t to, uint64_t length, uint64_t flags)
{
	if (flags & ~7ull || (flags & 6) == 6)
		return -EINVAL;
	if (length > 0x1ffffff)
		length = 0x1ffffff;
	lp_random((void *)to, length);
	return (long)length;
}
