/* SPDX-License-Identifier: MIT */
/*
 * crowd: many TCP connections.
 *
 *     crowd serve PORT                    sends back what comes, on any number of connections, until it is ended
 *     crowd hold HOST PORT COUNT          COUNT connections at once; something goes there on all and back on all, three times
 *     crowd churn HOST PORT COUNT         COUNT connections one after the other, ended in turn in all ways there are
 *     crowd idle PORT                     lets connections come and takes none
 *     crowd fill HOST PORT COUNT          COUNT connections on which nothing happens for three seconds
 *     crowd drain HOST PORT BYTES SERVICE MS
 *                                         reads what a source sends that counts (crowd.h), with `service kill SERVICE`
 *                                         in every other of the spans of MS, five times or more; what was read in which
 *
 * The last line says what was done; the status is 0 if all of it was right.
 */
#define _GNU_SOURCE
#include "crowd.h"

#include <errno.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

void fail(const char *what, long n)
{
	fprintf(stderr, "crowd: %s (%ld): %s\n", what, n, strerror(errno));
	exit(1);
}

struct sockaddr_in address_of(const char *host, const char *port)
{
	struct sockaddr_in address = { .sin_family = AF_INET, .sin_port = htons((uint16_t)atoi(port)) };

	if (inet_pton(AF_INET, host, &address.sin_addr) != 1)
		fail("no address", 0);
	return address;
}

int connection_to(const struct sockaddr_in *address, long n)
{
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	if (fd < 0)
		fail("socket", n);
	if (connect(fd, (const struct sockaddr *)address, sizeof(*address)))
		fail("connect", n);
	return fd;
}

#define TEXT 64
static ssize_t text_of(char *text, long n)
{
	return snprintf(text, TEXT, "connection %ld of process %d\n", n, (int)getpid());
}

static void say(int fd, long n)
{
	char text[TEXT];
	ssize_t length = text_of(text, n);

	if (send(fd, text, (size_t)length, MSG_NOSIGNAL) != length)
		fail("send", n);
}

static void hear(int fd, long n)
{
	char text[TEXT], back[TEXT];
	ssize_t length = text_of(text, n), got = 0, part;

	for (; got < length; got += part) {
		part = recv(fd, back + got, (size_t)(length - got), 0);
		if (part <= 0)
			fail(part ? "recv" : "it has been ended", n);
	}
	if (memcmp(text, back, (size_t)length))
		fail("something else came back", n);
}

static int fill(const struct sockaddr_in *to, long count)
{
	for (long i = 0; i < count; i++)
		connection_to(to, i);
	printf("filled %ld\n", count);
	fflush(stdout);
	sleep(3);
	return 0;
}

static int hold(const struct sockaddr_in *to, long count)
{
	int *fds = calloc((size_t)count, sizeof(*fds));

	if (!fds)
		fail("memory", count);
	for (long i = 0; i < count; i++)
		fds[i] = connection_to(to, i);
	printf("connected\n");
	fflush(stdout);
	for (int round = 0; round < 3; round++) {
		for (long i = 0; i < count; i++)
			say(fds[i], i);
		for (long i = 0; i < count; i++)
			hear(fds[i], i);
	}
	printf("held %ld\n", count);
	return 0;
}

/* Ended by us, by us without a word of goodbye, by the other side, and with something unread. */
static void end(int fd, long n)
{
	struct linger linger = { 1, 0 };
	char rest[16];

	switch (n % 4) {
	case 1: setsockopt(fd, SOL_SOCKET, SO_LINGER, &linger, sizeof(linger)); break;
	case 2:
		if (shutdown(fd, SHUT_WR) || recv(fd, rest, sizeof(rest), 0) != 0)
			fail("the end did not come", n);
		break;
	case 3: send(fd, rest, 1, MSG_NOSIGNAL); break;
	}
	close(fd);
}

static int churn(const struct sockaddr_in *to, long count)
{
	for (long i = 0; i < count; i++) {
		int fd = connection_to(to, i);

		say(fd, i);
		hear(fd, i);
		end(fd, i);
	}
	printf("churned %ld\n", count);
	return 0;
}

static void many_descriptors(void)
{
	struct rlimit limit;

	if (getrlimit(RLIMIT_NOFILE, &limit))
		fail("getrlimit", 0);
	limit.rlim_cur = limit.rlim_max;
	if (setrlimit(RLIMIT_NOFILE, &limit))
		fail("setrlimit", (long)limit.rlim_max);
}

int main(int argc, char **argv)
{
	const char *what = argc > 1 ? argv[1] : "";
	struct sockaddr_in to;

	many_descriptors();
	if (argc == 3 && !strcmp(what, "serve"))
		return serve((uint16_t)atoi(argv[2]));
	if (argc == 3 && !strcmp(what, "idle") && listen_at((uint16_t)atoi(argv[2])) >= 0)
		return pause();
	if (argc >= 5) {
		to = address_of(argv[2], argv[3]);
		if (argc == 5 && !strcmp(what, "hold"))
			return hold(&to, atol(argv[4]));
		if (argc == 5 && !strcmp(what, "fill"))
			return fill(&to, atol(argv[4]));
		if (argc == 5 && !strcmp(what, "churn"))
			return churn(&to, atol(argv[4]));
		if (argc == 7 && !strcmp(what, "drain"))
			return drain(&to, strtoull(argv[4], NULL, 10), argv[5], strtoull(argv[6], NULL, 10));
	}
	fprintf(stderr, "usage: crowd serve|hold|churn|idle|fill|drain ...\n");
	return 2;
}
