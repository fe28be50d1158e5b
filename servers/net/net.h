/* SPDX-License-Identifier: MIT */
/* Cards, sockets, and what lwIP asks of us. */
#ifndef NET_NET_H
#define NET_NET_H

#include <fs/description.h>
#include <lwip/ip_addr.h>
#include <lwip/netif.h>
#include <lwip/pbuf.h>
#include <proto/file.h>
#include <proto/net.h>
#include <proto/nic_types.h>
#include <proto/socket.h>
#include <sys/server.h>

#include "option.h"

#define CARDS_MAX 8u
#define CARD_FIRST 8u /* of the notification's bits */
#define CARD_BIT(i) (1ull << (CARD_FIRST + (i)))
#define LOOP_BIT 1ull

struct sock;

/* --- main.c ----------------------------------------------------------------------------------------------------- */
/* lwIP is started when it is first needed: a system without a network does not pay for it. */
void net_need(void);
/* An event is over: what it means for the timers, and for what goes out. */
void net_settle(void);

/* --- port.c ------------------------------------------------------------------------------------------------------- */
void random_start(void);
/* Ports to try, for a socket that needs any: each of few, some of many. */
struct ports {
	uint32_t least, count, at, left;
};
struct ports ports_for(const struct sock *s);
u16_t port_next(struct ports *ports);       /* 0: no further one */
bool port_range_is_sane(uint32_t low_high); /* as IP_LOCAL_PORT_RANGE has it */
#define NAME_SERVERS 3u
unsigned short net_checksum(const void *data, int length);
extern ip_addr_t name_servers[NAME_SERVERS];
void dns_setserver(u8_t number, const ip_addr_t *address);
const ip_addr_t *dns_getserver(u8_t number);

/* --- memory.c ------------------------------------------------------------------------------------------------------ */
void memory_start(void); /* of a new incarnation */
/* The next block of the size of this one, which is allocated and not used, is this one; until it is withdrawn. */
void net_offer(void *memory);
void net_withdraw(void);

/* --- loop.c: packets to ourselves ---------------------------------------------------------------------------------- */
void loop_start(void);
bool looping(void);      /* there are some */
void loop_packets(void); /* each is a transaction */
/* Whether the transaction that ends is one of these. */
bool loop_runs(void);

/* Memory is nearly used up: who has much of it already gets no more. */
bool memory_short(void);

/* --- crowd.c: many connections -------------------------------------------------------------------------------------- */
void crowd_timers(void);  /* those of lwIP that are due */
void crowd_restart(void); /* in a new incarnation */
bool crowd_is_full(void); /* no further connection can be made */
void net_pause(void);     /* where the event may be committed half done, if it has become long */

/* --- card.c: drivers and their rings ------------------------------------------------------------------------------ */
struct card {
	struct netif netif;
	bool used, attached;
	cap_t driver, memory, notify;
	uint64_t number;             /* among the drivers of its class, at RS */
	uint32_t owner;              /* what we are to the driver, unless another has come */
	uint32_t offloads;           /* agreed on with the driver */
	uint32_t consumed, produced; /* what the shared words are to say after the commit */
};
extern struct card cards[CARDS_MAX];
struct nic_attach_reply;
/* Its driver serves us from now on, by this memory and notification, which are ours to close. */
void card_begin(struct card *card, const struct nic_attach_reply *told, cap_t memory, cap_t notify);
void cards_need(void);  /* lwIP has been started */
void cards_start(void); /* of a new incarnation */
void cards_publish(void);
void cards_run(uint64_t bits); /* packets that have come; each is a transaction */
/* merge.c: the segments at the ring's head that can be taken as one packet, whose checksum need not be looked at. How many
 * entries are done with then: 0, if there are no two such. NULL: all were damaged. */
unsigned merge(const struct card *card, const struct nic_area *area, uint32_t produced, struct pbuf **packet);
/* driver.c: ask for the drivers that there are and that will come. */
void cards_find(void);
/* offload.c: a segment of TCP without a checksum is left to the device; what it has left to us is completed, unless that
 * cannot be. */
