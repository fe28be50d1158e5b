/* SPDX-License-Identifier: MIT */
/* The frame table: one small entry for each frame of physical memory. */
#ifndef KERNEL_MM_FRAME_H
#define KERNEL_MM_FRAME_H

#include "core/quota.h"
#include "mm/mm.h"

/*
 * An entry says nothing before its frame was allocated for the first time: the table
 * is not cleared at boot. `next` and `prev` (frame numbers, 0 ends) link free
 * frames; while a frame is allocated they are its owner's: page tables of a space
 * are linked through them.
 */
struct page {
	uint32_t refs;
	uint32_t next, prev;
	uint16_t count; /* of a block of kalloc: how many frames it has */
	uint16_t owner; /* number of the quota that pays for it, until it is free; 0: none */
};

extern struct page *frame_table;

static inline struct page *page_of(uint64_t frame)
{
	return &frame_table[frame >> ANOLE_PAGE_SHIFT];
}

/* Free frames below which user pages are refused: the kernel and services need them. */
size_t frames_reserve(void);
/* As frame_alloc_contiguous, from the top of memory and not zeroed. */
uint64_t frame_alloc_block(size_t count);
/* Whether more than `keep` are free, after reaping if need be. */
bool frames_above(size_t keep);
/* For pages of users: none while no more than `keep` are free, even after reaping. */
uint64_t frame_alloc_above(size_t keep);
/* The same, paid for by a quota until its last count goes. */
uint64_t frame_alloc_for(struct quota *quota, size_t keep);
/* Whether any of the range is memory that frames are allocated from. */
bool frames_overlap(uint64_t start, uint64_t end);
/* Give back the blocks that kfree kept; whether there were any. mm/slab.c */
bool slab_shrink(void);
/* The end of frames_init: the zero page, and what the page tables of this processor can do. */
void mm_init(void);
/* The free frames that were in use before, the last freed first, and how many are free in all. */
extern struct frame_pool {
	uint32_t head;
	size_t available;
} frame_pool;

static inline void frame_hold(uint64_t frame)
{
	page_of(frame)->refs++;
}

/* Inline, since clearing an address space does little else. */
static inline void frame_release(uint64_t frame)
{
	struct page *page = page_of(frame);

	if (--page->refs)
		return;
	if (page->owner)
		quota_uncharge(quotas[page->owner], QUOTA_MEMORY, ANOLE_PAGE_SIZE);
	page->next = frame_pool.head;
	page->prev = 0;
	frame_table[page->next].prev = frame >> ANOLE_PAGE_SHIFT; /* entry 0 is nobody's */
	frame_pool.head = frame >> ANOLE_PAGE_SHIFT;
	frame_pool.available++;
}

static inline void page_zero(void *page)
{
	uint64_t words = ANOLE_PAGE_SIZE / 8;

	__asm__ volatile("rep stosq" : "+D"(page), "+c"(words) : "a"(0ul) : "memory");
}

static inline void page_copy(void *to, const void *from)
{
	uint64_t words = ANOLE_PAGE_SIZE / 8;

	__asm__ volatile("rep movsq" : "+D"(to), "+S"(from), "+c"(words) : : "memory");
}

#endif
