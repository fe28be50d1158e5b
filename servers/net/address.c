/* SPDX-License-Identifier: MIT */
/* Addresses as programs have them, and as lwIP does. */
#include <lwip/def.h>
#include <lwip/ip.h>
#include <util/string.h>

#include "port/hooks.h"
#include "net.h"

/* As in a sockaddr_in6, behind the family. */
struct name6 {
	uint16_t port;
	uint8_t flow[4], address[16], scope[4];
};

static const uint8_t mapped_prefix[12] = { 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff };

static void read_address6(const struct name6 *name, ip_addr_t *to)
{
	uint32_t scope;

	memset(to, 0, sizeof(*to));
	if (!memcmp(name->address, mapped_prefix, sizeof(mapped_prefix))) {
		memcpy(&ip_2_ip4(to)->addr, name->address + 12, 4);
		IP_SET_TYPE(to, IPADDR_TYPE_V4);
		return;
	}
	memcpy(ip_2_ip6(to)->addr, name->address, 16);
	IP_SET_TYPE(to, IPADDR_TYPE_V6);
	memcpy(&scope, name->scope, sizeof(scope));
	if (ip6_addr_has_scope(ip_2_ip6(to), IP6_UNKNOWN))
		ip6_addr_set_zone(ip_2_ip6(to), (u8_t)scope);
}

long endpoint_read(uint32_t family, const void *name, size_t length, struct endpoint *to)
{
	struct name6 name6;
	uint16_t port;

	if (length < (family == AF_INET6 ? NAME_IN6 - 4 : NAME_IN))
		return -EINVAL;
	memset(&name6, 0, sizeof(name6));
	memcpy(&name6, name, length < NAME_IN6 ? length : NAME_IN6);
	memcpy(&port, name, sizeof(port));
	to->port = lwip_ntohs(port);
	if (family == AF_INET6) {
		read_address6(&name6, &to->address);
		return 0;
	}
	memset(&to->address, 0, sizeof(to->address));
	memcpy(&ip_2_ip4(&to->address)->addr, (const char *)name + 2, 4);
	IP_SET_TYPE(&to->address, IPADDR_TYPE_V4);
	return 0;
}

uint32_t endpoint_write(uint32_t family, const struct endpoint *from, void *name)
{
	struct name6 name6 = { .port = lwip_htons(from->port) };
	uint32_t scope;

	if (family == AF_INET) {
		memset(name, 0, NAME_IN);
		memcpy(name, &name6.port, 2);
		memcpy((char *)name + 2, &ip_2_ip4(&from->address)->addr, 4);
		return NAME_IN;
	}
	if (IP_IS_V6(&from->address)) {
		memcpy(name6.address, ip_2_ip6(&from->address)->addr, 16);
		scope = ip6_addr_zone(ip_2_ip6(&from->address));
		memcpy(name6.scope, &scope, sizeof(scope));
	} else if (!ip_addr_isany(&from->address)) {
		memcpy(name6.address, mapped_prefix, sizeof(mapped_prefix));
		memcpy(name6.address + 12, &ip_2_ip4(&from->address)->addr, 4);
	}
	memcpy(name, &name6, NAME_IN6);
	return NAME_IN6;
}

/* lwIP gives everything to the default interface, even if that knows no gateway. */
bool reachable(const ip_addr_t *local, const ip_addr_t *to)
{
	const struct netif *netif = ip_route(local, to);
	const ip4_addr_t *address = ip_2_ip4(to);

	if (!netif || !IP_IS_V4(to) || netif->name[0] == 'l' || ip_addr_isloopback(to))
		return netif != NULL;
	if (ip4_addr_ismulticast(address) || ip4_addr_isbroadcast(address, netif) ||
	    ip4_addr_cmp(address, netif_ip4_addr(netif)))
		return true;
	if (ip4_addr_isany(netif_ip4_addr(netif)))
		return false;
	if (net_route(NULL, address))
		return true;
	return !ip4_addr_isany(netif_ip4_gw(netif)) ||
	       ip4_addr_netcmp(address, netif_ip4_addr(netif), netif_ip4_netmask(netif));
}
