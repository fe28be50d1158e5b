/* SPDX-License-Identifier: MIT */
/*
 * 9P2000.L messages: the numbers of its operations, and how their fields are written and read. All integers are
 * little-endian; a string is a 16-bit length and that many bytes. Sources: intro(5) of Plan 9, and the description of
 * the .L variant in diod's protocol.md, which Linux and QEMU follow.
 */
#ifndef SERVERS_P9_MESSAGE_H
#define SERVERS_P9_MESSAGE_H

#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define P9_VERSION "9P2000.L"
#define P9_HEADER 7u /* size[4] type[1] tag[2] */
#define P9_NO_TAG 0xffffu
#define P9_NO_FID 0xffffffffu
#define P9_DATA_HEADER (P9_HEADER + 16) /* before the data of a Twrite; an Rread has less */

/* Of the T-message; the R-message is one more. */
enum p9_type {
	P9_LERROR = 6,
	P9_STATFS = 8,
	P9_LOPEN = 12,
	P9_LCREATE = 14,
	P9_SYMLINK = 16,
	P9_MKNOD = 18,
	P9_READLINK = 22,
	P9_GETATTR = 24,
	P9_SETATTR = 26,
	P9_READDIR = 40,
	P9_FSYNC = 50,
	P9_LINK = 70,
	P9_MKDIR = 72,
	P9_RENAMEAT = 74,
	P9_UNLINKAT = 76,
	P9_VERSION_TYPE = 100,
	P9_ATTACH = 104,
	P9_WALK = 110,
	P9_READ = 116,
	P9_WRITE = 118,
	P9_CLUNK = 120,
};

#define P9_GETATTR_ALL 0x7ffull
#define P9_SETATTR_MODE 0x001u
#define P9_SETATTR_UID 0x002u
#define P9_SETATTR_GID 0x004u
#define P9_SETATTR_SIZE 0x008u
#define P9_SETATTR_ATIME 0x010u
#define P9_SETATTR_MTIME 0x020u
#define P9_SETATTR_ATIME_SET 0x080u
#define P9_SETATTR_MTIME_SET 0x100u

struct p9_qid {
	uint8_t type;
	uint32_t version;
	uint64_t path;
};

struct p9_attr {
	struct p9_qid qid;
	uint32_t mode, uid, gid;
	uint64_t nlink, rdev, size, blksize, blocks;
	uint64_t atime, atime_nsec, mtime, mtime_nsec, ctime, ctime_nsec;
};

/* A message being written or read. Going beyond its end sets `bad`; then reads answer 0. */
struct message {
	uint8_t *at;
	size_t used, size;
	bool bad;
};

/* Fields as `format` says: b, w, d, q: integers of 8, 16, 32, 64 bits (int, int, uint32_t, uint64_t); s: a string
 * (const char *, size_t). */
void message_put(struct message *m, const char *format, va_list fields);
/* The header, once all fields are there. */
void message_seal(struct message *m, uint8_t type, uint16_t tag);
uint64_t message_get(struct message *m, unsigned bytes);
/* Into `to`, cut to size - 1 bytes and ended by NUL: its length in the message. */
size_t message_get_string(struct message *m, char *to, size_t size);
void message_get_qid(struct message *m, struct p9_qid *qid);
/* The fields of an Rgetattr. */
void message_get_attr(struct message *m, struct p9_attr *attr);
/* Checks an answer of `length` bytes to a message of `type`: 0, and m stands behind the header; the error that the
 * host tells; -EIO if it is none. */
long message_open_answer(struct message *m, uint8_t *at, size_t length, uint8_t type, uint16_t tag);

#endif
