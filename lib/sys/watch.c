/* SPDX-License-Identifier: MIT */
/*
 * Watches that polled descriptions keep. All of them are in one preserved pool, so that a new
 * incarnation can signal every one: what the old one was about to tell is not known.
 */
#include "internal.h"

#include <proto/file_types.h>

#define CHUNK_WATCHES 128
#define CHUNKS 256
#define PROBE_LENGTH 8 /* so many of a list of at least as many are asked whether they are dead */
#define LIST_MAX 2048  /* of one description: telling them all must not take long */

static PRESERVED struct watch *chunks[CHUNKS];
static PRESERVED uint64_t chunk_count;
static struct watch *free_watches;
static struct share share = { .total = CHUNKS * CHUNK_WATCHES };

/* Of the watches of each process, so that one alone cannot use up the pool. */
#define WATCHES_EACH 4096
static struct holder {
	uint64_t stamp;
	unsigned count;
} holders[PROCESS_MAX];

/* NULL if nobody counts. What a process has left behind does not count against the next in its slot. */
static struct holder *holder_of(uint64_t stamp)
{
	struct holder *holder = &holders[(stamp & STAMP_SLOT_MASK) % PROCESS_MAX];

	if (stamp_is_service(stamp))
		return NULL;
	if (holder->stamp < stamp) /* generations only grow */
		*holder = (struct holder){ .stamp = stamp };
	return holder->stamp == stamp ? holder : NULL;
}

static bool may_hold(uint64_t stamp)
{
	const struct holder *holder = holder_of(stamp);

	return (!holder || holder->count < WATCHES_EACH) && share_left(&share, share_payer(stamp));
}

static void hold(struct watch *watch, uint64_t stamp)
{
	struct holder *holder = holder_of(stamp);

	share_force(&share, watch->payer, 1);
	watch->owner = stamp;
	if (holder)
		holder->count++;
}

static void chain(struct watch *watch)
{
	txcheck_changes(watch, sizeof *watch);
	watch->next = free_watches;
	free_watches = watch;
}

static void put_free(struct watch *watch)
{
	tx_save(watch, sizeof *watch);
	watch->slot = 0;
	chain(watch);
}

static struct watch *watch_new(void)
{
	struct watch *watch;

	if (!free_watches && chunk_count < CHUNKS) {
		struct watch *chunk = pheap_alloc(CHUNK_WATCHES * sizeof *chunk);

		if (!chunk)
			return NULL;
		for (unsigned i = CHUNK_WATCHES; i-- > 0;)
			chain(&chunk[i]);
		tx_keep_set(chunks[chunk_count], chunk);
		tx_keep_set(chunk_count, chunk_count + 1);
	}
	watch = free_watches;
	if (watch)
		free_watches = watch->next;
	return watch;
}

static void discard(struct watch *watch)
{
	struct holder *holder = holder_of(watch->owner);

	if (holder)
		holder->count--;
	tx_close(watch->slot);
	share_give(&share, watch->payer, 1);
	put_free(watch);
}

/* Take it off the list; `at` points to it. */
static void unlink_watch(struct watch_list *list, struct watch **at)
{
	struct watch *watch = *at;

	tx_save(list, sizeof *list);
	tx_save_word(at);
	*at = watch->next;
	list->count--;
	if (list->probed == watch)
		list->probed = NULL;
	discard(watch);
}

/* Watches are left behind by every poll that ended otherwise; no events: only a question. A few each time, so that a
 * long list costs no more than a short one. */
static void drop_dead(struct watch_list *list)
{
	struct watch **at = list->probed ? &list->probed->next : &list->first;

	if (list->count < PROBE_LENGTH)
		return;
	tx_save(list, sizeof *list);
	for (unsigned n = 0; n < PROBE_LENGTH && *at; n++) {
		if (kcall(watch_signal, (*at)->slot, 0) != 0) {
			unlink_watch(list, at);
			continue;
		}
		list->probed = *at;
		at = &(*at)->next;
	}
	if (!*at)
		list->probed = NULL;
}

long watch_poll(struct watch_list *list, struct request *rq, uint64_t wanted, uint64_t ready)
{
	struct watch *watch;

	wanted |= POLLERR | POLLHUP;
	if (ready & wanted || rq->caps_count == 0 || rq->caps[0].rights != CAPT_WATCH)
		return (long)(ready & wanted);
	drop_dead(list);
	watch = list->count < LIST_MAX && may_hold(rq->stamp) ? watch_new() : NULL;
	if (!watch)
		return -ENOMEM;
	tx_save(watch, sizeof *watch);
	tx_save(list, sizeof *list);
	watch->payer = share_payer(rq->stamp);
	hold(watch, rq->stamp);
	watch->slot = request_take(rq, 0);
	watch->events = (uint32_t)wanted;
	watch->next = list->first;
	list->first = watch;
	list->count++;
	return 0;
}

void watch_notify(struct watch_list *list, uint64_t events)
{
	struct watch **at = &list->first;

	while (*at) {
		struct watch *watch = *at;
		uint64_t hit = events & watch->events;

		if (!hit || kcall(watch_signal, watch->slot, hit) >= 0)
			at = &watch->next;
		else
			unlink_watch(list, at);
	}
}

void watch_drop(struct watch_list *list)
{
	while (list->first)
		unlink_watch(list, &list->first);
}

void watches_start(bool restarted)
{
	if (!restarted)
		return;
	for (unsigned c = 0; c < chunk_count; c++)
		for (unsigned i = 0; i < CHUNK_WATCHES; i++) {
			struct watch *watch = &chunks[c][i];

			if (!watch->slot) {
				chain(watch);
				continue;
			}
			hold(watch, watch->owner);
			kcall(watch_signal, watch->slot, watch->events);
		}
}
