/* SPDX-License-Identifier: MIT */
/*
 * The journal's part of the core. The log holds one transaction at a time: all metadata blocks that are dirty when the
 * writer closes it are copied to the stage (journal_freeze), from there they go to the log, and when the commit block is
 * on the disk to their places; only then the next one can be frozen. So no block of a file is ever older in the log
 * than on the disk, and none has to be revoked.
 *
 * A phase is: write all that journal_next names, wait for all writes (of data, too), flush, journal_advance. A write
 * or flush that fails, and a crash of the server, begin again with the first phase: what the stage holds is the same.
 */
#ifndef EXT2_JOURNAL_H
#define EXT2_JOURNAL_H

#include <stdbool.h>
#include <stdint.h>

struct ext2;

enum journal_phase {
	JOURNAL_IDLE,
	JOURNAL_LOG,    /* the journal's superblock, and all but the commit block */
	JOURNAL_COMMIT, /* the commit block */
	JOURNAL_HOME,   /* the blocks themselves */
	JOURNAL_CLOSE,  /* an empty journal's superblock */
};

/* A sparse set of pages or blocks: a bit for each, and a bit for each word of bits that is not zero. */
struct page_set {
	uint64_t *bits, *summary;
	uint64_t count;
};

/* Where the reading of a log is. */
struct replay {
	uint8_t pass;               /* REPLAY_* */
	uint32_t start, first, end; /* where the log begins, its first transaction, the one behind its last */
	uint32_t position, sequence; /* of the record that is looked at */
	uint32_t passed;             /* blocks in this pass */
	uint32_t tag, offset;        /* in a descriptor */
	struct revoked *revoked;
};

struct journal {
	uint32_t inode;    /* of the superblock; 0: there is none */
	bool loading;      /* this inode may be read now */
	bool ready;        /* metadata go through it */
	uint8_t phase;     /* JOURNAL_* */
	uint8_t tag_bytes; /* 8, or 12 with 64BIT */
	uint32_t *map;     /* device blocks of the journal's */
	uint32_t mapped, length, first;
	uint32_t head, sequence;             /* of the transaction to come */
	uint32_t frozen_head, frozen_number; /* of the one in the stage: where it begins, its sequence */
	uint32_t count;                      /* its blocks */
	uint32_t capacity;                   /* what the stage can hold */
	uint32_t cursor;                     /* of this phase */
	uint8_t *stage;                      /* `capacity` blocks, the journal's superblock, ... */
	uint64_t *homes;          /* ... and for each block its place, 0 where it stays in the log */
	struct page_set fresh;    /* blocks allocated in the running transaction */
	struct page_set freed[2]; /* that may not be used yet: freed in the running one, in the frozen */
	struct replay replay;
};

/* What to write next: `count` blocks of the stage from byte `offset` on. */
struct journal_write {
	uint64_t offset, block;
	uint32_t count;
};

/* Find the journal and make it ready, with an empty log. EXT2_MORE: write all dirty metadata to their places, flush,
 * and call again. */
long journal_open(struct ext2 *fs);
uint64_t journal_stage_bytes(const struct ext2 *fs); /* journal.length is known */
/* Take all dirty metadata blocks: how many blocks the transaction has, 0 if there is none, or an error. */
long journal_freeze(struct ext2 *fs);
/* The next piece of at most `most` blocks; false: that was all of this phase. */
bool journal_next(struct ext2 *fs, uint32_t most, struct journal_write *out);
void journal_back(struct ext2 *fs, const struct journal_write *write); /* it could not be sent */
void journal_advance(struct ext2 *fs);
void journal_restart(struct ext2 *fs); /* begin again with what the stage holds */
void journal_close(struct ext2 *fs);   /* IDLE, nothing dirty: mark the log as empty, in a phase */
/* Blocks have been allocated; freed. One that the disk knows as used is not used anew before the transaction that
 * frees it has been committed: else its old owner could come back with what is the new one's. */
void journal_allocated(struct ext2 *fs, uint64_t start, uint64_t count);
void journal_freed(struct ext2 *fs, uint64_t start, uint64_t count);
/* The first block at or after `block` and below `limit` that may be used. */
uint64_t journal_usable(const struct ext2 *fs, uint64_t block, uint64_t limit);
static inline bool journal_keeps(const struct journal *journal)
{
	return journal->freed[0].count || journal->freed[1].count;
}
/* Whether the running transaction takes so many quarters of what fits. */
bool journal_holds(const struct ext2 *fs, uint32_t quarters);
#define JOURNAL_SOON 2u    /* commit it */
#define JOURNAL_CROWDED 3u /* nothing may be added that does not have to */

/* --- replay.c ----------------------------------------------------------------------------------- */
/* The committed transactions into the cache. As journal_open. journal.sequence is then the next one's. */
long journal_replay(struct ext2 *fs);
void journal_replay_again(struct ext2 *fs); /* a crash may have hit in the middle of it */

#endif
