/* SPDX-License-Identifier: MIT */
/*
 * How much room the records of each block of a big directory leave at most: a tree of maxima beside the index, so
 * that the first block with room for a name is found without asking the ones before it. It comes and goes with the
 * index.
 */
#include "ext2.h"

struct dir_room {
	uint32_t leaves; /* a power of two */
	uint8_t
	    most[]; /* [1] of all; [n] of [2n] and [2n + 1]; [leaves + b] of block b: units of four bytes */
};

#define LEAVES_FIRST 64u
#define MOST 255u /* more than any name needs */

static uint64_t slots_of(uint32_t leaves)
{
	return leaves * 2ull / INDEX_SLOT;
}

static struct dir_room *make(struct inode *dir, uint32_t leaves)
{
	struct dir_room *room;

	if (!index_take(dir, slots_of(leaves)))
		return NULL;
	room = core_alloc(sizeof *room + leaves * 2ul);
	if (!room) {
		dir->fs->index_entries -= slots_of(leaves);
		return NULL;
	}
	room->leaves = leaves;
	return room;
}

bool room_begin(struct inode *dir)
{
	dir->room = make(dir, LEAVES_FIRST);
	return dir->room;
}

void room_drop(struct inode *dir)
{
	struct dir_room *room = dir->room;

	if (!room)
		return;
	dir->fs->index_entries -= slots_of(room->leaves);
	dir->room = NULL; /* first: a crash in between must not free it again */
	core_free(room);
}

static void set_leaf(struct dir_room *room, uint32_t leaf, uint8_t most)
{
	uint32_t at = room->leaves + leaf;

	room->most[at] = most;
	for (at /= 2; at; at /= 2) {
		uint8_t left = room->most[2 * at], right = room->most[2 * at + 1];

		room->most[at] = left > right ? left : right;
	}
}

static bool grow(struct inode *dir)
{
	struct dir_room *old = dir->room, *larger = make(dir, old->leaves * 2);

	if (!larger)
		return false;
	for (uint32_t b = 0; b < old->leaves; b++)
		set_leaf(larger, b, old->most[old->leaves + b]);
	dir->fs->index_entries -= slots_of(old->leaves);
	dir->room = larger;
	core_free(old);
	return true;
}

bool room_set(struct inode *dir, uint64_t block, uint32_t bytes)
{
	while (block >= dir->room->leaves)
		if (!grow(dir))
			return false;
	set_leaf(dir->room, (uint32_t)block, (uint8_t)(bytes / 4 < MOST ? bytes / 4 : MOST));
	return true;
}

bool room_raise(struct inode *dir, uint64_t block, uint32_t bytes)
{
	const struct dir_room *room = dir->room;

	if (block < room->leaves && room->most[room->leaves + block] >= (bytes / 4 < MOST ? bytes / 4 : MOST))
		return true;
	return room_set(dir, block, bytes);
}

uint64_t room_first(const struct inode *dir, uint32_t bytes)
{
	const struct dir_room *room = dir->room;
	uint32_t need = (bytes + 3) / 4, at = 1;

	if (room->most[1] < need)
		return UINT64_MAX;
	while (at < room->leaves) {
		at *= 2;
		if (room->most[at] < need)
			at++;
	}
	return at - room->leaves;
}
