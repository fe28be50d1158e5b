/* SPDX-License-Identifier: MIT */
/* Names and nodes: the cache, its limits, and how it is made anew after a crash. */
#include "tree_private.h"

#include <util/string.h>

PRESERVED struct dentry dentries[DENTRY_MAX];
PRESERVED struct vnode vnodes[VNODE_MAX];
PRESERVED uint32_t dentries_touched, vnodes_touched;

struct dentry *dentry_hash[DENTRY_HASH];
struct vnode *vnode_hash[VNODE_HASH];
struct dentry *dentries_free, *dentries_newest, *dentries_oldest;
struct vnode *vnodes_free;

uint32_t name_hash(const char *name, size_t length)
{
	uint32_t hash = 0;

	for (size_t i = 0; i < length; i++)
		hash = name_hash_step(hash, name[i]);
	return hash;
}

static struct dentry **bucket_of(const struct dentry *dir, uint32_t hash)
{
	uint32_t mixed = hash + (uint32_t)(dir - dentries) * 0x9e3779b1u;

	return &dentry_hash[(mixed ^ mixed >> 15) % DENTRY_HASH];
}

struct dentry *dentry_find(const struct dentry *dir, const char *name, size_t length, uint32_t hash)
{
	struct dentry *d = *bucket_of(dir, hash);

	for (; d; d = d->hash_next)
		if (d->hash == hash && d->parent == dir && d->length == length &&
		    !memcmp(dentry_name(d), name, length))
			return d;
	return NULL;
}

void dentry_hash_in(struct dentry *d)
{
	struct dentry **bucket = bucket_of(d->parent, d->hash);

	d->hash_next = *bucket;
	*bucket = d;
	d->hashed = true;
}

static void hash_out(struct dentry *d)
{
	struct dentry **link = bucket_of(d->parent, d->hash);

	while (*link && *link != d)
		link = &(*link)->hash_next;
	if (*link)
		*link = d->hash_next;
	d->hashed = false;
}

void dentry_sibling_in(struct dentry *d)
{
	d->sibling = d->parent->children;
	d->sibling_link = &d->parent->children;
	if (d->sibling)
		d->sibling->sibling_link = &d->sibling;
	d->parent->children = d;
}

static void sibling_out(struct dentry *d)
{
	if (!d->sibling_link)
		return;
	*d->sibling_link = d->sibling;
	if (d->sibling)
		d->sibling->sibling_link = d->sibling_link;
	d->sibling_link = NULL;
}

static void lru_out(struct dentry *d)
{
	*(d->newer ? &d->newer->older : &dentries_newest) = d->older;
	*(d->older ? &d->older->newer : &dentries_oldest) = d->newer;
	d->newer = d->older = NULL;
}

static void lru_in(struct dentry *d)
{
	d->newer = NULL;
	d->older = dentries_newest;
	*(dentries_newest ? &dentries_newest->newer : &dentries_oldest) = d;
	dentries_newest = d;
}

void dentry_get(struct dentry *d)
{
	if (!d->references++)
		lru_out(d);
}

void dentry_namesake_in(struct dentry *d)
{
	d->namesake = d->node->names;
	d->namesake_link = &d->node->names;
	if (d->namesake)
		d->namesake->namesake_link = &d->namesake;
	d->node->names = d;
}

static void namesake_out(struct dentry *d)
{
	*d->namesake_link = d->namesake;
	if (d->namesake)
		d->namesake->namesake_link = d->namesake_link;
	d->namesake_link = NULL;
}

static void set_node(struct dentry *d, struct vnode *node)
{
	struct vnode *old = d->node;

	if (old)
		namesake_out(d);
	d->node = node;
	if (node)
		dentry_namesake_in(d);
	if (old)
		vnode_put(old);
}

static void dentry_free(struct dentry *d)
{
	struct dentry *parent = d->parent;

	if (d->hashed)
		hash_out(d);
	sibling_out(d);
	set_node(d, NULL);
	pheap_free(d->long_name);
	memset(d, 0, sizeof(*d));
	d->hash_next = dentries_free;
	dentries_free = d;
	if (parent != d)
		dentry_put(parent);
}

