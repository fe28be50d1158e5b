/* SPDX-License-Identifier: MIT */
/*
 * Random operations on images of all block sizes, compared with a model, and with what e2fsck thinks of the
 * result.
 * SOURCES: servers/ext2/tx.c servers/ext2/cache.c servers/ext2/super.c servers/ext2/inode.c
 * SOURCES: servers/ext2/orphan.c servers/ext2/alloc.c servers/ext2/ialloc.c servers/ext2/map.c
 * SOURCES: servers/ext2/index.c servers/ext2/room.c servers/ext2/dir.c servers/ext2/names.c
 * SOURCES: servers/ext2/journal.c servers/ext2/replay.c
 */
#include <string.h>

#include "ext2_device.h"

#define OBJECTS 600
#define NAMES 4000
#define BLOCKS 6000

static struct object {
	uint32_t number, mode, links;
	uint64_t size;
	char *target;
} objects[OBJECTS];

static struct entry {
	int dir, object; /* indexes of objects; dir -1: unused */
	char name[64];
} names[NAMES];

static struct data {
	int object; /* -1: unused */
	uint64_t logical;
	uint32_t tag;
} data[BLOCKS];

static struct ext2 *fs;
static char image[64];

static struct inode *inode_of(int object)
{
	struct inode *inode;

	TRY(fs, error_of(inode = inode_get(fs, objects[object].number)));
	REQUIRE(!is_error(inode));
	return inode;
}

static int pick_object(uint32_t format)
{
	for (int tries = 0; tries < 60; tries++) {
		int i = (int)below(OBJECTS);

		if (objects[i].mode && (!format || (objects[i].mode & MODE_FORMAT) == format))
			return i;
	}
	return format == MODE_DIRECTORY ? 0 : -1;
}

static int free_object(void)
{
	for (int i = 1; i < OBJECTS; i++)
		if (!objects[i].mode)
			return i;
	return -1;
}

static int find_name(int dir, const char *name)
{
	for (int i = 0; i < NAMES; i++)
		if (names[i].dir == dir && !strcmp(names[i].name, name))
			return i;
	return -1;
}

static int free_name(void)
{
	for (int i = 0; i < NAMES; i++)
		if (names[i].dir < 0)
			return i;
	return -1;
}

static int pick_name(void)
{
	for (int tries = 0; tries < 200; tries++) {
		int i = (int)below(NAMES);

		if (names[i].dir >= 0)
			return i;
	}
	return -1;
}

static int children(int dir)
{
	int n = 0;

	for (int i = 0; i < NAMES; i++)
		n += names[i].dir == dir;
	return n;
}

static struct name as_name(const char *text)
{
	return (struct name){ text, (uint32_t)strlen(text) };
}

static void make_name(char *out)
{
	unsigned length = below(8) ? 1 + below(12) : 1 + below(60);

	for (unsigned i = 0; i < length; i++)
		out[i] = (char)('a' + below(below(3) ? 4 : 26));
	out[length] = 0;
}

static void forget_object(int i)
{
	for (int d = 0; d < BLOCKS; d++)
		if (data[d].object == i)
			data[d].object = -1;
	free(objects[i].target);
	memset(&objects[i], 0, sizeof objects[i]);
}

static void set_name(int slot, int dir, int object, const char *name)
{
	names[slot].dir = dir;
	names[slot].object = object;
	strcpy(names[slot].name, name);
}

