/* SPDX-License-Identifier: MIT */
/* TEST: stock. TCP on the loopback: names, connections, data both ways, ends, options, and what is refused. */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <signal.h>
#include <stdint.h>
#include <sys/epoll.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/time.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <unistd.h>

#include "check.h"

static unsigned char buffer[300000], other[300000];

static struct sockaddr_in at(uint32_t address, int port)
{
	struct sockaddr_in to = { .sin_family = AF_INET, .sin_port = htons((uint16_t)port) };

	to.sin_addr.s_addr = htonl(address);
	return to;
}

static int port_of(int fd)
{
	struct sockaddr_storage name;
	socklen_t length = sizeof(name);

	if (getsockname(fd, (struct sockaddr *)&name, &length))
		return -1;
	return ntohs(((struct sockaddr_in *)&name)->sin_port);
}

static int bind_to(int fd, uint32_t address, int port)
{
	struct sockaddr_in to = at(address, port);

	return bind(fd, (struct sockaddr *)&to, sizeof(to));
}

static int connect_to(int fd, int port)
{
	struct sockaddr_in to = at(INADDR_LOOPBACK, port);

	return connect(fd, (struct sockaddr *)&to, sizeof(to));
}

static int listener(int backlog)
{
	int fd = socket(AF_INET, SOCK_STREAM, 0);

	NEED(fd >= 0 && bind_to(fd, INADDR_LOOPBACK, 0) == 0 && listen(fd, backlog) == 0);
	return fd;
}

static void pair_of(int fds[2])
{
	int l = listener(4);

	fds[0] = socket(AF_INET, SOCK_STREAM, 0);
	NEED(fds[0] >= 0 && connect_to(fds[0], port_of(l)) == 0);
	fds[1] = accept(l, NULL, NULL);
	NEED(fds[1] >= 0);
	close(l);
}

static int ready(int fd, int events, int ms)
{
	struct pollfd p = { fd, (short)events, 0 };

	return poll(&p, 1, ms) == 1 ? p.revents : 0;
}

static int option(int fd, int level, int name)
{
	int value = -1;
	socklen_t length = sizeof(value);

	return getsockopt(fd, level, name, &value, &length) == 0 && length == sizeof(value) ? value : -1;
}

static int set(int fd, int level, int name, int value)
{
	return setsockopt(fd, level, name, &value, sizeof(value));
}

static void making(void)
{
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, IPPROTO_TCP);
	struct stat stat;

	CHECK("a TCP socket", fd >= 0);
	CHECK("its flags", fcntl(fd, F_GETFD) == FD_CLOEXEC && fcntl(fd, F_GETFL) == (O_RDWR | O_NONBLOCK));
	CHECK("it is a socket", fstat(fd, &stat) == 0 && S_ISSOCK(stat.st_mode));
	CHECK_ERROR("it cannot be sought", lseek(fd, 0, SEEK_CUR), ESPIPE);
	CHECK("type, domain, protocol", option(fd, SOL_SOCKET, SO_TYPE) == SOCK_STREAM &&
					    option(fd, SOL_SOCKET, SO_DOMAIN) == AF_INET &&
					    option(fd, SOL_SOCKET, SO_PROTOCOL) == IPPROTO_TCP);
	CHECK_ERROR("wrong protocol", socket(AF_INET, SOCK_STREAM, IPPROTO_UDP), EPROTONOSUPPORT);
	CHECK_ERROR("wrong type", socket(AF_INET, 9, 0), ESOCKTNOSUPPORT);
	CHECK_ERROR("wrong family", socket(77, SOCK_STREAM, 0), EAFNOSUPPORT);
	CHECK_ERROR("reading before it is connected", read(fd, buffer, 1), ENOTCONN);
	CHECK_ERROR("asking for the peer before",
		    getpeername(fd, (struct sockaddr *)buffer, &(socklen_t){ 16 }), ENOTCONN);
	CHECK_ERROR("shutdown before", shutdown(fd, SHUT_WR), ENOTCONN);
	signal(SIGPIPE, SIG_IGN);
	CHECK_ERROR("writing before", write(fd, "x", 1), EPIPE);
	CHECK("poll before", (ready(fd, POLLIN | POLLOUT, 0) & (POLLOUT | POLLHUP)) == (POLLOUT | POLLHUP));
	close(fd);
}