/* Roots of mounts are not hashed; they go with their last reference, the mount's. */
void dentry_put(struct dentry *d)
{
	if (--d->references)
		return;
	if (d->hashed)
		lru_in(d);
	else
		dentry_free(d);
}

static void evict(struct dentry *d)
{
	lru_out(d);
	dentry_free(d);
}

static struct dentry *dentry_take(void)
{
	struct dentry *d;

	if (!dentries_free && dentries_touched < DENTRY_MAX)
		return &dentries[dentries_touched++];
	if (!dentries_free && dentries_oldest)
		evict(dentries_oldest);
	d = dentries_free;
	if (d)
		dentries_free = d->hash_next;
	return d;
}

static bool set_name(struct dentry *d, const char *name, size_t length)
{
	char *to = d->short_name;

	if (length >= DENTRY_INLINE) {
		to = pheap_alloc(length + 1);
		if (!to)
			return false;
	}
	pheap_free(d->long_name);
	d->long_name = to == d->short_name ? NULL : to;
	memcpy(to, name, length);
	to[length] = 0;
	d->length = (uint16_t)length;
	d->hash = name_hash(name, length);
	return true;
}

static struct dentry *dentry_make(struct dentry *dir, const char *name, size_t length, struct mount *mount)
{
	struct dentry *d = dentry_take();

	if (!d)
		return NULL;
	memset(d, 0, sizeof(*d));
	if (!set_name(d, name, length)) {
		d->hash_next = dentries_free;
		dentries_free = d;
		return NULL;
	}
	d->parent = dir ? dir : d;
	d->mount = mount;
	d->references = 1;
	d->used = true;
	return d;
}

/* Consumes the caller's reference to the node; the dentry comes back with a reference of the caller's. */
struct dentry *dentry_enter(struct dentry *dir, const char *name, size_t length, struct vnode *node)
{
	struct dentry *d = dentry_find(dir, name, length, name_hash(name, length));

	if (d && d->node && d->node != node) {
		dentry_delete(d);
		d = dentry_find(dir, name, length, name_hash(name, length));
	}
	if (d) {
		dentry_get(d);
		set_node(d, node);
		return d;
	}
	dentry_get(dir);
	d = dentry_make(dir, name, length, dir->mount);
	if (!d) {
		dentry_put(dir);
		if (node)
			vnode_put(node);
		return NULL;
	}
	set_node(d, node);
	dentry_sibling_in(d);
	dentry_hash_in(d);
	return d;
}

struct dentry *dentry_make_root(struct mount *mount, struct vnode *node)
{
	struct dentry *d = dentry_make(NULL, "/", 1, mount);

	if (d)
		set_node(d, node);
	return d;
}

void dentry_forget(struct dentry *d)
{
	dentry_prune(d);
	if (d->references)
		hash_out(d);
	else
		evict(d);
}

void dentry_delete_put(struct dentry *d)
{
	bool hashed = d->hashed;

	dentry_put(d);
	if (hashed)
		dentry_delete(d);
}

void dentry_delete(struct dentry *d)
{
	dentry_prune(d);
	if (!d->references) {
		set_node(d, NULL);
		return;
	}
	hash_out(d);
}

/* A directory that goes is empty: below it are at most names known to be absent. */
void dentry_prune(struct dentry *d)
{
	struct dentry *c, *next;

	for (c = d->children; c; c = next) {
		next = c->sibling;
		if (!c->references)
			evict(c);
	}
}

/* The last child that goes takes its parents with it, so one round is enough. */
void mount_prune(const struct mount *mount)
{
	for (uint32_t i = 0; i < dentries_touched; i++) {
		struct dentry *d = &dentries[i], *parent;

		for (; d->used && d->mount == mount && d->hashed && !d->references; d = parent) {
			parent = d->parent;
			evict(d);
		}
	}
}

