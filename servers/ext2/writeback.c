/* SPDX-License-Identifier: MIT */
/*
 * Writing back. One pass goes through the phases below; it never blocks, but stops where it has to wait and
 * goes on from there at the next answer. Whoever syncs waits for a pass that began after him.
 *
 * The superblock says "clean" only while nothing on the disk lags behind: before the first write of a pass it
 * is made to say otherwise, and after a sync, if all is written and no unlinked file is open, clean again.
 *
 * With a journal a pass is a transaction: data first; a second time for what was written meanwhile, while nobody may
 * add blocks to files; then all dirty metadata are frozen at one instant, between two operations, and go through
 * the phases of journal.h. Whoever syncs is released when the commit block has been flushed.
 */
#include "writer.h"

#define LAZY_NS 5000000000ull /* from the first change to the pass that writes it */
#define META_ROUNDS 16u

PRESERVED struct writer writer;
static PRESERVED uint64_t dirty_pages; /* about: told by writers, counted anew by each pass */
static enum write_level asked;         /* for the next pass, 0: nobody has */
bool write_stalled;
static bool running, closing;
static bool fresh = true; /* blocks have been added to files since this pass has begun with the data */
static struct waitq done_queue, room_queue;
static struct timer lazy_timer;

static void lazy(struct timer *timer)
{
	(void)timer;
	if (asked < WRITE_LAZY)
		asked = WRITE_LAZY;
	write_run();
	reap_run();
}

void write_timer(uint64_t ns)
{
	if (!lazy_timer.deadline)
		timer_start(&lazy_timer, clock_monotonic_ns() + ns, lazy);
}

void write_soon(void)
{
	if (asked)
		return;
	asked = WRITE_LAZY;
	fs.attention = true;
}

void write_note_dirty(struct inode *inode, uint64_t pages)
{
	inode->pinned |= INODE_DIRTY_PAGES;
	dirty_pages += pages;
	write_timer(LAZY_NS);
	if (dirty_pages > pages_budget / 4)
		write_soon();
}

static bool anything_dirty(void)
{
	return fs.dirty.first || fs.cache.dirty.count || dirty_pages || fs.super_dirty;
}

/* Called after every operation: what it has made dirty is written some time. */
static void watch_dirty(void)
{
	if (writer.phase == IDLE && !lazy_timer.deadline && anything_dirty() && !fs.read_only)
		write_timer(LAZY_NS);
}

/* --- the phases --------------------------------------------------------------------------------------- */

/* What the core has changed holds if it is not waiting: true. */
static bool held(long status)
{
	if (status == EXT2_WAIT) {
		tx_rollback(&fs);
		write_stalled = true;
		return false;
	}
	tx_commit(&fs);
	return true;
}

static bool store_inodes(void)
{
	while (fs.dirty.first) {
		struct inode *inode = fs.dirty.first;
		long status = inode_store(inode);

		if (!held(status))
			return false;
		if (status < 0) { /* the table cannot be read: nothing can be done about this one */
			write_failed(status);
			inode->loaded = false;
			inode_store(inode);
		}
	}
	return true;
}

static bool store_super(bool clean)
{
	return held(super_store(&fs, clean));
}

bool write_settled(void)
{
	return !io_count(IO_DATA_WRITE) && !io_count(IO_META_WRITE) && !io_count(IO_LOG);
}

/* A further round for parts of pages whose other part was on its way, and what has become dirty since; not for what
 * the device does not take: that is for the next pass. */
static bool write_meta(void)
{
	for (;;) {
		if (meta_write_some(&writer.meta_page) || !write_settled())
			return false;
		if (!fs.cache.dirty.count || writer.level == WRITE_LAZY || writer.meta_error ||
		    ++writer.rounds > META_ROUNDS)
			return true;
		writer.meta_page = 0;
	}
}

static void begin_data(void)
{
	dirty_pages = 0;
	fresh = false;
	data_begin();
	writer.phase = DATA;
}

static void begin_pass(void)
{
	writer.level = asked;
	asked = 0;
	writer.begun += !writer.again;
	writer.again = false;
	writer.error = writer.meta_error = 0;
	writer.rounds = 0;
	writer.meta_page = 0;
	writer.leftover = fs.journal.phase != JOURNAL_IDLE;
	journal_restart(&fs);
	if (fs.disk_valid && !writer.leftover && anything_dirty())
		writer.phase = UNCLEAN;
	else
		begin_data();
}

