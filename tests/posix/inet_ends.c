/* SPDX-License-Identifier: MIT */
/* TEST: stock. How connections begin and end: half closed in each order, reset, refused, taken apart while somebody waits. */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <signal.h>
#include <stdint.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "inet.h"

#ifndef IP_LOCAL_PORT_RANGE
#define IP_LOCAL_PORT_RANGE 51
#endif
#define LONG 20000 /* ms: what surely comes within that */

static char bytes[4000];

/* The end is a reset. */
static void reset(int fd)
{
	struct linger linger = { 1, 0 };

	NEED(setsockopt(fd, SOL_SOCKET, SO_LINGER, &linger, sizeof(linger)) == 0 && close(fd) == 0);
}

static volatile int signals;

static void count(int number)
{
	(void)number;
	signals++;
}

/* --- halves ----------------------------------------------------------------------------------------------------- */

static void half_closed(void)
{
	int fds[2];

	stream_pair(fds);
	CHECK("SHUT_WR here", shutdown(fds[0], SHUT_WR) == 0);
	CHECK("the end there", ready(fds[1], POLLRDHUP, LONG) & POLLRDHUP && read(fds[1], bytes, 9) == 0);
	CHECK("the other way goes on",
	      write(fds[1], "abc", 3) == 3 && ready(fds[0], POLLIN, LONG) && read(fds[0], bytes, 9) == 3);
	CHECK("SHUT_WR twice", shutdown(fds[0], SHUT_WR) == 0);
	CHECK("SHUT_WR there", shutdown(fds[1], SHUT_WR) == 0);
	CHECK("the end here", ready(fds[0], POLLRDHUP, LONG) & POLLRDHUP && read(fds[0], bytes, 9) == 0);
	CHECK("both are over", (ready(fds[0], POLLIN | POLLOUT | POLLRDHUP, 0) &
				(POLLIN | POLLHUP | POLLRDHUP)) == (POLLIN | POLLHUP | POLLRDHUP));
	CHECK_ERROR("there is no peer any more",
		    getpeername(fds[0], (struct sockaddr *)bytes, &(socklen_t){ 100 }), ENOTCONN);
	CHECK_ERROR("nor anything to shut down", shutdown(fds[0], SHUT_RDWR), ENOTCONN);
	close(fds[0]);
	close(fds[1]);

	stream_pair(fds);
	CHECK("SHUT_RD here", shutdown(fds[0], SHUT_RD) == 0);
	CHECK("reading ends at once", read(fds[0], bytes, 9) == 0);
	CHECK("poll says so", (ready(fds[0], POLLIN | POLLRDHUP, 0) & (POLLIN | POLLRDHUP | POLLHUP)) ==
				  (POLLIN | POLLRDHUP));
	CHECK("writing goes on",
	      write(fds[0], "abc", 3) == 3 && ready(fds[1], POLLIN, LONG) && read(fds[1], bytes, 9) == 3);
	CHECK("the peer may write", write(fds[1], "abc", 3) == 3);
	close(fds[0]);
	close(fds[1]);

	stream_pair(fds);
	write(fds[1], "before", 6);
	ready(fds[0], POLLIN, LONG);
	shutdown(fds[0], SHUT_RD);
	CHECK("what came before SHUT_RD is read", read(fds[0], bytes, 9) == 6);
	CHECK("then the end", read(fds[0], bytes, 9) == 0);
	close(fds[0]);
	close(fds[1]);

	stream_pair(fds);
	write(fds[0], "last", 4);
	CHECK("SHUT_RDWR", shutdown(fds[0], SHUT_RDWR) == 0);
	CHECK("all of it and the end arrive", recv(fds[1], bytes, 4, MSG_WAITALL) == 4 &&
						  ready(fds[1], POLLIN, LONG) && read(fds[1], bytes, 9) == 0);
	CHECK("here nothing is left", read(fds[0], bytes, 9) == 0 && ready(fds[0], POLLIN, 0) & POLLHUP);
	close(fds[0]);
	close(fds[1]);

	stream_pair(fds);
	CHECK_ERROR("how is 0 to 2", shutdown(fds[0], 3), EINVAL);
	CHECK_ERROR("nothing to shut down", shutdown(777, SHUT_RD), EBADF);
	CHECK_ERROR("no socket", shutdown(0, SHUT_RD), ENOTSOCK);
	close(fds[0]);
	close(fds[1]);
}

