/* SPDX-License-Identifier: MIT */
/* What RS gave us: names in the startup page. */
#include "internal.h"

const struct startup *const startup = (const struct startup *)STARTUP_PAGE;

const struct startup_entry *startup_find(enum startup_kind kind, const char *name, unsigned nth)
{
	for (uint32_t i = 0; i < startup->count; i++) {
		const struct startup_entry *entry = &startup->entries[i];

		if (entry->kind != (uint32_t)kind || (name && strcmp(entry->name, name)))
			continue;
		if (nth-- == 0)
			return entry;
	}
	return NULL;
}

cap_t service_cap(const char *name)
{
	const struct startup_entry *entry = startup_find(STARTUP_SERVICE, name, 0);

	return entry ? entry->slot : CAP_NONE;
}

void *share_address(const char *name)
{
	const struct startup_entry *entry = startup_find(STARTUP_SHARE, name, 0);

	return entry ? (void *)entry->address : NULL;
}
