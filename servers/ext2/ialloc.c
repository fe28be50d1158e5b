/* SPDX-License-Identifier: MIT */
/* Which inode a new file gets. */
#include "ext2.h"

#include <util/string.h>

static uint32_t group_of(const struct inode *inode)
{
	return (inode->number - 1) / inode->fs->inodes_per_group;
}

/* Top-level directories: a group that is emptier than the average, with the fewest directories. */
static long group_for_top_directory(struct ext2 *fs)
{
	uint32_t average_inodes = fs->free_inodes / fs->groups, average_blocks = fs->free_blocks / fs->groups;
	uint32_t best = fs->groups, fewest = UINT32_MAX;

	for (uint32_t i = 1; i <= fs->groups; i++) {
		uint32_t number = (fs->directory_group + i) % fs->groups;
		const struct ext2_group *group = group_get(fs, number);

		if (is_error(group))
			return error_of(group);
		if (!group->free_inodes || group->free_inodes < average_inodes ||
		    group->free_blocks < average_blocks || group->directories >= fewest)
			continue;
		fewest = group->directories;
		best = number;
	}
	return best;
}

/* The parent's group or one near it that is not crowded; `slack`: what counts as crowded. */
static long group_near(struct ext2 *fs, uint32_t home, uint32_t inodes, uint32_t blocks)
{
	for (uint32_t i = 0; i < fs->groups; i++) {
		uint32_t number = home + i < fs->groups ? home + i : home + i - fs->groups;
		const struct ext2_group *group = group_get(fs, number);

		if (is_error(group))
			return error_of(group);
		if (group->free_inodes > inodes && group->free_blocks >= blocks)
			return number;
	}
	return fs->groups;
}

static long choose_group(struct ext2 *fs, struct inode *parent, bool directory)
{
	long number = fs->groups;

	if (directory && parent->number == EXT2_ROOT_INODE)
		number = group_for_top_directory(fs);
	if (number == fs->groups && directory)
		number = group_near(fs, group_of(parent), fs->free_inodes / fs->groups / 4,
				    fs->free_blocks / fs->groups / 4);
	if (number == fs->groups)
		number = group_near(fs, group_of(parent), 0, 1);
	if (number == fs->groups)
		number = group_near(fs, group_of(parent), 0, 0);
	return number;
}

static void count_inodes(struct ext2 *fs, struct ext2_group *group, int32_t change, bool directory)
{
	meta_change(fs, group, sizeof *group);
	group->free_inodes = (uint16_t)(group->free_inodes + change);
	if (directory)
		group->directories = (uint16_t)(group->directories - change);
	tx_add(fs, &fs->free_inodes, sizeof fs->free_inodes);
	fs->free_inodes = (uint32_t)((int32_t)fs->free_inodes + change);
	fs->super_dirty = true;
}

static long take_inode(struct ext2 *fs, uint32_t number, bool directory)
{
	struct ext2_group *group = group_get(fs, number);
	uint32_t bit = number ? 0 : fs->first_inode - 1;
	uint8_t *bits;

	if (is_error(group))
		return error_of(group);
	bits = meta_get(fs, group->inode_bitmap);
	if (is_error(bits))
		return error_of(bits);
	bit = find_clear(bits, bit, fs->inodes_per_group);
	if (bit >= fs->inodes_per_group)
		return corrupt(fs, "a count of free inodes", number);
	meta_change(fs, &bits[bit / 8], 1);
	bits[bit / 8] |= (uint8_t)(1u << bit % 8);
	count_inodes(fs, group, -1, directory);
	return (long)number * fs->inodes_per_group + bit + 1;
}

long inode_alloc(struct ext2 *fs, struct inode *parent, uint32_t mode)
{
	bool directory = (mode & MODE_FORMAT) == MODE_DIRECTORY;
	long group;

	if (!fs->free_inodes)
		return -ENOSPC;
	group = choose_group(fs, parent, directory);
	if (group < 0)
		return group;
	if (group == fs->groups)
		return -ENOSPC;
	if (directory && parent->number == EXT2_ROOT_INODE)
		fs->directory_group = (uint32_t)group;
	return take_inode(fs, (uint32_t)group, directory);
}

long inode_free(struct ext2 *fs, uint32_t number, bool directory)
{
	struct ext2_group *group = group_get(fs, (number - 1) / fs->inodes_per_group);
	uint32_t bit = (number - 1) % fs->inodes_per_group;
	uint8_t *bits;

	if (is_error(group))
		return error_of(group);
	bits = meta_get(fs, group->inode_bitmap);
	if (is_error(bits))
		return error_of(bits);
	if (!(bits[bit / 8] >> bit % 8 & 1))
		return corrupt(fs, "an inode is free already", number);
	meta_change(fs, &bits[bit / 8], 1);
	bits[bit / 8] &= (uint8_t) ~(1u << bit % 8);
	count_inodes(fs, group, 1, directory);
	return 0;
}
