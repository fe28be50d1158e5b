/* SPDX-License-Identifier: MIT */
/* From a block of a file to a block of the device: direct pointers, and trees of one, two and three levels. */
#include "ext2.h"

/* Offsets on the way down: the first in the inode, the others in indirect blocks. */
struct path {
	uint32_t depth; /* how many, 0: beyond what can be mapped */
	uint32_t offset[4];
};

static struct path path_of(const struct ext2 *fs, uint64_t logical)
{
	uint32_t shift = fs->pointers_shift, mask = (1u << shift) - 1;

	if (logical < EXT2_DIRECT)
		return (struct path){ 1, { (uint32_t)logical } };
	logical -= EXT2_DIRECT;
	if (logical >> shift == 0)
		return (struct path){ 2, { 12, (uint32_t)logical } };
	logical -= 1ull << shift;
	if (logical >> 2 * shift == 0)
		return (struct path){ 3, { 13, (uint32_t)(logical >> shift), (uint32_t)logical & mask } };
	logical -= 1ull << 2 * shift;
	if (logical >> 3 * shift == 0)
		return (struct path){ 4,
				      { 14, (uint32_t)(logical >> 2 * shift),
					(uint32_t)(logical >> shift) & mask, (uint32_t)logical & mask } };
	return (struct path){ 0, { 0 } };
}

/* How many blocks from here on the missing pointer at `level` leaves unmapped. */
static uint64_t hole_length(const struct ext2 *fs, const struct path *path, uint32_t level)
{
	uint64_t span = 1, position = 0;

	for (uint32_t i = level + 1; i < path->depth; i++) {
		span <<= fs->pointers_shift;
		position = position << fs->pointers_shift | path->offset[i];
	}
	return span - position;
}

static uint32_t *next_level(struct inode *inode, uint32_t block, uint32_t offset)
{
	struct ext2 *fs = inode->fs;
	long status = blocks_check(fs, block, 1, inode->number);
	uint32_t *pointers;

	if (status < 0)
		return error_pointer(status);
	pointers = meta_get(fs, block);
	return is_error(pointers) ? pointers : pointers + offset;
}

/* Pointers from this one to the end of its array. */
static uint64_t pointers_left(const struct ext2 *fs, const struct path *path)
{
	uint32_t at = path->offset[path->depth - 1];

	return path->depth == 1 ? EXT2_DIRECT - at : (1u << fs->pointers_shift) - at;
}

static long read_run(struct inode *inode, const uint32_t *p, uint64_t limit, struct extent *out)
{
	uint64_t n = 1;

	out->physical = *p;
	if (*p)
		while (n < limit && p[n] == *p + n)
			n++;
	else
		while (n < limit && !p[n])
			n++;
	out->count = n;
	return *p ? blocks_check(inode->fs, *p, n, inode->number) : 0;
}

static bool from_last(struct inode *inode, uint64_t logical, uint64_t want, struct extent *out)
{
	const struct extent *last = &inode->last;
	uint64_t skip = logical - last->logical;

	if (inode->last_epoch != inode->fs->epoch || skip >= last->count)
		return false;
	out->logical = logical;
	out->physical = last->physical + skip;
	out->count = last->count - skip < want ? last->count - skip : want;
	return true;
}

static void remember(struct inode *inode, const struct extent *found)
{
	inode->last_epoch = inode->fs->epoch - 1;
	inode->last = *found;
	inode->last_epoch = inode->fs->epoch;
}

long map_find(struct inode *inode, uint64_t logical, uint64_t want, struct extent *out)
{
	struct ext2 *fs = inode->fs;
	struct path path = path_of(fs, logical);
	uint32_t *p = &inode->d.block[path.offset[0]];
	uint64_t limit;
	long status;

	if (from_last(inode, logical, want, out))
		return 0;
	if (!path.depth)
		return -EFBIG;
	*out = (struct extent){ logical, 0, 0 };
	for (uint32_t level = 0; level + 1 < path.depth; level++) {
		if (!*p) {
			out->count = hole_length(fs, &path, level);
			if (out->count > want)
				out->count = want;
			return 0;
		}
		p = next_level(inode, *p, path.offset[level + 1]);
		if (is_error(p))
			return error_of(p);
	}
	limit = pointers_left(fs, &path);
	status = read_run(inode, p, limit, out);
	if (status == 0 && out->physical)
		remember(inode, out);
	if (out->count > want)
		out->count = want;
	return status;
}

