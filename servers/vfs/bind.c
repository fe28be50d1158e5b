/* SPDX-License-Identifier: MIT */
/*
 * Mounts that show a part of a file system that another has mounted, and what mounts do in common
 * (mount_namespaces(7), "shared subtrees"). A change is prepared with mounts that are `dying`, so not there yet;
 * only when all of it is there is it shown.
 */
#include "mounting.h"

static PRESERVED uint32_t last_group;
static struct mount *made[MOUNT_MAX]; /* by this call */
static uint32_t made_count;

static struct mount *next_mount(const struct mount *m)
{
	for (m = m ? m + 1 : mounts; m < mounts + MOUNT_MAX; m++)
		if (m->used && !m->dying && m->root)
			return (struct mount *)m;
	return NULL;
}

bool mount_is_shown(const struct mount *m)
{
	for (const struct mount *other = NULL; (other = next_mount(other));)
		if (other != m && other->super == m->super)
			return true;
	return false;
}

/* --- copies ------------------------------------------------------------------------------------------------------ */

static struct mount *copy_one(struct mount *of, struct dentry *root)
{
	struct mount *m = mount_new();

	if (!m)
		return NULL;
	*m = *of->super;
	m->root = m->covered = NULL;
	m->endpoint = CAP_NONE;
	m->renaming = false;
	m->dying = m->fresh = true;
	m->unbindable = false;
	m->flags = of->flags;
	m->peers = of->peers;
	m->master = of->master;
	m->origin = root;
	dentry_get(root);
	vnode_get(root->node);
	m->root = dentry_make_root(m, root->node);
	if (m->root) {
		made[made_count++] = m;
		return m;
	}
	vnode_put(root->node);
	mount_drop(m);
	return NULL;
}

/* `mounted` of the name is left for show_all. */
static long put_on(struct mount *m, struct dentry *at)
{
	dentry_get(at);
	m->covered = at;
	return 0;
}

/* What is mounted on `of`, within `top`, is mounted on the copy too. */
static long copy_below(struct mount *of, struct dentry *top, struct mount *copy, bool all)
{
	for (struct mount *s = mounts; s < mounts + MOUNT_MAX; s++) {
		struct mount *c;
		struct dentry *at;
		long status;

		if (!s->used || (s->dying && !s->fresh) || !s->covered || s->covered->mount != of ||
		    (s->unbindable && !all) || !dentry_is_below(s->covered, top))
			continue;
		c = copy_one(s, s->root);
		at = c ? alias_in(s->covered, copy) : NULL;
		status = at ? put_on(c, at) : -ENOMEM;
		if (at)
			dentry_put(at);
		if (!status)
			status = copy_below(s, s->root, c, all);
		if (status)
			return status;
	}
	return 0;
}

static void show_all(void)
{
	for (uint32_t i = 0; i < made_count; i++) {
		made[i]->dying = made[i]->fresh = false;
		if (made[i]->covered)
			made[i]->covered->mounted = made[i];
	}
	made_count = 0;
}

static long give_up(long status)
{
	while (made_count)
		mount_drop(made[--made_count]);
	return status;
}

/* --- groups ------------------------------------------------------------------------------------------------------- */

static bool has_peers(const struct mount *m)
{
	for (const struct mount *other = NULL; (other = next_mount(other));)
		if (other != m && other->peers == m->peers)
			return true;
	return false;
}

void leave_peers(struct mount *m)
{
	uint32_t group = m->peers;

	if (group && !m->dying && !has_peers(m))
		for (struct mount *slave = NULL; (slave = next_mount(slave));)
			if (slave->master == group)
				slave->master = m->master;
	m->peers = 0;
}

static void make_shared(struct mount *m)
{
	if (!m->peers)
		m->peers = ++last_group;
	m->unbindable = false;
}

static void make_slave(struct mount *m)
{
	uint32_t group = m->peers;

	if (group && has_peers(m)) {
		leave_peers(m);
		m->master = group;
	} else {
		leave_peers(m);
	}
	m->unbindable = false;
}

static void set_propagation(struct mount *m, uint64_t kind)
{
	if (kind == MS_SHARED) {
		make_shared(m);
	} else if (kind == MS_SLAVE) {
		make_slave(m);
	} else {
		leave_peers(m);
		m->master = 0;
		m->unbindable = kind == MS_UNBINDABLE;
	}
}

static bool is_within(const struct mount *m, const struct mount *top)
{
	while (m != top && m->covered)
		m = m->covered->mount;
	return m == top;
}

long change_propagation(struct dentry *at, uint64_t flags)
{
	uint64_t kind = flags & MS_PROPAGATION;

	if (!dentry_is_root(at) || (kind & (kind - 1)))
		return -EINVAL;
	for (struct mount *m = NULL; (m = next_mount(m));)
		if (m == at->mount || ((flags & MS_REC) && is_within(m, at->mount)))
			set_propagation(m, kind);
	return 0;
}

