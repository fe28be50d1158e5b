/* SPDX-License-Identifier: MIT */
/*
 * ext2 under a fuzzer. An input is a base image, some changes to its metadata, and operations. Whatever the changes:
 * every operation ends, touches no memory but its own (the sanitisers look), answers what it may answer, and one
 * that fails leaves the metadata as they were. Without changes nothing is ever called damaged.
 * SOURCES: servers/ext2/tx.c servers/ext2/cache.c servers/ext2/super.c servers/ext2/inode.c
 * SOURCES: servers/ext2/orphan.c servers/ext2/alloc.c servers/ext2/ialloc.c servers/ext2/map.c
 * SOURCES: servers/ext2/index.c servers/ext2/room.c servers/ext2/dir.c servers/ext2/names.c
 * SOURCES: servers/ext2/journal.c servers/ext2/replay.c
 */
#include <string.h>

#include "../unit/ext2_device.h"
#include "input.h"

int LLVMFuzzerInitialize(int *argc, char ***argv);
int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t length);

#define BASES 4u
#define IMAGE_MAX (1u << 20)
#define OPERATIONS_MAX 200

static const struct base_kind {
	const char *options;
	unsigned kib;
} kinds[BASES] = {
	{ "-t ext2 -b 1024 -I 128 -N 64", 300 },
	{ "-t ext2 -b 1024 -g 256 -I 256 -N 96 -m 0", 900 },
	{ "-t ext2 -b 4096 -I 256 -N 64", 1024 },
	{ "-t ext2 -b 2048 -I 128 -r 0 -O none -N 64", 500 },
};
static struct base {
	uint8_t *bytes;
	size_t size;
} bases[BASES];

static char image_path[64];
static int memory_fd;
static struct ext2 *fs;
static uint8_t *shadow, *shadow_state;
static bool changed_image;

/* --- the base images -------------------------------------------------------------------------------- */

static struct name as_name(const char *text)
{
	return (struct name){ text, (uint32_t)strlen(text) };
}

static struct inode *made(struct inode *dir, const char *name, uint32_t mode)
{
	struct creation how = { mode, 1, 2, 0 };
	struct inode *inode;

	REQUIRE(TRY(fs, name_create(dir, as_name(name), &how, &inode)) == 0);
	return inode;
}

static void fill(struct inode *inode, uint64_t logical, unsigned count)
{
	for (uint64_t end = logical + count; logical < end;) {
		struct extent got;
		bool fresh;

		REQUIRE(TRY(fs, map_alloc(inode, logical, end - logical, &got, &fresh)) == 0);
		logical += got.count;
	}
	inode_change(inode);
	inode_set_size(inode, logical << fs->block_shift);
	tx_commit(fs);
}

/* Every shape once: nested and long directories, direct to triple indirect blocks, links, an orphan. */
static void populate(void)
{
	struct inode *root = inode_get(fs, EXT2_ROOT_INODE), *dir, *inode;
	struct creation how = { MODE_SYMLINK | 0777, 0, 0, 0 };
	char target[200];
	uint64_t p = 1ull << fs->pointers_shift;

	dir = made(root, "a", MODE_DIRECTORY | 0755);
	made(made(dir, "b", MODE_DIRECTORY | 0755), "c", MODE_DIRECTORY | 0755);
	fill(made(dir, "d", MODE_REGULAR | 0644), 0, 15);
	inode = made(root, "b", MODE_REGULAR | 0644);
	fill(inode, 12 + p + p * p + 3, 2);
	fill(inode, 12 + p + 5, 2);
	memset(target, 't', sizeof target);
	REQUIRE(TRY(fs, name_symlink(root, as_name("c"), target, 30, &how, &inode)) == 0);
	REQUIRE(TRY(fs, name_symlink(root, as_name("d"), target, sizeof target, &how, &inode)) == 0);
	dir = made(root, "e", MODE_DIRECTORY | 0755);
	inode = made(dir, "f", MODE_REGULAR | 0600);
	for (int i = 0; i < 60; i++) {
		char name[100];

		snprintf(name, sizeof name, "a name that fills the directory %040d", i);
		REQUIRE(TRY(fs, name_link(dir, as_name(name), inode)) == 0);
	}
	for (int depth = 0; depth < 6; depth++) {
		char name[250];

		for (unsigned i = 0; i < 2 * fs->block_size / 240 + 2; i++) {
			snprintf(name, sizeof name, "%0240u", i);
			REQUIRE(TRY(fs, name_link(dir, as_name(name), inode)) == 0);
		}
		dir = made(dir, "g", MODE_DIRECTORY | 0755);
	}
	fill(made(root, "f", MODE_REGULAR | 0600), 0, 14);
	REQUIRE(TRY(fs, name_unlink(root, as_name("f"), 0, &inode)) == 0);
}