static void binding(void)
{
	int fd = socket(AF_INET, SOCK_STREAM, 0), second = socket(AF_INET, SOCK_STREAM, 0), port = 0;
	struct sockaddr_in name = at(INADDR_LOOPBACK, 0);
	socklen_t length = sizeof(name);

	CHECK("an unbound name", getsockname(fd, (struct sockaddr *)&name, &length) == 0 &&
				     length == sizeof(name) && name.sin_family == AF_INET && !name.sin_port &&
				     !name.sin_addr.s_addr);
	CHECK("bind to any port", bind_to(fd, INADDR_LOOPBACK, 0) == 0 && (port = port_of(fd)) > 1023);
	CHECK_ERROR("bind twice", bind_to(fd, INADDR_LOOPBACK, 0), EINVAL);
	CHECK("listen", listen(fd, 1) == 0 && option(fd, SOL_SOCKET, SO_ACCEPTCONN) == 1);
	CHECK_ERROR("a port in use", bind_to(second, INADDR_LOOPBACK, port), EADDRINUSE);
	CHECK_ERROR("not our address", bind_to(second, 0xc0000201, 0), EADDRNOTAVAIL);
	name.sin_family = AF_INET6;
	CHECK_ERROR("another family", bind(second, (struct sockaddr *)&name, sizeof(name)), EAFNOSUPPORT);
	CHECK_ERROR("a short name", bind(second, (struct sockaddr *)&name, 7), EINVAL);
	CHECK_ERROR("accept without listening", accept(second, NULL, NULL), EINVAL);
	CHECK("listening binds", listen(second, 1) == 0 && port_of(second) > 1023);
	close(fd);
	close(second);
	fd = socket(AF_INET, SOCK_STREAM, 0);
	CHECK("a closed listener's port is free", bind_to(fd, INADDR_LOOPBACK, port) == 0);
	close(fd);
	CHECK_ERROR("no socket", bind(0, (struct sockaddr *)&name, sizeof(name)), ENOTSOCK);
}

static void connecting(void)
{
	struct sockaddr_in name, own;
	socklen_t length = sizeof(name);
	int l = listener(2), a = socket(AF_INET, SOCK_STREAM, 0), b;

	CHECK("nobody waits to be accepted", ready(l, POLLIN, 0) == 0);
	CHECK("connect", connect_to(a, port_of(l)) == 0);
	CHECK("now somebody does", ready(l, POLLIN, 5000) == POLLIN);
	b = accept4(l, (struct sockaddr *)&name, &length, SOCK_CLOEXEC | SOCK_NONBLOCK);
	CHECK("accept4", b >= 0 && fcntl(b, F_GETFD) == FD_CLOEXEC && fcntl(b, F_GETFL) & O_NONBLOCK);
	length = sizeof(own);
	CHECK("the peer's name", getsockname(a, (struct sockaddr *)&own, &length) == 0 &&
				     own.sin_port == name.sin_port &&
				     own.sin_addr.s_addr == htonl(INADDR_LOOPBACK) &&
				     name.sin_addr.s_addr == own.sin_addr.s_addr);
	length = sizeof(own);
	CHECK("getpeername", getpeername(a, (struct sockaddr *)&own, &length) == 0 &&
				 ntohs(own.sin_port) == port_of(l) && length == sizeof(own));
	CHECK_ERROR("connect twice", connect_to(a, port_of(l)), EISCONN);
	CHECK_ERROR("a listener does not connect", connect_to(l, 1), EISCONN);
	CHECK_ERROR("nothing to read", read(b, buffer, 1), EAGAIN);
	close(a);
	close(b);
	a = socket(AF_INET, SOCK_STREAM, 0);
	b = port_of(l);
	close(l);
	CHECK_ERROR("nobody listens", connect_to(a, b), ECONNREFUSED);
	close(a);
	a = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
	CHECK_ERROR("nobody listens, without waiting", connect_to(a, b), EINPROGRESS);
	CHECK("poll tells", ready(a, POLLOUT, 5000) & (POLLERR | POLLHUP));
	CHECK("SO_ERROR says why, once",
	      option(a, SOL_SOCKET, SO_ERROR) == ECONNREFUSED && option(a, SOL_SOCKET, SO_ERROR) == 0);
	close(a);
	l = listener(2);
	a = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
	CHECK_ERROR("connect without waiting", connect_to(a, port_of(l)), EINPROGRESS);
	CHECK("it is connected then",
	      ready(a, POLLOUT, 5000) == POLLOUT && option(a, SOL_SOCKET, SO_ERROR) == 0);
	close(a);
	close(l);
}

