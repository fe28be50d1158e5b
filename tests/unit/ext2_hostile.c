/* SPDX-License-Identifier: MIT */
/*
 * Images with damaged metadata: every operation ends, with a result or an error, and touches no memory but its
 * own (the sanitisers look).
 * SOURCES: servers/ext2/tx.c servers/ext2/cache.c servers/ext2/super.c servers/ext2/inode.c
 * SOURCES: servers/ext2/orphan.c servers/ext2/alloc.c servers/ext2/ialloc.c servers/ext2/map.c
 * SOURCES: servers/ext2/index.c servers/ext2/room.c servers/ext2/dir.c servers/ext2/names.c
 * SOURCES: servers/ext2/journal.c servers/ext2/replay.c
 */
#include <string.h>

#include "ext2_device.h"

static struct ext2 *fs;
static char image[64], copy[72];
static unsigned refused;

static struct name as_name(const char *text)
{
	return (struct name){ text, (uint32_t)strlen(text) };
}

static void damage(unsigned kib, unsigned how_much)
{
	int fd = open(image, O_RDWR);

	REQUIRE(fd >= 0);
	for (unsigned i = 0; i < how_much; i++) {
		uint8_t bytes[4];
		off_t at = below(2)   ? 1024 + below(1024)
			   : below(4) ? 2048 + below(90000)
				      : below(kib * 1024 - 4);
		unsigned n = 1 + below(4);

		for (unsigned j = 0; j < 4; j++)
			bytes[j] = below(3) ? (uint8_t)random64() : below(2) ? 0xff : 0;
		if (at < 2048 && below(3)) /* mostly spare what would only stop the mount */
			continue;
		REQUIRE(pwrite(fd, bytes, n, at) == (ssize_t)n);
	}
	close(fd);
}

static struct inode *some_inode(void)
{
	struct inode *inode;

	if (below(3) == 0)
		TRY(fs, error_of(inode = inode_get(fs, EXT2_ROOT_INODE)));
	else
		TRY(fs, error_of(inode = below(9) ? inode_get(fs, 11 + below(40))
						  : inode_get_unlinked(fs, below(60))));
	return inode;
}

static bool ignore_entry(void *context, const struct ext2_dirent *entry, uint64_t next)
{
	*(unsigned *)context += entry->name_length;
	return next;
}

static void attempt(void)
{
	struct inode *a = some_inode(), *b = some_inode(), *out;
	struct creation how = { below(2) ? MODE_REGULAR : MODE_DIRECTORY, 0, 0, 0 };
	char name[8] = { (char)('a' + below(6)), 0 }, other[8] = { (char)('a' + below(6)), 0 }, target[4096];
	struct extent got;
	unsigned count = 0;
	uint64_t cookie = 0, logical;
	bool fresh;

	if (is_error(a) || is_error(b)) {
		refused++;
		return;
	}
	switch (below(10)) {
	case 0: TRY(fs, name_create(a, as_name(name), &how, &out)); break;
	case 1: TRY(fs, name_unlink(a, as_name(name), 0, &out)); break;
	case 2: TRY(fs, name_rmdir(a, as_name(name), 0, &out)); break;
	case 3: TRY(fs, name_rename(a, as_name(name), b, as_name(other), below(3), &out)); break;
	case 4: TRY(fs, name_link(a, as_name(name), b)); break;
	case 5:
		TRY(fs, (a->d.mode & MODE_FORMAT) == MODE_DIRECTORY
			    ? dir_read(a, &cookie, ignore_entry, &count)
			    : 0);
		break;
	case 6: TRY(fs, symlink_read(a, target, sizeof target)); break;
	case 7:
		if ((a->d.mode & MODE_FORMAT) == MODE_REGULAR)
			TRY(fs, map_alloc(a, below(5) ? below(3000) : random64() >> below(64), 1 + below(20),
					  &got, &fresh));
		break;
	case 8: TRY(fs, map_seek(a, below(3000), below(2), 100000, &logical)); break;
	default: TRY(fs, name_symlink(a, as_name(name), "target", 6, &how, &out)); break;
	}
}

static void drop_orphans(void)
{
	for (int steps = 0; fs->orphans && steps < 300; steps++) {
		struct inode *inode = fs->orphans;
		long status = inode_delete_step(inode);

		tx_commit(fs);
		if (status == EXT2_WAIT)
			load_page(fs, fs->wait_page);
	}
}

static void round_of(const char *options, unsigned kib)
{
	char command[300];

	snprintf(command, sizeof command, "cp %s %s", copy, image);
	REQUIRE(system(command) == 0);
	(void)options;
	damage(kib, 1 + below(200));
	fs = device_open(image);
	if (mount_image(fs) == 0) {
		for (int i = 0; i < 150; i++)
			attempt();
		drop_orphans();
		store_inodes(fs);
		TRY(fs, super_store(fs, false));
		write_dirty(fs);
		evict_some(fs);
	} else {
		refused++;
	}
	device_close(fs);
}

static void prepare(const char *options, unsigned kib)
{
	char command[300];

	snprintf(command, sizeof command, "mke2fs -q -F %s %s %u >/dev/null 2>&1", options, copy, kib);
	REQUIRE(system(command) == 0);
	snprintf(command, sizeof command, "cp %s %s", copy, image);
	REQUIRE(system(command) == 0);
	fs = device_open(image);
	REQUIRE(mount_image(fs) == 0);
	for (int i = 0; i < 300; i++)
		attempt();
	reap(fs);
	fs->has_errors = false;
	log_lines = refused = 0;
	sync_image(fs, true);
	device_close(fs);
	snprintf(command, sizeof command, "cp %s %s", image, copy);
	REQUIRE(system(command) == 0);
}

int main(void)
{
	static const struct {
		const char *options;
		unsigned kib;
	} kinds[] = { { "-t ext2 -b 1024 -I 128", 3000 }, { "-t ext2 -b 4096 -I 256", 9000 } };
	int fd;

	strcpy(image, "/tmp/ext2-hostile-XXXXXX");
	fd = mkstemp(image);
	REQUIRE(fd >= 0);
	close(fd);
	snprintf(copy, sizeof copy, "%s.good", image);
	quiet = true;
	for (unsigned k = 0; k < 2; k++) {
		prepare(kinds[k].options, kinds[k].kib);
		for (int i = 0; i < 250; i++)
			round_of(kinds[k].options, kinds[k].kib);
	}
	unlink(image);
	unlink(copy);
	printf("ext2_hostile: 500 images, %u refusals, %u reports of damage\n", refused, log_lines);
	return 0;
}