static void op_create(void)
{
	static const uint32_t modes[] = {
		MODE_REGULAR | 0644, MODE_DIRECTORY | 0755, MODE_SYMLINK | 0777, 0010600, 0020600,
		MODE_REGULAR | 0600
	};
	int dir = pick_object(MODE_DIRECTORY), object = free_object(), slot = free_name();
	uint32_t mode = modes[below(6)];
	struct creation how = { mode, below(70000), below(70000), 5u << 20 | 300 };
	struct inode *parent, *made;
	char name[64], target[900];
	long status;

	if (object < 0 || slot < 0)
		return;
	make_name(name);
	parent = inode_of(dir);
	if ((mode & MODE_FORMAT) == MODE_SYMLINK) {
		unsigned length = below(2) ? 1 + below(59) : 60 + below(800);

		memset(target, 'a' + (int)below(20), length);
		target[length] = 0;
		status = TRY(fs, name_symlink(parent, as_name(name), target, length, &how, &made));
	} else {
		status = TRY(fs, name_create(parent, as_name(name), &how, &made));
	}
	if (find_name(dir, name) >= 0) {
		REQUIRE(status == -EEXIST);
		return;
	}
	if (status == -ENOSPC)
		return;
	REQUIRE(status == 0);
	objects[object] =
	    (struct object){ made->number, mode, (mode & MODE_FORMAT) == MODE_DIRECTORY ? 2 : 1, 0, NULL };
	if ((mode & MODE_FORMAT) == MODE_SYMLINK) {
		objects[object].target = strdup(target);
		objects[object].size = strlen(target);
	}
	if ((mode & MODE_FORMAT) == MODE_DIRECTORY)
		objects[dir].links++;
	set_name(slot, dir, object, name);
}

static void op_link(void)
{
	int object = pick_object(MODE_REGULAR), dir = pick_object(MODE_DIRECTORY), slot = free_name();
	char name[64];
	long status;

	if (object < 0 || slot < 0)
		return;
	make_name(name);
	struct inode *inode = inode_of(object);
	struct inode *parent = inode_of(dir);

	status = TRY(fs, name_link(parent, as_name(name), inode));
	if (find_name(dir, name) >= 0) {
		REQUIRE(status == -EEXIST);
		return;
	}
	if (status == -ENOSPC)
		return;
	REQUIRE(status == 0);
	objects[object].links++;
	set_name(slot, dir, object, name);
}

static void lose_link(int object)
{
	if (--objects[object].links == 0)
		forget_object(object);
}

static void op_unlink(void)
{
	int slot = pick_name();
	struct inode *gone;
	int object, dir;
	long status;

	if (slot < 0)
		return;
	object = names[slot].object;
	dir = names[slot].dir;
	if ((objects[object].mode & MODE_FORMAT) == MODE_DIRECTORY) {
		REQUIRE(TRY(fs, name_unlink(inode_of(dir), as_name(names[slot].name), 0, &gone)) == -EISDIR);
		status = TRY(
		    fs, name_rmdir(inode_of(dir), as_name(names[slot].name), objects[object].number, &gone));
		if (children(object)) {
			REQUIRE(status == -ENOTEMPTY);
			return;
		}
		REQUIRE(status == 0);
		objects[dir].links--;
		forget_object(object);
	} else {
		REQUIRE(TRY(fs, name_rmdir(inode_of(dir), as_name(names[slot].name), 0, &gone)) == -ENOTDIR);
		status = TRY(fs, name_unlink(inode_of(dir), as_name(names[slot].name), 0, &gone));
		REQUIRE(status == 0 && gone->number == objects[object].number);
		lose_link(object);
	}
	names[slot].dir = -1;
	if (below(3) == 0)
		reap(fs);
}

static bool is_dir(int object)
{
	return (objects[object].mode & MODE_FORMAT) == MODE_DIRECTORY;
}

static bool above(int ancestor, int dir)
{
	while (dir != ancestor && dir != 0) {
		int i;

		for (i = 0; i < NAMES && !(names[i].dir >= 0 && names[i].object == dir); i++)
			;
		REQUIRE(i < NAMES);
		dir = names[i].dir;
	}
	return dir == ancestor;
}

