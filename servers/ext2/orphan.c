/* SPDX-License-Identifier: MIT */
/*
 * Unlinked inodes that are still open, and such on their way out; and files that are being cut. They form a list on the disk, through the
 * superblock's last_orphan and each inode's dtime, so that e2fsck or the next mount finishes what a crash cut
 * off. All of them are in memory.
 */
#include "ext2.h"

static void set_next_on_disk(struct inode *inode, struct inode *next)
{
	inode_change(inode);
	inode->d.dtime = next ? next->number : 0;
}

long orphan_add(struct inode *inode)
{
	struct ext2 *fs = inode->fs;

	if (inode->orphan)
		return 0;
	tx_add(fs, &inode->orphan, sizeof inode->orphan);
	tx_add(fs, &inode->orphan_next, sizeof inode->orphan_next);
	tx_add(fs, &inode->orphan_previous, sizeof inode->orphan_previous);
	tx_add(fs, &fs->orphans, sizeof fs->orphans);
	set_next_on_disk(inode, fs->orphans);
	inode->orphan = true;
	inode->orphan_next = fs->orphans;
	inode->orphan_previous = NULL;
	if (fs->orphans) {
		tx_add(fs, &fs->orphans->orphan_previous, sizeof fs->orphans);
		fs->orphans->orphan_previous = inode;
	}
	fs->orphans = inode;
	fs->super_dirty = true;
	return 0;
}

long orphan_remove(struct inode *inode)
{
	struct ext2 *fs = inode->fs;
	struct inode *next = inode->orphan_next, *previous = inode->orphan_previous;

	if (!inode->orphan)
		return 0;
	tx_add(fs, &inode->orphan, sizeof inode->orphan);
	inode->orphan = false;
	if (previous) {
		tx_add(fs, &previous->orphan_next, sizeof next);
		previous->orphan_next = next;
		set_next_on_disk(previous, next);
	} else {
		tx_add(fs, &fs->orphans, sizeof fs->orphans);
		fs->orphans = next;
	}
	if (next) {
		tx_add(fs, &next->orphan_previous, sizeof previous);
		next->orphan_previous = previous;
	}
	fs->super_dirty = true;
	return 0;
}

static struct inode *last_orphan(struct ext2 *fs)
{
	struct inode *inode = fs->orphans;

	while (inode && inode->orphan_next)
		inode = inode->orphan_next;
	return inode;
}

static void orphan_append(struct ext2 *fs, struct inode *last, struct inode *inode)
{
	inode->orphan = true;
	inode->orphan_previous = last;
	inode->orphan_next = NULL;
	if (last)
		last->orphan_next = inode;
	else
		fs->orphans = inode;
}

/*
 * The list is not to be trusted: an inode that is there twice, or is none ends it. What is lost so
 * is e2fsck's to find, since the file system is then marked as damaged.
 */
long orphan_load(struct ext2 *fs)
{
	struct ext2_super *super = super_get(fs);
	struct inode *last = last_orphan(fs), *inode;
	uint32_t number;

	if (is_error(super))
		return error_of(super);
	number = last ? last->d.dtime : super->last_orphan;
	if (!number)
		return 0;
	inode = inode_get_unlinked(fs, number);
	if (is_error(inode)) {
		if (error_of(inode) == EXT2_WAIT)
			return EXT2_WAIT;
		corrupt(fs, "the list of orphans", number);
		return 0;
	}
	if (inode->orphan) {
		corrupt(fs, "the list of orphans", number);
		return 0;
	}
	orphan_append(fs, last, inode);
	return EXT2_MORE;
}

static long release_attributes(struct inode *inode)
{
	struct ext2 *fs = inode->fs;
	uint32_t block = inode->d.file_acl, *header;
	long status = 0;

	if (!block)
		return 0;
	if (!block_valid(fs, block))
		return corrupt(fs, "an attribute block", block);
	header = meta_get(fs, block);
	if (is_error(header))
		return error_of(header);
	/* linux/ext2_xattr.h: magic, reference count. */
	if (header[1] > 1) {
		meta_change(fs, &header[1], 4);
		header[1]--;
	} else {
		status = blocks_free(fs, block, 1);
	}
	inode_change(inode);
	inode->d.file_acl = 0;
	return status;
}

static bool has_blocks(const struct inode *inode)
{
	uint32_t format = inode->d.mode & MODE_FORMAT;

	if (format == MODE_SYMLINK)
		return inode->d.sectors > (inode->d.file_acl ? inode->fs->block_size / 512 : 0);
	return format == MODE_REGULAR || format == MODE_DIRECTORY;
}

/*
 * A damaged inode (its blocks are free already, say) leaves what cannot be freed, and goes all the same.
 */
long inode_delete_step(struct inode *inode)
{
	struct ext2 *fs = inode->fs;
	bool directory = (inode->d.mode & MODE_FORMAT) == MODE_DIRECTORY;
	long status = has_blocks(inode) ? map_trim(inode, 0) : 0;

	if (status == EXT2_MORE || status == EXT2_WAIT)
		return status;
	status = release_attributes(inode);
	if (status == EXT2_WAIT)
		return status;
	status = inode_free(fs, inode->number, directory);
	if (status == EXT2_WAIT)
		return status;
	orphan_remove(inode);
	inode_change(inode);
	inode->d.size = 0;
	inode->d.sectors = 0;
	inode->d.dtime = (uint32_t)time_now().seconds;
	return 0;
}

long orphan_trim_step(struct inode *inode)
{
	uint64_t size = inode->d.size;
	long status = has_blocks(inode)
			  ? map_trim(inode, (size + inode->fs->block_size - 1) >> inode->fs->block_shift)
			  : 0;

	if (status == EXT2_MORE || status == EXT2_WAIT)
		return status;
	orphan_end_trim(inode);
	return status;
}

void orphan_end_trim(struct inode *inode)
{
	if (!inode->orphan || !inode->d.links)
		return;
	orphan_remove(inode);
	inode_change(inode);
	inode->d.dtime = 0;
}
