/* SPDX-License-Identifier: MIT */
#include "arch/x86_64/pagetable.h"

#include "arch/arch.h"
#include "mm/frame.h"
#include "mm/space.h"

#define TOP_USER (PT_ENTRIES / 2) /* entries of the top table that belong to user mode */
#define PRUNE_SEARCH 8192u        /* tables looked at by one pagetable_prune */

uint64_t pte_nx;
uint64_t pagetable_pages;

/* NX is optional: CPUID 0x80000001, EDX bit 20 (SDM volume 3, 4.1.4). */
void pagetable_init(void)
{
	uint32_t eax = 0x80000000, ebx, ecx = 0, edx;

	__asm__ volatile("cpuid" : "+a"(eax), "=b"(ebx), "+c"(ecx), "=d"(edx));
	if (eax < 0x80000001)
		return;
	eax = 0x80000001;
	ecx = 0;
	__asm__ volatile("cpuid" : "+a"(eax), "=b"(ebx), "+c"(ecx), "=d"(edx));
	if (edx & 1u << 20)
		pte_nx = PTE_NX;
}

/*
 * Tables that were freed, kept since they need no clearing: fork and exec need a dozen
 * each time. Tops have the kernel half in place.
 */
struct spare {
	uint32_t head, count, limit;
};
static struct spare spare_tables = { .limit = 128 }, spare_tops = { .limit = 32 };

static uint64_t frame_of(uint32_t index)
{
	return (uint64_t)index << ANOLE_PAGE_SHIFT;
}

static uint32_t spare_take(struct spare *spare)
{
	uint32_t index = spare->head;

	if (index) {
		spare->head = frame_table[index].next;
		spare->count--;
	}
	return index;
}

static void spare_put(struct spare *spare, uint32_t index)
{
	if (spare->count == spare->limit) {
		frame_release(frame_of(index));
		return;
	}
	frame_table[index].next = spare->head;
	spare->head = index;
	spare->count++;
}

bool pagetable_shrink(void)
{
	bool any = spare_tables.count || spare_tops.count;
	uint32_t index;

	while ((index = spare_take(&spare_tables)) || (index = spare_take(&spare_tops)))
		frame_release(frame_of(index));
	return any;
}

uint64_t pagetable_spare(void)
{
	return spare_tables.count + spare_tops.count;
}

/* Put a table on the space's list, before those it was made after; see pagetable_free. */
static void table_link(struct space *space, uint32_t index, uint32_t parent, uint32_t slot)
{
	frame_table[index].next = space->tables;
	frame_table[index].prev = parent;
	frame_table[index].count = slot;
	space->tables = index;
	space->table_pages++;
	pagetable_pages++;
}

static void copy_kernel_half(uint64_t *top)
{
	const uint64_t *kernel = phys_to_virt(kernel_cr3 & PTE_FRAME);

	for (unsigned i = TOP_USER; i < PT_ENTRIES; i++)
		top[i] = kernel[i];
}

long pagetable_new(struct space *space)
{
	uint32_t index;

	if (space_charge(space, PAGE_SIZE))
		return -ENOMEM;
	index = spare_take(&spare_tops);
	if (!index) {
		uint64_t frame = frame_alloc_zeroed();

		if (!frame) {
			space_uncharge(space, PAGE_SIZE);
			return -ENOMEM;
		}
		copy_kernel_half(phys_to_virt(frame));
		index = frame >> ANOLE_PAGE_SHIFT;
	}
	table_link(space, index, 0, 0);
	space->cr3 = frame_of(index);
	return 0;
}

/* A table is on the list before the one that points to it, whose entry is cleared: so
 * each is empty when its turn comes. */
void pagetable_free(struct space *space)
{
	uint32_t index;

	while ((index = space->tables)) {
		const struct page *page = &frame_table[index];

		space->tables = page->next;
		if (page->prev) {
			((pte_t *)phys_to_virt(frame_of(page->prev)))[page->count] = 0;
			spare_put(&spare_tables, index);
		} else {
			spare_put(&spare_tops, index);
		}
	}
	space_uncharge(space, space->table_pages * PAGE_SIZE);
	pagetable_pages -= space->table_pages;
	space->table_pages = 0;
	space->cr3 = 0;
}

