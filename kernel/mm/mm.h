/* SPDX-License-Identifier: MIT */
/*
 * Memory as the rest of the kernel sees it: frames, small objects, address
 * spaces, memory objects and copies between them. All under the kernel lock.
 */
#ifndef KERNEL_MM_MM_H
#define KERNEL_MM_MM_H

#include "core/list.h"
#include "core/object.h"
#include "mm/direct_map.h"

static inline void *phys_to_virt(uint64_t pa)
{
	return (void *)(pa + DIRECT_MAP);
}
static inline uint64_t virt_to_phys(const void *va)
{
	return (uint64_t)va - DIRECT_MAP;
}

/* --- frames: mm/frame.c --------------------------------------------------- */
/* Boot: usable physical ranges; called by arch before anything else allocates. */
void frames_add(uint64_t start, uint64_t end);
void frames_init(void);
uint64_t frame_alloc(void); /* physical address, contents undefined; 0 if none */
uint64_t frame_alloc_zeroed(void);
uint64_t frame_alloc_contiguous(size_t count, uint64_t below); /* zeroed */
void frame_get(uint64_t frame);
void frame_put(uint64_t frame); /* frees it with the last count */
uint32_t frame_refs(uint64_t frame);
size_t frames_total(void), frames_free(void);
/* Whether the current caller is a service, or the kernel itself before there are threads: it may
 * use half of the reserve (core/thread.c). */
bool caller_may_use_reserve(void);

/* --- small objects: mm/slab.c ---------------------------------------------- */
void *kalloc(size_t size); /* zeroed, 16-aligned; up to 64 KiB; NULL if none */
void kfree(void *object);
size_t kalloc_pages(void); /* pages in use by the kernel itself, with those that kfree keeps: */
size_t kalloc_kept(void);
size_t kalloc_bytes(void); /* in use */

/* --- address spaces: mm/space.c -------------------------------------------- */
struct quota;
struct region;

/* The regions of a space in ascending order; mm/region.h. */
struct region_set {
	struct region **array;
	uint32_t count, capacity;
	uint32_t last; /* where the last search ended: most hit the same region again */
};

struct space {
	struct object object;
	uint64_t cr3;  /* physical address of the top page table */
	uint64_t cpus; /* processors that may hold translations (bit mask) */
	/* The rest belongs to mm; mm/space.h explains it. */
	struct region_set regions;
	uint64_t map_top; /* mappings without an address are placed below */
	uint64_t mapped_pages, resident_pages, table_pages;
	uint64_t shared_pages;      /* of the resident ones: of shared mappings */
	uint64_t data_pages;        /* of the mapped ones: private, writable and no stack's */
	uint64_t limits[3];         /* by SPACE_LIMIT_*, in pages, 0 none */
	struct quota *quota;        /* pays for it; what the kernel keeps of it: */
	uint64_t charged;           /* bytes; pages are charged by themselves */
	uint32_t tables;            /* list of the frames that hold its page tables, newest first */
	bool service;               /* may use the reserve of frames */
	uint64_t clone_next;        /* while it is being made by space_clone: where that goes on */
	struct list_node reap_link; /* on the list of spaces being torn down */
};

/* Paid for by the quota, NULL: nobody. */
struct space *space_new(struct quota *quota);
/* Map for the kernel's own purposes (RS boot). 0 or -errno. */
long space_map(struct space *space, uint64_t *addr, uint64_t length, uint32_t flags, struct object *memory,
	       uint64_t offset);

/*
 * A user-mode page fault of the current thread, or vm_fault_in. Answers 0: resolved, run
 * on; FAULT_WAITS: the thread is now blocked on the pager (state set, the request queued by
 * ipc_page_request); -EFAULT, -EACCES: bad access, -EIO: the pager failed (SIGBUS),
 * -ENOMEM: no memory left.
 */
#define FAULT_WAITS 1
struct thread;
long space_fault(struct thread *thread, uint64_t addr, bool write, bool execute);
/* The pager has answered the request of a thread blocked in space_fault: status 0 runs it on
 * (it faults again if need be), others make ipc turn it into a fault message. */

/*
 * The address of a user page for kernel access: resolves anonymous and copy-on-write
 * pages on the spot. Answers a pointer into the direct map for `addr` (valid to the end of the
 * page, until the lock is released), or NULL with *error = EFAULT (an absent page of a paged
 * object, or nothing mapped) or ENOMEM.
 */
void *space_page(struct space *space, uint64_t addr, bool write, int *error);

/* Copy to and from user memory, page by page. 0 or -EFAULT; *fault (may be NULL) gets the address. */
long copy_from_user(struct space *space, void *to, uint64_t from, size_t length, uint64_t *fault);
long copy_to_user(struct space *space, uint64_t to, const void *from, size_t length, uint64_t *fault);
/* Between two spaces. Answers bytes copied or -EFAULT with *to_side telling which side failed. */
long copy_user_user(struct space *to_space, uint64_t to, struct space *from_space, uint64_t from,
		    size_t length, bool *to_side, uint64_t *fault);

/* --- memory objects: mm/memory.c -------------------------------------------- */
struct memory;                 /* mm/memory.h */
extern uint64_t memory_cached; /* pages of all paged objects */
struct memory *memory_new(struct quota *quota, uint64_t size, uint32_t flags); /* anonymous */
struct memory *memory_new_phys(struct quota *quota, uint64_t address, uint64_t size, uint32_t flags);
uint64_t memory_size(struct memory *memory);
/* The page for kernel access, as space_page; for_write marks it dirty. */
void *memory_page(struct memory *memory, uint64_t offset, bool write, int *error);
/* Pin the page (a frame count; frame_put ends it) and answer its frame, for DMA; a page that the
 * device writes may be one being filled. 0 and *error: EFAULT if absent, EINVAL for device memory, ENOMEM. */
uint64_t memory_pin(struct memory *memory, uint64_t offset, bool write, int *error);
/* Copy between an object and user memory; answers bytes copied, less at an absent page of
 * the object, -EFAULT if the user side fails (*fault). */
long copy_memory_user(struct memory *memory, uint64_t offset, struct space *space, uint64_t addr,
		      size_t length, bool to_user, uint64_t *fault);
long copy_memory_memory(struct memory *to, uint64_t to_offset, struct memory *from, uint64_t from_offset,
			size_t length);

/*
 * The same for the buffer of a call that is a range of a memory object: writes also reach pages
 * that are being filled (mo_fill_begin), as the answer of a block driver must. to_memory tells
 * whether `memory` (whose pages being filled stay hidden) is the destination.
 */
long copy_buffer_user(struct memory *buffer, uint64_t offset, struct space *space, uint64_t addr,
		      size_t length, bool to_user, uint64_t *fault);
long copy_buffer_memory(struct memory *buffer, uint64_t buffer_offset, struct memory *memory,
			uint64_t memory_offset, size_t length, bool to_memory);

/* Futex key of an address: same key, same word, in every process. */
struct futex_key {
	uint64_t object, offset;
};
long space_futex_key(struct space *space, uint64_t addr, struct futex_key *key);

/*
 * Go on tearing down what was too big to be freed at once: about `budget` pages. Answers whether
 * something is left. Called when idle and now and then; memory calls and frame_alloc do it too.
 */
bool mm_reap(unsigned budget);

/* --- kernel calls of mm: sys_NAME(a..f) for space_*, vm_*, mo_*; mm/calls.h ---- */

#endif
