/* SPDX-License-Identifier: MIT */
/* The tree: what VFS asks about names. */
#include "procfs.h"

#include <fs/stream.h>
#include <util/string.h>

#define PID_BUFFER 16
#define PROC_MAGIC 0x9fa0
#define COOKIE_PROCESSES 0x10000u /* in the root: behind the files; then pids */

PRESERVED uint64_t device_number;
const struct process_table *processes;

struct node node_of(uint64_t number)
{
	return (struct node){ (int32_t)(number >> 32), (uint32_t)(number >> 12 & 0xfffff),
			      (uint32_t)(number & 0xfff) };
}

uint64_t node_number(struct node node)
{
	return (uint64_t)(uint32_t)node.pid << 32 | (uint64_t)node.argument << 12 | node.kind;
}

const struct process_entry *process_by_pid(int32_t pid)
{
	if (pid <= 0 || !processes)
		return NULL;
	for (uint32_t i = 0; i < PROCESS_MAX; i++)
		if (processes->entry[i].pid == pid && processes->entry[i].stamp)
			return &processes->entry[i];
	return NULL;
}

/* Whether a service runs is seen where its directory is looked up, and when RS is asked of it. */
static const struct file_kind *process_kind_of(struct node node)
{
	uint32_t i = node.kind - KIND_PROCESS_FIRST;

	if (i >= process_files_count)
		return NULL;
	if (pid_is_service(node.pid))
		return process_files[i].parent & IN_SERVICE ? &process_files[i] : NULL;
	return process_by_pid(node.pid) ? &process_files[i] : NULL;
}

/* System files have kind 1 + index, so that the root is node 1. */
const struct file_kind *kind_of(struct node node)
{
	if (node.kind >= KIND_PROCESS_FIRST)
		return process_kind_of(node);
	return node.kind && node.kind - 1 < system_files_count && !node.pid ? &system_files[node.kind - 1]
									    : NULL;
}

static uint32_t process_kind(struct node node)
{
	return node.kind >= KIND_PROCESS_FIRST ? node.kind - KIND_PROCESS_FIRST : UINT32_MAX;
}

static uint32_t mode_of(const struct file_kind *kind)
{
	static const uint32_t formats[] = { S_IFREG, S_IFDIR, S_IFLNK, S_IFREG, S_IFREG };

	return formats[kind->type] | kind->mode;
}

long node_stat(uint64_t number, struct file_stat *stat)
{
	struct node node = node_of(number);
	const struct file_kind *kind = kind_of(node);
	const struct process_entry *process;
	uint64_t now = clock_realtime_ns(), seconds = now / 1000000000;

	if (!kind)
		return -ESTALE;
	process = process_by_pid(node.pid);
	*stat = (struct file_stat){
		.dev = device_number,
		.ino = number,
		.nlink = kind->type == TYPE_DIRECTORY ? 2 : 1,
		.mode = mode_of(kind),
		.uid = process ? process->euid : 0,
		.gid = process ? process->egid : 0,
		.blksize = 1024,
		.atime = seconds,
		.mtime = seconds,
		.ctime = seconds,
	};
	return 0;
}

static long tell(uint64_t number, struct fs_lookup_reply *out)
{
	struct file_stat stat;
	long status = node_stat(number, &stat);

	if (status < 0)
		return status == -ESTALE ? -ENOENT : status;
	out->node = number;
	out->mode = stat.mode | FS_MODE_VOLATILE | stat.nlink << 32;
	out->owner = stat.uid | (uint64_t)stat.gid << 32;
	out->size = 0;
	out->rdev = 0;
	return 0;
}

/* --- looking up ------------------------------------------------------------------------------------ */

static bool parse_number(const char *text, size_t length, uint32_t *out)
{
	uint32_t value = 0;

	if (!length || length > 7 || (text[0] == '0' && length > 1))
		return false;
	for (size_t i = 0; i < length; i++) {
		if (text[i] < '0' || text[i] > '9')
			return false;
		value = value * 10 + (uint32_t)(text[i] - '0');
	}
	*out = value;
	return true;
}

