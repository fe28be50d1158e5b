/* SPDX-License-Identifier: MIT */
/* Groups: joining and leaving them, and the interface by which packets to one go out. */
#include <fs/stream.h>
#include <lwip/igmp.h>
#include <lwip/mld6.h>
#include <lwip/udp.h>
#include <util/string.h>

#include "net.h"

#define MEMBERSHIPS_MAX 20u /* of a socket, as on Linux */

/* struct in_addr, ip_mreq or ip_mreqn: group, interface's address, perhaps its index. */
static long take_group4(struct request *rq, size_t least, ip4_addr_t *group, ip4_addr_t *interface)
{
	uint32_t words[3] = {};
	size_t length = rq->in_length < 12 ? rq->in_length : 12;
	long status = length < least ? -EINVAL : request_read(rq, 0, words, length);
	struct netif *netif;

	if (status < 0)
		return status;
	group->addr = words[0];
	interface->addr = length < 8 ? words[0] : words[1];
	netif = length == 12 && words[2] ? netif_get_by_index((u8_t)words[2]) : NULL;
	if (length == 12 && words[2] && !netif)
		return -ENODEV;
	if (netif)
		*interface = *netif_ip4_addr(netif);
	return 0;
}

/* What a socket has joined, to be left when it ends. */
struct membership {
	struct membership *next;
	ip_addr_t group;
	ip4_addr_t address; /* of the interface, of IPv4 */
	u8_t interface;     /* of IPv6 */
};

static err_t leave(const struct membership *m)
{
	struct netif *netif = netif_get_by_index(m->interface);

	if (IP_IS_V4(&m->group))
		return igmp_leavegroup(&m->address, ip_2_ip4(&m->group));
	return netif ? mld6_leavegroup_netif(netif, ip_2_ip6(&m->group)) : ERR_VAL;
}

static err_t enter(const struct membership *m)
{
	if (IP_IS_V4(&m->group))
		return igmp_joingroup(&m->address, ip_2_ip4(&m->group));
	return mld6_joingroup_netif(netif_get_by_index(m->interface), ip_2_ip6(&m->group));
}

static bool is_same(const struct membership *a, const struct membership *b)
{
	return ip_addr_cmp(&a->group, &b->group) && a->address.addr == b->address.addr &&
	       a->interface == b->interface;
}

static long join(struct sock *s, const struct membership *wanted)
{
	struct membership *m;
	unsigned count = 0;

	for (m = s->memberships; m; m = m->next, count++)
		if (is_same(m, wanted))
			return -EADDRINUSE;
	m = count < MEMBERSHIPS_MAX ? net_allocate(sizeof(*m)) : NULL;
	if (!m)
		return -ENOBUFS;
	*m = *wanted;
	if (enter(m) != ERR_OK) {
		net_free(m);
		return -ENODEV;
	}
	m->next = s->memberships;
	s->memberships = m;
	return 0;
}

static long part(struct sock *s, const struct membership *wanted)
{
	struct membership **at = &s->memberships, *m;

	while (*at && !is_same(*at, wanted))
		at = &(*at)->next;
	m = *at;
	if (!m)
		return -EADDRNOTAVAIL;
	*at = m->next;
	leave(m);
	net_free(m);
	return 0;
}

void multicast_end(struct sock *s)
{
	struct membership *m;

	while ((m = s->memberships)) {
		s->memberships = m->next;
		leave(m);
		net_free(m);
	}
}

static long change4(struct request *rq, struct sock *s, bool joins)
{
	struct membership wanted = {};
	ip4_addr_t group;
	long status = take_group4(rq, 8, &group, &wanted.address);

	if (status < 0)
		return status;
	if (!ip4_addr_ismulticast(&group))
		return -EINVAL;
	ip_addr_copy_from_ip4(wanted.group, group);
	return joins ? join(s, &wanted) : part(s, &wanted);
}

static bool has_address(const ip4_addr_t *address)
{
	struct netif *netif;

	NETIF_FOREACH(netif)
	{
		if (ip4_addr_cmp(address, netif_ip4_addr(netif)))
			return true;
	}
	return ip4_addr_isany(address);
}

static long set_interface4(struct request *rq, struct sock *s)
{
	ip4_addr_t group, interface;
	long status = take_group4(rq, 4, &group, &interface);

	if (status < 0)
		return status;
	if (!has_address(&interface))
		return -EADDRNOTAVAIL;
	if (s->kind == SOCK_UDP)
		udp_set_multicast_netif_addr(s->udp, &interface);
	return 0;
}

static long change6(struct request *rq, struct sock *s, bool joins)
{
	struct {
		uint32_t group[4], interface;
	} given;
	struct membership wanted = {};
	ip6_addr_t group = {};
	struct netif *netif;
	long status = stream_take(rq, &given, sizeof(given));

	if (status < 0)
		return status;
	memcpy(group.addr, given.group, sizeof(group.addr));
	if (!ip6_addr_ismulticast(&group))
		return -EINVAL;
	netif = given.interface > 255 ? NULL
		: given.interface     ? netif_get_by_index((u8_t)given.interface)
				      : netif_default;
	if (!netif)
		return -ENODEV;
	ip6_addr_assign_zone(&group, IP6_MULTICAST, netif);
	ip_addr_copy_from_ip6(wanted.group, group);
	wanted.interface = netif_get_index(netif);
	return joins ? join(s, &wanted) : part(s, &wanted);
}

static long set_interface6(struct request *rq, struct sock *s)
{
	int32_t index;
	long status = stream_take(rq, &index, sizeof(index));

	if (status < 0)
		return status;
	if (index && (index < 0 || index > 255 || !netif_get_by_index((u8_t)index)))
		return -ENODEV;
	if (s->kind == SOCK_UDP)
		udp_set_multicast_netif_index(s->udp, (u8_t)index);
	return 0;
}

long multicast_set(struct request *rq, struct sock *s, uint64_t level, uint64_t name)
{
	if (level == IPPROTO_IP && (name == IP_ADD_MEMBERSHIP || name == IP_DROP_MEMBERSHIP))
		return change4(rq, s, name == IP_ADD_MEMBERSHIP);
	if (level == IPPROTO_IP && name == IP_MULTICAST_IF)
		return set_interface4(rq, s);
	if (level != IPPROTO_IPV6 || s->family != AF_INET6)
		return -ENOPROTOOPT;
	if (name == IPV6_ADD_MEMBERSHIP || name == IPV6_DROP_MEMBERSHIP)
		return change6(rq, s, name == IPV6_ADD_MEMBERSHIP);
	return name == IPV6_MULTICAST_IF ? set_interface6(rq, s) : -ENOPROTOOPT;
}

long multicast_interface(const struct sock *s, uint64_t level)
{
	if (s->kind != SOCK_UDP)
		return 0;
	return level == IPPROTO_IP ? (int32_t)s->udp->mcast_ip4.addr : s->udp->mcast_ifindex;
}