static void send_flush(void)
{
	struct io *io = io_count(IO_FLUSH) ? NULL : io_new(IO_FLUSH);

	if (!io)
		return;
	writer.flush = FLUSH_SENT;
	io_send(io, CAP_NONE);
}

bool write_flushed(void)
{
	if (writer.flush == FLUSH_NONE)
		send_flush();
	if (writer.flush != FLUSH_ANSWERED)
		return false;
	writer.flush = FLUSH_NONE;
	return true;
}

/* What this pass has taken is on the disk, or has failed. */
static void release_waiting(void)
{
	if (!writer.again)
		writer.committed = writer.begun;
	writer.last_meta_error = writer.meta_error;
	waitq_wake(&done_queue);
	waitq_wake(&room_queue);
}

static void end_pass(void)
{
	writer.phase = IDLE;
	closing = false;
	writer.again = writer.again && !writer.meta_error;
	if (writer.again && asked < writer.level)
		asked = writer.level;
	if (!writer.again)
		writer.finished = writer.begun;
	release_waiting();
	for (struct inode *inode = fs.lru.first; inode; inode = inode->lru_next)
		if (inode->pages && inode->pages->map_written)
			write_timer(LAZY_NS);
	watch_dirty();
	reap_run();
}

static bool can_be_clean(void)
{
	return writer.level == WRITE_CLEAN && !writer.again && (fs.state_at_mount & EXT2_STATE_VALID) &&
	       !writer.error && !fs.orphans && !fs.has_errors && !fs.cache.dirty.count && !fs.dirty.first &&
	       !dirty_pages && !fs.disk_valid;
}

/* Of each phase: whether to go on at once. */
static bool go_to(bool done, enum phase next)
{
	if (done)
		writer.phase = next;
	return done;
}

static bool finish(void)
{
	if (!can_be_clean()) {
		end_pass();
		return true;
	}
	if (fs.journal.ready)
		journal_close(&fs);
	return go_to(true, fs.journal.ready ? CLOSE : CLEAN);
}

static bool do_idle(void)
{
	if (asked)
		begin_pass();
	return writer.phase != IDLE;
}

/* With a journal the superblock is written as it lies on the disk, but for this feature: its counts are
 * a transaction's. */
static bool do_unclean(void)
{
	bool done = fs.journal.ready ? held(super_set_recover(&fs)) : store_super(false);

	return go_to(done && meta_write_super(), UNCLEAN_WAIT);
}

/* The log may be used only when the disk says so. */
static bool do_unclean_wait(void)
{
	if (!write_settled() || (fs.journal.ready && !write_flushed()))
		return false;
	if (fs.journal.ready && writer.meta_error) {
		end_pass();
		return true;
	}
	fs.disk_valid = false;
	begin_data();
	return true;
}

static bool do_data(void)
{
	if (!data_write())
		return false;
	if (writer.leftover)
		return go_to(true, LOG);
	closing = fs.journal.ready && fresh;
	if (closing)
		data_begin();
	return go_to(true, closing ? CLOSING : INODES);
}

static bool do_closing(void)
{
	return go_to(data_write(), INODES);
}

/* All operations are whole: we run between them. */
static bool freeze(void)
{
	long blocks = journal_freeze(&fs);

	closing = false;
	write_watch();
	waitq_wake(&room_queue);
	if (blocks >= 0)
		return go_to(true, blocks ? LOG : SETTLE);
	slog("a transaction is too large for the journal: no further changes");
	fs.stopped = true;
	write_failed(-EIO);
	end_pass();
	return true;
}

static bool do_inodes(void)
{
	if (!store_inodes() || (fs.super_dirty && !store_super(false)))
		return false;
	return fs.journal.ready ? freeze() : go_to(true, META);
}

static bool do_log(void)
{
	enum log_result result = log_phase();

	if (result == LOG_FAILED) {
		writer.again = false;
		end_pass();
		return true;
	}
	if (result == LOG_DONE && fs.journal.phase == JOURNAL_HOME && !writer.leftover)
		release_waiting();
	if (result == LOG_DONE && fs.journal.phase == JOURNAL_IDLE) {
		writer.again = writer.again || writer.leftover;
		return finish();
	}
	return result == LOG_DONE;
}

static bool do_close(void)
{
	enum log_result result = log_phase();

	if (result == LOG_FAILED)
		end_pass();
	return result == LOG_FAILED || go_to(result == LOG_DONE, CLEAN);
}

static bool do_meta(void)
{
	return go_to(write_meta(), SETTLE);
}

