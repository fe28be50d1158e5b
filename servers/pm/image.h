/* SPDX-License-Identifier: MIT */
/* Address spaces of processes, and what PM puts into each: libposix, thread blocks, pages. */
#ifndef PM_IMAGE_H
#define PM_IMAGE_H

#include "pm.h"

extern struct libposix_header libposix; /* as the image has it: offsets */

long image_start(bool restarted); /* find libposix, make what all processes share */
/* A fresh space with libposix and the pages, no thread block yet. NULL: no memory. */
struct image *image_new(cap_t quota);
struct image *image_clone(const struct image *of, unsigned block); /* fork: `block` is the child's */
/* Of a process's limits those that its memory has. */
void image_limit(struct image *image, const struct limit *limits);
void image_use(struct image *image);
void image_put(struct image *image);
/* A block that no thread uses, mapped; -errno. */
long image_block_get(struct image *image);
void image_block_put(struct image *image, unsigned block);
static inline uint64_t block_page(unsigned block)
{
	return THREAD_AREA + block * THREAD_AREA_STEP;
}
static inline uint64_t block_address(unsigned block)
{
	return block_page(block) + THREAD_BLOCK_OFFSET;
}
static inline bool image_holds(const struct image *image, uint64_t pc)
{
	return pc - image->base < libposix.image_size;
}
/* A private table with the capabilities every process has; -errno. */
cap_t table_standard(cap_t pm, cap_t quota);
extern cap_t public_cap; /* to PM, as processes get it */
extern cap_t fault_cap;  /* where the faults of their threads go */

#endif
