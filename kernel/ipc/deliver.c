/* SPDX-License-Identifier: MIT */
/*
 * What a wait delivers, in this order: cancels, answers to asynchronous calls, bits of the
 * bound notification, releases, calls. So a flood of calls does not hold back the others.
 */
#include "ipc/ipc.h"

struct delivery {
	uint64_t kind, op, words[IPC_WORDS], badge, stamp, in_length, out_length, token, flags;
};

static void deliver(struct thread *receiver, const struct delivery *d)
{
	struct frame *f = &receiver->frame;

	f->rax = d->kind;
	f->rdi = d->op;
	f->rsi = d->words[0];
	f->rdx = d->words[1];
	f->r10 = d->words[2];
	f->r8 = d->words[3];
	f->r9 = d->words[4];
	f->rbx = d->badge;
	f->rbp = d->stamp;
	f->r12 = d->in_length;
	f->r13 = d->out_length;
	f->r14 = d->token;
	f->r15 = d->flags;
}

static void clear_if_empty(struct endpoint *endpoint, struct list_node *list, uint32_t bit)
{
	if (list_empty(list))
		endpoint->pending &= ~bit;
}

static void words_from_frame(struct delivery *d, const struct frame *f)
{
	d->op = f->rdi;
	d->words[0] = f->rsi;
	d->words[1] = f->rdx;
	d->words[2] = f->r10;
	d->words[3] = f->r8;
	d->words[4] = f->r9;
	d->in_length = f->rbp;
	d->out_length = f->r13;
}

static void copy_extra(struct thread *receiver, const uint64_t *extra)
{
	if (!receiver->message_page)
		return;
	for (unsigned i = 0; i < IPC_EXTRA_WORDS; i++)
		receiver->message_page->extra[i] = extra[i];
}

static void describe_thread_call(struct thread *thread, struct delivery *d)
{
	struct caller *caller = &thread->caller;

	if (caller->kernel_op) {
		d->op = caller->kernel_op;
		for (unsigned i = 0; i < IPC_WORDS; i++)
			d->words[i] = caller->kernel_words[i];
	} else {
		words_from_frame(d, &thread->frame);
	}
}

static void describe_object_call(struct callobj *call, struct delivery *d)
{
	d->op = call->op;
	for (unsigned i = 0; i < IPC_WORDS; i++)
		d->words[i] = call->words[i];
	d->in_length = call->in.memory ? call->in.length : 0;
	d->out_length = call->out.memory ? call->out.length : 0;
}

static void describe(struct caller *caller, struct delivery *d)
{
	uint64_t deliveries = caller->deliveries > 0xffff ? 0xffff : caller->deliveries;

	if (caller->kind == CALLER_THREAD)
		describe_thread_call(caller_thread(caller), d);
	else
		describe_object_call(caller_callobj(caller), d);
	d->badge = caller->badge_number;
	d->stamp = caller->stamp;
	d->token = caller->token;
	d->flags = (caller->flags & 0xff) | (uint64_t)caller->caps_count << 8 | deliveries << 16;
	if (caller->cancelled)
		d->flags |= IPC_CANCELLED;
}

static void deliver_extra(struct caller *caller, struct thread *receiver)
{
	struct thread *thread;

	if (!(caller->flags & IPC_EXTRA))
		return;
	if (caller->kind == CALLER_OBJECT) {
		copy_extra(receiver, &caller_callobj(caller)->words[IPC_WORDS]);
		return;
	}
	thread = caller_thread(caller);
	if (thread->message_page)
		copy_extra(receiver, thread->message_page->extra);
}

static void deliver_cancel_of(struct caller *caller, struct thread *receiver)
{
	struct delivery d = { 0 };

	describe(caller, &d);
	d.kind = IPC_CANCEL;
	d.words[0] = caller->dead ? IPC_CANCEL_DEAD : IPC_CANCEL_INTERRUPTED;
	deliver(receiver, &d);
}

static bool deliver_cancel(struct endpoint *endpoint, struct thread *receiver)
{
	struct caller *caller = container_of(endpoint->cancels.next, struct caller, cancel_link);

	list_remove(&caller->cancel_link);
	caller->cancel_pending = false;
	clear_if_empty(endpoint, &endpoint->cancels, PENDING_CANCEL);
	deliver_cancel_of(caller, receiver);
	return true;
}

