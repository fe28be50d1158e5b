/* SPDX-License-Identifier: MIT */
/*
 * The journal as it lies on the disk (Linux, Documentation/filesystems/ext4/journal.rst). Big endian. Inode 8, say, is
 * a file of blocks: the first is the journal's superblock, the others are used in a circle. A transaction is descriptor
 * blocks, each followed by the blocks that its tags name, revoke blocks, and a commit block.
 */
#ifndef EXT2_JBD2_H
#define EXT2_JBD2_H

#include <stdint.h>

#define JBD2_MAGIC 0xc03b3998u
#define JBD2_MIN_BLOCKS 1024u

enum { JBD2_DESCRIPTOR = 1, JBD2_COMMIT, JBD2_SUPER_V1, JBD2_SUPER_V2, JBD2_REVOKE };

#define JBD2_INCOMPAT_REVOKE 0x1
#define JBD2_INCOMPAT_64BIT 0x2
#define JBD2_INCOMPAT_KNOWN (JBD2_INCOMPAT_REVOKE | JBD2_INCOMPAT_64BIT)

struct jbd2_header {
	uint32_t magic, type, sequence;
};

struct jbd2_super {
	struct jbd2_header header;
	uint32_t block_size, length, first;
	uint32_t sequence, start; /* of the oldest transaction; start 0: there is none */
	int32_t error;
	uint32_t compat, incompat, ro_compat; /* from version 2 on */
	uint8_t uuid[16];
	uint32_t users;
	uint8_t rest[956];
};
_Static_assert(sizeof(struct jbd2_super) == 1024, "the journal's superblock");

#define JBD2_TAG_ESCAPED 1u /* the block began with the magic number, which was replaced by 0 */
#define JBD2_TAG_SAME_UUID 2u
#define JBD2_TAG_LAST 8u
#define JBD2_UUID_SIZE 16u
/* Followed by the block number's upper half (64BIT), then by a UUID unless it is the same as before. */
struct jbd2_tag {
	uint32_t block;
	uint16_t checksum, flags;
};

struct jbd2_commit {
	struct jbd2_header header;
	uint8_t checksum_type, checksum_size, pad[2];
	uint32_t checksum[8];
	uint32_t seconds_high, seconds, nanoseconds;
};

struct jbd2_revoke {
	struct jbd2_header header;
	uint32_t bytes; /* of the block that are in use, with this header */
};

static inline uint32_t be32(uint32_t value)
{
	return __builtin_bswap32(value);
}
static inline uint16_t be16(uint16_t value)
{
	return __builtin_bswap16(value);
}

#endif
