/* SPDX-License-Identifier: MIT */
/* What VFS asks: names, attributes, directories. */
#include "server.h"

#include <fs/stream.h>
#include <util/string.h>

static char text[2 * PATH_LENGTH_MAX];

static struct inode *node_get(uint64_t number)
{
	return number > UINT32_MAX ? error_pointer(-ESTALE) : inode_get(&fs, (uint32_t)number);
}

/* The in buffer as text; `limit` bytes at most. */
static long read_text(struct request *rq, uint64_t limit)
{
	long status;

	if (rq->in_length > limit)
		return -ENAMETOOLONG;
	status = request_read(rq, 0, text, rq->in_length);
	if (status < 0)
		return status;
	return (uint64_t)status == rq->in_length ? 0 : -EFAULT;
}

static struct inode *dir_and_name(struct request *rq, uint64_t number, struct name *name)
{
	struct inode *dir = node_get(number);
	long status = is_error(dir) ? 0 : read_text(rq, NAME_LENGTH_MAX);

	*name = (struct name){ text, (uint32_t)rq->in_length };
	return status < 0 ? error_pointer(status) : dir;
}

static uint64_t rdev_of(const struct inode *inode)
{
	uint32_t format = inode->d.mode & S_IFMT, rdev;

	if (format != S_IFCHR && format != S_IFBLK)
		return 0;
	rdev = inode_rdev(inode);
	return dev_make(rdev >> 20, rdev & 0xfffff);
}

/* All replies that name a node have the same words. */
static void tell_node(const struct inode *inode, struct fs_lookup_reply *out)
{
	out->node = inode->number;
	out->mode = inode->d.mode | (uint64_t)inode->d.links << 32;
	out->owner = inode->d.uid | (uint64_t)inode->d.gid << 32;
	out->size = inode->d.size;
	out->rdev = rdev_of(inode);
}

/* VFS has got the node and will forget it some time. */
static long hand_out(struct inode *dir, struct inode *inode, void *out)
{
	tx_add(&fs, &inode->held, sizeof inode->held);
	inode->held++;
	inode->parent = dir->number;
	tell_node(inode, out);
	return 0;
}

static long lookup(struct request *rq, const struct fs_lookup_req *in, struct fs_lookup_reply *out)
{
	struct inode *inode, *dir;
	struct name name;
	long status;

	dir = dir_and_name(rq, in->dir, &name);
	if (is_error(dir))
		return error_of(dir);
	status = name_lookup(dir, name, &inode);
	return status < 0 ? status : hand_out(dir, inode, out);
}

static void let_go(struct inode *inode, uint64_t count)
{
	tx_add(&fs, &inode->held, sizeof inode->held);
	inode->held -= count < inode->held ? (uint32_t)count : inode->held;
	if (inode->orphan && !inode->held)
		reap_soon();
}

static long forget(struct request *rq, const struct fs_forget_req *in, struct fs_forget_reply *out)
{
	struct inode *inode = in->node > UINT32_MAX ? NULL : inode_find(&fs, (uint32_t)in->node);

	(void)rq;
	(void)out;
	if (inode)
		let_go(inode, in->count);
	return 0;
}

static struct creation creation_of(uint64_t mode, uint64_t owner, uint64_t rdev)
{
	return (struct creation){ (uint32_t)mode, (uint32_t)owner, (uint32_t)(owner >> 32),
				  dev_major(rdev) << 20 | (dev_minor(rdev) & 0xfffff) };
}

static long make(struct request *rq, uint64_t dir_number, const struct creation *how, uint64_t stamp,
		 void *out, struct inode **inode)
{
	struct inode *dir;
	struct name name;
	long status;

	if (!dir_type(how->mode) || dir_type(how->mode) == EXT2_TYPE_SYMLINK)
		return -EINVAL;
	dir = dir_and_name(rq, dir_number, &name);
	if (is_error(dir))
		return error_of(dir);
	act_for(stamp);
	status = name_create(dir, name, how, inode);
	return status < 0 ? status : hand_out(dir, *inode, out);
}

static long create(struct request *rq, const struct fs_create_req *in, struct fs_create_reply *out)
{
	struct creation how = creation_of(in->mode, in->owner, in->rdev);
	struct inode *inode;

	return make(rq, in->dir, &how, in->stamp, out, &inode);
}

