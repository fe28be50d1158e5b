/* SPDX-License-Identifier: MIT */
/* The table of open descriptions: badges are its indices with a generation above. */
#include <util/string.h>

#include "pipe.h"

#define DESCRIPTIONS_MAX 16384u
#define INDEX_MASK 0xffffffffull

PRESERVED static struct description *table[DESCRIPTIONS_MAX];
PRESERVED static uint32_t free_hint;
PRESERVED static uint64_t generation;

static long table_claim(struct description *d)
{
	uint32_t n;

	for (n = 0; n < DESCRIPTIONS_MAX; n++) {
		uint32_t index = (free_hint + n) % DESCRIPTIONS_MAX;

		if (table[index])
			continue;
		generation = (generation + 1) & 0x3fffffff;
		d->badge = generation << 32 | (index + BADGE_FIRST_OWN);
		table[index] = d;
		free_hint = index + 1;
		return 0;
	}
	return -ENFILE;
}

struct description *description_new(enum description_kind kind, uint32_t flags, uint64_t stamp)
{
	const struct process_entry *process = process_find(stamp);
	struct description *d = pheap_alloc(sizeof(*d));

	if (!d)
		return NULL;
	d->kind = kind;
	d->flags = flags;
	d->uid = process ? process->fsuid : 0;
	d->gid = process ? process->fsgid : 0;
	d->created_ns = clock_realtime_ns();
	if (table_claim(d) < 0) {
		pheap_free(d);
		return NULL;
	}
	return d;
}

struct description *description_find(uint64_t badge)
{
	uint64_t index = (badge & INDEX_MASK) - BADGE_FIRST_OWN;

	if (index >= DESCRIPTIONS_MAX || !table[index] || table[index]->badge != badge)
		return NULL;
	return table[index];
}

void description_free(struct description *d)
{
	uint64_t index = (d->badge & INDEX_MASK) - BADGE_FIRST_OWN;

	if (d->kind == TIMER)
		timer_stop(&d->timer);
	watch_drop(&d->watches);
	channel_detach(d);
	table[index] = NULL;
	if (index < free_hint)
		free_hint = (uint32_t)index;
	pheap_free(d);
}

uint64_t description_ready(const struct description *d)
{
	return d->kind == EVENT || d->kind == TIMER ? event_ready(d) : channel_ready(d);
}

void description_notify(struct description *d)
{
	watch_notify(&d->watches, description_ready(d));
}

/* After a restart every watch is told, since what the last incarnation meant to tell may not have
 * gone out, and timers run again. */
void descriptions_start(bool restarted)
{
	uint32_t index;

	if (!restarted)
		return;
	for (index = 0; index < DESCRIPTIONS_MAX; index++) {
		struct description *d = table[index];

		if (!d)
			continue;
		if (d->kind == TIMER)
			event_timer_arm(d);
		description_notify(d);
	}
}
