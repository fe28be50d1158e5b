/* SPDX-License-Identifier: MIT */
/* The writer: what its two halves share. */
#ifndef EXT2_WRITER_H
#define EXT2_WRITER_H

#include "server.h"

enum phase {
	IDLE,
	UNCLEAN,
	UNCLEAN_WAIT,
	DATA,
	INODES,
	META,
	SETTLE,
	FLUSH,
	FLUSHING,
	CLEAN,
	CLEAN_WAIT,
	CLEAN_FLUSH,
};

struct writer {
	enum phase phase;
	enum write_level level;   /* of the pass */
	uint64_t begun, finished; /* passes */
	long error;
	long meta_error, last_meta_error; /* of metadata and flushes: in this pass, in the last */
	uint64_t meta_page;               /* META: where we are */
	struct inode *inode;              /* DATA: where we are */
	uint64_t page;
	bool found; /* this sweep through the files has found a dirty one */
	uint32_t rounds;
	/* Pages marked clean and not all sent yet. */
	struct inode *taken;
	uint64_t taken_page, taken_count;
};
extern struct writer writer;

extern bool write_stalled; /* until a metadata page comes */

/* All dirty pages are on their way: false: not yet, go on at the next answer. */
bool data_write(void);
/* Begin with the first file at or after `inode` that has dirty pages. */
void data_next_file(struct inode *inode);
void data_redirty(struct pages *pages, uint64_t page, uint64_t count);

#endif
