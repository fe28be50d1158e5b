/* SPDX-License-Identifier: MIT */
/* Who may do what: modes, groups, sticky directories, ownership, as several users. */
#define _GNU_SOURCE
#include <fcntl.h>
#include <grp.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "check.h"

#define ALICE 1001
#define BOB 1002
#define GROUP 2001

/* Runs one check as somebody else, in a child; the errno it ends with, 0 for success. */
static int as(uid_t uid, gid_t group, int (*what)(void))
{
	int status;
	pid_t pid = fork();

	NEED(pid >= 0);
	if (!pid) {
		if (setgroups(group != 0, &(gid_t){ group }) || setgid(uid) || setuid(uid))
			_exit(200);
		errno = 0;
		_exit(what() < 0 ? errno : 0);
	}
	NEED(waitpid(pid, &status, 0) == pid);
	return WIFEXITED(status) ? WEXITSTATUS(status) : 255;
}

static const char *path;
static int argument;

static int do_open(void)
{
	return open(path, argument);
}
static int do_creat(void)
{
	return open(path, O_CREAT | O_EXCL | O_WRONLY, 0644);
}
static int do_unlink(void)
{
	return unlink(path);
}
static int do_chmod(void)
{
	return chmod(path, (mode_t)argument);
}
static int do_chown(void)
{
	return chown(path, (uid_t)-1, (gid_t)argument);
}
static int do_give(void)
{
	return chown(path, (uid_t)argument, (gid_t)-1);
}
static int do_access(void)
{
	return access(path, argument);
}
static int do_touch(void)
{
	return utimensat(AT_FDCWD, path, NULL, 0);
}
static int do_times(void)
{
	return utimensat(AT_FDCWD, path, (struct timespec[2]){ { 1, 0 }, { 1, 0 } }, 0);
}
static int do_mknod(void)
{
	return mknod(path, S_IFCHR | 0600, 0x103);
}
static int do_chroot(void)
{
	return chroot(".");
}
static int do_link(void)
{
	return link(path, "linked");
}
static int do_write(void)
{
	int fd = open(path, O_WRONLY);

	return fd < 0 ? fd : (int)write(fd, "x", 1);
}

static int run(uid_t uid, gid_t group, int (*what)(void), const char *on, int with)
{
	path = on;
	argument = with;
	return as(uid, group, what);
}

static mode_t mode(const char *of)
{
	struct stat st;

	return stat(of, &st) ? 0 : st.st_mode & 07777;
}

static void make(const char *name, mode_t bits, uid_t uid, gid_t gid)
{
	int fd = open(name, O_CREAT | O_WRONLY | O_TRUNC, 0600);

	NEED(fd >= 0 && write(fd, "data", 4) == 4 && chown(name, uid, gid) == 0 && chmod(name, bits) == 0);
	close(fd);
}

static void modes(void)
{
	make("f", 0640, ALICE, GROUP);
	CHECK("the owner reads", run(ALICE, 0, do_open, "f", O_RDONLY) == 0);
	CHECK("the owner writes", run(ALICE, 0, do_open, "f", O_RDWR) == 0);
	CHECK("the group reads", run(BOB, GROUP, do_open, "f", O_RDONLY) == 0);
	CHECK("the group does not write", run(BOB, GROUP, do_open, "f", O_WRONLY) == EACCES);
	CHECK("others do not read", run(BOB, 0, do_open, "f", O_RDONLY) == EACCES);
	CHECK("access tells",
	      run(BOB, GROUP, do_access, "f", R_OK) == 0 && run(BOB, GROUP, do_access, "f", W_OK) == EACCES);
	make("f", 0004, ALICE, GROUP);
	CHECK("the owner's bits count for the owner", run(ALICE, 0, do_open, "f", O_RDONLY) == EACCES);
	CHECK("root reads all", open("f", O_RDWR) >= 0);
	CHECK("root executes only what is executable", access("f", X_OK) == -1);
	NEED(mkdir("closed", 0700) == 0);
	make("closed/f", 0666, ALICE, GROUP);
	CHECK("a directory that may not be searched", run(ALICE, 0, do_open, "closed/f", O_RDONLY) == EACCES);
	NEED(chmod("closed", 0711) == 0);
	CHECK("searched but not read", run(ALICE, 0, do_open, "closed/f", O_RDONLY) == 0 &&
					   run(ALICE, 0, do_open, "closed", O_RDONLY) == EACCES);
	CHECK("nor written", run(ALICE, 0, do_creat, "closed/new", 0) == EACCES &&
				 run(ALICE, 0, do_unlink, "closed/f", 0) == EACCES);
}

