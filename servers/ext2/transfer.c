/* SPDX-License-Identifier: MIT */
/* read and write: one copy between the caller and the page cache. */
#include "server.h"

#define AHEAD_FIRST 4u
#define AHEAD_MAX 64u
#define CHUNK (256ul << 10) /* written in one transaction */
#define DAY 86400
#define LIMIT_NONE (~0ull)

/* rq->progress[0]: bytes done; [1]: where a read or write through the offset began, plus one; */
#define DONE_BYTES 0
#define STARTED 1

int64_t
    opened_last; /* when a file was opened last, in seconds: near enough to know whether a day has passed */

static uint64_t smaller(uint64_t a, uint64_t b)
{
	return a < b ? a : b;
}

/* As Linux's relatime: when it was older than the last change, or than a day. */
void touch_access(struct inode *inode, uint32_t flags)
{
	struct inode_data *d = &inode->d;
	struct timestamp now;
	bool old = d->atime.seconds < d->mtime.seconds || d->atime.seconds < d->ctime.seconds ||
		   (d->atime.seconds == d->mtime.seconds && d->atime.nanoseconds <= d->mtime.nanoseconds) ||
		   (d->atime.seconds == d->ctime.seconds && d->atime.nanoseconds <= d->ctime.nanoseconds);

	if (refuses_changes(&fs) || (flags & O_NOATIME) || fs.crowded)
		return;
	if (!old && d->atime.seconds + DAY > opened_last)
		return;
	now = time_now();
	inode_change(inode);
	d->atime = now;
}

/* --- reading ------------------------------------------------------------------------------------------ */

/* Keep the device ahead of one who reads from front to back. */
static void read_ahead(struct description *d, uint64_t page, uint64_t end_page)
{
	if (page != d->ahead_expect && page + 1 != d->ahead_expect) {
		d->ahead_size = 0;
		d->ahead_next = end_page;
	} else if (end_page + d->ahead_size / 2 >= d->ahead_next) {
		uint64_t limit = (d->inode->d.size + PAGE_BYTES - 1) >> PAGE_BITS;
		uint64_t from = d->ahead_next > end_page ? d->ahead_next : end_page;

		d->ahead_size = d->ahead_size ? (uint32_t)smaller(2 * d->ahead_size, AHEAD_MAX) : AHEAD_FIRST;
		if (from < limit && from < d->inode->pages->high + AHEAD_MAX)
			pages_fill(d->inode, from, d->ahead_size);
		d->ahead_next = from + d->ahead_size;
	}
	d->ahead_expect = end_page;
}

/* Bytes from `offset` on are not all there: fetch them, and if this reader goes on so, some more. */
static long read_missing(struct request *rq, struct description *d, uint64_t offset, uint64_t length)
{
	uint64_t page = offset >> PAGE_BITS, count = ((offset + length - 1) >> PAGE_BITS) - page + 1;

	if (page == d->ahead_expect || page == d->ahead_expect + 1 || page == 0) {
		d->ahead_size = d->ahead_size ? (uint32_t)smaller(2 * d->ahead_size, AHEAD_MAX) : AHEAD_FIRST;
		if (count < d->ahead_size)
			count = d->ahead_size;
	}
	if (d->ahead_next < page + count)
		d->ahead_next = page + count;
	return pages_wait(rq, d->inode, pages_fill(d->inode, page, count));
}

/* Answers the bytes read; or PARK with what is done in progress; or an error. */
static long read_at(struct request *rq, struct description *d, uint64_t offset, uint64_t length)
{
	struct inode *inode = d->inode;
	uint64_t done = rq->progress[DONE_BYTES];

	while (done < length) {
		long n = request_write_memory(rq, done, inode->pages->memory, offset + done, length - done);

		if (n < 0)
			return n;
		done += (uint64_t)n;
		if (done == length)
			break;
		rq->progress[DONE_BYTES] = done;
		n = read_missing(rq, d, offset + done, length - done);
		if (n == PARK || n == EXT2_WAIT)
			return n;
		if (n < 0 && done)
			break;
		if (n < 0)
			return n;
	}
	read_ahead(d, offset >> PAGE_BITS, (offset + done - 1) >> PAGE_BITS);
	touch_access(inode, d->flags);
	return (long)done;
}