/* A child that waits in a call on fd when it is shut down: what the call answers. */
static int woken(int fd, int how, ssize_t (*wait_in)(int))
{
	int status;
	pid_t child = fork();

	if (!child)
		_exit(wait_in(fd) == 0 ? 1 : 2);
	usleep(100000);
	shutdown(fd, how);
	return waitpid(child, &status, 0) == child && WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

static ssize_t in_read(int fd)
{
	char byte;

	return read(fd, &byte, 1);
}

static ssize_t in_accept(int fd)
{
	return accept(fd, NULL, NULL) < 0 && errno == EINVAL ? 0 : 1;
}

static void shut_down_under(void)
{
	int fds[2], l = listener(3);

	stream_pair(fds);
	CHECK("SHUT_RD ends a read", woken(fds[0], SHUT_RD, in_read) == 1);
	close(fds[0]);
	close(fds[1]);
	CHECK("and an accept", woken(l, SHUT_RD, in_accept) == 1);
	close(l);
}

static void pipe_signal(void)
{
	struct iovec vector = { (void *)"x", 1 };
	struct msghdr message = { .msg_iov = &vector, .msg_iovlen = 1 };
	int fds[2];

	signal(SIGPIPE, count);
	stream_pair(fds);
	shutdown(fds[0], SHUT_WR);
	signals = 0;
	CHECK_ERROR("write after the end", write(fds[0], "x", 1), EPIPE);
	CHECK("is a SIGPIPE", signals == 1);
	CHECK_ERROR("send", send(fds[0], "x", 1, 0), EPIPE);
	CHECK("too", signals == 2);
	CHECK_ERROR("writev", writev(fds[0], &vector, 1), EPIPE);
	CHECK("too", signals == 3);
	CHECK_ERROR("MSG_NOSIGNAL", send(fds[0], "x", 1, MSG_NOSIGNAL), EPIPE);
	CHECK_ERROR("of sendmsg", sendmsg(fds[0], &message, MSG_NOSIGNAL), EPIPE);
	CHECK("is none", signals == 3);
	signal(SIGPIPE, SIG_IGN);
	close(fds[0]);
	close(fds[1]);
}

/* --- resets --------------------------------------------------------------------------------------------------------- */

static void resets(void)
{
	int fds[2], l, a, b;

	stream_pair(fds);
	reset(fds[1]);
	CHECK("poll after a reset",
	      (ready(fds[0], POLLIN | POLLOUT | POLLRDHUP, LONG) &
	       (POLLIN | POLLERR | POLLHUP | POLLRDHUP)) == (POLLIN | POLLERR | POLLHUP | POLLRDHUP));
	CHECK("SO_ERROR takes the error",
	      get(fds[0], SOL_SOCKET, SO_ERROR) == ECONNRESET && get(fds[0], SOL_SOCKET, SO_ERROR) == 0);
	CHECK("then it is the end", read(fds[0], bytes, 9) == 0);
	CHECK_ERROR("and nothing is written", write(fds[0], "x", 1), EPIPE);
	CHECK_ERROR("no peer", getpeername(fds[0], (struct sockaddr *)bytes, &(socklen_t){ 100 }), ENOTCONN);
	close(fds[0]);

	stream_pair(fds);
	reset(fds[1]);
	ready(fds[0], POLLIN, LONG);
	CHECK_ERROR("writing tells", write(fds[0], "x", 1), ECONNRESET);
	CHECK_ERROR("once", write(fds[0], "x", 1), EPIPE);
	close(fds[0]);

	stream_pair(fds);
	write(fds[1], "unread", 6);
	ready(fds[0], POLLIN, LONG);
	reset(fds[1]);
	ready(fds[0], POLLHUP, LONG);
	CHECK("what had come is read", read(fds[0], bytes, 9) == 6);
	CHECK_ERROR("before the reset", read(fds[0], bytes, 9), ECONNRESET);
	close(fds[0]);

	stream_pair(fds);
	shutdown(fds[0], SHUT_WR);
	ready(fds[1], POLLRDHUP, LONG);
	reset(fds[1]);
	CHECK("a reset of one half closed", ready(fds[0], POLLIN, LONG) & POLLERR);
	CHECK_ERROR("reading tells", read(fds[0], bytes, 9), ECONNRESET);
	close(fds[0]);

	l = listener(3);
	a = socket(AF_INET, SOCK_STREAM, 0);
	NEED(connect_to(a, port_of(l)) == 0);
	NEED(ready(l, POLLIN, LONG) == POLLIN);
	reset(a);
	usleep(100000);
	b = accept(l, NULL, NULL);
	CHECK("one that was reset before is accepted", b >= 0);
	CHECK_ERROR("and is reset", read(b, bytes, 9), ECONNRESET);
	close(b);
	a = socket(AF_INET, SOCK_STREAM, 0);
	NEED(connect_to(a, port_of(l)) == 0 && ready(l, POLLIN, LONG) == POLLIN);
	close(l);
	CHECK("closing a listener resets who waits", ready(a, POLLIN, LONG) & POLLIN);
	CHECK_ERROR("as reading tells", read(a, bytes, 9), ECONNRESET);
	close(a);
}

/* connect to nobody undoes an association. */
static void disconnected(void)
{
	struct sockaddr none = { .sa_family = AF_UNSPEC };
	int fds[2], l = listener(3);

	stream_pair(fds);
	CHECK("connect to AF_UNSPEC", connect(fds[0], &none, sizeof(none)) == 0);
	CHECK("ends a connection", ready(fds[1], POLLIN, LONG) & POLLIN);
	CHECK_ERROR("by a reset", read(fds[1], bytes, 9), ECONNRESET);
	CHECK_ERROR("nobody is there", getpeername(fds[0], (struct sockaddr *)bytes, &(socklen_t){ 100 }),
		    ENOTCONN);
	CHECK("another may be connected to", connect_to(fds[0], port_of(l)) == 0);
	close(fds[0]);
	close(fds[1]);
	close(l);
}

/* --- connecting -------------------------------------------------------------------------------------------------------- */

static void refused(void)
{
	int l = listener(1), port = port_of(l), a = socket(AF_INET, SOCK_STREAM, 0);
	struct sockaddr_in to = at(INADDR_LOOPBACK, port);

	close(l);
	CHECK_ERROR("nobody listens", connect_to(a, port), ECONNREFUSED);
	CHECK("that was all", get(a, SOL_SOCKET, SO_ERROR) == 0);
	CHECK_ERROR("it may be tried again", connect_to(a, port), ECONNREFUSED);
	l = listener(1);
	CHECK("and may succeed", connect_to(a, port_of(l)) == 0);
	CHECK_ERROR("connected", connect_to(a, port_of(l)), EISCONN);
	close(a);
	a = socket(AF_INET, SOCK_STREAM, 0);
	CHECK_ERROR("a name that is too short", connect(a, (struct sockaddr *)&to, 8), EINVAL);
	to.sin_family = AF_INET6;
	CHECK_ERROR("of another family", connect(a, (struct sockaddr *)&to, sizeof(to)), EAFNOSUPPORT);
	CHECK_ERROR("nowhere", connect(a, (struct sockaddr *)8, sizeof(to)), EFAULT);
	CHECK_ERROR("no socket", connect(0, (struct sockaddr *)&to, sizeof(to)), ENOTSOCK);
	close(a);
	close(l);
}

static void without_waiting(void)
{
	int l = listener(3), a = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);

	CHECK("poll before", ready(a, POLLOUT, 0) & POLLHUP);
	CHECK_ERROR("it is begun", connect_to(a, port_of(l)), EINPROGRESS);
	CHECK("it is done", ready(a, POLLOUT, LONG) == POLLOUT && get(a, SOL_SOCKET, SO_ERROR) == 0);
	CHECK("connect says so once", connect_to(a, port_of(l)) == 0);
	CHECK_ERROR("and no more", connect_to(a, port_of(l)), EISCONN);
	close(a);
	close(l);
}

