/* SPDX-License-Identifier: MIT */
/*
 * Accesses to user pages: the processor's, which fault, and the kernel's own, which walk the
 * page tables and use the direct map. No user address is ever dereferenced;
 * space_page is the one place where they are checked.
 */
#include "arch/arch.h"
#include "core/thread.h"
#include "mm/frame.h"
#include "mm/space.h"

/* Pages mapped along with a resident page of an object, an aligned window. */
#define AROUND_PAGES 16u

uint64_t zero_frame;

uint64_t space_frame(struct space *space)
{
	return frame_alloc_for(space->quota, space_keep(space));
}

static void map_new(struct region *region, pte_t *entry, pte_t value)
{
	*entry = value | PTE_A;
	region_count(region, 1);
}

/* A write to a page that is mapped and write-protected. */
static long write_mapped(struct space *space, struct region *region, uint64_t addr, pte_t *entry)
{
	uint64_t frame = *entry & PTE_FRAME;

	if (region->flags & VM_SHARED) {
		if (region->memory->kind == MEMORY_PAGED)
			memory_mark_dirty(region->memory,
					  (addr - region->start + region->offset) >> ANOLE_PAGE_SHIFT, NULL);
		*entry |= PTE_W | PTE_D | PTE_A;
		return 0;
	}
	bool counted = *entry & PTE_COUNTED;
	if (counted && (page_of(frame)->refs == 1 || region->flags & VM_PINNED)) {
		*entry |= PTE_W | PTE_D | PTE_A;
		return 0;
	}
	uint64_t copy = space_frame(space);
	if (!copy)
		return -ENOMEM;
	if (frame == zero_frame)
		page_zero(phys_to_virt(copy));
	else
		page_copy(phys_to_virt(copy), phys_to_virt(frame));
	*entry = copy | region->pte | PTE_COUNTED | PTE_W | PTE_D | PTE_A;
	arch_tlb_flush_page(space, addr);
	if (counted)
		frame_release(frame);
	return 0;
}

static long fault_anonymous(struct space *space, struct region *region, pte_t *entry, bool write)
{
	if (!write) {
		map_new(region, entry, zero_frame | region->pte);
		return 0;
	}
	uint64_t frame = space_frame(space);
	if (!frame)
		return -ENOMEM;
	page_zero(phys_to_virt(frame));
	map_new(region, entry, frame | region->pte | PTE_COUNTED | PTE_W | PTE_D);
	return 0;
}

/* The entry for a page of an object, mapped without a private copy. */
static pte_t object_entry(struct region *region, uint64_t frame, uint64_t slot)
{
	pte_t value = frame | region->pte;

	if (region->memory->kind != MEMORY_PHYSICAL) {
		frame_hold(frame);
		value |= PTE_COUNTED;
	} else if (!memory_reachable(region->memory, frame)) {
		value |= PTE_DEVICE;
	}
	if ((region->flags & (VM_SHARED | VM_W)) != (VM_SHARED | VM_W))
		return value;
	/* Shared and writable: only a paged object needs to see the first write. */
	if (region->memory->kind != MEMORY_PAGED || slot & SLOT_DIRTY)
		value |= PTE_W | PTE_D;
	return value;
}

/* Map the neighbours of addr that are resident, without the accessed bit. */
static void fault_around(struct region *region, uint64_t addr, pte_t *entry)
{
	uint64_t window = AROUND_PAGES * PAGE_SIZE;
	uint64_t start = addr & ~(window - 1), end = start + window;
	struct memory *memory = region->memory;

	if (start < region->start)
		start = region->start;
	if (end > region->end)
		end = region->end;
	entry -= (addr - start) >> ANOLE_PAGE_SHIFT;
	uint64_t page = (start - region->start + region->offset) >> ANOLE_PAGE_SHIFT;
	uint64_t limit = memory_pages(memory);

	for (; start < end && page < limit; start += PAGE_SIZE, page++, entry++) {
		uint64_t frame = memory->address + (page << ANOLE_PAGE_SHIFT), slot = 0;

		if (*entry)
			continue;
		if (memory->kind != MEMORY_PHYSICAL) {
			uint64_t *word = radix_find(&memory->tree, page);

			if (!word || !(*word & SLOT_PRESENT))
				continue;
			slot = *word;
			frame = slot & SLOT_FRAME;
		}
		*entry = object_entry(region, frame, slot);
		region_count(region, 1);
	}
}

