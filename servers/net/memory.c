/* SPDX-License-Identifier: MIT */
/*
 * lwIP's memory: blocks of a few sizes out of the preserved heap, each on the free list of its size when it is not in
 * use. A block that was freed is not given out again in the same transaction, for if that is undone what was in the
 * block is wanted again. Lists are first in, first out, so that the oldest is looked at first.
 */
#include "net.h"

#define MEMORY_MAX (44ul << 20)
#define CHUNK (32u << 10)

struct block {
	struct block *next;
	uint32_t size_class;
	uint32_t freed; /* in which transaction */
};

static const uint32_t sizes[] = { 64, 128, 256, 512, 1024, 1712, 4352, 17408, 67584 };
#define CLASSES (sizeof sizes / sizeof sizes[0])

static PRESERVED struct {
	struct block *first, *last;
} lists[CLASSES];
static PRESERVED uint64_t taken; /* bytes, from the heap */

static void put_back(struct block *block)
{
	unsigned c = block->size_class;

	block->next = NULL;
	*(lists[c].last ? &lists[c].last->next : &lists[c].first) = block;
	lists[c].last = block;
}

static bool grow(unsigned c)
{
	uint32_t size = sizes[c], count = size < CHUNK ? CHUNK / size : 1;
	char *chunk;

	if (taken + (uint64_t)count * size > MEMORY_MAX)
		return false;
	chunk = pheap_alloc((size_t)count * size);
	if (!chunk)
		return false;
	taken += (uint64_t)count * size;
	for (uint32_t i = 0; i < count; i++) {
		struct block *block = (struct block *)(chunk + (size_t)i * size);

		block->size_class = c;
		block->freed = (uint32_t)tx_sequence() - 1;
		put_back(block);
	}
	return true;
}

static struct block *take(unsigned c)
{
	struct block *block = lists[c].first;

	if (!block || block->freed == (uint32_t)tx_sequence()) {
		struct block *last = lists[c].last;

		if (!grow(c))
			return NULL;
		/* The fresh ones are behind those of this transaction: take one from there. */
		if (last) {
			block = last->next;
			last->next = block->next;
			if (!block->next)
				lists[c].last = last;
			return block;
		}
		block = lists[c].first;
	}
	lists[c].first = block->next;
	if (!block->next)
		lists[c].last = NULL;
	return block;
}

void *net_allocate(size_t size)
{
	struct block *block;
	unsigned c = 0;

	while (c < CLASSES && sizes[c] < size + sizeof(*block))
		c++;
	if (c == CLASSES)
		return NULL;
	block = take(c);
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
