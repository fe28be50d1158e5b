/* SPDX-License-Identifier: MIT */
/*
 * The file system below the messages: structures on the disk, allocation, block mapping, directories. It knows
 * neither calls nor capabilities, and runs on a host in tests.
 *
 * Every function here may find that a metadata block is not in memory. It then answers EXT2_WAIT, having
 * started the reading; the caller rolls the transaction back, waits until the page fs->wait_page is there, and runs
 * the whole operation again. So nothing needs a stack across a wait, and what has been changed halfway is undone
 * by the same log that undoes it after a crash (tx.c).
 */
#ifndef EXT2_EXT2_H
#define EXT2_EXT2_H

#include <abi/errno.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "disk.h"
#include "journal.h"

#define EXT2_WAIT (-4000l) /* a metadata page is on its way: fs->wait_page */
#define EXT2_MORE 1l       /* a long operation has done one bounded step */

#define MODE_FORMAT 0170000
#define MODE_DIRECTORY 0040000
#define MODE_REGULAR 0100000
#define MODE_SYMLINK 0120000

struct timestamp {
	int64_t seconds;
	uint32_t nanoseconds;
};

/* A stretch of a file that lies in one piece; physical 0: a hole. */
struct extent {
	uint64_t logical, physical, count;
};

struct dir_index;
struct dir_room;
struct pages;

/* An inode in memory. `d` is what goes to the disk; it is changed only after inode_change(). */
struct inode {
	struct ext2 *fs;
	uint32_t number;
	uint32_t parent; /* directory of the name last used, a hint */
	uint32_t held;   /* counted by VFS: lookups that it has not forgotten */
	uint32_t opens;  /* descriptions, and running operations that must not lose it */
	bool dirty;      /* d differs from the inode table */
	bool orphan;     /* on the orphan list: it has no name, or is being cut */
	uint8_t pinned;  /* the server's reasons to keep it, INODE_* */
	bool loaded;     /* d is valid; rolled back where a creation is */
	struct inode_data {
		uint32_t mode, uid, gid, links, flags, generation, file_acl, dtime;
		uint64_t size, sectors;
		struct timestamp atime, ctime, mtime;
		uint32_t block[EXT2_POINTERS];
	} d;
	struct extent last;                   /* last mapping found, a cache, */
	uint32_t last_epoch;                  /* ... valid while this is fs->epoch */
	uint64_t next_logical, next_physical; /* where a sequential writer would go on */
	uint64_t window_start, window_end;    /* blocks that others avoid, for such a writer */
	struct inode *hash_next, *hash_previous;
	struct inode *dirty_next, *dirty_previous;
	struct inode *orphan_next, *orphan_previous;
	struct inode *lru_next, *lru_previous;
	struct dir_index *index;
	struct dir_room *room; /* only beside an index */
	struct pages *pages;   /* the server's page cache of this file */
};

#define INODE_DIRTY_PAGES 1u
#define INODE_IO 2u     /* pages on their way from or to the disk */
#define INODE_MAPPED 4u /* its memory object has been handed out */

struct list {
	struct inode *first, *last;
};

#define EPOCHS 1024u
#define INODE_HASH 4096u
#define INODE_CHUNK 32u /* allocated at a time */
#define INODE_CHUNKS 2048u
#define TX_SIZE (512u * 1024u)
#define TX_INDEXES 4
#define WINDOWS 16

/* The undo log. Whoever changes state first saves the old bytes in it; empty means committed. */
struct tx {
	uint32_t used, index_changed;
	bool overflow;
	struct inode *indexes[TX_INDEXES]; /* directories whose index in memory has changed */
	uint8_t log[TX_SIZE] __attribute__((aligned(16)));
};

