/* SPDX-License-Identifier: MIT */
/*
 * What a wait delivers, in this order: cancels, answers to asynchronous calls, bits of the
 * bound notification, then releases and calls in turn. So a flood of calls does not hold back the others.
 */
#include "ipc/ipc.h"
#include "ipc/trace.h"

/* No call: core/fair.h. */
static void other_work(struct thread *receiver)
{
	receiver->other_work = next_token;
	receiver->works_for = 0;
}

/* Anything but a call: what is not set here is 0. */
static void deliver(struct thread *receiver, enum ipc_kind kind, uint64_t op, uint64_t badge, uint64_t flags)
{
	struct frame *f = &receiver->frame;

	other_work(receiver);
	f->rax = kind;
	f->rdi = op;
	f->rbx = badge;
	f->r15 = flags;
	f->rsi = f->rdx = f->r10 = f->r8 = f->r9 = 0;
	f->rbp = f->r12 = f->r13 = f->r14 = 0;
}

static void deliver_words(struct frame *f, const uint64_t *words)
{
	f->rsi = words[0];
	f->rdx = words[1];
	f->r10 = words[2];
	f->r8 = words[3];
	f->r9 = words[4];
}

static void clear_if_empty(struct endpoint *endpoint, struct list_node *list, uint32_t bit)
{
	if (list_empty(list))
		endpoint->pending &= ~bit;
}

static void copy_extra(struct thread *receiver, const uint64_t *extra)
{
	if (!receiver->message_page)
		return;
	for (unsigned i = 0; i < IPC_EXTRA_WORDS; i++)
		receiver->message_page->extra[i] = extra[i];
}

static void describe_thread_call(const struct thread *thread, struct frame *f)
{
	const struct frame *from = &thread->frame;

	f->rdi = from->rdi;
	f->rsi = from->rsi;
	f->rdx = from->rdx;
	f->r10 = from->r10;
	f->r8 = from->r8;
	f->r9 = from->r9;
	f->r12 = from->rbp;
	f->r13 = from->r13;
}

static void describe_kernel_message(const struct caller *caller, struct frame *f)
{
	f->rdi = caller->kernel_op;
	deliver_words(f, caller->kernel_words);
	f->r12 = f->r13 = 0;
}

static void describe_object_call(const struct callobj *call, struct frame *f)
{
	f->rdi = call->op;
	deliver_words(f, call->words);
	f->r12 = call->in.memory ? call->in.length : 0;
	f->r13 = call->out.memory ? call->out.length : 0;
}

