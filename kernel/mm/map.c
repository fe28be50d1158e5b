/* SPDX-License-Identifier: MIT */
/* Making, cutting, changing and removing the regions of a space. */
#include "arch/arch.h"
#include "core/thread.h"
#include "mm/frame.h"
#include "mm/space.h"

#define FLUSH_SINGLE 16u /* up to as many pages are flushed one by one */

static void region_attach(struct region *region)
{
	if (!region->memory)
		return;
	object_get(region->memory);
	list_push_front(&region->memory->mappings, &region->link);
	region->memory->mapping_count++;
	region->memory->sweep.left += region->memory->sweep.left != 0;
	if (region->flags & VM_SHARED && region->rights & CAP_W)
		region->memory->tail_written = true;
}

struct region *region_new(struct space *space, const struct region *model)
{
	struct region *region;

	if (space_charge(space, sizeof(*region)))
		return NULL;
	region = kalloc(sizeof(*region));
	if (!region) {
		space_uncharge(space, sizeof(*region));
		return NULL;
	}
	*region = *model;
	region->space = space;
	region->pte = pagetable_bits(region->flags);
	region_attach(region);
	return region;
}

void region_free(struct region *region)
{
	if (region->memory) {
		list_remove(&region->link);
		region->memory->mapping_count--;
		if (region->memory->sweep.region == region)
			region->memory->sweep.region = NULL;
		object_put(region->memory);
	}
	space_uncharge(region->space, sizeof(*region));
	kfree(region);
}

void space_merge_at(struct space *space, uint32_t index)
{
	struct region_set *set = &space->regions;

	if (index == 0 || index >= set->count)
		return;
	struct region *low = set->array[index - 1], *high = set->array[index];
	if (!regions_continue(low, high))
		return;
	if (low->memory && low->memory->sweep.left)
		return; /* one of them may have been swept, and the other not */
	low->end = high->end;
	regions_remove(set, index, 1);
	region_free(high);
}

/* Join a region with its neighbours if they are of one kind. */
static void merge_around(struct space *space, uint64_t addr)
{
	uint32_t index = regions_search(&space->regions, addr);

	space_merge_at(space, index + 1);
	space_merge_at(space, index);
}

long space_cut(struct space *space, uint64_t at)
{
	struct region *region = regions_find(&space->regions, at);
	struct region model;

	if (!region || region->start == at)
		return 0;
	if (regions_reserve(&space->regions, 1) != 0)
		return -ENOMEM;
	model = *region;
	model.start = at;
	model.offset += at - region->start;
	model.flags &= ~VM_STACK; /* only the lower part goes on growing */
	struct region *upper = region_new(space, &model);
	if (!upper)
		return -ENOMEM;
	region->end = at;
	if (flags_are_data(upper->flags) && !flags_are_data(region->flags))
		space->data_pages += (upper->end - at) >> ANOLE_PAGE_SHIFT;
	regions_insert(&space->regions, upper);
	return 0;
}

/* --- entries ---------------------------------------------------------------------- */

static size_t clear_entries(pte_t *entry, size_t count)
{
	size_t cleared = 0;

	for (pte_t *end = entry + count; entry < end; entry++) {
		pte_t old = *entry;

		if (!old)
			continue;
		*entry = 0;
		cleared++;
		if (old & PTE_COUNTED)
			frame_release(old & PTE_FRAME);
	}
	return cleared;
}

size_t region_clear_step(struct region *region, uint64_t *start, uint64_t end, size_t *budget)
{
	struct space *space = region->space;
	size_t cleared = 0, spent = REGION_COST;
	uint64_t addr = *start;

	while (spent <= *budget && (addr = pagetable_next(space, addr, end)) < end) {
		uint64_t stop = (addr | (PT_SPAN - 1)) + 1;
		size_t found;

		if (stop > end)
			stop = end;
		found = clear_entries(pagetable_find(space, addr), (stop - addr) >> ANOLE_PAGE_SHIFT);
		cleared += found;
		spent += found + TABLE_COST;
		addr = stop;
	}
	*budget -= spent < *budget ? spent : *budget;
	*start = addr < end ? addr : end;
	region_count(region, -(long)cleared);
	return cleared;
}

void space_flush_range(struct space *space, uint64_t start, uint64_t end)
{
	if (end - start > FLUSH_SINGLE * PAGE_SIZE)
		arch_tlb_flush_space(space);
	else
		arch_tlb_flush_range(space, start, end);
}

/* --- unmap ------------------------------------------------------------------------- */

