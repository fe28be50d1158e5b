/* SPDX-License-Identifier: MIT */
/*
 * Faults on request, for tests: a service is told to fail in some way at one of its labelled points (lib/sys/fault.c),
 * or is stopped behind a number of its own instructions, wherever that is. Such an end is treated as a crash, but for
 * one thing: it does not count as one, neither of the service nor of the request that it was running.
 */
#include "rs.h"

#include <proto/service.h>

#define LABEL_BYTES 64u
#define POINTS_BYTES ANOLE_PAGE_SIZE /* of one service */
#define RFLAGS_TRAP 0x100ul
#define STEPS_MAX 10000000u

static const char *const kinds[FAULT_KINDS] = { "none",   "segfault", "abort", "exit",   "loop",
						"silent", "twice",    "wild",  "vanish", "malformed" };

/* Made once: the label sent to each child, and the labels that each has sent. */
static cap_t memory_of(cap_t *memory, uint64_t bytes_each)
{
	long made = *memory ? 0 : tx_made(kcall(mo_create, CHILDREN * bytes_each, 0));

	if (made > 0)
		*memory = (cap_t)made;
	return made < 0 ? (cap_t)made : *memory;
}

static bool number(const char *text, uint64_t *value)
{
	*value = 0;
	if (!*text)
		return false;
	for (; *text >= '0' && *text <= '9' && *value < UINT32_MAX; text++)
		*value = 10 * *value + (uint64_t)(*text - '0');
	return !*text;
}

static void injected(struct acall *call)
{
	struct child *child = call->owner;

	if (!call->status)
		child->injected = call->tag[0] && call->tag[0] != FAULT_TWICE;
	control_answer(child, call->status);
}

static uint64_t kind_named(const char *word)
{
	uint64_t kind = 0;

	while (kind < FAULT_KINDS && strcmp(kinds[kind], word))
		kind++;
	return kind;
}

/* KIND SKIP [POINT] */
long inject(struct request *rq, char *words)
{
	static PRESERVED cap_t labels;
	struct child *child = rq->context;
	char *skip = next_word(words), *label = next_word(skip);
	struct service_inject_req request = { .kind = kind_named(words) };
	uint64_t length = strlen(label), at = (uint64_t)(child - children) * LABEL_BYTES;
	struct acall *call;
	long status;

	if (request.kind == FAULT_KINDS || !number(skip, &request.skip) || length >= LABEL_BYTES)
		return -EINVAL;
	if (memory_of(&labels, LABEL_BYTES) < 0 || kcall(mo_write, labels, at, label, length) < 0)
		return -ENOMEM;
	call = acall_new(injected, child);
	status = call ? control_wait(rq, child) : -ENOMEM;
	if (status != PARK) {
		if (call)
			acall_free(call);
		return status;
	}
	call->tag[0] = request.kind;
	if (length)
		call->in = (struct call_buffer){ labels, 0, at, length };
	service_send_inject(call, child->control, &request);
	return PARK;
}

/* --- so many instructions ----------------------------------------------------------------------------- */

static long trap_each(const struct child *child)
{
	struct thread_regs regs;
	long error = kcall(thread_stop, child->thread);

	if (!error)
		error = kcall(thread_regs, child->thread, 0, &regs);
	regs.rflags |= RFLAGS_TRAP;
	if (!error)
		error = kcall(thread_regs, child->thread, 1, &regs);
	kcall(thread_start, child->thread);
	return error;
}

/* COUNT. The kernel's work for it is not counted. */
long step(struct request *rq, char *words)
{
	struct child *child = rq->context;
	uint64_t count;
	long error;

	if (!number(words, &count) || !count || count > STEPS_MAX)
		return -EINVAL;
	if (child->state != CHILD_RUNNING || child->steps)
		return -EBUSY;
	error = trap_each(child);
	if (error)
		return error;
	child->steps = (uint32_t)count;
	child->injected = true;
	return 0;
}

bool step_taken(struct child *child)
{
	child->steps--;
	return child->steps != 0;
}

/* --- labels --------------------------------------------------------------------------------------------- */

static PRESERVED cap_t texts;
static PRESERVED uint64_t lengths[CHILDREN];
static PRESERVED unsigned asked;
static PRESERVED bool complete;
static struct waitq waiting;

static void told(struct acall *call)
{
	struct child *child = call->owner;

	lengths[child - children] = call->status > 0 ? (uint64_t)call->status : 0;
	asked--;
	if (asked)
		return;
	complete = true;
	waitq_wake(&waiting);
}

static void ask(struct child *child)
{
	struct service_points_req request = { 0 };
	struct acall *call = acall_new(told, child);

	lengths[child - children] = 0;
	if (!call)
		return;
	call->out =
	    (struct call_buffer){ texts, 0, (uint64_t)(child - children) * POINTS_BYTES, POINTS_BYTES };
	asked++;
	service_send_points(call, child->control, &request);
}

/* What fits of one child's lines behind the `*done` bytes that are there. */
static long give_lines(struct request *rq, const struct child *child, uint64_t *at, uint64_t offset,
		       uint64_t *done)
{
	static char text[POINTS_BYTES];
	char line[LABEL_BYTES + sizeof child->name + 2], *label = text, *end;
	long length = kcall(mo_read, texts, (uint64_t)(child - children) * POINTS_BYTES, text,
			    lengths[child - children]);

	for (; length > 0 && (end = memchr(label, '\n', (size_t)length)); label = end + 1) {
		uint64_t size;
		long status;

		*end = 0;
		length -= end + 1 - label;
		size = (uint64_t)snprintf(line, sizeof line, "%s %s\n", child->name, label);
		*at += size;
		if (*at <= offset)
			continue;
		if (*done + size > rq->out_length)
			return 1;
		status = request_write(rq, *done, line, size);
		if (status < 0)
			return status;
		*done += size;
	}
	return 0;
}

long points_give(struct request *rq, uint64_t offset)
{
	uint64_t at = 0, done = 0;
	long status = 0;

	if (memory_of(&texts, POINTS_BYTES) < 0)
		return -ENOMEM;
	if (!asked && !complete)
		for (unsigned i = 0; i < CHILDREN; i++)
			if (children[i].state == CHILD_RUNNING)
				ask(&children[i]);
	if (asked)
		return request_park(rq, &waiting);
	complete = false;
	for (unsigned i = 0; i < CHILDREN && !status; i++)
		if (children[i].state == CHILD_RUNNING && lengths[i])
			status = give_lines(rq, &children[i], &at, offset, &done);
	return status < 0 ? status : (long)done;
}
