/* SPDX-License-Identifier: MIT */
/* What the answers of file servers mean for the cache. */
#include "vfs.h"

static const char *job_name(const struct job *job)
{
	return (job->big ? job->big : job->text) + job->name_at;
}

static struct node_words words_of(const struct job *job)
{
	return (struct node_words){ job->answer[0], job->answer[1], job->answer[2], job->answer[3],
				    job->answer[4] };
}

/* Consumes the reference to the node. */
static void enter_name(const struct job *job, struct vnode *node)
{
	struct dentry *d = dentry_enter(job->dir, job_name(job), job->name_length, node);

	if (!d)
		return;
	if (d->mount->volatile_names) {
		d->known_for = job->token;
		d->known_ns = tree_now();
	}
	dentry_put(d);
}

/* Answers without entering if the directory has changed since: the walk is made again anyway. */
static void lookup_done(struct job *job)
{
	struct node_words words = words_of(job);
	bool late = job->dir->node->changes != job->changes || job->dir->node->locked;
	struct vnode *node;

	if (job->status == -ENOENT && !late)
		enter_name(job, NULL);
	if (job->status < 0)
		return;
	node = vnode_enter(job->dir->mount, &words);
	if (!node)
		return;
	if (late) {
		vnode_put(node);
		return;
	}
	enter_name(job, node);
}

static void read_link_done(struct job *job)
{
	struct vnode *node = job->node;

	if (job->status < 0 || (node->link && !node->mount->volatile_names))
		return;
	pheap_free(node->link);
	node->link = NULL;
	if (job->status > (long)job->out_length)
		job->status = job->out_length;
	node->link = pheap_alloc((size_t)job->status + 1);
	if (!node->link) {
		job->status = -ENOMEM;
		return;
	}
	memcpy(node->link, job->big, (size_t)job->status);
	node->link_length = (uint32_t)job->status;
	node->link_for = job->token;
}

static void stat_done(struct job *job)
{
	struct vnode *node = job->node;

	if (job->status < 0)
		return;
	/* The server need not know what VFS has called the mount. */
	job->stat.dev = node->mount->device;
	node->mode = job->stat.mode;
	node->uid = job->stat.uid;
	node->gid = job->stat.gid;
	node->stat = job->stat;
	node->stat_valid = job->answer[0] && node->changes == job->changes;
	node->stat_by_epoch = job->answer[0] == 2;
	node->stat_epoch = job->epoch;
}

/* The server does not know create_open: then only create. */
bool job_make_again(struct job *job)
{
	const struct fs_create_open_req asked = *(const struct fs_create_open_req *)job->words;
	struct fs_create_req request = { asked.dir, asked.mode, asked.owner, 0, asked.stamp };

	if (job->op != fs_op_create_open || job->status != -ENOSYS)
		return false;
	job->dir->mount->super->no_create_open = true;
	job_send(job, fs_op_create, OP_IN | OP_PARK, &request, sizeof(request));
	return true;
}

static void make_done(struct job *job)
{
	struct node_words words = words_of(job);
	struct dentry *d;

	vnode_changed(job->dir->node);
	aliases_forget(job->dir, job_name(job), job->name_length);
	if (job->status == -EEXIST) {
		d = dentry_find(job->dir, job_name(job), job->name_length,
				name_hash(job_name(job), job->name_length));
		if (d && !d->node && !d->references)
			dentry_forget(d);
	}
	if (job->status < 0)
		return;
	job->node = vnode_enter(job->dir->mount, &words);
	if (!job->node)
		return;
	vnode_get(job->node);
	job->entry = dentry_enter(job->dir, job_name(job), job->name_length, job->node);
}

static void link_done(struct job *job)
{
	struct dentry *d;

	vnode_changed(job->dir->node);
	vnode_changed(job->node);
	aliases_forget(job->dir, job_name(job), job->name_length);
	if (job->status < 0)
		return;
	vnode_get(job->node);
	d = dentry_enter(job->dir, job_name(job), job->name_length, job->node);
	if (d)
		dentry_put(d);
}

static void unlink_done(struct job *job)
{
	struct dentry *d = job->entry;

	vnode_changed(job->dir->node);
	aliases_forget(job->dir, dentry_name(d), d->length);
	if (d->node)
		vnode_changed(d->node);
	if ((job->status == -ESTALE || job->status == -ENOENT) && d->hashed)
		dentry_forget(d);
	if (job->status < 0)
		return;
	if (d->node)
		d->node->lookups -=
		    job->answer[0] < d->node->lookups ? (uint32_t)job->answer[0] : d->node->lookups;
	job->entry = NULL;
	dentry_delete_put(d);
}

static void rename_done(struct job *job)
{
	struct dentry *there;

	vnode_changed(job->dir->node);
	vnode_changed(job->dir2->node);
	if (job->entry->node)
		vnode_changed(job->entry->node);
	there = dentry_find(job->dir2, job_name(job), job->name_length,
			    name_hash(job_name(job), job->name_length));
	if (there && there->node)
		vnode_changed(there->node);
	if (job->status < 0)
		return;
	if (job->words[3] & 2) {
		aliases_forget(job->dir, dentry_name(job->entry), job->entry->length);
		aliases_forget(job->dir2, job_name(job), job->name_length);
		if (there)
			dentry_exchange(job->entry, there);
		return;
	}
	aliases_rename(job->dir, dentry_name(job->entry), job->entry->length, job->dir2, job_name(job),
		       job->name_length);
	dentry_rename(job->entry, job->dir2, job_name(job), job->name_length);
}

static void attr_done(struct job *job)
{
	const struct fs_set_attr_req *asked = (const void *)job->words;
	struct vnode *node = job->node;

	vnode_changed(node);
	if (job->status < 0)
		return;
	if (asked->valid & FILE_SET_MODE)
		node->mode = (node->mode & S_IFMT) | ((uint32_t)asked->mode & 07777);
	if (asked->valid & FILE_SET_UID)
		node->uid = (uint32_t)asked->owner;
	if (asked->valid & FILE_SET_GID)
		node->gid = (uint32_t)(asked->owner >> 32);
}

void job_conclude(struct job *job)
{
	switch (job->kind) {
	case JOB_LOOKUP: lookup_done(job); break;
	case JOB_READ_LINK: read_link_done(job); break;
	case JOB_STAT: stat_done(job); break;
	case JOB_MAKE: make_done(job); break;
	case JOB_LINK: link_done(job); break;
	case JOB_UNLINK: unlink_done(job); break;
	case JOB_RENAME: rename_done(job); break;
	case JOB_ATTR: attr_done(job); break;
	case JOB_OPEN:
		/* A stat that was answered before the open must not be kept. */
		vnode_changed(job->node);
		break;
	case JOB_MOUNT:
	case JOB_SETTLE:
	case JOB_OTHER: break;
	}
}
