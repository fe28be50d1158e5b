/* SPDX-License-Identifier: MIT */
/*
 * The preserved heap: blocks with headers, one behind the other, neighbours joined when freed.
 * Only the headers' sizes count after a crash: each change of the chain of blocks is one store of
 * one size, so the chain is whole at every instant, and the free lists and the links backwards are
 * made anew from it.
 */
#include "internal.h"

#define ALIGNMENT TX_LINE /* of the payload: no line belongs to two blocks, but for the header behind it */
#define BLOCK_USED 1ul
#define BLOCK_DATA 2ul /* its payload is never saved */
#define MIN_BLOCK ALIGNMENT
#define SMALL_BINS 64u /* multiples of 64 up to 4 KiB */
#define SMALL_LOG 12u
#define LARGE_BINS 64u /* four for each power of two above */
#define BINS (SMALL_BINS + LARGE_BINS)
#define SEARCH_LIMIT 16 /* blocks of one large bin looked at before a larger bin is taken */

struct block {
	uint64_t size;                           /* of the whole block, BLOCK_* */
	uint64_t previous;                       /* size of the block before, 0 for the first */
	struct block *next_free, *previous_free; /* only in a free block, as the next */
	uint64_t trimmed;                        /* the kernel has its whole pages */
};

struct heap {
	uint64_t end;     /* 0: not formatted */
	uint64_t touched; /* above this address every byte is still zero */
};

static PRESERVED struct heap heap;
#define FREES_MAX 65536u
static struct block *frees[FREES_MAX];    /* in this transaction */
static unsigned frees_count, freed_count; /* freed_count: by the commit */
#define TRIM_AFTER (256ul << 10)
static uint64_t freed; /* bytes since the last trim, less those that were allocated again */
static struct block *bins[BINS];
static uint64_t bin_map[BINS / 64];

static uint64_t static_size(void)
{
	return ROUND_PAGE((uint64_t)(__preserved_end - __preserved_start));
}

static struct block *first_block(void)
{
	return (struct block *)(PRESERVED_BASE + static_size() + ALIGNMENT - 16);
}

static uint64_t block_size(const struct block *block)
{
	return block->size & ~(BLOCK_USED | BLOCK_DATA);
}

static struct block *block_after(const struct block *block)
{
	return (struct block *)((uintptr_t)block + block_size(block));
}

static bool is_last(const struct block *block)
{
	return (uintptr_t)block_after(block) >= heap.end;
}

bool preserved_contains(const void *at, size_t length)
{
	uintptr_t address = (uintptr_t)at;

	return address >= PRESERVED_BASE && address < heap.end && heap.end - address >= length;
}

/* --- bins --------------------------------------------------------------------------------- */

static unsigned bin_of(uint64_t size)
{
	unsigned log, bin;

	if (size < SMALL_BINS * ALIGNMENT)
		return (unsigned)(size / ALIGNMENT);
	log = 63 - (unsigned)__builtin_clzl(size);
	bin = SMALL_BINS + (log - SMALL_LOG) * 4 + (unsigned)(size >> (log - 2) & 3);
	return bin < BINS ? bin : BINS - 1;
}

static void bin_insert(struct block *block)
{
	unsigned bin = bin_of(block->size);

	block->previous_free = NULL;
	block->next_free = bins[bin];
	if (bins[bin])
		bins[bin]->previous_free = block;
	bins[bin] = block;
	bin_map[bin / 64] |= 1ul << bin % 64;
}

static void bin_remove(struct block *block)
{
	unsigned bin = bin_of(block->size);

	if (block->next_free)
		block->next_free->previous_free = block->previous_free;
	if (block->previous_free) {
		block->previous_free->next_free = block->next_free;
		return;
	}
	bins[bin] = block->next_free;
	if (!bins[bin])
		bin_map[bin / 64] &= ~(1ul << bin % 64);
}