static void data(void)
{
	struct iovec vector[2] = { { (void *)"ab", 2 }, { (void *)"cde", 3 } };
	struct msghdr message = { .msg_iov = vector, .msg_iovlen = 2 };
	int fds[2], count;

	pair_of(fds);
	CHECK("write", write(fds[0], "hello", 5) == 5);
	CHECK("FIONREAD",
	      ready(fds[1], POLLIN, 5000) == POLLIN && ioctl(fds[1], FIONREAD, &count) == 0 && count == 5);
	CHECK("peek", recv(fds[1], buffer, 10, MSG_PEEK) == 5 && !memcmp(buffer, "hello", 5));
	CHECK("read a part", read(fds[1], buffer, 2) == 2 && !memcmp(buffer, "he", 2));
	CHECK("read the rest", read(fds[1], buffer, 10) == 3 && !memcmp(buffer, "llo", 3));
	CHECK_ERROR("MSG_DONTWAIT", recv(fds[1], buffer, 10, MSG_DONTWAIT), EAGAIN);
	CHECK("sendmsg", sendmsg(fds[1], &message, 0) == 5);
	CHECK("MSG_WAITALL", recv(fds[0], buffer, 5, MSG_WAITALL) == 5 && !memcmp(buffer, "abcde", 5));
	CHECK("writev", writev(fds[1], vector, 2) == 5);
	vector[0].iov_base = buffer;
	vector[0].iov_len = 1;
	vector[1].iov_base = buffer + 100;
	vector[1].iov_len = 4;
	CHECK("readv", ready(fds[0], POLLIN, 5000) && readv(fds[0], vector, 2) == 5 && buffer[0] == 'a' &&
			   !memcmp(buffer + 100, "bcde", 4));
	CHECK("nothing is nothing", write(fds[0], "", 0) == 0 && read(fds[1], buffer, 0) == 0);
	close(fds[0]);
	close(fds[1]);
}

static void fill(unsigned seed)
{
	for (size_t i = 0; i < sizeof(buffer); i++)
		buffer[i] = (unsigned char)((seed = seed * 1103515245 + 12345) >> 16);
}

static int read_all(int fd, unsigned char *to, size_t length)
{
	size_t done = 0;
	ssize_t part;

	while (done < length && (part = read(fd, to + done, length - done)) > 0)
		done += (size_t)part;
	return done == length;
}

static void bulk(void)
{
	int fds[2], good = 1, status;
	ssize_t part = 0;
	size_t done = 0;
	pid_t child;

	pair_of(fds);
	child = fork();
	if (!child) {
		close(fds[0]);
		for (unsigned round = 0; round < 4; round++) {
			fill(round);
			if (!read_all(fds[1], other, sizeof(other)) || memcmp(buffer, other, sizeof(other)))
				_exit(1);
		}
		_exit(write(fds[1], "done", 4) != 4);
	}
	close(fds[1]);
	for (unsigned round = 0; round < 4; round++) {
		fill(round);
		good = good && write(fds[0], buffer, sizeof(buffer)) == (ssize_t)sizeof(buffer);
	}
	CHECK("a long write is whole", good);
	CHECK("it arrives as it was", read(fds[0], other, 10) == 4);
	CHECK("the reader is content", waitpid(child, &status, 0) == child && status == 0);
	close(fds[0]);
	pair_of(fds);
	fcntl(fds[0], F_SETFL, O_NONBLOCK);
	while (done < 100u << 20 &&
	       ((part = write(fds[0], buffer, sizeof(buffer))) > 0 || ready(fds[0], POLLOUT, 500) == POLLOUT))
		done += part > 0 ? (size_t)part : 0;
	CHECK("there is an end to what is taken", done && done < 100u << 20);
	while (done && (part = read(fds[1], other, sizeof(other))) > 0)
		done -= (size_t)part;
	CHECK("all of it arrives", done == 0);
	CHECK("there is room again", ready(fds[0], POLLOUT, 5000) == POLLOUT);
	close(fds[0]);
	close(fds[1]);
}

