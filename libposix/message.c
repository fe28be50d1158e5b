/* SPDX-License-Identifier: MIT */
/* Messages of sockets, with descriptors and credentials. */
#include "socket.h"

#define SIGPIPE 13
#define SCM_RIGHTS 1
#define SCM_CREDENTIALS 2
#define MSG_OOB 0x1u
#define MSG_PEEK 0x2u
#define MSG_CTRUNC 0x8u
#define MSG_TRUNC 0x20u
#define MSG_DONTWAIT 0x40u
#define MSG_WAITALL 0x100u
#define MSG_ERRQUEUE 0x2000u
#define MSG_NOSIGNAL 0x4000u
#define MSG_WAITFORONE 0x10000u
#define MSG_CMSG_CLOEXEC 0x40000000u
#define VECTOR_MAX 1024u

struct message {
	uint64_t name;
	uint32_t name_length, pad;
	const struct lp_iovec *vector;
	uint64_t count;
	char *control;
	uint64_t control_length;
	uint32_t flags, pad2;
};

struct control {
	uint64_t length;
	int32_t level, type;
};
#define CONTROL_ALIGN(n) (((n) + 7) & ~7ul)

static long vector_total(const struct message *m)
{
	uint64_t total = 0;

	if (m->count > VECTOR_MAX)
		return -EMSGSIZE;
	for (uint64_t i = 0; i < m->count; i++) {
		if (m->vector[i].length > RW_MAX - total)
			return -EINVAL;
		total += m->vector[i].length;
	}
	return (long)total;
}

/* --- sending ------------------------------------------------------------------------------------------------------------ */

static long take_rights(const struct control *c, struct call_options *options, uint64_t *fds)
{
	const int32_t *fd = (const int32_t *)(c + 1);
	uint64_t count = (c->length - sizeof(*c)) / sizeof(*fd);

	if (count + *fds > SOCKET_FDS)
		return -ETOOMANYREFS;
	for (uint64_t i = 0; i < count; i++) {
		if (!fd_valid((uint64_t)fd[i]) || kcall(fd_flags, (cap_t)fd[i], 0, 0) < 0)
			return -EBADF;
		options->caps[(*fds)++] = (cap_t)fd[i];
	}
	return 0;
}

/* Credentials need not be looked at: those that arrive are the true ones. What belongs to a protocol below (which
 * address or interface to send from) is not looked at either. */
static long take_control(const struct message *m, struct call_options *options, uint64_t *fds)
{
	uint64_t at = 0;

	while (m->control && m->control_length - at >= sizeof(struct control)) {
		const struct control *c = (const struct control *)(m->control + at);
		long status = 0;

		if (c->length < sizeof(*c) || c->length > m->control_length - at)
			return -EINVAL;
		if (c->level == SOL_SOCKET && c->type == SCM_RIGHTS)
			status = take_rights(c, options, fds);
		else if (c->level == SOL_SOCKET && c->type != SCM_CREDENTIALS)
			return -EINVAL;
		if (status)
			return status;
		at += CONTROL_ALIGN(c->length);
		if (at > m->control_length)
			break;
	}
	return 0;
}

/* If there are capabilities, all places are taken: what fills them up means nothing. */
static void fill_up(struct call_options *options, uint64_t fds, long name)
{
	cap_t any = name >= 0 ? (cap_t)name : options->caps[0];

	if (!fds && name < 0)
		return;
	for (uint64_t i = fds; i < IPC_MAX_CAPS; i++)
		options->caps[i] = any;
	options->caps_count = IPC_MAX_CAPS;
}

static long send_one(cap_t fd, struct call_options *options, const struct socket_send_req *request,
		     uint64_t flags)
{
	long status = socket_error(socket_call_send(fd, options, request, NULL));

	if (status == -EPIPE && !(flags & MSG_NOSIGNAL))
		lp_raise(SIGPIPE);
	return status;
}

static __attribute__((noinline)) long send_gathered(cap_t fd, struct call_options *options,
						    const struct socket_send_req *request,
						    const struct message *m, uint64_t flags)
{
	char buffer[GATHER_MAX];
	size_t at = 0;

	for (uint64_t i = 0; i < m->count; i++) {
		size_t length = m->vector[i].length;

		if (length > sizeof(buffer) - at)
			return at ? -EMSGSIZE : -ENOBUFS;
		memcpy(buffer + at, m->vector[i].base, length);
		at += length;
	}
	options->in = buffer;
	options->in_length = at;
	return send_one(fd, options, request, flags);
}

