/* SPDX-License-Identifier: MIT */
/*
 * As much of netlink's routing protocol (RFC 3549) as getifaddrs and `ip` need: lists of interfaces, addresses, routes
 * and neighbours, and setting an address, the way out, an interface up or down.
 */
#include <lwip/etharp.h>
#include <lwip/ip.h>
#include <lwip/nd6.h>
#include <lwip/priv/nd6_priv.h>
#include <lwip/snmp.h>
#include <util/string.h>

#include "port/hooks.h"
#include "interface.h"

#define NLMSG_ERROR 2u
#define NLMSG_DONE 3u
#define RTM_NEWLINK 16u
#define RTM_GETLINK 18u
#define RTM_SETLINK 19u
#define RTM_NEWADDR 20u
#define RTM_DELADDR 21u
#define RTM_GETADDR 22u
#define RTM_NEWROUTE 24u
#define RTM_DELROUTE 25u
#define RTM_GETROUTE 26u
#define RTM_NEWNEIGH 28u
#define RTM_GETNEIGH 30u
#define NLM_F_MULTI 2u
#define NLM_F_ACK 4u
#define NLM_F_DUMP 0x300u

#define IFLA_ADDRESS 1u
#define IFLA_BROADCAST 2u
#define IFLA_IFNAME 3u
#define IFLA_MTU 4u
#define IFLA_STATS 7u
#define IFLA_TXQLEN 13u
#define IFLA_OPERSTATE 16u
#define IFA_ADDRESS 1u
#define IFA_LOCAL 2u
#define IFA_LABEL 3u
#define IFA_BROADCAST 4u
#define RTA_DST 1u
#define RTA_OIF 4u
#define RTA_GATEWAY 5u
#define RTA_PREFSRC 7u
#define RTA_TABLE 15u
#define NDA_DST 1u
#define NDA_LLADDR 2u

#define RT_TABLE_MAIN 254u
#define RTPROT_KERNEL 2u
#define RTPROT_BOOT 3u
#define RTPROT_RA 9u
#define RT_SCOPE_LINK 253u
#define RT_SCOPE_HOST 254u
#define RTN_UNICAST 1u
#define ARPHRD_ETHER 1u
#define ARPHRD_LOOPBACK 772u
#define OPER_DOWN 2u
#define OPER_UP 6u
#define NUD_REACHABLE 2u
#define IFA_F_PERMANENT 0x80u
#define IFA_F_TENTATIVE 0x40u

#define REQUEST_MAX 1024u
#define MESSAGE_MAX 4096u

struct header {
	uint32_t length;
	uint16_t type, flags;
	uint32_t sequence, port;
};
struct link_info {
	uint8_t family, pad;
	uint16_t type;
	int32_t index;
	uint32_t flags, change;
};
struct address_info {
	uint8_t family, prefix, flags, scope;
	uint32_t index;
};
struct route_info {
	uint8_t family, to_length, from_length, tos, table, protocol, scope, type;
	uint32_t flags;
};
struct neighbour_info {
	uint8_t family, pad[3];
	int32_t index;
	uint16_t state;
	uint8_t flags, type;
};
struct attribute {
	uint16_t length, type;
};

/* What is being written: a batch of messages that goes out as one datagram. */
static struct {
	uint8_t bytes[MESSAGE_MAX];
	size_t used, begun;
	struct sock *to;
	struct header request;
} out;

/* --- writing ---------------------------------------------------------------------------------------------------------- */

static void flush(void)
{
	struct pbuf *data;

	if (!out.used)
		return;
	data = pbuf_alloc(PBUF_RAW, (u16_t)out.used, PBUF_RAM);
	if (data) {
		memcpy(data->payload, out.bytes, out.used);
		if (!parcel_add(out.to, data, NULL, NULL))
			pbuf_free(data);
	}
	out.used = 0;
}

static void put_bytes(const void *bytes, size_t length)
{
	size_t padded = (length + 3) & ~3ul;

	if (padded > sizeof(out.bytes) - out.used)
		return;
	memset(out.bytes + out.used, 0, padded);
	memcpy(out.bytes + out.used, bytes, length);
	out.used += padded;
}

static void begin(uint16_t type, uint16_t flags, const void *body, size_t length)
{
	struct header header = { 0, type, flags, out.request.sequence, (uint32_t)out.to->d.badge };

	if (out.used > MESSAGE_MAX - 1024)
		flush();
	out.begun = out.used;
	put_bytes(&header, sizeof(header));
	put_bytes(body, length);
}

