/* SPDX-License-Identifier: MIT */
/*
 * Bitmaps. Files lie near their directory, new top-level directories far from each other (Orlov), and a file
 * that is being written from one end to the other in one piece: others keep out of a window ahead of it as
 * long as there is room elsewhere.
 */
#include "ext2.h"

#include <util/string.h>

static bool bit_set(const uint8_t *bits, uint32_t n)
{
	return bits[n / 8] >> n % 8 & 1;
}

uint32_t find_clear(const uint8_t *bits, uint32_t from, uint32_t limit)
{
	while (from < limit) {
		uint64_t word;

		if (from % 64 == 0 && from + 64 <= limit) {
			memcpy(&word, bits + from / 8, 8);
			if (word == ~0ull) {
				from += 64;
				continue;
			}
			return from + (uint32_t)__builtin_ctzll(~word);
		}
		if (!bit_set(bits, from))
			return from;
		from++;
	}
	return limit;
}

/* The first clear byte: room for eight blocks. */
static uint32_t find_clear_byte(const uint8_t *bits, uint32_t from, uint32_t limit)
{
	const uint8_t *found;

	from = (from + 7) & ~7u;
	if (from + 8 > limit)
		return limit;
	found = memchr(bits + from / 8, 0, (limit - from) / 8);
	return found ? (uint32_t)(found - bits) * 8 : limit;
}

/* --- windows ------------------------------------------------------------------------------------- */

void window_close(struct inode *inode)
{
	struct ext2 *fs = inode->fs;

	if (inode->window_start == inode->window_end)
		return;
	inode->window_start = inode->window_end = 0;
	for (int i = 0; i < WINDOWS; i++)
		if (fs->windows[i] == inode)
			fs->windows[i] = NULL;
}

static void window_open(struct inode *inode, uint64_t start, uint64_t count)
{
	struct ext2 *fs = inode->fs;

	if (inode->window_start == inode->window_end) {
		struct inode **slot = &fs->windows[fs->window_hand++ % WINDOWS];

		if (*slot)
			(*slot)->window_start = (*slot)->window_end = 0;
		*slot = inode;
	}
	inode->window_start = start;
	inode->window_end = start + count;
}

/* The end of another file's window that covers the block, or 0. */
static uint64_t window_of_other(struct ext2 *fs, const struct inode *inode, uint64_t block)
{
	for (int i = 0; i < WINDOWS; i++) {
		const struct inode *other = fs->windows[i];

		if (other && other != inode && block >= other->window_start && block < other->window_end)
			return other->window_end;
	}
	return 0;
}

/* --- blocks ----------------------------------------------------------------------------------------- */

struct search {
	struct ext2 *fs;
	struct inode *inode;
	uint64_t first; /* block of bit 0 */
	const uint8_t *bits;
	uint32_t limit;
	bool windows; /* keep out of others' */
};

/* Behind blocks that are kept for a while, and behind a window; the same bit if it may be used. */
static uint32_t skip_kept(const struct search *s, uint32_t bit)
{
	uint64_t end;

	if (bit < s->limit && journal_keeps(&s->fs->journal)) {
		end = journal_usable(s->fs, s->first + bit, s->first + s->limit);
		if (end != s->first + bit)
			return (uint32_t)(end - s->first);
	}
	if (!s->windows || bit >= s->limit)
		return bit;
	end = window_of_other(s->fs, s->inode, s->first + bit);
	if (!end)
		return bit;
	return end - s->first < s->limit ? (uint32_t)(end - s->first) : s->limit;
}

/* The goal itself, else eight free blocks after it, else any. */
static uint32_t search_group(const struct search *s, uint32_t goal)
{
	uint32_t bit, next;

	if (goal < s->limit && !bit_set(s->bits, goal) && skip_kept(s, goal) == goal)
		return goal;
	for (bit = find_clear_byte(s->bits, goal, s->limit); bit < s->limit;
	     bit = find_clear_byte(s->bits, next, s->limit)) {
		next = skip_kept(s, bit);
		if (next == bit)
			return bit;
	}
	for (bit = find_clear(s->bits, goal, s->limit); bit < s->limit;
	     bit = find_clear(s->bits, next, s->limit)) {
		next = skip_kept(s, bit);
		if (next == bit)
			return bit;
	}
	return s->limit;
}

static uint32_t run_length(const struct search *s, uint32_t bit, uint32_t want)
{
	uint32_t n = 1;

	while (n < want && bit + n < s->limit && !bit_set(s->bits, bit + n) &&
	       skip_kept(s, bit + n) == bit + n)
		n++;
	return n;
}

static void set_bits(struct ext2 *fs, uint8_t *bits, uint32_t from, uint32_t count, bool set)
{
	uint32_t first = from / 8, last = (from + count - 1) / 8;

	meta_change(fs, bits + first, last - first + 1);
	for (uint32_t n = from; n < from + count; n++) {
		if (n % 8 == 0 && n + 8 <= from + count) {
			bits[n / 8] = set ? 0xff : 0;
			n += 7;
		} else if (set) {
			bits[n / 8] |= (uint8_t)(1u << n % 8);
		} else {
			bits[n / 8] &= (uint8_t) ~(1u << n % 8);
		}
	}
}

