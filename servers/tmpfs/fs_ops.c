/* SPDX-License-Identifier: MIT */
/* What VFS asks: the fs protocol. */
#include "tmpfs.h"

#define TMPFS_MAGIC 0x01021994
#define MOUNT_BADGE (1ull << 61)

#define F(op) struct request *rq, const struct fs_##op##_req *in, struct fs_##op##_reply *out
#define UNUSED ((void)rq, (void)in, (void)out)

static char names[2 * NAME_LENGTH_MAX + PATH_LENGTH_MAX];

struct mount *mount_by_badge(uint64_t badge)
{
	uint64_t i = badge - MOUNT_BADGE;

	return i < MOUNT_MAX && mounts[i].used ? &mounts[i] : NULL;
}

static struct mount *mount_of(const struct request *rq)
{
	return mount_by_badge(rq->badge);
}

static struct node *node_of(const struct request *rq, uint64_t number)
{
	struct mount *mount = mount_of(rq);

	return mount ? node_find(mount, number) : NULL;
}

static struct node *dir_of(const struct request *rq, uint64_t number)
{
	struct node *node = node_of(rq, number);

	return node && is_dir(node) ? node : NULL;
}

/* The in buffer into `names`: its length. */
static long read_names(struct request *rq, size_t limit)
{
	long got;

	if (!rq->in_length || rq->in_length > limit)
		return -ENAMETOOLONG;
	got = request_read(rq, 0, names, rq->in_length);
	return got < 0 || got == (long)rq->in_length ? got : -EFAULT;
}

#define TELL(out, n)                                                  \
	do {                                                          \
		(out)->node = (n)->number;                            \
		(out)->mode = (n)->mode | (uint64_t)(n)->nlink << 32; \
		(out)->owner = (n)->uid | (uint64_t)(n)->gid << 32;   \
		(out)->size = (n)->size;                              \
		(out)->rdev = (n)->rdev;                              \
	} while (0)

/* --- mounts ---------------------------------------------------------------------------------------------------- */

static struct mount *mount_take(void)
{
	for (struct mount *m = mounts; m < mounts + MOUNT_MAX; m++)
		if (!m->used) {
			memset(m, 0, sizeof(*m));
			m->badge = MOUNT_BADGE + (uint64_t)(m - mounts);
			return m;
		}
	return NULL;
}

static long fs_mount(F(mount))
{
	struct options options;
	struct mount *m;
	long got = rq->in_length ? read_names(rq, sizeof(names) - 1) : 0;

	if (!stamp_is_service(rq->stamp))
		return -EPERM;
	if (got < 0)
		return got;
	names[got] = 0;
	m = mount_take();
	if (!m)
		return -ENOMEM;
	parse_options(&options, names);
	m->device = in->device;
	m->pages_max = options.pages;
	m->nodes_max = options.nodes;
	*shares_of(m) = (struct mount_shares){ { .total = options.pages }, { .total = options.nodes } };
	strlcpy(m->where, options.where, sizeof(m->where));
	m->root = node_new(m, S_IFDIR | options.mode, options.uid, options.gid);
	if (!m->root)
		return -ENOMEM;
	m->root->nlink = 2;
	m->root->parent = m->root;
	m->root->holds = 1;
	m->used = true;
	TELL(out, m->root);
	got = request_give_badge(rq, m->badge);
	return got < 0 ? got : request_give(rq, epochs_memory, CAP_R, false);
}

void mount_end(struct mount *m)
{
	if (m->root)
		mount_free_nodes(m);
	m->used = false;
}

static long fs_unmount(F(unmount))
{
	struct mount *m = mount_of(rq);

	UNUSED;
	if (!m)
		return -EINVAL;
	if (m->descriptions && !in->flags)
		return -EBUSY;
	return 0; /* its nodes go with the mount's badge */
}

static long fs_remount(F(remount))
{
	UNUSED;
	return mount_of(rq) ? 0 : -EINVAL; /* VFS refuses what a read-only mount does not allow */
}

/* --- names ---------------------------------------------------------------------------------------------------------- */

