/* SPDX-License-Identifier: MIT */
/* Interfaces: their ioctls, and what netlink changes of them. */
#include <fs/stream.h>
#include <lwip/dhcp.h>
#include <lwip/etharp.h>
#include <lwip/snmp.h>
#include <util/string.h>

#include "interface.h"

#define SIOCADDRT 0x890bu
#define SIOCDELRT 0x890cu
#define SIOCGIFNAME 0x8910u
#define SIOCGIFCONF 0x8912u
#define SIOCGIFFLAGS 0x8913u
#define SIOCSIFFLAGS 0x8914u
#define SIOCGIFADDR 0x8915u
#define SIOCSIFADDR 0x8916u
#define SIOCGIFDSTADDR 0x8917u
#define SIOCGIFBRDADDR 0x8919u
#define SIOCSIFBRDADDR 0x891au
#define SIOCGIFNETMASK 0x891bu
#define SIOCSIFNETMASK 0x891cu
#define SIOCGIFMETRIC 0x891du
#define SIOCGIFMTU 0x8921u
#define SIOCSIFMTU 0x8922u
#define SIOCGIFHWADDR 0x8927u
#define SIOCGIFINDEX 0x8933u
#define SIOCGIFTXQLEN 0x8942u
#define SIOCDARP 0x8953u
#define SIOCGARP 0x8954u
#define SIOCSARP 0x8955u
#define SIOCGIFMAP 0x8970u

#define ARPHRD_ETHER 1u
#define ARPHRD_LOOPBACK 772u
#define ARP_COMPLETE 2
#define ARP_PERMANENT 4

/* struct ifreq */
struct interface_request {
	char name[16];
	union {
		struct {
			uint16_t family, port;
			uint32_t address;
			uint8_t rest[16];
		};
		uint8_t hardware[24]; /* family, then the address */
		int16_t flags;
		int32_t number;
	};
};

/* struct rtentry as libposix hands it on: the device's name stands behind it. */
struct route_request {
	uint64_t pad;
	struct {
		uint16_t family, port;
		uint32_t address;
		uint64_t zero;
	} to, gateway, mask;
	uint16_t flags;
	uint8_t rest[62];
	char device[16];
};

/* struct arpreq */
struct arp_request {
	uint16_t family, port;
	uint32_t address;
	uint64_t zero;
	uint16_t hardware_family;
	uint8_t hardware[14];
	int32_t flags;
	uint8_t mask[16];
	char device[16];
};

unsigned interface_flags(const struct netif *netif)
{
	bool loop = netif->name[0] == 'l';
	unsigned flags = loop ? INTERFACE_LOOPBACK : INTERFACE_BROADCAST | INTERFACE_MULTICAST;

	if (netif_is_up(netif))
		flags |= INTERFACE_UP;
	if (loop || netif_is_link_up(netif))
		flags |= INTERFACE_RUNNING | INTERFACE_LOWER_UP;
	return flags;
}

void interface_set_up(struct netif *netif, bool up)
{
	if (up)
		netif_set_up(netif);
	else
		netif_set_down(netif);
}

static u32_t standard_mask(u32_t address)
{
	const u8_t first = (u8_t)address;

	return first < 128 ? PP_HTONL(0xff000000) : first < 192 ? PP_HTONL(0xffff0000) : PP_HTONL(0xffffff00);
}

/* Who sets an address himself does without DHCP. */
void interface_set_address(struct netif *netif, u32_t address, u32_t mask)
{
	ip4_addr_t own = { address }, net = { address && !mask ? standard_mask(address) : mask };

	if (netif->name[0] != 'l')
		dhcp_release_and_stop(netif);
	netif_set_addr(netif, &own, &net, netif_ip4_gw(netif));
}

/* The interface through which a gateway is reached. */
static struct netif *towards(u32_t gateway)
{
	struct netif *netif;

	NETIF_FOREACH(netif)
	{
		if (((netif_ip4_addr(netif)->addr ^ gateway) & netif_ip4_netmask(netif)->addr) == 0 &&
		    netif_ip4_netmask(netif)->addr)
			return netif;
	}
	return NULL;
}