static void owning(void)
{
	struct stat st;

	make("o", 0644, ALICE, ALICE);
	CHECK("chmod by the owner", run(ALICE, 0, do_chmod, "o", 0600) == 0 && mode("o") == 0600);
	CHECK("chmod by others", run(BOB, 0, do_chmod, "o", 0666) == EPERM);
	CHECK("after chmod others do not read", run(BOB, 0, do_open, "o", O_RDONLY) == EACCES);
	CHECK("chgrp to one's own group",
	      run(ALICE, GROUP, do_chown, "o", GROUP) == 0 && stat("o", &st) == 0 && st.st_gid == GROUP);
	CHECK("chgrp to another", run(ALICE, 0, do_chown, "o", 4321) == EPERM);
	CHECK("giving away", run(ALICE, 0, do_give, "o", BOB) == EPERM);
	CHECK("root gives", chown("o", BOB, BOB) == 0 && stat("o", &st) == 0 && st.st_uid == BOB);
	NEED(chmod("o", 06755) == 0);
	CHECK("chown takes set-id away", chown("o", ALICE, GROUP) == 0 && mode("o") == 0755);
	NEED(chmod("o", 04777) == 0);
	CHECK("so does writing", run(BOB, 0, do_write, "o", 0) == 0 && mode("o") == 0777);
	CHECK("touching by who may write", run(BOB, 0, do_touch, "o", 0) == 0);
	CHECK("setting times needs the owner", run(BOB, 0, do_times, "o", 0) == EPERM);
	NEED(chmod("o", 0644) == 0);
	CHECK("touching by who may not", run(BOB, 0, do_touch, "o", 0) == EACCES);
	CHECK("setgid without the group", run(ALICE, 0, do_chmod, "o", 02755) == 0 && mode("o") == 0755);
}

static void sticky(void)
{
	NEED(mkdir("t", 0777) == 0 && chmod("t", 01777) == 0);
	make("t/a", 0666, ALICE, ALICE);
	CHECK("others do not delete in a sticky directory", run(BOB, 0, do_unlink, "t/a", 0) == EPERM);
	CHECK("the owner does", run(ALICE, 0, do_unlink, "t/a", 0) == 0);
	NEED(chmod("t", 0777) == 0);
	make("t/a", 0600, ALICE, ALICE);
	CHECK("without the bit anybody does", run(BOB, 0, do_unlink, "t/a", 0) == 0);
}

static void new_files(void)
{
	struct stat st;

	CHECK("a new file is its maker's", run(ALICE, GROUP, do_creat, "t/new", 0) == 0 &&
					       stat("t/new", &st) == 0 && st.st_uid == ALICE &&
					       st.st_gid == ALICE);
	NEED(chown("t", 0, GROUP) == 0 && chmod("t", 02777) == 0);
	CHECK("in a setgid directory the directory's group's",
	      run(ALICE, 0, do_creat, "t/g", 0) == 0 && stat("t/g", &st) == 0 && st.st_gid == GROUP);
	CHECK("devices are root's to make", run(ALICE, 0, do_mknod, "t/dev", 0) == EPERM);
	CHECK("so is chroot", run(ALICE, 0, do_chroot, ".", 0) == EPERM);
	CHECK("linking needs a directory to write",
	      (chmod(".", 0755), run(ALICE, 0, do_link, "t/new", 0)) == EACCES);
}

static int links(const char *name)
{
	int error = run(BOB, 0, do_link, name, 0);

	unlink("linked");
	return error;
}

/* What Linux refuses with protected_hardlinks. */
static void linking(void)
{
	NEED(chmod(".", 0777) == 0);
	make("l", 0666, ALICE, ALICE);
	CHECK("another's file that one may read and write is linked", links("l") == 0);
	NEED(chmod("l", 0644) == 0);
	CHECK("one to be read only is not", links("l") == EPERM);
	NEED(chmod("l", 0622) == 0);
	CHECK("nor one to be written only", links("l") == EPERM);
	NEED(chmod("l", 04666) == 0);
	CHECK("nor a set-uid one", links("l") == EPERM);
	NEED(chmod("l", 02676) == 0);
	CHECK("nor a set-gid one", links("l") == EPERM);
	NEED(chmod("l", 02666) == 0);
	CHECK("but without the group's x", links("l") == 0);
	make("l", 04000, BOB, BOB);
	CHECK("the owner links it all the same", links("l") == 0);
	NEED(mknod("device", S_IFCHR | 0666, 0x103) == 0 && mkfifo("fifo", 0666) == 0 &&
	     chmod("fifo", 0666) == 0 && symlink("l", "symbolic") == 0);
	CHECK("another's device is not linked", links("device") == EPERM);
	CHECK("nor a fifo", links("fifo") == EPERM);
	CHECK("nor a symbolic link", links("symbolic") == EPERM);
	CHECK("root links it", link("device", "linked") == 0 && unlink("linked") == 0);
	NEED(chmod(".", 0755) == 0);
	CHECK("that comes before the directory", links("device") == EPERM);
	CHECK("and after what is there",
	      link("device", "linked") == 0 && run(BOB, 0, do_link, "device", 0) == EEXIST);
}

int main(void)
{
	check_enter_directory();
	NEED(chmod(".", 0755) == 0);
	umask(022);
	modes();
	owning();
	sticky();
	new_files();
	linking();
	return check_result();
}
