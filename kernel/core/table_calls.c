/* SPDX-License-Identifier: MIT */
/* Kernel calls on capability slots and tables. */
#include "core/kcall.h"
#include "core/table.h"
#include "core/thread.h"

#define FLAG_CLOEXEC 1u

static struct table *table_arg(uint64_t handle, uint32_t rights, int *error)
{
	return (struct table *)cap_lookup(handle, CAPT_TABLE, rights, error);
}

static long handle_of(struct table *table, long slot)
{
	return slot >= 0 && table == current_thread()->private_table ? slot | CAP_PRIVATE : slot;
}

long sys_cap_close(uint64_t handle)
{
	uint32_t slot;
	struct table *table = handle_table(handle, &slot);

	return table && handle_cap(handle) ? table_clear(table, slot) : -EBADF;
}

long sys_cap_copy(uint64_t handle, uint64_t rights, uint64_t min, uint64_t flags)
{
	struct cap *cap = handle_cap(handle), copy;
	uint32_t start;
	struct table *table = handle_table(min, &start);
	long slot;

	if (!cap || !table)
		return -EBADF;
	if (start >= table->limit || flags & ~(uint64_t)FLAG_CLOEXEC)
		return -EINVAL;
	copy = *cap; /* growing the table may move the slots */
	slot = table_reserve(table, start);
	if (slot >= 0)
		table_fill(table, slot, object_get(copy.object), copy.rights & rights, flags & FLAG_CLOEXEC);
	return handle_of(table, slot);
}

long sys_cap_copy_to(uint64_t handle, uint64_t rights, uint64_t to, uint64_t flags)
{
	struct cap *cap = handle_cap(handle), copy;
	uint32_t target;
	struct table *table = handle_table(to, &target);
	long slot;

	if (!cap || !table)
		return -EBADF;
	if (flags & ~(uint64_t)FLAG_CLOEXEC)
		return -EINVAL;
	if ((cap_t)handle == (cap_t)to)
		return (cap_t)to;
	copy = *cap;
	object_get(copy.object); /* closing the target may close the last other one */
	slot = table_reserve_at(table, target);
	if (slot < 0)
		object_put(copy.object);
	else
		table_fill(table, slot, copy.object, copy.rights & rights, flags & FLAG_CLOEXEC);
	return handle_of(table, slot);
}

long sys_cap_type(uint64_t handle)
{
	struct cap *cap = handle_cap(handle);

	if (!cap)
		return -EBADF;
	return cap->object->type | (uint32_t)cap->rights << 8 | (uint32_t)cap->cloexec << 16;
}

long sys_cap_same(uint64_t a, uint64_t b)
{
	struct cap *first = handle_cap(a), *second = handle_cap(b);

	if (!first || !second)
		return -EBADF;
	return first->object == second->object;
}

long sys_fd_flags(uint64_t handle, uint64_t set, uint64_t value)
{
	struct cap *cap = handle_cap(handle);

	if (!cap)
		return -EBADF;
	if (!set)
		return cap->cloexec;
	cap->cloexec = value & FLAG_CLOEXEC;
	return 0;
}

long sys_fd_next(uint64_t fd)
{
	struct table *table = current_thread()->fd_table;

	if (!table || fd >= table->slots)
		return -ENOENT;
	return table_next_used(table, fd);
}

long sys_table_create(uint64_t slots, uint64_t kind)
{
	struct table *table;

	if (!caller_is_service())
		return -EPERM;
	if (!slots || slots > TABLE_SLOTS_MAX || kind > TABLE_DESCRIPTORS)
		return -EINVAL;
	table = table_new(quota_current(), slots, kind);
	return table ? cap_install(&table->object, CAP_ALL) : -ENOMEM;
}

/* Copies slots until `budget` are done; answers whether that was all, or -errno. */
static long clone_some(struct table *to, struct table *from, uint64_t *position, unsigned budget)
{
	long slot, error;

	while (budget--) {
		slot = *position < from->slots ? table_next_used(from, *position) : -ENOENT;
		if (slot < 0 || (uint32_t)slot >= to->limit)
			return true;
		error = table_reserve_at(to, slot);
		if (error < 0)
			return error;
		struct cap cap = *table_slot(from, slot);

		table_fill(to, slot, object_get(cap.object), cap.rights, cap.cloexec);
		*position = slot + 1;
	}
	return false;
}