static long send_data(cap_t fd, struct call_options *options, const struct socket_send_req *request,
		      const struct message *m, uint64_t flags)
{
	if (m->count > 1)
		return send_gathered(fd, options, request, m, flags);
	options->in = m->count ? m->vector->base : NULL;
	options->in_length = m->count ? m->vector->length : 0;
	return send_one(fd, options, request, flags);
}

/* A name that is a path becomes a capability, others go along. */
static long take_receiver(const struct message *m, struct socket_send_req *request, long *slot)
{
	struct named name;
	long length = socket_take_name(m->name, m->name_length, &name);

	if (length < 0)
		return length;
	if (name.address.family == AF_UNIX) {
		request->what = socket_what(0, AF_UNIX, SOCKET_NAME);
		return *slot = socket_resolve(&name, length);
	}
	if (length > (long)SOCKET_NAME)
		length = SOCKET_NAME;
	memcpy(&request->name0, name.address.path, (size_t)length);
	request->what = socket_what(0, name.address.family, (uint32_t)length);
	return 0;
}

static long send_message(uint64_t fd, const struct message *m, uint64_t flags)
{
	struct socket_send_req request = {};
	struct call_options options = {};
	uint64_t fds = 0;
	long total = vector_total(m), slot = -1, status;

	if (total < 0 || flags & MSG_OOB)
		return total < 0 ? total : -EOPNOTSUPP;
	status = take_control(m, &options, &fds);
	if (status)
		return status;
	if (m->name && m->name_length) {
		status = take_receiver(m, &request, &slot);
		if (status < 0)
			return status;
	}
	request.what |= (flags & MSG_DONTWAIT ? RWF_NONBLOCK : 0) | fds << SOCKET_FDS_AT;
	fill_up(&options, fds, slot);
	status = send_data(fd_cap(fd), &options, &request, m, flags);
	if (slot >= 0)
		kcall(cap_close, slot);
	return status;
}

long lp_sendmsg(uint64_t fd, uint64_t message, uint64_t flags)
{
	return send_message(fd, (const struct message *)message, flags);
}

long lp_sendto(uint64_t fd, uint64_t from, uint64_t length, uint64_t flags, uint64_t name,
	       uint64_t name_length)
{
	struct lp_iovec vector = { (char *)from, length };
	struct message m = {
		.name = name, .name_length = (uint32_t)name_length, .vector = &vector, .count = 1
	};

	return send_message(fd, &m, flags);
}

/* --- receiving ------------------------------------------------------------------------------------------------------------ */

static bool put_control(struct message *m, uint64_t *at, int32_t type, const void *data, size_t length)
{
	struct control *c = (struct control *)(m->control + *at);
	size_t room = m->control_length - *at;

	if (!m->control || room < sizeof(*c) + length)
		return false;
	*c = (struct control){ sizeof(*c) + length, SOL_SOCKET, type };
	memcpy(c + 1, data, length);
	*at += CONTROL_ALIGN(c->length) < room ? CONTROL_ALIGN(c->length) : room;
	return true;
}

/* Descriptors for which there is no room are closed again. */
static uint64_t put_fds(struct message *m, uint64_t at, uint64_t count, const int32_t *fd)
{
	uint64_t room = m->control && m->control_length - at > sizeof(struct control)
			    ? (m->control_length - at - sizeof(struct control)) / sizeof(*fd)
			    : 0;
	uint64_t fit = count < room ? count : room;

	if (fit)
		put_control(m, &at, SCM_RIGHTS, fd, fit * sizeof(*fd));
	for (uint64_t i = fit; i < count; i++)
		kcall(cap_close, (cap_t)fd[i]);
	if (fit < count)
		m->flags |= MSG_CTRUNC;
	return at;
}

static uint64_t fds_of(const struct socket_receive_reply *reply)
{
	return reply->what >> SOCKET_GOT_FDS_AT;
}

