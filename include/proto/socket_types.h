/* SPDX-License-Identifier: MIT */
/* What libposix and the servers that hold sockets agree on. */
#ifndef PROTO_SOCKET_TYPES_H
#define PROTO_SOCKET_TYPES_H

#include <stdint.h>

#define AF_UNSPEC 0u
#define AF_UNIX 1u
#define AF_INET 2u
#define AF_INET6 10u
#define AF_NETLINK 16u
#define AF_PACKET 17u

#define SOCK_STREAM 1u
#define SOCK_DGRAM 2u
#define SOCK_RAW 3u
#define SOCK_SEQPACKET 5u

#define SOL_SOCKET 1u
#define SO_REUSEADDR 2u
#define SO_TYPE 3u
#define SO_ERROR 4u
#define SO_DONTROUTE 5u
#define SO_BROADCAST 6u
#define SO_SNDBUF 7u
#define SO_RCVBUF 8u
#define SO_KEEPALIVE 9u
#define SO_OOBINLINE 10u
#define SO_PRIORITY 12u
#define SO_LINGER 13u
#define SO_REUSEPORT 15u
#define SO_PASSCRED 16u
#define SO_PEERCRED 17u
#define SO_RCVLOWAT 18u
#define SO_SNDLOWAT 19u
#define SO_RCVTIMEO 20u
#define SO_SNDTIMEO 21u
#define SO_BINDTODEVICE 25u
#define SO_ATTACH_FILTER 26u
#define SO_DETACH_FILTER 27u
#define SO_TIMESTAMP 29u
#define SO_TIMESTAMPNS 35u
#define SO_ACCEPTCONN 30u
#define SO_SNDBUFFORCE 32u
#define SO_RCVBUFFORCE 33u
#define SO_MARK 36u
#define SO_PROTOCOL 38u
#define SO_DOMAIN 39u

#define SHUT_RD 0u
#define SHUT_WR 1u
#define SHUT_RDWR 2u

/* socket.names: whose; how long sun_path may be, and a name in a message; descriptors in one message; a look only. */
#define SOCKET_OWN 0u
#define SOCKET_PEER 1u
#define SOCKET_FROM 2u
#define SOCKET_PATH 108u
#define SOCKET_NAME 32u
#define SOCKET_FDS 3u
#define SOCKET_PEEK 2u
#define SOCKET_DISCARD 4u /* what a stream has is taken, and not copied */

#define SOCKET_FDS_AT 8
#define SOCKET_GOT_FDS_AT 60
#define SOCKET_HAS_LOST (1ull << 56)  /* descriptors came that were not wanted */
#define SOCKET_HAS_CREDS (1ull << 57) /* credentials are wanted */
#define SOCKET_IS_STREAM (1ull << 59)
#define SOCKET_HAS_CONTROL (1ull << 58) /* `control` has something to say */

static inline uint64_t socket_what(uint32_t low, uint32_t family, uint32_t name_length)
{
	return low | (uint64_t)(uint16_t)family << 32 | (uint64_t)(uint8_t)name_length << 48;
}
static inline uint32_t socket_what_family(uint64_t what)
{
	return what >> 32 & 0xffff;
}
static inline uint32_t socket_what_length(uint64_t what)
{
	return what >> 48 & 0xff;
}

#endif
