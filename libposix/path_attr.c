/* SPDX-License-Identifier: MIT */
/* What a path's node is like: stat, access, chmod, chown, times, truncate. */
#include "files.h"

/* --- stat -------------------------------------------------------------------------------------------------- */

long lp_newfstatat(uint64_t a, uint64_t b, uint64_t c, uint64_t d)
{
	const char *text = (const char *)b;
	struct vfs_stat_req request;
	struct path path;
	int fd;

	if (d & ~(uint64_t)(AT_SYMLINK_NOFOLLOW | AT_EMPTY_PATH | 0x800))
		return -EINVAL;
	if ((d & AT_EMPTY_PATH) && !*text && (int32_t)a != AT_FDCWD)
		return lp_fstat(a, c);
	PREPARE(path, a, b, d & AT_EMPTY_PATH);
	fd = path_names_fd(text);
	if (__builtin_expect(fd >= 0, 0) && !(d & AT_SYMLINK_NOFOLLOW))
		return lp_fstat((uint64_t)fd, c);
	path.options.out = (void *)c;
	path.options.out_length = sizeof(struct file_stat);
	request = (struct vfs_stat_req){ path.dir, d };
	return vfs_call_stat(PROC_SLOT_VFS, &path.options, &request, NULL);
}

long lp_stat(uint64_t a, uint64_t b)
{
	return lp_newfstatat(CWD, a, b, 0);
}

long lp_lstat(uint64_t a, uint64_t b)
{
	return lp_newfstatat(CWD, a, b, AT_SYMLINK_NOFOLLOW);
}

struct statx_time {
	int64_t seconds;
	uint32_t nanoseconds;
	int32_t pad;
};

struct statx {
	uint32_t mask, blksize;
	uint64_t attributes;
	uint32_t nlink, uid, gid;
	uint16_t mode, pad0;
	uint64_t ino, size, blocks, attributes_mask;
	struct statx_time atime, btime, ctime, mtime;
	uint32_t rdev_major, rdev_minor, dev_major, dev_minor;
	uint64_t mnt_id, pad1[13];
};
_Static_assert(sizeof(struct statx) == 256, "struct statx");

#define STATX_BASIC 0x7ffu

static void fill_statx(struct statx *to, const struct file_stat *from)
{
	memset(to, 0, sizeof(*to));
	to->mask = STATX_BASIC;
	to->blksize = (uint32_t)from->blksize;
	to->nlink = (uint32_t)from->nlink;
	to->uid = from->uid;
	to->gid = from->gid;
	to->mode = (uint16_t)from->mode;
	to->ino = from->ino;
	to->size = (uint64_t)from->size;
	to->blocks = (uint64_t)from->blocks;
	to->atime = (struct statx_time){ (int64_t)from->atime, (uint32_t)from->atime_nsec, 0 };
	to->mtime = (struct statx_time){ (int64_t)from->mtime, (uint32_t)from->mtime_nsec, 0 };
	to->ctime = (struct statx_time){ (int64_t)from->ctime, (uint32_t)from->ctime_nsec, 0 };
	to->rdev_major = dev_major(from->rdev);
	to->rdev_minor = dev_minor(from->rdev);
	to->dev_major = dev_major(from->dev);
	to->dev_minor = dev_minor(from->dev);
}

long lp_statx(uint64_t a, uint64_t b, uint64_t c, uint64_t d, uint64_t e)
{
	struct file_stat stat;
	long status;

	if (d >> 31 & 1 || c & ~0x7900ull)
		return -EINVAL;
	status = lp_newfstatat(a, b, (uint64_t)&stat, c & (AT_SYMLINK_NOFOLLOW | AT_EMPTY_PATH));
	if (status >= 0)
		fill_statx((struct statx *)e, &stat);
	return status;
}

static long access_at(uint64_t dir, uint64_t text, uint64_t mode, uint64_t flags)
{
	struct vfs_access_req request;
	struct path path;

	PREPARE(path, dir, text, flags & AT_EMPTY_PATH);
	request = (struct vfs_access_req){ path.dir, (uint32_t)mode, (uint32_t)flags };
	return vfs_call_access(PROC_SLOT_VFS, &path.options, &request, NULL);
}

long lp_access(uint64_t a, uint64_t b)
{
	return access_at(CWD, a, b, 0);
}

long lp_faccessat(uint64_t a, uint64_t b, uint64_t c)
{
	return access_at(a, b, c, 0);
}

long lp_faccessat2(uint64_t a, uint64_t b, uint64_t c, uint64_t d)
{
	return access_at(a, b, c, d);
}

/* --- attributes --------------------------------------------------------------------------------------------------- */

static long set_path_attr(struct path *path, struct vfs_set_attr_req *request, uint64_t flags)
{
	request->dir = path->dir;
	request->flags_valid |= flags << 32;
	return vfs_call_set_attr(PROC_SLOT_VFS, &path->options, request, NULL);
}

long lp_fchmodat(uint64_t a, uint64_t b, uint64_t c)
{
	struct vfs_set_attr_req request = { .flags_valid = FILE_SET_MODE, .mode = c & 07777 };
	struct path path;

	PREPARE(path, a, b, false);
	return set_path_attr(&path, &request, 0);
}

long lp_chmod(uint64_t a, uint64_t b)
{
	return lp_fchmodat(CWD, a, b);
}

