/* SPDX-License-Identifier: MIT */
/* What VFS asks: the fs protocol. */
#include "fs_ops.h"

char names[NAMES_SIZE];

/* The in buffer into `names`: its length. */
long read_names(struct request *rq, size_t limit)
{
	long got;

	if (!rq->in_length || rq->in_length > limit)
		return -ENAMETOOLONG;
	got = request_read(rq, 0, names, rq->in_length);
	return got < 0 || got == (long)rq->in_length ? got : -EFAULT;
}

static struct node *node_of(const struct request *rq, uint64_t number)
{
	struct mount *mount = mount_by_badge(rq->badge);

	return mount ? node_find(mount, number) : NULL;
}

/* A directory that can be asked, and the name that the request carries: its length. */
static long place_of(struct request *rq, uint64_t number, size_t limit, struct node **dir)
{
	long status;

	*dir = node_of(rq, number);
	if (!*dir)
		return -ESTALE;
	status = reach(rq, *dir);
	return status ? status : read_names(rq, limit);
}

/* --- names ---------------------------------------------------------------------------------------------------------- */

/* From step `step` on: walk from dir to `names`, ask for the attributes, enter the node: 1 once it is there. */
static long find(struct request *rq, struct node *dir, size_t length, unsigned step, struct node **node,
		 struct p9_attr *attr)
{
	struct host *host = dir->mount->host;
	struct message answer;
	long status;

	if (rq->progress[0] == step && !rq->progress[5])
		rq->progress[5] = fid_new(host);
	status = talk(rq, host, step, &answer, P9_WALK, "ddws", dir->fid, (uint32_t)rq->progress[5], 1, names,
		      length);
	if (status < 0)
		return status;
	status = ask_attr(rq, dir, (uint32_t)rq->progress[5], step + 1, attr);
	if (status != 1) {
		if (status != PARK)
			clunk(host, (uint32_t)rq->progress[5]);
		return status < 0 ? status : -EIO;
	}
	*node = node_enter(dir, names, length, (uint32_t)rq->progress[5], attr);
	rq->progress[5] = 0;
	if (!*node)
		return -ENOMEM;
	(*node)->holds++;
	return 1;
}

static long fs_lookup(F(lookup))
{
	struct node *dir, *node;
	struct p9_attr attr;
	long got = place_of(rq, in->dir, NAME_LENGTH_MAX, &dir);

	if (got >= 0)
		got = find(rq, dir, (size_t)got, 0, &node, &attr);
	if (got != 1)
		return got;
	TELL(out, node, &attr);
	return 0;
}

static long fs_forget(F(forget))
{
	struct node *node = node_of(rq, in->node);

	UNUSED;
	if (!node)
		return 0;
	node->holds -= in->count < node->holds ? in->count : node->holds;
	node_unused(node);
	return 0;
}

/* What a request finds done although it was to do it may be its own work, before the host's session was lost. */
static long once(const struct request *rq, long status, long done)
{
	return status == done && rq->progress[7] ? 1 : status;
}

static uint32_t group_of(uint64_t owner)
{
	return (uint32_t)(owner >> 32);
}

/* The host makes what we make its user's; whose it is to be is told afterwards, and need not succeed. */
static long give_owner(struct request *rq, struct node *node, uint64_t owner, unsigned step)
{
	struct attr_change change = { .valid = FILE_SET_UID | FILE_SET_GID,
				      .uid = (uint32_t)owner,
				      .gid = group_of(owner) };
	long status = set_attr(rq, node, step, &change, 0);

	if (status != PARK && rq->progress[0] == step)
		rq->progress[0] = step + 1;
	return status == PARK ? PARK : 0;
}

/* Steps 0: make it; 1, 2: find it; 3: its owner. progress[1]: the node. */
static long made(struct request *rq, struct node *dir, size_t length, long status, uint64_t owner,
		 struct node **node, struct p9_attr *attr)
{
	if (once(rq, status, -EEXIST) == 1)
		rq->progress[0] = rq->progress[0] ? rq->progress[0] : 1;
	else if (status < 0)
		return status;
	if (!rq->progress[1]) {
		status = find(rq, dir, length, 1, node, attr);
		if (status != 1)
			return status;
		rq->progress[1] = (*node)->number;
	}
	*node = node_of(rq, rq->progress[1]);
	if (!*node)
		return -ESTALE;
	status = give_owner(rq, *node, owner, 3);
	if (!status)
		status = ask_attr(rq, *node, (*node)->fid, 4, attr);
	return status;
}

