/* SPDX-License-Identifier: MIT */
/* Unix sockets, which the pipe server holds. A name is resolved first, a path by VFS. */
#include "socket.h"

#define SOCK_TYPE_MASK 0xfu
#define SO_SNDBUF 7
#define SO_RCVBUF 8
#define SO_RCVTIMEO 20
#define SO_SNDTIMEO 21
#define SO_REUSEADDR 2
#define SO_KEEPALIVE 9
#define SO_TYPE 3
#define SO_PEERCRED 17
#define SO_PROTOCOL 38
#define SO_DOMAIN 39
#define BUFFER_SIZE 212992

long lp_socket(uint64_t domain, uint64_t type, uint64_t protocol)
{
	struct call_options options = { .flags = IPC_RECV_FD | (type & O_CLOEXEC ? IPC_RECV_CLOEXEC : 0) };
	struct pipe_socket_req request = { type & SOCK_TYPE_MASK, type & O_NONBLOCK };
	long status;

	if (domain != AF_UNIX)
		return -EAFNOSUPPORT;
	if (type & ~(uint64_t)(SOCK_TYPE_MASK | O_CLOEXEC | O_NONBLOCK))
		return -EINVAL;
	if (protocol > 1)
		return -EPROTONOSUPPORT;
	status = pipe_call_socket(PROC_SLOT_PIPE, &options, &request, NULL);
	return status < 0 ? status : received_fd(0);
}

/* --- names ------------------------------------------------------------------------------------------------------------ */

/* A checked copy with a zero byte behind it; its length without the family. */
static long take_address(uint64_t from, uint64_t length, struct address *to, char *end)
{
	const struct address *a = (const struct address *)from;

	length = (uint32_t)length;
	if (length < NAME_AT || length > sizeof(*a))
		return -EINVAL;
	memcpy(to, a, length);
	*((char *)to + length) = *end = 0;
	if (to->family != AF_UNIX)
		return -EINVAL;
	return (long)length - NAME_AT;
}

/* The name's capability, in the private table. */
long socket_resolve(const struct named *name, long length)
{
	struct call_options options = { .in = name->address.path, .in_length = (size_t)length };
	struct vfs_open_reply reply;
	struct vfs_open_req request;
	struct path path;
	long status;

	if (!length)
		return -EINVAL;
	if (!name->address.path[0]) {
		status = pipe_call_abstract_name(PROC_SLOT_PIPE, &options, &(struct pipe_abstract_name_req){},
						 NULL);
		return status < 0 ? status : ipc_page()->caps[0].slot;
	}
	PREPARE(path, CWD, name->address.path, false);
	request = (struct vfs_open_req){ path.dir, O_WRONLY | O_SOCKET_NAME, 0 };
	status = vfs_call_open(PROC_SLOT_VFS, &path.options, &request, &reply);
	return status < 0 ? status : ipc_page()->caps[0].slot;
}

long socket_take_name(uint64_t address, uint64_t length, struct named *name)
{
	return take_address(address, length, &name->address, &name->end);
}

long lp_bind(uint64_t fd, uint64_t address, uint64_t address_length)
{
	struct named name;
	long length = socket_take_name(address, address_length, &name), slot, status = 0;
	bool path = length > 0 && name.address.path[0];
	struct call_options options = { .in = name.address.path, .caps_count = 1 };

	if (length < 0)
		return length;
	status = pipe_call_names(fd_cap(fd), NULL, &(struct pipe_names_req){ SOCKET_OWN }, NULL);
	if (status < 0 && status != -EINVAL)
		return socket_error(status);
	if (!status && path)
		status = lp_mknodat(CWD, (uint64_t)name.address.path, S_IFSOCK | 0777, 0);
	if (status < 0)
		return status == -EEXIST ? -EADDRINUSE : status;
	slot = socket_resolve(&name, length);
	if (slot >= 0) {
		options.caps[0] = (cap_t)slot;
		options.in_length = (size_t)length + path;
		if (options.in_length > SOCKET_PATH)
			options.in_length = SOCKET_PATH;
		status = pipe_call_bind(fd_cap(fd), &options, &(struct pipe_bind_req){}, NULL);
		kcall(cap_close, slot);
	}
	if (slot < 0 || status < 0) {
		if (path)
			lp_unlinkat(CWD, (uint64_t)name.address.path, 0);
		return slot < 0 ? slot : socket_error(status);
	}
	return 0;
}

long lp_connect(uint64_t fd, uint64_t address, uint64_t address_length)
{
	struct named name;
	long length = socket_take_name(address, address_length, &name), slot, status;
	struct call_options options = { .caps_count = 1 };

	if (length < 0)
		return length;
	slot = socket_resolve(&name, length);
	if (slot < 0)
		return slot;
	options.caps[0] = (cap_t)slot;
	status = pipe_call_connect(fd_cap(fd), &options, &(struct pipe_connect_req){}, NULL);
	kcall(cap_close, slot);
	return socket_error(status);
}

