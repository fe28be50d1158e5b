/* SPDX-License-Identifier: MIT */
/* TEST: stock. Options of sockets of the Internet: what each is at first, what it takes and gives back, and what it does. */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdint.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "inet.h"

#ifndef IP_LOCAL_PORT_RANGE
#define IP_LOCAL_PORT_RANGE 51
#endif
#define TCP4 1
#define UDP4 2
#define TCP6 4
#define UDP6 8
#define TCP_ANY (TCP4 | TCP6)
#define UDP_ANY (UDP4 | UDP6)
#define ALL 15
#define ANY_VALUE INT32_MIN /* it is not said what it is at first */
#define NO_VALUE INT32_MIN  /* nothing is refused */

static const struct kind {
	const char *name;
	int family, type;
} kinds[] = { { "TCP", AF_INET, SOCK_STREAM },
	      { "UDP", AF_INET, SOCK_DGRAM },
	      { "TCP of IPv6", AF_INET6, SOCK_STREAM },
	      { "UDP of IPv6", AF_INET6, SOCK_DGRAM } };

/* A number: at first, one that is taken, what is given back for it, and one that is refused with an error. */
static const struct number {
	const char *name;
	int level, option, kinds, first, set, get, bad, error;
} numbers[] = {
	{ "SO_REUSEADDR", SOL_SOCKET, SO_REUSEADDR, ALL, 0, 5, 1, NO_VALUE, 0 },
	{ "SO_REUSEPORT", SOL_SOCKET, SO_REUSEPORT, ALL, 0, 1, 1, NO_VALUE, 0 },
	{ "SO_KEEPALIVE", SOL_SOCKET, SO_KEEPALIVE, ALL, 0, 1, 1, NO_VALUE, 0 },
	{ "SO_BROADCAST", SOL_SOCKET, SO_BROADCAST, ALL, 0, 1, 1, NO_VALUE, 0 },
	{ "SO_DONTROUTE", SOL_SOCKET, SO_DONTROUTE, ALL, 0, 1, 1, NO_VALUE, 0 },
	{ "SO_OOBINLINE", SOL_SOCKET, SO_OOBINLINE, ALL, 0, 1, 1, NO_VALUE, 0 },
	{ "SO_PRIORITY", SOL_SOCKET, SO_PRIORITY, ALL, 0, 3, 3, NO_VALUE, 0 },
	{ "SO_RCVLOWAT", SOL_SOCKET, SO_RCVLOWAT, ALL, 1, 77, 77, NO_VALUE, 0 },
	{ "SO_TIMESTAMP", SOL_SOCKET, SO_TIMESTAMP, ALL, 0, 1, 1, NO_VALUE, 0 },
	{ "SO_TIMESTAMPNS", SOL_SOCKET, SO_TIMESTAMPNS, ALL, 0, 1, 1, NO_VALUE, 0 },
	{ "SO_RCVBUF", SOL_SOCKET, SO_RCVBUF, ALL, ANY_VALUE, 20000, 40000, NO_VALUE, 0 },
	{ "SO_SNDBUF", SOL_SOCKET, SO_SNDBUF, ALL, ANY_VALUE, 30000, 60000, NO_VALUE, 0 },
	{ "SO_SNDBUF of nearly nothing", SOL_SOCKET, SO_SNDBUF, ALL, ANY_VALUE, 1, 4608, NO_VALUE, 0 },
	{ "SO_RCVBUF of nearly nothing", SOL_SOCKET, SO_RCVBUF, ALL, ANY_VALUE, 1, 2304, NO_VALUE, 0 },

	{ "TCP_NODELAY", IPPROTO_TCP, TCP_NODELAY, TCP_ANY, 0, 2, 1, NO_VALUE, 0 },
	{ "TCP_CORK", IPPROTO_TCP, TCP_CORK, TCP_ANY, 0, 1, 1, NO_VALUE, 0 },
	{ "TCP_MAXSEG", IPPROTO_TCP, TCP_MAXSEG, TCP_ANY, 536, 700, 700, 20, EINVAL },
	{ "TCP_MAXSEG too large", IPPROTO_TCP, TCP_MAXSEG, TCP_ANY, 536, 1000, 1000, 32768, EINVAL },
	{ "TCP_KEEPIDLE", IPPROTO_TCP, TCP_KEEPIDLE, TCP_ANY, 7200, 30, 30, 0, EINVAL },
	{ "TCP_KEEPIDLE too long", IPPROTO_TCP, TCP_KEEPIDLE, TCP_ANY, 7200, 32767, 32767, 32768, EINVAL },
	{ "TCP_KEEPINTVL", IPPROTO_TCP, TCP_KEEPINTVL, TCP_ANY, 75, 9, 9, 0, EINVAL },
	{ "TCP_KEEPINTVL too long", IPPROTO_TCP, TCP_KEEPINTVL, TCP_ANY, 75, 1, 1, 32768, EINVAL },
	{ "TCP_KEEPCNT", IPPROTO_TCP, TCP_KEEPCNT, TCP_ANY, 9, 4, 4, 0, EINVAL },
	{ "TCP_KEEPCNT too many", IPPROTO_TCP, TCP_KEEPCNT, TCP_ANY, 9, 127, 127, 128, EINVAL },
	{ "TCP_SYNCNT", IPPROTO_TCP, TCP_SYNCNT, TCP_ANY, 6, 3, 3, 0, EINVAL },
	{ "TCP_SYNCNT too many", IPPROTO_TCP, TCP_SYNCNT, TCP_ANY, 6, 127, 127, 128, EINVAL },
	{ "TCP_LINGER2", IPPROTO_TCP, TCP_LINGER2, TCP_ANY, 60, 20, 20, NO_VALUE, 0 },
	{ "TCP_QUICKACK", IPPROTO_TCP, TCP_QUICKACK, TCP_ANY, 1, 1, 1, NO_VALUE, 0 },
	{ "TCP_DEFER_ACCEPT", IPPROTO_TCP, TCP_DEFER_ACCEPT, TCP_ANY, 0, 1, 1, NO_VALUE, 0 },
	{ "TCP_USER_TIMEOUT", IPPROTO_TCP, TCP_USER_TIMEOUT, TCP_ANY, 0, 5000, 5000, -1, EINVAL },

	{ "IP_TOS", IPPROTO_IP, IP_TOS, UDP4, 0, 0x1c, 0x1c, NO_VALUE, 0 },
	{ "IP_TOS of TCP", IPPROTO_IP, IP_TOS, TCP4, 0, 0x13, 0x10, NO_VALUE, 0 },
	{ "IP_TTL", IPPROTO_IP, IP_TTL, TCP4 | UDP4, 64, 77, 77, 0, EINVAL },
	{ "IP_TTL too large", IPPROTO_IP, IP_TTL, TCP4 | UDP4, 64, -1, 64, 256, EINVAL },
	{ "IP_PKTINFO", IPPROTO_IP, IP_PKTINFO, TCP4 | UDP4, 0, 1, 1, NO_VALUE, 0 },
	{ "IP_RECVTTL", IPPROTO_IP, IP_RECVTTL, TCP4 | UDP4, 0, 1, 1, NO_VALUE, 0 },
	{ "IP_RECVTOS", IPPROTO_IP, IP_RECVTOS, TCP4 | UDP4, 0, 1, 1, NO_VALUE, 0 },
	{ "IP_RECVERR", IPPROTO_IP, IP_RECVERR, TCP4 | UDP4, 0, 1, 1, NO_VALUE, 0 },
	{ "IP_MTU_DISCOVER", IPPROTO_IP, IP_MTU_DISCOVER, TCP4 | UDP4, ANY_VALUE, IP_PMTUDISC_DO,
	  IP_PMTUDISC_DO, 77, EINVAL },
	{ "IP_LOCAL_PORT_RANGE", IPPROTO_IP, IP_LOCAL_PORT_RANGE, ALL, 0, (int)(50000u << 16 | 40000),
	  (int)(50000u << 16 | 40000), (int)(40000u << 16 | 50000), EINVAL },
	{ "IP_MULTICAST_TTL", IPPROTO_IP, IP_MULTICAST_TTL, UDP4, 1, 9, 9, 256, EINVAL },
	{ "IP_MULTICAST_TTL of TCP", IPPROTO_IP, IP_MULTICAST_TTL, TCP4, 1, ANY_VALUE, 1, 3, EINVAL },
	{ "IP_MULTICAST_LOOP", IPPROTO_IP, IP_MULTICAST_LOOP, UDP4, 1, 0, 0, NO_VALUE, 0 },
	{ "IP_FREEBIND", IPPROTO_IP, IP_FREEBIND, TCP4 | UDP4, 0, 1, 1, NO_VALUE, 0 },

	{ "IPV6_V6ONLY", IPPROTO_IPV6, IPV6_V6ONLY, TCP6 | UDP6, 0, 1, 1, NO_VALUE, 0 },
	{ "IPV6_UNICAST_HOPS", IPPROTO_IPV6, IPV6_UNICAST_HOPS, TCP6 | UDP6, 64, 0, 0, 256, EINVAL },
	{ "IPV6_UNICAST_HOPS again", IPPROTO_IPV6, IPV6_UNICAST_HOPS, TCP6 | UDP6, 64, -1, 64, -2, EINVAL },
	{ "IPV6_MULTICAST_HOPS", IPPROTO_IPV6, IPV6_MULTICAST_HOPS, UDP6, 1, 7, 7, 256, EINVAL },
	{ "IPV6_MULTICAST_LOOP", IPPROTO_IPV6, IPV6_MULTICAST_LOOP, UDP6, 1, 0, 0, 2, EINVAL },
	{ "IPV6_RECVPKTINFO", IPPROTO_IPV6, IPV6_RECVPKTINFO, TCP6 | UDP6, 0, 1, 1, NO_VALUE, 0 },
	{ "IPV6_RECVHOPLIMIT", IPPROTO_IPV6, IPV6_RECVHOPLIMIT, TCP6 | UDP6, 0, 1, 1, NO_VALUE, 0 },
	{ "IPV6_TCLASS", IPPROTO_IPV6, IPV6_TCLASS, UDP6, 0, 0x20, 0x20, 256, EINVAL },
	{ "IPV6_RECVTCLASS", IPPROTO_IPV6, IPV6_RECVTCLASS, TCP6 | UDP6, 0, 1, 1, NO_VALUE, 0 },
	{ "IP_TTL of a socket of IPv6", IPPROTO_IP, IP_TTL, TCP6 | UDP6, 64, 33, 33, 256, EINVAL },
};