static long fs_create(F(create))
{
	struct node *dir, *node;
	struct message answer;
	struct p9_attr attr;
	long got = place_of(rq, in->dir, NAME_LENGTH_MAX, &dir), status;
	uint32_t mode = (uint32_t)in->mode, gid = group_of(in->owner);

	if (got < 0)
		return got;
	if ((mode & S_IFMT) == S_IFDIR)
		status = talk(rq, dir->mount->host, 0, &answer, P9_MKDIR, "dsdd", dir->fid, names,
			      (size_t)got, mode & 07777, gid);
	else
		status = talk(rq, dir->mount->host, 0, &answer, P9_MKNOD, "dsdddd", dir->fid, names,
			      (size_t)got, mode, dev_major(in->rdev), dev_minor(in->rdev), gid);
	status = made(rq, dir, (size_t)got, status, in->owner, &node, &attr);
	if (status != 1)
		return status;
	TELL(out, node, &attr);
	return 0;
}

static long fs_symlink(F(symlink))
{
	struct node *dir, *node;
	struct message answer;
	struct p9_attr attr;
	long got = place_of(rq, in->dir, NAME_LENGTH_MAX + PATH_LENGTH_MAX, &dir), status;

	if (got < 0)
		return got;
	if (!in->name_length || in->name_length >= (uint64_t)got || in->name_length > NAME_LENGTH_MAX)
		return -EINVAL;
	status = talk(rq, dir->mount->host, 0, &answer, P9_SYMLINK, "dssd", dir->fid, names, in->name_length,
		      names + in->name_length, (size_t)got - in->name_length, group_of(in->owner));
	status = made(rq, dir, in->name_length, status, in->owner, &node, &attr);
	if (status != 1)
		return status;
	TELL(out, node, &attr);
	return 0;
}

static long fs_link(F(link))
{
	struct node *dir, *node = node_of(rq, in->node);
	struct message answer;
	long got = place_of(rq, in->dir, NAME_LENGTH_MAX, &dir), status;

	UNUSED;
	if (got < 0)
		return got;
	if (!node)
		return -ESTALE;
	status = reach(rq, node);
	if (!status)
		status = talk(rq, dir->mount->host, 0, &answer, P9_LINK, "dds", dir->fid, node->fid, names,
			      (size_t)got);
	status = once(rq, status, -EEXIST);
	return status == 1 ? 0 : status;
}

static long remove_entry(struct request *rq, uint64_t dir_number, uint32_t flags)
{
	struct node *dir;
	struct message answer;
	long got = place_of(rq, dir_number, NAME_LENGTH_MAX, &dir), status;

	if (got < 0)
		return got;
	status =
	    talk(rq, dir->mount->host, 0, &answer, P9_UNLINKAT, "dsd", dir->fid, names, (size_t)got, flags);
	status = once(rq, status, -ENOENT);
	return status == 1 ? 0 : status;
}

static long fs_unlink(F(unlink))
{
	UNUSED;
	return remove_entry(rq, in->dir, 0);
}

static long fs_rmdir(F(rmdir))
{
	UNUSED;
	return remove_entry(rq, in->dir, AT_REMOVEDIR);
}

static long fs_rename(F(rename))
{
	struct node *from, *to = node_of(rq, in->new_dir);
	struct message answer;
	long got = place_of(rq, in->old_dir, 2 * NAME_LENGTH_MAX, &from), status;
	size_t length = in->name_length;

	UNUSED;
	if (got < 0)
		return got;
	if (!to)
		return -ESTALE;
	if (in->flags || !length || length >= (size_t)got)
		return -EINVAL;
	status = reach(rq, to);
	if (!status)
		status = talk(rq, from->mount->host, 0, &answer, P9_RENAMEAT, "dsds", from->fid, names,
			      length, to->fid, names + length, (size_t)got - length);
	status = once(rq, status, -ENOENT);
	if (status != 1)
		return status;
	node_moved(from, names, length, to, names + length, (size_t)got - length);
	return 0;
}

static long fs_readlink(F(readlink))
{
	struct node *node = node_of(rq, in->node);
	static char target[PATH_LENGTH_MAX];
	struct message answer;
	size_t length;
	long status;

	UNUSED;
	if (!node)
		return -ESTALE;
	status = reach(rq, node);
	if (!status)
		status = talk(rq, node->mount->host, 0, &answer, P9_READLINK, "d", node->fid);
	if (status != 1)
		return status;
	length = message_get_string(&answer, target, sizeof target);
	if (answer.bad || length >= sizeof target)
		return -EIO;
	return request_write(rq, 0, target, length < rq->out_length ? length : rq->out_length);
}

