/* SPDX-License-Identifier: MIT */
/*
 * lwIP's memory: blocks of a few sizes out of the preserved heap, each on the free list of its size when it is not in
 * use. A block that was freed is not given out again in the same transaction, for if that is undone what was in the
 * block is wanted again. Lists are first in, first out, so that the oldest is looked at first.
 *
 * Of large blocks, which hold packets, the undo log knows only the beginning, with lwIP's record and the protocols'
 * headers. What is behind is written once, before anything refers to it.
 */
#include "net.h"

#define MEMORY_MAX (44ul << 20)
#define CHUNK (32u << 10)
#define LARGE 1024u
#define GUARDED 192u /* of a large block */

struct block {
	struct block *next;
	uint32_t size_class;
	uint32_t freed; /* in which transaction */
};

struct chunk {
	struct chunk *next;
	char *blocks;
	uint32_t size_class, count;
};

static const uint32_t sizes[] = { 64, 128, 256, 512, 1024, 1728, 4352, 17408, 67584 };
#define CLASSES (sizeof sizes / sizeof sizes[0])

static PRESERVED struct {
	struct block *first, *last;
} lists[CLASSES];
static PRESERVED uint64_t taken; /* bytes, from the heap */
static PRESERVED struct chunk *chunks;

static void put_back(struct block *block)
{
	unsigned c = block->size_class;

	block->next = NULL;
	*(lists[c].last ? &lists[c].last->next : &lists[c].first) = block;
	lists[c].last = block;
}

static struct block *block_of(const struct chunk *chunk, uint32_t i)
{
	return (struct block *)(chunk->blocks + (size_t)i * sizes[chunk->size_class]);
}

static void guard(const struct chunk *chunk)
{
	if (sizes[chunk->size_class] < LARGE)
		return;
	for (uint32_t i = 0; i < chunk->count; i++)
		tx_guard(block_of(chunk, i), GUARDED);
}

void memory_start(void)
{
	for (const struct chunk *chunk = chunks; chunk; chunk = chunk->next)
		guard(chunk);
}

static bool grow(unsigned c)
{
	uint32_t size = sizes[c], count = size < CHUNK ? CHUNK / size : 1;
	struct chunk *chunk;

	if (taken + (uint64_t)count * size > MEMORY_MAX)
		return false;
	chunk = pheap_alloc(sizeof(*chunk));
	if (!chunk)
		return false;
	*chunk = (struct chunk){ chunks, NULL, c, count };
	chunk->blocks =
	    size < LARGE ? pheap_alloc((size_t)count * size) : pheap_alloc_data((size_t)count * size);
	if (!chunk->blocks) {
		pheap_free(chunk);
		return false;
	}
	chunks = chunk;
	taken += (uint64_t)count * size;
	for (uint32_t i = 0; i < count; i++) {
		struct block *block = block_of(chunk, i);

		block->size_class = c;
		block->freed = (uint32_t)tx_sequence() - 1;
		put_back(block);
	}
	guard(chunk);
	return true;
}

static struct block *take_first(unsigned c)
{
	struct block *block = lists[c].first;

	lists[c].first = block->next;
	if (!block->next)
		lists[c].last = NULL;
	return block;
}

/* The blocks of this transaction are at the end of the list, and fresh ones behind them. */
static struct block *take_fresh(unsigned c)
{
	struct block *last = lists[c].last, *block;

	if (!grow(c))
		return NULL;
	if (!last)
		return take_first(c);
	block = last->next;
	last->next = block->next;
	if (!block->next)
		lists[c].last = last;
	return block;
}

static struct block *offered;

void net_offer(void *memory)
{
	offered = (struct block *)memory - 1;
}

void net_withdraw(void)
{
	struct block *block = offered;

	offered = NULL;
	if (block)
		net_free(block + 1);
}

void *net_allocate(size_t size)
{
	struct block *block;
	unsigned c = 0;

	while (c < CLASSES && sizes[c] < size + sizeof(*block))
		c++;
	if (c == CLASSES)
		return NULL;
	if (offered && offered->size_class == c) {
		block = offered;
		offered = NULL;
		return block + 1;
	}
	block = lists[c].first;
	block = block && block->freed != (uint32_t)tx_sequence() ? take_first(c) : take_fresh(c);
	return block ? block + 1 : NULL;
}

void *net_allocate_zeroed(size_t count, size_t size)
{
	void *memory = size && count > SIZE_MAX / size ? NULL : net_allocate(count * size);

	if (memory)
		memset(memory, 0, count * size);
	return memory;
}

void net_free(void *memory)
{
	struct block *block = (struct block *)memory - 1;

	CHECK(block->size_class < CLASSES);
	block->freed = (uint32_t)tx_sequence();
	put_back(block);
}