static void add_sectors(struct inode *inode, int64_t blocks)
{
	int64_t change = blocks * (int64_t)(inode->fs->block_size / 512);

	inode_change(inode);
	inode->d.sectors =
	    change < 0 && inode->d.sectors < (uint64_t)-change ? 0 : inode->d.sectors + (uint64_t)change;
}

static void set_pointers(struct inode *inode, uint32_t *p, uint32_t first, uint32_t count)
{
	bool in_inode = p >= inode->d.block && p < inode->d.block + EXT2_POINTERS;

	if (in_inode)
		inode_change(inode);
	else
		meta_change(inode->fs, p, count * sizeof *p);
	for (uint32_t i = 0; i < count; i++)
		p[i] = first ? first + i : 0;
}

static uint64_t goal_for(struct inode *inode, uint64_t logical, const uint32_t *p, uint32_t offset)
{
	if (inode->next_physical && logical == inode->next_logical)
		return inode->next_physical;
	for (uint32_t back = 1; back <= offset && back <= 16; back++)
		if (p[-(long)back])
			return p[-(long)back] + back;
	return inode_goal(inode);
}

static long add_indirect(struct inode *inode, uint32_t *p, uint64_t goal)
{
	struct ext2 *fs = inode->fs;
	uint32_t got;
	long block = blocks_alloc(fs, inode, goal, 1, &got);
	void *fresh;

	if (block < 0)
		return block;
	fresh = meta_new(fs, (uint64_t)block);
	if (is_error(fresh))
		return error_of(fresh);
	set_pointers(inode, p, (uint32_t)block, 1);
	add_sectors(inode, 1);
	return block;
}

/* The pointer for `logical`, with what is missing above it added. *goal: where its block should go. */
static uint32_t *walk_alloc(struct inode *inode, uint64_t logical, const struct path *path, uint64_t *goal)
{
	uint32_t *p = &inode->d.block[path->offset[0]];

	*goal = goal_for(inode, logical, p, path->offset[0]);
	for (uint32_t level = 0; level + 1 < path->depth; level++) {
		uint32_t offset = path->offset[level + 1];

		if (!*p) {
			long block = add_indirect(inode, p, *goal);

			if (block < 0)
				return error_pointer(block);
			*goal = (uint64_t)block + 1;
		}
		p = next_level(inode, *p, offset);
		if (is_error(p))
			return p;
		if (inode->next_logical != logical)
			*goal = goal_for(inode, logical, p, offset);
	}
	return p;
}

static long fill_hole(struct inode *inode, uint32_t *p, uint64_t goal, struct extent *out)
{
	uint32_t want = out->count < 1024 ? (uint32_t)out->count : 1024, got;
	long block = blocks_alloc(inode->fs, inode, goal, want, &got);

	if (block < 0)
		return block;
	set_pointers(inode, p, (uint32_t)block, got);
	add_sectors(inode, got);
	out->physical = (uint64_t)block;
	out->count = got;
	inode->next_logical = out->logical + got;
	inode->next_physical = out->physical + got;
	return 0;
}

long map_alloc(struct inode *inode, uint64_t logical, uint64_t want, struct extent *out, bool *fresh)
{
	struct path path = path_of(inode->fs, logical);
	uint64_t goal, limit;
	uint32_t *p;
	long status;

	*fresh = false;
	if (from_last(inode, logical, want, out))
		return 0;
	if (!path.depth)
		return -EFBIG;
	*out = (struct extent){ logical, 0, 0 };
	p = walk_alloc(inode, logical, &path, &goal);
	if (is_error(p))
		return error_of(p);
	limit = pointers_left(inode->fs, &path);
	status = read_run(inode, p, limit < want ? limit : want, out);
	if (status < 0)
		return status;
	if (!out->physical) {
		*fresh = true;
		status = fill_hole(inode, p, goal, out);
		if (status < 0)
			return status;
	}
	remember(inode, out);
	return 0;
}

