/* SPDX-License-Identifier: MIT */
/* Changing the size of a file: pages first, then blocks, a bounded number at a time. */
#include "server.h"

static long grow(struct request *rq, struct inode *inode, uint64_t size)
{
	long status = pages_clean_tail(inode);

	if (status == PAGES_WAIT || status == -EAGAIN)
		return pages_wait(rq, inode, status);
	if (status == 0)
		status = pages_resize(inode, size);
	if (status < 0)
		return status;
	inode_change(inode);
	inode_set_size(inode, size);
	inode_touch(inode, true);
	return 0;
}

/* The tail of what is then the last page is zeroed by the kernel, but only if it is in memory. */
static void cut_pages(struct inode *inode, uint64_t size)
{
	static const uint8_t zero;
	struct pages *pages = inode->pages;
	struct mo_info info;

	kcall(mo_resize, pages->memory, size);
	pages->object_size = size;
	pages->tail_clean = !(size & (PAGE_BYTES - 1));
	if (pages->high > (size + PAGE_BYTES - 1) >> PAGE_BITS)
		pages->high = (size + PAGE_BYTES - 1) >> PAGE_BITS;
	if (kcall(mo_info, pages->memory, &info) == 0 && info.resident_pages < pages->resident) {
		pages_resident -= pages->resident - info.resident_pages;
		pages->resident = info.resident_pages;
	}
	/* So that the zeros get to the disk. */
	if (!pages->tail_clean && kcall(mo_present, pages->memory, size >> PAGE_BITS) == 1) {
		uint8_t byte = zero;

		kcall(mo_read, pages->memory, size - 1, &byte, 1ul);
		kcall(mo_write, pages->memory, size - 1, &byte, 1ul);
		pages->tail_clean = true;
		write_note_dirty(inode, 1);
	}
}

/* Each step holds by itself; a restart goes on with what is left, and so does the next mount. */
static long trim_blocks(struct request *rq, struct inode *inode)
{
	uint64_t first = (inode->d.size + fs.block_size - 1) >> fs.block_shift;
	long status;

	do {
		status = map_trim(inode, first);
		tx_commit(&fs);
	} while (status == EXT2_MORE && !write_crowded());
	if (status == EXT2_MORE)
		return write_throttle(rq);
	if (status == EXT2_WAIT)
		return wait_for_metadata(rq);
	orphan_end_trim(inode);
	tx_commit(&fs);
	inode->pages->trimming = false;
	waitq_wake(&inode->pages->waiting);
	return status;
}

static void begin_cut(struct request *rq, struct inode *inode, uint64_t size)
{
	inode_change(inode);
	inode->d.size = size;
	inode_touch(inode, true);
	orphan_add(inode);
	tx_add(&fs, &inode->pages->trimming, sizeof inode->pages->trimming);
	inode->pages->trimming = true;
	tx_add(&fs, &rq->progress[PROGRESS_TRUNCATE], 8);
	rq->progress[PROGRESS_TRUNCATE] = TRUNCATE_CUT;
	tx_commit(&fs);
}

long inode_truncate(struct request *rq, struct inode *inode, uint64_t size)
{
	if (refuses_changes(&fs))
		return -EROFS;
	if (size > fs.size_max)
		return -EFBIG;
	if ((inode->d.mode & S_IFMT) != S_IFREG)
		return -EINVAL;
	if (!pages_get(inode))
		return -ENOMEM;
	if (!rq->progress[PROGRESS_TRUNCATE]) {
		if (inode->pages->trimming || inode->pages->writing)
			return request_park(rq, &inode->pages->waiting);
		if (size >= inode->d.size)
			return grow(rq, inode, size);
		begin_cut(rq, inode, size);
	}
	if (rq->progress[PROGRESS_TRUNCATE] == TRUNCATE_CUT) {
		cut_pages(inode, size);
		rq->progress[PROGRESS_TRUNCATE] = TRUNCATE_TRIM;
	}
	return trim_blocks(rq, inode);
}
