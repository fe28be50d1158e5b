/* SPDX-License-Identifier: MIT */
/*
 * From a page of a memory object to the page-table entries that map it: the object's list of
 * regions tells where it could be, the page tables tell whether it is.
 */
#include "arch/arch.h"
#include "mm/frame.h"
#include "mm/space.h"

#define VISIT_COST 4u /* looking a page up for an entry, in such as are only cleared */

/* The page that the entry at the address maps, if it is the object's own, clean and no private copy; else NULL. */
static uint64_t *clean_slot(const struct region *region, uint64_t addr, pte_t entry)
{
	uint64_t page = (region->offset + (addr - region->start)) >> ANOLE_PAGE_SHIFT;
	uint64_t *slot = radix_find(&region->memory->tree, page);

	return slot && !(*slot & SLOT_DIRTY) && (*slot & SLOT_FRAME) == (entry & PTE_FRAME) ? slot : NULL;
}

/* Whether processors have to forget it. A stale translation may hide an access until it is reloaded: a guess is enough. */
static bool visit_entry(struct region *region, uint64_t addr, pte_t *entry, enum sweep_kind kind)
{
	uint64_t *slot;

	if (kind == SWEEP_PROTECT) {
		bool writable = *entry & PTE_W;

		*entry &= ~(PTE_W | PTE_D);
		return writable;
	}
	slot = clean_slot(region, addr, *entry);
	if (slot && kind == SWEEP_AGE && *entry & PTE_A) {
		*slot |= SLOT_ACCESSED;
		*entry &= ~PTE_A;
	} else if (slot) {
		frame_release(*entry & PTE_FRAME);
		*entry = 0;
		region_count(region, -1);
		return true;
	}
	return false;
}

/* Of one lowest page table. */
static bool visit_table(struct region *region, uint64_t addr, uint64_t stop, enum sweep_kind kind,
			size_t *spent)
{
	pte_t *entry = pagetable_find(region->space, addr);
	bool changed = false;

	for (; addr < stop; addr += PAGE_SIZE, entry++) {
		if (!*entry)
			continue;
		changed |= visit_entry(region, addr, entry, kind);
		*spent += VISIT_COST;
	}
	return changed;
}

/* As region_clear_step; answers whether something has changed. */
static bool region_visit_step(struct region *region, uint64_t *start, uint64_t end, enum sweep_kind kind,
			      size_t *budget)
{
	size_t spent = REGION_COST;
	uint64_t addr = *start;
	bool changed = false;

	while (spent <= *budget && (addr = pagetable_next(region->space, addr, end)) < end) {
		uint64_t stop = (addr | (PT_SPAN - 1)) + 1;

		if (stop > end)
			stop = end;
		spent += VISIT_COST + (stop - addr) / PAGE_SIZE / 8;
		changed |= visit_table(region, addr, stop, kind, &spent);
		addr = stop;
	}
	*budget -= spent < *budget ? spent : *budget;
	*start = addr < end ? addr : end;
	return changed;
}

/*
 * What has been swept goes to the back of the list, what is mapped meanwhile comes to the front (region_attach): the
 * first `left` are those that may have some of the pages. Only copying or moving entries between mappings while a sweep
 * goes on can leave a page that is no longer the object's; it has its count.
 */
uint64_t rmap_sweep_begin(struct memory *memory, enum sweep_kind kind, uint64_t first, uint64_t end)
{
	memory->sweep = (struct sweep){
		.kind = kind,
		.first = first,
		.end = end,
		.number = memory->sweep.number + 1,
		.left = memory->mapping_count,
	};
	return memory->sweep.number;
}

static bool step_in_region(const struct sweep *sweep, struct region *region, uint64_t *start, uint64_t end,
			   size_t *budget)
{
	if (sweep->kind == SWEEP_DROP)
		return region_clear_step(region, start, end, budget);
	return region_visit_step(region, start, end, sweep->kind, budget);
}

/* Whether the region is done with. */
static bool sweep_region(struct sweep *sweep, struct region *region, size_t *budget)
{
	uint64_t begins = region->offset >> ANOLE_PAGE_SHIFT;
	uint64_t ends = begins + ((region->end - region->start) >> ANOLE_PAGE_SHIFT);
	uint64_t low = sweep->first > begins ? sweep->first : begins;
	uint64_t high = sweep->end < ends ? sweep->end : ends;
	uint64_t start, end, from;

	if (low >= high || (sweep->kind == SWEEP_PROTECT && !(region->flags & VM_SHARED))) {
		--*budget;
		return true;
	}
	start = from = region->start + ((low - begins) << ANOLE_PAGE_SHIFT);
	end = region->start + ((high - begins) << ANOLE_PAGE_SHIFT);
	if (sweep->region == region && sweep->at > start)
		start = from = sweep->at < end ? sweep->at : end;
	if (step_in_region(sweep, region, &start, end, budget))
		space_flush_range(region->space, from, start);
	sweep->region = start < end ? region : NULL;
	sweep->at = start;
	return start == end;
}

bool rmap_sweep(struct memory *memory, size_t *budget)
{
	struct sweep *sweep = &memory->sweep;

	if (sweep->left > memory->mapping_count)
		sweep->left = memory->mapping_count;
	while (sweep->left && *budget) {
		struct region *region = container_of(memory->mappings.next, struct region, link);

		if (!sweep_region(sweep, region, budget))
			break;
		list_remove(&region->link);
		list_push_back(&memory->mappings, &region->link);
		sweep->left--;
	}
	return !sweep->left;
}
