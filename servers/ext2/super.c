/* SPDX-License-Identifier: MIT */
/* The superblock and the group descriptors, and what makes them believable. */
#include "ext2.h"

#include <util/string.h>

#define REPORTS_MAX 16u
#define ERRORS_CONTINUE 1 /* the superblock's `errors`; 2 remount-ro, 3 panic */

long corrupt(struct ext2 *fs, const char *what, uint64_t number)
{
	if (fs->reports++ < REPORTS_MAX)
		core_log("file system is damaged: %s (%lu)%s", what, (unsigned long)number,
			 fs->reports == REPORTS_MAX ? "; what else is found is not logged" : "");
	if (fs->stop_on_damage && !fs->stopped)
		core_log("no further changes (errors=remount-ro)");
	fs->stopped = fs->stop_on_damage;
	fs->has_errors = true;
	fs->super_dirty = true;
	return -EUCLEAN;
}

static bool power_of(uint32_t n, uint32_t base)
{
	while (n % base == 0)
		n /= base;
	return n == 1;
}

/* Groups that hold a copy of the superblock and of the descriptors. */
static bool group_has_super(const struct ext2 *fs, uint32_t group)
{
	if (!(fs->ro_compat & EXT2_RO_SPARSE_SUPER) || group <= 1)
		return true;
	return power_of(group, 3) || power_of(group, 5) || power_of(group, 7);
}

static uint64_t descriptor_blocks(const struct ext2 *fs)
{
	return (fs->groups * sizeof(struct ext2_group) + fs->block_size - 1) >> fs->block_shift;
}

uint64_t group_first_block(const struct ext2 *fs, uint32_t group)
{
	return fs->first_data_block + (uint64_t)group * fs->blocks_per_group;
}

uint32_t group_blocks(const struct ext2 *fs, uint32_t group)
{
	uint64_t left = fs->blocks - group_first_block(fs, group);

	return left < fs->blocks_per_group ? (uint32_t)left : fs->blocks_per_group;
}

static long check_geometry(const struct ext2_super *super, uint64_t device_bytes)
{
	uint32_t block_size = 1024u << super->log_block_size, bits = block_size * 8;
	uint32_t inode_size = super->revision ? super->inode_size : EXT2_INODE_BASE;

	if (super->inodes_per_group == 0 || super->inodes_per_group > bits || super->blocks_per_group < 8 ||
	    super->blocks_per_group > bits || super->blocks_per_group % 8)
		return -EUCLEAN;
	if (inode_size < EXT2_INODE_BASE || inode_size > block_size || (inode_size & (inode_size - 1)))
		return -EUCLEAN;
	if (super->first_data_block != (block_size == 1024))
		return -EUCLEAN;
	if (super->blocks <= super->first_data_block + 3 || super->blocks > device_bytes / block_size)
		return -EUCLEAN;
	if (super->free_blocks > super->blocks || super->free_inodes > super->inodes ||
	    super->reserved_blocks > super->blocks)
		return -EUCLEAN;
	if (super->inodes_per_group % (block_size / inode_size))
		return -EUCLEAN;
	return 0;
}

static uint32_t log2_of(uint32_t n)
{
	return 31u - (uint32_t)__builtin_clz(n);
}

/* The size up to which triple indirect blocks reach; i_blocks counts 512-byte sectors in 32 bits. */
static uint64_t largest_file(const struct ext2 *fs)
{
	uint64_t p = fs->block_size / 4, blocks = EXT2_DIRECT + p + p * p + p * p * p;
	uint64_t sectors = 1ull << 32, data;

	/* Leave room in the count for the indirect blocks themselves, one in `p` at each level. */
	data = (sectors >> (fs->block_shift - 9)) - (sectors >> (fs->block_shift - 9)) / p * 2 - 8;
	if (blocks > data)
		blocks = data;
	return blocks << fs->block_shift;
}

static uint32_t extra_size(const struct ext2 *fs, const struct ext2_super *super)
{
	uint32_t room = fs->inode_size - EXT2_INODE_BASE, want = super->want_extra_size;

	if (room < 32)
		return 0;
	if (want < super->min_extra_size)
		want = super->min_extra_size;
	return want >= 4 && want <= room && want % 4 == 0 ? want : 32;
}

