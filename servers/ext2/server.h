/* SPDX-License-Identifier: MIT */
/*
 * The server around the core: messages, block I/O, page cache, writing back.
 *
 * A handler answers a status, or EXT2_WAIT from the core, or PARK. dispatch (main.c) turns EXT2_WAIT into a
 * rolled-back transaction and a place in the queue of those who wait for that page; a status >= 0 commits
 * together with the note that the request is done, so that a redelivery answers and does nothing.
 */
#ifndef EXT2_SERVER_H
#define EXT2_SERVER_H

#include <fs/locks.h>
#include <proto/blk.h>
#include <proto/file.h>
#include <proto/fs.h>
#include <sys/server.h>

#include "ext2.h"

#define MOUNT_BADGE BADGE_FIRST_OWN
#define PAGE_BITS 12u
#define PAGE_BYTES 4096ul

/* What a badge, an address in preserved memory, points to begins with its tag, since clients choose operations freely. */
enum tag { TAG_DESCRIPTION = 0x64657363, TAG_PAGES = 0x70616765 };

/* The page cache of a regular file. */
struct pages {
	uint32_t tag;
	struct inode *inode;
	cap_t memory;
	uint64_t object_size;
	uint64_t resident; /* pages, nearly */
	uint64_t high;     /* no page from here on has ever been present */
	struct waitq waiting;
	uint32_t reading, writing; /* I/O under way */
	bool tail_clean;           /* what lies behind the end in its last page is zero */
	bool trimming;             /* blocks behind the end are being freed: nobody may add some */
	bool map_written;          /* a writable mapping has been handed out */
	uint64_t pass;             /* the writer's sweep that has had it last */
	long write_error;          /* for the next fsync */
	struct file_locks locks;
};

struct description {
	uint32_t tag, flags;
	struct inode *inode;
	uint64_t offset;
	uint64_t ahead_next;   /* first page that read-ahead has not asked for */
	uint32_t ahead_size;   /* in pages; 0: not sequential so far */
	uint64_t ahead_expect; /* the page where a sequential reader comes next */
	bool exec;
	uint32_t uid; /* of who opened it */
};

/* --- mount.c ---------------------------------------------------------------------------------- */
extern struct ext2 fs;
void reap_soon(void); /* an unlinked inode may have lost its last user */
struct mount {
	bool mounted, attached;                  /* attached: the device is there, its cache is mapped */
	bool stop_on_damage, go_on_after_damage; /* the options errors=remount-ro, errors=continue */
	long info_status;
	cap_t device;       /* speaks blk */
	cap_t meta, tables; /* memory objects: metadata cache; its state */
	cap_t epochs;       /* memory object shared with VFS: struct fs_epochs */
	cap_t stage;        /* memory object: the transaction that is written to the journal */
	bool device_read_only;
	bool recovering; /* being mounted: the writer works, and nobody else */
	uint64_t sectors, max_sectors, device_number;
};
extern struct mount mount;
long mount_start(bool restarted);
long mount_request(struct request *rq, const struct fs_mount_req *in, struct fs_mount_reply *out);
long unmount_request(struct request *rq, const struct fs_unmount_req *in, struct fs_unmount_reply *out);
long remount_request(struct request *rq, const struct fs_remount_req *in, struct fs_remount_reply *out);

/* --- main.c ------------------------------------------------------------------------------------------- */
/* Reserved blocks are for root: note on whose behalf the operation allocates. */
void act_for(uint64_t stamp);
/* Park until metadata page fs.wait_page is there. */
long wait_for_metadata(struct request *rq);
void metadata_arrived(uint64_t page); /* NO_PAGE: wake everybody who waits for any */
bool is_ours(uint64_t badge);

/* --- io.c: block I/O under way, in a preserved pool ------------------------------------------------------- */
enum io_kind { IO_META_READ = 1, IO_META_WRITE, IO_FILL, IO_DATA_WRITE, IO_FLUSH, IO_LOG };
#define IO_META_PAGES 32u
struct io {
	uint8_t kind; /* 0: unused */
	bool sent;
	bool failed; /* a part of this fill that has been answered already failed */
	struct acall *call;
	struct inode *inode;
	uint64_t page, count; /* of the memory object */
	uint64_t offset, length, sector;
	uint8_t blocks[IO_META_PAGES]; /* IO_META_WRITE: which were dirty */
};
struct io *io_new(enum io_kind kind); /* NULL: too much is under way */
long io_park(struct request *rq);     /* until there is an entry again */
/* Send it; io_done() follows. `memory`: what offset and length are a range of. */
void io_send(struct io *io, cap_t memory);
void io_drop(struct io *io);
void io_done(struct io *io, long status);
void io_recover(void); /* after a restart */
uint32_t io_count(enum io_kind kind);
bool io_fill_pending(const struct io *io);                   /* other parts of the same page */
void io_fail_rest(const struct inode *inode, uint64_t page); /* when these parts have come, it has failed */
/* A read that failed, for whoever runs again because of it. inode NULL: metadata. */
void failure_note(const struct inode *inode, uint64_t page);
bool failure_take(const struct inode *inode, uint64_t page);

