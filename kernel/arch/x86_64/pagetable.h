/* SPDX-License-Identifier: MIT */
/*
 * Page tables: four levels, 4 KiB pages in the user half. Intel SDM volume 3,
 * chapter 4.5; AMD APM volume 2, chapter 5.3.
 */
#ifndef KERNEL_ARCH_PAGETABLE_H
#define KERNEL_ARCH_PAGETABLE_H

#include "mm/mm.h"

typedef uint64_t pte_t;

#define PTE_P 0x1ul
#define PTE_W 0x2ul
#define PTE_U 0x4ul
#define PTE_PWT 0x8ul
#define PTE_PCD 0x10ul
#define PTE_A 0x20ul
#define PTE_D 0x40ul
#define PTE_LARGE 0x80ul
#define PTE_GLOBAL 0x100ul
#define PTE_COUNTED 0x200ul /* ours: the entry holds a count of the frame */
#define PTE_DEVICE 0x400ul  /* ours: the kernel has no address for the frame */
#define PTE_NX (1ul << 63)
#define PTE_FRAME 0xffffffffff000ul

#define PT_ENTRIES 512u
#define PT_SPAN (PT_ENTRIES * ANOLE_PAGE_SIZE) /* what one lowest table maps: 2 MiB */

extern uint64_t pte_nx; /* PTE_NX where the processor has it, else 0 */

void pagetable_init(void);

/* A top table with the kernel half; 0 or -ENOMEM. */
long pagetable_new(struct space *space);
/* Free all tables; the lowest ones are empty already. */
void pagetable_free(struct space *space);
/* Give back the frames that are kept for new tables; whether there were any. */
bool pagetable_shrink(void);

/* The entry of addr, making tables where there are none; NULL: no memory. */
pte_t *pagetable_make(struct space *space, uint64_t addr);
/* Free the lowest tables that map only addresses in [start, end), where no entry is left. */
void pagetable_prune(struct space *space, uint64_t start, uint64_t end);
/* Where the next existing lowest table at or above addr begins, at most end. */
uint64_t pagetable_next(struct space *space, uint64_t addr, uint64_t end);

/* Bits of a readable entry for VM_* flags. */
static inline pte_t pagetable_bits(uint32_t flags)
{
	if (!(flags & (VM_R | VM_W | VM_X)))
		return 0;
	return PTE_P | PTE_U | (flags & VM_X ? 0 : pte_nx) | (flags & VM_UNCACHED ? PTE_PCD | PTE_PWT : 0);
}

/* Bits of every entry that points to a lower table: no table has others. */
#define TABLE_BITS (PTE_P | PTE_W | PTE_U | PTE_A)

static inline pte_t *table_below(pte_t entry)
{
	return phys_to_virt(entry - TABLE_BITS);
}

/* The entry of a user address, or NULL if no table is there. */
static inline pte_t *pagetable_find(const struct space *space, uint64_t addr)
{
	pte_t entry = ((pte_t *)phys_to_virt(space->cr3))[addr >> 39 & 511];

	if (!entry)
		return NULL;
	entry = table_below(entry)[addr >> 30 & 511];
	if (!entry)
		return NULL;
	entry = table_below(entry)[addr >> 21 & 511];
	return entry ? &table_below(entry)[addr >> 12 & 511] : NULL;
}

#endif
