/* SPDX-License-Identifier: MIT */
/* Kernel calls on quotas, and what charging asks of the rest of the kernel. */
#include "core/kcall.h"
#include "core/quota.h"
#include "core/table.h"
#include "core/thread.h"
#include "mm/space.h"

struct quota *quota_current(void)
{
	struct thread *thread = current_thread();

	return thread && thread->space ? thread->space->quota : NULL;
}

#define RECLAIM_PAGES 256u
#define RECLAIM_MOST 8u

static unsigned reclaimed; /* since a processor has left the kernel last */
bool reclaim_cut_short;

/* Beyond what may be done at once the charge fails, and what asked for it is done once more: there is more to go. */
bool quota_reclaim(void)
{
	if (reclaimed >= RECLAIM_MOST) {
		reclaim_cut_short = work_deferred;
		return false;
	}
	reclaimed++;
	return mm_reap(RECLAIM_PAGES);
}

bool quota_reclaim_end(void)
{
	bool again = reclaim_cut_short;

	reclaimed = 0;
	reclaim_cut_short = false;
	return again;
}

static struct quota *quota_arg(uint64_t handle, uint32_t rights, int *error)
{
	return (struct quota *)cap_lookup(handle, CAPT_QUOTA, rights, error);
}

static uint16_t free_number(void)
{
	for (uint16_t number = 1; number < QUOTAS_MAX; number++)
		if (!quotas[number])
			return number;
	return 0;
}

/* In bytes; what is too much to be counted is no limit. */
static uint64_t limit_of(uint64_t kind, uint64_t amount)
{
	if (kind != QUOTA_MEMORY)
		return amount;
	return amount > UINT64_MAX >> ANOLE_PAGE_SHIFT ? UINT64_MAX : amount << ANOLE_PAGE_SHIFT;
}

long sys_quota_create(uint64_t parent_handle, uint64_t pages)
{
	int error;
	struct quota *parent = quota_arg(parent_handle, CAP_CONTROL, &error), *quota;
	uint16_t number = free_number();

	if (!parent)
		return -error;
	if (parent->depth + 1 >= QUOTA_DEPTH)
		return -EINVAL;
	quota = number ? kalloc(sizeof(*quota)) : NULL;
	if (!quota)
		return number ? -ENOMEM : -ENOSPC;
	*quota = (struct quota){
		.parent = object_get(parent),
		.limit = { limit_of(QUOTA_MEMORY, pages), UINT64_MAX, UINT64_MAX },
		.number = number,
		.depth = parent->depth + 1,
	};
	object_begin(&quota->object, CAPT_QUOTA);
	quotas[number] = quota;
	return cap_install(&quota->object, CAP_ALL);
}

long sys_quota_limit(uint64_t handle, uint64_t kind, uint64_t amount)
{
	int error;
	struct quota *quota = quota_arg(handle, CAP_CONTROL, &error);

	if (!quota)
		return -error;
	if (kind >= QUOTA_KINDS || quota == &root_quota)
		return -EINVAL;
	quota->limit[kind] = limit_of(kind, amount);
	return 0;
}

long sys_quota_info(uint64_t handle, uint64_t result)
{
	int error;
	struct quota *quota = quota_arg(handle, CAP_R, &error);
	struct quota_info info;

	if (!quota)
		return -error;
	for (unsigned kind = 0; kind < QUOTA_KINDS; kind++) {
		unsigned shift = kind == QUOTA_MEMORY ? ANOLE_PAGE_SHIFT : 0;

		info.kind[kind].limit = quota->limit[kind] >> shift;
		info.kind[kind].used = (quota->used[kind] + (1ul << shift) - 1) >> shift;
	}
	return copy_to_user(current_thread()->space, result, &info, sizeof(info), NULL);
}

long sys_quota_attach(uint64_t object, uint64_t handle)
{
	int error;
	struct quota *quota = quota_arg(handle, CAP_CONTROL, &error);
	struct object *found;

	if (!quota)
		return -error;
	found = cap_lookup(object, CAPT_SPACE, CAP_CONTROL, &error);
	if (found) {
		space_attach((struct space *)found, quota);
		return 0;
	}
	found = cap_lookup(object, CAPT_TABLE, CAP_CONTROL, &error);
	if (!found)
		return -error;
	table_attach((struct table *)found, quota);
	return 0;
}