/* Free the page tables that only mapped what is a hole now. */
static void prune_hole(struct space *space, uint64_t start, uint64_t end)
{
	uint32_t index = regions_search(&space->regions, start);
	uint64_t low = index ? space->regions.array[index - 1]->end : 0;
	uint64_t high = VM_USER_HIGH;

	if (index < space->regions.count)
		high = space->regions.array[index]->start;
	/* Only tables that the range touched. */
	start &= ~(PT_SPAN - 1);
	end = (end + PT_SPAN - 1) & ~(PT_SPAN - 1);
	pagetable_prune(space, start > low ? start : low, end < high ? end : high);
}

/* Clear a region from its start on; whether it is empty. What is cleared is cut off. */
static bool region_clear(struct space *space, struct region *region, size_t *budget)
{
	uint64_t start = region->start;
	size_t cleared = region_clear_step(region, &start, region->end, budget);

	space_map_count(space, region->flags, -(long)(start - region->start));
	if (cleared)
		space_flush_range(space, region->start, start);
	region->offset += start - region->start;
	region->start = start;
	return start == region->end;
}

long space_unmap(struct space *space, uint64_t start, uint64_t end)
{
	struct region_set *set = &space->regions;
	size_t budget = STEP_PAGES;
	uint32_t first, index;
	bool left = false;

	if (space_cut(space, start) != 0 || space_cut(space, end) != 0)
		return -ENOMEM;
	first = index = regions_search(set, start);
	for (; !left && index < set->count && set->array[index]->start < end; index += !left) {
		left = !budget || !region_clear(space, set->array[index], &budget);
		if (!left)
			region_free(set->array[index]);
	}
	regions_remove(set, first, index - first);
	if (left)
		return KCALL_RESTART;
	prune_hole(space, start, end);
	return 0;
}

/* --- map ---------------------------------------------------------------------------- */

/* The lowest address that a region claims: a stack may grow. */
static uint64_t region_low(const struct region *region)
{
	uint64_t low = region->start, limit = space_stack_limit(region->space);

	if (region->flags & VM_STACK && region->end - low < limit)
		low = region->end > limit ? region->end - limit : VM_USER_LOW;
	return region->flags & VM_STACK ? low - STACK_GUARD : low;
}

static uint64_t hole_below(struct space *space, uint64_t top, uint64_t length)
{
	struct region_set *set = &space->regions;
	uint32_t index = regions_search(set, top - 1);

	if (index < set->count)
		index++;
	while (index-- > 0) {
		const struct region *region = set->array[index];

		if (region->end <= top && top - region->end >= length)
			return top - length;
		if (region_low(region) < top)
			top = region_low(region);
	}
	return top >= VM_USER_LOW && top - VM_USER_LOW >= length ? top - length : 0;
}

uint64_t space_find_hole(struct space *space, uint64_t length)
{
	uint64_t addr = hole_below(space, space->map_top, length);

	return addr ? addr : hole_below(space, VM_USER_HIGH, length);
}

/* What may ever be allowed: writing a private page needs no right to the object. */
static uint32_t request_rights(const struct map_request *request)
{
	if (!request->memory)
		return CAP_ALL;
	if (request->flags & VM_SHARED)
		return request->rights;
	return request->rights | CAP_W;
}

bool region_rights_allow(uint32_t rights, uint32_t prot)
{
	return (!(prot & PROT_BITS) || rights & CAP_R) && (!(prot & VM_W) || rights & CAP_W) &&
	       (!(prot & VM_X) || rights & CAP_X);
}

static bool range_ok(uint64_t addr, uint64_t length)
{
	return addr >= VM_USER_LOW && addr < VM_USER_HIGH && length <= VM_USER_HIGH - addr &&
	       !(addr & PAGE_MASK);
}

