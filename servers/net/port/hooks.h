/* SPDX-License-Identifier: MIT */
/* Where lwIP asks us for a decision. */
#ifndef NET_PORT_HOOKS_H
#define NET_PORT_HOOKS_H

#include <lwip/ip_addr.h>

uint32_t net_sequence_number(const ip_addr_t *local, uint16_t local_port, const ip_addr_t *remote,
			     uint16_t remote_port);

struct tcp_pcb;
struct tcp_hdr;
signed char net_segment(struct tcp_pcb *pcb, struct tcp_hdr *header);
unsigned net_out_of_order_max(void);
void net_tcp_tmr(void);

struct netif;
/* The interface that leads there, if that is neither its own net nor the default way; NULL. */
struct netif *net_route(const ip4_addr_t *from, const ip4_addr_t *to);
/* Whom on the link of this interface to give it to; NULL: the default gateway. */
const ip4_addr_t *net_gateway(struct netif *netif, const ip4_addr_t *to);

/* The same for IPv6, for what no interface's own net has. */
struct netif *net_route6(const ip6_addr_t *from, const ip6_addr_t *to);
const ip6_addr_t *net_gateway6(struct netif *netif, const ip6_addr_t *to);

#endif
