/* SPDX-License-Identifier: MIT */
/* Memory objects: making, finding pages, resizing, freeing. */
#include "mm/memory.h"

#include "arch/arch.h"
#include "core/thread.h"
#include "mm/frame.h"
#include "mm/space.h"

uint64_t memory_cached;

static uint64_t next_number = 1;
static struct list_node dying = { &dying, &dying };

static struct memory *memory_alloc(struct quota *quota, enum memory_kind kind, uint64_t size)
{
	struct memory *memory = quota_alloc(quota, sizeof(*memory));

	if (!memory)
		return NULL;
	object_begin(&memory->object, CAPT_MEMORY);
	memory->kind = kind;
	memory->quota = quota;
	memory->number = next_number++;
	memory->size = size;
	memory->drop_from = UINT64_MAX;
	list_init(&memory->mappings);
	return memory;
}

static bool own_frames(struct memory *memory)
{
	uint64_t pages = memory_pages(memory);

	memory->address = frame_alloc_contiguous(pages, 1ul << 32);
	memory->owned = memory->address != 0;
	memory->resident = memory->owned ? pages : 0;
	return memory->owned;
}

struct memory *memory_new(struct quota *quota, uint64_t size, uint32_t flags)
{
	bool contiguous = flags & MO_CONTIGUOUS;
	struct memory *memory;

	if (size > MEMORY_MAX_SIZE || (contiguous && size == 0))
		return NULL;
	memory = memory_alloc(quota, contiguous ? MEMORY_PHYSICAL : MEMORY_ANONYMOUS, size);
	if (!memory)
		return NULL;
	memory->uncached = flags & MO_UNCACHED;
	if (contiguous && !own_frames(memory)) {
		object_end(memory);
		object_end(memory);
		quota_free(quota, memory, sizeof(*memory));
		return NULL;
	}
	return memory;
}

struct memory *memory_new_phys(struct quota *quota, uint64_t address, uint64_t size, uint32_t flags)
{
	struct memory *memory = memory_alloc(quota, MEMORY_PHYSICAL, size);

	if (!memory)
		return NULL;
	memory->address = address;
	memory->uncached = flags & MO_UNCACHED;
	memory->resident = memory_pages(memory);
	return memory;
}

struct memory *memory_new_paged(struct quota *quota, struct endpoint *pager, uint64_t badge, uint64_t size)
{
	struct memory *memory = memory_alloc(quota, MEMORY_PAGED, size);

	if (!memory)
		return NULL;
	memory->pager = object_get(pager);
	memory->badge = badge;
	return memory;
}

uint64_t memory_size(struct memory *memory)
{
	return memory->size;
}

/* --- pages ------------------------------------------------------------------------ */

void memory_mark_dirty(struct memory *memory, uint64_t page, uint64_t *slot)
{
	if (!slot)
		slot = radix_find(&memory->tree, page);
	if (!slot || *slot & SLOT_DIRTY)
		return;
	*slot |= SLOT_DIRTY;
	memory->dirty++;
	radix_mark(&memory->tree, page);
}

static uint64_t node_bytes(uint32_t nodes)
{
	return nodes * sizeof(struct radix_node);
}

/* A tree that has grown in height stays so, whether or not the word could be stored. */
bool memory_insert(struct memory *memory, uint64_t page, uint64_t word)
{
	uint32_t nodes = memory->tree.nodes;
	bool inserted = radix_insert(&memory->tree, page, word);

	if (memory->tree.nodes == nodes)
		return inserted;
	if (!quota_charge(memory->quota, QUOTA_MEMORY, node_bytes(memory->tree.nodes - nodes)))
		return inserted;
	if (inserted)
		radix_remove(&memory->tree, page);
	quota_force(memory->quota, QUOTA_MEMORY, node_bytes(memory->tree.nodes - nodes));
	return false;
}

uint64_t memory_remove(struct memory *memory, uint64_t page)
{
	uint32_t nodes = memory->tree.nodes;
	uint64_t word = radix_remove(&memory->tree, page);

	if (memory->tree.nodes != nodes)
		quota_uncharge(memory->quota, QUOTA_MEMORY, node_bytes(nodes - memory->tree.nodes));
	return word;
}