static long fs_lookup(F(lookup))
{
	struct node *dir = dir_of(rq, in->dir);
	struct entry *e;
	long got = read_names(rq, NAME_LENGTH_MAX);

	if (got < 0)
		return got;
	if (!dir)
		return -ENOENT;
	e = entry_find(dir, names, (size_t)got);
	if (!e)
		return -ENOENT;
	e->node->holds = e->node->holds + 1;
	TELL(out, e->node);
	return 0;
}

static void forget(struct node *node, uint64_t count)
{
	node->holds = node->holds - (count < node->holds ? count : node->holds);
}

static long fs_forget(F(forget))
{
	struct node *node = node_of(rq, in->node);

	UNUSED;
	if (!node)
		return 0;
	forget(node, in->count);
	node_unused(node);
	return 0;
}

static long enter(struct node *dir, size_t length, struct node *node)
{
	long status;

	status = dir_create(dir, names, length, node);
	if (status) {
		node_free(node);
		return status;
	}
	node->holds = 1;
	return 0;
}

/* A node under the name in the in buffer. */
static long make(struct request *rq, uint64_t dir_number, uint64_t mode, uint64_t owner, uint64_t rdev,
		 struct node **made)
{
	struct node *dir = dir_of(rq, dir_number), *node;
	long got = read_names(rq, NAME_LENGTH_MAX);

	if (got < 0)
		return got;
	if (!dir)
		return -ENOENT;
	if (entry_find(dir, names, (size_t)got))
		return -EEXIST;
	node = node_new(mount_of(rq), (uint32_t)mode, (uint32_t)owner, (uint32_t)(owner >> 32));
	if (!node)
		return -ENOSPC;
	node->rdev = rdev;
	*made = node;
	return enter(dir, (size_t)got, node);
}

static long fs_create(F(create))
{
	struct node *node;
	long status = make(rq, in->dir, in->mode, in->owner, in->rdev, &node);

	if (status)
		return status;
	TELL(out, node);
	return 0;
}

static long describe(struct request *rq, struct node *node, uint64_t flags, bool exec)
{
	uint32_t not_kept = O_TRUNC | O_CREAT | O_EXCL | O_NOCTTY;
	struct description *d = description_new(node, (uint32_t)flags & ~not_kept, exec);
	long status;

	if (!d)
		return -ENFILE;
	status = request_give_badge(rq, d->badge);
	if (status < 0)
		description_free(d);
	return status < 0 ? status : 0;
}

static long fs_create_open(F(create_open))
{
	struct node *node;
	long status = make(rq, in->dir, S_IFREG | (in->mode & 07777), in->owner, 0, &node);

	if (status)
		return status;
	TELL(out, node);
	return describe(rq, node, in->flags, false);
}

/* progress[0]: the node. */
static long fs_tmpfile(F(tmpfile))
{
	struct node *node = rq->progress[0] ? node_of(rq, rq->progress[0]) : NULL;
	long status;

	if (!dir_of(rq, in->dir))
		return -ENOENT;
	if (!node)
		node = node_new(mount_of(rq), S_IFREG | ((uint32_t)in->mode & 07777), (uint32_t)in->owner,
				(uint32_t)(in->owner >> 32));
	if (!node)
		return -ENOSPC;
	rq->progress[0] = node->number;
	out->mode = node->mode;
	status = describe(rq, node, in->flags, false);
	if (status < 0)
		node_unused(node);
	return status;
}

static long fs_symlink(F(symlink))
{
	struct node *dir = dir_of(rq, in->dir), *node;
	long got = read_names(rq, NAME_LENGTH_MAX + PATH_LENGTH_MAX), status;
	size_t target = (size_t)got - in->name_length;

	if (got < 0)
		return got;
	if (!dir)
		return -ENOENT;
	if (in->name_length >= (uint64_t)got || target >= PATH_LENGTH_MAX)
		return -EINVAL;
	node = node_new(mount_of(rq), S_IFLNK | 0777, (uint32_t)in->owner, (uint32_t)(in->owner >> 32));
	if (!node)
		return -ENOSPC;
	node->target = pheap_alloc(target);
	if (!node->target) {
		node_free(node);
		return -ENOSPC;
	}
	memcpy(node->target, names + in->name_length, target);
	node->target_length = (uint32_t)target;
	node->size = target;
	status = enter(dir, in->name_length, node);
	if (status)
		return status;
	TELL(out, node);
	return 0;
}

