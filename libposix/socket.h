/* SPDX-License-Identifier: MIT */
/* What calls on sockets share: names, and their errors. */
#ifndef LIBPOSIX_SOCKET_H
#define LIBPOSIX_SOCKET_H

#include "files.h"

#define NAME_AT 2 /* sun_path in sockaddr_un */

struct address {
	uint16_t family;
	char path[SOCKET_PATH];
};

struct named {
	struct address address;
	char end; /* a zero byte behind the longest path */
};

struct credentials {
	int32_t pid;
	uint32_t uid, gid;
};

/* Other servers do not know the protocol. */
static inline long socket_error(long status)
{
	return status == -ENOSYS ? -ENOTSOCK : status;
}

/* A checked copy of a program's address, of any family; its length without the family. */
long socket_take_name(uint64_t address, uint64_t length, struct named *name);
/* The capability of a name of AF_UNIX, in the private table: the caller's to close. */
long socket_resolve(const struct named *name, long length);
/* `length` bytes of a name for the program. */
long socket_put_address(const struct address *address, uint32_t length, uint64_t to, uint64_t length_at);
/* A SOCKET_* name for the program. */
long socket_put_name(uint64_t fd, uint64_t which, uint64_t to, uint64_t length_at);

#endif
