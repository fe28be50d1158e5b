/* SPDX-License-Identifier: MIT */
/*
 * p9: files of the host that runs the machine, by 9P2000.L messages that `virtio_9p` carries. One instance serves all
 * mounts. Nothing is cached: each operation asks the host, which may have changed its files meanwhile.
 *
 * The host knows files by numbers that we choose (fids), and forgets all of them when its device is reset or a new
 * session is begun. So a fid belongs to an epoch of its host, and a node knows its name and its parent: one of an
 * older epoch is walked to again, from the root, before it is used.
 *
 * A handler is a sequence of talks with the host (talk.c). progress[0] counts those that are done; [1] to [3] are
 * the handler's, [4] the node that it is walking to, [5] a fid it has taken, [6] the epoch in which it has begun, [7]
 * whether it had begun before, in another: what it finds done already may then be its own work.
 */
#ifndef SERVERS_P9_P9_H
#define SERVERS_P9_P9_H

#include "message.h"

#include <fs/attr.h>
#include <fs/description.h>
#include <fs/locks.h>
#include <proto/file.h>
#include <proto/fs.h>
#include <sys/server.h>
#include <util/string.h>

#define TRANSFER_MAX 65536u /* bytes of data in one message */
#define HOSTS_MAX 8u
#define TAG_LENGTH 64u

/* What one driver leads to. */
struct host {
	bool used, ready;
	cap_t driver;
	uint64_t number;  /* of the driver, for rs */
	uint64_t session; /* of the driver */
	uint64_t epoch;   /* of fids; raised when a session is begun */
	uint32_t next_fid;
	bool opening;
	long error;        /* of the last attempt to begin a session */
	uint64_t transfer; /* bytes of data in one message */
	char tag[TAG_LENGTH];
	struct waitq waiting;
};

struct mount {
	bool used;
	uint64_t badge, device;
	struct host *host;
	struct node *root;
	uint32_t descriptions;
	char where[96]; /* the path at which VFS has mounted it */
};

struct node {
	struct mount *mount;
	uint64_t number; /* index in the table plus one */
	struct node *parent;
	char *name;        /* in the parent; NULL: the root */
	struct node *next; /* of the same hash */
	uint64_t path;     /* the host's number of the file */
	uint32_t mode;
	uint32_t fid, list_fid;     /* list_fid: opened for reading the directory */
	uint64_t epoch, list_epoch; /* in which they are valid */
	uint64_t holds;             /* references of VFS */
	uint32_t descriptions, children;
	/* The epoch in which somebody is walking to it, or opening it as a directory. */
	uint64_t reaching, reaching_list;
	struct file_locks locks;
	cap_t image; /* its bytes, for mapping; 0: none */
	uint64_t image_size, image_mtime, image_mtime_nsec;
};

struct opened {
	struct description d;
	struct node *node;
	bool exec;
	uint64_t offset;
	uint32_t fid;
	uint64_t epoch, reaching; /* as of a node */
};

/* --- host.c: drivers and sessions ---------------------------------------------------------------- */
long hosts_start(bool restarted);
/* By what it offers; NULL: there is none (yet). */
struct host *host_find(const char *tag);
extern struct waitq hosts_changed;
/* 0 if a session is there, else begins one and parks; the error if that failed. */
long host_ready(struct request *rq, struct host *host);
/* The session is gone: the host has forgotten the fids. */
void host_lost(struct host *host);
uint32_t fid_new(struct host *host);

/* --- talk.c: one message and its answer ------------------------------------------------------------ */
struct exchange;
long exchanges_start(bool restarted);
/* A message that belongs to no request. `done` gets the answer, opened; `context` is its own. NULL: no room, or it
 * could not be sent. -errno else. */
long exchange_alone(struct host *host, uint8_t type,
		    void (*done)(struct host *, long status, struct message *), const char *format, ...);
/* Step `step` of a handler: 0 if it was done in an earlier run; 1 if it is done now, and *answer stands at the first
 * field; PARK; or the error. Steps of one handler are numbered from 0. */
long talk(struct request *rq, struct host *host, unsigned step, struct message *answer, uint8_t type,
	  const char *format, ...);
/* The same for bytes of the caller: a Twrite with what stands at `from` in its in buffer, an Rread's data to `to` in
 * its out buffer. Answers as talk, *done: bytes. */
long talk_write(struct request *rq, struct host *host, unsigned step, uint32_t fid, uint64_t offset,
		uint64_t from, uint64_t length, uint64_t *done);
long talk_read(struct request *rq, struct host *host, unsigned step, uint32_t fid, uint64_t offset,
	       uint64_t to, uint64_t length, uint64_t *done);
/* A message in between, that makes a fid valid: as talk with a step that is not counted. Only one request at a
 * time may be at it for one fid. */
long talk_aside(struct request *rq, struct host *host, struct message *answer, uint8_t type,
		const char *format, ...);
/* A message of the request is on its way. */
bool talking(const struct request *rq);
/* What it has on its way is not waited for any more. */
void talk_forget(const struct request *rq);
void clunk(struct host *host, uint32_t fid);

/* --- node.c ------------------------------------------------------------------------------------------- */
extern struct mount mounts[];
#define MOUNT_MAX 16u
struct node *node_find(const struct mount *mount, uint64_t number);
struct node *node_root(struct mount *mount);
/* What a walk from `parent` has found; `fid` becomes the node's or is given back. NULL: no memory. */
struct node *node_enter(struct node *parent, const char *name, size_t length, uint32_t fid,
			const struct p9_attr *attr);
/* It has another name now, or none that we know of. */
void node_moved(struct node *old_parent, const char *old_name, size_t old_length, struct node *parent,
		const char *name, size_t length);
void node_unused(struct node *node);
/* An open file of the node; NULL: too many. */
struct opened *opened_new(struct node *node, uint64_t flags, bool exec);
void opened_free(struct opened *file);
void mount_free_nodes(struct mount *mount);
void nodes_rebuild(void);
/* The node's path, ending at to + size: its start. */
long node_path(const struct node *node, char *to, size_t size, char **start);

/* --- reach.c: fids that are valid in this epoch ----------------------------------------------------------- */
long reach(struct request *rq, struct node *node);
long reach_list(struct request *rq, struct node *node);
long reach_open(struct request *rq, struct opened *file);

/* --- attributes.c -------------------------------------------------------------------------------------------- */
/* One talk each, as step `step`. */
long ask_attr(struct request *rq, struct node *node, uint32_t fid, unsigned step, struct p9_attr *attr);
long set_attr(struct request *rq, struct node *node, unsigned step, const struct attr_change *change,
	      uint64_t size);
long ask_statfs(struct request *rq, struct node *node, struct file_statfs *statfs);
void stat_of(const struct node *node, const struct p9_attr *attr, struct file_stat *stat);

extern const struct fs_ops p9_fs_ops;
extern const struct file_ops p9_file_ops;
struct mount *mount_by_badge(uint64_t badge);
void mount_end(struct mount *mount);

#endif