static void put_attribute(uint16_t type, const void *value, size_t length)
{
	struct attribute attribute = { (uint16_t)(sizeof(attribute) + length), type };

	put_bytes(&attribute, sizeof(attribute));
	put_bytes(value, length);
}

static void put_word(uint16_t type, uint32_t value)
{
	put_attribute(type, &value, sizeof(value));
}

static void end(void)
{
	struct header *header = (struct header *)(out.bytes + out.begun);

	header->length = (uint32_t)(out.used - out.begun);
}

/* Also the acknowledgement, with 0. */
static void put_error(long error)
{
	struct {
		int32_t error;
		struct header request;
	} body = { (int32_t)error, out.request };

	begin(NLMSG_ERROR, 0, &body, sizeof(body));
	end();
}

/* --- lists --------------------------------------------------------------------------------------------------------------- */

static void put_link(const struct netif *netif)
{
	static const uint8_t everybody[] = { 0xff, 0xff, 0xff, 0xff, 0xff, 0xff };
	const struct stats_mib2_netif_ctrs *c = &netif->mib2_counters;
	uint32_t stats[23] = { c->ifinucastpkts, c->ifoutucastpkts, c->ifinoctets, c->ifoutoctets };
	bool loop = netif->name[0] == 'l';
	struct link_info info = { .type = loop ? ARPHRD_LOOPBACK : ARPHRD_ETHER,
				  .index = netif_get_index(netif),
				  .flags = interface_flags(netif) };
	uint8_t up = info.flags & INTERFACE_RUNNING ? OPER_UP : OPER_DOWN;
	uint8_t mac[6] = {};
	char name[16];

	interface_name(netif, name);
	memcpy(mac, netif->hwaddr, netif->hwaddr_len);
	begin(RTM_NEWLINK, NLM_F_MULTI, &info, sizeof(info));
	put_attribute(IFLA_IFNAME, name, strlen(name) + 1);
	put_word(IFLA_MTU, netif->mtu);
	put_word(IFLA_TXQLEN, NIC_ENTRIES);
	put_attribute(IFLA_OPERSTATE, &up, 1);
	put_attribute(IFLA_ADDRESS, mac, sizeof(mac));
	put_attribute(IFLA_BROADCAST, loop ? mac : everybody, sizeof(mac));
	put_attribute(IFLA_STATS, stats, sizeof(stats));
	end();
}

static uint8_t prefix_of(u32_t mask)
{
	return (uint8_t)__builtin_popcount(mask);
}

static void put_address4(const struct netif *netif)
{
	u32_t own = netif_ip4_addr(netif)->addr, mask = netif_ip4_netmask(netif)->addr;
	bool loop = netif->name[0] == 'l';
	struct address_info info = { AF_INET, prefix_of(mask), IFA_F_PERMANENT, loop ? RT_SCOPE_HOST : 0,
				     netif_get_index(netif) };
	char name[16];

	if (!own)
		return;
	interface_name(netif, name);
	begin(RTM_NEWADDR, NLM_F_MULTI, &info, sizeof(info));
	put_word(IFA_ADDRESS, own);
	put_word(IFA_LOCAL, own);
	if (!loop)
		put_word(IFA_BROADCAST, own | ~mask);
	put_attribute(IFA_LABEL, name, strlen(name) + 1);
	end();
}

static void put_addresses6(const struct netif *netif)
{
	for (unsigned n = 0; n < LWIP_IPV6_NUM_ADDRESSES; n++) {
		const ip6_addr_t *address = netif_ip6_addr(netif, n);
		u8_t state = netif_ip6_addr_state(netif, n);
		bool loop = ip6_addr_isloopback(address);
		struct address_info info = { AF_INET6, loop ? 128 : 64,
					     ip6_addr_istentative(state) ? IFA_F_TENTATIVE : IFA_F_PERMANENT,
					     loop                            ? RT_SCOPE_HOST
					     : ip6_addr_islinklocal(address) ? RT_SCOPE_LINK
									     : 0,
					     netif_get_index(netif) };

		if (state == IP6_ADDR_INVALID)
			continue;
		begin(RTM_NEWADDR, NLM_F_MULTI, &info, sizeof(info));
		put_attribute(IFA_ADDRESS, address->addr, 16);
		end();
	}
}

static void put_addresses(const struct netif *netif, uint8_t family)
{
	if (family != AF_INET6)
		put_address4(netif);
	if (family != AF_INET)
		put_addresses6(netif);
}

