/* SPDX-License-Identifier: MIT */
/*
 * Metadata pages from and to the device. The cache is one paged memory object as large as the device, mapped
 * here; only pages that are present are ever touched, since nobody else would answer the fault.
 */
#include "server.h"

#define CLUSTER 8u /* pages read at once */
#define SECTOR_BITS 9u
#define WRITES_MAX 32u

static uint64_t device_bytes(void)
{
	return mount.sectors << SECTOR_BITS;
}

static uint64_t bytes_at(uint64_t page, uint64_t count)
{
	uint64_t left = device_bytes() - (page << PAGE_BITS);

	return count << PAGE_BITS < left ? count << PAGE_BITS : left;
}

static bool wanted(uint64_t page)
{
	return page < fs.cache.pages && !(fs.cache.state[page] & (CACHE_PRESENT | CACHE_READING));
}

/* How many pages from this one on are worth reading with it. */
static uint64_t cluster(uint64_t page)
{
	uint64_t count = 1;

	while (count < CLUSTER && (page + count) % CLUSTER && wanted(page + count))
		count++;
	return count;
}

/* A page that was to be evicted and could not: it is as good as when we let it go. */
static long still_there(uint64_t page)
{
	if (kcall(mo_present, mount.meta, page) != 1)
		return -EIO;
	meta_set_present(&fs, page, true);
	return 0;
}

long core_fetch(struct ext2 *core, uint64_t page)
{
	struct io *io;
	long got;

	(void)core;
	if (failure_take(NULL, page))
		return -EIO;
	if (fs.cache.state[page] & CACHE_READING)
		return EXT2_WAIT;
	io = io_new(IO_META_READ);
	if (!io)
		return EXT2_WAIT; /* some answer will come, and wakes everybody */
	io->page = page;
	io->count = cluster(page);
	got = kcall(mo_fill_begin, mount.meta, page, io->count);
	if (got <= 0) {
		io_drop(io);
		return got < 0 ? got : still_there(page);
	}
	io->count = (uint64_t)got;
	for (uint64_t i = 0; i < io->count; i++)
		fs.cache.state[page + i] |= CACHE_READING;
	io->offset = page << PAGE_BITS;
	io->length = bytes_at(page, io->count);
	io->sector = io->offset >> SECTOR_BITS;
	io_send(io, mount.meta);
	return EXT2_WAIT;
}

long core_fresh(struct ext2 *core, uint64_t page)
{
	long got;

	if (fs.cache.state[page] & CACHE_READING)
		return EXT2_WAIT;
	got = kcall(mo_fill_begin, mount.meta, page, 1ul);
	if (got <= 0)
		return got < 0 ? got : still_there(page);
	kcall(mo_fill_end, mount.meta, page, 1ul, 1ul);
	meta_set_present(core, page, true);
	return 0;
}

void meta_read_done(struct io *io, long status)
{
	uint64_t page = io->page, count = io->count;

	kcall(mo_fill_end, mount.meta, page, count, status >= 0 ? 1ul : 0ul);
	for (uint64_t i = page; i < page + count; i++) {
		fs.cache.state[i] &= (uint8_t)~CACHE_READING;
		if (status >= 0)
			meta_set_present(&fs, i, true);
	}
	io_drop(io);
	if (status < 0 && status != -ERESTART) {
		slog("block device: reading metadata at %lu failed: error %ld", page << PAGE_BITS, -status);
		failure_note(NULL, page);
	}
	metadata_arrived(page);
	for (uint64_t i = page + 1; i < page + count; i++)
		metadata_arrived(i);
	write_kick();
}

/* --- writing ------------------------------------------------------------------------------------ */

static uint32_t all_blocks(void)
{
	return (1u << (4096u >> fs.block_shift)) - 1;
}

static bool writable(uint64_t page)
{
	return page < fs.cache.pages && (fs.cache.state[page] & CACHE_DIRTY) &&
	       !(fs.cache.state[page] & CACHE_WRITING);
}

