/* SPDX-License-Identifier: MIT */
/* ext2: one instance for each mount. */
#include "server.h"

#include <util/string.h>

#define QUEUES 64u
#define INODES_IDLE 4096u                             /* in memory beyond what is in use */
#define INODES_DIRTY (INODE_CHUNKS * INODE_CHUNK / 4) /* then they are written before the timer says so */

static struct waitq queues[QUEUES]; /* those who wait for metadata, by page */

void *core_alloc(size_t size)
{
	return pheap_alloc(size);
}

void core_free(void *memory)
{
	pheap_free(memory);
}

uint64_t core_time(void)
{
	return clock_realtime_ns();
}

void core_log(const char *format, ...)
{
	char line[200];
	va_list args;

	va_start(args, format);
	vsnprintf(line, sizeof line, format, args);
	va_end(args);
	slog("%s", line);
}

bool is_ours(uint64_t badge)
{
	return badge > PRESERVED_BASE && badge < PRESERVED_BASE + startup->preserved_size;
}

static bool reap_wanted;

void reap_soon(void)
{
	reap_wanted = fs.attention = true;
}

void act_for(uint64_t stamp)
{
	const struct process_entry *process = process_find(stamp);

	fs.privileged = !process || process->fsuid == 0 || process->fsuid == fs.reserved_uid;
}

long wait_for_metadata(struct request *rq)
{
	return request_park(rq, &queues[fs.wait_page % QUEUES]);
}

void metadata_arrived(uint64_t page)
{
	if (page != NO_PAGE) {
		waitq_wake(&queues[page % QUEUES]);
		return;
	}
	for (unsigned i = 0; i < QUEUES; i++)
		waitq_wake(&queues[i]);
}

static long handle_fs(struct request *rq)
{
	bool service = rq->badge & BADGE_SERVICE;

	if (rq->badge != MOUNT_BADGE && !service)
		return -EPERM;
	if (!mount.mounted && rq->op != fs_op_mount)
		return -ENODEV;
	return fs_dispatch(&fs_handlers, rq);
}

static long handle(struct request *rq)
{
	switch (IPC_OP_PROTO(rq->op)) {
	case PROTO_ID_FILE: return file_dispatch(&file_handlers, rq);
	case PROTO_ID_FS: return handle_fs(rq);
	case PROTO_ID_KERNEL:
		return rq->op == IPC_OP(PROTO_ID_KERNEL, IPC_KERNEL_PAGE) ? page_fault(rq) : -ENOSYS;
	}
	return -ENOSYS;
}

/* That the request is done, with this answer, is part of its transaction. */
static void commit(struct request *rq, long status)
{
	tx_add(&fs, &rq->state, sizeof rq->state);
	request_settle(rq, status);
	tx_commit(&fs);
}

/* Those in use go to the end, so that the next look does not find them again. Many are kept only because they have to
 * be written. */
static void drop_idle_inodes(void)
{
	struct inode *inode = fs.lru.first, *next;

	for (unsigned tries = 32; inode && tries && fs.inode_count > INODES_IDLE; inode = next, tries--) {
		next = inode->lru_next;
		if (inode_idle(inode))
			inode_drop(inode);
		else
			inode_make(&fs, inode->number);
	}
	if (fs.dirty_inodes > INODES_DIRTY)
		write_soon();
}

/* What the operation has left to do; who leaves something sets fs.attention. */
static void afterwards(void)
{
	fs.attention = false;
	if (__builtin_expect(reap_wanted, 0)) {
		reap_wanted = false;
		reap_run();
	}
	if (__builtin_expect(pages_resident > pages_budget, 0))
		pages_shrink();
	if (__builtin_expect(fs.cache.present.count > pages_budget / 4, 0))
		meta_shrink();
	if (__builtin_expect(fs.inode_count > INODES_IDLE, 0))
		drop_idle_inodes();
	write_watch();
	write_run();
}

/* What makes a transaction longer. */
static bool adds(uint64_t op)
{
	switch (op) {
	case file_op_write:
	case file_op_pwrite:
	case file_op_ftruncate:
	case file_op_set_attr:
	case fs_op_create:
	case fs_op_create_open:
	case fs_op_symlink:
	case fs_op_link:
	case fs_op_unlink:
	case fs_op_rmdir:
	case fs_op_rename:
	case fs_op_set_attr:
	case fs_op_open: /* O_TRUNC */ return true;
	}
	return false;
}

static long dispatch(struct request *rq)
{
	long status;

	if (__builtin_expect(fs.crowded, 0) && adds(rq->op))
		return write_result() < 0 ? -EIO : write_throttle(rq);
	fs.privileged = false;
	status = handle(rq);
	if (__builtin_expect(status == EXT2_WAIT, 0)) {
		tx_rollback(&fs);
		status = wait_for_metadata(rq);
	}
	if (__builtin_expect(status == -ENOSPC, 0) && space_comes()) {
		tx_rollback(&fs);
		status = space_wait(rq);
		if (!status)
			status = write_throttle(rq);
	}
	if (fs.tx.used) {
		if (status >= 0)
			commit(rq, status);
		else
			tx_rollback(&fs);
	}
	if (__builtin_expect(fs.attention, 0))
		afterwards();
	return status;
}

/* The disk answers soon: only who waits for somebody's lock is interrupted. Freeing blocks goes on to its end
 * whoever has asked for it. */
static long cancel(struct request *rq)
{
	if (rq->progress[PROGRESS_TRUNCATE])
		return PARK;
	if (rq->caller_dead || rq->op == file_op_flock || rq->op == file_op_lock)
		return -EINTR;
	return PARK;
}

static long shutdown(struct request *rq)
{
	long status;

	if (!mount.mounted)
		return 0;
	reap_run();
	status = write_wait(rq, WRITE_CLEAN);
	write_run();
	return status;
}

static void release(uint64_t badge)
{
	file_release(badge);
	afterwards();
}

/* Its transactions are its own (tx.c): they also span what lies in memory objects, and end without a crash where metadata
 * have to be read first. */
static const struct service service = {
	.name = "ext2",
	.dispatch = dispatch,
	.start = mount_start,
	.release = release,
	.cancel = cancel,
	.shutdown = shutdown,
};

int main(void)
{
	service_main(&service);
}