/* The entries of an Rreaddir as ours: bytes of `list`. */
static size_t list_entries(struct message *answer, char *list, size_t size)
{
	size_t used = 0;

	while (!answer->bad && answer->used < answer->size) {
		struct file_dirent *entry = (struct file_dirent *)(list + used);
		static char name[NAME_LENGTH_MAX + 1];
		struct p9_qid qid;
		uint64_t cookie, type;
		size_t length, record;

		message_get_qid(answer, &qid);
		cookie = message_get(answer, 8);
		type = message_get(answer, 1);
		length = message_get_string(answer, name, sizeof name);
		record = (offsetof(struct file_dirent, name) + length + 1 + 7) & ~(size_t)7;
		if (answer->bad || length > NAME_LENGTH_MAX || record > size - used)
			break;
		*entry = (struct file_dirent){ qid.path, (int64_t)cookie, (uint16_t)record, (uint8_t)type };
		memset(entry->name, 0, record - offsetof(struct file_dirent, name));
		memcpy(entry->name, name, length);
		used += record;
	}
	return used;
}

static long fs_readdir(F(readdir))
{
	static char list[32768] __attribute__((aligned(8)));
	struct node *dir = node_of(rq, in->node);
	size_t room = rq->out_length < sizeof list ? rq->out_length : sizeof list;
	struct message answer;
	uint64_t size;
	long status;

	UNUSED;
	if (!dir)
		return -ESTALE;
	if (room < sizeof(struct file_dirent) + NAME_LENGTH_MAX + 8)
		return -EINVAL;
	status = reach_list(rq, dir);
	if (!status)
		status = talk(rq, dir->mount->host, 0, &answer, P9_READDIR, "dqd", dir->list_fid, in->cookie,
			      (uint32_t)room);
	if (status != 1)
		return status;
	size = message_get(&answer, 4);
	if (size > answer.size - answer.used)
		return -EIO;
	answer.size = answer.used + size;
	size = list_entries(&answer, list, room);
	return size ? request_write(rq, 0, list, size) : 0;
}

/* --- attributes ------------------------------------------------------------------------------------------------------- */

static long fs_stat(F(stat))
{
	struct node *node = node_of(rq, in->node);
	struct file_stat stat;
	struct p9_attr attr;
	long status;

	if (!node)
		return -ESTALE;
	if (rq->out_length < sizeof stat)
		return -EINVAL;
	status = reach(rq, node);
	if (!status)
		status = ask_attr(rq, node, node->fid, 0, &attr);
	if (status != 1)
		return status;
	stat_of(node, &attr, &stat);
	out->cacheable = 0;
	return request_write(rq, 0, &stat, sizeof stat) < 0 ? -EFAULT : 0;
}

static long fs_set_attr(F(set_attr))
{
	struct node *node = node_of(rq, in->node);
	struct attr_change change = {
		.valid = (uint32_t)in->valid,
		.mode = (uint32_t)in->mode,
		.uid = (uint32_t)in->owner,
		.gid = group_of(in->owner),
		.atime = in->atime,
		.atime_nsec = in->atime_nsec,
		.mtime = in->mtime,
		.mtime_nsec = in->mtime_nsec,
	};
	long status;

	UNUSED;
	if (!node)
		return -ESTALE;
	status = reach(rq, node);
	if (!status)
		status = set_attr(rq, node, 0, &change, in->size);
	return status == 1 ? 0 : status;
}

static long fs_statfs(F(statfs))
{
	struct mount *m = mount_by_badge(rq->badge);
	struct file_statfs statfs;
	long status;

	UNUSED;
	if (!m || rq->out_length < sizeof statfs)
		return -EINVAL;
	status = ask_statfs(rq, m->root, &statfs);
	if (status != 1)
		return status;
	return request_write(rq, 0, &statfs, sizeof statfs) < 0 ? -EFAULT : 0;
}

static long fs_sync(F(sync))
{
	UNUSED;
	return 0; /* what is written is the host's at once */
}

static long fs_sync_node(F(sync_node))
{
	struct node *node = node_of(rq, in->node);
	struct message answer;
	long status;

	UNUSED;
	if (!node)
		return -ESTALE;
	status = reach_list(rq, node);
	if (!status)
		status = talk(rq, node->mount->host, 0, &answer, P9_FSYNC, "dd", node->list_fid, 0u);
	return status == 1 ? 0 : status;
}

/* The description made for this call; progress[2]: its badge. */
static struct opened *describe(struct request *rq, struct node *node, uint64_t flags, bool exec)
{
	struct opened *file = rq->progress[2] ? description_find(rq->progress[2]) : NULL;

	if (!file)
		file = opened_new(node, flags, exec);
	if (file)
		rq->progress[2] = file->d.badge;
	return file;
}