static uint64_t readable(const struct request *rq, const struct inode *inode, uint64_t offset)
{
	if (offset >= inode->d.size)
		return 0;
	return smaller(rq->out_length, inode->d.size - offset);
}

static bool may_read(const struct description *d)
{
	return (d->flags & O_ACCMODE) != O_WRONLY;
}

long file_pread(struct request *rq, const struct file_pread_req *in, struct file_pread_reply *out)
{
	struct description *d = description_of(rq);
	uint64_t length;

	(void)out;
	if (!d || !may_read(d))
		return -EBADF;
	if ((int64_t)in->offset < 0)
		return -EINVAL;
	length = readable(rq, d->inode, in->offset);
	return length ? read_at(rq, d, in->offset, length) : 0;
}

/* Once it has to wait, the stretch that it reads is taken: another reader of the description gets the next. */
static long take_stretch(struct request *rq, struct description *d, uint64_t offset, uint64_t length,
			 long status)
{
	if (status == EXT2_WAIT) {
		tx_rollback(&fs);
		status = wait_for_metadata(rq);
	}
	if (!rq->progress[STARTED]) {
		tx_add(&fs, &rq->progress[STARTED], 16);
		tx_add_word(&fs, &d->offset);
		rq->progress[STARTED] = offset + 1;
		rq->progress[STARTED + 1] = length;
		d->offset = offset + length;
		tx_commit(&fs);
	}
	return status;
}

static void give_back(struct description *d, uint64_t offset, uint64_t length, uint64_t done)
{
	if (d->offset != offset + length)
		return;
	tx_add_word(&fs, &d->offset);
	d->offset = offset + done;
}

long file_read(struct request *rq, const struct file_read_req *in, struct file_read_reply *out)
{
	struct description *d = description_of(rq);
	uint64_t offset, length;
	long status;

	(void)in;
	(void)out;
	if (__builtin_expect(!d || !may_read(d) || d->exec, 0))
		return -EBADF;
	offset = rq->progress[STARTED] ? rq->progress[STARTED] - 1 : d->offset;
	length = rq->progress[STARTED] ? rq->progress[STARTED + 1] : readable(rq, d->inode, offset);
	if (!length)
		return 0;
	status = read_at(rq, d, offset, length);
	if (__builtin_expect(status == PARK || status == EXT2_WAIT, 0))
		return take_stretch(rq, d, offset, length, status);
	if (__builtin_expect(rq->progress[STARTED], 0)) {
		give_back(d, offset, length, status > 0 ? (uint64_t)status : 0);
	} else if (status > 0) {
		tx_add_word(&fs, &d->offset);
		d->offset = offset + (uint64_t)status;
	}
	return status;
}

/* --- writing ---------------------------------------------------------------------------------------------- */

struct stretch {
	struct inode *inode;
	uint64_t offset, length;
	bool fresh; /* some of its blocks have just been allocated */
};

static long allocate(struct stretch *s)
{
	uint64_t block = s->offset >> fs.block_shift;
	uint64_t end = (s->offset + s->length + fs.block_size - 1) >> fs.block_shift;

	while (block < end) {
		struct extent e;
		bool fresh;
		long status = map_alloc(s->inode, block, end - block, &e, &fresh);

		/* What there is room for is written; the next call then finds nothing. */
		if (status == -ENOSPC && block > s->offset >> fs.block_shift) {
			s->length = (block << fs.block_shift) - s->offset;
			return 0;
		}
		if (status < 0)
			return status;
		s->fresh = s->fresh || fresh;
		block += e.count;
	}
	return 0;
}

/* A page that is written in part: what else is in it must be there. */
static long complete_page(struct stretch *s, uint64_t page)
{
	struct pages *pages = s->inode->pages;
	uint64_t limit = (s->inode->d.size + PAGE_BYTES - 1) >> PAGE_BITS;

	if (page >= pages->high && page >= limit)
		return pages_zero(s->inode, page, 1);
	if (kcall(mo_present, pages->memory, page) == 1)
		return 0;
	return page < limit ? pages_fill(s->inode, page, 1) : pages_zero(s->inode, page, 1);
}

