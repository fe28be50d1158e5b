/* SPDX-License-Identifier: MIT */
/*
 * Capabilities in messages. A call's are counted when it is sent, so that every delivery
 * of it carries the same; an answer's go into slots that were reserved before the call was
 * sent. Message pages are the program's to write at any time: each field is read once.
 */
#include "core/quota.h"
#include "core/table.h"
#include "ipc/ipc.h"

long message_take_caps(const volatile struct ipc_cap *list, uint32_t count, struct cap *caps, uint8_t *taken)
{
	*taken = 0;
	if (count > IPC_MAX_CAPS)
		return -EINVAL;
	for (uint32_t i = 0; i < count; i++) {
		struct cap *cap = handle_cap(list[i].slot);

		if (!cap) {
			message_drop_caps(caps, taken);
			return -EBADF;
		}
		caps[i] = *cap;
		caps[i].rights &= list[i].rights;
		object_get(cap->object);
		++*taken;
	}
	return 0;
}

void message_drop_caps(struct cap *caps, uint8_t *count)
{
	while (*count)
		object_put(caps[--*count].object);
}

/*
 * Each capability that a program asks for may be a new badge: that is paid for when it asks, by the
 * quota of the table, so that nothing has been made when it may have no more. What services hold
 * on somebody's way costs nobody anything.
 */
static void refund(struct quota *quota, uint64_t badges)
{
	quota_uncharge(quota, QUOTA_MEMORY, badges * sizeof(struct badge));
	quota_uncharge(quota, QUOTA_BADGES, badges);
}

static long charge_badges(struct caller *caller, struct quota *quota, uint32_t count)
{
	long error;

	caller->reserved_quota = 0;
	if (!quota || !quota->parent)
		return 0;
	error = quota_charge(quota, QUOTA_BADGES, count);
	if (error)
		return error;
	error = quota_charge(quota, QUOTA_MEMORY, count * sizeof(struct badge));
	if (error)
		quota_uncharge(quota, QUOTA_BADGES, count);
	else
		caller->reserved_quota = quota->number;
	return error;
}

/* It came: the first program that has a badge has paid for it. */
static void settle(struct caller *caller, struct object *object)
{
	struct badge *badge = (struct badge *)object;

	if (!caller->reserved_quota)
		return;
	if (object->type == CAPT_BADGE && !badge->owner)
		badge->owner = caller->reserved_quota;
	else
		refund(quotas[caller->reserved_quota], 1);
}

void badge_refund(struct badge *badge)
{
	if (badge->owner)
		refund(quotas[badge->owner], 1);
	badge->owner = 0;
}

static void release_reserved(struct caller *caller, unsigned from)
{
	if (caller->reserved_quota)
		refund(quotas[caller->reserved_quota], caller->reserved_count - from);
	caller->reserved_quota = 0;
	for (unsigned i = from; i < caller->reserved_count; i++)
		table_clear(caller->reserved_table, caller->reserved[i]);
	caller->reserved_count = 0;
	if (caller->reserved_table)
		object_put(caller->reserved_table);
	caller->reserved_table = NULL;
}

void message_release_reserved(struct caller *caller)
{
	release_reserved(caller, 0);
}

long message_reserve(struct caller *caller, struct table *table, uint32_t count, uint32_t min, bool cloexec)
{
	long slot, error;

	if (count > IPC_MAX_CAPS)
		return -EINVAL;
	if (!table)
		return -EMFILE;
	error = charge_badges(caller, table->quota, count);
	if (error)
		return error;
	caller->reserved_table = object_get(table);
	caller->reserved_cloexec = cloexec;
	while (caller->reserved_count < count) {
		slot = table_reserve(table, min);
		if (slot < 0) {
			if (caller->reserved_quota)
				refund(quotas[caller->reserved_quota], count - caller->reserved_count);
			release_reserved(caller, 0);
			return slot;
		}
		caller->reserved[caller->reserved_count++] = slot;
	}
	return 0;
}

/* A table that is being torn down has lost the reservation: then the capability goes too. */
static bool fill_one(struct caller *caller, unsigned i, struct cap *cap, struct ipc_cap *out)
{
	struct table *table = caller->reserved_table;
	struct cap *slot = table_slot(table, caller->reserved[i]);

	if (!slot || !slot->reserved)
		return false;
	settle(caller, cap->object);
	table_fill(table, caller->reserved[i], cap->object, cap->rights, caller->reserved_cloexec);
	*out = (struct ipc_cap){
		.slot = caller->reserved[i] | (table->kind == TABLE_PRIVATE ? CAP_PRIVATE : 0),
		.rights = cap->object->type,
	};
	return true;
}

unsigned message_fill_reserved(struct caller *caller, struct answer *answer, struct ipc_cap *out)
{
	unsigned filled = 0, count = answer->caps_count;

	for (unsigned i = 0; i < count; i++) {
		if (filled < caller->reserved_count &&
		    fill_one(caller, filled, &answer->caps[i], &out[filled]))
			filled++;
		else
			object_put(answer->caps[i].object);
	}
	answer->caps_count = 0;
	release_reserved(caller, filled);
	return filled;
}

static bool is_own_badge(const struct cap *cap, const struct endpoint *endpoint)
{
	return cap->object->type == CAPT_BADGE && ((struct badge *)cap->object)->endpoint == endpoint;
}

static void uninstall(struct thread *receiver, const struct ipc_cap *out, unsigned count)
{
	for (unsigned i = 0; i < count; i++)
		if (out[i].slot != CAP_NONE)
			table_clear(receiver->private_table, out[i].slot & ~CAP_PRIVATE);
}

static long install_one(struct thread *receiver, struct endpoint *endpoint, struct cap *cap,
			struct ipc_cap *out)
{
	long slot;

	if (is_own_badge(cap, endpoint)) {
		*out = (struct ipc_cap){ CAP_NONE, CAPT_BADGE, ((struct badge *)cap->object)->number };
		return 0;
	}
	slot = table_reserve(receiver->private_table, 0);
	if (slot < 0)
		return slot;
	table_fill(receiver->private_table, slot, object_get(cap->object), cap->rights, false);
	*out = (struct ipc_cap){ slot | CAP_PRIVATE, cap->object->type, 0 };
	return 0;
}

long message_install(struct thread *receiver, struct endpoint *endpoint, struct caller *caller)
{
	struct ipc_page *page = receiver->message_page;
	struct ipc_cap out[IPC_MAX_CAPS];

	if (!page)
		return caller->caps_count ? -ENFILE : 0;
	for (unsigned i = 0; i < caller->caps_count; i++) {
		long error = install_one(receiver, endpoint, &caller->caps[i], &out[i]);

		if (error) {
			uninstall(receiver, out, i);
			return error;
		}
	}
	for (unsigned i = 0; i < caller->caps_count; i++)
		page->caps[i] = out[i];
	page->caps_count = caller->caps_count;
	page->unnoted = caller->caps_count;
	return 0;
}