static void make_base(unsigned kind)
{
	struct base *base = &bases[kind];
	char path[] = "/tmp/ext2-fuzz-XXXXXX", command[400];
	int fd = mkstemp(path);

	REQUIRE(fd >= 0);
	snprintf(command, sizeof command,
		 "E2FSPROGS_FAKE_TIME=1600000000 PATH=$PATH:/sbin:/usr/sbin "
		 "mke2fs -q -F -U 11111111-2222-3333-4444-555555555555 "
		 "-E hash_seed=11111111-2222-3333-4444-555555555555 %s %s %uk >/dev/null 2>&1",
		 kinds[kind].options, path, kinds[kind].kib);
	REQUIRE(system(command) == 0);
	fs = device_open(path);
	REQUIRE(mount_image(fs) == 0);
	populate();
	sync_image(fs, true);
	base->size = image_size;
	base->bytes = malloc(base->size);
	REQUIRE(base->size <= IMAGE_MAX && base->bytes);
	REQUIRE(pread(image_fd, base->bytes, base->size, 0) == (ssize_t)base->size);
	device_close(fs);
	close(fd);
	unlink(path);
}

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
	char unnamed[] = "/tmp/ext2-fuzz-XXXXXX";

	(void)argc, (void)argv;
	wait_percent = 0;
	for (unsigned kind = 0; kind < BASES; kind++)
		make_base(kind);
	memory_fd = mkstemp(unnamed);
	REQUIRE(memory_fd >= 0 && unlink(unnamed) == 0);
	snprintf(image_path, sizeof image_path, "/proc/self/fd/%d", memory_fd);
	shadow = malloc(IMAGE_MAX);
	shadow_state = malloc(IMAGE_MAX / 4096);
	quiet = !getenv("LOUD"); /* to see what an input does */
	return 0;
}

/* --- changes to an image ------------------------------------------------------------------------------ */

static const struct ext2_super *super_of(const uint8_t *image)
{
	return (const struct ext2_super *)(image + EXT2_SUPER_OFFSET);
}

static uint32_t block_size_of(const uint8_t *image)
{
	return 1024u << super_of(image)->log_block_size;
}

static const struct ext2_group *group_of(const uint8_t *image, uint32_t n)
{
	const struct ext2_super *super = super_of(image);
	uint32_t groups =
	    (super->blocks - super->first_data_block + super->blocks_per_group - 1) / super->blocks_per_group;

	return (const struct ext2_group *)(image + (super->first_data_block + 1) * block_size_of(image)) +
	       n % groups;
}

/* The bytes that field `where` of the structure `what`, `n` begins with, in a sound image. */
static uint64_t position(const uint8_t *image, uint32_t what, uint32_t n, uint32_t where)
{
	const struct ext2_super *super = super_of(image);
	uint32_t size = block_size_of(image), inode_size = super->revision ? super->inode_size : 128;
	uint32_t number = n % super->inodes, per = super->inodes_per_group, block;
	uint64_t inode = (uint64_t)group_of(image, number / per)->inode_table * size +
			 (uint64_t)(number % per) * inode_size;

	switch (what) {
	case 0: return EXT2_SUPER_OFFSET + where % 264;
	case 1: return (uint64_t)((const uint8_t *)group_of(image, n) - image) + where % 20;
	case 2: return (uint64_t)group_of(image, n)->block_bitmap * size + where % size;
	case 3: return (uint64_t)group_of(image, n)->inode_bitmap * size + where % size;
	case 4: return inode + where % inode_size;
	case 5: return inode + 40 + where % 60;
	}
	/* A block that the inode names: directory, indirect, symbolic link. */
	memcpy(&block, image + inode + 40 + 4 * (what % EXT2_POINTERS), 4);
	return (uint64_t)block * size + where % size;
}

static void change_image(const struct base *base)
{
	for (unsigned n = take(1) % 24; n && more(); n--) {
		uint32_t what = take(1), of = take(1), where = take(2), count = 1 + take(1) % 4, value;
		uint64_t at = position(base->bytes, what % 24, of, where);

		value = take(count);
		if (at + count <= base->size) {
			REQUIRE(pwrite(memory_fd, &value, count, (off_t)at) == (ssize_t)count);
			changed_image = true;
		}
	}
}

