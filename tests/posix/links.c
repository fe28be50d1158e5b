/* SPDX-License-Identifier: MIT */
/* Symbolic and hard links, rename. */
#define _GNU_SOURCE
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "check.h"

#ifndef RENAME_NOREPLACE
#define RENAME_NOREPLACE 1
#define RENAME_EXCHANGE 2
#endif
int renameat2(int, const char *, int, const char *, unsigned);
#include <sys/syscall.h>
#define rename2(a, b, flags) ((int)syscall(SYS_renameat2, AT_FDCWD, a, AT_FDCWD, b, flags))

static char text[5000];

static int put(const char *path, const char *content)
{
	int fd = open(path, O_CREAT | O_WRONLY | O_TRUNC, 0644);
	int ok = fd >= 0 && write(fd, content, strlen(content)) == (ssize_t)strlen(content);

	close(fd);
	return ok;
}

static int has(const char *path, const char *content)
{
	int fd = open(path, O_RDONLY);
	ssize_t n = fd < 0 ? -1 : read(fd, text, sizeof(text));

	close(fd);
	return n == (ssize_t)strlen(content) && !memcmp(text, content, (size_t)n);
}

static nlink_t link_count(const char *path)
{
	struct stat st;

	return stat(path, &st) ? 0 : st.st_nlink;
}

static ino_t inode(const char *path)
{
	struct stat st;

	return lstat(path, &st) ? 0 : st.st_ino;
}

static void symbolic(void)
{
	struct stat st;
	int fd;

	NEED(put("file", "content") && mkdir("dir", 0755) == 0);
	CHECK("symlink", symlink("file", "link") == 0 && has("link", "content"));
	CHECK("lstat", lstat("link", &st) == 0 && S_ISLNK(st.st_mode) && st.st_size == 4);
	CHECK("stat", stat("link", &st) == 0 && S_ISREG(st.st_mode));
	CHECK("readlink", readlink("link", text, sizeof(text)) == 4 && !memcmp(text, "file", 4));
	CHECK("readlink cuts", readlink("link", text, 2) == 2);
	CHECK_ERROR("readlink of a file", readlink("file", text, 10), EINVAL);
	CHECK_ERROR("again", symlink("other", "link"), EEXIST);
	CHECK_ERROR("an empty target", symlink("", "e"), ENOENT);
	CHECK_ERROR("O_NOFOLLOW", open("link", O_RDONLY | O_NOFOLLOW), ELOOP);
	CHECK("O_PATH of the link itself",
	      (fd = open("link", O_PATH | O_NOFOLLOW)) >= 0 && fstat(fd, &st) == 0 && S_ISLNK(st.st_mode));
	close(fd);
	NEED(symlink("self", "self") == 0 && symlink("dir", "todir") == 0 &&
	     symlink("nowhere", "dangling") == 0);
	CHECK_ERROR("a loop", open("self", O_RDONLY), ELOOP);
	CHECK("to a directory", put("todir/x", "inside") && has("dir/x", "inside"));
	CHECK_ERROR("dangling", open("dangling", O_RDONLY), ENOENT);
	CHECK_ERROR("O_EXCL does not follow", open("dangling", O_CREAT | O_EXCL | O_WRONLY, 0600), EEXIST);
	CHECK("creating through it", put("dangling", "made") && has("nowhere", "made"));
	CHECK("unlink takes the link", unlink("link") == 0 && has("file", "content"));
	CHECK_ERROR("rmdir does not follow", rmdir("todir"), ENOTDIR);
	CHECK_ERROR("unlink with a slash", unlink("todir/"), ENOTDIR);
	memset(text, 'a', 4090);
	text[4090] = 0;
	CHECK_ERROR("a target that is too long", symlink(memset(text, 'a', 4096), "long"), ENAMETOOLONG);
}

static void hard(void)
{
	CHECK("link",
	      link("file", "second") == 0 && inode("file") == inode("second") && link_count("file") == 2);
	CHECK("one file", put("second", "changed") && has("file", "changed"));
	CHECK_ERROR("onto a name", link("file", "second"), EEXIST);
	CHECK_ERROR("of a directory", link("dir", "dir2"), EPERM);
	CHECK_ERROR("of nothing", link("none", "x"), ENOENT);
	CHECK("of a link itself",
	      link("dangling", "dangling2") == 0 && inode("dangling") == inode("dangling2"));
	CHECK("unlink one", unlink("file") == 0 && has("second", "changed") && link_count("second") == 1);
}

static void moving(void)
{
	struct stat st;

	NEED(put("a", "A") && put("b", "B") && mkdir("d1", 0755) == 0 && mkdir("d2", 0755) == 0);
	CHECK("rename", rename("a", "c") == 0 && has("c", "A"));
	CHECK_ERROR("the old name is gone", open("a", O_RDONLY), ENOENT);
	CHECK("replaces", rename("c", "b") == 0 && has("b", "A"));
	CHECK("into a directory", rename("b", "d1/b") == 0 && has("d1/b", "A"));
	CHECK("a directory", rename("d1", "d3") == 0 && has("d3/b", "A"));
	CHECK("into another", rename("d3", "d2/d3") == 0 && has("d2/d3/b", "A") && link_count("d2") == 3);
	CHECK("dot dot goes along", stat("d2/d3/..", &st) == 0 && st.st_ino == inode("d2"));
	CHECK_ERROR("below itself", rename("d2", "d2/d3/x"), EINVAL);
	CHECK_ERROR("onto one that is not empty", rename("dir", "d2"), ENOTEMPTY);
	CHECK_ERROR("onto its own parent", rename("d2/d3", "d2"), ENOTEMPTY);
	NEED(mkdir("empty", 0755) == 0 && mkdir("full", 0755) == 0 && put("full/x", "X"));
	CHECK("onto an empty one", rename("full", "empty") == 0 && has("empty/x", "X"));
	CHECK_ERROR("a file onto a directory", rename("second", "empty"), EISDIR);
	CHECK_ERROR("a directory onto a file", rename("empty", "second"), ENOTDIR);
	CHECK_ERROR("nothing", rename("none", "x"), ENOENT);
	CHECK_ERROR("dot", rename("empty/.", "x"), EBUSY);
	CHECK("onto the same file",
	      link("second", "third") == 0 && rename("second", "third") == 0 && has("second", "changed"));
	CHECK("NOREPLACE", rename2("third", "fourth", RENAME_NOREPLACE) == 0);
	CHECK_ERROR("NOREPLACE onto a name", rename2("fourth", "second", RENAME_NOREPLACE), EEXIST);
	NEED(put("x", "X") && put("y", "Y"));
	CHECK("EXCHANGE", rename2("x", "y", RENAME_EXCHANGE) == 0 && has("x", "Y") && has("y", "X"));
	CHECK("EXCHANGE a file and a directory",
	      rename2("x", "empty", RENAME_EXCHANGE) == 0 && has("x/x", "X") && has("empty", "Y"));
}

static void open_while_moving(void)
{
	int fd;

	NEED(put("open", "data") && put("new", "other"));
	fd = open("open", O_RDONLY);
	CHECK("a file that is replaced stays open", rename("new", "open") == 0 && read(fd, text, 10) == 4 &&
							!memcmp(text, "data", 4) && has("open", "other"));
	close(fd);
}

int main(void)
{
	check_enter_directory();
	umask(022);
	symbolic();
	hard();
	moving();
	open_while_moving();
	return check_result();
}
