/* SPDX-License-Identifier: MIT */
/* Directories: making, removing, reading, where a process stands. */
#define _GNU_SOURCE
#include <dirent.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "check.h"

#define MANY 1000

static int exists(const char *path)
{
	struct stat st;

	return lstat(path, &st) == 0;
}

static void making(void)
{
	struct stat st;

	CHECK("mkdir", mkdir("d", 0777) == 0 && stat("d", &st) == 0 && st.st_mode == (S_IFDIR | 0755));
	CHECK("two links", st.st_nlink == 2);
	CHECK_ERROR("again", mkdir("d", 0777), EEXIST);
	CHECK("with a slash", mkdir("d/e/", 0777) == 0 && stat("d", &st) == 0 && st.st_nlink == 3);
	CHECK_ERROR("below nothing", mkdir("none/x", 0777), ENOENT);
	CHECK_ERROR("dot", mkdir("d/.", 0777), EEXIST);
	CHECK_ERROR("the root", mkdir("/", 0777), EEXIST);
	CHECK_ERROR("rmdir of one that is not empty", rmdir("d"), ENOTEMPTY);
	CHECK_ERROR("rmdir of dot", rmdir("d/."), EINVAL);
	CHECK_ERROR("rmdir of dot dot", rmdir("d/e/.."), ENOTEMPTY);
	CHECK_ERROR("rmdir of nothing", rmdir("none"), ENOENT);
	close(open("f", O_CREAT | O_WRONLY, 0600));
	CHECK_ERROR("rmdir of a file", rmdir("f"), ENOTDIR);
	CHECK("rmdir", rmdir("d/e") == 0 && !exists("d/e") && stat("d", &st) == 0 && st.st_nlink == 2);
	CHECK("setgid is inherited", chmod("d", 02775) == 0 && mkdir("d/s", 0777) == 0 &&
					 stat("d/s", &st) == 0 && (st.st_mode & 07777) == 02755);
}

static int count(DIR *dir, int *dots)
{
	struct dirent *e;
	int n = 0;

	*dots = 0;
	while ((e = readdir(dir))) {
		if (!strcmp(e->d_name, ".") || !strcmp(e->d_name, ".."))
			++*dots;
		else
			n++;
	}
	return n;
}

static void reading(void)
{
	char name[32];
	DIR *dir;
	int dots, n = 0, fd;
	long where;
	struct dirent *e;

	NEED(mkdir("many", 0755) == 0);
	for (int i = 0; i < MANY; i++) {
		snprintf(name, sizeof(name), "many/file%d", i);
		fd = open(name, O_CREAT | O_WRONLY, 0600);
		NEED(fd >= 0);
		close(fd);
	}
	CHECK("opendir", (dir = opendir("many")) != NULL);
	CHECK("all entries", count(dir, &dots) == MANY && dots == 2);
	rewinddir(dir);
	CHECK("again", count(dir, &dots) == MANY && dots == 2);
	rewinddir(dir);
	for (int i = 0; i < 300; i++)
		readdir(dir);
	where = telldir(dir);
	e = readdir(dir);
	NEED(e);
	strcpy(name, e->d_name);
	seekdir(dir, where);
	e = readdir(dir);
	CHECK("telldir and seekdir", e && !strcmp(e->d_name, name));
	rewinddir(dir);
	while ((e = readdir(dir)))
		if (e->d_name[0] != '.') {
			n += unlinkat(dirfd(dir), e->d_name, 0) == 0;
		}
	CHECK("removing while reading", n == MANY);
	CHECK_ERROR("reading as a file", read(dirfd(dir), name, 1), EISDIR);
	closedir(dir);
	CHECK("is empty then", rmdir("many") == 0);
	dir = opendir(".");
	n = 0;
	while ((e = readdir(dir)))
		if (!strcmp(e->d_name, "d"))
			n = e->d_type == DT_DIR;
	CHECK("d_type", n == 1);
	closedir(dir);
}

static void standing(void)
{
	char path[4096], start[4096];
	int here = open(".", O_RDONLY | O_DIRECTORY), d = open("d", O_RDONLY);

	NEED(getcwd(start, sizeof(start)));
	CHECK("chdir", chdir("d") == 0 && getcwd(path, sizeof(path)) && !strcmp(path + strlen(start), "/d"));
	CHECK("dot dot", chdir("..") == 0 && getcwd(path, sizeof(path)) && !strcmp(path, start));
	CHECK("fchdir", fchdir(d) == 0 && getcwd(path, sizeof(path)) && !strcmp(path + strlen(start), "/d"));
	CHECK("and back", fchdir(here) == 0 && exists("d"));
	CHECK("no room", getcwd(path, 2) == NULL && errno == ERANGE);
	CHECK_ERROR("chdir to a file", chdir("f"), ENOTDIR);
	CHECK_ERROR("chdir to nothing", chdir("none"), ENOENT);
	CHECK("openat", (close(openat(d, "x", O_CREAT | O_WRONLY, 0600)), exists("d/x")));
	CHECK("mkdirat", mkdirat(d, "sub", 0755) == 0 && exists("d/sub"));
	CHECK("unlinkat",
	      unlinkat(d, "x", 0) == 0 && unlinkat(d, "sub", AT_REMOVEDIR) == 0 && !exists("d/x"));
	CHECK_ERROR("openat of no directory", openat(open("f", O_RDONLY), "x", O_RDONLY), ENOTDIR);
	CHECK_ERROR("openat of no descriptor", openat(999, "x", O_RDONLY), EBADF);
	CHECK("an absolute path needs none", close(openat(999, "/", O_RDONLY)) == 0);
	close(here);
	close(d);
}

static void removed(void)
{
	char path[4096];

	NEED(mkdir("r", 0755) == 0 && chdir("r") == 0 && rmdir("../r") == 0);
	CHECK_ERROR("nothing is made in a removed directory", open("x", O_CREAT | O_WRONLY, 0600), ENOENT);
	CHECK("it has no path", getcwd(path, sizeof(path)) == NULL && errno == ENOENT);
	CHECK("but a parent", chdir("..") == 0 && exists("d"));
}

static void in_children(void)
{
	char path[4096], start[4096];
	int status;
	pid_t pid;

	NEED(getcwd(start, sizeof(start)));
	pid = fork();
	if (!pid) {
		umask(077);
		_exit(chdir("d") || !getcwd(path, sizeof(path)) || strcmp(path + strlen(start), "/d"));
	}
	NEED(waitpid(pid, &status, 0) == pid);
	CHECK("a child stands where it likes",
	      status == 0 && getcwd(path, sizeof(path)) && !strcmp(path, start));
	CHECK("and has its own umask", umask(022) == 022);
	pid = fork();
	if (!pid)
		_exit(chroot("d") || chdir("/") || !getcwd(path, sizeof(path)) || strcmp(path, "/") ||
		      chdir("..") || access("s", F_OK));
	NEED(waitpid(pid, &status, 0) == pid);
	CHECK("chroot", status == 0);
}

int main(void)
{
	check_enter_directory();
	umask(022);
	making();
	reading();
	standing();
	removed();
	in_children();
	return check_result();
}
