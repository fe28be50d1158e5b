/* SPDX-License-Identifier: MIT */
/*
 * Partition tables as sgdisk writes them, whole, damaged and hostile.
 * SOURCES: servers/block/table.c
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "../../servers/block/table.h"

#define SECTORS 20480u

static uint8_t disk[SECTORS * SECTOR];
static char image[] = "/tmp/block-table-XXXXXX";

#define REQUIRE(condition)                                                              \
	do {                                                                            \
		if (!(condition)) {                                                     \
			fprintf(stderr, "%s:%d: %s\n", __FILE__, __LINE__, #condition); \
			exit(1);                                                        \
		}                                                                       \
	} while (0)

static void put32(uint8_t *p, uint32_t value)
{
	for (int i = 0; i < 4; i++)
		p[i] = (uint8_t)(value >> 8 * i);
}

static void read_image(void)
{
	FILE *f = fopen(image, "rb");

	REQUIRE(f && fread(disk, 1, sizeof disk, f) == sizeof disk);
	fclose(f);
}

static void check_partitions(uint64_t header)
{
	struct partition parts[PARTITIONS_MAX];
	struct gpt gpt;

	REQUIRE(gpt_header(disk + header * SECTOR, header, SECTORS, &gpt));
	REQUIRE(gpt_partitions(&gpt, disk + gpt.entries * SECTOR, parts));
	REQUIRE(parts[0].start == 2048 && parts[0].count == 2048);
	REQUIRE(!parts[1].count);
	REQUIRE(parts[2].start == 8192 && parts[2].count == 1000);
}

static void test_gpt(void)
{
	char command[200];
	struct gpt gpt;

	snprintf(command, sizeof command, "sgdisk -o -n 1:2048:4095 -n 3:8192:9191 %s >/dev/null 2>&1",
		 image);
	if (system(command) != 0) {
		printf("block_table: no sgdisk here\n");
		return;
	}
	read_image();
	REQUIRE(mbr_is_protective(disk));
	check_partitions(1);
	check_partitions(SECTORS - 1);
	for (unsigned at = 0; at < 92; at++) { /* no changed byte goes unnoticed */
		disk[SECTOR + at] ^= 0x10;
		REQUIRE(!gpt_header(disk + SECTOR, 1, SECTORS, &gpt));
		disk[SECTOR + at] ^= 0x10;
	}
	disk[2 * SECTOR + 40] ^= 1;
	REQUIRE(gpt_header(disk + SECTOR, 1, SECTORS, &gpt));
	struct partition parts[PARTITIONS_MAX];
	REQUIRE(!gpt_partitions(&gpt, disk + gpt.entries * SECTOR, parts));
	REQUIRE(!gpt_header(disk + SECTOR, 1, 5000, &gpt));
}

static void test_mbr(void)
{
	struct partition parts[PARTITIONS_MAX];

	memset(disk, 0, SECTOR);
	REQUIRE(!mbr_partitions(disk, SECTORS, parts));
	disk[510] = 0x55;
	disk[511] = 0xaa;
	disk[446 + 16 + 4] = 0x83;
	put32(disk + 446 + 16 + 8, 63);
	put32(disk + 446 + 16 + 12, 0xffffffff);
	disk[446 + 32 + 4] = 0x05;
	put32(disk + 446 + 32 + 8, 100);
	REQUIRE(mbr_partitions(disk, SECTORS, parts));
	REQUIRE(!parts[0].count && parts[1].start == 63 && parts[1].count == SECTORS - 63 && !parts[2].count);
	disk[446] = 0x12; /* code, not a table */
	REQUIRE(!mbr_partitions(disk, SECTORS, parts));
}

static void put_entry(uint8_t *sector, unsigned i, uint8_t type, uint32_t start, uint32_t count)
{
	uint8_t *entry = sector + 446 + 16 * i;

	sector[510] = 0x55;
	sector[511] = 0xaa;
	entry[4] = type;
	put32(entry + 8, start);
	put32(entry + 12, count);
}

