/* SPDX-License-Identifier: MIT */
/* Descriptors are capability slots: most of this is the kernel's. */
#include "files.h"

#define F_DUPFD 0
#define F_GETFD 1
#define F_SETFD 2
#define F_GETFL 3
#define F_SETFL 4
#define F_GETLK 5
#define F_SETLK 6
#define F_SETLKW 7
#define F_SETOWN 8
#define F_GETOWN 9
#define F_SETSIG 10
#define F_GETSIG 11
#define F_DUPFD_CLOEXEC 1030
#define F_SETPIPE_SZ 1031
#define F_GETPIPE_SZ 1032
#define FD_CLOEXEC 1
#define PIPE_SIZE 65536
#define SEEK_CUR 1
#define SEEK_END 2

#define CLOSE_RANGE_UNSHARE 2u
#define CLOSE_RANGE_CLOEXEC 4u

/* Closing any descriptor of a file drops the process's record locks on it, and may wait for what a socket sends. */
void announce_close(cap_t fd)
{
	if (__builtin_expect(this_process()->lingers != 0, 0))
		socket_call_linger(fd, NULL, &(struct socket_linger_req){}, NULL);
	if (__builtin_expect(this_process()->lock_files != 0, 0))
		file_call_close_notice(fd, NULL, &(struct file_close_notice_req){}, NULL);
}

long lp_close(uint64_t a)
{
	cap_t fd = fd_cap(a);

	announce_close(fd);
	return kcall(cap_close, fd);
}

long lp_close_range(uint64_t a, uint64_t b, uint64_t c)
{
	uint32_t last = (uint32_t)b;
	long fd;

	if ((uint32_t)a > last || c & ~(uint64_t)(CLOSE_RANGE_UNSHARE | CLOSE_RANGE_CLOEXEC))
		return -EINVAL;
	for (fd = (uint32_t)a; fd < CAP_PRIVATE; fd++) {
		fd = kcall(fd_next, fd);
		if (fd < 0 || (uint64_t)fd > last)
			break;
		if (c & CLOSE_RANGE_CLOEXEC)
			kcall(fd_flags, fd, 1, 1);
		else
			lp_close((uint64_t)fd);
	}
	return 0;
}

long lp_dup(uint64_t a)
{
	return kcall(cap_copy, fd_cap(a), CAP_ALL, 0, 0);
}

static long dup_to(uint64_t from, uint64_t to, uint64_t cloexec)
{
	long status;

	if (!fd_valid(to))
		return -EBADF;
	announce_close((cap_t)to);
	status = kcall(cap_copy_to, fd_cap(from), CAP_ALL, (cap_t)to, cloexec);
	if (status == -EMFILE || status == -EINVAL)
		return -EBADF;
	return status < 0 ? status : (long)(uint32_t)to;
}

long lp_dup2(uint64_t a, uint64_t b)
{
	if ((uint32_t)a != (uint32_t)b)
		return dup_to(a, b, 0);
	return kcall(fd_flags, fd_cap(a), 0, 0) < 0 ? -EBADF : (long)(uint32_t)a;
}

long lp_dup3(uint64_t a, uint64_t b, uint64_t c)
{
	if ((uint32_t)a == (uint32_t)b || c & ~(uint64_t)O_CLOEXEC)
		return -EINVAL;
	return dup_to(a, b, c != 0);
}

/* --- record locks ------------------------------------------------------------------------------------ */

struct lp_flock {
	int16_t type, whence;
	int64_t start, length;
	int32_t pid;
};

/* Servers count from the beginning of the file. */
static long lock_base(cap_t fd, int16_t whence, int64_t *base)
{
	struct file_lseek_req here = { 0, SEEK_CUR };
	struct file_stat stat;
	struct call_options options = { .out = &stat, .out_length = sizeof(stat) };
	long status;

	*base = 0;
	switch (whence) {
	case 0: return 0;
	case SEEK_CUR:
		status = file_call_lseek(fd, NULL, &here, NULL);
		*base = status;
		return status < 0 ? status : 0;
	case SEEK_END:
		status = file_call_fstat(fd, &options, &(struct file_fstat_req){}, NULL);
		*base = stat.size;
		return status < 0 ? status : 0;
	}
	return -EINVAL;
}

static long record_lock(cap_t fd, uint64_t command, struct lp_flock *lock)
{
	struct file_lock_req request = { command, (uint16_t)lock->type, 0, lock->length };
	struct file_lock_reply reply;
	int64_t base;
	long status = lock_base(fd, lock->whence, &base);

	if (status)
		return status;
	if (__builtin_add_overflow(base, lock->start, &request.start))
		return -EOVERFLOW;
	if (command)
		this_process()->lock_files = 1;
	status = file_call_lock(fd, NULL, &request, &reply);
	if (status < 0 || command)
		return status;
	lock->type = (int16_t)reply.type;
	if (reply.type == 2)
		return 0;
	lock->whence = 0;
	lock->start = reply.start;
	lock->length = reply.length;
	lock->pid = (int32_t)reply.pid;
	return 0;
}

/* --- fcntl ---------------------------------------------------------------------------------------------- */

static long set_flags(cap_t fd, uint64_t flags)
{
	struct file_set_flags_req request = { flags };
	long status = file_call_set_flags(fd, NULL, &request, NULL);

	return status < 0 ? status : 0;
}

static long dup_above(cap_t fd, uint64_t lowest, uint64_t cloexec)
{
	long status;

	if (!fd_valid(lowest))
		return -EINVAL;
	status = kcall(cap_copy, fd, CAP_ALL, (cap_t)lowest, cloexec);
	return status;
}

static long pipe_size(cap_t fd, uint64_t wanted)
{
	struct file_identify_reply what;
	long status = file_call_identify(fd, NULL, &(struct file_identify_req){}, &what);

	if (status < 0)
		return status;
	if (status != S_IFIFO)
		return -EBADF;
	return wanted > PIPE_SIZE ? -EPERM : PIPE_SIZE;
}

long lp_fcntl(uint64_t a, uint64_t b, uint64_t c)
{
	cap_t fd = fd_cap(a);
	long status;

	switch ((uint32_t)b) {
	case F_DUPFD:
	case F_DUPFD_CLOEXEC: return dup_above(fd, c, (uint32_t)b == F_DUPFD_CLOEXEC);
	case F_GETFD: return kcall(fd_flags, fd, 0, 0);
	case F_SETFD: status = kcall(fd_flags, fd, 1, c & FD_CLOEXEC); return status < 0 ? status : 0;
	case F_GETFL: return file_call_get_flags(fd, NULL, &(struct file_get_flags_req){}, NULL);
	case F_SETFL: return set_flags(fd, c);
	case F_GETLK:
	case F_SETLK:
	case F_SETLKW: return record_lock(fd, (uint32_t)b - F_GETLK, (void *)c);
	case F_SETPIPE_SZ: return pipe_size(fd, c);
	case F_GETPIPE_SZ: return pipe_size(fd, 0);
	case F_GETOWN:
	case F_GETSIG:
	case F_SETOWN:
	case F_SETSIG:
		/* Nobody sends SIGIO; owners are taken and forgotten. */
		status = kcall(fd_flags, fd, 0, 0);
		return status < 0 ? status : 0;
	}
	status = kcall(fd_flags, fd, 0, 0);
	return status < 0 ? status : -EINVAL;
}

long lp_flock(uint64_t a, uint64_t b)
{
	struct file_flock_req request = { (uint32_t)b };

	return file_call_flock(fd_cap(a), NULL, &request, NULL);
}
