/* SPDX-License-Identifier: MIT */
/*
 * Directories: records that fill each block exactly. A name that goes lends its room to the record before it,
 * so records never move and an offset stays a good cookie.
 */
#include "ext2.h"

#include <util/string.h>

#define NONE_BEFORE UINT32_MAX

/* Where a record is. */
struct place {
	uint64_t logical;
	uint8_t *block;
	uint32_t offset, previous;
	uint32_t others; /* find_room: the largest room in another record of the block */
};

static struct ext2_dirent *entry_at(uint8_t *block, uint32_t offset)
{
	return (struct ext2_dirent *)(block + offset);
}

static bool entry_sane(const struct ext2 *fs, const struct ext2_dirent *entry, uint32_t offset)
{
	return offset + 8 <= fs->block_size && entry->length >= 8 && entry->length % 4 == 0 &&
	       offset + entry->length <= fs->block_size && entry->name_length + 8u <= entry->length &&
	       entry->inode <= fs->inodes;
}

static uint32_t larger_of(uint32_t a, uint32_t b)
{
	return a > b ? a : b;
}

/* What a name could use of a record. */
static uint32_t room_in(const struct ext2_dirent *entry)
{
	return entry->length - (entry->inode ? EXT2_DIRENT_SIZE(entry->name_length) : 0);
}

static uint64_t blocks_of(const struct inode *dir)
{
	return dir->d.size >> dir->fs->block_shift;
}

static uint8_t *get_block(struct inode *dir, uint64_t logical)
{
	struct extent found;
	long status = map_find(dir, logical, 1, &found);

	if (status < 0)
		return error_pointer(status);
	if (!found.physical)
		return error_pointer(corrupt(dir->fs, "a directory has a hole", dir->number));
	return meta_get(dir->fs, found.physical);
}

static bool entry_is(const struct ext2_dirent *entry, struct name name)
{
	return entry->inode && entry->name_length == name.length &&
	       memcmp(entry->name, name.text, name.length) == 0;
}

/* 1 found, 0 not, or an error. */
static long find_in_block(struct inode *dir, struct name name, struct place *place)
{
	struct ext2 *fs = dir->fs;

	place->previous = NONE_BEFORE;
	for (uint32_t offset = 0; offset < fs->block_size;) {
		const struct ext2_dirent *entry = entry_at(place->block, offset);

		if (!entry_sane(fs, entry, offset))
			return corrupt(fs, "a directory", dir->number);
		place->offset = offset;
		if (entry_is(entry, name))
			return 1;
		place->previous = offset;
		offset += entry->length;
	}
	return 0;
}

static long search_all(struct inode *dir, struct name name, struct place *place)
{
	for (place->logical = 0; place->logical < blocks_of(dir); place->logical++) {
		long status;

		place->block = get_block(dir, place->logical);
		if (is_error(place->block))
			return error_of(place->block);
		status = find_in_block(dir, name, place);
		if (status)
			return status;
	}
	return 0;
}

static long index_block(struct inode *dir, uint64_t logical)
{
	uint8_t *block = get_block(dir, logical);
	uint32_t room = 0;

	if (is_error(block))
		return error_of(block);
	for (uint32_t offset = 0; offset < dir->fs->block_size;) {
		const struct ext2_dirent *entry = entry_at(block, offset);
		uint64_t at = (logical << dir->fs->block_shift) + offset;

		if (!entry_sane(dir->fs, entry, offset))
			return corrupt(dir->fs, "a directory", dir->number);
		if (entry->inode &&
		    !index_add(dir, (struct name){ entry->name, entry->name_length }, (uint32_t)(at / 4)))
			return -ENOMEM;
		room = larger_of(room, room_in(entry));
		offset += entry->length;
	}
	return room_set(dir, logical, room) ? 0 : -ENOMEM;
}

/* Only once every block is there, so that waiting for them one by one does not start it again each time. */
static long make_index(struct inode *dir)
{
	long status = 0;

	for (uint64_t b = 0; b < blocks_of(dir); b++) {
		uint8_t *block = get_block(dir, b);

		if (is_error(block))
			return error_of(block);
	}
	if (!index_begin(dir))
		return -ENOMEM;
	for (uint64_t b = 0; b < blocks_of(dir) && status == 0; b++)
		status = index_block(dir, b);
	if (status == 0)
		index_set_complete(dir);
	else
		index_drop(dir);
	return status;
}

static long search_index(struct inode *dir, struct name name, struct place *place)
{
	struct ext2 *fs = dir->fs;
	uint32_t slot = 0, position;

	while ((position = index_next(dir, name, &slot)) != INDEX_END) {
		uint64_t at = (uint64_t)position * 4;

		place->logical = at >> fs->block_shift;
		place->offset = (uint32_t)at & (fs->block_size - 1);
		place->block = get_block(dir, place->logical);
		if (is_error(place->block))
			return error_of(place->block);
		if (entry_sane(fs, entry_at(place->block, place->offset), place->offset) &&
		    entry_is(entry_at(place->block, place->offset), name))
			return 1;
	}
	return 0;
}