static void op_rename(void)
{
	int slot = pick_name(), to = pick_object(MODE_DIRECTORY), target, from, moved, victim = -1;
	uint32_t flags = below(4) ? 0 : 1 + below(2);
	struct inode *gone, *a, *b;
	char name[64];
	long status;

	if (slot < 0)
		return;
	make_name(name);
	target = below(2) ? pick_name() : -1;
	if (target >= 0) {
		to = names[target].dir;
		strcpy(name, names[target].name);
	}
	target = find_name(to, name);
	from = names[slot].dir;
	moved = names[slot].object;
	victim = target >= 0 ? names[target].object : -1;
	a = inode_of(from);
	b = inode_of(to);
	status = TRY(fs, name_rename(a, as_name(names[slot].name), b, as_name(name), flags, &gone));
	if (status == -ENOSPC || status == -ENOMEM)
		return;
	if (target >= 0 && (flags & 1)) {
		REQUIRE(status == -EEXIST);
	} else if (target < 0 && (flags & 2)) {
		REQUIRE(status == -ENOENT);
	} else if (moved == victim) {
		REQUIRE(status == 0);
	} else if (is_dir(moved) && above(moved, to)) {
		REQUIRE(status == -EINVAL);
	} else if (flags & 2) {
		if (is_dir(victim) && above(victim, from)) {
			REQUIRE(status == -EINVAL);
			return;
		}
		REQUIRE(status == 0);
		names[slot].object = victim;
		names[target].object = moved;
		objects[from].links += (uint32_t)is_dir(victim) - (uint32_t)is_dir(moved);
		objects[to].links += (uint32_t)is_dir(moved) - (uint32_t)is_dir(victim);
	} else if (victim >= 0) {
		if (is_dir(moved) != is_dir(victim)) {
			REQUIRE(status == (is_dir(moved) ? -ENOTDIR : -EISDIR));
			return;
		}
		if (is_dir(victim) && children(victim)) {
			REQUIRE(status == -ENOTEMPTY);
			return;
		}
		REQUIRE(status == 0);
		if (is_dir(moved)) {
			objects[from].links--;
			forget_object(victim);
		} else {
			lose_link(victim);
		}
		names[target].object = moved;
		names[slot].dir = -1;
	} else {
		REQUIRE(status == 0);
		if (is_dir(moved)) {
			objects[from].links--;
			objects[to].links++;
		}
		set_name(slot, to, moved, name);
	}
}

static struct data *data_at(int object, uint64_t logical, bool add)
{
	struct data *unused = NULL;

	for (int i = 0; i < BLOCKS; i++) {
		if (data[i].object == object && data[i].logical == logical)
			return &data[i];
		if (data[i].object < 0)
			unused = &data[i];
	}
	if (add && unused) {
		unused->object = object;
		unused->logical = logical;
	}
	return add ? unused : NULL;
}

static void block_io(uint64_t physical, uint32_t tag, bool write)
{
	uint32_t words[1024];
	off_t at = (off_t)(physical << fs->block_shift);

	if (write) {
		for (uint32_t i = 0; i < fs->block_size / 4; i++)
			words[i] = tag + i;
		REQUIRE(pwrite(image_fd, words, fs->block_size, at) == (ssize_t)fs->block_size);
		return;
	}
	REQUIRE(pread(image_fd, words, fs->block_size, at) == (ssize_t)fs->block_size);
	for (uint32_t i = 0; i < fs->block_size / 4; i++)
		REQUIRE(words[i] == tag + i);
}

static uint64_t pick_logical(void)
{
	uint64_t p = 1ull << fs->pointers_shift, limit = fs->size_max >> fs->block_shift;
	uint64_t starts[] = { 0,
			      below(30),
			      11,
			      12 + p - 2,
			      12 + p + p * p - 3,
			      below(2000),
			      12 + p + p * below(60),
			      12 + p + p * p + p * p * below(10) + p * below(100) };
	uint64_t logical = starts[below(8)];

	return logical + 40 < limit ? logical : 0;
}

static void op_write(void)
{
	int object = pick_object(MODE_REGULAR);
	uint64_t logical, end;
	struct inode *inode;

	if (object < 0)
		return;
	inode = inode_of(object);
	logical = below(3) ? objects[object].size >> fs->block_shift : pick_logical();
	if (logical + 50 > fs->size_max >> fs->block_shift)
		logical = 0;
	for (end = logical + 1 + below(30); logical < end;) {
		struct extent got;
		bool fresh;
		long status = TRY(fs, map_alloc(inode, logical, end - logical, &got, &fresh));

		if (status == -ENOSPC)
			return;
		REQUIRE(status == 0 && got.count >= 1 && got.count <= end - logical);
		for (uint64_t i = 0; i < got.count; i++) {
			struct data *d = data_at(object, logical + i, true);

			if (!d)
				return;
			d->tag = (uint32_t)random64();
			block_io(got.physical + i, d->tag, true);
			if (objects[object].size < (logical + i + 1) << fs->block_shift) {
				objects[object].size = (logical + i + 1) << fs->block_shift;
				inode_change(inode);
				inode->d.size = objects[object].size;
				tx_commit(fs);
			}
		}
		logical += got.count;
	}
}

