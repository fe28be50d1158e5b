/* SPDX-License-Identifier: MIT */
/*
 * A round does once what services are for, and looks at each answer: a file appended to, a pipe, a child, names made
 * and taken away, a lock, a terminal, the disk. What is repeated by mistake shows (EEXIST, ENOENT, a line twice), and so
 * does what is lost.
 */
#define _GNU_SOURCE
#include "effects.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <termios.h>
#include <unistd.h>

#define RECORD 512
#define BLOCK 4096

struct work {
	char directory[100], beside[100]; /* beside: for names alone, on tmpfs */
	struct account *account;
	uint64_t records; /* appended */
	int file, locked, disk;
	int to[2], from[2]; /* pipes kept open */
	int master, slave;
	char block[BLOCK]; /* of the disk, as it was */
	struct others *others;
};

static bool append(struct work *w)
{
	char record[RECORD];

	fill(record, RECORD, w->records);
	if (!done(w->account, "append", write(w->file, record, RECORD) == RECORD))
		return false;
	w->records++;
	return true;
}

/* There and back through two pipes: the order and the number of bytes have to be right, and nothing may be left. */
static bool through_pipes(struct work *w)
{
	char out[RECORD], in[RECORD + 1];
	struct pollfd ready = { .fd = w->to[0], .events = POLLIN };

	fill(out, RECORD, w->account->rounds);
	if (!done(w->account, "pipe write", write(w->to[1], out, RECORD) == RECORD) ||
	    !done(w->account, "pipe poll", poll(&ready, 1, 10000) == 1 && ready.revents == POLLIN) ||
	    !done(w->account, "pipe read",
		  read(w->to[0], in, sizeof in) == RECORD && !memcmp(in, out, RECORD)))
		return false;
	return done(w->account, "pipe read of nothing", read(w->to[0], in, 1) == -1 && errno == EAGAIN);
}

static bool child(struct work *w)
{
	int code = (int)(w->account->rounds % 200), status = -1;
	char byte = 0;
	pid_t pid = fork();

	if (!pid) {
		byte = (char)code;
		_exit(write(w->from[1], &byte, 1) == 1 ? code : 255);
	}
	if (!done(w->account, "fork", pid > 0) ||
	    !done(w->account, "read from the child", read(w->from[0], &byte, 1) == 1 && byte == (char)code) ||
	    !done(w->account, "wait", waitpid(pid, &status, 0) == pid) ||
	    !done(w->account, "exit status", WIFEXITED(status) && WEXITSTATUS(status) == code))
		return false;
	return done(w->account, "wait for nobody", waitpid(pid, &status, 0) == -1 && errno == ECHILD);
}

static bool program(struct work *w)
{
	int status = -1;
	pid_t pid = fork();

	if (!pid) {
		execl("/bin/true", "true", NULL);
		_exit(99);
	}
	return done(w->account, "fork", pid > 0) &&
	       done(w->account, "exec and wait", waitpid(pid, &status, 0) == pid && status == 0);
}

static bool names(struct work *w, const char *directory)
{
	char a[128], b[128];
	struct stat st;
	int fd;

	snprintf(a, sizeof a, "%s/a", directory);
	snprintf(b, sizeof b, "%s/b", directory);
	if (!done(w->account, "mkdir", mkdir(a, 0700) == 0) ||
	    !done(w->account, "rename", rename(a, b) == 0) ||
	    !done(w->account, "stat of the old name", stat(a, &st) == -1 && errno == ENOENT) ||
	    !done(w->account, "rmdir", rmdir(b) == 0))
		return false;
	fd = open(a, O_CREAT | O_EXCL | O_WRONLY, 0600);
	if (!done(w->account, "create", fd >= 0) || !done(w->account, "close", close(fd) == 0) ||
	    !done(w->account, "link", link(a, b) == 0) || !done(w->account, "unlink", unlink(a) == 0) ||
	    !done(w->account, "stat", stat(b, &st) == 0 && st.st_nlink == 1))
		return false;
	return done(w->account, "unlink", unlink(b) == 0) &&
	       done(w->account, "unlink again", unlink(b) == -1 && errno == ENOENT);
}

/* The parent's lock is seen by a child. */
static bool lock(struct work *w)
{
	int status = -1;
	pid_t pid = fork();

	if (!pid) {
		struct flock other = { .l_type = F_WRLCK, .l_whence = SEEK_SET, .l_len = 1 };

		_exit(fcntl(w->locked, F_GETLK, &other) || other.l_type != F_WRLCK ||
		      other.l_pid != getppid());
	}
	return done(w->account, "fork", pid > 0) &&
	       done(w->account, "lock", waitpid(pid, &status, 0) == pid && status == 0);
}

static bool terminal(struct work *w)
{
	char line[64], echo[80];
	int length = snprintf(line, sizeof line, "line %lu\n", (unsigned long)w->account->rounds);
	ssize_t got = 0, n;

	if (!done(w->account, "terminal: typing", write(w->master, line, (size_t)length) == length))
		return false;
	n = read(w->slave, echo, sizeof echo);
	if (!done(w->account, "terminal: a line", n == length && !memcmp(echo, line, (size_t)n)))
		return false;
	while (got < length + 1 && (n = read(w->master, echo + got, sizeof echo - (size_t)got)) > 0)
		got += n;
	return done(w->account, "terminal: echo",
		    got == length + 1 && !memcmp(echo, line, (size_t)length - 1));
}

