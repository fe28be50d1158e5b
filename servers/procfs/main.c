/* SPDX-License-Identifier: MIT */
/* procfs: /proc. One instance serves all its mounts. */
#include "procfs.h"

static long dispatch(struct request *rq)
{
	switch (IPC_OP_PROTO(rq->op)) {
	case PROTO_ID_FILE: return file_dispatch(&file_handlers, rq);
	case PROTO_ID_FS:
		if (rq->badge != MOUNT_BADGE && !(rq->badge & BADGE_SERVICE))
			return -EPERM;
		return fs_dispatch(&fs_handlers, rq);
	}
	return -ENOSYS;
}

static long start(bool restarted)
{
	(void)restarted;
	processes = share_address("proctab");
	gather_start();
	control_start();
	return 0;
}

static long cancel(struct request *rq)
{
	gather_cancel(rq);
	return -EINTR;
}

static const struct service service = {
	.name = "procfs",
	.dispatch = dispatch,
	.transactional = true,
	.start = start,
	.release = file_release,
	.cancel = cancel,
};

int main(void)
{
	service_main(&service);
}
