/* SPDX-License-Identifier: MIT */
/* Regular files: open flags, offsets, holes, truncation, vectors, attributes. */
#define _GNU_SOURCE
#include <fcntl.h>
#include <sys/sendfile.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/uio.h>
#include <unistd.h>

#include "check.h"

static char buffer[300000], other[300000];
static void *volatile bad = (void *)8;

static void opening(void)
{
	int fd;

	CHECK_ERROR("open of nothing", open("none", O_RDONLY), ENOENT);
	CHECK("O_CREAT", (fd = open("a", O_CREAT | O_RDWR, 0640)) >= 0);
	close(fd);
	CHECK_ERROR("O_EXCL on a file", open("a", O_CREAT | O_EXCL | O_RDWR, 0640), EEXIST);
	CHECK_ERROR("O_DIRECTORY on a file", open("a", O_RDONLY | O_DIRECTORY), ENOTDIR);
	CHECK_ERROR("a directory for writing", open(".", O_WRONLY), EISDIR);
	CHECK_ERROR("O_CREAT on a directory", open(".", O_RDONLY | O_CREAT, 0600), EISDIR);
	CHECK_ERROR("O_CREAT with a slash", open("b/", O_WRONLY | O_CREAT, 0600), EISDIR);
	CHECK_ERROR("a file with a slash", open("a/", O_RDONLY), ENOTDIR);
	CHECK_ERROR("below a file", open("a/b", O_RDONLY), ENOTDIR);
	CHECK_ERROR("the empty path", open("", O_RDONLY), ENOENT);
	memset(buffer, 'x', 300);
	buffer[300] = 0;
	CHECK_ERROR("a long name", open(buffer, O_RDONLY), ENAMETOOLONG);
	memset(buffer, '/', 5000);
	buffer[5000] = 0;
	CHECK_ERROR("a long path", open(buffer, O_RDONLY), ENAMETOOLONG);
	fd = open("a", O_RDONLY);
	CHECK_ERROR("writing what is open for reading", write(fd, "x", 1), EBADF);
	close(fd);
	fd = open("a", O_WRONLY);
	CHECK_ERROR("reading what is open for writing", read(fd, buffer, 1), EBADF);
	close(fd);
	CHECK_ERROR("reading what is closed", read(fd, buffer, 1), EBADF);
}

static void reading_and_writing(void)
{
	int fd = open("data", O_CREAT | O_RDWR, 0600);

	for (size_t i = 0; i < sizeof(buffer); i++)
		buffer[i] = (char)(i * 7 + i / 251);
	CHECK("a large write", write(fd, buffer, sizeof(buffer)) == sizeof(buffer));
	CHECK("the offset is behind it", lseek(fd, 0, SEEK_CUR) == sizeof(buffer));
	CHECK("at the end nothing is read", read(fd, other, 10) == 0);
	CHECK("a large read", lseek(fd, 0, SEEK_SET) == 0 && read(fd, other, sizeof(other)) == sizeof(other));
	CHECK("gives what was written", !memcmp(buffer, other, sizeof(buffer)));
	CHECK("pread leaves the offset", pread(fd, other, 100, 12345) == 100 &&
					     !memcmp(other, buffer + 12345, 100) &&
					     lseek(fd, 0, SEEK_CUR) == sizeof(buffer));
	CHECK("pwrite", pwrite(fd, "hello", 5, 4094) == 5 && pread(fd, other, 7, 4093) == 7 &&
			    !memcmp(other + 1, "hello", 5) && other[0] == buffer[4093]);
	CHECK("a short read at the end", pread(fd, other, 100, sizeof(buffer) - 10) == 10);
	CHECK_ERROR("a negative offset", pread(fd, other, 1, -1), EINVAL);
	CHECK_ERROR("seeking before the beginning", lseek(fd, -1, SEEK_SET), EINVAL);
	CHECK_ERROR("seeking nowhere", lseek(fd, 0, 99), EINVAL);
	CHECK("from the end", lseek(fd, -5, SEEK_END) == (off_t)sizeof(buffer) - 5);
	CHECK_ERROR("into no memory", read(fd, bad, 4), EFAULT);
	CHECK_ERROR("out of no memory", write(fd, bad, 4), EFAULT);
	close(fd);
}

