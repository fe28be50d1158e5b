/* SPDX-License-Identifier: MIT */
/* Mounting and unmounting tmpfs: limits, read-only, busy, across mounts. */
#define _GNU_SOURCE
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/wait.h>
#include <unistd.h>

#include "check.h"

static char block[65536];

static int put(const char *path)
{
	int fd = open(path, O_CREAT | O_WRONLY, 0644);
	int ok = fd >= 0 && write(fd, "data", 4) == 4;

	close(fd);
	return ok;
}

static void mounting(void)
{
	struct stat below, above;
	struct statvfs vfs;
	char path[4096], start[4096];

	NEED(getcwd(start, sizeof(start)) && mkdir("m", 0755) == 0 && put("m/hidden") &&
	     stat("m", &below) == 0);
	CHECK("mount", mount("none", "m", "tmpfs", 0, "size=1m,mode=0700") == 0);
	CHECK("it is another file system",
	      stat("m", &above) == 0 && above.st_dev != below.st_dev && (above.st_mode & 07777) == 0700);
	CHECK("what is below is hidden", access("m/hidden", F_OK) == -1);
	CHECK("its size", statvfs("m", &vfs) == 0 && vfs.f_blocks * vfs.f_bsize == 1 << 20);
	CHECK("writing", put("m/a"));
	CHECK("dot dot leads out", chdir("m") == 0 && getcwd(path, sizeof(path)) &&
				       !strcmp(path + strlen(start), "/m") && chdir("..") == 0 &&
				       getcwd(path, sizeof(path)) && !strcmp(path, start));
	CHECK_ERROR("no rename across", rename("m/a", "a"), EXDEV);
	CHECK_ERROR("no link across", link("m/a", "a"), EXDEV);
	CHECK_ERROR("the mount point is busy", rmdir("m"), EBUSY);
	CHECK_ERROR("nor renamed", rename("m", "n"), EBUSY);
}

static void full(void)
{
	int fd = open("m/big", O_CREAT | O_RDWR, 0600);
	ssize_t n, total = 0;
	int error;

	while ((n = write(fd, block, sizeof(block))) > 0)
		total += n;
	error = errno;
	CHECK("ENOSPC", n == -1 && error == ENOSPC && total > 900000 && total <= 1 << 20);
	CHECK("room again", ftruncate(fd, 0) == 0 && write(fd, block, sizeof(block)) == sizeof(block));
	close(fd);
	CHECK("and after unlink", unlink("m/big") == 0 && (fd = open("m/big", O_CREAT | O_RDWR, 0600)) >= 0 &&
				      write(fd, block, sizeof(block)) == sizeof(block));
	close(fd);
	unlink("m/big");
}

static void busy(void)
{
	int fd = open("m/a", O_RDONLY);

	CHECK_ERROR("umount with an open file", umount("m"), EBUSY);
	close(fd);
	fd = open("m", O_RDONLY);
	CHECK_ERROR("with an open directory", umount("m"), EBUSY);
	close(fd);
	NEED(chdir("m") == 0);
	CHECK_ERROR("with somebody inside", umount("../m"), EBUSY);
	NEED(chdir("..") == 0);
	CHECK_ERROR("what is no mount", umount("/tmp/.."), EBUSY);
	NEED(mkdir("d", 0755) == 0);
	CHECK_ERROR("what is just a directory", umount("d"), EINVAL);
	CHECK("umount", umount("m") == 0);
	CHECK("what was hidden is back", access("m/hidden", F_OK) == 0 && access("m/a", F_OK) == -1);
}