static bool name_is(const char *name, const char *text, size_t length)
{
	return strlen(name) == length && !memcmp(name, text, length);
}

/* A directory of the root. */
static long find_pid(struct request *rq, uint32_t pid, uint64_t *found)
{
	struct gather *g;
	long status = 0;

	if (pid_is_service((int32_t)pid)) {
		status = gather(rq, (int32_t)pid, 0, NEED_ENTRY, &g);
		if (status)
			return status;
		gather_end(rq, g);
	}
	*found = node_number((struct node){ (int32_t)pid, 0, KIND_PROCESS_FIRST + KIND_PID });
	return 0;
}

static long find_system(struct request *rq, uint32_t directory, const char *text, size_t length,
			uint64_t *found)
{
	uint32_t pid;

	for (uint32_t i = 1; i < system_files_count; i++)
		if (system_files[i].parent == directory && name_is(system_files[i].name, text, length)) {
			*found = i + 1;
			return 0;
		}
	if (directory != SYSTEM_ROOT || !parse_number(text, length, &pid))
		return -ENOENT;
	return find_pid(rq, pid, found);
}

/* What stands in the directory of a process or a thread by its own name. */
static bool is_listed(struct node dir, uint32_t index)
{
	uint8_t in = process_files[index].parent;

	if (index == KIND_PID || index == KIND_TASK_TID || index == KIND_FD_ENTRY)
		return false;
	return (process_kind(dir) != KIND_TASK_TID || in & IN_THREAD) &&
	       (!pid_is_service(dir.pid) || in & IN_SERVICE);
}

/* In PID (thread 0) or PID/task/TID (thread is TID + 1). */
static uint64_t find_process(struct node dir, const char *text, size_t length)
{
	uint32_t argument = process_kind(dir) == KIND_TASK_TID ? dir.argument : 0;

	for (uint32_t i = 1; i < process_files_count; i++)
		if (is_listed(dir, i) && name_is(process_files[i].name, text, length))
			return node_number((struct node){ dir.pid, argument, KIND_PROCESS_FIRST + i });
	return 0;
}

static bool has_thread(const struct gather *g, uint32_t tid)
{
	for (uint32_t i = 0; i < g->thread_count; i++)
		if (g->tids[i] == tid)
			return true;
	return false;
}

/* Entries with numbers for names: threads, descriptors. */
static long find_number(struct request *rq, struct node dir, const char *text, size_t length, uint64_t *found)
{
	bool threads = process_kind(dir) == KIND_TASK;
	struct gather *g;
	uint32_t number;
	long status;
	bool there;

	if (!parse_number(text, length, &number) || number >= 0xfffff)
		return -ENOENT;
	status = gather(rq, dir.pid, 0, threads ? NEED_THREADS : NEED_TABLE, &g);
	if (status)
		return status;
	there =
	    threads ? has_thread(g, number) : kcall(table_next, g->table, (uint64_t)number) == (long)number;
	gather_end(rq, g);
	*found = node_number((struct node){ dir.pid, number + 1,
					    KIND_PROCESS_FIRST + (threads ? KIND_TASK_TID : KIND_FD_ENTRY) });
	return there ? 0 : -ENOENT;
}

static long lookup(struct request *rq, const struct fs_lookup_req *in, struct fs_lookup_reply *out)
{
	struct node dir = node_of(in->dir);
	const struct file_kind *kind = kind_of(dir);
	char text[NAME_LENGTH_MAX];
	uint64_t found = 0;
	long status;

	if (!kind)
		return -ENOENT;
	if (kind->type != TYPE_DIRECTORY)
		return -ENOTDIR;
	if (rq->in_length > sizeof text)
		return -ENAMETOOLONG;
	status = request_read(rq, 0, text, rq->in_length);
	if (status < 0)
		return status;
	switch (process_kind(dir)) {
	case UINT32_MAX: status = find_system(rq, dir.kind - 1, text, rq->in_length, &found); break;
	case KIND_TASK:
	case KIND_FD: status = find_number(rq, dir, text, rq->in_length, &found); break;
	default: found = find_process(dir, text, rq->in_length);
	}
	if (status < 0)
		return status;
	return found ? tell(found, out) : -ENOENT;
}

