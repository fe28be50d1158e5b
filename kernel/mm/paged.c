/* SPDX-License-Identifier: MIT */
/* Paged memory objects: what their pager does with them. */
#include "core/thread.h"
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
}

/* Whether the page went; what maps it has been swept. Pinned ones stay: a count that no mapping holds. */
static bool evict_one(struct memory *memory, uint64_t page, uint64_t *slot, bool only_idle)
{
	uint64_t frame = *slot & SLOT_FRAME;
	bool accessed = *slot & SLOT_ACCESSED;

	if (!(*slot & SLOT_PRESENT) || *slot & SLOT_DIRTY)
		return false;
	*slot &= ~SLOT_ACCESSED;
	if ((only_idle && accessed) || page_of(frame)->refs > 1)
		return false;
	memory_remove(memory, page);
	memory->resident--;
	memory_cached--;
	frame_release(frame);
	return true;
}

#define EVICT_MOST 8192ul /* resident pages that one call looks at */
#define EVICT_BATCH 512ul /* of which so many at a time */
#define EVICT_COST 8u     /* of one, in pages that are only cleared */

/* Where the next batch ends. */
static uint64_t batch_end(struct memory *memory, uint64_t page, uint64_t end)
{
	for (unsigned i = 0; i < EVICT_BATCH; i++, page++)
		if (!radix_next(&memory->tree, &page) || page >= end)
			return end;
	return page;
}

static long evict_batch(struct memory *memory, uint64_t page, uint64_t end, bool only_idle)
{
	long gone = 0;

	for (unsigned i = 0; i < EVICT_BATCH && radix_next(&memory->tree, &page) && page < end; i++, page++)
		gone += evict_one(memory, page, radix_find(&memory->tree, page), only_idle);
	return gone;
}

/* step->phase: where the batch ends that is being swept, 0: none. */
long memory_evict(struct memory *memory, uint64_t page, uint64_t count, bool only_idle, struct step *step)
{
	uint64_t end = count > UINT64_MAX - page ? UINT64_MAX : page + count;
	size_t budget = STEP_PAGES;

	if (step->at < page)
		step->at = page;
	while (step->looked < EVICT_MOST && radix_next(&memory->tree, &step->at) && step->at < end) {
		if (!rmap_sweep(memory, &budget) || budget < EVICT_BATCH * EVICT_COST)
			return KCALL_RESTART;
		if (!step->phase) {
			step->phase = batch_end(memory, step->at, end);
			rmap_sweep_begin(memory, only_idle ? SWEEP_AGE : SWEEP_UNMAP, step->at, step->phase);
			continue;
		}
		step->done += evict_batch(memory, step->at, step->phase, only_idle);
		step->at = step->phase;
		step->phase = 0;
		step->looked += EVICT_BATCH;
		budget -= EVICT_BATCH * EVICT_COST;
	}
	return (long)step->done;
}
