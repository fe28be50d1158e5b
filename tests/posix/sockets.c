/* SPDX-License-Identifier: MIT */
/* TEST: stock. Unix sockets: names in the file system and abstract ones, streams, datagrams, descriptors, credentials. */
#define _GNU_SOURCE
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stddef.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include "check.h"

static char buffer[70000];

static socklen_t name(struct sockaddr_un *to, const char *path)
{
	memset(to, 0, sizeof(*to));
	to->sun_family = AF_UNIX;
	strcpy(to->sun_path + (*path == '@'), *path == '@' ? path + 1 : path);
	return (socklen_t)(offsetof(struct sockaddr_un, sun_path) + strlen(path) + (*path != '@'));
}

static int do_bind(int fd, const char *path)
{
	struct sockaddr_un to;
	socklen_t length = name(&to, path);

	return bind(fd, (struct sockaddr *)&to, length);
}

static int do_connect(int fd, const char *path)
{
	struct sockaddr_un to;
	socklen_t length = name(&to, path);

	return connect(fd, (struct sockaddr *)&to, length);
}

static int server(int type, const char *path)
{
	int fd = socket(AF_UNIX, type, 0);

	return fd >= 0 && do_bind(fd, path) == 0 && listen(fd, 4) == 0 ? fd : -1;
}

static int ready(int fd, int events)
{
	struct pollfd p = { fd, (short)events, 0 };

	return poll(&p, 1, 0) == 1 ? p.revents : 0;
}

static void streams(const char *path)
{
	struct sockaddr_un from;
	socklen_t length = sizeof(from);
	struct ucred creds;
	struct stat st;
	int listener = server(SOCK_STREAM, path), a = socket(AF_UNIX, SOCK_STREAM, 0), b;

	NEED(listener >= 0 && a >= 0);
	if (*path != '@')
		CHECK("it is there", stat(path, &st) == 0 && S_ISSOCK(st.st_mode));
	CHECK_ERROR("the name is taken", do_bind(a, path), EADDRINUSE);
	CHECK_ERROR("not twice", do_bind(listener, "other"), EINVAL);
	CHECK("nobody yet", !ready(listener, POLLIN));
	CHECK_ERROR("not connected", send(a, "x", 1, MSG_NOSIGNAL), ENOTCONN);
	CHECK("connect", do_connect(a, path) == 0);
	CHECK_ERROR("once", do_connect(a, path), EISCONN);
	CHECK("it can be accepted", ready(listener, POLLIN) & POLLIN);
	CHECK("sent before it is accepted", send(a, "early", 5, 0) == 5);
	b = accept4(listener, (struct sockaddr *)&from, &length, SOCK_CLOEXEC);
	CHECK("accept", b >= 0 && fcntl(b, F_GETFD) == FD_CLOEXEC);
	CHECK("the client has no name", length == sizeof(sa_family_t) && from.sun_family == AF_UNIX);
	CHECK("it has come", recv(b, buffer, 100, 0) == 5 && !memcmp(buffer, "early", 5));
	CHECK("peeking", send(b, "answer", 6, 0) == 6 && recv(a, buffer, 3, MSG_PEEK) == 3 &&
			     recv(a, buffer, 100, 0) == 6 && !memcmp(buffer, "answer", 6));
	CHECK_ERROR("nothing more", recv(a, buffer, 1, MSG_DONTWAIT), EAGAIN);
	length = sizeof(from);
	CHECK("the peer's name", getpeername(a, (struct sockaddr *)&from, &length) == 0 && length > 2 &&
				     !strcmp(from.sun_path + (*path == '@'), path + (*path == '@')));
	length = sizeof(creds);
	CHECK("who it is", getsockopt(b, SOL_SOCKET, SO_PEERCRED, &creds, &length) == 0 &&
			       creds.pid == getpid() && creds.uid == getuid());
	CHECK("half closed", shutdown(a, SHUT_WR) == 0 && recv(b, buffer, 1, 0) == 0 &&
				 ready(b, POLLIN | POLLRDHUP) == (POLLIN | POLLRDHUP));
	CHECK("the other half", send(b, "x", 1, 0) == 1 && recv(a, buffer, 1, 0) == 1);
	close(a);
	CHECK_ERROR("nobody reads", send(b, "x", 1, MSG_NOSIGNAL), EPIPE);
	close(b);
	close(listener);
	a = socket(AF_UNIX, SOCK_STREAM, 0);
	CHECK_ERROR("nobody listens", do_connect(a, path), ECONNREFUSED);
	close(a);
	if (*path != '@')
		CHECK("the name stays", unlink(path) == 0);
}