/* --- propagation --------------------------------------------------------------------------------------------------- */

/* A copy of the tree `m` for mount `to`, if it has the name `at`. NULL: it has not, or *status. */
static struct mount *copy_for(struct mount *m, struct dentry *at, const struct mount *to, long *status)
{
	struct dentry *there = alias_in(at, to);
	struct mount *copy = NULL;

	if (!there)
		return NULL;
	if (!there->mounted) {
		copy = copy_one(m, m->root);
		*status = copy ? put_on(copy, there) : -ENOMEM;
	}
	dentry_put(there);
	return copy;
}

/* To all of the group but `origin`, and what follows it. Slaves of slaves come last: `m` is of the group that each
 * copy is a slave of. */
static long spread(struct mount *m, struct dentry *at, uint32_t group, const struct mount *origin)
{
	long status = 0;

	for (struct mount *to = NULL; !status && (to = next_mount(to));) {
		struct mount *copy;

		if (to == origin || to == m || (to->peers != group && to->master != group))
			continue;
		copy = copy_for(m, at, to, &status);
		if (copy && !status)
			status = copy_below(m, m->root, copy, true);
		if (!copy || status || to->peers == group)
			continue;
		copy->master = m->peers;
		copy->peers = to->peers ? ++last_group : 0;
		if (to->peers)
			status = spread(copy, copy->covered, to->peers, to);
	}
	return status;
}

/* Mounts on a shared one are shared themselves. */
static long propagate(struct mount *m, struct dentry *at)
{
	if (!at->mount->peers)
		return 0;
	make_shared(m);
	for (uint32_t i = 0; i < made_count; i++)
		if (is_within(made[i], m))
			make_shared(made[i]);
	return spread(m, at, at->mount->peers, at->mount);
}

static bool can_be_mounted_on(const struct dentry *from, const struct dentry *at)
{
	return node_is(from->node, S_IFDIR) == node_is(at->node, S_IFDIR);
}

long bind_mount(struct dentry *from, struct dentry *at, bool recursive)
{
	struct mount *m;
	long status;

	if (from->mount->unbindable)
		return -EINVAL;
	if (!can_be_mounted_on(from, at))
		return -ENOTDIR;
	made_count = 0;
	m = copy_one(from->mount, from);
	if (!m)
		return -ENOSPC;
	status = recursive ? copy_below(from->mount, from, m, false) : 0;
	if (!status)
		status = put_on(m, at);
	if (!status)
		status = propagate(m, at);
	if (status)
		return give_up(status);
	show_all();
	return 0;
}

long mount_join(struct mount *m, struct dentry *at)
{
	long status;

	made_count = 0;
	status = propagate(m, at);
	if (status)
		return give_up(status);
	mount_attach_to(m, at);
	show_all();
	return 0;
}

long move_mount(struct dentry *from, struct dentry *at)
{
	struct mount *m = from->mount;
	long status;

	if (!dentry_is_root(from) || !m->covered || m->covered->mount->peers || m->dying)
		return -EINVAL;
	if (!can_be_mounted_on(from, at))
		return -ENOTDIR;
	if (is_within(at->mount, m))
		return -ELOOP;
	made_count = 0;
	status = propagate(m, at);
	if (status)
		return give_up(status);
	mount_detach(m);
	mount_attach_to(m, at);
	show_all();
	return 0;
}

/* --- unmounting ------------------------------------------------------------------------------------------------------ */

static void forget_origins(const struct mount *m)
{
	for (struct mount *copy = mounts; copy < mounts + MOUNT_MAX; copy++)
		if (copy->used && copy->origin && copy->origin->mount == m) {
			dentry_put(copy->origin);
			copy->origin = NULL;
		}
}

bool mount_busy(struct mount *m)
{
	forget_origins(m);
	mount_prune(m);
	return m->root->references > 1;
}

static void take_off(struct mount *m, struct dentry *at, uint32_t group, const struct mount *origin)
{
	for (struct mount *to = NULL; (to = next_mount(to));) {
		struct dentry *there;
		struct mount *copy;

		if (to == origin || to == m || (to->peers != group && to->master != group))
			continue;
		there = alias_in(at, to);
		copy = there ? there->mounted : NULL;
		if (there)
			dentry_put(there);
		if (copy && to->peers && to->peers != group)
			take_off(m, at, to->peers, to);
		if (copy && copy != m && copy->super == m->super && !copy->dying && !mount_busy(copy))
			mount_drop(copy);
	}
}

void unmount_copies(struct mount *m)
{
	if (m->covered && m->covered->mount->peers)
		take_off(m, m->covered, m->covered->mount->peers, m->covered->mount);
}

/* --- after a crash ------------------------------------------------------------------------------------------------------ */

void binds_start(void)
{
	for (struct mount *m = mounts; m < mounts + MOUNT_MAX; m++) {
		if (!m->used || m->super == m)
			continue;
		m->epochs = m->super->epochs;
		if (m->fresh)
			mount_drop(m);
	}
}
