/* SPDX-License-Identifier: MIT */
/* Who calls: PM's process table, mapped read-only. */
#include "internal.h"

const struct process_entry *process_find(uint64_t stamp)
{
	static const struct process_table *table;
	const struct process_entry *entry;

	if (stamp_is_service(stamp))
		return NULL;
	if (!table)
		table = share_address("proctab");
	if (!table || (stamp & STAMP_SLOT_MASK) >= PROCESS_MAX)
		return NULL;
	entry = &table->entry[stamp & STAMP_SLOT_MASK];
	return entry->stamp == stamp ? entry : NULL;
}

bool process_in_group(const struct process_entry *process, uint32_t gid)
{
	uint32_t count = process->group_count;

	if (process->fsgid == gid)
		return true;
	if (count > PROCESS_GROUPS)
		count = PROCESS_GROUPS;
	for (uint32_t i = 0; i < count; i++)
		if (process->groups[i] == gid)
			return true;
	return false;
}
