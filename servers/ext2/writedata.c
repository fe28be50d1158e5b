/* SPDX-License-Identifier: MIT */
/* The writer's DATA phase: dirty pages of files, in long runs. */
#include "writer.h"

#define BATCH 64u
#define EXT2_LATER (-4003l) /* by the next pass */
#define WRITES_MAX 24u

struct run {
	struct inode *inode;
	uint64_t page, count;             /* pages */
	uint64_t first, physical, blocks; /* of the file; of the device */
};

static bool send_data(const struct run *run)
{
	struct io *io = io_new(IO_DATA_WRITE);
	struct pages *pages = run->inode->pages;

	if (!io)
		return false;
	io->inode = run->inode;
	io->page = run->page;
	io->count = run->count;
	io->offset = run->first << fs.block_shift;
	io->length = run->blocks << fs.block_shift;
	io->sector = run->physical << (fs.block_shift - 9);
	pages->writing++;
	run->inode->pinned |= INODE_IO;
	io_send(io, pages->memory);
	return true;
}

/* Touch a byte of each page: they are dirty again. */
void data_redirty(struct pages *pages, uint64_t page, uint64_t count)
{
	uint8_t byte;

	for (uint64_t i = page; i < page + count; i++)
		if (kcall(mo_read, pages->memory, i << PAGE_BITS, &byte, 1ul) == 1)
			kcall(mo_write, pages->memory, i << PAGE_BITS, &byte, 1ul);
	write_note_dirty(pages->inode, count);
}

void data_write_done(struct io *io, long status)
{
	struct inode *inode = io->inode;
	struct pages *pages = inode->pages;

	if (status == -ERESTART) {
		data_redirty(pages, io->page, io->count);
	} else if (status < 0) {
		slog("block device: writing inode %u failed: error %ld", inode->number, -status);
		pages->write_error = status;
		writer.error = status;
	}
	pages->writing--;
	if (!pages->reading && !pages->writing) {
		inode->pinned &= (uint8_t)~INODE_IO;
		reap_wake(inode);
	}
	io_drop(io);
	waitq_wake(&pages->waiting);
}

/* The blocks of a file up to its end. */
static uint64_t blocks_limit(const struct inode *inode)
{
	return (inode->d.size + fs.block_size - 1) >> fs.block_shift;
}

static bool block_is_zero(struct inode *inode, uint64_t block)
{
	static uint64_t bytes[4096 / 8];

	if (kcall(mo_read, inode->pages->memory, block << fs.block_shift, bytes, (uint64_t)fs.block_size) !=
	    (long)fs.block_size)
		return true;
	for (uint32_t i = 0; i < fs.block_size / 8; i++)
		if (bytes[i])
			return false;
	return true;
}

/* Where `block` belongs, with what follows it. A hole that has been written through a mapping gets blocks
 * now; one that has not stays. */
static long place_block(struct inode *inode, uint64_t block, uint64_t want, struct extent *e)
{
	bool fresh;
	long status = map_find(inode, block, want, e);

	if (status < 0 || e->physical)
		return status;
	if (block_is_zero(inode, block)) {
		e->count = 1;
		return 0;
	}
	if (write_crowded()) { /* after this transaction */
		writer.again = true;
		return EXT2_LATER;
	}
	fs.privileged = true;
	return map_alloc(inode, block, 1, e, &fresh);
}

/* Send what lies in one piece, from run->first on, of run->count dirty pages. Answers blocks dealt with. */
static long send_piece(struct run *run, uint64_t end)
{
	uint64_t most = mount.max_sectors >> (fs.block_shift - 9), per_page = 4096u >> fs.block_shift;
	uint64_t want = end - run->first;
	struct extent e;
	long status;

	if (most && want > most)
		want = most;
	status = place_block(run->inode, run->first, want, &e);
	if (status < 0)
		return status;
	if (!e.physical)
		return (long)e.count;
	run->physical = e.physical;
	run->blocks = e.count;
	run->page = run->first / per_page;
	run->count = (run->first + e.count - 1) / per_page - run->page + 1;
	return send_data(run) ? (long)e.count : -EAGAIN;
}

