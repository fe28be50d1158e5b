/* SPDX-License-Identifier: MIT */
/* Quotas: counters of pages with a limit, charged to every ancestor as well. */
#include "core/kcall.h"
#include "ipc/quota.h"
#include "mm/mm.h"

#define QUOTA_DEPTH 8 /* of the hierarchy: charging walks it */

long sys_quota_create(uint64_t parent_handle, uint64_t pages)
{
	struct quota *parent = NULL, *quota;
	int error;

	if ((cap_t)parent_handle != CAP_NONE) {
		parent = (struct quota *)cap_lookup(parent_handle, CAPT_QUOTA, CAP_CONTROL, &error);
		if (!parent)
			return -error;
		if (parent->depth + 1 >= QUOTA_DEPTH)
			return -EINVAL;
	}
	quota = kalloc(sizeof(*quota));
	if (!quota)
		return -ENOMEM;
	quota->object = (struct object){ CAPT_QUOTA, 1 };
	quota->limit = pages;
	quota->parent = parent ? object_get(parent) : NULL;
	quota->depth = parent ? parent->depth + 1 : 0;
	return cap_install(&quota->object, CAP_ALL);
}

void quota_destroy(struct object *object)
{
	struct quota *quota = container_of(object, struct quota, object);

	if (quota->parent)
		object_put(quota->parent);
	kfree(quota);
}

long quota_charge(struct quota *quota, uint64_t pages)
{
	for (struct quota *q = quota; q; q = q->parent)
		if (q->used + pages > q->limit || q->used + pages < pages)
			return -ENOMEM;
	for (; quota; quota = quota->parent)
		quota->used += pages;
	return 0;
}

void quota_uncharge(struct quota *quota, uint64_t pages)
{
	for (; quota; quota = quota->parent)
		quota->used -= pages;
}
