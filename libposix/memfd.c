/* SPDX-License-Identifier: MIT */
/* memfd_create(2): a file of /dev/shm that has no name. There are no seals. */
#include "files.h"

#define MFD_CLOEXEC 1u
#define MFD_ALLOW_SEALING 2u
#define NAME_MAX_LENGTH 249u

long lp_memfd_create(uint64_t name, uint64_t flags)
{
	static const char directory[] = "/dev/shm";

	if (flags & ~(uint64_t)(MFD_CLOEXEC | MFD_ALLOW_SEALING))
		return -EINVAL;
	if (strnlen((const char *)name, NAME_MAX_LENGTH + 1) > NAME_MAX_LENGTH)
		return -EINVAL;
	return lp_open((uint64_t)directory,
		       O_RDWR | O_TMPFILE | O_EXCL | (flags & MFD_CLOEXEC ? O_CLOEXEC : 0), 0777);
}