/* The metadata cache: the device as an array of pages of which few are present. */
struct cache {
	uint8_t *base;  /* device block b lies at base + b * block_size */
	uint8_t *state; /* CACHE_* for each page of 4 KiB */
	struct page_set present, dirty;
	uint64_t pages, hand;
	uint64_t dirty_blocks; /* about: counted anew by each journal_freeze */
};
#define CACHE_DIRTY 0x0fu /* one bit for each block of the page */
#define CACHE_PRESENT 0x10u
#define CACHE_READING 0x20u
#define CACHE_WRITING 0x40u /* on its way, or in the frozen transaction */
#define CACHE_USED 0x80u    /* since the clock hand passed */

struct ext2 {
	struct cache cache;
	struct journal journal;
	uint64_t wait_page;                               /* after EXT2_WAIT */
	uint32_t block_size, block_shift, pointers_shift; /* pointers in a block, as a power of two */
	uint32_t inode_size, extra_size, inodes_per_block_shift;
	uint32_t blocks, first_data_block, blocks_per_group, reserved_blocks, reserved_uid, reserved_gid;
	uint32_t inodes, inodes_per_group, first_inode, groups, table_blocks;
	uint32_t incompat, ro_compat, compat, revision;
	uint64_t size_max; /* largest file that the mapping can hold */
	uint32_t free_blocks, free_inodes;
	bool read_only; /* nothing is written at all */
	bool stopped;   /* damage was found, and errors=remount-ro: no further changes */
	bool stop_on_damage;
	bool has_errors, super_dirty;
	bool crowded;    /* the running transaction is so large that nobody may add to it */
	bool attention;  /* something new is dirty or in memory: the server looks after the operation */
	bool disk_valid; /* the superblock on the disk says that it was unmounted cleanly */
	bool privileged; /* the current operation may use the reserved blocks */
	uint16_t state_at_mount;
	uint32_t reports;         /* of damage, logged so far */
	uint32_t directory_group; /* where the last top-level directory went */
	uint32_t inode_count;     /* in memory */
	uint32_t dirty_inodes;    /* of them, to be written */
	uint32_t epoch;           /* counts rollbacks */
	struct inode
	    *chunks[INODE_CHUNKS]; /* where inodes live; all else about them is found again from here */
	uint32_t chunk_count;
	struct inode *unused; /* linked by hash_next */
	struct inode *hash[INODE_HASH];
	struct list dirty, lru;
	struct inode *orphans; /* in the order of the disk's list */
	struct inode *windows[WINDOWS];
	uint32_t window_hand;
	uint64_t index_entries; /* of all directory indexes */
	volatile uint32_t
	    *epochs; /* raised with each change of an inode, by number % EPOCHS; NULL: nobody looks */
	struct tx tx;
};

/* --- what the layer below gives: the server's cache.c, or a test -------------------------------- */
void *core_alloc(size_t size); /* zeroed; NULL */
void core_free(void *memory);
uint64_t core_time(void); /* realtime, ns */
void core_log(const char *format, ...) __attribute__((format(printf, 1, 2)));
/* Start reading a page of metadata: 0 if it is present now, EXT2_WAIT, or an error. */
long core_fetch(struct ext2 *fs, uint64_t page);
/* Make a page present whose contents do not matter. As core_fetch. */
long core_fresh(struct ext2 *fs, uint64_t page);
/* Memory for the journal's stage, zeroed, and the sets journal.freed; NULL. */
void *core_stage(struct ext2 *fs, uint64_t bytes);
/* The last thing that the core does with an inode in memory. */
void core_inode_gone(struct inode *inode);

/* --- errors that travel in pointers ---------------------------------------------------------------- */
static inline void *error_pointer(long error)
{
	return (void *)error;
}
static inline bool is_error(const void *p)
{
	return (uintptr_t)p >= (uintptr_t)-4095l;
}
static inline long error_of(const void *p)
{
	return is_error(p) ? (long)p : 0;
}

