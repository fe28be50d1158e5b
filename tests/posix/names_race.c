/* SPDX-License-Identifier: MIT */
/*
 * Several processes change the same few names at random. Each call must succeed or fail for a reason that
 * such a race can have, and in the end the directory must agree with itself.
 */
#define _GNU_SOURCE
#include <dirent.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "check.h"

#define PROCESSES 6
#define ROUNDS 1500
#define NAMES 6

static unsigned seed;

static unsigned pick(unsigned below)
{
	seed = seed * 1103515245u + 12345u;
	return (seed >> 16) % below;
}

static const char *name(char *to)
{
	static const char *const dirs[] = { "", "d0/", "d1/" };

	sprintf(to, "%sn%u", dirs[pick(3)], pick(NAMES));
	return to;
}

static int write_one(const char *path)
{
	int fd = open(path, O_CREAT | O_WRONLY | (pick(2) ? O_TRUNC : 0), 0644);

	if (fd < 0)
		return -1;
	if (write(fd, "0123456789", pick(10)) < 0)
		return -1;
	return close(fd);
}

static int read_one(const char *path)
{
	char text[16];
	int fd = open(path, O_RDONLY), n;

	if (fd < 0)
		return -1;
	n = (int)read(fd, text, sizeof(text));
	if (n < 0 && errno == EISDIR)
		n = 0;
	close(fd);
	return n < 0 ? -1 : 0;
}

static int list(const char *path)
{
	DIR *dir = opendir(path);
	struct dirent *e;

	if (!dir)
		return -1;
	errno = 0;
	while ((e = readdir(dir)))
		;
	return errno ? -1 : closedir(dir);
}

static int one(void)
{
	char a[32], b[32];
	struct stat st;

	name(a);
	name(b);
	switch (pick(11)) {
	case 0:
	case 1: return write_one(a);
	case 2: return unlink(a);
	case 3: return rename(a, b);
	case 4: return link(a, b);
	case 5: return symlink(b, a);
	case 6: return mkdir(a, 0755);
	case 7: return rmdir(a);
	case 8: return stat(a, &st);
	case 9: return list(pick(2) ? "." : "d0");
	default: return read_one(a);
	}
}

static int allowed(int error)
{
	static const int reasons[] = {
		ENOENT, EEXIST, EISDIR, ENOTDIR, ENOTEMPTY, EPERM, ELOOP, EINVAL, EBUSY
	};

	for (size_t i = 0; i < sizeof(reasons) / sizeof(reasons[0]); i++)
		if (error == reasons[i])
			return 1;
	return 0;
}

static void child(unsigned number)
{
	seed = number * 7919 + 1;
	for (int i = 0; i < ROUNDS; i++)
		if (one() < 0 && !allowed(errno)) {
			printf("# process %u, round %d: errno %d\n", number, i, errno);
			fflush(stdout);
			_exit(1);
		}
	_exit(0);
}

/* Every entry can be looked at, and a directory has as many links as it has directories, and two. */
static int agrees(const char *path, int remove)
{
	char below[600];
	struct stat st, self;
	DIR *dir = opendir(path);
	struct dirent *e;
	nlink_t dirs = 2;
	int good = dir && stat(path, &self) == 0;

	while (good && (e = readdir(dir))) {
		if (!strcmp(e->d_name, ".") || !strcmp(e->d_name, ".."))
			continue;
		snprintf(below, sizeof(below), "%s/%s", path, e->d_name);
		good = lstat(below, &st) == 0 && st.st_ino == e->d_ino;
		if (good && S_ISDIR(st.st_mode)) {
			dirs++;
			good = agrees(below, remove) && (!remove || rmdir(below) == 0);
		} else if (good && remove) {
			good = unlink(below) == 0;
		}
		if (!good)
			printf("# %s: errno %d\n", below, errno);
	}
	if (dir)
		closedir(dir);
	return good && self.st_nlink == dirs;
}

int main(void)
{
	int status, bad = 0;

	check_enter_directory();
	NEED(mkdir("d0", 0755) == 0 && mkdir("d1", 0755) == 0);
	for (unsigned i = 0; i < PROCESSES; i++) {
		pid_t pid = fork();

		NEED(pid >= 0);
		if (!pid)
			child(i);
	}
	while (wait(&status) > 0)
		bad += status != 0;
	CHECK("all fail only for good reasons", !bad);
	CHECK("names and link counts agree", agrees(".", 0));
	CHECK("all can be removed", agrees(".", 1));
	CHECK("nothing is left", (list("."), rmdir("d0") == -1 && errno == ENOENT));
	return check_result();
}
