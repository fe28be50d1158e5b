/* SPDX-License-Identifier: MIT */
/* Endpoints: queueing, cancelling, and the calls of their owners. */
#include "core/kcall.h"
#include "core/table.h"
#include "ipc/ipc.h"
#include "ipc/trace.h"
#include "mm/mm.h"

#define STEP_CALLS 256 /* handled before others may run */

void endpoint_poll(struct endpoint *endpoint)
{
	while (endpoint->pending && !list_empty(&endpoint->receivers)) {
		struct thread *receiver = container_of(endpoint->receivers.next, struct thread, wait_link);

		if (endpoint_deliver(endpoint, receiver))
			thread_switch(receiver);
	}
}

void endpoint_queue(struct endpoint *endpoint, struct caller *caller)
{
	caller->endpoint = endpoint;
	caller->state = CALLER_QUEUED;
	trace_call(caller);
	call_queue_enter(&endpoint->queue, caller);
	endpoint->pending |= PENDING_CALL;
	endpoint_poll(endpoint);
}

void endpoint_unqueue(struct endpoint *endpoint, struct caller *caller)
{
	call_queue_leave(&endpoint->queue, caller);
	if (!endpoint->queue.levels)
		endpoint->pending &= ~PENDING_CALL;
}

static void cancel_forget(struct caller *caller)
{
	struct endpoint *endpoint = caller->endpoint;

	if (!caller->cancel_pending)
		return;
	caller->cancel_pending = false;
	list_remove(&caller->cancel_link);
	if (list_empty(&endpoint->cancels))
		endpoint->pending &= ~PENDING_CANCEL;
}

void caller_detach(struct caller *caller)
{
	struct endpoint *endpoint = caller->endpoint;

	cancel_forget(caller);
	if (caller->state == CALLER_QUEUED)
		endpoint_unqueue(endpoint, caller);
	else
		list_remove(&caller->link);
	caller->state = CALLER_IDLE;
	caller->endpoint = NULL;
	caller->cancelled = false;
	message_drop_caps(caller->caps, &caller->caps_count);
	if (caller->badge) {
		struct badge *badge = caller->badge;

		caller->badge = NULL;
		object_put(badge);
	}
}

static void cancel_queue(struct caller *caller)
{
	struct endpoint *endpoint = caller->endpoint;

	if (!caller->cancel_pending) {
		caller->cancel_pending = true;
		list_push_back(&endpoint->cancels, &caller->cancel_link);
		endpoint->pending |= PENDING_CANCEL;
	}
	endpoint_poll(endpoint);
}

/* While its call stays with the endpoint, the object of a dead caller does too. */
static void caller_dies(struct caller *caller)
{
	caller->dead = true;
	if (caller->kind == CALLER_THREAD)
		object_get(caller_thread(caller));
	else
		object_get(caller_callobj(caller));
}

void endpoint_cancel(struct caller *caller, bool dead)
{
	bool again = dead && !caller->dead;

	if (dead)
		message_release_reserved(caller);
	caller->slow = true;
	if (!caller->token) { /* no server has seen it */
		if (dead)
			caller_detach(caller);
		else
			caller_fail(caller, -EINTR);
		return;
	}
	if (caller->cancelled && !again)
		return;
	caller->cancelled = true;
	if (again)
		caller_dies(caller);
	if (caller->state == CALLER_IN_SERVICE)
		cancel_queue(caller);
}

static struct endpoint *endpoint_arg(uint64_t handle, int *error)
{
	return (struct endpoint *)cap_lookup(handle, CAPT_ENDPOINT, 0, error);
}

long sys_ep_create(void)
{
	struct endpoint *endpoint;

	if (!caller_is_service())
		return -EPERM;
	endpoint = kalloc(sizeof(*endpoint));
	if (!endpoint)
		return -ENOMEM;
	object_begin(&endpoint->object, CAPT_ENDPOINT);
	list_init(&endpoint->receivers);
	call_queue_init(&endpoint->queue);
	list_init(&endpoint->in_service);
	list_init(&endpoint->cancels);
	list_init(&endpoint->answers);
	list_init(&endpoint->releases);
	list_init(&endpoint->delivered_releases);
	return cap_install(&endpoint->object, CAP_ALL);
}

static void endpoint_unbind(struct endpoint *endpoint)
{
	struct notify *notify = endpoint->notify;

	if (!notify)
		return;
	endpoint->notify = NULL;
	endpoint->pending &= ~PENDING_NOTIFY;
	notify->endpoint = NULL;
	object_put(notify);
}

long sys_ep_bind(uint64_t handle, uint64_t notification)
{
	int error;
	struct endpoint *endpoint = endpoint_arg(handle, &error);
	struct notify *notify;

	if (!endpoint)
		return -error;
	if ((cap_t)notification == CAP_NONE) {
		endpoint_unbind(endpoint);
		return 0;
	}
	notify = (struct notify *)cap_lookup(notification, CAPT_NOTIFY, CAP_R, &error);
	if (!notify)
		return -error;
	if (notify->endpoint && notify->endpoint != endpoint)
		return -EBUSY;
	object_get(notify);
	endpoint_unbind(endpoint);
	endpoint->notify = notify;
	notify->endpoint = endpoint;
	if (notify->bits) {
		endpoint->pending |= PENDING_NOTIFY;
		endpoint_poll(endpoint);
	}
	return 0;
}

