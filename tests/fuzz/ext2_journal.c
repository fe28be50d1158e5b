/* SPDX-License-Identifier: MIT */
/*
 * The journal of a damaged or hostile image under a fuzzer. An input writes records into the log, whatever they say, and
 * changes the superblocks; then the image is mounted, which replays it, used a little, and mounted again. Everything
 * ends and touches no memory but its own.
 * SOURCES: servers/ext2/tx.c servers/ext2/cache.c servers/ext2/super.c servers/ext2/inode.c
 * SOURCES: servers/ext2/orphan.c servers/ext2/alloc.c servers/ext2/ialloc.c servers/ext2/map.c
 * SOURCES: servers/ext2/index.c servers/ext2/room.c servers/ext2/dir.c servers/ext2/names.c
 * SOURCES: servers/ext2/journal.c servers/ext2/replay.c
 */
#include <string.h>

#include "../../servers/ext2/jbd2.h"
#include "../unit/ext2_device.h"
#include "input.h"

int LLVMFuzzerInitialize(int *argc, char ***argv);
int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t length);

#define KIB 2400u
#define BLOCK 1024u
#define RECORDS 60

static uint8_t *base;
static uint32_t map[2048], length_of_log;
static char path[64];
static int memory_fd;
static struct ext2 *fs;

static void make_base(void)
{
	char command[300];

	snprintf(command, sizeof command,
		 "E2FSPROGS_FAKE_TIME=1600000000 PATH=$PATH:/sbin:/usr/sbin mke2fs -q -F -t ext3 -b %u -I "
		 "128 -N 64 "
		 "-J size=1 -U 11111111-2222-3333-4444-555555555555 "
		 "-E hash_seed=11111111-2222-3333-4444-555555555555 %s %u >/dev/null 2>&1",
		 BLOCK, path, KIB);
	REQUIRE(system(command) == 0);
	fs = device_open(path);
	REQUIRE(image_size == KIB * 1024 && mount_image(fs) == 0 && fs->journal.ready);
	length_of_log = fs->journal.length;
	REQUIRE(length_of_log <= sizeof map / sizeof map[0]);
	memcpy(map, fs->journal.map, length_of_log * sizeof map[0]);
	sync_image(fs, true);
	base = malloc(image_size);
	REQUIRE(base && pread(image_fd, base, image_size, 0) == (ssize_t)image_size);
	device_close(fs);
}

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
	char name[] = "/tmp/ext2-journal-XXXXXX";

	(void)argc, (void)argv;
	memory_fd = mkstemp(name);
	REQUIRE(memory_fd >= 0);
	strcpy(path, name);
	make_base();
	REQUIRE(unlink(name) == 0);
	snprintf(path, sizeof path, "/proc/self/fd/%d", memory_fd);
	quiet = !getenv("LOUD");
	return 0;
}

/* --- writing a log -------------------------------------------------------------------------------------- */

static uint32_t position, sequence;

static void write_block(const uint8_t *block)
{
	REQUIRE(pwrite(memory_fd, block, BLOCK, (off_t)map[position] * BLOCK) == BLOCK);
	position = position + 1 < length_of_log ? position + 1 : 1;
}

static void begin_record(uint8_t *block, uint32_t type)
{
	memset(block, 0, BLOCK);
	*(struct jbd2_header *)block = (struct jbd2_header){ be32(JBD2_MAGIC), be32(type), be32(sequence) };
}

/* Mostly of the file system, sometimes of the log itself or of nothing. */
static uint32_t some_block(void)
{
	uint32_t choice = take(1);

	return choice < 200 ? take(1) : choice < 240 ? map[take(2) % length_of_log] : take(4);
}

