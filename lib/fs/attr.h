/* SPDX-License-Identifier: MIT */
/*
 * Who may change which attributes of a file: Linux's rules, with uid 0 in the place of its capabilities.
 * VFS asks for changes by path, file servers for those through an open file (file.set_attr).
 */
#ifndef LIB_FS_ATTR_H
#define LIB_FS_ATTR_H

#include <proto/file_types.h>
#include <sys/tx.h>

struct TX_LOCAL creds {
	uint32_t uid, gid; /* of the file system: fsuid, fsgid */
	uint32_t group_count;
	const uint32_t *groups;
};

/* Of a file. */
struct attr_owner {
	uint32_t mode, uid, gid;
};

/* A change as asked for: FILE_SET_* in valid, and the fields that it names. */
struct attr_change {
	uint32_t valid, mode, uid, gid;
	int64_t atime, atime_nsec, mtime, mtime_nsec;
};

#define MAY_EXEC 1u
#define MAY_WRITE 2u
#define MAY_READ 4u

/* From PM's process table; services are root, a process that has gone is nobody. real: uid and gid instead of fsuid
 * and fsgid. */
void creds_of(uint64_t stamp, struct creds *creds, bool real);
bool creds_in_group(const struct creds *creds, uint32_t gid);
/* Whether who executes a file of that mode gets its group: set-gid means something else without the group's x. */
bool mode_is_set_gid(uint32_t mode);
/* 0 or -EACCES. */
long mode_allows(const struct creds *creds, const struct attr_owner *owner, uint32_t mask);
/* 0, or -EPERM or -EACCES. Corrects the change as Linux does: bits that the caller may not set, set-id bits that
 * go when a file changes hands. */
long attr_check(const struct creds *creds, const struct attr_owner *owner, struct attr_change *change);
/* "Now" becomes a time: FILE_SET_ATIME and FILE_SET_MTIME in the place of the _NOW bits. */
void attr_resolve_now(struct attr_change *change);

#endif
