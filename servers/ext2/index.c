/* SPDX-License-Identifier: MIT */
/*
 * The names of a big directory, by hash, in memory: open addressing, position and part of the hash in eight
 * bytes. It is a cache: made by the first search through the directory, dropped when a transaction that
 * changed it is rolled back, when memory is short, and after a crash. What room.c knows goes with it.
 */
#include "ext2.h"

struct slot {
	uint32_t hash;
	uint32_t position; /* + 1; 0 empty, DELETED */
};

struct dir_index {
	uint32_t mask, used, deleted;
	bool complete, changed;
	struct slot slots[];
};

_Static_assert(sizeof(struct slot) == INDEX_SLOT, "index_take counts in these");

#define DELETED UINT32_MAX
#define INDEX_FIRST 256u
#define INDEX_TOTAL (2u << 20) /* slots of all indexes together */

static uint32_t hash_of(struct name name)
{
	uint32_t hash = 2166136261u;

	for (uint32_t i = 0; i < name.length; i++)
		hash = (hash ^ (uint8_t)name.text[i]) * 16777619u;
	return hash ^ hash >> 15;
}

static void drop_oldest(struct ext2 *fs, const struct inode *except)
{
	for (struct inode *inode = fs->lru.first; inode; inode = inode->lru_next) {
		if (!inode->index || inode == except)
			continue;
		index_drop(inode);
		return;
	}
}

bool index_take(struct inode *dir, uint64_t slots)
{
	struct ext2 *fs = dir->fs;

	if (slots > INDEX_TOTAL)
		return false;
	for (int tries = 0; fs->index_entries + slots > INDEX_TOTAL && tries < 64; tries++)
		drop_oldest(fs, dir);
	if (fs->index_entries + slots > INDEX_TOTAL)
		return false;
	fs->index_entries += slots;
	return true;
}

static struct dir_index *make(struct inode *dir, uint32_t slots)
{
	struct dir_index *index;

	if (!index_take(dir, slots))
		return NULL;
	index = core_alloc(sizeof *index + slots * sizeof(struct slot));
	if (!index) {
		dir->fs->index_entries -= slots;
		return NULL;
	}
	index->mask = slots - 1;
	return index;
}

bool index_begin(struct inode *dir)
{
	index_drop(dir);
	dir->index = make(dir, INDEX_FIRST);
	if (dir->index && !room_begin(dir))
		index_drop(dir);
	return dir->index;
}

void index_drop(struct inode *dir)
{
	struct dir_index *index = dir->index;

	room_drop(dir);
	if (!index)
		return;
	dir->fs->index_entries -= index->mask + 1;
	dir->index = NULL; /* first: a crash in between must not free it again */
	core_free(index);
}

static void insert(struct dir_index *index, uint32_t hash, uint32_t position)
{
	uint32_t at = hash & index->mask;

	while (index->slots[at].position && index->slots[at].position != DELETED)
		at = (at + 1) & index->mask;
	if (index->slots[at].position == DELETED)
		index->deleted--;
	index->slots[at] = (struct slot){ hash, position + 1 };
	index->used++;
}

/* Twice as large, or the same size without the deleted ones. */
static bool grow(struct inode *dir)
{
	struct dir_index *old = dir->index, *new;
	uint32_t slots = old->mask + 1;

	new = make(dir, old->used * 2 > slots ? slots * 2 : slots);
	if (!new)
		return false;
	for (uint32_t i = 0; i < slots; i++)
		if (old->slots[i].position && old->slots[i].position != DELETED)
			insert(new, old->slots[i].hash, old->slots[i].position - 1);
	new->complete = old->complete;
	new->changed = old->changed;
	dir->fs->index_entries -= slots;
	dir->index = new;
	core_free(old);
	return true;
}

/*
 * Remember that rolling back concerns this index; where too many change at once it is given up (false). As long as
 * a transaction has changed nothing there is nothing to roll back, and nobody ends it.
 */
static bool changed(struct inode *dir)
{
	struct tx *tx = &dir->fs->tx;

	if (dir->index->changed || !tx->used)
		return true;
	if (tx->index_changed == TX_INDEXES) {
		index_drop(dir);
		return false;
	}
	dir->index->changed = true;
	tx->indexes[tx->index_changed++] = dir;
	return true;
}

bool index_add(struct inode *dir, struct name name, uint32_t position)
{
	struct dir_index *index = dir->index;

	if ((index->used + index->deleted) * 4 >= index->mask * 3 && !grow(dir)) {
		index_drop(dir);
		return false;
	}
	insert(dir->index, hash_of(name), position);
	return changed(dir);
}

void index_remove(struct inode *dir, struct name name, uint32_t position)
{
	struct dir_index *index = dir->index;
	uint32_t hash = hash_of(name), at = hash & index->mask;

	for (; index->slots[at].position; at = (at + 1) & index->mask) {
		if (index->slots[at].hash != hash || index->slots[at].position != position + 1)
			continue;
		index->slots[at].position = DELETED;
		index->used--;
		index->deleted++;
		changed(dir);
		return;
	}
}

uint32_t index_next(struct inode *dir, struct name name, uint32_t *slot)
{
	struct dir_index *index = dir->index;
	uint32_t hash = hash_of(name);

	for (;; ++*slot) {
		const struct slot *s = &index->slots[(hash + *slot) & index->mask];

		if (!s->position || *slot > index->mask)
			return INDEX_END;
		if (s->hash == hash && s->position != DELETED) {
			++*slot;
			return s->position - 1;
		}
	}
}

bool index_complete(const struct inode *dir)
{
	return dir->index && dir->index->complete;
}

void index_set_complete(struct inode *dir)
{
	dir->index->complete = true;
}

void index_transaction_end(struct ext2 *fs, bool committed)
{
	struct tx *tx = &fs->tx;

	for (uint32_t i = 0; i < tx->index_changed; i++) {
		struct inode *dir = tx->indexes[i];

		if (!dir->index)
			continue;
		if (committed)
			dir->index->changed = false;
		else
			index_drop(dir);
	}
	tx->index_changed = 0;
}
