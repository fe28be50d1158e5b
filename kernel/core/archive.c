/* SPDX-License-Identifier: MIT */
/* The boot archive: cpio in the "newc" format (Linux, initramfs buffer format). */
#include "core/boot.h"

#define HEADER 110
#define FIELD_FILE_SIZE 54
#define FIELD_NAME_SIZE 94
#define BAD UINT64_MAX

static uint64_t hex(const char *field)
{
	uint64_t value = 0;

	for (int i = 0; i < 8; i++) {
		char c = field[i];
		unsigned digit;

		if (c >= '0' && c <= '9')
			digit = (unsigned)(c - '0');
		else if ((c | 32) >= 'a' && (c | 32) <= 'f')
			digit = (unsigned)((c | 32) - 'a' + 10);
		else
			return BAD;
		value = value << 4 | digit;
	}
	return value;
}

static size_t align4(size_t at)
{
	return (at + 3) & ~(size_t)3;
}

/* `name` has `size` bytes with its terminator; a leading "./" does not count. */
static bool same_name(const char *name, size_t size, const char *wanted)
{
	size_t i = 0;

	if (size > 2 && name[0] == '.' && name[1] == '/') {
		name += 2;
		size -= 2;
	}
	while (i < size && wanted[i] && name[i] == wanted[i])
		i++;
	return i < size && !wanted[i] && !name[i];
}

const void *archive_find(const void *archive, size_t size, const char *name, size_t *file_size)
{
	const char *data = archive;
	size_t at = 0;

	while (at < size && size - at >= HEADER && !__builtin_memcmp(data + at, "070701", 6)) {
		uint64_t bytes = hex(data + at + FIELD_FILE_SIZE);
		uint64_t name_size = hex(data + at + FIELD_NAME_SIZE);
		size_t file;

		if (bytes == BAD || name_size == BAD || name_size > size - at - HEADER)
			return NULL;
		file = align4(at + HEADER + name_size);
		if (file > size || bytes > size - file)
			return NULL;
		if (same_name(data + at + HEADER, name_size, name)) {
			*file_size = bytes;
			return data + file;
		}
		at = align4(file + bytes);
	}
	return NULL;
}
