/* SPDX-License-Identifier: MIT */
/* Open-file descriptions of regular files: the file protocol but for read and write. */
#include "server.h"

#include <fs/stream.h>
#include <util/string.h>

#define CHUNK_DESCRIPTIONS 64u
#define CHUNKS 1024u
#define SETTABLE (O_APPEND | O_NONBLOCK | O_DIRECT | O_NOATIME)
#define SEEK_SET 0
#define SEEK_CUR 1
#define SEEK_END 2
#define SEEK_DATA 3
#define SEEK_HOLE 4

/* Where descriptions live; the free ones (tag 0) are linked through `inode`. */
static PRESERVED struct description *chunks[CHUNKS];
static PRESERVED uint32_t chunk_count;
static struct description *unused;

static void put_unused(struct description *d)
{
	d->tag = 0;
	d->inode = (struct inode *)unused;
	unused = d;
}

static struct description *description_new(void)
{
	struct description *d = unused;

	if (!d && chunk_count < CHUNKS) {
		struct description *chunk = pheap_alloc(CHUNK_DESCRIPTIONS * sizeof *chunk);

		if (!chunk)
			return NULL;
		for (uint32_t i = 0; i < CHUNK_DESCRIPTIONS; i++)
			put_unused(&chunk[i]);
		chunks[chunk_count++] = chunk;
	}
	d = unused;
	if (!d)
		return NULL;
	unused = (struct description *)d->inode;
	memset(d, 0, sizeof *d);
	return d;
}

void files_recover(void)
{
	unused = NULL;
	for (uint32_t i = 0; i < fs.chunk_count * INODE_CHUNK; i++)
		fs.chunks[i / INODE_CHUNK][i % INODE_CHUNK].opens = 0;
	for (uint32_t i = 0; i < chunk_count * CHUNK_DESCRIPTIONS; i++) {
		struct description *d = &chunks[i / CHUNK_DESCRIPTIONS][i % CHUNK_DESCRIPTIONS];

		if (d->tag != TAG_DESCRIPTION)
			put_unused(d);
		else if (d->inode)
			d->inode->opens++;
	}
}

struct description *description_of(const struct request *rq)
{
	struct description *d = (struct description *)rq->badge;

	if (__builtin_expect(!is_ours(rq->badge), 0) || d->tag != TAG_DESCRIPTION)
		return NULL;
	return d;
}

/* Undone with the transaction that has created the inode, which may make it another's. */
static void attach(struct description *d, struct inode *inode)
{
	if (d->inode == inode)
		return;
	if (fs.tx.used)
		tx_add_word(&fs, &d->inode);
	d->inode = inode;
	inode->opens++;
}

/* The tag, written last, makes it one that a restart finds; rq->context, that the same request finds. */
long description_open(struct request *rq, struct inode *inode, uint64_t flags, uint64_t stamp, bool exec)
{
	const struct process_entry *process = process_find(stamp);
	struct description *d = rq->context;
	long status;

	if (!pages_get(inode))
		return -ENOMEM;
	opened_last = time_now().seconds;
	if (!d) {
		d = description_new();
		if (!d)
			return -ENFILE;
		d->flags = (uint32_t)(flags & (O_ACCMODE | O_SYNC | SETTABLE)) | (exec ? O_RDONLY : 0);
		d->exec = exec;
		d->uid = process ? process->fsuid : 0;
		rq->context = d;
		d->tag = TAG_DESCRIPTION;
	}
	status = request_give_badge(rq, (uint64_t)d);
	if (status < 0) {
		file_release((uint64_t)d);
		return status;
	}
	attach(d, inode);
	return 0;
}

void file_release(uint64_t badge)
{
	struct description *d = (struct description *)badge;
	struct inode *inode;

	if (!is_ours(badge) || d->tag != TAG_DESCRIPTION)
		return;
	inode = d->inode;
	if (inode)
		locks_close_description(&inode->pages->locks, badge);
	put_unused(d);
	if (!inode)
		return;
	inode->opens--;
	if (!inode->opens) {
		window_close(inode);
		if (inode->orphan)
			reap_soon();
	}
}

static long file_lseek(struct request *rq, const struct file_lseek_req *in, struct file_lseek_reply *out)
{
	struct description *d = description_of(rq);
	int64_t to = in->offset;
	uint64_t block, limit;
	long status;

	(void)out;
	if (!d || d->exec)
		return -EBADF;
	limit = (d->inode->d.size + fs.block_size - 1) >> fs.block_shift;
	switch (in->whence) {
	case SEEK_SET: break;
	case SEEK_CUR:
		if (__builtin_add_overflow(to, (int64_t)d->offset, &to))
			return -EOVERFLOW;
		break;
	case SEEK_END:
		if (__builtin_add_overflow(to, (int64_t)d->inode->d.size, &to))
			return -EOVERFLOW;
		break;
	case SEEK_DATA:
	case SEEK_HOLE:
		if (to < 0 || (uint64_t)to >= d->inode->d.size)
			return -ENXIO;
		status = map_seek(d->inode, (uint64_t)to >> fs.block_shift, in->whence == SEEK_DATA, limit,
				  &block);
		if (status < 0)
			return status;
		if (block >= limit && in->whence == SEEK_DATA)
			return -ENXIO;
		if (block << fs.block_shift > (uint64_t)to)
			to = (int64_t)(block << fs.block_shift);
		if ((uint64_t)to > d->inode->d.size)
			to = (int64_t)d->inode->d.size;
		break;
	default: return -EINVAL;
	}
	if (to < 0 || (uint64_t)to > fs.size_max)
		return -EINVAL;
	tx_add_word(&fs, &d->offset);
	d->offset = (uint64_t)to;
	return to;
}

