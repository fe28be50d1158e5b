/* SPDX-License-Identifier: MIT */
/*
 * Capability tables: chunks of 64 slots with a word that says which are in use, so that
 * the lowest free slot is found 64 at a time. All chunks below `slots` can be read:
 * those without a capability share one empty chunk.
 */
#ifndef KERNEL_CORE_TABLE_H
#define KERNEL_CORE_TABLE_H

#include "core/list.h"
#include "core/object.h"
#include "core/quota.h"
#include "core/thread.h"

#define CHUNK_SHIFT 6
#define CHUNK_SLOTS (1u << CHUNK_SHIFT)
#define TABLE_SLOTS_MAX (4096u * CHUNK_SLOTS)
#define TABLE_PRIVATE 0
#define TABLE_DESCRIPTORS 1

struct chunk {
	struct cap *caps;
	uint64_t used; /* a bit per slot that holds a capability or is reserved */
};

struct table {
	struct object object;
	uint32_t slots;      /* readable slots, a multiple of CHUNK_SLOTS */
	uint32_t limit;      /* no slot at or above this is given out */
	uint32_t first_free; /* no slot below this is free */
	uint8_t kind;
	uint32_t used; /* slots in use */
	struct chunk *chunks;
	struct quota *quota; /* pays for it */
	uint64_t charged;    /* bytes */
	struct list_node reap_link;
};

extern uint64_t capabilities_used; /* slots of all tables */
/* Paid for by the quota, NULL: nobody. */
struct table *table_new(struct quota *quota, uint32_t slots, uint32_t kind);
/* The slot, or NULL if it is beyond the table. May be empty. */
static inline struct cap *table_slot(struct table *table, uint32_t slot)
{
	if (!table || slot >= table->slots)
		return NULL;
	return &table->chunks[slot >> CHUNK_SHIFT].caps[slot & (CHUNK_SLOTS - 1)];
}
/* Answers the lowest free slot at or above min, taken and reserved; -EMFILE, -ENFILE, -ENOMEM. */
long table_reserve(struct table *table, uint32_t min);
/* Make exactly `slot` reserved, closing what is there. */
long table_reserve_at(struct table *table, uint32_t slot);
/* Fill a reserved slot; takes over the count. */
void table_fill(struct table *table, uint32_t slot, struct object *object, uint32_t rights, bool cloexec);
/* Empty a slot, reserved or not; drops the count. -EBADF if it is empty. */
long table_clear(struct table *table, uint32_t slot);
/* Lowest slot >= `slot` that holds a capability, or -ENOENT. */
long table_next_used(struct table *table, uint32_t slot);
/* Empties up to `budget` slots; answers whether the table is empty now. */
bool table_reap(struct table *table, unsigned budget);
void table_free(struct table *table); /* an empty one */
void table_attach(struct table *table, struct quota *quota);

/* The table and slot that a handle of the current thread names; NULL if there is none. */
static inline struct table *handle_table(cap_t handle, uint32_t *slot)
{
	struct thread *thread = current_thread();

	if (handle < 0)
		return NULL;
	*slot = handle & ~CAP_PRIVATE;
	return handle & CAP_PRIVATE ? thread->private_table : thread->fd_table;
}

/* The capability itself, not empty; NULL otherwise. */
static inline struct cap *handle_cap(cap_t handle)
{
	uint32_t slot = 0;
	struct table *table = handle_table(handle, &slot);
	struct cap *cap = table_slot(table, slot);

	return cap && cap->object ? cap : NULL;
}

#endif
