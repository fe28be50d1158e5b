/* SPDX-License-Identifier: MIT */
/*
 * The name space as VFS remembers it: mounts, nodes of file systems, and names. Nothing here knows of
 * messages; what is missing is fetched by job.c and entered here.
 *
 * A name is a struct dentry: present (node set) or known to be absent (node NULL). Names form one tree
 * for each mount, rooted at mount->root. A directory has one dentry in each mount that shows it: bind
 * mounts have names of their own, of common nodes. Dentries that nobody refers to stay in the hash, on the LRU list, until room is needed. A vnode lives while a dentry or a job refers
 * to it; when it goes, its file server is told to forget the lookups that VFS has counted.
 *
 * Everything lies in preserved arrays. Hash chains, the LRU list and the reference counts are derived:
 * tree_rebuild makes them anew from the rest after a crash, whatever state it was in.
 */
#ifndef SERVERS_VFS_TREE_H
#define SERVERS_VFS_TREE_H

#include <fs/attr.h>
#include <fs/locks.h>
#include <proto/file_types.h>
#include <sys/server.h>

#define DENTRY_MAX 12288u
#define VNODE_MAX 12288u
#define MOUNT_MAX 64u
#define DENTRY_INLINE 36u

/* mount->flags; Linux's MS_*. */
#define MOUNT_READ_ONLY 1u
#define MOUNT_NO_SUID 2u
#define MOUNT_NO_DEVICES 4u
#define MOUNT_NO_EXEC 8u

struct dentry;

struct mount {
	bool used, dying; /* dying: being unmounted, or not yet mounted */
	bool fresh;       /* a bind mount that is dying because it is being made */
	bool unbindable;  /* MS_UNBINDABLE */
	bool read_only;   /* of `super`: the file system itself, whatever `flags` of its mounts say */
	/* Whose file system it shows, and whose server, capabilities and nodes it uses: itself; another's if it is a
	 * bind mount. A super that has been unmounted while others show it stays, without a root. */
	struct mount *super;
	struct dentry
	    *origin;         /* of a bind mount: the name in another that its root stands for; may be NULL */
	uint32_t peers;      /* MS_SHARED: what is mounted on one of a group is on all of them; 0: alone */
	uint32_t master;     /* MS_SLAVE: what is mounted on one of that group is here too */
	bool volatile_names; /* FS_MODE_VOLATILE: what is known here holds for the request that asked */
	bool renaming; /* something moves between directories: one at a time, or two could make a loop */
	uint32_t flags;
	uint64_t device;          /* st_dev: the block device's number, or one of its own */
	cap_t fs;                 /* the mount's own capability: badge of the mount */
	cap_t epochs_memory;      /* the server's page of epochs, CAP_NONE if it has none */
	struct fs_epochs *epochs; /* mapped by this incarnation, NULL */
	bool no_create_open;      /* the server does not know fs.create_open */
	cap_t endpoint;           /* of an instance that serves only this mount, or CAP_NONE */
	uint64_t instance;
	struct dentry *root;
	struct dentry *covered; /* directory that the root stands for; NULL for the root of all */
	char type[16];
	char source[64];
	char where[96]; /* its path when it was mounted, for the server's file.path; "" if too long */
};

struct vnode {
	bool used;
	bool locked; /* a directory that is being changed */
	bool going;  /* its name is being removed, and with it what we hold of the node: nobody finds it */
	bool stat_valid;    /* `stat` may be answered ... */
	bool stat_by_epoch; /* ... while the epoch is stat_epoch */
	uint32_t stat_epoch;
	struct mount *mount;
	uint64_t number; /* inode */
	uint32_t mode, uid, gid;
	TX_DERIVED_FIELD uint32_t references;
	uint32_t lookups; /* to be given back by forget */
	uint32_t changes; /* of a directory: counts changes, so that a late lookup is recognised */
	uint64_t rdev;
	TX_DERIVED_FIELD struct vnode *hash_next;
	TX_DERIVED_FIELD struct dentry *names; /* it is known by */
	char *link;                            /* target of a symbolic link once read (preserved heap) */
	uint32_t link_length;
	uint64_t link_for;       /* volatile_names: the request that read it */
	struct file_locks locks; /* flock on an open directory */
	struct file_stat stat;
};