/* To a net that no interface is in; that of an interface goes with its address. */
static long net_to(bool add, u32_t to, u32_t mask, u32_t gateway, struct netif *netif)
{
	struct netif *own;

	if (!add)
		return route_delete(to, mask, gateway);
	if (!netif)
		netif = towards(gateway ? gateway : to);
	if (!netif || (gateway && towards(gateway) != netif))
		return -ENETUNREACH;
	if (netif->name[0] == 'l')
		return -EOPNOTSUPP;
	NETIF_FOREACH(own)
	{
		u32_t wide = netif_ip4_netmask(own)->addr;

		if (wide && (mask & wide) == wide && (netif_ip4_addr(own)->addr & wide) == (to & wide))
			return (mask == wide && !gateway) ? -EEXIST : -EOPNOTSUPP;
	}
	return route_add(to, mask, gateway, netif);
}

/* lwIP knows the nets of its interfaces and one way to everything else; route.c the rest. */
long interface_address6(bool add, struct netif *netif, const uint32_t address[4], unsigned prefix)
{
	ip6_addr_t own = {};
	s8_t n;

	memcpy(own.addr, address, sizeof(own.addr));
	if (ip6_addr_isany(&own) || ip6_addr_ismulticast(&own))
		return -EINVAL;
	ip6_addr_assign_zone(&own, IP6_UNICAST, netif);
	n = netif_get_ip6_addr_match(netif, &own);
	if (!add && n < 0)
		return -EADDRNOTAVAIL;
	if (!add) {
		netif_ip6_addr_set_state(netif, n, IP6_ADDR_INVALID);
		return 0;
	}
	if (n >= 0)
		return -EEXIST;
	if (prefix != 64)
		return -EOPNOTSUPP;
	if (netif_add_ip6_address(netif, &own, &n) != ERR_OK)
		return -ENOBUFS;
	netif_ip6_addr_set_valid_life(netif, n, IP6_ADDR_LIFE_STATIC);
	netif_ip6_addr_set_pref_life(netif, n, IP6_ADDR_LIFE_STATIC);
	return 0;
}

long interface_route(bool add, u32_t to, u32_t mask, u32_t gateway, struct netif *netif)
{
	ip4_addr_t way = { gateway };

	if (to || mask)
		return net_to(add, to, mask, gateway, netif);
	if (!add) {
		if (!netif_default || !netif_ip4_gw(netif_default)->addr)
			return -ESRCH;
		netif_set_gw(netif_default, IP4_ADDR_ANY4);
		return 0;
	}
	if (!netif)
		netif = towards(gateway);
	if (!netif)
		return -ENETUNREACH;
	if (netif == netif_default && netif_ip4_gw(netif)->addr)
		return -EEXIST;
	netif_set_gw(netif, &way);
	netif_set_default(netif);
	return 0;
}

/* --- ioctl ------------------------------------------------------------------------------------------------------------ */

static void put_address(struct interface_request *r, u32_t address)
{
	memset(r->hardware, 0, sizeof(r->hardware));
	r->family = AF_INET;
	r->address = address;
}

static long get_one(const struct netif *netif, uint32_t request, struct interface_request *r)
{
	u32_t own = netif_ip4_addr(netif)->addr, mask = netif_ip4_netmask(netif)->addr;

	switch (request) {
	case SIOCGIFFLAGS: r->flags = (int16_t)interface_flags(netif); return 0;
	case SIOCGIFDSTADDR:
	case SIOCGIFADDR: put_address(r, own); return own ? 0 : -EADDRNOTAVAIL;
	case SIOCGIFBRDADDR:
		put_address(r, netif->name[0] == 'l' ? 0 : own | ~mask);
		return own ? 0 : -EADDRNOTAVAIL;
	case SIOCGIFNETMASK: put_address(r, mask); return own ? 0 : -EADDRNOTAVAIL;
	case SIOCGIFMETRIC: r->number = 0; return 0;
	case SIOCGIFMTU: r->number = netif->mtu; return 0;
	case SIOCGIFTXQLEN: r->number = NIC_ENTRIES; return 0;
	case SIOCGIFINDEX: r->number = netif_get_index(netif); return 0;
	case SIOCGIFMAP: memset(r->hardware, 0, sizeof(r->hardware)); return 0;
	case SIOCGIFHWADDR:
		memset(r->hardware, 0, sizeof(r->hardware));
		r->family = netif->name[0] == 'l' ? ARPHRD_LOOPBACK : ARPHRD_ETHER;
		memcpy(r->hardware + 2, netif->hwaddr, netif->hwaddr_len);
		return 0;
	}
	return -ENOTTY;
}

