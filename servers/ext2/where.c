/* SPDX-License-Identifier: MIT */
/* Where a file is, for /proc/PID/fd: by the directory that had its name last. */
#include "server.h"

#include <fs/stream.h>
#include <util/string.h>

struct name_search {
	uint32_t number, length;
	char name[NAME_LENGTH_MAX];
};

static char text[2 * PATH_LENGTH_MAX];

static bool name_matches(void *context, const struct ext2_dirent *entry, uint64_t next_cookie)
{
	struct name_search *search = context;

	(void)next_cookie;
	if (entry->inode != search->number || entry->name[0] == '.')
		if (entry->inode != search->number || entry->name_length <= 2)
			return true;
	search->length = entry->name_length;
	memcpy(search->name, entry->name, entry->name_length);
	return false;
}

/* The directory's name for `number` goes in front of what stands at text + *at. */
static long prepend_name(struct inode *dir, uint32_t number, uint32_t *at)
{
	struct name_search search = { .number = number };
	uint64_t cookie = 0;
	long status = dir_read(dir, &cookie, name_matches, &search);

	if (status < 0)
		return status;
	if (!search.length || *at < search.length + 1)
		return -ENOENT;
	*at -= search.length;
	memcpy(text + *at, search.name, search.length);
	text[--*at] = '/';
	return 0;
}

/* From the root of this file system: it does not know where it is mounted. */
long path_of_inode(struct request *rq, struct inode *inode)
{
	static const char deleted[] = "/ (deleted)";
	uint32_t at = sizeof text, number = inode->number, parent = inode->parent;
	struct name dotdot = { "..", 2 };

	if (!inode->d.links)
		return stream_put_text(rq, deleted);
	for (int depth = 0; parent && depth < 256; depth++) {
		struct inode *dir = inode_get(&fs, parent);
		long status;

		if (is_error(dir))
			return error_of(dir);
		status = (dir->d.mode & S_IFMT) == S_IFDIR ? prepend_name(dir, number, &at) : -ENOENT;
		if (status < 0)
			return status;
		if (parent == EXT2_ROOT_INODE)
			break;
		number = parent;
		status = dir_find(dir, dotdot);
		if (status < 0)
			return status;
		parent = (uint32_t)status;
	}
	return request_write(rq, 0, text + at,
			     sizeof text - at < rq->out_length ? sizeof text - at : rq->out_length);
}
