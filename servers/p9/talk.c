/* SPDX-License-Identifier: MIT */
/* Messages on their way, and the requests that wait for their answers. */
#include <proto/p9.h>

#include "p9.h"

#define MESSAGE_MAX 0x11000u
#define EXCHANGES 16u
#define FOR_REQUESTS 12u /* the rest carries what no request waits for */
#define CLUNKS 512u

enum state { FREE, SENT, DONE };

struct exchange {
	enum state state;
	bool aside;
	uint8_t type;
	uint64_t token; /* of the request; 0: of none, or of one that has gone */
	uint64_t epoch;
	struct host *host;
	long status;
	void (*done)(struct host *host, long status, struct message *answer); /* of those without a request */
	struct waitq waiting;
};

static PRESERVED struct exchange exchanges[EXCHANGES];
static PRESERVED cap_t memory;
static PRESERVED struct waitq no_room;
static PRESERVED struct {
	struct host *host;
	uint64_t epoch;
	uint32_t fid;
} clunks[CLUNKS];
static PRESERVED unsigned clunks_count;
static uint8_t *window;

static uint64_t question_at(const struct exchange *x)
{
	return (uint64_t)(x - exchanges) * 2 * MESSAGE_MAX;
}

static uint64_t answer_at(const struct exchange *x)
{
	return question_at(x) + MESSAGE_MAX;
}

/* The driver needs its pages to be there. */
long exchanges_start(bool restarted)
{
	long slot = memory ? (long)memory : kcall(mo_create, 2ul * EXCHANGES * MESSAGE_MAX, 0ul);

	if (slot < 0)
		return slot;
	memory = (cap_t)slot;
	window = map_memory(memory, 0, 2ul * EXCHANGES * MESSAGE_MAX, VM_R | VM_W | VM_SHARED);
	if (!window)
		return -ENOMEM;
	if (!restarted)
		memset(window, 0, 2ul * EXCHANGES * MESSAGE_MAX);
	/* What is under way keeps its memory until it is answered; nobody will look at it. */
	for (struct exchange *x = exchanges; x < exchanges + EXCHANGES; x++) {
		x->token = 0;
		x->done = NULL;
		if (x->state == DONE)
			x->state = FREE;
	}
	clunks_count = 0;
	return 0;
}

static struct exchange *exchange_new(struct host *host, uint8_t type, uint64_t token)
{
	unsigned limit = token ? FOR_REQUESTS : EXCHANGES;

	for (unsigned i = 0; i < limit; i++) {
		struct exchange *x = &exchanges[token ? i : EXCHANGES - 1 - i];

		if (x->state != FREE)
			continue;
		*x = (struct exchange){ .type = type, .host = host, .token = token, .epoch = host->epoch };
		return x;
	}
	return NULL;
}

static void send_clunks(void)
{
	while (clunks_count) {
		struct host *host = clunks[clunks_count - 1].host;

		if (host->ready && clunks[clunks_count - 1].epoch == host->epoch &&
		    exchange_alone(host, P9_CLUNK, NULL, "d", clunks[clunks_count - 1].fid) == -EAGAIN)
			return;
		clunks_count--;
	}
}

void clunk(struct host *host, uint32_t fid)
{
	if (!fid || clunks_count == CLUNKS)
		return;
	clunks[clunks_count].host = host;
	clunks[clunks_count].epoch = host->epoch;
	clunks[clunks_count++].fid = fid;
	send_clunks();
}

static void exchange_free(struct exchange *x)
{
	x->state = FREE;
	x->token = 0;
	send_clunks();
	waitq_wake_one(&no_room);
}

static void answered(struct acall *call)
{
	struct exchange *x = &exchanges[call->tag[0] % EXCHANGES];
	struct message answer = { 0 };

	if (x->state != SENT)
		return;
	x->status = x->epoch == x->host->epoch ? call->status : -ESTALE;
	if (x->token) {
		x->state = DONE;
		waitq_wake(&x->waiting);
		return;
	}
	if (x->status > 0)
		x->status = message_open_answer(&answer, window + answer_at(x), (size_t)x->status, x->type,
						(uint16_t)(x - exchanges));
	if (x->done)
		x->done(x->host, x->status, &answer);
	exchange_free(x);
}

static struct message question(const struct exchange *x)
{
	return (struct message){ window + question_at(x), P9_HEADER, MESSAGE_MAX, false };
}

/* `extra` bytes of data stand behind what has been put into the message. */
static long send(struct exchange *x, struct message *m, uint64_t extra)
{
	struct p9_exchange_req request = { x->host->session };
	struct acall *call;

	if (m->bad || m->used + extra > m->size)
		return -ENAMETOOLONG;
	call = acall_new(answered, NULL);
	if (!call)
		return -ENOMEM;
	m->used += extra;
	message_seal(m, x->type, (uint16_t)(x - exchanges));
	call->tag[0] = (uint64_t)(x - exchanges);
	call->in = (struct call_buffer){ memory, 0, question_at(x), m->used };
	call->out = (struct call_buffer){ memory, 0, answer_at(x), MESSAGE_MAX };
	x->state = SENT;
	return p9_send_exchange(call, x->host->driver, &request);
}

long exchange_alone(struct host *host, uint8_t type, void (*done)(struct host *, long, struct message *),
		    const char *format, ...)
{
	struct exchange *x = exchange_new(host, type, 0);
	struct message m;
	va_list fields;

	if (!x)
		return -EAGAIN;
	x->done = done;
	m = question(x);
	va_start(fields, format);
	message_put(&m, format, fields);
	va_end(fields);
	return send(x, &m, 0);
}

