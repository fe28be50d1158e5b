/* SPDX-License-Identifier: MIT */
/* Descriptions (what a descriptor refers to) and channels (what connects them). */
#ifndef PIPE_PIPE_H
#define PIPE_PIPE_H

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
	struct description *ends;            /* all descriptions on this channel, both sides */
	uint64_t device, node;               /* a FIFO's name, 0 for others */
	struct channel *next_fifo;
};

enum description_kind { PIPE_END = 1, SOCKET, EVENT, TIMER };

struct description {
	uint64_t badge;
	uint32_t kind, flags;                /* flags: O_ACCMODE, O_NONBLOCK, O_APPEND */
	struct channel *in, *out;            /* read from, write to; NULL where it cannot */
	struct description *next_in, *next_out; /* among the ends of in and of out */
	struct watch_list watches;
	struct waitq waiters;                /* EVENT, TIMER */
	uint64_t counter;                    /* EVENT: the count; TIMER: expirations not read yet */
	bool semaphore;
	uint32_t clock;
	uint64_t deadline, interval;         /* TIMER: monotonic ns */
	struct timer timer;
	uint64_t device, node;               /* fstat */
	uint32_t mode, uid, gid;
	uint64_t created_ns;
};

/* description.c */
struct description *description_new(enum description_kind kind, uint32_t flags, uint64_t stamp);
struct description *description_find(uint64_t badge);
void description_free(struct description *d);
void description_notify(struct description *d); /* tell watches what holds now */
uint64_t description_ready(const struct description *d); /* POLL* that hold */
void descriptions_start(bool restarted);

/* channel.c */
struct channel *channel_new(void);
void channel_attach(struct channel *channel, struct description *d, bool reads, bool writes);
void channel_detach(struct description *d);
struct channel *channel_find_fifo(uint64_t device, uint64_t node);
struct channel *channel_new_fifo(uint64_t device, uint64_t node);
long channel_read(struct request *rq, struct description *d, uint64_t flags);
long channel_write(struct request *rq, struct description *d, uint64_t flags);
uint64_t channel_ready(const struct description *d);

/* event.c: eventfd and timerfd */
long event_read(struct request *rq, struct description *d, uint64_t flags);
long event_write(struct request *rq, struct description *d, uint64_t flags);
uint64_t event_ready(const struct description *d);
void event_timer_arm(struct description *d);
long pipe_timerfd_settime(struct request *rq, const struct pipe_timerfd_settime_req *in,
			  struct pipe_timerfd_settime_reply *out);
long pipe_timerfd_gettime(struct request *rq, const struct pipe_timerfd_gettime_req *in,
			  struct pipe_timerfd_gettime_reply *out);

/* file.c: the operations of the file protocol */
extern const struct file_ops pipe_file_ops;

#endif