static long fs_link(F(link))
{
	struct node *dir = dir_of(rq, in->dir), *node = node_of(rq, in->node);
	long got = read_names(rq, NAME_LENGTH_MAX);

	UNUSED;
	if (got < 0)
		return got;
	if (!dir || !node)
		return -ENOENT;
	return dir_link(dir, names, (size_t)got, node);
}

static long remove_entry(struct request *rq, uint64_t dir_number, uint64_t number, bool remove_dir)
{
	struct node *dir = dir_of(rq, dir_number);
	long got = read_names(rq, NAME_LENGTH_MAX);

	if (got < 0)
		return got;
	if (!dir)
		return -ENOENT;
	return dir_unlink(dir, names, (size_t)got, number, remove_dir);
}

/* VFS's references go with the name, or stay if the name does. */
static long remove_held(struct request *rq, const struct fs_unlink_req *in, bool remove_dir,
			uint64_t *forgotten)
{
	struct node *node = in->forget ? node_of(rq, in->node) : NULL;
	uint64_t holds = node ? node->holds : 0;
	long status;

	if (node)
		forget(node, in->forget);
	status = remove_entry(rq, in->dir, in->node, remove_dir);
	if (status < 0 && node)
		node->holds = holds;
	if (status >= 0)
		*forgotten = in->forget;
	return status;
}

static long fs_unlink(F(unlink))
{
	return remove_held(rq, in, false, &out->forgotten);
}

static long fs_rmdir(F(rmdir))
{
	struct fs_unlink_req same = { in->dir, in->node, in->forget };

	return remove_held(rq, &same, true, &out->forgotten);
}

static long fs_rename(F(rename))
{
	struct node *from = dir_of(rq, in->old_dir), *to = dir_of(rq, in->new_dir);
	long got = read_names(rq, 2 * NAME_LENGTH_MAX);

	UNUSED;
	if (got < 0)
		return got;
	if (!from || !to)
		return -ENOENT;
	if (!in->name_length || in->name_length >= (uint64_t)got)
		return -EINVAL;
	return dir_rename(from, names, in->name_length, to, names + in->name_length,
			  (size_t)got - in->name_length, (uint32_t)in->flags);
}

static long fs_readlink(F(readlink))
{
	struct node *node = node_of(rq, in->node);
	size_t length;

	UNUSED;
	if (!node || !node->target)
		return -EINVAL;
	length = node->target_length < rq->out_length ? node->target_length : rq->out_length;
	return request_write(rq, 0, node->target, length);
}

static long fs_readdir(F(readdir))
{
	static char list[32768] __attribute__((aligned(8)));
	struct node *dir = dir_of(rq, in->node);
	long length;

	UNUSED;
	if (!dir)
		return -ENOTDIR;
	length =
	    dir_list(dir, in->cookie, list, rq->out_length < sizeof(list) ? rq->out_length : sizeof(list));
	return length > 0 ? request_write(rq, 0, list, (size_t)length) : length;
}

/* --- attributes ------------------------------------------------------------------------------------------------------- */

void node_stat(struct node *node, struct file_stat *stat)
{
	memset(stat, 0, sizeof(*stat));
	stat->dev = node->mount->device;
	stat->ino = node->number;
	stat->nlink = node->nlink;
	stat->mode = node->mode;
	stat->uid = node->uid;
	stat->gid = node->gid;
	stat->rdev = node->rdev;
	stat->size = (int64_t)(is_dir(node) ? node->entries * 20 : node->size);
	stat->blksize = ANOLE_PAGE_SIZE;
	stat->blocks = (int64_t)(is_file(node) ? data_pages(node) * (ANOLE_PAGE_SIZE / 512) : 0);
	stat->atime = (uint64_t)node->atime.seconds;
	stat->atime_nsec = node->atime.nanoseconds;
	stat->mtime = (uint64_t)node->mtime.seconds;
	stat->mtime_nsec = node->mtime.nanoseconds;
	stat->ctime = (uint64_t)node->ctime.seconds;
	stat->ctime_nsec = node->ctime.nanoseconds;
}

