/* SPDX-License-Identifier: MIT */
/* SOURCES: lib/fs/locks.c */
/* Record locks against a byte map: random ranges of a few owners; then whole-file locks. */
#include <stdio.h>
#include <stdlib.h>

#include <fs/locks.h>
#include <sys/server.h>

#include "tx_none.h"

void *pheap_alloc(size_t size)
{
	return calloc(1, size);
}
void pheap_free(void *memory)
{
	free(memory);
}

#define BYTES 64
#define OWNERS 3

static int failures;
static struct file_locks locks;
static uint8_t model[OWNERS][BYTES]; /* type plus one */

static void check(const char *name, int ok)
{
	printf(ok ? "ok %s\n" : "not ok %s\n", name);
	failures += !ok;
}

static bool alive(uint64_t owner)
{
	return owner != 99;
}

static bool model_conflict(unsigned owner, int first, int end, uint32_t type)
{
	for (unsigned o = 0; o < OWNERS; o++)
		for (int i = first; i <= end; i++)
			if (o != owner && model[o][i] &&
			    (model[o][i] == LOCK_TYPE_WRITE + 1 || type == LOCK_TYPE_WRITE))
				return true;
	return false;
}

static bool agrees(void)
{
	uint8_t seen[OWNERS][BYTES] = { 0 };
	unsigned records = 0;

	for (struct lock_record *r = locks.records; r; r = r->next, records++)
		for (int64_t i = r->first; i <= r->last; i++) {
			if (seen[r->owner - 1][i])
				return false; /* records of one owner overlap */
			seen[r->owner - 1][i] = (uint8_t)(r->type + 1);
		}
	return !__builtin_memcmp(seen, model, sizeof(seen));
}

static bool one_step(void)
{
	unsigned owner = (unsigned)rand() % OWNERS;
	int first = rand() % BYTES, last = first + rand() % (BYTES - first);
	uint32_t type = (uint32_t)rand() % 3;
	struct lock_record wanted = { .owner = owner + 1, .first = first, .last = last, .type = type };
	bool conflict = type != LOCK_TYPE_NONE && model_conflict(owner, first, last, type);
	long status = locks_set(&locks, &wanted, alive);

	if (status != (conflict ? -EAGAIN : 0))
		return false;
	for (int i = first; i <= last && !conflict; i++)
		model[owner][i] = type == LOCK_TYPE_NONE ? 0 : (uint8_t)(type + 1);
	return agrees();
}

static void random_ranges(void)
{
	int i;

	for (i = 0; i < 100000; i++)
		if (!one_step())
			break;
	check("random ranges", i == 100000);
	for (unsigned o = 0; o < OWNERS; o++)
		locks_clear_owner(&locks, o + 1);
	check("nothing is left of owners that closed", !locks.records);
}

static void dead_owner(void)
{
	struct lock_record dead = { .owner = 99, .first = 0, .last = LOCK_END, .type = LOCK_TYPE_WRITE };
	struct lock_record wanted = { .owner = 1, .first = 5, .last = 5, .type = LOCK_TYPE_READ };

	locks_set(&locks, &dead, alive);
	check("a dead process holds nothing", !locks_set(&locks, &wanted, alive));
	locks_free(&locks);
}

static void neighbours(void)
{
	struct lock_record wanted = { .owner = 1, .type = LOCK_TYPE_WRITE };
	unsigned count = 0;

	for (wanted.first = wanted.last = 0; wanted.first < 1000; wanted.first++, wanted.last++)
		locks_set(&locks, &wanted, alive);
	for (struct lock_record *r = locks.records; r; r = r->next)
		count++;
	check("records side by side become one", count == 1);
	locks_free(&locks);
}

static void whole_files(void)
{
	check("two share", !flock_set(&locks, 1, FLOCK_SHARED) && !flock_set(&locks, 2, FLOCK_SHARED));
	check("none excludes", flock_set(&locks, 3, FLOCK_EXCLUSIVE) == -EAGAIN);
	check("no conversion while another shares", flock_set(&locks, 1, FLOCK_EXCLUSIVE) == -EAGAIN);
	check("which gave up what it had", !flock_held(&locks, 1));
	check("a release", !flock_set(&locks, 2, FLOCK_UNLOCK) && !flock_held(&locks, 2));
	check("alone it excludes", !flock_set(&locks, 3, FLOCK_EXCLUSIVE));
	check("the others", flock_set(&locks, 1, FLOCK_SHARED | FLOCK_NONBLOCK) == -EAGAIN);
	check("nonsense", flock_set(&locks, 1, 0) == -EINVAL && flock_set(&locks, 1, 3) == -EINVAL);
	locks_free(&locks);
}

int main(void)
{
	srand(1);
	random_ranges();
	dead_owner();
	neighbours();
	whole_files();
	return failures != 0;
}