static bool do_settle(void)
{
	if (write_settled() && writer.level == WRITE_LAZY) {
		end_pass();
		return true;
	}
	return go_to(write_settled(), FLUSH);
}

static bool do_flush(void)
{
	return write_flushed() && finish();
}

static bool do_clean(void)
{
	fs.disk_valid = true;
	return go_to(store_super(true) && meta_write_super(), CLEAN_WAIT);
}

static bool do_clean_wait(void)
{
	return go_to(write_settled(), CLEAN_FLUSH);
}

static bool do_clean_flush(void)
{
	bool done = write_flushed();

	if (done)
		end_pass();
	return done;
}

static bool step(void)
{
	static bool (*const phases[])(void) = {
		[IDLE] = do_idle,       [UNCLEAN] = do_unclean,       [UNCLEAN_WAIT] = do_unclean_wait,
		[DATA] = do_data,       [INODES] = do_inodes,         [META] = do_meta,
		[SETTLE] = do_settle,   [FLUSH] = do_flush,           [CLEAN] = do_clean,
		[CLOSING] = do_closing, [CLEAN_WAIT] = do_clean_wait, [CLEAN_FLUSH] = do_clean_flush,
		[LOG] = do_log,         [CLOSE] = do_close,
	};

	return phases[writer.phase]();
}

/* One that an earlier incarnation has sent does not cover what this one has written. */
void flush_done(long status)
{
	if (writer.flush != FLUSH_SENT)
		return;
	writer.flush = status == -ERESTART ? FLUSH_NONE : FLUSH_ANSWERED;
	if (status < 0 && status != -ERESTART && status != -ENOSYS && status != -EOPNOTSUPP)
		write_failed(status);
}

/* Steps end the pass or wait; an answer that comes at once (there is none now) would come in here again. */
void write_run(void)
{
	if (running || write_stalled || !(mount.mounted || mount.recovering))
		return;
	running = true;
	while (step())
		;
	running = false;
	watch_dirty();
}

void write_kick(void)
{
	write_stalled = false;
	reap_run();
}

long write_wait(struct request *rq, enum write_level level)
{
	if (fs.read_only && !mount.recovering)
		return 0;
	if (!rq->progress[4])
		rq->progress[4] = writer.begun + 1;
	if ((level == WRITE_CLEAN ? writer.finished : writer.committed) >= rq->progress[4])
		return 0;
	if (asked < level)
		asked = level;
	fs.attention = true;
	return request_park(rq, &done_queue);
}

void write_room(void)
{
	waitq_wake(&room_queue);
}

/* --- too much --------------------------------------------------------------------------------------------- */

bool write_too_much(void)
{
	return dirty_pages > pages_budget / 2;
}

/* At half of that the writing begins; at that writers wait for it. */
long write_throttle(struct request *rq)
{
	write_soon();
	fs.attention = true;
	return request_park(rq, &room_queue);
}

bool write_fresh(void)
{
	fresh = true;
	return !closing;
}

bool write_crowded(void)
{
	return journal_holds(&fs, JOURNAL_CROWDED);
}

/* Blocks are free as soon as the next transaction is on the disk. Not while nothing can be committed. */
static bool space_kept(void)
{
	return journal_keeps(&fs.journal) && !writer.last_meta_error;
}

bool space_comes(void)
{
	return reap_pending() || space_kept();
}

/* Reaping goes on by itself when what it waits for has come: no pass is needed for it. */
long space_wait(struct request *rq)
{
	reap_run();
	if (space_kept() || write_crowded())
		return write_throttle(rq);
	return reap_pending() ? request_park(rq, &room_queue) : 0;
}

void write_watch(void)
{
	fs.crowded = write_crowded();
	if (journal_holds(&fs, JOURNAL_SOON))
		write_soon();
}

/* The files' counts of openers have been made anew. */
void write_recover(void)
{
	if (writer.taken && writer.taken->pages)
		data_redirty(writer.taken->pages, writer.taken_page, writer.taken_count);
	asked = writer.phase == IDLE ? WRITE_LAZY : writer.level;
	writer.taken = writer.inode = NULL;
	writer.phase = IDLE;
	writer.flush = FLUSH_NONE;
	writer.again = false;
	writer.finished = writer.committed = writer.begun;
	journal_restart(&fs);
	if (!fs.journal.ready)
		fs.disk_valid = false;
	fs.super_dirty = true;
	dirty_pages++;
}

void write_failed(long status)
{
	writer.error = writer.meta_error = status;
}

long write_result(void)
{
	return writer.last_meta_error;
}