/* The lowest bin at or above `bin` that has a block; BINS if none. */
static unsigned bin_next(unsigned bin)
{
	for (unsigned word = bin / 64; word < BINS / 64; word++) {
		uint64_t map = bin_map[word];

		if (word == bin / 64)
			map &= ~0ul << bin % 64;
		if (map)
			return word * 64 + (unsigned)__builtin_ctzl(map);
	}
	return BINS;
}

static struct block *search_bin(unsigned bin, uint64_t size, unsigned limit)
{
	struct block *block = bins[bin];

	for (; block && limit; block = block->next_free, limit--)
		if (block->size >= size)
			return block;
	return NULL;
}

static struct block *find_block(uint64_t size)
{
	unsigned own = bin_of(size), bin = own;
	struct block *block = search_bin(own, size, SEARCH_LIMIT);

	while (!block && (bin = bin_next(bin + 1)) < BINS)
		block = search_bin(bin, size, bin == BINS - 1 ? ~0u : 1);
	return block ? block : search_bin(own, size, ~0u);
}

/* --- blocks ------------------------------------------------------------------------------- */

static void set_previous(struct block *block)
{
	if (is_last(block))
		return;
	txcheck_changes(&block_after(block)->previous, 8);
	block_after(block)->previous = block_size(block);
}

static void note_touched(const struct block *block)
{
	uint64_t end = (uintptr_t)block + MIN_BLOCK;

	if (end > heap.touched)
		heap.touched = end;
}

/* Cut a free block, in no bin, to `size`; the rest becomes a free block of its own. Its header
 * is whole before the store that makes it part of the chain. */
static void split(struct block *block, uint64_t size)
{
	uint64_t rest_size = block->size - size;
	struct block *rest = (struct block *)((uintptr_t)block + size);

	if (rest_size < MIN_BLOCK)
		return;
	note_touched(rest);
	rest->size = rest_size;
	rest->previous = size;
	rest->trimmed = block->trimmed;
	__atomic_signal_fence(__ATOMIC_SEQ_CST);
	block->size = size;
	set_previous(rest);
	bin_insert(rest);
}

/* `touched` as it was before the block was cut: the header behind it says nothing about its own bytes. */
static void clear(struct block *block, uint64_t touched)
{
	uint64_t start = (uintptr_t)block + 16, end = (uintptr_t)block_after(block);

	if (end > heap.touched)
		heap.touched = end;
	if (end > touched)
		end = touched;
	if (end > start)
		memset((void *)start, 0, end - start);
}

static void *allocate(size_t size, uint64_t flags)
{
	uint64_t touched = heap.touched;
	struct block *block;

	if (!size || size > heap.end)
		return NULL;
	size = (size + 16 + ALIGNMENT - 1) & ~(ALIGNMENT - 1);
	if (size < MIN_BLOCK)
		size = MIN_BLOCK;
	block = find_block(size);
	if (!block)
		return NULL;
	bin_remove(block);
	tx_allocated((char *)block + 16, size - 16, &block->size);
	split(block, size);
	clear(block, touched);
	block->size |= flags;
	freed -= size < freed ? size : freed;
	return (char *)block + 16;
}

void *pheap_alloc(size_t size)
{
	return allocate(size, BLOCK_USED);
}

void *pheap_alloc_data(size_t size)
{
	return allocate(size, BLOCK_USED | BLOCK_DATA);
}

static void guard(const struct block *block)
{
	if ((block->size & (BLOCK_USED | BLOCK_DATA)) == BLOCK_USED)
		tx_guard((char *)block + 16, block_size(block) - 16);
}

void pheap_guard(const uint64_t *header)
{
	guard((const struct block *)header);
}

/* `block` takes over its right neighbour, which is in no bin. */
static void join(struct block *block, const struct block *right)
{
	block->size += right->size;
	set_previous(block);
}

