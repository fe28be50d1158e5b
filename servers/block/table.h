/* SPDX-License-Identifier: MIT */
/* Partition tables: GPT (UEFI 2.8, chapter 5) and MBR with its logical partitions. No IPC; nothing read is trusted. */
#ifndef BLOCK_TABLE_H
#define BLOCK_TABLE_H

#include <stdbool.h>
#include <stdint.h>

#define SECTOR 512u
#define PARTITIONS_MAX 15u /* minors 1..15 of a disk */

struct partition {
	uint64_t start, count; /* sectors; count 0: none */
};

struct gpt {
	uint64_t entries; /* first sector of the array */
	uint32_t entry_count, entry_size, entries_crc;
	uint64_t first_usable, last_usable;
};

/* Whether the sector at `lba` holds a header that is whole, and what it says. */
bool gpt_header(const uint8_t *sector, uint64_t lba, uint64_t disk_sectors, struct gpt *gpt);
uint64_t gpt_entries_bytes(const struct gpt *gpt);
/* The array's bytes into partitions by their place in it; false if its checksum is wrong. */
bool gpt_partitions(const struct gpt *gpt, const uint8_t *entries, struct partition out[PARTITIONS_MAX]);
/* Sector 0: its primary partitions; false if it is no table. */
bool mbr_partitions(const uint8_t *sector, uint64_t disk_sectors, struct partition out[PARTITIONS_MAX]);
/*
 * The chain of tables in an extended partition, one sector for each logical partition: 5 and up. `next` is the
 * sector to read now.
 */
#define EBR_MAX 32u
struct ebr_chain {
	uint64_t start, end, next;
	uint64_t seen[EBR_MAX];
	uint32_t seen_count, found;
};
/* Sector 0 again, of which mbr_partitions was true: false if there is no extended partition. */
bool mbr_extended(const uint8_t *sector, uint64_t disk_sectors, struct ebr_chain *chain);
/* The sector at chain->next: its partition into `out`; whether there is one more to read. No chain is endless. */
bool ebr_next(const uint8_t *sector, struct ebr_chain *chain, struct partition out[PARTITIONS_MAX]);
/* An MBR that only protects a GPT. */
bool mbr_is_protective(const uint8_t *sector);

#endif
