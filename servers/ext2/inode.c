/* SPDX-License-Identifier: MIT */
/* Inodes: in memory, and in the tables on the disk. */
#include "ext2.h"

#include <util/string.h>

static void list_append(struct list *list, struct inode *inode)
{
	inode->lru_next = NULL;
	inode->lru_previous = list->last;
	if (list->last)
		list->last->lru_next = inode;
	else
		list->first = inode;
	list->last = inode;
}

static void list_remove(struct list *list, struct inode *inode)
{
	if (inode->lru_previous)
		inode->lru_previous->lru_next = inode->lru_next;
	else
		list->first = inode->lru_next;
	if (inode->lru_next)
		inode->lru_next->lru_previous = inode->lru_previous;
	else
		list->last = inode->lru_previous;
}

static void dirty_append(struct ext2 *fs, struct inode *inode)
{
	inode->dirty_next = NULL;
	inode->dirty_previous = fs->dirty.last;
	if (fs->dirty.last)
		fs->dirty.last->dirty_next = inode;
	else
		fs->dirty.first = inode;
	fs->dirty.last = inode;
	fs->dirty_inodes++;
}

static void dirty_remove(struct ext2 *fs, struct inode *inode)
{
	if (inode->dirty_previous)
		inode->dirty_previous->dirty_next = inode->dirty_next;
	else
		fs->dirty.first = inode->dirty_next;
	if (inode->dirty_next)
		inode->dirty_next->dirty_previous = inode->dirty_previous;
	else
		fs->dirty.last = inode->dirty_previous;
	fs->dirty_inodes--;
}

static void hash_insert(struct ext2 *fs, struct inode *inode)
{
	struct inode **head = &fs->hash[inode->number % INODE_HASH];

	inode->hash_previous = NULL;
	inode->hash_next = *head;
	if (*head)
		(*head)->hash_previous = inode;
	*head = inode;
}

static void hash_remove(struct ext2 *fs, struct inode *inode)
{
	if (inode->hash_previous)
		inode->hash_previous->hash_next = inode->hash_next;
	else
		fs->hash[inode->number % INODE_HASH] = inode->hash_next;
	if (inode->hash_next)
		inode->hash_next->hash_previous = inode->hash_previous;
}

static bool more_inodes(struct ext2 *fs)
{
	struct inode *chunk;

	if (fs->chunk_count == INODE_CHUNKS)
		return false;
	chunk = core_alloc(INODE_CHUNK * sizeof *chunk);
	if (!chunk)
		return false;
	for (uint32_t i = 0; i < INODE_CHUNK; i++) {
		chunk[i].hash_next = fs->unused;
		fs->unused = &chunk[i];
	}
	fs->chunks[fs->chunk_count++] = chunk;
	return true;
}

struct inode *inode_find(struct ext2 *fs, uint32_t number)
{
	struct inode *inode = fs->hash[number % INODE_HASH];

	while (inode && inode->number != number)
		inode = inode->hash_next;
	return inode;
}

struct inode *inode_make(struct ext2 *fs, uint32_t number)
{
	struct inode *inode = inode_find(fs, number);

	if (inode) {
		list_remove(&fs->lru, inode);
		list_append(&fs->lru, inode);
		return inode;
	}
	if (!fs->unused && !more_inodes(fs))
		return error_pointer(-ENOMEM);
	inode = fs->unused;
	fs->unused = inode->hash_next;
	memset(inode, 0, sizeof *inode);
	inode->fs = fs;
	inode->number = number;
	hash_insert(fs, inode);
	list_append(&fs->lru, inode);
	fs->inode_count++;
	fs->attention = true;
	return inode;
}

bool inode_idle(const struct inode *inode)
{
	return !inode->held && !inode->opens && !inode->dirty && !inode->orphan && !inode->pinned;
}

void inode_drop(struct inode *inode)
{
	struct ext2 *fs = inode->fs;

	core_inode_gone(inode);
	window_close(inode);
	index_drop(inode);
	hash_remove(fs, inode);
	list_remove(&fs->lru, inode);
	inode->number = 0;
	inode->hash_next = fs->unused;
	fs->unused = inode;
	fs->inode_count--;
}

void inodes_drop(struct ext2 *fs)
{
	struct inode *inode = fs->lru.first, *next;

	for (; inode; inode = next) {
		next = inode->lru_next;
		if (inode_idle(inode))
			inode_drop(inode);
	}
}

