/* SPDX-License-Identifier: MIT */
/*
 * The page cache of files: a paged memory object for each, filled by DMA straight from the device, copied from
 * and to without being mapped here.
 */
#include "server.h"

#define FILL_MAX 64u  /* pages in one request to the device */
#define AROUND 8u     /* pages brought in with the one that faulted */
#define FILLS_MAX 48u /* read-ahead leaves the rest of the pool alone */

uint64_t pages_resident, pages_budget;

static const uint8_t zeros[PAGE_BYTES];

static uint32_t blocks_in_page(void)
{
	return 4096u >> fs.block_shift;
}

static uint64_t pages_of(uint64_t bytes)
{
	return (bytes + PAGE_BYTES - 1) >> PAGE_BITS;
}

static void count_resident(struct pages *pages, int64_t change)
{
	if (change < 0 && pages->resident < (uint64_t)-change)
		change = -(int64_t)pages->resident;
	fs.attention = true;
	pages->resident += (uint64_t)change;
	pages_resident += (uint64_t)change;
}

struct pages *pages_get(struct inode *inode)
{
	struct pages *pages = inode->pages;
	long memory;

	if (pages)
		return pages;
	pages = pheap_alloc(sizeof *pages);
	if (!pages)
		return NULL;
	pages->object_size = inode->d.size;
	memory = kcall(mo_create_paged, SLOT_ENDPOINT, pages, pages->object_size);
	if (memory < 0) {
		pheap_free(pages);
		return NULL;
	}
	pages->memory = (cap_t)memory;
	pages->inode = inode;
	pages->tag = TAG_PAGES;
	inode->pages = pages;
	return pages;
}

void pages_free(struct inode *inode)
{
	struct pages *pages = inode->pages;

	if (!pages)
		return;
	inode->pages = NULL;
	waitq_wake(&pages->waiting);
	count_resident(pages, -(int64_t)pages->resident);
	kcall(cap_close, pages->memory);
	locks_free(&pages->locks);
	pages->tag = 0;
	pheap_free(pages);
	inode->pinned = 0;
}

void core_inode_gone(struct inode *inode)
{
	pages_free(inode);
}

long pages_wait(struct request *rq, struct inode *inode, long status)
{
	if (status == PAGES_WAIT)
		return request_park(rq, &inode->pages->waiting);
	return status == -EAGAIN ? io_park(rq) : status;
}

/* Growing goes ahead of a writer unless somebody could see it through a mapping. */
long pages_resize(struct inode *inode, uint64_t size)
{
	struct pages *pages = inode->pages;
	struct mo_info info;
	long status;

	if (!(inode->pinned & INODE_MAPPED)) {
		if (size <= pages->object_size && size >= inode->d.size)
			return 0;
		if (size > pages->object_size)
			size = pages_of(size + size / 2 + 16 * PAGE_BYTES) << PAGE_BITS;
	}
	status = kcall(mo_resize, pages->memory, size);
	if (status < 0)
		return status;
	if (size < pages->object_size && kcall(mo_info, pages->memory, &info) == 0)
		count_resident(pages, (int64_t)(info.resident_pages - pages->resident));
	if (pages->high > pages_of(size))
		pages->high = pages_of(size);
	pages->object_size = size;
	return 0;
}

/* --- bringing in ------------------------------------------------------------------------------------- */

static void end_fill(struct pages *pages, uint64_t page, uint64_t count, bool good)
{
	kcall(mo_fill_end, pages->memory, page, count, good ? 1ul : 0ul);
	if (!good)
		return;
	count_resident(pages, (int64_t)count);
	if (page + count > pages->high)
		pages->high = page + count;
}

static long begin_fill(struct pages *pages, uint64_t page, uint64_t count)
{
	long got = kcall(mo_fill_begin, pages->memory, page, count);

	if (got == -ENOMEM) {
		pages_shrink();
		got = kcall(mo_fill_begin, pages->memory, page, count);
	}
	return got;
}

