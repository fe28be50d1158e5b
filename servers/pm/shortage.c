/* SPDX-License-Identifier: MIT */
/* Memory has run out: the process that holds most of it goes, not the one that happens to ask next. */
#include "machine.h"
#include "pm.h"

#include <sys/server.h>

#define SHORT_FRACTION 32u /* of all memory: free memory below that is short */
#define LARGE_FRACTION 4u  /* what fork and exec may have somebody else killed for */

/* Pages that come back when it ends. */
static uint64_t own_pages(const struct process *process)
{
	struct space_stat stat;

	if (process_is_zombie(process) || !process->image ||
	    kcall(space_stat, process->image->space, &stat) < 0)
		return 0;
	return stat.resident_pages - stat.shared_pages + stat.table_pages;
}

static struct process *largest(uint64_t *pages)
{
	struct process *found = NULL;

	*pages = 0;
	for (struct process *process = process_list; process; process = process->next) {
		uint64_t own = process == init_process() ? 0 : own_pages(process);

		if (own > *pages) {
			*pages = own;
			found = process;
		}
	}
	return found;
}

static void end(struct process *process, uint64_t pages)
{
	slog("out of memory: %s (%d) with %lu KiB is killed", process_entry(process)->command,
	     process_pid(process), pages * (ANOLE_PAGE_SIZE / 1024));
	process_exit(process, SIGKILL);
}

void shortage_fault(struct process *process)
{
	struct system_info info = { 0 };
	uint64_t pages;
	struct process *victim = largest(&pages);

	kcall(system_info, &info);
	/* Many small ones have used it up: whoever asks is as likely to be one of them as any other. */
	if (!victim || (pages < info.pages_total / SHORT_FRACTION && process != init_process()))
		victim = process;
	end(victim, own_pages(victim));
}

bool shortage_relieve(const struct process *process)
{
	struct system_info info = { 0 };
	struct process *victim;
	uint64_t pages;

	if (kcall(system_info, &info) < 0 || info.pages_free > info.pages_total / SHORT_FRACTION)
		return false;
	victim = largest(&pages);
	if (!victim || victim == process || pages < info.pages_total / LARGE_FRACTION)
		return false;
	end(victim, pages);
	return true;
}