/* Every page of the stretch becomes present. */
static long prepare_pages(struct stretch *s)
{
	uint64_t first = s->offset >> PAGE_BITS, last = (s->offset + s->length - 1) >> PAGE_BITS;
	long status = 0;

	if (s->offset & (PAGE_BYTES - 1))
		status = complete_page(s, first++);
	if (status < 0)
		return status;
	if (last >= first && (s->offset + s->length) & (PAGE_BYTES - 1)) {
		status = complete_page(s, last);
		if (status < 0)
			return status;
		last--;
	}
	return last + 1 > first ? pages_zero(s->inode, first, last + 1 - first) : 0;
}

/* After a copy that failed: pages that were made present for it and hold nothing go again, so that what is on
 * the disk is read in their place. They are clean, others in use stay. */
static void undo_pages(const struct stretch *s)
{
	struct pages *pages = s->inode->pages;
	uint64_t first = s->offset >> PAGE_BITS, last = (s->offset + s->length - 1) >> PAGE_BITS;
	long gone = pages->writing ? 0 : kcall(mo_evict, pages->memory, first, last - first + 1, 0ul);

	if (gone > 0) {
		pages->resident -= smaller((uint64_t)gone, pages->resident);
		pages_resident -= smaller((uint64_t)gone, pages_resident);
	}
}

/* The first try is without looking whether the pages are there: mostly they are. */
static long copy_in(struct request *rq, struct stretch *s, uint64_t done)
{
	struct pages *pages = s->inode->pages;
	bool new_pages = (s->offset + s->length - 1) >> PAGE_BITS >= pages->high;
	long n = 0, status;

	if (!new_pages) {
		n = request_read_memory(rq, done, pages->memory, s->offset, s->length);
		if (n < 0 || (uint64_t)n == s->length)
			return n;
	}
	/* What has been copied is dirty; only the rest is prepared. */
	struct stretch rest = { s->inode, s->offset + (uint64_t)n, s->length - (uint64_t)n, s->fresh };

	status = prepare_pages(&rest);
	if (status < 0)
		return n > 0 ? n : status;
	status = request_read_memory(rq, done + (uint64_t)n, pages->memory, rest.offset, rest.length);
	if (status < 0) {
		undo_pages(&rest);
		return n > 0 ? n : status;
	}
	return n + status;
}

static void drop_set_id(struct inode *inode)
{
	uint32_t mode = inode->d.mode;

	if (fs.privileged || !(mode & (S_ISUID | S_ISGID)))
		return;
	mode &= ~S_ISUID;
	if ((mode & (S_ISGID | 010)) == (S_ISGID | 010))
		mode &= ~S_ISGID;
	inode->d.mode = mode;
}

#define WRITE_AGAIN (-4002l) /* the same with s->length as it is now */
#define WRITE_LATER (-4003l) /* when the transaction has been closed */

/* One transaction's worth. Answers the bytes written, or a status. */
static long write_stretch(struct request *rq, struct stretch *s, uint64_t done)
{
	struct inode *inode = s->inode;
	long n;

	if (s->offset > inode->d.size || (s->offset == inode->d.size && inode->pages->map_written)) {
		n = pages_clean_tail(inode);
		if (n < 0)
			return n;
	}
	n = allocate(s);
	if (n < 0)
		return n;
	if (s->fresh && !write_fresh())
		return WRITE_LATER;
	if (s->offset + s->length > inode->pages->object_size) {
		n = pages_resize(inode, s->offset + s->length);
		if (n < 0)
			return n;
	}
	n = copy_in(rq, s, done);
	if (n <= 0)
		return n ? n : -EIO;
	if ((uint64_t)n < s->length) { /* not one block more than what is written */
		tx_rollback(&fs);
		s->length = (uint64_t)n;
		return WRITE_AGAIN;
	}
	inode_change(inode);
	if (s->offset + (uint64_t)n > inode->d.size) {
		if ((s->offset + (uint64_t)n - 1) >> PAGE_BITS >= (inode->d.size + PAGE_BYTES - 1) >>
		    PAGE_BITS)
			inode->pages->tail_clean = true; /* its last page is a fresh one */
		inode_set_size(inode, s->offset + (uint64_t)n);
	}
	inode_touch(inode, true);
	drop_set_id(inode);
	write_note_dirty(inode, ((uint64_t)n >> PAGE_BITS) + 1);
	return n;
}

