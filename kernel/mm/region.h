/* SPDX-License-Identifier: MIT */
/* Regions: the ranges of a space and what they map. */
#ifndef KERNEL_MM_REGION_H
#define KERNEL_MM_REGION_H

#include "mm/mm.h"

struct memory;

struct region {
	uint64_t start, end;   /* page aligned, not empty */
	uint32_t flags;        /* VM_R, W, X, SHARED, PINNED, STACK, UNCACHED */
	uint32_t rights;       /* CAP_*: what vm_protect may allow */
	uint64_t pte;          /* bits of an entry that may be read */
	struct memory *memory; /* NULL: anonymous; else counted */
	uint64_t offset;       /* in the object, of start */
	struct space *space;
	struct list_node link; /* in memory->mappings */
};

/* 64 KiB of pointers. More regions answer ENOMEM, as Linux does at 65,530. */
#define REGIONS_MAX 8192

/* Index of the first region that ends above addr; count if there is none. */
uint32_t regions_search(struct region_set *set, uint64_t addr);
/* The region that holds addr, or NULL. */
struct region *regions_find(struct region_set *set, uint64_t addr);
/* Room for `more` insertions that then cannot fail. 0 or -ENOMEM. */
long regions_reserve(struct region_set *set, uint32_t more);
void regions_insert(struct region_set *set, struct region *region);
void regions_remove(struct region_set *set, uint32_t index, uint32_t count);
/* Whether b, which begins where a ends, is simply the continuation of a. */
bool regions_continue(const struct region *a, const struct region *b);
/* Whether nothing is mapped in [start, end). */
bool regions_free(struct region_set *set, uint64_t start, uint64_t end);

#endif