static void check_number(const struct number *n, const struct kind *kind)
{
	int fd = socket(kind->family, kind->type, 0), first = get(fd, n->level, n->option), bad = 0, good;
	int set_status = n->set == ANY_VALUE ? 0 : set(fd, n->level, n->option, n->set);
	int second = get(fd, n->level, n->option);
	char name[80];

	errno = 0;
	if (n->bad != NO_VALUE)
		bad = set(fd, n->level, n->option, n->bad) == 0 ? 0 : errno;
	good = (n->first == ANY_VALUE || first == n->first) && !set_status && second == n->get &&
	       bad == (n->bad == NO_VALUE ? 0 : n->error);
	snprintf(name, sizeof(name), "%s: %s", kind->name, n->name);
	if (!good)
		printf("# %s: at first %d, set %d, then %d, refused with %d\n", name, first, set_status,
		       second, bad);
	CHECK(name, good);
	close(fd);
}

static void all_numbers(void)
{
	for (unsigned i = 0; i < sizeof(numbers) / sizeof(*numbers); i++)
		for (unsigned k = 0; k < 4; k++)
			if (numbers[i].kinds >> k & 1)
				check_number(&numbers[i], &kinds[k]);
}

static void only_told(void)
{
	int tcp = socket(AF_INET, SOCK_STREAM, 0), udp = socket(AF_INET6, SOCK_DGRAM, 0);
	struct {
		int pid;
		unsigned user, group;
	} creds = { 1, 1, 1 };
	socklen_t length = sizeof(creds);
	char name[16] = "";

	CHECK("type, domain, protocol", get(udp, SOL_SOCKET, SO_TYPE) == SOCK_DGRAM &&
					    get(udp, SOL_SOCKET, SO_DOMAIN) == AF_INET6 &&
					    get(udp, SOL_SOCKET, SO_PROTOCOL) == IPPROTO_UDP);
	CHECK("nobody listens, nothing is wrong",
	      get(udp, SOL_SOCKET, SO_ACCEPTCONN) == 0 && get(udp, SOL_SOCKET, SO_ERROR) == 0);
	CHECK_ERROR("SO_TYPE is not set", set(tcp, SOL_SOCKET, SO_TYPE, 1), ENOPROTOOPT);
	CHECK_ERROR("nor SO_ERROR", set(tcp, SOL_SOCKET, SO_ERROR, 1), ENOPROTOOPT);
	CHECK_ERROR("nor SO_ACCEPTCONN", set(tcp, SOL_SOCKET, SO_ACCEPTCONN, 1), ENOPROTOOPT);
	CHECK_ERROR("nor SO_SNDLOWAT", set(tcp, SOL_SOCKET, SO_SNDLOWAT, 1), ENOPROTOOPT);
	CHECK("SO_SNDLOWAT", get(tcp, SOL_SOCKET, SO_SNDLOWAT) == 1);
	CHECK("no peer's credentials", getsockopt(tcp, SOL_SOCKET, SO_PEERCRED, &creds, &length) == 0 &&
					   creds.pid == 0 && creds.user == (unsigned)-1);
	length = sizeof(name);
	CHECK("no device", getsockopt(tcp, SOL_SOCKET, SO_BINDTODEVICE, name, &length) == 0 && length == 0);
	CHECK_ERROR("no such device", setsockopt(tcp, SOL_SOCKET, SO_BINDTODEVICE, "nodev0", 7), ENODEV);
	CHECK("the loopback", setsockopt(tcp, SOL_SOCKET, SO_BINDTODEVICE, "lo", 3) == 0);
	length = sizeof(name);
	CHECK("is given back", getsockopt(tcp, SOL_SOCKET, SO_BINDTODEVICE, name, &length) == 0 &&
				   length == 3 && !strcmp(name, "lo"));
	length = sizeof(name);
	CHECK("TCP_CONGESTION",
	      getsockopt(tcp, IPPROTO_TCP, TCP_CONGESTION, name, &length) == 0 && length == 16 && name[0]);
	CHECK("reno is always there", setsockopt(tcp, IPPROTO_TCP, TCP_CONGESTION, "reno", 4) == 0);
	CHECK_ERROR("another is not", setsockopt(tcp, IPPROTO_TCP, TCP_CONGESTION, "nonesuch", 8), ENOENT);
	close(tcp);
	close(udp);
}

