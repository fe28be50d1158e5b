/* SPDX-License-Identifier: MIT */
/*
 * Memory objects inside mm.
 *
 * A slot of the radix tree is the physical address of a frame with the SLOT
 * bits below; the tree holds one count of the frame. Every mapped region of
 * the object is on its list of mappings: that list and the page tables are the
 * reverse map.
 */
#ifndef KERNEL_MM_MEMORY_H
#define KERNEL_MM_MEMORY_H

#include "core/list.h"
#include "mm/mm.h"
#include "mm/radix.h"

enum memory_kind {
	MEMORY_ANONYMOUS = 0, /* zero-fill on demand */
	MEMORY_PHYSICAL = 1,  /* a fixed range; `owned` if its frames are ours to free */
	MEMORY_PAGED = 2,     /* filled by its pager */
};

#define SLOT_PRESENT 0x1ul
#define SLOT_FILLING 0x2ul
#define SLOT_DIRTY 0x4ul    /* the bit in the tree's dirty maps is set too */
#define SLOT_ACCESSED 0x8ul /* by a copy since the last mo_evict; mappings have their own bit */
#define SLOT_FRAME 0xffffffffff000ul

/* 128 TiB: page numbers of an object fit in 35 bits. */
#define MEMORY_MAX_SIZE (1ul << 47)

struct endpoint;
struct step;

enum sweep_kind {
	SWEEP_DROP,    /* whatever is mapped goes, private copies too */
	SWEEP_PROTECT, /* who writes to a page faults first */
	SWEEP_UNMAP,   /* the object's clean pages go */
	SWEEP_AGE, /* so, but where one has been used since the last time it is marked as accessed instead */
};

struct memory {
	struct object object;
	uint8_t kind;
	bool owned, uncached;
	bool tail_written; /* perhaps, through a mapping: what lies behind the end is not zero */
	uint64_t number;   /* names the object to user mode, never reused */
	uint64_t size;     /* bytes; any value */
	uint64_t address;  /* physical: where it begins */
	struct radix tree;
	uint64_t resident, dirty;  /* pages */
	struct list_node mappings; /* struct region.link */
	uint64_t mapping_count;
	struct endpoint *pager; /* counted */
	uint64_t badge;
	uint64_t drop_from;  /* pages from here on still have to go; UINT64_MAX: none */
	uint64_t drop_sweep; /* number of the sweep for that, 0: it has not begun */
	/* What is made of pages [first, end) in all mappings, in steps: rmap_sweep. */
	struct sweep {
		enum sweep_kind kind;
		uint64_t first, end;
		uint64_t number;       /* of this one, or the last */
		uint64_t left;         /* so many mappings, from the front of the list on */
		struct region *region; /* in which it stopped, at the address; NULL */
		uint64_t at;
	} sweep;
	struct quota *quota; /* pays for the object and its tree */
	struct list_node reap_link;
};

/* How a page is looked for. */
enum memory_access {
	MEMORY_READ,
	MEMORY_WRITE, /* a paged object's page becomes dirty */
	MEMORY_FILL,  /* as WRITE by a pager or its driver: also sees pages being filled */
};

/* The frame of a page (no count taken), or 0 with *error EFAULT (absent, outside) or ENOMEM. An
 * anonymous object answers the zero page for reading what was never written; who first writes to
 * a page pays for it. */
uint64_t memory_frame(struct memory *memory, uint64_t page, enum memory_access access, struct quota *payer,
		      int *error);
/* The same for mapping: never the zero page, and not marked dirty. */
uint64_t memory_map_frame(struct memory *memory, uint64_t page, struct quota *payer, int *error);
/* Whether the kernel may use a frame of a physical object: device memory is for its driver alone. */
bool memory_reachable(const struct memory *memory, uint64_t frame);
struct memory *memory_new_paged(struct quota *quota, struct endpoint *pager, uint64_t badge, uint64_t size);
static inline uint64_t memory_pages(const struct memory *memory)
{
	return (memory->size + ANOLE_PAGE_SIZE - 1) >> ANOLE_PAGE_SHIFT;
}

/* Into and out of the tree, whose nodes the object's quota pays for. False: no memory. */
bool memory_insert(struct memory *memory, uint64_t page, uint64_t word);
uint64_t memory_remove(struct memory *memory, uint64_t page);
/* `slot` is where the page's word is, NULL if the caller has not looked. */
void memory_mark_dirty(struct memory *memory, uint64_t page, uint64_t *slot);
/* 0 or KCALL_RESTART. */
long memory_resize(struct memory *memory, uint64_t size);
/* *sweep: 0 at first, kept while the call is made again. */
long memory_discard(struct memory *memory, uint64_t first, uint64_t end, uint64_t *sweep);
long memory_fill_begin(struct memory *memory, uint64_t page, uint64_t count);
long memory_fill_end(struct memory *memory, uint64_t page, uint64_t count, unsigned ok);
/* Dirty pages at or after *page; answers false when there is none. */
bool memory_next_dirty(struct memory *memory, uint64_t *page);
/* The caller begins a sweep of SWEEP_PROTECT over the page before anybody else runs. */
void memory_clean(struct memory *memory, uint64_t page);
/* How many pages went, or KCALL_RESTART: the step is the call's own, as space_move's. */
long memory_evict(struct memory *memory, uint64_t page, uint64_t count, bool only_idle, struct step *step);

/* The reverse map: mm/rmap.c. One sweep at a time, which whoever needs another first brings to its end. Answers the
 * number of the sweep that rmap_sweep goes on with until it answers true. *budget: as region_clear_step. */
uint64_t rmap_sweep_begin(struct memory *memory, enum sweep_kind kind, uint64_t first, uint64_t end);
bool rmap_sweep(struct memory *memory, size_t *budget);

/* Go on freeing destroyed objects; whether something is left. */
bool memory_reap(unsigned budget);
/* Free the pages of [first, end), at most about `budget`; whether all are gone. */
bool memory_drop(struct memory *memory, uint64_t first, uint64_t end, unsigned budget);

#endif
