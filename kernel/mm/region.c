/* SPDX-License-Identifier: MIT */
/*
 * The set of regions is a sorted array: a search touches few cache lines,
 * walking in order is trivial, and moving its tail for an insertion costs less than
 * balancing a tree for as many regions as programs have.
 */
#include "mm/space.h"

#define FIRST_CAPACITY 32u

uint32_t regions_search(struct region_set *set, uint64_t addr)
{
	uint32_t low = 0, high = set->count, last = set->last;

	if (last < high && addr < set->array[last]->end) {
		if (last == 0 || addr >= set->array[last - 1]->end)
			return last;
		high = last;
	}
	while (low < high) {
		uint32_t middle = (low + high) / 2;

		if (set->array[middle]->end > addr)
			high = middle;
		else
			low = middle + 1;
	}
	set->last = low;
	return low;
}

struct region *regions_find(struct region_set *set, uint64_t addr)
{
	uint32_t index = regions_search(set, addr);

	if (index == set->count || set->array[index]->start > addr)
		return NULL;
	return set->array[index];
}

long regions_reserve(struct region_set *set, uint32_t more)
{
	uint32_t needed = set->count + more, capacity = set->capacity;

	if (needed <= capacity)
		return 0;
	if (needed > REGIONS_MAX)
		return -ENOMEM;
	while (capacity < needed)
		capacity = capacity ? capacity * 2 : FIRST_CAPACITY;
	struct space *space = container_of(set, struct space, regions);
	uint64_t more_bytes = (capacity - set->capacity) * sizeof(struct region *);
	if (space_charge(space, more_bytes))
		return -ENOMEM;
	struct region **array = kalloc(capacity * sizeof(*array));
	if (!array) {
		space_uncharge(space, more_bytes);
		return -ENOMEM;
	}
	for (uint32_t i = 0; i < set->count; i++)
		array[i] = set->array[i];
	kfree(set->array);
	set->array = array;
	set->capacity = capacity;
	return 0;
}

void regions_insert(struct region_set *set, struct region *region)
{
	uint32_t at = regions_search(set, region->start);

	for (uint32_t i = set->count++; i > at; i--)
		set->array[i] = set->array[i - 1];
	set->array[at] = region;
}

void regions_remove(struct region_set *set, uint32_t index, uint32_t count)
{
	set->count -= count;
	for (uint32_t i = index; count && i < set->count; i++)
		set->array[i] = set->array[i + count];
}

bool regions_continue(const struct region *a, const struct region *b)
{
	return a->end == b->start && a->flags == b->flags && a->memory == b->memory &&
	       !(a->flags & VM_STACK) &&
	       (!a->memory || (a->rights == b->rights && a->offset + (a->end - a->start) == b->offset));
}

bool regions_free(struct region_set *set, uint64_t start, uint64_t end)
{
	uint32_t index = regions_search(set, start);

	return index == set->count || set->array[index]->start >= end;
}