static void put_static_routes(const struct netif *netif)
{
	const struct route *r;

	for (unsigned n = 0; (r = route_number(n)); n++) {
		struct route_info info = { .family = AF_INET,
					   .to_length = prefix_of(r->mask),
					   .table = RT_TABLE_MAIN,
					   .protocol = RTPROT_BOOT,
					   .scope = r->gateway.addr ? 0 : RT_SCOPE_LINK,
					   .type = RTN_UNICAST };

		if (r->interface != netif_get_index(netif))
			continue;
		begin(RTM_NEWROUTE, NLM_F_MULTI, &info, sizeof(info));
		put_word(RTA_TABLE, RT_TABLE_MAIN);
		put_word(RTA_DST, r->to);
		if (r->gateway.addr)
			put_word(RTA_GATEWAY, r->gateway.addr);
		put_word(RTA_OIF, r->interface);
		end();
	}
}

static void put_route6(const struct netif *netif, const u32_t to[4], unsigned prefix, uint8_t protocol,
		       const ip6_addr_t *gateway)
{
	struct route_info info = { .family = AF_INET6,
				   .to_length = (uint8_t)prefix,
				   .table = RT_TABLE_MAIN,
				   .protocol = protocol,
				   .type = RTN_UNICAST };

	begin(RTM_NEWROUTE, NLM_F_MULTI, &info, sizeof(info));
	put_word(RTA_TABLE, RT_TABLE_MAIN);
	if (prefix)
		put_attribute(RTA_DST, to, 16);
	if (gateway && !ip6_addr_isany(gateway))
		put_attribute(RTA_GATEWAY, gateway->addr, 16);
	put_word(RTA_OIF, netif_get_index(netif));
	end();
}

static void put_routes6(const struct netif *netif)
{
	const struct route6 *r;

	if (netif->name[0] == 'l' || !netif_is_up(netif))
		return;
	for (unsigned n = 0; n < LWIP_IPV6_NUM_ADDRESSES; n++) {
		const ip6_addr_t *own = netif_ip6_addr(netif, n);
		u32_t net[4] = { own->addr[0], own->addr[1] };

		if (netif_ip6_addr_state(netif, n) != IP6_ADDR_INVALID)
			put_route6(netif, net, 64, RTPROT_KERNEL, NULL);
	}
	for (unsigned n = 0; n < LWIP_ND6_NUM_ROUTERS; n++) {
		const struct nd6_neighbor_cache_entry *router = default_router_list[n].neighbor_entry;

		if (router && router->netif == netif && default_router_list[n].invalidation_timer)
			put_route6(netif, NULL, 0, RTPROT_RA, &router->next_hop_address);
	}
	for (unsigned n = 0; (r = route6_number(n)); n++)
		if (r->interface == netif_get_index(netif))
			put_route6(netif, r->to, r->prefix, RTPROT_BOOT, &r->gateway);
}

static void put_routes(const struct netif *netif)
{
	u32_t own = netif_ip4_addr(netif)->addr, mask = netif_ip4_netmask(netif)->addr;
	struct route_info info = { .family = AF_INET, .table = RT_TABLE_MAIN, .type = RTN_UNICAST };

	if (!own || netif->name[0] == 'l' || !netif_is_up(netif))
		return;
	if (netif == netif_default && netif_ip4_gw(netif)->addr) {
		info.protocol = RTPROT_BOOT;
		begin(RTM_NEWROUTE, NLM_F_MULTI, &info, sizeof(info));
		put_word(RTA_TABLE, RT_TABLE_MAIN);
		put_word(RTA_GATEWAY, netif_ip4_gw(netif)->addr);
		put_word(RTA_OIF, netif_get_index(netif));
		end();
	}
	info.protocol = RTPROT_KERNEL;
	info.scope = RT_SCOPE_LINK;
	info.to_length = prefix_of(mask);
	begin(RTM_NEWROUTE, NLM_F_MULTI, &info, sizeof(info));
	put_word(RTA_TABLE, RT_TABLE_MAIN);
	put_word(RTA_DST, own & mask);
	put_word(RTA_OIF, netif_get_index(netif));
	put_word(RTA_PREFSRC, own);
	end();
	put_static_routes(netif);
}

static void put_neighbours(void)
{
	for (size_t i = 0; i < ARP_TABLE_SIZE; i++) {
		struct neighbour_info info = { .family = AF_INET,
					       .state = NUD_REACHABLE,
					       .type = RTN_UNICAST };
		ip4_addr_t *address;
		struct netif *netif;
		struct eth_addr *mac;

		if (!etharp_get_entry(i, &address, &netif, &mac))
			continue;
		info.index = netif_get_index(netif);
		begin(RTM_NEWNEIGH, NLM_F_MULTI, &info, sizeof(info));
		put_word(NDA_DST, address->addr);
		put_attribute(NDA_LLADDR, mac->addr, sizeof(mac->addr));
		end();
	}
}

