/* SPDX-License-Identifier: MIT */
/* Charging quotas. */
#include "core/quota.h"
#include "arch/arch.h"
#include "mm/mm.h"

struct quota root_quota = {
	.object = { CAPT_QUOTA, 1 },
	.limit = { UINT64_MAX, UINT64_MAX, UINT64_MAX },
	.number = 1,
};
struct quota *quotas[QUOTAS_MAX] = { [1] = &root_quota };

static bool has_room(const struct quota *quota, enum quota_kind kind, uint64_t amount)
{
	for (; quota; quota = quota->parent)
		if (quota->used[kind] > quota->limit[kind] || amount > quota->limit[kind] - quota->used[kind])
			return false;
	return true;
}

void quota_force(struct quota *quota, enum quota_kind kind, uint64_t amount)
{
	for (; quota; quota = quota->parent)
		quota->used[kind] += amount;
}

/* What is being torn down still counts: it goes first. */
long quota_charge(struct quota *quota, enum quota_kind kind, uint64_t amount)
{
	static const long errors[QUOTA_KINDS] = { -ENOMEM, -EAGAIN, -ENFILE };

	while (__builtin_expect(!has_room(quota, kind, amount), 0))
		if (!quota_reclaim() && !has_room(quota, kind, amount))
			return errors[kind];
	quota_force(quota, kind, amount);
	return 0;
}

static void quota_end(struct quota *quota)
{
	struct quota *parent = quota->parent;

	for (unsigned kind = 0; kind < QUOTA_KINDS; kind++)
		if (quota->used[kind])
			return;
	quotas[quota->number] = NULL;
	object_free(quota);
	if (parent)
		object_put(parent);
}

void quota_uncharge(struct quota *quota, enum quota_kind kind, uint64_t amount)
{
	struct quota *next;

	for (; quota; quota = next) {
		next = quota->parent;
		ASSERT(quota->used[kind] >= amount);
		quota->used[kind] -= amount;
		if (quota->nameless && !quota->used[kind]) {
			quota_uncharge(next, kind, amount);
			quota_end(quota); /* lets go of the parent, which must be told before */
			return;
		}
	}
}

void quota_destroy(struct object *object)
{
	struct quota *quota = container_of(object, struct quota, object);

	quota->nameless = true;
	quota_end(quota);
}

bool quota_within(const struct quota *quota, const struct quota *above)
{
	while (quota && quota != above)
		quota = quota->parent;
	return quota;
}

void *quota_alloc(struct quota *quota, size_t size)
{
	void *object;

	if (quota_charge(quota, QUOTA_MEMORY, size))
		return NULL;
	object = kalloc(size);
	if (!object)
		quota_uncharge(quota, QUOTA_MEMORY, size);
	return object;
}

void quota_free(struct quota *quota, void *object, size_t size)
{
	kfree(object);
	quota_uncharge(quota, QUOTA_MEMORY, size);
}
