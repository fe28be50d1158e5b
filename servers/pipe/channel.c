/* SPDX-License-Identifier: MIT */
/* Bytes from writers to readers, with the rules of pipe(7). */
#include <fs/stream.h>

#include "socket.h"

#define PIPE_BUF 4096u /* writes up to this size are not interleaved */

#define CHANNELS_MAX 4000u

PRESERVED static struct channel *fifos;
static struct share share;

/* What rings have once held stays ours: an eighth of the memory at most. */
void channels_start(void)
{
	struct system_info info = { .pages_total = 65536 };

	kcall(system_info, &info);
	share.total = info.pages_total / 8 / (RING_SIZE / ANOLE_PAGE_SIZE);
	if (share.total > CHANNELS_MAX)
		share.total = CHANNELS_MAX;
}

void channel_count(const struct channel *channel)
{
	share_force(&share, channel->payer, 1);
}

struct channel *channel_new(uint64_t stamp)
{
	uint32_t payer = share_payer(stamp);
	struct channel *channel = share_left(&share, payer) ? pheap_alloc(sizeof(*channel)) : NULL;

	if (!channel)
		return NULL;
	channel->payer = payer;
	channel->ring.data = pheap_alloc_data(RING_SIZE);
	if (!channel->ring.data) {
		pheap_free(channel);
		return NULL;
	}
	channel_count(channel);
	return channel;
}

bool channel_charge(uint32_t payer, uint32_t rings)
{
	return share_take(&share, payer, rings);
}

void channel_count_rings(uint32_t payer, uint32_t rings)
{
	share_force(&share, payer, rings);
}

void channel_discharge(uint32_t payer, uint32_t rings)
{
	share_give(&share, payer, rings);
}

struct channel *channel_find_fifo(uint64_t device, uint64_t node)
{
	struct channel *channel;

	for (channel = fifos; channel; channel = channel->next_fifo)
		if (channel->device == device && channel->node == node)
			return channel;
	return NULL;
}

struct channel *channel_new_fifo(uint64_t device, uint64_t node, uint64_t stamp)
{
	struct channel *channel = channel_new(stamp);

	if (!channel)
		return NULL;
	channel->device = device;
	channel->node = node;
	channel->next_fifo = fifos;
	fifos = channel;
	return channel;
}

void channel_free(struct channel *channel)
{
	struct channel **link;

	for (link = &fifos; *link; link = &(*link)->next_fifo)
		if (*link == channel) {
			*link = channel->next_fifo;
			break;
		}
	parcels_free(channel);
	share_give(&share, channel->payer, 1);
	pheap_free(channel->ring.data);
	pheap_free(channel);
}

void channel_end_unused(struct channel *channel)
{
	if (!channel->readers && !channel->writers && !waitq_first(&channel->openers))
		channel_free(channel);
}

/* The next end after `d` in the channel's list: a description may be on two channels, or on one
 * in both directions (a FIFO opened O_RDWR), where only its `in` link is used. */
static struct pipe *next_end(const struct channel *channel, const struct pipe *p)
{
	return p->in == channel ? p->next_in : p->next_out;
}

static void set_next_end(const struct channel *channel, struct pipe *p, struct pipe *next)
{
	if (p->in == channel)
		p->next_in = next;
	else
		p->next_out = next;
}

void channel_notify(struct channel *channel)
{
	struct pipe *p;

	for (p = channel->ends; p; p = next_end(channel, p))
		if (p->d.watches.first)
			pipe_tell(p);
}

void channel_attach(struct channel *channel, struct pipe *p, bool reads, bool writes)
{
	if (reads) {
		p->in = channel;
		channel->readers++;
		channel->readers_ever++;
	}
	if (writes) {
		p->out = channel;
		channel->writers++;
		channel->writers_ever++;
	}
	set_next_end(channel, p, channel->ends);
	channel->ends = p;
	if (channel->openers.first)
		waitq_wake(&channel->openers);
}

static void unlink_end(struct channel *channel, struct pipe *p)
{
	struct pipe *end;

	if (channel->ends == p) {
		channel->ends = next_end(channel, p);
		return;
	}
	for (end = channel->ends; end; end = next_end(channel, end))
		if (next_end(channel, end) == p) {
			set_next_end(channel, end, next_end(channel, p));
			return;
		}
}