static void ends(void)
{
	struct linger linger = { 1, 0 };
	int fds[2];

	pair_of(fds);
	write(fds[0], "last", 4);
	CHECK("shutdown", shutdown(fds[0], SHUT_WR) == 0);
	CHECK_ERROR("nothing can be written then", write(fds[0], "x", 1), EPIPE);
	CHECK("what was sent comes first", read_all(fds[1], buffer, 4) && !memcmp(buffer, "last", 4));
	CHECK("then the end", read(fds[1], buffer, 10) == 0 && read(fds[1], buffer, 10) == 0);
	CHECK("poll tells of it", (ready(fds[1], POLLIN | POLLRDHUP, 0) & (POLLIN | POLLRDHUP | POLLHUP)) ==
				      (POLLIN | POLLRDHUP));
	CHECK("the other way is open", write(fds[1], "back", 4) == 4 && read_all(fds[0], buffer, 4));
	close(fds[1]);
	CHECK("both ended", read(fds[0], buffer, 1) == 0 && ready(fds[0], POLLIN, 1000) & POLLHUP);
	close(fds[0]);
	pair_of(fds);
	write(fds[0], "unread", 6);
	CHECK("something is unread", ready(fds[1], POLLIN, 5000) == POLLIN);
	close(fds[1]);
	CHECK("closing then resets", ready(fds[0], POLLIN, 5000) & POLLIN);
	CHECK_ERROR("which reading tells", read(fds[0], buffer, 1), ECONNRESET);
	close(fds[0]);
	pair_of(fds);
	CHECK("SO_LINGER of 0", setsockopt(fds[1], SOL_SOCKET, SO_LINGER, &linger, sizeof(linger)) == 0);
	close(fds[1]);
	CHECK("resets", ready(fds[0], POLLIN, 5000) & POLLIN);
	CHECK_ERROR("reading tells", read(fds[0], buffer, 1), ECONNRESET);
	CHECK("once", read(fds[0], buffer, 1) == 0);
	close(fds[0]);
	pair_of(fds);
	close(fds[1]);
	ready(fds[0], POLLIN, 5000);
	CHECK("one write goes", write(fds[0], "x", 1) == 1);
	ready(fds[0], POLLERR, 5000);
	CHECK_ERROR("the next does not", write(fds[0], "x", 1), EPIPE);
	close(fds[0]);
}

static void options(void)
{
	struct timeval time = { 0, 200000 }, got = { 0 };
	socklen_t length = sizeof(got);
	int fds[2], fd = socket(AF_INET, SOCK_STREAM, 0);

	CHECK("SO_REUSEADDR", option(fd, SOL_SOCKET, SO_REUSEADDR) == 0 &&
				  set(fd, SOL_SOCKET, SO_REUSEADDR, 1) == 0 &&
				  option(fd, SOL_SOCKET, SO_REUSEADDR) == 1);
	CHECK("SO_KEEPALIVE",
	      set(fd, SOL_SOCKET, SO_KEEPALIVE, 1) == 0 && option(fd, SOL_SOCKET, SO_KEEPALIVE) == 1);
	CHECK("TCP_NODELAY", option(fd, IPPROTO_TCP, TCP_NODELAY) == 0 &&
				 set(fd, IPPROTO_TCP, TCP_NODELAY, 1) == 0 &&
				 option(fd, IPPROTO_TCP, TCP_NODELAY) == 1);
	CHECK("TCP_KEEPIDLE",
	      set(fd, IPPROTO_TCP, TCP_KEEPIDLE, 33) == 0 && option(fd, IPPROTO_TCP, TCP_KEEPIDLE) == 33);
	CHECK("TCP_KEEPINTVL",
	      set(fd, IPPROTO_TCP, TCP_KEEPINTVL, 9) == 0 && option(fd, IPPROTO_TCP, TCP_KEEPINTVL) == 9);
	CHECK("TCP_KEEPCNT",
	      set(fd, IPPROTO_TCP, TCP_KEEPCNT, 4) == 0 && option(fd, IPPROTO_TCP, TCP_KEEPCNT) == 4);
	CHECK_ERROR("too short an interval", set(fd, IPPROTO_TCP, TCP_KEEPINTVL, 0), EINVAL);
	CHECK("IP_TTL", set(fd, IPPROTO_IP, IP_TTL, 77) == 0 && option(fd, IPPROTO_IP, IP_TTL) == 77);
	CHECK("SO_RCVBUF is doubled",
	      set(fd, SOL_SOCKET, SO_RCVBUF, 20000) == 0 && option(fd, SOL_SOCKET, SO_RCVBUF) == 40000);
	CHECK_ERROR("an unknown option", set(fd, SOL_SOCKET, 1000, 1), ENOPROTOOPT);
	CHECK_ERROR("too short a value", setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, buffer, 1), EINVAL);
	close(fd);
	pair_of(fds);
	CHECK("SO_RCVTIMEO", setsockopt(fds[0], SOL_SOCKET, SO_RCVTIMEO, &time, sizeof(time)) == 0 &&
				 getsockopt(fds[0], SOL_SOCKET, SO_RCVTIMEO, &got, &length) == 0 &&
				 length == sizeof(got) && got.tv_sec == 0 && got.tv_usec == 200000);
	CHECK_ERROR("reading gives up", read(fds[0], buffer, 1), EAGAIN);
	close(fds[0]);
	close(fds[1]);
}

