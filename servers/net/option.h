/* SPDX-License-Identifier: MIT */
/* The options of sockets that are a number: each is a line here and, if it has an effect, one in option.c. */
#ifndef NET_OPTION_H
#define NET_OPTION_H

#include <proto/socket_types.h>

#define IPPROTO_IP 0u
#define IPPROTO_TCP 6u
#define IPPROTO_IPV6 41u
#define IPPROTO_ICMPV6 58u
#define IPPROTO_RAW 255u

#define IP_TOS 1u
#define IP_TTL 2u
#define IP_HDRINCL 3u
#define IP_PKTINFO 8u
#define IP_MTU_DISCOVER 10u
#define IP_RECVERR 11u
#define IP_RECVTTL 12u
#define IP_RECVTOS 13u
#define IP_FREEBIND 15u
#define IP_MULTICAST_IF 32u
#define IP_MULTICAST_TTL 33u
#define IP_MULTICAST_LOOP 34u
#define IP_ADD_MEMBERSHIP 35u
#define IP_DROP_MEMBERSHIP 36u

#define IPV6_CHECKSUM 7u
#define IPV6_UNICAST_HOPS 16u
#define IPV6_MULTICAST_IF 17u
#define IPV6_MULTICAST_HOPS 18u
#define IPV6_MULTICAST_LOOP 19u
#define IPV6_ADD_MEMBERSHIP 20u
#define IPV6_DROP_MEMBERSHIP 21u
#define IPV6_MTU_DISCOVER 23u
#define IPV6_RECVERR 25u
#define IPV6_V6ONLY 26u
#define IPV6_RECVPKTINFO 49u
#define IPV6_PKTINFO 50u
#define IPV6_RECVHOPLIMIT 51u
#define IPV6_HOPLIMIT 52u
#define IPV6_RECVTCLASS 66u
#define IPV6_TCLASS 67u

/* Of whom: kinds of sockets, TCP, UDP, raw, the others. */
#define OF_TCP 1u
#define OF_UDP 2u
#define OF_RAW 4u
#define OF_OTHER 8u
#define OF_ALL 15u
#define OF_PORTS (OF_TCP | OF_UDP)
#define OF_IP (OF_PORTS | OF_RAW)
#define OF_DATAGRAMS (OF_UDP | OF_RAW)

/*
 * name, level, its number there, of whom, what it is at first, how what is given is taken: FLAG as 0 or 1, BYTE the low
 * eight bits, WITHIN if it is within the bounds that follow, OR_FIRST likewise where -1 stands for what it was at first,
 * SIZE doubled and at least the bound.
 */
