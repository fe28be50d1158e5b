/* SPDX-License-Identifier: MIT */
/*
 * How lwIP is built. It has no threads and no memory of its own: pools and buffers come from memory.c, which keeps
 * them in preserved memory, and main.c calls it once for each packet, timer and request.
 */
#ifndef NET_LWIPOPTS_H
#define NET_LWIPOPTS_H

#include <stddef.h>

#define NO_SYS 1
#define LWIP_TIMERS 1
#define SYS_LIGHTWEIGHT_PROT 0
#define LWIP_NETCONN 0
#define LWIP_SOCKET 0
#define LWIP_STATS 1
#define LWIP_STATS_LARGE 1
#define MIB2_STATS 1
#define MEM_STATS 0
#define MEMP_STATS 0
#define LWIP_PERF 0
#define LINK_STATS 0
#define ETHARP_STATS 0
#define IP_STATS 0
#define IPFRAG_STATS 0
#define ICMP_STATS 0
#define IGMP_STATS 0
#define UDP_STATS 0
#define TCP_STATS 0
#define SYS_STATS 0
#define IP6_STATS 0
#define ICMP6_STATS 0
#define IP6_FRAG_STATS 0
#define MLD6_STATS 0
#define ND6_STATS 0

#define MEM_ALIGNMENT 8
#define MEM_LIBC_MALLOC 1
#define MEMP_MEM_MALLOC 1
void *net_allocate(size_t size);
void *net_allocate_zeroed(size_t count, size_t size);
void net_free(void *memory);
#define mem_clib_malloc net_allocate
#define mem_clib_calloc net_allocate_zeroed
#define mem_clib_free net_free

#define LWIP_IPV4 1
#define LWIP_IPV6 1
#define LWIP_ARP 1
#define LWIP_ETHERNET 1
#define LWIP_ICMP 1
#define LWIP_ICMP6 1
#define LWIP_RAW 1
#define LWIP_UDP 1
#define LWIP_TCP 1
#define LWIP_DHCP 1
#define LWIP_DHCP_DOES_ACD_CHECK 0
#define DHCP_DOES_ARP_CHECK 0
#define LWIP_DHCP_GET_NTP_SRV 0
#define LWIP_DHCP_MAX_DNS_SERVERS 3
#define LWIP_AUTOIP 0
#define LWIP_ACD 0
#define LWIP_IGMP 1
#define LWIP_MULTICAST_TX_OPTIONS 1
#ifndef LWIP_DNS
#define LWIP_DNS 0
#endif
#define DNS_MAX_SERVERS 3
#define LWIP_IPV6_MLD 1
#define LWIP_IPV6_AUTOCONFIG 1
#define LWIP_IPV6_DHCP6 0
#define LWIP_ND6_RDNSS_MAX_DNS_SERVERS 3
#define LWIP_ND6_QUEUEING 1
#define LWIP_IPV6_NUM_ADDRESSES 4
#define LWIP_IPV6_SCOPES 1
#define IP_FORWARD 0
#define IP_REASSEMBLY 1
#define IPV6_FRAG_COPYHEADER 1
#define IP_FRAG 1
#define IP_REASS_MAX_PBUFS 128
#define IP_SOF_BROADCAST 1
#define IP_SOF_BROADCAST_RECV 0
#define ARP_TABLE_SIZE 64
#define ARP_QUEUEING 1
#define ETHARP_SUPPORT_STATIC_ENTRIES 1

#define LWIP_NETIF_HOSTNAME 1
#define LWIP_NETIF_API 0
#define LWIP_NETIF_STATUS_CALLBACK 0
#define LWIP_NETIF_LINK_CALLBACK 0
#define LWIP_NETIF_EXT_STATUS_CALLBACK 1
#define LWIP_NETIF_LOOPBACK 1
#define LWIP_HAVE_LOOPIF 1
#define LWIP_LOOPBACK_MAX_PBUFS 2048
#define LWIP_NETIF_TX_SINGLE_PBUF 0
#define LWIP_SUPPORT_CUSTOM_PBUF 1
#define LWIP_SINGLE_NETIF 0
#define LWIP_CHECKSUM_CTRL_PER_NETIF 1

/* As large as the loopback interface has it; a card's is cut to its MTU. */
#define TCP_MSS 65475
#define LWIP_DISABLE_TCP_SANITY_CHECKS 1 /* they take 64 KiB for the largest buffer there is */
#define TCP_WND_UPDATE_THRESHOLD 16384   /* also where the other side scales no windows */
#define LWIP_WND_SCALE 1
#define TCP_RCV_SCALE 3
#define TCP_WND 262144
#define TCP_SND_BUF 262144
#define TCP_SND_QUEUELEN 1024
#define TCP_SNDLOWAT 16384
#define TCP_SNDQUEUELOWAT 700
#define TCP_QUEUE_OOSEQ 1
#define TCP_OOSEQ_MAX_PBUFS 256
#define TCP_OOSEQ_PBUFS_LIMIT(pcb) net_out_of_order_max()
#define LWIP_TCP_SACK_OUT 1
#define LWIP_TCP_TIMESTAMPS 0
#define LWIP_TCP_KEEPALIVE 1
#define LWIP_TCP_PCB_NUM_EXT_ARGS 0
#define TCP_LISTEN_BACKLOG 1
#define TCP_DEFAULT_LISTEN_BACKLOG 0xff
#define TCP_OVERSIZE 1460
#define SO_REUSE 1
#define SO_REUSE_RXTOALL 1

#define MEMP_NUM_SYS_TIMEOUT 32

#define LWIP_HOOK_FILENAME "hooks.h"
#define LWIP_HOOK_TCP_ISN net_sequence_number
#define LWIP_HOOK_IP4_ROUTE_SRC net_route
#define LWIP_HOOK_ETHARP_GET_GW net_gateway
#define LWIP_HOOK_IP6_ROUTE net_route6
#define LWIP_HOOK_ND6_GET_GW net_gateway6
#define LWIP_HOOK_TCP_INPACKET_PCB(pcb, header, options_length, first_length, second, packet) \
	net_segment(pcb, header)

unsigned short net_checksum(const void *data, int length);
#define LWIP_CHKSUM net_checksum

#endif
