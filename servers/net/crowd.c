/* SPDX-License-Identifier: MIT */
/* Many connections: how many there are at most, and what is done when more come than are answered. */
#include <lwip/priv/tcp_priv.h>
#include <lwip/timeouts.h>

#include "net.h"

#define CONNECTIONS_MAX 4096u /* open, half open and closing */
#define TIME_WAIT_MAX 1024u   /* those that only wait for stray packets; the oldest make room */
#define HALF_OPEN_TICKS 2u    /* of 500 ms: after which one makes room for who comes new */

#define TURN 32u /* connections that a timer looks after in one transaction */
#define TURN_WAITING 256u

static bool in_timers;
static PRESERVED bool slow_turn; /* every other tick */
static PRESERVED bool cut;       /* TCP's timer was committed in the middle, and has not been set again yet */

static void commit_half(void)
{
	tx_notice();
	tx_checkpoint();
	FAULT_POINT("a long event was committed half done");
}

/* Timers set themselves anew when they are done, so they are not to be committed in between. */
void net_pause(void)
{
	if (tx_is_long() && !in_timers)
		commit_half();
}

/* --- TCP's timer ---------------------------------------------------------------------------------------------- */

static struct tcp_pcb *cut_off(struct tcp_pcb *first, unsigned n)
{
	struct tcp_pcb *rest;

	while (first && --n)
		first = first->next;
	if (!first)
		return NULL;
	rest = first->next;
	if (rest)
		first->next = NULL;
	return rest;
}

static struct tcp_pcb *joined(struct tcp_pcb *first, struct tcp_pcb *second)
{
	struct tcp_pcb *last = first;

	if (!first || !second)
		return first ? first : second;
	while (last->next)
		last = last->next;
	last->next = second;
	return first;
}

static unsigned length_of(const struct tcp_pcb *pcb)
{
	unsigned n = 0;

	for (; pcb; pcb = pcb->next)
		n++;
	return n;
}

/*
 * Runs a timer of lwIP's for all connections of a list, `n` at a time, with a commit in between. The list is whole at each
 * commit: those that have had their turn are at its end. If that is as far as it comes, the rest is served by the next
 * tick, which crowd_restart then sets.
 */
static void in_turns(struct tcp_pcb **list, unsigned n, void (*run)(void))
{
	for (unsigned left = length_of(*list);; left -= n) {
		struct tcp_pcb *rest = cut_off(*list, n);

		run();
		*list = joined(rest, *list);
		if (left <= n)
			return;
		cut = true;
		commit_half();
	}
}

/* The slow timer counts ticks, and looks after those in TIME_WAIT too. */
static u32_t ticks;

static void slow_active(void)
{
	struct tcp_pcb *others = tcp_tw_pcbs;

	tcp_tw_pcbs = NULL;
	tcp_ticks = ticks;
	tcp_slowtmr();
	tcp_tw_pcbs = joined(tcp_tw_pcbs, others);
}

static void slow_waiting(void)
{
	struct tcp_pcb *others = tcp_active_pcbs;

	tcp_active_pcbs = NULL;
	tcp_ticks = ticks;
	tcp_slowtmr();
	tcp_active_pcbs = joined(tcp_active_pcbs, others);
}

/* In the place of lwIP's tcp_tmr (Makefile). */
void net_tcp_tmr(void)
{
	in_turns(&tcp_active_pcbs, TURN, tcp_fasttmr);
	slow_turn = !slow_turn;
	if (!slow_turn)
		return;
	ticks = tcp_ticks;
	in_turns(&tcp_active_pcbs, TURN, slow_active);
	if (tcp_tw_pcbs)
		in_turns(&tcp_tw_pcbs, TURN_WAITING, slow_waiting);
}

static void tick(void *arg)
{
	(void)arg;
	net_tcp_tmr();
	sys_timeout(TCP_TMR_INTERVAL, tick, NULL);
}

void crowd_restart(void)
{
	if (!cut)
		return;
	cut = false;
	sys_timeout(TCP_TMR_INTERVAL, tick, NULL);
}

/* --- how many ------------------------------------------------------------------------------------------------- */

static void trim_time_wait(void)
{
	struct tcp_pcb *pcb = tcp_tw_pcbs, *next;

	for (unsigned n = 1; pcb && n < TIME_WAIT_MAX; n++)
		pcb = pcb->next;
	if (!pcb)
		return;
	for (pcb = pcb->next; pcb; pcb = next) {
		next = pcb->next;
		tcp_abort(pcb);
		net_pause();
	}
}

void crowd_timers(void)
{
	in_timers = true;
	sys_check_timeouts();
	in_timers = false;
	if (cut)
		cut = false;
	trim_time_wait();
}

bool crowd_is_full(void)
{
	return length_of(tcp_active_pcbs) >= CONNECTIONS_MAX;
}

/* The one that has waited longest for the end of its handshake, if that is long: of this listener, or of any. */
static struct tcp_pcb *half_open(const struct tcp_pcb_listen *listener)
{
	struct tcp_pcb *oldest = NULL;

	for (struct tcp_pcb *pcb = tcp_active_pcbs; pcb; pcb = pcb->next)
		if (pcb->state == SYN_RCVD && (!listener || pcb->listener == listener) &&
		    (!oldest || (int32_t)(pcb->tmr - oldest->tmr) <= 0))
			oldest = pcb;
	return oldest && tcp_ticks - oldest->tmr >= HALF_OPEN_TICKS ? oldest : NULL;
}

/*
 * Who asks for a connection where no more can wait takes the place of one that has not finished its handshake in time, so
 * a flood of requests that nobody means delays others, and does not lock them out.
 */
err_t net_segment(struct tcp_pcb *pcb, struct tcp_hdr *header)
{
	const struct tcp_pcb_listen *listener = (const struct tcp_pcb_listen *)pcb;
	bool full;
	struct tcp_pcb *oldest;

	if (pcb->state != LISTEN || (TCPH_FLAGS(header) & (TCP_SYN | TCP_ACK | TCP_RST)) != TCP_SYN)
		return ERR_OK;
	full = crowd_is_full();
	if (!full && listener->accepts_pending < listener->backlog)
		return ERR_OK;
	oldest = half_open(full ? NULL : listener);
	if (!oldest)
		return full ? ERR_MEM : ERR_OK;
	tcp_abandon(oldest, 0);
	return ERR_OK;
}
