/* SPDX-License-Identifier: MIT */
#ifndef MEM_MEM_H
#define MEM_MEM_H

#include <abi/types.h>

/* random.c: a ChaCha20 generator with fast key erasure (Bernstein, 2017). */
void random_start(void);
/* Mix bytes into the key; needs no particular quality. */
void random_add(const void *bytes, size_t length);
void random_bytes(void *to, size_t length);

#endif
