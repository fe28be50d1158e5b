/* SPDX-License-Identifier: MIT */
/* The echo: one thread, epoll; what cannot be sent back at once waits, and nothing is read meanwhile. */
#define _GNU_SOURCE
#include "crowd.h"

#include <errno.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#define EVENTS 64
#define PIECE 4096

struct connection {
	int fd;
	size_t length, sent;
	char bytes[PIECE];
};

static int epoll;

static void wait_for(struct connection *c, int operation, uint32_t events)
{
	struct epoll_event event = { .events = events, .data.ptr = c };

	if (epoll_ctl(epoll, operation, c->fd, &event))
		fail("epoll_ctl", c->fd);
}

static void take_new(int listener)
{
	struct connection *c;
	int fd = accept4(listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);

	if (fd < 0 && (errno == EAGAIN || errno == ECONNABORTED))
		return;
	if (fd < 0)
		fail("accept", 0);
	c = calloc(1, sizeof(*c));
	if (!c)
		fail("memory", fd);
	c->fd = fd;
	wait_for(c, EPOLL_CTL_ADD, EPOLLIN);
}

/* False: it is over. */
static int send_back(struct connection *c)
{
	while (c->sent < c->length) {
		ssize_t part = send(c->fd, c->bytes + c->sent, c->length - c->sent, MSG_NOSIGNAL);

		if (part < 0)
			return errno == EAGAIN;
		c->sent += (size_t)part;
	}
	return 1;
}

static int go_on(struct connection *c)
{
	ssize_t part;
	int waiting = c->sent < c->length;

	if (!waiting) {
		part = recv(c->fd, c->bytes, sizeof(c->bytes), 0);
		if (part <= 0)
			return part < 0 && errno == EAGAIN;
		c->length = (size_t)part;
		c->sent = 0;
	}
	if (!send_back(c))
		return 0;
	if (waiting != (c->sent < c->length))
		wait_for(c, EPOLL_CTL_MOD, waiting ? EPOLLIN : EPOLLOUT);
	return 1;
}

int listen_at(uint16_t port)
{
	struct sockaddr_in any = { .sin_family = AF_INET, .sin_port = htons(port) };
	int yes = 1, fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

	if (fd < 0 || setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &yes, sizeof(yes)) ||
	    bind(fd, (struct sockaddr *)&any, sizeof(any)) || listen(fd, 1024))
		fail("listen", port);
	return fd;
}

int serve(uint16_t port)
{
	struct connection listener = { .fd = listen_at(port) };
	struct epoll_event events[EVENTS];

	epoll = epoll_create1(EPOLL_CLOEXEC);
	if (epoll < 0)
		fail("epoll_create", 0);
	wait_for(&listener, EPOLL_CTL_ADD, EPOLLIN);
	for (;;) {
		int n = epoll_wait(epoll, events, EVENTS, -1);

		if (n < 0 && errno != EINTR)
			fail("epoll_wait", 0);
		for (int i = 0; i < n; i++) {
			struct connection *c = events[i].data.ptr;

			if (c == &listener) {
				take_new(c->fd);
			} else if (!go_on(c)) {
				close(c->fd);
				free(c);
			}
		}
	}
}
