/* SPDX-License-Identifier: MIT */
/* Ranges and owners of record locks, and whole-file locks. */
#include <fs/locks.h>
#include <sys/server.h>

/* A record or hold leaves its list. */
#define UNLINK(link, gone)              \
	do {                            \
		*(link) = (gone)->next; \
		pheap_free(gone);       \
	} while (0)

static bool overlap(const struct lock_record *a, const struct lock_record *b)
{
	return a->first <= b->last && b->first <= a->last;
}

struct lock_record *locks_conflict(struct file_locks *locks, const struct lock_record *wanted,
				   lock_owner_alive *alive)
{
	struct lock_record **link = &locks->records, *record;

	while ((record = *link)) {
		if (record->owner == wanted->owner || !overlap(record, wanted) ||
		    (record->type == LOCK_TYPE_READ && wanted->type == LOCK_TYPE_READ)) {
			link = &record->next;
			continue;
		}
		if (alive(record->owner))
			return record;
		UNLINK(link, record);
	}
	return NULL;
}

static void push(struct file_locks *locks, struct lock_record *record, const struct lock_record *from)
{
	*record = *from;
	record->next = locks->records;
	locks->records = record;
}

/* Take `wanted` out of the owner's ranges. A record that it splits needs `spare`, which is used up. */
static void carve(struct file_locks *locks, const struct lock_record *wanted, struct lock_record **spare)
{
	struct lock_record **link = &locks->records, *record;

	while ((record = *link)) {
		if (record->owner != wanted->owner || !overlap(record, wanted)) {
			link = &record->next;
		} else if (record->first >= wanted->first && record->last <= wanted->last) {
			UNLINK(link, record);
		} else if (record->first < wanted->first && record->last > wanted->last) {
			struct lock_record rest = *record;

			rest.first = wanted->last + 1;
			record->last = wanted->first - 1;
			push(locks, *spare, &rest);
			*spare = NULL;
			return;
		} else {
			if (record->first < wanted->first)
				record->last = wanted->first - 1;
			else
				record->first = wanted->last + 1;
			link = &record->next;
		}
	}
}

static bool touch(const struct lock_record *a, const struct lock_record *b)
{
	return a->owner == b->owner && a->type == b->type &&
	       (overlap(a, b) || (a->last < LOCK_END && a->last + 1 == b->first) ||
		(b->last < LOCK_END && b->last + 1 == a->first));
}

/* Neighbours of the same kind become one, so that a file locked record by record stays short. */
static void merge(struct file_locks *locks, struct lock_record *into)
{
	struct lock_record **link = &locks->records, *record;

	while ((record = *link)) {
		if (record == into || !touch(record, into)) {
			link = &record->next;
			continue;
		}
		if (record->first < into->first)
			into->first = record->first;
		if (record->last > into->last)
			into->last = record->last;
		UNLINK(link, record);
	}
}

long locks_set(struct file_locks *locks, const struct lock_record *wanted, lock_owner_alive *alive)
{
	struct lock_record *fresh = NULL, *spare;

	if (wanted->type != LOCK_TYPE_NONE && locks_conflict(locks, wanted, alive))
		return -EAGAIN;
	if (wanted->type == LOCK_TYPE_NONE && !locks->records)
		return 0;
	spare = pheap_alloc(sizeof(*spare));
	if (wanted->type != LOCK_TYPE_NONE)
		fresh = pheap_alloc(sizeof(*fresh));
	if (!spare || (wanted->type != LOCK_TYPE_NONE && !fresh)) {
		pheap_free(spare);
		pheap_free(fresh);
		return -ENOLCK;
	}
	carve(locks, wanted, &spare);
	if (fresh) {
		push(locks, fresh, wanted);
		merge(locks, fresh);
	}
	pheap_free(spare);
	return 0;
}

bool locks_clear_owner(struct file_locks *locks, uint64_t owner)
{
	struct lock_record **link = &locks->records, *record;
	bool any = false;

	while ((record = *link)) {
		if (record->owner != owner) {
			link = &record->next;
			continue;
		}
		UNLINK(link, record);
		any = true;
	}
	return any;
}

static bool flock_conflict(const struct file_locks *locks, uint64_t description, uint32_t type)
{
	for (const struct flock_hold *hold = locks->flocks; hold; hold = hold->next)
		if (hold->description != description &&
		    (hold->type == FLOCK_EXCLUSIVE || type == FLOCK_EXCLUSIVE))
			return true;
	return false;
}

long flock_set(struct file_locks *locks, uint64_t description, uint32_t operation)
{
	uint32_t type = operation & ~FLOCK_NONBLOCK;
	struct flock_hold *hold;

	if (type != FLOCK_SHARED && type != FLOCK_EXCLUSIVE && type != FLOCK_UNLOCK)
		return -EINVAL;
	for (hold = locks->flocks; hold && hold->description != description; hold = hold->next)
		;
	if (hold && hold->type == type)
		return 0;
	flock_clear(locks, description);
	if (type == FLOCK_UNLOCK)
		return 0;
	if (flock_conflict(locks, description, type))
		return -EAGAIN;
	hold = pheap_alloc(sizeof(*hold));
	if (!hold)
		return -ENOLCK;
	hold->description = description;
	hold->type = type;
	hold->next = locks->flocks;
	locks->flocks = hold;
	return 0;
}

bool flock_held(const struct file_locks *locks, uint64_t description)
{
	for (const struct flock_hold *hold = locks->flocks; hold; hold = hold->next)
		if (hold->description == description)
			return true;
	return false;
}

bool flock_clear(struct file_locks *locks, uint64_t description)
{
	struct flock_hold **link = &locks->flocks, *hold;

	for (; (hold = *link); link = &hold->next)
		if (hold->description == description) {
			UNLINK(link, hold);
			return true;
		}
	return false;
}

void locks_free(struct file_locks *locks)
{
	struct lock_record *record;
	struct flock_hold *hold;

	while ((record = locks->records)) {
		UNLINK(&locks->records, record);
	}
	while ((hold = locks->flocks)) {
		UNLINK(&locks->flocks, hold);
	}
}