static void free_block(struct block *block)
{
	freed += block_size(block);
	tx_unguard((char *)block + 16, block_size(block) - 16);
	block->size = block_size(block);
	if (!is_last(block) && !(block_after(block)->size & BLOCK_USED)) {
		bin_remove(block_after(block));
		join(block, block_after(block));
	}
	if (block->previous) {
		struct block *left = (struct block *)((uintptr_t)block - block->previous);

		if (!(left->size & BLOCK_USED)) {
			bin_remove(left);
			tx_keep_word(&left->size);
			join(left, block);
			block = left;
		}
	}
	block->trimmed = false;
	bin_insert(block);
}

static void trim_block(struct block *block)
{
	uint64_t from = ROUND_PAGE((uintptr_t)block + MIN_BLOCK);
	uint64_t end = (uintptr_t)block_after(block) & ~(ANOLE_PAGE_SIZE - 1);

	if (end > heap.touched)
		end = ROUND_PAGE(heap.touched) < end ? ROUND_PAGE(heap.touched) : end;
	if (end > from)
		kcall(mo_discard, SLOT_PRESERVED, from - PRESERVED_BASE, end - from);
	txcheck_changes(&block->trimmed, 8);
	block->trimmed = true;
}

/* The whole pages inside free blocks go back to the kernel once more has been freed than is needed again: what is used
 * in turns keeps its pages. */
void pheap_trim(void)
{
	if (freed < TRIM_AFTER)
		return;
	freed = 0;
	for (unsigned bin = SMALL_BINS; bin < BINS; bin++)
		for (struct block *block = bins[bin]; block; block = block->next_free)
			if (!block->trimmed)
				trim_block(block);
}

bool pheap_frees_many(void)
{
	return frees_count > FREES_MAX / 4;
}

/* What a transaction frees stays as it is until the commit. */
void pheap_free(void *memory)
{
	struct block *block;

	if (!memory)
		return;
	block = (struct block *)((char *)memory - 16);
	CHECK(preserved_contains(memory, 16) && block->size & BLOCK_USED);
	if (!tx_on) {
		free_block(block);
		pheap_trim();
		return;
	}
	CHECK(frees_count < FREES_MAX);
	frees[frees_count++] = block;
	tx_effects = true;
}

void pheap_commit(void)
{
	for (unsigned i = 0; i < frees_count; i++) {
		tx_keep_words(frees[i], sizeof *frees[i] / 8); /* the links overwrite its first bytes */
		free_block(frees[i]);
	}
	freed_count = frees_count;
	frees_count = 0;
}

#ifdef TXCHECK
/* What the log has saved is guarded again, also where it is free by now. */
void pheap_unguard_freed(void)
{
	for (unsigned i = 0; i < freed_count; i++)
		if (!(frees[i]->size & BLOCK_USED))
			tx_unguard((char *)frees[i] + 16, block_size(frees[i]) - 16);
	freed_count = 0;
}
#endif

static void format(void)
{
	struct block *block = first_block();

	heap.touched = (uintptr_t)block;
	note_touched(block);
	block->size = (PRESERVED_BASE + startup->preserved_size - (uintptr_t)block) & ~(ALIGNMENT - 1);
	block->previous = 0;
	heap.end = (uintptr_t)block + block->size;
}

static void rebuild(void)
{
	struct block *block = first_block();
	uint64_t previous = 0;

	while ((uintptr_t)block < heap.end) {
		uint64_t size = block_size(block);

		CHECK(size >= MIN_BLOCK && size <= heap.end - (uintptr_t)block);
		block->previous = previous;
		if (!(block->size & BLOCK_USED)) {
			block->trimmed = false;
			bin_insert(block);
		}
		guard(block);
		previous = size;
		block = block_after(block);
	}
}

void pheap_start(void)
{
	frees_count = 0;
	if (!heap.end && startup->preserved_size >= static_size() + ANOLE_PAGE_SIZE)
		format();
	memset(bins, 0, sizeof bins);
	memset(bin_map, 0, sizeof bin_map);
	if (heap.end)
		rebuild();
}
