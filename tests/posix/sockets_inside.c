/* SPDX-License-Identifier: MIT */
/* Descriptors inside of sockets: one that was closed arrives all the same, and what nobody can receive goes.
 * TEST: stock */
#include <errno.h>
#include <signal.h>
#include <fcntl.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "check.h"

static int send_fd(int through, int fd)
{
	union {
		struct cmsghdr header;
		char room[CMSG_SPACE(sizeof(int))];
	} control = { .header = { .cmsg_len = CMSG_LEN(sizeof(int)),
				  .cmsg_level = SOL_SOCKET,
				  .cmsg_type = SCM_RIGHTS } };
	struct iovec byte = { "x", 1 };
	struct msghdr m = {
		.msg_iov = &byte, .msg_iovlen = 1, .msg_control = &control, .msg_controllen = sizeof control
	};

	memcpy(CMSG_DATA(&control.header), &fd, sizeof fd);
	return sendmsg(through, &m, MSG_DONTWAIT) == 1 ? 0 : -1;
}

static int receive_fd(int from)
{
	union {
		struct cmsghdr header;
		char room[CMSG_SPACE(sizeof(int))];
	} control;
	char byte;
	struct iovec v = { &byte, 1 };
	struct msghdr m = {
		.msg_iov = &v, .msg_iovlen = 1, .msg_control = &control, .msg_controllen = sizeof control
	};
	int fd = -1;

	if (recvmsg(from, &m, MSG_DONTWAIT) == 1 && m.msg_controllen >= sizeof control.header)
		memcpy(&fd, CMSG_DATA(&control.header), sizeof fd);
	return fd;
}

static void pair(int ends[2], int type)
{
	if (socketpair(AF_UNIX, type, 0, ends))
		ends[0] = ends[1] = -1;
}

/* A pipe whose ends nobody has while they are on their way, twice over. */
static void check_closed_meanwhile(void)
{
	int outer[2], inner[2], ends[2], got;
	char text[8] = "";

	pair(outer, SOCK_STREAM);
	pair(inner, SOCK_STREAM);
	CHECK("a pipe", pipe(ends) == 0);
	CHECK("it is written to", write(ends[1], "inside", 6) == 6);
	CHECK("its end is sent", send_fd(inner[0], ends[0]) == 0 && send_fd(outer[0], inner[1]) == 0);
	close(ends[0]);
	close(inner[1]);
	close(inner[0]);
	got = receive_fd(outer[1]);
	CHECK("the socket arrives", got >= 0);
	ends[0] = receive_fd(got);
	CHECK("the pipe arrives", ends[0] >= 0);
	CHECK("with what is in it", read(ends[0], text, 6) == 6 && !strcmp(text, "inside"));
	CHECK("it is sent again", send_fd(outer[0], ends[0]) == 0 && send_fd(outer[0], ends[0]) == 0);
	close(ends[0]);
	ends[0] = receive_fd(outer[1]);
	got = receive_fd(outer[1]);
	CHECK("twice", ends[0] >= 0 && got >= 0 && write(ends[1], "more", 4) == 4 && read(got, text, 4) == 4);
	close(got);
	close(ends[0]);
	errno = 0;
	CHECK("its last end is gone", write(ends[1], "x", 1) < 0 && errno == EPIPE);
	close(ends[1]);
	close(outer[0]);
	close(outer[1]);
}

/* The other end tells that nobody has this one any more, soon. */
static int is_gone_soon(int end)
{
	struct pollfd p = { .fd = end, .events = 0 };

	return poll(&p, 1, 5000) == 1 && (p.revents & (POLLHUP | POLLERR));
}

/* A socket in its own queue, and two in each other's, beside the end of a pipe. */
static int ring_of(int type)
{
	int a[2], b[2], ends[2], good, other[2];

	pair(a, type);
	pair(b, type);
	good = pipe(ends) == 0 && send_fd(a[0], b[1]) == 0 && send_fd(b[0], a[1]) == 0 &&
	       send_fd(b[0], ends[0]) == 0 && send_fd(a[0], a[1]) == 0;
	close(a[0]);
	close(a[1]);
	close(b[0]);
	close(b[1]);
	close(ends[0]);
	pair(other, type); /* Linux looks for garbage when a socket ends */
	close(other[0]);
	close(other[1]);
	good = good && is_gone_soon(ends[1]);
	close(ends[1]);
	return good;
}

static void check_rings(int type, const char *name)
{
	int i = 0;

	while (i < 1500 && ring_of(type))
		i++;
	CHECK(name, i == 1500);
}

/* A connection that nobody accepts has messages too. */
static void check_never_accepted(void)
{
	struct sockaddr_un name = { AF_UNIX, "\0inside" };
	socklen_t length = sizeof name.sun_family + 7;
	int listener = socket(AF_UNIX, SOCK_STREAM, 0), to = socket(AF_UNIX, SOCK_STREAM, 0), ends[2];

	CHECK("a listener",
	      bind(listener, (struct sockaddr *)&name, length) == 0 && listen(listener, 5) == 0);
	CHECK("a connection", connect(to, (struct sockaddr *)&name, length) == 0 && pipe(ends) == 0);
	CHECK("it is sent the listener", send_fd(to, listener) == 0 && send_fd(to, ends[0]) == 0);
	close(listener);
	close(ends[0]);
	close(to);
	CHECK("all of that goes", is_gone_soon(ends[1]));
	close(ends[1]);
}

/* One closed listener ends many connections. */
static void check_many_pending(void)
{
	struct sockaddr_un name = { AF_UNIX, "\0pending" };
	socklen_t length = sizeof name.sun_family + 8;
	int listener = socket(AF_UNIX, SOCK_STREAM, 0), to[100], good = 1;

	good = bind(listener, (struct sockaddr *)&name, length) == 0 && listen(listener, 200) == 0;
	for (int i = 0; i < 100; i++) {
		to[i] = socket(AF_UNIX, SOCK_STREAM, 0);
		good = good && connect(to[i], (struct sockaddr *)&name, length) == 0;
	}
	CHECK("a hundred wait", good);
	close(listener);
	for (int i = 0; i < 100; i++) {
		good = good && is_gone_soon(to[i]);
		close(to[i]);
	}
	CHECK("and are told", good);
}

int main(void)
{
	signal(SIGPIPE, SIG_IGN);
	check_closed_meanwhile();
	check_rings(SOCK_STREAM, "streams in each other");
	check_rings(SOCK_DGRAM, "datagrams in each other");
	check_never_accepted();
	check_many_pending();
	return check_result();
}
