/* SPDX-License-Identifier: MIT */
/*
 * A sparse array of 64-bit words indexed by page number, which can find the
 * next word that is not zero, and the next that is marked dirty, in order.
 */
#ifndef KERNEL_MM_RADIX_H
#define KERNEL_MM_RADIX_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define RADIX_BITS 6
#define RADIX_FANOUT 64
#define RADIX_LEVELS 6 /* 36 bits of index */

struct radix_node {
	uint64_t used;  /* which slots are not zero */
	uint64_t dirty; /* leaf: words marked; inner: children with a mark below */
	uint64_t slots[RADIX_FANOUT];
};

struct radix {
	struct radix_node *root;
	uint32_t levels; /* 0: empty */
	uint32_t nodes;
};

/* The word at index, NULL if it is zero. It must not be set to zero through the pointer. */
uint64_t *radix_find(const struct radix *tree, uint64_t index);
/* Store a word that is not zero. NULL if there is no memory, else where it is. */
uint64_t *radix_insert(struct radix *tree, uint64_t index, uint64_t word);
/* Make the word zero and unmarked; answers what it was. */
uint64_t radix_remove(struct radix *tree, uint64_t index);
/* Mark or unmark a word that is not zero. */
void radix_mark(struct radix *tree, uint64_t index);
void radix_unmark(struct radix *tree, uint64_t index);
/* The first nonzero (or marked) word at or after *index; false if there is none. */
bool radix_next(const struct radix *tree, uint64_t *index);
bool radix_next_marked(const struct radix *tree, uint64_t *index);

#endif
