/* SPDX-License-Identifier: MIT */
/*
 * Asynchronous calls. The pool is preserved, and each entry's call object lives in the lent
 * capability table, so an answer finds its entry whichever incarnation takes it.
 */
#include "internal.h"

#define CHUNK_CALLS 16
#define CHUNKS 64
#define POISON_CRASHES 2
#define SENDS_MASK 63ul /* in the cookie, below the address of the entry */

enum acall_state {
	ACALL_UNUSED = 0, /* no call object yet */
	ACALL_FREE,
	ACALL_HELD,  /* by its owner, not sent */
	ACALL_READY, /* to be sent with the commit */
	ACALL_SENT,
	ACALL_ANSWERED, /* `done` runs, or is to run */
};

static PRESERVED struct acall *chunks[CHUNKS];
static PRESERVED uint64_t chunk_count;
/* The entry whose `done` runs, and how often that has crashed. */
static PRESERVED struct acall *running;
static PRESERVED uint64_t running_crashes;

/* What belongs to transactions. */
#define OWN_LENGTH offsetof(struct acall, status)
_Static_assert(OWN_LENGTH % TX_LINE == 0, "whole lines");

static struct acall *free_calls, *freed_calls;                /* freed: in this transaction */
static struct acall *ready_calls, **ready_end = &ready_calls; /* in the order of sending */
struct acall *failed_calls; /* answered without having been sent, and those left by a crash */

static void put_free(struct acall *call)
{
	call->state = ACALL_FREE;
	call->freed = 0;
	call->next = free_calls;
	free_calls = call;
}

static bool grow(void)
{
	struct acall *chunk;

	if (chunk_count == CHUNKS)
		return false;
	chunk = pheap_alloc_data(CHUNK_CALLS * sizeof *chunk);
	if (!chunk)
		return false;
	for (unsigned i = CHUNK_CALLS; i-- > 0;) {
		chunk[i].next = free_calls;
		free_calls = &chunk[i];
	}
	tx_keep_set(chunks[chunk_count], chunk);
	tx_keep_set(chunk_count, chunk_count + 1);
	return true;
}

struct acall *acall_new(void (*done)(struct acall *call), void *owner)
{
	struct acall *call;

	if (!free_calls && !grow())
		return NULL;
	call = free_calls;
	if (call->state == ACALL_UNUSED) {
		long object = kcall(call_create);

		if (object < 0)
			return NULL;
		call->object = (cap_t)object;
		message_page->unnoted = 0;
	}
	free_calls = call->next;
	tx_unguard_lines(call, OWN_LENGTH);
	call->done = done;
	call->owner = owner;
	memset(call->tag, 0, sizeof call->tag);
	call->in = call->out = (struct call_buffer){ 0 };
	call->caps_count = call->recv_count = call->received_count = 0;
	call->keep = false;
	call->made = tx_sequence();
	call->state = ACALL_HELD;
	return call;
}

void acall_free(struct acall *call)
{
	if ((call->state != ACALL_HELD && call->state != ACALL_ANSWERED) || call->freed)
		return;
	if (!tx_on) {
		put_free(call);
		return;
	}
	call->freed = tx_sequence();
	call->next = freed_calls;
	freed_calls = call;
	tx_effects = true;
}

bool acall_is_out(const struct acall *call)
{
	return call->state >= ACALL_READY;
}

static struct call_buffer buffer_of(const struct call_buffer *range)
{
	struct call_buffer buffer = *range;

	if (!buffer.memory)
		buffer.memory = CAP_NONE;
	return buffer;
}

static void fail_later(struct acall *call, long status)
{
	call->status = status;
	call->received_count = 0;
	call->ran = 0;
	call->state = ACALL_ANSWERED;
	call->next = failed_calls;
	failed_calls = call;
}

static void send_now(struct acall *call)
{
	struct call_send send = { .op = call->op, .reply_to = SLOT_ENDPOINT };
	long error;

	memcpy(send.w, call->request, sizeof send.w);
	send.recv_count = call->recv_count ? call->recv_count : OP_RCAPS_OF(call->op_flags);
	send.flags = send.recv_count ? IPC_RECV_CAPS : 0;
	for (unsigned i = IPC_WORDS; i < IPC_ALL_WORDS; i++)
		if (call->request[i])
			send.flags |= IPC_EXTRA;
	if (call->caps_count)
		send.flags |= IPC_EXTRA;
	send.caps_count = call->caps_count;
	memcpy(send.caps, call->caps, sizeof send.caps);
	send.in = buffer_of(&call->in);
	send.out = buffer_of(&call->out);
	call->sends++;
	send.cookie = (uintptr_t)call | (call->sends & SENDS_MASK);
	BARRIER();
	call->state = ACALL_SENT;
	BARRIER();
	error = kcall(call_send, call->object, call->to, &send);
	if (error < 0)
		fail_later(call, error);
}

