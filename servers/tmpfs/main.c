/* SPDX-License-Identifier: MIT */
/* tmpfs: files in memory. */
#include "tmpfs.h"

static long dispatch(struct request *rq)
{
	switch (IPC_OP_PROTO(rq->op)) {
	case PROTO_ID_FILE: return file_dispatch(&tmpfs_file_ops, rq);
	case PROTO_ID_FS: return fs_dispatch(&tmpfs_fs_ops, rq);
	}
	return -ENOSYS;
}

static long start(bool restarted)
{
	if (restarted)
		nodes_rebuild();
	return epochs_start();
}

static void release(uint64_t badge)
{
	struct mount *mount = mount_by_badge(badge);
	struct description *d = description_find(badge);

	if (mount)
		mount_end(mount);
	else if (d)
		description_free(d);
}

static const struct service service = {
	.name = "tmpfs",
	.dispatch = dispatch,
	.start = start,
	.release = release,
	.transactional = true,
};

int main(void)
{
	service_main(&service);
}