void inodes_rebuild(struct ext2 *fs)
{
	memset(fs->hash, 0, sizeof fs->hash);
	memset(fs->windows, 0, sizeof fs->windows);
	fs->unused = NULL;
	fs->lru = fs->dirty = (struct list){ NULL, NULL };
	fs->inode_count = fs->dirty_inodes = 0;
	fs->index_entries = 0;
	for (uint32_t i = 0; i < fs->chunk_count * INODE_CHUNK; i++) {
		struct inode *inode = &fs->chunks[i / INODE_CHUNK][i % INODE_CHUNK];

		core_free(inode->index);
		core_free(inode->room);
		inode->index = NULL;
		inode->room = NULL;
		inode->window_start = inode->window_end = 0;
		inode->last.count = 0;
		if (!inode->number) {
			inode->hash_next = fs->unused;
			fs->unused = inode;
			continue;
		}
		hash_insert(fs, inode);
		list_append(&fs->lru, inode);
		if (inode->dirty)
			dirty_append(fs, inode);
		fs->inode_count++;
	}
}

/* --- the disk's form ---------------------------------------------------------------------------- */

static struct ext2_disk_inode *table_entry(struct ext2 *fs, uint32_t number)
{
	struct ext2_group *group = group_get(fs, (number - 1) / fs->inodes_per_group);
	uint32_t index = (number - 1) % fs->inodes_per_group, shift = fs->inodes_per_block_shift;
	uint8_t *block;

	if (is_error(group))
		return (struct ext2_disk_inode *)group;
	block = meta_get(fs, group->inode_table + (index >> shift));
	if (is_error(block))
		return (struct ext2_disk_inode *)block;
	return (struct ext2_disk_inode *)(block + (index & ((1u << shift) - 1)) * fs->inode_size);
}

static bool has_fine_times(const struct ext2 *fs, const struct ext2_disk_inode *disk)
{
	return fs->inode_size > EXT2_INODE_BASE && disk->extra_size >= EXT2_EXTRA_TIMES - 4 &&
	       disk->extra_size <= fs->inode_size - EXT2_INODE_BASE;
}

/* ext4's form: nanoseconds above two more bits of the seconds. */
static struct timestamp time_decode(uint32_t seconds, uint32_t extra)
{
	struct timestamp t = { (int32_t)seconds + ((int64_t)(extra & 3) << 32), extra >> 2 };

	if (t.nanoseconds >= 1000000000)
		t.nanoseconds = 0;
	return t;
}

static uint32_t time_extra(struct timestamp t)
{
	return t.nanoseconds << 2 | ((uint32_t)((t.seconds - (int32_t)t.seconds) >> 32) & 3);
}

static void decode(struct inode *inode, const struct ext2_disk_inode *disk)
{
	struct inode_data *d = &inode->d;
	bool fine = has_fine_times(inode->fs, disk);

	d->mode = disk->mode;
	d->uid = disk->uid | (uint32_t)disk->uid_high << 16;
	d->gid = disk->gid | (uint32_t)disk->gid_high << 16;
	d->links = disk->links;
	d->flags = disk->flags;
	d->generation = disk->generation;
	d->file_acl = disk->file_acl;
	d->dtime = disk->dtime;
	d->sectors = disk->sectors;
	d->size = disk->size;
	if ((disk->mode & MODE_FORMAT) == MODE_REGULAR)
		d->size |= (uint64_t)disk->size_high << 32;
	d->atime = time_decode(disk->atime, fine ? disk->atime_extra : 0);
	d->ctime = time_decode(disk->ctime, fine ? disk->ctime_extra : 0);
	d->mtime = time_decode(disk->mtime, fine ? disk->mtime_extra : 0);
	memcpy(d->block, disk->block, sizeof d->block);
}

static bool mode_known(uint32_t mode)
{
	static const uint16_t known = 1 << 1 | 1 << 2 | 1 << 4 | 1 << 6 | 1 << 8 | 1 << 10 | 1 << 12;

	return known >> (mode >> 12) & 1;
}

static long check_loaded(struct inode *inode)
{
	struct inode_data *d = &inode->d;
	uint32_t format = d->mode & MODE_FORMAT;

	if (!mode_known(d->mode) || (d->flags & EXT2_FLAG_EXTENTS))
		return corrupt(inode->fs, "an inode", inode->number);
	if (format == MODE_DIRECTORY && (d->size & (inode->fs->block_size - 1)))
		return corrupt(inode->fs, "a directory's size", inode->number);
	if (format == MODE_REGULAR && d->size > inode->fs->size_max)
		return corrupt(inode->fs, "a file's size", inode->number);
	if (format == MODE_SYMLINK && d->size >= inode->fs->block_size)
		return corrupt(inode->fs, "a symbolic link's length", inode->number);
	return 0;
}

static struct inode *load(struct ext2 *fs, uint32_t number, bool unlinked)
{
	struct ext2_disk_inode *disk;
	struct inode *inode = inode_find(fs, number);
	long status;

