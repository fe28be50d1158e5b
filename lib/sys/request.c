/* SPDX-License-Identifier: MIT */
/*
 * Requests: a preserved record for each call in service. A record is freed only once the kernel
 * has taken the answer, so a call that is delivered again after a crash finds what was done for
 * it by its token. Free records are all zero where handlers expect zero.
 */
#include "internal.h"

#define CHUNK_REQUESTS 64
#define CHUNKS 128
#define POISON_CRASHES 2
#define ADDRESS_BITS 47 /* of a program: no buffer is longer */

static PRESERVED struct request *chunks[CHUNKS];
static PRESERVED uint64_t chunk_count;

struct request *free_requests;
struct waitq ready_requests;
unsigned stale_count; /* records of the last incarnation, not yet delivered again */

/* The copies of the functions that server.h has in line. */
uint64_t request_op(const struct request *rq)
{
	return rq->op;
}

const void *request_words(const struct request *rq)
{
	return rq->words;
}

void *request_reply(struct request *rq)
{
	return rq->reply;
}

bool request_well_formed(struct request *rq, uint32_t op_flags, size_t reply_size)
{
	if (reply_size > 8 * IPC_WORDS)
		request_long_reply(rq);
	return request_buffers_allowed(rq, op_flags);
}

long request_checked(struct request *rq, uint32_t op_flags, long status)
{
	return request_judge(rq, op_flags, status);
}

static bool is_allowed(const struct request *rq, uint32_t op_flags, long status)
{
	uint64_t most = rq->in_length > rq->out_length ? rq->in_length : rq->out_length;

	if (status < 0)
		return status >= -ERRNO_MAX || status == PARK || status == ANSWERED;
	return (uint64_t)status <= most || op_flags & OP_VALUE;
}

/* Not a word of it has been sent or committed: the next incarnation runs the request again. */
long request_judge(struct request *rq, uint32_t op_flags, long status)
{
	FAULT_POINT("request: before it is answered");
	if (__builtin_expect(fault_armed, 0))
		status = fault_status(rq, status);
	if (is_allowed(rq, op_flags, status) && rq->reply_caps_count <= OP_RCAPS_OF(op_flags))
		return status;
	slog("operation %lx: malformed answer %ld with %u capabilities", rq->op, status,
	     rq->reply_caps_count);
	service_exit(EPROTO);
}

bool request_buffers_allowed(const struct request *rq, uint32_t op_flags)
{
	if ((rq->in_length | rq->out_length) >> ADDRESS_BITS)
		return false; /* nor can an answer be as long */
	if ((rq->in_length && !(op_flags & OP_IN)) || (rq->out_length && !(op_flags & OP_OUT)))
		return false;
	if (rq->caps_count == OP_CAPS_OF(op_flags))
		return true;
	return rq->caps_count == 0 && op_flags & OP_CAPS_OPT;
}

void request_long_reply(struct request *rq)
{
	rq->long_reply = true;
	memset(rq->reply + IPC_WORDS, 0, 8 * IPC_EXTRA_WORDS);
}

/* --- queues ------------------------------------------------------------------------------- */

/* Of one that an incarnation before has left, nothing is believed. */
static void revive(struct waitq *queue)
{
	txcheck_changes(queue, sizeof *queue);
	if (queue->incarnation == startup->incarnation)
		return;
	queue->first = queue->last = NULL;
	queue->incarnation = startup->incarnation;
}

struct request *waitq_first(struct waitq *queue)
{
	revive(queue);
	return queue->first;
}

static void queue_append(struct waitq *queue, struct request *rq)
{
	revive(queue);
	rq->queue = queue;
	rq->next = NULL;
	rq->previous = queue->last;
	if (queue->last)
		queue->last->next = rq;
	else
		queue->first = rq;
	queue->last = rq;
}

void request_dequeue(struct request *rq)
{
	struct waitq *queue = rq->queue;

	if (!queue)
		return;
	txcheck_changes(queue, sizeof *queue);
	if (rq->previous)
		rq->previous->next = rq->next;
	else
		queue->first = rq->next;
	if (rq->next)
		rq->next->previous = rq->previous;
	else
		queue->last = rq->previous;
	rq->queue = NULL;
}

long request_park(struct request *rq, struct waitq *queue)
{
	FAULT_POINT("request: before it is parked");
	request_dequeue(rq);
	rq->state = REQUEST_PARKED;
	queue_append(queue, rq);
	return PARK;
}