/* Where as many wait as may, nobody is refused: who comes later waits for his turn. */
static void full_backlog(void)
{
	int l = listener(0), a[6], connected = 0, b;

	for (int i = 0; i < 6; i++) {
		a[i] = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
		NEED(connect_to(a[i], port_of(l)) == 0 || errno == EINPROGRESS);
	}
	usleep(200000);
	for (int i = 0; i < 6; i++)
		connected += ready(a[i], POLLOUT, 0) == POLLOUT;
	CHECK("a full backlog leaves some waiting", connected >= 1 && connected < 6);
	CHECK("nobody is refused", ready(a[5], POLLOUT, 0) == 0 && get(a[5], SOL_SOCKET, SO_ERROR) == 0);
	CHECK_ERROR("who waits is on the way", connect_to(a[5], port_of(l)), EALREADY);
	for (int i = 0; i < 2; i++) {
		b = ready(l, POLLIN, LONG) ? accept(l, NULL, NULL) : -1;
		NEED(b >= 0);
		close(b);
	}
	CHECK("when some are accepted, others come", 1);
	for (int i = 0; i < 6; i++)
		close(a[i]);
	close(l);
}

static void listeners_shut_down(void)
{
	int l = listener(3), port = port_of(l), a = socket(AF_INET, SOCK_STREAM, 0), b;

	CHECK("SHUT_WR of a listener changes nothing", shutdown(l, SHUT_WR) == 0);
	NEED(connect_to(a, port) == 0);
	b = accept(l, NULL, NULL);
	CHECK("it still accepts", b >= 0);
	close(a);
	close(b);
	CHECK("SHUT_RD ends it", shutdown(l, SHUT_RD) == 0 && get(l, SOL_SOCKET, SO_ACCEPTCONN) == 0);
	CHECK_ERROR("it accepts no more", accept(l, NULL, NULL), EINVAL);
	a = socket(AF_INET, SOCK_STREAM, 0);
	CHECK_ERROR("nobody listens there", connect_to(a, port), ECONNREFUSED);
	CHECK("it may listen again", listen(l, 3) == 0 && connect_to(a, port_of(l)) == 0);
	close(a);
	close(l);
	l = socket(AF_INET, SOCK_STREAM, 0);
	NEED(set(l, SOL_SOCKET, SO_REUSEADDR, 1) == 0 && bind_to(l, INADDR_LOOPBACK, port) == 0);
	NEED(listen(l, 3) == 0);
	CHECK("one that was bound to a port keeps it",
	      shutdown(l, SHUT_RD) == 0 && listen(l, 3) == 0 && port_of(l) == port);
	close(l);
	a = socket(AF_INET, SOCK_DGRAM, 0);
	CHECK_ERROR("datagrams are not listened for", listen(a, 1), EOPNOTSUPP);
	CHECK_ERROR("nor accepted", accept(a, NULL, NULL), EOPNOTSUPP);
	close(a);
}

