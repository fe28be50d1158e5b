/* SPDX-License-Identifier: MIT */
/* TCP_INFO: what lwIP can tell of a connection. */
#include <lwip/priv/tcp_priv.h>
#include <util/string.h>

#include "net.h"

#define OPTION_SACK 2u
#define OPTION_WSCALE 4u
#define TICK_US (TCP_SLOW_INTERVAL * 1000u)
#define IP_HEADERS 40u

/* struct tcp_info as far as Linux 2.6 had it; times in microseconds. */
struct tcp_info {
	uint8_t state, ca_state, retransmits, probes, backoff, options, scales, limited;
	uint32_t rto, ato, snd_mss, rcv_mss;
	uint32_t unacked, sacked, lost, retrans, fackets;
	uint32_t last_data_sent, last_ack_sent, last_data_recv, last_ack_recv;
	uint32_t pmtu, rcv_ssthresh, rtt, rttvar, snd_ssthresh, snd_cwnd, advmss, reordering;
	uint32_t rcv_rtt, rcv_space, total_retrans;
};
_Static_assert(sizeof(struct tcp_info) == 104, "struct tcp_info");

static uint32_t count_segments(const struct tcp_seg *seg)
{
	uint32_t n = 0;

	for (; seg; seg = seg->next)
		n++;
	return n;
}

static void tell(struct tcp_info *info, const struct tcp_pcb *pcb)
{
	uint32_t mss = pcb->mss ? pcb->mss : 1;

	info->retransmits = pcb->nrtx;
	info->probes = pcb->persist_probe;
	info->backoff = pcb->nrtx;
	if (pcb->flags & TF_WND_SCALE) {
		info->options |= OPTION_WSCALE;
		info->scales = (uint8_t)(pcb->snd_scale | pcb->rcv_scale << 4);
	}
	if (pcb->flags & TF_SACK)
		info->options |= OPTION_SACK;
	info->rto = (uint32_t)pcb->rto * TICK_US;
	info->ato = TCP_FAST_INTERVAL * 1000;
	info->snd_mss = info->rcv_mss = info->advmss = mss;
	info->unacked = count_segments(pcb->unacked);
	info->pmtu = mss + IP_HEADERS;
	info->rcv_ssthresh = info->rcv_space = pcb->rcv_wnd;
	info->rtt = (uint32_t)(pcb->sa < 0 ? 0 : pcb->sa >> 3) * TICK_US;
	info->rttvar = (uint32_t)(pcb->sv < 0 ? 0 : pcb->sv >> 2) * TICK_US;
	info->snd_ssthresh = pcb->ssthresh / mss;
	info->snd_cwnd = pcb->cwnd < mss ? 1 : pcb->cwnd / mss;
	info->reordering = 3;
}

long put_tcp_info(struct request *rq, const struct sock *s)
{
	static const uint8_t states[] = { 7, 10, 2, 3, 1, 4, 5, 8, 11, 9, 6 }; /* lwIP's in Linux's numbers */
	struct tcp_info info = { .state = s->tcp ? states[s->tcp->state] : 7 };

	if (s->tcp && s->state != SOCK_LISTENING)
		tell(&info, s->tcp);
	return request_write(rq, 0, &info, sizeof(info) < rq->out_length ? sizeof(info) : rq->out_length);
}
