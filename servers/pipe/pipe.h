/* SPDX-License-Identifier: MIT */
/* Open pipes and their kin (what a descriptor refers to) and channels (what connects them). */
#ifndef PIPE_PIPE_H
#define PIPE_PIPE_H

#include <fs/description.h>
#include <proto/file.h>
#include <proto/pipe.h>
#include <sys/server.h>

#include "ring.h"

/* One direction of bytes: a pipe, a FIFO, or half a socket pair. It lives as long as an end does. */
struct channel {
	struct ring ring;
	uint32_t readers, writers;           /* open ends */
	uint64_t readers_ever, writers_ever; /* for FIFO openers that wait for the other side */
	struct waitq readable, writable, openers;
	struct pipe *ends;     /* all descriptions on this channel, both sides */
	uint64_t device, node; /* a FIFO's name, 0 for others */
	struct channel *next_fifo;
	uint32_t payer; /* whose share of the rings it is of */
	/* Sockets: what came in one piece, and how many bytes have been taken out in all. */
	struct parcel *parcels, *last_parcel;
	uint32_t parcels_count;
	uint64_t taken;
	bool reset; /* its writer went, and had not read all: the reader is told once */
};

enum description_kind { PIPE_END = 1, SOCKET, EVENT, TIMER, EPOLL, NAME };

struct pipe {
	struct description d;
	uint32_t kind;                   /* enum description_kind */
	struct channel *in, *out;        /* read from, write to; NULL where it cannot */
	struct pipe *next_in, *next_out; /* among the ends of in and of out */
	struct waitq waiters;            /* EVENT, TIMER */
	uint64_t counter; /* EVENT: the count; TIMER: expirations not read yet; EPOLL: the list has changed */
	bool semaphore;
	uint32_t clock;
	uint64_t deadline, interval; /* TIMER: monotonic ns */
	struct timer timer;          /* TIMER; SOCKET: of those that wait with a limit */
	struct epoll_entry *entries; /* EPOLL: room for entries_room */
	uint32_t entries_used, entries_room;
	uint32_t payer;        /* of the rings that a long list counts as */
	struct socket *socket; /* SOCKET; of a NAME only the name */
	/* Whether anybody has a capability to it; in how many parcels it is; whether it is about to end (flight.c). */
	bool held, dying;
	uint32_t in_flight;
	struct pipe *next_dying;
};

/* epoll.c */
void epoll_count(const struct pipe *p); /* in a new incarnation */
void epoll_free(struct pipe *p);

/* open.c */
struct pipe *pipe_new(enum description_kind kind, uint32_t flags, uint64_t stamp);
void pipe_free(struct pipe *p);
void pipe_tell(struct pipe *p);            /* tell watches what holds now */
uint64_t pipe_ready(const struct pipe *p); /* POLL* that hold */
void pipes_start(bool restarted);

/* flight.c */
/* Nobody has a capability to it any more: it ends, unless it is on its way to somebody. */
void pipe_released(struct pipe *p);
/* It ends soon, but not within what is being done now. */
void pipe_end_later(struct pipe *p);
/* What nobody can receive any more ends. Commits; only where nothing else is being done. */
void flights_collect(void);
void flights_start(void);

/* channel.c */
/* For the caller with this stamp; NULL: none left, or its user has too many. */
struct channel *channel_new(uint64_t stamp);
/* Other memory counts as so many rings. */
bool channel_charge(uint32_t payer, uint32_t rings);
void channel_count_rings(uint32_t payer, uint32_t rings); /* in a new incarnation */
void channel_discharge(uint32_t payer, uint32_t rings);
void channel_free(struct channel *channel);
void channel_end_unused(struct channel *channel); /* if it has no end and nobody waits for one */
void channels_start(void);                        /* before any is made or counted */
void channel_count(const struct channel *channel);
void channel_attach(struct channel *channel, struct pipe *p, bool reads, bool writes);
void channel_detach(struct pipe *p);
void channel_detach_side(struct pipe *p, bool reading); /* of a socket, whose two are different channels */
void channel_notify(struct channel *channel);
/* From the in buffer into the ring, progress[0] of it is there already; how much then is. */
long channel_fill(struct request *rq, struct ring *ring, size_t done);
struct channel *channel_find_fifo(uint64_t device, uint64_t node);
struct channel *channel_new_fifo(uint64_t device, uint64_t node, uint64_t stamp);
long channel_read(struct request *rq, struct pipe *p, uint64_t flags);
long channel_write(struct request *rq, struct pipe *p, uint64_t flags);
uint64_t channel_ready(const struct pipe *p);

/* main.c: give a fresh one; on failure it goes. */
long pipe_give(struct request *rq, struct pipe *p);
/* The same for one that others may have; on failure it stays. */
long pipe_give_again(struct request *rq, struct pipe *p);
/* socket.c: what is bound to the name that is capability i of the request, for a socket of this type; NULL. */
struct pipe *socket_named(const struct request *rq, unsigned i, uint32_t type);

/* event.c: eventfd and timerfd */
long event_read(struct request *rq, struct pipe *p, uint64_t flags);
long event_write(struct request *rq, struct pipe *p, uint64_t flags);
uint64_t event_ready(const struct pipe *p);
void event_timer_arm(struct pipe *p);
long pipe_timerfd_settime(struct request *rq, const struct pipe_timerfd_settime_req *in,
			  struct pipe_timerfd_settime_reply *out);
long pipe_timerfd_gettime(struct request *rq, const struct pipe_timerfd_gettime_req *in,
			  struct pipe_timerfd_gettime_reply *out);

/* epoll.c */
long pipe_epoll_ctl(struct request *rq, const struct pipe_epoll_ctl_req *in,
		    struct pipe_epoll_ctl_reply *out);
long pipe_epoll_list(struct request *rq, const struct pipe_epoll_list_req *in,
		     struct pipe_epoll_list_reply *out);

/* file.c: the operations of the file protocol */
extern const struct file_ops pipe_file_ops;

#endif
