/* SPDX-License-Identifier: MIT */
/* Credentials: setuid(2) and its family, set-id programs. */
#include "pm.h"

#include <util/string.h>

/* One kind of id, user or group, of a process. */
struct ids {
	uint32_t *real, *effective, *saved, *fs;
};

static struct ids user_ids(struct process_entry *entry)
{
	return (struct ids){ &entry->uid, &entry->euid, &entry->suid, &entry->fsuid };
}

static struct ids group_ids(struct process_entry *entry)
{
	return (struct ids){ &entry->gid, &entry->egid, &entry->sgid, &entry->fsgid };
}

static bool kept(int64_t id)
{
	return id == -1;
}

static bool one_of(const struct ids *ids, int64_t id)
{
	return kept(id) || id == *ids->real || id == *ids->effective || id == *ids->saved;
}

static void change(uint32_t *id, int64_t to)
{
	if (!kept(to))
		*id = (uint32_t)to;
}

static long set_id(const struct ids *ids, bool root, int64_t id)
{
	if (kept(id))
		return -EINVAL;
	if (root)
		*ids->real = *ids->saved = (uint32_t)id;
	else if (id != *ids->real && id != *ids->saved)
		return -EPERM;
	*ids->effective = *ids->fs = (uint32_t)id;
	return 0;
}

static long set_real_effective(const struct ids *ids, bool root, int64_t real, int64_t effective)
{
	uint32_t before = *ids->real;

	if (!root &&
	    ((!kept(real) && real != *ids->real && real != *ids->effective) || !one_of(ids, effective)))
		return -EPERM;
	change(ids->real, real);
	change(ids->effective, effective);
	if (!kept(real) || (!kept(effective) && effective != before))
		*ids->saved = *ids->effective;
	*ids->fs = *ids->effective;
	return 0;
}

static long set_all(const struct ids *ids, bool root, int64_t real, int64_t effective, int64_t saved)
{
	if (!root && (!one_of(ids, real) || !one_of(ids, effective) || !one_of(ids, saved)))
		return -EPERM;
	change(ids->real, real);
	change(ids->effective, effective);
	change(ids->saved, saved);
	*ids->fs = *ids->effective;
	return 0;
}

static long set_fs(const struct ids *ids, bool root, int64_t id)
{
	if (!kept(id) && (root || one_of(ids, id) || id == *ids->fs))
		*ids->fs = (uint32_t)id;
	return 0;
}

/* Numbers of ids are 32 bits; libposix has them sign-extended, so that -1 is -1. */
static int64_t widen(int64_t id)
{
	return kept(id) ? -1 : (int64_t)(uint32_t)id;
}

static long set_by(struct process_entry *entry, uint32_t which, int64_t a, int64_t b, int64_t c)
{
	bool root = entry->euid == 0;
	struct ids ids = which >= PM_ID_GID ? group_ids(entry) : user_ids(entry);

	a = widen(a), b = widen(b), c = widen(c);
	switch (which) {
	case PM_ID_UID:
	case PM_ID_GID: return set_id(&ids, root, a);
	case PM_ID_REUID:
	case PM_ID_REGID: return set_real_effective(&ids, root, a, b);
	case PM_ID_RESUID:
	case PM_ID_RESGID: return set_all(&ids, root, a, b, c);
	case PM_ID_FSUID:
	case PM_ID_FSGID: return set_fs(&ids, root, a);
	}
	return -EINVAL;
}

long cred_set(struct process *process, uint32_t which, int64_t a, int64_t b, int64_t c)
{
	uint32_t before = process_entry(process)->uid;
	long status = set_by(process_entry(process), which, a, b, c);

	process_changes_owner(process, before);
	return status;
}

long cred_set_groups(struct process *process, const uint32_t *groups, uint32_t count)
{
	struct process_entry *entry = process_entry(process);

	if (entry->euid != 0)
		return -EPERM;
	if (count > PROCESS_GROUPS)
		return -EINVAL;
	memcpy(entry->groups, groups, count * sizeof(*groups));
	entry->group_count = count;
	return 0;
}

#define S_ISUID 04000u
#define S_ISGID 02000u
#define S_IXGRP 00010u

bool cred_exec(struct process *process, uint32_t mode, uint32_t uid, uint32_t gid)
{
	struct process_entry *entry = process_entry(process);

	if (!(process->flags & PROC_NO_NEW_PRIVS)) {
		if (mode & S_ISUID)
			entry->euid = uid;
		if ((mode & (S_ISGID | S_IXGRP)) == (S_ISGID | S_IXGRP))
			entry->egid = gid;
	}
	entry->suid = entry->fsuid = entry->euid;
	entry->sgid = entry->fsgid = entry->egid;
	return entry->euid != entry->uid || entry->egid != entry->gid;
}