/* --- meta.c: metadata pages from and to the device ----------------------------------------------------------- */
void meta_read_done(struct io *io, long status);
void meta_write_done(struct io *io, long status);
/* Write dirty pages from *page on: 1 more later (the pool is full), 0 all sent. */
bool meta_write_some(uint64_t *page);
void meta_shrink(void);      /* down to the limit */
bool meta_write_super(void); /* only the superblock; false: not now */

/* --- pages.c: the page cache of files --------------------------------------------------------------------------- */
struct pages *pages_get(struct inode *inode); /* NULL: no memory */
/* Bring pages in, at least `page`: 0 it is present now; PAGES_WAIT it is on its way; -EAGAIN
 * too much is under way; EXT2_WAIT; an error. */
#define PAGES_WAIT (-4001l)
long pages_fill(struct inode *inode, uint64_t page, uint64_t count);
/* Make absent pages present as zeros. */
long pages_zero(struct inode *inode, uint64_t page, uint64_t count);
void pages_fill_done(struct io *io, long status);
long pages_resize(struct inode *inode, uint64_t size);
void pages_free(struct inode *inode);
/* The bytes behind the end of the file in its last page are zero from now on. As pages_fill. */
long pages_clean_tail(struct inode *inode);
void pages_shrink(void);
void pages_drop(void);                  /* all that are clean */
bool pages_mapped(struct inode *inode); /* asks the kernel, if it was ever handed out */
long page_fault(struct request *rq);
extern uint64_t pages_resident, pages_budget;
/* A handler's status for what pages_fill has answered: parks where that says to wait. */
long pages_wait(struct request *rq, struct inode *inode, long status);

/* --- writeback.c ------------------------------------------------------------------------------------------------------ */
enum write_level { WRITE_LAZY = 1, WRITE_SAFE, WRITE_CLEAN }; /* timer; fsync; sync: marks it clean */
/* Park until everything that is dirty now is written. progress[4] is ours. 0: it is. */
long write_wait(struct request *rq, enum write_level level);
void write_run(void); /* go on: called whenever something may have changed */
void write_note_dirty(struct inode *inode, uint64_t pages);
void write_soon(void);     /* a pass before the timer's */
bool write_too_much(void); /* a writer should wait: write_throttle */
long write_throttle(struct request *rq);
/* Blocks have been added to a file: false: not now, write_throttle. */
bool write_fresh(void);
/* There was no space: whether there will be without anybody's doing; blocks that the next transaction frees, files on
 * their way out. space_wait parks, or answers 0: now. */
bool space_comes(void);
long space_wait(struct request *rq);
bool write_crowded(void); /* with a journal: nothing may be changed before the transaction is closed */
void write_watch(void);   /* keeps fs.crowded, and begins a pass where the transaction is large */
void data_write_done(struct io *io, long status);
void log_write_done(struct io *io, long status);
void flush_done(long status);
void write_timer(uint64_t ns); /* a lazy pass, and reaping, after this time at the latest */
void write_room(void);         /* space may be free again: writers who wait try */
void write_recover(void);
void write_failed(long status); /* metadata could not be written */
/* Of the last pass: whether it has written all metadata and the device has flushed them. */
long write_result(void);
void write_kick(void); /* a metadata page has come */
/* reap.c */
void reap_run(void);                 /* free unlinked inodes that nobody uses */
bool reap_pending(void);             /* there are some, perhaps still being written */
void reap_wake(struct inode *inode); /* that is over */

/* --- files.c, transfer.c, nodes.c ----------------------------------------------------------------------------------- */
extern const struct file_ops file_handlers;
extern const struct fs_ops fs_handlers;
void file_release(uint64_t badge);
struct description *description_of(const struct request *rq);
void files_recover(void); /* counts of openers, after a restart */
long path_of_inode(struct request *rq, struct inode *inode);
/* A request that changes the size is in the middle of it and must not be dropped. */
#define PROGRESS_TRUNCATE 2
#define TRUNCATE_CUT 1
#define TRUNCATE_TRIM 2
long description_open(struct request *rq, struct inode *inode, uint64_t flags, uint64_t stamp, bool exec);
long file_read(struct request *, const struct file_read_req *, struct file_read_reply *);
long file_write(struct request *, const struct file_write_req *, struct file_write_reply *);
long file_pread(struct request *, const struct file_pread_req *, struct file_pread_reply *);
long file_pwrite(struct request *, const struct file_pwrite_req *, struct file_pwrite_reply *);
/* Change the size: 0, or PARK, or an error. progress[2] and [3] are its. */
long inode_truncate(struct request *rq, struct inode *inode, uint64_t size);
void inode_stat(const struct inode *inode, struct file_stat *stat);
void statfs_fill(struct file_statfs *out);
/* FILE_SET_* other than the size. */
struct attributes {
	uint32_t valid, mode, uid, gid;
	struct timestamp atime, mtime;
};
long inode_set_attributes(struct inode *inode, const struct attributes *attributes);
extern int64_t opened_last;
void touch_access(struct inode *inode, uint32_t flags);

#endif
