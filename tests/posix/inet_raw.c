/* SPDX-License-Identifier: MIT */
/* TEST: stock. Raw sockets and packet sockets, which are root's. */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <net/ethernet.h>
#include <net/if.h>
#include <netinet/icmp6.h>
#include <netinet/in.h>
#include <netpacket/packet.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "check.h"

#define SOL_RAW_LEVEL 255

static struct sockaddr_in6 loopback(void)
{
	struct sockaddr_in6 to = { .sin6_family = AF_INET6, .sin6_addr = IN6ADDR_LOOPBACK_INIT };

	return to;
}

/* An answer to an echo request, which says the same. */
static int answered(int fd, const struct icmp6_hdr *request)
{
	struct icmp6_hdr got;

	for (;;) {
		struct pollfd p = { fd, POLLIN, 0 };

		if (poll(&p, 1, 5000) != 1 || recv(fd, &got, sizeof(got), 0) != sizeof(got))
			return 0;
		if (got.icmp6_type == ICMP6_ECHO_REPLY)
			return got.icmp6_id == request->icmp6_id && got.icmp6_seq == request->icmp6_seq;
	}
}

static void echo6(void)
{
	struct icmp6_hdr request = { .icmp6_type = ICMP6_ECHO_REQUEST };
	struct sockaddr_in6 to = loopback();
	int fd = socket(AF_INET6, SOCK_RAW, IPPROTO_ICMPV6);

	NEED(fd >= 0);
	request.icmp6_id = htons(77);
	request.icmp6_seq = htons(1);
	CHECK("an echo request", sendto(fd, &request, sizeof(request), 0, (struct sockaddr *)&to,
					sizeof(to)) == sizeof(request));
	CHECK("is answered: the checksum was filled in", answered(fd, &request));
	CHECK_ERROR("one too short for a checksum",
		    sendto(fd, &request, 3, 0, (struct sockaddr *)&to, sizeof(to)), EINVAL);
	close(fd);
}

static void checksums(void)
{
	int fd = socket(AF_INET6, SOCK_RAW, IPPROTO_ICMPV6), at = 2;
	int udp = socket(AF_INET6, SOCK_DGRAM, 0);

	NEED(fd >= 0 && udp >= 0);
	CHECK("where the checksum is", !setsockopt(fd, SOL_RAW_LEVEL, IPV6_CHECKSUM, &at, sizeof(at)));
	at = 3;
	CHECK_ERROR("not at an odd place", setsockopt(fd, SOL_RAW_LEVEL, IPV6_CHECKSUM, &at, sizeof(at)),
		    EINVAL);
	at = 2;
	CHECK_ERROR("not of UDP", setsockopt(udp, SOL_RAW_LEVEL, IPV6_CHECKSUM, &at, sizeof(at)),
		    ENOPROTOOPT);
	close(udp);
	close(fd);
}

static void packets(void)
{
	struct sockaddr_ll name = { .sll_family = AF_PACKET, .sll_protocol = htons(ETH_P_ARP) };
	socklen_t length = sizeof(name);
	int fd = socket(AF_PACKET, SOCK_DGRAM, htons(ETH_P_ARP)), type = 0;
	socklen_t size = sizeof(type);
	char byte;

	NEED(fd >= 0);
	CHECK("its type", !getsockopt(fd, SOL_SOCKET, SO_TYPE, &type, &size) && type == SOCK_DGRAM);
	CHECK("bind to every interface", !bind(fd, (struct sockaddr *)&name, sizeof(name)));
	CHECK("its name", !getsockname(fd, (struct sockaddr *)&name, &length) &&
			      name.sll_family == AF_PACKET && name.sll_ifindex == 0 &&
			      name.sll_protocol == htons(ETH_P_ARP));
	CHECK_ERROR("nothing has come", recv(fd, &byte, 1, MSG_DONTWAIT), EAGAIN);
	CHECK_ERROR("no interface to send by", send(fd, "x", 1, 0), ENXIO);
	CHECK_ERROR("it has no peer", getpeername(fd, (struct sockaddr *)&name, &length), EOPNOTSUPP);
	name = (struct sockaddr_ll){ .sll_family = AF_PACKET, .sll_ifindex = 77 };
	CHECK_ERROR("no such interface", bind(fd, (struct sockaddr *)&name, sizeof(name)), ENODEV);
	CHECK_ERROR("a short name", bind(fd, (struct sockaddr *)&name, 8), EINVAL);
	close(fd);
	CHECK_ERROR("no streams", socket(AF_PACKET, SOCK_STREAM, 0), ESOCKTNOSUPPORT);
}

static void devices(void)
{
	int fd = socket(AF_INET, SOCK_DGRAM, 0);

	NEED(fd >= 0);
	CHECK("bound to lo", !setsockopt(fd, SOL_SOCKET, SO_BINDTODEVICE, "lo", 3));
	CHECK("to none", !setsockopt(fd, SOL_SOCKET, SO_BINDTODEVICE, "", 0));
	CHECK_ERROR("to one that is not there", setsockopt(fd, SOL_SOCKET, SO_BINDTODEVICE, "none0", 6),
		    ENODEV);
	close(fd);
}

static void roots_only(void)
{
	pid_t child = fork();
	int status;

	if (child == 0)
		_exit(setuid(1000) || socket(AF_PACKET, SOCK_RAW, htons(ETH_P_ALL)) >= 0 || errno != EPERM ||
		      socket(AF_INET6, SOCK_RAW, IPPROTO_ICMPV6) >= 0 || errno != EPERM);
	NEED(child > 0 && waitpid(child, &status, 0) == child);
	CHECK("others get none", status == 0);
}

int main(void)
{
	echo6();
	checksums();
	packets();
	devices();
	roots_only();
	return check_result();
}