static long locate(struct inode *dir, struct name name, struct place *place)
{
	if (blocks_of(dir) <= 2)
		return search_all(dir, name, place);
	if (!index_complete(dir)) {
		long status = make_index(dir);

		if (status == -ENOMEM)
			return search_all(dir, name, place);
		if (status < 0)
			return status;
	}
	return search_index(dir, name, place);
}

long dir_find(struct inode *dir, struct name name)
{
	struct place place;
	long status = locate(dir, name, &place);

	return status > 0 ? (long)entry_at(place.block, place.offset)->inode : status;
}

uint8_t dir_type(uint32_t mode)
{
	static const uint8_t types[16] = {
		[1] = EXT2_TYPE_FIFO,    [2] = EXT2_TYPE_CHAR,    [4] = EXT2_TYPE_DIRECTORY,
		[6] = EXT2_TYPE_BLOCK,   [8] = EXT2_TYPE_REGULAR, [10] = EXT2_TYPE_SYMLINK,
		[12] = EXT2_TYPE_SOCKET,
	};

	return types[mode >> 12 & 15];
}

static void modified(struct inode *dir)
{
	inode_change(dir);
	inode_touch(dir, true);
	dir->d.flags &= ~EXT2_FLAG_INDEX;
}

static void fill_entry(struct ext2 *fs, struct ext2_dirent *entry, struct name name, uint32_t number,
		       uint32_t mode)
{
	entry->inode = number;
	entry->name_length = (uint8_t)name.length;
	entry->type = fs->incompat & EXT2_INCOMPAT_FILETYPE ? dir_type(mode) : 0;
	memcpy(entry->name, name.text, name.length);
}

/* The first record with room for `need` more bytes, in place->offset: 1 there is one, 0 not, or an error. */
static long find_room(struct inode *dir, uint32_t need, struct place *place)
{
	struct ext2 *fs = dir->fs;
	bool found = false;

	place->others = 0;
	for (uint32_t offset = 0; offset < fs->block_size;) {
		const struct ext2_dirent *entry = entry_at(place->block, offset);

		if (!entry_sane(fs, entry, offset))
			return corrupt(fs, "a directory", dir->number);
		if (found || room_in(entry) < need) {
			place->others = larger_of(place->others, room_in(entry));
		} else {
			place->offset = offset;
			found = true;
		}
		offset += entry->length;
	}
	return found;
}

/* The new record's offset in its block. */
static uint32_t split(struct inode *dir, uint8_t *block, uint32_t offset, struct name name, uint32_t number,
		      uint32_t mode)
{
	struct ext2 *fs = dir->fs;
	struct ext2_dirent *entry = entry_at(block, offset);
	uint32_t used = entry->inode ? EXT2_DIRENT_SIZE(entry->name_length) : 0;
	uint16_t length = (uint16_t)(entry->length - used);

	if (used) {
		meta_change(fs, &entry->length, sizeof entry->length);
		entry->length = (uint16_t)used;
		entry = entry_at(block, offset + used);
	}
	meta_change(fs, entry, EXT2_DIRENT_SIZE(name.length));
	entry->length = length;
	fill_entry(fs, entry, name, number, mode);
	return offset + used;
}

static long append_block(struct inode *dir, uint8_t **block)
{
	struct ext2 *fs = dir->fs;
	struct extent where;
	bool fresh;
	long status;

	if (dir->d.size + fs->block_size > UINT32_MAX)
		return -ENOSPC;
	status = map_alloc(dir, blocks_of(dir), 1, &where, &fresh);
	if (status < 0)
		return status;
	if (!fresh)
		return corrupt(fs, "a directory's size", dir->number);
	*block = meta_new(fs, where.physical);
	if (is_error(*block))
		return error_of(*block);
	entry_at(*block, 0)->length = (uint16_t)fs->block_size;
	inode_change(dir);
	dir->d.size += fs->block_size;
	return 0;
}

/* The block that the name goes into, and the record in it that has room. */
static long place_for(struct inode *dir, uint32_t need, struct place *place)
{
	uint64_t b = index_complete(dir) ? room_first(dir, need) : 0;

	for (; b < blocks_of(dir); b++) {
		long status;

		place->logical = b;
		place->block = get_block(dir, b);
		if (is_error(place->block))
			return error_of(place->block);
		status = find_room(dir, need, place);
		if (status)
			return status < 0 ? status : 0;
	}
	place->logical = blocks_of(dir);
	place->offset = place->others = 0;
	return append_block(dir, &place->block);
}