/* --- tx.c: transactions -------------------------------------------------------------------------------- */
void tx_add(struct ext2 *fs, void *memory, size_t length); /* about to be changed */
void tx_commit_rest(struct ext2 *fs);
static inline void tx_commit(struct ext2 *fs)
{
	__atomic_signal_fence(__ATOMIC_SEQ_CST);
	fs->tx.used = 0;
	if (__builtin_expect(fs->tx.index_changed || fs->tx.overflow, 0))
		tx_commit_rest(fs);
}
/* A record is the old bytes, padded, and then this. */
struct tx_record {
	void *at;
	uint64_t length;
};
/* The same as tx_add for eight aligned bytes, in line. */
static inline void tx_add_word(struct ext2 *fs, void *memory)
{
	struct tx *tx = &fs->tx;
	uint64_t *to = (uint64_t *)(tx->log + tx->used);

	if (__builtin_expect(tx->used + 24 > TX_SIZE, 0)) {
		tx_add(fs, memory, 8);
		return;
	}
	to[0] = *(uint64_t *)memory;
	to[1] = (uint64_t)(uintptr_t)memory;
	to[2] = 8;
	__atomic_signal_fence(__ATOMIC_SEQ_CST);
	tx->used += 24;
	__atomic_signal_fence(__ATOMIC_SEQ_CST);
}
void tx_rollback(struct ext2 *fs);
static inline bool tx_tight(const struct ext2 *fs)
{
	return fs->tx.used > TX_SIZE / 2;
}

/* --- cache.c: metadata blocks ---------------------------------------------------------------------------- */
void *meta_get_slow(struct ext2 *fs, uint64_t block);
/* The block's bytes, or an error pointer; good until the operation ends. */
static inline void *meta_get(struct ext2 *fs, uint64_t block)
{
	uint64_t at = block << fs->block_shift;

	if (__builtin_expect(block < fs->blocks && (fs->cache.state[at >> 12] & CACHE_PRESENT), 1)) {
		fs->cache.state[at >> 12] |= CACHE_USED;
		return fs->cache.base + at;
	}
	return meta_get_slow(fs, block);
}
/* A block just allocated, as zeros and dirty. */
void *meta_new(struct ext2 *fs, uint64_t block);
/* `length` bytes at `at`, inside a block that meta_get gave, are about to change. */
void meta_change(struct ext2 *fs, void *at, size_t length);
/* The block is free or data now: never write it. */
void meta_forget(struct ext2 *fs, uint64_t block, uint64_t count);
/* The first dirty page at or after `page`; ~0 if none. */
uint64_t meta_next_dirty(struct ext2 *fs, uint64_t page);
/* Which blocks of the page are dirty; they are clean from now on. */
uint32_t meta_take_dirty(struct ext2 *fs, uint64_t page);
void meta_redirty(struct ext2 *fs, uint64_t page, uint32_t blocks);
/* A clean page to drop, by the clock, or ~0 after two turns without one. */
uint64_t meta_victim(struct ext2 *fs);
void meta_set_present(struct ext2 *fs, uint64_t page, bool present);
#define NO_PAGE (~0ull)
void page_set_add(struct page_set *set, uint64_t page);
void page_set_remove(struct page_set *set, uint64_t page);
/* The first member at or after `page` and below `limit`, or NO_PAGE. */
uint64_t page_set_next(const struct page_set *set, uint64_t page, uint64_t limit);

/* --- super.c ----------------------------------------------------------------------------------------------- */
/* Check the superblock and fill in fs. `device_bytes`: of the device. */
long super_read(struct ext2 *fs, const struct ext2_super *super, uint64_t device_bytes);
static inline bool refuses_changes(const struct ext2 *fs)
{
	return fs->read_only || fs->stopped;
}
struct ext2_super *super_get(struct ext2 *fs);
long super_set_recover(struct ext2 *fs); /* that the journal is in use, and nothing else */
/* Counters, times and state into the superblock's block. */
long super_store(struct ext2 *fs, bool clean);
long super_mounted(struct ext2 *fs);
long corrupt(struct ext2 *fs, const char *what, uint64_t number); /* notes it, answers -EUCLEAN */
struct ext2_group *group_get(struct ext2 *fs, uint32_t group);
/* Blocks that a file names: 0 if they may be a file's, EXT2_WAIT, or damage. `number`: the inode, for the log. */
long blocks_check(struct ext2 *fs, uint64_t start, uint64_t count, uint64_t number);
/* Whether any of the blocks, all of one group, are what the file system itself consists of. */
bool blocks_of_system(const struct ext2 *fs, uint32_t number, const struct ext2_group *group, uint64_t start,
		      uint64_t count);
