/* SPDX-License-Identifier: MIT */
/* Open files. */
#include "tmpfs.h"

#define DESCRIPTION_MAX 16384u
#define INDEX_BITS 16

static PRESERVED struct description table[DESCRIPTION_MAX];
static PRESERVED uint32_t touched;
static uint32_t hint;

struct description *description_new(struct node *node, uint32_t flags, bool exec)
{
	for (uint32_t n = 0; n < DESCRIPTION_MAX; n++) {
		uint32_t i = (hint + n) % DESCRIPTION_MAX;
		struct description *d = &table[i];

		if (d->used)
			continue;
		hint = i + 1;
		if (hint > touched)
			touched = hint;
		d->generation++;
		d->badge = BADGE_FIRST_OWN + i + ((uint64_t)(d->generation & 0x3fffffff) << INDEX_BITS);
		d->flags = flags;
		d->exec = exec;
		d->node = node;
		d->offset = 0;
		d->used = true;
		node->descriptions++;
		node->mount->descriptions++;
		return d;
	}
	return NULL;
}

struct description *description_find(uint64_t badge)
{
	uint64_t i = (badge - BADGE_FIRST_OWN) & ((1u << INDEX_BITS) - 1);

	if (i >= DESCRIPTION_MAX || !table[i].used || table[i].badge != badge)
		return NULL;
	return &table[i];
}

void description_free(struct description *d)
{
	struct node *node = d->node;

	d->used = false;
	hint = (uint32_t)(d - table);
	locks_close_description(&node->locks, d->badge);
	node->descriptions--;
	node->mount->descriptions--;
	node_unused(node);
}
