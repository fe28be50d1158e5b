/* SPDX-License-Identifier: MIT */
/* p9: files of the host. */
#include "p9.h"

static long dispatch(struct request *rq)
{
	switch (IPC_OP_PROTO(rq->op)) {
	case PROTO_ID_FILE: return file_dispatch(&p9_file_ops, rq);
	case PROTO_ID_FS: return fs_dispatch(&p9_fs_ops, rq);
	}
	return -ENOSYS;
}

static long start(bool restarted)
{
	long error = exchanges_start(restarted);

	if (restarted)
		nodes_rebuild();
	return error ? error : hosts_start(restarted);
}

static void release(uint64_t badge)
{
	struct mount *mount = mount_by_badge(badge);
	struct opened *file = description_find(badge);

	if (mount)
		mount_end(mount);
	else if (file)
		opened_free(file);
}

/* What is at the host cannot be called back; the answer comes soon. Who waits for a lock can go. */
static long cancel(struct request *rq)
{
	return talking(rq) ? PARK : -EINTR;
}

/* Without transactions: the host has the files, and what was at the host is asked again (talk.c). */
static const struct service service = {
	.name = "p9",
	.dispatch = dispatch,
	.start = start,
	.release = release,
	.cancel = cancel,
};

int main(void)
{
	service_main(&service);
}
