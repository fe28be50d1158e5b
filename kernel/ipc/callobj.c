/* SPDX-License-Identifier: MIT */
/*
 * Call objects: asynchronous calls of servers. One outlives the incarnation that sent
 * it; its answer waits at the endpoint named in reply_to until a wait takes it. Buffers are
 * ranges of memory objects, counted while the call is out.
 */
#include "core/fair.h"
#include "core/kcall.h"
#include "core/table.h"
#include "ipc/ipc.h"
#include "mm/mm.h"

static struct callobj *callobj_arg(uint64_t handle, int *error)
{
	return (struct callobj *)cap_lookup(handle, CAPT_CALL, CAP_CONTROL, error);
}

long sys_call_create(void)
{
	struct callobj *call;
	long error;

	if (!caller_is_service())
		return -EPERM;
	call = kalloc(sizeof(*call));
	if (!call)
		return -ENOMEM;
	error = caller_register(&call->caller);
	if (error) {
		kfree(call);
		return error;
	}
	object_begin(&call->object, CAPT_CALL);
	call->caller.kind = CALLER_OBJECT;
	call->caller.slow = true;
	return cap_install(&call->object, CAP_ALL);
}

void callobj_take(struct callobj *call, struct endpoint *endpoint)
{
	if (endpoint && endpoint->taken)
		endpoint->taken->taken_at = NULL;
	if (call->taken_at)
		call->taken_at->taken = NULL;
	if (endpoint)
		endpoint->taken = call;
	call->taken_at = endpoint;
}

void callobj_put_back(struct endpoint *endpoint)
{
	struct callobj *call = endpoint->taken;

	if (!call)
		return;
	callobj_take(call, NULL);
	call->again = true;
	call->caller.state = CALLER_ANSWERED;
	object_get(call);
	call->reply_to = object_get(endpoint);
	list_push_front(&endpoint->answers, &call->answer_link);
	endpoint->pending |= PENDING_ANSWER;
}

/* What has been delivered before is of no interest to who sends it again. */
static void drop_delivered(struct callobj *call)
{
	struct endpoint *endpoint = call->reply_to;

	callobj_take(call, NULL);
	if (call->caller.state != CALLER_ANSWERED || !call->again)
		return;
	list_remove(&call->answer_link);
	if (list_empty(&endpoint->answers))
		endpoint->pending &= ~PENDING_ANSWER;
	call->caller.state = CALLER_IDLE;
	call->reply_to = NULL;
	object_put(endpoint);
	object_put(call);
}

static void range_drop(struct call_range *range)
{
	if (range->memory)
		object_put(range->memory);
	range->memory = NULL;
}

static void drop_buffers(struct callobj *call)
{
	for (uint32_t i = 0; i < call->pin_count; i++)
		if (call->pins[i])
			frame_put(call->pins[i]);
	kfree(call->pins);
	call->pins = NULL;
	call->pin_count = 0;
	range_drop(&call->in);
	range_drop(&call->out);
}

static long range_take(const struct call_buffer *buffer, uint32_t rights, struct call_range *range)
{
	struct object *memory;
	int error;

	if (buffer->memory == CAP_NONE)
		return 0;
	memory = cap_lookup(buffer->memory, CAPT_MEMORY, rights, &error);
	if (!memory)
		return -error;
	if (buffer->offset + buffer->length < buffer->offset)
		return -EINVAL;
	*range = (struct call_range){ object_get(memory), buffer->offset, buffer->length, rights == CAP_W };
	return 0;
}

static struct table *answer_table(uint32_t flags)
{
	struct thread *thread = current_thread();

	return flags & IPC_RECV_FD ? thread->fd_table : thread->private_table;
}

/* Everything the call holds while it is out; on failure the caller drops what is there. */
static long take_parts(struct callobj *call, const struct call_send *send)
{
	struct caller *caller = &call->caller;
	int code;
	struct endpoint *reply_to = (struct endpoint *)cap_lookup(send->reply_to, CAPT_ENDPOINT, 0, &code);
	long error;

	if (!reply_to)
		return -code;
	error = range_take(&send->in, CAP_R, &call->in);
	if (!error)
		error = range_take(&send->out, CAP_W, &call->out);
	if (!error)
		error = message_take_caps(send->caps, send->caps_count, caller->caps, &caller->caps_count);
	if (!error && send->flags & IPC_RECV_CAPS)
		error = message_reserve(caller, answer_table(send->flags), send->recv_count, 0,
					send->flags & IPC_RECV_CLOEXEC);
	if (!error)
		call->reply_to = object_get(reply_to);
	return error;
}

