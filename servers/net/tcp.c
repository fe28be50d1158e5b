/* SPDX-License-Identifier: MIT */
/* Sockets of TCP: what lwIP's connections tell, and what they are told. */
#include <lwip/priv/tcp_priv.h>
#include <lwip/tcp.h>
#include <util/string.h>

#include "net.h"

#define WRITE_MAX 65535u
#define IN_PLACE_MIN 4096u
#define SEND_UNSET 212992u /* what SO_SNDBUF says as long as nobody has set it */
#define SEND_LEAST 65536u

static char bounce[WRITE_MAX + 1];

static void note_names(struct sock *s)
{
	ip_addr_copy(s->local.address, s->tcp->local_ip);
	s->local.port = s->tcp->local_port;
	ip_addr_copy(s->peer.address, s->tcp->remote_ip);
	s->peer.port = s->tcp->remote_port;
}

/* --- what the connection tells ----------------------------------------------------------------------------------------- */

static err_t received(void *arg, struct tcp_pcb *pcb, struct pbuf *data, err_t err)
{
	struct sock *s = arg;

	(void)err;
	if (!s) {
		if (data) {
			tcp_recved(pcb, data->tot_len);
			pbuf_free(data);
		}
		return ERR_OK;
	}
	if (data && data->tot_len > pcb->mss)
		tcp_ack_now(pcb); /* several segments in one (merge.c): the second is always acknowledged */
	if (!data) {
		s->ended = true;
	} else if (s->shut_read) {
		tcp_recved(pcb, data->tot_len);
		pbuf_free(data);
	} else if (!parcel_add(s, data, NULL, NULL)) {
		return ERR_MEM;
	}
	sock_tell(s);
	return ERR_OK;
}

static err_t acknowledged(void *arg, struct tcp_pcb *pcb, u16_t length)
{
	struct sock *s = arg;

	(void)pcb, (void)length;
	if (s)
		sock_tell(s);
	return ERR_OK;
}

/* lwIP has dropped it already. */
static void failed(void *arg, err_t err)
{
	struct sock *s = arg;

	if (!s)
		return;
	s->tcp = NULL;
	if (err == ERR_RST)
		s->error = s->state == SOCK_CONNECTING ? ECONNREFUSED : s->ended ? EPIPE : ECONNRESET;
	else if (err == ERR_ABRT)
		s->error = ETIMEDOUT;
	else if (err != ERR_CLSD)
		s->error = (int32_t)-error_of(err);
	s->state = SOCK_OVER;
	s->ended = true;
	sock_tell(s);
	net_pause();
}

static err_t connected(void *arg, struct tcp_pcb *pcb, err_t err)
{
	struct sock *s = arg;

	(void)pcb, (void)err;
	if (!s)
		return ERR_OK;
	s->state = SOCK_CONNECTED;
	note_names(s);
	options_apply(s);
	sock_tell(s);
	return ERR_OK;
}

static void watch_over(struct sock *s)
{
	tcp_arg(s->tcp, s);
	tcp_recv(s->tcp, received);
	tcp_sent(s->tcp, acknowledged);
	tcp_err(s->tcp, failed);
}

static void inherit(struct sock *accepted, const struct sock *listener)
{
	memcpy(accepted->option, listener->option, sizeof(accepted->option));
	accepted->option[OPTION_PRIORITY] = 0;
	accepted->linger = listener->linger;
	accepted->linger_seconds = listener->linger_seconds;
	accepted->receive_timeout = listener->receive_timeout;
	accepted->send_timeout = listener->send_timeout;
}

static err_t came(void *arg, struct tcp_pcb *pcb, err_t err)
{
	struct sock *s = arg, *accepted;

	if (!s || err || !pcb)
		return ERR_VAL;
	accepted =
	    s->pending_count < s->backlog + 1 ? sock_new(s->family, SOCK_TCP, s->protocol, O_RDWR, 0) : NULL;
	if (!accepted) {
		tcp_abort(pcb);
		return ERR_ABRT;
	}
	accepted->d.uid = s->d.uid;
	accepted->d.gid = s->d.gid;
	inherit(accepted, s);
	accepted->tcp = pcb;
	accepted->state = SOCK_CONNECTED;
	accepted->listener = s;
	note_names(accepted);
	watch_over(accepted);
	options_apply(accepted);
	tcp_backlog_delayed(pcb);
	*(s->last_pending ? &s->last_pending->next_pending : &s->pending) = accepted;
	s->last_pending = accepted;
	s->pending_count++;
	sock_tell(s);
	return ERR_OK;
}

