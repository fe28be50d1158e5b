/* SPDX-License-Identifier: MIT */
/* Calls that change directories: mkdir, mknod, unlink, rename, link, symlink. */
#include "vfs.h"

#define RENAME_NOREPLACE 1u
#define RENAME_EXCHANGE 2u

/* The name of the first of two paths, kept while the second is walked. */
static char first_name[NAME_LENGTH_MAX];

static uint64_t owner_word(uint32_t uid, uint32_t gid)
{
	return uid | (uint64_t)gid << 32;
}

static struct job *name_job(struct request *rq, enum job_kind kind, const struct walk *w)
{
	struct job *job = job_new(rq, kind, w->dir->mount->fs);

	if (!job)
		return NULL;
	job_hold_dir(job, w->dir);
	job_text(job, w->name, w->name_length);
	job->name_length = w->name_length;
	return job;
}

static long make_send(struct job *job, const struct place *place, uint32_t mode, uint64_t owner,
		      uint64_t rdev, uint64_t open_flags)
{
	const struct vnode *dir = place->walk.dir->node;
	struct fs_create_open_req both = { dir->number, mode, owner, open_flags, job->rq->stamp };
	struct fs_create_req request = { dir->number, mode, owner, rdev, job->rq->stamp };

	if (open_flags != MAKE_ONLY && !dir->mount->super->no_create_open)
		return job_send(job, fs_op_create_open, OP_IN | OP_PARK | OP_RCAPS(1), &both, sizeof(both));
	return job_send(job, fs_op_create, OP_IN | OP_PARK, &request, sizeof(request));
}

long make_entry(struct request *rq, struct place *place, uint32_t mode, uint64_t rdev, uint64_t open_flags)
{
	const struct walk *w = &place->walk;
	struct job *job;
	uint32_t gid;
	long status = may_create(&place->creds, w->dir);

	if (status)
		return status;
	if (w->dir->node->locked)
		return dir_wait(rq);
	new_node_owner(&place->creds, w->dir->node, &mode, &gid);
	job = name_job(rq, JOB_MAKE, w);
	if (!job)
		return job_wait(rq);
	return make_send(job, place, mode, owner_word(place->creds.uid, gid), rdev, open_flags);
}

long make_node(struct request *rq, struct place *place, uint32_t mode, uint64_t rdev)
{
	return make_entry(rq, place, mode, rdev, MAKE_ONLY);
}

/* A place where something new shall be; nothing is there yet. */
static long new_place(struct request *rq, struct place *place, int64_t dir, unsigned slot, uint64_t from,
		      uint64_t length)
{
	long status = path_walk(rq, place, dir, slot, from, length, WALK_MAY_LACK | WALK_NAME);

	if (status)
		return status;
	return place->walk.found ? -EEXIST : 0;
}

long make_dir(struct request *rq, const struct vfs_mkdir_req *in, struct vfs_mkdir_reply *out)
{
	struct place place;
	long status;

	(void)out;
	if (job_settles(rq, &status))
		return status;
	status = new_place(rq, &place, in->dir, 0, 0, rq->in_length);
	if (status)
		return status;
	return make_node(rq, &place, ((uint32_t)in->mode & 01777 & ~place.session->umask) | S_IFDIR, 0);
}

long make_special(struct request *rq, const struct vfs_mknod_req *in, struct vfs_mknod_reply *out)
{
	uint32_t mode = (uint32_t)in->mode;
	struct place place;
	long status;

	(void)out;
	if (job_settles(rq, &status))
		return status;
	if (!(mode & S_IFMT))
		mode |= S_IFREG;
	if ((mode & S_IFMT) == S_IFDIR)
		return -EPERM;
	if ((mode & S_IFMT) == S_IFLNK)
		return -EINVAL;
	status = new_place(rq, &place, in->dir, 0, 0, rq->in_length);
	if (status)
		return status;
	if (place.walk.slash)
		return -ENOENT;
	if (((mode & S_IFMT) == S_IFCHR || (mode & S_IFMT) == S_IFBLK) && place.creds.uid)
		return -EPERM;
	return make_node(rq, &place, mode & ~place.session->umask,
			 (mode & S_IFMT) == S_IFREG ? 0 : in->device);
}

