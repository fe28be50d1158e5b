/* SPDX-License-Identifier: MIT */
/* Where a process stands: chdir, fchdir, chroot, getcwd, umask. */
#include "vfs.h"

static void stand(struct dentry **place, struct dentry *d)
{
	struct dentry *old = *place;

	dentry_get(d);
	*place = d;
	dentry_put(old);
}

/* A directory that the caller may search. */
static long walk_dir(struct request *rq, struct place *place)
{
	struct job *job;
	long status = job_resume(rq, &job);

	if (status)
		return status;
	status = path_walk(rq, place, AT_FDCWD, 0, 0, rq->in_length, WALK_FOLLOW);
	if (status)
		return status;
	if (!node_is(place->walk.found->node, S_IFDIR))
		return -ENOTDIR;
	if (stamp_is_service(rq->stamp))
		return -EPERM;
	return may_access(&place->creds, place->walk.found, MAY_EXEC);
}

long change_dir(struct request *rq, const struct vfs_chdir_req *in, struct vfs_chdir_reply *out)
{
	struct place place;
	long status = walk_dir(rq, &place);

	(void)in;
	(void)out;
	if (!status)
		stand(&place.session->cwd, place.walk.found);
	return status;
}

long change_root(struct request *rq, const struct vfs_chroot_req *in, struct vfs_chroot_reply *out)
{
	struct place place;
	long status = walk_dir(rq, &place);

	(void)in;
	(void)out;
	if (status)
		return status;
	if (place.creds.uid)
		return -EPERM;
	stand(&place.session->root, place.walk.found);
	return 0;
}

long change_dir_fd(struct request *rq, const struct vfs_fchdir_req *in, struct vfs_fchdir_reply *out)
{
	struct session *session = session_find(rq->stamp);
	struct creds creds;
	struct dentry *d;
	long status;

	(void)in;
	(void)out;
	if (!session || stamp_is_service(rq->stamp))
		return -ESRCH;
	status = dir_of(rq, session, 0, 0, &d);
	if (status)
		return status;
	if (!node_is(d->node, S_IFDIR))
		return -ENOTDIR;
	creds_of(rq->stamp, &creds, false);
	status = may_access(&creds, d, MAY_EXEC);
	if (!status)
		stand(&session->cwd, d);
	return status;
}

static char text[PATH_LENGTH_MAX];

static long answer_path(struct request *rq, const struct dentry *d, const struct dentry *root, bool with_nul)
{
	char *start;
	size_t length;
	long status;

	text[sizeof(text) - 1] = 0;
	status = tree_path(d, root, text, sizeof(text) - 1, &start);
	if (status)
		return status;
	length = (size_t)(text + sizeof(text) - start);
	if (!with_nul)
		length--;
	if (length > rq->out_length)
		return -ERANGE;
	return request_write(rq, 0, start, length);
}

long working_dir(struct request *rq, const struct vfs_getcwd_req *in, struct vfs_getcwd_reply *out)
{
	struct session *session = session_find(rq->stamp);

	(void)in;
	(void)out;
	if (!session)
		return -ESRCH;
	return answer_path(rq, session->cwd, session->root, true);
}

long set_umask(struct request *rq, const struct vfs_umask_req *in, struct vfs_umask_reply *out)
{
	struct session *session = session_find(rq->stamp);
	uint32_t old;

	(void)out;
	if (!session)
		return -ESRCH;
	old = session->umask;
	session->umask = (uint32_t)in->mask & 0777;
	return old;
}

long session_path(struct request *rq, const struct vfs_session_path_req *in,
		  struct vfs_session_path_reply *out)
{
	struct session *session;

	(void)out;
	if (!stamp_is_service(rq->stamp))
		return -EPERM;
	session = session_find(in->stamp);
	if (!session || !root_mount)
		return -ENOENT;
	return answer_path(rq, in->which ? session->root : session->cwd, root_mount->root, false);
}
