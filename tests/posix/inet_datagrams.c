/* SPDX-License-Identifier: MIT */
/* TEST: stock. UDP on the loopback, and what the machine says of its interfaces. */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <fcntl.h>
#include <ifaddrs.h>
#include <net/if.h>
#include <netdb.h>
#include <netinet/in.h>
#include <poll.h>
#include <stdint.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "check.h"

static unsigned char buffer[70000];

static struct sockaddr_in at(uint32_t address, int port)
{
	struct sockaddr_in to = { .sin_family = AF_INET, .sin_port = htons((uint16_t)port) };

	to.sin_addr.s_addr = htonl(address);
	return to;
}

static int bound(struct sockaddr_in *name)
{
	socklen_t length = sizeof(*name);
	int fd = socket(AF_INET, SOCK_DGRAM, 0);

	*name = at(INADDR_LOOPBACK, 0);
	NEED(fd >= 0 && bind(fd, (struct sockaddr *)name, sizeof(*name)) == 0);
	NEED(getsockname(fd, (struct sockaddr *)name, &length) == 0);
	return fd;
}

static int ready(int fd, int events, int ms)
{
	struct pollfd p = { fd, (short)events, 0 };

	return poll(&p, 1, ms) == 1 ? p.revents : 0;
}

static void messages(void)
{
	struct sockaddr_in a_name, b_name, from;
	struct iovec vector = { buffer, 3 };
	struct msghdr message = { .msg_iov = &vector, .msg_iovlen = 1 };
	socklen_t length = sizeof(from);
	int a = bound(&a_name), b = bound(&b_name), count;

	CHECK("two sockets, two ports", a_name.sin_port != b_name.sin_port);
	CHECK("ready to send, nothing to receive", ready(a, POLLIN | POLLOUT, 0) == POLLOUT);
	CHECK("sendto", sendto(a, "hello", 5, 0, (struct sockaddr *)&b_name, sizeof(b_name)) == 5);
	CHECK("an empty one too", sendto(a, "", 0, 0, (struct sockaddr *)&b_name, sizeof(b_name)) == 0);
	CHECK("it arrives",
	      ready(b, POLLIN, 5000) == POLLIN && ioctl(b, FIONREAD, &count) == 0 && count == 5);
	CHECK("recvfrom", recvfrom(b, buffer, 10, 0, (struct sockaddr *)&from, &length) == 5 &&
			      !memcmp(buffer, "hello", 5) && length == sizeof(from) &&
			      from.sin_port == a_name.sin_port &&
			      from.sin_addr.s_addr == a_name.sin_addr.s_addr);
	CHECK("the empty one", recv(b, buffer, 10, 0) == 0);
	CHECK_ERROR("no more", recv(b, buffer, 10, MSG_DONTWAIT), EAGAIN);
	CHECK_ERROR("to nobody", send(a, "x", 1, 0), EDESTADDRREQ);
	CHECK_ERROR("too long",
		    sendto(a, buffer, sizeof(buffer), 0, (struct sockaddr *)&b_name, sizeof(b_name)),
		    EMSGSIZE);
	CHECK("connect", connect(a, (struct sockaddr *)&b_name, sizeof(b_name)) == 0);
	CHECK("write", write(a, "abcdef", 6) == 6);
	CHECK("what does not fit is cut off",
	      ready(b, POLLIN, 5000) && recvmsg(b, &message, 0) == 3 && message.msg_flags & MSG_TRUNC);
	CHECK("MSG_TRUNC tells the length",
	      write(a, "abcdef", 6) == 6 && ready(b, POLLIN, 5000) && recv(b, buffer, 2, MSG_TRUNC) == 6);
	CHECK("a stranger's is not received",
	      sendto(bound(&from), "x", 1, 0, (struct sockaddr *)&a_name, sizeof(a_name)) == 1 &&
		  ready(a, POLLIN, 100) == 0);
	length = sizeof(from);
	CHECK("getpeername",
	      getpeername(a, (struct sockaddr *)&from, &length) == 0 && from.sin_port == b_name.sin_port);
	close(b);
	CHECK("a peer that is gone", write(a, "x", 1) == 1 && ready(a, POLLIN, 5000) & POLLERR);
	CHECK_ERROR("is told", read(a, buffer, 1), ECONNREFUSED);
	close(a);
}

