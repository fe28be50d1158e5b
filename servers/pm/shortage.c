/* SPDX-License-Identifier: MIT */
/*
 * Memory has run out: the process that holds most of it goes, not the one that happens to ask next. If
 * it is a user's quota that is used up, it is one of that user's; if that of all users, one of whoever has most.
 */
#include "machine.h"
#include "quota.h"

#include <sys/server.h>

#define SHORT_FRACTION 32u /* of all memory: free memory below that is short */
#define IN_VAIN_NS 100000000u
#define LARGE_FRACTION 4u /* what fork and exec may have somebody else killed for */

/* Pages that come back when it ends. */
static uint64_t own_pages(const struct process *process)
{
	struct space_stat stat;

	if (process_is_zombie(process) || !process->image ||
	    kcall(space_stat, process->image->space, &stat) < 0)
		return 0;
	return stat.resident_pages - stat.shared_pages + stat.table_pages;
}

#define ANYBODY UINT32_MAX

static struct process *largest(uint32_t uid, uint64_t *pages)
{
	struct process *found = NULL;

	*pages = 0;
	for (struct process *process = table.first; process; process = process->next) {
		bool counts =
		    process != init_process() && (uid == ANYBODY || process_entry(process)->uid == uid);
		uint64_t own = counts ? own_pages(process) : 0;

		if (own > *pages) {
			*pages = own;
			found = process;
		}
	}
	return found;
}

static void end(struct process *process, uint64_t pages)
{
	if (may_log_end())
		slog("out of memory: %s (%d) of user %u with %lu KiB is killed",
		     process_entry(process)->command, process_pid(process), process_entry(process)->uid,
		     pages * (ANOLE_PAGE_SIZE / 1024));
	process_exit(process, SIGKILL);
}

/* Many small ones have used it up: whoever asks is as likely to be one of them as any other. */
static bool is_small(const struct process *asking, uint64_t pages)
{
	struct system_info info = { 0 };

	kcall(system_info, &info);
	return pages < info.pages_total / SHORT_FRACTION && asking != init_process();
}

/* Whose processes: a user whose quota is used up is no reason to end another's. */
static uint32_t concerned(enum quota_shortage shortage, uint32_t uid)
{
	return shortage == QUOTA_USER || shortage == QUOTA_USERS ? uid : ANYBODY;
}

/*
 * Among thousands that are all small, as of a fork bomb, the search is long and each of them soon asks: that it found
 * nobody holds for a while.
 */
static struct {
	uint64_t until;
	uint32_t whose;
} in_vain;

static struct process *victim_of(struct process *asking, uint32_t whose, bool own)
{
	struct process *victim;
	uint64_t pages;

	if (own && whose == in_vain.whose && machine_now() < in_vain.until && asking != init_process())
		return asking;
	victim = largest(whose, &pages);
	if (victim && (!own || !is_small(asking, pages)))
		return victim;
	in_vain.until = machine_now() + IN_VAIN_NS;
	in_vain.whose = whose;
	return asking;
}

void shortage_fault(struct process *process)
{
	uint32_t uid;
	enum quota_shortage shortage = quota_short(process, &uid);
	struct process *victim =
	    victim_of(process, concerned(shortage, uid), uid == process_entry(process)->uid);

	end(victim, own_pages(victim));
}

bool shortage_relieve(const struct process *process)
{
	struct system_info info = { 0 };
	struct process *victim;
	enum quota_shortage shortage;
	uint64_t pages;
	uint32_t uid;

	shortage = quota_short(process, &uid);
	kcall(system_info, &info);
	if (shortage == QUOTA_FREE && info.pages_free > info.pages_total / SHORT_FRACTION)
		return false;
	victim = largest(concerned(shortage, uid), &pages);
	if (!victim || victim == process || pages < info.pages_total / LARGE_FRACTION)
		return false;
	end(victim, pages);
	tx_checkpoint(); /* only then has it ended, and its memory is free */
	return true;
}
