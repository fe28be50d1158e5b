/* SPDX-License-Identifier: MIT */
/* Capability tables: growth, free slots, filling and emptying. */
#include "core/table.h"
#include "core/thread.h"
#include "mm/mm.h"

uint64_t capabilities_used;
static struct cap no_caps[CHUNK_SLOTS]; /* what chunks without a capability show; never written */

struct table *table_new(struct quota *quota, uint32_t slots, uint32_t kind)
{
	struct table *table;

	if (slots > TABLE_SLOTS_MAX || kind > TABLE_DESCRIPTORS)
		return NULL;
	table = quota_alloc(quota, sizeof(*table));
	if (!table)
		return NULL;
	object_begin(&table->object, CAPT_TABLE);
	table->limit = slots;
	table->kind = kind;
	table->quota = quota;
	table->charged = sizeof(*table);
	return table;
}

static void *table_alloc(struct table *table, size_t size)
{
	void *part = quota_alloc(table->quota, size);

	if (part)
		table->charged += size;
	return part;
}

void table_attach(struct table *table, struct quota *quota)
{
	quota_force(quota, QUOTA_MEMORY, table->charged);
	quota_uncharge(table->quota, QUOTA_MEMORY, table->charged);
	table->quota = quota;
}

/* Make slots up to `slot` readable. The directory doubles, so growing is cheap on average. */
static long table_grow(struct table *table, uint32_t slot)
{
	uint32_t old = table->slots >> CHUNK_SHIFT, count = old ? old : 1;
	struct chunk *chunks;

	if (slot < table->slots)
		return 0;
	while (count <= slot >> CHUNK_SHIFT)
		count *= 2;
	chunks = table_alloc(table, count * sizeof(*chunks));
	if (!chunks)
		return -ENOMEM;
	for (uint32_t i = 0; i < count; i++)
		chunks[i] = i < old ? table->chunks[i] : (struct chunk){ no_caps, 0 };
	if (old) {
		table->charged -= old * sizeof(*chunks);
		quota_free(table->quota, table->chunks, old * sizeof(*chunks));
	}
	table->chunks = chunks;
	table->slots = count << CHUNK_SHIFT;
	return 0;
}

static long chunk_take(struct table *table, uint32_t slot)
{
	struct chunk *chunk = &table->chunks[slot >> CHUNK_SHIFT];

	if (chunk->caps == no_caps) {
		struct cap *caps = table_alloc(table, CHUNK_SLOTS * sizeof(*caps));

		if (!caps)
			return -ENOMEM;
		chunk->caps = caps;
	}
	chunk->used |= 1ul << (slot & (CHUNK_SLOTS - 1));
	chunk->caps[slot & (CHUNK_SLOTS - 1)] = (struct cap){ .reserved = true };
	table->used++;
	capabilities_used++;
	return slot;
}

/* The lowest slot >= min whose bit in `used` is clear. */
static uint32_t lowest_free(const struct table *table, uint32_t min)
{
	uint32_t index = min >> CHUNK_SHIFT;
	uint64_t mask = ~0ul << (min & (CHUNK_SLOTS - 1));

	for (; index < table->slots >> CHUNK_SHIFT; index++, mask = ~0ul) {
		uint64_t available = ~table->chunks[index].used & mask;

		if (available)
			return (index << CHUNK_SHIFT) + __builtin_ctzl(available);
	}
	return min > table->slots ? min : table->slots;
}

long table_reserve(struct table *table, uint32_t min)
{
	long full = table->kind == TABLE_PRIVATE ? -ENFILE : -EMFILE;
	bool from_start = min <= table->first_free;
	uint32_t slot;
	long error;

	slot = lowest_free(table, from_start ? table->first_free : min);
	if (slot >= table->limit)
		return full;
	error = table_grow(table, slot);
	if (!error)
		error = chunk_take(table, slot);
	if (error >= 0 && from_start)
		table->first_free = slot + 1;
	return error;
}

long table_reserve_at(struct table *table, uint32_t slot)
{
	long error;

	if (slot >= table->limit)
		return -EBADF;
	error = table_grow(table, slot);
	if (error)
		return error;
	if (table_slot(table, slot)->reserved)
		return -EBUSY;
	table_clear(table, slot);
	return chunk_take(table, slot);
}

void table_fill(struct table *table, uint32_t slot, struct object *object, uint32_t rights, bool cloexec)
{
	*table_slot(table, slot) = (struct cap){ object, rights, cloexec, false };
}

long table_clear(struct table *table, uint32_t slot)
{
	struct cap *cap = table_slot(table, slot);
	struct object *object;

	if (!cap || !(cap->object || cap->reserved))
		return -EBADF;
	object = cap->object;
	*cap = (struct cap){ 0 };
	table->chunks[slot >> CHUNK_SHIFT].used &= ~(1ul << (slot & (CHUNK_SLOTS - 1)));
	table->used--;
	capabilities_used--;
	if (slot < table->first_free)
		table->first_free = slot;
	if (object)
		object_put(object);
	return 0;
}

long table_next_used(struct table *table, uint32_t slot)
{
	uint64_t mask = ~0ul << (slot & (CHUNK_SLOTS - 1));

	for (uint32_t i = slot >> CHUNK_SHIFT; i < table->slots >> CHUNK_SHIFT; i++, mask = ~0ul) {
		uint64_t used = table->chunks[i].used & mask;

		for (; used; used &= used - 1) {
			uint32_t bit = __builtin_ctzl(used);

			if (table->chunks[i].caps[bit].object)
				return (i << CHUNK_SHIFT) + bit;
		}
	}
	return -ENOENT;
}

bool table_reap(struct table *table, unsigned budget)
{
	long slot = 0;

	while (table->used && budget-- && (slot = table_next_used(table, slot)) >= 0)
		table_clear(table, slot);
	return !table->used || slot < 0;
}

void table_free(struct table *table)
{
	for (uint32_t i = 0; i < table->slots >> CHUNK_SHIFT; i++)
		if (table->chunks[i].caps != no_caps)
			kfree(table->chunks[i].caps);
	kfree(table->chunks);
	object_end(table);
	quota_free(table->quota, table, table->charged);
}