static long set_one(struct request *rq, struct netif *netif, uint32_t request,
		    const struct interface_request *r)
{
	if (!is_root(rq->stamp))
		return -EPERM;
	switch (request) {
	case SIOCSIFFLAGS: interface_set_up(netif, r->flags & INTERFACE_UP); return 0;
	case SIOCSIFADDR:
		if (r->family != AF_INET)
			return -EINVAL;
		interface_set_address(netif, r->address, 0);
		interface_set_up(netif, true);
		return 0;
	case SIOCSIFNETMASK: interface_set_address(netif, netif_ip4_addr(netif)->addr, r->address); return 0;
	case SIOCSIFBRDADDR: return 0; /* it follows from address and mask */
	case SIOCSIFMTU:
		if (r->number < 576 || r->number > (netif->name[0] == 'l' ? 65535 : 1500))
			return -EINVAL;
		netif->mtu = (u16_t)r->number;
		return 0;
	}
	return -ENOTTY;
}

static long list_all(struct request *rq)
{
	struct interface_request r;
	struct netif *netif;
	uint64_t at = 0;
	long status;

	NETIF_FOREACH(netif)
	{
		if (!netif_ip4_addr(netif)->addr)
			continue;
		if (rq->out_length && at + sizeof(r) > rq->out_length)
			break;
		memset(&r, 0, sizeof(r));
		interface_name(netif, r.name);
		put_address(&r, netif_ip4_addr(netif)->addr);
		status = rq->out_length ? request_write(rq, at, &r, sizeof(r)) : 0;
		if (status < 0)
			return status;
		at += sizeof(r);
	}
	return (long)at;
}

static long change_route(struct request *rq, bool add)
{
	struct route_request r;
	struct netif *netif = NULL;
	long status = stream_take(rq, &r, sizeof(r));

	if (status < 0)
		return status;
	if (!is_root(rq->stamp))
		return -EPERM;
	r.device[sizeof(r.device) - 1] = 0;
	if (r.device[0] && !(netif = interface_named(r.device)))
		return -ENODEV;
	return interface_route(add, r.to.address, r.mask.address, r.gateway.address, netif);
}

static long arp(struct request *rq, uint32_t request)
{
	struct arp_request r;
	struct eth_addr *found, given;
	const ip4_addr_t *unused;
	struct netif *netif;
	ip4_addr_t address;
	long status = stream_take(rq, &r, sizeof(r));

	if (status < 0)
		return status;
	address.addr = r.address;
	netif = towards(r.address);
	if (request != SIOCGARP && !is_root(rq->stamp))
		return -EPERM;
	if (request == SIOCSARP) {
		memcpy(given.addr, r.hardware, sizeof(given.addr));
		return etharp_add_static_entry(&address, &given) == ERR_OK ? 0 : -ENETUNREACH;
	}
	if (request == SIOCDARP)
		return etharp_remove_static_entry(&address) == ERR_OK ? 0 : -ENXIO;
	if (!netif || etharp_find_addr(netif, &address, &found, &unused) < 0)
		return -ENXIO;
	r.hardware_family = ARPHRD_ETHER;
	memcpy(r.hardware, found->addr, sizeof(found->addr));
	r.flags = ARP_COMPLETE;
	return stream_put(rq, &r, sizeof(r));
}

long interface_ioctl(struct request *rq, uint32_t request)
{
	struct interface_request r;
	struct netif *netif;
	long status;

	switch (request) {
	case SIOCGIFCONF: return list_all(rq);
	case SIOCADDRT:
	case SIOCDELRT: return change_route(rq, request == SIOCADDRT);
	case SIOCDARP:
	case SIOCGARP:
	case SIOCSARP: return arp(rq, request);
	}
	if (request < SIOCGIFNAME || request > SIOCGIFMAP)
		return -ENOTTY;
	status = stream_take(rq, &r, sizeof(r));
	if (status < 0)
		return status;
	r.name[sizeof(r.name) - 1] = 0;
	netif = request == SIOCGIFNAME ? netif_get_by_index((u8_t)r.number) : interface_named(r.name);
	if (!netif)
		return -ENODEV;
	if (request == SIOCGIFNAME) {
		interface_name(netif, r.name);
		return stream_put(rq, &r, sizeof(r));
	}
	status = get_one(netif, request, &r);
	if (status == -ENOTTY)
		return set_one(rq, netif, request, &r);
	return status ? status : stream_put(rq, &r, sizeof(r));
}