void offload_send(uint8_t *frame, uint32_t length, struct nic_entry *entry);
bool offload_complete(struct pbuf *packet, uint32_t from, uint32_t at);
void interface_name(const struct netif *netif, char name[16]);
struct netif *interface_named(const char *name);

/* --- address.c ------------------------------------------------------------------------------------------------------- */
/* The end of a connection or of a datagram's way. */
struct endpoint {
	ip_addr_t address;
	uint16_t port;
};
#define NAME_IN 14u  /* of a sockaddr_in, without the family */
#define NAME_IN6 26u /* of a sockaddr_in6 */
/* What stands behind the family in a sockaddr, for a socket of `family`: 0 or -errno. */
long endpoint_read(uint32_t family, const void *name, size_t length, struct endpoint *to);
/* The length. An IPv4 address becomes a mapped one for a socket of AF_INET6. */
uint32_t endpoint_write(uint32_t family, const struct endpoint *from, void *name);
/* Whether there is a way from the local address, which may be any. */
bool reachable(const ip_addr_t *local, const ip_addr_t *to);

/* --- sockets ------------------------------------------------------------------------------------------------------------ */
enum sock_kind { SOCK_TCP = 1, SOCK_UDP, SOCK_RAW_IP, SOCK_ROUTE, SOCK_PACKET };
enum sock_state { SOCK_NEW, SOCK_CONNECTING, SOCK_CONNECTED, SOCK_LISTENING, SOCK_OVER };

/* What has come and was not read yet: part of a stream, or a datagram with its sender. */
struct parcel {
	struct parcel *next;
	struct pbuf *data;
	uint32_t length, taken;
	struct endpoint from;
	ip_addr_t to;
	uint8_t ttl, tos, interface;
	uint64_t when; /* realtime, if that is wanted */
};

struct tcp_pcb;
struct udp_pcb;
struct raw_pcb;
struct ip_pcb;

struct sock {
	struct description d;
	uint32_t family, protocol;
	enum sock_kind kind;
	enum sock_state state;
	union {
		struct tcp_pcb *tcp;
		struct udp_pcb *udp;
		struct raw_pcb *raw;
		struct ip_pcb *ip;
	};
	struct parcel *first, *last, recent; /* recent: of the datagram received last; no data */
	uint32_t queued, parcels;            /* bytes; in so many pieces */
	int32_t error;                       /* for SO_ERROR, and the next call */
	bool untold;                         /* nobody has been told that connecting was successful */
	bool bound, port_given, ended, shut_read, shut_write, linger;
	uint32_t linger_seconds;
	int32_t option[OPTIONS]; /* option.h */
	struct membership *memberships;
	uint64_t receive_timeout, send_timeout; /* ns */
	uint64_t stuck_since;                   /* ns: since then nothing above `acknowledged` was */
	uint32_t acknowledged;
	struct endpoint local, peer;
	uint32_t interface;       /* of packets, that it is bound to */
	bool cooked;              /* packets without their Ethernet header */
	uint32_t icmp6_filter[8]; /* RFC 3542, 3.2: a bit for each type that is not wanted */
	struct waitq readers, writers;
	/* A listener's connections that nobody has accepted yet. */
	struct sock *listener, *pending, *last_pending, *next_pending;
	uint32_t pending_count, backlog;
	struct timer timer; /* for those that wait with a limit */
};

struct sock *sock_new(uint32_t family, enum sock_kind kind, uint32_t protocol, uint32_t flags,
		      uint64_t stamp);