long map_seek(struct inode *inode, uint64_t logical, bool data, uint64_t limit, uint64_t *out)
{
	struct extent found;

	while (logical < limit) {
		long status = map_find(inode, logical, limit - logical, &found);

		if (status < 0)
			return status;
		if ((found.physical != 0) == data)
			break;
		logical += found.count;
	}
	*out = logical;
	return 0;
}

/* --- freeing ---------------------------------------------------------------------------------------- */

#define TRIM_BUDGET 4096

struct trim {
	struct inode *inode;
	uint64_t first;
	int64_t budget; /* in pointers looked at and blocks freed */
};

/* Free what the run's pointers name and clear them. A damaged pointer is cleared all the same. */
static long free_run(struct trim *t, uint32_t *p, uint32_t count)
{
	struct ext2 *fs = t->inode->fs;
	uint32_t start = *p;
	long status = blocks_free(fs, start, count);

	if (status == EXT2_WAIT)
		return status;
	set_pointers(t->inode, p, 0, count);
	add_sectors(t->inode, -(int64_t)count);
	t->budget -= 16 + count;
	return 0;
}

static bool exhausted(const struct trim *t)
{
	return t->budget <= 0 || tx_tight(t->inode->fs);
}

/* A run must not cross groups: freeing it is then all or nothing. */
static uint32_t run_in_group(const struct ext2 *fs, const uint32_t *p, uint32_t limit)
{
	uint32_t n = 1;

	while (n < limit && p[n] == *p + n && (p[n] - fs->first_data_block) % fs->blocks_per_group != 0)
		n++;
	return n;
}

static long trim_leaf(struct trim *t, uint32_t *p, uint32_t count, uint64_t base)
{
	uint32_t i = base < t->first ? (uint32_t)(t->first - base < count ? t->first - base : count) : 0;

	t->budget -= 4;
	while (i < count) {
		uint32_t n = 1;

		if (p[i]) {
			long status;

			if (exhausted(t))
				return EXT2_MORE;
			n = run_in_group(t->inode->fs, p + i, count - i);
			status = free_run(t, p + i, n);
			if (status)
				return status;
		}
		i += n;
	}
	return 0;
}

static long trim_tree(struct trim *t, uint32_t *slot, uint32_t levels, uint64_t base)
{
	struct ext2 *fs = t->inode->fs;
	uint32_t count = 1u << fs->pointers_shift, *pointers, i = 0;
	uint64_t span = 1ull << fs->pointers_shift * (levels - 1);
	long status = 0;

	if (!*slot || base + span * count <= t->first)
		return 0;
	if (exhausted(t))
		return EXT2_MORE;
	if (!block_valid(fs, *slot)) {
		corrupt(fs, "an indirect block", *slot);
		set_pointers(t->inode, slot, 0, 1);
		return 0;
	}
	pointers = meta_get(fs, *slot);
	if (error_of(pointers) == EXT2_WAIT)
		return EXT2_WAIT;
	if (is_error(pointers)) {
		set_pointers(t->inode, slot, 0, 1);
		return 0;
	}
	t->budget -= 64;
	if (levels == 1)
		status = trim_leaf(t, pointers, count, base);
	else
		for (; i < count && status == 0; i++)
			if (pointers[i])
				status = trim_tree(t, &pointers[i], levels - 1, base + i * span);
	if (status == 0 && base >= t->first)
		status = free_run(t, slot, 1);
	return status;
}

/* What one step changes has to fit into a transaction beside others. */
static int64_t trim_budget(const struct ext2 *fs)
{
	return fs->journal.ready && fs->journal.capacity < TRIM_BUDGET ? fs->journal.capacity : TRIM_BUDGET;
}

long map_trim(struct inode *inode, uint64_t first)
{
	struct trim t = { inode, first, trim_budget(inode->fs) };
	uint32_t shift = inode->fs->pointers_shift;
	uint64_t base = EXT2_DIRECT;
	long status;

	inode->last.count = 0;
	inode->next_physical = 0;
	window_close(inode);
	status = trim_leaf(&t, inode->d.block, EXT2_DIRECT, 0);
	for (uint32_t levels = 1; levels <= 3 && status == 0; levels++) {
		status = trim_tree(&t, &inode->d.block[EXT2_DIRECT + levels - 1], levels, base);
		base += 1ull << shift * levels;
	}
	return status;
}
