/* SPDX-License-Identifier: MIT */
/*
 * tmpfs: files in memory. One instance serves all mounts; a mount and an open-file description are badges.
 *
 * A file's bytes are one anonymous memory object, made with the first byte; nothing is copied here, the
 * kernel moves data between it and the client. Its capacity runs ahead of the file's size, except when
 * programs map it: they must not reach beyond the end.
 *
 * Handlers are transactions (sys/tx.h). The hash of names and the users' shares are not preserved; a new incarnation
 * makes them from the nodes.
 */
#ifndef SERVERS_TMPFS_TMPFS_H
#define SERVERS_TMPFS_TMPFS_H

#include <fs/attr.h>
#include <fs/locks.h>
#include <proto/file.h>
#include <proto/fs.h>
#include <sys/server.h>
#include <util/string.h>

#define NODE_MAX 65536u
#define MOUNT_MAX 64u
#define FILE_SIZE_MAX (1ull << 40)
#define LINK_MAX 65000u

struct entry {
	struct entry *next, *previous; /* in the directory */
	TX_DERIVED_FIELD struct entry *hash_next;
	struct node *dir, *node;
	uint64_t cookie;
	uint32_t hash;
	uint16_t length;
	char name[];
};

struct moment {
	int64_t seconds;
	uint32_t nanoseconds;
};

struct node {
	struct mount *mount;
	uint64_t number; /* index in the table plus one */
	uint32_t mode, uid, gid, nlink;
	uint64_t rdev, size;
	struct moment atime, mtime, ctime;
	uint64_t holds; /* references of VFS */
	uint32_t descriptions;
	uint64_t named_in; /* a directory in which it has a name, or had */
	/* directories */
	struct node *parent;
	struct entry *first, *last, *cursor; /* cursor: where the last readdir stopped */
	uint64_t next_cookie;
	uint32_t entries;
	/* symbolic links */
	char *target;
	uint32_t target_length;
	/* files */
	bool mapped;        /* has been handed out for mapping */
	bool mapped_shared; /* ... for shared writing: attributes change unseen */
	bool sparse;        /* pages is what the kernel counted; else all up to `dense` */
	cap_t memory;       /* 0: none yet */
	uint64_t capacity;  /* bytes of the memory object */
	uint64_t dense;     /* bytes from 0 that have been written */
	uint64_t pages;     /* charged to the mount */
	uint32_t payer;     /* who made it: its pages and itself are of that user's share */
	struct file_locks locks;
};

struct mount {
	bool used;
	uint64_t badge, device;
	struct node *root;
	uint64_t pages_max, nodes_max;
	uint32_t descriptions;
	char where[96]; /* the path at which VFS has mounted it */
};

struct description {
	bool used, exec;
	uint32_t generation, flags;
	uint64_t badge;
	struct node *node;
	uint64_t offset;
};

/* --- node.c ------------------------------------------------------------------------------------------------ */
extern struct mount mounts[MOUNT_MAX];
/* What users have of each mount; not preserved. */
extern struct mount_shares {
	struct share pages, nodes;
} mount_shares[MOUNT_MAX];
static inline struct mount_shares *shares_of(const struct mount *mount)
{
	return &mount_shares[mount - mounts];
}
struct node *node_find(const struct mount *mount, uint64_t number);
struct node *node_new(struct mount *mount, uint32_t mode, uint32_t uid, uint32_t gid);
/* Frees it if no name, no description and no reference of VFS is left. */
void node_unused(struct node *node);
void node_free(struct node *node);
void mount_free_nodes(struct mount *mount);
struct moment now(void);
/* The attributes have changed; VFS sees it by the epoch. */
extern struct fs_epochs *epochs;
static inline void changed(const struct node *node)
{
	epochs->epoch[fs_epoch_index(node->number)]++;
}
static inline void touch(struct node *node)
{
	node->mtime = node->ctime = now();
	changed(node);
}
static inline bool is_dir(const struct node *node)
{
	return (node->mode & S_IFMT) == S_IFDIR;
}
static inline bool is_file(const struct node *node)
{
	return (node->mode & S_IFMT) == S_IFREG;
}
void nodes_rebuild(void);

/* --- dir.c --------------------------------------------------------------------------------------------------- */
struct entry *entry_find(struct node *dir, const char *name, size_t length);
/* EEXIST is the caller's to check. Raises no link count. -ENOSPC, -ENOMEM. */
long entry_add(struct node *dir, const char *name, size_t length, struct node *node);
void entry_remove(struct entry *entry);
void entries_rebuild(struct node *dir);
void entries_forget_all(void); /* before nodes are rebuilt */
/* Dirents from `cookie` on, into a buffer; answers its length, EINVAL if not one fits. */
long dir_list(struct node *dir, uint64_t cookie, char *to, size_t size);

/* The node's path, ending at to + size: its start. -ENOENT if none is known. */
long node_path(struct node *node, char *to, size_t size, char **start);

/* The operations; names are checked by VFS but not trusted. */
long dir_create(struct node *dir, const char *name, size_t length, struct node *node);
long dir_link(struct node *dir, const char *name, size_t length, struct node *node);
long dir_unlink(struct node *dir, const char *name, size_t length, uint64_t number, bool remove_dir);
long dir_rename(struct node *from, const char *name, size_t length, struct node *to, const char *new_name,
		size_t new_length, uint32_t flags);

/* --- data.c ----------------------------------------------------------------------------------------------------- */
/* Room for [offset, offset + length): how much of the length there is room for, or -ENOSPC, -EFBIG, -ENOMEM. */
long data_reserve(struct node *node, uint64_t offset, uint64_t length);
/* Memory up to `end`, without charge: a hole is read. */
long data_grow(struct node *node, uint64_t end);
/* Bytes have been written there. */
void data_written(struct node *node, uint64_t offset, uint64_t length);
long data_truncate(struct node *node, uint64_t size);
void data_free(struct node *node);
uint64_t data_pages(struct node *node);
long data_seek(struct node *node, uint64_t offset, bool hole);
/* The memory object for mapping, its size exactly the file's in pages. */
long data_map(struct node *node, cap_t *memory);

/* --- description.c ------------------------------------------------------------------------------------------------ */
struct description *description_new(struct node *node, uint32_t flags, bool exec);
struct description *description_find(uint64_t badge);
void description_free(struct description *d);

void node_stat(struct node *node, struct file_stat *stat);
void mount_statfs(const struct mount *mount, struct file_statfs *statfs);
void node_set_attr(struct node *node, const struct attr_change *change);

/* --- options.c */
struct options {
	uint64_t pages, nodes;
	uint32_t mode, uid, gid;
	const char *where;
};
/* Cuts the text at its commas; `where` points into it. */
void parse_options(struct options *o, char *text);

extern const struct fs_ops tmpfs_fs_ops;
extern const struct file_ops tmpfs_file_ops;
struct mount *mount_by_badge(uint64_t badge);
void mount_end(struct mount *mount);
long epochs_start(void);
extern cap_t epochs_memory;

#endif
