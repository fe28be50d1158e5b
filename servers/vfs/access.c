/* SPDX-License-Identifier: MIT */
/* Who may do what in directories. */
#include "tree.h"

bool is_read_only(const struct mount *mount)
{
	return mount->super->read_only || (mount->flags & MOUNT_READ_ONLY);
}

long may_access(const struct creds *creds, const struct dentry *at, uint32_t mask)
{
	const struct vnode *node = at->node;
	struct attr_owner owner = { node->mode, node->uid, node->gid };
	uint32_t type = node->mode & S_IFMT;

	if ((mask & MAY_WRITE) && is_read_only(at->mount) &&
	    (type == S_IFREG || type == S_IFDIR || type == S_IFLNK))
		return -EROFS;
	return mode_allows(creds, &owner, mask);
}

long may_create(const struct creds *creds, const struct dentry *dir)
{
	if (dentry_is_gone(dir))
		return -ENOENT;
	return may_access(creds, dir, MAY_WRITE | MAY_EXEC);
}

long may_delete(const struct creds *creds, const struct dentry *dir, const struct dentry *victim, bool is_dir)
{
	const struct vnode *node = victim->node, *in = dir->node;
	long status = may_access(creds, dir, MAY_WRITE | MAY_EXEC);

	if (status)
		return status;
	if ((in->mode & S_ISVTX) && creds->uid && creds->uid != node->uid && creds->uid != in->uid)
		return -EPERM;
	if (is_dir != node_is(node, S_IFDIR))
		return is_dir ? -ENOTDIR : -EISDIR;
	if (dentry_is_root(victim) || alias_is_covered(victim))
		return -EBUSY;
	return 0;
}

/* As Linux with protected_hardlinks (Documentation/admin-guide/sysctl/fs.rst): a name of one's own keeps another's device,
 * or a set-uid program with a hole in it, after its owner has removed it. What is read-only may_create refuses, as that. */
long may_link(const struct creds *creds, const struct dentry *at)
{
	const struct vnode *node = at->node;
	struct attr_owner owner = { node->mode, node->uid, node->gid };

	if (!creds->uid || creds->uid == node->uid || is_read_only(at->mount))
		return 0;
	if (!node_is(node, S_IFREG) || (node->mode & S_ISUID) || mode_is_set_gid(node->mode) ||
	    mode_allows(creds, &owner, MAY_READ | MAY_WRITE))
		return -EPERM;
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
	else if (mode_is_set_gid(*mode) && creds->uid && !creds_in_group(creds, dir->gid))
		*mode &= ~S_ISGID;
}
