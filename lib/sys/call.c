/* SPDX-License-Identifier: MIT */
/*
 * Synchronous calls. A service blocks in one only where that is agreed: a driver that asks the bus
 * below it while it starts, and tests.
 */
#include "internal.h"

struct ipc_page *message_page = (struct ipc_page *)SERVICE_MESSAGE_PAGE;

struct ipc_page *ipc_page(void)
{
	return message_page;
}

static uint32_t load_extra(uint32_t op_flags, const struct call_options *options, const void *request,
			   size_t size)
{
	unsigned count = options ? options->caps_count : 0;
	uint32_t flags = 0;

	if (OP_RCAPS_OF(op_flags)) {
		flags |= IPC_RECV_CAPS;
		message_page->recv_count = OP_RCAPS_OF(op_flags);
		message_page->recv_min = options ? (cap_t)options->recv_min : 0;
	}
	if (size <= 8 * IPC_WORDS && !count)
		return flags;
	memset(message_page->extra, 0, sizeof message_page->extra);
	if (size > 8 * IPC_WORDS)
		memcpy(message_page->extra, (const uint64_t *)request + IPC_WORDS, size - 8 * IPC_WORDS);
	for (unsigned i = 0; i < count; i++)
		message_page->caps[i] = (struct ipc_cap){ options->caps[i], CAP_ALL, 0 };
	message_page->caps_count = count;
	return flags | IPC_EXTRA;
}

static void store_answer(const struct ipc_msg *msg, void *reply, size_t size)
{
	uint64_t words[IPC_ALL_WORDS] = { 0 };

	memcpy(words, msg->w, 8 * IPC_WORDS);
	if (msg->flags & IPC_EXTRA)
		memcpy(words + IPC_WORDS, message_page->extra, 8 * IPC_EXTRA_WORDS);
	memcpy(reply, words, size);
}

long proto_call(cap_t to, uint64_t op, uint32_t op_flags, const struct call_options *options,
		const void *request, size_t request_size, void *reply, size_t reply_size)
{
	struct ipc_msg msg = { .op = op };
	uint32_t flags = options ? options->flags : 0;
	long status;

	if (options) {
		msg.in_addr = (uintptr_t)options->in;
		msg.in_len = options->in_length;
		msg.out_addr = (uintptr_t)options->out;
		msg.out_len = options->out_length;
	}
	if (request_size)
		memcpy(msg.w, request, request_size < 8 * IPC_WORDS ? request_size : 8 * IPC_WORDS);
	flags |= load_extra(op_flags, options, request, request_size);
	if (op_flags & OP_INTR)
		flags |= IPC_INTR;
	status = ipc_call(to, flags, &msg);
	if (status >= 0 && reply_size && reply)
		store_answer(&msg, reply, reply_size);
	return status;
}
