/* SPDX-License-Identifier: MIT */
/*
 * Writing back. One pass goes through the phases below; it never blocks, but stops where it has to wait and
 * goes on from there at the next answer. Whoever syncs waits for a pass that began after him.
 *
 * The superblock says "clean" only while nothing on the disk lags behind: before the first write of a pass it
 * is made to say otherwise, and after a sync, if all is written and no unlinked file is open, clean again.
 */
#include "server.h"

#define LAZY_NS 5000000000ull  /* from the first change to the pass that writes it */
#define RETRY_NS 1000000000ull
#define BATCH 64u
#define WRITES_MAX 24u
#define META_ROUNDS 16u
#define REAP_STEPS 64u /* of some thousand blocks each */

enum phase { IDLE, UNCLEAN, UNCLEAN_WAIT, DATA, INODES, META, SETTLE, FLUSH, FLUSHING, CLEAN, CLEAN_WAIT, CLEAN_FLUSH };

static PRESERVED struct writer {
	enum phase phase;
	enum write_level level;  /* of the pass */
	uint64_t begun, finished; /* passes */
	long error;
	struct inode *inode;     /* DATA: where we are */
	uint64_t page;
	bool found;              /* this sweep through the files has found a dirty one */
	uint32_t rounds;
	/* Pages marked clean and not all sent yet. */
	struct inode *taken;
	uint64_t taken_page, taken_count;
} writer;
static PRESERVED uint64_t dirty_pages; /* about: told by writers, counted anew by each pass */
static enum write_level asked;         /* for the next pass, 0: nobody has */
static bool stalled;                   /* until a metadata page comes */
static bool running;
static struct waitq done_queue, room_queue;
static struct timer lazy_timer, reap_timer;

static void lazy(struct timer *timer)
{
	(void)timer;
	if (asked < WRITE_LAZY)
		asked = WRITE_LAZY;
	write_run();
	reap_run();
}

static void start_timer(uint64_t ns)
{
	if (!lazy_timer.deadline)
		timer_start(&lazy_timer, clock_monotonic_ns() + ns, lazy);
}

void write_note_dirty(struct inode *inode, uint64_t pages)
{
	inode->pinned |= INODE_DIRTY_PAGES;
	dirty_pages += pages;
	start_timer(LAZY_NS);
	if (dirty_pages > pages_budget / 4 && !asked) {
		asked = WRITE_LAZY;
		fs.attention = true;
	}
}

static bool anything_dirty(void)
{
	return fs.dirty.first || fs.cache.dirty.count || dirty_pages || fs.super_dirty;
}

/* Called after every operation: what it has made dirty is written some time. */
static void watch_dirty(void)
{
	if (writer.phase == IDLE && !lazy_timer.deadline && anything_dirty() && !fs.read_only)
		start_timer(LAZY_NS);
}

/* --- data ------------------------------------------------------------------------------------------ */