static long check_request(struct map_request *request)
{
	const uint32_t known = PROT_BITS | VM_SHARED | VM_FIXED | VM_FIXED_NOREPLACE | VM_PINNED | VM_STACK |
			       VM_POPULATE | VM_UNCACHED;
	struct memory *memory = request->memory;

	if (request->flags & ~known || request->length == 0 || request->offset & PAGE_MASK ||
	    request->offset > MEMORY_MAX_SIZE)
		return -EINVAL;
	if (request->length > VM_USER_HIGH - VM_USER_LOW)
		return -ENOMEM;
	request->length = page_up(request->length);
	if ((request->flags & (VM_W | VM_X)) == (VM_W | VM_X))
		return -EACCES;
	if (request->flags & VM_STACK && (memory || request->flags & VM_SHARED))
		return -EINVAL; /* growing down would move its offsets */
	if (request->flags & VM_UNCACHED && (!memory || memory->kind != MEMORY_PHYSICAL))
		return -EINVAL;
	if (memory && memory->kind == MEMORY_PHYSICAL &&
	    request->offset + request->length > page_up(memory->size))
		return -EINVAL;
	if (memory && memory->kind == MEMORY_PHYSICAL)
		request->flags |= VM_SHARED; /* devices cannot be copied on write */
	if (!region_rights_allow(request_rights(request), request->flags))
		return -EPERM;
	if (request->flags & VM_PINNED && (memory || request->flags & VM_SHARED))
		request->flags &= ~VM_PINNED; /* shared pages are not copied at clone anyway */
	if (request->flags & VM_PINNED && request->length > PINNED_LIMIT)
		return -ENOMEM;
	/* A private mapping that could never be filled is refused at once. */
	if (!memory && request->flags & VM_W && request->length >> ANOLE_PAGE_SHIFT > frames_total())
		return -ENOMEM;
	return 0;
}

/* Settle request->addr, with nothing mapped there. */
static long place_request(struct space *space, struct map_request *request)
{
	uint64_t addr = request->addr, length = request->length;

	if (request->flags & (VM_FIXED | VM_FIXED_NOREPLACE)) {
		if (addr & PAGE_MASK)
			return -EINVAL;
		if (!range_ok(addr, length))
			return -ENOMEM;
		if (request->flags & VM_FIXED)
			return space_unmap(space, addr, addr + length);
		return regions_free(&space->regions, addr, addr + length) ? 0 : -EEXIST;
	}
	addr = page_down(addr);
	if (addr == 0 || !range_ok(addr, length) || !regions_free(&space->regions, addr, addr + length))
		addr = space_find_hole(space, length);
	request->addr = addr;
	return addr ? 0 : -ENOMEM;
}

/* Bring in what can be had without a pager. */
static long populate(struct space *space, struct region *region, uint64_t start, uint64_t end)
{
	long error = 0;

	if (!(region->flags & PROT_BITS) && !(region->flags & VM_PINNED))
		return 0;
	for (; start < end && error == 0; start += PAGE_SIZE)
		error = region_fault(space, region, start, region->flags & VM_W);
	return error;
}

static long insert_request(struct space *space, const struct map_request *request)
{
	uint64_t start = request->addr, end = start + request->length;
	const uint32_t kept = PROT_BITS | VM_SHARED | VM_PINNED | VM_STACK | VM_UNCACHED;
	struct region model = {
		.start = start,
		.end = end,
		.flags = request->flags & kept,
		.rights = request_rights(request),
		.memory = request->memory,
		.offset = request->offset,
	};
	struct region *region;
	long error = 0;

	if (request->memory && request->memory->uncached)
		model.flags |= VM_UNCACHED;
	if (regions_reserve(&space->regions, 1) != 0 || !(region = region_new(space, &model)))
		return -ENOMEM;
	regions_insert(&space->regions, region);
	space_map_count(space, model.flags, (long)request->length);
	if (request->flags & (VM_PINNED | VM_POPULATE))
		error = populate(space, region, start,
				 request->length > PINNED_LIMIT ? start + PINNED_LIMIT : end);
	if (error != 0 && request->flags & VM_PINNED) {
		space_unmap(space, start, end);
		return -ENOMEM;
	}
	merge_around(space, start);
	return start;
}

long space_map_request(struct space *space, struct map_request *request)
{
	long error = check_request(request);
	struct memory *made = NULL;

	if (error == 0 && !space_may_grow(space, request->length, request->flags))
		error = -ENOMEM;
	if (error == 0)
		error = place_request(space, request);
	if (error != 0)
		return error;
	if (!request->memory && request->flags & VM_SHARED) {
		made = memory_new(space->quota, request->length, 0);
		if (!made)
			return -ENOMEM;
		request->memory = made;
		request->offset = 0;
		request->rights = CAP_ALL;
	}
	error = insert_request(space, request);
	if (made)
		object_put(made);
	return error;
}

long space_map(struct space *space, uint64_t *addr, uint64_t length, uint32_t flags, struct object *memory,
	       uint64_t offset)
{
	struct map_request request = {
		.addr = *addr,
		.length = length,
		.offset = offset,
		.flags = flags,
		.rights = CAP_ALL,
		.memory = (struct memory *)memory,
	};
	long result = space_map_request(space, &request);

	if (result < 0)
		return result;
	*addr = result;
	return 0;
}
