/* SPDX-License-Identifier: MIT */
/* What ioctl and netlink have in common. */
#ifndef NET_INTERFACE_H
#define NET_INTERFACE_H

#include "net.h"

#define INTERFACE_UP 0x1u
#define INTERFACE_BROADCAST 0x2u
#define INTERFACE_LOOPBACK 0x8u
#define INTERFACE_RUNNING 0x40u
#define INTERFACE_MULTICAST 0x1000u
#define INTERFACE_LOWER_UP 0x10000u

unsigned interface_flags(const struct netif *netif); /* INTERFACE_* */
void interface_set_up(struct netif *netif, bool up);
/* In network byte order; mask 0: the one that the address's class has. */
void interface_set_address(struct netif *netif, u32_t address, u32_t mask);
/* 0 or -errno. The prefix can only be 64, which is the length of every net on a link to lwIP. */
long interface_address6(bool add, struct netif *netif, const uint32_t address[4], unsigned prefix);
/* 0 or -errno; netif NULL: the one that leads to the gateway. */
long interface_route(bool add, u32_t to, u32_t mask, u32_t gateway, struct netif *netif);

/* route.c: IPv4, in network byte order; interface 0: nothing. */
struct route {
	u32_t to, mask;
	ip4_addr_t gateway; /* 0: everybody there is on that link */
	uint32_t interface;
};
#define ROUTES_MAX 64u
const struct route *route_number(unsigned n); /* NULL behind the last */
long route_add(u32_t to, u32_t mask, u32_t gateway, struct netif *netif);
long route_delete(u32_t to, u32_t mask, u32_t gateway);

/* route6.c: in network byte order; interface 0: nothing; gateway 0: everybody there is on that link. */
struct route6 {
	u32_t to[4];
	unsigned prefix;
	ip6_addr_t gateway;
	uint32_t interface;
};
#define ROUTES6_MAX 32u
const struct route6 *route6_number(unsigned n); /* NULL behind the last */
/* 0 or -errno; netif NULL: the one that has the gateway on its link. */
long route6_add(const u32_t to[4], unsigned prefix, const u32_t gateway[4], struct netif *netif);
long route6_delete(const u32_t to[4], unsigned prefix);

#endif
