/* SPDX-License-Identifier: MIT */
/* TEST: timeout=240 */
/* A full file system, in memory and on disk: ENOSPC, what was there is unharmed, and there is room again. */
#define _GNU_SOURCE
#include <sys/mount.h>
#include <sys/statvfs.h>

#include "hostile.h"

#define LARGE (600ul << 20)

static char block[65536];

static unsigned long room(const char *path)
{
	struct statvfs info;

	return statvfs(path, &info) ? 0 : info.f_bavail * info.f_frsize;
}

static void name_check(char name[128], const char *where, const char *what)
{
	snprintf(name, 128, "%s: %s", where, what);
}

#define HERE(what, condition)                  \
	do {                                   \
		name_check(name, where, what); \
		CHECK(name, condition);        \
	} while (0)

/* Bytes written until nothing more goes. */
static unsigned long fill(int fd, int *error)
{
	unsigned long total = 0;
	size_t size = sizeof block;

	while (size > 0) {
		ssize_t n = write(fd, block, size);

		*error = errno;
		if (n <= 0)
			size /= 2;
		else
			total += (unsigned long)n;
	}
	return total;
}

static int still_there(const char *path)
{
	char text[8] = "";
	int fd = open(path, O_RDONLY);
	int good = fd >= 0 && read(fd, text, 5) == 5 && !strcmp(text, "small");

	close(fd);
	return good;
}

static int content_is(int fd, unsigned long length)
{
	static char text[sizeof block];
	unsigned long seen = 0;
	ssize_t n;

	lseek(fd, 0, SEEK_SET);
	while ((n = read(fd, text, sizeof text)) > 0) {
		if (memcmp(text, block, (size_t)n))
			return 0;
		seen += (unsigned long)n;
	}
	return n == 0 && seen == length;
}

static void check_full(const char *where)
{
	unsigned long before = room("."), written;
	int fd, error = 0, small;
	char name[128];

	small = open("small", O_CREAT | O_RDWR, 0600);
	NEED(small >= 0 && write(small, "small", 5) == 5 && close(small) == 0);
	fd = open("big", O_CREAT | O_RDWR, 0600);
	NEED(fd >= 0);
	written = fill(fd, &error);
	printf("# %s: %lu of %lu bytes written, then errno %d\n", where, written, before, error);
	HERE("ENOSPC", error == ENOSPC);
	HERE("most of the room was used", written > before / 2);
	HERE("what was written is there", content_is(fd, written));
	HERE("other files are unharmed", still_there("small"));
	HERE("reading works", access("small", R_OK) == 0);
	HERE("a directory fits no more, or does", mkdir("directory", 0700) == 0 || errno == ENOSPC);
	HERE("fallocate", posix_fallocate(fd, (off_t)written, 1 << 24) != 0);
	close(fd);
	HERE("removing works", unlink("big") == 0 && (rmdir("directory") == 0 || errno == ENOENT));
	sync();
	HERE("there is room again", room(".") + (64 << 10) >= before);
	fd = open("again", O_CREAT | O_RDWR, 0600);
	HERE("writing works again", fd >= 0 && write(fd, block, sizeof block) == sizeof block);
	close(fd);
	unlink("again");
	unlink("small");
}

/* Names rather than bytes. */
static void check_nodes(const char *where)
{
	unsigned made = 0, gone = 0;
	int error = 0;
	char name[128], path[32];

	for (made = 0; made < 20000; made++) {
		int fd;

		sprintf(path, "node%u", made);
		fd = open(path, O_CREAT | O_EXCL | O_WRONLY, 0600);
		if (fd < 0) {
			error = errno;
			break;
		}
		close(fd);
	}
	for (unsigned i = 0; i < made; i++) {
		sprintf(path, "node%u", i);
		gone += unlink(path) == 0;
	}
	printf("# %s: %u files, then errno %d\n", where, made, error);
	HERE("files until there are no more", error == ENOSPC || (error == 0 && made == 20000));
	HERE("all are removed", gone == made);
}

/* A file in memory has holes: its size is not what it takes. */
static void check_sparse(const char *where)
{
	char name[128], byte = 1;
	int fd = open("sparse", O_CREAT | O_RDWR, 0600);

	NEED(fd >= 0);
	HERE("a hole of a gigabyte",
	     ftruncate(fd, 1 << 30) == 0 && pread(fd, &byte, 1, (1 << 30) - 1) == 1 && byte == 0);
	HERE("a byte at the end of numbers",
	     pwrite(fd, "x", 1, (off_t)(~0ul >> 1) - 4096) == 1 || errno == EFBIG || errno == EINVAL);
	HERE("a size beyond everything",
	     ftruncate(fd, (off_t)(~0ul >> 1)) == 0 || errno == EFBIG || errno == EINVAL);
	close(fd);
	unlink("sparse");
}

static void check_memory(void)
{
	mkdir("/tmp/small", 0700);
	if (mount("tmpfs", "/tmp/small", "tmpfs", 0, "size=4m,nr_inodes=400")) {
		CHECK("mount of a small tmpfs", getuid() != 0);
		return;
	}
	NEED(chdir("/tmp/small") == 0);
	CHECK("size= is minded", room(".") <= 4 << 20);
	check_full("tmpfs");
	check_nodes("tmpfs");
	check_sparse("tmpfs");
	NEED(chdir("/") == 0);
	CHECK("unmounting", umount("/tmp/small") == 0);
	rmdir("/tmp/small");
}

static void check_disk(void)
{
	char directory[] = "/root/full.XXXXXX";

	if (!on_anole() || !mkdtemp(directory))
		return;
	NEED(chdir(directory) == 0);
	if (room(".") > LARGE)
		printf("# ext2: %lu bytes are too many to fill\n", room("."));
	else
		check_full("ext2");
	check_sparse("ext2");
	NEED(chdir("/") == 0);
	CHECK("the directory is empty again", rmdir(directory) == 0);
}

int main(void)
{
	hostile_setup();
	services_now(services_before);
	memset(block, 'd', sizeof block);
	check_memory();
	check_disk();
	check_system("disks were full");
	return check_result();
}
