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
	CLEAN,
	CLEAN_WAIT,
	CLEAN_FLUSH,
	/* With a journal only. */
	CLOSING, /* DATA again, while nobody may add blocks to files */
	LOG,     /* the frozen transaction */
	CLOSE,   /* an empty log */
};

enum flush { FLUSH_NONE, FLUSH_SENT, FLUSH_ANSWERED };

struct writer {
	enum phase phase;
	enum write_level level; /* of the pass */
	enum flush flush;
	uint64_t begun, finished; /* passes */
	uint64_t committed;       /* passes of which all is safe */
	uint64_t sweep;           /* through the files, counted */
	bool leftover;            /* this pass writes the transaction that an earlier one could not */
	bool again;               /* this pass does not have all: the next one counts as the same */
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
void data_begin(void); /* a sweep through the files that have dirty pages */
void data_redirty(struct pages *pages, uint64_t page, uint64_t count);

bool write_settled(void); /* no write is under way */
bool write_flushed(void); /* sends a flush; true once, when it is answered */

/* --- log.c --------------------------------------------------------------------------------------- */
enum log_result { LOG_WAIT, LOG_DONE, LOG_FAILED };
/* One phase of the journal, see journal.h. */
enum log_result log_phase(void);

#endif
