/* SPDX-License-Identifier: MIT */
/* Unix sockets: names, connections, messages with descriptors. The bytes are in channels. */
#ifndef PIPE_SOCKET_H
#define PIPE_SOCKET_H

#include <proto/socket.h>

#include "pipe.h"

/* option.c: what is a number */
enum unix_option {
	UNIX_PASSCRED,
	UNIX_REUSEADDR,
	UNIX_REUSEPORT,
	UNIX_KEEPALIVE,
	UNIX_BROADCAST,
	UNIX_DONTROUTE,
	UNIX_OOBINLINE,
	UNIX_PRIORITY,
	UNIX_RCVLOWAT,
	UNIX_SNDBUF,
	UNIX_RCVBUF,
	UNIX_LINGER, /* the seconds; less than 0: no */
	UNIX_OPTIONS
};

#define MESSAGES_MAX 256u /* in one channel */

struct socket_creds {
	int32_t pid;
	uint32_t uid, gid;
};

struct socket_name {
	uint32_t length; /* of sun_path; 0: none */
	char text[SOCKET_PATH];
};

/* What came in one piece: a message, or on a stream the bytes that descriptors came with. */
struct parcel {
	struct parcel *next;
	uint64_t at; /* its first byte, counted from the channel's beginning */
	uint32_t length, fds;
	cap_t fd[SOCKET_FDS];
	uint64_t own[SOCKET_FDS]; /* badge of a description of this server, 0: none */
	uint32_t payer;           /* whose share of all descriptors on their way they are of */
	struct socket_creds creds;
	struct socket_name from;
};

struct socket {
	uint32_t type;
	bool listening, connected, bound, embryo; /* embryo: nobody has accepted it yet */
	uint32_t backlog, pending_count;
	struct pipe *pending,
	    *pending_last; /* connections that nobody has accepted; chained by next_pending */
	struct pipe *next_pending, *next_bound;
	uint64_t receive_timeout, send_timeout; /* ns */
	int32_t option[UNIX_OPTIONS];
	struct waitq waiters;                /* for room in the backlog; for a connection */
	uint64_t device, node;               /* of a name that is a path */
	struct socket_name name, peer, from; /* from: who sent the message received last */
	struct socket_creds creds, peer_creds;
};

/* A description of a socket; NULL: no memory. */
struct pipe *socket_new(uint32_t type, uint64_t flags, uint64_t stamp);
void socket_free(struct pipe *p);
bool socket_connect_pair(struct pipe *a, struct pipe *b, uint64_t stamp);
uint64_t socket_ready(const struct pipe *p);
long socket_read(struct request *rq, struct pipe *p, uint64_t flags);
long socket_write(struct request *rq, struct pipe *p, uint64_t flags);
void unix_options_first(struct socket *s);
/* Park for a queue, not longer than the timeout. */
long socket_wait(struct request *rq, struct pipe *p, struct waitq *queue, uint64_t timeout);
/* It ends: a peer that had sent what nobody read is told. */
void socket_ends(struct pipe *p);
void parcels_free(struct channel *channel);

/* flight.c */
void parcel_free(struct parcel *parcel);
/* The first capabilities of the request; ETOOMANYREFS: the user has too many on their way. */
long parcel_take_fds(struct request *rq, struct parcel *parcel, uint32_t count);
void parcel_give_fds(struct request *rq, struct parcel *parcel);

#define NAME_OP(op) \
	long pipe_##op(struct request *rq, const struct pipe_##op##_req *in, struct pipe_##op##_reply *out)
NAME_OP(socket);
NAME_OP(path_name);
NAME_OP(abstract_name);
NAME_OP(unix_table);
#define SOCKET_OP(op)                                                          \
	long unix_##op(struct request *rq, const struct socket_##op##_req *in, \
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

#endif
