/* SPDX-License-Identifier: MIT */
/* TEST: stock. The counts of /proc/net: what goes on in between is seen in them. */
#define _GNU_SOURCE
#include <stdio.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>

#include "inet.h"

#define AF_OF_PACKETS 17
#define LONG 20000

/* Of /proc/net/snmp, which has a line of names and one of numbers for each protocol: -1 if there is no such number. */
static long counted(const char *protocol, const char *name)
{
	FILE *f = fopen("/proc/net/snmp", "r");
	char names[1000], numbers[1000], *n, *v, *at_n, *at_v;
	long value = -1;

	NEED(f);
	while (value < 0 && fgets(names, sizeof(names), f) && fgets(numbers, sizeof(numbers), f)) {
		if (strncmp(names, protocol, strlen(protocol)))
			continue;
		n = strtok_r(names, " \n", &at_n);
		v = strtok_r(numbers, " \n", &at_v);
		while (n && v && strcmp(n, name)) {
			n = strtok_r(NULL, " \n", &at_n);
			v = strtok_r(NULL, " \n", &at_v);
		}
		value = n && v ? atol(v) : -1;
	}
	fclose(f);
	return value;
}

/* Of /proc/net/sockstat: the number behind `name` in the line that begins with `of`. */
static long sockets(const char *of, const char *name)
{
	FILE *f = fopen("/proc/net/sockstat", "r");
	char line[500], *found;
	long value = -1;

	NEED(f);
	while (fgets(line, sizeof(line), f))
		if (!strncmp(line, of, strlen(of)) && (found = strstr(line, name)))
			value = atol(found + strlen(name));
	fclose(f);
	return value;
}

static void tcp(void)
{
	long active, passive, established, sent, used, allocated;
	int fds[2];

	active = counted("Tcp:", "ActiveOpens");
	passive = counted("Tcp:", "PassiveOpens");
	established = counted("Tcp:", "CurrEstab");
	sent = counted("Tcp:", "OutSegs");
	used = sockets("sockets:", "used ");
	allocated = sockets("TCP:", "alloc ");
	stream_pair(fds);
	CHECK("connections that were made", active >= 0 && counted("Tcp:", "ActiveOpens") > active);
	CHECK("and came", passive >= 0 && counted("Tcp:", "PassiveOpens") > passive);
	CHECK("and are", established >= 0 && counted("Tcp:", "CurrEstab") >= established + 2);
	CHECK("segments", sent >= 0 && counted("Tcp:", "OutSegs") > sent);
	CHECK("sockets", used >= 0 && sockets("sockets:", "used ") >= used + 2);
	CHECK("of TCP", allocated >= 0 && sockets("TCP:", "alloc ") >= allocated + 2);
	close(fds[0]);
	close(fds[1]);
}

static void udp(void)
{
	long in = counted("Udp:", "InDatagrams"), out = counted("Udp:", "OutDatagrams");
	long nobody = counted("Udp:", "NoPorts"), used = sockets("UDP:", "inuse ");
	char byte;
	int fds[2];

	datagram_pair(fds);
	CHECK("sockets of UDP", used >= 0 && sockets("UDP:", "inuse ") >= used + 2);
	NEED(send(fds[0], "x", 1, 0) == 1 && recv(fds[1], &byte, 1, 0) == 1);
	CHECK("datagrams that went", out >= 0 && counted("Udp:", "OutDatagrams") > out);
	CHECK("and came", in >= 0 && counted("Udp:", "InDatagrams") > in);
	close(fds[1]);
	NEED(send(fds[0], "x", 1, 0) == 1);
	ready(fds[0], POLLIN, LONG);
	CHECK("and were nobody's", nobody >= 0 && counted("Udp:", "NoPorts") > nobody);
	close(fds[0]);
}

static void packets(void)
{
	int fd = socket(AF_OF_PACKETS, SOCK_RAW, htons(0x88b5));
	char line[200], inode[30];
	struct stat stat;
	int found = 0;
	FILE *f;

	if (fd < 0)
		return; /* not root's, or a Linux without them */
	NEED(fstat(fd, &stat) == 0);
	snprintf(inode, sizeof(inode), "%lu", (unsigned long)stat.st_ino);
	f = fopen("/proc/net/packet", "r");
	NEED(f && fgets(line, sizeof(line), f));
	CHECK("packets: a heading", strstr(line, "RefCnt Type Proto") && strstr(line, "Inode"));
	while (fgets(line, sizeof(line), f))
		found |= strstr(line, inode) && strstr(line, "88b5");
	CHECK("a socket of packets", found);
	fclose(f);
	close(fd);
}

static int unix_line(const char *inode, const char *name, char *line, int size)
{
	FILE *f = fopen("/proc/net/unix", "r");
	int found = 0;

	NEED(f);
	while (!found && fgets(line, size, f))
		found = strstr(line, inode) && strstr(line, name);
	fclose(f);
	return found;
}

static void unix_sockets(void)
{
	struct sockaddr_un name = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_STREAM, 0);
	char line[300], inode[30], shown[120];
	unsigned flags, type, state;
	struct stat stat;

	snprintf(name.sun_path + 1, 50, "tables.%d", (int)getpid());
	snprintf(shown, sizeof(shown), "@%s", name.sun_path + 1);
	NEED(fstat(fd, &stat) == 0);
	snprintf(inode, sizeof(inode), " %lu", (unsigned long)stat.st_ino);
	NEED(bind(fd, (struct sockaddr *)&name,
		  (socklen_t)(sizeof(sa_family_t) + 1 + strlen(name.sun_path + 1))) == 0 &&
	     listen(fd, 1) == 0);
	CHECK("a unix socket and its name", unix_line(inode, shown, line, sizeof(line)));
	CHECK("it listens", sscanf(line, "%*s %*s %*s %x %x %x", &flags, &type, &state) == 3 &&
				flags == 0x10000 && type == SOCK_STREAM && state == 1);
	close(fd);
	CHECK("then it is gone", !unix_line(inode, shown, line, sizeof(line)));
}

int main(void)
{
	tcp();
	udp();
	packets();
	unix_sockets();
	return check_result();
}
