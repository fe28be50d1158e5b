/* SPDX-License-Identifier: MIT */
/* net: each request, packet and timer is one event, and what lwIP makes of it goes out when the event is committed. */
#include <lwip/init.h>
#include <lwip/ip.h>
#include <lwip/timeouts.h>
#include <util/string.h>

#include "net.h"

static PRESERVED bool running; /* lwIP has been started */
static struct timer tick;

/* --- time -------------------------------------------------------------------------------------------------------- */

static void timed(struct timer *timer)
{
	(void)timer;
	crowd_timers();
	net_settle();
}

static void set_timer(void)
{
	u32_t ms = sys_timeouts_sleeptime();
	uint64_t deadline;

	if (ms == SYS_TIMEOUTS_SLEEPTIME_INFINITE) {
		timer_stop(&tick);
		return;
	}
	deadline = clock_monotonic_ns() + (uint64_t)ms * 1000000;
	if (!tick.deadline || deadline + 1000000 < tick.deadline || deadline > tick.deadline + 1000000)
		timer_start(&tick, deadline, timed);
}

/* --- events ------------------------------------------------------------------------------------------------------------ */

static void committed(void)
{
	cards_publish();
	if (!loop_runs() && looping())
		kcall(notify_signal, SLOT_NOTIFY, LOOP_BIT);
}

void net_settle(void)
{
	set_timer();
	if (looping())
		tx_notice();
}

void net_need(void)
{
	if (running)
		return;
	random_start();
	lwip_init();
	loop_start();
	cards_need();
	running = true;
	datagram_start();
}

static void notify(uint64_t bits)
{
	if (!running)
		return;
	if (bits & LOOP_BIT)
		loop_packets();
	cards_run(bits);
	net_settle();
}

static const struct socket_ops socket_ops = {
	.bind = inet_bind,
	.listen = inet_listen,
	.connect = inet_connect,
	.accept = inet_accept,
	.names = inet_names,
	.send = inet_send,
	.receive = inet_receive,
	.get_option = inet_get_option,
	.set_option = inet_set_option,
	.shutdown = inet_shutdown,
	.control = inet_control,
	.linger = inet_linger,
};

static enum sock_kind kind_of(uint64_t family, uint64_t type)
{
	if (family == AF_NETLINK)
		return SOCK_ROUTE;
	if (family == AF_PACKET)
		return SOCK_PACKET;
	return type == SOCK_STREAM ? SOCK_TCP : type == SOCK_DGRAM ? SOCK_UDP : SOCK_RAW_IP;
}

/* 0, or what is wrong with what was asked for. */
static long check_type(const struct request *rq, const struct net_socket_req *in)
{
	bool raw = in->type == SOCK_RAW;

	if (in->family == AF_NETLINK)
		return !raw && in->type != SOCK_DGRAM ? -ESOCKTNOSUPPORT
		       : in->protocol                 ? -EPROTONOSUPPORT
						      : 0;
	if (in->family == AF_PACKET)
		return !is_root(rq->stamp) ? -EPERM : !raw && in->type != SOCK_DGRAM ? -ESOCKTNOSUPPORT : 0;
	if (in->family != AF_INET && in->family != AF_INET6)
		return -EAFNOSUPPORT;
	if (in->type != SOCK_STREAM && in->type != SOCK_DGRAM && !raw)
		return -ESOCKTNOSUPPORT;
	if (raw && !is_root(rq->stamp))
		return -EPERM;
	if (raw)
		return !in->protocol ? -EPROTONOSUPPORT : in->protocol > 255 ? -EINVAL : 0;
	if (in->protocol && in->protocol != (in->type == SOCK_STREAM ? IP_PROTO_TCP : IP_PROTO_UDP))
		return -EPROTONOSUPPORT;
	return 0;
}

static long net_socket(struct request *rq, const struct net_socket_req *in, struct net_socket_reply *out)
{
	enum sock_kind kind = kind_of(in->family, in->type);
	long status = check_type(rq, in);
	struct sock *s;

	(void)out;
	if (status)
		return status;
	net_need();
	s = sock_new((uint32_t)in->family, kind, (uint32_t)in->protocol,
		     (uint32_t)(in->flags & O_NONBLOCK) | O_RDWR, rq->stamp);
	if (!s)
		return -ENFILE;
	if (kind == SOCK_TCP)
		status = tcp_socket(s);
	else if (kind == SOCK_PACKET)
		packet_socket(s, in->type);
	else if (kind != SOCK_ROUTE)
		status = datagram_socket(s);
	if (!status)
		status = request_give_badge(rq, s->d.badge);
	if (status < 0)
		sock_free(s);
	return status;
}

static long net_ioctl(struct request *rq, const struct net_ioctl_req *in, struct net_ioctl_reply *out)
{
	(void)out;
	net_need();
	return interface_ioctl(rq, (uint32_t)in->request);
}

static long dispatch(struct request *rq)
{
	static const struct net_ops net_ops = { .socket = net_socket,
						.table = net_table,
						.ioctl = net_ioctl };
	long status = -ENOSYS;

	switch (IPC_OP_PROTO(rq->op)) {
	case PROTO_ID_FILE: status = file_dispatch(&sock_file_ops, rq); break;
	case PROTO_ID_NET: status = net_dispatch(&net_ops, rq); break;
	case PROTO_ID_SOCKET: status = socket_dispatch(&socket_ops, rq); break;
	}
	if (running)
		net_settle();
	return status;
}

static long start(bool restarted)
{
	uint32_t index = 0;
	struct sock *s;

	cards_find();
	if (!restarted)
		return 0;
	memory_start();
	cards_start();
	crowd_restart();
	while ((s = description_next(&index))) {
		s->timer = (struct timer){ 0 };
		sock_tell(s);
	}
	if (running)
		net_settle();
	return 0;
}

static void release(uint64_t badge)
{
	struct sock *s = sock_find(badge);

	if (!s)
		return;
	sock_free(s);
	net_settle();
}

/* A write that has moved bytes reports them. */
static long cancel(struct request *rq)
{
	if ((rq->op == file_op_write || rq->op == socket_op_send) && rq->progress[0])
		return (long)rq->progress[0];
	return -EINTR;
}

int main(void)
{
	static const struct service service = {
		.name = "net",
		.dispatch = dispatch,
		.start = start,
		.notify = notify,
		.release = release,
		.cancel = cancel,
		.committed = committed,
		.transactional = true,
	};

	service_main(&service);
}