/* --- the steps of requests ------------------------------------------------------------------------- */

static struct exchange *exchange_of(const struct request *rq, bool aside)
{
	for (struct exchange *x = exchanges; x < exchanges + FOR_REQUESTS; x++)
		if (x->state != FREE && x->token == rq->token && x->aside == aside)
			return x;
	return NULL;
}

bool talking(const struct request *rq)
{
	return exchange_of(rq, false) || exchange_of(rq, true);
}

void talk_forget(const struct request *rq)
{
	for (struct exchange *x = exchanges; x < exchanges + FOR_REQUESTS; x++) {
		if (x->state == FREE || x->token != rq->token)
			continue;
		x->token = 0;
		if (x->state == DONE)
			exchange_free(x);
	}
}

/* The exchange for a step: *x, to be sent if 1 is answered; 0: it is done; else PARK. */
static long prepare(struct request *rq, struct host *host, uint8_t type, bool aside, struct exchange **x)
{
	*x = exchange_of(rq, aside);
	if (*x)
		return (*x)->state == DONE ? 0 : request_park(rq, &(*x)->waiting);
	*x = exchange_new(host, type, rq->token);
	if (!*x)
		return request_park(rq, &no_room);
	(*x)->aside = aside;
	return 1;
}

static long post(struct request *rq, struct exchange *x, struct message *m, uint64_t extra)
{
	long status = send(x, m, extra);

	if (!status)
		return request_park(rq, &x->waiting);
	exchange_free(x);
	return status;
}

/* The session has ended under the request: it starts over in the next. */
static long start_over(struct request *rq, struct host *host)
{
	host_lost(host);
	return host_ready(rq, host);
}

/* 0: the answer stands in *answer, and x may not be sent with before it has been read. */
static long finish(struct request *rq, struct exchange *x, struct message *answer)
{
	struct host *host = x->host;
	bool current = x->epoch == host->epoch;
	long status = x->status;

	if (status > 0)
		status = message_open_answer(answer, window + answer_at(x), (size_t)status, x->type,
					     (uint16_t)(x - exchanges));
	else if (status == 0)
		status = -EIO;
	else if (status == -ESTALE || status == -ERESTART) {
		exchange_free(x);
		return current ? start_over(rq, host) : host_ready(rq, host);
	}
	exchange_free(x);
	return status;
}

long talk(struct request *rq, struct host *host, unsigned step, struct message *answer, uint8_t type,
	  const char *format, ...)
{
	struct exchange *x;
	struct message m;
	va_list fields;
	long status;

	if (rq->progress[0] > step)
		return 0;
	status = prepare(rq, host, type, false, &x);
	if (status == 0) {
		status = finish(rq, x, answer);
		if (status)
			return status;
		rq->progress[0] = step + 1;
		return 1;
	}
	if (status != 1)
		return status;
	m = question(x);
	va_start(fields, format);
	message_put(&m, format, fields);
	va_end(fields);
	return post(rq, x, &m, 0);
}

long talk_aside(struct request *rq, struct host *host, struct message *answer, uint8_t type,
		const char *format, ...)
{
	struct exchange *x;
	struct message m;
	va_list fields;
	long status = prepare(rq, host, type, true, &x);

	if (status == 0) {
		status = finish(rq, x, answer);
		return status ? status : 1;
	}
	if (status != 1)
		return status;
	m = question(x);
	va_start(fields, format);
	message_put(&m, format, fields);
	va_end(fields);
	return post(rq, x, &m, 0);
}

static void put_fields(struct message *m, const char *format, ...)
{
	va_list fields;

	va_start(fields, format);
	message_put(m, format, fields);
	va_end(fields);
}

long talk_write(struct request *rq, struct host *host, unsigned step, uint32_t fid, uint64_t offset,
		uint64_t from, uint64_t length, uint64_t *done)
{
	struct message m, answer;
	struct exchange *x;
	long status;

	if (rq->progress[0] > step)
		return 0;
	status = prepare(rq, host, P9_WRITE, false, &x);
	if (status == 0) {
		status = finish(rq, x, &answer);
		if (status)
			return status;
		*done = message_get(&answer, 4);
		rq->progress[0] = step + 1;
		return answer.bad || *done > length ? -EIO : 1;
	}
	if (status != 1)
		return status;
	m = question(x);
	put_fields(&m, "dqd", fid, offset, (uint32_t)length);
	status = request_read_memory(rq, from, memory, question_at(x) + m.used, length);
	if (status > 0 && (uint64_t)status < length)
		status = -EFAULT;
	if (status < 0) {
		exchange_free(x);
		return status;
	}
	return post(rq, x, &m, length);
}

long talk_read(struct request *rq, struct host *host, unsigned step, uint32_t fid, uint64_t offset,
	       uint64_t to, uint64_t length, uint64_t *done)
{
	struct message answer;
	long status = talk(rq, host, step, &answer, P9_READ, "dqd", fid, offset, (uint32_t)length);

	if (status != 1)
		return status;
	*done = message_get(&answer, 4);
	if (answer.bad || *done > length || *done > answer.size - answer.used)
		return -EIO;
	if (!*done)
		return 1;
	status = request_write_memory(rq, to, memory, (uint64_t)(answer.at + answer.used - window), *done);
	return status < 0 ? status : 1;
}
