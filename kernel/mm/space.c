/* SPDX-License-Identifier: MIT */
/* Address spaces: making, copying, tearing down. */
#include "mm/space.h"

#include "arch/arch.h"
#include "core/kcall.h"
#include "core/thread.h"
#include "mm/frame.h"

/* Mappings without an address go below this, less a random distance. */
#define MAP_TOP 0x7f0000000000ul
#define MAP_RANDOM_PAGES 0xfffffful /* 64 GiB */
/* Shared mappings up to this size are copied at clone; others fault in again. */
#define CLONE_SHARED_LIMIT (64 * PAGE_SIZE)
#define CLONE_RESERVES 3u /* left by a clone */
#define PINNED_COST 64u   /* copying a page, in pages whose entry is copied */

static struct list_node dying = { &dying, &dying };

void mm_init(void)
{
	pagetable_init();
	zero_frame = frame_alloc_zeroed();
	ASSERT(zero_frame);
}

/* Not a secret from whoever can time the kernel, but different at each start. */
static uint64_t random_pages(void)
{
	static uint64_t state;
	uint32_t low, high;

	__asm__ volatile("rdtsc" : "=a"(low), "=d"(high));
	state = (state ^ low ^ (uint64_t)high << 32) * 0x9e3779b97f4a7c15ul;
	state ^= state >> 29;
	return state & MAP_RANDOM_PAGES;
}

long space_charge(struct space *space, uint64_t bytes)
{
	long error = quota_charge(space->quota, QUOTA_MEMORY, bytes);

	if (!error)
		space->charged += bytes;
	return error;
}

void space_uncharge(struct space *space, uint64_t bytes)
{
	quota_uncharge(space->quota, QUOTA_MEMORY, bytes);
	space->charged -= bytes;
}

void space_attach(struct space *space, struct quota *quota)
{
	quota_force(quota, QUOTA_MEMORY, space->charged);
	quota_uncharge(space->quota, QUOTA_MEMORY, space->charged);
	space->quota = quota;
}

struct space *space_new(struct quota *quota)
{
	struct space *space = quota_alloc(quota, sizeof(*space));

	if (!space)
		return NULL;
	object_begin(&space->object, CAPT_SPACE);
	space->quota = quota;
	space->charged = sizeof(*space);
	if (pagetable_new(space) != 0) {
		object_end(space);
		quota_free(quota, space, space->charged);
		return NULL;
	}
	space->map_top = MAP_TOP - random_pages() * PAGE_SIZE;
	space->limits[SPACE_LIMIT_STACK] = STACK_LIMIT >> ANOLE_PAGE_SHIFT;
	return space;
}

/* --- the end ------------------------------------------------------------------------ */

static bool space_free_step(struct space *space, size_t budget)
{
	struct region_set *set = &space->regions;

	while (set->count > 0) {
		struct region *region = set->array[set->count - 1];

		region_clear_step(region, &region->start, region->end, &budget);
		if (region->start < region->end)
			return false;
		set->count--;
		region_free(region);
	}
	pagetable_free(space);
	kfree(set->array);
	object_end(space);
	quota_free(space->quota, space, space->charged);
	return true;
}

void space_destroy(struct object *object)
{
	struct space *space = (struct space *)object;

	arch_space_leave(space);
	if (!space_free_step(space, STEP_PAGES))
		list_push_back(&dying, &space->reap_link);
}

bool space_reap(unsigned budget)
{
	if (list_empty(&dying))
		return false;
	struct space *space = container_of(dying.next, struct space, reap_link);

	list_remove(&space->reap_link);
	if (!space_free_step(space, budget))
		list_push_front(&dying, &space->reap_link);
	return !list_empty(&dying);
}

bool mm_reap(unsigned budget)
{
	return space_reap(budget) || memory_reap(budget);
}

/* --- clone -------------------------------------------------------------------------- */

/* Copy entries that share their frames; private ones are write-protected on both sides. */
static size_t share_entries(pte_t *from, pte_t *to, size_t count, pte_t keep)
{
	struct page *frames = frame_table;
	size_t copied = 0;

	for (pte_t *end = from + count; from < end; from++, to++) {
		pte_t entry = *from;

		if (!entry)
			continue;
		if (entry & PTE_COUNTED)
			frames[(entry & PTE_FRAME) >> ANOLE_PAGE_SHIFT].refs++;
		entry &= keep;
		*from = entry;
		*to = entry;
		copied++;
	}
	return copied;
}

/* Pinned pages belong to one space each: DMA or the kernel uses them by their frame. */
static long copy_entries(struct space *child, const struct region *region, const pte_t *from, pte_t *to,
			 size_t count)
{
	for (; count > 0; count--, from++, to++) {
		if (!*from)
			continue;
		uint64_t frame = space_frame(child);

		if (!frame)
			return -ENOMEM;
		page_copy(phys_to_virt(frame), phys_to_virt(*from & PTE_FRAME));
		*to = (*from & ~PTE_FRAME) | frame;
		space_count(child, region, 1);
	}
	return 0;
}