static void appending(void)
{
	int fd = open("log", O_CREAT | O_WRONLY | O_APPEND, 0600), again = open("log", O_RDWR);

	CHECK("append", write(fd, "one", 3) == 3 && write(again, "ONE", 3) == 3 && write(fd, "two", 3) == 3);
	CHECK("goes to the end", pread(again, buffer, 10, 0) == 6 && !memcmp(buffer, "ONEtwo", 6));
	lseek(fd, 0, SEEK_SET);
	CHECK("wherever the offset is", write(fd, "!", 1) == 1 && pread(again, buffer, 10, 0) == 7);
	CHECK("F_SETFL takes it away", fcntl(fd, F_SETFL, 0) == 0 && lseek(fd, 0, SEEK_SET) == 0 &&
					   write(fd, "X", 1) == 1 && pread(again, buffer, 10, 0) == 7 &&
					   buffer[0] == 'X');
	close(fd);
	close(again);
	fd = open("log", O_WRONLY | O_TRUNC);
	CHECK("O_TRUNC", lseek(fd, 0, SEEK_END) == 0);
	close(fd);
}

static void truncating(void)
{
	int fd = open("size", O_CREAT | O_RDWR, 0600);
	struct stat st;

	memset(buffer, 'y', 10000);
	NEED(write(fd, buffer, 10000) == 10000);
	CHECK("shorter", ftruncate(fd, 5000) == 0 && fstat(fd, &st) == 0 && st.st_size == 5000);
	CHECK("longer", ftruncate(fd, 9000) == 0 && pread(fd, other, 9000, 0) == 9000);
	memset(buffer + 5000, 0, 4000);
	CHECK("what was cut is zero", !memcmp(buffer, other, 9000));
	CHECK("by path", truncate("size", 3) == 0 && stat("size", &st) == 0 && st.st_size == 3);
	CHECK_ERROR("negative", ftruncate(fd, -1), EINVAL);
	CHECK_ERROR("a directory", truncate(".", 0), EISDIR);
	CHECK_ERROR("nothing", truncate("none", 0), ENOENT);
	close(fd);
	fd = open("size", O_RDONLY);
	CHECK_ERROR("open for reading", ftruncate(fd, 0), EINVAL);
	close(fd);
}

static void holes(void)
{
	int fd = open("sparse", O_CREAT | O_RDWR, 0600);
	struct stat st;

	CHECK("a write far out", pwrite(fd, "end", 3, 10 << 20) == 3);
	CHECK("the size", fstat(fd, &st) == 0 && st.st_size == (10 << 20) + 3);
	CHECK("few blocks", st.st_blocks < 1024);
	memset(other, 0, 8192);
	CHECK("a hole reads as zeros",
	      pread(fd, buffer, 8192, 1 << 20) == 8192 && !memcmp(buffer, other, 8192));
	CHECK("writing inside", pwrite(fd, "mid", 3, 5 << 20) == 3 &&
				    pread(fd, buffer, 5, (5 << 20) - 1) == 5 && !memcmp(buffer, "\0mid", 5));
	close(fd);
}

static void vectors(void)
{
	char a[3], b[4], c[100];
	struct iovec v[3] = { { "abc", 3 }, { "", 0 }, { "defgh", 5 } };
	struct iovec r[3] = { { a, 3 }, { b, 4 }, { c, 100 } };
	int fd = open("vector", O_CREAT | O_RDWR, 0600);

	CHECK("writev", writev(fd, v, 3) == 8);
	CHECK("readv", lseek(fd, 0, SEEK_SET) == 0 && readv(fd, r, 3) == 8);
	CHECK("in order", !memcmp(a, "abc", 3) && !memcmp(b, "defg", 4) && c[0] == 'h');
	CHECK("pwritev", pwritev(fd, v, 3, 100) == 8);
	CHECK("preadv", preadv(fd, r, 2, 101) == 7 && !memcmp(a, "bcd", 3));
	v[0] = (struct iovec){ buffer, 100000 };
	v[1] = (struct iovec){ other, 50000 };
	CHECK("a large one", writev(fd, v, 2) == 150000);
	CHECK("no vectors", writev(fd, v, 0) == 0);
	close(fd);
}

