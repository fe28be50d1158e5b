/* SPDX-License-Identifier: MIT */
/* Mounts: each shows the root of a host. */
#include "fs_ops.h"

#define MOUNT_BADGE (1ull << 61)
#define MOUNT_WAIT_NS 2000000000ull
#define UNMOUNT_FORCE 1u

struct mount *mount_by_badge(uint64_t badge)
{
	uint64_t i = badge - MOUNT_BADGE;

	return i < MOUNT_MAX && mounts[i].used ? &mounts[i] : NULL;
}

struct options {
	const char *source, *where;
};

static void parse_options(struct options *o, char *text)
{
	char *next;

	*o = (struct options){ "", "" };
	for (; text; text = next) {
		next = strchr(text, ',');
		if (next)
			*next++ = 0;
		if (!strncmp(text, "source=", 7))
			o->source = text + 7;
		else if (!strncmp(text, "mounted-on=", 11))
			o->where = text + 11;
	}
}

static struct mount *mount_take(struct host *host, const struct fs_mount_req *in, const char *where)
{
	for (struct mount *m = mounts; m < mounts + MOUNT_MAX; m++) {
		if (m->used)
			continue;
		*m = (struct mount){ .badge = MOUNT_BADGE + (uint64_t)(m - mounts), .device = in->device };
		m->host = host;
		m->root = node_root(m);
		if (!m->root)
			return NULL;
		m->root->holds = 1;
		strlcpy(m->where, where, sizeof m->where);
		m->used = true;
		return m;
	}
	return NULL;
}

static void look_again(struct timer *timer)
{
	(void)timer;
	waitq_wake(&hosts_changed);
}

/* A device may just be starting; one that is not there after a while will not come. progress[1]: until when. */
static long wait_for_host(struct request *rq)
{
	static struct timer patience;

	if (!rq->progress[1])
		rq->progress[1] = clock_monotonic_ns() + MOUNT_WAIT_NS;
	if (clock_monotonic_ns() >= rq->progress[1])
		return -ENOENT;
	timer_start(&patience, rq->progress[1], look_again);
	return request_park(rq, &hosts_changed);
}

/* progress[2]: the mount made for this call, plus one. */
long mount_begin(F(mount))
{
	long got = rq->in_length ? read_names(rq, sizeof(names) - 1) : 0;
	struct options options;
	struct p9_attr attr;
	struct host *host;
	struct mount *m;

	if (!stamp_is_service(rq->stamp))
		return -EPERM;
	if (got < 0)
		return got;
	names[got] = 0;
	parse_options(&options, names);
	host = host_find(options.source);
	if (!host)
		return wait_for_host(rq);
	got = host_ready(rq, host);
	if (got)
		return got;
	m = rq->progress[2] ? &mounts[(rq->progress[2] - 1) % MOUNT_MAX]
			    : mount_take(host, in, options.where);
	if (!m)
		return -ENOMEM;
	rq->progress[2] = (uint64_t)(m - mounts) + 1;
	got = reach(rq, m->root);
	if (!got)
		got = ask_attr(rq, m->root, m->root->fid, 0, &attr);
	if (got == PARK)
		return PARK;
	if (got != 1) {
		mount_end(m);
		return got < 0 ? got : -EIO;
	}
	m->root->mode = attr.mode;
	TELL(out, m->root, &attr);
	got = request_give_badge(rq, m->badge);
	return got < 0 ? got : 0;
}

void mount_end(struct mount *m)
{
	mount_free_nodes(m);
	m->used = false;
}

long mount_leave(F(unmount))
{
	struct mount *m = mount_by_badge(rq->badge);

	UNUSED;
	if (!m)
		return -EINVAL;
	if (m->descriptions && !(in->flags & UNMOUNT_FORCE))
		return -EBUSY;
	return 0; /* its nodes go with the mount's badge */
}

long mount_change(F(remount))
{
	UNUSED;
	return mount_by_badge(rq->badge) ? 0
					 : -EINVAL; /* VFS refuses what a read-only mount does not allow */
}
