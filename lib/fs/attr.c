/* SPDX-License-Identifier: MIT */
/* Who may change which attributes. */
#include <fs/attr.h>
#include <sys/server.h>

#define TIMES_SET (FILE_SET_ATIME | FILE_SET_MTIME)
#define TIMES_NOW (FILE_SET_ATIME_NOW | FILE_SET_MTIME_NOW)
#define NOBODY 65534u

void creds_of(uint64_t stamp, struct creds *creds, bool real)
{
	const struct process_entry *process;

	*creds = (struct creds){ 0 };
	if (stamp_is_service(stamp))
		return;
	process = process_find(stamp);
	if (!process) {
		creds->uid = creds->gid = NOBODY;
		return;
	}
	creds->uid = real ? process->uid : process->fsuid;
	creds->gid = real ? process->gid : process->fsgid;
	creds->groups = process->groups;
	creds->group_count = process->group_count < PROCESS_GROUPS ? process->group_count : PROCESS_GROUPS;
}

bool creds_in_group(const struct creds *creds, uint32_t gid)
{
	if (creds->gid == gid)
		return true;
	for (uint32_t i = 0; i < creds->group_count; i++)
		if (creds->groups[i] == gid)
			return true;
	return false;
}

long mode_allows(const struct creds *creds, const struct attr_owner *owner, uint32_t mask)
{
	uint32_t mode = owner->mode;

	if (!creds->uid) {
		/* Even root executes only what somebody may execute. */
		if ((mask & MAY_EXEC) && (mode & S_IFMT) != S_IFDIR && !(mode & 0111))
			return -EACCES;
		return 0;
	}
	if (creds->uid == owner->uid)
		mode >>= 6;
	else if (creds_in_group(creds, owner->gid))
		mode >>= 3;
	return (mode & mask) == mask ? 0 : -EACCES;
}

static long ids_check(const struct creds *creds, const struct attr_owner *owner,
		      const struct attr_change *change)
{
	bool mine = creds->uid == owner->uid;

	if (!creds->uid)
		return 0;
	if ((change->valid & FILE_SET_UID) && (!mine || change->uid != owner->uid))
		return -EPERM;
	if ((change->valid & FILE_SET_GID) &&
	    (!mine || (change->gid != owner->gid && !creds_in_group(creds, change->gid))))
		return -EPERM;
	return 0;
}

bool mode_is_set_gid(uint32_t mode)
{
	return (mode & (S_ISGID | 010)) == (S_ISGID | 010);
}

/* A file that changes hands is not set-id any more. */
static void drop_set_id(const struct attr_owner *owner, struct attr_change *change)
{
	uint32_t mode = owner->mode & 07777;

	if (!(change->valid & (FILE_SET_UID | FILE_SET_GID)) || (change->valid & FILE_SET_MODE) ||
	    (owner->mode & S_IFMT) == S_IFDIR)
		return;
	if (!(mode & S_ISUID) && !mode_is_set_gid(mode))
		return;
	mode &= ~(uint32_t)S_ISUID;
	if (mode & 010)
		mode &= ~(uint32_t)S_ISGID;
	change->valid |= FILE_SET_MODE;
	change->mode = mode;
}

static long times_check(const struct creds *creds, const struct attr_owner *owner,
			const struct attr_change *change)
{
	if (!(change->valid & (TIMES_SET | TIMES_NOW)) || !creds->uid || creds->uid == owner->uid)
		return 0;
	if (change->valid & TIMES_SET || (change->valid & TIMES_NOW) != TIMES_NOW)
		return -EPERM;
	return mode_allows(creds, owner, MAY_WRITE);
}

long attr_check(const struct creds *creds, const struct attr_owner *owner, struct attr_change *change)
{
	long status = ids_check(creds, owner, change);

	if (status)
		return status;
	if (change->valid & FILE_SET_MODE) {
		if (creds->uid && creds->uid != owner->uid)
			return -EPERM;
		change->mode &= 07777;
		if (creds->uid && !creds_in_group(creds, owner->gid))
			change->mode &= ~(uint32_t)S_ISGID;
	}
	drop_set_id(owner, change);
	return times_check(creds, owner, change);
}

void attr_resolve_now(struct attr_change *change)
{
	uint64_t now;

	if (!(change->valid & TIMES_NOW))
		return;
	now = clock_realtime_ns();
	if (change->valid & FILE_SET_ATIME_NOW) {
		change->atime = (int64_t)(now / 1000000000u);
		change->atime_nsec = (int64_t)(now % 1000000000u);
		change->valid |= FILE_SET_ATIME;
	}
	if (change->valid & FILE_SET_MTIME_NOW) {
		change->mtime = (int64_t)(now / 1000000000u);
		change->mtime_nsec = (int64_t)(now % 1000000000u);
		change->valid |= FILE_SET_MTIME;
	}
	change->valid &= ~TIMES_NOW;
}