static void put_all_control(struct message *m, const struct socket_receive_reply *reply, const int32_t *fd)
{
	struct credentials creds = { (int32_t)reply->name0, (uint32_t)reply->name1,
				     (uint32_t)(reply->name1 >> 32) };
	uint64_t at = 0;

	if (reply->what & SOCKET_HAS_CREDS && !put_control(m, &at, SCM_CREDENTIALS, &creds, sizeof(creds)))
		m->flags |= MSG_CTRUNC;
	if (fds_of(reply))
		at = put_fds(m, at, fds_of(reply), fd);
	if (reply->what & SOCKET_HAS_LOST)
		m->flags |= MSG_CTRUNC;
	m->control_length = at;
}

static long receive_one(cap_t fd, void *to, size_t length, uint64_t flags, bool fds,
			struct socket_receive_reply *reply)
{
	struct call_options options = {
		.out = to,
		.out_length = length,
		.flags = IPC_RECV_FD | (flags & MSG_CMSG_CLOEXEC ? IPC_RECV_CLOEXEC : 0),
	};
	struct socket_receive_req request = { (flags & MSG_DONTWAIT ? RWF_NONBLOCK : 0) |
						  (flags & MSG_PEEK ? SOCKET_PEEK : 0) |
						  (flags & MSG_TRUNC ? SOCKET_DISCARD : 0),
					      fds };

	return socket_error(socket_call_receive(fd, &options, &request, reply));
}

static __attribute__((noinline)) long receive_scattered(cap_t fd, const struct message *m, uint64_t flags,
							struct socket_receive_reply *reply)
{
	char buffer[GATHER_MAX];
	uint64_t total = (uint64_t)vector_total(m), at = 0;
	long status = receive_one(fd, buffer, total < sizeof(buffer) ? total : sizeof(buffer), flags,
				  m->control_length, reply);

	for (uint64_t i = 0; status > 0 && at < (uint64_t)status; i++) {
		uint64_t part = m->vector[i].length;

		if (part > (uint64_t)status - at)
			part = (uint64_t)status - at;
		memcpy(m->vector[i].base, buffer + at, part);
		at += part;
	}
	return status;
}

/* What belongs to the protocol: the server has made control messages of it. */
static void put_foreign_control(uint64_t fd, struct message *m)
{
	struct call_options options = { .out = m->control, .out_length = m->control_length };
	struct socket_control_reply reply = {};
	long status;

	if (!m->control)
		options.out_length = 0;
	status = socket_call_control(fd_cap(fd), &options, &(struct socket_control_req){}, &reply);
	m->control_length = status > 0 ? (uint64_t)status : 0;
	if (reply.lost)
		m->flags |= MSG_CTRUNC;
}

/* Whom it came from. A name that does not go along is asked for. */
static void put_sender(uint64_t fd, const struct socket_receive_reply *reply, uint64_t to, uint64_t length_at)
{
	struct address address = { .family = (uint16_t)socket_what_family(reply->what) };
	uint32_t length = socket_what_length(reply->what);

	if (address.family == AF_UNIX) {
		socket_put_name(fd, SOCKET_FROM, to, length_at);
		return;
	}
	memcpy(address.path, &reply->name0, length < SOCKET_NAME ? length : SOCKET_NAME);
	socket_put_address(&address, length ? NAME_AT + length : 0, to, length_at);
}

static long receive_message(uint64_t fd, struct message *m, uint64_t flags, struct socket_receive_reply *out)
{
	struct socket_receive_reply reply = {};
	int32_t received[SOCKET_FDS];
	long total = vector_total(m), status;

	if (total < 0)
		return total;
	if (flags & (MSG_OOB | MSG_ERRQUEUE)) /* there never are such */
		return flags & MSG_OOB ? -EINVAL : -EAGAIN;
	if (m->count > 1)
		status = receive_scattered(fd_cap(fd), m, flags, &reply);
	else
		status = receive_one(fd_cap(fd), m->count ? m->vector->base : NULL, (size_t)total, flags,
				     m->control_length, &reply);
	if (status < 0)
		return status;
	for (uint64_t i = 0; i < fds_of(&reply) && i < SOCKET_FDS; i++)
		received[i] = (int32_t)received_fd((unsigned)i);
	m->flags = 0;
	if (reply.what & SOCKET_HAS_CONTROL)
		put_foreign_control(fd, m);
	else
		put_all_control(m, &reply, received);
	if ((uint32_t)reply.what > (uint64_t)status) {
		m->flags |= MSG_TRUNC;
		if (flags & MSG_TRUNC)
			status = (long)(uint32_t)reply.what;
	}
	*out = reply;
	return status;
}