static long forget(struct request *rq, const struct fs_forget_req *in, struct fs_forget_reply *out)
{
	(void)rq, (void)in, (void)out;
	return 0;
}

/* --- links ------------------------------------------------------------------------------------------- */

static uint32_t need_of_link(struct node node)
{
	switch (process_kind(node)) {
	case KIND_CWD: return NEED_CWD;
	case KIND_ROOT: return NEED_ROOT;
	case KIND_EXE: return NEED_SPACE | NEED_CWD;
	case KIND_FD_ENTRY: return NEED_TABLE | NEED_FD_PATH;
	}
	return 0;
}

/* "self" and "thread-self" depend on who asks. */
static long read_self(struct request *rq, const struct file_kind *kind, uint64_t stamp)
{
	const struct process_entry *process = process_find(stamp);
	char text[2 * PID_BUFFER];

	if (!process)
		return -ENOENT;
	if (kind->name[0] == 't')
		snprintf(text, sizeof text, "%d/task/%d", process->pid, process->pid);
	else
		snprintf(text, sizeof text, "%d", process->pid);
	return stream_put_text(rq, text);
}

static long readlink(struct request *rq, const struct fs_readlink_req *in, struct fs_readlink_reply *out)
{
	struct node node = node_of(in->node);
	const struct file_kind *kind = kind_of(node);
	struct gather *g;
	uint64_t length;
	long status;

	(void)out;
	if (!kind)
		return -ENOENT;
	if (kind->type != TYPE_LINK)
		return -EINVAL;
	if (!need_of_link(node))
		return read_self(rq, kind, in->stamp);
	status = gather(rq, node.pid, (int32_t)node.argument - 1, need_of_link(node), &g);
	if (status)
		return status;
	status = process_kind(node) == KIND_EXE ? process_exe(g) : (long)g->text_length;
	if (status > 0) {
		length = (uint64_t)status < rq->out_length ? (uint64_t)status : rq->out_length;
		status = request_write(rq, 0, g->text, length);
	}
	gather_end(rq, g);
	return status;
}

/* --- directories ---------------------------------------------------------------------------------------- */

struct listing {
	uint8_t bytes[16384] __attribute__((aligned(8)));
	uint64_t used, room;
};
static struct listing listing;

static bool list(uint64_t node, const char *name, uint8_t type, uint64_t next)
{
	static const uint8_t types[] = { 8, 4, 10, 8, 8 };
	size_t length = (sizeof(struct file_dirent) + strlen(name) + 1 + 7) & ~7ul;
	struct file_dirent *to = (struct file_dirent *)(listing.bytes + listing.used);

	if (listing.used + length > listing.room)
		return false;
	memset(to, 0, length);
	to->ino = node;
	to->offset = (int64_t)next;
	to->length = (uint16_t)length;
	to->type = types[type];
	memcpy(to->name, name, strlen(name));
	listing.used += length;
	return true;
}

static uint64_t parent_of(struct node dir)
{
	switch (process_kind(dir)) {
	case UINT32_MAX: return system_files[dir.kind - 1].parent + 1u;
	case KIND_PID: return ROOT_NODE;
	case KIND_TASK_TID: return node_number((struct node){ dir.pid, 0, KIND_PROCESS_FIRST + KIND_TASK });
	}
	return node_number((struct node){ dir.pid, 0, KIND_PROCESS_FIRST + KIND_PID });
}

/* Cookies 1 and 2 follow the dots. */
static bool list_dots(uint64_t number, uint64_t cookie)
{
	if (cookie < 1 && !list(number, ".", TYPE_DIRECTORY, 1))
		return false;
	return cookie >= 2 || list(parent_of(node_of(number)), "..", TYPE_DIRECTORY, 2);
}