static void detach_one(struct channel *channel, struct pipe *p, bool reads, bool writes)
{
	unlink_end(channel, p);
	channel->readers -= reads;
	channel->writers -= writes;
	if (!channel->readers) {
		parcels_free(channel);
		waitq_wake(&channel->writable);
	}
	if (!channel->writers)
		waitq_wake(&channel->readable);
	channel_notify(channel);
	channel_end_unused(channel);
}

void channel_detach(struct pipe *p)
{
	struct channel *in = p->in, *out = p->out;

	if (in)
		detach_one(in, p, true, out == in);
	if (out && out != in)
		detach_one(out, p, false, true);
	p->in = p->out = NULL;
}

void channel_detach_side(struct pipe *p, bool reading)
{
	struct channel *channel = reading ? p->in : p->out;

	detach_one(channel, p, reading, !reading);
	*(reading ? &p->in : &p->out) = NULL;
}

static long drain(struct request *rq, struct ring *ring)
{
	size_t done = 0, piece;
	long status;

	while (done < rq->out_length && ring_used(ring)) {
		const uint8_t *from = ring_read_piece(ring, rq->out_length - done, &piece);

		status = request_write(rq, done, from, piece);
		if (status < 0)
			return done ? (long)done : status;
		ring_consumed(ring, piece);
		done += piece;
	}
	return (long)done;
}

long channel_read(struct request *rq, struct pipe *p, uint64_t flags)
{
	struct channel *channel = p->in;
	long status;

	if (!channel)
		return -EBADF;
	if (!rq->out_length)
		return 0;
	if (!ring_used(&channel->ring)) {
		if (!channel->writers)
			return 0;
		if (stream_nonblocking(p->d.flags, flags))
			return -EAGAIN;
		return request_park(rq, &channel->readable);
	}
	status = drain(rq, &channel->ring);
	if (channel->writable.first)
		waitq_wake(&channel->writable);
	channel_notify(channel);
	return status;
}

long channel_fill(struct request *rq, struct ring *ring, size_t done)
{
	size_t piece;
	long status;

	while (done < rq->in_length && ring_room(ring)) {
		uint8_t *to = ring_write_piece(ring, rq->in_length - done, &piece);

		status = request_read_data(rq, done, to, piece);
		if (status < 0)
			return done ? (long)done : status;
		ring_produced(ring, piece);
		done += piece;
		rq->progress[0] = done;
	}
	return (long)done;
}

/* Whether a write that has `left` bytes to go may put some in now. */
static bool may_write(const struct channel *channel, size_t left)
{
	uint32_t room = ring_room(&channel->ring);

	return left <= PIPE_BUF ? room >= left : room > 0;
}

long channel_write(struct request *rq, struct pipe *p, uint64_t flags)
{
	struct channel *channel = p->out;
	size_t done = rq->progress[0];
	long status;

	if (!channel)
		return -EBADF;
	if (!rq->in_length)
		return 0;
	if (!channel->readers)
		return done ? (long)done : -EPIPE;
	if (done ? ring_room(&channel->ring) > 0 : may_write(channel, rq->in_length)) {
		status = channel_fill(rq, &channel->ring, done);
		if (status < 0)
			return status;
		done = (size_t)status;
		if (channel->readable.first)
			waitq_wake(&channel->readable);
		channel_notify(channel);
	}
	if (done == rq->in_length)
		return (long)done;
	if (stream_nonblocking(p->d.flags, flags))
		return done ? (long)done : -EAGAIN;
	return request_park(rq, &channel->writable);
}

uint64_t channel_ready(const struct pipe *p)
{
	uint64_t ready = 0;

	if (p->in) {
		if (ring_used(&p->in->ring))
			ready |= POLLIN | POLLRDNORM;
		if (!p->in->writers)
			ready |= p->kind == SOCKET ? POLLHUP | POLLRDHUP | POLLIN | POLLRDNORM : POLLHUP;
	}
	if (p->out) {
		if (ring_room(&p->out->ring) >= PIPE_BUF)
			ready |= POLLOUT | POLLWRNORM;
		if (!p->out->readers)
			ready |= POLLERR;
	}
	return ready;
}
