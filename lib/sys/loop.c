/* SPDX-License-Identifier: MIT */
/*
 * The loop of every service. One kernel entry hands over the last answer and takes the next
 * message; everything that was woken in between runs before it.
 */
#include "internal.h"

#include <proto/service.h>

const struct service *service;

/* Its answer leaves with the next wait. */
static struct request *outgoing;

static void finish(struct request *rq, long status)
{
	rq->status = status;
	rq->state = REQUEST_DONE;
	if (outgoing)
		request_send(outgoing);
	outgoing = rq;
}

static long serve_rs(struct request *rq)
{
	if (rq->badge != BADGE_RS)
		return -EPERM;
	if (rq->op == service_op_ping)
		return 0;
	if (rq->op == service_op_shutdown)
		return service->shutdown ? service->shutdown(rq) : 0;
	return -ENOSYS;
}

static long cancel_parked(struct request *rq)
{
	rq->cancel_told = true;
	if (!service->cancel) {
		request_dequeue(rq);
		return -EINTR;
	}
	return service->cancel(rq);
}

static void run(struct request *rq)
{
	long status;

	if (__builtin_expect(rq->reply_caps_count, 0))
		request_close_given(rq);
	rq->state = REQUEST_RUNNING;
	status = __builtin_expect(IPC_OP_PROTO(rq->op) == PROTO_ID_SERVICE, 0) ? serve_rs(rq)
									      : service->dispatch(rq);
	if (status == ANSWERED)
		return;
	if (status == PARK) {
		if (rq->state == REQUEST_RUNNING)
			rq->state = REQUEST_PARKED;
		if (!rq->cancelled || rq->cancel_told)
			return;
		status = cancel_parked(rq);
		if (status == PARK || status == ANSWERED)
			return;
	}
	if (rq->state != REQUEST_RUNNING)
		request_dequeue(rq);
	finish(rq, status);
}

/* No record, or a poisonous request: answered here. */
static void refuse(uint64_t token, long status)
{
	struct ipc_msg answer = { .op = (uint64_t)status };

	kcall(reply, SLOT_ENDPOINT, token, &answer);
}

static void take_call(const struct ipc_msg *msg)
{
	struct request *rq = request_receive(msg);

	if (!rq)
		refuse(msg->token, -EAGAIN);
	else if (__builtin_expect(rq->state == REQUEST_DONE, 0))
		finish(rq, rq->status); /* only the answer was lost */
	else
		run(rq);
}

static void take_cancel(const struct ipc_msg *msg)
{
	struct request *rq = request_find(msg->token);

	if (!rq) {
		refuse(msg->token, -EINTR);
		return;
	}
	rq->cancelled = true;
	rq->caller_dead = rq->caller_dead || msg->w[0] == IPC_CANCEL_DEAD;
	if (rq->state == REQUEST_DONE) {
		finish(rq, rq->status);
		return;
	}
	if (rq->state == REQUEST_RUNNING) {
		run(rq); /* left by the incarnation before: see what it holds */
		return;
	}
	rq->cancel_told = false;
	long status = cancel_parked(rq);
	if (status != PARK && status != ANSWERED) {
		request_dequeue(rq);
		finish(rq, status);
	}
}

static void take_notification(uint64_t bits)
{
	if (bits & NOTIFY_TIMER)
		timers_run();
	if (bits & ~NOTIFY_LIB && service->notify)
		service->notify(bits & ~NOTIFY_LIB);
}

static void take_release(uint64_t badge)
{
	if (service->release)
		service->release(badge);
	kcall(badge_destroy, SLOT_ENDPOINT, badge);
}

/* Until nothing is left that could run without another message. */
static void run_ready(void)
{
	struct request *rq;

	do {
		while ((rq = request_next_ready()))
			run(rq);
	} while (acalls_run_failed());
}

static long wait_next(struct ipc_msg *msg)
{
	struct request *answered = outgoing;
	uint32_t flags = 0;
	long kind;

	msg->token = 0;
	if (answered && __builtin_expect(request_gives(answered), 0)) {
		request_send(answered);
		answered = NULL;
	} else if (answered) {
		flags = request_load_answer(answered, msg);
	}
	outgoing = NULL;
	kind = ipc_reply_wait(SLOT_ENDPOINT, flags, msg);
	if (answered)
		request_release(answered);
	return kind;
}

static void take(long kind, struct ipc_msg *msg)
{
	switch (kind) {
	case IPC_CALL:
		take_call(msg);
		break;
	case IPC_NOTIFY:
		take_notification(msg->op);
		break;
	case IPC_REPLY:
		acall_answered(msg);
		break;
	case IPC_CANCEL:
		take_cancel(msg);
		break;
	case IPC_RELEASE:
		take_release(msg->badge);
		break;
	case -EBADF:
	case -EPERM:
		check_failed(__FILE__, __LINE__, "an endpoint to serve");
	}
}

static void start(void)
{
	bool restarted = startup->incarnation > 1;
	long error;

	pheap_start();
	clock_start();
	requests_start(restarted);
	acalls_start(restarted);
	watches_start(restarted);
	error = service->start ? service->start(restarted) : 0;
	if (error) {
		slog("cannot start: error %ld", -error);
		service_exit((int)-error);
	}
	if (restarted)
		take_notification(NOTIFY_TIMER - 1);
}

int service_main(const struct service *definition)
{
	struct ipc_msg msg;

	service = definition;
	start();
	for (;;) {
		run_ready();
		take(wait_next(&msg), &msg);
	}
}
