/* SPDX-License-Identifier: MIT */
/* Hierarchical limits on pages. */
#ifndef KERNEL_IPC_QUOTA_H
#define KERNEL_IPC_QUOTA_H

#include "core/list.h"
#include "core/object.h"

struct quota {
	struct object object;
	struct quota *parent; /* counted */
	uint64_t limit, used;
	uint32_t depth;
};

/* Charge the quota (NULL: none) and all above it, or -ENOMEM and nothing is charged. */
long quota_charge(struct quota *quota, uint64_t pages);
void quota_uncharge(struct quota *quota, uint64_t pages);

#endif
