/* SPDX-License-Identifier: MIT */
/* Messages of every protocol, to everything the process holds a capability to. */
#define _GNU_SOURCE
#include <string.h>
#include <sys/syscall.h>

#include "../../posix/kernel_calls.h"
#include "fuzz.h"
#include <proto/proto.h>
#define INCLUDES
#include "protocols.inc"
#undef INCLUDES

/* Every protocol there is: the build lists include/proto/NAME.def. */
static const struct {
	const struct op_info *operations;
	unsigned count;
} protocols[] = {
#define PROTOCOL(name) { name##_operations, sizeof name##_operations / sizeof *name##_operations },
#include "protocols.inc"
#undef PROTOCOL
};
#define PROTOCOLS (sizeof protocols / sizeof *protocols)

static const struct op_info *find(uint64_t op)
{
	for (unsigned i = 0; i < PROTOCOLS; i++)
		for (unsigned j = 0; j < protocols[i].count; j++)
			if (protocols[i].operations[j].op == op)
				return &protocols[i].operations[j];
	return NULL;
}

int known_operation(uint64_t op)
{
	return find(op) != NULL;
}

/* Each as likely as any other. */
static const struct op_info *some_operation(struct dice *d)
{
	unsigned total = 0, which;

	for (unsigned i = 0; i < PROTOCOLS; i++)
		total += protocols[i].count;
	which = (unsigned)below(d, total);
	for (unsigned i = 0;; which -= protocols[i++].count)
		if (which < protocols[i].count)
			return &protocols[i].operations[which];
}

/* --- to whom ------------------------------------------------------------------------------------------- */

static cap_t target(struct dice *d, unsigned protocol)
{
	if (rarely(d, 8))
		return (cap_t)(CAP_PRIVATE | below(d, 32));
	switch (rarely(d, 8) ? (unsigned)below(d, 16) : protocol) {
	case PROTO_ID_PM: return PROC_SLOT_PM;
	case PROTO_ID_VFS: return PROC_SLOT_VFS;
	case PROTO_ID_PIPE: return rarely(d, 2) ? PROC_SLOT_PIPE : (cap_t)below(d, 48);
	case PROTO_ID_NET: return PROC_SLOT_NET;
	case PROTO_ID_SOCKET:
	case PROTO_ID_FILE: return (cap_t)below(d, 48);
	}
	return rarely(d, 2) ? (cap_t)(PROC_SLOT_PM + below(d, 3)) : (cap_t)below(d, 48);
}

/* --- what ------------------------------------------------------------------------------------------------ */

static int contains(const char *name, size_t length, const char *part)
{
	return memmem(name, length, part, strlen(part)) != NULL;
}

/* A value for a field of this name. */
static uint64_t value(struct dice *d, const char *name, size_t length)
{
	if (rarely(d, 6))
		return anything(d);
	if (contains(name, length, "dir"))
		return rarely(d, 3) ? below(d, 48) : (uint64_t)(int64_t)VFS_CWD;
	if (contains(name, length, "pid") || contains(name, length, "pgid"))
		return (uint64_t)process(d);
	if (contains(name, length, "tid") || contains(name, length, "caller"))
		return rarely(d, 2) ? (uint64_t)linux_call(SYS_gettid, (const uint64_t[6]){ 0 })
				    : (uint64_t)process(d);
	if (contains(name, length, "signal"))
		return below(d, 66);
	if (contains(name, length, "mask") || contains(name, length, "set"))
		return rarely(d, 3) ? word(d) : below(d, 3);
	if (contains(name, length, "address") || contains(name, length, "stack"))
		return address(d);
	if (contains(name, length, "mode"))
		return rarely(d, 2) ? below(d, 010000) : below(d, 16) << 12 | below(d, 010000);
	if (contains(name, length, "flags") || contains(name, length, "valid"))
		return rarely(d, 2) ? word(d) & word(d) & 0xffffff : 1ull << below(d, 24);
	if (contains(name, length, "_ns") || contains(name, length, "time"))
		return rarely(d, 3) ? anything(d) : below(d, 50000000);
	return rarely(d, 2) ? number(d) : below(d, 64);
}

static void fill_words(struct dice *d, struct ipc_msg *msg, struct ipc_page *page, const char *fields)
{
	for (unsigned i = 0; i < IPC_ALL_WORDS; i++) {
		const char *name = strchr(fields, '('), *end = name ? strchr(name, ')') : NULL;
		uint64_t w = end ? value(d, name + 1, (size_t)(end - name - 1)) : rarely(d, 2) * anything(d);

		if (i < IPC_WORDS)
			msg->w[i] = w;
		else
			page->extra[i - IPC_WORDS] = w;
		fields = end ? end + 1 : "";
	}
}

