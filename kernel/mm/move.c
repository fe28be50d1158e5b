/* SPDX-License-Identifier: MIT */
/* mremap: growing a mapping in place or moving its pages elsewhere. */
#include "arch/arch.h"
#include "core/thread.h"
#include "mm/space.h"

#define MOVE_MAY 1u
#define MOVE_FIXED 2u

/*
 * Moving is done in steps. The new mapping is made at once, empty, so that nothing else comes to lie there, then its page
 * tables, so that moving cannot fail, then the entries move, then the old mapping goes. step->at is how far the tables
 * or entries are, step->done where they move to.
 */
enum { MOVE_BEGIN, MOVE_TABLES, MOVE_ENTRIES, MOVE_UNMAP, MOVE_UNDO };

/* The old mapping and the new one, as long as they are what they were when moving began. */
struct move {
	struct space *space;
	struct region *from, *to;
	uint64_t old, end; /* the part that moves */
	uint64_t target;
	size_t budget;
};

static bool covers(const struct region *region, uint64_t start, uint64_t length)
{
	return region && region->start <= start && region->end - start >= length;
}

static bool move_find(struct move *move)
{
	struct region_set *set = &move->space->regions;
	uint64_t length = move->end - move->old;

	move->from = regions_find(set, move->old);
	move->to = regions_find(set, move->target);
	return covers(move->from, move->old, length) && covers(move->to, move->target, length) &&
	       move->from->flags == move->to->flags && move->from->memory == move->to->memory &&
	       !(move->from->flags & (VM_PINNED | VM_STACK));
}

/* The end of the part of a page table that lies in what is moved. */
static uint64_t table_end(const struct move *move, uint64_t addr)
{
	uint64_t stop = (addr | (PT_SPAN - 1)) + 1;

	return stop < move->end ? stop : move->end;
}

static bool spend(struct move *move, size_t cost)
{
	move->budget -= cost < move->budget ? cost : move->budget;
	return move->budget > 0;
}

static long make_tables(struct move *move, struct step *step)
{
	struct space *space = move->space;
	uint64_t offset = move->target - move->old;

	while ((step->at = pagetable_next(space, step->at, move->end)) < move->end) {
		uint64_t stop = table_end(move, step->at);

		if (!pagetable_make(space, step->at + offset) ||
		    !pagetable_make(space, stop - PAGE_SIZE + offset))
			return -ENOMEM;
		step->at = stop;
		if (!spend(move, 2 * TABLE_COST))
			return KCALL_RESTART;
	}
	step->at = move->old;
	step->phase = MOVE_ENTRIES;
	return 0;
}

/* What somebody has touched at the new place already gives way. */
static void move_entry(const struct move *move, pte_t *from, pte_t *to)
{
	if (*to & PTE_COUNTED)
		frame_release(*to & PTE_FRAME);
	if (*to)
		region_count(move->to, -1);
	*to = *from;
	if (move->to->memory && move->to->memory->sweep.left)
		*to &= ~(PTE_W | PTE_D); /* it may come from what is not swept yet to where that is over */
	*from = 0;
}

/* Of one lowest page table; false if somebody else has unmapped the new place meanwhile. */
static bool move_table(struct move *move, uint64_t addr, uint64_t stop)
{
	uint64_t offset = move->target - move->old;
	pte_t *from = pagetable_find(move->space, addr), *to;

	for (; addr < stop; addr += PAGE_SIZE, from++) {
		if (!*from)
			continue;
		to = pagetable_find(move->space, addr + offset);
		if (!to)
			return false;
		move_entry(move, from, to);
		spend(move, 1);
	}
	return true;
}

static long move_entries(struct move *move, struct step *step)
{
	uint64_t addr = step->at;
	long answer = 0;

	while (!answer && (addr = pagetable_next(move->space, addr, move->end)) < move->end) {
		uint64_t stop = table_end(move, addr);

		if (!move_table(move, addr, stop))
			answer = -EFAULT;
		addr = stop;
		if (!spend(move, TABLE_COST) && !answer)
			answer = KCALL_RESTART;
	}
	step->at = addr;
	arch_tlb_flush_space(move->space);
	if (!answer)
		step->phase = MOVE_UNMAP;
	return answer;
}

/* Grow the region that ends at the old end; whether there was room. */
static bool grow_in_place(struct space *space, struct region *region, uint64_t old_end, uint64_t new_end)
{
	if (region->end != old_end || new_end > VM_USER_HIGH || new_end < old_end ||
	    !regions_free(&space->regions, old_end, new_end) ||
	    !space_may_grow(space, new_end - old_end, region->flags))
		return false;
	region->end = new_end;
	space_map_count(space, region->flags, (long)(new_end - old_end));
	return true;
}

