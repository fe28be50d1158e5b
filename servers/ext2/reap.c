/* SPDX-License-Identifier: MIT */
/* Files without a name go when nobody uses them any more. */
#include "writer.h"

#define RETRY_NS 1000000000ull
#define REAP_STEPS 64u /* of some thousand blocks each */

static struct timer reap_timer;

/* The pass that writes a file back is no user of one without a name: it lets go of it. */
static bool unused(struct inode *inode)
{
	uint32_t passes = inode == writer.inode;

	return !inode->d.links && !inode->held && inode->opens == passes && !pages_mapped(inode);
}

static bool reapable(struct inode *inode)
{
	return unused(inode) && !inode->opens && !(inode->pinned & INODE_IO);
}

static struct inode *find_reapable(void)
{
	for (struct inode *inode = fs.orphans; inode; inode = inode->orphan_next)
		if (reapable(inode))
			return inode;
	return NULL;
}

bool reap_pending(void)
{
	for (struct inode *inode = fs.orphans; inode; inode = inode->orphan_next)
		if (unused(inode))
			return !fs.read_only;
	return false;
}

static bool mapped_orphan(void)
{
	for (struct inode *inode = fs.orphans; inode; inode = inode->orphan_next)
		if (inode->pinned & INODE_MAPPED)
			return true;
	return false;
}

static void reap_on(struct timer *timer)
{
	(void)timer;
	reap_run();
}

void reap_wake(struct inode *inode)
{
	if (!inode->d.links)
		timer_start(&reap_timer, clock_monotonic_ns() + 1, reap_on);
}

/* What a step has freed stays freed even where it has to wait in the middle. */
void reap_run(void)
{
	struct inode *inode;

	if (!mount.mounted || fs.read_only || !fs.orphans)
		return;
	for (unsigned steps = 0; !write_crowded() && (inode = find_reapable()); steps++) {
		long status;

		if (steps == REAP_STEPS) { /* others first */
			timer_start(&reap_timer, clock_monotonic_ns() + 1, reap_on);
			return;
		}
		pages_free(inode);
		status = inode_delete_step(inode);
		tx_commit(&fs);
		if (status == EXT2_WAIT)
			return; /* write_kick comes back */
	}
	write_room();
	if (mapped_orphan())
		write_timer(RETRY_NS);
	write_run();
}