struct dentry {
	TX_DERIVED_FIELD struct dentry *hash_next;
	struct dentry *parent; /* itself for the root of a mount */
	struct vnode *node;    /* NULL: there is no such name */
	uint32_t hash;
	uint16_t length;
	bool used, hashed;
	struct mount *mounted;        /* what is mounted on it */
	struct mount *mount;          /* where it belongs */
	uint64_t known_for, known_ns; /* volatile_names: the request that looked it up, and when */
	TX_DERIVED_FIELD uint32_t references;
	TX_DERIVED_FIELD struct dentry *newer, *older; /* LRU, while unreferenced */
	TX_DERIVED_FIELD struct dentry *children, *sibling, **sibling_link;
	TX_DERIVED_FIELD struct dentry *namesake, **namesake_link; /* others of the node */
	char *long_name;                                           /* preserved heap, if it does not fit */
	char short_name[DENTRY_INLINE];
};

static inline const char *dentry_name(const struct dentry *d)
{
	return d->long_name ? d->long_name : d->short_name;
}
static inline bool dentry_is_root(const struct dentry *d)
{
	return d->parent == d;
}
/* Removed: nothing can be in it any more, so nothing is looked up or remembered there, which would keep the directory
 * after the last who stands in it. */
static inline bool dentry_is_gone(const struct dentry *d)
{
	return !d->hashed && !dentry_is_root(d);
}
static inline bool node_is(const struct vnode *node, uint32_t type)
{
	return (node->mode & S_IFMT) == type;
}

extern struct mount mounts[MOUNT_MAX];
extern struct mount *root_mount; /* NULL until RS has had it mounted */

/* What a file server says of a node (fs.def). */
struct node_words {
	uint64_t node, mode, owner, size, rdev;
};

/* Set by job.c (and by tests): the file server may drop `lookups` references of the node. */
void tree_forget(struct mount *mount, uint64_t number, uint32_t lookups);
/* By whom, too: the monotonic clock. */
uint64_t tree_now(void);

static inline uint32_t name_hash_step(uint32_t hash, char c)
{
	return (hash ^ (uint8_t)c) * 0x01000193u;
}
uint32_t name_hash(const char *name, size_t length);

/* The dentry of a name, present or known absent; NULL: not known. */
struct dentry *dentry_find(const struct dentry *dir, const char *name, size_t length, uint32_t hash);
void dentry_get(struct dentry *d);
void dentry_put(struct dentry *d);
/* A name with what the server answered (node NULL: absent), whose reference passes to it. What was known
 * under that name is replaced. The dentry is the caller's to put. NULL without memory. */
struct dentry *dentry_enter(struct dentry *dir, const char *name, size_t length, struct vnode *node);
/* The name means nothing any more: known to be absent, or forgotten if somebody still holds it. */
void dentry_delete(struct dentry *d);
/* The same, giving up the caller's reference first. */
void dentry_delete_put(struct dentry *d);
/* Whether there is such a name is not known any more. */
void dentry_forget(struct dentry *d);
/* Take what is below out of the cache, as far as nobody refers to it. */
void dentry_prune(struct dentry *d);
void mount_prune(const struct mount *mount);
/* Move a name; what stood at the new place is deleted, the old place is known to be absent. */
void dentry_rename(struct dentry *d, struct dentry *dir, const char *name, size_t length);
void dentry_exchange(struct dentry *a, struct dentry *b);
bool dentry_is_below(const struct dentry *d, const struct dentry *ancestor);
struct dentry *dentry_make_root(struct mount *mount, struct vnode *node);

