/* SPDX-License-Identifier: MIT */
/*
 * From a page of a memory object to the page-table entries that map it: the object's list of
 * regions tells where it could be, the page tables tell whether it is.
 */
#include "arch/arch.h"
#include "mm/frame.h"
#include "mm/space.h"

/* Where region would map the page; 0 if it does not cover it. */
static uint64_t region_addr(const struct region *region, uint64_t page)
{
	uint64_t offset = page << ANOLE_PAGE_SHIFT;

	if (offset < region->offset || offset - region->offset >= region->end - region->start)
		return 0;
	return region->start + (offset - region->offset);
}

/* The entry in region that maps exactly this frame, not a private copy of it. */
static pte_t *region_entry(const struct region *region, uint64_t page, uint64_t frame)
{
	uint64_t addr = region_addr(region, page);
	pte_t *entry = addr ? pagetable_find(region->space, addr) : NULL;

	return entry && *entry && (*entry & PTE_FRAME) == frame ? entry : NULL;
}

static uint64_t page_frame(struct memory *memory, uint64_t page)
{
	uint64_t *slot = radix_find(&memory->tree, page);

	return slot ? *slot & SLOT_FRAME : 0;
}

/* Every entry of `memory` that maps the page: `region` and `entry` are the loop's variables. */
#define for_each_entry(memory, page, frame, node, region, entry)                                         \
	list_for_each(node, &(memory)->mappings) if ((region = container_of(node, struct region, link)), \
						     (entry = region_entry(region, page, frame)))

void rmap_protect(struct memory *memory, uint64_t page)
{
	uint64_t frame = page_frame(memory, page);
	struct list_node *node;
	struct region *region;
	pte_t *entry;

	for_each_entry(memory, page, frame, node, region, entry)
	{
		if (!(*entry & PTE_W))
			continue;
		*entry &= ~(PTE_W | PTE_D);
		arch_tlb_flush_page(region->space, region_addr(region, page));
	}
}

/* A stale translation may hide an access until it is reloaded: a guess is enough here. */
bool rmap_accessed(struct memory *memory, uint64_t page)
{
	uint64_t frame = page_frame(memory, page);
	struct list_node *node;
	struct region *region;
	bool accessed = false;
	pte_t *entry;

	for_each_entry(memory, page, frame, node, region, entry)
	{
		accessed |= (*entry & PTE_A) != 0;
		*entry &= ~PTE_A;
	}
	return accessed;
}

void rmap_unmap(struct memory *memory, uint64_t page)
{
	uint64_t frame = page_frame(memory, page);
	struct list_node *node;
	struct region *region;
	pte_t *entry;

	for_each_entry(memory, page, frame, node, region, entry)
	{
		*entry = 0;
		region_count(region, -1);
		frame_release(frame);
		arch_tlb_flush_page(region->space, region_addr(region, page));
	}
}

/*
 * What has been swept goes to the back of the list, what is mapped meanwhile comes to the front (region_attach): the
 * first `left` are those that may have some of the pages. Only copying or moving entries between mappings while a sweep
 * goes on can leave a page that is no longer the object's; it has its count.
 */
uint64_t rmap_sweep_begin(struct memory *memory, uint64_t first, uint64_t end)
{
	memory->sweep =
	    (struct sweep){ first, end, memory->sweep.number + 1, memory->mapping_count, NULL, 0 };
	return memory->sweep.number;
}

/* Whether nothing of the sweep's pages is left in the region. */
static bool sweep_region(struct sweep *sweep, struct region *region, size_t *budget)
{
	uint64_t begins = region->offset >> ANOLE_PAGE_SHIFT;
	uint64_t ends = begins + ((region->end - region->start) >> ANOLE_PAGE_SHIFT);
	uint64_t low = sweep->first > begins ? sweep->first : begins;
	uint64_t high = sweep->end < ends ? sweep->end : ends;
	uint64_t start, end, from;

	if (low >= high) {
		--*budget;
		return true;
	}
	start = from = region->start + ((low - begins) << ANOLE_PAGE_SHIFT);
	end = region->start + ((high - begins) << ANOLE_PAGE_SHIFT);
	if (sweep->region == region && sweep->at > start)
		start = from = sweep->at < end ? sweep->at : end;
	if (region_clear_step(region, &start, end, budget))
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