void sock_free(struct sock *s);
struct sock *sock_find(uint64_t badge);
void sock_tell(struct sock *s); /* waiting calls and watches: something has changed */
uint64_t sock_ready(const struct sock *s);
long sock_take_error(struct sock *s);
/* Park for `queue`, not longer than the timeout; progress[7] is when that ends. */
long sock_wait(struct request *rq, struct sock *s, struct waitq *queue, uint64_t timeout);
/* As many bytes as SO_RCVLOWAT asks for, or no more will come. */
bool sock_has_enough(const struct sock *s);
bool parcel_add(struct sock *s, struct pbuf *data, const struct endpoint *from, const ip_addr_t *to);
void parcel_drop(struct sock *s);
/* From 0 on, of lwIP's err_t. */
long error_of(int err);
bool is_root(uint64_t stamp);

/* tcp.c */
long tcp_socket(struct sock *s);
void tcp_socket_end(struct sock *s);
/* transfer.c: lwIP's, for TCP_USER_TIMEOUT */
err_t tcp_socket_poll(void *arg, struct tcp_pcb *pcb);
long tcp_socket_again(struct sock *s); /* it ends what it was, by a reset, and is fresh */
long tcp_socket_bind(struct sock *s, const struct endpoint *to);
long tcp_socket_listen(struct sock *s, uint32_t backlog);
long tcp_socket_connect(struct request *rq, struct sock *s, const struct endpoint *to);
long tcp_socket_shutdown(struct sock *s);
uint64_t tcp_socket_ready(const struct sock *s);
long tcp_socket_send(struct request *rq, struct sock *s, bool nonblocking);
void tcp_socket_taken(struct sock *s, uint32_t bytes);
void tcp_listener_taken(struct sock *accepted);

/* datagram.c: UDP and raw */
long datagram_socket(struct sock *s);
void datagram_end(struct sock *s);
long datagram_bind(struct sock *s, const struct endpoint *to);
long datagram_connect(struct sock *s, const struct endpoint *to); /* NULL: no more */
long datagram_send(struct request *rq, struct sock *s, const struct endpoint *to);
void datagram_start(void);
bool segments_wanted(void); /* somebody reads segments of TCP or UDP as they are */

/* packet.c: AF_PACKET. The sender of a parcel is a hardware address, the port a protocol. */
void packet_socket(struct sock *s, uint64_t type);
void packet_end(void);
bool packets_wanted(void);
long packet_bind(struct request *rq, struct sock *s);
uint32_t packet_from(const struct parcel *parcel, void *to);
uint32_t packet_own(const struct sock *s, void *to);
void packet_came(const struct netif *netif, const struct pbuf *frame);
long packet_send(struct request *rq, const struct sock *s, const void *to, size_t length);

/* option.c */
void options_first(struct sock *s);
void options_apply(struct sock *s); /* to what it has of lwIP */
/* information.c */
long put_tcp_info(struct request *rq, const struct sock *s);
/* multicast.c. ENOPROTOOPT: that is not about groups. */
long multicast_set(struct request *rq, struct sock *s, uint64_t level, uint64_t name);
long multicast_interface(const struct sock *s, uint64_t level); /* as getsockopt answers it */
void multicast_end(struct sock *s);

/* transfer.c */
long sock_receive(struct request *rq, struct sock *s, uint64_t flags, struct socket_receive_reply *out);
long sock_send(struct request *rq, struct sock *s, bool nonblocking, const struct endpoint *to);

#define SOCKET_OP(op)                                                          \
	long inet_##op(struct request *rq, const struct socket_##op##_req *in, \
		       struct socket_##op##_reply *out)
SOCKET_OP(bind);
SOCKET_OP(listen);
SOCKET_OP(connect);
SOCKET_OP(accept);
SOCKET_OP(names);
SOCKET_OP(send);
SOCKET_OP(receive);
SOCKET_OP(get_option);
SOCKET_OP(set_option);
SOCKET_OP(shutdown);
SOCKET_OP(control);
SOCKET_OP(linger);

extern const struct file_ops sock_file_ops;
long interface_ioctl(struct request *rq, uint32_t request);
/* netlink.c: a request of AF_NETLINK, whose answers are queued as datagrams. */
long route_send(struct request *rq, struct sock *s);
/* table.c */
long net_table(struct request *rq, const struct net_table_req *in, struct net_table_reply *out);

#endif
