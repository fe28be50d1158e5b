/* SPDX-License-Identifier: MIT */
/* Who may do what: Linux's rules, with uid 0 in the place of its capabilities. */
#include "tree.h"

bool creds_in_group(const struct creds *creds, uint32_t gid)
{
	if (creds->gid == gid)
		return true;
	for (uint32_t i = 0; i < creds->group_count; i++)
		if (creds->groups[i] == gid)
			return true;
	return false;
}

long may_access(const struct creds *creds, const struct vnode *node, uint32_t mask)
{
	uint32_t mode = node->mode, type = mode & S_IFMT;

	if ((mask & MAY_WRITE) && (node->mount->flags & MOUNT_READ_ONLY) &&
	    (type == S_IFREG || type == S_IFDIR || type == S_IFLNK))
		return -EROFS;
	if (!creds->uid) {
		/* Even root executes only what somebody may execute. */
		if ((mask & MAY_EXEC) && type != S_IFDIR && !(mode & 0111))
			return -EACCES;
		return 0;
	}
	if (creds->uid == node->uid)
		mode >>= 6;
	else if (creds_in_group(creds, node->gid))
		mode >>= 3;
	return (mode & mask) == mask ? 0 : -EACCES;
}

long may_create(const struct creds *creds, const struct dentry *dir)
{
	if (!dir->hashed && !dentry_is_root(dir))
		return -ENOENT;
	return may_access(creds, dir->node, MAY_WRITE | MAY_EXEC);
}

long may_delete(const struct creds *creds, const struct dentry *dir, const struct dentry *victim, bool is_dir)
{
	const struct vnode *node = victim->node, *in = dir->node;
	long status = may_access(creds, in, MAY_WRITE | MAY_EXEC);

	if (status)
		return status;
	if ((in->mode & S_ISVTX) && creds->uid && creds->uid != node->uid && creds->uid != in->uid)
		return -EPERM;
	if (is_dir != node_is(node, S_IFDIR))
		return is_dir ? -ENOTDIR : -EISDIR;
	if (victim->mounted || dentry_is_root(victim))
		return -EBUSY;
	return 0;
}

static long owner_check(const struct creds *creds, const struct vnode *node, struct attr_change *change)
{
	bool owner = creds->uid == node->uid;

	if (!creds->uid)
		return 0;
	if ((change->valid & FILE_SET_UID) && (!owner || change->uid != node->uid))
		return -EPERM;
	if ((change->valid & FILE_SET_GID) &&
	    (!owner || (change->gid != node->gid && !creds_in_group(creds, change->gid))))
		return -EPERM;
	return 0;
}

/* A file that changes hands is not set-id any more. */
static void drop_set_id(const struct vnode *node, struct attr_change *change)
{
	uint32_t mode = node->mode & 07777;

	if (!(change->valid & (FILE_SET_UID | FILE_SET_GID)) || (change->valid & FILE_SET_MODE) ||
	    node_is(node, S_IFDIR))
		return;
	if (!(mode & S_ISUID) && (mode & (S_ISGID | 010)) != (S_ISGID | 010))
		return;
	mode &= ~S_ISUID;
	if (mode & 010)
		mode &= ~S_ISGID;
	change->valid |= FILE_SET_MODE;
	change->mode = mode;
}

static long times_check(const struct creds *creds, const struct vnode *node, const struct attr_change *change)
{
	uint32_t now = change->valid & (FILE_SET_ATIME_NOW | FILE_SET_MTIME_NOW);

	if (!creds->uid || creds->uid == node->uid)
		return 0;
	if (change->valid & (FILE_SET_ATIME | FILE_SET_MTIME) || now != (FILE_SET_ATIME_NOW | FILE_SET_MTIME_NOW))
		return -EPERM;
	return may_access(creds, node, MAY_WRITE);
}

long attr_check(const struct creds *creds, const struct vnode *node, struct attr_change *change)
{
	long status;

	if (node->mount->flags & MOUNT_READ_ONLY)
		return -EROFS;
	status = owner_check(creds, node, change);
	if (status)
		return status;
	if (change->valid & FILE_SET_MODE) {
		if (creds->uid && creds->uid != node->uid)
			return -EPERM;
		change->mode &= 07777;
		if (creds->uid && !creds_in_group(creds, node->gid))
			change->mode &= ~S_ISGID;
	}
	drop_set_id(node, change);
	if (change->valid &
	    (FILE_SET_ATIME | FILE_SET_MTIME | FILE_SET_ATIME_NOW | FILE_SET_MTIME_NOW))
		return times_check(creds, node, change);
	return 0;
}

void new_node_owner(const struct creds *creds, const struct vnode *dir, uint32_t *mode, uint32_t *gid)
{
	*gid = creds->gid;
	if (!(dir->mode & S_ISGID))
		return;
	*gid = dir->gid;
	if ((*mode & S_IFMT) == S_IFDIR)
		*mode |= S_ISGID;
	else if ((*mode & (S_ISGID | 010)) == (S_ISGID | 010) && creds->uid && !creds_in_group(creds, dir->gid))
		*mode &= ~S_ISGID;
}
