/* SPDX-License-Identifier: MIT */
/*
 * Descriptors on their way through sockets. One that another server holds is a capability in our table. One of our own
 * is a badge, for which there need be no capability meanwhile: `held` says whether anybody has one, `in_flight` in how
 * many parcels it is. So it can be told when sockets are left that are in nothing but each other's parcels: nobody will
 * ever receive them, and they end (unix(7) calls it garbage).
 *
 * What ends because of something else goes on a list first, and a chain of parcels in parcels takes no stack.
 */
#include "socket.h"

#include <util/string.h>

#define FLIGHTS_MAX 4096u

static PRESERVED struct pipe *dying;
static struct share share = { .total = FLIGHTS_MAX };
static bool suspect; /* some are in flight only */
static struct timer timer;

/* What is reachable, by the index of its description; whose parcels are to be looked at. */
static bool reached[DESCRIPTIONS_MAX];
static struct pipe *work[DESCRIPTIONS_MAX];
static uint32_t work_count;

static void collect_soon(struct timer *t)
{
	(void)t;
	flights_collect();
}

void pipe_end_later(struct pipe *p)
{
	if (p->dying)
		return;
	p->dying = true;
	p->next_dying = dying;
	dying = p;
	timer_start(&timer, clock_monotonic_ns(), collect_soon);
}

/* --- taking and giving -------------------------------------------------------------------------------------------- */

static void landed(struct pipe *p)
{
	p->in_flight--;
	if (p->held || p->dying)
		return;
	if (p->in_flight)
		suspect = true;
	else
		pipe_end_later(p);
	timer_start(&timer, clock_monotonic_ns(), collect_soon);
}

void parcel_free(struct parcel *parcel)
{
	for (uint32_t i = 0; i < parcel->fds; i++) {
		struct pipe *p = parcel->own[i] ? description_find(parcel->own[i]) : NULL;

		if (p)
			landed(p);
		else if (parcel->fd[i] != CAP_NONE)
			tx_close(parcel->fd[i]);
	}
	share_give(&share, parcel->payer, parcel->fds);
	pheap_free(parcel);
}

long parcel_take_fds(struct request *rq, struct parcel *parcel, uint32_t count)
{
	parcel->payer = share_payer(rq->stamp);
	if (share_left(&share, parcel->payer) < count)
		return -ETOOMANYREFS;
	for (uint32_t i = 0; i < count; i++) {
		struct pipe *p = NULL;

		parcel->fd[i] = rq->caps[i].slot;
		if (rq->caps[i].slot != CAP_NONE)
			request_take(rq, i);
		else if ((p = description_find(rq->caps[i].badge)))
			p->in_flight++;
		parcel->own[i] = p ? p->d.badge : 0;
	}
	parcel->fds = count;
	share_force(&share, parcel->payer, count);
	return 0;
}

void parcel_give_fds(struct request *rq, struct parcel *parcel)
{
	for (uint32_t i = 0; i < parcel->fds; i++) {
		struct pipe *p = parcel->own[i] ? description_find(parcel->own[i]) : NULL;

		if (p && pipe_give_again(rq, p) >= 0) {
			p->in_flight--;
			parcel->own[i] = 0;
		} else if (parcel->fd[i] != CAP_NONE) {
			request_give(rq, parcel->fd[i], CAP_ALL, true);
			parcel->fd[i] = CAP_NONE;
		}
	}
}

/* --- ends ------------------------------------------------------------------------------------------------------------ */

void pipe_released(struct pipe *p)
{
	p->held = false;
	if (p->in_flight)
		suspect = true;
	else
		pipe_free(p);
	flights_collect();
}

static void bury(void)
{
	struct pipe *p;

	while ((p = dying)) {
		dying = p->next_dying;
		pipe_free(p);
		if (tx_is_long())
			tx_checkpoint();
	}
}

static void reach(struct pipe *p)
{
	uint32_t index = description_index(p->d.badge);

	if (reached[index])
		return;
	reached[index] = true;
	if (p->kind == SOCKET)
		work[work_count++] = p;
}

static void reach_parcels(const struct channel *channel)
{
	for (const struct parcel *parcel = channel ? channel->parcels : NULL; parcel; parcel = parcel->next)
		for (uint32_t i = 0; i < parcel->fds; i++) {
			struct pipe *p = parcel->own[i] ? description_find(parcel->own[i]) : NULL;

			if (p)
				reach(p);
		}
}

/* From what somebody holds: what its parcels have, and connections that it can accept. */
static void reach_all(void)
{
	uint32_t index = 0;
	struct pipe *p;

	memset(reached, 0, sizeof(reached));
	while ((p = description_next(&index)))
		if (p->held)
			reach(p);
	while (work_count) {
		p = work[--work_count];
		reach_parcels(p->in);
		for (p = p->socket->pending; p; p = p->socket->next_pending)
			reach(p);
	}
}

void flights_collect(void)
{
	uint32_t index = 0;
	struct pipe *p;

	bury();
	if (!suspect)
		return;
	suspect = false;
	reach_all();
	while ((p = description_next(&index)))
		if (p->in_flight && !reached[description_index(p->d.badge)])
			pipe_end_later(p);
	bury();
}

/* Only a socket that can be read from has parcels, and only one's. */
static void count_parcels(const struct pipe *p)
{
	if (p->kind == SOCKET && p->in)
		for (const struct parcel *parcel = p->in->parcels; parcel; parcel = parcel->next)
			share_force(&share, parcel->payer, parcel->fds);
}

void flights_start(void)
{
	uint32_t index = 0;
	struct pipe *p;

	while ((p = description_next(&index)))
		count_parcels(p);
	suspect = true;
	timer_start(&timer, clock_monotonic_ns(), collect_soon);
}
