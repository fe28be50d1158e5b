/* SPDX-License-Identifier: MIT */
/* Making, finding and ending what descriptors refer to. */
#include "socket.h"

PRESERVED struct description_table descriptions;

static uint32_t mode_of(enum description_kind kind)
{
	if (kind == SOCKET)
		return S_IFSOCK | 0777;
	return kind == PIPE_END ? S_IFIFO | 0600 : 0600;
}

struct pipe *pipe_new(enum description_kind kind, uint32_t flags, uint64_t stamp)
{
	const struct process_entry *process = process_find(stamp);
	struct pipe *p = description_new(sizeof(*p), flags);

	if (!p)
		return NULL;
	p->kind = kind;
	p->d.mode = mode_of(kind);
	p->d.uid = process ? process->fsuid : 0;
	p->d.gid = process ? process->fsgid : 0;
	p->d.node = p->d.badge;
	return p;
}

void pipe_free(struct pipe *p)
{
	if (p->kind == TIMER)
		timer_stop(&p->timer);
	if (p->kind == SOCKET && p->socket)
		socket_ends(p);
	if (p->entries)
		epoll_free(p);
	if (p->socket)
		socket_free(p);
	channel_detach(p);
	description_delete(p);
}

uint64_t pipe_ready(const struct pipe *p)
{
	if (p->kind == SOCKET)
		return socket_ready(p);
	if (p->kind == NAME)
		return 0;
	if (p->kind == EPOLL)
		return p->counter ? POLLPRI : 0;
	return p->kind == EVENT || p->kind == TIMER ? event_ready(p) : channel_ready(p);
}

void pipe_tell(struct pipe *p)
{
	watch_notify(&p->d.watches, pipe_ready(p));
}

/* Each channel once, by the description that is the first of its ends. */
static void count_channels(const struct pipe *p)
{
	if (p->in && p->in->ends == p)
		channel_count(p->in);
	if (p->out && p->out != p->in && p->out->ends == p)
		channel_count(p->out);
}

/* After a restart every watch is told, since what the last incarnation meant to tell may not have
 * gone out, and timers run again. */
void pipes_start(bool restarted)
{
	uint32_t index = 0;
	struct pipe *p;

	channels_start();
	while (restarted && (p = description_next(&index)))
		count_channels(p);
	index = 0;
	while (restarted && (p = description_next(&index))) {
		if (p->kind == EPOLL)
			epoll_count(p);
		if (p->kind == TIMER)
			event_timer_arm(p);
		else
			p->timer = (struct timer){ 0 }; /* who waits comes again */
		pipe_tell(p);
	}
	if (restarted)
		flights_start();
}
