/* SPDX-License-Identifier: MIT */
/* The boot archive: cpio, "newc" format. Knows no IPC; tested on the host. */
#ifndef RS_ARCHIVE_H
#define RS_ARCHIVE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct archive {
	const char *data;
	size_t size;
};

struct archive_file {
	const char *name; /* ends with NUL inside the archive */
	const char *data;
	size_t size;
	size_t next; /* where the file behind it begins */
};

/* The file at `offset` (0 for the first); false at the end or where the archive is damaged. */
bool archive_read(const struct archive *archive, size_t offset, struct archive_file *file);
bool archive_find(const struct archive *archive, const char *name, struct archive_file *file);

#endif