uint64_t group_first_block(const struct ext2 *fs, uint32_t group);
uint32_t group_blocks(const struct ext2 *fs, uint32_t group);
static inline bool block_valid(const struct ext2 *fs, uint64_t block)
{
	return block > fs->first_data_block && block < fs->blocks;
}
struct statfs_numbers {
	uint64_t blocks, free, available, files, free_files;
};
void ext2_statfs(struct ext2 *fs, struct statfs_numbers *out);

/* --- inode.c --------------------------------------------------------------------------------------------------- */
struct inode *inode_get(struct ext2 *fs, uint32_t number);  /* or error pointer */
struct inode *inode_find(struct ext2 *fs, uint32_t number); /* only if in memory */
struct inode *inode_make(struct ext2 *fs, uint32_t number); /* in memory, not loaded unless it was */
/* One that may have no name left (the orphan list). */
struct inode *inode_get_unlinked(struct ext2 *fs, uint32_t number);
/* After a crash, which may have hit between two pointers: lists, hash and sets anew. */
void inodes_rebuild(struct ext2 *fs);
void inode_change(struct inode *inode);     /* before inode->d changes: saves it, lists it as dirty */
long inode_store(struct inode *inode);      /* into its block of the inode table */
bool inode_idle(const struct inode *inode); /* nobody needs it in memory */
void inode_drop(struct inode *inode);       /* an idle one leaves memory */
void inodes_drop(struct ext2 *fs);          /* all idle ones */
void inode_touch(struct inode *inode, bool modified); /* ctime, and mtime if modified */
/* After inode_change. The first file beyond 2 GiB makes that a feature of the file system. */
void inode_set_size(struct inode *inode, uint64_t size);
struct timestamp time_now(void);
long orphan_add(struct inode *inode);
long orphan_remove(struct inode *inode);
/* At mount: bring the disk's list into memory. EXT2_MORE: call again after a commit. */
long orphan_load(struct ext2 *fs);
/* One step in freeing what lies behind the end of a file whose cutting has been interrupted; at the end of it. */
long orphan_trim_step(struct inode *inode);
void orphan_end_trim(struct inode *inode);
/* One step in getting rid of the blocks of an unlinked inode and of itself. */
long inode_delete_step(struct inode *inode);

/* --- alloc.c ----------------------------------------------------------------------------------------------------- */
/* Up to `want` blocks in one piece, near `goal`; *got tells how many. Answers the first, or an error. */
long blocks_alloc(struct ext2 *fs, struct inode *inode, uint64_t goal, uint32_t want, uint32_t *got);
long blocks_free(struct ext2 *fs, uint64_t start, uint32_t count);
/* The first clear bit in [from, limit), or limit. */
uint32_t find_clear(const uint8_t *bits, uint32_t from, uint32_t limit);
long inode_alloc(struct ext2 *fs, struct inode *parent, uint32_t mode);
long inode_free(struct ext2 *fs, uint32_t number, bool directory);
uint64_t inode_goal(struct inode *inode); /* where a file's first block should go */
void window_close(struct inode *inode);

/* --- map.c ------------------------------------------------------------------------------------------------------------ */
/* What lies at `logical`: out->count is at least 1 and at most `want`; physical 0: a hole. */
long map_find(struct inode *inode, uint64_t logical, uint64_t want, struct extent *out);
/* The same, allocating where there is a hole; *fresh tells that it did. */
long map_alloc(struct inode *inode, uint64_t logical, uint64_t want, struct extent *out, bool *fresh);
/* Free blocks from `first` on, a bounded number: EXT2_MORE, 0 when none is left. What it has done holds
 * also where it answers EXT2_WAIT: commit it. */
