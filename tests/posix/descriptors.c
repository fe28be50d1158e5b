/* SPDX-License-Identifier: MIT */
/* Descriptors: dup, fcntl, close-on-exec, limits, locks. */
#define _GNU_SOURCE
#include <fcntl.h>
#include <signal.h>
#include <sys/file.h>
#include <sys/ioctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "check.h"

static int status_of(pid_t pid)
{
	int status;

	NEED(pid > 0 && waitpid(pid, &status, 0) == pid);
	return WIFEXITED(status) ? WEXITSTATUS(status) : 255;
}

static void duplicates(void)
{
	int fd = open("f", O_CREAT | O_RDWR, 0600), other, high;

	CHECK("dup takes the lowest", (other = dup(fd)) == fd + 1);
	CHECK("they share the offset", write(fd, "abc", 3) == 3 && lseek(other, 0, SEEK_CUR) == 3);
	CHECK("dup2", dup2(fd, 20) == 20 && lseek(20, 0, SEEK_CUR) == 3);
	CHECK("dup2 onto itself", dup2(fd, fd) == fd);
	CHECK_ERROR("dup2 of nothing", dup2(77, 78), EBADF);
	CHECK_ERROR("dup2 of nothing onto itself", dup2(77, 77), EBADF);
	CHECK_ERROR("dup2 onto a negative number", dup2(fd, -1), EBADF);
	CHECK_ERROR("dup2 beyond the limit", dup2(fd, 1 << 29), EBADF);
	CHECK_ERROR("dup3 onto itself", dup3(fd, fd, 0), EINVAL);
	CHECK("dup3 with O_CLOEXEC", dup3(fd, 21, O_CLOEXEC) == 21 && fcntl(21, F_GETFD) == FD_CLOEXEC);
	CHECK("F_DUPFD", (high = fcntl(fd, F_DUPFD, 50)) == 50 && fcntl(fd, F_DUPFD, 50) == 51);
	CHECK("F_DUPFD_CLOEXEC", fcntl(fd, F_DUPFD_CLOEXEC, 60) == 60 && fcntl(60, F_GETFD) == FD_CLOEXEC);
	CHECK_ERROR("dup of nothing", dup(77), EBADF);
	CHECK("close", close(other) == 0);
	CHECK_ERROR("close again", close(other), EBADF);
	CHECK_ERROR("close of a negative number", close(-1), EBADF);
	CHECK("the file is still open", lseek(fd, 0, SEEK_CUR) == 3);
	CHECK("close_range", syscall(SYS_close_range, 20, 60, 0) == 0 && fcntl(20, F_GETFD) == -1 &&
				 fcntl(high, F_GETFD) == -1 && fcntl(fd, F_GETFD) == 0);
	close(fd);
}

static void flags(void)
{
	int fd = open("f", O_RDWR | O_APPEND | O_CLOEXEC);

	CHECK("O_CLOEXEC", fcntl(fd, F_GETFD) == FD_CLOEXEC);
	CHECK("F_SETFD", fcntl(fd, F_SETFD, 0) == 0 && fcntl(fd, F_GETFD) == 0);
	CHECK("F_GETFL", (fcntl(fd, F_GETFL) & (O_ACCMODE | O_APPEND)) == (O_RDWR | O_APPEND));
	CHECK("F_SETFL",
	      fcntl(fd, F_SETFL, O_NONBLOCK) == 0 &&
		  (fcntl(fd, F_GETFL) & (O_ACCMODE | O_APPEND | O_NONBLOCK)) == (O_RDWR | O_NONBLOCK));
	CHECK("FIOCLEX", ioctl(fd, FIOCLEX) == 0 && fcntl(fd, F_GETFD) == FD_CLOEXEC);
	CHECK_ERROR("fcntl of nothing", fcntl(77, F_GETFL), EBADF);
	CHECK_ERROR("fcntl of nonsense", fcntl(fd, 9999), EINVAL);
	CHECK_ERROR("ioctl of a terminal on a file", ioctl(fd, TIOCGWINSZ, (char[64]){ 0 }), ENOTTY);
	close(fd);
}

static void limit(void)
{
	struct rlimit before, small = { 40, 40 };
	int fd, last = -1, error;
	pid_t pid = fork();

	if (pid) {
		CHECK("RLIMIT_NOFILE", status_of(pid) == 0);
		return;
	}
	getrlimit(RLIMIT_NOFILE, &before);
	if (setrlimit(RLIMIT_NOFILE, &small))
		_exit(1);
	while ((fd = open("f", O_RDONLY)) >= 0)
		last = fd;
	error = errno;
	if (last != 39 || error != EMFILE)
		_exit(2);
	errno = 0;
	_exit(open("new", O_CREAT | O_WRONLY, 0600) == -1 && errno == EMFILE && access("new", F_OK) == 0 ? 3
													 : 0);
}

