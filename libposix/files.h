/* SPDX-License-Identifier: MIT */
/* What the files for descriptors, paths and polling share. */
#ifndef LIBPOSIX_FILES_H
#define LIBPOSIX_FILES_H

#include "libposix.h"

#include <proto/file.h>
#include <proto/net.h>
#include <proto/pipe.h>
#include <proto/socket.h>
#include <proto/vfs.h>

#define SIGPIPE 13
#define SIGXFSZ 25
#define RW_MAX 0x7ffff000ul /* what Linux moves at most in one call */
#define GATHER_MAX 8192u    /* fits libposix's stack twice */

struct lp_iovec {
	char *base;
	uint64_t length;
};

/* A descriptor number as programs give it: 32 bits, and not one of the private table. */
static inline bool fd_valid(uint64_t fd)
{
	return (uint32_t)fd < CAP_PRIVATE;
}
static inline cap_t fd_cap(uint64_t fd)
{
	return fd_valid(fd) ? (cap_t)fd : 0x3fffffff;
}

/* The descriptor that an answer brought. */
static inline long received_fd(unsigned i)
{
	return ipc_page()->caps[i].slot;
}

/* fd.c: a descriptor is about to be closed: its file's server drops the record locks of the process. */
void announce_close(cap_t fd);

#define CWD ((uint64_t)AT_FDCWD)

/* How a path travels: its text, and its directory as a capability where there is one. */
struct path {
	struct call_options options;
	int64_t dir; /* the request's word */
};

long path_prepare(struct path *path, uint64_t dir, const char *text, bool may_be_empty);

#define PREPARE(path, dir, text, may_be_empty)                                               \
	do {                                                                                 \
		long error = path_prepare(&(path), dir, (const char *)(text), may_be_empty); \
		if (error)                                                                   \
			return error;                                                        \
	} while (0)

/* path.c: N if the path is /dev/fd/N, /dev/stdin ..., /proc/self/fd/N: what these name is the
 * descriptor itself. -1 else. */
int path_names_fd(const char *path);

#endif