long map_trim(struct inode *inode, uint64_t first);
/* lseek: the first data (or hole) at or after `logical`; answers a block number, or past the end. */
long map_seek(struct inode *inode, uint64_t logical, bool data, uint64_t limit, uint64_t *out);

/* --- dir.c -------------------------------------------------------------------------------------------------------------- */
struct name {
	const char *text;
	uint32_t length;
};
/* The inode that the name means, 0 if none, or an error. */
long dir_find(struct inode *dir, struct name name);
long dir_add(struct inode *dir, struct name name, uint32_t number, uint32_t mode);
long dir_remove(struct inode *dir, struct name name);
/* Point an existing name elsewhere. */
long dir_replace(struct inode *dir, struct name name, uint32_t number, uint32_t mode);
long dir_make_empty(struct inode *dir, uint32_t parent); /* "." and ".." in a new one */
long dir_is_empty(struct inode *dir);                    /* 1, 0 or error */
/* Calls `each` with every entry from `*cookie` on, until it answers false; *cookie follows. */
typedef bool dir_visitor(void *context, const struct ext2_dirent *entry, uint64_t next_cookie);
long dir_read(struct inode *dir, uint64_t *cookie, dir_visitor *each, void *context);
uint8_t dir_type(uint32_t mode);

/* --- index.c: a directory's names by hash, in memory ------------------------------------------------------------------ */
/* A position is the entry's byte offset in the directory divided by four. */
#define INDEX_END UINT32_MAX
bool index_begin(struct inode *dir); /* an empty index; false: there is no memory for one */
/* false: there is no index any more. */
bool index_add(struct inode *dir, struct name name, uint32_t position);
void index_remove(struct inode *dir, struct name name, uint32_t position);
/* Positions of names with the same hash: from `*slot` (0 at first) on; INDEX_END. */
uint32_t index_next(struct inode *dir, struct name name, uint32_t *slot);
void index_drop(struct inode *dir);
bool index_complete(const struct inode *dir);
void index_set_complete(struct inode *dir);
void index_transaction_end(struct ext2 *fs, bool committed);
/* Counts memory for an index, in slots of INDEX_SLOT bytes, others' going for it; false: that is too much. */
#define INDEX_SLOT 8u
bool index_take(struct inode *dir, uint64_t slots);

/* --- room.c: the largest room for a name in each block of a directory with an index --------------------------------------- */
bool room_begin(struct inode *dir); /* no room anywhere; false: there is no memory for it */
void room_drop(struct inode *dir);
/* What there is in the block now, or at least; false: there is no memory for it, and the index has to go. */
bool room_set(struct inode *dir, uint64_t block, uint32_t bytes);
bool room_raise(struct inode *dir, uint64_t block, uint32_t bytes);
/* The first block with room for so much; UINT64_MAX. */
uint64_t room_first(const struct inode *dir, uint32_t bytes);

/* --- names.c --------------------------------------------------------------------------------------------------------------- */
struct creation {
	uint32_t mode, uid, gid, rdev;
};
/* Answer 0 and *out, held by nobody yet. */
long name_lookup(struct inode *dir, struct name name, struct inode **out);
long name_create(struct inode *dir, struct name name, const struct creation *how, struct inode **out);
long name_symlink(struct inode *dir, struct name name, const char *target, uint32_t length,
		  const struct creation *how, struct inode **out);
long name_link(struct inode *dir, struct name name, struct inode *inode);
/* expected 0: any. *out: the inode that lost a name. */
long name_unlink(struct inode *dir, struct name name, uint32_t expected, struct inode **out);
long name_rmdir(struct inode *dir, struct name name, uint32_t expected, struct inode **out);
/* *out: an inode that lost its name to the new one, or NULL. */
#define RENAME_NOREPLACE 1u
#define RENAME_EXCHANGE 2u
long name_rename(struct inode *from, struct name old, struct inode *to, struct name new, uint32_t flags,
		 struct inode **out);
long symlink_read(struct inode *inode, char *out, uint32_t room);
uint32_t inode_rdev(const struct inode *inode); /* major << 20 | minor, as the kernel's dev_t of Linux */

#endif
