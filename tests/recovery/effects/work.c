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
#include <time.h>
#include <unistd.h>

#define RECORD 512
#define BLOCK 4096

struct work {
	char directory[100];
	struct account *account;
	uint64_t records; /* appended */
	int file, locked, disk;
	int to[2], from[2]; /* pipes kept open */
	int master, slave;
	char block[BLOCK]; /* of the disk, as it was */
	uint64_t began_us;
};

static uint64_t now_us(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000000 + (uint64_t)now.tv_nsec / 1000;
}

/* The end of an operation. errno counts for the message only where the operation failed. */
static bool done(struct work *w, const char *what, bool good)
{
	int error = errno;
	uint64_t took = now_us() - w->began_us;
	struct account *a = w->account;

	if (took > a->longest_us) {
		a->longest_us = took;
		snprintf(a->longest, sizeof a->longest, "%s", what);
	}
	if (!good && !a->failed) {
		snprintf(a->failure, sizeof a->failure, "%s: %s, in round %lu", what, strerror(error),
			 (unsigned long)a->rounds);
		a->failed = true;
	}
	w->began_us = now_us();
	errno = 0;
	return good;
}

static void fill(char *record, uint64_t number)
{
	int length = snprintf(record, RECORD, "%lu:", (unsigned long)number);

	for (int i = length; i < RECORD - 1; i++)
		record[i] = (char)('a' + (number * 7 + (uint64_t)i) % 26);
	record[RECORD - 1] = '\n';
}

static bool append(struct work *w)
{
	char record[RECORD];

	fill(record, w->records);
	if (!done(w, "append", write(w->file, record, RECORD) == RECORD))
		return false;
	w->records++;
	return true;
}

/* There and back through two pipes: the order and the number of bytes have to be right, and nothing may be left. */
static bool through_pipes(struct work *w)
{
	char out[RECORD], in[RECORD + 1];
	struct pollfd ready = { .fd = w->to[0], .events = POLLIN };

	fill(out, w->account->rounds);
	if (!done(w, "pipe write", write(w->to[1], out, RECORD) == RECORD) ||
	    !done(w, "pipe poll", poll(&ready, 1, 10000) == 1 && ready.revents == POLLIN) ||
	    !done(w, "pipe read", read(w->to[0], in, sizeof in) == RECORD && !memcmp(in, out, RECORD)))
		return false;
	return done(w, "pipe read of nothing", read(w->to[0], in, 1) == -1 && errno == EAGAIN);
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
	if (!done(w, "fork", pid > 0) ||
	    !done(w, "read from the child", read(w->from[0], &byte, 1) == 1 && byte == (char)code) ||
	    !done(w, "wait", waitpid(pid, &status, 0) == pid) ||
	    !done(w, "exit status", WIFEXITED(status) && WEXITSTATUS(status) == code))
		return false;
	return done(w, "wait for nobody", waitpid(pid, &status, 0) == -1 && errno == ECHILD);
}

static bool program(struct work *w)
{
	int status = -1;
	pid_t pid = fork();

	if (!pid) {
		execl("/bin/true", "true", NULL);
		_exit(99);
	}
	return done(w, "fork", pid > 0) &&
	       done(w, "exec and wait", waitpid(pid, &status, 0) == pid && status == 0);
}

static bool names(struct work *w)
{
	char a[128], b[128];
	struct stat st;
	int fd;

	snprintf(a, sizeof a, "%s/a", w->directory);
	snprintf(b, sizeof b, "%s/b", w->directory);
	if (!done(w, "mkdir", mkdir(a, 0700) == 0) || !done(w, "rename", rename(a, b) == 0) ||
	    !done(w, "stat of the old name", stat(a, &st) == -1 && errno == ENOENT) ||
	    !done(w, "rmdir", rmdir(b) == 0))
		return false;
	fd = open(a, O_CREAT | O_EXCL | O_WRONLY, 0600);
	if (!done(w, "create", fd >= 0) || !done(w, "close", close(fd) == 0) ||
	    !done(w, "link", link(a, b) == 0) || !done(w, "unlink", unlink(a) == 0) ||
	    !done(w, "stat", stat(b, &st) == 0 && st.st_nlink == 1))
		return false;
	return done(w, "unlink", unlink(b) == 0) &&
	       done(w, "unlink again", unlink(b) == -1 && errno == ENOENT);
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
	return done(w, "fork", pid > 0) && done(w, "lock", waitpid(pid, &status, 0) == pid && status == 0);
}

static bool terminal(struct work *w)
{
	char line[64], echo[80];
	int length = snprintf(line, sizeof line, "line %lu\n", (unsigned long)w->account->rounds);
	ssize_t got = 0, n;

	if (!done(w, "terminal: typing", write(w->master, line, (size_t)length) == length))
		return false;
	n = read(w->slave, echo, sizeof echo);
	if (!done(w, "terminal: a line", n == length && !memcmp(echo, line, (size_t)n)))
		return false;
	while (got < length + 1 && (n = read(w->master, echo + got, sizeof echo - (size_t)got)) > 0)
		got += n;
	return done(w, "terminal: echo", got == length + 1 && !memcmp(echo, line, (size_t)length - 1));
}