static void copying(void)
{
	int in = open("data", O_RDONLY), out = open("copy", O_CREAT | O_RDWR | O_TRUNC, 0600);
	off_t at = 1000;

	NEED(in >= 0 && out >= 0);
	CHECK("sendfile", sendfile(out, in, &at, 20000) == 20000 && at == 21000);
	CHECK("leaves the offset", lseek(in, 0, SEEK_CUR) == 0);
	NEED(pread(in, buffer, 20000, 1000) == 20000 && pread(out, other, 20000, 0) == 20000);
	CHECK("and copies", !memcmp(buffer, other, 20000));
	CHECK("copy_file_range", copy_file_range(in, NULL, out, NULL, 5000, 0) == 5000 &&
				     lseek(in, 0, SEEK_CUR) == 5000 && lseek(out, 0, SEEK_CUR) == 25000);
	close(in);
	close(out);
}

static void attributes(void)
{
	struct stat st, before;
	struct timespec times[2] = { { 1000, 500 }, { 2000, 600 } };
	int fd = open("attr", O_CREAT | O_RDWR | O_TRUNC, 0600);

	CHECK("mode of a new file",
	      fstat(fd, &st) == 0 && st.st_mode == (S_IFREG | 0600) && st.st_nlink == 1);
	CHECK("stat agrees with fstat",
	      stat("attr", &before) == 0 && before.st_ino == st.st_ino && before.st_dev == st.st_dev);
	CHECK("chmod", chmod("attr", 04751) == 0 && stat("attr", &st) == 0 && (st.st_mode & 07777) == 04751);
	CHECK("fchmod", fchmod(fd, 0644) == 0 && stat("attr", &st) == 0 && (st.st_mode & 07777) == 0644);
	CHECK("utimensat", utimensat(AT_FDCWD, "attr", times, 0) == 0 && stat("attr", &st) == 0 &&
			       st.st_atim.tv_sec == 1000 && st.st_atim.tv_nsec == 500 &&
			       st.st_mtim.tv_sec == 2000 && st.st_mtim.tv_nsec == 600);
	CHECK("a write changes the time",
	      write(fd, "x", 1) == 1 && fstat(fd, &st) == 0 && st.st_mtim.tv_sec > 2000);
	CHECK("stat sees the size at once", stat("attr", &st) == 0 && st.st_size == 1);
	times[0].tv_nsec = UTIME_OMIT;
	times[1].tv_nsec = UTIME_NOW;
	CHECK("futimens", futimens(fd, times) == 0);
	close(fd);
	CHECK("stat after closing", stat("attr", &st) == 0 && st.st_size == 1);
	fd = open("attr", O_WRONLY | O_APPEND);
	CHECK("after another write", write(fd, "yz", 2) == 2 && stat("attr", &st) == 0 && st.st_size == 3);
	close(fd);
	CHECK("access", access("attr", R_OK | W_OK) == 0 && access("attr", F_OK) == 0);
	CHECK_ERROR("access of nothing", access("none", F_OK), ENOENT);
}

static void unlinked(void)
{
	int fd = open("gone", O_CREAT | O_RDWR, 0600);
	struct stat st;

	CHECK("unlink", unlink("gone") == 0);
	CHECK_ERROR("the name is gone", open("gone", O_RDONLY), ENOENT);
	CHECK("the file is there", write(fd, "still", 5) == 5 && pread(fd, buffer, 5, 0) == 5);
	CHECK("without links", fstat(fd, &st) == 0 && st.st_nlink == 0);
	close(fd);
	CHECK_ERROR("unlink again", unlink("gone"), ENOENT);
	CHECK_ERROR("unlink of a directory", unlink("."), EISDIR);
}

static void file_system(void)
{
	struct statvfs vfs;

	CHECK("statvfs",
	      statvfs(".", &vfs) == 0 && vfs.f_bsize >= 512 && vfs.f_blocks > 0 && vfs.f_namemax == 255);
	sync();
	CHECK("sync", 1);
}

int main(void)
{
	check_enter_directory();
	umask(022);
	opening();
	reading_and_writing();
	appending();
	truncating();
	holes();
	vectors();
	copying();
	attributes();
	unlinked();
	file_system();
	return check_result();
}