static bool send_fill(struct inode *inode, uint64_t page, uint64_t count, uint64_t offset, uint64_t physical,
		      uint64_t blocks)
{
	struct io *io = io_new(IO_FILL);

	if (!io)
		return false;
	io->inode = inode;
	io->page = page;
	io->count = count;
	io->offset = (page << PAGE_BITS) + offset;
	io->length = blocks << fs.block_shift;
	io->sector = physical << (fs.block_shift - 9);
	inode->pages->reading++;
	inode->pinned |= INODE_IO;
	io_send(io, inode->pages->memory);
	return true;
}

void pages_fill_done(struct io *io, long status)
{
	struct inode *inode = io->inode;
	struct pages *pages = inode->pages;
	bool last = !io_fill_pending(io), failed = io->failed || status < 0;

	pages->reading--;
	if (!pages->reading && !pages->writing) {
		inode->pinned &= (uint8_t)~INODE_IO;
		reap_wake(inode);
	}
	if (last) {
		end_fill(pages, io->page, io->count, !failed);
		if (failed && status != -ERESTART)
			failure_note(inode, io->page);
		waitq_wake(&pages->waiting);
	}
	io_drop(io);
	if (!last && failed)
		io_fail_rest(inode, io->page);
}

/* What to do for one page whose blocks do not lie together. */
struct piece {
	uint64_t physical;
	uint32_t block, count; /* block: in the page */
};

static long find_pieces(struct inode *inode, uint64_t page, struct piece *pieces)
{
	uint32_t per_page = blocks_in_page(), block = 0, found = 0;

	while (block < per_page) {
		struct extent e;
		long status = map_find(inode, page * per_page + block, per_page - block, &e);

		if (status == -EFBIG)
			break;
		if (status < 0)
			return status;
		if (e.physical)
			pieces[found++] = (struct piece){ e.physical, block, (uint32_t)e.count };
		block += (uint32_t)e.count;
	}
	return found;
}

static long fill_pieces(struct inode *inode, uint64_t page)
{
	struct piece pieces[4];
	long count = find_pieces(inode, page, pieces), got;

	if (count < 0)
		return count;
	got = begin_fill(inode->pages, page, 1);
	if (got <= 0)
		return got;
	if (!count)
		end_fill(inode->pages, page, 1, true);
	for (long i = 0; i < count; i++) {
		if (send_fill(inode, page, 1, (uint64_t)pieces[i].block << fs.block_shift, pieces[i].physical,
			      pieces[i].count))
			continue;
		/* Those that are out end the fill, as a failure; else nobody does. */
		if (i)
			io_fail_rest(inode, page);
		else
			end_fill(inode->pages, page, 1, false);
		return i ? 1 : -EAGAIN;
	}
	return 1;
}

/* Whole pages in one piece, or a hole. Answers how many pages are taken care of from `page` on. */
static long fill_run(struct inode *inode, uint64_t page, uint64_t count)
{
	uint32_t per_page = blocks_in_page();
	uint64_t limit = mount.max_sectors >> (PAGE_BITS - 9);
	struct extent e;
	long status, got;

	if (count > FILL_MAX)
		count = FILL_MAX;
	if (limit && count > limit)
		count = limit;
	status = map_find(inode, page * per_page, count * per_page, &e);
	if (status < 0)
		return status;
	if (e.count < per_page)
		return fill_pieces(inode, page);
	got = begin_fill(inode->pages, page, e.count / per_page);
	if (got <= 0)
		return got;
	if (!e.physical)
		end_fill(inode->pages, page, (uint64_t)got, true);
	else if (!send_fill(inode, page, (uint64_t)got, 0, e.physical, (uint64_t)got * per_page)) {
		end_fill(inode->pages, page, (uint64_t)got, false);
		return -EAGAIN;
	}
	return got;
}

/* -EAGAIN: the pool is full; what is under way is for others. */
static long wait_or_fail(struct inode *inode, uint64_t page)
{
	switch (kcall(mo_present, inode->pages->memory, page)) {
	case 1: return 0;
	case 2: return PAGES_WAIT;
	}
	return -EAGAIN;
}

