/* SPDX-License-Identifier: MIT */
/* Paged memory objects: what their pager does with them. */
#include "mm/frame.h"
#include "mm/space.h"

#define FILL_STEP 512u /* pages zeroed by one mo_fill_begin */

/* Give one absent page a frame; whether it is now being filled by us. */
static bool fill_one(struct memory *memory, uint64_t page)
{
	uint64_t frame;

	if (radix_find(&memory->tree, page))
		return false;
	frame = frame_alloc_above(frames_reserve() / 2);
	if (!frame)
		return false;
	page_zero(phys_to_virt(frame));
	if (!memory_insert(memory, page, frame | SLOT_FILLING)) {
		frame_release(frame);
		return false;
	}
	memory->resident++;
	memory_cached++;
	return true;
}

long memory_fill_begin(struct memory *memory, uint64_t page, uint64_t count)
{
	uint64_t limit = memory_pages(memory), done = 0;

	if (page >= limit)
		return -EINVAL;
	if (count > limit - page)
		count = limit - page;
	if (count > FILL_STEP)
		count = FILL_STEP;
	while (done < count && fill_one(memory, page + done))
		done++;
	if (done == 0 && count > 0 && !radix_find(&memory->tree, page))
		return -ENOMEM;
	return done;
}

static void fill_drop(struct memory *memory, uint64_t page)
{
	uint64_t slot = memory_remove(memory, page);

	frame_release(slot & SLOT_FRAME);
	memory->resident--;
	memory_cached--;
}

long memory_fill_end(struct memory *memory, uint64_t page, uint64_t count, unsigned ok)
{
	uint64_t limit = memory_pages(memory), end;

	if (ok > 2)
		return -EINVAL;
	/* What a truncation has dropped meanwhile is no error. */
	end = page < limit && count < limit - page ? page + count : limit;
	for (; radix_next(&memory->tree, &page) && page < end; page++) {
		uint64_t *slot = radix_find(&memory->tree, page);

		if (!(*slot & SLOT_FILLING))
			continue;
		if (ok == 0) {
			fill_drop(memory, page);
			continue;
		}
		*slot = (*slot & ~SLOT_FILLING) | SLOT_PRESENT | SLOT_ACCESSED;
		if (ok == 2)
			memory_mark_dirty(memory, page, slot);
	}
	return 0;
}

bool memory_next_dirty(struct memory *memory, uint64_t *page)
{
	return radix_next_marked(&memory->tree, page);
}

void memory_clean(struct memory *memory, uint64_t page)
{
	uint64_t *slot = radix_find(&memory->tree, page);

	if (!slot || !(*slot & SLOT_DIRTY))
		return;
	*slot &= ~SLOT_DIRTY;
	radix_unmark(&memory->tree, page);
	memory->dirty--;
	rmap_protect(memory, page);
}

/* Whether the page went. Pinned ones stay: a count that no mapping holds. */
static bool evict_one(struct memory *memory, uint64_t page, uint64_t *slot, bool only_idle)
{
	uint64_t frame = *slot & SLOT_FRAME;
	bool accessed = *slot & SLOT_ACCESSED;

	if (!(*slot & SLOT_PRESENT) || *slot & SLOT_DIRTY)
		return false;
	*slot &= ~SLOT_ACCESSED;
	if (only_idle && (rmap_accessed(memory, page) || accessed))
		return false;
	if (page_of(frame)->refs > 1)
		rmap_unmap(memory, page);
	if (page_of(frame)->refs > 1)
		return false;
	memory_remove(memory, page);
	memory->resident--;
	memory_cached--;
	frame_release(frame);
	return true;
}

long memory_evict(struct memory *memory, uint64_t page, uint64_t count, bool only_idle)
{
	uint64_t end = count > UINT64_MAX - page ? UINT64_MAX : page + count;
	uint64_t cost = 1 + memory->mapping_count / 64, budget = STEP_PAGES; /* each mapping is looked at */
	long gone = 0;

	for (; budget >= cost && radix_next(&memory->tree, &page) && page < end; page++, budget -= cost)
		gone += evict_one(memory, page, radix_find(&memory->tree, page), only_idle);
	return gone;
}
