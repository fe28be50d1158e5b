/* SPDX-License-Identifier: MIT */
/* Calls that take a path: asked of VFS. */
#include "files.h"

#define TIOCSCTTY 0x540eu
#define OPENED_TTY 1

long path_prepare(struct path *path, uint64_t dir, const char *text, bool may_be_empty)
{
	long length = lp_path_length(text, may_be_empty);
	struct call_options *options = &path->options;

	if (length < 0)
		return length;
	options->in = text;
	options->in_length = (size_t)length;
	options->out = NULL;
	options->out_length = 0;
	options->flags = options->recv_min = options->caps_count = 0;
	path->dir = AT_FDCWD;
	if ((int32_t)dir == AT_FDCWD || *text == '/')
		return 0;
	path->dir = 0;
	options->caps_count = 1;
	options->caps[0] = fd_cap(dir);
	return 0;
}

/* --- descriptors by name ------------------------------------------------------------------------------ */

static int decimal(const char *s)
{
	int value = 0;

	if (!*s)
		return -1;
	for (; *s; s++) {
		if (*s < '0' || *s > '9' || value > 100000)
			return -1;
		value = value * 10 + (*s - '0');
	}
	return value;
}

static bool begins(const char **s, const char *with)
{
	const char *p = *s;

	for (; *with; p++, with++)
		if (*p != *with)
			return false;
	*s = p;
	return true;
}

int path_names_fd(const char *path)
{
	if (path[0] != '/' || (path[1] != 'd' && path[1] != 'p'))
		return -1;
	if (begins(&path, "/dev/fd/") || begins(&path, "/proc/self/fd/"))
		return decimal(path);
	if (!begins(&path, "/dev/std"))
		return -1;
	if (path[0] == 'i' && path[1] == 'n' && !path[2])
		return 0;
	if (path[0] == 'o' && path[1] == 'u' && path[2] == 't' && !path[3])
		return 1;
	return path[0] == 'e' && path[1] == 'r' && path[2] == 'r' && !path[3] ? 2 : -1;
}

/* --- open ------------------------------------------------------------------------------------------------ */

static __attribute__((noinline, cold)) void take_terminal(cap_t fd)
{
	struct file_ioctl_req request = { TIOCSCTTY, 0 };

	/* Refused unless the caller leads a session that has none. */
	file_call_ioctl(fd, NULL, &request, NULL);
}

static long open_at(uint64_t dir, uint64_t text, uint64_t flags, uint64_t mode)
{
	struct vfs_open_req request;
	struct vfs_open_reply reply;
	struct path path;
	long status;
	int fd;

	PREPARE(path, dir, text, false);
	flags = (uint32_t)flags;
	fd = path_names_fd((const char *)text);
	if (__builtin_expect(fd >= 0, 0) && !(flags & (O_PATH | O_NOFOLLOW)))
		return kcall(cap_copy, fd, CAP_ALL, 0, (flags & O_CLOEXEC) != 0);
	path.options.flags = IPC_RECV_FD | (flags & O_CLOEXEC ? IPC_RECV_CLOEXEC : 0);
	request = (struct vfs_open_req){ path.dir, flags, mode & 07777 };
	status = vfs_call_open(PROC_SLOT_VFS, &path.options, &request, &reply);
	if (status < 0)
		return status;
	if (__builtin_expect(status == OPENED_TTY, 0)) {
		cap_t tty = (cap_t)received_fd(0);

		take_terminal(tty);
		return tty;
	}
	return received_fd(0);
}

long lp_open(uint64_t a, uint64_t b, uint64_t c)
{
	return open_at(CWD, a, b, c);
}

long lp_openat(uint64_t a, uint64_t b, uint64_t c, uint64_t d)
{
	return open_at(a, b, c, d);
}

long lp_creat(uint64_t a, uint64_t b)
{
	return open_at(CWD, a, O_CREAT | O_WRONLY | O_TRUNC, b);
}

/* --- names ------------------------------------------------------------------------------------------------------ */

long lp_mkdirat(uint64_t a, uint64_t b, uint64_t c)
{
	struct vfs_mkdir_req request;
	struct path path;

	PREPARE(path, a, b, false);
	request = (struct vfs_mkdir_req){ path.dir, c & 07777 };
	return vfs_call_mkdir(PROC_SLOT_VFS, &path.options, &request, NULL);
}

