/* SPDX-License-Identifier: MIT */
/*
 * From a path to a name in the cache. The walk runs from the top each time: what the cache lacks is fetched
 * and the walk made again, which then comes further.
 */
#include "tree.h"

#include <util/string.h>

#define LINKS_MAX 40u
#define EXPANSION_SIZE (2 * PATH_LENGTH_MAX)

/* The path after a symbolic link has been put in place of its name; two, since the rest of one is copied
 * behind the target of the next. */
static char expansion[2][EXPANSION_SIZE];

struct TX_LOCAL cursor {
	struct dentry *at;
	const char *next, *end;
	unsigned links;
};

static bool at_end(const struct cursor *c)
{
	return c->next == c->end;
}

static void skip_slashes(struct cursor *c)
{
	while (c->next < c->end && *c->next == '/')
		c->next++;
}

/* Up: not above the session's root, and from the root of a mount to what it covers. */
static struct dentry *parent_of(const struct walk *w, struct dentry *d)
{
	if (d == w->root)
		return d;
	while (dentry_is_root(d) && d->mount->covered) {
		d = d->mount->covered;
		if (d == w->root)
			return d;
	}
	d = d->parent;
	while (d->mounted)
		d = d->mounted->root;
	return d;
}

static struct dentry *through_mounts(struct dentry *d)
{
	while (d->mounted)
		d = d->mounted->root;
	return d;
}

/* Put a link's target in front of the rest of the path. */
static long expand(struct walk *w, struct cursor *c, const struct vnode *link)
{
	char *to = expansion[c->links & 1];
	size_t rest = (size_t)(c->end - c->next), length = link->link_length;

	if (++c->links > LINKS_MAX)
		return -ELOOP;
	if (!length)
		return -ENOENT;
	if (length + rest > EXPANSION_SIZE)
		return -ENAMETOOLONG;
	memcpy(to, link->link, length);
	memcpy(to + length, c->next, rest);
	c->next = to;
	c->end = to + length + rest;
	if (*to == '/')
		c->at = through_mounts(w->root);
	return 0;
}

/* The component at the cursor into w->name; `rest` afterwards is what follows it, slashes included. */
static void take_component(struct walk *w, struct cursor *c)
{
	const char *p = c->next;
	uint32_t hash = 0;

	w->name = p;
	for (; p < c->end && *p != '/'; p++)
		hash = name_hash_step(hash, *p);
	w->name_length = (uint32_t)(p - w->name);
	w->name_hash = hash;
	c->next = p;
}

static enum last_kind kind_of(const struct walk *w)
{
	if (w->name[0] != '.' || w->name_length > 2)
		return LAST_NAME;
	if (w->name_length == 1)
		return LAST_DOT;
	return w->name[1] == '.' ? LAST_DOT_DOT : LAST_NAME;
}

/* How long others may believe what a volatile file system has said of a name that was there. */
#define VOLATILE_NS 10000000ul

static bool still_true(const struct walk *w, const struct dentry *d)
{
	if (!d->mount->volatile_names || d->mounted || d->known_for == w->token)
		return true;
	return d->node && tree_now() - d->known_ns < VOLATILE_NS;
}

bool link_known(const struct walk *w, const struct vnode *node)
{
	return node->link && (!node->mount->volatile_names || node->link_for == w->token);
}

#define DONE 4 /* ends the walk */

static long absent(struct walk *w, bool last)
{
	w->found = NULL;
	return last && (w->flags & WALK_MAY_LACK) ? DONE : -ENOENT;
}

/* One name in directory c->at. 0: go on with c->at; else the walk's answer. `last`: nothing but slashes follows. */
static long step(struct walk *w, struct cursor *c, bool last)
{
	struct dentry *d;

	if (w->name_length > NAME_LENGTH_MAX)
		return -ENAMETOOLONG;
	w->dir = c->at;
	if (dentry_is_gone(c->at) && !c->at->mount->volatile_names)
		return absent(w, last);
	d = dentry_find(c->at, w->name, w->name_length, w->name_hash);
	if (!d || !still_true(w, d))
		return WALK_LOOKUP;
	if (!d->node)
		return absent(w, last);
	if (d->node->going)
		return WALK_WAIT;
	if (d->mounted)
		d = through_mounts(d);
	if (node_is(d->node, S_IFLNK) &&
	    (!last || (w->flags & WALK_FOLLOW) || (w->slash && !(w->flags & WALK_NAME)))) {
		w->found = d;
		return link_known(w, d->node) ? expand(w, c, d->node) : WALK_READ_LINK;
	}
	c->at = d;
	return 0;
}

static bool only_slashes(const struct cursor *c)
{
	for (const char *p = c->next; p < c->end; p++)
		if (*p != '/')
			return false;
	return true;
}

static long component(struct walk *w, struct cursor *c)
{
	struct vnode *node = c->at->node;
	bool last;
	long status;

	if (!node_is(node, S_IFDIR))
		return -ENOTDIR;
	status = may_access(w->creds, c->at, MAY_EXEC);
	if (status)
		return status;
	take_component(w, c);
	last = only_slashes(c);
	w->slash = last && c->next < c->end;
	w->last = kind_of(w);
	if (w->last == LAST_NAME)
		return step(w, c, last);
	if (w->last == LAST_DOT_DOT)
		c->at = parent_of(w, c->at);
	return 0;
}

long walk(struct walk *w)
{
	struct cursor c = { .at = w->start, .next = w->path, .end = w->path + w->length };
	long status = 0;

	if (!w->length)
		return -ENOENT;
	if (w->path[0] == '/')
		c.at = through_mounts(w->root);
	w->last = LAST_ROOT;
	w->slash = false;
	for (skip_slashes(&c); !at_end(&c); skip_slashes(&c)) {
		status = component(w, &c);
		if (status)
			return status == DONE ? 0 : status;
	}
	w->found = c.at;
	if (w->slash && !(w->flags & WALK_NAME) && !node_is(c.at->node, S_IFDIR))
		return -ENOTDIR;
	return 0;
}

static long prepend(char *buffer, char **start, const char *text, size_t length)
{
	if ((size_t)(*start - buffer) < length)
		return -ENAMETOOLONG;
	*start -= length;
	memcpy(*start, text, length);
	return 0;
}

long tree_path(const struct dentry *d, const struct dentry *root, char *to, size_t size, char **start)
{
	char *end = to + size;
	long status = 0;

	*start = end;
	while (d != root && !status) {
		if (dentry_is_root(d)) {
			if (!d->mount->covered)
				break;
			d = d->mount->covered;
			continue;
		}
		if (!d->hashed && !d->mount->volatile_names)
			return -ENOENT;
		status = prepend(to, start, dentry_name(d), d->length);
		if (!status)
			status = prepend(to, start, "/", 1);
		d = d->parent;
	}
	if (!status && *start == end)
		status = prepend(to, start, "/", 1);
	/* Outside a changed root: as Linux shows it. */
	if (!status && d != root && dentry_is_root(d) && root->mount != d->mount)
		status = prepend(to, start, "(unreachable)", 13);
	return status;
}
