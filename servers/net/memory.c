/* SPDX-License-Identifier: MIT */
/*
 * lwIP's memory: blocks of a few sizes out of the preserved heap, each on the free list of its size when it is not in
 * use. A block that was freed is not given out again in the same transaction, for if that is undone what was in the
 * block is wanted again. Lists are first in, first out, so that the oldest is looked at first.
 *
 * What is in blocks of one size is not there for others. When all that lwIP may have is in blocks, chunks of which every
 * block is free are given back.
 *
 * Of large blocks, which hold packets, the undo log knows only the beginning, with lwIP's record and the protocols'
 * headers. What is behind is written once, before anything refers to it.
 */
#include <lwip/opt.h>

#include "net.h"

#define MEMORY_MAX (44ul << 20)
#define CHUNK (32u << 10)
#define LARGE 1024u
#define CHUNKS_MAX 2816u /* of the size of which the fewest fit into one */
#define OUT_OF_ORDER_SHORT 4u
#define SHORT (MEMORY_MAX / 4 * 3)
#define GIVE_BACK 4u
#define SEARCH_EVERY 256u /* transactions */
#define GUARDED 192u      /* of a large block */

struct block {
	struct block *next;
	uint16_t size_class, chunk;
	uint32_t freed; /* in which transaction */
};

struct chunk {
	struct chunk *next;
	char *blocks;
	uint32_t size_class, count, number;
};

static const uint32_t sizes[] = { 64, 128, 256, 512, 1024, 1728, 4352, 17408, 33792, 67584 };
#define CLASSES (sizeof sizes / sizeof sizes[0])

static PRESERVED struct {
	struct block *first, *last;
	uint64_t used, pad; /* blocks that are not free */
} lists[CLASSES];
static PRESERVED uint64_t taken; /* bytes, from the heap */
static PRESERVED struct chunk *chunks;
static PRESERVED bool numbers[CHUNKS_MAX]; /* in use */
static uint64_t searched;                  /* in which transaction, for chunks to be given back */

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

bool memory_short(void)
{
	uint64_t used = 0;

	if (taken < SHORT)
		return false;
	for (unsigned c = 0; c < CLASSES; c++)
		used += lists[c].used * sizes[c];
	return used >= SHORT;
}

unsigned net_out_of_order_max(void)
{
	return memory_short() ? OUT_OF_ORDER_SHORT : TCP_OOSEQ_MAX_PBUFS;
}

/* --- chunks ----------------------------------------------------------------------------------------------------------- */

static void unlink_blocks(const struct chunk *chunk)
{
	unsigned c = chunk->size_class;
	struct block **link = &lists[c].first, *last = NULL;

	for (struct block *block = *link; block; block = block->next) {
		if (block->chunk == chunk->number)
			continue;
		if (*link != block)
			*link = block;
		link = &block->next;
		last = block;
	}
	if (*link)
		*link = NULL;
	lists[c].last = last;
}

static void give_back(struct chunk *chunk)
{
	struct chunk **link = &chunks;

	unlink_blocks(chunk);
	while (*link != chunk)
		link = &(*link)->next;
	*link = chunk->next;
	numbers[chunk->number] = false;
	taken -= (uint64_t)chunk->count * sizes[chunk->size_class];
	pheap_free(chunk->blocks);
	pheap_free(chunk);
}

/* Whether anything was given back. What was freed in this transaction may be wanted again. */
static bool give_back_some(void)
{
	static uint16_t count[CHUNKS_MAX];
	struct chunk *next;
	unsigned given = 0;

	if (tx_sequence() - searched < SEARCH_EVERY)
		return false;
	searched = tx_sequence();
	memset(count, 0, sizeof(count));
	for (unsigned c = 0; c < CLASSES; c++)
		for (const struct block *block = lists[c].first; block; block = block->next)
			count[block->chunk] += block->freed != (uint32_t)tx_sequence();
	for (struct chunk *chunk = chunks; chunk && given < GIVE_BACK && !tx_is_long(); chunk = next) {
		next = chunk->next;
		if (count[chunk->number] != chunk->count)
			continue;
		give_back(chunk);
		given++;
		searched = 0;
	}
	return given;
}

static struct chunk *new_chunk(unsigned c, uint32_t count)
{
	uint32_t number = 0, size = sizes[c];
	struct chunk *chunk;

	while (number < CHUNKS_MAX && numbers[number])
		number++;
	chunk = number < CHUNKS_MAX ? pheap_alloc(sizeof(*chunk)) : NULL;
	if (!chunk)
		return NULL;
	*chunk = (struct chunk){ chunks, NULL, c, count, number };
	chunk->blocks =
	    size < LARGE ? pheap_alloc((size_t)count * size) : pheap_alloc_data((size_t)count * size);
	if (!chunk->blocks) {
		pheap_free(chunk);
		return NULL;
	}
	numbers[number] = true;
	chunks = chunk;
	taken += (uint64_t)count * size;
	return chunk;
}

static bool grow(unsigned c)
{
	uint32_t size = sizes[c], count = size < CHUNK ? CHUNK / size : 1;
	struct chunk *chunk;

	if (taken + (uint64_t)count * size > MEMORY_MAX &&
	    (!give_back_some() || taken + (uint64_t)count * size > MEMORY_MAX))
		return false;
	chunk = new_chunk(c, count);
	if (!chunk)
		return false;
	for (uint32_t i = 0; i < count; i++) {
		struct block *block = block_of(chunk, i);

		block->size_class = (uint16_t)c;
		block->chunk = (uint16_t)chunk->number;
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
	lists[c].used++;
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
	lists[c].used++;
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
	lists[block->size_class].used--;
	put_back(block);
}
