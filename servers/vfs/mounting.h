/* SPDX-License-Identifier: MIT */
/*
 * How a mount is made. It goes by stages, each a job; rq->progress[0] is the stage, [1] the number of the
 * mount being made plus one, [2] the capability of its block device plus one.
 */
#ifndef SERVERS_VFS_MOUNTING_H
#define SERVERS_VFS_MOUNTING_H

#include "vfs.h"

enum stage { STAGE_DEVICE, STAGE_SERVER, STAGE_MOUNT, STAGE_ATTACH, STAGE_DEV, STAGE_POPULATE };

/* Which server a type needs. shared: one instance serves all mounts. */
struct known {
	const char *name, *server;
	bool device, shared;
};
const struct known *type_find(const char *name);

struct mount *mount_of(const struct request *rq);
/* where: its path, for the server; may be empty. */
struct mount *mount_begin(struct request *rq, const char *source, const char *type, uint64_t flags,
			  const char *where);
/* The device: asks its server for a capability that speaks blk; takes the answer: 0 to go on. */
long begin_device(struct request *rq, const struct device *device, uint32_t minor, uint64_t flags);
long device_done(struct request *rq, struct job *job);
/* From STAGE_SERVER to STAGE_ATTACH. 0: the mount is there, to be attached. */
long mount_stages(struct request *rq, const struct known *type, const char *options, size_t length);
void mount_attach_to(struct mount *m, struct dentry *covered);
/* What it is mounted on is bare again. */
void mount_detach(struct mount *m);
/* Takes everything back; answers the status. */
long mount_fail(struct request *rq, long status);
/* What a mount that failed, or is over, leaves behind. */
void mount_drop(struct mount *m);

/* --- bind.c: several mounts of one file system, and propagation between mounts ------------------------------- */
#define MS_REC 0x4000u
#define MS_UNBINDABLE 0x20000u
#define MS_PRIVATE 0x40000u
#define MS_SLAVE 0x80000u
#define MS_SHARED 0x100000u
#define MS_PROPAGATION (MS_UNBINDABLE | MS_PRIVATE | MS_SLAVE | MS_SHARED)
/* `from` is shown at `at` too; with what is mounted below it, if `recursive`. */
long bind_mount(struct dentry *from, struct dentry *at, bool recursive);
long move_mount(struct dentry *from, struct dentry *at);
long change_propagation(struct dentry *at, uint64_t flags);
/* Attach a mount that is ready, here and where mounts here go too. */
long mount_join(struct mount *m, struct dentry *at);
/* Mounts that have come from propagation go as far as nobody uses them; after this, m. */
void unmount_copies(struct mount *m);
bool mount_busy(struct mount *m);
/* It leaves its group. */
void leave_peers(struct mount *m);
/* Another mount than m shows its file system. */
bool mount_is_shown(const struct mount *m);

#endif
