/* SPDX-License-Identifier: MIT */
/*
 * epoll(7). The pipe server keeps the list of what is waited for; it holds no descriptors, so a file is closed when its
 * last descriptor is. Waiting is poll's: the list is fetched, its descriptors are asked, and one that is ready is
 * reported if it still is what was added. A change of the list by another thread wakes those who wait.
 *
 * EPOLLET is level-triggered: what is ready is reported at each wait. EPOLLEXCLUSIVE wakes all.
 */
#include "files.h"
#include "poll.h"

#include <proto/file.h>
#include <proto/pipe.h>

#define EPOLL_CLOEXEC O_CLOEXEC
#define EPOLLEXCLUSIVE EPOLL_EXCLUSIVE
#define EPOLLWAKEUP (1u << 29)
#define EPOLLONESHOT (1u << 30)
#define EPOLLET (1u << 31)
#define WITH_EXCLUSIVE (POLLIN | POLLOUT | POLLERR | POLLHUP | EPOLLEXCLUSIVE | EPOLLWAKEUP | EPOLLET)
#define EPOLL_EVENTS (POLLIN | POLLPRI | POLLOUT | POLLERR | POLLHUP | POLLRDNORM | POLLWRNORM | POLLRDHUP)
#define MILLISECOND 1000000ull

struct epoll_event {
	uint32_t events;
	uint64_t data;
} __attribute__((packed));

long lp_epoll_create1(uint64_t flags)
{
	struct call_options options = {
		.flags = IPC_RECV_FD | (flags & EPOLL_CLOEXEC ? IPC_RECV_CLOEXEC : 0),
	};
	struct pipe_epoll_req request = {};
	long status;

	if (flags & ~(uint64_t)EPOLL_CLOEXEC)
		return -EINVAL;
	status = pipe_call_epoll(PROC_SLOT_PIPE, &options, &request, NULL);
	return status < 0 ? status : ipc_page()->caps[0].slot;
}

long lp_epoll_create(uint64_t size)
{
	return (int32_t)size <= 0 ? -EINVAL : lp_epoll_create1(0);
}

/* What tells one open description from another; -EPERM for what cannot be waited for. */
static long identity(cap_t fd, struct file_identify_reply *id)
{
	long kind = file_call_identify(fd, NULL, &(struct file_identify_req){}, id);

	if (kind < 0)
		return kind == -ENOSYS ? -EBADF : kind;
	kind &= S_IFMT;
	return kind == S_IFREG || kind == S_IFDIR || kind == S_IFBLK || kind == S_IFLNK ? -EPERM : 0;
}

long lp_epoll_ctl(uint64_t epoll, uint64_t operation, uint64_t descriptor, uint64_t event)
{
	const struct epoll_event *given = (const struct epoll_event *)event;
	struct pipe_epoll_ctl_req request = { .operation = operation, .fd = (uint32_t)descriptor };
	struct file_identify_reply id;
	long status;

	if (operation == EPOLL_CTL_ADD || operation == EPOLL_CTL_MOD) {
		request.events = given->events;
		request.data = given->data;
	}
	if (kcall(fd_flags, fd_cap(epoll), 0, 0) < 0)
		return -EBADF;
	if (operation < EPOLL_CTL_ADD || operation > EPOLL_CTL_MOD)
		return -EINVAL;
	status = identity(fd_cap(descriptor), &id);
	if (status < 0)
		return status;
	if ((int32_t)epoll == (int32_t)descriptor)
		return -EINVAL;
	if (request.events & EPOLLEXCLUSIVE &&
	    (operation == EPOLL_CTL_MOD || request.events & ~(uint64_t)WITH_EXCLUSIVE))
		return -EINVAL;
	request.device = id.device;
	request.node = id.inode;
	status = pipe_call_epoll_ctl(fd_cap(epoll), NULL, &request, NULL);
	return status == -ENOSYS ? -EINVAL : status;
}

/* --- waiting ------------------------------------------------------------------------------------------------- */

/* One wait's copy of the list, of `room` at most; polled[0] is the epoll descriptor itself. */
struct round {
	cap_t epoll;
	uint64_t count, room, mapped; /* mapped: bytes, of a long list */
	struct epoll_entry *entry;
	struct pollfd *polled;
};

static void unmap(struct round *round)
{
	if (round->mapped)
		kcall(vm_unmap, CAP_SELF_SPACE, round->entry, round->mapped);
	round->mapped = 0;
}

