/* SPDX-License-Identifier: MIT */
/* The metadata cache: which pages are present, which blocks are dirty. Reading and writing is the server's. */
#include "ext2.h"

#include <util/string.h>

void page_set_add(struct page_set *set, uint64_t page)
{
	uint64_t *word = &set->bits[page / 64], bit = 1ull << page % 64;

	if (*word & bit)
		return;
	*word |= bit;
	set->summary[page / 4096] |= 1ull << page / 64 % 64;
	set->count++;
}

void page_set_remove(struct page_set *set, uint64_t page)
{
	uint64_t *word = &set->bits[page / 64], bit = 1ull << page % 64;

	if (!(*word & bit))
		return;
	*word &= ~bit;
	if (!*word)
		set->summary[page / 4096] &= ~(1ull << page / 64 % 64);
	set->count--;
}

uint64_t page_set_next(const struct page_set *set, uint64_t page, uint64_t limit)
{
	while (page < limit) {
		uint64_t word = set->bits[page / 64] >> page % 64, groups;

		if (word) {
			page += (uint64_t)__builtin_ctzll(word);
			return page < limit ? page : NO_PAGE;
		}
		page = (page / 64 + 1) * 64;
		groups = set->summary[page / 4096] >> page / 64 % 64;
		if (page % 4096 == 0 || groups) {
			if (groups)
				page += 64 * (uint64_t)__builtin_ctzll(groups);
			else if (page < limit)
				page += 4096;
		} else {
			page = (page / 4096 + 1) * 4096;
		}
	}
	return NO_PAGE;
}

void meta_set_present(struct ext2 *fs, uint64_t page, bool present)
{
	if (present) {
		fs->cache.state[page] |= CACHE_PRESENT | CACHE_USED;
		page_set_add(&fs->cache.present, page);
		fs->attention = true;
	} else {
		fs->cache.state[page] = 0;
		page_set_remove(&fs->cache.present, page);
	}
}

void *meta_get_slow(struct ext2 *fs, uint64_t block)
{
	uint64_t at = block << fs->block_shift;
	long status;

	if (block >= fs->blocks)
		return error_pointer(corrupt(fs, "a block number is beyond the end", block));
	status = core_fetch(fs, at >> 12);
	if (status < 0) {
		fs->wait_page = at >> 12;
		return error_pointer(status);
	}
	return fs->cache.base + at;
}

static void mark_dirty(struct ext2 *fs, uint64_t at)
{
	uint8_t *state = &fs->cache.state[at >> 12];
	uint8_t bit = (uint8_t)(1u << (at >> fs->block_shift & ((4096u >> fs->block_shift) - 1)));

	page_set_add(&fs->cache.dirty, at >> 12); /* first: a crash in between must not lose the block */
	if (!(*state & bit)) {
		fs->attention = true;
		fs->cache.dirty_blocks++;
	}
	*state |= bit;
}

void *meta_new(struct ext2 *fs, uint64_t block)
{
	uint64_t at = block << fs->block_shift;

	if (!(fs->cache.state[at >> 12] & CACHE_PRESENT)) {
		long status = fs->block_size == 4096 ? core_fresh(fs, at >> 12) : core_fetch(fs, at >> 12);

		if (status < 0) {
			fs->wait_page = at >> 12;
			return error_pointer(status);
		}
	}
	/* The old contents too: where a bitmap is wrong they are somebody's. */
	tx_add(fs, fs->cache.base + at, fs->block_size);
	tx_add(fs, &fs->cache.state[at >> 12], 1);
	mark_dirty(fs, at);
	memset(fs->cache.base + at, 0, fs->block_size);
	return fs->cache.base + at;
}

void meta_change(struct ext2 *fs, void *at, size_t length)
{
	tx_add(fs, at, length);
	mark_dirty(fs, (uint64_t)((uint8_t *)at - fs->cache.base));
}

/* The page stays in the set of dirty pages, which may hold too many. */
void meta_forget(struct ext2 *fs, uint64_t block, uint64_t count)
{
	uint32_t per_page = 4096u >> fs->block_shift;

	for (uint64_t b = block; b < block + count; b++) {
		uint8_t *state = &fs->cache.state[b / per_page], bit = (uint8_t)(1u << b % per_page);

		if (!(*state & bit))
			continue;
		tx_add(fs, state, 1);
		*state &= (uint8_t)~bit;
		fs->cache.dirty_blocks -= fs->cache.dirty_blocks > 0;
	}
}

uint64_t meta_next_dirty(struct ext2 *fs, uint64_t page)
{
	return page_set_next(&fs->cache.dirty, page, fs->cache.pages);
}

uint32_t meta_take_dirty(struct ext2 *fs, uint64_t page)
{
	uint32_t blocks = fs->cache.state[page] & CACHE_DIRTY;

	fs->cache.state[page] &= (uint8_t)~CACHE_DIRTY;
	page_set_remove(&fs->cache.dirty, page);
	return blocks;
}

void meta_redirty(struct ext2 *fs, uint64_t page, uint32_t blocks)
{
	page_set_add(&fs->cache.dirty, page);
	fs->cache.state[page] |= (uint8_t)blocks;
}

uint64_t meta_victim(struct ext2 *fs)
{
	struct cache *cache = &fs->cache;
	uint32_t turns = 0;

	while (turns < 3 && cache->present.count) {
		uint64_t page = page_set_next(&cache->present, cache->hand, cache->pages);

		if (page == NO_PAGE) {
			cache->hand = 0;
			turns++;
			continue;
		}
		cache->hand = page + 1;
		if (cache->state[page] & (CACHE_DIRTY | CACHE_READING | CACHE_WRITING))
			continue;
		if (cache->state[page] & CACHE_USED)
			cache->state[page] &= (uint8_t)~CACHE_USED;
		else
			return page;
	}
	return NO_PAGE;
}
