/* SPDX-License-Identifier: MIT */
/* What the handlers of the fs protocol share. */
#ifndef SERVERS_P9_FS_OPS_H
#define SERVERS_P9_FS_OPS_H

#include "p9.h"

#define F(op) struct request *rq, const struct fs_##op##_req *in, struct fs_##op##_reply *out
#define UNUSED ((void)rq, (void)in, (void)out)

#define NAMES_SIZE (2 * NAME_LENGTH_MAX + PATH_LENGTH_MAX)
extern char names[NAMES_SIZE];
/* The in buffer into `names`: its length. */
long read_names(struct request *rq, size_t limit);

/* What the host says may be otherwise the next moment. */
#define TELL(out, n, attr)                                                                     \
	do {                                                                                   \
		(out)->node = (n)->number;                                                     \
		(out)->mode = (uint64_t)(attr)->mode | FS_MODE_VOLATILE | (attr)->nlink << 32; \
		(out)->owner = (attr)->uid | (uint64_t)(attr)->gid << 32;                      \
		(out)->size = (attr)->size;                                                    \
		(out)->rdev = (attr)->rdev;                                                    \
	} while (0)

long mount_begin(F(mount));
long mount_leave(F(unmount));
long mount_change(F(remount));

#endif