static void large(void)
{
	struct sockaddr_in name;
	int fd = bound(&name), good = 1;

	for (size_t i = 0; i < sizeof(buffer); i++)
		buffer[i] = (unsigned char)(i * 7);
	CHECK("60,000 bytes", sendto(fd, buffer, 60000, 0, (struct sockaddr *)&name, sizeof(name)) == 60000);
	memset(buffer, 0, sizeof(buffer));
	CHECK("arrive whole",
	      ready(fd, POLLIN, 5000) == POLLIN && recv(fd, buffer, sizeof(buffer), 0) == 60000);
	for (size_t i = 0; i < 60000; i++)
		good = good && buffer[i] == (unsigned char)(i * 7);
	CHECK("as they were", good);
	close(fd);
}

static void multicast(void)
{
	struct ip_mreq group = { .imr_multiaddr.s_addr = htonl(0xe0000101),
				 .imr_interface.s_addr = htonl(INADDR_LOOPBACK) };
	struct sockaddr_in name;
	int fd = bound(&name);

	CHECK("IP_MULTICAST_TTL",
	      setsockopt(fd, IPPROTO_IP, IP_MULTICAST_TTL, &(int){ 3 }, sizeof(int)) == 0);
	CHECK_ERROR("no group",
		    setsockopt(fd, IPPROTO_IP, IP_ADD_MEMBERSHIP, &(struct ip_mreq){}, sizeof(group)),
		    EINVAL);
	CHECK_ERROR("not a member", setsockopt(fd, IPPROTO_IP, IP_DROP_MEMBERSHIP, &group, sizeof(group)),
		    EADDRNOTAVAIL);
	name.sin_addr.s_addr = htonl(INADDR_BROADCAST);
	CHECK_ERROR("broadcast is asked for first",
		    sendto(fd, "x", 1, 0, (struct sockaddr *)&name, sizeof(name)), EACCES);
	close(fd);
}

static void interfaces(void)
{
	struct ifaddrs *list, *i;
	int loop4 = 0, loop6 = 0, fd = socket(AF_UNIX, SOCK_DGRAM, 0);
	struct ifreq request = { .ifr_name = "lo" };

	NEED(getifaddrs(&list) == 0);
	for (i = list; i; i = i->ifa_next) {
		if (!i->ifa_addr || strcmp(i->ifa_name, "lo"))
			continue;
		if (i->ifa_addr->sa_family == AF_INET)
			loop4 =
			    ((struct sockaddr_in *)i->ifa_addr)->sin_addr.s_addr == htonl(INADDR_LOOPBACK) &&
			    i->ifa_flags & IFF_LOOPBACK;
		if (i->ifa_addr->sa_family == AF_INET6)
			loop6 =
			    !memcmp(&((struct sockaddr_in6 *)i->ifa_addr)->sin6_addr, &in6addr_loopback, 16);
	}
	CHECK("getifaddrs: 127.0.0.1 at lo", loop4);
	CHECK("getifaddrs: ::1 at lo", loop6);
	freeifaddrs(list);
	CHECK("if_nametoindex", if_nametoindex("lo") == 1);
	CHECK("if_indextoname", if_indextoname(1, (char *)buffer) && !strcmp((char *)buffer, "lo"));
	CHECK("SIOCGIFFLAGS by any socket",
	      ioctl(fd, SIOCGIFFLAGS, &request) == 0 &&
		  (request.ifr_flags & (IFF_UP | IFF_LOOPBACK)) == (IFF_UP | IFF_LOOPBACK));
	strcpy(request.ifr_name, "none0");
	CHECK_ERROR("no such interface", ioctl(fd, SIOCGIFFLAGS, &request), ENODEV);
	close(fd);
}

static void names(void)
{
	struct addrinfo hints = { .ai_family = AF_INET,
				  .ai_socktype = SOCK_STREAM,
				  .ai_flags = AI_NUMERICHOST },
			*list;

	CHECK("a numeric address", getaddrinfo("127.0.0.1", "80", &hints, &list) == 0 &&
				       ((struct sockaddr_in *)list->ai_addr)->sin_port == htons(80));
	freeaddrinfo(list);
}

int main(void)
{
	messages();
	large();
	multicast();
	interfaces();
	names();
	return check_result();
}
