/* SPDX-License-Identifier: MIT */
/* memfd_create(2): a file of /dev/shm whose name is gone before anybody knows it. There are no seals. */
#include "files.h"

#define MFD_CLOEXEC 1u
#define MFD_ALLOW_SEALING 2u
#define NAME_MAX_LENGTH 249u
#define DIRECTORY "/dev/shm/memfd."

static void random_name(char *to)
{
	uint64_t number;

	lp_random(&number, sizeof(number));
	memcpy(to, DIRECTORY, sizeof(DIRECTORY));
	for (to += sizeof(DIRECTORY) - 1; number; number >>= 4)
		*to++ = (char)('a' + (number & 15));
	*to = 0;
}

long lp_memfd_create(uint64_t name, uint64_t flags)
{
	uint64_t open_flags = O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW | (flags & MFD_CLOEXEC ? O_CLOEXEC : 0);
	char path[sizeof(DIRECTORY) + 16];
	long fd;

	if (flags & ~(uint64_t)(MFD_CLOEXEC | MFD_ALLOW_SEALING))
		return -EINVAL;
	if (strnlen((const char *)name, NAME_MAX_LENGTH + 1) > NAME_MAX_LENGTH)
		return -EINVAL;
	do {
		random_name(path);
		fd = lp_open((uint64_t)path, open_flags, 0777);
	} while (fd == -EEXIST);
	if (fd >= 0)
		lp_unlink((uint64_t)path);
	return fd;
}