/* --- operations --------------------------------------------------------------------------------------- */

static void shadow_take(void)
{
	memcpy(shadow, fs->cache.base, image_size);
	memcpy(shadow_state, fs->cache.state, fs->cache.pages);
}

/* What an operation that failed had begun is as if it had not been; pages may have come meanwhile. */
static void shadow_check(void)
{
	for (uint64_t page = 0; page < fs->cache.pages; page++) {
		uint64_t at = page << 12, count = image_size - at < 4096 ? image_size - at : 4096;

		if ((shadow_state[page] & CACHE_PRESENT) && (fs->cache.state[page] & CACHE_PRESENT))
			REQUIRE(!memcmp(shadow + at, fs->cache.base + at, count));
	}
}

#define DO(expression)                         \
	({                                     \
		long result_;                  \
		shadow_take();                 \
		result_ = TRY(fs, expression); \
		if (result_ < 0)               \
			shadow_check();        \
		REQUIRE(result_ > EXT2_WAIT);  \
		result_;                       \
	})

static struct inode *some_inode(void)
{
	uint32_t choice = take(1), number = EXT2_ROOT_INODE;
	struct inode *inode;

	if (choice >= 64)
		number = fs->first_inode + choice % 24;
	DO(error_of(inode = inode_get(fs, number)));
	return inode;
}

static struct name some_name(void)
{
	static char names[4][256];
	static unsigned turn;
	char *text = names[turn++ % 4];
	uint32_t choice = take(1), length = 1;

	if (choice < 192) {
		text[0] = (char)('a' + choice % 8);
	} else if (choice < 200) {
		length = 1 + choice % 2;
		memset(text, '.', 2);
	} else {
		length = choice < 230 ? 80 : choice;
		memset(text, (int)('a' + choice % 26), length);
	}
	return (struct name){ text, length };
}

struct listing {
	uint64_t last;
	unsigned count;
};

static bool check_entry(void *context, const struct ext2_dirent *entry, uint64_t next)
{
	struct listing *listing = context;

	REQUIRE(next > listing->last && entry->name_length && entry->inode && entry->inode <= fs->inodes);
	listing->last = next;
	return ++listing->count < 5000;
}

static void list(struct inode *dir)
{
	uint64_t cookie = take(2);
	struct listing listing = { 0, 0 };

	if ((dir->d.mode & MODE_FORMAT) == MODE_DIRECTORY)
		DO((listing = (struct listing){ 0, 0 }, dir_read(dir, &cookie, check_entry, &listing)));
}

static uint64_t some_logical(void)
{
	uint64_t p = 1ull << fs->pointers_shift, small = take(1);
	uint64_t starts[] = { small, 12 + p - 2 + small, 12 + p + p * p - 2 + small,
			      (12 + p + p * p + p * p * p) - small };

	return starts[take(1) % 4];
}

static void check_extent(const struct extent *got, uint64_t logical, uint64_t want)
{
	REQUIRE(got->logical == logical && got->count >= 1 && got->count <= want);
	if (got->physical)
		REQUIRE(got->physical > fs->first_data_block && got->physical + got->count <= fs->blocks);
}

static void map(struct inode *inode, bool write)
{
	uint64_t logical = some_logical(), want = 1 + take(1) % 40;
	struct extent got;
	bool fresh = false;
	long status;

	if ((inode->d.mode & MODE_FORMAT) != MODE_REGULAR ||
	    (write && logical + want > fs->size_max >> fs->block_shift))
		return;
	status = write ? DO(map_alloc(inode, logical, want, &got, &fresh))
		       : DO(map_find(inode, logical, want, &got));
	if (status == 0)
		check_extent(&got, logical, want);
	if (status || !write || inode->d.size >> fs->block_shift >= logical + got.count)
		return;
	inode_change(inode);
	inode_set_size(inode, (logical + got.count) << fs->block_shift);
	tx_commit(fs);
}

static void seek(struct inode *inode)
{
	uint64_t logical = some_logical(), found = 0;
	bool data = take(1) & 1;

	if ((inode->d.mode & MODE_FORMAT) == MODE_REGULAR &&
	    DO(map_seek(inode, logical, data, logical + 5000, &found)) == 0)
		REQUIRE(found >= logical);
}