/* In ascending order, so that a cookie (the pid) stays good whatever comes and goes. */
static int32_t next_pid(const struct gather *g, int32_t after)
{
	int32_t best = INT32_MAX;

	for (uint32_t i = 0; i < PROCESS_MAX; i++) {
		const struct process_entry *entry = &processes->entry[i];

		if (entry->stamp && entry->pid > after && entry->pid < best)
			best = entry->pid;
	}
	return best < INT32_MAX ? best : service_next(g, after);
}

static void list_processes(const struct gather *g, uint64_t cookie)
{
	int32_t pid = cookie > COOKIE_PROCESSES ? (int32_t)(cookie - COOKIE_PROCESSES) : 0;
	char name[PID_BUFFER];

	if (!processes)
		return;
	while ((pid = next_pid(g, pid)) != INT32_MAX) {
		snprintf(name, sizeof name, "%d", pid);
		if (!list(node_number((struct node){ pid, 0, KIND_PROCESS_FIRST + KIND_PID }), name,
			  TYPE_DIRECTORY, COOKIE_PROCESSES + (uint64_t)pid))
			return;
	}
}

static void list_system(const struct gather *g, uint32_t directory, uint64_t cookie)
{
	for (uint64_t i = cookie > 2 ? cookie - 2 : 1; i < system_files_count; i++)
		if (system_files[i].parent == directory &&
		    !list(i + 1, system_files[i].name, system_files[i].type, i + 3))
			return;
	if (directory == SYSTEM_ROOT)
		list_processes(g, cookie);
}

static void list_process(struct node dir, uint64_t cookie)
{
	uint32_t argument = process_kind(dir) == KIND_TASK_TID ? dir.argument : 0;

	for (uint64_t i = cookie > 2 ? cookie - 2 : 1; i < process_files_count; i++) {
		struct node node = { dir.pid, argument, KIND_PROCESS_FIRST + (uint32_t)i };

		if (is_listed(dir, (uint32_t)i) &&
		    !list(node_number(node), process_files[i].name, process_files[i].type, i + 3))
			return;
	}
}

static void list_number(struct node dir, uint32_t number, uint32_t kind, uint8_t type)
{
	struct node node = { dir.pid, number + 1, KIND_PROCESS_FIRST + kind };
	char name[PID_BUFFER];

	snprintf(name, sizeof name, "%u", number);
	list(node_number(node), name, type, number + 3ull);
}

static void list_numbers(const struct gather *g, struct node dir, uint64_t cookie)
{
	uint32_t from = cookie > 2 ? (uint32_t)(cookie - 2) : 0;
	bool threads = process_kind(dir) == KIND_TASK;

	for (uint32_t i = 0; threads && i < g->thread_count; i++)
		if (g->tids[i] >= from)
			list_number(dir, g->tids[i], KIND_TASK_TID, TYPE_DIRECTORY);
	for (long fd = from; !threads; fd++) {
		fd = kcall(table_next, g->table, (uint64_t)fd);
		if (fd < 0 || fd >= 0xfffff)
			break;
		list_number(dir, (uint32_t)fd, KIND_FD_ENTRY, TYPE_LINK);
	}
}

static uint32_t need_of_directory(struct node dir)
{
	switch (process_kind(dir)) {
	case UINT32_MAX: return dir.kind - 1 == SYSTEM_ROOT ? NEED_RUNNING : 0;
	case KIND_TASK: return NEED_THREADS;
	case KIND_FD: return NEED_TABLE;
	}
	return NEED_ENTRY;
}

static void list_entries(const struct gather *g, struct node dir, uint64_t cookie)
{
	switch (process_kind(dir)) {
	case UINT32_MAX: list_system(g, dir.kind - 1, cookie); break;
	case KIND_TASK:
	case KIND_FD: list_numbers(g, dir, cookie); break;
	default: list_process(dir, cookie);
	}
}

