/* SPDX-License-Identifier: MIT */
/*
 * stream ADDRESS PORT in|out MEBIBYTES: take so much of a connection, or give it. Who is at the other end measures; it sends as
 * long as this reads, or closes when it has read all.
 */
#include "bench.h"
#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>

#define CHUNK 65536

static char chunk[CHUNK];

static int connection(const char *address, const char *port)
{
	struct sockaddr_in to = { .sin_family = AF_INET, .sin_port = htons((uint16_t)atoi(port)) };
	int fd = socket(AF_INET, SOCK_STREAM, 0);

	inet_pton(AF_INET, address, &to.sin_addr);
	return connect(fd, (struct sockaddr *)&to, sizeof(to)) ? -1 : fd;
}

int main(int argc, char **argv)
{
	int64_t rest = argc == 5 ? atoll(argv[4]) << 20 : 0;
	int fd = argc == 5 ? connection(argv[1], argv[2]) : -1;
	bool in = argc == 5 && !strcmp(argv[3], "in");
	ssize_t done = 0;

	while (fd >= 0 && rest > 0) {
		done = in ? read(fd, chunk, CHUNK) : write(fd, chunk, rest < CHUNK ? (size_t)rest : CHUNK);
		if (done <= 0)
			break;
		rest -= done;
	}
	/* All of it has arrived when the other end closes. */
	if (fd >= 0 && !in) {
		shutdown(fd, SHUT_WR);
		done = read(fd, chunk, 1);
	}
	if (fd < 0 || rest > 0 || done < 0) {
		fprintf(stderr, "stream: %s\n", strerror(errno));
		return 1;
	}
	return 0;
}
