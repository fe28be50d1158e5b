/* SPDX-License-Identifier: MIT */
/* Ways of IPv6 that somebody has set, beside those that routers advertise. lwIP asks for them by its hooks. */
#include <lwip/ip6.h>
#include <lwip/nd6.h>
#include <lwip/netif.h>
#include <util/string.h>

#include "interface.h"

static PRESERVED struct route6 routes6[ROUTES6_MAX];
static PRESERVED uint32_t count6; /* every packet asks */

static bool begins_as(const u32_t a[4], const u32_t b[4], unsigned prefix)
{
	for (unsigned i = 0; i < 4 && prefix; i++) {
		unsigned bits = prefix < 32 ? prefix : 32;

		if ((a[i] ^ b[i]) & lwip_htonl(~0u << (32 - bits)))
			return false;
		prefix -= bits;
	}
	return true;
}

/* The interface that has it, or a net of 64 bits with it; lwIP knows the way there. */
static struct netif *on_link(const u32_t address[4])
{
	struct netif *netif;

	NETIF_FOREACH(netif)
	{
		for (unsigned n = 0; n < LWIP_IPV6_NUM_ADDRESSES; n++)
			if (!ip6_addr_isinvalid(netif_ip6_addr_state(netif, n)) &&
			    !ip6_addr_islinklocal(netif_ip6_addr(netif, n)) &&
			    begins_as(netif_ip6_addr(netif, n)->addr, address, 64))
				return netif;
	}
	return NULL;
}

/* The longest prefix that has it. */
static const struct route6 *find6(const u32_t to[4])
{
	const struct route6 *best = NULL;

	for (const struct route6 *r = routes6; count6 && r < routes6 + ROUTES6_MAX; r++) {
		const struct netif *netif = r->interface ? netif_get_by_index((u8_t)r->interface) : NULL;

		if (netif && netif_is_up(netif) && netif_is_link_up(netif) &&
		    begins_as(r->to, to, r->prefix) && (!best || r->prefix > best->prefix))
			best = r;
	}
	return best && !on_link(to) ? best : NULL;
}

struct netif *net_route6(const ip6_addr_t *from, const ip6_addr_t *to)
{
	const struct route6 *r = find6(to->addr);

	(void)from;
	return r ? netif_get_by_index((u8_t)r->interface) : NULL;
}

const ip6_addr_t *net_gateway6(struct netif *netif, const ip6_addr_t *to)
{
	const struct route6 *r = find6(to->addr);

	if (!r || r->interface != netif_get_index(netif))
		return NULL;
	return ip6_addr_isany(&r->gateway) ? to : &r->gateway;
}

const struct route6 *route6_number(unsigned n)
{
	return n < ROUTES6_MAX ? &routes6[n] : NULL;
}

static struct route6 *look_up6(const u32_t to[4], unsigned prefix)
{
	for (struct route6 *r = routes6; r < routes6 + ROUTES6_MAX; r++)
		if (r->interface && r->prefix == prefix && !memcmp(r->to, to, sizeof(r->to)))
			return r;
	return NULL;
}

static bool is_cut(const u32_t to[4], unsigned prefix)
{
	for (unsigned bit = prefix; bit < 128; bit++)
		if (to[bit / 32] & lwip_htonl(1u << (31 - bit % 32)))
			return false;
	return true;
}

static long check(const u32_t to[4], unsigned prefix, const ip6_addr_t *gateway, struct netif **netif)
{
	bool direct = ip6_addr_isany(gateway);

	if (prefix > 128 || !is_cut(to, prefix) || (direct && !*netif))
		return -EINVAL;
	if (!*netif && ip6_addr_islinklocal(gateway))
		return -EINVAL;
	if (!*netif)
		*netif = on_link(gateway->addr);
	if (!*netif || (!direct && !ip6_addr_islinklocal(gateway) && on_link(gateway->addr) != *netif))
		return -EHOSTUNREACH;
	if ((*netif)->name[0] == 'l' || (prefix >= 64 && on_link(to)))
		return -EOPNOTSUPP;
	return look_up6(to, prefix) ? -EEXIST : 0;
}

long route6_add(const u32_t to[4], unsigned prefix, const u32_t gateway[4], struct netif *netif)
{
	struct route6 *r = routes6;
	ip6_addr_t way = {};
	long status;

	memcpy(way.addr, gateway, sizeof(way.addr));
	status = check(to, prefix, &way, &netif);
	while (r < routes6 + ROUTES6_MAX && r->interface)
		r++;
	if (status || r == routes6 + ROUTES6_MAX)
		return status ? status : -ENOBUFS;
	ip6_addr_assign_zone(&way, IP6_UNICAST, netif);
	*r = (struct route6){ .prefix = prefix, .gateway = way, .interface = netif_get_index(netif) };
	memcpy(r->to, to, sizeof(r->to));
	count6++;
	nd6_clear_destination_cache();
	return 0;
}

long route6_delete(const u32_t to[4], unsigned prefix)
{
	struct route6 *r = look_up6(to, prefix);

	if (!r)
		return -ESRCH;
	r->interface = 0;
	count6--;
	nd6_clear_destination_cache();
	return 0;
}
