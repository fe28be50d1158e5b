/* SPDX-License-Identifier: MIT */
/* Structures and flag values of the file, vfs and fs protocols; flags have Linux's values. */
#ifndef PROTO_FILE_TYPES_H
#define PROTO_FILE_TYPES_H

#include <abi/types.h>

/* As the kernel's struct stat of Linux x86-64: libposix copies it to the program unchanged. */
struct file_stat {
	uint64_t dev, ino, nlink;
	uint32_t mode, uid, gid, pad0;
	uint64_t rdev;
	int64_t size, blksize, blocks;
	uint64_t atime, atime_nsec, mtime, mtime_nsec, ctime, ctime_nsec;
	int64_t unused[3];
};
_Static_assert(sizeof(struct file_stat) == 144, "struct stat of x86-64");

/* As struct statfs of Linux x86-64. */
struct file_statfs {
	int64_t type, bsize;
	uint64_t blocks, bfree, bavail, files, ffree;
	int32_t fsid[2];
	int64_t namelen, frsize, flags, spare[4];
};
_Static_assert(sizeof(struct file_statfs) == 120, "struct statfs of x86-64");

/* struct linux_dirent64: followed by the name and a NUL, padded to 8 bytes. */
struct file_dirent {
	uint64_t ino;
	int64_t offset;  /* of the next entry: an opaque cookie for lseek */
	uint16_t length; /* of this record */
	uint8_t type;    /* DT_* = mode >> 12 */
	char name[];
} __attribute__((packed));

#define FILE_SET_MODE 0x01u
#define FILE_SET_UID 0x02u
#define FILE_SET_GID 0x04u
#define FILE_SET_ATIME 0x08u
#define FILE_SET_MTIME 0x10u
#define FILE_SET_ATIME_NOW 0x20u
#define FILE_SET_MTIME_NOW 0x40u
#define FILE_SET_SIZE 0x80u /* fs protocol only */

/* open flags, Linux x86-64 */
#define O_RDONLY 00
#define O_WRONLY 01
#define O_RDWR 02
#define O_ACCMODE 03
#define O_CREAT 0100
#define O_EXCL 0200
#define O_NOCTTY 0400
#define O_TRUNC 01000
#define O_APPEND 02000
#define O_NONBLOCK 04000
#define O_DSYNC 010000
#define O_DIRECT 040000
#define O_LARGEFILE 0100000
#define O_DIRECTORY 0200000
#define O_NOFOLLOW 0400000
#define O_NOATIME 01000000
#define O_CLOEXEC 02000000
#define O_SYNC 04010000
#define O_PATH 010000000
#define O_SOCKET_NAME 0x100000000ul /* vfs.open: of a socket its name, for bind and connect */
#define O_TMPFILE 020200000

#define FS_MODE_VOLATILE (1ull << 31) /* in fs replies: ask each time */
#define S_IFMT 0170000
#define S_IFSOCK 0140000
#define S_IFLNK 0120000
#define S_IFREG 0100000
#define S_IFBLK 0060000
#define S_IFDIR 0040000
#define S_IFCHR 0020000
#define S_IFIFO 0010000
#define S_ISUID 04000
#define S_ISGID 02000
#define S_ISVTX 01000

#define AT_FDCWD (-100)
#define AT_SYMLINK_NOFOLLOW 0x100
#define AT_REMOVEDIR 0x200
#define AT_SYMLINK_FOLLOW 0x400
#define AT_EACCESS 0x200
#define AT_EMPTY_PATH 0x1000

#define POLLIN 0x001
#define POLLPRI 0x002
#define POLLOUT 0x004
#define POLLERR 0x008
#define POLLHUP 0x010
#define POLLNVAL 0x020
#define POLLRDNORM 0x040
#define POLLWRNORM 0x100
#define POLLRDHUP 0x2000

#define EPOLL_CTL_ADD 1u
#define EPOLL_CTL_DEL 2u
#define EPOLL_CTL_MOD 3u
#define EPOLL_CTL_DISARM 4u        /* after EPOLLONESHOT has been served; no program's */
#define EPOLL_EXCLUSIVE (1u << 28) /* among the events: what has it is not modified */
#define EPOLL_ENTRIES 4096u
#define EPOLL_FEW 128u /* of a short list */
struct epoll_entry {
	uint64_t data, device, node;
	uint32_t fd, events;
	uint32_t armed, pad;
};

#define RWF_NONBLOCK 1u
#define NAME_LENGTH_MAX 255u
#define PATH_LENGTH_MAX 4096u

/*
 * A page that a file server shares with VFS, read-only: the epoch of a node counts the changes of its
 * attributes that VFS has not asked for (writes, reads that change the access time ...). Nodes share epochs.
 * The server raises it after the change and before it answers.
 */
#define FS_EPOCHS 1024u
struct fs_epochs {
	volatile uint32_t epoch[FS_EPOCHS];
};
static inline uint32_t fs_epoch_index(uint64_t node)
{
	return (uint32_t)node % FS_EPOCHS;
}

/* Linux's encoding of device numbers in st_rdev. */
static inline uint64_t dev_make(uint32_t major, uint32_t minor)
{
	return (uint64_t)(major & 0xfff) << 8 | (minor & 0xff) | (uint64_t)(minor & ~0xffu) << 12;
}
static inline uint32_t dev_major(uint64_t dev)
{
	return (uint32_t)(dev >> 8 & 0xfff);
}
static inline uint32_t dev_minor(uint64_t dev)
{
	return (uint32_t)((dev & 0xff) | (dev >> 12 & 0xffffff00));
}

#endif