static void read_only(void)
{
	struct stat st;

	NEED(mount("none", "m", "tmpfs", 0, NULL) == 0 && put("m/a"));
	CHECK("remount", mount("none", "m", NULL, MS_REMOUNT | MS_RDONLY, NULL) == 0);
	CHECK_ERROR("no writing then", open("m/a", O_WRONLY), EROFS);
	CHECK_ERROR("no creating", open("m/b", O_CREAT | O_WRONLY, 0600), EROFS);
	CHECK_ERROR("no unlinking", unlink("m/a"), EROFS);
	CHECK_ERROR("no mkdir", mkdir("m/d", 0755), EROFS);
	CHECK_ERROR("no chmod", chmod("m/a", 0600), EROFS);
	CHECK_ERROR("access tells", access("m/a", W_OK), EROFS);
	CHECK("reading", stat("m/a", &st) == 0 && st.st_size == 4);
	CHECK("and back", mount("none", "m", NULL, MS_REMOUNT, NULL) == 0 && unlink("m/a") == 0);
	CHECK("umount", umount("m") == 0);
}

static void refused(void)
{
	pid_t pid;
	int status;

	CHECK_ERROR("an unknown type", mount("none", "m", "nosuchfs", 0, NULL), ENODEV);
	CHECK_ERROR("on nothing", mount("none", "none", "tmpfs", 0, NULL), ENOENT);
	CHECK_ERROR("on a file", (put("f"), mount("none", "f", "tmpfs", 0, NULL)), ENOTDIR);
	CHECK_ERROR("ext2 without a device", mount("f", "m", "ext2", 0, NULL), ENOTBLK);
	pid = fork();
	if (!pid)
		_exit(setuid(1000) || mount("none", "m", "tmpfs", 0, NULL) == 0 || errno != EPERM);
	NEED(waitpid(pid, &status, 0) == pid);
	CHECK("by somebody else", status == 0);
}

static void device(void)
{
	struct stat root, disk;

	NEED(stat("/", &root) == 0 && stat("/dev/vda3", &disk) == 0);
	CHECK("st_dev is the device's number", root.st_dev == disk.st_rdev);
	CHECK_ERROR("O_EXCL finds it in use", open("/dev/vda3", O_RDONLY | O_EXCL), EBUSY);
	CHECK("and not another one", close(open("/dev/vda2", O_RDONLY | O_EXCL)) == 0);
	CHECK("it can be read all the same", close(open("/dev/vda3", O_RDONLY)) == 0);
}