void tcp_listener_taken(struct sock *accepted)
{
	if (accepted->tcp)
		tcp_backlog_accepted(accepted->tcp);
}

/* --- making and ending --------------------------------------------------------------------------------------------------------- */

long tcp_socket(struct sock *s)
{
	s->tcp = tcp_new_ip_type(s->family == AF_INET ? IPADDR_TYPE_V4 : IPADDR_TYPE_ANY);
	if (!s->tcp)
		return -ENOBUFS;
	s->state = SOCK_NEW;
	watch_over(s);
	options_apply(s);
	return 0;
}

/* What is sent already goes on to be delivered, unless SO_LINGER says otherwise. */
static void end_connection(struct sock *s)
{
	struct tcp_pcb *pcb = s->tcp;

	tcp_arg(pcb, NULL);
	tcp_err(pcb, NULL);
	tcp_sent(pcb, NULL);
	tcp_recv(pcb, received);
	if ((s->linger && !s->linger_seconds && pcb->state > SYN_SENT) || tcp_close(pcb) != ERR_OK)
		tcp_abort(pcb);
}

static void abandon(struct sock *s)
{
	tcp_arg(s->tcp, NULL);
	tcp_err(s->tcp, NULL);
	tcp_abort(s->tcp);
	s->tcp = NULL;
}

void tcp_socket_end(struct sock *s)
{
	struct sock *pending;

	while ((pending = s->pending)) {
		s->pending = pending->next_pending;
		s->pending_count--;
		if (pending->tcp)
			abandon(pending);
		sock_free(pending);
		net_pause();
	}
	s->last_pending = NULL;
	if (!s->tcp)
		return;
	if (s->state == SOCK_LISTENING) {
		tcp_arg(s->tcp, NULL);
		tcp_accept(s->tcp, NULL);
		tcp_close(s->tcp);
	} else {
		end_connection(s);
	}
	s->tcp = NULL;
}

long tcp_socket_again(struct sock *s)
{
	struct endpoint own = s->local;
	long status;

	if (s->tcp && s->state != SOCK_LISTENING && s->state != SOCK_NEW)
		abandon(s);
	tcp_socket_end(s);
	while (s->first)
		parcel_drop(s);
	s->bound = s->ended = s->shut_read = s->shut_write = false;
	s->error = 0;
	status = tcp_socket(s);
	if (!status && s->port_given) {
		status = tcp_socket_bind(s, &own);
		s->bound = !status;
	}
	sock_tell(s);
	return status;
}

static bool overlap(const ip_addr_t *a, const ip_addr_t *b)
{
	if (!IP_IS_ANY_TYPE_VAL(*a) && !IP_IS_ANY_TYPE_VAL(*b) && IP_GET_TYPE(a) != IP_GET_TYPE(b))
		return false;
	return ip_addr_isany(a) || ip_addr_isany(b) || ip_addr_cmp(a, b);
}

/* SO_REUSEADDR is not for a port that somebody listens to. */
static bool is_listened_to(const struct sock *s, const struct endpoint *to)
{
	for (const struct tcp_pcb_listen *p = tcp_listen_pcbs.listen_pcbs; p && to->port; p = p->next) {
		const struct sock *other = p->callback_arg;

		if (p->local_port == to->port && overlap(&p->local_ip, &to->address) &&
		    !(other && other->option[OPTION_REUSEPORT] && s->option[OPTION_REUSEPORT]))
			return true;
	}
	return false;
}

long tcp_socket_bind(struct sock *s, const struct endpoint *to)
{
	struct ports ports = ports_for(s);
	u16_t port = to->port;
	err_t err = ERR_USE;
	long status;

	if (!s->tcp)
		return -EINVAL;
	if (is_listened_to(s, to))
		return -EADDRINUSE;
	if (port)
		err = tcp_bind(s->tcp, &to->address, port);
	while (!to->port && err == ERR_USE && (port = port_next(&ports)))
		err = tcp_bind(s->tcp, &to->address, port);
	status = error_of(err);
	if (!status)
		note_names(s);
	return status;
}

static long bind_anywhere(struct sock *s)
{
	struct endpoint any = { .port = 0 };

	any.address = s->family == AF_INET ? *IP4_ADDR_ANY : *IP_ANY_TYPE;
	return tcp_socket_bind(s, &any);
}

