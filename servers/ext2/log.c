/* SPDX-License-Identifier: MIT */
/* The journal's writes: from the stage, a memory object, to the log and to the blocks' places. */
#include "writer.h"

#define WRITES_MAX 32u
#define PIECE_BYTES (256u << 10)

static uint32_t piece_blocks(void)
{
	uint64_t limit = mount.max_sectors * 512;

	return (uint32_t)((limit && limit < PIECE_BYTES ? limit : PIECE_BYTES) >> fs.block_shift);
}

static void send(struct io *io, const struct journal_write *write)
{
	io->offset = write->offset;
	io->length = (uint64_t)write->count << fs.block_shift;
	io->sector = write->block << (fs.block_shift - 9);
	io_send(io, mount.stage);
}

/* All that this phase writes is on its way: false: not yet. */
static bool send_all(void)
{
	struct journal_write write;

	while (io_count(IO_LOG) < WRITES_MAX) {
		struct io *io;

		if (!journal_next(&fs, piece_blocks(), &write))
			return true;
		io = io_new(IO_LOG);
		if (!io) {
			journal_back(&fs, &write);
			return false;
		}
		send(io, &write);
	}
	return false;
}

void log_write_done(struct io *io, long status)
{
	if (status < 0 && status != -ERESTART)
		slog("block device: writing the journal at %lu failed: error %ld", io->sector * 512, -status);
	if (status < 0)
		write_failed(status);
	io_drop(io);
}

enum log_result log_phase(void)
{
	if (!send_all() || !write_settled())
		return LOG_WAIT;
	if (writer.meta_error || !write_flushed())
		return writer.meta_error ? LOG_FAILED : LOG_WAIT;
	if (writer.meta_error)
		return LOG_FAILED;
	journal_advance(&fs);
	return LOG_DONE;
}
