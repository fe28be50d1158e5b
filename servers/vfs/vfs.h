/* SPDX-License-Identifier: MIT */
/*
 * The parts of VFS that speak: jobs (calls to other services on behalf of a request), sessions, the
 * descriptions that VFS holds itself, devices.
 *
 * A handler walks in the cache. If the cache lacks something it starts a job that fetches it, and the
 * request is parked; when the answer is there the job enters it, and the handler runs again from the top.
 * What changes a file system is a job too. Its consequences for the cache are drawn when the answer comes,
 * whether or not the client still lives; only the client's answer is left to the handler, which finds the
 * finished job in rq->context.
 */
#ifndef SERVERS_VFS_VFS_H
#define SERVERS_VFS_VFS_H

#include <proto/dev.h>
#include <proto/file.h>
#include <proto/fs.h>
#include <proto/pipe.h>
#include <proto/rs.h>
#include <proto/session.h>
#include <proto/vfs.h>
#include <util/string.h>

#include "tree.h"

/* --- sessions (session.c) ---------------------------------------------------------------------------- */
struct session {
	uint64_t stamp;
	struct dentry *root, *cwd;
	uint32_t umask, reserved;
};
/* The caller's, NULL if it has none. Services work at the root. */
struct session *session_find(uint64_t stamp);
void sessions_count(void); /* after tree_rebuild */
void sessions_root_mounted(void);
extern const struct session_ops session_ops;

/* --- jobs (job.c) --------------------------------------------------------------------------------------- */
enum job_kind {
	JOB_LOOKUP = 1,
	JOB_READ_LINK, /* fill the cache: the handler then begins again */
	JOB_SETTLE,    /* likewise: names that are to go are waited for */
	JOB_OTHER,     /* no consequences for the cache */
	JOB_STAT,      /* stat, of `node` */
	JOB_MAKE,      /* create, symlink: `name` in `dir` */
	JOB_LINK,      /* `node` gets `name` in `dir` */
	JOB_UNLINK,    /* entry in dir goes; also rmdir */
	JOB_RENAME,    /* entry in dir becomes name in dir2 */
	JOB_ATTR,      /* set_attr of node */
	JOB_OPEN,      /* of node: the answer is a capability */
	JOB_MOUNT,
};

#define JOB_TEXT 520u
struct job {
	bool used, done;
	uint32_t payer; /* whose share it is of */
	TX_DERIVED_FIELD struct job *next;
	uint64_t freed; /* the transaction that has freed it */
	/* What follows says nothing while it is not used. */
	enum job_kind kind __attribute__((aligned(64)));
	uint64_t token;     /* of the request */
	struct request *rq; /* NULL: its client has gone */
	struct acall *call;
	cap_t to;
	uint64_t op;
	uint32_t op_flags, words_count;
	uint64_t words[IPC_ALL_WORDS]; /* sent */
	/* Held until the answer is there; dir and dir2 locked if the kind changes them. */
	struct dentry *dir, *dir2, *entry;
	struct vnode *node;
	uint32_t changes;              /* of dir, when a lookup was sent */
	uint32_t epoch;                /* of the node, before stat was sent */
	uint32_t name_at, name_length; /* the name in `text` that is looked up or made */
	uint32_t in_length, out_length;
	char *big; /* buffer from the preserved heap instead of text or stat */
	cap_t sent, received,
	    second; /* capabilities: sent, and what the answer brought; closed with the job */
	long status;
	uint64_t answer[IPC_WORDS];
	char text[JOB_TEXT];                                /* in buffer */
	struct file_stat stat __attribute__((aligned(64))); /* out buffer: a file server writes here */
};

/* At the head of every handler. 0: *job is its finished job, or NULL to begin; else the status to return. */
long job_resume(struct request *rq, struct job **job);
/* A fresh job for the request; NULL: park with job_wait. */
struct job *job_new(struct request *rq, enum job_kind kind, cap_t to);
long job_wait(struct request *rq);
/* Send it; answers PARK. `request` has the operation's words. */
long job_send(struct job *job, uint64_t op, uint32_t op_flags, const void *request, size_t size);
/* Text for the in buffer; the name that the job is about begins at name_at. */
bool job_text(struct job *job, const char *text, size_t length);
void job_hold_dir(struct job *job, struct dentry *dir);
void job_hold_dir2(struct job *job, struct dentry *dir);
void job_hold_entry(struct job *job, struct dentry *entry);
void job_hold_node(struct job *job, struct vnode *node);
/* The request is through with it: its status. */
long job_finish(struct request *rq, struct job *job);
/* The head of a handler that such a job ends: true: *status is its answer, PARK among them. */
bool job_settles(struct request *rq, long *status);
void job_free(struct job *job);
/* Capability that the answer brought, to pass on; the job no longer has it. */
cap_t job_take_cap(struct job *job);
cap_t job_take_second_cap(struct job *job);
/* Somebody changes the directory: wait for it. */
long dir_wait(struct request *rq);
/* What the cache lacks after a walk. */
long job_fill(struct request *rq, const struct walk *w, long what);
long job_cancel(struct request *rq);
void jobs_count(void); /* those of the last incarnation */
void jobs_start(void);
/* effects.c: the consequences of an answer; whether a creation is to be asked for in another way (it has been). */
void job_conclude(struct job *job);
bool job_make_again(struct job *job);
/* forget.c */
void forget_flush(void);
long forgets_wait(struct request *rq);        /* 0: the servers know; or PARK */
void names_drop(void);                        /* those that nobody uses */
void forget_mount(const struct mount *mount); /* the mount is over: nothing is told any more */