long tcp_socket_listen(struct sock *s, uint32_t backlog)
{
	struct tcp_pcb *pcb;
	long status;
	err_t err = ERR_OK;

	if (s->state == SOCK_LISTENING) {
		s->backlog = backlog;
		return 0;
	}
	if (s->state != SOCK_NEW || !s->tcp)
		return -EINVAL;
	status = s->bound ? 0 : bind_anywhere(s);
	if (status)
		return status;
	pcb = tcp_listen_with_backlog_and_err(s->tcp, backlog < 254 ? (u8_t)(backlog + 1) : 255, &err);
	if (!pcb)
		return error_of(err);
	s->tcp = pcb;
	s->state = SOCK_LISTENING;
	s->backlog = backlog;
	tcp_arg(pcb, s);
	tcp_accept(pcb, came);
	return 0;
}

static long start_connecting(struct sock *s, const struct endpoint *to)
{
	long status;

	if (!s->tcp)
		return -EINVAL;
	if (crowd_is_full())
		return -EAGAIN;
	if (!reachable(&s->tcp->local_ip, &to->address))
		return -ENETUNREACH;
	status = s->tcp->local_port ? 0 : bind_anywhere(s);
	if (!status)
		status = error_of(tcp_connect(s->tcp, &to->address, to->port, connected));
	switch (status) {
	case 0: break;
	case -EINVAL: return -ENETUNREACH;
	case -EADDRINUSE: return -EADDRNOTAVAIL; /* every port, or the one it has, has such a connection */
	default: return status;
	}
	s->state = SOCK_CONNECTING;
	s->bound = true;
	note_names(s);
	return 0;
}

/* progress[0]: this call has begun it. */
long tcp_socket_connect(struct request *rq, struct sock *s, const struct endpoint *to)
{
	long status;

	switch (s->state) {
	case SOCK_LISTENING: return -EISCONN;
	case SOCK_CONNECTED:
		status = rq->progress[0] || s->untold ? 0 : -EISCONN;
		s->untold = false;
		return status;
	case SOCK_OVER:
		status = s->error ? sock_take_error(s) : -ECONNABORTED;
		tcp_socket(s); /* it may be tried again */
		s->ended = s->bound = false;
		return status;
	case SOCK_CONNECTING:
		if (!rq->progress[0] && s->d.flags & O_NONBLOCK)
			return -EALREADY;
		break;
	case SOCK_NEW:
		status = start_connecting(s, to);
		if (status)
			return status;
		s->untold = true;
		if (s->d.flags & O_NONBLOCK)
			return -EINPROGRESS;
	}
	rq->progress[0] = 1;
	status = sock_wait(rq, s, &s->writers, s->send_timeout);
	return status == -EAGAIN ? -EINPROGRESS : status;
}

/* Until all that was sent has arrived, or the time is over. */
SOCKET_OP(linger)
{
	struct sock *s = sock_find(rq->badge);
	long status;

	(void)in, (void)out;
	if (!s)
		return -ENOTSOCK;
	if (s->kind != SOCK_TCP || !s->linger || !s->linger_seconds || !s->tcp ||
	    s->state != SOCK_CONNECTED || !tcp_sndqueuelen(s->tcp))
		return 0;
	status = sock_wait(rq, s, &s->writers, s->linger_seconds * 1000000000ull);
	return status == -EAGAIN ? 0 : status;
}

long tcp_socket_shutdown(struct sock *s)
{
	return s->tcp ? error_of(tcp_shutdown(s->tcp, 0, 1)) : -ENOTCONN;
}

/* --- data ----------------------------------------------------------------------------------------------------------------------- */

/* SO_SNDBUF bounds what waits to be acknowledged, but not so much that the peer's delayed answers would. */
static uint32_t send_limit(const struct sock *s)
{
	uint32_t size = (uint32_t)s->option[OPTION_SNDBUF];

	return size == SEND_UNSET || size > TCP_SND_BUF ? TCP_SND_BUF : size < SEND_LEAST ? SEND_LEAST : size;
}

static uint32_t room(const struct sock *s)
{
	uint32_t used;

	if (!s->tcp || s->state != SOCK_CONNECTED || tcp_sndqueuelen(s->tcp) + 8 >= TCP_SND_QUEUELEN)
		return 0;
	if (memory_short() && tcp_sndqueuelen(s->tcp))
		return 0;
	used = TCP_SND_BUF - s->tcp->snd_buf; /* tcp_sndbuf would cut it to 16 bits */
	return used < send_limit(s) ? send_limit(s) - used : 0;
}