/* One that the incarnation before has left runs when it is delivered again, and not before as well. */
void request_wake(struct request *rq)
{
	if (rq->state == REQUEST_READY || rq->state == REQUEST_DONE || rq->state == REQUEST_FREE)
		return;
	if (rq->state == REQUEST_RUNNING && rq != running_request)
		return;
	request_dequeue(rq);
	rq->state = REQUEST_READY;
	queue_append(&ready_requests, rq);
}

void waitq_wake_one(struct waitq *queue)
{
	if (waitq_first(queue))
		request_wake(queue->first);
}

void waitq_wake(struct waitq *queue)
{
	while (waitq_first(queue))
		request_wake(queue->first);
}

struct request *request_next_ready(void)
{
	struct request *rq = ready_requests.first;

	if (rq)
		request_dequeue(rq);
	return rq;
}

/* --- transactions ------------------------------------------------------------------------- */

/* The handler's fields, as two lines. */
#define OWN_LENGTH (offsetof(struct request, state) - offsetof(struct request, progress))

_Static_assert(OWN_LENGTH % TX_LINE == 0, "whole lines");

void request_guard(struct request *rq)
{
	if (!tx_on || rq->guarded)
		return;
	tx_guard_lines(rq->progress, OWN_LENGTH);
	rq->guarded = true;
}

static void unguard(struct request *rq)
{
	if (rq->guarded)
		tx_unguard_lines(rq->progress, OWN_LENGTH);
	rq->guarded = false;
}

void request_begin(struct request *rq)
{
	rq->sequence = tx_sequence() | REQUEST_RUNS | (rq->guarded ? 0 : REQUEST_FRESH);
}

void requests_begin_again(void)
{
	if (!running_request)
		return;
	request_guard(running_request);
	request_begin(running_request);
}

/* This transaction answers it. */
static void mark(struct request *rq)
{
	if ((rq->sequence & REQUEST_SEQUENCE) != tx_sequence())
		rq->sequence = tx_sequence();
}

/* A transaction was not committed: what it has done to a request did not happen. Answers whether it was the
 * request's own. */
static bool undo(struct request *rq)
{
	if ((rq->sequence & REQUEST_SEQUENCE) != tx_sequence())
		return false;
	if (rq->sequence & REQUEST_FRESH) {
		memset(rq->progress, 0, sizeof rq->progress);
		rq->context = NULL;
		rq->caps_taken = 0;
	}
	rq->reply_caps_count = 0; /* what was made for it is closed by the log */
	rq->state = REQUEST_RUNNING;
	return rq->sequence & REQUEST_RUNS;
}

long request_give(struct request *rq, cap_t slot, uint32_t rights, bool close)
{
	unsigned i = rq->reply_caps_count;

	FAULT_POINT("request: before a capability is given");
	if (i == IPC_MAX_CAPS)
		return -E2BIG;
	rq->reply_caps[i] = (struct ipc_cap){ slot, rights, 0 };
	rq->reply_caps_close[i] = close;
	rq->reply_caps_count = i + 1;
	return 0;
}

/* A badge that lives already is that of this same request, run before a crash; one whose release
 * is not acknowledged yet belongs to a capability that no longer exists. */
long request_give_badge(struct request *rq, uint64_t badge)
{
	long slot = kcall(badge_create, SLOT_ENDPOINT, badge);

	if (slot == -EEXIST)
		slot = kcall(badge_cap, SLOT_ENDPOINT, badge);
	if (slot == -ENOENT) {
		kcall(badge_destroy, SLOT_ENDPOINT, badge);
		slot = kcall(badge_create, SLOT_ENDPOINT, badge);
	}
	if (slot < 0)
		return slot;
	return request_give(rq, (cap_t)tx_made(slot), CAP_ALL, true);
}

cap_t request_take(struct request *rq, unsigned i)
{
	if (i >= rq->caps_count)
		return CAP_NONE;
	tx_touch(&rq->caps_taken, 1);
	rq->caps_taken |= (uint8_t)(1u << i);
	return rq->caps[i].slot;
}

/* --- the pool ----------------------------------------------------------------------------- */

void requests_grow(void)
{
	struct request *chunk;

	if (chunk_count == CHUNKS)
		return;
	chunk = pheap_alloc_data(CHUNK_REQUESTS * sizeof *chunk);
	if (!chunk)
		return;
	for (unsigned i = CHUNK_REQUESTS; i-- > 0;) {
		chunk[i].next = free_requests;
		free_requests = &chunk[i];
	}
	tx_keep_set(chunks[chunk_count], chunk);
	tx_keep_set(chunk_count, chunk_count + 1);
}