long link_symbolic(struct request *rq, const struct vfs_symlink_req *in, struct vfs_symlink_reply *out)
{
	static char text[NAME_LENGTH_MAX + PATH_LENGTH_MAX];
	uint64_t target = in->path_length; /* the first text */
	struct fs_symlink_req request;
	struct place place;
	struct job *job;
	uint32_t mode = S_IFLNK | 0777, gid;
	long status = job_resume(rq, &job);

	(void)out;
	if (status)
		return status;
	if (job)
		return job_finish(rq, job);
	if (!target || target > rq->in_length)
		return target ? -EINVAL : -ENOENT;
	if (target >= PATH_LENGTH_MAX)
		return -ENAMETOOLONG;
	status = new_place(rq, &place, in->dir, 0, target, rq->in_length - target);
	if (status)
		return status;
	if (place.walk.slash)
		return -ENOENT;
	status = may_create(&place.creds, place.walk.dir);
	if (status)
		return status;
	if (place.walk.dir->node->locked)
		return dir_wait(rq);
	memcpy(text, place.walk.name, place.walk.name_length);
	status = request_read(rq, 0, text + place.walk.name_length, target);
	if (status != (long)target)
		return status < 0 ? status : -EFAULT;
	new_node_owner(&place.creds, place.walk.dir->node, &mode, &gid);
	job = name_job(rq, JOB_MAKE, &place.walk);
	if (!job)
		return job_wait(rq);
	if (!job_text(job, text, place.walk.name_length + target)) {
		job_free(job);
		return -ENOMEM;
	}
	request = (struct fs_symlink_req){ place.walk.dir->node->number, place.walk.name_length,
					   owner_word(place.creds.uid, gid), rq->stamp };
	return job_send(job, fs_op_symlink, OP_IN | OP_PARK, &request, sizeof(request));
}

/* unlink of `.` and `..`, rmdir of `.`, `..` and `/`. */
static long last_error(enum last_kind last, bool dir)
{
	if (!dir)
		return -EISDIR;
	switch (last) {
	case LAST_DOT: return -EINVAL;
	case LAST_DOT_DOT: return -ENOTEMPTY;
	default: return -EBUSY;
	}
}

long remove_name(struct request *rq, const struct vfs_unlink_req *in, struct vfs_unlink_reply *out)
{
	bool dir = in->flags & AT_REMOVEDIR;
	struct fs_unlink_req request;
	struct place place;
	struct dentry *victim;
	struct job *job;
	long status = job_resume(rq, &job);

	(void)out;
	if (status)
		return status;
	if (job)
		return job_finish(rq, job);
	if (in->flags & ~(uint64_t)AT_REMOVEDIR)
		return -EINVAL;
	status = path_walk(rq, &place, in->dir, 0, 0, rq->in_length, WALK_NAME);
	if (status)
		return status;
	if (place.walk.last != LAST_NAME)
		return last_error(place.walk.last, dir);
	victim = place.walk.found;
	if (dentry_is_root(victim))
		return dir ? -EBUSY : -EISDIR;
	if (place.walk.slash && !dir)
		return node_is(victim->node, S_IFDIR) ? -EISDIR : -ENOTDIR;
	status = may_delete(&place.creds, place.walk.dir, victim, dir);
	if (status)
		return status;
	if (place.walk.dir->node->locked || victim->node->locked)
		return dir_wait(rq);
	job = name_job(rq, JOB_UNLINK, &place.walk);
	if (!job)
		return job_wait(rq);
	job_hold_entry(job, victim);
	request = (struct fs_unlink_req){ place.walk.dir->node->number, victim->node->number, 0 };
	/* Nobody else holds the node: its references go with the name. Both operations have the same words. */
	if (victim->references == 1 && victim->node->references == 1)
		request.forget = victim->node->lookups;
	victim->node->going = request.forget != 0;
	return job_send(job, dir ? fs_op_rmdir : fs_op_unlink, OP_IN | OP_PARK, &request, sizeof(request));
}

/* --- rename --------------------------------------------------------------------------------------------------- */

static long rename_kinds(const struct place *from, const struct place *to, uint64_t flags)
{
	const struct dentry *old = from->walk.found, *target = to->walk.found;

	if (from->walk.dir->mount != to->walk.dir->mount)
		return -EXDEV;
	if (target && (flags & RENAME_NOREPLACE))
		return -EEXIST;
	if (!target && (flags & RENAME_EXCHANGE))
		return -ENOENT;
	if (!node_is(old->node, S_IFDIR) &&
	    (from->walk.slash || (to->walk.slash && !(flags & RENAME_EXCHANGE))))
		return -ENOTDIR;
	if (dentry_is_root(old) || (target && dentry_is_root(target)))
		return -EBUSY;
	if (dentry_is_below(to->walk.dir, old))
		return -EINVAL;
	if (target && dentry_is_below(from->walk.dir, target))
		return flags & RENAME_EXCHANGE ? -EINVAL : -ENOTEMPTY;
	return 0;
}

static long rename_allowed(const struct place *from, const struct place *to, uint64_t flags)
{
	const struct creds *creds = &from->creds;
	struct dentry *old = from->walk.found, *target = to->walk.found;
	bool old_dir = node_is(old->node, S_IFDIR), new_dir = target && node_is(target->node, S_IFDIR);
	bool moves = from->walk.dir != to->walk.dir;
	long status = may_delete(creds, from->walk.dir, old, old_dir);

	if (status)
		return status;
	if (target)
		status = may_delete(creds, to->walk.dir, target, flags & RENAME_EXCHANGE ? new_dir : old_dir);
	else
		status = may_create(creds, to->walk.dir);
	/* A directory that moves gets another `..`. */
	if (!status && moves && old_dir)
		status = may_access(creds, old, MAY_WRITE);
	if (!status && moves && (flags & RENAME_EXCHANGE) && new_dir)
		status = may_access(creds, target, MAY_WRITE);
	return status;
}