static void describe(struct caller *caller, enum ipc_kind kind, struct frame *f)
{
	uint64_t deliveries = caller->deliveries > 0xffff ? 0xffff : caller->deliveries;

	if (caller->kind == CALLER_OBJECT)
		describe_object_call(caller_callobj(caller), f);
	else if (caller->kernel_op)
		describe_kernel_message(caller, f);
	else
		describe_thread_call(caller_thread(caller), f);
	f->rax = kind;
	f->rbx = caller->badge_number;
	f->rbp = caller->stamp;
	f->r14 = caller->token;
	f->r15 = (caller->flags & 0xff) | (uint64_t)caller->caps_count << 8 | deliveries << 16;
	if (caller->cancelled)
		f->r15 |= IPC_CANCELLED;
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
	other_work(receiver);
	describe(caller, IPC_CANCEL, &receiver->frame);
	receiver->frame.rsi = caller->dead ? IPC_CANCEL_DEAD : IPC_CANCEL_INTERRUPTED;
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

static void answer_page(struct callobj *call, struct thread *receiver)
{
	struct ipc_page *page = receiver->message_page;

	if (!page)
		return;
	copy_extra(receiver, &call->answer.words[IPC_WORDS]);
	page->caps_count = call->received_count;
	for (unsigned i = 0; i < call->received_count; i++)
		page->caps[i] = call->received[i];
}

static bool deliver_answer(struct endpoint *endpoint, struct thread *receiver)
{
	struct callobj *call = container_of(endpoint->answers.next, struct callobj, answer_link);

	list_remove(&call->answer_link);
	clear_if_empty(endpoint, &endpoint->answers, PENDING_ANSWER);
	deliver(receiver, IPC_REPLY, call->answer.status, call->cookie,
		call->answer.flags | call->received_count << 8);
	receiver->works_for = call->payer;
	deliver_words(&receiver->frame, call->answer.words);
	answer_page(call, receiver);
	call->caller.state = CALLER_IDLE;
	call->reply_to = NULL;
	callobj_take(call, endpoint);
	object_put(call);
	object_put(endpoint);
	return true;
}

static bool deliver_bits(struct endpoint *endpoint, struct thread *receiver)
{
	endpoint->pending &= ~PENDING_NOTIFY;
	if (!endpoint->notify || !endpoint->notify->bits)
		return false;
	deliver(receiver, IPC_NOTIFY, endpoint->notify->bits, 0, 0);
	endpoint->notify->bits = 0;
	return true;
}

static bool deliver_release(struct endpoint *endpoint, struct thread *receiver)
{
	struct badge *badge = container_of(endpoint->releases.next, struct badge, link);

	list_remove(&badge->link);
	list_push_back(&endpoint->delivered_releases, &badge->link);
	clear_if_empty(endpoint, &endpoint->releases, PENDING_RELEASE);
	deliver(receiver, IPC_RELEASE, 0, badge->number, 0);
	return true;
}

/* A server serves at least with the priority of whom it serves. */
static void inherit_priority(struct thread *receiver, struct caller *caller)
{
	if (caller->kind == CALLER_THREAD && caller_thread(caller)->priority > receiver->priority)
		receiver->priority = caller_thread(caller)->priority;
}

static void take_into_service(struct endpoint *endpoint, struct caller *caller)
{
	endpoint_unqueue(endpoint, caller);
	list_push_back(&endpoint->in_service, &caller->link);
	caller->state = CALLER_IN_SERVICE;
	if (caller->token)
		return;
	caller->token = next_token | caller->index;
	next_token += 1ul << CALLER_BITS;
}

/* A queued call; one that cannot be delivered is answered with the reason. */
static bool deliver_call(struct endpoint *endpoint, struct thread *receiver)
{
	struct caller *caller = call_queue_next(&endpoint->queue);
	long error = 0;

	if (!caller->token && caller->badge && !caller->badge->endpoint)
		error = -EIO;
	else if (!caller->dead && caller->flags & IPC_EXTRA)
		error = message_install(receiver, endpoint, caller);
	if (error) {
		caller_fail(caller, error);
		return false;
	}
	trace_receive(caller, receiver);
	take_into_service(endpoint, caller);
	inherit_priority(receiver, caller);
	if (caller->dead) {
		deliver_cancel_of(caller, receiver);
	} else {
		deliver_extra(caller, receiver);
		describe(caller, IPC_CALL, &receiver->frame);
	}
	caller->deliveries++;
	return true;
}

/* In turn, as long as there are both: who lets go of thousands of files holds up nobody. */
static bool deliver_work(struct endpoint *endpoint, struct thread *receiver)
{
	bool call = endpoint->pending & PENDING_CALL &&
		    (endpoint->calls_turn || !(endpoint->pending & PENDING_RELEASE));

	endpoint->calls_turn = !call;
	return call ? deliver_call(endpoint, receiver) : deliver_release(endpoint, receiver);
}

bool endpoint_deliver(struct endpoint *endpoint, struct thread *receiver)
{
	receiver->priority = receiver->base_priority;
	while (endpoint->pending) {
		bool done;

		if (endpoint->pending & PENDING_CANCEL)
			done = deliver_cancel(endpoint, receiver);
		else if (endpoint->pending & PENDING_ANSWER)
			done = deliver_answer(endpoint, receiver);
		else if (endpoint->pending & PENDING_NOTIFY)
			done = deliver_bits(endpoint, receiver);
		else
			done = deliver_work(endpoint, receiver);
		if (done)
			return true;
	}
	return false;
}