struct run {
	struct inode *inode;
	uint64_t page, count;    /* pages */
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
static void redirty(struct pages *pages, uint64_t page, uint64_t count)
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
		redirty(pages, io->page, io->count);
	} else if (status < 0) {
		slog("block device: writing inode %u failed: error %ld", inode->number, -status);
		pages->write_error = status;
		writer.error = status;
	}
	pages->writing--;
	if (!pages->reading && !pages->writing)
		inode->pinned &= (uint8_t)~INODE_IO;
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
	uint64_t per_page = 4096u >> fs.block_shift, end = (page + count) * per_page, limit = blocks_limit(inode);
	struct run run = { .inode = inode, .first = page * per_page };

	take_pages(inode, page, count);
	if (end > limit)
		end = limit;
	while (run.first < end) {
		long done = send_piece(&run, end);

		if (done == EXT2_WAIT || done == -EAGAIN) {
			redirty(inode->pages, run.first / per_page, page + count - run.first / per_page);
			writer.taken = NULL;
			return done;
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
		while (inode && !(has_dirty_pages(inode) && inode->pages->pass != writer.begun))
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
	inode->pages->pass = writer.begun;
	inode->opens++; /* it stays while we are at it */
}

static void leave_file(struct inode *inode)
{
	struct mo_info info;

	inode->opens--;
	if (kcall(mo_info, inode->pages->memory, &info) < 0 || info.dirty_pages)
		return;
	inode->pinned &= (uint8_t)~INODE_DIRTY_PAGES;
	if (inode->pages->map_written && !pages_mapped(inode))
		inode->pages->map_written = false;
}

/* false: wait. */
static bool write_data(void)
{
	while (writer.inode) {
		struct inode *inode = writer.inode, *next;
		long status;

		if (io_count(IO_DATA_WRITE) >= WRITES_MAX)
			return false;
		status = inode->d.links || inode->opens > 1 ? write_some(inode) : 0;
		tx_commit(&fs);
		if (status == EXT2_WAIT)
			stalled = true;
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

/* --- the phases --------------------------------------------------------------------------------------- */

static bool store_inodes(void)
{
	while (fs.dirty.first) {
		struct inode *inode = fs.dirty.first;
		long status = inode_store(inode);

		if (status == EXT2_WAIT) {
			tx_rollback(&fs);
			stalled = true;
			return false;
		}
		tx_commit(&fs);
		if (status < 0) { /* the table cannot be read: nothing can be done about this one */
			writer.error = status;
			inode->loaded = false;
			inode_store(inode);
		}
	}
	return true;
}

static bool store_super(bool clean)
{
	long status = super_store(&fs, clean);

	if (status == EXT2_WAIT) {
		tx_rollback(&fs);
		stalled = true;
		return false;
	}
	tx_commit(&fs);
	return true;
}

static bool settled(void)
{
	return !io_count(IO_DATA_WRITE) && !io_count(IO_META_WRITE);
}

static bool write_meta(void)
{
	uint64_t page = 0;

	if (meta_write_some(&page))
		return false;
	if (!settled())
		return false;
	/* Parts of pages whose other part was on its way, and what has become dirty since. */
	return !fs.cache.dirty.count || writer.level == WRITE_LAZY || ++writer.rounds > META_ROUNDS;
}

static void begin_pass(void)
{
	writer.level = asked;
	asked = 0;
	writer.begun++;
	writer.error = 0;
	writer.rounds = 0;
	writer.phase = fs.disk_valid && anything_dirty() ? UNCLEAN : DATA;
	dirty_pages = 0;
	writer.found = false;
	next_file(fs.lru.first);
}

static void send_flush(void)
{
	struct io *io = io_new(IO_FLUSH);

	if (!io)
		return;
	if (writer.phase == FLUSH)
		writer.phase = FLUSHING;
	io_send(io, CAP_NONE);
}

static void end_pass(void)
{
	writer.phase = IDLE;
	writer.finished = writer.begun;
	waitq_wake(&done_queue);
	waitq_wake(&room_queue);
	for (struct inode *inode = fs.lru.first; inode; inode = inode->lru_next)
		if (inode->pages && inode->pages->map_written)
			start_timer(LAZY_NS);
	watch_dirty();
	reap_run();
}

static bool can_be_clean(void)
{
	return writer.level == WRITE_CLEAN && (fs.state_at_mount & EXT2_STATE_VALID) && !writer.error && !fs.orphans && !fs.has_errors &&
	       !fs.cache.dirty.count && !fs.dirty.first && !dirty_pages && !fs.disk_valid;
}

/* Whether there is more to do at once. */
static bool step(void)
{
	switch (writer.phase) {
	case IDLE:
		if (!asked)
			return false;
		begin_pass();
		return true;
	case UNCLEAN:
		if (!store_super(false) || !meta_write_super())
			return false;
		fs.disk_valid = false;
		writer.phase = UNCLEAN_WAIT;
		return true;
	case UNCLEAN_WAIT:
		if (!settled())
			return false;
		writer.phase = DATA;
		return true;
	case DATA:
		if (!write_data())
			return false;
		writer.phase = INODES;
		return true;
	case INODES:
		if (!store_inodes() || (fs.super_dirty && !store_super(false)))
			return false;
		writer.phase = META;
		return true;
	case META:
		if (!write_meta())
			return false;
		writer.phase = SETTLE;
		return true;
	case SETTLE:
		if (!settled())
			return false;
		writer.phase = writer.level == WRITE_LAZY ? IDLE : FLUSH;
		if (writer.phase == IDLE)
			end_pass();
		return true;
	case FLUSH:
		send_flush();
		return false;
	case CLEAN:
		if (!store_super(true) || !meta_write_super())
			return false;
		writer.phase = CLEAN_WAIT;
		return true;
	case CLEAN_WAIT:
		if (!settled())
			return false;
		fs.disk_valid = true;
		writer.phase = CLEAN_FLUSH;
		return true;
	case CLEAN_FLUSH:
		if (!io_count(IO_FLUSH))
			send_flush();
		return false;
	default:
		return false;
	}
}

void flush_done(long status)
{
	if (status == -ERESTART) {
		if (writer.phase == FLUSHING)
			writer.phase = FLUSH;
		return;
	}
	if (status < 0 && status != -ENOSYS && status != -EOPNOTSUPP)
		writer.error = status;
	if (writer.phase == FLUSHING && can_be_clean())
		writer.phase = CLEAN;
	else
		end_pass();
}

/* Steps end the pass or wait; an answer that comes at once (there is none now) would come in here again. */
void write_run(void)
{
	if (running || stalled || !mount.mounted)
		return;
	running = true;
	while (step())
		;
	running = false;
	watch_dirty();
}

void write_kick(void)
{
	stalled = false;
	reap_run();
}

long write_wait(struct request *rq, enum write_level level)
{
	if (fs.read_only)
		return 0;
	if (!rq->progress[4])
		rq->progress[4] = writer.begun + 1;
	if (writer.finished >= rq->progress[4])
		return 0;
	if (asked < level)
		asked = level;
	fs.attention = true;
	return request_park(rq, &done_queue);
}

/* --- too much --------------------------------------------------------------------------------------------- */

bool write_too_much(void)
{
	return dirty_pages > pages_budget / 2;
}

/* At half of that the writing begins; at that writers wait for it. */
long write_throttle(struct request *rq)
{
	if (asked < WRITE_LAZY)
		asked = WRITE_LAZY;
	fs.attention = true;
	return request_park(rq, &room_queue);
}

/* --- unlinked files ------------------------------------------------------------------------------------------ */

static bool reapable(struct inode *inode)
{
	return !inode->held && !inode->opens && !(inode->pinned & INODE_IO) && !pages_mapped(inode);
}

static struct inode *find_reapable(void)
{
	for (struct inode *inode = fs.orphans; inode; inode = inode->orphan_next)
		if (reapable(inode))
			return inode;
	return NULL;
}

bool reap_pending(void)
{
	return !fs.read_only && find_reapable();
}

static bool mapped_orphan(void)
{
	for (struct inode *inode = fs.orphans; inode; inode = inode->orphan_next)
		if (inode->pinned & INODE_MAPPED)
			return true;
	return false;
}

static void reap_on(struct timer *timer)
{
	(void)timer;
	reap_run();
}

/* What a step has freed stays freed even where it has to wait in the middle. */
void reap_run(void)
{
	struct inode *inode;

	if (!mount.mounted || fs.read_only || !fs.orphans)
		return;
	for (unsigned steps = 0; (inode = find_reapable()); steps++) {
		long status;

		if (steps == REAP_STEPS) { /* others first */
			timer_start(&reap_timer, clock_monotonic_ns() + 1, reap_on);
			return;
		}
		pages_free(inode);
		status = inode_delete_step(inode);
		tx_commit(&fs);
		if (status == EXT2_WAIT)
			return; /* write_kick comes back */
	}
	waitq_wake(&room_queue);
	if (mapped_orphan())
		start_timer(RETRY_NS);
	write_run();
}

/* The files' counts of openers have been made anew. */
void write_recover(void)
{
	if (writer.taken && writer.taken->pages)
		redirty(writer.taken->pages, writer.taken_page, writer.taken_count);
	asked = writer.phase == IDLE ? WRITE_LAZY : writer.level;
	writer.taken = writer.inode = NULL;
	writer.phase = IDLE;
	writer.finished = writer.begun;
	fs.disk_valid = false;
	fs.super_dirty = true;
	dirty_pages++;
}

void write_failed(long status)
{
	writer.error = status;
}