static long rename_send(struct request *rq, const struct place *from, const struct place *to, uint64_t flags)
{
	char text[2 * NAME_LENGTH_MAX];
	const struct walk *a = &from->walk, *b = &to->walk;
	struct fs_rename_req request = { a->dir->node->number, b->dir->node->number, a->name_length, flags };
	struct job *job;

	if (a->dir->node->locked || b->dir->node->locked || a->found->node->locked ||
	    (b->found && b->found->node->locked) || (a->dir != b->dir && a->dir->mount->super->renaming))
		return dir_wait(rq);
	job = job_new(rq, JOB_RENAME, a->dir->mount->fs);
	if (!job)
		return job_wait(rq);
	memcpy(text, first_name, a->name_length);
	memcpy(text + a->name_length, b->name, b->name_length);
	job_text(job, text, a->name_length + b->name_length);
	job->name_at = a->name_length;
	job->name_length = b->name_length;
	job_hold_dir(job, a->dir);
	job_hold_dir2(job, b->dir);
	job_hold_entry(job, a->found);
	return job_send(job, fs_op_rename, OP_IN | OP_PARK, &request, sizeof(request));
}

long rename_path(struct request *rq, const struct vfs_rename_req *in, struct vfs_rename_reply *out)
{
	struct place from, to;
	long status;

	(void)out;
	if (job_settles(rq, &status))
		return status;
	if (in->flags & ~(uint64_t)(RENAME_NOREPLACE | RENAME_EXCHANGE) ||
	    in->flags == (RENAME_NOREPLACE | RENAME_EXCHANGE) || !in->path_length ||
	    in->path_length > rq->in_length)
		return in->path_length ? -EINVAL : -ENOENT;
	status = path_walk(rq, &from, in->old_dir, 0, 0, in->path_length, WALK_NAME);
	if (status)
		return status;
	memcpy(first_name, from.walk.name, from.walk.last == LAST_NAME ? from.walk.name_length : 0);
	status = path_walk(rq, &to, in->new_dir, 1, in->path_length, rq->in_length - in->path_length,
			   WALK_NAME | WALK_MAY_LACK);
	if (status)
		return status;
	if (from.walk.last != LAST_NAME || to.walk.last != LAST_NAME)
		return to.walk.last != LAST_NAME && in->flags & RENAME_NOREPLACE ? -EEXIST : -EBUSY;
	status = rename_kinds(&from, &to, in->flags);
	if (status)
		return status;
	if (to.walk.found && to.walk.found->node == from.walk.found->node)
		return 0; /* two names of one file stay */
	status = rename_allowed(&from, &to, in->flags);
	return status ? status : rename_send(rq, &from, &to, in->flags);
}

/* --- link -------------------------------------------------------------------------------------------------------- */

long link_path(struct request *rq, const struct vfs_link_req *in, struct vfs_link_reply *out)
{
	struct fs_link_req request;
	struct place from, to;
	struct vnode *node;
	struct job *job;
	long status = job_resume(rq, &job);

	(void)out;
	if (status)
		return status;
	if (job)
		return job_finish(rq, job);
	if (in->flags & ~(uint64_t)(AT_SYMLINK_FOLLOW | AT_EMPTY_PATH))
		return -EINVAL;
	if (in->path_length > rq->in_length)
		return -EINVAL;
	status = path_walk(rq, &from, in->old_dir, 0, 0, in->path_length,
			   (in->flags & AT_SYMLINK_FOLLOW ? WALK_FOLLOW : 0) |
			       (in->flags & AT_EMPTY_PATH ? PATH_EMPTY : 0));
	if (status)
		return status;
	node = from.walk.found->node;
	status = new_place(rq, &to, in->new_dir, 1, in->path_length, rq->in_length - in->path_length);
	if (status)
		return status;
	if (to.walk.slash)
		return -ENOENT;
	if (from.walk.found->mount != to.walk.dir->mount)
		return -EXDEV;
	status = may_link(&to.creds, from.walk.found);
	if (!status)
		status = may_create(&to.creds, to.walk.dir);
	if (status)
		return status;
	if (node_is(node, S_IFDIR))
		return -EPERM;
	if (to.walk.dir->node->locked)
		return dir_wait(rq);
	job = name_job(rq, JOB_LINK, &to.walk);
	if (!job)
		return job_wait(rq);
	job_hold_node(job, node);
	request = (struct fs_link_req){ to.walk.dir->node->number, node->number };
	return job_send(job, fs_op_link, OP_IN | OP_PARK, &request, sizeof(request));
}
