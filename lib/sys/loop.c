/* SPDX-License-Identifier: MIT */
/*
 * The loop of every service. One kernel entry hands over the last answer and takes the next
 * message; everything that was woken in between runs before it.
 */
#include "internal.h"

#include <proto/service.h>

const struct service *service;
struct request *running_request;

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

/* As a bug would: a write to where nothing is. */
static __attribute__((noinline)) void crash_on_request(void)
{
	__asm__ volatile("movb $0, 0x10" : : : "memory");
}

static long serve_rs(struct request *rq)
{
	if (rq->badge != BADGE_RS)
		return -EPERM;
	if (rq->op == service_op_ping)
		return 0;
	if (rq->op == service_op_shutdown)
		return service->shutdown ? service->shutdown(rq) : 0;
	if (rq->op == service_op_crash) {
		if (!rq->deliveries)
			crash_on_request();
		return 0;
	}
	if (IPC_OP_PROTO(rq->op) == PROTO_ID_SERVICE)
		return fault_request(rq);
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

/* What is not simply a final status. */
static void settle(struct request *rq, long status)
{
	if ((status == PARK || status == ANSWERED) && rq->state == REQUEST_RUNNING)
		rq->state = REQUEST_PARKED;
	request_guard(rq);
	if (status == ANSWERED)
		return;
	if (status == PARK) {
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

static void run(struct request *rq)
{
	request_close_given(rq);
	rq->state = REQUEST_RUNNING;
	request_begin(rq);
	running_request = rq;
	settle(rq, rq->badge == BADGE_RS && IPC_OP_PROTO(rq->op) == PROTO_ID_SERVICE ? serve_rs(rq)
										     : service->dispatch(rq));
	tx_end();
}

/* Everything that a call can be besides plain words from a client. */
static __attribute__((noinline)) void take_special(struct request *rq)
{
	if (rq->received & ~IPC_PLAIN_FLAGS)
		request_receive_rest(rq);
	if (stale_count)
		rq = request_receive_again(rq);
	if (rq->state == REQUEST_DONE)
		finish(rq, rq->status); /* only the answer was lost, or poison */
	else
		run(rq);
}

/* Answers whether the next wait can follow at once: only the plain answer is left to do. */
static inline bool take_call(struct request *rq)
{
	long status;

	if (__builtin_expect((rq->received & ~IPC_PLAIN_FLAGS) | stale_count | (rq->badge & BADGE_RS), 0)) {
		take_special(rq);
		return false;
	}
	rq->sequence = tx_sequence() | REQUEST_RUNS | REQUEST_FRESH;
	running_request = rq;
	status = service->dispatch(rq);
	if (__builtin_expect(status <= PARK || rq->state != REQUEST_RUNNING, 0)) {
		settle(rq, status);
		tx_end();
		return false;
	}
	rq->status = status;
	rq->state = REQUEST_DONE;
	outgoing = rq;
	tx_end();
	return !(rq->reply_caps_count | rq->long_reply | (uintptr_t)ready_requests.first |
		 (uintptr_t)failed_calls);
}

/* No record of it: nothing was done for it. */
static void refuse(uint64_t token, long status)
{
	struct ipc_msg answer = { .op = (uint64_t)status };

	kcall(reply, SLOT_ENDPOINT, token, &answer);
}

static void take_cancel(uint64_t token, bool dead)
{
	struct request *rq = request_find(token);

	if (!rq) {
		refuse(token, -EINTR);
		return;
	}
	rq->cancelled = true;
	rq->caller_dead = rq->caller_dead || dead;
	if (rq->state == REQUEST_DONE) {
		finish(rq, rq->status);
	} else if (rq->state == REQUEST_RUNNING) {
		run(rq); /* left by the incarnation before: see what it holds */
	} else {
		if ((rq->sequence & REQUEST_SEQUENCE) != tx_sequence())
			rq->sequence = tx_sequence();
		rq->cancel_told = false;
		settle(rq, PARK);
		tx_end();
	}
}

static void take_notification(uint64_t bits)
{
	running_request = NULL;
	if (bits & NOTIFY_TIMER)
		timers_run();
	if (bits & ~NOTIFY_LIB && service->notify)
		service->notify(bits & ~NOTIFY_LIB);
	tx_end();
}

static void take_release(uint64_t badge)
{
	running_request = NULL;
	if (service->release)
		service->release(badge);
	tx_end();
	FAULT_POINT("release: before it is acknowledged");
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

/* What is no call leaves the record clean again. */
static __attribute__((noinline)) void take_other(long kind, struct request *message)
{
	uint64_t token = message->token, op = message->op, badge = message->badge;
	bool dead = message->words[0] == IPC_CANCEL_DEAD;

	message->token = 0;
	message->state = REQUEST_FREE;
	switch (kind) {
	case IPC_NOTIFY: take_notification(op); break;
	case IPC_REPLY: acall_answered(message); break;
	case IPC_CANCEL: take_cancel(token, dead); break;
	case IPC_RELEASE: take_release(badge); break;
	case -EBADF:
	case -EPERM: check_failed(__FILE__, __LINE__, "an endpoint to serve");
	}
}

#define FIRST_WORD (KCALL_reply_wait | (uint64_t)SLOT_ENDPOINT << 32)
#define AT(field, offset) _Static_assert(offsetof(struct request, field) == (offset), "see receive.S")
AT(token, 0);
AT(words, 32);
AT(in_length, 112);
AT(received, 128);
AT(reply, 144);
AT(progress, 256);
AT(state, 384);
AT(caps_count, 392);

static void put_free(struct request *rq)
{
	rq->next = free_requests;
	free_requests = rq;
}

static inline void recycle(struct request *rq)
{
	if (__builtin_expect(!request_plain(rq), 0)) {
		request_release(rq);
		return;
	}
	rq->state = REQUEST_FREE;
	put_free(rq);
}

/* What runs before the next wait, and what needs a kernel entry of its own. */
static __attribute__((noinline)) void prepare(void)
{
	run_ready();
	if (outgoing && (outgoing->reply_caps_count || outgoing->long_reply)) {
		request_send(outgoing);
		outgoing = NULL;
	}
	if (!free_requests || !free_requests->next) {
		requests_grow();
		tx_end();
	}
	CHECK(free_requests);
}

/* One record is always kept to receive into: whoever would take it is to come again. */
static __attribute__((noinline)) void refuse_last(struct request *rq)
{
	rq->status = -EAGAIN;
	request_receive_rest(rq);
	request_send(rq);
}

static void loop(void)
{
	struct request *fresh, *answered;
	long kind;

	prepare();
	for (;;) {
		answered = outgoing;
		outgoing = NULL;
		fresh = free_requests;
		free_requests = fresh->next;
		kind = request_exchange(fresh, answered, FIRST_WORD);
		if (answered)
			recycle(answered);
		if (__builtin_expect(kind != IPC_CALL, 0)) {
			take_other(kind, fresh);
			put_free(fresh);
			prepare();
		} else if (__builtin_expect(!free_requests, 0)) {
			refuse_last(fresh);
		} else if (!take_call(fresh)) {
			prepare();
		}
	}
}

static void start(void)
{
	bool restarted = startup->incarnation > 1;
	long error;

	if (restarted)
		tx_undo();
	txcheck_start();
	tx_guard_statics();
	pheap_start();
	clock_start();
	requests_start(restarted);
	acalls_start(restarted);
	tx_take_steps();
	watches_start(restarted);
	tx_next();
	fault_start();
	error = service->start ? service->start(restarted) : 0;
	if (error) {
		slog("cannot start: error %ld", -error);
		service_exit((int)-error);
	}
	tx_end();
	if (restarted)
		take_notification(NOTIFY_TIMER - 1);
}

int service_main(const struct service *definition)
{
	service = definition;
#ifndef NOTX
	tx_on = definition->transactional;
#endif
	tx_committed = definition->committed;
	start();
	loop();
	__builtin_unreachable();
}