/* A zeroed page of an anonymous object that had none. */
static uint64_t memory_grow(struct memory *memory, uint64_t page, struct quota *payer, int *error)
{
	uint64_t frame =
	    frame_alloc_for(payer, caller_may_use_reserve() ? frames_reserve() / 2 : frames_reserve());

	*error = ENOMEM;
	if (!frame)
		return 0;
	page_zero(phys_to_virt(frame));
	if (!memory_insert(memory, page, frame | SLOT_PRESENT)) {
		frame_release(frame);
		return 0;
	}
	memory->resident++;
	return frame;
}

static uint64_t paged_frame(struct memory *memory, uint64_t page, uint64_t *slot, enum memory_access access,
			    int *error)
{
	*error = EFAULT;
	if (!slot)
		return 0;
	if (*slot & SLOT_FILLING)
		return access == MEMORY_FILL ? *slot & SLOT_FRAME : 0;
	*slot |= SLOT_ACCESSED;
	if (access != MEMORY_READ)
		memory_mark_dirty(memory, page, slot);
	return *slot & SLOT_FRAME;
}

bool memory_reachable(const struct memory *memory, uint64_t frame)
{
	return memory->owned || (!memory->uncached && frame < direct_map_end);
}

static uint64_t physical_frame(struct memory *memory, uint64_t page, int *error)
{
	uint64_t frame = memory->address + (page << ANOLE_PAGE_SHIFT);

	*error = EFAULT;
	return memory_reachable(memory, frame) ? frame : 0;
}

uint64_t memory_frame(struct memory *memory, uint64_t page, enum memory_access access, struct quota *payer,
		      int *error)
{
	*error = EFAULT;
	if (page >= memory_pages(memory))
		return 0;
	if (memory->kind == MEMORY_PHYSICAL)
		return physical_frame(memory, page, error);
	uint64_t *slot = radix_find(&memory->tree, page);

	if (memory->kind == MEMORY_PAGED)
		return paged_frame(memory, page, slot, access, error);
	if (slot)
		return *slot & SLOT_FRAME;
	return access == MEMORY_READ ? zero_frame : memory_grow(memory, page, payer, error);
}

uint64_t memory_map_frame(struct memory *memory, uint64_t page, struct quota *payer, int *error)
{
	uint64_t *slot;

	if (memory->kind == MEMORY_PHYSICAL)
		return memory->address + (page << ANOLE_PAGE_SHIFT);
	slot = radix_find(&memory->tree, page);
	*error = EFAULT;
	if (slot)
		return *slot & SLOT_PRESENT ? *slot & SLOT_FRAME : 0;
	return memory->kind == MEMORY_ANONYMOUS ? memory_grow(memory, page, payer, error) : 0;
}

void *memory_page(struct memory *memory, uint64_t offset, bool write, int *error)
{
	uint64_t frame = memory_frame(memory, offset >> ANOLE_PAGE_SHIFT, write ? MEMORY_WRITE : MEMORY_READ,
				      memory->quota, error);

	return frame ? phys_to_virt(frame | (offset & PAGE_MASK)) : NULL;
}

uint64_t memory_pin(struct memory *memory, uint64_t offset, bool write, int *error)
{
	uint64_t page = offset >> ANOLE_PAGE_SHIFT, frame;

	*error = EINVAL;
	if (memory->kind == MEMORY_PHYSICAL && !memory->owned)
		return 0;
	frame = memory_frame(memory, page, write ? MEMORY_FILL : MEMORY_READ, memory->quota, error);
	if (frame)
		frame_hold(frame);
	return frame;
}

/* --- size -------------------------------------------------------------------------- */

