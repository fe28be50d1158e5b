/* SPDX-License-Identifier: MIT */
/* The table of everything that can have a call out, so that tokens can be checked. */
#include "ipc/ipc.h"
#include "mm/mm.h"

struct caller_chunk *caller_chunks[CALLER_CHUNKS];
uint64_t next_token = 1ul << CALLER_BITS;
static struct caller no_caller;
static struct caller_chunk no_chunk;
static uint32_t first_free_chunk;

static void chunk_clear(struct caller_chunk *chunk)
{
	for (unsigned i = 0; i < CALLER_CHUNK; i++)
		chunk->slot[i] = &no_caller;
}

static void callers_init(void)
{
	chunk_clear(&no_chunk);
	for (unsigned i = 0; i < CALLER_CHUNKS; i++)
		caller_chunks[i] = &no_chunk;
}

static bool chunk_take(struct caller_chunk *chunk, uint32_t *slot)
{
	for (unsigned i = 0; i < CALLER_CHUNK / 64; i++) {
		if (~chunk->used[i]) {
			unsigned bit = __builtin_ctzl(~chunk->used[i]);

			chunk->used[i] |= 1ul << bit;
			*slot = i * 64 + bit;
			return true;
		}
	}
	return false;
}

static long chunk_ready(uint32_t index)
{
	struct caller_chunk *chunk = caller_chunks[index];

	if (chunk != &no_chunk)
		return 0;
	chunk = kalloc(sizeof(*chunk));
	if (!chunk)
		return -ENOMEM;
	chunk_clear(chunk);
	caller_chunks[index] = chunk;
	return 0;
}

long caller_register(struct caller *caller)
{
	uint32_t slot;

	if (!caller_chunks[0])
		callers_init();
	for (uint32_t i = first_free_chunk; i < CALLER_CHUNKS; i++) {
		long error = chunk_ready(i);

		if (error)
			return error;
		if (chunk_take(caller_chunks[i], &slot)) {
			caller->index = i << CALLER_CHUNK_BITS | slot;
			caller_chunks[i]->slot[slot] = caller;
			return 0;
		}
		first_free_chunk = i + 1;
	}
	return -EAGAIN;
}

void caller_unregister(struct caller *caller)
{
	uint32_t index = caller->index >> CALLER_CHUNK_BITS;
	uint32_t slot = caller->index & (CALLER_CHUNK - 1);

	caller_chunks[index]->slot[slot] = &no_caller;
	caller_chunks[index]->used[slot / 64] &= ~(1ul << slot % 64);
	if (index < first_free_chunk)
		first_free_chunk = index;
}

struct caller *caller_find(struct endpoint *endpoint, uint64_t token)
{
	uint32_t index = token & ((1u << CALLER_BITS) - 1);
	struct caller *caller = caller_chunks[index >> CALLER_CHUNK_BITS]->slot[index & (CALLER_CHUNK - 1)];

	if (caller->token != token || caller->state != CALLER_IN_SERVICE || caller->endpoint != endpoint)
		return NULL;
	return caller;
}