/* What the tags say, and as many blocks, which are those on the disk with a few bytes changed. */
static void write_descriptor(void)
{
	uint8_t block[BLOCK], copies[16][BLOCK];
	uint32_t count = take(1) % 16, offset = sizeof(struct jbd2_header);

	begin_record(block, JBD2_DESCRIPTOR);
	for (uint32_t i = 0; i < count; i++) {
		uint32_t home = some_block(), flags = take(1), at = take(2) % (BLOCK - 4), value = take(4);

		memcpy(copies[i], base + (uint64_t)(home % KIB) * BLOCK, BLOCK);
		memcpy(copies[i] + at, &value, 4);
		flags = flags < 200 ? (i ? JBD2_TAG_SAME_UUID : 0) | (i + 1 == count ? JBD2_TAG_LAST : 0)
				    : flags % 16;
		*(struct jbd2_tag *)(block + offset) =
		    (struct jbd2_tag){ be32(home), 0, be16((uint16_t)flags) };
		offset += sizeof(struct jbd2_tag) + (i ? 0 : JBD2_UUID_SIZE);
	}
	write_block(block);
	for (uint32_t i = 0; i < count; i++)
		write_block(copies[i]);
}

static void write_revoke(void)
{
	uint8_t block[BLOCK];
	uint32_t count = take(1) % 32, bytes = take(1);

	begin_record(block, JBD2_REVOKE);
	((struct jbd2_revoke *)block)->bytes = be32(bytes < 200 ? 16 + count * 4 : bytes << take(1) % 24);
	for (uint32_t i = 0; i < count; i++)
		((uint32_t *)block)[4 + i] = be32(some_block());
	write_block(block);
}

static void write_record(void)
{
	uint8_t block[BLOCK];

	switch (take(1) % 8) {
	case 0:
	case 1:
	case 2: write_descriptor(); break;
	case 3: write_revoke(); break;
	case 4: sequence += take(1); break;
	case 5:
		begin_record(block, take(1));
		write_block(block);
		break;
	default:
		begin_record(block, JBD2_COMMIT);
		write_block(block);
		sequence++;
	}
}

static void change(uint64_t at, uint32_t value)
{
	REQUIRE(pwrite(memory_fd, &value, 4, (off_t)at) == 4);
}

static void write_log(void)
{
	uint64_t super = (uint64_t)map[0] * BLOCK;
	uint32_t start = 1 + take(2) % (length_of_log - 1);

	position = start;
	sequence = take(1);
	change(super + offsetof(struct jbd2_super, start), be32(start));
	change(super + offsetof(struct jbd2_super, sequence), be32(sequence));
	change(EXT2_SUPER_OFFSET + offsetof(struct ext2_super, incompat),
	       EXT2_INCOMPAT_FILETYPE | EXT2_INCOMPAT_RECOVER);
	for (uint32_t n = take(1) % RECORDS; n && more(); n--)
		write_record();
	for (uint32_t n = take(1) % 4; n; n--) {
		uint32_t at = take(1);

		change(at & 1 ? super + at / 2 % 24 * 4 : EXT2_SUPER_OFFSET + (uint64_t)at / 2 * 4, take(4));
	}
}

/* --- using it -------------------------------------------------------------------------------------------- */

static void use(void)
{
	struct inode *root, *out;
	struct creation how = { MODE_REGULAR | 0644, 0, 0, 0 };
	struct extent got;
	bool fresh;

	TRY(fs, error_of(root = inode_get(fs, EXT2_ROOT_INODE)));
	if (is_error(root))
		return;
	if (TRY(fs, name_create(root, (struct name){ "new", 3 }, &how, &out)) == 0)
		TRY(fs, map_alloc(out, 0, 20, &got, &fresh));
	TRY(fs, name_unlink(root, (struct name){ "lost+found", 10 }, 0, &out));
	reap(fs);
	sync_image(fs, take(1) & 1);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t length)
{
	input_begin(bytes, length);
	random_state = 88172645463325252ull + length;
	wait_percent = take(1) % 2 ? 30 : 0;
	REQUIRE(ftruncate(memory_fd, KIB * 1024) == 0);
	REQUIRE(pwrite(memory_fd, base, KIB * 1024, 0) == KIB * 1024);
	write_log();
	for (int i = 0; i < 2; i++) {
		fs = device_open(path);
		if (mount_image(fs) == 0)
			use();
		device_close(fs);
	}
	return 0;
}
