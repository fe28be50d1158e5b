/* SPDX-License-Identifier: MIT */
/* Open files of /proc: a text made at the first read, and again when read from the start. */
#include "procfs.h"

#include <fs/stream.h>
#include <util/string.h>

#define TEXT_MAX 524288u

PRESERVED struct description_table descriptions;
static PRESERVED cap_t control_slot; /* memory for a command on its way to RS */

static bool is_stream(const struct opened *d)
{
	const struct file_kind *kind = kind_of(node_of(d->node));

	return kind && (kind->type == TYPE_TRACE || kind->type == TYPE_CRASHES);
}

/* The first run has made the description: tracing counts it from then on until it is released. */
static long begin(struct opened *d)
{
	const struct file_kind *kind = kind_of(node_of(d->node));

	if (!kind || kind->type != TYPE_TRACE || d->traces)
		return 0;
	d->traces = true;
	return trace_open(d);
}

static struct opened *new_description(uint64_t node, uint64_t flags)
{
	struct opened *d = description_new(sizeof(*d), flags);
	struct file_stat stat;

	if (!d || node_stat(node, &stat) < 0)
		return d;
	d->base.flags |= O_LARGEFILE;
	d->base.device = device_number;
	d->base.node = d->node = node;
	d->base.mode = stat.mode;
	d->base.uid = stat.uid;
	d->base.gid = stat.gid;
	return d;
}

long file_open(struct request *rq, uint64_t node, uint64_t flags)
{
	struct opened *d = rq->context;
	long status;

	if (!d) {
		d = new_description(node, flags);
		if (!d)
			return -ENFILE;
		rq->context = d;
	}
	status = begin(d);
	if (status == 0)
		status = request_give_badge(rq, d->base.badge);
	if (status < 0)
		file_release(d->base.badge);
	return status < 0 ? status : 0;
}

static void drop_text(struct opened *d)
{
	char *text = d->text;

	d->text = NULL;
	d->length = 0;
	pheap_free(text);
}

void file_release(uint64_t badge)
{
	struct opened *d = description_find(badge);

	if (!d)
		return;
	if (d->traces)
		trace_close();
	drop_text(d);
	description_delete(d);
}

/* --- reading ------------------------------------------------------------------------------------------ */

static char render_space[TEXT_MAX];

static long keep_text(struct opened *d, const struct text *text)
{
	char *copy = pheap_alloc(text->used + 1);

	if (!copy)
		return -ENOMEM;
	memcpy(copy, text->at, text->used);
	drop_text(d);
	d->length = text->used;
	d->text = copy;
	return 0;
}

/* Of a file of /proc/net, which of the server's tables it shows. */
static int32_t table_of(struct node node)
{
	uint32_t table = node.kind - 1 - SYSTEM_NET;

	return node.kind < KIND_PROCESS_FIRST && table < NET_TABLES ? (int32_t)table : 0;
}

static long make_text(struct request *rq, struct opened *d)
{
	struct node node = node_of(d->node);
	const struct file_kind *kind = kind_of(node);
	struct text text = { render_space, 0, sizeof render_space };
	struct gather *g;
	long status;

	if (!kind)
		return -ESRCH;
	status = gather(rq, node.pid, table_of(node), kind->needs, &g);
	if (status)
		return status == -ENOENT ? -ESRCH : status;
	kind->render(&text, node, g);
	gather_end(rq, g);
	return keep_text(d, &text);
}

/* progress[0]: this request has made the text. */
static long read_at(struct request *rq, struct opened *d, uint64_t offset)
{
	uint64_t length;
	long status;

	if ((d->base.flags & O_ACCMODE) == O_WRONLY)
		return -EBADF;
	if (is_stream(d))
		return stream_read(rq, d, kind_of(node_of(d->node)));
	if (!d->text || (offset == 0 && !rq->progress[0])) {
		status = make_text(rq, d);
		if (status)
			return status;
		rq->progress[0] = 1;
	}
	if (offset >= d->length)
		return 0;
	length = d->length - offset < rq->out_length ? d->length - offset : rq->out_length;
	return length ? request_write(rq, 0, d->text + offset, length) : 0;
}