static void count_blocks(struct ext2 *fs, struct ext2_group *group, int32_t change)
{
	meta_change(fs, &group->free_blocks, sizeof group->free_blocks);
	group->free_blocks = (uint16_t)(group->free_blocks + change);
	tx_add(fs, &fs->free_blocks, sizeof fs->free_blocks);
	fs->free_blocks = (uint32_t)((int32_t)fs->free_blocks + change);
	fs->super_dirty = true;
}

static long take_run(const struct search *s, struct ext2_group *group, uint8_t *bits, uint32_t bit,
		     uint32_t count)
{
	struct ext2 *fs = s->fs;
	uint64_t block = s->first + bit;
	uint32_t number = (uint32_t)((s->first - fs->first_data_block) / fs->blocks_per_group);

	if (!block_valid(fs, block) || blocks_of_system(fs, number, group, block, count))
		return corrupt(fs, "a block bitmap", block);
	if (count > group->free_blocks)
		return corrupt(fs, "a count of free blocks", block);
	set_bits(fs, bits, bit, count, true);
	count_blocks(fs, group, -(int32_t)count);
	journal_allocated(fs, block, count);
	return (long)block;
}

/* 0: none here. Block 0 is never free. */
static long alloc_in_group(struct ext2 *fs, struct inode *inode, uint32_t number, uint32_t goal,
			   uint32_t want, uint32_t *got, bool windows)
{
	struct ext2_group *group = group_get(fs, number);
	struct search s = {
		fs, inode, group_first_block(fs, number), NULL, group_blocks(fs, number), windows
	};
	uint8_t *bits;
	uint32_t bit;

	if (is_error(group))
		return error_of(group);
	if (!group->free_blocks || group->free_blocks > s.limit)
		return 0;
	bits = meta_get(fs, group->block_bitmap);
	if (is_error(bits))
		return error_of(bits);
	s.bits = bits;
	bit = search_group(&s, goal);
	if (bit == s.limit)
		return 0;
	*got = run_length(&s, bit, want < group->free_blocks ? want : group->free_blocks);
	return take_run(&s, group, bits, bit, *got);
}

static long find_anywhere(struct ext2 *fs, struct inode *inode, uint64_t goal, uint32_t want, uint32_t *got,
			  bool windows)
{
	uint32_t home = (uint32_t)((goal - fs->first_data_block) / fs->blocks_per_group);
	uint32_t bit = (uint32_t)((goal - fs->first_data_block) % fs->blocks_per_group);

	for (uint32_t i = 0; i <= fs->groups; i++) {
		uint32_t number = home + i < fs->groups ? home + i : home + i - fs->groups;
		long block = alloc_in_group(fs, inode, number, i ? 0 : bit, want, got, windows);

		if (block)
			return block;
	}
	return 0;
}

static bool any_window(const struct ext2 *fs, const struct inode *inode)
{
	for (int i = 0; i < WINDOWS; i++)
		if (fs->windows[i] && fs->windows[i] != inode)
			return true;
	return false;
}

long blocks_alloc(struct ext2 *fs, struct inode *inode, uint64_t goal, uint32_t want, uint32_t *got)
{
	uint32_t usable = fs->free_blocks;
	bool windows = any_window(fs, inode);
	long block;

	if (!fs->privileged)
		usable = usable > fs->reserved_blocks ? usable - fs->reserved_blocks : 0;
	if (!usable)
		return -ENOSPC;
	if (want > usable)
		want = usable;
	if (goal < fs->first_data_block || goal >= fs->blocks)
		goal = fs->first_data_block;
	block = find_anywhere(fs, inode, goal, want, got, windows);
	if (!block && windows)
		block = find_anywhere(fs, inode, goal, want, got, false);
	if (block > 0 && want > 1)
		window_open(inode, (uint64_t)block + *got, want < 512 ? want * 2 : 1024);
	return block ? block : -ENOSPC;
}

static long free_in_group(struct ext2 *fs, uint32_t number, uint64_t start, uint32_t count)
{
	struct ext2_group *group = group_get(fs, number);
	uint32_t bit = (uint32_t)(start - group_first_block(fs, number));
	uint8_t *bits;

	if (is_error(group))
		return error_of(group);
	bits = meta_get(fs, group->block_bitmap);
	if (is_error(bits))
		return error_of(bits);
	if (blocks_of_system(fs, number, group, start, count))
		return corrupt(fs, "a file's block is the system's", start);
	for (uint32_t i = 0; i < count; i++)
		if (!bit_set(bits, bit + i))
			return corrupt(fs, "a file's block is free already", start + i);
	set_bits(fs, bits, bit, count, false);
	count_blocks(fs, group, (int32_t)count);
	meta_forget(fs, start, count);
	journal_freed(fs, start, count);
	return 0;
}

long blocks_free(struct ext2 *fs, uint64_t start, uint32_t count)
{
	long result = 0;

	if (!block_valid(fs, start) || start + count > fs->blocks)
		return corrupt(fs, "a file's block", start);
	while (count) {
		uint32_t number = (uint32_t)((start - fs->first_data_block) / fs->blocks_per_group);
		uint64_t end = group_first_block(fs, number) + fs->blocks_per_group;
		uint32_t part = start + count <= end ? count : (uint32_t)(end - start);
		long status = free_in_group(fs, number, start, part);

		if (status == EXT2_WAIT)
			return status;
		if (status < 0)
			result = status;
		start += part;
		count -= part;
	}
	return result;
}

uint64_t inode_goal(struct inode *inode)
{
	return group_first_block(inode->fs, (inode->number - 1) / inode->fs->inodes_per_group);
}