static void refused(void)
{
	int a = socket(AF_UNIX, SOCK_STREAM, 0), fd = open("file", O_CREAT | O_RDWR, 0600), l;
	int p[2];

	NEED(pipe(p) == 0);
	CHECK_ERROR("no such name", do_connect(a, "none"), ENOENT);
	CHECK_ERROR("a file", do_connect(a, "file"), ECONNREFUSED);
	CHECK_ERROR("on a file", listen(fd, 1), ENOTSOCK);
	CHECK_ERROR("on a pipe", recv(p[0], buffer, 1, 0), ENOTSOCK);
	CHECK_ERROR("no name", listen(a, 1), EINVAL);
	CHECK_ERROR("not listening", accept(a, NULL, NULL), EINVAL);
	CHECK_ERROR("another family", socket(AF_APPLETALK, SOCK_STREAM, 0), EAFNOSUPPORT);
	l = server(SOCK_SEQPACKET, "@sequence");
	CHECK_ERROR("an abstract name of another type", do_connect(a, "@sequence"), ECONNREFUSED);
	CHECK_ERROR("a path of another type",
		    (close(l), l = server(SOCK_SEQPACKET, "sequence"), do_connect(a, "sequence")),
		    EPROTOTYPE);
	CHECK_ERROR("open", (close(server(SOCK_STREAM, "s")), open("s", O_RDWR)), ENXIO);
	close(a);
	close(fd);
	close(l);
	close(p[0]);
	close(p[1]);
}

static void messages(void)
{
	struct sockaddr_un to, from;
	socklen_t length = name(&to, "dgram"), from_length = sizeof(from);
	int a = socket(AF_UNIX, SOCK_DGRAM, 0), b = socket(AF_UNIX, SOCK_DGRAM, 0), l, pair[2];

	NEED(do_bind(a, "dgram") == 0 && do_bind(b, "@back") == 0);
	CHECK("sendto", sendto(b, "one", 3, 0, (struct sockaddr *)&to, length) == 3 &&
			    sendto(b, "", 0, 0, (struct sockaddr *)&to, length) == 0 &&
			    sendto(b, "three", 5, 0, (struct sockaddr *)&to, length) == 5);
	CHECK("ready", ready(a, POLLIN) == POLLIN);
	CHECK("from whom", recvfrom(a, buffer, 100, 0, (struct sockaddr *)&from, &from_length) == 3 &&
			       from_length == 7 && !memcmp(from.sun_path, "\0back", 5));
	CHECK("empty ones too", recv(a, buffer, 100, 0) == 0);
	CHECK("the rest of one is lost", recv(a, buffer, 2, MSG_TRUNC) == 5 && !ready(a, POLLIN));
	CHECK("answered", sendto(a, "ok", 2, 0, (struct sockaddr *)&from, from_length) == 2 &&
			      recv(b, buffer, 100, 0) == 2);
	CHECK("connected",
	      do_connect(b, "dgram") == 0 && write(b, "four", 4) == 4 && read(a, buffer, 100) == 4);
	close(a);
	CHECK_ERROR("gone", send(b, "x", 1, 0), ECONNREFUSED);
	close(b);
	l = server(SOCK_SEQPACKET, "@sequence");
	a = socket(AF_UNIX, SOCK_SEQPACKET, 0);
	NEED(do_connect(a, "@sequence") == 0 && (b = accept(l, NULL, NULL)) >= 0);
	CHECK("in order and whole", write(a, "12", 2) == 2 && write(a, "345", 3) == 3 &&
					read(b, buffer, 9) == 2 && read(b, buffer, 2) == 2 &&
					(close(a), read(b, buffer, 9)) == 0);
	close(b);
	close(l);
	NEED(socketpair(AF_UNIX, SOCK_DGRAM, 0, pair) == 0);
	CHECK("pairs",
	      write(pair[0], "ab", 2) == 2 && write(pair[0], "c", 1) == 1 && read(pair[1], buffer, 9) == 2);
	close(pair[0]);
	close(pair[1]);
}

union control {
	struct cmsghdr header;
	char space[CMSG_SPACE(3 * sizeof(int))];
};

static ssize_t give(int to, const char *text, const int *fds, size_t count)
{
	union control control = { 0 };
	struct iovec vector[2] = { { (char *)text, 1 }, { (char *)text + 1, strlen(text) - 1 } };
	struct msghdr m = { .msg_iov = vector, .msg_iovlen = 2, .msg_control = &control };

	m.msg_controllen = CMSG_SPACE(count * sizeof(int));
	control.header = (struct cmsghdr){ .cmsg_len = CMSG_LEN(count * sizeof(int)),
					   .cmsg_level = SOL_SOCKET,
					   .cmsg_type = SCM_RIGHTS };
	memcpy(CMSG_DATA(&control.header), fds, count * sizeof(int));
	return sendmsg(to, &m, 0);
}