static long file_fstat(struct request *rq, const struct file_fstat_req *in, struct file_fstat_reply *out)
{
	struct description *d = description_of(rq);
	struct file_stat stat;

	(void)in;
	(void)out;
	if (!d)
		return -EBADF;
	inode_stat(d->inode, &stat);
	return stream_put(rq, &stat, sizeof stat);
}

static long file_ftruncate(struct request *rq, const struct file_ftruncate_req *in,
			   struct file_ftruncate_reply *out)
{
	struct description *d = description_of(rq);

	(void)out;
	if (!d || (d->flags & O_ACCMODE) == O_RDONLY)
		return -EINVAL;
	return inode_truncate(rq, d->inode, in->size);
}

static long file_fsync(struct request *rq, const struct file_fsync_req *in, struct file_fsync_reply *out)
{
	struct description *d = description_of(rq);
	long status;

	(void)in;
	(void)out;
	if (!d)
		return -EBADF;
	status = write_wait(rq, WRITE_SAFE);
	if (status)
		return status;
	status = d->inode->pages->write_error;
	d->inode->pages->write_error = 0;
	return status ? status : write_result();
}

static long file_ioctl(struct request *rq, const struct file_ioctl_req *in, struct file_ioctl_reply *out)
{
	(void)in;
	(void)out;
	return description_of(rq) ? -ENOTTY : -EBADF;
}

static bool may_map(const struct description *d, uint32_t rights)
{
	uint32_t mode = d->flags & O_ACCMODE;

	if (mode == O_WRONLY)
		return false;
	return !(rights & CAP_W) || (mode == O_RDWR && !d->exec);
}

/* From now on the object's size is the file's, so that an access behind the end faults. */
static long file_mmap(struct request *rq, const struct file_mmap_req *in, struct file_mmap_reply *out)
{
	struct description *d = description_of(rq);
	uint32_t rights = (uint32_t)in->rights & (CAP_R | CAP_W | CAP_X);
	struct pages *pages;
	long status;

	if (!d)
		return -EBADF;
	if (!may_map(d, rights))
		return -EACCES;
	pages = d->inode->pages;
	d->inode->pinned |= INODE_MAPPED;
	status = pages_resize(d->inode, d->inode->d.size);
	if (status < 0)
		return status;
	if (rights & CAP_W) {
		inode_change(d->inode); /* what VFS knows of it no longer holds */
		pages->map_written = true;
		write_note_dirty(d->inode, 0);
	}
	out->size = d->inode->d.size;
	touch_access(d->inode, d->flags);
	return request_give(rq, pages->memory, rights, false);
}

static long file_poll(struct request *rq, const struct file_poll_req *in, struct file_poll_reply *out)
{
	(void)out;
	if (!description_of(rq))
		return -EBADF;
	return (long)(in->events & (POLLIN | POLLOUT | POLLRDNORM | POLLWRNORM));
}

static long file_getdents(struct request *rq, const struct file_getdents_req *in,
			  struct file_getdents_reply *out)
{
	(void)in;
	(void)out;
	return description_of(rq) ? -ENOTDIR : -EBADF;
}

static long file_get_flags(struct request *rq, const struct file_get_flags_req *in,
			   struct file_get_flags_reply *out)
{
	struct description *d = description_of(rq);

	(void)in;
	(void)out;
	return d ? (long)(d->flags | O_LARGEFILE) : -EBADF;
}

static long file_set_flags(struct request *rq, const struct file_set_flags_req *in,
			   struct file_set_flags_reply *out)
{
	struct description *d = description_of(rq);

	(void)out;
	if (!d)
		return -EBADF;
	d->flags = (d->flags & ~(uint32_t)SETTABLE) | ((uint32_t)in->flags & SETTABLE);
	return 0;
}

/* fchmod, fchown, futimens: what the path calls check at VFS is checked here. */
static long check_owner(const struct request *rq, const struct inode *inode, const struct attributes *a)
{
	const struct process_entry *process = process_find(rq->stamp);
	bool now_only = !(a->valid & ~(FILE_SET_ATIME_NOW | FILE_SET_MTIME_NOW));

	if (!process)
		return stamp_is_service(rq->stamp) ? 0 : -EPERM;
	if (process->fsuid == 0)
		return 0;
	if (now_only && a->valid)
		return 0; /* it is open for writing, or VFS would have said no */
	if (process->fsuid != inode->d.uid)
		return -EPERM;
	if ((a->valid & FILE_SET_UID) && a->uid != inode->d.uid)
		return -EPERM;
	if ((a->valid & FILE_SET_GID) && a->gid != inode->d.gid && !process_in_group(process, a->gid))
		return -EPERM;
	return 0;
}