/* --- names -------------------------------------------------------------------------------------------------------------- */

static int try_bind(int family, int type, uint32_t address, int port, int only6, int reuse)
{
	struct sockaddr_in6 six = { .sin6_family = AF_INET6, .sin6_port = htons((uint16_t)port) };
	struct sockaddr_in four = at(address, port);
	int fd = socket(family, type, 0);

	if (only6)
		NEED(set(fd, IPPROTO_IPV6, IPV6_V6ONLY, 1) == 0);
	if (reuse)
		NEED(set(fd, SOL_SOCKET, SO_REUSEADDR, 1) == 0);
	if (bind(fd, family == AF_INET ? (struct sockaddr *)&four : (struct sockaddr *)&six,
		 family == AF_INET ? sizeof(four) : sizeof(six)) == 0)
		return fd;
	NEED(errno == EADDRINUSE);
	close(fd);
	return -1;
}

static void conflicts_of(int type, const char *of)
{
	int one = try_bind(AF_INET, type, INADDR_LOOPBACK, 0, 0, 0), port = port_of(one), other;
	char name[80];

	snprintf(name, sizeof(name), "%s: the same address and port", of);
	CHECK(name, try_bind(AF_INET, type, INADDR_LOOPBACK, port, 0, 0) < 0);
	snprintf(name, sizeof(name), "%s: any address", of);
	CHECK(name, try_bind(AF_INET, type, INADDR_ANY, port, 0, 0) < 0);
	snprintf(name, sizeof(name), "%s: any address of both families", of);
	CHECK(name, try_bind(AF_INET6, type, 0, port, 0, 0) < 0);
	snprintf(name, sizeof(name), "%s: any address of IPv6 only", of);
	other = try_bind(AF_INET6, type, 0, port, 1, 0);
	CHECK(name, other >= 0);
	close(other);
	snprintf(name, sizeof(name), "%s: SO_REUSEADDR of one", of);
	CHECK(name, try_bind(AF_INET, type, INADDR_LOOPBACK, port, 0, 1) < 0);
	close(one);
	one = try_bind(AF_INET, type, INADDR_LOOPBACK, port, 0, 1);
	other = try_bind(AF_INET, type, INADDR_LOOPBACK, port, 0, 1);
	snprintf(name, sizeof(name), "%s: SO_REUSEADDR of both", of);
	CHECK(name, one >= 0 && other >= 0);
	close(one);
	close(other);
}

