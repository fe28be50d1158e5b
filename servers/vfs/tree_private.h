/* SPDX-License-Identifier: MIT */
/* What tree.c and rebuild.c share: the arrays, and what is derived from them. */
#ifndef SERVERS_VFS_TREE_PRIVATE_H
#define SERVERS_VFS_TREE_PRIVATE_H

#include "tree.h"

#define DENTRY_HASH 8192u
#define VNODE_HASH 4096u

extern struct dentry dentries[DENTRY_MAX];
extern struct vnode vnodes[VNODE_MAX];
extern uint32_t dentries_touched, vnodes_touched; /* slots beyond were never used */

extern struct dentry *dentry_hash[DENTRY_HASH];
extern struct vnode *vnode_hash[VNODE_HASH];
extern struct dentry *dentries_free, *dentries_newest, *dentries_oldest;
extern struct vnode *vnodes_free;

struct vnode **vnode_bucket(const struct mount *mount, uint64_t number);
void dentry_hash_in(struct dentry *d);
void dentry_sibling_in(struct dentry *d);
void dentry_namesake_in(struct dentry *d);

#endif
