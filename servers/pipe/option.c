/* SPDX-License-Identifier: MIT */
/* Options of unix sockets. */
#include <fs/stream.h>
#include <util/string.h>

#include "socket.h"

#define SIZE_LIMIT 425984u /* twice what a program asks for is kept, as Linux does */
#define BUFFER_SIZE 212992
#define SNDBUF_MIN 4608
#define RCVBUF_MIN 2304

struct linger {
	int32_t on, seconds;
};

static const uint8_t numbers[UNIX_OPTIONS] = {
	[UNIX_PASSCRED] = SO_PASSCRED,   [UNIX_REUSEADDR] = SO_REUSEADDR, [UNIX_REUSEPORT] = SO_REUSEPORT,
	[UNIX_KEEPALIVE] = SO_KEEPALIVE, [UNIX_BROADCAST] = SO_BROADCAST, [UNIX_DONTROUTE] = SO_DONTROUTE,
	[UNIX_OOBINLINE] = SO_OOBINLINE, [UNIX_PRIORITY] = SO_PRIORITY,   [UNIX_RCVLOWAT] = SO_RCVLOWAT,
	[UNIX_SNDBUF] = SO_SNDBUF,       [UNIX_RCVBUF] = SO_RCVBUF,       [UNIX_LINGER] = SO_LINGER,
};

void unix_options_first(struct socket *s)
{
	s->option[UNIX_RCVLOWAT] = 1;
	s->option[UNIX_SNDBUF] = s->option[UNIX_RCVBUF] = BUFFER_SIZE;
	s->option[UNIX_LINGER] = -1;
}

static enum unix_option find(uint64_t name)
{
	unsigned i = 0;

	while (i < UNIX_OPTIONS && numbers[i] != name)
		i++;
	return i;
}

/* What there is one way of only may be asked for. */
static long get_told(const struct socket *s, uint64_t name)
{
	switch (name) {
	case SO_TYPE: return s->type;
	case SO_DOMAIN: return AF_UNIX;
	case SO_ACCEPTCONN: return s->listening;
	case SO_SNDLOWAT: return 1;
	case SO_ERROR:
	case SO_PROTOCOL: return 0;
	}
	return -ENOPROTOOPT;
}

static long put_option(struct request *rq, const void *value, size_t length)
{
	return request_write(rq, 0, value, length < rq->out_length ? length : rq->out_length);
}

static long put_creds(struct request *rq, const struct socket *s)
{
	static const struct socket_creds nobody = { 0, UINT32_MAX, UINT32_MAX };

	return put_option(rq, s->connected ? &s->peer_creds : &nobody, sizeof(nobody));
}

SOCKET_OP(get_option)
{
	struct pipe *p = description_find(rq->badge);
	struct linger linger;
	struct socket *s;
	long answer;
	int32_t value;

	(void)out;
	if (!p || p->kind != SOCKET)
		return -ENOTSOCK;
	s = p->socket;
	if (in->level != SOL_SOCKET)
		return -EOPNOTSUPP;
	if (in->name == SO_PEERCRED)
		return put_creds(rq, s);
	if (in->name == SO_RCVTIMEO || in->name == SO_SNDTIMEO)
		return stream_put_timeout(rq, in->name == SO_RCVTIMEO ? s->receive_timeout : s->send_timeout);
	value = s->option[UNIX_LINGER];
	linger = (struct linger){ value >= 0, value < 0 ? 0 : value };
	if (in->name == SO_LINGER)
		return put_option(rq, &linger, sizeof(linger));
	answer = find(in->name) < UNIX_OPTIONS ? 0 : get_told(s, in->name);
	value = find(in->name) < UNIX_OPTIONS ? s->option[find(in->name)] : (int32_t)answer;
	return answer < 0 ? answer : put_option(rq, &value, sizeof(value));
}

static int32_t doubled(int32_t value, int32_t least)
{
	uint32_t size = value < 0 ? 0 : (uint32_t)value;

	size = size > SIZE_LIMIT / 2 ? SIZE_LIMIT : size * 2;
	return size < (uint32_t)least ? least : (int32_t)size;
}

static long set_linger(struct request *rq, struct socket *s)
{
	struct linger linger;
	long status = stream_take(rq, &linger, sizeof(linger));

	if (status >= 0)
		s->option[UNIX_LINGER] = !linger.on ? -1 : linger.seconds < 0 ? 0 : linger.seconds;
	return status < 0 ? status : 0;
}

static long set_number(struct socket *s, enum unix_option option, int32_t value)
{
	switch (option) {
	case UNIX_SNDBUF: value = doubled(value, SNDBUF_MIN); break;
	case UNIX_RCVBUF: value = doubled(value, RCVBUF_MIN); break;
	case UNIX_RCVLOWAT: value = value < 0 ? INT32_MAX : value ? value : 1; break;
	case UNIX_PRIORITY: break;
	default: value = value != 0; break;
	}
	s->option[option] = value;
	return 0;
}

SOCKET_OP(set_option)
{
	struct pipe *p = description_find(rq->badge);
	int32_t value;
	long status;

	(void)out;
	if (!p || p->kind != SOCKET)
		return -ENOTSOCK;
	if (in->level != SOL_SOCKET)
		return -EOPNOTSUPP;
	if (in->name == SO_RCVTIMEO || in->name == SO_SNDTIMEO)
		return stream_take_timeout(rq, in->name == SO_RCVTIMEO ? &p->socket->receive_timeout
								       : &p->socket->send_timeout);
	if (in->name == SO_LINGER)
		return set_linger(rq, p->socket);
	status = stream_take(rq, &value, sizeof(value));
	if (status < 0)
		return status;
	return find(in->name) < UNIX_OPTIONS ? set_number(p->socket, find(in->name), value) : -ENOPROTOOPT;
}