void dentry_rename(struct dentry *d, struct dentry *dir, const char *name, size_t length)
{
	struct dentry *there = dentry_find(dir, name, length, name_hash(name, length));
	struct dentry *old_dir = d->parent;

	if (there == d)
		return;
	dentry_get(d);
	dentry_get(dir);
	hash_out(d);
	if (there)
		dentry_prune(there);
	if (there && !there->references)
		evict(there);
	else if (there)
		hash_out(there);
	if (!set_name(d, name, length)) {
		/* Without memory for the new name it is only not known any more. */
		dentry_put(dir);
		dentry_put(d);
		return;
	}
	sibling_out(d);
	d->parent = dir;
	dentry_sibling_in(d);
	dentry_hash_in(d);
	dentry_put(d);
	dentry_put(old_dir);
}

static void swap_bytes(void *a, void *b, size_t length)
{
	uint8_t *x = a, *y = b;

	for (; length; length--, x++, y++) {
		uint8_t t = *x;

		*x = *y;
		*y = t;
	}
}

void dentry_exchange(struct dentry *a, struct dentry *b)
{
	struct dentry *parent = a->parent;

	hash_out(a);
	hash_out(b);
	sibling_out(a);
	sibling_out(b);
	a->parent = b->parent;
	b->parent = parent;
	swap_bytes(&a->hash, &b->hash, sizeof(a->hash));
	swap_bytes(&a->length, &b->length, sizeof(a->length));
	swap_bytes(&a->long_name, &b->long_name, sizeof(a->long_name));
	swap_bytes(a->short_name, b->short_name, DENTRY_INLINE);
	dentry_sibling_in(a);
	dentry_sibling_in(b);
	dentry_hash_in(a);
	dentry_hash_in(b);
}

bool dentry_is_below(const struct dentry *d, const struct dentry *ancestor)
{
	while (d != ancestor && !dentry_is_root(d))
		d = d->parent;
	return d == ancestor;
}

/* --- nodes ------------------------------------------------------------------------------------------ */

struct vnode **vnode_bucket(const struct mount *mount, uint64_t number)
{
	uint32_t mixed = (uint32_t)number * 0x9e3779b1u + (uint32_t)(mount - mounts) * 0x85ebca6bu;

	return &vnode_hash[(mixed ^ mixed >> 15) % VNODE_HASH];
}

struct vnode *vnode_find(const struct mount *mount, uint64_t number)
{
	struct vnode *node = *vnode_bucket(mount->super, number);

	while (node && (node->number != number || node->mount != mount->super))
		node = node->hash_next;
	return node;
}

static struct vnode *vnode_take(void)
{
	struct vnode *node;

	if (!vnodes_free && vnodes_touched < VNODE_MAX)
		return &vnodes[vnodes_touched++];
	while (!vnodes_free && dentries_oldest)
		evict(dentries_oldest);
	node = vnodes_free;
	if (node)
		vnodes_free = node->hash_next;
	return node;
}

static void vnode_update(struct vnode *node, const struct node_words *words)
{
	node->mode = (uint32_t)words->mode & ~(uint32_t)FS_MODE_VOLATILE;
	node->uid = (uint32_t)words->owner;
	node->gid = (uint32_t)(words->owner >> 32);
	node->rdev = words->rdev;
}

struct vnode *vnode_enter(struct mount *mount, const struct node_words *words)
{
	struct vnode *node, **bucket;

	mount = mount->super;
	node = vnode_find(mount, words->node);
	if (!node) {
		node = vnode_take();
		if (!node) {
			tree_forget(mount, words->node, 1);
			return NULL;
		}
		memset(node, 0, offsetof(struct vnode, stat));
		node->mount = mount;
		node->number = words->node;
		bucket = vnode_bucket(mount, words->node);
		node->hash_next = *bucket;
		*bucket = node;
		node->used = true;
	}
	vnode_update(node, words);
	node->lookups++;
	node->references++;
	return node;
}

void vnode_get(struct vnode *node)
{
	node->references++;
}

void vnode_put(struct vnode *node)
{
	struct vnode **link;

	if (--node->references)
		return;
	for (link = vnode_bucket(node->mount, node->number); *link && *link != node;)
		link = &(*link)->hash_next;
	if (*link)
		*link = node->hash_next;
	node->used = false;
	locks_free(&node->locks);
	pheap_free(node->link);
	node->link = NULL;
	node->hash_next = vnodes_free;
	vnodes_free = node;
	if (node->lookups)
		tree_forget(node->mount, node->number, node->lookups);
}
