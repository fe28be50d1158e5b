/* SPDX-License-Identifier: MIT */
/* Ways to nets of IPv4 that no interface is in, beside the default one, which lwIP knows. It asks for them by its hooks. */
#include <lwip/netif.h>

#include "interface.h"

static PRESERVED struct route routes[ROUTES_MAX];
static PRESERVED uint32_t count; /* every packet asks */

static unsigned prefix(u32_t mask)
{
	return (unsigned)__builtin_popcount(mask);
}

/* The longest prefix that has it; NULL also if an interface's own net is as narrow. */
static const struct route *find(u32_t to)
{
	const struct route *best = NULL;
	struct netif *netif;

	if (!count)
		return NULL;
	for (const struct route *r = routes; r < routes + ROUTES_MAX; r++) {
		if (!r->interface || (to & r->mask) != r->to ||
		    (best && prefix(r->mask) <= prefix(best->mask)))
			continue;
		netif = netif_get_by_index((u8_t)r->interface);
		if (netif && netif_is_up(netif) && netif_is_link_up(netif))
			best = r;
	}
	if (!best)
		return NULL;
	NETIF_FOREACH(netif)
	{
		u32_t mask = netif_ip4_netmask(netif)->addr;

		if (mask && ((netif_ip4_addr(netif)->addr ^ to) & mask) == 0 &&
		    prefix(mask) >= prefix(best->mask))
			return NULL;
	}
	return best;
}

struct netif *net_route(const ip4_addr_t *from, const ip4_addr_t *to)
{
	const struct route *r = find(to->addr);

	(void)from;
	return r ? netif_get_by_index((u8_t)r->interface) : NULL;
}

const ip4_addr_t *net_gateway(struct netif *netif, const ip4_addr_t *to)
{
	const struct route *r = find(to->addr);

	if (!r || r->interface != netif_get_index(netif))
		return NULL;
	return r->gateway.addr ? &r->gateway : to;
}

const struct route *route_number(unsigned n)
{
	return n < ROUTES_MAX ? &routes[n] : NULL;
}

static struct route *look_up(u32_t to, u32_t mask)
{
	for (struct route *r = routes; r < routes + ROUTES_MAX; r++)
		if (r->interface && r->to == to && r->mask == mask)
			return r;
	return NULL;
}

long route_add(u32_t to, u32_t mask, u32_t gateway, struct netif *netif)
{
	if (to & ~mask)
		return -EINVAL;
	if (look_up(to, mask))
		return -EEXIST;
	for (struct route *r = routes; r < routes + ROUTES_MAX; r++)
		if (!r->interface) {
			*r = (struct route){ to, mask, { gateway }, netif_get_index(netif) };
			count++;
			return 0;
		}
	return -ENOBUFS;
}

long route_delete(u32_t to, u32_t mask, u32_t gateway)
{
	struct route *r = look_up(to, mask);

	if (!r || (gateway && r->gateway.addr != gateway))
		return -ESRCH;
	r->interface = 0;
	count--;
	return 0;
}
