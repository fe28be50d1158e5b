/* SPDX-License-Identifier: MIT */
/* Files are written, looked at by read and through a mapping, renamed, looked at again later, and removed. */
#define _GNU_SOURCE
#include "effects.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#define KEPT 4u /* files at a time */
#define LARGEST 60000u
#define PIECE 7000u

struct files {
	char directory[100];
	struct account *account;
	char wanted[LARGEST], got[LARGEST + 1];
};

static size_t size_of(uint64_t number)
{
	return 1000 + (size_t)(number * 7919 % (LARGEST - 1000));
}

static void name_of(const struct files *f, uint64_t number, const char *kind, char name[128])
{
	snprintf(name, 128, "%s/%s.%lu", f->directory, kind, (unsigned long)(number % KEPT));
}

static bool write_file(struct files *f, int fd, size_t size)
{
	for (size_t at = 0; at < size; at += PIECE) {
		size_t length = size - at < PIECE ? size - at : PIECE;

		if (!done(f->account, "file: write", write(fd, f->wanted + at, length) == (ssize_t)length))
			return false;
	}
	return f->account->rounds % 4 != 3 || done(f->account, "file: fsync", !fsync(fd));
}

static bool make(struct files *f, uint64_t number)
{
	size_t size = size_of(number);
	char fresh[128], name[128];
	int fd;

	name_of(f, number, "fresh", fresh);
	name_of(f, number, "file", name);
	fill(f->wanted, size, number);
	fd = open(fresh, O_CREAT | O_EXCL | O_WRONLY | O_CLOEXEC, 0600);
	return done(f->account, "file: create", fd >= 0) && write_file(f, fd, size) &&
	       done(f->account, "file: close", !close(fd)) &&
	       done(f->account, "file: rename", !rename(fresh, name));
}

static bool look_by_read(struct files *f, int fd, size_t size)
{
	return done(f->account, "file: read", read(fd, f->got, sizeof f->got) == (ssize_t)size) &&
	       done(f->account, "CORRUPT: a file", !memcmp(f->got, f->wanted, size));
}

static bool look_by_mapping(struct files *f, int fd, size_t size)
{
	char *at = mmap(NULL, size, PROT_READ, MAP_PRIVATE, fd, 0);

	return done(f->account, "file: mmap", at != MAP_FAILED) &&
	       done(f->account, "CORRUPT: a mapped file", !memcmp(at, f->wanted, size)) &&
	       done(f->account, "file: munmap", !munmap(at, size));
}

static bool look(struct files *f, uint64_t number)
{
	size_t size = size_of(number);
	char name[128];
	int fd;

	name_of(f, number, "file", name);
	fill(f->wanted, size, number);
	fd = open(name, O_RDONLY | O_CLOEXEC);
	return done(f->account, "file: open", fd >= 0) && look_by_read(f, fd, size) &&
	       look_by_mapping(f, fd, size) && done(f->account, "file: close", !close(fd));
}

static bool take_away(struct files *f, uint64_t number)
{
	char name[128];

	name_of(f, number, "file", name);
	return look(f, number) && done(f->account, "file: unlink", !unlink(name));
}

static bool files_round(void *work)
{
	struct files *f = work;
	uint64_t number = f->account->rounds;
	bool good = (number < KEPT || take_away(f, number - KEPT)) && make(f, number) && look(f, number);

	f->account->rounds += good;
	return good;
}

static void *files_begin(const char *directory, struct account *account)
{
	struct files *f = calloc(1, sizeof *f);

	if (!f)
		return NULL;
	snprintf(f->directory, sizeof f->directory, "%s", directory);
	f->account = account;
	return done(account, "file: mkdir", !mkdir(directory, 0700)) ? f : NULL;
}

static bool files_end(void *work)
{
	struct files *f = work;
	uint64_t rounds = f->account->rounds, first = rounds < KEPT ? 0 : rounds - KEPT;
	bool good = true;

	for (uint64_t number = first; good && number < rounds; number++)
		good = take_away(f, number);
	good = good && done(f->account, "file: rmdir", !rmdir(f->directory));
	free(f);
	return good;
}

const struct worker files_worker = { files_begin, files_round, files_end };
