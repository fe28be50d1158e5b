/* SPDX-License-Identifier: MIT */
/* Each user's part of what a server has only so much of. */
#include "internal.h"

uint32_t share_payer(uint64_t stamp)
{
	const struct process_entry *process = process_find(stamp);

	return process ? process->uid : 0;
}

/* The user's entry: the last one is for all who find none. */
static struct share_part *part_of(struct share *share, uint32_t uid)
{
	struct share_part *unused = NULL, *part = share->parts;

	for (; part < share->parts + SHARE_USERS - 1; part++) {
		if (part->uid == uid)
			return part;
		if (!unused && !part->used && !part->waiters.first)
			unused = part;
	}
	if (!unused)
		return part;
	unused->uid = uid;
	return unused;
}

static uint64_t up_to(uint64_t limit, uint64_t used)
{
	return used < limit ? limit - used : 0;
}

uint64_t share_left(struct share *share, uint32_t uid)
{
	uint64_t left = up_to(share->total, share->used), own, all;

	if (!uid)
		return left;
	own = up_to(share->total / 2, part_of(share, uid)->used);
	all = up_to(share->total - share->total / 4, share->users_used);
	if (own > all)
		own = all;
	return own < left ? own : left;
}

void share_force(struct share *share, uint32_t uid, uint64_t amount)
{
	share->used += amount;
	if (!uid)
		return;
	share->users_used += amount;
	part_of(share, uid)->used += amount;
}

bool share_take(struct share *share, uint32_t uid, uint64_t amount)
{
	if (share_left(share, uid) < amount)
		return false;
	share_force(share, uid, amount);
	return true;
}

void share_give(struct share *share, uint32_t uid, uint64_t amount)
{
	share->used -= amount;
	if (uid) {
		struct share_part *part = part_of(share, uid);

		share->users_used -= amount;
		part->used -= amount;
		waitq_wake_one(&part->waiters);
	}
	waitq_wake_one(&share->waiters);
}

/* Whoever waits for its own user's part lets the next one try that waits for all. */
long share_park(struct share *share, uint32_t uid, struct request *rq)
{
	struct share_part *part = uid ? part_of(share, uid) : NULL;

	if (!part || part->used < share->total / 2)
		return request_park(rq, &share->waiters);
	waitq_wake_one(&share->waiters);
	return request_park(rq, &part->waiters);
}
