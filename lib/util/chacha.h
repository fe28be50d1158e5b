/* SPDX-License-Identifier: MIT */
/* The ChaCha20 block function (RFC 8439, 2.3). */
#ifndef LIB_UTIL_CHACHA_H
#define LIB_UTIL_CHACHA_H

#include <stdint.h>

struct chacha {
	uint32_t word[16]; /* 4 constants, 8 of key, 4 of counter and nonce */
};

#define CHACHA_CONSTANTS 0x61707865, 0x3320646e, 0x79622d32, 0x6b206574

static inline uint32_t chacha_rotate(uint32_t x, int by)
{
	return x << by | x >> (32 - by);
}

static inline void chacha_quarter(uint32_t *a, uint32_t *b, uint32_t *c, uint32_t *d)
{
	*a += *b, *d = chacha_rotate(*d ^ *a, 16);
	*c += *d, *b = chacha_rotate(*b ^ *c, 12);
	*a += *b, *d = chacha_rotate(*d ^ *a, 8);
	*c += *d, *b = chacha_rotate(*b ^ *c, 7);
}

static inline void chacha_block(const struct chacha *in, struct chacha *out)
{
	uint32_t *x = out->word;

	*out = *in;
	for (int i = 0; i < 10; i++) {
		for (int j = 0; j < 4; j++)
			chacha_quarter(&x[j], &x[4 + j], &x[8 + j], &x[12 + j]);
		for (int j = 0; j < 4; j++)
			chacha_quarter(&x[j], &x[4 + (j + 1) % 4], &x[8 + (j + 2) % 4], &x[12 + (j + 3) % 4]);
	}
	for (int i = 0; i < 16; i++)
		x[i] += in->word[i];
}

#endif