/* Blocks [first, first + n) of one page, or several whole pages. */
static bool send_write(uint64_t page, uint64_t count, uint32_t first, uint32_t blocks)
{
	struct io *io = io_new(IO_META_WRITE);
	uint32_t mask = ((1u << blocks) - 1) << first;
	uint64_t list[IO_META_PAGES];

	if (!io)
		return false;
	io->page = page;
	io->count = count;
	io->offset = (page << PAGE_BITS) + ((uint64_t)first << fs.block_shift);
	io->length = count > 1 ? count << PAGE_BITS : (uint64_t)blocks << fs.block_shift;
	if (io->length > device_bytes() - io->offset)
		io->length = device_bytes() - io->offset;
	io->sector = io->offset >> SECTOR_BITS;
	for (uint64_t i = 0; i < count; i++) {
		io->blocks[i] = (uint8_t)mask;
		fs.cache.state[page + i] |= CACHE_WRITING;
	}
	/* From here on a crash finds in the entry what has to be written again. */
	for (uint64_t i = 0; i < count; i++) {
		fs.cache.state[page + i] &= (uint8_t)~mask;
		if (!(fs.cache.state[page + i] & CACHE_DIRTY))
			page_set_remove(&fs.cache.dirty, page + i);
	}
	kcall(mo_dirty, mount.meta, page, list, count, 1ul);
	io_send(io, mount.meta);
	return true;
}

static uint64_t whole_pages(uint64_t page)
{
	uint64_t count = 0, limit = mount.max_sectors >> (PAGE_BITS - SECTOR_BITS);

	if (limit > IO_META_PAGES || !limit)
		limit = IO_META_PAGES;
	while (count < limit && writable(page + count) &&
	       (fs.cache.state[page + count] & CACHE_DIRTY) == all_blocks())
		count++;
	return count;
}

/* Part of a page: its first run of dirty blocks. The rest comes when this has been written. */
static bool send_part(uint64_t page)
{
	uint32_t dirty = fs.cache.state[page] & CACHE_DIRTY, first = (uint32_t)__builtin_ctz(dirty), n = 0;

	while (dirty >> (first + n) & 1)
		n++;
	return send_write(page, 1, first, n);
}

bool meta_write_some(uint64_t *page)
{
	uint64_t at = *page, count;

	for (;;) {
		at = meta_next_dirty(&fs, at);
		*page = at;
		if (at == NO_PAGE)
			return false;
		if (!(fs.cache.state[at] & CACHE_DIRTY)) {
			page_set_remove(&fs.cache.dirty, at); /* forgotten since */
			continue;
		}
		if (!writable(at)) {
			at++;
			continue;
		}
		if (io_count(IO_META_WRITE) >= WRITES_MAX)
			return true;
		count = whole_pages(at);
		if (!(count ? send_write(at, count, 0, 4096u >> fs.block_shift) : send_part(at)))
			return true;
		at += count ? count : 1;
	}
}

bool meta_write_super(void)
{
	uint64_t page = EXT2_SUPER_OFFSET >> PAGE_BITS;
	uint32_t block = EXT2_SUPER_OFFSET >> fs.block_shift; /* of that page */

	if (fs.cache.state[page] & CACHE_WRITING)
		return false;
	return !(fs.cache.state[page] >> block & 1) || send_write(page, 1, block, 1);
}

void meta_write_done(struct io *io, long status)
{
	for (uint64_t i = 0; i < io->count; i++) {
		uint64_t page = io->page + i;

		if (status < 0)
			meta_redirty(&fs, page, io->blocks[i]);
		fs.cache.state[page] &= (uint8_t)~CACHE_WRITING;
	}
	if (status < 0 && status != -ERESTART) {
		slog("block device: writing metadata at %lu failed: error %ld", io->offset, -status);
		write_failed(status);
	}
	io_drop(io);
}

void meta_shrink(void)
{
	uint64_t limit = pages_budget / 4, dropped[1];

	while (fs.cache.present.count > limit) {
		uint64_t page = meta_victim(&fs);

		if (page == NO_PAGE)
			return;
		meta_set_present(&fs, page, false);
		/* What we have written through the mapping counts as dirty there. */
		kcall(mo_dirty, mount.meta, page, dropped, 1ul, 1ul);
		kcall(mo_evict, mount.meta, page, 1ul, 0ul);
	}
}