static bool devices(struct work *w)
{
	static char block[BLOCK], text[2048];
	int fd = open("/proc/self/stat", O_RDONLY);

	if (!done(w, "open in /proc", fd >= 0) ||
	    !done(w, "read in /proc", read(fd, text, sizeof text) > 0) || !done(w, "close", close(fd) == 0))
		return false;
	fd = open("/dev/zero", O_RDONLY);
	if (!done(w, "open of a device", fd >= 0) || !done(w, "read of a device", read(fd, text, 16) == 16) ||
	    !done(w, "close", close(fd) == 0))
		return false;
	return done(w, "disk", pread(w->disk, block, BLOCK, 0) == BLOCK && !memcmp(block, w->block, BLOCK));
}

/* All that was appended, from the beginning. */
static bool verify(struct work *w)
{
	char record[RECORD], wanted[RECORD], path[128];
	struct stat st;
	int fd;

	snprintf(path, sizeof path, "%s/file", w->directory);
	fd = open(path, O_RDONLY);
	if (!done(w, "open", fd >= 0) ||
	    !done(w, "size of the file", fstat(fd, &st) == 0 && (uint64_t)st.st_size == w->records * RECORD))
		return false;
	for (uint64_t n = 0; n < w->records; n++) {
		fill(wanted, n);
		if (!done(w, "read", read(fd, record, RECORD) == RECORD) ||
		    !done(w, "CORRUPT: the file", !memcmp(record, wanted, RECORD)))
			return false;
	}
	return done(w, "close", close(fd) == 0);
}

static bool open_files(struct work *w)
{
	struct flock own = { .l_type = F_WRLCK, .l_whence = SEEK_SET, .l_len = 1 };
	char path[128];

	if (!done(w, "mkdir", mkdir(w->directory, 0700) == 0))
		return false;
	snprintf(path, sizeof path, "%s/file", w->directory);
	w->file = open(path, O_CREAT | O_EXCL | O_WRONLY | O_APPEND | O_CLOEXEC, 0600);
	snprintf(path, sizeof path, "%s/lock", w->directory);
	w->locked = open(path, O_CREAT | O_RDWR | O_CLOEXEC, 0600);
	w->disk = open("/dev/vda", O_RDONLY | O_CLOEXEC);
	if (!done(w, "open", w->file >= 0 && w->locked >= 0) ||
	    !done(w, "lock", fcntl(w->locked, F_SETLK, &own) == 0))
		return false;
	return done(w, "disk", w->disk >= 0 && pread(w->disk, w->block, BLOCK, 0) == BLOCK);
}

static bool open_terminal(struct work *w)
{
	w->master = posix_openpt(O_RDWR | O_NOCTTY | O_CLOEXEC);
	if (!done(w, "terminal", w->master >= 0 && !grantpt(w->master) && !unlockpt(w->master)))
		return false;
	w->slave = open(ptsname(w->master), O_RDWR | O_NOCTTY | O_CLOEXEC);
	return done(w, "terminal", w->slave >= 0);
}

struct work *work_begin(const char *directory, struct account *account)
{
	struct work *w = calloc(1, sizeof *w);

	if (!w)
		return NULL;
	snprintf(w->directory, sizeof w->directory, "%s", directory);
	w->account = account;
	w->began_us = now_us();
	if (!open_files(w) || !open_terminal(w) ||
	    !done(w, "pipe", !pipe2(w->to, O_NONBLOCK | O_CLOEXEC) && !pipe2(w->from, O_CLOEXEC)))
		return NULL;
	return w;
}

bool work_round(struct work *w)
{
	bool good = append(w) && through_pipes(w) && child(w) && names(w) && lock(w) && terminal(w) &&
		    devices(w) && append(w) && (w->account->rounds % 8 != 7 || program(w));

	w->account->rounds += good;
	return good;
}

bool work_end(struct work *w)
{
	const int all[] = { w->file,    w->locked,  w->disk,  w->to[0], w->to[1],
			    w->from[0], w->from[1], w->slave, w->master };
	char path[128];
	bool good = verify(w);

	for (size_t i = 0; i < sizeof all / sizeof *all; i++)
		good &= done(w, "close", close(all[i]) == 0);
	snprintf(path, sizeof path, "%s/file", w->directory);
	good &= done(w, "unlink", unlink(path) == 0);
	snprintf(path, sizeof path, "%s/lock", w->directory);
	good &= done(w, "unlink", unlink(path) == 0) && done(w, "rmdir", rmdir(w->directory) == 0);
	free(w);
	return good;
}