static void mapping(void)
{
	int fd;
	char *a, *b;

	NEED(mount("none", "m", "tmpfs", 0, NULL) == 0);
	fd = open("m/map", O_CREAT | O_RDWR, 0600);
	NEED(write(fd, "hello", 5) == 5 && ftruncate(fd, 8192) == 0);
	a = mmap(NULL, 8192, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	b = mmap(NULL, 8192, PROT_READ | PROT_WRITE, MAP_PRIVATE, fd, 0);
	CHECK("mapped",
	      a != MAP_FAILED && b != MAP_FAILED && !memcmp(a, "hello", 5) && !memcmp(b, "hello", 5));
	a[0] = 'J';
	CHECK("a shared store is in the file", pread(fd, block, 5, 0) == 5 && !memcmp(block, "Jello", 5));
	b[1] = 'u';
	CHECK("a private one is not", pread(fd, block, 5, 0) == 5 && !memcmp(block, "Jello", 5));
	CHECK("a write is in the mapping",
	      pwrite(fd, "zz", 2, 4096) == 2 && a[4096] == 'z' && a[4097] == 'z');
	CHECK("msync", msync(a, 8192, MS_SYNC) == 0);
	CHECK("what is cut off", ftruncate(fd, 2) == 0 && a[0] == 'J' && a[2] == 0);
	munmap(a, 8192);
	munmap(b, 8192);
	close(fd);
	fd = open("m/map", O_RDONLY);
	CHECK_ERROR("no shared writing of what is open for reading",
		    (int)(long)mmap(NULL, 4096, PROT_WRITE, MAP_SHARED, fd, 0), EACCES);
	close(fd);
	CHECK("umount", umount("m") == 0);
}

static int same(const char *a, const char *b)
{
	struct stat x, y;

	return stat(a, &x) == 0 && stat(b, &y) == 0 && x.st_dev == y.st_dev && x.st_ino == y.st_ino;
}

static void binding(void)
{
	char path[4096], start[4096];

	NEED(mkdir("b", 0755) == 0 && mkdir("b/s", 0755) == 0 && mkdir("c", 0755) == 0 && put("b/s/x") &&
	     getcwd(start, sizeof(start)));
	CHECK_ERROR("nothing to be bound", mount("none", "c", NULL, MS_BIND, NULL), ENOENT);
	CHECK_ERROR("a file on a directory", mount("b/s/x", "c", NULL, MS_BIND, NULL), ENOTDIR);
	CHECK("bind", mount("b/s", "c", NULL, MS_BIND, NULL) == 0);
	CHECK("it is the same", same("b/s", "c") && same("b/s/x", "c/x"));
	CHECK("what is made here is there",
	      access("c/y", F_OK) == -1 && put("b/s/y") && same("c/y", "b/s/y"));
	CHECK("and the other way", access("b/s/z", F_OK) == -1 && put("c/z") && same("c/z", "b/s/z"));
	CHECK("what is removed", unlink("c/y") == 0 && access("b/s/y", F_OK) == -1);
	CHECK("what is renamed",
	      rename("b/s/z", "b/s/w") == 0 && access("c/z", F_OK) == -1 && same("c/w", "b/s/w"));
	CHECK("out of it",
	      access("c/w", F_OK) == 0 && rename("b/s/w", "b/w") == 0 && access("c/w", F_OK) == -1);
	CHECK("attributes", chmod("c/x", 0601) == 0 && (stat("b/s/x", &(struct stat){ 0 }) == 0) &&
				access("b/s/x", X_OK) == 0);
	CHECK_ERROR("no link across", link("b/s/x", "c/v"), EXDEV);
	CHECK("a directory that moves keeps who is in it",
	      mkdir("b/s/d", 0755) == 0 && chdir("c/d") == 0 && rename("../../b/s/d", "../../b/s/e") == 0 &&
		  getcwd(path, sizeof(path)) && !strcmp(path + strlen(start), "/c/e") && chdir("..") == 0 &&
		  getcwd(path, sizeof(path)) && !strcmp(path + strlen(start), "/c") && chdir("..") == 0);
	CHECK_ERROR("busy with somebody inside", (chdir("c"), umount("../c")), EBUSY);
	NEED(chdir("..") == 0);
	CHECK("read-only here only", mount(NULL, "c", NULL, MS_REMOUNT | MS_BIND | MS_RDONLY, NULL) == 0);
	CHECK_ERROR("no writing", open("c/x", O_WRONLY), EROFS);
	CHECK_ERROR("no making", mkdir("c/n", 0755), EROFS);
	CHECK("but there", mkdir("b/s/n", 0755) == 0 && access("c/n", F_OK) == 0);
	CHECK("umount", umount("c") == 0 && access("c/x", F_OK) == -1 && access("b/s/x", F_OK) == 0);
	CHECK("a file on a file", put("f1") && put("f2") && mount("b/s/x", "f1", NULL, MS_BIND, NULL) == 0 &&
				      same("f1", "b/s/x") && umount("f1") == 0 && !same("f1", "b/s/x"));
}

static void outliving(void)
{
	NEED(mount("none", "m", "tmpfs", 0, NULL) == 0 && mkdir("m/d", 0755) == 0 && put("m/d/a"));
	CHECK("a part of a file system",
	      mount("m/d", "c", NULL, MS_BIND, NULL) == 0 && access("c/a", F_OK) == 0);
	CHECK("the whole may go", umount("m") == 0 && access("m/d", F_OK) == -1);
	CHECK("the part is there", access("c/a", F_OK) == 0 && put("c/b"));
	CHECK("until it goes too", umount("c") == 0 && access("c/a", F_OK) == -1);
	NEED(mount("none", "m", "tmpfs", 0, NULL) == 0 && mkdir("m/d", 0755) == 0);
	NEED(mount("none", "m/d", "tmpfs", 0, NULL) == 0 && put("m/d/in"));
	CHECK("without what is below",
	      mount("m", "c", NULL, MS_BIND, NULL) == 0 && access("c/d/in", F_OK) == -1);
	CHECK("a covered name is busy elsewhere", rmdir("c/d") == -1 && errno == EBUSY && umount("c") == 0);
	CHECK("with it", mount("m", "c", NULL, MS_BIND | MS_REC, NULL) == 0 && access("c/d/in", F_OK) == 0);
	CHECK_ERROR("not while something is on it", umount("c"), EBUSY);
	CHECK("one after the other", umount("c/d") == 0 && umount("c") == 0 && access("m/d/in", F_OK) == 0);
	CHECK("moved", mount("m", "c", NULL, MS_MOVE, NULL) == 0 && access("c/d/in", F_OK) == 0 &&
			   access("m/d", F_OK) == -1);
	CHECK_ERROR("not into itself", mount("c", "c/d", NULL, MS_MOVE, NULL), ELOOP);
	CHECK_ERROR("what is no mount", mount("b", "m", NULL, MS_MOVE, NULL), EINVAL);
	CHECK("umount", umount("c/d") == 0 && umount("c") == 0);
}

static void sharing(void)
{
	NEED(mount("none", "m", "tmpfs", 0, NULL) == 0 && mkdir("m/d", 0755) == 0);
	CHECK_ERROR("of what is no mount", mount(NULL, "m/d", NULL, MS_SHARED, NULL), EINVAL);
	CHECK_ERROR("two at once", mount(NULL, "m", NULL, MS_SHARED | MS_PRIVATE, NULL), EINVAL);
	NEED(mount(NULL, "m", NULL, MS_PRIVATE, NULL) == 0);
	NEED(mount("m", "c", NULL, MS_BIND, NULL) == 0 && mount("none", "m/d", "tmpfs", 0, NULL) == 0 &&
	     put("m/d/1"));
	CHECK("private", access("c/d/1", F_OK) == -1);
	NEED(umount("m/d") == 0 && umount("c") == 0);
	NEED(mount(NULL, "m", NULL, MS_SHARED, NULL) == 0 && mount("m", "c", NULL, MS_BIND, NULL) == 0);
	CHECK("shared",
	      mount("none", "m/d", "tmpfs", 0, NULL) == 0 && put("m/d/2") && access("c/d/2", F_OK) == 0);
	CHECK("also when it goes, from either side", umount("c/d") == 0 && access("m/d/2", F_OK) == -1);
	CHECK("the other way", mount("none", "c/d", "tmpfs", 0, NULL) == 0 && put("c/d/3") &&
				   access("m/d/3", F_OK) == 0 && umount("m/d") == 0);
	NEED(mount(NULL, "c", NULL, MS_SLAVE, NULL) == 0);
	CHECK("a slave follows", mount("none", "m/d", "tmpfs", 0, NULL) == 0 && put("m/d/4") &&
				     access("c/d/4", F_OK) == 0 && umount("m/d") == 0 &&
				     access("c/d/4", F_OK) == -1);
	CHECK("and does not lead", mount("none", "c/d", "tmpfs", 0, NULL) == 0 && put("c/d/5") &&
				       access("m/d/5", F_OK) == -1 && umount("c/d") == 0);
	NEED(mount(NULL, "c", NULL, MS_UNBINDABLE, NULL) == 0);
	CHECK_ERROR("unbindable", mount("c", "b", NULL, MS_BIND, NULL), EINVAL);
	CHECK("umount", umount("c") == 0 && umount("m") == 0);
}

int main(void)
{
	check_enter_directory();
	NEED(chmod(".", 0755) == 0);
	umask(022);
	mounting();
	full();
	busy();
	read_only();
	refused();
	device();
	mapping();
	binding();
	outliving();
	sharing();
	return check_result();
}