static long file_read(struct request *rq, const struct file_read_req *in, struct file_read_reply *out)
{
	struct opened *d = description_find(rq->badge);
	long status;

	(void)in, (void)out;
	if (!d)
		return -EBADF;
	status = read_at(rq, d, d->offset);
	if (status > 0 && !is_stream(d))
		d->offset += (uint64_t)status;
	return status;
}

static long file_pread(struct request *rq, const struct file_pread_req *in, struct file_pread_reply *out)
{
	struct opened *d = description_find(rq->badge);

	(void)out;
	if (!d)
		return -EBADF;
	return (int64_t)in->offset < 0 ? -EINVAL : read_at(rq, d, in->offset);
}

/* --- writing: service_control --------------------------------------------------------------------------- */

struct command {
	bool used, done;
	uint64_t token;
	long status;
	struct waitq waiting;
};
#define COMMANDS 4u
#define COMMAND_MAX 128u
static struct command commands[COMMANDS];
static struct waitq command_queue;

static void controlled(struct acall *call)
{
	struct command *command = &commands[call->tag[0] % COMMANDS];

	if (!command->used || command->token != call->tag[1])
		return;
	command->status = call->status;
	command->done = true;
	waitq_wake(&command->waiting);
}

static struct command *command_of(const struct request *rq)
{
	for (uint32_t i = 0; i < COMMANDS; i++)
		if (commands[i].used && commands[i].token == rq->token)
			return &commands[i];
	return NULL;
}

void control_start(void)
{
	long slot = control_slot ? 0 : tx_made(kcall(mo_create, ANOLE_PAGE_SIZE, 0ul));

	if (slot > 0)
		control_slot = (cap_t)slot;
}

static long send_command(struct request *rq, uint32_t i)
{
	struct rs_control_req request;
	struct acall *call;
	char line[COMMAND_MAX];
	long status = request_read(rq, 0, line, rq->in_length);

	if (status < 0)
		return status;
	status = kcall(mo_write, control_slot, i * (uint64_t)COMMAND_MAX, line, rq->in_length);
	call = status < 0 ? NULL : acall_new(controlled, NULL);
	if (!call)
		return status < 0 ? status : -ENOMEM;
	call->tag[0] = i;
	call->tag[1] = rq->token;
	call->in = (struct call_buffer){ control_slot, 0, i * (uint64_t)COMMAND_MAX, rq->in_length };
	commands[i] = (struct command){ .used = true, .token = rq->token };
	rs_send_control(call, SLOT_RS, &request);
	return request_park(rq, &commands[i].waiting);
}

/* The command may end this very server: a repeat after that would end it for ever. progress[1]: it has been
 * sent. */
long control_write(struct request *rq)
{
	struct command *command = command_of(rq);
	long status;

	if (command) {
		if (!command->done)
			return request_park(rq, &command->waiting);
		status = command->status;
		command->used = false;
		waitq_wake(&command_queue);
		return status < 0 ? status : (long)rq->in_length;
	}
	if (rq->progress[1])
		return (long)rq->in_length;
	if (!rq->in_length || rq->in_length >= COMMAND_MAX)
		return -EINVAL;
	for (uint32_t i = 0; i < COMMANDS; i++) {
		if (commands[i].used)
			continue;
		rq->progress[1] = 1;
		return send_command(rq, i);
	}
	return request_park(rq, &command_queue);
}

/* Linux's /proc/sys/vm/drop_caches: 1 pages, 2 names and nodes, 3 both. */
long drop_caches_write(struct request *rq)
{
	struct gather *g;
	char which = 0;
	long status = rq->in_length ? request_read(rq, 0, &which, 1) : -EINVAL;

	if (status < 0)
		return status;
	if (which < '1' || which > '3')
		return -EINVAL;
	status = gather(rq, 0, which - '0', NEED_DROP, &g);
	if (status)
		return status;
	gather_end(rq, g);
	return (long)rq->in_length;
}