/* Two sockets may have one port, but not one connection. */
static void twins(void)
{
	int l = listener(4), first = socket(AF_INET, SOCK_STREAM, 0),
	    second = socket(AF_INET, SOCK_STREAM, 0);

	NEED(set(first, SOL_SOCKET, SO_REUSEADDR, 1) == 0 && set(second, SOL_SOCKET, SO_REUSEADDR, 1) == 0);
	NEED(bind_to(first, INADDR_LOOPBACK, 0) == 0 &&
	     bind_to(second, INADDR_LOOPBACK, port_of(first)) == 0);
	NEED(connect_to(first, port_of(l)) == 0);
	CHECK_ERROR("a connection that is there already", connect_to(second, port_of(l)), EADDRNOTAVAIL);
	close(first);
	close(second);
	close(l);
}

/* A socket that may have but one port, which another has. */
static int confined(int type, int port)
{
	int fd = socket(AF_INET, type, 0);

	NEED(fd >= 0 &&
	     set(fd, IPPROTO_IP, IP_LOCAL_PORT_RANGE, (int)((unsigned)port << 16 | (unsigned)port)) == 0);
	return fd;
}

static void no_port_left(void)
{
	int l = listener(4), holder = try_bind(AF_INET, SOCK_STREAM, INADDR_LOOPBACK, 0, 0, 0);
	int port = port_of(holder), fd = confined(SOCK_STREAM, port);
	struct sockaddr_in to;

	CHECK_ERROR("TCP: no port left to bind to", bind_to(fd, INADDR_LOOPBACK, 0), EADDRINUSE);
	CHECK_ERROR("nor to connect from", connect_to(fd, port_of(l)), EADDRNOTAVAIL);
	close(holder);
	CHECK("until it is free", connect_to(fd, port_of(l)) == 0 && port_of(fd) == port);
	close(fd);
	close(l);
	l = try_bind(AF_INET, SOCK_DGRAM, INADDR_LOOPBACK, 0, 0, 0);
	holder = try_bind(AF_INET, SOCK_DGRAM, INADDR_LOOPBACK, 0, 0, 0);
	port = port_of(holder);
	fd = confined(SOCK_DGRAM, port);
	to = at(INADDR_LOOPBACK, port_of(l));
	CHECK_ERROR("UDP: no port left to bind to", bind_to(fd, INADDR_LOOPBACK, 0), EADDRINUSE);
	CHECK_ERROR("nor to connect from", connect_to(fd, port_of(l)), EAGAIN);
	CHECK_ERROR("nor to send from", sendto(fd, "x", 1, 0, (struct sockaddr *)&to, sizeof(to)), EAGAIN);
	close(holder);
	CHECK("until it is free",
	      sendto(fd, "x", 1, 0, (struct sockaddr *)&to, sizeof(to)) == 1 && port_of(fd) == port);
	close(fd);
	close(l);
}