static void across_fork(void)
{
	int fd = open("f", O_RDWR | O_TRUNC);
	pid_t pid;

	NEED(write(fd, "0123456789", 10) == 10 && lseek(fd, 0, SEEK_SET) == 0);
	pid = fork();
	if (!pid) {
		char c[4];

		_exit(read(fd, c, 4) != 4 || close(fd));
	}
	CHECK("a child shares the offset", status_of(pid) == 0 && lseek(fd, 0, SEEK_CUR) == 4);
	close(fd);
}

/* --- locks -------------------------------------------------------------------------------------------- */

static int lock(int fd, int command, short type, off_t start, off_t length)
{
	struct flock l = { .l_type = type, .l_whence = SEEK_SET, .l_start = start, .l_len = length };

	return fcntl(fd, command, &l);
}

static struct flock conflict(int fd, short type, off_t start, off_t length)
{
	struct flock l = { .l_type = type, .l_whence = SEEK_SET, .l_start = start, .l_len = length };

	fcntl(fd, F_GETLK, &l);
	return l;
}

static int in_child(int (*what)(int), int fd)
{
	pid_t pid = fork();

	if (!pid)
		_exit(what(fd));
	return status_of(pid);
}

static int sees_locks(int fd)
{
	struct flock l = conflict(fd, F_WRLCK, 0, 0);

	return !(l.l_type == F_WRLCK && l.l_start == 10 && l.l_len == 20 && l.l_pid == getppid());
}

static int is_refused(int fd)
{
	return !(lock(fd, F_SETLK, F_RDLCK, 15, 1) == -1 && (errno == EAGAIN || errno == EACCES) &&
		 lock(fd, F_SETLK, F_WRLCK, 0, 10) == 0 && lock(fd, F_SETLK, F_WRLCK, 30, 0) == 0);
}

static int is_free(int fd)
{
	return conflict(fd, F_WRLCK, 0, 0).l_type != F_UNLCK;
}

static void record_locks(void)
{
	int fd = open("locks", O_CREAT | O_RDWR, 0600), again;

	CHECK("a record lock", lock(fd, F_SETLK, F_WRLCK, 10, 20) == 0);
	CHECK("is seen by others", in_child(sees_locks, fd) == 0);
	CHECK("and refuses them", in_child(is_refused, fd) == 0);
	CHECK("one's own do not conflict", conflict(fd, F_WRLCK, 0, 0).l_type == F_UNLCK);
	CHECK("unlocking the middle splits", lock(fd, F_SETLK, F_UNLCK, 15, 5) == 0);
	CHECK("unlocking all", lock(fd, F_SETLK, F_UNLCK, 0, 0) == 0 && in_child(is_free, fd) == 0);
	CHECK("again", lock(fd, F_SETLK, F_WRLCK, 0, 0) == 0);
	again = open("locks", O_RDONLY);
	close(again);
	CHECK("closing any descriptor of the file gives up all", in_child(is_free, fd) == 0);
	close(fd);
	fd = open("locks", O_RDONLY);
	CHECK_ERROR("no write lock on what is open for reading", lock(fd, F_SETLK, F_WRLCK, 0, 1), EBADF);
	close(fd);
}

static void waiting_locks(void)
{
	int fd = open("locks", O_RDWR), pipe_fds[2];
	char c;
	pid_t pid;

	NEED(pipe(pipe_fds) == 0);
	pid = fork();
	if (!pid) {
		if (lock(fd, F_SETLK, F_WRLCK, 0, 1) || write(pipe_fds[1], "x", 1) != 1)
			_exit(1);
		usleep(100000);
		_exit(0); /* without unlocking */
	}
	NEED(read(pipe_fds[0], &c, 1) == 1);
	CHECK("a lock is waited for, until its holder dies", lock(fd, F_SETLKW, F_WRLCK, 0, 1) == 0);
	CHECK("who then is dead", status_of(pid) == 0);
	close(fd);
}

static int flock_other(int fd)
{
	int mine = open("locks", O_RDWR);

	(void)fd;
	return flock(mine, LOCK_EX | LOCK_NB) == 0 ? 0 : errno;
}

static void whole_files(void)
{
	int fd = open("locks", O_RDWR), copy = dup(fd);

	CHECK("flock", flock(fd, LOCK_EX) == 0);
	CHECK("excludes others", in_child(flock_other, fd) == EWOULDBLOCK);
	CHECK("but not a duplicate", flock(copy, LOCK_EX | LOCK_NB) == 0);
	close(fd);
	CHECK("which keeps it", in_child(flock_other, copy) == EWOULDBLOCK);
	close(copy);
	CHECK("the last close gives it up", in_child(flock_other, 0) == 0);
}

int main(void)
{
	check_enter_directory();
	duplicates();
	flags();
	limit();
	across_fork();
	record_locks();
	waiting_locks();
	whole_files();
	return check_result();
}