static long list(uint16_t type, uint8_t family, bool dump, int32_t index)
{
	const struct netif *netif;
	int32_t done = 0;

	if (type == RTM_GETLINK && !dump) {
		netif = netif_get_by_index((u8_t)index);
		if (!netif)
			return -ENODEV;
		put_link(netif);
		return 0;
	}
	if (type == RTM_GETNEIGH)
		put_neighbours();
	else
		NETIF_FOREACH(netif)
		{
			if (type == RTM_GETLINK)
				put_link(netif);
			else if (type == RTM_GETADDR)
				put_addresses(netif, family);
			else if (family == AF_INET6)
				put_routes6(netif);
			else
				put_routes(netif);
		}
	begin(NLMSG_DONE, NLM_F_MULTI, &done, sizeof(done));
	end();
	return 0;
}

/* --- changes ----------------------------------------------------------------------------------------------------------------- */

/* The first `size` bytes of an attribute of this type behind a body of `skip` bytes; false if there is none. */
static bool find_bytes(const uint8_t *message, size_t length, size_t skip, uint16_t type, void *value,
		       size_t size)
{
	size_t at = sizeof(struct header) + skip;

	while (at < length && length - at >= sizeof(struct attribute)) {
		struct attribute attribute;

		memcpy(&attribute, message + at, sizeof(attribute));
		if (attribute.length < sizeof(attribute) || attribute.length > length - at)
			return false;
		if (attribute.type == type && attribute.length >= sizeof(attribute) + size) {
			memcpy(value, message + at + sizeof(attribute), size);
			return true;
		}
		at += (attribute.length + 3ul) & ~3ul;
	}
	return false;
}

static bool find_word(const uint8_t *message, size_t length, size_t skip, uint16_t type, uint32_t *value)
{
	return find_bytes(message, length, skip, type, value, 4);
}

static u32_t mask_of(uint8_t prefix)
{
	return prefix ? lwip_htonl(~0u << (32 - (prefix > 32 ? 32 : prefix))) : 0;
}

static long change_address6(const uint8_t *message, size_t length, bool add)
{
	const struct address_info *info = (const void *)(message + sizeof(struct header));
	uint32_t address[4];

	if (!find_bytes(message, length, sizeof(*info), IFA_LOCAL, address, sizeof(address)) &&
	    !find_bytes(message, length, sizeof(*info), IFA_ADDRESS, address, sizeof(address)))
		return -EINVAL;
	return interface_address6(add, netif_get_by_index((u8_t)info->index), address, info->prefix);
}

static long change_address(const uint8_t *message, size_t length, bool add)
{
	const struct address_info *info = (const void *)(message + sizeof(struct header));
	struct netif *netif = netif_get_by_index((u8_t)info->index);
	uint32_t address;

	if (info->family != AF_INET && info->family != AF_INET6)
		return -EAFNOSUPPORT;
	if (!netif)
		return -ENODEV;
	if (info->family == AF_INET6)
		return change_address6(message, length, add);
	if (!find_word(message, length, sizeof(*info), IFA_LOCAL, &address) &&
	    !find_word(message, length, sizeof(*info), IFA_ADDRESS, &address))
		return -EINVAL;
	if (!add && netif_ip4_addr(netif)->addr != address)
		return -EADDRNOTAVAIL;
	if (add && netif_ip4_addr(netif)->addr == address)
		return -EEXIST;
	interface_set_address(netif, add ? address : 0, add ? mask_of(info->prefix) : 0);
	return 0;
}

static long change_route6(const uint8_t *message, size_t length, bool add)
{
	const struct route_info *info = (const void *)(message + sizeof(struct header));
	uint32_t to[4] = {}, gateway[4] = {}, index = 0;

	find_bytes(message, length, sizeof(*info), RTA_DST, to, sizeof(to));
	find_bytes(message, length, sizeof(*info), RTA_GATEWAY, gateway, sizeof(gateway));
	find_word(message, length, sizeof(*info), RTA_OIF, &index);
	if (!add)
		return route6_delete(to, info->to_length);
	return route6_add(to, info->to_length, gateway, index ? netif_get_by_index((u8_t)index) : NULL);
}

static long change_route(const uint8_t *message, size_t length, bool add)
{
	const struct route_info *info = (const void *)(message + sizeof(struct header));
	uint32_t to = 0, gateway = 0, index = 0;

	if (info->family == AF_INET6)
		return change_route6(message, length, add);
	if (info->family != AF_INET)
		return -EAFNOSUPPORT;
	find_word(message, length, sizeof(*info), RTA_DST, &to);
	find_word(message, length, sizeof(*info), RTA_GATEWAY, &gateway);
	find_word(message, length, sizeof(*info), RTA_OIF, &index);
	return interface_route(add, to, mask_of(info->to_length), gateway,
			       index ? netif_get_by_index((u8_t)index) : NULL);
}