/* A crash while it is delivered again leaves two: the older delivery's has what was done. */
struct request *request_find(uint64_t token)
{
	struct request *found = NULL;

	for (unsigned c = 0; c < chunk_count; c++)
		for (unsigned i = 0; i < CHUNK_REQUESTS; i++) {
			struct request *rq = &chunks[c][i];

			if (rq->state != REQUEST_FREE && rq->token == token &&
			    (!found || rq->received >> 16 < found->received >> 16))
				found = rq;
		}
	return found;
}

/* Should it be cut short, all of them are closed once more, before anything could fill a slot. */
static void close_received(struct request *rq)
{
	for (unsigned i = 0; i < rq->caps_count; i++)
		if (rq->caps[i].slot != CAP_NONE && !(rq->caps_taken & 1u << i))
			kcall(cap_close, rq->caps[i].slot);
	rq->caps_count = 0;
	rq->caps_taken = 0;
}

void request_close_given(struct request *rq)
{
	for (unsigned i = 0; i < rq->reply_caps_count; i++)
		if (rq->reply_caps_close[i])
			kcall(cap_close, rq->reply_caps[i].slot);
	rq->reply_caps_count = 0;
}

/* A free record is clean: what receive.S does not overwrite is zero. */
void request_release(struct request *rq)
{
	rq->state = REQUEST_OVER;
	BARRIER();
	unguard(rq);
	close_received(rq);
	request_close_given(rq);
	memset(rq->words + IPC_WORDS, 0, 8 * IPC_EXTRA_WORDS);
	rq->cancelled = rq->caller_dead = rq->long_reply = rq->cancel_told = false;
	rq->crashes = 0;
	rq->deliveries = 0;
	rq->context = NULL;
	rq->queue = NULL;
	BARRIER();
	rq->state = REQUEST_FREE;
	rq->next = free_requests;
	free_requests = rq;
}

/* What is left of an incarnation is not in any list. Its call comes with new capabilities. What a service without
 * transactions has given stays until then, for what it stands for is there. */
static void make_stale(struct request *rq)
{
	rq->queue = NULL;
	if ((tx_on ? undo(rq) : rq->state == REQUEST_RUNNING) && startup->crashed)
		rq->crashes++;
	if (rq->state != REQUEST_DONE) {
		rq->state = REQUEST_RUNNING;
		close_received(rq);
		if (tx_on)
			request_close_given(rq);
	}
	rq->cancel_told = rq->guarded = false;
	request_guard(rq);
	stale_count++;
}

void requests_start(bool restarted)
{
	if (!restarted) {
		requests_grow();
		return;
	}
	for (unsigned c = 0; c < chunk_count; c++) {
		for (unsigned i = 0; i < CHUNK_REQUESTS; i++) {
			struct request *rq = &chunks[c][i];

			if (rq->state == REQUEST_FREE) {
				rq->next = free_requests;
				free_requests = rq;
			} else if (rq->state == REQUEST_OVER) {
				request_release(rq);
			} else {
				make_stale(rq);
			}
		}
	}
	if (!free_requests)
		requests_grow();
}

/* --- receiving ---------------------------------------------------------------------------- */

void request_receive_rest(struct request *rq)
{
	unsigned count = (unsigned)(rq->received >> 8 & 0xff);

	rq->deliveries = (uint16_t)(rq->received >> 16);
	rq->cancelled = rq->received & IPC_CANCELLED;
	if (!(rq->received & IPC_EXTRA))
		return;
	memcpy(rq->words + IPC_WORDS, message_page->extra, 8 * IPC_EXTRA_WORDS);
	memcpy(rq->caps, message_page->caps, sizeof rq->caps);
	BARRIER();
	rq->caps_count = (uint16_t)(count < IPC_MAX_CAPS ? count : IPC_MAX_CAPS);
	BARRIER();
	message_page->unnoted = 0;
}

/* Calls that are delivered again come before all others: once a new one is there, the kernel had
 * the answers of those that have not come. Nothing of this incarnation is running or done now. */
static void drop_stale(void)
{
	stale_count = 0;
	for (unsigned c = 0; c < chunk_count; c++)
		for (unsigned i = 0; i < CHUNK_REQUESTS; i++)
			if (chunks[c][i].state == REQUEST_RUNNING || chunks[c][i].state == REQUEST_DONE)
				request_release(&chunks[c][i]);
}