bool memory_drop(struct memory *memory, uint64_t first, uint64_t end, unsigned budget)
{
	uint64_t page = first;

	for (; radix_next(&memory->tree, &page) && page < end; page++) {
		if (budget-- == 0)
			return false;
		uint64_t slot = memory_remove(memory, page);

		frame_release(slot & SLOT_FRAME);
		memory->resident--;
		if (memory->kind == MEMORY_PAGED)
			memory_cached--;
		if (slot & SLOT_DIRTY)
			memory->dirty--;
	}
	return true;
}

/*
 * Drop the pages of [page, end) and then what maps them, a step at a time: whether all are gone. *sweep: 0 at first. A
 * page that comes back to be in the range meanwhile is no concern of a sweep that has begun.
 */
static bool drop_mapped(struct memory *memory, uint64_t page, uint64_t end, uint64_t *sweep)
{
	size_t budget = STEP_PAGES;

	if (memory->sweep.left && !rmap_sweep(memory, &budget))
		return false;
	if (*sweep)
		return true;
	if (!memory_drop(memory, page, end, STEP_PAGES / 2))
		return false;
	*sweep = rmap_sweep_begin(memory, SWEEP_DROP, page, end);
	budget -= STEP_PAGES / 2 < budget ? STEP_PAGES / 2 : budget;
	return rmap_sweep(memory, &budget);
}

static bool drop_tail(struct memory *memory)
{
	if (!drop_mapped(memory, memory->drop_from, UINT64_MAX, &memory->drop_sweep))
		return false;
	memory->drop_from = UINT64_MAX;
	return true;
}

long memory_discard(struct memory *memory, uint64_t first, uint64_t end, uint64_t *sweep)
{
	if (memory->kind != MEMORY_ANONYMOUS)
		return -EINVAL;
	return drop_mapped(memory, first, end, sweep) ? 0 : KCALL_RESTART;
}

/*
 * The rest of the last page must not show when the object grows again: old bytes after a
 * truncation, or what was written there through a mapping.
 */
static void zero_tail(struct memory *memory)
{
	uint64_t used = memory->size & PAGE_MASK;
	uint64_t *slot = radix_find(&memory->tree, memory->size >> ANOLE_PAGE_SHIFT);

	if (used && slot)
		__builtin_memset((char *)phys_to_virt(*slot & SLOT_FRAME) + used, 0, PAGE_SIZE - used);
}

long memory_resize(struct memory *memory, uint64_t size)
{
	if (memory->kind == MEMORY_PHYSICAL || size > MEMORY_MAX_SIZE)
		return -EINVAL;
	if (memory->drop_from != UINT64_MAX && !drop_tail(memory))
		return KCALL_RESTART;
	bool shrinks = size < memory->size;

	if (!shrinks && memory->tail_written)
		zero_tail(memory);
	memory->tail_written = memory->tail_written && memory->mapping_count;
	memory->size = size;
	if (!shrinks)
		return 0;
	zero_tail(memory);
	memory->drop_from = memory_pages(memory);
	memory->drop_sweep = 0;
	return drop_tail(memory) ? 0 : KCALL_RESTART;
}

/* --- the end ------------------------------------------------------------------------ */

static bool memory_free_step(struct memory *memory, unsigned budget)
{
	if (memory->owned) {
		for (uint64_t i = 0; i < memory_pages(memory); i++)
			frame_release(memory->address + (i << ANOLE_PAGE_SHIFT));
	} else if (!memory_drop(memory, 0, UINT64_MAX, budget)) {
		return false;
	}
	object_end(memory);
	quota_free(memory->quota, memory, sizeof(*memory));
	return true;
}

void memory_destroy(struct object *object)
{
	struct memory *memory = (struct memory *)object;

	if (memory->pager)
		object_put(memory->pager);
	memory->pager = NULL;
	if (!memory_free_step(memory, STEP_PAGES))
		list_push_back(&dying, &memory->reap_link);
}

bool memory_reap(unsigned budget)
{
	if (list_empty(&dying))
		return false;
	struct memory *memory = container_of(dying.next, struct memory, reap_link);

	list_remove(&memory->reap_link);
	if (!memory_free_step(memory, budget))
		list_push_front(&dying, &memory->reap_link);
	return !list_empty(&dying);
}