long lp_mkdir(uint64_t a, uint64_t b)
{
	return lp_mkdirat(CWD, a, b);
}

long lp_mknodat(uint64_t a, uint64_t b, uint64_t c, uint64_t d)
{
	struct vfs_mknod_req request;
	struct path path;

	PREPARE(path, a, b, false);
	request = (struct vfs_mknod_req){ path.dir, (uint32_t)c, (uint32_t)d };
	return vfs_call_mknod(PROC_SLOT_VFS, &path.options, &request, NULL);
}

long lp_mknod(uint64_t a, uint64_t b, uint64_t c)
{
	return lp_mknodat(CWD, a, b, c);
}

long lp_unlinkat(uint64_t a, uint64_t b, uint64_t c)
{
	struct vfs_unlink_req request;
	struct path path;

	PREPARE(path, a, b, false);
	request = (struct vfs_unlink_req){ path.dir, (uint32_t)c };
	return vfs_call_unlink(PROC_SLOT_VFS, &path.options, &request, NULL);
}

long lp_unlink(uint64_t a)
{
	return lp_unlinkat(CWD, a, 0);
}

long lp_rmdir(uint64_t a)
{
	return lp_unlinkat(CWD, a, AT_REMOVEDIR);
}

/* Two paths, one behind the other in `text`. */
struct two_paths {
	struct call_options options;
	int64_t dir[2];
	uint64_t first_length;
	char text[2 * PATH_LENGTH_MAX];
};

static long join(struct two_paths *two, const uint64_t dir[2], const uint64_t path[2],
		 bool first_may_be_empty)
{
	struct call_options *options = &two->options;
	size_t at = 0;

	memset(options, 0, sizeof(*options));
	for (int i = 0; i < 2; i++) {
		const char *text = (const char *)path[i];
		long length = lp_path_length(text, !i && first_may_be_empty);
		bool by_fd = (int32_t)dir[i] != AT_FDCWD && *text != '/';

		if (length < 0)
			return length;
		memcpy(two->text + at, text, (size_t)length);
		at += (size_t)length;
		if (!i)
			two->first_length = at;
		two->dir[i] = by_fd ? 0 : AT_FDCWD;
		if (!by_fd)
			continue;
		options->caps[i] = fd_cap(dir[i]);
		if (!options->caps_count)
			options->caps[!i] = options->caps[i];
		options->caps_count = 2;
	}
	options->in = two->text;
	options->in_length = at;
	return 0;
}

long lp_renameat2(uint64_t a, uint64_t b, uint64_t c, uint64_t d, uint64_t e)
{
	struct two_paths two;
	struct vfs_rename_req request;
	long status = join(&two, (uint64_t[2]){ a, c }, (uint64_t[2]){ b, d }, false);

	if (status)
		return status;
	request = (struct vfs_rename_req){ two.dir[0], two.dir[1], two.first_length, (uint32_t)e };
	return vfs_call_rename(PROC_SLOT_VFS, &two.options, &request, NULL);
}

long lp_renameat(uint64_t a, uint64_t b, uint64_t c, uint64_t d)
{
	return lp_renameat2(a, b, c, d, 0);
}

long lp_rename(uint64_t a, uint64_t b)
{
	return lp_renameat2(CWD, a, CWD, b, 0);
}

long lp_linkat(uint64_t a, uint64_t b, uint64_t c, uint64_t d, uint64_t e)
{
	struct two_paths two;
	struct vfs_link_req request;
	long status = join(&two, (uint64_t[2]){ a, c }, (uint64_t[2]){ b, d }, e & AT_EMPTY_PATH);

	if (status)
		return status;
	request = (struct vfs_link_req){ two.dir[0], two.dir[1], two.first_length, (uint32_t)e };
	return vfs_call_link(PROC_SLOT_VFS, &two.options, &request, NULL);
}

long lp_link(uint64_t a, uint64_t b)
{
	return lp_linkat(CWD, a, CWD, b, 0);
}

long lp_symlinkat(uint64_t a, uint64_t b, uint64_t c)
{
	struct two_paths two;
	struct vfs_symlink_req request;
	long status = join(&two, (uint64_t[2]){ CWD, b }, (uint64_t[2]){ a, c }, false);

	if (status)
		return status;
	if (two.options.caps_count)
		two.options.caps_count = 1; /* both are the new name's */
	request = (struct vfs_symlink_req){ two.dir[1], two.first_length };
	return vfs_call_symlink(PROC_SLOT_VFS, &two.options, &request, NULL);
}

