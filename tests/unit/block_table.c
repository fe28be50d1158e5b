/* SPDX-License-Identifier: MIT */
/*
 * Partition tables as sgdisk and sfdisk write them, whole, damaged and hostile.
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

int main(void)
{
	int fd = mkstemp(image);

	REQUIRE(fd >= 0 && ftruncate(fd, sizeof disk) == 0);
	close(fd);
	test_gpt();
	test_mbr();
	unlink(image);
	printf("block_table: passed\n");
	return 0;
}
