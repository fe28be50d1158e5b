/* SPDX-License-Identifier: MIT */
#include "peers.h"
#include "machine.h"

#include <proto/rs.h>
#include <proto/session.h>
#include <proto/tty.h>
#include <proto/vfs.h>

static cap_t vfs(void)
{
	static cap_t cap;

	if (!cap)
		cap = service_cap("vfs");
	return cap;
}

static void nothing(struct acall *call)
{
	(void)call;
}

/* tag: 0 the child's stamp, 1 its parent's */
static long send_fork(struct acall *call)
{
	struct session_fork_req request = { .parent_stamp = call->tag[1], .child_stamp = call->tag[0] };

	return session_send_fork(call, vfs(), &request);
}

/* The answer may have gone with an incarnation that had just taken it: then it is asked again, which VFS does not mind.
 * The child may have been killed, and its place be another's, meanwhile. */
static void session_forked(struct acall *call)
{
	struct process *child = process_by_stamp(call->tag[0]);

	if (!child || process_is_zombie(child))
		return;
	if (call->status == -ERESTART) {
		send_fork(call);
		return;
	}
	child->fork_error = call->status < 0 ? (int32_t)call->status : 0;
	if (!child->fork_error)
		process_begin(child);
	if (child->fork_error || !(child->flags & PROC_VFORKED))
		machine_wake(&child->makers);
}

long peers_session_fork(struct process *child, uint64_t parent_stamp)
{
	struct acall *call = acall_new(session_forked, child);

	if (!call)
		return -EAGAIN;
	call->tag[0] = process_entry(child)->stamp;
	call->tag[1] = parent_stamp;
	return send_fork(call);
}

static long send_create(struct acall *call)
{
	struct session_create_req request = { .stamp = call->tag[0] };

	return session_send_create(call, vfs(), &request);
}

static PRESERVED void (*created)(struct process *first, long status);

static void session_created(struct acall *call)
{
	struct process *first = process_by_stamp(call->tag[0]);

	if (first && call->status == -ERESTART)
		send_create(call);
	else if (first)
		created(first, call->status);
}

long peers_session_create(struct process *first, void (*done)(struct process *first, long status))
{
	struct acall *call = acall_new(session_created, first);

	if (!call)
		return -EAGAIN;
	created = done;
	call->tag[0] = process_entry(first)->stamp;
	return send_create(call);
}

void peers_session_gone(uint64_t stamp)
{
	struct acall *call = acall_new(nothing, NULL);
	struct session_exit_req request = { .stamp = stamp };

	if (call)
		session_send_exit(call, vfs(), &request);
}

void peers_session_exit(int32_t session)
{
	cap_t tty = service_cap("tty");
	struct acall *call = tty == CAP_NONE ? NULL : acall_new(nothing, NULL);
	struct tty_session_exit_req request = { .session = (uint64_t)session };

	if (call)
		tty_send_session_exit(call, tty, &request);
}

/* --- the end ------------------------------------------------------------------------------------ */
static void synced(struct acall *call)
{
	struct acall *down = acall_new(nothing, NULL);
	struct rs_shutdown_req request = { .how = call->tag[0] };

	if (down)
		rs_send_shutdown(down, SLOT_RS, &request);
}

void peers_power(uint32_t how)
{
	struct acall *call = acall_new(synced, NULL);
	struct vfs_sync_req request = {};

	if (!call)
		return;
	call->tag[0] = how;
	vfs_send_sync(call, vfs(), &request);
}

void peers_init_ended(uint32_t wait_status)
{
	slog("init has ended, status %x: shutting down", wait_status);
	peers_power(0);
}
