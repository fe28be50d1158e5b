/* SPDX-License-Identifier: MIT */
/*
 * Devices, the network, a folder of the host: what is there in this guest when it begins has to stay. The console's
 * output is waited for; the host gets a datagram, which it may drop.
 */
#define _GNU_SOURCE
#include "effects.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <linux/rtc.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <termios.h>
#include <unistd.h>

#define MESSAGE 300
#define HOST 0x0a000202u /* QEMU's user network */
#define DISCARD 9

struct others {
	struct account *account;
	int clock, random;
	int near, far; /* ends of a connection */
	int datagrams; /* to the host */
	bool folder;
};

static struct sockaddr_in address(uint32_t host, uint16_t port)
{
	struct sockaddr_in at = { .sin_family = AF_INET, .sin_port = htons(port) };

	at.sin_addr.s_addr = htonl(host);
	return at;
}

static bool connection(struct others *o)
{
	struct sockaddr_in at = address(INADDR_LOOPBACK, 0);
	socklen_t length = sizeof at;
	int listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	bool good;

	o->near = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	good = listener >= 0 && o->near >= 0 && !bind(listener, (struct sockaddr *)&at, sizeof at) &&
	       !listen(listener, 1) && !getsockname(listener, (struct sockaddr *)&at, &length) &&
	       !connect(o->near, (struct sockaddr *)&at, sizeof at);
	if (good)
		o->far = accept4(listener, NULL, NULL, SOCK_CLOEXEC);
	good = good && o->far >= 0;
	close(listener);
	/* Each message is looked at: it must not wait for the acknowledgement of the one before. */
	good = good && !setsockopt(o->near, IPPROTO_TCP, TCP_NODELAY, &(int){ 1 }, sizeof(int));
	return done(o->account, "net: connection", good);
}

struct others *others_begin(struct account *account)
{
	struct others *o = calloc(1, sizeof *o);
	struct sockaddr_in host = address(HOST, DISCARD);

	if (!o)
		return NULL;
	o->account = account;
	o->clock = open("/dev/rtc0", O_RDONLY | O_CLOEXEC);
	o->random = open("/dev/hwrng", O_RDONLY | O_CLOEXEC);
	o->folder = !access("/host/matrix", R_OK);
	o->datagrams = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	if (!done(account, "net: socket", o->datagrams >= 0) || !connection(o))
		return NULL;
	if (sendto(o->datagrams, "", 1, 0, (struct sockaddr *)&host, sizeof host) != 1) {
		close(o->datagrams);
		o->datagrams = -1;
	}
	done(account, "net: first datagram", true);
	return o;
}

static bool over_net(struct others *o, uint64_t number)
{
	struct sockaddr_in host = address(HOST, DISCARD);
	char out[MESSAGE], in[MESSAGE];

	fill(out, sizeof out, number);
	if (!done(o->account, "net: send", send(o->near, out, sizeof out, 0) == sizeof out) ||
	    !done(o->account, "net: receive",
		  recv(o->far, in, sizeof in, MSG_WAITALL) == sizeof in && !memcmp(in, out, sizeof in)))
		return false;
	return o->datagrams < 0 ||
	       done(o->account, "net: datagram",
		    sendto(o->datagrams, "", 1, 0, (struct sockaddr *)&host, sizeof host) == 1);
}

/* What is appended stands there once; the name is the only one. */
static bool appended(struct account *account, const char *name, const char *out)
{
	int fd = open(name, O_WRONLY | O_APPEND | O_CLOEXEC);
	struct stat now;
	bool good;

	good = done_by_host(account, "folder: open", fd >= 0) &&
	       done_by_host(account, "folder: append", write(fd, out, MESSAGE) == MESSAGE) &&
	       done_by_host(account, "folder: size", !fstat(fd, &now) && now.st_size == 2 * MESSAGE);
	close(fd);
	return good;
}

static bool in_folder(struct others *o)
{
	char out[MESSAGE], in[MESSAGE + 1], name[64], other[64];
	bool good;
	int fd;

	fill(out, sizeof out, (uint64_t)getpid());
	snprintf(name, sizeof name, "/host/%d", (int)getpid());
	snprintf(other, sizeof other, "/host/0%d", (int)getpid());
	fd = open(name, O_CREAT | O_EXCL | O_RDWR | O_CLOEXEC, 0600);
	good = done_by_host(o->account, "folder: create", fd >= 0) &&
	       done_by_host(o->account, "folder: write", write(fd, out, sizeof out) == sizeof out) &&
	       done_by_host(o->account, "folder: read",
			    pread(fd, in, sizeof in, 0) == sizeof out && !memcmp(in, out, sizeof out)) &&
	       appended(o->account, name, out) && done_by_host(o->account, "folder: close", !close(fd)) &&
	       done_by_host(o->account, "folder: mkdir", !mkdir(other, 0700)) &&
	       done_by_host(o->account, "folder: rmdir", !rmdir(other)) &&
	       done_by_host(o->account, "folder: rename", !rename(name, other));
	return good && done_by_host(o->account, "folder: unlink", !unlink(other));
}

bool others_round(struct others *o, uint64_t number)
{
	struct rtc_time time;
	char random[16];

	if (isatty(0) && !done(o->account, "console: drain", !tcdrain(0)))
		return false;
	if (o->clock >= 0 && !done(o->account, "clock", !ioctl(o->clock, RTC_RD_TIME, &time)))
		return false;
	if (o->random >= 0 && !done_by_host(o->account, "random", read(o->random, random, sizeof random) > 0))
		return false;
	return over_net(o, number) && (!o->folder || in_folder(o));
}

bool others_end(struct others *o)
{
	const int all[] = { o->clock, o->random, o->near, o->far, o->datagrams };
	bool good = true;

	for (size_t i = 0; i < sizeof all / sizeof *all; i++)
		good &= all[i] < 0 || done(o->account, "close", !close(all[i]));
	free(o);
	return good;
}