/* All but the last step of it needs both mappings. */
static long move_on(struct move *move, struct step *step)
{
	long answer = 0;

	if (step->phase <= MOVE_ENTRIES && !move_find(move))
		return -EFAULT;
	if (step->phase == MOVE_TABLES)
		answer = make_tables(move, step);
	if (answer == -ENOMEM)
		step->phase = MOVE_UNDO;
	if (step->phase == MOVE_ENTRIES)
		answer = move_entries(move, step);
	if (step->phase == MOVE_UNMAP &&
	    (!move->budget || space_unmap(move->space, move->old, move->end) == KCALL_RESTART))
		answer = KCALL_RESTART;
	return answer ? answer : (long)move->target;
}

static long move_continue(struct space *space, uint64_t old, uint64_t old_length, uint64_t new_length,
			  struct step *step)
{
	struct move move = { .space = space,
			     .old = old,
			     .end = old + (old_length < new_length ? old_length : new_length),
			     .target = step->done,
			     .budget = STEP_PAGES };
	long answer = step->phase == MOVE_UNDO ? -ENOMEM : move_on(&move, step);

	if (step->phase == MOVE_UNDO &&
	    space_unmap(space, move.target, move.target + new_length) == KCALL_RESTART)
		return KCALL_RESTART;
	return answer;
}

static long relocate(struct space *space, uint64_t old, uint64_t old_length, uint64_t new_length,
		     uint64_t target, struct step *step)
{
	struct region *region, model;

	if (new_length > old_length &&
	    !space_may_grow(space, new_length - old_length, regions_find(&space->regions, old)->flags))
		return -ENOMEM;
	if (regions_reserve(&space->regions, 3) != 0 || space_cut(space, old) != 0 ||
	    space_cut(space, old + old_length) != 0)
		return -ENOMEM;
	model = *regions_find(&space->regions, old);
	model.start = target;
	model.end = target + new_length;
	region = region_new(space, &model);
	if (!region)
		return -ENOMEM;
	regions_insert(&space->regions, region);
	space_map_count(space, region->flags, (long)new_length);
	step->phase = MOVE_TABLES;
	step->at = old;
	step->done = target;
	return move_continue(space, old, old_length, new_length, step);
}

static bool range_ok(uint64_t addr, uint64_t length)
{
	return addr >= VM_USER_LOW && addr < VM_USER_HIGH && length <= VM_USER_HIGH - addr;
}

static long move_fixed(struct space *space, uint64_t old, uint64_t old_length, uint64_t new_length,
		       uint64_t target, struct step *step)
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
	return error ? error : relocate(space, old, old_length, new_length, target, step);
}

static long move_begin(struct space *space, uint64_t old, uint64_t old_length, uint64_t new_length,
		       uint32_t flags, uint64_t target, struct step *step)
{
	struct region *region;
	uint64_t needed;

	/* What a shrinking call cuts off may be gone already, when it is made again. */
	needed = old_length < new_length ? old_length : new_length;
	region = regions_find(&space->regions, old);
	if (!region || needed > region->end - old || !range_ok(old, old_length))
		return -EFAULT;
	if (region->flags & (VM_PINNED | VM_STACK))
		return -EINVAL;
	if (flags & MOVE_FIXED)
		return move_fixed(space, old, old_length, new_length, target, step);
	if (new_length < old_length) {
		long error = space_unmap(space, old + new_length, old + old_length);

		return error ? error : (long)old;
	}
	if (new_length == old_length || grow_in_place(space, region, old + old_length, old + new_length))
		return old;
	target = flags & MOVE_MAY ? space_find_hole(space, new_length) : 0;
	return target ? relocate(space, old, old_length, new_length, target, step) : -ENOMEM;
}

long space_move(struct space *space, uint64_t old, uint64_t old_length, uint64_t new_length, uint32_t flags,
		uint64_t target, struct step *step)
{
	if (old & PAGE_MASK || old_length == 0 || new_length == 0 || flags & ~(MOVE_MAY | MOVE_FIXED) ||
	    old_length > VM_USER_HIGH)
		return -EINVAL;
	if (new_length > VM_USER_HIGH - VM_USER_LOW)
		return -ENOMEM;
	old_length = page_up(old_length);
	new_length = page_up(new_length);
	return step->phase == MOVE_BEGIN ? move_begin(space, old, old_length, new_length, flags, target, step)
					 : move_continue(space, old, old_length, new_length, step);
}