/* From byte `done` of the whole on, in one piece. */
static struct lp_iovec piece_at(const struct message *m, uint64_t done)
{
	const struct lp_iovec *v = m->vector;

	for (; done >= v->length; v++)
		done -= v->length;
	return (struct lp_iovec){ (char *)v->base + done, v->length - done };
}

/* What MSG_WAITALL asks for beyond what came first; only of a stream, and as long as no descriptors may come with it. */
static long receive_rest(uint64_t fd, const struct message *m, uint64_t flags, uint64_t done)
{
	uint64_t total = (uint64_t)vector_total(m);
	long status = 1;

	while (done < total && status > 0) {
		struct lp_iovec piece = piece_at(m, done);
		struct message part = { .vector = &piece, .count = 1 };
		struct socket_receive_reply reply = {};

		status = receive_message(fd, &part, flags, &reply);
		if (status > 0)
			done += (uint64_t)status;
	}
	return (long)done;
}

static long receive(uint64_t fd, struct message *m, uint64_t flags, struct socket_receive_reply *reply)
{
	bool controlled = m->control_length != 0;
	long status = receive_message(fd, m, flags, reply);

	if (status > 0 && (flags & (MSG_WAITALL | MSG_PEEK | MSG_DONTWAIT)) == MSG_WAITALL && !controlled &&
	    reply->what & SOCKET_IS_STREAM)
		status = receive_rest(fd, m, flags, (uint64_t)status);
	return status;
}

long lp_recvmsg(uint64_t fd, uint64_t message, uint64_t flags)
{
	struct message *m = (struct message *)message;
	struct socket_receive_reply reply = {};
	long status;

	lp_writable(m, sizeof(*m));
	status = receive(fd, m, flags, &reply);
	if (status >= 0 && m->name)
		put_sender(fd, &reply, m->name, (uint64_t)&m->name_length);
	return status;
}

long lp_recvfrom(uint64_t fd, uint64_t to, uint64_t length, uint64_t flags, uint64_t name,
		 uint64_t name_length)
{
	struct lp_iovec vector = { (char *)to, length };
	struct message m = { .vector = &vector, .count = 1 };
	struct socket_receive_reply reply = {};
	long status = receive(fd, &m, flags, &reply);

	if (status >= 0 && name)
		put_sender(fd, &reply, name, name_length);
	return status;
}

/* --- several messages ------------------------------------------------------------------------------------------------------- */

struct counted_message {
	struct message message;
	uint32_t length, pad;
};

long lp_sendmmsg(uint64_t fd, uint64_t messages, uint64_t count, uint64_t flags)
{
	struct counted_message *m = (struct counted_message *)messages;
	uint32_t limit = (uint32_t)count < VECTOR_MAX ? (uint32_t)count : VECTOR_MAX, done = 0;
	long status = 0;

	for (; done < limit; done++) {
		status = lp_sendmsg(fd, (uint64_t)&m[done].message, flags);
		if (status < 0)
			break;
		m[done].length = (uint32_t)status;
	}
	return done ? (long)done : status;
}

/* As on Linux the time is looked at only when a message has come. */
long lp_recvmmsg(uint64_t fd, uint64_t messages, uint64_t count, uint64_t flags, uint64_t timeout)
{
	struct counted_message *m = (struct counted_message *)messages;
	uint32_t limit = (uint32_t)count < VECTOR_MAX ? (uint32_t)count : VECTOR_MAX, done = 0;
	struct lp_timespec *time = (struct lp_timespec *)timeout;
	long ns = time ? lp_timespec_ns(time) : 0, left = ns, status = 0;
	uint64_t begin = lp_monotonic();

	if (ns < 0)
		return ns;
	while (done < limit) {
		status = lp_recvmsg(fd, (uint64_t)&m[done].message, flags & ~(uint64_t)MSG_WAITFORONE);
		if (status < 0)
			break;
		m[done++].length = (uint32_t)status;
		if (flags & MSG_WAITFORONE)
			flags |= MSG_DONTWAIT;
		left = ns - (long)(lp_monotonic() - begin);
		if (time && left <= 0)
			break;
	}
	if (time)
		*time = (struct lp_timespec){ left > 0 ? left / 1000000000 : 0,
					      left > 0 ? left % 1000000000 : 0 };
	return done ? (long)done : status;
}