static void op_truncate(void)
{
	int object = pick_object(MODE_REGULAR);
	struct inode *inode;
	uint64_t keep;
	long status;

	if (object < 0)
		return;
	inode = inode_of(object);
	keep = below(2) ? pick_logical() : 0;
	if (keep << fs->block_shift >= objects[object].size)
		return;
	inode_change(inode);
	inode->d.size = objects[object].size = keep << fs->block_shift;
	while ((status = map_trim(inode, keep)) == EXT2_MORE || status == EXT2_WAIT) {
		tx_commit(fs);
		if (status == EXT2_WAIT)
			load_page(fs, fs->wait_page);
	}
	tx_commit(fs);
	REQUIRE(status == 0);
	for (int i = 0; i < BLOCKS; i++)
		if (data[i].object == object && data[i].logical >= keep)
			data[i].object = -1;
}

static void check_data(int object)
{
	struct inode *inode = inode_of(object);
	uint64_t limit = (objects[object].size + fs->block_size - 1) >> fs->block_shift, logical = 0, n = 0,
		 m = 0;

	REQUIRE(inode->d.size == objects[object].size);
	while (logical < limit) {
		struct extent got;

		REQUIRE(TRY(fs, map_seek(inode, logical, true, limit, &logical)) == 0);
		if (logical >= limit)
			break;
		REQUIRE(TRY(fs, map_find(inode, logical, limit - logical, &got)) == 0 && got.physical);
		for (uint64_t i = 0; i < got.count; i++, n++) {
			struct data *d = data_at(object, logical + i, false);

			if (d)
				block_io(got.physical + i, d->tag, false);
		}
		logical += got.count;
	}
	for (int i = 0; i < BLOCKS; i++)
		m += data[i].object == object;
	REQUIRE(m <= n);
}

struct listing {
	int dir;
	unsigned count;
};

static bool check_listed(void *context, const struct ext2_dirent *entry, uint64_t next)
{
	struct listing *listing = context;
	char name[256];
	int slot;

	(void)next;
	memcpy(name, entry->name, entry->name_length);
	name[entry->name_length] = 0;
	if (!strcmp(name, ".") || !strcmp(name, "..") || !strcmp(name, "lost+found"))
		return true;
	slot = find_name(listing->dir, name);
	REQUIRE(slot >= 0 && objects[names[slot].object].number == entry->inode);
	REQUIRE(entry->type == dir_type(objects[names[slot].object].mode) ||
		!(fs->incompat & EXT2_INCOMPAT_FILETYPE));
	listing->count++;
	return true;
}

static void check_object(int object)
{
	struct inode *inode = inode_of(object);
	uint32_t format = objects[object].mode & MODE_FORMAT;
	char target[1000];

	REQUIRE(inode->d.mode == objects[object].mode);
	REQUIRE(inode->d.links == objects[object].links);
	if (format == MODE_REGULAR)
		check_data(object);
	if (format == MODE_SYMLINK) {
		long n = TRY(fs, symlink_read(inode, target, sizeof target));

		REQUIRE(n == (long)strlen(objects[object].target) &&
			!memcmp(target, objects[object].target, (size_t)n));
	}
	if (format == 0020000)
		REQUIRE(inode_rdev(inode) == (5u << 20 | 300));
	if (format == MODE_DIRECTORY) {
		struct listing listing = { object, 0 };
		uint64_t cookie = 0;
		uint64_t start = 0;

		REQUIRE(TRY(fs, (cookie = start, listing.count = 0,
				 dir_read(inode, &cookie, check_listed, &listing))) == 0);
		REQUIRE(listing.count == (unsigned)children(object));
	}
}

