/* SPDX-License-Identifier: MIT */
/* Attributes of files and of the whole. */
#include "p9.h"

long ask_attr(struct request *rq, struct node *node, uint32_t fid, unsigned step, struct p9_attr *attr)
{
	struct message answer;
	long status = talk(rq, node->mount->host, step, &answer, P9_GETATTR, "dq", fid, P9_GETATTR_ALL);

	if (status != 1)
		return status;
	message_get_attr(&answer, attr);
	return answer.bad ? -EIO : 1;
}

/* FILE_SET_* as 9P says it: "now" is a time without the bit that one is given. */
static uint32_t valid_of(const struct attr_change *change)
{
	static const struct {
		uint32_t ours, theirs;
	} bits[] = {
		{ FILE_SET_MODE, P9_SETATTR_MODE },
		{ FILE_SET_UID, P9_SETATTR_UID },
		{ FILE_SET_GID, P9_SETATTR_GID },
		{ FILE_SET_SIZE, P9_SETATTR_SIZE },
		{ FILE_SET_ATIME_NOW, P9_SETATTR_ATIME },
		{ FILE_SET_MTIME_NOW, P9_SETATTR_MTIME },
		{ FILE_SET_ATIME, P9_SETATTR_ATIME | P9_SETATTR_ATIME_SET },
		{ FILE_SET_MTIME, P9_SETATTR_MTIME | P9_SETATTR_MTIME_SET },
	};
	uint32_t valid = 0;

	for (size_t i = 0; i < sizeof bits / sizeof *bits; i++)
		if (change->valid & bits[i].ours)
			valid |= bits[i].theirs;
	return valid;
}

long set_attr(struct request *rq, struct node *node, unsigned step, const struct attr_change *change,
	      uint64_t size)
{
	struct message answer;

	return talk(rq, node->mount->host, step, &answer, P9_SETATTR, "dddddqqqqq", node->fid,
		    valid_of(change), change->mode & 07777, change->uid, change->gid, size,
		    (uint64_t)change->atime, (uint64_t)change->atime_nsec, (uint64_t)change->mtime,
		    (uint64_t)change->mtime_nsec);
}

long ask_statfs(struct request *rq, struct node *node, struct file_statfs *statfs)
{
	struct message answer;
	long status = reach(rq, node);

	if (!status)
		status = talk(rq, node->mount->host, 0, &answer, P9_STATFS, "d", node->fid);
	if (status != 1)
		return status;
	memset(statfs, 0, sizeof *statfs);
	statfs->type = (int64_t)message_get(&answer, 4);
	statfs->bsize = statfs->frsize = (int64_t)message_get(&answer, 4);
	statfs->blocks = message_get(&answer, 8);
	statfs->bfree = message_get(&answer, 8);
	statfs->bavail = message_get(&answer, 8);
	statfs->files = message_get(&answer, 8);
	statfs->ffree = message_get(&answer, 8);
	message_get(&answer, 8);
	statfs->namelen = (int64_t)message_get(&answer, 4);
	return answer.bad ? -EIO : 1;
}

void stat_of(const struct node *node, const struct p9_attr *attr, struct file_stat *stat)
{
	*stat = (struct file_stat){
		.dev = node->mount->device,
		.ino = attr->qid.path,
		.nlink = attr->nlink,
		.mode = attr->mode,
		.uid = attr->uid,
		.gid = attr->gid,
		.rdev = attr->rdev,
		.size = (int64_t)attr->size,
		.blksize = (int64_t)attr->blksize,
		.blocks = (int64_t)attr->blocks,
		.atime = attr->atime,
		.atime_nsec = attr->atime_nsec,
		.mtime = attr->mtime,
		.mtime_nsec = attr->mtime_nsec,
		.ctime = attr->ctime,
		.ctime_nsec = attr->ctime_nsec,
	};
}