static long fs_open(F(open))
{
	struct node *node = node_of(rq, in->node);
	struct attr_change change = { .valid = FILE_SET_SIZE };
	struct opened *file;
	long status;

	UNUSED;
	if (!node)
		return -ESTALE;
	if ((node->mode & S_IFMT) != S_IFREG)
		return -EINVAL;
	file = describe(rq, node, in->flags, in->exec);
	if (!file)
		return -ENFILE;
	status = reach_open(rq, file);
	if (!status && (in->flags & O_TRUNC))
		status = set_attr(rq, node, 0, &change, 0);
	if (status == PARK)
		return PARK;
	if (status >= 0)
		status = request_give_badge(rq, file->d.badge);
	if (status < 0)
		opened_free(file);
	return status < 0 ? status : 0;
}

/* progress[3] of a creation: the fid that becomes the file, in the low half, and in the high one the session it is of.
 * No fid (0): the file was there, made by this request in a session before. */
static uint32_t fid_to_open(struct request *rq, struct host *host)
{
	if (rq->progress[3] >> 32 != (uint32_t)host->epoch)
		rq->progress[3] = host->epoch << 32 | fid_new(host);
	return (uint32_t)rq->progress[3];
}

/* Steps 0: a copy of the directory's fid; 1: which becomes the file, open. 1: the file is there. */
static long make_file(struct request *rq, struct node *dir, size_t length, uint64_t flags, uint64_t mode,
		      uint32_t gid)
{
	struct host *host = dir->mount->host;
	uint32_t fid = fid_to_open(rq, host);
	struct message answer;
	long status = talk(rq, host, 0, &answer, P9_WALK, "ddw", dir->fid, fid, 0);

	if (status >= 0)
		status = talk(rq, host, 1, &answer, P9_LCREATE, "dsddd", fid, names, length,
			      ((uint32_t)flags & (O_ACCMODE | O_APPEND)) | O_CREAT | O_EXCL,
			      (uint32_t)mode & 07777, gid);
	if (once(rq, status, -EEXIST) == 1 && status < 0) {
		clunk(host, fid);
		rq->progress[3] = host->epoch << 32;
		rq->progress[0] = 2;
	}
	return status >= 0 ? 1 : once(rq, status, -EEXIST);
}

/* The fid that has made it is kept, for the file's mode may not let us open it again. */
static long open_made(struct request *rq, struct opened *file)
{
	struct host *host = file->node->mount->host;

	if (!(uint32_t)rq->progress[3])
		return reach_open(rq, file);
	file->fid = (uint32_t)rq->progress[3];
	file->epoch = host->epoch;
	return 0;
}

/* Steps 0, 1: make it; 2, 3: find it; 4: its owner; 5, the last: its attributes. progress[1]: the node. */
static long fs_create_open(F(create_open))
{
	struct node *dir, *node;
	struct opened *file = NULL;
	struct p9_attr attr;
	long got = place_of(rq, in->dir, NAME_LENGTH_MAX, &dir), status;

	if (got < 0)
		return got;
	status = make_file(rq, dir, (size_t)got, in->flags, in->mode, group_of(in->owner));
	if (status == 1 && !rq->progress[1]) {
		status = find(rq, dir, (size_t)got, 2, &node, &attr);
		if (status == 1)
			rq->progress[1] = node->number;
	}
	if (status != 1)
		goto failed;
	node = node_of(rq, rq->progress[1]);
	status = node ? give_owner(rq, node, in->owner, 4) : -ESTALE;
	if (status)
		goto failed;
	file = describe(rq, node, in->flags, false);
	status = file ? open_made(rq, file) : -ENFILE;
	if (!status)
		status = ask_attr(rq, node, node->fid, 5, &attr);
	if (status != 1)
		goto failed;
	TELL(out, node, &attr);
	status = request_give_badge(rq, file->d.badge);
	if (status >= 0)
		return status;
failed:
	if (status == PARK)
		return PARK;
	if (file)
		opened_free(file);
	else
		clunk(dir->mount->host, (uint32_t)rq->progress[3]);
	return status;
}

const struct fs_ops p9_fs_ops = {
	.mount = mount_begin,
	.unmount = mount_leave,
	.lookup = fs_lookup,
	.forget = fs_forget,
	.create = fs_create,
	.symlink = fs_symlink,
	.link = fs_link,
	.unlink = fs_unlink,
	.rmdir = fs_rmdir,
	.rename = fs_rename,
	.readlink = fs_readlink,
	.stat = fs_stat,
	.set_attr = fs_set_attr,
	.open = fs_open,
	.readdir = fs_readdir,
	.statfs = fs_statfs,
	.sync = fs_sync,
	.sync_node = fs_sync_node,
	.remount = mount_change,
	.create_open = fs_create_open,
};