/* A sweep that goes on is not to miss a page that may be written. */
static pte_t clone_keeps(const struct region *region)
{
	if (!(region->flags & VM_SHARED))
		return ~PTE_W;
	return region->memory && region->memory->sweep.left ? ~(PTE_W | PTE_D) : ~0ul;
}

/* Copy one lowest table's part of a region. */
static long clone_span(struct space *space, struct space *child, const struct region *region, uint64_t addr,
		       uint64_t stop, size_t *budget)
{
	size_t count = (stop - addr) >> ANOLE_PAGE_SHIFT, copied;
	pte_t *from = pagetable_find(space, addr), *to = pagetable_make(child, addr);

	if (!to)
		return -ENOMEM;
	if (region->flags & VM_PINNED) {
		*budget -= count * PINNED_COST < *budget ? count * PINNED_COST : *budget;
		return copy_entries(child, region, from, to, count);
	}
	copied = share_entries(from, to, count, clone_keeps(region));
	space_count(child, region, (long)copied);
	copied += TABLE_COST;
	*budget -= copied < *budget ? copied : *budget;
	return 0;
}

static bool clone_lazily(const struct region *region)
{
	return region->flags & VM_SHARED && region->end - region->start > CLONE_SHARED_LIMIT;
}

/* The entries of [*addr, region->end), until the budget is used up. */
static long clone_entries(struct space *space, struct space *child, const struct region *region,
			  uint64_t *addr, size_t *budget)
{
	long error = 0;

	if (clone_lazily(region))
		*addr = region->end;
	while (error == 0 && *budget > 0 && *addr < region->end) {
		uint64_t stop;

		*addr = pagetable_next(space, *addr, region->end);
		if (*addr == region->end)
			break;
		stop = (*addr | (PT_SPAN - 1)) + 1;
		if (stop > region->end)
			stop = region->end;
		error = clone_span(space, child, region, *addr, stop, budget);
		*addr = stop;
	}
	return error;
}

/* The part [start, end) of a region in the child, joined to the part before. */
static long clone_region(struct space *child, const struct region *region, uint64_t start, uint64_t end)
{
	struct region_set *set = &child->regions;
	struct region *last = set->count ? set->array[set->count - 1] : NULL, *copy, model = *region;

	model.start = start;
	model.end = end;
	model.offset += start - region->start;
	space_map_count(child, region->flags, (long)(end - start));
	if (last && regions_continue(last, &model)) {
		last->end = end;
		return 0;
	}
	if (regions_reserve(set, 1) != 0 || !(copy = region_new(child, &model)))
		return -ENOMEM;
	set->array[set->count++] = copy; /* in ascending order */
	return 0;
}

/* One step through the regions from child->clone_next on. */
static long clone_step(struct space *space, struct space *child)
{
	size_t budget = STEP_PAGES;
	uint32_t index = regions_search(&space->regions, child->clone_next);
	long error = 0;

	for (; index < space->regions.count && error == 0; index++) {
		const struct region *region = space->regions.array[index];
		uint64_t start = region->start, addr;

		if (start < child->clone_next)
			start = child->clone_next;
		if (budget == 0)
			return KCALL_RESTART;
		addr = start;
		error = clone_entries(space, child, region, &addr, &budget);
		long inserted = addr > start ? clone_region(child, region, start, addr) : 0;
		if (error == 0)
			error = inserted;
		child->clone_next = addr;
		if (error == 0 && addr < region->end)
			return KCALL_RESTART;
	}
	return error;
}

/*
 * A program is refused a clone while there is still memory for the pages that it and its clones are going to write:
 * who forks until there is no more finds out by an error, not by being killed at a page fault.
 *
 * Between two steps other threads of the parent may run. What they write is still
 * theirs if it was copied before (write-protected), else part of the copy; regions
 * they add or remove below clone_next are missed.
 */
long space_clone(struct space *space, struct thread *thread, struct space **clone)
{
	struct object *work = work_resume(thread, &space->object, CAPT_SPACE);
	struct space *child = (struct space *)work;
	long error;

	if (!child) {
		if (!space->service && !frames_above(CLONE_RESERVES * frames_reserve()))
			return -ENOMEM;
		child = space_new(space->quota);
		if (!child)
			return -ENOMEM;
		child->map_top = space->map_top;
		__builtin_memcpy(child->limits, space->limits, sizeof(child->limits));
	}
	error = clone_step(space, child);
	arch_tlb_flush_space(space);
	if (error == KCALL_RESTART) {
		if (!work)
			work_begin(thread, &space->object, &child->object);
		return error;
	}
	if (work)
		work_take(thread);
	if (error != 0)
		object_put(child);
	else
		*clone = child;
	return error;
}