static long check_features(struct ext2 *fs, const struct ext2_super *super)
{
	if (super->revision == 0)
		return 0;
	if (super->incompat & ~EXT2_INCOMPAT_KNOWN) {
		core_log("unknown features %x: not mounted", super->incompat & ~EXT2_INCOMPAT_KNOWN);
		return -EINVAL;
	}
	if ((super->incompat & EXT2_INCOMPAT_RECOVER) && !(super->compat & EXT2_COMPAT_HAS_JOURNAL)) {
		core_log("a journal that is not there should be replayed: not mounted");
		return -EINVAL;
	}
	fs->journal.inode = super->compat & EXT2_COMPAT_HAS_JOURNAL ? super->journal_inode : 0;
	fs->compat = super->compat;
	fs->incompat = super->incompat;
	fs->ro_compat = super->ro_compat;
	if ((super->ro_compat & ~EXT2_RO_KNOWN) && !fs->read_only) {
		core_log("unknown features %x: read-only", super->ro_compat & ~EXT2_RO_KNOWN);
		fs->read_only = true;
	}
	return 0;
}

static void fill_geometry(struct ext2 *fs, const struct ext2_super *super)
{
	fs->block_shift = 10 + super->log_block_size;
	fs->block_size = 1u << fs->block_shift;
	fs->pointers_shift = fs->block_shift - 2;
	fs->revision = super->revision;
	fs->inode_size = super->revision ? super->inode_size : EXT2_INODE_BASE;
	fs->first_inode = super->revision ? super->first_inode : EXT2_FIRST_INODE;
	fs->inodes_per_block_shift = fs->block_shift - log2_of(fs->inode_size);
	fs->extra_size = extra_size(fs, super);
	fs->blocks = super->blocks;
	fs->first_data_block = super->first_data_block;
	fs->blocks_per_group = super->blocks_per_group;
	fs->reserved_blocks = super->reserved_blocks;
	fs->reserved_uid = super->reserved_uid;
	fs->reserved_gid = super->reserved_gid;
	fs->inodes = super->inodes;
	fs->inodes_per_group = super->inodes_per_group;
	fs->table_blocks = super->inodes_per_group >> fs->inodes_per_block_shift;
	fs->free_blocks = super->free_blocks;
	fs->free_inodes = super->free_inodes;
	fs->state_at_mount = super->state;
	fs->disk_valid = fs->compat & EXT2_COMPAT_HAS_JOURNAL ? !(super->incompat & EXT2_INCOMPAT_RECOVER)
							      : super->state & EXT2_STATE_VALID;
	fs->has_errors = super->state & EXT2_STATE_ERROR;
	fs->stop_on_damage = super->errors > ERRORS_CONTINUE;
	fs->size_max = largest_file(fs);
	if (!super->revision && fs->size_max > INT32_MAX) /* no features, so no large files */
		fs->size_max = INT32_MAX;
}

long super_read(struct ext2 *fs, const struct ext2_super *super, uint64_t device_bytes)
{
	uint64_t groups;
	long status;

	if (super->magic != EXT2_MAGIC || super->log_block_size > 2 || super->revision > 1)
		return -EINVAL;
	status = check_geometry(super, device_bytes);
	if (status == 0)
		status = check_features(fs, super);
	if (status < 0)
		return status;
	fill_geometry(fs, super);
	groups =
	    (fs->blocks - fs->first_data_block + (uint64_t)fs->blocks_per_group - 1) / fs->blocks_per_group;
	if (groups * fs->inodes_per_group != fs->inodes || fs->first_inode >= fs->inodes ||
	    fs->first_inode < 3)
		return -EUCLEAN;
	fs->groups = (uint32_t)groups;
	fs->cache.pages = (((uint64_t)fs->blocks << fs->block_shift) + 4095) >> 12;
	return 0;
}

struct ext2_super *super_get(struct ext2 *fs)
{
	uint8_t *block = meta_get(fs, EXT2_SUPER_OFFSET >> fs->block_shift);

	if (is_error(block))
		return (struct ext2_super *)block;
	return (struct ext2_super *)(block + (EXT2_SUPER_OFFSET & (fs->block_size - 1)));
}

