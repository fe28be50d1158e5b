/* SPDX-License-Identifier: MIT */
/*
 * The power goes at any moment. Random operations run on an image with a journal while every write and flush of the
 * device is recorded. Then the device as it may be after a cut: all that was flushed, and of what came behind some
 * sectors and others not. Mounted again, each such image must hold one of the committed states, to the last name and
 * byte: the last that was flushed or the one after it. Half of them our code replays, the other half e2fsck, which has
 * to find nothing afterwards.
 * SOURCES: servers/ext2/tx.c servers/ext2/cache.c servers/ext2/super.c servers/ext2/inode.c
 * SOURCES: servers/ext2/orphan.c servers/ext2/alloc.c servers/ext2/ialloc.c servers/ext2/map.c
 * SOURCES: servers/ext2/index.c servers/ext2/room.c servers/ext2/dir.c servers/ext2/names.c
 * SOURCES: servers/ext2/journal.c servers/ext2/replay.c
 */
#include <string.h>

#include "ext2_device.h"

#define SECTOR 512u
#define RECORDS (1u << 20)
#define STATES 4000u
#define BLOCKS_SEEN 60000u

/* --- what the device was told ------------------------------------------------------------------------- */

static struct record {
	uint64_t at; /* FLUSH: none */
	uint8_t *bytes;
	uint32_t state; /* of a flush: committed states up to here, as a count */
} records[RECORDS];
#define FLUSH (~0ull)
static uint32_t record_count;

static uint8_t *durable, *cut; /* images */
static uint64_t size;

/* A committed state: all names, links, sizes and places of holes as text; the versions of all blocks of data. */
static struct state {
	char *text;
	uint32_t *versions;
	uint32_t blocks;
} states[STATES];
static uint32_t state_count, committed; /* committed: states that a flush has made safe */

static struct ext2 *fs;
static char image[64];
static uint32_t next_id, next_version;

static void remember(uint64_t at, const void *bytes, uint64_t length)
{
	for (uint64_t i = 0; i < length; i += SECTOR) {
		struct record *record = &records[record_count++];

		REQUIRE(record_count < RECORDS);
		record->at = at + i;
		record->bytes = malloc(SECTOR);
		memcpy(record->bytes, (const uint8_t *)bytes + i, SECTOR);
	}
}

/* --- a state as text ---------------------------------------------------------------------------------- */

struct text {
	char *bytes;
	size_t used, room;
	uint32_t *versions;
	uint32_t blocks;
};

static void __attribute__((format(printf, 2, 3))) say(struct text *text, const char *format, ...)
{
	va_list args;

	if (text->room - text->used < 2000)
		REQUIRE(text->bytes = realloc(text->bytes, text->room = 2 * text->room + 4000));
	va_start(args, format);
	text->used += (size_t)vsnprintf(text->bytes + text->used, 1000, format, args);
	va_end(args);
}

/* A block of data says whose it is, which, and how new. */
struct stamp {
	uint32_t magic, id, logical, version;
};

static void dump_block(struct text *text, uint64_t logical, uint64_t physical)
{
	struct stamp stamp;

	REQUIRE(pread(image_fd, &stamp, sizeof stamp, (off_t)(physical << fs->block_shift)) == sizeof stamp);
	say(text, stamp.magic == 0xda7a && stamp.logical == logical ? " %u" : " foreign:%x", stamp.id);
	REQUIRE(text->blocks < BLOCKS_SEEN);
	text->versions[text->blocks++] = stamp.version;
}

static void dump_data(struct text *text, struct inode *inode)
{
	uint64_t limit = (inode->d.size + fs->block_size - 1) >> fs->block_shift;

	for (uint64_t at = 0; at < limit;) {
		struct extent e;

		REQUIRE(TRY(fs, map_find(inode, at, limit - at, &e)) == 0);
		if (!e.physical)
			say(text, " -%lu", (unsigned long)e.count);
		for (uint64_t i = 0; e.physical && i < e.count; i++)
			dump_block(text, at + i, e.physical + i);
		at += e.count;
	}
}

