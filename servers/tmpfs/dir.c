/* SPDX-License-Identifier: MIT */
/* Directories: entries by name and in the order of their cookies. */
#include "tmpfs.h"

#define BUCKETS 16384u
#define RENAME_NOREPLACE 1u
#define RENAME_EXCHANGE 2u

static struct entry *buckets[BUCKETS];

static uint32_t name_hash(const struct node *dir, const char *name, size_t length)
{
	uint32_t hash = (uint32_t)dir->number * 0x9e3779b1u;

	for (size_t i = 0; i < length; i++)
		hash = (hash ^ (uint8_t)name[i]) * 0x01000193u;
	return hash ^ hash >> 15;
}

struct entry *entry_find(struct node *dir, const char *name, size_t length)
{
	uint32_t hash = name_hash(dir, name, length);
	struct entry *e = buckets[hash % BUCKETS];

	for (; e; e = e->hash_next)
		if (e->hash == hash && e->dir == dir && e->length == length && !memcmp(e->name, name, length))
			return e;
	return NULL;
}

static void hash_in(struct entry *e)
{
	struct entry **bucket = &buckets[e->hash % BUCKETS];

	e->hash_next = *bucket;
	*bucket = e;
}

long entry_add(struct node *dir, const char *name, size_t length, struct node *node)
{
	struct entry *e;

	if (!length || length > NAME_LENGTH_MAX)
		return -ENAMETOOLONG;
	e = pheap_alloc(sizeof(*e) + length);
	if (!e)
		return -ENOSPC;
	e->dir = dir;
	e->node = node;
	e->cookie = dir->next_cookie++;
	e->hash = name_hash(dir, name, length);
	e->length = (uint16_t)length;
	memcpy(e->name, name, length);
	e->previous = dir->last;
	if (dir->last)
		dir->last->next = e;
	else
		dir->first = e;
	dir->last = e;
	dir->entries++;
	node->named_in = dir->number;
	hash_in(e);
	return 0;
}

TX_DERIVED static void hash_out(struct entry *e)
{
	struct entry **link = &buckets[e->hash % BUCKETS];

	while (*link && *link != e)
		link = &(*link)->hash_next;
	if (*link)
		*link = e->hash_next;
}

void entry_remove(struct entry *e)
{
	struct node *dir = e->dir;

	if (e->previous)
		e->previous->next = e->next;
	else
		dir->first = e->next;
	if (e->next)
		e->next->previous = e->previous;
	else
		dir->last = e->previous;
	if (dir->cursor == e)
		dir->cursor = e->previous;
	dir->entries--;
	hash_out(e);
	pheap_free(e);
}

void entries_forget_all(void)
{
	memset(buckets, 0, sizeof(buckets));
}

void entries_rebuild(struct node *dir)
{
	for (struct entry *e = dir->first; e; e = e->next)
		hash_in(e);
}

/* --- listing ----------------------------------------------------------------------------------------------- */

/* `to` is no preserved memory. */
TX_DERIVED static bool put_dirent(char *to, size_t size, size_t *at, const struct node *node,
				  const char *name, size_t length, uint64_t cookie)
{
	size_t record = (sizeof(struct file_dirent) + length + 1 + 7) & ~7ul;
	struct file_dirent *out = (struct file_dirent *)(to + *at);

	if (size - *at < record)
		return false;
	out->ino = node->number;
	out->offset = (int64_t)cookie;
	out->length = (uint16_t)record;
	out->type = (uint8_t)(node->mode >> 12);
	memcpy(out->name, name, length);
	memset(out->name + length, 0, record - sizeof(*out) - length);
	*at += record;
	return true;
}

/* The first entry whose cookie is greater; cursor mostly stands right before it. */
static struct entry *entry_after(struct node *dir, uint64_t cookie)
{
	struct entry *e = dir->first;

	if (dir->cursor && dir->cursor->cookie <= cookie)
		e = dir->cursor;
	while (e && e->cookie <= cookie)
		e = e->next;
	return e;
}

long dir_list(struct node *dir, uint64_t cookie, char *to, size_t size)
{
	size_t at = 0;
	bool room = true;
	struct entry *e, *last = NULL;

	if (cookie < 1)
		room = put_dirent(to, size, &at, dir, ".", 1, 1);
	if (room && cookie < 2)
		room = put_dirent(to, size, &at, dir->parent, "..", 2, 2);
	for (e = entry_after(dir, cookie); room && e; e = e->next) {
		room = put_dirent(to, size, &at, e->node, e->name, e->length, e->cookie);
		if (room)
			last = e;
	}
	if (last)
		dir->cursor = last;
	return !at && !room ? -EINVAL : (long)at;
}

/* --- paths ---------------------------------------------------------------------------------------------------- */

static bool prepend(char *buffer, char **start, const char *text, size_t length)
{
	if ((size_t)(*start - buffer) < length)
		return false;
	*start -= length;
	memcpy(*start, text, length);
	return true;
}