long socket_put_name(uint64_t fd, uint64_t which, uint64_t to, uint64_t length_at)
{
	struct address address = { .family = AF_UNIX };
	struct call_options options = { .out = address.path, .out_length = SOCKET_PATH };
	struct pipe_names_req request = { which };
	uint32_t *length = (uint32_t *)length_at, whole;
	long status = pipe_call_names(fd_cap(fd), &options, &request, NULL);

	if (status < 0)
		return socket_error(status);
	whole = NAME_AT + (uint32_t)status;
	if ((int32_t)*length < 0)
		return -EINVAL;
	if (which == SOCKET_FROM && !status)
		whole = 0;
	memcpy((void *)to, &address, whole < *length ? whole : *length);
	*length = whole;
	return 0;
}

long lp_getsockname(uint64_t fd, uint64_t to, uint64_t length)
{
	return socket_put_name(fd, SOCKET_OWN, to, length);
}

long lp_getpeername(uint64_t fd, uint64_t to, uint64_t length)
{
	return socket_put_name(fd, SOCKET_PEER, to, length);
}

/* --- connections -------------------------------------------------------------------------------------------------------- */

long lp_listen(uint64_t fd, uint64_t backlog)
{
	return socket_error(
	    pipe_call_listen(fd_cap(fd), NULL, &(struct pipe_listen_req){ (uint32_t)backlog }, NULL));
}

long lp_accept4(uint64_t fd, uint64_t to, uint64_t length, uint64_t flags)
{
	struct call_options options = { .flags = IPC_RECV_FD | (flags & O_CLOEXEC ? IPC_RECV_CLOEXEC : 0) };
	struct pipe_accept_req request = { flags & O_NONBLOCK };
	long status;

	if (flags & ~(uint64_t)(O_CLOEXEC | O_NONBLOCK))
		return -EINVAL;
	status = pipe_call_accept(fd_cap(fd), &options, &request, NULL);
	if (status < 0)
		return socket_error(status);
	status = received_fd(0);
	if (to)
		socket_put_name((uint64_t)status, SOCKET_PEER, to, length);
	return status;
}

long lp_accept(uint64_t fd, uint64_t to, uint64_t length)
{
	return lp_accept4(fd, to, length, 0);
}

long lp_shutdown(uint64_t fd, uint64_t how)
{
	return socket_error(
	    pipe_call_shutdown(fd_cap(fd), NULL, &(struct pipe_shutdown_req){ (uint32_t)how }, NULL));
}

/* --- options ---------------------------------------------------------------------------------------------------------------- */

long lp_getsockopt(uint64_t fd, uint64_t level, uint64_t name, uint64_t to, uint64_t length_at)
{
	struct pipe_option_req request = { .name = (uint32_t)name };
	struct pipe_option_reply reply = {};
	uint32_t *length = (uint32_t *)length_at, size = sizeof(int32_t);
	struct credentials creds;
	int32_t value;
	long status;

	if (name == SO_SNDBUF || name == SO_RCVBUF || name == SO_DOMAIN || name == SO_PROTOCOL ||
	    name == SO_REUSEADDR || name == SO_KEEPALIVE)
		request.name = SO_TYPE;
	status = pipe_call_option(fd_cap(fd), NULL, &request, &reply);
	if (status < 0)
		return socket_error(status);
	if (level != SOL_SOCKET)
		return -EOPNOTSUPP;
	value = name == SO_SNDBUF || name == SO_RCVBUF ? BUFFER_SIZE
		: name == SO_DOMAIN                    ? AF_UNIX
		: request.name == name                 ? (int32_t)reply.value
						       : 0;
	creds =
	    (struct credentials){ (int32_t)reply.pid, (uint32_t)reply.owner, (uint32_t)(reply.owner >> 32) };
	if (name == SO_PEERCRED)
		size = sizeof(creds);
	if (*length < size)
		size = *length;
	memcpy((void *)to, name == SO_PEERCRED ? (void *)&creds : (void *)&value, size);
	*length = size;
	return 0;
}

long lp_setsockopt(uint64_t fd, uint64_t level, uint64_t name, uint64_t from, uint64_t length)
{
	struct pipe_option_req request = { .set = 1, .name = (uint32_t)name };
	bool size = name == SO_SNDBUF || name == SO_RCVBUF || name == SO_REUSEADDR || name == SO_KEEPALIVE;

	if ((uint32_t)length < sizeof(int32_t))
		return -EINVAL;
	if (size)
		request = (struct pipe_option_req){ .name = SO_TYPE };
	else
		request.value = *(const int32_t *)from != 0;
	if (level != SOL_SOCKET)
		return -ENOPROTOOPT;
	return socket_error(pipe_call_option(fd_cap(fd), NULL, &request, &(struct pipe_option_reply){}));
}
