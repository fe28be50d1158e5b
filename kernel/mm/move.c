/* SPDX-License-Identifier: MIT */
/* mremap: growing a mapping in place or moving its pages elsewhere. */
#include "arch/arch.h"
#include "core/thread.h"
#include "mm/space.h"

#define MOVE_MAY 1u
#define MOVE_FIXED 2u

/* Make the tables that will take the entries of [from, from + length), so that moving cannot fail. */
static long make_tables(struct space *space, uint64_t from, uint64_t length, uint64_t to)
{
	uint64_t end = from + length;

	for (uint64_t addr = from; (addr = pagetable_next(space, addr, end)) < end;) {
		uint64_t stop = (addr | (PT_SPAN - 1)) + 1;

		if (stop > end)
			stop = end;
		if (!pagetable_make(space, to + (addr - from)) ||
		    !pagetable_make(space, to + (stop - PAGE_SIZE - from)))
			return -ENOMEM;
		addr = stop;
	}
	return 0;
}

static void move_entries(struct space *space, uint64_t from, uint64_t length, uint64_t to)
{
	uint64_t end = from + length;

	for (uint64_t addr = from; (addr = pagetable_next(space, addr, end)) < end;) {
		uint64_t stop = (addr | (PT_SPAN - 1)) + 1;
		pte_t *entry = pagetable_find(space, addr);

		if (stop > end)
			stop = end;
		for (; addr < stop; addr += PAGE_SIZE, entry++) {
			if (!*entry)
				continue;
			*pagetable_find(space, to + (addr - from)) = *entry;
			*entry = 0;
		}
	}
	arch_tlb_flush_space(space);
}

/* Grow the region that ends at the old end; whether there was room. */
static bool grow_in_place(struct space *space, struct region *region, uint64_t old_end, uint64_t new_end)
{
	if (region->end != old_end || new_end > VM_USER_HIGH || new_end < old_end ||
	    !regions_free(&space->regions, old_end, new_end) || !space_may_grow(space, new_end - old_end))
		return false;
	region->end = new_end;
	space->mapped_pages += (new_end - old_end) >> ANOLE_PAGE_SHIFT;
	return true;
}

static long relocate(struct space *space, uint64_t old, uint64_t old_length, uint64_t new_length,
		     uint64_t target)
{
	struct region *region, model;

	if (new_length > old_length && !space_may_grow(space, new_length - old_length))
		return -ENOMEM;
	if (regions_reserve(&space->regions, 3) != 0 || space_cut(space, old) != 0 ||
	    space_cut(space, old + old_length) != 0)
		return -ENOMEM;
	model = *regions_find(&space->regions, old);
	model.start = target;
	model.end = target + new_length;
	if (make_tables(space, old, old_length, target) != 0 || !(region = region_new(space, &model)))
		return -ENOMEM;
	regions_insert(&space->regions, region);
	space->mapped_pages += new_length >> ANOLE_PAGE_SHIFT;
	move_entries(space, old, old_length, target);
	space_unmap(space, old, old + old_length);
	return target;
}

static bool range_ok(uint64_t addr, uint64_t length)
{
	return addr >= VM_USER_LOW && addr < VM_USER_HIGH && length <= VM_USER_HIGH - addr;
}

static long move_fixed(struct space *space, uint64_t old, uint64_t old_length, uint64_t new_length,
		       uint64_t target)
{
	long error;

	if (target & PAGE_MASK || !range_ok(target, new_length) ||
	    (target < old + old_length && old < target + new_length))
		return -EINVAL;
	error = space_unmap(space, target, target + new_length);
	if (error == 0 && new_length < old_length) {
		error = space_unmap(space, old + new_length, old + old_length);
		old_length = new_length;
	}
	return error ? error : relocate(space, old, old_length, new_length, target);
}

long space_move(struct space *space, uint64_t old, uint64_t old_length, uint64_t new_length, uint32_t flags,
		uint64_t target)
{
	struct region *region;
	uint64_t needed;

	if (old & PAGE_MASK || old_length == 0 || new_length == 0 || flags & ~(MOVE_MAY | MOVE_FIXED) ||
	    old_length > VM_USER_HIGH)
		return -EINVAL;
	if (new_length > VM_USER_HIGH - VM_USER_LOW)
		return -ENOMEM;
	old_length = page_up(old_length);
	new_length = page_up(new_length);
	/* What a shrinking call cuts off may be gone already, when it is made again. */
	needed = old_length < new_length ? old_length : new_length;
	region = regions_find(&space->regions, old);
	if (!region || needed > region->end - old || !range_ok(old, old_length))
		return -EFAULT;
	if (region->flags & (VM_PINNED | VM_STACK))
		return -EINVAL;
	if (flags & MOVE_FIXED)
		return move_fixed(space, old, old_length, new_length, target);
	if (new_length < old_length) {
		long error = space_unmap(space, old + new_length, old + old_length);

		return error ? error : (long)old;
	}
	if (new_length == old_length || grow_in_place(space, region, old + old_length, old + new_length))
		return old;
	target = flags & MOVE_MAY ? space_find_hole(space, new_length) : 0;
	return target ? relocate(space, old, old_length, new_length, target) : -ENOMEM;
}
