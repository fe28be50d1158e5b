/* SPDX-License-Identifier: MIT */
#include "arch/x86_64/pagetable.h"

#include "arch/arch.h"
#include "mm/frame.h"

#define TOP_USER (PT_ENTRIES / 2) /* entries of the top table that belong to user mode */
#define TABLE_BITS (PTE_P | PTE_W | PTE_U | PTE_A)

uint64_t pte_nx;

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

static uint64_t table_alloc(struct space *space)
{
	uint64_t frame = frame_alloc_zeroed();

	if (!frame)
		return 0;
	struct page *page = page_of(frame);
	uint32_t index = frame >> ANOLE_PAGE_SHIFT;

	page->next = space->tables;
	page->prev = 0;
	if (space->tables)
		frame_table[space->tables].prev = index;
	space->tables = index;
	space->table_pages++;
	return frame;
}

static void table_free(struct space *space, uint64_t frame)
{
	struct page *page = page_of(frame);

	if (page->prev)
		frame_table[page->prev].next = page->next;
	else
		space->tables = page->next;
	if (page->next)
		frame_table[page->next].prev = page->prev;
	space->table_pages--;
	frame_release(frame);
}

long pagetable_new(struct space *space)
{
	uint64_t frame = table_alloc(space);

	if (!frame)
		return -ENOMEM;
	uint64_t *top = phys_to_virt(frame), *kernel = phys_to_virt(kernel_cr3 & PTE_FRAME);
	for (unsigned i = TOP_USER; i < PT_ENTRIES; i++)
		top[i] = kernel[i];
	space->cr3 = frame;
	return 0;
}

void pagetable_free(struct space *space)
{
	while (space->tables)
		table_free(space, (uint64_t)space->tables << ANOLE_PAGE_SHIFT);
	space->cr3 = 0;
}

static pte_t *table_make(struct space *space, pte_t *entry)
{
	if (!(*entry & PTE_P)) {
		uint64_t frame = table_alloc(space);

		if (!frame)
			return NULL;
		*entry = frame | TABLE_BITS;
	}
	return table_of(*entry);
}

pte_t *pagetable_make(struct space *space, uint64_t addr)
{
	pte_t *table = table_of(space->cr3);

	table = table_make(space, &table[addr >> 39 & 511]);
	if (table)
		table = table_make(space, &table[addr >> 30 & 511]);
	if (table)
		table = table_make(space, &table[addr >> 21 & 511]);
	return table ? &table[addr >> 12 & 511] : NULL;
}

/* The entry that points to the lowest table of addr. *next: where to look if there is none. */
static pte_t *directory_entry(struct space *space, uint64_t addr, uint64_t *next)
{
	pte_t *table = table_of(space->cr3);

	for (unsigned shift = 39; shift > 21; shift -= 9) {
		pte_t entry = table[addr >> shift & 511];

		*next = ((addr >> shift) + 1) << shift;
		if (!(entry & PTE_P))
			return NULL;
		table = table_of(entry);
	}
	*next = ((addr >> 21) + 1) << 21;
	return &table[addr >> 21 & 511];
}

uint64_t pagetable_next(struct space *space, uint64_t addr, uint64_t end)
{
	while (addr < end) {
		uint64_t next;
		pte_t *entry = directory_entry(space, addr, &next);

		if (entry && *entry & PTE_P)
			return addr;
		addr = next;
	}
	return end;
}

/*
 * The processor may hold the directory entry in its paging-structure caches
 * (SDM volume 3, 4.10.3), so it is flushed before the frame is used again.
 */
void pagetable_prune(struct space *space, uint64_t start, uint64_t end)
{
	uint64_t addr = (start + PT_SPAN - 1) & ~(PT_SPAN - 1);
	bool freed = false;

	end &= ~(PT_SPAN - 1);
	for (addr = pagetable_next(space, addr, end); addr < end;
	     addr = pagetable_next(space, addr + PT_SPAN, end)) {
		uint64_t next;
		pte_t *entry = directory_entry(space, addr, &next);
		uint64_t frame = *entry & PTE_FRAME;

		*entry = 0;
		table_free(space, frame);
		freed = true;
	}
	if (freed)
		arch_tlb_flush_space(space);
}