static cap_t any_cap(struct dice *d)
{
	return (cap_t)(rarely(d, 10)  ? anything(d)
		       : rarely(d, 2) ? CAP_PRIVATE | below(d, 48)
				      : below(d, 48));
}

static void attach_caps(struct dice *d, struct ipc_page *page, unsigned count)
{
	page->caps_count = count;
	for (unsigned i = 0; i < IPC_MAX_CAPS; i++)
		page->caps[i] = (struct ipc_cap){ any_cap(d), rarely(d, 3) ? (uint32_t)word(d) : CAP_ALL, 0 };
}

static void fill_buffers(struct dice *d, struct ipc_msg *msg, uint32_t flags)
{
	if (flags & OP_IN) {
		char *text = rarely(d, 3) ? filled(d, 4096) : path(d);

		msg->in_addr = rarely(d, 8) ? address(d) : (uint64_t)(uintptr_t)text;
		msg->in_len = rarely(d, 6) ? number(d) : rarely(d, 2) ? below(d, 4096) : strnlen(text, 5000);
	}
	if (flags & OP_OUT) {
		msg->out_addr = rarely(d, 8) ? address(d) : (uint64_t)(uintptr_t)piece(d, 4096);
		msg->out_len = rarely(d, 6) ? number(d) : below(d, 4096);
	}
}

/* Now and then not of the form that the operation has. */
static uint64_t form(struct dice *d, struct ipc_page *page, uint32_t *flags)
{
	unsigned caps;

	if (rarely(d, 12))
		*flags = (uint32_t)word(d);
	caps = *flags & OP_CAPS_OPT && rarely(d, 2) ? 0 : OP_CAPS_OF(*flags);
	attach_caps(d, page, rarely(d, 16) ? (unsigned)below(d, 100) : caps);
	page->recv_count = OP_RCAPS_OF(*flags);
	page->recv_min = rarely(d, 16) ? (cap_t)anything(d) : 0;
	return IPC_INTR | IPC_EXTRA |
	       (page->recv_count ? IPC_RECV_CAPS | (rarely(d, 8) ? 0 : IPC_RECV_FD) : 0u);
}

/* A thread on a stack of chance, exit, exec and its end, which would end the worker, are left to chance. */
static int is_fatal(uint64_t op)
{
	return IPC_OP_PROTO(op) == PROTO_ID_PM && IPC_OP_NUMBER(op) >= 2 && IPC_OP_NUMBER(op) <= 7;
}

/* A child that a message has made goes at once. */
static void end_child(void)
{
	struct ipc_msg msg = { .op = IPC_OP(PROTO_ID_PM, 6) };

	for (;;)
		raw_call(PROC_SLOT_PM, 0, &msg);
}

/* A message that was sent once, with some of its words changed; what it said in its buffer. */
static void take_recorded(struct dice *d, const struct trace_record *from, struct ipc_msg *msg,
			  struct ipc_page *page)
{
	char *in = piece(d, 8192);

	for (unsigned i = 0; i < IPC_ALL_WORDS; i++) {
		uint64_t w = rarely(d, 12)   ? anything(d)
			     : rarely(d, 24) ? from->words[i] ^ 1ull << below(d, 64)
					     : from->words[i];

		if (i < IPC_WORDS)
			msg->w[i] = w;
		else
			page->extra[i - IPC_WORDS] = w;
	}
	memcpy(in, from->text, TRACE_TEXT);
	msg->in_addr = (uint64_t)(uintptr_t)in;
	msg->in_len = rarely(d, 12) ? number(d) : from->in_length;
	msg->out_addr = (uint64_t)(uintptr_t)piece(d, 8192);
	msg->out_len = rarely(d, 12) ? number(d) : from->out_length;
}

static void step(struct dice *d, volatile uint64_t *note)
{
	const struct trace_record *recorded = recorded_message(d);
	const struct op_info *o = recorded ? find(recorded->op) : NULL;
	struct ipc_page *page = own_page();
	struct ipc_msg msg = { 0 };
	uint64_t call_flags;
	uint32_t flags;
	long status;

	if (!o)
		o = some_operation(d);
	msg.op = o->op;
	flags = o->flags;
	if (is_fatal(o->op) && !rarely(d, 50))
		return;
	*note = o->op;
	if (rarely(d, 100))
		msg.op = IPC_OP(below(d, 24), below(d, 70));
	if (recorded) {
		take_recorded(d, recorded, &msg, page);
	} else {
		fill_buffers(d, &msg, flags);
		fill_words(d, &msg, page, o->request);
	}
	call_flags = form(d, page, &flags);
	status = raw_call(target(d, IPC_OP_PROTO(o->op)), call_flags, &msg);
	if (msg.op == IPC_OP(PROTO_ID_PM, 1) && status == 0 && msg.w[0] == 1)
		end_child();
	answered(status);
}

const struct kind proto_kind = { "proto", NULL, step };