/* Follows the chain; how many tables it reads. */
static unsigned logical(struct partition parts[PARTITIONS_MAX])
{
	struct ebr_chain chain;
	unsigned tables = 0;
	bool more;

	REQUIRE(mbr_partitions(disk, SECTORS, parts));
	for (more = mbr_extended(disk, SECTORS, &chain); more; tables++) {
		REQUIRE(chain.next < SECTORS && tables <= EBR_MAX);
		more = ebr_next(disk + chain.next * SECTOR, &chain, parts);
	}
	return tables;
}

static void test_logical(void)
{
	struct partition parts[PARTITIONS_MAX];

	memset(disk, 0, sizeof disk);
	put_entry(disk, 0, 0x83, 2048, 2048);
	put_entry(disk, 1, 0x05, 4096, 16384);
	put_entry(disk + 4096 * SECTOR, 0, 0x83, 2048, 1000);
	put_entry(disk + 4096 * SECTOR, 1, 0x05, 4096, 3072);
	put_entry(disk + 8192 * SECTOR, 0, 0x82, 2048, 1024);
	REQUIRE(logical(parts) == 2);
	REQUIRE(parts[0].start == 2048 && parts[0].count == 2048 && !parts[1].count && !parts[3].count);
	REQUIRE(parts[4].start == 6144 && parts[4].count == 1000);
	REQUIRE(parts[5].start == 10240 && parts[5].count == 1024 && !parts[6].count);
}

/* Tables at 1000 and 3000 of an extended partition [1000, 9000). */
static void test_hostile_logical(void)
{
	struct partition parts[PARTITIONS_MAX];
	uint8_t *first = disk + 1000 * SECTOR, *second = disk + 3000 * SECTOR;

	memset(disk, 0, sizeof disk);
	put_entry(disk, 0, 0x0f, 1000, 8000);
	REQUIRE(logical(parts) == 1 && !parts[4].count); /* no signature there */
	put_entry(first, 0, 0x83, 63, 100);
	put_entry(first, 1, 0x05, 0, 8000); /* itself */
	REQUIRE(logical(parts) == 1 && parts[4].start == 1063 && !parts[5].count);
	put_entry(first, 1, 0x05, 2000, 500);
	put_entry(second, 0, 0x83, 63, 5937);
	put_entry(second, 1, 0x05, 0, 10); /* back */
	REQUIRE(logical(parts) == 2 && parts[5].start == 3063 && parts[5].count == 5937 && !parts[6].count);
	put_entry(second, 0, 0x83, 63, 5938); /* one sector too long */
	REQUIRE(logical(parts) == 2 && !parts[5].count);
	put_entry(second, 0, 0x83, 0, 10); /* over its own table */
	REQUIRE(logical(parts) == 2 && !parts[5].count);
	put_entry(first, 1, 0x05, 8000, 1); /* outside */
	REQUIRE(logical(parts) == 1);
	put_entry(first, 1, 0x05, 0xffffffff, 1);
	REQUIRE(logical(parts) == 1);
}

/* More than there are minors, and more tables than anybody makes. */
static void test_long_chain(bool with_partitions, unsigned tables)
{
	struct partition parts[PARTITIONS_MAX];

	memset(disk, 0, sizeof disk);
	put_entry(disk, 3, 0x85, 1000, 19000);
	for (uint32_t i = 0; i < 100; i++) {
		uint8_t *table = disk + (1000 + i * 10) * SECTOR;

		put_entry(table, 0, with_partitions ? 0x83 : 0, 1, 5);
		put_entry(table, 1, 0x05, (i + 1) * 10, 10);
	}
	REQUIRE(logical(parts) == tables);
	REQUIRE(parts[14].count == (with_partitions ? 5 : 0));
}

int main(void)
{
	int fd = mkstemp(image);

	REQUIRE(fd >= 0 && ftruncate(fd, sizeof disk) == 0);
	close(fd);
	test_gpt();
	test_mbr();
	test_logical();
	test_hostile_logical();
	test_long_chain(true, 11);
	test_long_chain(false, EBR_MAX);
	unlink(image);
	printf("block_table: passed\n");
	return 0;
}