static long create_open(struct request *rq, const struct fs_create_open_req *in,
			struct fs_create_open_reply *out)
{
	struct creation how = creation_of(S_IFREG | (in->mode & 07777), in->owner, 0);
	struct inode *inode;
	long status = make(rq, in->dir, &how, in->stamp, out, &inode);

	return status < 0 ? status : description_open(rq, inode, in->flags, in->stamp, false);
}

static long symlink(struct request *rq, const struct fs_symlink_req *in, struct fs_symlink_reply *out)
{
	struct creation how = creation_of(S_IFLNK | 0777, in->owner, 0);
	struct inode *inode, *dir = node_get(in->dir);
	long status;

	if (is_error(dir))
		return error_of(dir);
	status = read_text(rq, sizeof text);
	if (status < 0)
		return status;
	if (in->name_length > rq->in_length)
		return -EINVAL;
	if (in->name_length > NAME_LENGTH_MAX)
		return -ENAMETOOLONG;
	act_for(in->stamp);
	status = name_symlink(dir, (struct name){ text, (uint32_t)in->name_length }, text + in->name_length,
			      (uint32_t)(rq->in_length - in->name_length), &how, &inode);
	return status < 0 ? status : hand_out(dir, inode, out);
}

static long link(struct request *rq, const struct fs_link_req *in, struct fs_link_reply *out)
{
	struct inode *inode = node_get(in->node), *dir;
	struct name name;

	(void)out;
	if (is_error(inode))
		return error_of(inode);
	dir = dir_and_name(rq, in->dir, &name);
	if (is_error(dir))
		return error_of(dir);
	return name_link(dir, name, inode);
}

static long removed(long status, const struct inode *gone)
{
	if (status == 0 && gone && gone->orphan)
		reap_soon();
	return status;
}

/* VFS's references go with the name. */
static long removed_held(long status, struct inode *gone, uint64_t count, uint64_t *forgotten)
{
	if (status == 0 && count && gone) {
		let_go(gone, count);
		*forgotten = count;
	}
	return removed(status, gone);
}

static long unlink(struct request *rq, const struct fs_unlink_req *in, struct fs_unlink_reply *out)
{
	struct inode *gone = NULL, *dir;
	struct name name;

	dir = dir_and_name(rq, in->dir, &name);
	if (is_error(dir))
		return error_of(dir);
	return removed_held(name_unlink(dir, name, (uint32_t)in->node, &gone), gone, in->forget,
			    &out->forgotten);
}

static long rmdir(struct request *rq, const struct fs_rmdir_req *in, struct fs_rmdir_reply *out)
{
	struct inode *gone = NULL, *dir;
	struct name name;

	dir = dir_and_name(rq, in->dir, &name);
	if (is_error(dir))
		return error_of(dir);
	return removed_held(name_rmdir(dir, name, (uint32_t)in->node, &gone), gone, in->forget,
			    &out->forgotten);
}

static long rename(struct request *rq, const struct fs_rename_req *in, struct fs_rename_reply *out)
{
	struct inode *from = node_get(in->old_dir), *to, *gone = NULL;
	struct name old, new;
	long status;

	(void)out;
	if (is_error(from))
		return error_of(from);
	to = node_get(in->new_dir);
	if (is_error(to))
		return error_of(to);
	if (in->flags & ~(uint64_t)(RENAME_NOREPLACE | RENAME_EXCHANGE))
		return -EINVAL;
	status = read_text(rq, 2 * NAME_LENGTH_MAX);
	if (status < 0)
		return status;
	if (in->name_length > rq->in_length)
		return -EINVAL;
	old = (struct name){ text, (uint32_t)in->name_length };
	new = (struct name){ text + old.length, (uint32_t)(rq->in_length - old.length) };
	return removed(name_rename(from, old, to, new, (uint32_t)in->flags, &gone), gone);
}

static long readlink(struct request *rq, const struct fs_readlink_req *in, struct fs_readlink_reply *out)
{
	struct inode *inode = node_get(in->node);
	long length;

	(void)out;
	if (is_error(inode))
		return error_of(inode);
	length =
	    symlink_read(inode, text, rq->out_length < sizeof text ? (uint32_t)rq->out_length : sizeof text);
	return length <= 0 ? length : request_write(rq, 0, text, (size_t)length);
}

