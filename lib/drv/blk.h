/* SPDX-License-Identifier: MIT */
/*
 * What block drivers have in common: the protocol, ranges of the device with badges of their own,
 * bounds, requests that wait for room, a device that does not answer: then the driver ends itself, RS quiesces the
 * device and starts it anew, and what was in flight is sent again; what is lost twice is EIO. A driver fills in a struct blk_driver, calls blk_main, and
 * translates transfers for its hardware.
 */
#ifndef LIB_DRV_BLK_H
#define LIB_DRV_BLK_H

#include <sys/server.h>

#define BLK_SECTOR 512u
#define BLK_PATIENCE_NS 30000000000ull
#define BLK_RANGES 126 /* physical ranges of one transfer at most */

enum blk_kind { BLK_READ, BLK_WRITE, BLK_FLUSH };

struct blk_device {
	uint64_t sectors;
	bool read_only, has_cache;
	unsigned max_ranges;  /* of one transfer, at most BLK_RANGES */
	bool copies;          /* the driver reads and writes the requests' buffers itself: no ranges */
	uint64_t patience_ns; /* for one transfer; 0: BLK_PATIENCE_NS */
};

struct blk_transfer {
	enum blk_kind kind;
	uint64_t sector;
	unsigned count; /* ranges; 0 for a flush */
	const struct phys_range *ranges;
	uint64_t length;
	struct request *rq; /* to name it in blk_done */
};

struct blk_driver {
	const char *name;
	/* Reset the hardware and fill in what it is. Transfers of an incarnation before come again. */
	long (*start)(bool restarted, struct blk_device *device);
	/* Begin a transfer: 0, or -EAGAIN: no room until the next blk_done; other errors answer it. */
	long (*begin)(const struct blk_transfer *transfer);
	/* Bits of SLOT_NOTIFY. */
	void (*interrupt)(uint64_t bits);
	/* No transfer is in flight any more; make the hardware quiet. */
	void (*stop)(void);
};

int blk_main(const struct blk_driver *driver) __attribute__((noreturn));
void blk_done(struct request *rq, long status);
/* Transfers that were put off by -EAGAIN may be tried again. */
void blk_room(void);

#endif