static void put_back(struct endpoint *endpoint, struct caller *caller)
{
	cancel_forget(caller);
	list_remove(&caller->link);
	call_queue_return(&endpoint->queue, caller);
	caller->state = CALLER_QUEUED;
	endpoint->pending |= PENDING_CALL;
	endpoint->reset_count++;
}

static void releases_put_back(struct endpoint *endpoint)
{
	while (!list_empty(&endpoint->delivered_releases)) {
		struct list_node *link = endpoint->delivered_releases.prev;

		list_remove(link);
		list_push_front(&endpoint->releases, link);
		endpoint->pending |= PENDING_RELEASE;
	}
}

/* From the last received back to the first, each to the front: the order stays. */
long sys_ep_reset(uint64_t handle)
{
	int error;
	struct endpoint *endpoint = endpoint_arg(handle, &error);
	uint64_t count;

	if (!endpoint)
		return -error;
	for (unsigned i = 0; !list_empty(&endpoint->in_service); i++) {
		if (i == STEP_CALLS)
			return KCALL_RESTART;
		put_back(endpoint, container_of(endpoint->in_service.prev, struct caller, link));
	}
	releases_put_back(endpoint);
	callobj_put_back(endpoint);
	count = endpoint->reset_count;
	endpoint->reset_count = 0;
	endpoint_poll(endpoint);
	return count;
}

/* Answers queued calls; false if the budget ran out first. */
static bool refuse_queued(struct endpoint *endpoint, unsigned budget)
{
	while (endpoint->queue.levels) {
		if (!budget--)
			return false;
		caller_fail(call_queue_next(&endpoint->queue), -(long)endpoint->refuse);
	}
	return true;
}

long sys_ep_refuse(uint64_t handle, uint64_t errno_value)
{
	int error;
	struct endpoint *endpoint = endpoint_arg(handle, &error);

	if (!endpoint)
		return -error;
	if (errno_value > 4095)
		return -EINVAL;
	endpoint->refuse = errno_value;
	if (errno_value && !refuse_queued(endpoint, STEP_CALLS))
		return KCALL_RESTART;
	return 0;
}

static void describe_call(struct caller *caller, struct ep_call *call)
{
	struct thread *thread = caller->kind == CALLER_THREAD ? caller_thread(caller) : NULL;
	const uint64_t *words = caller->kernel_words;

	*call = (struct ep_call){
		.stamp = caller->stamp,
		.badge = caller->badge_number,
		.deliveries = caller->deliveries,
		.op = caller->kernel_op,
	};
	if (thread) {
		__builtin_memcpy(call->name, thread->name, sizeof(call->name));
		call->number = thread->number;
	} else {
		call->op = caller_callobj(caller)->op;
		words = caller_callobj(caller)->words;
	}
	for (unsigned i = 0; i < IPC_WORDS; i++)
		call->words[i] = words[i];
	if (!thread || caller->kernel_op)
		return;
	call->op = thread->frame.rdi;
	call->words[0] = thread->frame.rsi;
	call->words[1] = thread->frame.rdx;
	call->words[2] = thread->frame.r10;
	call->words[3] = thread->frame.r8;
	call->words[4] = thread->frame.r9;
}

static long copy_calls(const struct list_node *list, uint64_t to, long done, long count)
{
	for (struct list_node *link = list->next; link != list && done < count; link = link->next) {
		struct ep_call call;

		describe_call(container_of(link, struct caller, link), &call);
		if (copy_to_user(current_thread()->space, to + done * sizeof(call), &call, sizeof(call),
				 NULL))
			return -EFAULT;
		done++;
	}
	return done;
}

long sys_ep_calls(uint64_t handle, uint64_t to, uint64_t count)
{
	int error;
	struct endpoint *endpoint = endpoint_arg(handle, &error);
	long done;

	if (!endpoint)
		return -error;
	if (count > STEP_CALLS)
		count = STEP_CALLS;
	done = copy_calls(&endpoint->in_service, to, 0, (long)count);
	for (unsigned level = CALL_LEVELS; level-- && done >= 0;)
		done = copy_calls(&endpoint->queue.calls[level], to, done, (long)count);
	return done;
}

long sys_ep_allow_dma(uint64_t root, uint64_t handle)
{
	int error;
	struct endpoint *endpoint;

	if (!cap_lookup(root, CAPT_ROOT, 0, &error))
		return -error;
	endpoint = endpoint_arg(handle, &error);
	if (!endpoint)
		return -error;
	endpoint->dma = true;
	return 0;
}

static void wake_receivers(struct endpoint *endpoint)
{
	while (!list_empty(&endpoint->receivers))
		thread_wake(container_of(endpoint->receivers.next, struct thread, wait_link), -EBADF);
}

bool endpoint_reap(struct endpoint *endpoint, unsigned budget)
{
	endpoint->refuse = EIO;
	endpoint_unbind(endpoint);
	if (endpoint->taken)
		callobj_take(endpoint->taken, NULL);
	wake_receivers(endpoint);
	for (; !list_empty(&endpoint->in_service); budget--) {
		if (!budget)
			return false;
		caller_fail(container_of(endpoint->in_service.next, struct caller, link), -EIO);
	}
	if (!refuse_queued(endpoint, budget))
		return false;
	for (; endpoint->badges; budget--) {
		if (!budget)
			return false;
		badge_remove(endpoint->badges);
	}
	return true;
}