static ssize_t take(int from, int *fds, size_t room, size_t *count, int flags, int *flags_out)
{
	union control control = { 0 };
	struct iovec vector = { buffer, sizeof(buffer) };
	struct msghdr m = { .msg_iov = &vector, .msg_iovlen = 1, .msg_control = room ? &control : NULL };
	struct cmsghdr *c;
	ssize_t n;

	m.msg_controllen = room ? CMSG_SPACE(room * sizeof(int)) : 0;
	n = recvmsg(from, &m, flags);
	*count = 0;
	*flags_out = m.msg_flags;
	c = n >= 0 && room ? CMSG_FIRSTHDR(&m) : NULL;
	if (c && c->cmsg_level == SOL_SOCKET && c->cmsg_type == SCM_RIGHTS) {
		*count = (c->cmsg_len - CMSG_LEN(0)) / sizeof(int);
		memcpy(fds, CMSG_DATA(c), *count * sizeof(int));
	}
	return n;
}

static void descriptors(int type)
{
	int pair[2], p[2], got[3], flags;
	size_t count;
	pid_t pid;

	NEED(socketpair(AF_UNIX, type, 0, pair) == 0 && pipe(p) == 0);
	CHECK("two go", give(pair[0], "pipe", p, 2) == 4);
	close(p[0]);
	CHECK("they are kept on the way", write(p[1], "inside", 6) == 6 && close(p[1]) == 0);
	CHECK("two come", take(pair[1], got, 2, &count, MSG_CMSG_CLOEXEC, &flags) == 4 && count == 2 &&
			      !(flags & MSG_CTRUNC) && fcntl(got[0], F_GETFD) == FD_CLOEXEC);
	CHECK("what is in it", read(got[0], buffer, 9) == 6 && !memcmp(buffer, "inside", 6));
	close(got[0]);
	close(got[1]);
	got[0] = open("file", O_CREAT | O_RDWR, 0600);
	NEED(write(got[0], "0123456789", 10) == 10 && lseek(got[0], 4, SEEK_SET) == 4);
	CHECK("a file", give(pair[1], "file", got, 1) == 4 && close(got[0]) == 0);
	CHECK("without room they go", give(pair[1], "lost", (int[]){ pair[1] }, 1) == 4);
	pid = fork();
	if (!pid)
		_exit(!(take(pair[0], got, 1, &count, 0, &flags) == 4 && count == 1 &&
			read(got[0], buffer, 2) == 2 && !memcmp(buffer, "45", 2)));
	NEED(waitpid(pid, &flags, 0) == pid);
	CHECK("in another process", flags == 0);
	CHECK("and say so", take(pair[0], got, 0, &count, 0, &flags) == 4 && (flags & MSG_CTRUNC));
	CHECK_ERROR("what is none", (int)give(pair[0], "bad", (int[]){ 77 }, 1), EBADF);
	if (type == SOCK_STREAM) {
		NEED(send(pair[0], "aa", 2, 0) == 2 && give(pair[0], "bb", pair, 1) == 2 &&
		     send(pair[0], "cc", 2, 0) == 2);
		CHECK("bytes before come with them",
		      take(pair[1], got, 1, &count, 0, &flags) == 4 && count == 1);
		CHECK("those behind do not", take(pair[1], got + 1, 1, &count, 0, &flags) == 2 && !count);
		close(got[0]);
	}
	close(pair[0]);
	close(pair[1]);
}

static void waiting(void)
{
	int listener = server(SOCK_STREAM, "@wait"), a, b, status;
	pid_t pid = fork();

	if (!pid) {
		a = socket(AF_UNIX, SOCK_STREAM, 0);
		usleep(50000);
		_exit(do_connect(a, "@wait") || write(a, "hello", 5) != 5 || read(a, buffer, 9) != 3);
	}
	b = accept(listener, NULL, NULL);
	CHECK("accept waits", b >= 0 && read(b, buffer, 9) == 5 && write(b, "bye", 3) == 3);
	NEED(waitpid(pid, &status, 0) == pid);
	CHECK("both sides", status == 0);
	close(b);
	fcntl(listener, F_SETFL, O_NONBLOCK);
	CHECK_ERROR("or not", accept(listener, NULL, NULL), EAGAIN);
	close(listener);
}

int main(void)
{
	check_enter_directory();
	streams("stream");
	streams("@abstract");
	refused();
	messages();
	descriptors(SOCK_STREAM);
	descriptors(SOCK_SEQPACKET);
	waiting();
	return check_result();
}
