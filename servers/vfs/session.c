/* SPDX-License-Identifier: MIT */
/* Sessions: where each process stands, and who it is. PM makes and ends them. */
#include "vfs.h"

static PRESERVED struct session sessions[PROCESS_MAX];
static struct session at_root; /* of services */

struct session *session_find(uint64_t stamp)
{
	struct session *session = &sessions[stamp & STAMP_SLOT_MASK & (PROCESS_MAX - 1)];

	if (stamp_is_service(stamp)) {
		at_root.root = at_root.cwd = root_mount ? root_mount->root : NULL;
		return root_mount ? &at_root : NULL;
	}
	return session->stamp == stamp ? session : NULL;
}

static struct session *slot_of(uint64_t stamp)
{
	uint64_t slot = stamp & STAMP_SLOT_MASK;

	return slot < PROCESS_MAX && !stamp_is_service(stamp) ? &sessions[slot] : NULL;
}

static void session_end(struct session *session)
{
	if (!session->stamp)
		return;
	session->stamp = 0;
	dentry_put(session->root);
	dentry_put(session->cwd);
}

static void session_begin(struct session *session, uint64_t stamp, const struct session *like)
{
	if (session->stamp == stamp)
		return; /* delivered again after a crash */
	dentry_get(like->root);
	dentry_get(like->cwd);
	session_end(session);
	session->root = like->root;
	session->cwd = like->cwd;
	session->umask = like->umask;
	session->stamp = stamp;
}

void sessions_count(void)
{
	for (struct session *s = sessions; s < sessions + PROCESS_MAX; s++)
		if (s->stamp) {
			dentry_get(s->root);
			dentry_get(s->cwd);
		}
}

/* --- session protocol ---------------------------------------------------------------------------------- */

static bool may_order(const struct request *rq)
{
	return rq->badge & BADGE_SERVICE && stamp_is_service(rq->stamp);
}

static long fork_session(struct request *rq, const struct session_fork_req *in,
			 struct session_fork_reply *out)
{
	struct session *parent = session_find(in->parent_stamp), *child = slot_of(in->child_stamp);

	(void)out;
	if (!may_order(rq))
		return -EPERM;
	if (!parent || !child)
		return -ESRCH;
	session_begin(child, in->child_stamp, parent);
	return 0;
}

static long exit_session(struct request *rq, const struct session_exit_req *in,
			 struct session_exit_reply *out)
{
	struct session *session = slot_of(in->stamp);

	(void)out;
	if (!may_order(rq))
		return -EPERM;
	if (session && session->stamp == in->stamp)
		session_end(session);
	return 0;
}

static struct waitq root_waiters;

static long create_session(struct request *rq, const struct session_create_req *in,
			   struct session_create_reply *out)
{
	struct session *session = slot_of(in->stamp), first;

	(void)out;
	if (!may_order(rq))
		return -EPERM;
	if (!session)
		return -EINVAL;
	if (!root_mount)
		return request_park(rq, &root_waiters);
	first = (struct session){ .root = root_mount->root, .cwd = root_mount->root, .umask = 022 };
	session_begin(session, in->stamp, &first);
	return 0;
}

void sessions_root_mounted(void)
{
	waitq_wake(&root_waiters);
}

const struct session_ops session_ops = {
	.fork = fork_session,
	.exit = exit_session,
	.create = create_session,
};
