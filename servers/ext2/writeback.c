/* SPDX-License-Identifier: MIT */
/*
 * Writing back. One pass goes through the phases below; it never blocks, but stops where it has to wait and
 * goes on from there at the next answer. Whoever syncs waits for a pass that began after him.
 *
 * The superblock says "clean" only while nothing on the disk lags behind: before the first write of a pass it
 * is made to say otherwise, and after a sync, if all is written and no unlinked file is open, clean again.
 */
#include "writer.h"

#define LAZY_NS 5000000000ull /* from the first change to the pass that writes it */
#define META_ROUNDS 16u

PRESERVED struct writer writer;
static PRESERVED uint64_t dirty_pages; /* about: told by writers, counted anew by each pass */
static enum write_level asked;         /* for the next pass, 0: nobody has */
bool write_stalled;
static bool running;
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

static bool store_inodes(void)
{
	while (fs.dirty.first) {
		struct inode *inode = fs.dirty.first;
		long status = inode_store(inode);

		if (status == EXT2_WAIT) {
			tx_rollback(&fs);
			write_stalled = true;
			return false;
		}
		tx_commit(&fs);
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
	long status = super_store(&fs, clean);

	if (status == EXT2_WAIT) {
		tx_rollback(&fs);
		write_stalled = true;
		return false;
	}
	tx_commit(&fs);
	return true;
}

static bool settled(void)
{
	return !io_count(IO_DATA_WRITE) && !io_count(IO_META_WRITE);
}

/* A further round for parts of pages whose other part was on its way, and what has become dirty since; not for what
 * the device does not take: that is for the next pass. */
static bool write_meta(void)
{
	for (;;) {
		if (meta_write_some(&writer.meta_page) || !settled())
			return false;
		if (!fs.cache.dirty.count || writer.level == WRITE_LAZY || writer.meta_error ||
		    ++writer.rounds > META_ROUNDS)
			return true;
		writer.meta_page = 0;
	}
}

static void begin_pass(void)
{
	writer.level = asked;
	asked = 0;
	writer.begun++;
	writer.error = writer.meta_error = 0;
	writer.rounds = 0;
	writer.meta_page = 0;
	writer.phase = fs.disk_valid && anything_dirty() ? UNCLEAN : DATA;
	dirty_pages = 0;
	writer.found = false;
	data_next_file(fs.lru.first);
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
	writer.last_meta_error = writer.meta_error;
	waitq_wake(&done_queue);
	waitq_wake(&room_queue);
	for (struct inode *inode = fs.lru.first; inode; inode = inode->lru_next)
		if (inode->pages && inode->pages->map_written)
			write_timer(LAZY_NS);
	watch_dirty();
	reap_run();
}

static bool can_be_clean(void)
{
	return writer.level == WRITE_CLEAN && (fs.state_at_mount & EXT2_STATE_VALID) && !writer.error &&
	       !fs.orphans && !fs.has_errors && !fs.cache.dirty.count && !fs.dirty.first && !dirty_pages &&
	       !fs.disk_valid;
}

/* Of each phase: whether to go on at once. */
static bool go_to(bool done, enum phase next)
{
	if (done)
		writer.phase = next;
	return done;
}

static bool do_idle(void)
{
	if (asked)
		begin_pass();
	return writer.phase != IDLE;
}

static bool do_unclean(void)
{
	bool done = store_super(false) && meta_write_super();

	if (done)
		fs.disk_valid = false;
	return go_to(done, UNCLEAN_WAIT);
}

static bool do_unclean_wait(void)
{
	return go_to(settled(), DATA);
}

static bool do_data(void)
{
	return go_to(data_write(), INODES);
}

static bool do_inodes(void)
{
	return go_to(store_inodes() && (!fs.super_dirty || store_super(false)), META);
}

static bool do_meta(void)
{
	return go_to(write_meta(), SETTLE);
}

static bool do_settle(void)
{
	if (settled() && writer.level == WRITE_LAZY) {
		end_pass();
		return true;
	}
	return go_to(settled(), FLUSH);
}

static bool do_flush(void)
{
	if (!io_count(IO_FLUSH))
		send_flush();
	return false;
}

static bool do_clean(void)
{
	return go_to(store_super(true) && meta_write_super(), CLEAN_WAIT);
}

static bool do_clean_wait(void)
{
	if (settled())
		fs.disk_valid = true;
	return go_to(settled(), CLEAN_FLUSH);
}

static bool step(void)
{
	static bool (*const phases[])(void) = {
		[IDLE] = do_idle,     [UNCLEAN] = do_unclean,       [UNCLEAN_WAIT] = do_unclean_wait,
		[DATA] = do_data,     [INODES] = do_inodes,         [META] = do_meta,
		[SETTLE] = do_settle, [FLUSH] = do_flush,           [FLUSHING] = do_flush,
		[CLEAN] = do_clean,   [CLEAN_WAIT] = do_clean_wait, [CLEAN_FLUSH] = do_flush,
	};

	return phases[writer.phase]();
}

void flush_done(long status)
{
	if (status == -ERESTART) {
		if (writer.phase == FLUSHING)
			writer.phase = FLUSH;
		return;
	}
	if (status < 0 && status != -ENOSYS && status != -EOPNOTSUPP)
		write_failed(status);
	if (writer.phase == FLUSHING && can_be_clean())
		writer.phase = CLEAN;
	else
		end_pass();
}

/* Steps end the pass or wait; an answer that comes at once (there is none now) would come in here again. */
void write_run(void)
{
	if (running || write_stalled || !mount.mounted)
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

/* The files' counts of openers have been made anew. */
void write_recover(void)
{
	if (writer.taken && writer.taken->pages)
		data_redirty(writer.taken->pages, writer.taken_page, writer.taken_count);
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
	writer.error = writer.meta_error = status;
}

long write_result(void)
{
	return writer.last_meta_error;
}