struct vnode *vnode_find(const struct mount *mount, uint64_t number);
/* The vnode of what the server answered, referenced, its lookup counted. NULL without memory. */
struct vnode *vnode_enter(struct mount *mount, const struct node_words *words);
void vnode_get(struct vnode *node);
void vnode_put(struct vnode *node);
static inline uint32_t vnode_epoch(const struct vnode *node)
{
	return node->mount->epochs ? node->mount->epochs->epoch[fs_epoch_index(node->number)] : 0;
}
static inline bool vnode_stat_known(const struct vnode *node)
{
	return node->stat_valid && (!node->stat_by_epoch || node->stat_epoch == vnode_epoch(node));
}
static inline void vnode_changed(struct vnode *node)
{
	node->stat_valid = false;
	node->changes++;
}

struct mount *mount_new(void);
void mount_free(struct mount *mount);
/* Whether a block device of that number is mounted, or about to be. */
bool mount_on_device(uint64_t device);

/* Derived state anew; then each holder of references (sessions, descriptions, jobs) counts its own with
 * dentry_get and vnode_get, and tree_rebuilt lists what nobody holds. */
void tree_rebuild(void);
void tree_rebuilt(void);

/* --- alias.c: the same name in other mounts of the file system ------------------------------------------- */
/* A directory or file under `d`'s name in mount `in`, referenced; NULL: it is not within it, or no memory. */
struct dentry *alias_in(struct dentry *d, const struct mount *in);
/* What other mounts remember of a name of `dir`. */
void aliases_forget(const struct dentry *dir, const char *name, size_t length);
/* What was done by dentry_rename, in the other mounts. */
void aliases_rename(const struct dentry *dir, const char *name, size_t length, const struct dentry *dir2,
		    const char *name2, size_t length2);
/* Something is mounted on the name, be it in another mount. */
bool alias_is_covered(const struct dentry *d);

/* --- walk.c ---------------------------------------------------------------------------------------- */
#define WALK_FOLLOW 1u   /* a symbolic link at the end is followed */
#define WALK_MAY_LACK 2u /* the last name may be absent: `found` is NULL then */
#define WALK_NAME 4u     /* the name is wanted, to create or remove it: `last` tells what it is */

/* What the walk answers besides 0 and errors: the cache lacks something, which walk.dir and walk.name
 * (a lookup) or walk.found (a link to read) name; fetch it and walk again. */
#define WALK_LOOKUP 1
#define WALK_READ_LINK 2
#define WALK_WAIT 3 /* until a name is gone or not */

enum last_kind { LAST_NAME, LAST_ROOT, LAST_DOT, LAST_DOT_DOT };

struct TX_LOCAL walk {
	const struct creds *creds;
	struct dentry *root, *start;
	const char *path;
	size_t length;
	uint32_t flags;
	uint64_t token; /* the request whose walk this is */
	/* out */
	struct dentry *found; /* NULL: absent */
	struct dentry *dir;   /* the directory of the last name, if last is LAST_NAME */
	const char *name;     /* valid until the next walk */
	uint32_t name_length, name_hash;
	enum last_kind last;
	bool slash; /* the path ended in a slash */
};
long walk(struct walk *w);
/* Whether a link's target that has been read once is good for this walk. */
bool link_known(const struct walk *w, const struct vnode *node);
/* Absolute path of a dentry as seen from `root`, ending at to + size; answers its start. ENOENT if it has been
 * removed, ENAMETOOLONG. An unreachable one begins with "(unreachable)". */
long tree_path(const struct dentry *d, const struct dentry *root, char *to, size_t size, char **start);

/* --- access.c --------------------------------------------------------------------------------------- */
/* 0, EACCES, EROFS. */
long may_access(const struct creds *creds, const struct dentry *at, uint32_t mask);
bool is_read_only(const struct mount *mount);
/* Entries of a directory: create one, remove `victim` from it. is_dir: rmdir, or a rename of a directory. */
long may_create(const struct creds *creds, const struct dentry *dir);
long may_delete(const struct creds *creds, const struct dentry *dir, const struct dentry *victim,
		bool is_dir);
/* Whether somebody may give it a further name. */
long may_link(const struct creds *creds, const struct dentry *at);
/* Mode and group of a new node in `dir`. */
void new_node_owner(const struct creds *creds, const struct vnode *dir, uint32_t *mode, uint32_t *gid);

#endif