static bool devices(struct work *w)
{
	static char block[BLOCK], text[2048];
	int fd = open("/proc/self/stat", O_RDONLY);

	if (!done(w->account, "open in /proc", fd >= 0) ||
	    !done(w->account, "read in /proc", read(fd, text, sizeof text) > 0) ||
	    !done(w->account, "close", close(fd) == 0))
		return false;
	fd = open("/dev/zero", O_RDONLY);
	if (!done(w->account, "open of a device", fd >= 0) ||
	    !done(w->account, "read of a device", read(fd, text, 16) == 16) ||
	    !done(w->account, "close", close(fd) == 0))
		return false;
	return done(w->account, "disk",
		    pread(w->disk, block, BLOCK, 0) == BLOCK && !memcmp(block, w->block, BLOCK));
}

/* All that was appended, from the beginning. */
static bool verify(struct work *w)
{
	char record[RECORD], wanted[RECORD], path[128];
	struct stat st;
	int fd;

	snprintf(path, sizeof path, "%s/file", w->directory);
	fd = open(path, O_RDONLY);
	if (!done(w->account, "open", fd >= 0) ||
	    !done(w->account, "size of the file",
		  fstat(fd, &st) == 0 && (uint64_t)st.st_size == w->records * RECORD))
		return false;
	for (uint64_t n = 0; n < w->records; n++) {
		fill(wanted, RECORD, n);
		if (!done(w->account, "read", read(fd, record, RECORD) == RECORD) ||
		    !done(w->account, "CORRUPT: the file", !memcmp(record, wanted, RECORD)))
			return false;
	}
	return done(w->account, "close", close(fd) == 0);
}

static bool open_files(struct work *w)
{
	struct flock own = { .l_type = F_WRLCK, .l_whence = SEEK_SET, .l_len = 1 };
	char path[128];

	if (!done(w->account, "mkdir", mkdir(w->directory, 0700) == 0 && mkdir(w->beside, 0700) == 0))
		return false;
	snprintf(path, sizeof path, "%s/file", w->directory);
	w->file = open(path, O_CREAT | O_EXCL | O_WRONLY | O_APPEND | O_CLOEXEC, 0600);
	snprintf(path, sizeof path, "%s/lock", w->directory);
	w->locked = open(path, O_CREAT | O_RDWR | O_CLOEXEC, 0600);
	w->disk = open("/dev/vda", O_RDONLY | O_CLOEXEC);
	if (!done(w->account, "open", w->file >= 0 && w->locked >= 0) ||
	    !done(w->account, "lock", fcntl(w->locked, F_SETLK, &own) == 0))
		return false;
	return done(w->account, "disk", w->disk >= 0 && pread(w->disk, w->block, BLOCK, 0) == BLOCK);
}

static bool open_terminal(struct work *w)
{
	w->master = posix_openpt(O_RDWR | O_NOCTTY | O_CLOEXEC);
	if (!done(w->account, "terminal", w->master >= 0 && !grantpt(w->master) && !unlockpt(w->master)))
		return false;
	w->slave = open(ptsname(w->master), O_RDWR | O_NOCTTY | O_CLOEXEC);
	return done(w->account, "terminal", w->slave >= 0);
}

static void *mixed_begin(const char *directory, struct account *account)
{
	struct work *w = calloc(1, sizeof *w);

	if (!w)
		return NULL;
	snprintf(w->directory, sizeof w->directory, "%s", directory);
	snprintf(w->beside, sizeof w->beside, "/tmp/beside.%d", (int)getpid());
	w->account = account;
	if (!open_files(w) || !open_terminal(w) ||
	    !done(account, "pipe", !pipe2(w->to, O_NONBLOCK | O_CLOEXEC) && !pipe2(w->from, O_CLOEXEC)))
		return NULL;
	w->others = others_begin(account);
	return w->others ? w : NULL;
}

static bool mixed_round(void *work)
{
	struct work *w = work;
	uint64_t number = w->account->rounds;
	bool good = append(w) && through_pipes(w) && child(w) && names(w, w->directory) &&
		    names(w, w->beside) && lock(w) && terminal(w) && devices(w) &&
		    others_round(w->others, number) && append(w) && (number % 4 != 3 || program(w));

	w->account->rounds += good;
	return good;
}

static bool remove_all(struct work *w)
{
	char path[128];
	bool good;

	snprintf(path, sizeof path, "%s/file", w->directory);
	good = done(w->account, "unlink", unlink(path) == 0);
	snprintf(path, sizeof path, "%s/lock", w->directory);
	return good && done(w->account, "unlink", unlink(path) == 0) &&
	       done(w->account, "rmdir", rmdir(w->directory) == 0 && rmdir(w->beside) == 0);
}

static bool mixed_end(void *work)
{
	struct work *w = work;
	const int all[] = { w->file,    w->locked,  w->disk,  w->to[0], w->to[1],
			    w->from[0], w->from[1], w->slave, w->master };
	bool good = verify(w);

	for (size_t i = 0; i < sizeof all / sizeof *all; i++)
		good &= done(w->account, "close", close(all[i]) == 0);
	good &= others_end(w->others) && remove_all(w);
	free(w);
	return good;
}

const struct worker mixed_worker = { mixed_begin, mixed_round, mixed_end };