static long readdir(struct request *rq, const struct fs_readdir_req *in, struct fs_readdir_reply *out)
{
	struct node dir = node_of(in->node);
	const struct file_kind *kind = kind_of(dir);
	struct gather *g;
	long status;

	(void)out;
	if (!kind)
		return 0;
	if (kind->type != TYPE_DIRECTORY)
		return -ENOTDIR;
	/* Parks first: the buffer is for all. */
	status = gather(rq, dir.pid, 0, need_of_directory(dir), &g);
	if (status)
		return status;
	listing.used = 0;
	listing.room = rq->out_length < sizeof listing.bytes ? rq->out_length : sizeof listing.bytes;
	if (list_dots(in->node, in->cookie))
		list_entries(g, dir, in->cookie);
	gather_end(rq, g);
	return listing.used ? request_write(rq, 0, listing.bytes, listing.used) : 0;
}

/* --- the rest ---------------------------------------------------------------------------------------------- */

static long stat(struct request *rq, const struct fs_stat_req *in, struct fs_stat_reply *out)
{
	struct file_stat stat;
	long status = node_stat(in->node, &stat);

	(void)out;
	if (status < 0)
		return status == -ESTALE ? -ENOENT : status;
	return stream_put(rq, &stat, sizeof stat);
}

static long open(struct request *rq, const struct fs_open_req *in, struct fs_open_reply *out)
{
	const struct file_kind *kind = kind_of(node_of(in->node));

	(void)out;
	if (!kind)
		return -ENOENT;
	if (kind->type == TYPE_DIRECTORY || kind->type == TYPE_LINK)
		return -EINVAL;
	if (in->exec)
		return -EACCES;
	return file_open(rq, in->node, in->flags);
}

static long statfs(struct request *rq, const struct fs_statfs_req *in, struct fs_statfs_reply *out)
{
	struct file_statfs statfs = { .type = PROC_MAGIC, .bsize = 4096, .frsize = 4096, .namelen = 255 };

	(void)in, (void)out;
	return stream_put(rq, &statfs, sizeof statfs);
}

static long mount(struct request *rq, const struct fs_mount_req *in, struct fs_mount_reply *out)
{
	device_number = in->device;
	tell(ROOT_NODE, (struct fs_lookup_reply *)out);
	return request_give_badge(rq, MOUNT_BADGE);
}

static long unmount(struct request *rq, const struct fs_unmount_req *in, struct fs_unmount_reply *out)
{
	(void)rq, (void)in, (void)out;
	return 0;
}

/* truncate and open with O_TRUNC of what one may write to. */
static long set_attr(struct request *rq, const struct fs_set_attr_req *in, struct fs_set_attr_reply *out)
{
	(void)rq, (void)out;
	return in->valid & ~(uint64_t)FILE_SET_SIZE ? -EPERM : 0;
}

static long sync(struct request *rq, const struct fs_sync_req *in, struct fs_sync_reply *out)
{
	(void)rq, (void)in, (void)out;
	return 0;
}

static long sync_node(struct request *rq, const struct fs_sync_node_req *in, struct fs_sync_node_reply *out)
{
	(void)rq, (void)in, (void)out;
	return 0;
}

static long remount(struct request *rq, const struct fs_remount_req *in, struct fs_remount_reply *out)
{
	(void)rq, (void)in, (void)out;
	return 0;
}

/* Nobody makes names here. */
#define REFUSE(op)                                                                                      \
	static long op(struct request *rq, const struct fs_##op##_req *in, struct fs_##op##_reply *out) \
	{                                                                                               \
		(void)rq, (void)in, (void)out;                                                          \
		return -EPERM;                                                                          \
	}
REFUSE(create)
REFUSE(symlink)
REFUSE(link)
REFUSE(unlink)
REFUSE(rmdir)
REFUSE(rename)

const struct fs_ops fs_handlers = {
	.mount = mount,
	.unmount = unmount,
	.lookup = lookup,
	.forget = forget,
	.create = create,
	.symlink = symlink,
	.link = link,
	.unlink = unlink,
	.rmdir = rmdir,
	.rename = rename,
	.readlink = readlink,
	.stat = stat,
	.set_attr = set_attr,
	.open = open,
	.readdir = readdir,
	.statfs = statfs,
	.sync = sync,
	.sync_node = sync_node,
	.remount = remount,
};
