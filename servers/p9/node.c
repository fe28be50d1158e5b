/* SPDX-License-Identifier: MIT */
/* The files that somebody holds, by number, by the host's number and by name. */
#include "p9.h"

#define NODE_MAX 16384u
#define BUCKETS 4096u

static PRESERVED struct node *table[NODE_MAX];
static PRESERVED struct node *buckets[BUCKETS];
PRESERVED struct mount mounts[MOUNT_MAX];
PRESERVED struct description_table descriptions;
static uint32_t hint;

static struct node **bucket(uint64_t path)
{
	return &buckets[(path ^ path >> 17) % BUCKETS];
}

struct node *node_find(const struct mount *mount, uint64_t number)
{
	struct node *node = number - 1 < NODE_MAX ? table[number - 1] : NULL;

	return node && node->mount == mount ? node : NULL;
}

static struct node *node_by_path(const struct mount *mount, uint64_t path)
{
	for (struct node *node = *bucket(path); node; node = node->next)
		if (node->mount == mount && node->path == path && node->name)
			return node;
	return NULL;
}

static struct node *node_new(struct mount *mount, uint64_t path)
{
	struct node *node;

	for (uint32_t n = 0; n < NODE_MAX; n++) {
		uint32_t i = (hint + n) % NODE_MAX;

		if (table[i])
			continue;
		node = pheap_alloc(sizeof *node);
		if (!node)
			return NULL;
		hint = i + 1;
		node->mount = mount;
		node->number = i + 1;
		node->path = path;
		node->next = *bucket(path);
		*bucket(path) = node;
		table[i] = node;
		return node;
	}
	return NULL;
}

struct node *node_root(struct mount *mount)
{
	struct node *node = node_new(mount, 0);

	if (node) {
		node->mode = S_IFDIR;
		node->epoch = mount->host->epoch;
	}
	return node;
}

static bool is_busy(const struct node *node)
{
	uint64_t epoch = node->mount->host->epoch;

	return node->reaching == epoch || node->reaching_list == epoch;
}

static void node_free(struct node *node)
{
	struct host *host = node->mount->host;
	struct node **at = bucket(node->path);

	if (node->epoch == host->epoch)
		clunk(host, node->fid);
	if (node->list_epoch == host->epoch)
		clunk(host, node->list_fid);
	while (*at && *at != node)
		at = &(*at)->next;
	if (*at)
		*at = node->next;
	table[node->number - 1] = NULL;
	locks_free(&node->locks);
	if (node->image)
		kcall(cap_close, node->image);
	pheap_free(node->name);
	pheap_free(node);
}

void node_unused(struct node *node)
{
	while (node && !node->holds && !node->descriptions && !node->children && !is_busy(node)) {
		struct node *parent = node->parent;

		node_free(node);
		if (parent)
			parent->children--;
		node = parent;
	}
}

void mount_free_nodes(struct mount *mount)
{
	for (uint32_t i = 0; i < NODE_MAX; i++)
		if (table[i] && table[i]->mount == mount)
			node_free(table[i]);
}

static bool named(const struct node *node, const struct node *parent, const char *name, size_t length)
{
	return node->parent == parent && node->name && strlen(node->name) == length &&
	       !memcmp(node->name, name, length);
}

/* Parents above new ones: a directory cannot come to stand below itself, which the host may make it seem. */
static bool below(const struct node *node, const struct node *above)
{
	for (; node; node = node->parent)
		if (node == above)
			return true;
	return false;
}

static bool rename_node(struct node *node, struct node *parent, const char *name, size_t length)
{
	char *copy = below(parent, node) ? NULL : pheap_alloc(length + 1);
	struct node *old = node->parent;

	if (!copy)
		return false;
	memcpy(copy, name, length);
	copy[length] = 0;
	pheap_free(node->name);
	node->name = copy;
	parent->children++;
	node->parent = parent;
	if (old) {
		old->children--;
		node_unused(old);
	}
	return true;
}

static void take_fid(struct node *node, uint32_t fid)
{
	struct host *host = node->mount->host;

	if (node->epoch == host->epoch)
		clunk(host, node->fid);
	node->fid = fid;
	node->epoch = host->epoch;
}

struct node *node_enter(struct node *parent, const char *name, size_t length, uint32_t fid,
			const struct p9_attr *attr)
{
	struct mount *mount = parent->mount;
	struct node *node = node_by_path(mount, attr->qid.path);

	/* Another file in the place of one that the host has deleted can have its number. */
	if (node && ((node->mode & S_IFMT) != (attr->mode & S_IFMT) || is_busy(node)))
		node = NULL;
	if (!node)
		node = node_new(mount, attr->qid.path);
	if (!node || (!named(node, parent, name, length) && !rename_node(node, parent, name, length))) {
		clunk(mount->host, fid);
		if (node)
			node_unused(node);
		return NULL;
	}
	take_fid(node, fid); /* the old one may lead where the file has been before the host has moved it */
	node->mode = attr->mode;
	return node;
}

void node_moved(struct node *old_parent, const char *old_name, size_t old_length, struct node *parent,
		const char *name, size_t length)
{
	for (uint32_t i = 0; i < NODE_MAX; i++)
		if (table[i] && named(table[i], old_parent, old_name, old_length)) {
			rename_node(table[i], parent, name, length);
			return;
		}
}

struct opened *opened_new(struct node *node, uint64_t flags, bool exec)
{
	struct opened *file = description_new(sizeof *file, flags);

	if (!file)
		return NULL;
	file->node = node;
	file->exec = exec;
	node->descriptions++;
	node->mount->descriptions++;
	return file;
}

void opened_free(struct opened *file)
{
	struct node *node = file->node;

	if (file->epoch == node->mount->host->epoch)
		clunk(node->mount->host, file->fid);
	locks_close_description(&node->locks, file->d.badge);
	description_delete(file);
	node->descriptions--;
	node->mount->descriptions--;
	node_unused(node);
}

/* Counts are made anew; whoever was walking to a node begins again. */
void nodes_rebuild(void)
{
	struct opened *file;
	uint32_t index = 0;

	for (uint32_t i = 0; i < NODE_MAX; i++)
		if (table[i]) {
			table[i]->reaching = table[i]->reaching_list = 0;
			table[i]->descriptions = table[i]->children = 0;
		}
	for (uint32_t i = 0; i < NODE_MAX; i++)
		if (table[i] && table[i]->parent)
			table[i]->parent->children++;
	for (struct mount *m = mounts; m < mounts + MOUNT_MAX; m++)
		m->descriptions = 0;
	while ((file = description_next(&index))) {
		file->reaching = 0;
		file->node->descriptions++;
		file->node->mount->descriptions++;
	}
}

long node_path(const struct node *node, char *to, size_t size, char **start)
{
	char *at = to + size;
	size_t length;

	for (; node->name; node = node->parent) {
		length = strlen(node->name) + 1;
		if (length > (size_t)(at - to))
			return -ENAMETOOLONG;
		at -= length;
		*at = '/';
		memcpy(at + 1, node->name, length - 1);
	}
	length = strlen(node->mount->where);
	if (length > (size_t)(at - to))
		return -ENAMETOOLONG;
	at -= length;
	memcpy(at, node->mount->where, length);
	*start = at;
	return 0;
}