static const struct entry *entry_of(const struct node *dir, const struct node *node)
{
	const struct entry *e = dir->first;

	while (e && e->node != node)
		e = e->next;
	return e;
}

long node_path(struct node *node, char *to, size_t size, char **start)
{
	static const char deleted[] = " (deleted)";
	const struct mount *mount = node->mount;

	*start = to + size;
	if (!node->nlink)
		return prepend(to, start, deleted, sizeof(deleted) - 1) && prepend(to, start, "/", 1)
			   ? 0
			   : -ENAMETOOLONG;
	while (node != mount->root) {
		struct node *dir = is_dir(node) ? node->parent : node_find(mount, node->named_in);
		const struct entry *e = dir && is_dir(dir) ? entry_of(dir, node) : NULL;

		if (!e)
			return -ENOENT;
		if (!prepend(to, start, e->name, e->length) || !prepend(to, start, "/", 1))
			return -ENAMETOOLONG;
		node = dir;
	}
	return prepend(to, start, mount->where, strlen(mount->where)) ? 0 : -ENAMETOOLONG;
}

/* --- changes -------------------------------------------------------------------------------------------------- */

long dir_create(struct node *dir, const char *name, size_t length, struct node *node)
{
	long status;

	if (!dir->nlink)
		return -ENOENT;
	if (entry_find(dir, name, length))
		return -EEXIST;
	status = entry_add(dir, name, length, node);
	if (status)
		return status;
	node->nlink = is_dir(node) ? 2 : 1;
	if (is_dir(node)) {
		node->parent = dir;
		dir->nlink++;
	}
	touch(dir);
	return 0;
}

long dir_link(struct node *dir, const char *name, size_t length, struct node *node)
{
	long status;

	if (is_dir(node))
		return -EPERM;
	if (!dir->nlink || !node->nlink)
		return -ENOENT;
	if (node->nlink >= LINK_MAX)
		return -EMLINK;
	if (entry_find(dir, name, length))
		return -EEXIST;
	status = entry_add(dir, name, length, node);
	if (status)
		return status;
	node->nlink++;
	node->ctime = now();
	touch(dir);
	return 0;
}

/* The node of an entry that has gone. */
static void drop_name(struct node *dir, struct node *node)
{
	node->ctime = now();
	if (is_dir(node)) {
		node->nlink = 0;
		node->parent = node;
		dir->nlink--;
	} else {
		node->nlink--;
	}
	node_unused(node);
}

long dir_unlink(struct node *dir, const char *name, size_t length, uint64_t number, bool remove_dir)
{
	struct entry *e = entry_find(dir, name, length);
	struct node *node;

	if (!e)
		return -ENOENT;
	node = e->node;
	if (number && node->number != number)
		return -ESTALE;
	if (is_dir(node) != remove_dir)
		return remove_dir ? -ENOTDIR : -EISDIR;
	if (remove_dir && node->entries)
		return -ENOTEMPTY;
	entry_remove(e);
	touch(dir);
	drop_name(dir, node);
	return 0;
}

static void moved(struct node *node, struct node *from, struct node *to)
{
	node->ctime = now();
	if (!is_dir(node) || from == to)
		return;
	node->parent = to;
	from->nlink--;
	to->nlink++;
}

static long exchange(struct node *from, struct entry *a, struct node *to, struct entry *b)
{
	struct node *node = a->node;

	a->node = b->node;
	b->node = node;
	moved(b->node, from, to);
	moved(a->node, to, from);
	touch(from);
	touch(to);
	return 0;
}

/* What stands at the new name must make way. */
static long replaceable(const struct node *node, const struct node *there)
{
	if (is_dir(node) != is_dir(there))
		return is_dir(there) ? -EISDIR : -ENOTDIR;
	return is_dir(there) && there->entries ? -ENOTEMPTY : 0;
}

long dir_rename(struct node *from, const char *name, size_t length, struct node *to, const char *new_name,
		size_t new_length, uint32_t flags)
{
	struct entry *e = entry_find(from, name, length), *there = entry_find(to, new_name, new_length);
	struct node *node, *old = there ? there->node : NULL;
	long status = 0;

	if (!e)
		return -ENOENT;
	node = e->node;
	if (there && (flags & RENAME_NOREPLACE))
		return -EEXIST;
	if (flags & RENAME_EXCHANGE)
		return there ? exchange(from, e, to, there) : -ENOENT;
	if (old == node)
		return 0;
	if (!to->nlink)
		return -ENOENT;
	if (there) {
		status = replaceable(node, old);
		if (status)
			return status;
		there->node = node;
		node->named_in = to->number;
	} else {
		status = entry_add(to, new_name, new_length, node);
	}
	if (status)
		return status;
	entry_remove(e);
	moved(node, from, to);
	touch(from);
	touch(to);
	if (old)
		drop_name(to, old);
	return 0;
}
