/* SPDX-License-Identifier: MIT */
/* The lists of epoll(7): which descriptors a process waits for. The waiting is libposix's. */
#include <util/string.h>

#include "pipe.h"

static struct epoll_entry *find(const struct pipe *p, uint64_t fd)
{
	for (uint32_t i = 0; i < p->entries_used; i++)
		if (p->entries[i].fd == fd)
			return &p->entries[i];
	return NULL;
}

static bool is_same(const struct epoll_entry *e, const struct pipe_epoll_ctl_req *in)
{
	return e->device == in->device && e->node == in->node;
}

static void set(struct epoll_entry *e, const struct pipe_epoll_ctl_req *in)
{
	*e = (struct epoll_entry){
		.data = in->data,
		.device = in->device,
		.node = in->node,
		.fd = (uint32_t)in->fd,
		.events = (uint32_t)in->events,
		.armed = 1,
	};
}

/* A short list is for nothing. */
static uint32_t rings_of(uint32_t room)
{
	return room > EPOLL_FEW ? (uint32_t)((room * sizeof(struct epoll_entry) + RING_SIZE - 1) / RING_SIZE)
				: 0;
}

void epoll_count(const struct pipe *p)
{
	channel_count_rings(p->payer, rings_of(p->entries_room));
}

void epoll_free(struct pipe *p)
{
	channel_discharge(p->payer, rings_of(p->entries_room));
	pheap_free(p->entries);
}

/* For one more: a list that is full is replaced by one of twice the length. */
static long make_room(struct pipe *p, uint64_t stamp)
{
	uint32_t room = p->entries_room ? 2 * p->entries_room : EPOLL_FEW, payer = share_payer(stamp);
	struct epoll_entry *entries;

	if (p->entries_used < p->entries_room)
		return 0;
	if (room > EPOLL_ENTRIES)
		return -ENOSPC;
	entries = channel_charge(payer, rings_of(room)) ? pheap_alloc(room * sizeof(*entries)) : NULL;
	if (!entries)
		return -ENOMEM;
	if (p->entries) {
		memcpy(entries, p->entries, p->entries_used * sizeof(*entries));
		epoll_free(p);
	}
	p->entries = entries;
	p->entries_room = room;
	p->payer = payer;
	return 0;
}

/* What has the number now takes the place of what had it, which must have been closed. */
static long add(struct pipe *p, struct epoll_entry *e, const struct pipe_epoll_ctl_req *in, uint64_t stamp)
{
	long status;

	if (e && is_same(e, in))
		return -EEXIST;
	status = e ? 0 : make_room(p, stamp);
	if (status)
		return status;
	set(e ? e : &p->entries[p->entries_used], in);
	p->entries_used += !e;
	return 0;
}

static long change(struct pipe *p, struct epoll_entry *e, const struct pipe_epoll_ctl_req *in)
{
	if (!e || !is_same(e, in))
		return -ENOENT;
	switch (in->operation) {
	case EPOLL_CTL_MOD:
		if (e->events & EPOLL_EXCLUSIVE)
			return -EINVAL;
		set(e, in);
		return 0;
	case EPOLL_CTL_DISARM: e->armed = 0; return 0;
	case EPOLL_CTL_DEL: *e = p->entries[--p->entries_used]; return 0;
	}
	return -EINVAL;
}

long pipe_epoll_ctl(struct request *rq, const struct pipe_epoll_ctl_req *in, struct pipe_epoll_ctl_reply *out)
{
	struct pipe *p = description_find(rq->badge);
	struct epoll_entry *e;
	long status;

	(void)out;
	if (!p || p->kind != EPOLL)
		return -EINVAL;
	e = find(p, in->fd);
	status = in->operation == EPOLL_CTL_ADD ? add(p, e, in, rq->stamp) : change(p, e, in);
	/* Who waits fetches the list again; what is over needs nobody's attention. */
	if (!status && (in->operation == EPOLL_CTL_ADD || in->operation == EPOLL_CTL_MOD)) {
		p->counter = 1;
		pipe_tell(p);
	}
	return status;
}

long pipe_epoll_list(struct request *rq, const struct pipe_epoll_list_req *in,
		     struct pipe_epoll_list_reply *out)
{
	struct pipe *p = description_find(rq->badge);
	uint64_t length;
	long status;

	(void)in, (void)out;
	if (!p || p->kind != EPOLL)
		return -EINVAL;
	length = p->entries_used * sizeof(*p->entries);
	if (length > rq->out_length)
		return p->entries_used;
	status = length ? request_write(rq, 0, p->entries, length) : 0;
	if (status < 0)
		return status;
	p->counter = 0;
	return p->entries_used;
}
