/* SPDX-License-Identifier: MIT */
/*
 * Random bytes: ChaCha20 (RFC 8439, section 2.3) keyed from what the machine offers: RDRAND where the
 * CPU has it, and the low bits of the time-stamp counter across instructions of varying length. Each
 * request replaces the key first, so that what was handed out cannot be computed later.
 */
#include <sys/server.h>
#include <util/chacha.h>
#include <util/string.h>

#include "mem.h"

PRESERVED static uint32_t key[8];
PRESERVED static uint64_t counter;

static void block(uint32_t out[16])
{
	struct chacha in = { { CHACHA_CONSTANTS } };

	memcpy(in.word + 4, key, sizeof(key));
	in.word[12] = (uint32_t)counter;
	in.word[13] = (uint32_t)(counter >> 32);
	counter++;
	chacha_block(&in, (struct chacha *)out);
}

static void erase_key(void)
{
	uint32_t fresh[16];

	block(fresh);
	memcpy(key, fresh, sizeof(key));
}

void random_add(const void *bytes, size_t length)
{
	const uint8_t *from = bytes;
	size_t i;

	for (i = 0; i < length; i++) {
		((uint8_t *)key)[i % sizeof(key)] ^= from[i];
		if (i % sizeof(key) == sizeof(key) - 1)
			erase_key();
	}
	erase_key();
}

static bool have_rdrand(void)
{
	uint32_t a = 1, b, c = 0, d;

	__asm__("cpuid" : "+a"(a), "=b"(b), "+c"(c), "=d"(d));
	return c >> 30 & 1;
}

static uint64_t rdtsc(void)
{
	uint32_t low, high;

	__asm__ volatile("rdtsc" : "=a"(low), "=d"(high));
	return (uint64_t)high << 32 | low;
}

static uint64_t rdrand(void)
{
	uint64_t value = 0;
	uint8_t ok = 0;
	unsigned tries;

	for (tries = 0; tries < 10 && !ok; tries++)
		__asm__ volatile("rdrand %0; setc %1" : "=r"(value), "=qm"(ok));
	return value;
}

void random_start(void)
{
	bool hardware = have_rdrand();
	uint64_t sample[2];
	unsigned i;

	for (i = 0; i < 64; i++) {
		kcall(yield);
		sample[0] = rdtsc();
		sample[1] = hardware ? rdrand() : clock_realtime_ns();
		random_add(sample, sizeof(sample));
	}
}

void random_bytes(void *to, size_t length)
{
	uint32_t stream[16];
	size_t done, piece;
	uint64_t now = rdtsc();

	random_add(&now, sizeof(now));
	for (done = 0; done < length; done += piece) {
		piece = length - done < sizeof(stream) ? length - done : sizeof(stream);
		block(stream);
		memcpy((uint8_t *)to + done, stream, piece);
	}
	erase_key();
}