static void conflicts(void)
{
	int l, a, b, port;

	conflicts_of(SOCK_STREAM, "TCP");
	conflicts_of(SOCK_DGRAM, "UDP");
	l = try_bind(AF_INET, SOCK_STREAM, INADDR_LOOPBACK, 0, 0, 1);
	port = port_of(l);
	NEED(listen(l, 3) == 0);
	CHECK("SO_REUSEADDR does not take a listener's port",
	      try_bind(AF_INET, SOCK_STREAM, INADDR_LOOPBACK, port, 0, 1) < 0);
	a = socket(AF_INET, SOCK_STREAM, 0);
	NEED(connect_to(a, port) == 0);
	b = accept(l, NULL, NULL);
	close(l);
	CHECK("a connection holds the port", try_bind(AF_INET, SOCK_STREAM, INADDR_LOOPBACK, port, 0, 0) < 0);
	l = try_bind(AF_INET, SOCK_STREAM, INADDR_LOOPBACK, port, 0, 1);
	CHECK("but not against SO_REUSEADDR", l >= 0 && listen(l, 3) == 0);
	close(b);
	close(a);
	close(l);
}

/* Names that are cut, mapped, or have no end. */
static void names(void)
{
	struct sockaddr_in6 six = { .sin6_family = AF_INET6 }, name6;
	struct sockaddr_in name;
	socklen_t length = 4;
	int l = socket(AF_INET6, SOCK_STREAM, 0), a = socket(AF_INET, SOCK_STREAM, 0), b;

	NEED(bind(l, (struct sockaddr *)&six, sizeof(six)) == 0 && listen(l, 3) == 0);
	NEED(connect_to(a, port_of(l)) == 0);
	memset(&name, 0xff, sizeof(name));
	CHECK("a short buffer has the name's beginning, and its length",
	      getsockname(a, (struct sockaddr *)&name, &length) == 0 && length == sizeof(name) &&
		  name.sin_family == AF_INET && name.sin_addr.s_addr == 0xffffffff);
	length = (socklen_t)-1;
	CHECK_ERROR("a length below 0", getsockname(a, (struct sockaddr *)&name, &length), EINVAL);
	length = sizeof(name);
	CHECK_ERROR("nowhere", getpeername(a, (struct sockaddr *)8, &length), EFAULT);
	CHECK_ERROR("no length", getpeername(a, (struct sockaddr *)&name, NULL), EFAULT);
	b = accept(l, NULL, NULL);
	length = sizeof(name6);
	CHECK("the peer of IPv4 is mapped", getpeername(b, (struct sockaddr *)&name6, &length) == 0 &&
						name6.sin6_family == AF_INET6 &&
						IN6_IS_ADDR_V4MAPPED(&name6.sin6_addr));
	length = sizeof(name6);
	CHECK("so is its own name", getsockname(b, (struct sockaddr *)&name6, &length) == 0 &&
					IN6_IS_ADDR_V4MAPPED(&name6.sin6_addr));
	close(a);
	close(b);
	a = socket(AF_INET6, SOCK_STREAM, 0);
	memcpy(&six.sin6_addr, "\0\0\0\0\0\0\0\0\0\0\xff\xff\x7f\0\0\1", 16);
	six.sin6_port = htons((uint16_t)port_of(l));
	CHECK("IPv6 connects to a mapped address", connect(a, (struct sockaddr *)&six, sizeof(six)) == 0);
	length = sizeof(name6);
	CHECK("and is mapped then", getsockname(a, (struct sockaddr *)&name6, &length) == 0 &&
					length == sizeof(name6) && IN6_IS_ADDR_V4MAPPED(&name6.sin6_addr));
	close(a);
	a = socket(AF_INET6, SOCK_STREAM, 0);
	NEED(set(a, IPPROTO_IPV6, IPV6_V6ONLY, 1) == 0);
	CHECK_ERROR("one of IPv6 only does not", connect(a, (struct sockaddr *)&six, sizeof(six)),
		    ENETUNREACH);
	close(a);
	close(l);
	l = listener(2);
	a = socket(AF_INET, SOCK_STREAM, 0);
	NEED(connect_to(a, port_of(l)) == 0);
	length = 3;
	b = accept(l, (struct sockaddr *)&name, &length);
	CHECK("accept cuts a name too", b >= 0 && length == sizeof(name));
	close(a);
	close(b);
	close(l);
}