static void check_all(void)
{
	for (int i = 0; i < OBJECTS; i++)
		if (objects[i].mode)
			check_object(i);
	for (int i = 0; i < NAMES; i++) {
		struct inode *inode;

		if (names[i].dir < 0)
			continue;
		REQUIRE(TRY(fs, name_lookup(inode_of(names[i].dir), as_name(names[i].name), &inode)) == 0);
		REQUIRE(inode->number == objects[names[i].object].number);
	}
}

static void check_image(int expected)
{
	char command[200];
	int status;

	snprintf(command, sizeof command, "e2fsck -fn %s >%s.log 2>&1", image, image);
	status = system(command);
	if (WEXITSTATUS(status) != expected) {
		snprintf(command, sizeof command, "cat %s.log", image);
		REQUIRE(system(command) == 0);
	}
	REQUIRE(WEXITSTATUS(status) == expected);
}

static void remount(void)
{
	reap(fs);
	REQUIRE(!fs->orphans);
	sync_image(fs, true);
	device_close(fs);
	check_image(0);
	fs = device_open(image);
	REQUIRE(mount_image(fs) == 0);
}

static void random_operation(unsigned weight_create)
{
	static void (*const operations[])(void) = { op_link,  op_unlink, op_unlink, op_rename, op_rename,
						    op_write, op_write,  op_write,  op_write,  op_truncate };

	if (below(10) < weight_create)
		op_create();
	else
		operations[below(10)]();
	REQUIRE(!fs->tx.overflow && !fs->tx.used);
	if (below(40) == 0) {
		sync_image(fs, false);
		evict_some(fs);
	}
	if (below(60) == 0)
		reap(fs);
	if (below(200) == 0)
		inodes_rebuild(fs);
	while (fs->inode_count > 100 && inode_idle(fs->lru.first))
		inode_drop(fs->lru.first);
}

static void format(const char *options, unsigned kib)
{
	char command[300];

	snprintf(command, sizeof command, "mke2fs -q -F %s %s %u >/dev/null 2>&1", options, image, kib);
	REQUIRE(system(command) == 0);
	memset(objects, 0, sizeof objects);
	for (int i = 0; i < NAMES; i++)
		names[i].dir = -1;
	for (int i = 0; i < BLOCKS; i++)
		data[i].object = -1;
	objects[0] = (struct object){ EXT2_ROOT_INODE, MODE_DIRECTORY | 0755, 3, 0, NULL };
	fs = device_open(image);
	REQUIRE(mount_image(fs) == 0);
}

static void test(const char *options, unsigned kib, unsigned operations)
{
	format(options, kib);
	for (unsigned i = 0; i < operations; i++) {
		random_operation(below(2) ? 3 : 1);
		if (i % (operations / 5) == operations / 5 - 1) {
			check_all();
			remount();
			check_all();
		}
	}
	for (int i = 0; i < OBJECTS; i++)
		free(objects[i].target);
	REQUIRE(!log_lines);
	device_close(fs);
	printf("ext2_random: %s %u KiB: %u operations, %u waits\n", options, kib, operations, waits);
}

int main(void)
{
	int fd;

	strcpy(image, "/tmp/ext2-random-XXXXXX");
	fd = mkstemp(image);
	REQUIRE(fd >= 0);
	close(fd);
	test("-t ext2 -b 1024 -I 128", 20000, 3000);
	test("-t ext2 -b 1024 -I 256 -g 2048 -N 900", 9000, 3000);
	test("-t ext2 -b 2048 -I 256", 30000, 3000);
	test("-t ext2 -b 4096 -I 256", 60000, 3000);
	test("-t ext2 -b 4096 -I 128 -O ^filetype -r 1", 20000, 2000);
	test("-t ext2 -b 1024 -m 0 -N 300", 2000, 3000);
	test("-t ext3 -b 1024 -J size=1 -m 0 -N 900", 9000, 3000);
	test("-t ext3 -b 4096 -J size=4 -m 0", 30000, 3000);
	unlink(image);
	return 0;
}