uint64_t tcp_socket_ready(const struct sock *s)
{
	uint64_t ready = 0;

	switch (s->state) {
	case SOCK_NEW: return POLLOUT | POLLWRNORM | POLLHUP;
	case SOCK_CONNECTING: return 0;
	case SOCK_LISTENING: return s->pending ? POLLIN | POLLRDNORM : 0;
	case SOCK_OVER: return POLLIN | POLLRDNORM | POLLRDHUP | POLLHUP | POLLOUT | POLLWRNORM;
	case SOCK_CONNECTED: break;
	}
	if ((s->first && sock_has_enough(s)) || s->ended || s->shut_read)
		ready |= POLLIN | POLLRDNORM;
	if (s->ended || s->shut_read)
		ready |= POLLRDHUP | (s->shut_write ? POLLHUP : 0);
	if (s->shut_write || room(s) >= send_limit(s) / 4)
		ready |= POLLOUT | POLLWRNORM;
	return ready;
}

/* The program has taken so many bytes: the window opens again. */
void tcp_socket_taken(struct sock *s, uint32_t bytes)
{
	while (s->tcp && bytes) {
		uint32_t part = bytes < 0xffff ? bytes : 0xffff;

		tcp_recved(s->tcp, (u16_t)part);
		bytes -= part;
	}
}

/* The next bytes of the caller's are in `data`. */
static long queue_piece(struct request *rq, struct sock *s, const void *data, uint32_t length)
{
	bool more = rq->progress[0] + length < rq->in_length;
	long status =
	    tcp_write(s->tcp, data, (u16_t)length, TCP_WRITE_FLAG_COPY | (more ? TCP_WRITE_FLAG_MORE : 0));

	if (status != ERR_OK)
		return status == ERR_MEM ? 0 : error_of((int)status);
	rq->progress[0] += length;
	FAULT_POINT("data was queued");
	return length;
}

/* A buffer such as lwIP will ask for is filled beforehand, so that there is nothing for it to copy. */
static long send_in_place(struct request *rq, struct sock *s, uint32_t length)
{
	struct pbuf *packet = pbuf_alloc(PBUF_TRANSPORT, (u16_t)length, PBUF_RAM);
	long status;

	if (!packet)
		return 0;
	status = request_read(rq, rq->progress[0], packet->payload, length);
	if (status < 0) {
		pbuf_free(packet);
		return status;
	}
	net_offer(packet);
	status = queue_piece(rq, s, packet->payload, length);
	net_withdraw();
	return status;
}

/* One piece: what was taken, 0 if there is no room, or -errno. */
static long send_piece(struct request *rq, struct sock *s)
{
	uint64_t rest = rq->in_length - rq->progress[0];
	uint32_t part = room(s);
	long status;

	if (part > WRITE_MAX)
		part = WRITE_MAX;
	if (part > rest)
		part = (uint32_t)rest;
	if (!part)
		return 0;
	if (part >= IN_PLACE_MIN && s->tcp->mss >= IN_PLACE_MIN && !s->tcp->unsent)
		return send_in_place(rq, s, part < s->tcp->mss ? part : s->tcp->mss);
	status = request_read(rq, rq->progress[0], bounce, part);
	return status < 0 ? status : queue_piece(rq, s, bounce, part);
}

/* progress[0]: how many bytes have gone. */
long tcp_socket_send(struct request *rq, struct sock *s, bool nonblocking)
{
	long status = 1;

	if (s->error)
		return rq->progress[0] ? (long)rq->progress[0] : sock_take_error(s);
	if (s->state == SOCK_CONNECTING && !nonblocking)
		return sock_wait(rq, s, &s->writers, s->send_timeout);
	if (s->state != SOCK_CONNECTED || s->shut_write)
		return rq->progress[0]               ? (long)rq->progress[0]
		       : s->state == SOCK_CONNECTING ? -EAGAIN
						     : -EPIPE;
	while (rq->progress[0] < rq->in_length && status > 0)
		status = send_piece(rq, s);
	tcp_output(s->tcp);
	if (rq->progress[0] == rq->in_length)
		return (long)rq->progress[0];
	if (status < 0 || nonblocking)
		return rq->progress[0] ? (long)rq->progress[0] : status < 0 ? status : -EAGAIN;
	status = sock_wait(rq, s, &s->writers, s->send_timeout);
	return status == -EAGAIN && rq->progress[0] ? (long)rq->progress[0] : status;
}