/* --- attributes ------------------------------------------------------------------------------------ */

void inode_stat(const struct inode *inode, struct file_stat *stat)
{
	const struct inode_data *d = &inode->d;

	*stat = (struct file_stat){
		.dev = mount.device_number,
		.ino = inode->number,
		.nlink = d->links,
		.mode = d->mode,
		.uid = d->uid,
		.gid = d->gid,
		.rdev = rdev_of(inode),
		.size = (int64_t)d->size,
		.blksize = fs.block_size,
		.blocks = (int64_t)d->sectors,
		.atime = (uint64_t)d->atime.seconds,
		.atime_nsec = d->atime.nanoseconds,
		.mtime = (uint64_t)d->mtime.seconds,
		.mtime_nsec = d->mtime.nanoseconds,
		.ctime = (uint64_t)d->ctime.seconds,
		.ctime_nsec = d->ctime.nanoseconds,
	};
}

static long stat(struct request *rq, const struct fs_stat_req *in, struct fs_stat_reply *out)
{
	struct inode *inode = node_get(in->node);
	struct file_stat stat;

	if (is_error(inode))
		return error_of(inode);
	inode_stat(inode, &stat);
	out->cacheable = inode->pages && inode->pages->map_written ? 0 : fs.epochs ? 2 : !inode->opens;
	return stream_put(rq, &stat, sizeof stat);
}

static void set_time(struct timestamp *to, struct timestamp from, bool set, bool now)
{
	if (now)
		*to = time_now();
	else if (set)
		*to = from;
}

long inode_set_attributes(struct inode *inode, const struct attributes *a)
{
	struct inode_data *d = &inode->d;

	if (refuses_changes(&fs))
		return -EROFS;
	if (a->atime.nanoseconds >= 1000000000 || a->mtime.nanoseconds >= 1000000000)
		return -EINVAL;
	inode_change(inode);
	if (a->valid & FILE_SET_MODE)
		d->mode = (d->mode & S_IFMT) | (a->mode & 07777);
	if (a->valid & FILE_SET_UID)
		d->uid = a->uid;
	if (a->valid & FILE_SET_GID)
		d->gid = a->gid;
	set_time(&d->atime, a->atime, a->valid & FILE_SET_ATIME, a->valid & FILE_SET_ATIME_NOW);
	set_time(&d->mtime, a->mtime, a->valid & FILE_SET_MTIME, a->valid & FILE_SET_MTIME_NOW);
	inode_touch(inode, false);
	return 0;
}

static long set_attr(struct request *rq, const struct fs_set_attr_req *in, struct fs_set_attr_reply *out)
{
	struct inode *inode = node_get(in->node);
	struct attributes a = {
		(uint32_t)in->valid & ~FILE_SET_SIZE,
		(uint32_t)in->mode,
		(uint32_t)in->owner,
		(uint32_t)(in->owner >> 32),
		{ in->atime, (uint32_t)in->atime_nsec },
		{ in->mtime, (uint32_t)in->mtime_nsec },
	};
	long status;

	(void)out;
	if (is_error(inode))
		return error_of(inode);
	if (in->valid & FILE_SET_SIZE) {
		status = inode_truncate(rq, inode, in->size);
		if (status)
			return status;
	}
	return a.valid ? inode_set_attributes(inode, &a) : 0;
}

static long open(struct request *rq, const struct fs_open_req *in, struct fs_open_reply *out)
{
	struct inode *inode = node_get(in->node);
	long status;

	(void)out;
	if (is_error(inode))
		return error_of(inode);
	if ((inode->d.mode & S_IFMT) != S_IFREG)
		return -EINVAL;
	if ((in->flags & O_ACCMODE) != O_RDONLY && refuses_changes(&fs))
		return -EROFS;
	if ((in->flags & O_TRUNC) && inode->d.size && !in->exec) {
		status = inode_truncate(rq, inode, 0);
		if (status)
			return status;
	}
	return description_open(rq, inode, in->flags, in->stamp, in->exec);
}

/* --- directories ---------------------------------------------------------------------------------------- */

struct listing {
	uint8_t *out;
	uint64_t used, room;
	bool full;
};

