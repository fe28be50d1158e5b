/* SPDX-License-Identifier: MIT */
/* Changing the rights of mapped pages, and dropping the pages themselves. */
#include "arch/arch.h"
#include "core/thread.h"
#include "mm/frame.h"
#include "mm/space.h"

static pte_t protected_entry(const struct region *region, pte_t entry)
{
	pte_t value = (entry & (PTE_FRAME | PTE_COUNTED | PTE_DEVICE | PTE_A | PTE_D)) | region->pte;

	if (!(region->flags & VM_W))
		return value;
	if (entry & PTE_W)
		return value | PTE_W;
	/* A private page of its own can be written at once; see space.h. */
	if (!(region->flags & VM_SHARED) && entry & PTE_COUNTED && page_of(entry & PTE_FRAME)->refs == 1)
		value |= PTE_W | PTE_D | PTE_A;
	return value;
}

static void protect_entries(struct space *space, const struct region *region)
{
	bool any = false;
	uint64_t addr = region->start;

	while ((addr = pagetable_next(space, addr, region->end)) < region->end) {
		pte_t *entry = pagetable_find(space, addr);
		uint64_t stop = (addr | (PT_SPAN - 1)) + 1;

		if (stop > region->end)
			stop = region->end;
		for (; addr < stop; addr += PAGE_SIZE, entry++) {
			if (!*entry)
				continue;
			*entry = protected_entry(region, *entry);
			any = true;
		}
	}
	if (any)
		space_flush_range(space, region->start, region->end);
}

/* Whether every page of the range is mapped and may have these rights, with what becomes data. */
static long check_protect(struct space *space, uint64_t start, uint64_t end, uint32_t prot)
{
	uint32_t index = regions_search(&space->regions, start);
	bool limited = space->limits[SPACE_LIMIT_DATA];
	uint64_t data = 0;

	for (; start < end; index++) {
		const struct region *region;

		if (index == space->regions.count)
			return -ENOMEM;
		region = space->regions.array[index];
		if (region->start > start)
			return -ENOMEM;
		if (!region_rights_allow(region->rights, prot))
			return -EACCES;
		if (limited && !flags_are_data(region->flags) &&
		    flags_are_data((region->flags & ~PROT_BITS) | prot))
			data += (region->end < end ? region->end : end) - start;
		start = region->end;
	}
	return data && !space_may_have_data(space, data) ? -ENOMEM : 0;
}

/* How many regions are moved within their array in the time of a page; cutting and joining moves those behind. */
#define MOVES_PER_PAGE 5u

/* How many regions are checked, and skipped if they have the rights, in the time of a page. */
#define CHECKS_PER_PAGE 2u

/* What looking through the range costs each step, in pages; less than a step for as many regions as there may be. */
static size_t looking_cost(struct space *space, uint64_t start, uint64_t end)
{
	_Static_assert(REGIONS_MAX / CHECKS_PER_PAGE < STEP_PAGES, "each step changes a region");
	uint32_t first = regions_search(&space->regions, start);

	return (regions_search(&space->regions, end) - first) / CHECKS_PER_PAGE;
}

/* Whether changing all of it at once would take long. */
static bool is_big(const struct space *space)
{
	return space->resident_pages > STEP_PAGES || space->table_pages > STEP_PAGES / TABLE_COST;
}

/* One region, or a first part of a big one, gets the rights; answers where it stopped. */
static long protect_region(struct space *space, struct region *region, uint32_t prot)
{
	const uint64_t step = STEP_PAGES * PAGE_SIZE;

	if (region->end - region->start > step && is_big(space) &&
	    space_cut(space, region->start + step) != 0)
		return -ENOMEM;
	space_map_count(space, region->flags, (long)(region->start - region->end));
	region->flags = (region->flags & ~PROT_BITS) | prot;
	space_map_count(space, region->flags, (long)(region->end - region->start));
	region->pte = pagetable_bits(region->flags);
	protect_entries(space, region);
	return region->end;
}

long space_protect(struct space *space, uint64_t start, uint64_t end, uint32_t prot)
{
	size_t changed = looking_cost(space, start, end);
	uint64_t addr = start;
	long error;

	if ((prot & (VM_W | VM_X)) == (VM_W | VM_X))
		return -EACCES;
	error = check_protect(space, start, end, prot);
	if (error == 0)
		error = space_cut(space, start);
	if (error == 0)
		error = space_cut(space, end);
	while (error == 0 && addr < end) {
		struct region *region = regions_find(&space->regions, addr);

		addr = region->end;
		if ((region->flags & PROT_BITS) == prot)
			continue;
		if (changed >= STEP_PAGES)
			return KCALL_RESTART; /* what is done will be skipped */
		long stop = protect_region(space, region, prot);
		if (stop < 0)
			return stop;
		addr = stop;
		if (is_big(space))
			changed += (region->end - region->start) >> ANOLE_PAGE_SHIFT;
		changed += REGION_COST + space->regions.count / MOVES_PER_PAGE;
		space_merge_at(space, regions_search(&space->regions, region->start));
	}
	if (error == 0)
		space_merge_at(space, regions_search(&space->regions, end));
	space_merge_at(space, regions_search(&space->regions, start));
	return error;
}

/* Empty tables stay, and cost as much when the rest is asked for: so the caller says where to go on. */
long space_discard(struct space *space, uint64_t start, uint64_t end)
{
	uint32_t index = regions_search(&space->regions, start);
	size_t budget = STEP_PAGES;
	uint64_t at = start;

	for (; index < space->regions.count && at < end && budget; index++) {
		struct region *region = space->regions.array[index];
		uint64_t low = region->start > at ? region->start : at;
		uint64_t high = region->end < end ? region->end : end;

		if (low >= end)
			break;
		if (region->flags & VM_PINNED)
			return -EINVAL;
		at = low;
		if (region_clear_step(region, &at, high, &budget))
			space_flush_range(space, low, at);
	}
	return (budget ? end : at) - start;
}
