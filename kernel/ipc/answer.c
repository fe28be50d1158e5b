/* SPDX-License-Identifier: MIT */
/* What a caller gets back. */
#include "ipc/ipc.h"
#include "ipc/trace.h"

static void answer_page(struct thread *thread, const struct answer *answer, const struct ipc_cap *caps,
			unsigned count)
{
	struct ipc_page *page = thread->message_page;

	if (!page)
		return;
	if (answer->flags & IPC_EXTRA)
		for (unsigned i = 0; i < IPC_EXTRA_WORDS; i++)
			page->extra[i] = answer->words[IPC_WORDS + i];
	for (unsigned i = 0; i < count; i++)
		page->caps[i] = caps[i];
	page->caps_count = count;
}

static void answer_thread(struct thread *thread, struct answer *answer)
{
	struct caller *caller = &thread->caller;
	struct frame *f = &thread->frame;
	struct ipc_cap caps[IPC_MAX_CAPS];
	unsigned count;

	if (caller->flags & (IPC_EXTRA | IPC_RECV_CAPS) || answer->flags & IPC_EXTRA) {
		count = message_fill_reserved(caller, answer, caps);
		answer_page(thread, answer, caps, count);
	}
	f->rax = answer->status;
	f->rdi = answer->flags;
	f->rsi = answer->words[0];
	f->rdx = answer->words[1];
	f->r10 = answer->words[2];
	f->r8 = answer->words[3];
	f->r9 = answer->words[4];
	thread_switch(thread);
}

void caller_answer(struct caller *caller, struct answer *answer)
{
	struct thread *thread;
	uint8_t op = caller->kernel_op;

	trace_answer(caller, answer);
	caller_detach(caller);
	if (caller->kind == CALLER_OBJECT) {
		callobj_answered(caller_callobj(caller), answer);
		return;
	}
	thread = caller_thread(caller);
	caller->kernel_op = 0;
	if (caller->dead || op)
		message_drop_caps(answer->caps, &answer->caps_count);
	if (caller->dead)
		object_put(thread);
	else if (op)
		kernel_message_answered(thread, op, answer->status);
	else
		answer_thread(thread, answer);
}

void caller_fail(struct caller *caller, long status)
{
	struct answer answer = { .status = status };

	caller_answer(caller, &answer);
}