static long enlarge(struct round *round, uint64_t count)
{
	uint64_t room = count + EPOLL_FEW;
	uint64_t size = room * sizeof(*round->entry) + (room + 1) * sizeof(*round->polled);
	long at;

	unmap(round);
	size = (size + ANOLE_PAGE_SIZE - 1) & ~(ANOLE_PAGE_SIZE - 1);
	at = kcall(vm_map, CAP_SELF_SPACE, 0, size, VM_R | VM_W, CAP_NONE, 0);
	if (at < 0)
		return at;
	round->mapped = size;
	round->room = room;
	round->entry = (struct epoll_entry *)at;
	round->polled = (struct pollfd *)(round->entry + room);
	return 0;
}

static long fetch(struct round *round)
{
	long count, status;

	for (;;) {
		struct call_options options = { .out = round->entry,
						.out_length = round->room * sizeof(*round->entry) };

		count = pipe_call_epoll_list(round->epoll, &options, &(struct pipe_epoll_list_req){}, NULL);
		if (count < 0)
			return count == -ENOSYS ? -EINVAL : count;
		if ((uint64_t)count <= round->room)
			break;
		status = enlarge(round, (uint64_t)count);
		if (status < 0)
			return status;
	}
	round->count = (uint64_t)count;
	round->polled[0] = (struct pollfd){ round->epoll, POLLPRI, 0 };
	for (uint64_t i = 0; i < round->count; i++) {
		const struct epoll_entry *e = &round->entry[i];

		round->polled[i + 1] =
		    (struct pollfd){ e->armed ? (int32_t)e->fd : -1, (int16_t)(e->events & EPOLL_EVENTS), 0 };
	}
	return 0;
}

/* The server is told of what is over: a descriptor that is closed or another's now, and a single shot. */
static void spent(const struct round *round, const struct epoll_entry *e, uint64_t operation)
{
	struct pipe_epoll_ctl_req request = {
		.operation = operation, .fd = e->fd, .device = e->device, .node = e->node
	};

	pipe_call_epoll_ctl(round->epoll, NULL, &request, NULL);
}

static bool still_there(const struct round *round, const struct epoll_entry *e)
{
	struct file_identify_reply id;
	long status = identity((cap_t)e->fd, &id);

	if (!status && id.device == e->device && id.inode == e->node)
		return true;
	spent(round, e, EPOLL_CTL_DEL);
	return false;
}

/* How many are reported. */
static long report(const struct round *round, struct epoll_event *to, uint64_t limit)
{
	uint64_t used = 0;

	for (uint64_t i = 0; i < round->count && used < limit; i++) {
		const struct epoll_entry *e = &round->entry[i];
		uint32_t events = (uint16_t)round->polled[i + 1].revents;

		if (!events || !still_there(round, e))
			continue;
		to[used++] = (struct epoll_event){ events, e->data };
		if (e->events & EPOLLONESHOT)
			spent(round, e, EPOLL_CTL_DISARM);
	}
	return (long)used;
}

static long wait_until(struct round *round, struct epoll_event *to, uint64_t limit, uint64_t deadline)
{
	long status;

	for (;;) {
		status = fetch(round);
		if (status < 0)
			return status;
		status = lp_poll_until(round->polled, round->count + 1, deadline, true);
		if (status <= 0)
			return status;
		status = report(round, to, limit);
		if (status)
			return status;
	}
}

static long wait_for(uint64_t epoll, uint64_t to, int32_t limit, uint64_t timeout)
{
	uint64_t deadline = timeout == UINT64_MAX ? UINT64_MAX : timeout ? lp_deadline(timeout) : 0;
	struct epoll_entry entry[EPOLL_FEW];
	struct pollfd polled[EPOLL_FEW + 1];
	struct round round = { .epoll = fd_cap(epoll), .room = EPOLL_FEW, .entry = entry, .polled = polled };
	long status;

	if (limit <= 0)
		return -EINVAL;
	if (kcall(fd_flags, round.epoll, 0, 0) < 0)
		return -EBADF;
	lp_writable((void *)to, (uint64_t)limit * sizeof(struct epoll_event));
	status = wait_until(&round, (struct epoll_event *)to, (uint64_t)limit, deadline);
	unmap(&round);
	return deadline && deadline != UINT64_MAX ? lp_deadline_end(status) : status;
}

static uint64_t of_milliseconds(uint64_t timeout)
{
	return (int32_t)timeout < 0 ? UINT64_MAX : (uint64_t)(int32_t)timeout * MILLISECOND;
}

long lp_epoll_wait(uint64_t epoll, uint64_t events, uint64_t limit, uint64_t timeout)
{
	return wait_for(epoll, events, (int32_t)limit, of_milliseconds(timeout));
}

long lp_epoll_pwait(uint64_t epoll, uint64_t events, uint64_t limit, uint64_t timeout, uint64_t mask,
		    uint64_t mask_size)
{
	long status = lp_temporary_mask((const uint64_t *)mask, mask_size);

	if (!status)
		status = wait_for(epoll, events, (int32_t)limit, of_milliseconds(timeout));
	return lp_temporary_mask_end(status);
}