static void drop_bits(const struct request *rq, const struct inode *inode, struct attributes *a)
{
	const struct process_entry *process = process_find(rq->stamp);

	if (!process || process->fsuid == 0)
		return;
	if ((a->valid & FILE_SET_MODE) && !process_in_group(process, inode->d.gid))
		a->mode &= ~(uint32_t)S_ISGID;
	if ((a->valid & (FILE_SET_UID | FILE_SET_GID)) && !(a->valid & FILE_SET_MODE)) {
		a->valid |= FILE_SET_MODE;
		a->mode = inode->d.mode & 07777 & ~(uint32_t)S_ISUID;
		if (a->mode & 010)
			a->mode &= ~(uint32_t)S_ISGID;
	}
}

static long file_set_attr(struct request *rq, const struct file_set_attr_req *in,
			  struct file_set_attr_reply *out)
{
	struct description *d = description_of(rq);
	struct attributes a = {
		(uint32_t)in->valid & ~FILE_SET_SIZE,
		(uint32_t)in->mode,
		(uint32_t)in->uid,
		(uint32_t)in->gid,
		{ in->atime, (uint32_t)in->atime_nsec },
		{ in->mtime, (uint32_t)in->mtime_nsec },
	};
	long status;

	(void)out;
	if (!d)
		return -EBADF;
	status = check_owner(rq, d->inode, &a);
	if (status < 0)
		return status;
	drop_bits(rq, d->inode, &a);
	return inode_set_attributes(d->inode, &a);
}

static long file_flock(struct request *rq, const struct file_flock_req *in, struct file_flock_reply *out)
{
	struct description *d = description_of(rq);

	(void)out;
	return d ? flock_request(rq, &d->inode->pages->locks, rq->badge, in->operation) : -EBADF;
}

/* A read lock needs a descriptor open for reading, a write lock one for writing. */
static long file_lock(struct request *rq, const struct file_lock_req *in, struct file_lock_reply *out)
{
	struct description *d = description_of(rq);
	uint32_t mode;

	if (!d)
		return -EBADF;
	mode = d->flags & O_ACCMODE;
	if (in->command && ((in->type == LOCK_TYPE_READ && mode == O_WRONLY) ||
			    (in->type == LOCK_TYPE_WRITE && mode == O_RDONLY)))
		return -EBADF;
	return lock_request(rq, &d->inode->pages->locks, in, out);
}

static long file_close_notice(struct request *rq, const struct file_close_notice_req *in,
			      struct file_close_notice_reply *out)
{
	struct description *d = description_of(rq);

	(void)in;
	(void)out;
	if (!d)
		return -EBADF;
	locks_close_notice(&d->inode->pages->locks, rq->stamp);
	return 0;
}

static long file_statfs(struct request *rq, const struct file_statfs_req *in, struct file_statfs_reply *out)
{
	struct file_statfs statfs;

	(void)in;
	(void)out;
	if (!description_of(rq))
		return -EBADF;
	statfs_fill(&statfs);
	return stream_put(rq, &statfs, sizeof statfs);
}

/* Blocks are found when they are written: nothing is promised ahead. */
static long file_allocate(struct request *rq, const struct file_allocate_req *in,
			  struct file_allocate_reply *out)
{
	(void)in;
	(void)out;
	return description_of(rq) ? -EOPNOTSUPP : -EBADF;
}

static long file_path(struct request *rq, const struct file_path_req *in, struct file_path_reply *out)
{
	struct description *d = description_of(rq);

	(void)in;
	(void)out;
	return d ? path_of_inode(rq, d->inode) : -EBADF;
}

static long file_identify(struct request *rq, const struct file_identify_req *in,
			  struct file_identify_reply *out)
{
	struct description *d = description_of(rq);

	(void)in;
	if (!d)
		return -EBADF;
	out->device = mount.device_number;
	out->inode = d->inode->number;
	out->flags = d->flags;
	return (long)(d->inode->d.mode & S_IFMT);
}

const struct file_ops file_handlers = {
	.read = file_read,
	.write = file_write,
	.pread = file_pread,
	.pwrite = file_pwrite,
	.lseek = file_lseek,
	.fstat = file_fstat,
	.ftruncate = file_ftruncate,
	.fsync = file_fsync,
	.ioctl = file_ioctl,
	.mmap = file_mmap,
	.poll = file_poll,
	.getdents = file_getdents,
	.get_flags = file_get_flags,
	.set_flags = file_set_flags,
	.set_attr = file_set_attr,
	.flock = file_flock,
	.lock = file_lock,
	.close_notice = file_close_notice,
	.statfs = file_statfs,
	.allocate = file_allocate,
	.path = file_path,
	.identify = file_identify,
};
