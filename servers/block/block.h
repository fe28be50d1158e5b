/* SPDX-License-Identifier: MIT */
/* Disks, their partitions, and the special files that programs open. */
#ifndef BLOCK_BLOCK_H
#define BLOCK_BLOCK_H

#include <fs/description.h>
#include <fs/locks.h>
#include <proto/blk.h>
#include <proto/dev.h>
#include <proto/file.h>
#include <proto/rs.h>
#include <proto/vfs.h>
#include <sys/server.h>

#include "table.h"

#define DISKS_MAX 16u
#define MINORS 16u /* of a disk: the whole, then its partitions */
#define MAJOR 254u
#define DEVICE_BADGE BADGE_FIRST_OWN /* what VFS opens devices with */

/* A disk or a partition of it. */
struct device {
	bool present, read_only;
	char name[16];
	uint32_t disk, minor;
	uint64_t start, sectors;
	uint64_t max_sectors; /* of one transfer */
	/* Its page cache, from the first opening on. */
	cap_t memory;
	uint32_t opens, writing, reading;
	bool dirty;
	long error; /* of a write, for the next fsync */
	uint64_t resident;
	uint64_t taken_page, taken_count; /* marked clean and not sent yet */
	uint64_t flush_begun, flush_finished;
	struct waitq waiting;
	struct file_locks locks;
};

struct opened {
	struct description base; /* of the special file */
	struct device *device;
	uint64_t offset;
};

/* --- disk.c ------------------------------------------------------------------------------------ */
struct disk {
	bool present;
	cap_t driver;    /* speaks blk, the whole disk */
	uint64_t number; /* at RS */
};
extern struct disk disks[DISKS_MAX];
extern struct device devices[DISKS_MAX * MINORS];
struct device *device_by_number(uint64_t major, uint64_t minor);
long disks_start(bool restarted);

/* --- cache.c ------------------------------------------------------------------------------------ */
#define CACHE_WAIT (-4001l) /* the page is on its way: park on device->waiting */
long cache_open(struct device *device);
/* The page is present (0), or CACHE_WAIT, or an error. */
long cache_fill(struct device *device, uint64_t page, uint64_t count);
long cache_zero(struct device *device, uint64_t page, uint64_t count);
void cache_written(struct device *device); /* dirty: written back in a while */
/* Everything that is dirty now is on the disk and flushed: 0, PARK, or an error. progress[4], [5]. */
long cache_sync(struct request *rq, struct device *device);
long cache_sync_all(struct request *rq); /* of all devices; progress[0] and [4] are its own */
void cache_drop_clean(struct device *device);
void cache_drop_all(void); /* what is clean; whole caches that nobody has open */
void cache_limit(void);
void cache_restart(void);

/* --- file.c -------------------------------------------------------------------------------------- */
extern const struct file_ops file_handlers;
extern const struct dev_ops device_handlers;
void file_release(uint64_t badge);

#endif
