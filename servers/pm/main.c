/* SPDX-License-Identifier: MIT */
/* The process manager: what it is asked and by whom. */
#include "calls.h"
#include "image.h"
#include "quota.h"

#define BADGE_FAULT 2ull

static const struct pm_ops operations = {
#define OP(number, name, flags, req, reply) .name = do_##name,
#include <proto/pm.def>
#undef OP
};

static long dispatch(struct request *rq)
{
	if (IPC_OP_PROTO(rq->op) == PROTO_ID_PM)
		return pm_dispatch(&operations, rq);
	/* The badge: a process could call this operation too. */
	if (rq->op == IPC_KERNEL_FAULT && rq->badge == BADGE_FAULT)
		return thread_faulted(rq);
	return -ENOSYS;
}

static long cancel(struct request *rq)
{
	if (rq->op == pm_op_sigtimedwait)
		sigtimedwait_cancelled(rq);
	if (rq->op == pm_op_exec) {
		struct process *process = process_by_stamp(rq->stamp);

		if (process && process->exec.request == rq)
			process->exec.request = NULL;
	}
	return -EINTR;
}

static long start(bool restarted)
{
	long error;

	proctab = share_address("proctab");
	if (!proctab)
		return -ENOENT;
	table_start(restarted);
	tx_guard(proctab, sizeof(*proctab));
	random_start();
	error = image_start(restarted);
	if (!error)
		error = quota_start(restarted);
	if (error || !restarted)
		return error;
	timers_restart();
	exits_restart();
	return 0;
}

static const struct service service = {
	.name = "pm",
	.dispatch = dispatch,
	.start = start,
	.cancel = cancel,
	.transactional = true,
};

int main(void)
{
	service_main(&service);
}
