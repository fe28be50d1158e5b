/* SPDX-License-Identifier: MIT */
/* One file system shown by several mounts: a name of the one found in another, and changes made known to all. */
#include "tree.h"

/* What is known in the mount of the same directory. A file may have several names, so its own directory decides;
 * but if it is what the mount shows, there is only that. */
static struct dentry *known_in(const struct dentry *d, const struct mount *in)
{
	struct dentry *a = d->node->names;

	while (a && (a->mount != in || !(dentry_is_root(a) || (a->hashed && node_is(d->node, S_IFDIR)))))
		a = a->namesake;
	return a;
}

static struct dentry *above(const struct dentry *d)
{
	return dentry_is_root(d) ? d->mount->origin : d->parent;
}

/* Upwards to what the mount knows, then down by one name; and again, until it is the name that was asked for. */
struct dentry *alias_in(struct dentry *d, const struct mount *in)
{
	for (;;) {
		struct dentry *x = d, *below = NULL, *a;

		while (x && !(a = known_in(x, in))) {
			below = x;
			x = above(x);
		}
		if (!x)
			return NULL;
		if (below) {
			vnode_get(below->node);
			a = dentry_enter(a, dentry_name(below), below->length, below->node);
			if (!a)
				return NULL;
		} else {
			dentry_get(a);
		}
		if (a->node == d->node)
			return a;
		dentry_put(a);
	}
}

static void forget_in(const struct dentry *dir, const char *name, size_t length)
{
	struct dentry *d = dentry_find(dir, name, length, name_hash(name, length));

	if (d)
		dentry_forget(d);
}

void aliases_forget(const struct dentry *dir, const char *name, size_t length)
{
	for (struct dentry *a = dir->node->names; a; a = a->namesake)
		if (a != dir)
			forget_in(a, name, length);
}

/* Out of the part that a mount shows: there the name is gone. */
void aliases_rename(const struct dentry *dir, const char *name, size_t length, const struct dentry *dir2,
		    const char *name2, size_t length2)
{
	aliases_forget(dir2, name2, length2);
	for (struct dentry *a = dir->node->names; a; a = a->namesake) {
		struct dentry *d = a == dir ? NULL : dentry_find(a, name, length, name_hash(name, length));
		struct dentry *to = d ? known_in(dir2, a->mount) : NULL;

		if (to)
			dentry_rename(d, to, name2, length2);
		else if (d)
			dentry_forget(d);
	}
}

bool alias_is_covered(const struct dentry *d)
{
	for (const struct dentry *a = d->node->names; a; a = a->namesake)
		if (a->mounted && (a == d || a->parent->node == d->parent->node))
			return true;
	return false;
}