/* Mark [page, page + count) clean, before anything is sent: whoever writes now makes them dirty again. */
static void take_pages(struct inode *inode, uint64_t page, uint64_t count)
{
	uint64_t list[BATCH];
	long found = kcall(mo_dirty, inode->pages->memory, page, list, count, 0ul), mine = 0;

	while (mine < found && list[mine] < page + count)
		mine++;
	writer.taken_page = page;
	writer.taken_count = count;
	writer.taken = inode;
	if (mine > 0)
		kcall(mo_dirty, inode->pages->memory, page, list, mine, 1ul);
}

/* [page, page + count): dirty pages side by side. */
static long write_pages(struct inode *inode, uint64_t page, uint64_t count)
{
	uint64_t per_page = 4096u >> fs.block_shift, end = (page + count) * per_page,
		 limit = blocks_limit(inode);
	struct run run = { .inode = inode, .first = page * per_page };

	take_pages(inode, page, count);
	if (end > limit)
		end = limit;
	while (run.first < end) {
		long done = send_piece(&run, end);

		if (done == EXT2_WAIT || done == -EAGAIN || done == EXT2_LATER) {
			data_redirty(inode->pages, run.first / per_page, page + count - run.first / per_page);
			writer.taken = NULL;
			return done == EXT2_LATER ? 0 : done;
		}
		if (done < 0) { /* no space, or damage: this block is lost, and fsync says so */
			inode->pages->write_error = done;
			writer.error = done;
			done = 1;
		}
		run.first += (uint64_t)done;
	}
	writer.taken = NULL;
	return 0;
}

/* 0: nothing dirty at or after writer.page; 1: some has been dealt with; or an error. */
static long write_some(struct inode *inode)
{
	uint64_t list[BATCH];
	long found = kcall(mo_dirty, inode->pages->memory, writer.page, list, (uint64_t)BATCH, 0ul);
	uint64_t count = 1;
	long status;

	if (found <= 0)
		return 0;
	while (count < (uint64_t)found && list[count] == list[0] + count)
		count++;
	if (!(inode->pinned & INODE_DIRTY_PAGES) && !fs.read_only) { /* through a mapping */
		inode_change(inode);
		inode_touch(inode, true);
	}
	status = write_pages(inode, list[0], count);
	if (status == EXT2_WAIT || status == -EAGAIN)
		return status;
	writer.page = list[0] + count;
	return 1;
}

static bool has_dirty_pages(const struct inode *inode)
{
	return inode->pages && ((inode->pinned & INODE_DIRTY_PAGES) || inode->pages->map_written);
}

/* The order of files changes meanwhile: sweeps go on until one finds nothing that this pass has not had. */
static void next_file(struct inode *inode)
{
	for (;; inode = fs.lru.first) {
		while (inode && !(has_dirty_pages(inode) && inode->pages->pass != writer.sweep))
			inode = inode->lru_next;
		if (inode || !writer.found)
			break;
		writer.found = false;
	}
	writer.inode = inode;
	writer.page = 0;
	if (!inode)
		return;
	writer.found = true;
	inode->pages->pass = writer.sweep;
	inode->opens++; /* it stays while we are at it */
}

void data_begin(void)
{
	writer.sweep++;
	writer.found = false;
	next_file(fs.lru.first);
}

static void leave_file(struct inode *inode)
{
	struct mo_info info;

	inode->opens--;
	reap_wake(inode);
	if (kcall(mo_info, inode->pages->memory, &info) < 0 || info.dirty_pages)
		return;
	inode->pinned &= (uint8_t)~INODE_DIRTY_PAGES;
	if (inode->pages->map_written && !pages_mapped(inode))
		inode->pages->map_written = false;
}

/* false: wait. */
bool data_write(void)
{
	while (writer.inode) {
		struct inode *inode = writer.inode, *next;
		long status;

		if (io_count(IO_DATA_WRITE) >= WRITES_MAX)
			return false;
		status = inode->d.links || inode->opens > 1 ? write_some(inode) : 0;
		tx_commit(&fs);
		if (status == EXT2_WAIT)
			write_stalled = true;
		if (status == EXT2_WAIT || status == -EAGAIN)
			return false;
		if (status > 0)
			continue;
		next = inode->lru_next;
		leave_file(inode);
		next_file(next);
	}
	return true;
}
