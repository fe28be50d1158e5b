/* SPDX-License-Identifier: MIT */
/*
 * call, reply_wait and reply with everything that the fast path in syscall.S
 * leaves: queues, capabilities, extra words, notifications. The semantics are the same.
 */
#include "core/cpu.h"
#include "core/kcall.h"
#include "core/table.h"
#include "ipc/ipc.h"
#include "mm/mm.h"

#define CALL_FLAGS (IPC_EXTRA | IPC_INTR | IPC_RECV_FD | IPC_RECV_CLOEXEC | IPC_RECV_CAPS)

static uint32_t frame_flags(const struct frame *frame)
{
	return frame->rax >> 16 & 0xffff;
}

static cap_t frame_handle(const struct frame *frame)
{
	return (cap_t)(frame->rax >> 32);
}

static long reserve_for_answer(struct thread *thread, uint32_t flags)
{
	volatile struct ipc_page *page = thread->message_page;
	struct table *table = flags & IPC_RECV_FD ? thread->fd_table : thread->private_table;

	return message_reserve(&thread->caller, table, page->recv_count, page->recv_min,
			       flags & IPC_RECV_CLOEXEC);
}

/* What the message page holds for a call; nothing is kept on failure. */
static long prepare_page(struct thread *thread, uint32_t flags)
{
	struct caller *caller = &thread->caller;
	volatile struct ipc_page *page = thread->message_page;
	long error = 0;

	if (!page)
		return -EINVAL;
	if (flags & IPC_EXTRA)
		error = message_take_caps(page->caps, page->caps_count, caller->caps, &caller->caps_count);
	if (!error && flags & IPC_RECV_CAPS) {
		error = reserve_for_answer(thread, flags);
		if (error)
			message_drop_caps(caller->caps, &caller->caps_count);
	}
	return error;
}

static void caller_begin(struct caller *caller, struct badge *badge, uint32_t flags)
{
	caller->flags = flags;
	caller->slow = flags & IPC_RECV_CAPS || caller->caps_count;
	caller->token = 0;
	caller->deliveries = 0;
	caller->badge = object_get(badge);
	caller->badge_number = badge->number;
}

long sys_call(void)
{
	struct thread *thread = current_thread();
	uint32_t flags = frame_flags(&thread->frame);
	int error;
	struct badge *badge = (struct badge *)cap_lookup(frame_handle(&thread->frame), CAPT_BADGE, 0, &error);
	struct endpoint *endpoint;
	long result;

	if (!badge)
		return -error;
	endpoint = badge->endpoint;
	if (!endpoint || endpoint->dead)
		return -EIO;
	if (endpoint->refuse)
		return -(long)endpoint->refuse;
	if (flags & ~CALL_FLAGS)
		return -EINVAL;
	if (flags & (IPC_EXTRA | IPC_RECV_CAPS)) {
		result = prepare_page(thread, flags);
		if (result)
			return result;
	}
	caller_begin(&thread->caller, badge, flags);
	thread_block(thread, THREAD_CALLING);
	thread->wait = WAIT_CALL;
	endpoint_queue(endpoint, &thread->caller);
	return KCALL_BLOCKED;
}

/* Extra words and capabilities of an answer, from the server's message page. */
static long answer_extra(struct thread *server, struct answer *answer)
{
	volatile struct ipc_page *page = server->message_page;

	if (!page)
		return -EINVAL;
	for (unsigned i = 0; i < IPC_EXTRA_WORDS; i++)
		answer->words[IPC_WORDS + i] = page->extra[i];
	return message_take_caps(page->caps, page->caps_count, answer->caps, &answer->caps_count);
}

static long answer_from_frame(struct thread *server, struct answer *answer)
{
	struct frame *f = &server->frame;

	answer->status = f->rdi;
	answer->words[0] = f->rsi;
	answer->words[1] = f->rdx;
	answer->words[2] = f->r10;
	answer->words[3] = f->r8;
	answer->words[4] = f->r9;
	answer->flags = frame_flags(f) & IPC_EXTRA;
	answer->caps_count = 0;
	return answer->flags ? answer_extra(server, answer) : 0;
}

static void wait_begin(struct thread *thread, struct endpoint *endpoint)
{
	thread_block(thread, THREAD_WAITING);
	thread->wait = WAIT_RECEIVE;
	thread->receives_from = frame_handle(&thread->frame);
	list_push_front(&endpoint->receivers, &thread->wait_link);
}

/*
 * The server blocks before the answer goes out if nothing waits for it: then the
 * caller is run in its place at once.
 */
long sys_reply_wait(void)
{
	struct thread *thread = current_thread();
	struct frame *f = &thread->frame;
	int error;
	struct endpoint *endpoint = (struct endpoint *)cap_lookup(frame_handle(f), CAPT_ENDPOINT, 0, &error);
	struct caller *caller = NULL;
	struct answer answer;
	bool blocks;
	long result;

	if (!endpoint)
		return -error;
	if (f->r14) {
		caller = caller_find(endpoint, f->r14);
		if (!caller)
			return -ESRCH;
		result = answer_from_frame(thread, &answer);
		if (result)
			return result;
	}
	sched_charge();
	blocks = !endpoint->pending;
	if (blocks)
		wait_begin(thread, endpoint);
	if (caller)
		caller_answer(caller, &answer);
	if (blocks)
		return KCALL_BLOCKED;
	if (endpoint_deliver(endpoint, thread)) {
		if (this_cpu()->ready_mask >> thread->priority >> 1)
			this_cpu()->need_resched = true; /* it may have got a lower priority than before */
		return KCALL_FRAME_SET;
	}
	wait_begin(thread, endpoint);
	return KCALL_BLOCKED;
}

long sys_reply(uint64_t handle, uint64_t token, uint64_t address)
{
	struct thread *thread = current_thread();
	int error;
	struct endpoint *endpoint = (struct endpoint *)cap_lookup(handle, CAPT_ENDPOINT, 0, &error);
	struct caller *caller;
	struct answer answer;
	struct ipc_msg msg;
	long result;

	if (!endpoint)
		return -error;
	caller = caller_find(endpoint, token);
	if (!caller)
		return -ESRCH;
	result = copy_from_user(thread->space, &msg, address, sizeof(msg), NULL);
	if (result)
		return result;
	answer.status = msg.op;
	answer.flags = msg.flags & IPC_EXTRA;
	answer.caps_count = 0;
	for (unsigned i = 0; i < IPC_WORDS; i++)
		answer.words[i] = msg.w[i];
	if (answer.flags) {
		result = answer_extra(thread, &answer);
		if (result)
			return result;
	}
	sched_charge();
	caller_answer(caller, &answer);
	return 0;
}
