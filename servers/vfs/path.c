/* SPDX-License-Identifier: MIT */
/* From a request's path to a place in the name space. */
#include "vfs.h"

static char paths[2][PATH_LENGTH_MAX];

/* Which directory a relative path starts from. */
long dir_of(struct request *rq, struct session *session, int64_t dir, unsigned slot, struct dentry **start)
{
	struct description *d;

	*start = session->cwd;
	if ((int32_t)dir == AT_FDCWD)
		return 0;
	if (slot >= rq->caps_count)
		return -EBADF;
	if (rq->caps[slot].slot != CAP_NONE)
		return -ENOTDIR; /* another server's: no directory */
	d = description_find(rq->caps[slot].badge);
	if (!d)
		return -EBADF;
	*start = d->dentry;
	return 0;
}

static void walk_begin(struct place *place, const char *path, size_t length, uint32_t flags)
{
	struct walk *w = &place->walk;

	w->creds = &place->creds;
	w->root = place->session->root;
	w->start = place->start;
	w->path = path;
	w->length = length;
	w->flags = flags & (WALK_FOLLOW | WALK_MAY_LACK | WALK_NAME);
	w->token = place->token;
}

static long walk_or_fill(struct request *rq, struct walk *w)
{
	long status = walk(w);

	if (!status && w->found)
		return device_settle_node(rq, w->found->node);
	if (status <= 0)
		return status;
	if (status == WALK_WAIT)
		return dir_wait(rq);
	if (status == WALK_LOOKUP && memchr(w->name, 0, w->name_length))
		return -EINVAL;
	return job_fill(rq, w, status);
}

long path_walk_text(struct request *rq, struct place *place, struct dentry *start, const char *path,
		    size_t length, uint32_t flags)
{
	place->session = session_find(rq->stamp);
	if (!place->session)
		return -ESRCH;
	place->token = rq->token;
	place->start = start;
	creds_of(rq->stamp, &place->creds, false);
	walk_begin(place, path, length, flags);
	return walk_or_fill(rq, &place->walk);
}

static long no_path(struct place *place, uint32_t flags)
{
	if (!(flags & PATH_EMPTY))
		return -ENOENT;
	place->walk.found = place->start;
	place->walk.last = LAST_DOT;
	place->walk.slash = false;
	return 0;
}

long path_walk(struct request *rq, struct place *place, int64_t dir, unsigned slot, uint64_t from,
	       uint64_t length, uint32_t flags)
{
	char *path = paths[from != 0];
	long got;

	place->session = session_find(rq->stamp);
	if (!place->session)
		return -ESRCH;
	place->token = rq->token;
	if (from > rq->in_length || length > rq->in_length - from)
		return -EINVAL;
	if (length >= PATH_LENGTH_MAX)
		return -ENAMETOOLONG;
	creds_of(rq->stamp, &place->creds, flags & PATH_REAL);
	if (length) {
		got = request_read(rq, from, path, length);
		if (got != (long)length)
			return got < 0 ? got : -EFAULT;
	}
	if (length && *path == '/') {
		place->start = place->session->root;
	} else {
		got = dir_of(rq, place->session, dir, slot, &place->start);
		if (got)
			return got;
	}
	if (!length)
		return no_path(place, flags);
	walk_begin(place, path, length, flags);
	return walk_or_fill(rq, &place->walk);
}
