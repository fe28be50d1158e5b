/* SPDX-License-Identifier: MIT */
/* The table of mounts, and the cache made anew after a crash. */
#include "tree_private.h"

#include <util/string.h>

PRESERVED struct mount mounts[MOUNT_MAX];
PRESERVED struct mount *root_mount;

struct mount *mount_new(void)
{
	static PRESERVED uint64_t next_device;

	for (struct mount *m = mounts; m < mounts + MOUNT_MAX; m++) {
		if (m->used)
			continue;
		memset(m, 0, sizeof(*m));
		m->used = m->dying = true;
		m->super = m;
		m->fs = m->endpoint = m->epochs_memory = CAP_NONE;
		m->device = dev_make(0, (uint32_t)++next_device);
		return m;
	}
	return NULL;
}

bool mount_on_device(uint64_t device)
{
	for (const struct mount *m = mounts; m < mounts + MOUNT_MAX; m++)
		if (m->used && m->device == device)
			return true;
	return false;
}

void mount_free(struct mount *mount)
{
	mount->used = false;
}

/* --- after a crash --------------------------------------------------------------------------------------- */

static void rebuild_vnodes(void)
{
	for (uint32_t i = 0; i < vnodes_touched; i++) {
		struct vnode *node = &vnodes[i], **bucket;

		node->references = 0;
		node->names = NULL;
		if (!node->used) {
			node->hash_next = vnodes_free;
			vnodes_free = node;
			continue;
		}
		bucket = vnode_bucket(node->mount, node->number);
		node->hash_next = *bucket;
		*bucket = node;
	}
}

/* A name half made has no parent yet; one half deleted is not used. */
static bool dentry_whole(const struct dentry *d)
{
	return d->used && d->parent && d->parent->used && d->mount && (!d->node || d->node->used);
}

static void rebuild_dentry(struct dentry *d)
{
	d->newer = d->older = NULL;
	d->references++; /* taken away by tree_rebuilt */
	if (d->node) {
		d->node->references++;
		dentry_namesake_in(d);
	}
	if (dentry_is_root(d))
		return;
	d->parent->references++;
	dentry_sibling_in(d);
	if (d->hashed)
		dentry_hash_in(d);
}

/* What hangs on a name that was not whole goes too. */
static void drop_broken(void)
{
	bool again = true;

	while (again) {
		again = false;
		for (uint32_t i = 0; i < dentries_touched; i++)
			if (dentries[i].used && !dentry_whole(&dentries[i])) {
				dentries[i].used = false;
				again = true;
			}
	}
}

static void rebuild_dentries(void)
{
	drop_broken();
	for (uint32_t i = 0; i < dentries_touched; i++) {
		struct dentry *d = &dentries[i];

		d->references = 0;
		d->children = d->sibling = NULL;
		d->sibling_link = NULL;
		d->mounted = NULL;
		if (!d->used) {
			memset(d, 0, sizeof(*d));
			d->hash_next = dentries_free;
			dentries_free = d;
		}
	}
	for (uint32_t i = 0; i < dentries_touched; i++)
		if (dentries[i].used)
			rebuild_dentry(&dentries[i]);
}

void tree_rebuild(void)
{
	memset(dentry_hash, 0, sizeof(dentry_hash));
	memset(vnode_hash, 0, sizeof(vnode_hash));
	dentries_free = dentries_newest = dentries_oldest = NULL;
	vnodes_free = NULL;
	rebuild_vnodes();
	rebuild_dentries();
	for (struct mount *m = mounts; m < mounts + MOUNT_MAX; m++) {
		if (!m->used)
			continue;
		if (m->root)
			dentry_get(m->root);
		if (m->origin)
			dentry_get(m->origin);
		if (m->covered) {
			dentry_get(m->covered);
			m->covered->mounted = m;
		}
	}
}

void tree_rebuilt(void)
{
	for (uint32_t i = 0; i < vnodes_touched; i++)
		if (vnodes[i].used && !vnodes[i].references) {
			vnodes[i].references = 1;
			vnode_put(&vnodes[i]);
		}
	for (uint32_t i = 0; i < dentries_touched; i++)
		if (dentries[i].used)
			dentry_put(&dentries[i]);
}