long lp_fchownat(uint64_t a, uint64_t b, uint64_t c, uint64_t d, uint64_t e)
{
	struct vfs_set_attr_req request = { .owner = (uint32_t)c | d << 32 };
	struct path path;

	if (e & ~(uint64_t)(AT_SYMLINK_NOFOLLOW | AT_EMPTY_PATH))
		return -EINVAL;
	if ((e & AT_EMPTY_PATH) && !*(const char *)b && (int32_t)a != AT_FDCWD)
		return lp_fchown(a, c, d);
	if ((uint32_t)c != UINT32_MAX)
		request.flags_valid |= FILE_SET_UID;
	if ((uint32_t)d != UINT32_MAX)
		request.flags_valid |= FILE_SET_GID;
	PREPARE(path, a, b, e & AT_EMPTY_PATH);
	return set_path_attr(&path, &request, e);
}

long lp_chown(uint64_t a, uint64_t b, uint64_t c)
{
	return lp_fchownat(CWD, a, b, c, 0);
}

long lp_lchown(uint64_t a, uint64_t b, uint64_t c)
{
	return lp_fchownat(CWD, a, b, c, AT_SYMLINK_NOFOLLOW);
}

#define UTIME_NOW 0x3fffffff
#define UTIME_OMIT 0x3ffffffe
long file_set_times(uint64_t fd, const struct file_set_attr_req *request);

/* One of the two times: what it adds to `valid`, or -EINVAL. */
static long one_time(const struct lp_timespec *time, uint64_t set, uint64_t set_now, int64_t *seconds,
		     int64_t *nanoseconds)
{
	if (time->nanoseconds == UTIME_OMIT)
		return 0;
	if (time->nanoseconds == UTIME_NOW)
		return (long)set_now;
	if ((uint64_t)time->nanoseconds >= 1000000000)
		return -EINVAL;
	*seconds = time->seconds;
	*nanoseconds = time->nanoseconds;
	return (long)set;
}

static long read_times(struct file_set_attr_req *to, const struct lp_timespec *times)
{
	long atime, mtime;

	if (!times) {
		to->valid = FILE_SET_ATIME_NOW | FILE_SET_MTIME_NOW;
		return 0;
	}
	atime = one_time(&times[0], FILE_SET_ATIME, FILE_SET_ATIME_NOW, &to->atime, &to->atime_nsec);
	mtime = one_time(&times[1], FILE_SET_MTIME, FILE_SET_MTIME_NOW, &to->mtime, &to->mtime_nsec);
	if (atime < 0 || mtime < 0)
		return -EINVAL;
	to->valid = (uint64_t)(atime | mtime);
	return 0;
}

static long times_at(uint64_t dir, uint64_t text, const struct lp_timespec *times, uint64_t flags)
{
	struct file_set_attr_req change = { 0 };
	struct vfs_set_attr_req request;
	struct path path;
	long status = read_times(&change, times);

	if (status)
		return status;
	if (!text || ((flags & AT_EMPTY_PATH) && !*(const char *)text && (int32_t)dir != AT_FDCWD))
		return file_set_times(dir, &change);
	PREPARE(path, dir, text, flags & AT_EMPTY_PATH);
	request = (struct vfs_set_attr_req){
		.flags_valid = change.valid,
		.atime = change.atime,
		.atime_nsec = change.atime_nsec,
		.mtime = change.mtime,
		.mtime_nsec = change.mtime_nsec,
	};
	return set_path_attr(&path, &request, flags);
}

long lp_utimensat(uint64_t a, uint64_t b, uint64_t c, uint64_t d)
{
	const struct lp_timespec *times = (const void *)c;

	if (d & ~(uint64_t)(AT_SYMLINK_NOFOLLOW | AT_EMPTY_PATH))
		return -EINVAL;
	if (times && times[0].nanoseconds == UTIME_OMIT && times[1].nanoseconds == UTIME_OMIT)
		return 0;
	return times_at(a, b, times, d);
}

static long timevals_at(uint64_t dir, uint64_t text, const struct lp_timeval *times)
{
	struct lp_timespec converted[2];

	for (int i = 0; times && i < 2; i++) {
		if ((uint64_t)times[i].microseconds >= 1000000)
			return -EINVAL;
		converted[i] = (struct lp_timespec){ times[i].seconds, times[i].microseconds * 1000 };
	}
	return times_at(dir, text, times ? converted : NULL, 0);
}

long lp_utimes(uint64_t a, uint64_t b)
{
	return timevals_at(CWD, a, (const void *)b);
}

long lp_futimesat(uint64_t a, uint64_t b, uint64_t c)
{
	return timevals_at(a, b, (const void *)c);
}

long lp_utime(uint64_t a, uint64_t b)
{
	const int64_t *seconds = (const void *)b;
	struct lp_timespec times[2];

	if (!seconds)
		return times_at(CWD, a, NULL, 0);
	times[0] = (struct lp_timespec){ seconds[0], 0 };
	times[1] = (struct lp_timespec){ seconds[1], 0 };
	return times_at(CWD, a, times, 0);
}

long lp_truncate(uint64_t a, uint64_t b)
{
	struct vfs_truncate_req request = { b };
	struct path path;

	PREPARE(path, CWD, a, false);
	return vfs_call_truncate(PROC_SLOT_VFS, &path.options, &request, NULL);
}
