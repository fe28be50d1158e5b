/* SPDX-License-Identifier: MIT */
/*
 * A service's generator of random bytes: ChaCha20 with fast key erasure (Bernstein, 2017), so that what was handed out
 * cannot be computed later from what is in memory. Its key comes from RDRAND where the processor has it, from the low
 * bits of the time stamp counter between instructions of varying length, and, as soon as there is a driver of class `rng`
 * and every five minutes from then on, from that.
 */
#ifndef LIB_SYS_RANDOM_H
#define LIB_SYS_RANDOM_H

#include <stddef.h>

/* In a service's start, of each incarnation. Nothing waits for a device. */
void random_start(void);
/* Mix bytes into the key; needs no particular quality. */
void random_add(const void *bytes, size_t length);
void random_bytes(void *to, size_t length);

#endif
