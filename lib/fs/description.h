/* SPDX-License-Identifier: MIT */
/*
 * Open-file descriptions of a server that hands out descriptors: what is the same for all of them,
 * the table that finds one by its badge, and the file operations that need no more than this. A server's own
 * description begins with struct description; it defines `descriptions` as PRESERVED.
 */
#ifndef LIB_FS_DESCRIPTION_H
#define LIB_FS_DESCRIPTION_H

#include <proto/dev.h>
#include <proto/file.h>
#include <sys/server.h>

struct description {
	uint64_t badge;          /* index in the table, generation above */
	uint32_t flags;          /* O_ACCMODE, O_NONBLOCK, O_APPEND */
	uint32_t mode, uid, gid; /* of the file, for fstat; mode with S_IFMT */
	uint64_t device, node, rdev;
	uint64_t opened_ns; /* realtime: the file's times */
	struct watch_list watches;
};

#define DESCRIPTIONS_MAX 16384u
struct description_table {
	struct description *slot[DESCRIPTIONS_MAX];
	uint32_t free_hint;
	uint32_t generation;
};
extern struct description_table descriptions;

/* A zeroed description of `size` bytes (its own struct, which begins with struct description) with a
 * new badge and the flags that a description keeps; NULL: no memory or no slot. */
void *description_new(size_t size, uint64_t flags);
/* The same for a special file that VFS opens: its identity comes from the request. */
void *description_new_special(size_t size, const struct dev_open_req *in);
/* By badge, NULL if it is none. */
void *description_find(uint64_t badge);
/* Below DESCRIPTIONS_MAX, its own as long as it lives. */
uint32_t description_index(uint64_t badge);
/* Drops its watches and frees it. */
void description_delete(void *description);
/* Each in turn, for the start of an incarnation: the first at or after *index, NULL at the end. */
void *description_next(uint32_t *index);

/* What fstat answers for the fields above; size, nlink and blksize as for special files. */
void description_stat(const struct description *d, struct file_stat *stat);

long description_get_flags(struct request *, const struct file_get_flags_req *,
			   struct file_get_flags_reply *);
long description_set_flags(struct request *, const struct file_set_flags_req *,
			   struct file_set_flags_reply *);
long description_identify(struct request *, const struct file_identify_req *, struct file_identify_reply *);
long description_fstat(struct request *, const struct file_fstat_req *, struct file_fstat_reply *);
#define DESCRIPTION_FILE_OPS                                                    \
	.get_flags = description_get_flags, .set_flags = description_set_flags, \
	.identify = description_identify, .fstat = description_fstat

#endif