static void v6(void)
{
	struct sockaddr_in6 name = { .sin6_family = AF_INET6, .sin6_addr = IN6ADDR_ANY_INIT }, peer;
	static const unsigned char mapped[16] = { 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff, 127, 0, 0, 1 };
	socklen_t length = sizeof(peer);
	int l = socket(AF_INET6, SOCK_STREAM, 0), a, b;

	CHECK("a socket of IPv6 listens to both",
	      l >= 0 && bind(l, (struct sockaddr *)&name, sizeof(name)) == 0 && listen(l, 5) == 0);
	a = socket(AF_INET, SOCK_STREAM, 0);
	CHECK("IPv4 comes", connect_to(a, port_of(l)) == 0);
	b = accept(l, (struct sockaddr *)&peer, &length);
	CHECK("as a mapped address",
	      b >= 0 && length == sizeof(peer) && !memcmp(&peer.sin6_addr, mapped, 16));
	close(a);
	close(b);
	a = socket(AF_INET6, SOCK_STREAM, 0);
	name.sin6_port = htons((uint16_t)port_of(l));
	name.sin6_addr = in6addr_loopback;
	CHECK("IPv6 comes", connect(a, (struct sockaddr *)&name, sizeof(name)) == 0);
	length = sizeof(peer);
	b = accept(l, (struct sockaddr *)&peer, &length);
	CHECK("from ::1", b >= 0 && !memcmp(&peer.sin6_addr, &in6addr_loopback, 16));
	CHECK("data", write(a, "six", 3) == 3 && read_all(b, buffer, 3) && !memcmp(buffer, "six", 3));
	close(a);
	close(b);
	close(l);
	l = socket(AF_INET6, SOCK_STREAM, 0);
	name.sin6_addr = in6addr_any;
	name.sin6_port = 0;
	CHECK("IPV6_V6ONLY", set(l, IPPROTO_IPV6, IPV6_V6ONLY, 1) == 0 &&
				 option(l, IPPROTO_IPV6, IPV6_V6ONLY) == 1 &&
				 bind(l, (struct sockaddr *)&name, sizeof(name)) == 0 && listen(l, 5) == 0);
	a = socket(AF_INET, SOCK_STREAM, 0);
	CHECK_ERROR("keeps IPv4 out", connect_to(a, port_of(l)), ECONNREFUSED);
	close(a);
	close(l);
}

static void interrupted(int signal_number)
{
	(void)signal_number;
}

static void waiting(void)
{
	struct epoll_event event = { .events = EPOLLIN };
	struct sigaction action = { .sa_handler = interrupted };
	int l = listener(1), e = epoll_create1(0), fds[2];
	pid_t child;

	sigaction(SIGALRM, &action, NULL);
	setitimer(ITIMER_REAL, &(struct itimerval){ .it_value = { 0, 100000 } }, NULL);
	CHECK_ERROR("a signal ends accept", accept(l, NULL, NULL), EINTR);
	NEED(epoll_ctl(e, EPOLL_CTL_ADD, l, &event) == 0);
	CHECK("epoll: nobody yet", epoll_wait(e, &event, 1, 0) == 0);
	child = fork();
	if (!child) {
		int fd = socket(AF_INET, SOCK_STREAM, 0);

		usleep(50000);
		_exit(connect_to(fd, port_of(l)) || read(fd, buffer, 1) != 0);
	}
	CHECK("epoll: somebody", epoll_wait(e, &event, 1, 10000) == 1 && event.events == EPOLLIN);
	close(accept(l, NULL, NULL));
	CHECK("who ends when we do", waitpid(child, &fds[0], 0) == child && fds[0] == 0);
	close(e);
	close(l);
	pair_of(fds);
	child = fork();
	if (!child) {
		close(fds[0]);
		usleep(50000);
		_exit(write(fds[1], "late", 4) != 4);
	}
	close(fds[1]);
	CHECK("read waits", read(fds[0], buffer, 10) == 4);
	CHECK("the end of a process is the end of its connection", read(fds[0], buffer, 10) == 0);
	waitpid(child, NULL, 0);
	close(fds[0]);
}

int main(void)
{
	making();
	binding();
	connecting();
	data();
	bulk();
	ends();
	options();
	v6();
	waiting();
	return check_result();
}