struct listed {
	uint32_t number;
	char name[256];
};
struct listing {
	struct listed entries[400];
	unsigned count;
};

static bool list(void *context, const struct ext2_dirent *entry, uint64_t next)
{
	struct listing *listing = context;
	struct listed *e = &listing->entries[listing->count];

	(void)next;
	if (entry->name[0] == '.' || !strncmp(entry->name, "lost+found", entry->name_length))
		return true;
	REQUIRE(listing->count < 400);
	e->number = entry->inode;
	memcpy(e->name, entry->name, entry->name_length);
	e->name[entry->name_length] = 0;
	listing->count++;
	return true;
}

static void dump_dir(struct text *text, struct inode *dir, unsigned depth)
{
	struct listing *listing = calloc(1, sizeof *listing);
	uint64_t cookie;

	REQUIRE(TRY(fs, (cookie = 0, listing->count = 0, dir_read(dir, &cookie, list, listing))) == 0);
	for (unsigned i = 0; i < listing->count; i++) {
		struct listed *e = &listing->entries[i];
		struct inode *inode;
		uint32_t format;
		char target[200];

		REQUIRE(TRY(fs, error_of(inode = inode_get(fs, e->number))) == 0);
		format = inode->d.mode & MODE_FORMAT;
		say(text, "%*s%s %o %u %lu:", (int)depth, "", e->name, inode->d.mode, inode->d.links,
		    format == MODE_DIRECTORY ? 0 : (unsigned long)inode->d.size);
		if (format == MODE_REGULAR)
			dump_data(text, inode);
		if (format == MODE_SYMLINK) {
			long n = TRY(fs, symlink_read(inode, target, sizeof target));

			REQUIRE(n == (long)inode->d.size);
			say(text, " %.*s", (int)n, target);
		}
		say(text, "\n");
		if (format == MODE_DIRECTORY)
			dump_dir(text, inode, depth + 1);
	}
	free(listing);
}

static struct state state_now(void)
{
	struct text text = { .versions = malloc(BLOCKS_SEEN * sizeof(uint32_t)) };
	struct inode *root;

	TRY(fs, error_of(root = inode_get(fs, EXT2_ROOT_INODE)));
	say(&text, "root %u\n", root->d.links);
	dump_dir(&text, root, 0);
	return (struct state){ text.bytes, text.versions, text.blocks };
}

static bool same(const struct state *found, const struct state *wanted)
{
	if (strcmp(found->text, wanted->text))
		return false;
	for (uint32_t i = 0; i < wanted->blocks; i++)
		REQUIRE(found->versions[i] >= wanted->versions[i]);
	return true;
}

/* --- operations ----------------------------------------------------------------------------------------- */

static struct name as_name(const char *text)
{
	return (struct name){ text, (uint32_t)strlen(text) };
}

static struct inode *get(uint32_t number)
{
	struct inode *inode;

	TRY(fs, error_of(inode = inode_get(fs, number)));
	return inode;
}

/* The root, or a directory below it. */
static struct inode *some_dir(void)
{
	static const char *const names[] = { "d0", "d1", "d2" };
	struct inode *inode, *root = get(EXT2_ROOT_INODE);

	if (below(3) && TRY(fs, name_lookup(root, as_name(names[below(3)]), &inode)) == 0 &&
	    (inode->d.mode & MODE_FORMAT) == MODE_DIRECTORY)
		return inode;
	return root;
}

static const char *some_name(void)
{
	static char name[250];

	snprintf(name, sizeof name, "%s%u", below(4) ? "f" : "d", below(3 + below(25)));
	if (below(4) == 0)
		memset(name + strlen(name), 'x', 100); /* directories grow and shrink */
	return name;
}

