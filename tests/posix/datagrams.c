/* SPDX-License-Identifier: MIT */
/* TEST: stock. Datagrams of UDP and of unix sockets: several at once, cut, looked at, refused by nobody's port; buffers and times. */
#define _GNU_SOURCE
#include <fcntl.h>
#include <signal.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/time.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <time.h>

#include "inet.h"

#define LONG 20000

static char bytes[70000];

/* --- several in one call ---------------------------------------------------------------------------------------- */

static char texts[8][16];
static struct iovec vectors[8];
static struct mmsghdr messages[8];

static void fresh(void)
{
	memset(messages, 0, sizeof(messages));
	for (int i = 0; i < 8; i++) {
		vectors[i] = (struct iovec){ texts[i], sizeof(texts[i]) };
		messages[i].msg_hdr.msg_iov = &vectors[i];
		messages[i].msg_hdr.msg_iovlen = 1;
	}
}

static void several(void)
{
	struct timespec time = { 0, 1 }, wrong = { 0, 1000000000 };
	struct sockaddr_in names[8];
	int fds[2];

	datagram_pair(fds);
	fresh();
	for (int i = 0; i < 5; i++) {
		snprintf(texts[i], sizeof(texts[i]), "number %d", i);
		vectors[i].iov_len = 8;
	}
	CHECK("sendmmsg", sendmmsg(fds[0], messages, 5, 0) == 5 && messages[0].msg_len == 8 &&
			      messages[4].msg_len == 8 && messages[5].msg_len == 0);
	ready(fds[1], POLLIN, LONG);
	usleep(50000);
	memset(texts, 0, sizeof(texts));
	fresh();
	for (int i = 0; i < 8; i++) {
		messages[i].msg_hdr.msg_name = &names[i];
		messages[i].msg_hdr.msg_namelen = sizeof(names[i]);
	}
	CHECK("recvmmsg takes what is there", recvmmsg(fds[1], messages, 3, 0, NULL) == 3 &&
						  !strcmp(texts[2], "number 2") && messages[2].msg_len == 8);
	CHECK("each with its sender", ntohs(names[1].sin_port) == port_of(fds[0]) &&
					  messages[1].msg_hdr.msg_namelen == sizeof(names[1]));
	CHECK("the rest without waiting",
	      recvmmsg(fds[1], messages, 8, MSG_DONTWAIT, NULL) == 2 && !strcmp(texts[1], "number 4"));
	CHECK_ERROR("nothing is left", recvmmsg(fds[1], messages, 8, MSG_DONTWAIT, NULL), EAGAIN);
	send(fds[0], "one", 3, 0);
	CHECK("MSG_WAITFORONE", recvmmsg(fds[1], messages, 8, MSG_WAITFORONE, NULL) == 1);
	send(fds[0], "two", 3, 0);
	CHECK("a time that is over with the first", recvmmsg(fds[1], messages, 8, 0, &time) == 1);
	CHECK_ERROR("no time", recvmmsg(fds[1], messages, 8, 0, &wrong), EINVAL);
	vectors[1].iov_base = mmap(NULL, 4096, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	CHECK("sendmmsg up to what fails", sendmmsg(fds[0], messages, 3, 0) == 1);
	CHECK_ERROR("which the next tells", sendmmsg(fds[0], messages + 1, 2, 0), EFAULT);
	CHECK_ERROR("no socket", sendmmsg(0, messages, 1, 0), ENOTSOCK);
	CHECK_ERROR("nor here", recvmmsg(0, messages, 1, 0, NULL), ENOTSOCK);
	CHECK_ERROR("nothing", recvmmsg(777, messages, 1, 0, NULL), EBADF);
	close(fds[0]);
	close(fds[1]);
}

/* --- UDP -------------------------------------------------------------------------------------------------------------- */

static void cut_and_seen(int a, int b, const char *of)
{
	struct iovec vector = { bytes, 4 };
	struct msghdr message = { .msg_iov = &vector, .msg_iovlen = 1 };
	char name[80];
	int count = -1;

	send(a, "abcdefgh", 8, 0);
	send(a, "", 0, 0);
	send(a, "xyz", 3, 0);
	ready(b, POLLIN, LONG);
	snprintf(name, sizeof(name), "%s: MSG_PEEK", of);
	CHECK(name, recv(b, bytes, 100, MSG_PEEK) == 8);
	snprintf(name, sizeof(name), "%s: MSG_TRUNC with it", of);
	CHECK(name, recv(b, bytes, 2, MSG_PEEK | MSG_TRUNC) == 8);
	snprintf(name, sizeof(name), "%s: FIONREAD", of);
	CHECK(name, ioctl(b, FIONREAD, &count) == 0 && count == 8);
	snprintf(name, sizeof(name), "%s: one that is cut says so", of);
	CHECK(name,
	      recvmsg(b, &message, 0) == 4 && message.msg_flags & MSG_TRUNC && !memcmp(bytes, "abcd", 4));
	snprintf(name, sizeof(name), "%s: an empty one", of);
	CHECK(name, ready(b, POLLIN, LONG) == POLLIN && recv(b, bytes, 100, 0) == 0);
	snprintf(name, sizeof(name), "%s: MSG_WAITALL does not join them", of);
	CHECK(name, ready(b, POLLIN, LONG) == POLLIN && recv(b, bytes, 100, MSG_WAITALL) == 3);
	snprintf(name, sizeof(name), "%s: there are no more", of);
	CHECK_ERROR(name, recv(b, bytes, 100, MSG_DONTWAIT), EAGAIN);
}

static void udp(void)
{
	struct sockaddr_in to, own;
	struct sockaddr none = { .sa_family = AF_UNSPEC };
	socklen_t length = sizeof(own);
	int fds[2], other = socket(AF_INET, SOCK_DGRAM, 0);

	datagram_pair(fds);
	cut_and_seen(fds[0], fds[1], "UDP");
	CHECK_ERROR("too long", send(fds[0], bytes, 65508, 0), EMSGSIZE);
	CHECK("as long as may be", send(fds[0], bytes, 65507, 0) == 65507 && ready(fds[1], POLLIN, LONG) &&
				       recv(fds[1], bytes, sizeof(bytes), 0) == 65507);
	to = at(INADDR_LOOPBACK, port_of(fds[0]));
	CHECK("a stranger's", sendto(other, "s", 1, 0, (struct sockaddr *)&to, sizeof(to)) == 1);
	usleep(50000);
	CHECK_ERROR("is not for who is connected", recv(fds[0], bytes, 9, MSG_DONTWAIT), EAGAIN);
	CHECK_ERROR("nobody to send to", send(other, "x", 1, 0), EDESTADDRREQ);
	CHECK("one that is connected may send elsewhere",
	      (to = at(INADDR_LOOPBACK, port_of(other)),
	       sendto(fds[0], "t", 1, 0, (struct sockaddr *)&to, sizeof(to)) == 1) &&
		  ready(other, POLLIN, LONG) && recv(other, bytes, 9, 0) == 1);
	CHECK("connected to nobody", connect(fds[0], &none, sizeof(none)) == 0);
	CHECK_ERROR("it has no peer", getpeername(fds[0], (struct sockaddr *)&own, &length), ENOTCONN);
	CHECK_ERROR("to send to", send(fds[0], "x", 1, 0), EDESTADDRREQ);
	CHECK_ERROR("port 0", (to.sin_port = 0, sendto(other, "x", 1, 0, (struct sockaddr *)&to, sizeof(to))),
		    EINVAL);
	CHECK_ERROR("shutdown of one without a peer", shutdown(other, SHUT_RD), ENOTCONN);
	close(other);
	close(fds[0]);
	close(fds[1]);
}

static void nobody_there(void)
{
	int fds[2], port;
	struct sockaddr_in to;

	datagram_pair(fds);
	port = port_of(fds[1]);
	close(fds[1]);
	CHECK("to a port that nobody has", send(fds[0], "x", 1, 0) == 1);
	CHECK("poll tells", ready(fds[0], POLLIN, LONG) & POLLERR);
	CHECK_ERROR("and receiving", recv(fds[0], bytes, 9, 0), ECONNREFUSED);
	CHECK_ERROR("once", recv(fds[0], bytes, 9, MSG_DONTWAIT), EAGAIN);
	CHECK("again", send(fds[0], "x", 1, 0) == 1 && ready(fds[0], POLLIN, LONG) & POLLERR);
	CHECK_ERROR("sending tells too", send(fds[0], "x", 1, 0), ECONNREFUSED);
	ready(fds[0], POLLIN, 200);
	CHECK("SO_ERROR", (send(fds[0], "x", 1, 0), ready(fds[0], POLLIN, LONG) & POLLERR) &&
			      get(fds[0], SOL_SOCKET, SO_ERROR) == ECONNREFUSED &&
			      get(fds[0], SOL_SOCKET, SO_ERROR) == 0);
	close(fds[0]);
	fds[0] = socket(AF_INET, SOCK_DGRAM, 0);
	to = at(INADDR_LOOPBACK, port);
	CHECK("who is not connected", sendto(fds[0], "x", 1, 0, (struct sockaddr *)&to, sizeof(to)) == 1);
	CHECK("is not told", ready(fds[0], POLLIN, 200) == 0);
	close(fds[0]);
}

/* --- unix sockets --------------------------------------------------------------------------------------------------------- */

static void unix_options(void)
{
	struct timeval time = { 0, 150000 }, got = { 9, 9 };
	struct linger linger = { 1, 3 };
	socklen_t length = sizeof(got);
	struct ucred creds;
	int fds[2], fd = socket(AF_UNIX, SOCK_STREAM, 0);

	NEED(socketpair(AF_UNIX, SOCK_STREAM, 0, fds) == 0);
	CHECK("type, domain, protocol", get(fd, SOL_SOCKET, SO_TYPE) == SOCK_STREAM &&
					    get(fd, SOL_SOCKET, SO_DOMAIN) == AF_UNIX &&
					    get(fd, SOL_SOCKET, SO_PROTOCOL) == 0);
	CHECK("SO_SNDBUF",
	      set(fd, SOL_SOCKET, SO_SNDBUF, 20000) == 0 && get(fd, SOL_SOCKET, SO_SNDBUF) == 40000);
	CHECK("SO_RCVBUF", set(fd, SOL_SOCKET, SO_RCVBUF, 1) == 0 && get(fd, SOL_SOCKET, SO_RCVBUF) == 2304);
	CHECK("SO_PASSCRED",
	      set(fd, SOL_SOCKET, SO_PASSCRED, 7) == 0 && get(fd, SOL_SOCKET, SO_PASSCRED) == 1);
	CHECK("SO_REUSEADDR",
	      set(fd, SOL_SOCKET, SO_REUSEADDR, 1) == 0 && get(fd, SOL_SOCKET, SO_REUSEADDR) == 1);
	CHECK("SO_KEEPALIVE",
	      set(fd, SOL_SOCKET, SO_KEEPALIVE, 1) == 0 && get(fd, SOL_SOCKET, SO_KEEPALIVE) == 1);
	CHECK("SO_BROADCAST",
	      set(fd, SOL_SOCKET, SO_BROADCAST, 1) == 0 && get(fd, SOL_SOCKET, SO_BROADCAST) == 1);
	CHECK("SO_PRIORITY",
	      set(fd, SOL_SOCKET, SO_PRIORITY, 2) == 0 && get(fd, SOL_SOCKET, SO_PRIORITY) == 2);
	CHECK("SO_LINGER", setsockopt(fd, SOL_SOCKET, SO_LINGER, &linger, sizeof(linger)) == 0);
	CHECK("SO_RCVTIMEO", setsockopt(fds[0], SOL_SOCKET, SO_RCVTIMEO, &time, sizeof(time)) == 0 &&
				 getsockopt(fds[0], SOL_SOCKET, SO_RCVTIMEO, &got, &length) == 0 &&
				 length == sizeof(got) && got.tv_sec == 0 && got.tv_usec >= 150000 &&
				 got.tv_usec < 160000);
	CHECK_ERROR("reading gives up", read(fds[0], bytes, 1), EAGAIN);
	CHECK("SO_SNDTIMEO", setsockopt(fds[0], SOL_SOCKET, SO_SNDTIMEO, &time, sizeof(time)) == 0);
	while (send(fds[0], bytes, 60000, 0) == 60000)
		;
	CHECK_ERROR("writing gives up", (send(fds[0], bytes, 60000, 0), send(fds[0], bytes, 60000, 0)),
		    EAGAIN);
	time.tv_usec = 1000000;
	CHECK_ERROR("too many microseconds", setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &time, sizeof(time)),
		    EDOM);
	CHECK("SO_ACCEPTCONN", get(fd, SOL_SOCKET, SO_ACCEPTCONN) == 0);
	length = sizeof(creds);
	CHECK("SO_PEERCRED", getsockopt(fds[0], SOL_SOCKET, SO_PEERCRED, &creds, &length) == 0 &&
				 length == sizeof(creds) && creds.pid == getpid() && creds.uid == geteuid());
	CHECK_ERROR("one that is not", set(fd, SOL_SOCKET, 999, 1), ENOPROTOOPT);
	CHECK_ERROR("of another level", set(fd, IPPROTO_TCP, 1, 1), EOPNOTSUPP);
	close(fd);
	close(fds[0]);
	close(fds[1]);
}