/* --- data with flags ----------------------------------------------------------------------------------------------------- */

static void flags(void)
{
	struct iovec vector[2] = { { bytes, 3 }, { bytes + 100, 4 } };
	struct msghdr message = { .msg_iov = vector, .msg_iovlen = 2 };
	int fds[2], number;
	pid_t child;

	stream_pair(fds);
	child = fork();
	if (!child) {
		write(fds[1], "abc", 3);
		usleep(100000);
		write(fds[1], "defg", 4);
		_exit(0);
	}
	CHECK("MSG_WAITALL waits for all", recvmsg(fds[0], &message, MSG_WAITALL) == 7 &&
					       !memcmp(bytes, "abc", 3) && !memcmp(bytes + 100, "defg", 4));
	waitpid(child, NULL, 0);
	write(fds[1], "abcdef", 6);
	shutdown(fds[1], SHUT_WR);
	CHECK("or for the end", recv(fds[0], bytes, 100, MSG_WAITALL) == 6);
	close(fds[0]);
	close(fds[1]);
	stream_pair(fds);
	write(fds[1], "abcdef", 6);
	ready(fds[0], POLLIN, LONG);
	CHECK("MSG_TRUNC drops what a stream has", recv(fds[0], NULL, 4, MSG_TRUNC) == 4);
	CHECK("no more", ioctl(fds[0], FIONREAD, &number) == 0 && number == 2 &&
			     read(fds[0], bytes, 9) == 2 && !memcmp(bytes, "ef", 2));
	CHECK_ERROR("no urgent data", recv(fds[0], bytes, 1, MSG_OOB), EINVAL);
	CHECK_ERROR("no errors are queued", recv(fds[0], bytes, 1, MSG_ERRQUEUE), EAGAIN);
	CHECK("MSG_MORE", send(fds[1], "ab", 2, MSG_MORE) == 2 && send(fds[1], "cd", 2, 0) == 2 &&
			      recv(fds[0], bytes, 4, MSG_WAITALL) == 4 && !memcmp(bytes, "abcd", 4));
	close(fds[0]);
	close(fds[1]);
}

int main(void)
{
	signal(SIGPIPE, SIG_IGN);
	half_closed();
	shut_down_under();
	pipe_signal();
	resets();
	disconnected();
	refused();
	without_waiting();
	full_backlog();
	listeners_shut_down();
	conflicts();
	twins();
	no_port_left();
	names();
	flags();
	return check_result();
}