static struct inode *some_file(void)
{
	for (int i = 0; i < 20; i++) {
		struct inode *inode, *dir = some_dir();

		if (TRY(fs, name_lookup(dir, as_name(some_name()), &inode)) == 0 &&
		    (inode->d.mode & MODE_FORMAT) == MODE_REGULAR)
			return inode;
	}
	return NULL;
}

static void op_create(void)
{
	static const char target[] =
	    "\xc0\x3b\x39\x98 a target that is longer than what fits into an inode, ah";
	static const uint32_t modes[] = { MODE_REGULAR | 0644, MODE_REGULAR | 0600, MODE_REGULAR | 0640,
					  MODE_DIRECTORY | 0755, MODE_SYMLINK | 0777 };
	struct creation how = { modes[below(5)], 0, 0, 0 };
	struct inode *made, *dir = some_dir();
	struct name name = as_name(some_name());

	if ((how.mode & MODE_FORMAT) == MODE_SYMLINK)
		TRY(fs, name_symlink(dir, name, target, sizeof target - 1, &how, &made));
	else if (TRY(fs, name_create(dir, name, &how, &made)) == 0)
		made->d.generation = ++next_id;
}

/* As the server: blocks, data, size, in one transaction; the data go to the device before it is committed. */
static void write_blocks(struct inode *inode, uint64_t logical, uint64_t count)
{
	while (count) {
		uint8_t block[4096] = { 0 };
		struct extent e;
		bool fresh;

		if (TRY(fs, map_alloc(inode, logical, count, &e, &fresh)) < 0)
			return;
		for (uint64_t i = 0; i < e.count; i++) {
			*(struct stamp *)block = (struct stamp){ 0xda7a, inode->d.generation,
								 (uint32_t)(logical + i), ++next_version };
			device_write((e.physical + i) << fs->block_shift, block, fs->block_size);
		}
		logical += e.count;
		count -= e.count;
		inode_change(inode);
		if (inode->d.size < logical << fs->block_shift)
			inode_set_size(inode, logical << fs->block_shift);
		tx_commit(fs);
	}
}

static void op_write(void)
{
	struct inode *inode = some_file();
	uint64_t end;

	if (!inode)
		return;
	end = inode->d.size >> fs->block_shift;
	write_blocks(inode, below(3) ? end : below((unsigned)end + 30), 1 + below(below(10) ? 6 : 300));
}

/* In steps, between which a transaction may be closed. */
static void op_truncate(void)
{
	struct inode *inode = some_file();
	uint64_t blocks;
	long status;

	if (!inode || !inode->d.size)
		return;
	blocks = below((unsigned)(inode->d.size >> fs->block_shift));
	inode_change(inode);
	inode->d.size = blocks << fs->block_shift;
	orphan_add(inode);
	tx_commit(fs);
	do {
		status = below(4) ? orphan_trim_step(inode) : 0;
		tx_commit(fs);
		if (status == EXT2_WAIT)
			load_page(fs, fs->wait_page);
	} while (status == EXT2_MORE || status == EXT2_WAIT);
}

/* Those that were left in the middle go on some time, before anybody writes behind their ends. */
static void finish_truncations(void)
{
	struct inode *next;

	for (struct inode *inode = fs->orphans; inode; inode = next) {
		next = inode->orphan_next;
		while (inode->d.links && inode->orphan) {
			long status = orphan_trim_step(inode);

			tx_commit(fs);
			if (status == EXT2_WAIT)
				load_page(fs, fs->wait_page);
		}
	}
}

static void op_unlink(void)
{
	struct inode *gone, *dir = some_dir();
	struct name name = as_name(some_name());

	if (TRY(fs, name_unlink(dir, name, 0, &gone)) < 0)
		TRY(fs, name_rmdir(dir, name, 0, &gone));
}

static void op_rename(void)
{
	struct inode *gone, *from = some_dir(), *to = some_dir();
	char old[250];

	strcpy(old, some_name());
	TRY(fs, name_rename(from, as_name(old), to, as_name(some_name()), below(3) ? 0 : 2, &gone));
}