static bool deliver_answer(struct endpoint *endpoint, struct thread *receiver)
{
	struct callobj *call = container_of(endpoint->answers.next, struct callobj, answer_link);
	struct answer *answer = &call->answer;
	struct delivery d = { .kind = IPC_REPLY, .op = answer->status, .badge = call->cookie };

	list_remove(&call->answer_link);
	clear_if_empty(endpoint, &endpoint->answers, PENDING_ANSWER);
	for (unsigned i = 0; i < IPC_WORDS; i++)
		d.words[i] = answer->words[i];
	d.flags = answer->flags | call->received_count << 8;
	if (receiver->message_page) {
		copy_extra(receiver, &answer->words[IPC_WORDS]);
		receiver->message_page->caps_count = call->received_count;
		for (unsigned i = 0; i < call->received_count; i++)
			receiver->message_page->caps[i] = call->received[i];
	}
	call->caller.state = CALLER_IDLE;
	call->reply_to = NULL;
	deliver(receiver, &d);
	object_put(call);
	object_put(endpoint);
	return true;
}

static bool deliver_bits(struct endpoint *endpoint, struct thread *receiver)
{
	struct delivery d = { .kind = IPC_NOTIFY };

	endpoint->pending &= ~PENDING_NOTIFY;
	if (!endpoint->notify || !endpoint->notify->bits)
		return false;
	d.op = endpoint->notify->bits;
	endpoint->notify->bits = 0;
	deliver(receiver, &d);
	return true;
}

static bool deliver_release(struct endpoint *endpoint, struct thread *receiver)
{
	struct badge *badge = container_of(endpoint->releases.next, struct badge, link);
	struct delivery d = { .kind = IPC_RELEASE, .badge = badge->number };

	list_remove(&badge->link);
	list_push_back(&endpoint->delivered_releases, &badge->link);
	clear_if_empty(endpoint, &endpoint->releases, PENDING_RELEASE);
	deliver(receiver, &d);
	return true;
}

/* A server serves at least with the priority of whom it serves. */
static void inherit_priority(struct thread *receiver, const struct caller *caller)
{
	uint8_t priority = receiver->base_priority;

	if (caller->kind == CALLER_THREAD && caller_thread((struct caller *)caller)->priority > priority)
		priority = caller_thread((struct caller *)caller)->priority;
	receiver->priority = priority;
}

static void take_into_service(struct endpoint *endpoint, struct caller *caller)
{
	list_remove(&caller->link);
	list_push_back(&endpoint->in_service, &caller->link);
	caller->state = CALLER_IN_SERVICE;
	if (caller->token)
		return;
	caller->token = next_token | caller->index;
	next_token += 1ul << CALLER_BITS;
}

/* The first queued call; one that cannot be delivered is answered with the reason. */
static bool deliver_call(struct endpoint *endpoint, struct thread *receiver)
{
	struct caller *caller = container_of(endpoint->queue.next, struct caller, link);
	struct delivery d = { .kind = IPC_CALL };
	long error = 0;

	if (!caller->token && caller->badge && !caller->badge->endpoint)
		error = -EIO;
	else if (!caller->dead && caller->flags & IPC_EXTRA)
		error = message_install(receiver, endpoint, caller);
	if (error) {
		caller_fail(caller, error);
		return false;
	}
	take_into_service(endpoint, caller);
	clear_if_empty(endpoint, &endpoint->queue, PENDING_CALL);
	inherit_priority(receiver, caller);
	if (caller->dead) {
		deliver_cancel_of(caller, receiver);
	} else {
		deliver_extra(caller, receiver);
		describe(caller, &d);
		deliver(receiver, &d);
	}
	caller->deliveries++;
	return true;
}

bool endpoint_deliver(struct endpoint *endpoint, struct thread *receiver)
{
	while (endpoint->pending) {
		bool done;

		if (endpoint->pending & PENDING_CANCEL)
			done = deliver_cancel(endpoint, receiver);
		else if (endpoint->pending & PENDING_ANSWER)
			done = deliver_answer(endpoint, receiver);
		else if (endpoint->pending & PENDING_NOTIFY)
			done = deliver_bits(endpoint, receiver);
		else if (endpoint->pending & PENDING_RELEASE)
			done = deliver_release(endpoint, receiver);
		else
			done = deliver_call(endpoint, receiver);
		if (done)
			return true;
	}
	return false;
}