static long fault_object(struct space *space, struct region *region, uint64_t addr, pte_t *entry, bool write)
{
	struct memory *memory = region->memory;
	uint64_t page = (addr - region->start + region->offset) >> ANOLE_PAGE_SHIFT;
	uint64_t resident = memory->resident;
	int error;

	if (page >= memory_pages(memory))
		return -EIO;
	uint64_t frame = memory_map_frame(memory, page, space->quota, &error);
	if (!frame)
		return error == EFAULT ? FAULT_ABSENT : -error;
	if (write && !(region->flags & VM_SHARED)) {
		uint64_t copy = space_frame(space);

		if (!copy)
			return -ENOMEM;
		page_copy(phys_to_virt(copy), phys_to_virt(frame));
		map_new(region, entry, copy | region->pte | PTE_COUNTED | PTE_W | PTE_D);
		return 0;
	}
	if (write && memory->kind == MEMORY_PAGED)
		memory_mark_dirty(memory, page, NULL);
	map_new(region, entry, object_entry(region, frame, write ? SLOT_DIRTY : 0));
	if (memory->resident == resident) /* a page made just now has no neighbours yet */
		fault_around(region, addr, entry);
	return 0;
}

long region_fault(struct space *space, struct region *region, uint64_t addr, bool write)
{
	addr = page_down(addr);
	pte_t *entry = pagetable_find(space, addr);

	if (!entry && !(entry = pagetable_make(space, addr)))
		return -ENOMEM;
	if (*entry) {
		*entry |= region->pte & PTE_P;
		/* Another processor or an older translation: there may be nothing to do. */
		if (!write || *entry & PTE_W)
			return 0;
		return write_mapped(space, region, addr, entry);
	}
	if (region->memory)
		return fault_object(space, region, addr, entry, write);
	return fault_anonymous(space, region, entry, write || region->flags & VM_PINNED);
}

/* Grow the stack that begins above addr, if there is one and it may. */
static struct region *grow_stack(struct space *space, uint64_t addr)
{
	uint32_t index = regions_search(&space->regions, addr);
	struct region *stack;

	if (index == space->regions.count)
		return NULL;
	stack = space->regions.array[index];
	addr = page_down(addr);
	if (!(stack->flags & VM_STACK) || stack->end - addr > space_stack_limit(space))
		return NULL;
	if (index > 0 && space->regions.array[index - 1]->end + STACK_GUARD > addr)
		return NULL;
	if (addr < VM_USER_LOW || !space_may_grow(space, stack->start - addr, stack->flags))
		return NULL;
	space_map_count(space, stack->flags, (long)(stack->start - addr));
	stack->start = addr;
	return stack;
}

struct region *space_region(struct space *space, uint64_t addr, bool write, bool execute, long *error)
{
	struct region *region = NULL;

	*error = -EFAULT;
	if (addr < VM_USER_HIGH)
		region = regions_find(&space->regions, addr);
	if (!region && addr < VM_USER_HIGH)
		region = grow_stack(space, addr);
	if (!region)
		return NULL;
	if ((region->flags & PROT_BITS) == 0 || (write && !(region->flags & VM_W)) ||
	    (execute && !(region->flags & VM_X))) {
		*error = -EACCES;
		return NULL;
	}
	return region;
}

long space_fault(struct thread *thread, uint64_t addr, bool write, bool execute)
{
	struct space *space = thread->space;
	long error;
	struct region *region = space_region(space, addr, write, execute, &error);

	if (!region)
		return error;
	space->service = thread->stamp & STAMP_SERVICE;
	error = region_fault(space, region, addr, write);
	if (error != FAULT_ABSENT)
		return error;
	uint64_t page = (addr - region->start + region->offset) >> ANOLE_PAGE_SHIFT;
	thread->fault_address = addr;
	thread->fault_write = write;
	thread->fault_execute = execute;
	ipc_page_request(thread, region->memory->pager, region->memory->badge, page, write);
	return FAULT_WAITS;
}

static pte_t access_bits(bool write)
{
	return write ? PTE_P | PTE_U | PTE_W : PTE_P | PTE_U;
}

/* Resolve what can be resolved at once, until the entry allows the access. What a device has is not there. */
static __attribute__((noinline)) void *resolve_page(struct space *space, uint64_t addr, bool write,
						    int *error)
{
	pte_t need = access_bits(write), *entry;
	struct region *region;
	long status;

	do {
		region = space_region(space, addr, write, false, &status);
		if (region)
			status = region_fault(space, region, addr, write);
		if (status != 0) {
			*error = status == -ENOMEM ? ENOMEM : EFAULT;
			return NULL;
		}
		entry = pagetable_find(space, addr);
	} while ((*entry & need) != need);
	*error = EFAULT;
	if (*entry & PTE_DEVICE)
		return NULL;
	return phys_to_virt((*entry & PTE_FRAME) | (addr & PAGE_MASK));
}

void *space_page(struct space *space, uint64_t addr, bool write, int *error)
{
	pte_t need = access_bits(write), *entry;

	if (addr < VM_USER_HIGH) {
		entry = pagetable_find(space, addr);
		if (entry && (*entry & (need | PTE_DEVICE)) == need)
			return phys_to_virt((*entry & PTE_FRAME) | (addr & PAGE_MASK));
	}
	return resolve_page(space, addr, write, error);
}