static void unix_ends(void)
{
	struct sockaddr_un name = { .sun_family = AF_UNIX };
	struct timeval time = { 0, 100000 };
	int fds[2], l = socket(AF_UNIX, SOCK_STREAM, 0), a;

	signal(SIGPIPE, SIG_IGN);
	NEED(socketpair(AF_UNIX, SOCK_DGRAM, 0, fds) == 0);
	cut_and_seen(fds[0], fds[1], "unix datagrams");
	close(fds[1]);
	CHECK_ERROR("its peer is gone", send(fds[0], "x", 1, 0), ECONNREFUSED);
	close(fds[0]);
	NEED(socketpair(AF_UNIX, SOCK_SEQPACKET, 0, fds) == 0);
	CHECK("packets have bounds", send(fds[0], "abc", 3, 0) == 3 && send(fds[0], "de", 2, 0) == 2 &&
					 recv(fds[1], bytes, 100, 0) == 3 &&
					 recv(fds[1], bytes, 100, 0) == 2);
	CHECK("and an end", shutdown(fds[0], SHUT_WR) == 0 && recv(fds[1], bytes, 100, 0) == 0);
	close(fds[0]);
	close(fds[1]);
	NEED(socketpair(AF_UNIX, SOCK_STREAM, 0, fds) == 0);
	write(fds[0], "unread", 6);
	write(fds[1], "there", 5);
	close(fds[1]);
	CHECK("what the peer had sent is read", read(fds[0], bytes, 100) == 5);
	CHECK_ERROR("one that was closed with something unread is reset", read(fds[0], bytes, 100),
		    ECONNRESET);
	CHECK("once", read(fds[0], bytes, 100) == 0);
	close(fds[0]);
	snprintf(name.sun_path + 1, 50, "ends.%d", (int)getpid());
	NEED(bind(l, (struct sockaddr *)&name, sizeof(name)) == 0 && listen(l, 1) == 0);
	NEED(setsockopt(l, SOL_SOCKET, SO_RCVTIMEO, &time, sizeof(time)) == 0);
	CHECK_ERROR("accept gives up", accept(l, NULL, NULL), EAGAIN);
	a = socket(AF_UNIX, SOCK_STREAM, 0);
	NEED(connect(a, (struct sockaddr *)&name, sizeof(name)) == 0);
	close(l);
	CHECK("closing a listener ends who waits", ready(a, POLLIN, LONG) & POLLHUP);
	CHECK_ERROR("by a reset", read(a, bytes, 1), ECONNRESET);
	close(a);
}

int main(void)
{
	several();
	udp();
	nobody_there();
	unix_options();
	unix_ends();
	return check_result();
}
