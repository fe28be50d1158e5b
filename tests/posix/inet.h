/* SPDX-License-Identifier: MIT */
/* What tests of the Internet's sockets share: pairs on the loopback, and short forms of the calls. */
#ifndef TESTS_POSIX_INET_H
#define TESTS_POSIX_INET_H

#include <arpa/inet.h>
#include <netinet/in.h>
#include <poll.h>
#include <stdint.h>
#include <sys/socket.h>
#include <unistd.h>

#include "check.h"

static inline struct sockaddr_in at(uint32_t address, int port)
{
	struct sockaddr_in to = { .sin_family = AF_INET, .sin_port = htons((uint16_t)port) };

	to.sin_addr.s_addr = htonl(address);
	return to;
}

static inline int port_of(int fd)
{
	struct sockaddr_storage name;
	socklen_t length = sizeof(name);

	if (getsockname(fd, (struct sockaddr *)&name, &length))
		return -1;
	return ntohs(((struct sockaddr_in *)&name)->sin_port);
}

static inline int bind_to(int fd, uint32_t address, int port)
{
	struct sockaddr_in to = at(address, port);

	return bind(fd, (struct sockaddr *)&to, sizeof(to));
}

static inline int connect_to(int fd, int port)
{
	struct sockaddr_in to = at(INADDR_LOOPBACK, port);

	return connect(fd, (struct sockaddr *)&to, sizeof(to));
}

static inline int listener(int backlog)
{
	int fd = socket(AF_INET, SOCK_STREAM, 0);

	NEED(fd >= 0 && bind_to(fd, INADDR_LOOPBACK, 0) == 0 && listen(fd, backlog) == 0);
	return fd;
}

/* Two ends of a connection; the second was accepted. */
static inline void stream_pair(int fds[2])
{
	int l = listener(4);

	fds[0] = socket(AF_INET, SOCK_STREAM, 0);
	NEED(fds[0] >= 0 && connect_to(fds[0], port_of(l)) == 0);
	fds[1] = accept(l, NULL, NULL);
	NEED(fds[1] >= 0);
	close(l);
}

/* The first is connected to the second. */
static inline void datagram_pair(int fds[2])
{
	fds[0] = socket(AF_INET, SOCK_DGRAM, 0);
	fds[1] = socket(AF_INET, SOCK_DGRAM, 0);
	NEED(fds[0] >= 0 && fds[1] >= 0 && bind_to(fds[1], INADDR_LOOPBACK, 0) == 0 &&
	     connect_to(fds[0], port_of(fds[1])) == 0);
}

static inline int ready(int fd, int events, int ms)
{
	struct pollfd p = { fd, (short)events, 0 };

	return poll(&p, 1, ms) == 1 ? p.revents : 0;
}

/* A number; INT32_MIN + 1 if it cannot be had. */
static inline int get(int fd, int level, int name)
{
	int value = -1;
	socklen_t length = sizeof(value);

	return getsockopt(fd, level, name, &value, &length) == 0 && length == sizeof(value) ? value
											    : INT32_MIN + 1;
}

static inline int set(int fd, int level, int name, int value)
{
	return setsockopt(fd, level, name, &value, sizeof(value));
}

#endif
