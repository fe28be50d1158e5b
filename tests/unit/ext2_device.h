/* SPDX-License-Identifier: MIT */
/*
 * What stands below the ext2 core in tests: an image file, and a metadata cache in ordinary memory. Every page
 * may have to be waited for, so each operation is rolled back and repeated many times.
 */
#ifndef TESTS_EXT2_DEVICE_H
#define TESTS_EXT2_DEVICE_H

#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "../../servers/ext2/ext2.h"

static int image_fd = -1;
static uint64_t image_size;
static unsigned wait_percent = 30;
static uint64_t random_state = 88172645463325252ull;
static unsigned waits, log_lines;
static bool quiet;

static uint64_t random64(void)
{
	random_state ^= random_state << 13;
	random_state ^= random_state >> 7;
	random_state ^= random_state << 17;
	return random_state;
}

static unsigned below(unsigned n)
{
	return (unsigned)(random64() % n);
}

#define REQUIRE(condition)                                                              \
	do {                                                                            \
		if (!(condition)) {                                                     \
			fprintf(stderr, "%s:%d: %s\n", __FILE__, __LINE__, #condition); \
			exit(1);                                                        \
		}                                                                       \
	} while (0)

void *core_alloc(size_t size)
{
	return calloc(1, size);
}
void core_free(void *memory)
{
	free(memory);
}
void core_inode_gone(struct inode *inode)
{
	(void)inode;
}
uint64_t core_time(void)
{
	static uint64_t ns = 1600000000000000000ull;

	return ns += 1000001;
}

void core_log(const char *format, ...)
{
	va_list args;

	log_lines++;
	if (quiet)
		return;
	va_start(args, format);
	vfprintf(stderr, format, args);
	va_end(args);
	fputc('\n', stderr);
}

static void *stage;

static uint64_t *make_bits(uint64_t count)
{
	return calloc(count / 64 + 2, 8);
}

void *core_stage(struct ext2 *fs, uint64_t bytes)
{
	struct page_set *sets[] = { &fs->journal.fresh, &fs->journal.freed[0], &fs->journal.freed[1] };

	for (int i = 0; i < 3; i++) {
		sets[i]->bits = make_bits(fs->blocks);
		sets[i]->summary = make_bits(fs->blocks / 64);
	}
	return stage = calloc(1, bytes);
}

static void load_page(struct ext2 *fs, uint64_t page)
{
	uint64_t at = page << 12;
	ssize_t n = pread(image_fd, fs->cache.base + at, 4096, (off_t)at);

	REQUIRE(n >= 0);
	meta_set_present(fs, page, true);
}

long core_fetch(struct ext2 *fs, uint64_t page)
{
	if (below(100) < wait_percent) {
		waits++;
		return EXT2_WAIT;
	}
	load_page(fs, page);
	return 0;
}

long core_fresh(struct ext2 *fs, uint64_t page)
{
	memset(fs->cache.base + (page << 12), 0xaa, 4096);
	meta_set_present(fs, page, true);
	return 0;
}

/* Who wants to know what the device is told. */
static void (*on_write)(uint64_t at, const void *bytes, uint64_t length);

static void device_write(uint64_t at, const void *bytes, uint64_t length)
{
	REQUIRE(pwrite(image_fd, bytes, length, (off_t)at) == (ssize_t)length);
	if (on_write)
		on_write(at, bytes, length);
}

/* At once, in their places. */
static void write_dirty(struct ext2 *fs)
{
	for (uint64_t page = meta_next_dirty(fs, 0); page != NO_PAGE; page = meta_next_dirty(fs, page + 1)) {
		uint32_t blocks = meta_take_dirty(fs, page);

		for (uint32_t i = 0; i < 4096 / fs->block_size; i++) {
			uint64_t at = (page << 12) + (uint64_t)i * fs->block_size;

			if (blocks >> i & 1)
				device_write(at, fs->cache.base + at, fs->block_size);
		}
	}
}

/* Drop about half of the clean pages: what they held must be on the disk. */
static inline void evict_some(struct ext2 *fs)
{
	for (uint64_t n = fs->cache.present.count / 2; n; n--) {
		uint64_t page = meta_victim(fs);

		if (page == NO_PAGE)
			break;
		memset(fs->cache.base + (page << 12), 0x55, 4096);
		meta_set_present(fs, page, false);
	}
}

static struct ext2 *device_open(const char *path)
{
	struct ext2 *fs = calloc(1, sizeof *fs);
	struct stat st;
	uint64_t pages;

	image_fd = open(path, O_RDWR);
	REQUIRE(image_fd >= 0 && fstat(image_fd, &st) == 0);
	image_size = (uint64_t)st.st_size;
	pages = (image_size + 4095) / 4096;
	fs->cache.base = mmap(NULL, pages * 4096 + 4096, PROT_READ | PROT_WRITE,
			      MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	fs->cache.state = calloc(pages + 1, 1);
	fs->cache.present.bits = make_bits(pages);
	fs->cache.present.summary = make_bits(pages / 64);
	fs->cache.dirty.bits = make_bits(pages);
	fs->cache.dirty.summary = make_bits(pages / 64);
	return fs;
}

static void device_close(struct ext2 *fs)
{
	while (fs->lru.first)
		inode_drop(fs->lru.first);
	for (uint32_t i = 0; i < fs->chunk_count; i++)
		free(fs->chunks[i]);
	munmap(fs->cache.base, (image_size + 4095) / 4096 * 4096 + 4096);
	free(fs->cache.state);
	free(fs->cache.present.bits);
	free(fs->cache.present.summary);
	free(fs->cache.dirty.bits);
	free(fs->cache.dirty.summary);
	struct page_set *sets[] = { &fs->journal.fresh, &fs->journal.freed[0], &fs->journal.freed[1] };

	for (int i = 0; i < 3; i++) {
		free(sets[i]->bits);
		free(sets[i]->summary);
	}
	free(fs->journal.map);
	free(fs->journal.replay.revoked);
	free(stage);
	stage = NULL;
	free(fs);
	close(image_fd);
}

/* Run an expression until it no longer waits; changes hold only if it succeeds. */
#define TRY(fs, expression)                                     \
	({                                                      \
		long status_;                                   \
		while ((status_ = (expression)) == EXT2_WAIT) { \
			tx_rollback(fs);                        \
			load_page(fs, (fs)->wait_page);         \
		}                                               \
		if (status_ < 0)                                \
			tx_rollback(fs);                        \
		else                                            \
			tx_commit(fs);                          \
		status_;                                        \
	})

static long read_super(struct ext2 *fs)
{
	uint8_t bytes[1024];

	if (pread(image_fd, bytes, 1024, 1024) != 1024)
		return -EIO;
	return super_read(fs, (struct ext2_super *)bytes, image_size);
}

/* What the replay puts in place may be another superblock. */
static long open_journal(struct ext2 *fs)
{
	long status;

	if (fs->read_only || !(fs->compat & EXT2_COMPAT_HAS_JOURNAL))
		return 0;
	while ((status = TRY(fs, journal_open(fs))) == EXT2_MORE)
		write_dirty(fs);
	return status < 0 ? status : read_super(fs);
}

static long trim_orphans(struct ext2 *fs)
{
	struct inode *next;

	for (struct inode *inode = fs->orphans; inode; inode = next) {
		long status;

		next = inode->orphan_next;
		if (!inode->d.links)
			continue;
		while ((status = orphan_trim_step(inode)) == EXT2_MORE || status == EXT2_WAIT) {
			tx_commit(fs);
			if (status == EXT2_WAIT)
				load_page(fs, fs->wait_page);
		}
		tx_commit(fs);
	}
	return 0;
}

static long mount_image(struct ext2 *fs)
{
	long status = read_super(fs);

	if (status == 0)
		status = open_journal(fs);
	if (status < 0)
		return status;
	fs->privileged = true;
	while ((status = TRY(fs, orphan_load(fs))) == EXT2_MORE)
		;
	if (status == 0 && !fs->read_only)
		status = trim_orphans(fs);
	if (status == 0 && !fs->read_only)
		status = TRY(fs, super_mounted(fs));
	return status;
}

static long delete_orphan(struct ext2 *fs, struct inode *inode)
{
	for (;;) {
		long status = inode_delete_step(inode);

		if (status == EXT2_WAIT && !tx_tight(fs)) {
			tx_commit(fs); /* what has been freed is consistent */
			load_page(fs, fs->wait_page);
			continue;
		}
		tx_commit(fs);
		if (status == EXT2_MORE)
			continue;
		return status;
	}
}

static inline void reap(struct ext2 *fs)
{
	struct inode *next;

	for (struct inode *inode = fs->orphans; inode; inode = next) {
		next = inode->orphan_next;
		if (!inode->held && !inode->opens)
			delete_orphan(fs, inode);
	}
}

static void store_inodes(struct ext2 *fs)
{
	while (fs->dirty.first) {
		struct inode *inode = fs->dirty.first;

		if (TRY(fs, inode_store(inode)) < 0)
			inode->loaded = false;
	}
}

/* What the writer does with a journal, but for its waiting. */
static inline void write_phases(struct ext2 *fs, void (*flush)(void))
{
	struct journal_write write;

	while (fs->journal.phase != JOURNAL_IDLE) {
		while (journal_next(fs, 1 + below(40), &write))
			device_write(write.block << fs->block_shift, fs->journal.stage + write.offset,
				     (uint64_t)write.count << fs->block_shift);
		if (flush)
			flush();
		journal_advance(fs);
	}
}

static void write_super(struct ext2 *fs, void (*flush)(void))
{
	uint64_t at = EXT2_SUPER_OFFSET >> fs->block_shift << fs->block_shift;

	device_write(at, fs->cache.base + at, fs->block_size);
	meta_forget(fs, at >> fs->block_shift, 1);
	tx_commit(fs);
	if (flush)
		flush();
}

static void sync_journal(struct ext2 *fs, bool clean, void (*flush)(void))
{
	if (fs->disk_valid) {
		TRY(fs, super_set_recover(fs));
		write_super(fs, flush);
		fs->disk_valid = false;
	}
	store_inodes(fs);
	TRY(fs, super_store(fs, false));
	REQUIRE(journal_freeze(fs) >= 0);
	write_phases(fs, flush);
	if (!clean)
		return;
	journal_close(fs);
	write_phases(fs, flush);
	fs->disk_valid = true;
	TRY(fs, super_store(fs, true));
	write_super(fs, flush);
}

static void sync_image(struct ext2 *fs, bool clean)
{
	if (fs->journal.ready) {
		sync_journal(fs, clean, NULL);
		return;
	}
	store_inodes(fs);
	TRY(fs, super_store(fs, clean));
	write_dirty(fs);
}

#endif