static void op_link(void)
{
	struct inode *inode = some_file();

	if (inode)
		TRY(fs, name_link(some_dir(), as_name(some_name()), inode));
}

static void operate(void)
{
	static void (*const operations[])(void) = { op_create, op_create, op_write,  op_write,
						    op_write,  op_unlink, op_rename, op_link };

	operations[below(8)]();
	if (below(20) == 0) {
		op_truncate();
		return;
	}
	finish_truncations();
	if (below(5) == 0)
		reap(fs);
}

/* --- committing ------------------------------------------------------------------------------------------ */

static void flush(void)
{
	if (fs->journal.phase == JOURNAL_COMMIT)
		committed = state_count;
	records[record_count++] = (struct record){ FLUSH, NULL, committed };
}

/* Between phases others go on; sometimes the server dies there, and begins again. */
static void flush_and_more(void)
{
	flush();
	for (unsigned n = below(3); n && fs->journal.phase != JOURNAL_CLOSE; n--) {
		bool truncating = fs->orphans;

		if (!truncating)
			operate();
	}
	if (fs->journal.phase != JOURNAL_CLOSE && below(8) == 0)
		journal_restart(fs);
}

/* journal_advance follows each flush: the phase that is begun again is the one before the first. */
static void write_transaction(void)
{
	struct journal_write write;

	while (fs->journal.phase != JOURNAL_IDLE) {
		uint8_t phase = fs->journal.phase;

		while (journal_next(fs, 1 + below(40), &write)) {
			device_write(write.block << fs->block_shift, fs->journal.stage + write.offset,
				     (uint64_t)write.count << fs->block_shift);
			if (below(60) == 0)
				journal_restart(fs);
		}
		if (fs->journal.phase != phase)
			continue;
		flush_and_more();
		if (fs->journal.phase == phase)
			journal_advance(fs);
	}
}

static void commit(bool clean)
{
	if (fs->disk_valid) {
		TRY(fs, super_set_recover(fs));
		write_super(fs, flush);
		fs->disk_valid = false;
	}
	store_inodes(fs);
	TRY(fs, super_store(fs, false));
	if (journal_freeze(fs) > 0) {
		REQUIRE(state_count < STATES);
		states[state_count++] = state_now();
	}
	write_transaction();
	REQUIRE(committed == state_count);
	if (clean)
		sync_journal(fs, true, flush);
}

static void record_load(unsigned operations)
{
	on_write = remember;
	for (unsigned i = 0; i < operations; i++) {
		operate();
		REQUIRE(!fs->tx.overflow && !fs->tx.used);
		if (below(12) == 0 || journal_holds(fs, JOURNAL_SOON))
			commit(false);
		if (below(60) == 0)
			evict_some(fs);
		if (below(100) == 0)
			while (fs->inode_count > 10 && inode_idle(fs->lru.first))
				inode_drop(fs->lru.first);
	}
	on_write = NULL;
}

/* --- cutting ------------------------------------------------------------------------------------------------ */

static int shell(const char *format)
{
	char command[400];

	snprintf(command, sizeof command, format, image, image);
	return WEXITSTATUS(system(command));
}

static void write_image(const uint8_t *bytes)
{
	int fd = open(image, O_RDWR | O_TRUNC);

	REQUIRE(fd >= 0 && ftruncate(fd, (off_t)size) == 0);
	for (uint64_t at = 0; at < size; at += 4096)
		for (unsigned i = 0; i < 4096; i++)
			if (bytes[at + i]) {
				REQUIRE(pwrite(fd, bytes + at, 4096, (off_t)at) == 4096);
				break;
			}
	close(fd);
}

static void check_with_fsck(const char *when)
{
	if (shell("PATH=$PATH:/sbin:/usr/sbin e2fsck -fn %s >%s.log 2>&1") == 0)
		return;
	REQUIRE(shell("cat %s.log") == 0);
	fprintf(stderr, "e2fsck finds errors %s\n", when);
	exit(1);
}

