/* SPDX-License-Identifier: MIT */
/* The table of nodes. */
#include "tmpfs.h"

static PRESERVED struct node *table[NODE_MAX];
static PRESERVED uint32_t touched;
PRESERVED struct mount mounts[MOUNT_MAX];
struct mount_shares mount_shares[MOUNT_MAX];
static uint32_t hint;

PRESERVED cap_t epochs_memory;
struct fs_epochs *epochs;

long epochs_start(void)
{
	long made = epochs_memory ? epochs_memory : kcall(mo_create, sizeof(*epochs), 0);

	if (made < 0)
		return made;
	epochs_memory = (cap_t)made;
	epochs = map_memory(epochs_memory, 0, sizeof(*epochs), VM_R | VM_W | VM_SHARED);
	return epochs ? 0 : -ENOMEM;
}

struct moment now(void)
{
	uint64_t ns = clock_realtime_ns();

	return (struct moment){ (int64_t)(ns / 1000000000u), (uint32_t)(ns % 1000000000u) };
}

struct node *node_find(const struct mount *mount, uint64_t number)
{
	struct node *node = number - 1 < touched ? table[number - 1] : NULL;

	return node && node->mount == mount ? node : NULL;
}

static long slot_take(void)
{
	for (uint32_t n = 0; n < NODE_MAX; n++) {
		uint32_t i = (hint + n) % NODE_MAX;

		if (table[i])
			continue;
		hint = i + 1;
		if (i >= touched)
			touched = i + 1;
		return i;
	}
	return -ENOSPC;
}

struct node *node_new(struct mount *mount, uint32_t mode, uint32_t uid, uint32_t gid)
{
	long slot = share_left(&shares_of(mount)->nodes, uid) ? slot_take() : -ENOSPC;
	struct node *node = slot < 0 ? NULL : pheap_alloc(sizeof(*node));

	if (!node)
		return NULL;
	node->mount = mount;
	node->number = (uint64_t)slot + 1;
	node->mode = mode;
	node->uid = uid;
	node->gid = gid;
	node->payer = uid;
	node->next_cookie = 3;
	node->atime = node->mtime = node->ctime = now();
	table[slot] = node;
	share_force(&shares_of(mount)->nodes, uid, 1);
	return node;
}

void node_free(struct node *node)
{
	uint32_t slot = (uint32_t)node->number - 1;

	data_free(node);
	locks_free(&node->locks);
	pheap_free(node->target);
	share_give(&shares_of(node->mount)->nodes, node->payer, 1);
	table[slot] = NULL;
	if (slot < hint)
		hint = slot;
	pheap_free(node);
}

void node_unused(struct node *node)
{
	if (!node->nlink && !node->holds && !node->descriptions)
		node_free(node);
}

/* No description is left; whoever still holds a node holds nothing. Each node is a transaction of its own, for there may
 * be many; the mount ends with the last. */
void mount_free_nodes(struct mount *mount)
{
	for (uint32_t i = 0; i < touched; i++) {
		struct node *node = table[i];

		if (!node || node->mount != mount)
			continue;
		while (node->first) {
			entry_remove(node->first);
			tx_checkpoint();
		}
		node_free(node);
		tx_checkpoint();
	}
	mount->root = NULL;
}

/* What is not preserved. */
void nodes_rebuild(void)
{
	entries_forget_all();
	for (struct mount *m = mounts; m < mounts + MOUNT_MAX; m++) {
		shares_of(m)->nodes = (struct share){ .total = m->nodes_max };
		shares_of(m)->pages = (struct share){ .total = m->pages_max };
	}
	for (uint32_t i = 0; i < touched; i++) {
		struct node *node = table[i];

		if (!node)
			continue;
		share_force(&shares_of(node->mount)->nodes, node->payer, 1);
		share_force(&shares_of(node->mount)->pages, node->payer, node->pages);
		if (is_dir(node))
			entries_rebuild(node);
	}
}
