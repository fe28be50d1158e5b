/* SPDX-License-Identifier: MIT */
/*
 * Block I/O under way. Each entry of the pool stays until its answer has been worked in, so that a new
 * incarnation knows what is still out, and what was about to be sent and never was.
 */
#include "server.h"

#define POOL 96u
#define FAILURES 16u

static PRESERVED struct io pool[POOL];
static struct failure {
	const struct inode *inode;
	uint64_t page;
	bool used;
} failures[FAILURES];
static unsigned failure_hand;

static bool was_full; /* somebody found the pool empty and waits for an entry */
static struct waitq pool_queue;

static void answered(struct acall *call);

long io_park(struct request *rq)
{
	return request_park(rq, &pool_queue);
}

static void tell_waiting(void)
{
	was_full = false;
	waitq_wake(&pool_queue);
	metadata_arrived(NO_PAGE);
	write_kick();
}

struct io *io_new(enum io_kind kind)
{
	for (unsigned i = 0; i < POOL; i++) {
		struct io *io = &pool[i];

		if (io->kind)
			continue;
		*io = (struct io){ .call = acall_new(answered, io) };
		io->kind = io->call ? (uint8_t)kind : 0;
		was_full = was_full || !io->call;
		return io->call ? io : NULL;
	}
	was_full = true;
	return NULL;
}

void io_drop(struct io *io)
{
	if (!io->sent)
		acall_free(io->call);
	io->kind = 0;
}

uint32_t io_count(enum io_kind kind)
{
	uint32_t count = 0;

	for (unsigned i = 0; i < POOL; i++)
		count += pool[i].kind == kind;
	return count;
}

bool io_fill_pending(const struct io *io)
{
	for (unsigned i = 0; i < POOL; i++)
		if (&pool[i] != io && pool[i].kind == IO_FILL && pool[i].inode == io->inode &&
		    pool[i].page == io->page)
			return true;
	return false;
}

void io_fail_rest(const struct inode *inode, uint64_t page)
{
	for (unsigned i = 0; i < POOL; i++)
		if (pool[i].kind == IO_FILL && pool[i].inode == inode && pool[i].page == page)
			pool[i].failed = true;
}

/* An answer may come twice after a crash: once found by io_recover, once kept by lib/sys. */
static void answered(struct acall *call)
{
	struct io *io = call->owner;

	if (io->kind && io->call == call)
		io_done(io, call->status);
}

void io_send(struct io *io, cap_t memory)
{
	struct call_buffer range = { memory, 0, io->offset, io->length };
	struct blk_read_req read = { io->sector };
	struct blk_write_req write = { io->sector };
	struct blk_flush_req flush;
	struct acall *call = io->call;

	io->sent = true;
	switch (io->kind) {
	case IO_META_READ:
	case IO_FILL:
		call->out = range;
		blk_send_read(call, mount.device, &read);
		break;
	case IO_META_WRITE:
	case IO_DATA_WRITE:
	case IO_LOG:
		call->in = range;
		blk_send_write(call, mount.device, &write);
		break;
	default: blk_send_flush(call, mount.device, &flush);
	}
}

void io_done(struct io *io, long status)
{
	switch (io->kind) {
	case IO_META_READ: meta_read_done(io, status); break;
	case IO_META_WRITE: meta_write_done(io, status); break;
	case IO_FILL: pages_fill_done(io, status); break;
	case IO_DATA_WRITE: data_write_done(io, status); break;
	case IO_LOG: log_write_done(io, status); break;
	case IO_FLUSH: io_drop(io); flush_done(status);
	}
	if (was_full)
		tell_waiting();
	write_run();
}

static void recount(const struct io *io)
{
	struct pages *pages = io->inode ? io->inode->pages : NULL;

	if (!pages)
		return;
	io->inode->pinned |= INODE_IO;
	if (io->kind == IO_FILL)
		pages->reading++;
	if (io->kind == IO_DATA_WRITE)
		pages->writing++;
}

/* Not one that was about to be sent: lib/sys has taken the call back. What the kernel has of it may be an older answer,
 * which it delivers once more. */
static bool is_out(const struct io *io)
{
	return io->call && io->sent && acall_is_out(io->call);
}

/* All are judged first: what is begun for one takes a call that lib/sys has freed, perhaps that of another. */
void io_recover(void)
{
	bool lost[POOL];

	for (unsigned i = 0; i < POOL; i++)
		if (pool[i].kind)
			recount(&pool[i]);
	for (unsigned i = 0; i < POOL; i++) {
		lost[i] = pool[i].kind && !is_out(&pool[i]);
		pool[i].sent = pool[i].sent || lost[i]; /* the call is no longer its own to free */
	}
	for (unsigned i = 0; i < POOL; i++)
		if (lost[i])
			io_done(&pool[i], -ERESTART);
}

void failure_note(const struct inode *inode, uint64_t page)
{
	failures[failure_hand++ % FAILURES] = (struct failure){ inode, page, true };
}

bool failure_take(const struct inode *inode, uint64_t page)
{
	for (unsigned i = 0; i < FAILURES; i++)
		if (failures[i].used && failures[i].inode == inode && failures[i].page == page) {
			failures[i].used = false;
			return true;
		}
	return false;
}