static long file_write(struct request *rq, const struct file_write_req *in, struct file_write_reply *out)
{
	struct opened *d = description_find(rq->badge);
	const struct file_kind *kind = d ? kind_of(node_of(d->node)) : NULL;

	(void)in, (void)out;
	if (!kind || (d->base.flags & O_ACCMODE) == O_RDONLY)
		return -EBADF;
	return kind->write ? kind->write(rq) : -EIO;
}

static long file_pwrite(struct request *rq, const struct file_pwrite_req *in, struct file_pwrite_reply *out)
{
	(void)in;
	return file_write(rq, NULL, (struct file_write_reply *)out);
}

/* --- the rest ----------------------------------------------------------------------------------------------- */

static long file_lseek(struct request *rq, const struct file_lseek_req *in, struct file_lseek_reply *out)
{
	struct opened *d = description_find(rq->badge);
	int64_t to = in->offset;

	(void)out;
	if (!d)
		return -EBADF;
	if (is_stream(d))
		return -ESPIPE;
	if (in->whence > 1 || (in->whence == 1 && __builtin_add_overflow(to, (int64_t)d->offset, &to)) ||
	    to < 0)
		return -EINVAL;
	d->offset = (uint64_t)to;
	return to;
}

static long file_ftruncate(struct request *rq, const struct file_ftruncate_req *in,
			   struct file_ftruncate_reply *out)
{
	(void)in, (void)out;
	return description_find(rq->badge) ? 0 : -EBADF;
}

static long file_ioctl(struct request *rq, const struct file_ioctl_req *in, struct file_ioctl_reply *out)
{
	(void)in, (void)out;
	return description_find(rq->badge) ? -ENOTTY : -EBADF;
}

static long file_poll(struct request *rq, const struct file_poll_req *in, struct file_poll_reply *out)
{
	(void)out;
	return description_find(rq->badge) ? (long)(in->events & (POLLIN | POLLOUT | POLLRDNORM | POLLWRNORM))
					   : -EBADF;
}

static long file_set_attr(struct request *rq, const struct file_set_attr_req *in,
			  struct file_set_attr_reply *out)
{
	(void)in, (void)out;
	return description_find(rq->badge) ? -EPERM : -EBADF;
}

static long file_statfs(struct request *rq, const struct file_statfs_req *in, struct file_statfs_reply *out)
{
	(void)in, (void)out;
	return description_find(rq->badge) ? fs_handlers.statfs(rq, NULL, NULL) : -EBADF;
}

/* From the root of /proc on: the directories that a file of the system is in. */
static void put_place(struct text *t, uint32_t index)
{
	if (index == SYSTEM_ROOT)
		return;
	put_place(t, system_files[index].parent);
	put(t, "/%s", system_files[index].name);
}

static long file_path(struct request *rq, const struct file_path_req *in, struct file_path_reply *out)
{
	struct opened *d = description_find(rq->badge);
	struct node node = node_of(d ? d->node : 0);
	const struct file_kind *kind = kind_of(node);
	char path[96];
	struct text text = { path, 0, sizeof path - 1 };

	(void)in, (void)out;
	if (!kind)
		return d ? -ESRCH : -EBADF;
	put(&text, "/proc");
	if (!node.pid)
		put_place(&text, node.kind - 1);
	else if (node.argument)
		put(&text, "/%d/task/%u/%s", node.pid, node.argument - 1, kind->name);
	else
		put(&text, "/%d/%s", node.pid, kind->name);
	path[text.used] = 0;
	return stream_put_text(rq, path);
}

static long file_flock(struct request *rq, const struct file_flock_req *in, struct file_flock_reply *out)
{
	(void)in, (void)out;
	return description_find(rq->badge) ? -ENOLCK : -EBADF;
}

const struct file_ops file_handlers = {
	DESCRIPTION_FILE_OPS,        .read = file_read,     .write = file_write,
	.pread = file_pread,         .pwrite = file_pwrite, .lseek = file_lseek,
	.ftruncate = file_ftruncate, .fsync = stream_fsync, .ioctl = file_ioctl,
	.mmap = stream_mmap,         .poll = file_poll,     .getdents = stream_getdents,
	.set_attr = file_set_attr,   .flock = file_flock,   .statfs = file_statfs,
	.path = file_path,
};