static void note_added(struct inode *dir, struct name name, const struct place *place, uint32_t offset)
{
	uint32_t left = room_in(entry_at(place->block, offset));

	if (!index_complete(dir))
		return;
	if (room_set(dir, place->logical, larger_of(place->others, left)))
		index_add(dir, name, (uint32_t)(((place->logical << dir->fs->block_shift) + offset) / 4));
	else
		index_drop(dir);
}

/* A directory of two blocks has no index: it gets one when it is next searched, and this name in it. */
long dir_add(struct inode *dir, struct name name, uint32_t number, uint32_t mode)
{
	struct place place;
	long status = place_for(dir, EXT2_DIRENT_SIZE(name.length), &place);

	if (status < 0)
		return status;
	note_added(dir, name, &place, split(dir, place.block, place.offset, name, number, mode));
	modified(dir);
	return 0;
}

static void note_removed(struct inode *dir, struct name name, const struct place *place, uint32_t room)
{
	if (!index_complete(dir))
		return;
	if (room_raise(dir, place->logical, room))
		index_remove(dir, name,
			     (uint32_t)(((place->logical << dir->fs->block_shift) + place->offset) / 4));
	else
		index_drop(dir);
}

long dir_remove(struct inode *dir, struct name name)
{
	struct ext2 *fs = dir->fs;
	struct place place;
	struct ext2_dirent *entry;
	uint32_t room;
	long status = locate(dir, name, &place);

	if (status <= 0)
		return status ? status : -ENOENT;
	status = find_in_block(dir, name, &place); /* for the record before it */
	if (status <= 0)
		return status ? status : -ENOENT;
	entry = entry_at(place.block, place.offset);
	meta_change(fs, &entry->inode, sizeof entry->inode);
	entry->inode = 0;
	room = entry->length;
	if (place.previous != NONE_BEFORE) {
		struct ext2_dirent *previous = entry_at(place.block, place.previous);

		meta_change(fs, &previous->length, sizeof previous->length);
		previous->length = (uint16_t)(previous->length + entry->length);
		room = room_in(previous);
	}
	note_removed(dir, name, &place, room);
	modified(dir);
	return 0;
}

long dir_replace(struct inode *dir, struct name name, uint32_t number, uint32_t mode)
{
	struct ext2 *fs = dir->fs;
	struct place place;
	struct ext2_dirent *entry;
	long status = locate(dir, name, &place);

	if (status <= 0)
		return status ? status : -ENOENT;
	entry = entry_at(place.block, place.offset);
	meta_change(fs, entry, 8);
	entry->inode = number;
	entry->type = fs->incompat & EXT2_INCOMPAT_FILETYPE ? dir_type(mode) : 0;
	modified(dir);
	return 0;
}

long dir_make_empty(struct inode *dir, uint32_t parent)
{
	struct ext2 *fs = dir->fs;
	struct name dot = { ".", 1 }, dotdot = { "..", 2 };
	struct ext2_dirent *entry;
	uint8_t *block;
	long status = append_block(dir, &block);

	if (status < 0)
		return status;
	entry = entry_at(block, 0);
	entry->length = 12;
	fill_entry(fs, entry, dot, dir->number, MODE_DIRECTORY);
	entry = entry_at(block, 12);
	entry->length = (uint16_t)(fs->block_size - 12);
	fill_entry(fs, entry, dotdot, parent, MODE_DIRECTORY);
	return 0;
}

static bool is_dot_or_dotdot(const struct ext2_dirent *entry)
{
	return entry->name_length && entry->name[0] == '.' &&
	       (entry->name_length == 1 || (entry->name_length == 2 && entry->name[1] == '.'));
}

static bool note_other_name(void *context, const struct ext2_dirent *entry, uint64_t next_cookie)
{
	(void)next_cookie;
	if (is_dot_or_dotdot(entry))
		return true;
	*(bool *)context = true;
	return false;
}

long dir_is_empty(struct inode *dir)
{
	uint64_t cookie = 0;
	bool found = false;
	long status = dir_read(dir, &cookie, note_other_name, &found);

	return status < 0 ? status : !found;
}

long dir_read(struct inode *dir, uint64_t *cookie, dir_visitor *each, void *context)
{
	struct ext2 *fs = dir->fs;

	for (uint64_t b = *cookie >> fs->block_shift; b < blocks_of(dir); b++) {
		uint64_t base = b << fs->block_shift;
		uint8_t *block = get_block(dir, b);

		if (is_error(block))
			return error_of(block);
		for (uint32_t offset = 0; offset < fs->block_size;) {
			const struct ext2_dirent *entry = entry_at(block, offset);
			uint32_t here = offset;

			if (!entry_sane(fs, entry, offset))
				return corrupt(fs, "a directory", dir->number);
			offset += entry->length;
			/* A cookie may lie in a record that has since been merged into this one. */
			if (base + here < *cookie || !entry->inode || !entry->name_length)
				continue;
			if (!each(context, entry, base + offset))
				return 0;
			*cookie = base + offset;
		}
		*cookie = base + fs->block_size;
	}
	return 0;
}