static long change_link(const uint8_t *message)
{
	const struct link_info *info = (const void *)(message + sizeof(struct header));
	struct netif *netif = netif_get_by_index((u8_t)info->index);

	if (!netif)
		return -ENODEV;
	if (info->change & INTERFACE_UP)
		interface_set_up(netif, info->flags & INTERFACE_UP);
	return 0;
}

static size_t least(uint16_t type)
{
	return type <= RTM_SETLINK   ? sizeof(struct link_info)
	       : type < RTM_NEWROUTE ? sizeof(struct address_info)
				     : sizeof(struct route_info);
}

/* The way to one address. */
static long get_route(const uint8_t *message, size_t length)
{
	struct route_info info = {
		.family = AF_INET, .to_length = 32, .table = RT_TABLE_MAIN, .type = RTN_UNICAST
	};
	ip_addr_t to = IPADDR4_INIT(0);
	const ip4_addr_t *way;
	struct netif *netif;

	if (length < sizeof(struct header) + sizeof(info))
		return -EINVAL;
	if (message[sizeof(struct header)] != AF_INET)
		return -EOPNOTSUPP;
	if (!find_word(message, length, sizeof(info), RTA_DST, &ip_2_ip4(&to)->addr))
		return -EINVAL;
	netif = ip_route(IP4_ADDR_ANY, &to);
	if (!netif || !reachable(IP4_ADDR_ANY, &to))
		return -ENETUNREACH;
	way = net_gateway(netif, ip_2_ip4(&to));
	if (!way && !ip4_addr_netcmp(ip_2_ip4(&to), netif_ip4_addr(netif), netif_ip4_netmask(netif)))
		way = netif_ip4_gw(netif);
	begin(RTM_NEWROUTE, 0, &info, sizeof(info));
	put_word(RTA_TABLE, RT_TABLE_MAIN);
	put_word(RTA_DST, ip_2_ip4(&to)->addr);
	if (way && way->addr && way->addr != ip_2_ip4(&to)->addr)
		put_word(RTA_GATEWAY, way->addr);
	put_word(RTA_OIF, netif_get_index(netif));
	put_word(RTA_PREFSRC, netif_ip4_addr(netif)->addr);
	end();
	return 0;
}

static long obey(struct request *rq, const uint8_t *message, size_t length)
{
	const struct link_info *link = (const void *)(message + sizeof(struct header));
	uint16_t type = out.request.type;
	bool dump = (out.request.flags & NLM_F_DUMP) == NLM_F_DUMP;

	if (type == RTM_GETLINK || type == RTM_GETADDR || type == RTM_GETROUTE || type == RTM_GETNEIGH) {
		if (!dump && type == RTM_GETROUTE)
			return get_route(message, length);
		if (!dump && (type != RTM_GETLINK || length < sizeof(struct header) + sizeof(*link)))
			return -EOPNOTSUPP;
		return list(type, length > sizeof(struct header) ? message[sizeof(struct header)] : 0, dump,
			    dump ? 0 : link->index);
	}
	if (!is_root(rq->stamp))
		return -EPERM;
	if (length < sizeof(struct header) + least(type))
		return -EINVAL;
	switch (type) {
	case RTM_NEWADDR:
	case RTM_DELADDR: return change_address(message, length, type == RTM_NEWADDR);
	case RTM_NEWROUTE:
	case RTM_DELROUTE: return change_route(message, length, type == RTM_NEWROUTE);
	case RTM_SETLINK:
	case RTM_NEWLINK: return change_link(message);
	}
	return -EOPNOTSUPP;
}

long route_send(struct request *rq, struct sock *s)
{
	uint8_t message[REQUEST_MAX] __attribute__((aligned(8))) = {};
	size_t length = rq->in_length;
	long status;

	if (length > sizeof(message))
		return -EMSGSIZE;
	if (length < sizeof(struct header))
		return -EINVAL;
	status = request_read(rq, 0, message, length);
	if (status < 0)
		return status;
	memcpy(&out.request, message, sizeof(out.request));
	if (out.request.length < sizeof(struct header) || out.request.length > length)
		return -EINVAL;
	out.to = s;
	out.used = 0;
	status = obey(rq, message, out.request.length);
	if (status || out.request.flags & NLM_F_ACK)
		put_error(status);
	flush();
	sock_tell(s);
	return (long)length;
}