static uint8_t dirent_type(uint8_t type)
{
	static const uint8_t types[8] = { 0, 8, 4, 2, 6, 1, 12, 10 };

	return type < 8 ? types[type] : 0;
}

static bool add_entry(void *context, const struct ext2_dirent *entry, uint64_t next_cookie)
{
	struct listing *listing = context;
	uint64_t length = (sizeof(struct file_dirent) + entry->name_length + 1 + 7) & ~7ul;
	struct file_dirent *to = (struct file_dirent *)(listing->out + listing->used);

	if (listing->used + length > listing->room) {
		listing->full = true;
		return false;
	}
	memset(to, 0, length);
	to->ino = entry->inode;
	to->offset = (int64_t)next_cookie;
	to->length = (uint16_t)length;
	to->type = dirent_type(entry->type);
	memcpy(to->name, entry->name, entry->name_length);
	listing->used += length;
	return true;
}

static long readdir(struct request *rq, const struct fs_readdir_req *in, struct fs_readdir_reply *out)
{
	static uint8_t buffer[32768] __attribute__((aligned(8)));
	struct listing listing = { buffer, 0, rq->out_length < sizeof buffer ? rq->out_length : sizeof buffer,
				   false };
	struct inode *dir = node_get(in->node);
	uint64_t cookie = in->cookie;
	long status;

	(void)out;
	if (is_error(dir))
		return error_of(dir);
	if ((dir->d.mode & S_IFMT) != S_IFDIR)
		return -ENOTDIR;
	if (!dir->d.links)
		return 0;
	status = dir_read(dir, &cookie, add_entry, &listing);
	/* What precedes a damaged or absent block can be told first. */
	if (status < 0 && (status == EXT2_WAIT || !listing.used))
		return status;
	if (!listing.used)
		return listing.full ? -EINVAL : 0;
	touch_access(dir, 0);
	return request_write(rq, 0, buffer, listing.used);
}

void statfs_fill(struct file_statfs *out)
{
	struct statfs_numbers n;

	ext2_statfs(&fs, &n);
	*out = (struct file_statfs){
		.type = EXT2_MAGIC,
		.bsize = fs.block_size,
		.frsize = fs.block_size,
		.blocks = n.blocks,
		.bfree = n.free,
		.bavail = n.available,
		.files = n.files,
		.ffree = n.free_files,
		.fsid = { (int32_t)mount.device_number, (int32_t)(mount.device_number >> 32) },
		.namelen = EXT2_NAME_MAX,
		.flags = refuses_changes(&fs) ? 1 : 0,
	};
}

static long statfs(struct request *rq, const struct fs_statfs_req *in, struct fs_statfs_reply *out)
{
	struct file_statfs statfs;

	(void)in;
	(void)out;
	statfs_fill(&statfs);
	return stream_put(rq, &statfs, sizeof statfs);
}

static long sync(struct request *rq, const struct fs_sync_req *in, struct fs_sync_reply *out)
{
	(void)in;
	(void)out;
	return write_wait(rq, WRITE_CLEAN);
}

static long sync_node(struct request *rq, const struct fs_sync_node_req *in, struct fs_sync_node_reply *out)
{
	long status;

	(void)in;
	(void)out;
	status = write_wait(rq, WRITE_SAFE);
	return status ? status : write_result();
}

static long drop_caches(struct request *rq, const struct fs_drop_caches_req *in,
			struct fs_drop_caches_reply *out)
{
	(void)rq;
	(void)out;
	if (in->which & 1)
		pages_drop();
	if (in->which & 2)
		inodes_drop(&fs);
	return 0;
}

const struct fs_ops fs_handlers = {
	.mount = mount_request,
	.unmount = unmount_request,
	.lookup = lookup,
	.forget = forget,
	.create = create,
	.symlink = symlink,
	.link = link,
	.unlink = unlink,
	.rmdir = rmdir,
	.rename = rename,
	.readlink = readlink,
	.stat = stat,
	.set_attr = set_attr,
	.open = open,
	.readdir = readdir,
	.statfs = statfs,
	.sync = sync,
	.sync_node = sync_node,
	.remount = remount_request,
	.create_open = create_open,
	.drop_caches = drop_caches,
};