/* An empty table, counted against the space as its pages are; 0: no memory. */
static uint32_t table_alloc(struct space *space)
{
	uint32_t index;
	uint64_t frame;

	if (space_charge(space, PAGE_SIZE))
		return 0;
	index = spare_take(&spare_tables);
	if (index)
		return index;
	frame = frame_alloc_above(space_keep(space));
	if (frame)
		page_zero(phys_to_virt(frame));
	else
		space_uncharge(space, PAGE_SIZE);
	return frame >> ANOLE_PAGE_SHIFT;
}

static pte_t *table_make(struct space *space, pte_t *table, unsigned slot)
{
	if (!table[slot]) {
		uint32_t index = table_alloc(space);

		if (!index)
			return NULL;
		table_link(space, index, virt_to_phys(table) >> ANOLE_PAGE_SHIFT, slot);
		table[slot] = frame_of(index) | TABLE_BITS;
	}
	return table_below(table[slot]);
}

pte_t *pagetable_make(struct space *space, uint64_t addr)
{
	pte_t *table = phys_to_virt(space->cr3);

	table = table_make(space, table, addr >> 39 & 511);
	if (table)
		table = table_make(space, table, addr >> 30 & 511);
	if (table)
		table = table_make(space, table, addr >> 21 & 511);
	return table ? &table[addr >> 12 & 511] : NULL;
}

/* The entry that points to the lowest table of addr. *next: where to look if there is none. */
static pte_t *directory_entry(struct space *space, uint64_t addr, uint64_t *next)
{
	pte_t *table = phys_to_virt(space->cr3);

	for (unsigned shift = 39; shift > 21; shift -= 9) {
		pte_t entry = table[addr >> shift & 511];

		*next = ((addr >> shift) + 1) << shift;
		if (!entry)
			return NULL;
		table = table_below(entry);
	}
	*next = ((addr >> 21) + 1) << 21;
	return &table[addr >> 21 & 511];
}

uint64_t pagetable_next(struct space *space, uint64_t addr, uint64_t end)
{
	while (addr < end) {
		uint64_t next;
		pte_t *entry = directory_entry(space, addr, &next);

		if (entry && *entry)
			return addr;
		addr = next;
		while (entry && addr & (PT_SPAN * PT_ENTRIES - 1) && !*++entry) /* to the directory's end */
			addr += PT_SPAN;
	}
	return end;
}

/* Take a table off the list; false if it is so old that searching would take too long. */
static bool table_unlink(struct space *space, uint32_t index, unsigned *budget)
{
	uint32_t *link = &space->tables;

	for (; *budget && *link; --*budget, link = &frame_table[*link].next) {
		if (*link != index)
			continue;
		*link = frame_table[index].next;
		space->table_pages--;
		space_uncharge(space, PAGE_SIZE);
		pagetable_pages--;
		return true;
	}
	return false;
}

/*
 * The processor may hold the directory entry in its paging-structure caches
 * (SDM volume 3, 4.10.3), so it is flushed before the frame is used again.
 */
void pagetable_prune(struct space *space, uint64_t start, uint64_t end)
{
	uint64_t addr = (start + PT_SPAN - 1) & ~(PT_SPAN - 1), next;
	unsigned budget = PRUNE_SEARCH;
	bool freed = false;

	end &= ~(PT_SPAN - 1);
	while (budget && (addr = pagetable_next(space, addr, end)) < end) {
		pte_t *entry = directory_entry(space, addr, &next);
		uint32_t index = (*entry & PTE_FRAME) >> ANOLE_PAGE_SHIFT;

		addr = next;
		if (!table_unlink(space, index, &budget))
			continue;
		*entry = 0;
		spare_put(&spare_tables, index);
		freed = true;
	}
	if (freed)
		arch_tlb_flush_space(space);
}
