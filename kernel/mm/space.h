/* SPDX-License-Identifier: MIT */
/*
 * Address spaces inside mm.
 *
 * The page tables of a space hold its private pages: each entry with
 * PTE_COUNTED holds one count of its frame. There is no other record of a
 * private page, so clone copies entries and counts, and a write to a page with
 * count one needs no copy. Regions say what may be where; what they map of a
 * memory object is held by the object as well, so such a frame always has a
 * count above one and is never written in place by a private mapping.
 *
 * Invariants: an entry is nonzero only inside a region. It is writable only if
 * its region is, and then the page is either private with count one at the
 * time it became writable, or shared and marked dirty in a paged object.
 * Taking rights away is followed by a TLB flush before the kernel lock is
 * released; granting them is not (a spurious fault finds nothing to do).
 */
#ifndef KERNEL_MM_SPACE_H
#define KERNEL_MM_SPACE_H

#include "arch/x86_64/pagetable.h"
#include "mm/frame.h"
#include "mm/memory.h"
#include "mm/mm.h"
#include "mm/region.h"

struct step;

#define PAGE_SIZE ANOLE_PAGE_SIZE
#define PAGE_MASK (PAGE_SIZE - 1)
#define STACK_LIMIT (8ul << 20)   /* how far a VM_STACK region grows if nobody says otherwise */
#define STACK_MOST (1ul << 30)    /* and without a limit */
#define STACK_GUARD PAGE_SIZE     /* kept free below a stack */
#define PINNED_LIMIT (16ul << 20) /* one VM_PINNED mapping: its pages are allocated at once */

/* Pages that one kernel call handles before it lets others run (KCALL_RESTART). */
#define STEP_PAGES 8192
#define TABLE_COST 64u /* looking through a page table, in such pages */
#define REGION_COST 8u /* freeing a region, likewise */

#define PROT_BITS (VM_R | VM_W | VM_X)

/* Address of the zero page; mapped read-only and uncounted. */
extern uint64_t zero_frame;

/* Frames that the space leaves: the reserve, or half of it if it is a service's. */
static inline size_t space_keep(const struct space *space)
{
	return space->service ? frames_reserve() / 2 : frames_reserve();
}
/* A frame for a page of the space, which its quota pays for. */
uint64_t space_frame(struct space *space);

/* Resolve an access at addr in region; FAULT_ABSENT if a paged object lacks the page. */
#define FAULT_ABSENT 2
long region_fault(struct space *space, struct region *region, uint64_t addr, bool write);
/* The region for an access: also grows stacks. NULL, with -EFAULT or -EACCES in *error. */
struct region *space_region(struct space *space, uint64_t addr, bool write, bool execute, long *error);

/* What the kernel keeps for the space, against its quota: 0 or -ENOMEM. */
long space_charge(struct space *space, uint64_t bytes);
void space_uncharge(struct space *space, uint64_t bytes);
void space_attach(struct space *space, struct quota *quota);

/* So many pages of the region more are mapped in the space, which is the region's or the copy of it. */
static inline void space_count(struct space *space, const struct region *region, long change)
{
	space->resident_pages += (uint64_t)change;
	if (region->flags & VM_SHARED)
		space->shared_pages += (uint64_t)change;
}
static inline void region_count(const struct region *region, long change)
{
	space_count(region->space, region, change);
}

/* A region like `model`, holding its own count of the memory object; NULL: no memory. */
struct region *region_new(struct space *space, const struct region *model);
void region_free(struct region *region);

/* Join the region at this index with the one before it, if they are of one kind. */
void space_merge_at(struct space *space, uint32_t index);
/* Whether capability rights allow a protection. */
bool region_rights_allow(uint32_t rights, uint32_t prot);

/* What vm_map was asked for, checked. */
struct map_request {
	uint64_t addr, length, offset;
	uint32_t flags;  /* VM_* */
	uint32_t rights; /* CAP_* of the memory capability */
	struct memory *memory;
};
/* Each answers 0 (or an address), -errno or KCALL_RESTART. */
long space_map_request(struct space *space, struct map_request *request);
long space_unmap(struct space *space, uint64_t start, uint64_t end);
long space_protect(struct space *space, uint64_t start, uint64_t end, uint32_t prot);
/* Bytes that it has gone through. */
long space_discard(struct space *space, uint64_t start, uint64_t end);
/* step: its key is the call's own; at, done and phase 0 at first, kept while the answer is KCALL_RESTART. */
long space_move(struct space *space, uint64_t old, uint64_t old_length, uint64_t new_length, uint32_t flags,
		uint64_t new, struct step *step);
/* Room for length bytes, top down; 0 if there is none. */
uint64_t space_find_hole(struct space *space, uint64_t length);
/* Replace parts of regions so that none straddles `at`. 0 or -ENOMEM. */
long space_cut(struct space *space, uint64_t at);
/* Whether mappings of these flags are what RLIMIT_DATA is about. */
static inline bool flags_are_data(uint32_t flags)
{
	return (flags & (VM_W | VM_SHARED | VM_STACK | VM_PINNED)) == VM_W;
}
/* So many bytes with these flags more are mapped. */
static inline void space_map_count(struct space *space, uint32_t flags, long bytes)
{
	space->mapped_pages += (uint64_t)(bytes >> ANOLE_PAGE_SHIFT);
	if (flags_are_data(flags))
		space->data_pages += (uint64_t)(bytes >> ANOLE_PAGE_SHIFT);
}
static inline bool space_may_have_data(const struct space *space, uint64_t length)
{
	return !space->limits[SPACE_LIMIT_DATA] ||
	       space->data_pages + (length >> ANOLE_PAGE_SHIFT) <= space->limits[SPACE_LIMIT_DATA];
}
/* Whether the space's limits let it map `length` more bytes with these flags. */
static inline bool space_may_grow(const struct space *space, uint64_t length, uint32_t flags)
{
	return (!space->limits[SPACE_LIMIT_MAPPED] ||
		space->mapped_pages + (length >> ANOLE_PAGE_SHIFT) <= space->limits[SPACE_LIMIT_MAPPED]) &&
	       (!flags_are_data(flags) || space_may_have_data(space, length));
}
/* How far a stack of the space grows. */
static inline uint64_t space_stack_limit(const struct space *space)
{
	uint64_t pages = space->limits[SPACE_LIMIT_STACK];

	return pages && pages < STACK_MOST >> ANOLE_PAGE_SHIFT ? pages << ANOLE_PAGE_SHIFT : STACK_MOST;
}

/* Copy `space` for `thread`; *clone gets the child when the answer is 0. KCALL_RESTART: call again. */
long space_clone(struct space *space, struct thread *thread, struct space **clone);

/* Go on freeing destroyed spaces; whether something is left. */
bool space_reap(unsigned budget);

/* Clear the entries in [*start, end), giving back the frames, until about `*budget` pages have been looked through, of
 * which what it took is taken off; *start moves up to where it stopped. Answers how many there were. */
size_t region_clear_step(struct region *region, uint64_t *start, uint64_t end, size_t *budget);

void space_flush_range(struct space *space, uint64_t start, uint64_t end);

static inline uint64_t page_down(uint64_t addr)
{
	return addr & ~PAGE_MASK;
}
static inline uint64_t page_up(uint64_t addr)
{
	return (addr + PAGE_MASK) & ~PAGE_MASK;
}

#endif
