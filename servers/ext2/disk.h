/* SPDX-License-Identifier: MIT */
/*
 * ext2 as it lies on the disk (Linux, Documentation/filesystems/ext2.rst; "The Second Extended File System",
 * D. Poirier). Little endian, as the only machine we run on. Nothing read from a disk is trusted.
 */
#ifndef EXT2_DISK_H
#define EXT2_DISK_H

#include <stdint.h>

#define EXT2_MAGIC 0xef53
#define EXT2_SUPER_OFFSET 1024 /* bytes from the start of the device */
#define EXT2_ROOT_INODE 2
#define EXT2_FIRST_INODE 11 /* of revision 0 */
#define EXT2_LINK_MAX 32000
#define EXT2_NAME_MAX 255
#define EXT2_DIRECT 12
#define EXT2_POINTERS 15
#define EXT2_FAST_SYMLINK 60 /* a shorter target lies in the inode itself */

#define EXT2_STATE_VALID 1
#define EXT2_STATE_ERROR 2

#define EXT2_COMPAT_HAS_JOURNAL 0x4
#define EXT2_COMPAT_DIR_INDEX 0x20
#define EXT2_INCOMPAT_FILETYPE 0x2
#define EXT2_INCOMPAT_RECOVER 0x4 /* the journal may hold what the disk lacks */
#define EXT2_INCOMPAT_KNOWN (EXT2_INCOMPAT_FILETYPE | EXT2_INCOMPAT_RECOVER)
#define EXT2_RO_SPARSE_SUPER 0x1
#define EXT2_RO_LARGE_FILE 0x2
#define EXT2_RO_KNOWN (EXT2_RO_SPARSE_SUPER | EXT2_RO_LARGE_FILE)

#define EXT2_FLAG_IMMUTABLE 0x10
#define EXT2_FLAG_APPEND 0x20
#define EXT2_FLAG_INDEX 0x1000 /* a directory with a hash tree, which linear readers see as empty entries */
#define EXT2_FLAG_EXTENTS 0x80000 /* ext4: the pointers are none */
#define EXT2_FLAG_INHERITED 0xffu & ~0x30u

struct ext2_super {
	uint32_t inodes, blocks, reserved_blocks, free_blocks, free_inodes, first_data_block;
	uint32_t log_block_size, log_fragment_size, blocks_per_group, fragments_per_group;
	uint32_t inodes_per_group, mount_time, write_time;
	uint16_t mount_count, max_mount_count, magic, state, errors, minor_revision;
	uint32_t last_check, check_interval, creator, revision;
	uint16_t reserved_uid, reserved_gid;
	uint32_t first_inode;
	uint16_t inode_size, group_of_this;
	uint32_t compat, incompat, ro_compat;
	uint8_t uuid[16];
	char volume[16], last_mounted[64];
	uint32_t algorithms;
	uint8_t preallocate, preallocate_directories;
	uint16_t reserved_descriptors;
	uint8_t journal_uuid[16];
	uint32_t journal_inode, journal_device, last_orphan;
	uint32_t hash_seed[4];
	uint8_t hash_version, journal_backup;
	uint16_t descriptor_size;
	uint32_t mount_options, first_meta_group, make_time, journal_blocks[17];
	uint32_t blocks_high, reserved_blocks_high, free_blocks_high;
	uint16_t min_extra_size, want_extra_size;
	uint32_t flags;
	uint8_t rest[668];
};
_Static_assert(sizeof(struct ext2_super) == 1024, "superblock");

struct ext2_group {
	uint32_t block_bitmap, inode_bitmap, inode_table;
	uint16_t free_blocks, free_inodes, directories, pad;
	uint32_t reserved[3];
};
_Static_assert(sizeof(struct ext2_group) == 32, "group descriptor");

struct ext2_disk_inode {
	uint16_t mode, uid;
	uint32_t size, atime, ctime, mtime, dtime;
	uint16_t gid, links;
	uint32_t sectors, flags, version;
	uint32_t block[EXT2_POINTERS];
	uint32_t generation, file_acl, size_high, fragment;
	uint8_t fragment_number, fragment_size;
	uint16_t sectors_high, uid_high, gid_high;
	uint32_t checksum;
	/* Only where inodes have 256 bytes or more, and as far as extra_size says. */
	uint16_t extra_size, checksum_high;
	uint32_t ctime_extra, mtime_extra, atime_extra, crtime, crtime_extra;
};
#define EXT2_INODE_BASE 128
#define EXT2_EXTRA_TIMES 24 /* extra_size from which the finer times are there */

struct ext2_dirent {
	uint32_t inode;
	uint16_t length;
	uint8_t name_length, type;
	char name[];
};
#define EXT2_DIRENT_SIZE(name_length) ((8u + (name_length) + 3u) & ~3u)

enum ext2_file_type {
	EXT2_TYPE_UNKNOWN,
	EXT2_TYPE_REGULAR,
	EXT2_TYPE_DIRECTORY,
	EXT2_TYPE_CHAR,
	EXT2_TYPE_BLOCK,
	EXT2_TYPE_FIFO,
	EXT2_TYPE_SOCKET,
	EXT2_TYPE_SYMLINK,
};

#endif