static void refuse_poison(struct request *rq)
{
	slog("operation %lx of caller %lx has crashed %u incarnations: refused", rq->op, rq->stamp,
	     rq->crashes);
	rq->status = -EIO;
	rq->state = REQUEST_DONE;
}

/* What the handler noted is kept; everything else is as sent, and what came with it came again. */
struct request *request_receive_again(struct request *rq)
{
	uint64_t token = rq->token;
	struct request *old;

	rq->token = 0;
	old = request_find(token);
	if (!old) {
		rq->token = token;
		rq->state = REQUEST_PARKED; /* not one of those that are dropped */
		drop_stale();
		return rq;
	}
	stale_count--;
	if (old->state == REQUEST_DONE) {
		request_release(rq);
		return old;
	}
	close_received(old);
	request_close_given(old);
	old->received = rq->received;
	memcpy(old->caps, rq->caps, sizeof old->caps);
	BARRIER();
	old->caps_count = rq->caps_count;
	BARRIER();
	old->cancelled = rq->cancelled;
	old->deliveries = rq->deliveries;
	rq->caps_count = 0; /* they are the old record's now */
	request_release(rq);
	if (old->crashes >= POISON_CRASHES)
		refuse_poison(old);
	return old;
}

/* --- answering ---------------------------------------------------------------------------- */

static uint32_t load_answer(struct request *rq, struct ipc_msg *msg)
{
	unsigned count = rq->reply_caps_count;

	msg->token = rq->token;
	msg->op = (uint64_t)rq->status;
	for (unsigned i = 0; i < IPC_WORDS; i++)
		msg->w[i] = rq->reply[i];
	if (!(count | rq->long_reply))
		return 0;
	memcpy(message_page->extra, rq->reply + IPC_WORDS, 8 * IPC_EXTRA_WORDS);
	if (!rq->long_reply)
		memset(message_page->extra, 0, 8 * IPC_EXTRA_WORDS);
	for (unsigned i = 0; i < count; i++)
		message_page->caps[i] = rq->reply_caps[i];
	message_page->caps_count = rq->status >= 0 ? count : 0;
	return IPC_EXTRA;
}

void request_send(struct request *rq)
{
	struct ipc_msg msg = { 0 };

	msg.flags = load_answer(rq, &msg);
	kcall(reply, SLOT_ENDPOINT, rq->token, &msg);
	request_release(rq);
}

/* Answered within this transaction, to be sent when it is committed. */
static struct request *answers;

void request_answer(struct request *rq, long status)
{
	if (rq->state == REQUEST_FREE || rq->state == REQUEST_DONE)
		return;
	request_dequeue(rq);
	mark(rq);
	rq->status = status;
	rq->state = REQUEST_DONE;
	if (!tx_on) {
		request_send(rq);
		return;
	}
	rq->next = answers;
	answers = rq;
	tx_effects = true;
}

void request_settle(struct request *rq, long status)
{
	rq->status = status;
	BARRIER();
	rq->state = REQUEST_DONE;
}

void requests_flush(void)
{
	struct request *rq;

	while ((rq = answers)) {
		answers = rq->next;
		request_send(rq);
	}
}

/* --- the caller's buffers ----------------------------------------------------------------- */

long request_read_data(struct request *rq, uint64_t offset, void *to, size_t length)
{
	return kcall(buf_read, SLOT_ENDPOINT, rq->token, offset, to, length);
}

long request_read(struct request *rq, uint64_t offset, void *to, size_t length)
{
	tx_touch(to, length);
	return request_read_data(rq, offset, to, length);
}

long request_write(struct request *rq, uint64_t offset, const void *from, size_t length)
{
	return kcall(buf_write, SLOT_ENDPOINT, rq->token, offset, from, length);
}

long request_read_memory(struct request *rq, uint64_t offset, cap_t memory, uint64_t at, size_t length)
{
	struct buf_mo range = { SLOT_ENDPOINT, memory, rq->token, offset, at, length };

	return kcall(buf_read_mo, &range);
}

long request_write_memory(struct request *rq, uint64_t offset, cap_t memory, uint64_t at, size_t length)
{
	struct buf_mo range = { SLOT_ENDPOINT, memory, rq->token, offset, at, length };

	return kcall(buf_write_mo, &range);
}