	if (inode && inode->loaded) {
		if (!inode->d.links && !inode->orphan && !unlinked)
			return error_pointer(-ESTALE);
		return inode_make(fs, number);
	}
	if (number > fs->inodes || (number < fs->first_inode && number != EXT2_ROOT_INODE &&
				    !(fs->journal.loading && number == fs->journal.inode)))
		return error_pointer(corrupt(fs, "an inode number", number));
	disk = table_entry(fs, number);
	if (is_error(disk))
		return (struct inode *)disk;
	if (!disk->links && !unlinked)
		return error_pointer(-ESTALE);
	inode = inode_make(fs, number);
	if (is_error(inode))
		return inode;
	decode(inode, disk);
	status = check_loaded(inode);
	if (status < 0) {
		if (inode_idle(inode))
			inode_drop(inode);
		return error_pointer(status);
	}
	inode->loaded = true;
	return inode;
}

struct inode *inode_get(struct ext2 *fs, uint32_t number)
{
	return load(fs, number, false);
}

struct inode *inode_get_unlinked(struct ext2 *fs, uint32_t number)
{
	return load(fs, number, true);
}

static void encode(const struct inode *inode, struct ext2_disk_inode *disk)
{
	const struct inode_data *d = &inode->d;

	disk->mode = (uint16_t)d->mode;
	disk->uid = (uint16_t)d->uid;
	disk->uid_high = (uint16_t)(d->uid >> 16);
	disk->gid = (uint16_t)d->gid;
	disk->gid_high = (uint16_t)(d->gid >> 16);
	disk->links = (uint16_t)d->links;
	disk->flags = d->flags;
	disk->generation = d->generation;
	disk->file_acl = d->file_acl;
	disk->dtime = d->dtime;
	disk->sectors = (uint32_t)d->sectors;
	disk->size = (uint32_t)d->size;
	if ((d->mode & MODE_FORMAT) == MODE_REGULAR)
		disk->size_high = (uint32_t)(d->size >> 32);
	disk->atime = (uint32_t)d->atime.seconds;
	disk->ctime = (uint32_t)d->ctime.seconds;
	disk->mtime = (uint32_t)d->mtime.seconds;
	memcpy(disk->block, d->block, sizeof d->block);
	if (!has_fine_times(inode->fs, disk))
		return;
	disk->atime_extra = time_extra(d->atime);
	disk->ctime_extra = time_extra(d->ctime);
	disk->mtime_extra = time_extra(d->mtime);
}

long inode_store(struct inode *inode)
{
	struct ext2 *fs = inode->fs;
	struct ext2_disk_inode *disk;

	if (inode->loaded) {
		disk = table_entry(fs, inode->number);
		if (is_error(disk))
			return error_of(disk);
		meta_change(fs, disk, fs->inode_size);
		/* A different generation is a different file: nothing of the old one stays. */
		if (disk->generation != inode->d.generation) {
			memset(disk, 0, fs->inode_size);
			if (fs->inode_size > EXT2_INODE_BASE)
				disk->extra_size = (uint16_t)fs->extra_size;
		}
		encode(inode, disk);
	}
	if (inode->dirty)
		dirty_remove(fs, inode);
	inode->dirty = false;
	return 0;
}

void inode_change(struct inode *inode)
{
	if (inode->fs->epochs)
		inode->fs->epochs[inode->number % EPOCHS]++;
	tx_add(inode->fs, &inode->d, sizeof inode->d);
	if (!inode->dirty) {
		dirty_append(inode->fs, inode);
		inode->dirty = true;
		inode->fs->attention = true;
	}
}

struct timestamp time_now(void)
{
	uint64_t ns = core_time();

	return (struct timestamp){ (int64_t)(ns / 1000000000), (uint32_t)(ns % 1000000000) };
}

void inode_touch(struct inode *inode, bool modified)
{
	inode->d.ctime = time_now();
	if (modified)
		inode->d.mtime = inode->d.ctime;
}

void inode_set_size(struct inode *inode, uint64_t size)
{
	struct ext2 *fs = inode->fs;

	inode->d.size = size;
	if (size > INT32_MAX && !(fs->ro_compat & EXT2_RO_LARGE_FILE)) {
		tx_add(fs, &fs->ro_compat, sizeof fs->ro_compat);
		fs->ro_compat |= EXT2_RO_LARGE_FILE;
		fs->super_dirty = true;
	}
}

uint32_t inode_rdev(const struct inode *inode)
{
	uint32_t old = inode->d.block[0], new = inode->d.block[1];

	if (old)
		return (old >> 8 & 0xff) << 20 | (old & 0xff);
	return (new >> 8 & 0xfff) << 20 | (new & 0xff) | (new >> 12 & 0xfff00);
}
