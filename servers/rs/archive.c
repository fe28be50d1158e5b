/* SPDX-License-Identifier: MIT */
/* The boot archive: cpio(5), "New ASCII Format". */
#include "archive.h"

#include <util/string.h>

#define HEADER 110u
#define FIELD_MODE 14u
#define FIELD_FILESIZE 54u
#define FIELD_NAMESIZE 94u
#define TYPE_MASK 0170000u
#define TYPE_REGULAR 0100000u

static bool parse_hex(const char *text, uint32_t *value)
{
	*value = 0;
	for (int i = 0; i < 8; i++) {
		char c = text[i];
		uint32_t digit;

		if (c >= '0' && c <= '9')
			digit = (uint32_t)(c - '0');
		else if (c >= 'a' && c <= 'f')
			digit = (uint32_t)(c - 'a' + 10);
		else if (c >= 'A' && c <= 'F')
			digit = (uint32_t)(c - 'A' + 10);
		else
			return false;
		*value = *value << 4 | digit;
	}
	return true;
}

static size_t round4(size_t value)
{
	return (value + 3) & ~(size_t)3;
}

/* One entry of any type; `mode` says which. */
static bool read_entry(const struct archive *archive, size_t offset, struct archive_file *file,
		       uint32_t *mode)
{
	const char *header = archive->data + offset;
	uint32_t name_size, size;
	size_t left, body;

	if (offset > archive->size || archive->size - offset < HEADER)
		return false;
	if (memcmp(header, "07070", 5) || (header[5] != '1' && header[5] != '2'))
		return false;
	if (!parse_hex(header + FIELD_MODE, mode) || !parse_hex(header + FIELD_FILESIZE, &size) ||
	    !parse_hex(header + FIELD_NAMESIZE, &name_size))
		return false;
	left = archive->size - offset;
	body = round4(HEADER + (size_t)name_size);
	if (!name_size || body > left || size > left - body || header[HEADER + name_size - 1])
		return false;
	file->name = header + HEADER;
	file->data = header + body;
	file->size = size;
	file->next = offset + body + round4(size);
	return strcmp(file->name, "TRAILER!!!") != 0;
}

bool archive_read(const struct archive *archive, size_t offset, struct archive_file *file)
{
	uint32_t mode;

	while (read_entry(archive, offset, file, &mode)) {
		if ((mode & TYPE_MASK) == TYPE_REGULAR) {
			if (file->name[0] == '.' && file->name[1] == '/')
				file->name += 2;
			return true;
		}
		offset = file->next;
	}
	return false;
}

bool archive_find(const struct archive *archive, const char *name, struct archive_file *file)
{
	for (size_t at = 0; archive_read(archive, at, file); at = file->next)
		if (!strcmp(file->name, name))
			return true;
	return false;
}
