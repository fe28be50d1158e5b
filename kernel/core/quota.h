/* SPDX-License-Identifier: MIT */
/*
 * Quotas: who pays for memory, threads and badges. Each has a limit for every kind and a parent;
 * charging one charges all above it. Spaces and tables are charged to one, and so is what the
 * threads of a space make. A quota stays, without a name, until nothing is charged to it.
 */
#ifndef KERNEL_CORE_QUOTA_H
#define KERNEL_CORE_QUOTA_H

#include <stddef.h>

#include "core/list.h"
#include "core/object.h"

#define QUOTA_DEPTH 8    /* of the hierarchy: charging walks it */
#define QUOTAS_MAX 4096u /* their numbers fit in the owner of a frame */

struct quota {
	struct object object;
	struct quota *parent;                           /* counted */
	uint64_t limit[QUOTA_KINDS], used[QUOTA_KINDS]; /* memory in bytes */
	uint16_t number;
	uint8_t depth;
	bool nameless;                /* the last capability has gone */
	uint64_t processor_ns, faded; /* core/fair.c */
};

extern struct quota root_quota;
extern struct quota *quotas[QUOTAS_MAX]; /* by number; 0: nobody's */

/* Charge the quota (NULL: nobody) and all above it, or -ENOMEM, -EAGAIN (threads), -ENFILE (badges)
 * and nothing is charged. */
long quota_charge(struct quota *quota, enum quota_kind kind, uint64_t amount);
/* The same whatever the limits say. */
void quota_force(struct quota *quota, enum quota_kind kind, uint64_t amount);
void quota_uncharge(struct quota *quota, enum quota_kind kind, uint64_t amount);
/* Whether `quota` is `above` or below it. */
bool quota_within(const struct quota *quota, const struct quota *above);

/* The one that pays for what the current thread makes; NULL before there are threads. */
struct quota *quota_current(void);
/* kalloc and kfree of what a quota pays for. */
void *quota_alloc(struct quota *quota, size_t size);
void quota_free(struct quota *quota, void *object, size_t size);
/* No room at first: free what is dying, but no more at once than a step. Answers whether there may be more to free.
 * core/quota_calls.c */
bool quota_reclaim(void);
extern bool reclaim_cut_short;
/* Whether a shortage was only one because a step was over: then the same is to be tried again, after others had their
 * turn. */
bool quota_reclaim_end(void);

#endif