long sys_table_clone(uint64_t handle, uint64_t quota_handle)
{
	struct thread *thread = current_thread();
	int error;
	struct table *from = table_arg(handle, CAP_R, &error), *to;
	struct quota *quota = from ? from->quota : NULL;
	long done;

	if (!caller_is_service())
		return -EPERM;
	if (from && (cap_t)quota_handle != CAP_NONE)
		quota = (struct quota *)cap_lookup(quota_handle, CAPT_QUOTA, CAP_CONTROL, &error);
	if (!from || !quota)
		return -error;
	to = (struct table *)work_resume(thread, &from->object, CAPT_TABLE);
	if (!to) {
		to = table_new(quota, from->limit, from->kind);
		if (!to)
			return -ENOMEM;
		work_begin(thread, &from->object, &to->object);
	}
	done = clone_some(to, from, &thread->work_position, 512);
	if (!done)
		return KCALL_RESTART;
	work_take(thread);
	if (done < 0) {
		object_put(to);
		return done;
	}
	return cap_install(&to->object, CAP_ALL);
}

long sys_table_cloexec(uint64_t handle)
{
	int error;
	struct table *table = table_arg(handle, CAP_CONTROL, &error);
	unsigned budget = 512;

	if (!table)
		return -error;
	for (long slot = 0; (slot = table_next_used(table, slot)) >= 0; slot++) {
		if (!table_slot(table, slot)->cloexec)
			continue;
		if (!budget--)
			return KCALL_RESTART;
		table_clear(table, slot);
		if ((uint32_t)slot + 1 >= table->slots)
			break;
	}
	return 0;
}

long sys_table_limit(uint64_t handle, uint64_t slots)
{
	int error;
	struct table *table = table_arg(handle, CAP_CONTROL, &error);

	if (!table)
		return -error;
	if (slots > TABLE_SLOTS_MAX)
		return -EINVAL;
	table->limit = slots;
	return 0;
}

static struct cap *table_cap(struct table *table, uint64_t slot)
{
	struct cap *cap = slot < table->slots ? table_slot(table, slot) : NULL;

	return cap && cap->object ? cap : NULL;
}

long sys_table_get(uint64_t handle, uint64_t slot, uint64_t rights)
{
	int error;
	struct table *table = table_arg(handle, CAP_R, &error);
	struct cap *cap;

	if (!table)
		return -error;
	cap = table_cap(table, slot);
	if (!cap)
		return -EBADF;
	return cap_install(object_get(cap->object), cap->rights & rights);
}

long sys_table_put(uint64_t handle, uint64_t slot, uint64_t from, uint64_t rights)
{
	int error;
	struct table *table = table_arg(handle, CAP_W, &error);
	struct cap *cap, copy;
	long answer;

	if (!table)
		return -error;
	cap = handle_cap(from);
	if (!cap)
		return -EBADF;
	copy = *cap;
	if ((int64_t)slot != -1 && slot >= table->limit)
		return -EINVAL;
	object_get(copy.object);
	answer = (int64_t)slot == -1 ? table_reserve(table, 0) : table_reserve_at(table, slot);
	if (answer < 0)
		object_put(copy.object);
	else
		table_fill(table, answer, copy.object, copy.rights & rights, copy.cloexec);
	return answer;
}

long sys_table_remove(uint64_t handle, uint64_t slot)
{
	int error;
	struct table *table = table_arg(handle, CAP_W, &error);

	if (!table)
		return -error;
	return table_cap(table, slot) ? table_clear(table, slot) : -EBADF;
}

long sys_table_next(uint64_t handle, uint64_t slot)
{
	int error;
	struct table *table = table_arg(handle, CAP_R, &error);

	if (!table)
		return -error;
	return slot < table->slots ? table_next_used(table, slot) : -ENOENT;
}