static void send_call(struct callobj *call, struct badge *badge, const struct call_send *send)
{
	struct caller *caller = &call->caller;
	const struct quota *payer = fair_payer(current_thread());

	call->op = send->op;
	call->cookie = send->cookie;
	call->payer = payer ? payer->number : 0;
	for (unsigned i = 0; i < IPC_ALL_WORDS; i++)
		call->words[i] = send->w[i];
	caller->flags = (send->flags & 0xff) | IPC_EXTRA | IPC_INTR;
	caller->token = 0;
	caller->deliveries = 0;
	caller->stamp = current_thread()->stamp;
	caller->badge = object_get(badge);
	caller->badge_number = badge->number;
	endpoint_queue(badge->endpoint, caller);
}

long sys_call_send(uint64_t handle, uint64_t destination, uint64_t address)
{
	struct thread *thread = current_thread();
	int code;
	struct callobj *call = callobj_arg(handle, &code);
	struct badge *badge;
	struct call_send send;
	long error;

	if (!call)
		return -code;
	badge = (struct badge *)cap_lookup(destination, CAPT_BADGE, 0, &code);
	if (!badge)
		return -code;
	drop_delivered(call);
	if (call->caller.state != CALLER_IDLE)
		return -EBUSY;
	error = copy_from_user(thread->space, &send, address, sizeof(send), NULL);
	if (error)
		return error;
	if (!badge->endpoint || badge->endpoint->dead)
		return -EIO;
	if (badge->endpoint->refuse)
		return -(long)badge->endpoint->refuse;
	error = take_parts(call, &send);
	if (error) {
		message_drop_caps(call->caller.caps, &call->caller.caps_count);
		drop_buffers(call);
		return error;
	}
	send_call(call, badge, &send);
	return 0;
}

void callobj_answered(struct callobj *call, struct answer *answer)
{
	struct endpoint *reply_to = call->reply_to;

	drop_buffers(call);
	if (call->caller.dead) {
		message_drop_caps(answer->caps, &answer->caps_count);
		call->reply_to = NULL;
		object_put(reply_to);
		object_put(call);
		return;
	}
	call->received_count = message_fill_reserved(&call->caller, answer, call->received);
	call->answer = *answer;
	for (unsigned i = IPC_WORDS; i < IPC_ALL_WORDS && !(answer->flags & IPC_EXTRA); i++)
		call->answer.words[i] = 0; /* not what lay on the stack */
	call->caller.state = CALLER_ANSWERED;
	call->again = false;
	object_get(call);
	list_push_back(&reply_to->answers, &call->answer_link);
	reply_to->pending |= PENDING_ANSWER;
	endpoint_poll(reply_to);
}

long sys_call_state(uint64_t handle)
{
	int error;
	struct callobj *call = callobj_arg(handle, &error);

	return call ? call->caller.state : -error;
}

long sys_call_cancel(uint64_t handle)
{
	int error;
	struct callobj *call = callobj_arg(handle, &error);

	if (!call)
		return -error;
	if (call->caller.state == CALLER_QUEUED || call->caller.state == CALLER_IN_SERVICE)
		endpoint_cancel(&call->caller, false);
	return 0;
}

/* A call that a server has seen stays until it is answered; its buffers too. */
void callobj_destroy(struct object *object)
{
	struct callobj *call = container_of(object, struct callobj, object);
	struct caller *caller = &call->caller;

	if (caller->state != CALLER_IDLE) {
		endpoint_cancel(caller, true);
		if (caller->state != CALLER_IDLE)
			return;
	}
	callobj_take(call, NULL);
	drop_buffers(call);
	if (call->reply_to)
		object_put(call->reply_to);
	caller_unregister(caller);
	object_free(call);
}