static long wait_status(struct request *rq, struct inode *inode, long status)
{
	tx_rollback(&fs);
	if (status == EXT2_WAIT)
		return wait_for_metadata(rq);
	return pages_wait(rq, inode, status);
}

static long write_at(struct request *rq, struct inode *inode, uint64_t offset, uint64_t length)
{
	uint64_t done = rq->progress[DONE_BYTES], most = CHUNK;

	while (done < length) {
		struct stretch s = { inode, offset + done, smaller(length - done, most), false };
		long n;

		if (inode->pages->trimming)
			return request_park(rq, &inode->pages->waiting);
		if (write_too_much() || write_crowded())
			return write_throttle(rq);
		n = write_stretch(rq, &s, done);
		if (n == WRITE_AGAIN) {
			most = s.length;
			continue;
		}
		if (n == EXT2_WAIT || n == PAGES_WAIT || n == -EAGAIN)
			return wait_status(rq, inode, n);
		if (n < 0) {
			tx_rollback(&fs);
			if (n == WRITE_LATER)
				return write_throttle(rq);
			if (n == -ENOSPC && space_comes()) {
				n = space_wait(rq);
				if (n)
					return n;
				continue;
			}
			return done ? (long)done : n;
		}
		done += (uint64_t)n;
		tx_add_word(&fs, &rq->progress[DONE_BYTES]);
		rq->progress[DONE_BYTES] = done;
		if (done < length)
			tx_commit(&fs);
	}
	return (long)done;
}

static long check_size(const struct request *rq, uint64_t offset, uint64_t *length)
{
	const struct process_entry *process = process_find(rq->stamp);
	uint64_t limit =
	    process && process->limit_file_size < fs.size_max ? process->limit_file_size : fs.size_max;

	if (offset >= limit)
		return -EFBIG;
	*length = smaller(*length, limit - offset);
	return 0;
}

static long check_write(const struct description *d)
{
	if (!d || (d->flags & O_ACCMODE) == O_RDONLY)
		return -EBADF;
	return refuses_changes(&fs) ? -EROFS : 0;
}

/* O_SYNC, O_DSYNC: the bytes are written; now wait for the disk. progress[3] says so when it runs again. */
static long finish_write(struct request *rq, const struct description *d, long status)
{
	if (status <= 0 || !(d->flags & O_DSYNC))
		return status;
	tx_add(&fs, &rq->progress[3], 8);
	rq->progress[3] = (uint64_t)status;
	tx_commit(&fs);
	return write_wait(rq, WRITE_SAFE) ? PARK : status;
}

long file_pwrite(struct request *rq, const struct file_pwrite_req *in, struct file_pwrite_reply *out)
{
	struct description *d = description_of(rq);
	uint64_t length = rq->in_length, offset = in->offset;
	long status = check_write(d);

	(void)out;
	if (status < 0)
		return status;
	if (rq->progress[3])
		return finish_write(rq, d, (long)rq->progress[3]);
	if ((int64_t)offset < 0)
		return -EINVAL;
	if ((d->flags & O_APPEND) && !rq->progress[DONE_BYTES])
		offset = d->inode->d.size;
	if (!length)
		return 0;
	status = check_size(rq, offset, &length);
	act_for(rq->stamp);
	return status < 0 ? status : finish_write(rq, d, write_at(rq, d->inode, offset, length));
}

long file_write(struct request *rq, const struct file_write_req *in, struct file_write_reply *out)
{
	struct description *d = description_of(rq);
	uint64_t offset, length = rq->in_length;
	long status = check_write(d);

	(void)in;
	(void)out;
	if (status < 0)
		return status;
	if (rq->progress[3])
		return finish_write(rq, d, (long)rq->progress[3]);
	if (!length)
		return 0;
	offset = rq->progress[STARTED] ? rq->progress[STARTED] - 1
		 : d->flags & O_APPEND ? d->inode->d.size
				       : d->offset;
	status = check_size(rq, offset, &length);
	if (status < 0)
		return status;
	act_for(rq->stamp);
	status = write_at(rq, d->inode, offset, length);
	if (status == PARK) {
		if (!rq->progress[STARTED])
			rq->progress[STARTED] = offset + 1;
		return PARK;
	}
	if (status > 0) {
		tx_add_word(&fs, &d->offset);
		d->offset = offset + (uint64_t)status;
	}
	return finish_write(rq, d, status);
}