long lp_symlink(uint64_t a, uint64_t b)
{
	return lp_symlinkat(a, CWD, b);
}

long lp_readlinkat(uint64_t a, uint64_t b, uint64_t c, uint64_t d)
{
	struct vfs_readlink_req request;
	struct path path;

	if ((int32_t)d <= 0)
		return -EINVAL;
	PREPARE(path, a, b, true);
	path.options.out = (void *)c;
	path.options.out_length = (uint32_t)d;
	request = (struct vfs_readlink_req){ path.dir };
	return vfs_call_readlink(PROC_SLOT_VFS, &path.options, &request, NULL);
}

long lp_readlink(uint64_t a, uint64_t b, uint64_t c)
{
	return lp_readlinkat(CWD, a, b, c);
}

/* --- where the process stands ----------------------------------------------------------------------------------- */

long lp_chdir(uint64_t a)
{
	struct path path;

	PREPARE(path, CWD, a, false);
	return vfs_call_chdir(PROC_SLOT_VFS, &path.options, &(struct vfs_chdir_req){}, NULL);
}

long lp_fchdir(uint64_t a)
{
	struct call_options options = { .caps_count = 1, .caps = { fd_cap(a) } };

	return vfs_call_fchdir(PROC_SLOT_VFS, &options, &(struct vfs_fchdir_req){}, NULL);
}

long lp_chroot(uint64_t a)
{
	struct path path;

	PREPARE(path, CWD, a, false);
	return vfs_call_chroot(PROC_SLOT_VFS, &path.options, &(struct vfs_chroot_req){}, NULL);
}

long lp_getcwd(uint64_t a, uint64_t b)
{
	struct call_options options = { .out = (void *)a,
					.out_length = b < PATH_LENGTH_MAX ? b : PATH_LENGTH_MAX };

	return vfs_call_getcwd(PROC_SLOT_VFS, &options, &(struct vfs_getcwd_req){}, NULL);
}

long lp_umask(uint64_t a)
{
	struct vfs_umask_req request = { a & 0777 };

	return vfs_call_umask(PROC_SLOT_VFS, NULL, &request, NULL);
}

/* --- file systems ---------------------------------------------------------------------------------------------------- */

long lp_statfs(uint64_t a, uint64_t b)
{
	struct path path;

	PREPARE(path, CWD, a, false);
	path.options.out = (void *)b;
	path.options.out_length = sizeof(struct file_statfs);
	return vfs_call_statfs(PROC_SLOT_VFS, &path.options, &(struct vfs_statfs_req){}, NULL);
}

#define MOUNT_DATA_MAX 1024u

struct mount_text {
	char text[2 * PATH_LENGTH_MAX + 16 + MOUNT_DATA_MAX];
	size_t at;
};

static uint64_t append(struct mount_text *to, uint64_t from, size_t limit)
{
	size_t length = from ? strnlen((const char *)from, limit) : 0;

	memcpy(to->text + to->at, (const void *)from, length);
	to->at += length;
	return length;
}

long lp_mount(uint64_t a, uint64_t b, uint64_t c, uint64_t d, uint64_t e)
{
	struct mount_text text;
	struct call_options options = { .in = text.text };
	struct vfs_mount_req request;
	long status = lp_path_length((const char *)b, false);

	if (status < 0)
		return status;
	text.at = 0;
	if ((d & 0xffff0000u) == 0xc0ed0000u)
		d &= 0xffff; /* the magic number of old programs */
	request.flags = d;
	request.source_length = append(&text, a, PATH_LENGTH_MAX);
	request.target_length = append(&text, b, PATH_LENGTH_MAX);
	request.type_length = append(&text, c, 16);
	request.data_length = append(&text, e, MOUNT_DATA_MAX);
	options.in_length = text.at;
	return vfs_call_mount(PROC_SLOT_VFS, &options, &request, NULL);
}

long lp_umount2(uint64_t a, uint64_t b)
{
	struct vfs_umount_req request = { (uint32_t)b };
	struct path path;

	PREPARE(path, CWD, a, false);
	return vfs_call_umount(PROC_SLOT_VFS, &path.options, &request, NULL);
}

long lp_sync(void)
{
	vfs_call_sync(PROC_SLOT_VFS, NULL, &(struct vfs_sync_req){}, NULL);
	return 0;
}