static void refused(void)
{
	int tcp = socket(AF_INET, SOCK_STREAM, 0), udp = socket(AF_INET, SOCK_DGRAM, 0), value = 1;
	void *nowhere = mmap(NULL, 4096, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	struct timeval time = { 1, 1000000 };
	socklen_t length = sizeof(value);

	CHECK_ERROR("an option that is not", set(tcp, SOL_SOCKET, 999, 1), ENOPROTOOPT);
	CHECK_ERROR("asked for", getsockopt(tcp, SOL_SOCKET, 999, &value, &length), ENOPROTOOPT);
	CHECK_ERROR("of TCP", set(tcp, IPPROTO_TCP, 999, 1), ENOPROTOOPT);
	CHECK_ERROR("asked for", getsockopt(tcp, IPPROTO_TCP, 999, &value, &length), ENOPROTOOPT);
	CHECK_ERROR("of IP", set(tcp, IPPROTO_IP, 999, 1), ENOPROTOOPT);
	CHECK_ERROR("asked for", getsockopt(tcp, IPPROTO_IP, 999, &value, &length), ENOPROTOOPT);
	CHECK_ERROR("of TCP on UDP", set(udp, IPPROTO_TCP, TCP_NODELAY, 1), ENOPROTOOPT);
	CHECK_ERROR("of IPv6 on IPv4", set(udp, IPPROTO_IPV6, IPV6_V6ONLY, 1), ENOPROTOOPT);
	CHECK_ERROR("a level that is not", set(tcp, 999, 1, 1), ENOPROTOOPT);
	CHECK_ERROR("a short value", setsockopt(tcp, SOL_SOCKET, SO_KEEPALIVE, &value, 3), EINVAL);
	CHECK_ERROR("of TCP", setsockopt(tcp, IPPROTO_TCP, TCP_NODELAY, &value, 3), EINVAL);
	CHECK_ERROR("a short time", setsockopt(tcp, SOL_SOCKET, SO_RCVTIMEO, &time, 8), EINVAL);
	CHECK_ERROR("a short linger", setsockopt(tcp, SOL_SOCKET, SO_LINGER, &value, 4), EINVAL);
	CHECK_ERROR("too many microseconds", setsockopt(tcp, SOL_SOCKET, SO_RCVTIMEO, &time, sizeof(time)),
		    EDOM);
	CHECK_ERROR("a length below 0", setsockopt(tcp, SOL_SOCKET, SO_KEEPALIVE, &value, (socklen_t)-1),
		    EINVAL);
	length = (socklen_t)-1;
	CHECK_ERROR("asked for", getsockopt(tcp, SOL_SOCKET, SO_KEEPALIVE, &value, &length), EINVAL);
	CHECK_ERROR("no memory", setsockopt(tcp, SOL_SOCKET, SO_KEEPALIVE, nowhere, 4), EFAULT);
	length = sizeof(value);
	CHECK_ERROR("asked for", getsockopt(tcp, SOL_SOCKET, SO_KEEPALIVE, nowhere, &length), EFAULT);
	CHECK_ERROR("no length", getsockopt(tcp, SOL_SOCKET, SO_KEEPALIVE, &value, nowhere), EFAULT);
	length = 1;
	value = -1;
	CHECK("a part of the value", getsockopt(tcp, SOL_SOCKET, SO_KEEPALIVE, &value, &length) == 0 &&
					 length == 1 && value == (int)0xffffff00);
	length = 100;
	CHECK("and no more than that",
	      getsockopt(tcp, SOL_SOCKET, SO_KEEPALIVE, &value, &length) == 0 && length == sizeof(value));
	CHECK_ERROR("no socket", set(0, SOL_SOCKET, SO_KEEPALIVE, 1), ENOTSOCK);
	CHECK_ERROR("nothing", set(777, SOL_SOCKET, SO_KEEPALIVE, 1), EBADF);
	close(tcp);
	close(udp);
}

/* --- what they do ----------------------------------------------------------------------------------------------- */

static void inherited(void)
{
	struct timeval time = { 3, 0 }, got = { 0, 0 };
	struct linger linger = { 1, 5 }, kept = { 0, 0 };
	socklen_t length = sizeof(got);
	int l = socket(AF_INET, SOCK_STREAM, 0), a = socket(AF_INET, SOCK_STREAM, 0), b;

	NEED(bind_to(l, INADDR_LOOPBACK, 0) == 0 && listen(l, 3) == 0);
	CHECK("a listener takes options",
	      set(l, IPPROTO_TCP, TCP_NODELAY, 1) == 0 && set(l, IPPROTO_TCP, TCP_KEEPIDLE, 44) == 0 &&
		  set(l, IPPROTO_TCP, TCP_KEEPINTVL, 5) == 0 && set(l, IPPROTO_TCP, TCP_KEEPCNT, 6) == 0 &&
		  set(l, SOL_SOCKET, SO_KEEPALIVE, 1) == 0 && set(l, IPPROTO_IP, IP_TTL, 55) == 0 &&
		  set(l, SOL_SOCKET, SO_SNDBUF, 10000) == 0 &&
		  setsockopt(l, SOL_SOCKET, SO_RCVTIMEO, &time, sizeof(time)) == 0 &&
		  setsockopt(l, SOL_SOCKET, SO_LINGER, &linger, sizeof(linger)) == 0);
	NEED(connect_to(a, port_of(l)) == 0);
	b = accept(l, NULL, NULL);
	CHECK("what is accepted has those of TCP",
	      get(b, IPPROTO_TCP, TCP_NODELAY) == 1 && get(b, IPPROTO_TCP, TCP_KEEPIDLE) == 44 &&
		  get(b, IPPROTO_TCP, TCP_KEEPINTVL) == 5 && get(b, IPPROTO_TCP, TCP_KEEPCNT) == 6);
	CHECK("of the socket",
	      get(b, SOL_SOCKET, SO_KEEPALIVE) == 1 && get(b, SOL_SOCKET, SO_SNDBUF) == 20000);
	CHECK("of IP", get(b, IPPROTO_IP, IP_TTL) == 55);
	CHECK("a time", getsockopt(b, SOL_SOCKET, SO_RCVTIMEO, &got, &length) == 0 && got.tv_sec == 3);
	length = sizeof(kept);
	CHECK("SO_LINGER", getsockopt(b, SOL_SOCKET, SO_LINGER, &kept, &length) == 0 &&
			       length == sizeof(kept) && kept.l_onoff == 1 && kept.l_linger == 5);
	CHECK("not that it listens", get(b, SOL_SOCKET, SO_ACCEPTCONN) == 0);
	close(a);
	close(b);
	close(l);
}

/* How much is taken of a peer who reads nothing. */
static size_t taken(int fd)
{
	static char bytes[1000];
	size_t done = 0;
	ssize_t part;

	while (done < 16u << 20 && ((part = send(fd, bytes, sizeof(bytes), MSG_DONTWAIT)) > 0 ||
				    ready(fd, POLLOUT, 300) == POLLOUT))
		done += part > 0 ? (size_t)part : 0;
	return done;
}

static void buffers(void)
{
	static char bytes[1000];
	int l = socket(AF_INET, SOCK_STREAM, 0), a = socket(AF_INET, SOCK_STREAM, 0), b;
	int udp[2], count = 0;
	size_t small, drained = 0;
	ssize_t part;

	NEED(set(l, SOL_SOCKET, SO_RCVBUF, 8192) == 0 && set(a, SOL_SOCKET, SO_SNDBUF, 8192) == 0);
	NEED(bind_to(l, INADDR_LOOPBACK, 0) == 0 && listen(l, 3) == 0 && connect_to(a, port_of(l)) == 0);
	b = accept(l, NULL, NULL);
	small = taken(a);
	CHECK("a small buffer of TCP takes little", small >= 1000 && small < 400000);
	while (drained < small && (part = read(b, bytes, sizeof(bytes))) > 0)
		drained += (size_t)part;
	CHECK("all of it arrives", drained == small);
	CHECK("there is room again", ready(a, POLLOUT, 20000) == POLLOUT);
	close(a);
	close(b);
	close(l);
	datagram_pair(udp);
	NEED(set(udp[1], SOL_SOCKET, SO_RCVBUF, 8192) == 0);
	for (int i = 0; i < 100; i++)
		send(udp[0], bytes, sizeof(bytes), 0);
	while (recv(udp[1], bytes, sizeof(bytes), MSG_DONTWAIT) > 0)
		count++;
	CHECK("a small buffer of UDP drops what is too much", count > 1 && count < 20);
	close(udp[0]);
	close(udp[1]);
}

static double seconds(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

static void times(void)
{
	struct timeval time = { 0, 200000 }, none = { 0, 0 }, back = { 5, 5 };
	socklen_t length = sizeof(back);
	static char bytes[100000];
	double before = seconds();
	int fds[2], l = listener(3);
	ssize_t part;

	stream_pair(fds);
	NEED(setsockopt(fds[0], SOL_SOCKET, SO_RCVTIMEO, &time, sizeof(time)) == 0);
	NEED(setsockopt(fds[0], SOL_SOCKET, SO_SNDTIMEO, &time, sizeof(time)) == 0);
	CHECK_ERROR("reading gives up", read(fds[0], bytes, 1), EAGAIN);
	CHECK("not at once", seconds() - before >= 0.19);
	while ((part = write(fds[0], bytes, sizeof(bytes))) > 0)
		;
	CHECK_ERROR("so does writing", part < 0 ? write(fds[0], bytes, sizeof(bytes)) : 0, EAGAIN);
	NEED(setsockopt(l, SOL_SOCKET, SO_RCVTIMEO, &time, sizeof(time)) == 0);
	CHECK_ERROR("and accepting", accept(l, NULL, NULL), EAGAIN);
	CHECK("no limit again", setsockopt(fds[0], SOL_SOCKET, SO_RCVTIMEO, &none, sizeof(none)) == 0 &&
				    getsockopt(fds[0], SOL_SOCKET, SO_RCVTIMEO, &back, &length) == 0 &&
				    back.tv_sec == 0 && back.tv_usec == 0);
	close(l);
	close(fds[0]);
	close(fds[1]);
}

static void low_water(void)
{
	struct timeval time = { 0, 100000 };
	char bytes[100];
	int fds[2];

	stream_pair(fds);
	NEED(set(fds[0], SOL_SOCKET, SO_RCVLOWAT, 10) == 0);
	write(fds[1], "12345", 5);
	CHECK("less than SO_RCVLOWAT is not ready", ready(fds[0], POLLIN, 200) == 0);
	CHECK("MSG_DONTWAIT takes it all the same", recv(fds[0], bytes, 100, MSG_DONTWAIT) == 5);
	write(fds[1], "12345", 5);
	setsockopt(fds[0], SOL_SOCKET, SO_RCVTIMEO, &time, sizeof(time));
	ready(fds[0], POLLIN, 200);
	CHECK("a limit of time too", recv(fds[0], bytes, 100, 0) == 5);
	time.tv_usec = 0;
	setsockopt(fds[0], SOL_SOCKET, SO_RCVTIMEO, &time, sizeof(time));
	write(fds[1], "1234567890", 10);
	CHECK("enough is", ready(fds[0], POLLIN, 10000) == POLLIN && recv(fds[0], bytes, 100, 0) == 10);
	write(fds[1], "12345", 5);
	CHECK("who wants less gets less", recv(fds[0], bytes, 3, 0) == 3);
	shutdown(fds[1], SHUT_WR);
	CHECK("the end is ready", ready(fds[0], POLLIN, 10000) == POLLIN && recv(fds[0], bytes, 100, 0) == 2);
	close(fds[0]);
	close(fds[1]);
}

/* Who connects, lets the data wait for a while, and takes all of it. */
static pid_t slow_reader(int port)
{
	static char bytes[50000];
	pid_t child = fork();
	ssize_t part;
	int fd;

	if (child)
		return child;
	fd = socket(AF_INET, SOCK_STREAM, 0);
	if (connect_to(fd, port))
		_exit(2);
	usleep(300000);
	while ((part = read(fd, bytes, sizeof(bytes))) > 0)
		;
	_exit(part != 0);
}

static void lingering(void)
{
	struct linger linger = { 1, 50 };
	static char bytes[150000];
	int fds[2], l = listener(1), status;
	pid_t child = slow_reader(port_of(l));
	ssize_t part;
	double before;

	fds[0] = accept(l, NULL, NULL);
	NEED(fds[0] >= 0 && setsockopt(fds[0], SOL_SOCKET, SO_LINGER, &linger, sizeof(linger)) == 0);
	part = send(fds[0], bytes, sizeof(bytes), MSG_DONTWAIT);
	before = seconds();
	CHECK("close with a time to linger", part > 1000 && close(fds[0]) == 0);
	CHECK("ends before that time", seconds() - before < 49);
	CHECK("the peer has all, and an end", waitpid(child, &status, 0) == child && status == 0);
	close(l);
	linger.l_linger = 1;
	stream_pair(fds);
	NEED(setsockopt(fds[0], SOL_SOCKET, SO_LINGER, &linger, sizeof(linger)) == 0);
	while (send(fds[0], bytes, sizeof(bytes), MSG_DONTWAIT) > 0 || ready(fds[0], POLLOUT, 200))
		;
	before = seconds();
	CHECK("nobody reads", close(fds[0]) == 0);
	CHECK("so close takes the whole time", seconds() - before >= 0.9);
	close(fds[1]);
}

/* Data that nobody takes end a connection, silence does not. */
static void user_timeout(void)
{
	static char bytes[150000];
	double before = seconds();
	int fds[2], idle[2];

	stream_pair(idle);
	stream_pair(fds);
	NEED(set(idle[0], IPPROTO_TCP, TCP_USER_TIMEOUT, 1000) == 0);
	NEED(set(fds[0], IPPROTO_TCP, TCP_USER_TIMEOUT, 1000) == 0);
	while (send(fds[0], bytes, sizeof(bytes), MSG_DONTWAIT) > 0 || ready(fds[0], POLLOUT, 200) == POLLOUT)
		;
	CHECK("TCP_USER_TIMEOUT ends it", ready(fds[0], POLLIN, 30000) & POLLERR);
	CHECK("after that time", seconds() - before >= 0.9);
	CHECK("with an error", get(fds[0], SOL_SOCKET, SO_ERROR) == ETIMEDOUT);
	CHECK_ERROR("nothing is sent any more", send(fds[0], "x", 1, MSG_NOSIGNAL), EPIPE);
	CHECK("who has nothing to send goes on",
	      write(idle[0], "abc", 3) == 3 && ready(idle[1], POLLIN, 10000) && read(idle[1], bytes, 9) == 3);
	for (int i = 0; i < 2; i++) {
		close(fds[i]);
		close(idle[i]);
	}
}

static void information(void)
{
	struct tcp_info info = { 0 };
	socklen_t length = sizeof(info);
	char bytes[10];
	int fds[2], fd = socket(AF_INET, SOCK_STREAM, 0), l = listener(3);

	CHECK("TCP_INFO of a fresh socket", getsockopt(fd, IPPROTO_TCP, TCP_INFO, &info, &length) == 0 &&
						length >= 104 && info.tcpi_state == TCP_CLOSE);
	length = sizeof(info);
	CHECK("of a listener",
	      getsockopt(l, IPPROTO_TCP, TCP_INFO, &info, &length) == 0 && info.tcpi_state == TCP_LISTEN);
	stream_pair(fds);
	write(fds[0], "hello", 5);
	ready(fds[1], POLLIN, 5000);
	length = sizeof(info);
	CHECK("of a connection", getsockopt(fds[0], IPPROTO_TCP, TCP_INFO, &info, &length) == 0 &&
				     info.tcpi_state == TCP_ESTABLISHED && info.tcpi_snd_mss >= 536 &&
				     info.tcpi_rcv_mss && info.tcpi_advmss && info.tcpi_pmtu &&
				     info.tcpi_snd_cwnd && info.tcpi_rto >= 200000 &&
				     info.tcpi_options & TCPI_OPT_WSCALE && info.tcpi_retransmits == 0);
	length = 1;
	CHECK("its first byte", getsockopt(fds[0], IPPROTO_TCP, TCP_INFO, bytes, &length) == 0 &&
				    length == 1 && bytes[0] == TCP_ESTABLISHED);
	CHECK("TCP_MAXSEG of a connection", get(fds[0], IPPROTO_TCP, TCP_MAXSEG) >= 536);
	shutdown(fds[0], SHUT_WR);
	read(fds[1], bytes, 10);
	read(fds[1], bytes, 10);
	length = sizeof(info);
	CHECK("half closed", getsockopt(fds[1], IPPROTO_TCP, TCP_INFO, &info, &length) == 0 &&
				 info.tcpi_state == TCP_CLOSE_WAIT);
	close(fd);
	close(l);
	close(fds[0]);
	close(fds[1]);
}

/* --- what comes with datagrams ------------------------------------------------------------------------------------ */

struct arrived {
	char data[16], control[512];
	struct msghdr message;
	struct iovec vector;
};

static ssize_t take(int fd, struct arrived *a, size_t control)
{
	memset(a, 0, sizeof(*a));
	a->vector = (struct iovec){ a->data, sizeof(a->data) };
	a->message = (struct msghdr){
		.msg_iov = &a->vector, .msg_iovlen = 1, .msg_control = a->control, .msg_controllen = control
	};
	return recvmsg(fd, &a->message, 0);
}

static const void *control_of(struct arrived *a, int level, int type, size_t length)
{
	for (struct cmsghdr *c = CMSG_FIRSTHDR(&a->message); c; c = CMSG_NXTHDR(&a->message, c))
		if (c->cmsg_level == level && c->cmsg_type == type && c->cmsg_len == CMSG_LEN(length))
			return CMSG_DATA(c);
	return NULL;
}

static void with_datagrams(void)
{
	struct timeval now;
	const struct timeval *time;
	const struct timespec *exact;
	const struct in_pktinfo *info;
	const unsigned char *tos;
	const int *ttl;
	struct arrived a;
	int fds[2];

	datagram_pair(fds);
	NEED(set(fds[1], SOL_SOCKET, SO_TIMESTAMP, 1) == 0 && set(fds[1], IPPROTO_IP, IP_PKTINFO, 1) == 0 &&
	     set(fds[1], IPPROTO_IP, IP_RECVTTL, 1) == 0 && set(fds[1], IPPROTO_IP, IP_RECVTOS, 1) == 0 &&
	     set(fds[0], IPPROTO_IP, IP_TTL, 33) == 0 && set(fds[0], IPPROTO_IP, IP_TOS, 0x1c) == 0);
	send(fds[0], "x", 1, 0);
	CHECK("a datagram", take(fds[1], &a, sizeof(a.control)) == 1 && !(a.message.msg_flags & MSG_CTRUNC));
	gettimeofday(&now, NULL);
	time = control_of(&a, SOL_SOCKET, SCM_TIMESTAMP, sizeof(*time));
	CHECK("when it came", time && time->tv_sec <= now.tv_sec && time->tv_sec > now.tv_sec - 60 &&
				  time->tv_usec >= 0 && time->tv_usec < 1000000);
	info = control_of(&a, IPPROTO_IP, IP_PKTINFO, sizeof(*info));
	CHECK("where to", info && info->ipi_addr.s_addr == htonl(INADDR_LOOPBACK) && info->ipi_ifindex > 0);
	ttl = control_of(&a, IPPROTO_IP, IP_TTL, sizeof(*ttl));
	CHECK("IP_TTL", ttl && *ttl == 33);
	tos = control_of(&a, IPPROTO_IP, IP_TOS, 1);
	CHECK("IP_TOS", tos && *tos == 0x1c);
	send(fds[0], "x", 1, 0);
	CHECK("no room for what came with it",
	      take(fds[1], &a, 8) == 1 && a.message.msg_flags & MSG_CTRUNC && a.message.msg_controllen == 0);
	NEED(set(fds[1], SOL_SOCKET, SO_TIMESTAMPNS, 1) == 0);
	send(fds[0], "x", 1, 0);
	CHECK("a datagram", take(fds[1], &a, sizeof(a.control)) == 1);
	exact = control_of(&a, SOL_SOCKET, SO_TIMESTAMPNS, sizeof(*exact));
	CHECK("when it came, to the nanosecond",
	      exact && exact->tv_sec >= now.tv_sec - 1 && exact->tv_nsec >= 0 && exact->tv_nsec < 1000000000);
	CHECK("instead of the microsecond", get(fds[1], SOL_SOCKET, SO_TIMESTAMP) == 0);
	close(fds[0]);
	close(fds[1]);
}

static void with_datagrams6(void)
{
	struct sockaddr_in6 name = { .sin6_family = AF_INET6, .sin6_addr = IN6ADDR_LOOPBACK_INIT };
	int a = socket(AF_INET6, SOCK_DGRAM, 0), b = socket(AF_INET6, SOCK_DGRAM, 0);
	const struct in6_pktinfo *info;
	struct arrived got;
	const int *number;

	NEED(bind(b, (struct sockaddr *)&name, sizeof(name)) == 0);
	name.sin6_port = htons((uint16_t)port_of(b));
	NEED(connect(a, (struct sockaddr *)&name, sizeof(name)) == 0);
	NEED(set(b, IPPROTO_IPV6, IPV6_RECVPKTINFO, 1) == 0 &&
	     set(b, IPPROTO_IPV6, IPV6_RECVHOPLIMIT, 1) == 0 &&
	     set(b, IPPROTO_IPV6, IPV6_RECVTCLASS, 1) == 0 &&
	     set(a, IPPROTO_IPV6, IPV6_UNICAST_HOPS, 12) == 0 &&
	     set(a, IPPROTO_IPV6, IPV6_TCLASS, 0x24) == 0);
	send(a, "y", 1, 0);
	CHECK("a datagram of IPv6", take(b, &got, sizeof(got.control)) == 1);
	info = control_of(&got, IPPROTO_IPV6, IPV6_PKTINFO, sizeof(*info));
	CHECK("where to", info && !memcmp(&info->ipi6_addr, &in6addr_loopback, 16) && info->ipi6_ifindex > 0);
	number = control_of(&got, IPPROTO_IPV6, IPV6_HOPLIMIT, sizeof(*number));
	CHECK("its hop limit", number && *number == 12);
	number = control_of(&got, IPPROTO_IPV6, IPV6_TCLASS, sizeof(*number));
	CHECK("its class", number && *number == 0x24);
	close(a);
	close(b);
}

int main(void)
{
	all_numbers();
	only_told();
	refused();
	inherited();
	buffers();
	times();
	low_water();
	lingering();
	user_timeout();
	information();
	with_datagrams();
	with_datagrams6();
	return check_result();
}