long proto_send(struct acall *call, cap_t to, uint64_t op, uint32_t op_flags, const void *request,
		size_t request_size)
{
	FAULT_POINT("call: before it is sent");
	memset(call->request, 0, sizeof call->request);
	memcpy(call->request, request, request_size);
	call->op = op;
	call->op_flags = op_flags;
	call->to = to;
	if (!tx_on) {
		send_now(call);
		return 0;
	}
	tx_guard_lines(call, OWN_LENGTH);
	call->sent_in = tx_sequence();
	call->next = NULL;
	call->state = ACALL_READY;
	*ready_end = call;
	ready_end = &call->next;
	tx_effects = true;
	return 0;
}

void acalls_flush(void)
{
	struct acall *call, *next;

	for (call = ready_calls; call; call = next) {
		next = call->next;
		send_now(call);
	}
	ready_calls = NULL;
	ready_end = &ready_calls;
	for (call = freed_calls; call; call = next) {
		next = call->next;
		put_free(call);
	}
	freed_calls = NULL;
}

static void settle(struct acall *call)
{
	if (call->state != ACALL_ANSWERED || call->freed)
		return; /* freed, or sent again */
	if (call->keep)
		call->state = ACALL_HELD;
	else
		put_free(call);
}

/* A function of the same binary, in preserved memory all the while. */
static void run_done(struct acall *call)
{
	running_request = NULL;
	running = call;
	call->ran = tx_sequence();
	FAULT_POINT("call: before its answer is looked at");
	call->done(call);
	FAULT_POINT("call: its answer was looked at");
	tx_end();
	running = NULL;
	running_crashes = 0;
	settle(call);
}

void acall_answered(const struct request *message)
{
	struct acall *call = (struct acall *)(message->badge & ~SENDS_MASK);
	unsigned count = (unsigned)(message->received >> 8 & 0xff);

	if (!preserved_contains(call, sizeof *call) || call->state != ACALL_SENT)
		return;
	/* The answer of the time before has come again: this time it was just about to be sent. */
	if ((message->badge & SENDS_MASK) != (call->sends & SENDS_MASK)) {
		send_now(call);
		return;
	}
	call->status = (long)message->op < -ERRNO_MAX ? -EIO : (long)message->op;
	memcpy(call->words, message->words, 8 * IPC_WORDS);
	memset(call->words + IPC_WORDS, 0, 8 * IPC_EXTRA_WORDS);
	call->received_count = 0;
	if (message->received & IPC_EXTRA) {
		memcpy(call->words + IPC_WORDS, message_page->extra, 8 * IPC_EXTRA_WORDS);
		call->received_count = count < IPC_MAX_CAPS ? count : IPC_MAX_CAPS;
		memcpy(call->received, message_page->caps, sizeof call->received);
	}
	call->ran = 0;
	call->state = ACALL_ANSWERED;
	run_done(call);
}

bool acalls_run_failed(void)
{
	struct acall *call = failed_calls;

	if (!call)
		return false;
	failed_calls = call->next;
	run_done(call);
	return true;
}

static void recover_answered(struct acall *call)
{
	if (call == running && running_crashes >= POISON_CRASHES) {
		slog("dropped an answer that has crashed %lu incarnations", running_crashes);
		put_free(call);
		return;
	}
	call->next = failed_calls;
	failed_calls = call;
}

/* A transaction that was not committed has not taken it from the pool, not sent it, not run `done`; one that was
 * has. Answers whether that settles it. */
static bool recover_committed(struct acall *call)
{
	uint64_t sequence = tx_sequence();

	if (!tx_on || call->state <= ACALL_FREE)
		return false;
	if (call->freed == sequence)
		call->freed = 0;
	if (call->made == sequence || call->freed) {
		put_free(call);
	} else if (call->ran == sequence && call->state != ACALL_SENT) {
		call->state = ACALL_ANSWERED;
		recover_answered(call);
	} else if (call->state == ACALL_READY) {
		if (call->sent_in == sequence)
			call->state = ACALL_HELD;
		else
			send_now(call);
	} else if (call->state == ACALL_ANSWERED && call->ran) {
		settle(call);
	} else {
		return call->state == ACALL_HELD;
	}
	return true;
}

/* An entry as a crash has left it. */
static void recover(struct acall *call)
{
	tx_guard_lines(call, OWN_LENGTH);
	if (recover_committed(call))
		return;
	switch (call->state) {
	case ACALL_UNUSED:
		call->next = free_calls;
		free_calls = call;
		break;
	case ACALL_HELD: /* the handler that held it runs again from the top */
		if (!call->keep)
			put_free(call);
		break;
	case ACALL_SENT: /* out or answered: the loop gets it; idle: it was just about to be sent */
		if (kcall(call_state, call->object) == 0)
			send_now(call);
		break;
	case ACALL_ANSWERED: recover_answered(call); break;
	default: put_free(call);
	}
}

void acalls_start(bool restarted)
{
	if (!restarted)
		return;
	if (running && startup->crashed)
		running_crashes++;
	for (unsigned c = 0; c < chunk_count; c++)
		for (unsigned i = 0; i < CHUNK_CALLS; i++)
			recover(&chunks[c][i]);
	running = NULL;
}