static long fs_stat(F(stat))
{
	struct node *node = node_of(rq, in->node);
	struct file_stat stat;

	if (!node)
		return -ESTALE;
	if (rq->out_length < sizeof(stat))
		return -EINVAL;
	node_stat(node, &stat);
	out->cacheable = node->mapped_shared ? 0 : 2;
	return request_write(rq, 0, &stat, sizeof(stat)) < 0 ? -EFAULT : 0;
}

void node_set_attr(struct node *node, const struct attr_change *change)
{
	if (change->valid & FILE_SET_MODE)
		node->mode = (node->mode & S_IFMT) | (change->mode & 07777);
	if (change->valid & FILE_SET_UID)
		node->uid = change->uid;
	if (change->valid & FILE_SET_GID)
		node->gid = change->gid;
	if (change->valid & FILE_SET_ATIME)
		node->atime = (struct moment){ change->atime, (uint32_t)change->atime_nsec };
	if (change->valid & FILE_SET_MTIME)
		node->mtime = (struct moment){ change->mtime, (uint32_t)change->mtime_nsec };
	node->ctime = now();
	changed(node);
}

static long fs_set_attr(F(set_attr))
{
	struct node *node = node_of(rq, in->node);
	struct attr_change change = {
		.valid = (uint32_t)in->valid,
		.mode = (uint32_t)in->mode,
		.uid = (uint32_t)in->owner,
		.gid = (uint32_t)(in->owner >> 32),
		.atime = in->atime,
		.atime_nsec = in->atime_nsec,
		.mtime = in->mtime,
		.mtime_nsec = in->mtime_nsec,
	};
	long status;

	UNUSED;
	if (!node)
		return -ESTALE;
	if (in->valid & FILE_SET_SIZE) {
		if (!is_file(node))
			return -EINVAL;
		status = data_truncate(node, in->size);
		if (status)
			return status;
		touch(node);
	}
	attr_resolve_now(&change);
	node_set_attr(node, &change);
	return 0;
}

void mount_statfs(const struct mount *m, struct file_statfs *statfs)
{
	uint64_t used = shares_of(m)->pages.used, free = m->pages_max > used ? m->pages_max - used : 0;

	memset(statfs, 0, sizeof(*statfs));
	statfs->type = TMPFS_MAGIC;
	statfs->bsize = statfs->frsize = ANOLE_PAGE_SIZE;
	statfs->blocks = m->pages_max;
	statfs->bfree = statfs->bavail = free;
	statfs->files = m->nodes_max;
	statfs->ffree = m->nodes_max - shares_of(m)->nodes.used;
	statfs->namelen = NAME_LENGTH_MAX;
}

static long fs_statfs(F(statfs))
{
	struct mount *m = mount_of(rq);
	struct file_statfs statfs;

	UNUSED;
	if (!m || rq->out_length < sizeof(statfs))
		return -EINVAL;
	mount_statfs(m, &statfs);
	return request_write(rq, 0, &statfs, sizeof(statfs)) < 0 ? -EFAULT : 0;
}

static long fs_sync(F(sync))
{
	UNUSED;
	return 0;
}

static long fs_sync_node(F(sync_node))
{
	UNUSED;
	return 0;
}

static long fs_open(F(open))
{
	struct node *node = node_of(rq, in->node);
	long status;

	UNUSED;
	if (!node)
		return -ESTALE;
	if (!is_file(node))
		return -EINVAL;
	if (in->flags & O_TRUNC) {
		status = data_truncate(node, 0);
		if (status)
			return status;
		touch(node);
	}
	return describe(rq, node, in->flags, in->exec);
}

const struct fs_ops tmpfs_fs_ops = {
	.mount = fs_mount,
	.unmount = fs_unmount,
	.lookup = fs_lookup,
	.forget = fs_forget,
	.create = fs_create,
	.symlink = fs_symlink,
	.link = fs_link,
	.unlink = fs_unlink,
	.rmdir = fs_rmdir,
	.rename = fs_rename,
	.readlink = fs_readlink,
	.stat = fs_stat,
	.set_attr = fs_set_attr,
	.open = fs_open,
	.readdir = fs_readdir,
	.statfs = fs_statfs,
	.sync = fs_sync,
	.sync_node = fs_sync_node,
	.remount = fs_remount,
	.create_open = fs_create_open,
	.tmpfile = fs_tmpfile,
};