#define OPTION_NUMBERS(N)                                                                 \
	N(REUSEADDR, SOL_SOCKET, SO_REUSEADDR, OF_ALL, 0, FLAG, 0, 0)                     \
	N(REUSEPORT, SOL_SOCKET, SO_REUSEPORT, OF_ALL, 0, FLAG, 0, 0)                     \
	N(KEEPALIVE, SOL_SOCKET, SO_KEEPALIVE, OF_ALL, 0, FLAG, 0, 0)                     \
	N(BROADCAST, SOL_SOCKET, SO_BROADCAST, OF_ALL, 0, FLAG, 0, 0)                     \
	N(DONTROUTE, SOL_SOCKET, SO_DONTROUTE, OF_ALL, 0, FLAG, 0, 0)                     \
	N(OOBINLINE, SOL_SOCKET, SO_OOBINLINE, OF_ALL, 0, FLAG, 0, 0)                     \
	N(PASSCRED, SOL_SOCKET, SO_PASSCRED, OF_ALL, 0, FLAG, 0, 0)                       \
	N(PRIORITY, SOL_SOCKET, SO_PRIORITY, OF_ALL, 0, WITHIN, 0, INT32_MAX)             \
	N(MARK, SOL_SOCKET, SO_MARK, OF_ALL, 0, WITHIN, INT32_MIN, INT32_MAX)             \
	N(RCVLOWAT, SOL_SOCKET, SO_RCVLOWAT, OF_ALL, 1, WITHIN, INT32_MIN, INT32_MAX)     \
	N(TIMESTAMP, SOL_SOCKET, SO_TIMESTAMP, OF_ALL, 0, FLAG, 0, 0)                     \
	N(TIMESTAMPNS, SOL_SOCKET, SO_TIMESTAMPNS, OF_ALL, 0, FLAG, 0, 0)                 \
	N(RCVBUF, SOL_SOCKET, SO_RCVBUF, OF_ALL, 212992, SIZE, 2304, 0)                   \
	N(SNDBUF, SOL_SOCKET, SO_SNDBUF, OF_ALL, 212992, SIZE, 4608, 0)                   \
	N(NODELAY, IPPROTO_TCP, 1, OF_TCP, 0, FLAG, 0, 0)                                 \
	N(MAXSEG, IPPROTO_TCP, 2, OF_TCP, 536, WITHIN, 88, 32767)                         \
	N(CORK, IPPROTO_TCP, 3, OF_TCP, 0, FLAG, 0, 0)                                    \
	N(KEEPIDLE, IPPROTO_TCP, 4, OF_TCP, 7200, WITHIN, 1, 32767)                       \
	N(KEEPINTVL, IPPROTO_TCP, 5, OF_TCP, 75, WITHIN, 1, 32767)                        \
	N(KEEPCNT, IPPROTO_TCP, 6, OF_TCP, 9, WITHIN, 1, 127)                             \
	N(SYNCNT, IPPROTO_TCP, 7, OF_TCP, 6, WITHIN, 1, 127)                              \
	N(LINGER2, IPPROTO_TCP, 8, OF_TCP, 60, WITHIN, INT32_MIN, INT32_MAX)              \
	N(DEFER_ACCEPT, IPPROTO_TCP, 9, OF_TCP, 0, WITHIN, INT32_MIN, INT32_MAX)          \
	N(QUICKACK, IPPROTO_TCP, 12, OF_TCP, 1, FLAG, 0, 0)                               \
	N(USER_TIMEOUT, IPPROTO_TCP, 18, OF_TCP, 0, WITHIN, 0, INT32_MAX)                 \
	N(TOS, IPPROTO_IP, IP_TOS, OF_IP, 0, BYTE, 0, 0)                                  \
	N(TTL, IPPROTO_IP, IP_TTL, OF_IP, 64, OR_FIRST, 1, 255)                           \
	N(HDRINCL, IPPROTO_IP, IP_HDRINCL, OF_RAW, 0, FLAG, 0, 0)                         \
	N(PKTINFO, IPPROTO_IP, IP_PKTINFO, OF_IP, 0, FLAG, 0, 0)                          \
	N(MTU_DISCOVER, IPPROTO_IP, IP_MTU_DISCOVER, OF_IP, 1, WITHIN, 0, 5)              \
	N(RECVERR, IPPROTO_IP, IP_RECVERR, OF_IP, 0, FLAG, 0, 0)                          \
	N(RECVTTL, IPPROTO_IP, IP_RECVTTL, OF_IP, 0, FLAG, 0, 0)                          \
	N(RECVTOS, IPPROTO_IP, IP_RECVTOS, OF_IP, 0, FLAG, 0, 0)                          \
	N(FREEBIND, IPPROTO_IP, IP_FREEBIND, OF_IP, 0, FLAG, 0, 0)                        \
	N(MULTICAST_TTL, IPPROTO_IP, IP_MULTICAST_TTL, OF_IP, 1, OR_FIRST, 0, 255)        \
	N(MULTICAST_LOOP, IPPROTO_IP, IP_MULTICAST_LOOP, OF_IP, 1, FLAG, 0, 0)            \
	N(LOCAL_PORT_RANGE, IPPROTO_IP, 51, OF_IP, 0, WITHIN, INT32_MIN, INT32_MAX)       \
	N(UNICAST_HOPS6, IPPROTO_IPV6, IPV6_UNICAST_HOPS, OF_IP, 64, OR_FIRST, 0, 255)    \
	N(MULTICAST_HOPS6, IPPROTO_IPV6, IPV6_MULTICAST_HOPS, OF_IP, 1, OR_FIRST, 0, 255) \
	N(MULTICAST_LOOP6, IPPROTO_IPV6, IPV6_MULTICAST_LOOP, OF_IP, 1, WITHIN, 0, 1)     \
	N(MTU_DISCOVER6, IPPROTO_IPV6, IPV6_MTU_DISCOVER, OF_IP, 1, WITHIN, 0, 5)         \
	N(RECVERR6, IPPROTO_IPV6, IPV6_RECVERR, OF_IP, 0, FLAG, 0, 0)                     \
	N(V6ONLY, IPPROTO_IPV6, IPV6_V6ONLY, OF_IP, 0, FLAG, 0, 0)                        \
	N(RECVPKTINFO6, IPPROTO_IPV6, IPV6_RECVPKTINFO, OF_IP, 0, FLAG, 0, 0)             \
	N(RECVHOPLIMIT6, IPPROTO_IPV6, IPV6_RECVHOPLIMIT, OF_IP, 0, FLAG, 0, 0)           \
	N(RECVTCLASS6, IPPROTO_IPV6, IPV6_RECVTCLASS, OF_IP, 0, FLAG, 0, 0)               \
	N(TCLASS6, IPPROTO_IPV6, IPV6_TCLASS, OF_IP, 0, OR_FIRST, 0, 255)

#define OPTION_NAME(name, level, number, kinds, first, how, least, most) OPTION_##name,
enum option_number { OPTION_NUMBERS(OPTION_NAME) OPTIONS };
#undef OPTION_NAME

#endif
