/* SPDX-License-Identifier: MIT */
/* Telling file servers which nodes VFS does not hold any more. */
#include "vfs.h"

#define FORGET_MAX 16384u /* all nodes at once, and some more */
#define TELLING_MAX 128u  /* calls on their way: others need some too */

/* References that file servers may drop and have not been told of yet. */
static PRESERVED struct forget {
	struct mount *mount;
	uint64_t number;
	uint32_t lookups;
} forgets[FORGET_MAX];
static PRESERVED uint32_t forget_first, forget_count, telling;
static struct waitq told;

uint64_t tree_now(void)
{
	return clock_monotonic_ns();
}

void tree_forget(struct mount *mount, uint64_t number, uint32_t lookups)
{
	if (forget_count == FORGET_MAX)
		return; /* the server keeps a node that nobody uses */
	forgets[(forget_first + forget_count) % FORGET_MAX] = (struct forget){ mount, number, lookups };
	forget_count++;
}

static void forgotten(struct acall *call)
{
	(void)call;
	if (telling)
		telling--;
	forget_flush();
	if (!telling)
		waitq_wake(&told);
}

long forgets_wait(struct request *rq)
{
	return telling ? request_park(rq, &told) : 0;
}

void forget_flush(void)
{
	while (forget_count) {
		struct forget *next = &forgets[forget_first];
		struct fs_forget_req request = { next->number, next->lookups };
		struct acall *call;

		if (next->lookups && next->mount->used && next->mount->fs != CAP_NONE) {
			call = telling < TELLING_MAX ? acall_new(forgotten, NULL) : NULL;
			if (!call)
				return;
			telling++;
			fs_send_forget(call, next->mount->fs, &request);
		}
		forget_first = (forget_first + 1) % FORGET_MAX;
		forget_count--;
	}
}

void names_drop(void)
{
	for (uint32_t i = 0; i < MOUNT_MAX; i++)
		if (mounts[i].used && !mounts[i].dying)
			mount_prune(&mounts[i]);
	forget_flush();
}

void forget_mount(const struct mount *mount)
{
	for (uint32_t i = 0; i < forget_count; i++) {
		struct forget *f = &forgets[(forget_first + i) % FORGET_MAX];

		if (f->mount == mount)
			f->lookups = 0;
	}
}