static void truncate_file(struct inode *inode)
{
	uint64_t keep = some_logical();
	long status;

	if ((inode->d.mode & MODE_FORMAT) != MODE_REGULAR || keep >= inode->d.size >> fs->block_shift)
		return;
	inode_change(inode);
	inode->d.size = keep << fs->block_shift;
	while ((status = map_trim(inode, keep)) == EXT2_MORE || status == EXT2_WAIT) {
		tx_commit(fs);
		if (status == EXT2_WAIT)
			load_page(fs, fs->wait_page);
	}
	tx_commit(fs);
}

/* The reaper takes them all: damage does not keep one alive. */
static void drop_orphans(void)
{
	for (struct inode *inode = fs->orphans; inode; inode = fs->orphans) {
		delete_orphan(fs, inode);
		REQUIRE(fs->orphans != inode);
	}
}

static void make(struct inode *dir, uint32_t how_made)
{
	static const uint32_t modes[] = { MODE_REGULAR | 0644, MODE_DIRECTORY | 0755, 0020600, 0010600 };
	struct creation how = { modes[how_made % 4], take(1), 0, take(3) };
	struct name name = some_name();
	struct inode *out = NULL;

	if (how_made < 4) {
		if (DO(name_create(dir, name, &how, &out)) == 0)
			REQUIRE(out->loaded && out->d.links);
	} else {
		static char target[4096];

		memset(target, 'x', sizeof target);
		how.mode = MODE_SYMLINK | 0777;
		DO(name_symlink(dir, name, target, take(2) % 4096, &how, &out));
	}
}

static void check_lookup(struct inode *dir)
{
	struct inode *out = NULL;

	if (DO(name_lookup(dir, some_name(), &out)) == 0)
		REQUIRE(out->loaded && (out->d.links || out->orphan));
}

/* The device is closed without a word and mounted anew. */
static bool remount(bool clean)
{
	drop_orphans();
	sync_image(fs, clean);
	device_close(fs);
	fs = device_open(image_path);
	return mount_image(fs) == 0;
}

static bool operation(uint32_t choice)
{
	static char target[4096];
	struct inode *a, *b, *out;

	switch (choice % 32) {
	case 16: evict_some(fs); return true;
	case 17: sync_image(fs, choice & 32); return true;
	case 18: return remount(choice & 32);
	case 19: drop_orphans(); return true;
	case 20: inodes_rebuild(fs); return true;
	case 21:
		while (fs->lru.first && inode_idle(fs->lru.first))
			inode_drop(fs->lru.first);
		return true;
	}
	if (is_error(a = some_inode()))
		return true;
	switch (choice % 16) {
	case 0:
	case 1:
	case 2:
	case 3:
	case 4: make(a, choice % 16); break;
	case 5: DO(name_unlink(a, some_name(), 0, &out)); break;
	case 6: DO(name_rmdir(a, some_name(), 0, &out)); break;
	case 7:
	case 8:
		if (is_error(b = some_inode()))
			break;
		a = choice % 16 == 7 ? a : b;
		DO(name_rename(a, some_name(), b, some_name(), take(1) % 3, &out));
		break;
	case 9:
		if (!is_error(b = some_inode()))
			DO(name_link(a, some_name(), b));
		break;
	case 10: list(a); break;
	case 11: DO(symlink_read(a, target, sizeof target)); break;
	case 12: map(a, choice & 32); break;
	case 13: seek(a); break;
	case 14: truncate_file(a); break;
	default: check_lookup(a); break;
	}
	return true;
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t length)
{
	const struct base *base;
	struct statfs_numbers numbers;

	input_begin(bytes, length);
	base = &bases[take(1) % BASES];
	random_state = 88172645463325252ull + length;
	wait_percent = take(1) % 2 ? 30 : 0;
	log_lines = 0;
	changed_image = false;
	REQUIRE(ftruncate(memory_fd, (off_t)base->size) == 0);
	REQUIRE(pwrite(memory_fd, base->bytes, base->size, 0) == (ssize_t)base->size);
	change_image(base);
	fs = device_open(image_path);
	if (mount_image(fs) == 0) {
		bool mounted = true;

		ext2_statfs(fs, &numbers);
		for (int i = 0; i < OPERATIONS_MAX && more() && mounted; i++)
			mounted = operation(take(1));
		if (mounted) {
			drop_orphans();
			sync_image(fs, true);
		}
	}
	REQUIRE(changed_image || !log_lines);
	device_close(fs);
	return 0;
}