long pages_fill(struct inode *inode, uint64_t page, uint64_t count)
{
	uint64_t limit = pages_of(inode->d.size), first = page;
	long got;

	if (failure_take(inode, page))
		return -EIO;
	if (page >= limit)
		return -EINVAL;
	if (count > limit - page)
		count = limit - page;
	while (count) {
		if (page != first && io_count(IO_FILL) > FILLS_MAX)
			break;
		got = fill_run(inode, page, count);
		if (got <= 0) {
			if (page == first && got < 0 && got != -EAGAIN)
				return got;
			break;
		}
		page += (uint64_t)got;
		count -= (uint64_t)got < count ? (uint64_t)got : count;
	}
	return wait_or_fail(inode, first);
}

long pages_zero(struct inode *inode, uint64_t page, uint64_t count)
{
	while (count) {
		long got = begin_fill(inode->pages, page, count);

		if (got < 0)
			return got;
		if (!got) { /* it is there, or somebody reads it */
			if (kcall(mo_present, inode->pages->memory, page) != 1)
				return PAGES_WAIT;
			page++;
			count--;
			continue;
		}
		end_fill(inode->pages, page, (uint64_t)got, true);
		page += (uint64_t)got;
		count -= (uint64_t)got;
	}
	return 0;
}

long pages_clean_tail(struct inode *inode)
{
	uint64_t size = inode->d.size, page = size >> PAGE_BITS, in_page = size & (PAGE_BYTES - 1);
	struct pages *pages = inode->pages;
	long status;

	if (!in_page || (pages->tail_clean && !pages->map_written))
		return 0;
	if (kcall(mo_present, pages->memory, page) != 1) {
		status = pages_fill(inode, page, 1);
		if (status < 0)
			return status;
	}
	status = kcall(mo_write, pages->memory, size, zeros, PAGE_BYTES - in_page);
	if (status < 0)
		return status;
	pages->tail_clean = true;
	write_note_dirty(inode, 1);
	return 0;
}

long page_fault(struct request *rq)
{
	struct pages *pages = (struct pages *)rq->badge;
	long status;

	if (rq->badge < BADGE_FIRST_OWN || !is_ours(rq->badge) || pages->tag != TAG_PAGES)
		return -EIO;
	status = pages_fill(pages->inode, rq->words[0], AROUND);
	return pages_wait(rq, pages->inode, status);
}

/* --- letting go ------------------------------------------------------------------------------------------ */

bool pages_mapped(struct inode *inode)
{
	struct mo_info info;

	if (!(inode->pinned & INODE_MAPPED))
		return false;
	if (kcall(mo_info, inode->pages->memory, &info) < 0 || info.mappings || inode->opens)
		return true;
	inode->pinned &= (uint8_t)~INODE_MAPPED;
	return false;
}

static void evict_from(struct inode *inode, bool only_idle)
{
	struct pages *pages = inode->pages;
	long gone;

	if (!pages || !pages->resident || pages->writing || pages->reading)
		return;
	gone = kcall(mo_evict, pages->memory, 0ul, ~0ul >> PAGE_BITS, only_idle ? 1ul : 0ul);
	if (gone > 0)
		count_resident(pages, -gone);
}

static uint64_t aim(void)
{
	return pages_budget - pages_budget / 8;
}

static void evict_round(bool open_too, bool only_idle)
{
	struct inode *inode = fs.lru.first;

	for (; inode && pages_resident > aim(); inode = inode->lru_next)
		if (open_too || (!inode->opens && !(inode->pinned & INODE_MAPPED)))
			evict_from(inode, only_idle);
}

void pages_drop(void)
{
	for (struct inode *inode = fs.lru.first; inode; inode = inode->lru_next) {
		pages_mapped(inode);
		evict_from(inode, false);
	}
}

/* Files that nobody has open first, oldest first; then what nobody has used since the last time. */
void pages_shrink(void)
{
	evict_round(false, true);
	if (pages_resident > aim())
		evict_round(true, true);
	if (pages_resident > aim())
		evict_round(false, false);
	if (pages_resident > aim())
		evict_round(true, false);
}