/* --- path calls (path.c and the other handlers) ------------------------------------------------------------- */
/*
 * Read the path (bytes [from, from + length) of the in buffer) and walk it for the caller. `slot`: which
 * capability of the request is the directory, if dir is not VFS_CWD. 0, or the handler's status.
 */
struct TX_LOCAL place {
	struct session *session;
	uint64_t token;
	struct creds creds;
	struct walk walk;
	struct dentry *start;
};
#define PATH_EMPTY 8u /* with WALK_*: AT_EMPTY_PATH, the directory itself */
#define PATH_REAL 16u /* real ids (access) */
long path_walk(struct request *rq, struct place *place, int64_t dir, unsigned slot, uint64_t from,
	       uint64_t length, uint32_t flags);
/* The same with the path at hand. */
long path_walk_text(struct request *rq, struct place *place, struct dentry *start, const char *path,
		    size_t length, uint32_t flags);
long dir_of(struct request *rq, struct session *session, int64_t dir, unsigned slot, struct dentry **start);

/* A node's attributes into job->stat or from the cache: 0 and *stat, or PARK, or an error. */
long node_stat(struct request *rq, struct vnode *node, const struct file_stat **stat);
/* Answer stat to the client. */
long stat_answer(struct request *rq, const struct file_stat *stat);
long node_set_attr(struct request *rq, const struct dentry *d, const struct creds *creds,
		   struct attr_change *change);
long node_statfs(struct request *rq, struct job *job, const struct mount *mount);
/* A new entry: file, directory or special file. open_flags: open the file that is made, too, if the server can;
 * MAKE_ONLY. */
#define MAKE_ONLY UINT64_MAX
long make_entry(struct request *rq, struct place *place, uint32_t mode, uint64_t rdev, uint64_t open_flags);
long make_node(struct request *rq, struct place *place, uint32_t mode, uint64_t rdev);

/* --- descriptions (description.c) ----------------------------------------------------------------------------- */
struct description {
	bool used, path_only;
	uint32_t generation, flags;
	uint64_t badge;
	struct dentry *dentry;
	uint64_t offset; /* cookie of readdir */
};
long description_open(struct request *rq, struct dentry *dentry, uint32_t flags);
struct description *description_find(uint64_t badge);
void description_release(uint64_t badge);
void descriptions_count(void);
void descriptions_start(void);
extern const struct file_ops description_ops;

/* --- devices (device.c) ------------------------------------------------------------------------------------------ */
struct device {
	bool used;
	uint32_t kind, major, minor, count, mode;
	cap_t server;
	char name[32];
};
struct device *device_find(uint32_t kind, uint64_t rdev);
/* A block device by its name under /dev. */
struct device *device_by_name(const char *name, size_t length, uint32_t *minor);
/* The server of the n-th entry if that is a block device, else CAP_NONE; -EINVAL past the last. */
long device_block_server(uint64_t n);
long device_populate(struct request *rq); /* PARK until /dev has all nodes */
/* A server that makes its nodes itself removes them some time after the last close. For a node of such a server, and
 * for a directory of /dev: PARK until those that are to go have gone, then 0. */
long device_settle_node(struct request *rq, const struct vnode *node);
long device_settle_dir(struct request *rq, const struct dentry *dir);
extern struct waitq device_arrivals;

/* --- mounts (mount.c) ---------------------------------------------------------------------------------------------- */
extern struct mount *dev_mount;
void mounts_start(void); /* in a new incarnation */
void binds_start(void);  /* when the tree has been rebuilt: bind mounts half made go */

/* --- handlers of the vfs protocol; main.c lists them ------------------------------------------------------------- */
#define HANDLER(function, op) \
	long function(struct request *, const struct vfs_##op##_req *, struct vfs_##op##_reply *)
HANDLER(open_path, open);
HANDLER(open_exec, open_exec);
HANDLER(make_dir, mkdir);
HANDLER(make_special, mknod);
HANDLER(remove_name, unlink);
HANDLER(rename_path, rename);
HANDLER(link_path, link);
HANDLER(link_symbolic, symlink);
HANDLER(stat_path, stat);
HANDLER(access_path, access);
HANDLER(read_link, readlink);
HANDLER(set_attr_path, set_attr);
HANDLER(attr_changed, attr_changed);
HANDLER(truncate_path, truncate);
HANDLER(statfs_path, statfs);
HANDLER(change_dir, chdir);
HANDLER(change_dir_fd, fchdir);
HANDLER(change_root, chroot);
HANDLER(working_dir, getcwd);
HANDLER(set_umask, umask);
HANDLER(session_path, session_path);
HANDLER(mount_path, mount);
HANDLER(unmount_path, umount);
HANDLER(mount_root, mount_root);
HANDLER(list_mounts, mounts);
HANDLER(sync_all, sync);
HANDLER(drop_caches, drop_caches);
HANDLER(add_device, add_device);
HANDLER(remove_device, remove_device);

#endif