static void check_cut(uint32_t at, bool by_fsck)
{
	struct state found;
	bool good;

	write_image(cut);
	if (by_fsck) {
		REQUIRE(shell("PATH=$PATH:/sbin:/usr/sbin e2fsck -p %s >%s.log 2>&1") <= 1);
		check_with_fsck("after its own replay");
	}
	fs = device_open(image);
	REQUIRE(mount_image(fs) == 0);
	found = state_now();
	good = (committed && same(&found, &states[committed - 1])) ||
	       (committed < state_count && same(&found, &states[committed]));
	if (!good)
		fprintf(stderr, "cut at %u: state %u of %u expected; found\n%swanted\n%s", at, committed,
			state_count, found.text, states[committed ? committed - 1 : 0].text);
	REQUIRE(good && !fs->reports);
	reap(fs);
	sync_image(fs, true);
	device_close(fs);
	check_with_fsck("after our replay");
	free(found.text);
	free(found.versions);
}

/* `pending`: the first record behind the last flush. */
static void make_cut(uint32_t pending, uint32_t end)
{
	unsigned percent = below(3) ? 100 : 20 + below(80); /* a prefix, or a part of it */

	memcpy(cut, durable, size);
	for (uint32_t i = pending; i < end; i++)
		if (below(100) < percent)
			memcpy(cut + records[i].at, records[i].bytes, SECTOR);
}

static void replay_all(uint32_t first, unsigned cuts)
{
	uint32_t pending = first, every = (record_count - first) / cuts + 1;
	unsigned n = 0;

	committed = records[first - 1].state;
	for (uint32_t i = first; i < record_count; i++) {
		if (below(every) == 0 || (records[i].at == FLUSH && below(every) < 8)) {
			make_cut(pending, i);
			check_cut(i, n++ % 2);
		}
		if (records[i].at != FLUSH)
			continue;
		for (; pending < i; pending++)
			memcpy(durable + records[pending].at, records[pending].bytes, SECTOR);
		pending = i + 1;
		committed = records[i].state;
	}
	printf("ext2_power: %u writes of sectors, %u commits, %u cuts\n", record_count, state_count, n);
}

static void forget_all(void)
{
	for (uint32_t i = 0; i < record_count; i++)
		free(records[i].bytes);
	for (uint32_t i = 0; i < state_count; i++) {
		free(states[i].text);
		free(states[i].versions);
	}
	record_count = state_count = committed = 0;
	free(durable);
	free(cut);
}

static void test(const char *options, unsigned kib, unsigned operations, unsigned cuts)
{
	char command[300];

	snprintf(command, sizeof command, "PATH=$PATH:/sbin:/usr/sbin mke2fs -q -F %s %s %u >/dev/null 2>&1",
		 options, image, kib);
	REQUIRE(system(command) == 0);
	fs = device_open(image);
	size = image_size;
	REQUIRE(mount_image(fs) == 0 && fs->journal.ready);
	REQUIRE((durable = malloc(size)) && (cut = malloc(size)));
	REQUIRE(pread(image_fd, durable, size, 0) == (ssize_t)size);
	states[state_count++] = state_now();
	records[record_count++] = (struct record){ FLUSH, NULL, committed = state_count };
	record_load(operations);
	device_close(fs);
	replay_all(1, cuts);
	forget_all();
}

int main(void)
{
	const char *seed = getenv("SEED");
	int fd;

	if (seed)
		random_state ^= strtoul(seed, NULL, 0) * 2654435761u;
	strcpy(image, "/tmp/ext2-power-XXXXXX");
	fd = mkstemp(image);
	REQUIRE(fd >= 0);
	close(fd);
	quiet = true;
	test("-t ext3 -b 1024 -I 256 -J size=1 -m 0 -N 400", 6000, 2500, 60);
	test("-t ext3 -b 4096 -I 256 -J size=4 -m 0 -N 400", 16000, 2500, 40);
	unlink(image);
	return shell("rm -f %s.log");
}
