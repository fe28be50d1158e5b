/* SPDX-License-Identifier: MIT */
/* Open descriptions: badges are indices with a generation above. */
#include <util/string.h>

#include "tty.h"

#define DESCRIPTIONS_MAX 1024u

PRESERVED static struct description *table[DESCRIPTIONS_MAX];
PRESERVED static uint64_t generation;

struct description *description_find(uint64_t badge)
{
	uint64_t index = (badge & 0xffffffff) - BADGE_FIRST_OWN;

	if (index >= DESCRIPTIONS_MAX || !table[index] || table[index]->badge != badge)
		return NULL;
	return table[index];
}

struct description *description_new(struct tty *tty, const struct dev_open_req *in)
{
	struct description *d;
	uint32_t index = 0;

	while (index < DESCRIPTIONS_MAX && table[index])
		index++;
	if (index == DESCRIPTIONS_MAX)
		return NULL;
	d = pheap_alloc(sizeof(*d));
	if (!d)
		return NULL;
	generation = (generation + 1) & 0x3fffffff;
	d->badge = generation << 32 | (index + BADGE_FIRST_OWN);
	d->tty = tty;
	d->flags = (uint32_t)in->flags & (O_ACCMODE | O_NONBLOCK | O_APPEND);
	d->device = in->device;
	d->node = in->node;
	d->rdev = dev_make((uint32_t)in->major, (uint32_t)in->minor);
	d->mode = in->mode ? (uint32_t)in->mode : S_IFCHR | 0620;
	d->uid = (uint32_t)in->owner;
	d->gid = (uint32_t)(in->owner >> 32);
	d->opened_ns = clock_realtime_ns();
	d->next = tty->descriptions;
	tty->descriptions = d;
	table[index] = d;
	return d;
}

void description_free(struct description *d)
{
	struct description **link = &d->tty->descriptions;

	while (*link != d)
		link = &(*link)->next;
	*link = d->next;
	watch_drop(&d->watches);
	table[(d->badge & 0xffffffff) - BADGE_FIRST_OWN] = NULL;
	pheap_free(d);
}
