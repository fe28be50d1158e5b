/* SPDX-License-Identifier: MIT */
/* Sockets. Those of AF_UNIX are in the pipe server, and their names are resolved first, a path by VFS; others in net. */
#include "socket.h"

#define SOCK_TYPE_MASK 0xfu
#define ADDRESS_MAX 128u /* sockaddr_storage */

long lp_socket(uint64_t domain, uint64_t type, uint64_t protocol)
{
	struct call_options options = { .flags = IPC_RECV_FD | (type & O_CLOEXEC ? IPC_RECV_CLOEXEC : 0) };
	struct pipe_socket_req pipe_request = { type & SOCK_TYPE_MASK, type & O_NONBLOCK };
	struct net_socket_req net_request = { (uint32_t)domain, type & SOCK_TYPE_MASK, (uint32_t)protocol,
					      type & O_NONBLOCK };
	long status;

	if (type & ~(uint64_t)(SOCK_TYPE_MASK | O_CLOEXEC | O_NONBLOCK))
		return -EINVAL;
	if ((uint32_t)domain == AF_UNIX && protocol > 1)
		return -EPROTONOSUPPORT;
	if ((uint32_t)domain == AF_UNIX)
		status = pipe_call_socket(PROC_SLOT_PIPE, &options, &pipe_request, NULL);
	else
		status = net_call_socket(PROC_SLOT_NET, &options, &net_request, NULL);
	if (status == -EBADF)
		return -EAFNOSUPPORT; /* an image without the server */
	return status < 0 ? status : received_fd(0);
}

/* --- names ------------------------------------------------------------------------------------------------------------ */

/* A checked copy with a zero byte behind it; its length without the family. */
static long take_address(uint64_t from, uint64_t length, struct address *to, char *end)
{
	const struct address *a = (const struct address *)from;

	length = (uint32_t)length;
	if (length < NAME_AT || length > ADDRESS_MAX)
		return -EINVAL;
	if (length > sizeof(*a)) {
		if (a->family == AF_UNIX)
			return -EINVAL;
		length = sizeof(*a);
	}
	memcpy(to, a, length);
	*((char *)to + length) = *end = 0;
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

/* bind or connect where the name is all there is. */
static long call_with_name(uint64_t fd, const struct named *name, long length, bool connect)
{
	struct call_options options = { .in = name->address.path, .in_length = (size_t)length };
	struct socket_connect_req request = { name->address.family };

	if (connect)
		return socket_error(socket_call_connect(fd_cap(fd), &options, &request, NULL));
	return socket_error(
	    socket_call_bind(fd_cap(fd), &options, &(struct socket_bind_req){ request.family }, NULL));
}

long lp_bind(uint64_t fd, uint64_t address, uint64_t address_length)
{
	struct named name;
	long length = socket_take_name(address, address_length, &name), slot, status = 0;
	struct socket_bind_req request = { name.address.family };
	bool path = length > 0 && name.address.path[0];
	struct call_options options = { .in = name.address.path, .caps_count = 1 };
	struct socket_names_reply reply = {};

	if (length < 0)
		return length;
	if (name.address.family != AF_UNIX)
		return call_with_name(fd, &name, length, false);
	status = socket_call_names(fd_cap(fd), NULL, &(struct socket_names_req){ SOCKET_OWN }, &reply);
	if (status >= 0 && reply.family != AF_UNIX)
		return -EAFNOSUPPORT;
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
		status = socket_call_bind(fd_cap(fd), &options, &request, NULL);
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
	struct socket_connect_req request = { AF_UNIX };
	struct call_options options = { .caps_count = 1 };

	if (length < 0)
		return length;
	if (name.address.family != AF_UNIX)
		return call_with_name(fd, &name, length, true);
	slot = socket_resolve(&name, length);
	if (slot < 0)
		return slot;
	options.caps[0] = (cap_t)slot;
	status = socket_call_connect(fd_cap(fd), &options, &request, NULL);
	kcall(cap_close, slot);
	return socket_error(status);
}

long socket_put_address(const struct address *address, uint32_t length, uint64_t to, uint64_t length_at)
{
	uint32_t *room = (uint32_t *)length_at;

	if ((int32_t)*room < 0)
		return -EINVAL;
	memcpy((void *)to, address, length < *room ? length : *room);
	*room = length;
	return 0;
}

long socket_put_name(uint64_t fd, uint64_t which, uint64_t to, uint64_t length_at)
{
	struct address address = {};
	struct call_options options = { .out = address.path, .out_length = SOCKET_PATH };
	struct socket_names_req request = { which };
	struct socket_names_reply reply = {};
	long status = socket_call_names(fd_cap(fd), &options, &request, &reply);

	if (status < 0)
		return socket_error(status);
	address.family = (uint16_t)reply.family;
	return socket_put_address(&address, which == SOCKET_FROM && !status ? 0 : NAME_AT + (uint32_t)status,
				  to, length_at);
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
	    socket_call_listen(fd_cap(fd), NULL, &(struct socket_listen_req){ (uint32_t)backlog }, NULL));
}

long lp_accept4(uint64_t fd, uint64_t to, uint64_t length, uint64_t flags)
{
	struct call_options options = { .flags = IPC_RECV_FD | (flags & O_CLOEXEC ? IPC_RECV_CLOEXEC : 0) };
	struct socket_accept_req request = { flags & O_NONBLOCK };
	long status;

	if (flags & ~(uint64_t)(O_CLOEXEC | O_NONBLOCK))
		return -EINVAL;
	status = socket_call_accept(fd_cap(fd), &options, &request, NULL);
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
	    socket_call_shutdown(fd_cap(fd), NULL, &(struct socket_shutdown_req){ (uint32_t)how }, NULL));
}

/* --- options ---------------------------------------------------------------------------------------------------------------- */

long lp_getsockopt(uint64_t fd, uint64_t level, uint64_t name, uint64_t to, uint64_t length_at)
{
	struct socket_get_option_req request = { (uint32_t)level, (uint32_t)name };
	uint32_t *length = (uint32_t *)length_at;
	struct call_options options = { .out = (void *)to, .out_length = *length };
	long status;

	if ((int32_t)*length < 0)
		return -EINVAL;
	status = socket_call_get_option(fd_cap(fd), &options, &request, NULL);
	if (status < 0)
		return socket_error(status);
	*length = (uint32_t)status;
	return 0;
}

long lp_setsockopt(uint64_t fd, uint64_t level, uint64_t name, uint64_t from, uint64_t length)
{
	struct socket_set_option_req request = { (uint32_t)level, (uint32_t)name };
	struct call_options options = { .in = (void *)from, .in_length = (uint32_t)length };

	if ((int32_t)length < 0)
		return -EINVAL;
	if (level == SOL_SOCKET && name == SO_LINGER && length >= sizeof(int32_t) && *(const int32_t *)from)
		this_process()->lingers = 1;
	return socket_error(socket_call_set_option(fd_cap(fd), &options, &request, NULL));
}