long super_store(struct ext2 *fs, bool clean)
{
	struct ext2_super *super = super_get(fs);

	if (is_error(super))
		return error_of(super);
	meta_change(fs, super, sizeof *super);
	super->free_blocks = fs->free_blocks;
	super->free_inodes = fs->free_inodes;
	super->last_orphan = fs->orphans ? fs->orphans->number : 0;
	super->write_time = (uint32_t)time_now().seconds;
	super->ro_compat |= fs->ro_compat & EXT2_RO_LARGE_FILE;
	super->state &= (uint16_t) ~(EXT2_STATE_VALID | EXT2_STATE_ERROR);
	if ((clean || fs->journal.ready) && (fs->state_at_mount & EXT2_STATE_VALID))
		super->state |= EXT2_STATE_VALID;
	if (clean)
		super->incompat &= ~(uint32_t)EXT2_INCOMPAT_RECOVER;
	else if (fs->journal.ready)
		super->incompat |= EXT2_INCOMPAT_RECOVER;
	if (fs->has_errors)
		super->state |= EXT2_STATE_ERROR;
	fs->super_dirty = false;
	return 0;
}

long super_set_recover(struct ext2 *fs)
{
	struct ext2_super *super = super_get(fs);

	if (is_error(super))
		return error_of(super);
	meta_change(fs, &super->incompat, sizeof super->incompat);
	super->incompat |= EXT2_INCOMPAT_RECOVER;
	return 0;
}

long super_mounted(struct ext2 *fs)
{
	struct ext2_super *super = super_get(fs);

	if (is_error(super))
		return error_of(super);
	meta_change(fs, super, sizeof *super);
	super->mount_time = (uint32_t)time_now().seconds;
	super->mount_count++;
	return super_store(fs, false);
}

struct ext2_group *group_get(struct ext2 *fs, uint32_t group)
{
	uint32_t shift = fs->block_shift - 5;
	struct ext2_group *g = meta_get(fs, fs->first_data_block + 1 + (group >> shift));

	if (is_error(g))
		return g;
	g += group & ((1u << shift) - 1);
	if (!block_valid(fs, g->block_bitmap) || !block_valid(fs, g->inode_bitmap) ||
	    !block_valid(fs, g->inode_table) || fs->blocks - g->inode_table < fs->table_blocks)
		return error_pointer(corrupt(fs, "a group descriptor", group));
	return g;
}

bool blocks_of_system(const struct ext2 *fs, uint32_t number, const struct ext2_group *group, uint64_t start,
		      uint64_t count)
{
	uint64_t end = start + count, copies = 0;

	if (group_has_super(fs, number))
		copies = group_first_block(fs, number) + 1 + descriptor_blocks(fs);
	return start < copies || (group->block_bitmap >= start && group->block_bitmap < end) ||
	       (group->inode_bitmap >= start && group->inode_bitmap < end) ||
	       (start < group->inode_table + (uint64_t)fs->table_blocks && end > group->inode_table);
}

long blocks_check(struct ext2 *fs, uint64_t start, uint64_t count, uint64_t number)
{
	uint64_t end = start + count;

	if (!block_valid(fs, start) || count > fs->blocks - start)
		return corrupt(fs, "a file's block is beyond the end; inode", number);
	while (start < end) {
		uint32_t of = (uint32_t)((start - fs->first_data_block) / fs->blocks_per_group);
		uint64_t limit = group_first_block(fs, of) + fs->blocks_per_group;
		const struct ext2_group *group = group_get(fs, of);

		if (is_error(group))
			return error_of(group);
		if (blocks_of_system(fs, of, group, start, (end < limit ? end : limit) - start))
			return corrupt(fs, "a file's block is the system's; inode", number);
		start = limit;
	}
	return 0;
}

/* What statfs calls blocks leaves out what the file system itself needs. */
void ext2_statfs(struct ext2 *fs, struct statfs_numbers *out)
{
	uint64_t descriptors = descriptor_blocks(fs);
	uint64_t overhead = fs->first_data_block + fs->journal.length;

	for (uint32_t g = 0; g < fs->groups; g++)
		overhead += (group_has_super(fs, g) ? 1 + descriptors : 0) + 2 + fs->table_blocks;
	out->blocks = fs->blocks - (overhead < fs->blocks ? overhead : fs->blocks);
	out->free = fs->free_blocks;
	out->available = fs->free_blocks > fs->reserved_blocks ? fs->free_blocks - fs->reserved_blocks : 0;
	out->files = fs->inodes;
	out->free_files = fs->free_inodes;
}
