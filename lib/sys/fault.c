/* SPDX-License-Identifier: MIT */
/*
 * Fault injection. A service has labelled points (FAULT_POINT); RS, asked by root, arms one of them, and the service
 * fails there. Nothing is armed unless it was asked for, and an incarnation starts with nothing armed.
 */
#include "internal.h"

#include <proto/service.h>

#define LABEL_MAX 64u
#define WILD_WORDS 16u

extern const struct fault_point __start_fault_points[], __stop_fault_points[];
extern char __image_end[];

bool fault_armed;
/* wanted empty: any point. Preserved for FAULT_TWICE; left: how many incarnations are still to fail. */
static PRESERVED char wanted[LABEL_MAX];
static PRESERVED unsigned left;
static enum fault_kind kind;
static uint64_t skip, seed;
static bool malform; /* the next answer */

static uint64_t any(void)
{
	seed ^= seed << 13;
	seed ^= seed >> 7;
	seed ^= seed << 17;
	return seed;
}

/* Somewhere in its preserved variables: what a stray pointer would do. */
static void write_wildly(void)
{
	uint64_t words = (uint64_t)(__preserved_end - __preserved_start) / 8;

	seed = clock_monotonic_ns() | 1;
	for (unsigned i = 0; words && i < WILD_WORDS; i++)
		((volatile uint64_t *)__preserved_start)[any() % words] = any();
}

static void fail(void)
{
	switch (kind) {
	case FAULT_TWICE: left--; /* fall through */
	case FAULT_SEGFAULT: __asm__ volatile("movl $0, 8" ::: "memory"); break;
	case FAULT_ABORT: __builtin_trap();
	case FAULT_EXIT: service_exit(EIO);
	case FAULT_LOOP:
		kcall(thread_set, CAP_SELF_THREAD, THREAD_PRIORITY, 31); /* refused */
		for (;;)
			__asm__ volatile("");
	case FAULT_SILENT:
		for (;;)
			kcall(sleep, UINT64_MAX);
	case FAULT_WILD: write_wildly(); break;
	case FAULT_MALFORMED: fault_armed = malform = true; break;
	case FAULT_VANISH: kcall(thread_exit, 0); break;
	default: break;
	}
}

/* What arms a fault does not fail by it: it would be made again, and fail again. */
static bool is_control(const struct request *rq)
{
	return rq && IPC_OP_PROTO(rq->op) == PROTO_ID_SERVICE;
}

void fault_hit(const struct fault_point *point)
{
	if (malform || is_control(running_request) || (wanted[0] && strcmp(wanted, point->label)))
		return;
	if (skip) {
		skip--;
		return;
	}
	fault_armed = false;
	slog("injected fault %u at %s", (unsigned)kind, point->label);
	fail();
}

long fault_status(const struct request *rq, long status)
{
	if (!malform || is_control(rq))
		return status;
	fault_armed = malform = false;
	return INT64_MIN / 2;
}

void fault_start(void)
{
	if (!left)
		return;
	kind = FAULT_TWICE;
	fault_armed = true;
}

static bool point_exists(const char *label)
{
	for (const struct fault_point *p = __start_fault_points; p < __stop_fault_points; p++)
		if (!strcmp(p->label, label))
			return true;
	return false;
}

static long do_inject(struct request *rq, const struct service_inject_req *in,
		      struct service_inject_reply *out)
{
	char label[LABEL_MAX];
	long got = rq->in_length < sizeof label ? 0 : -EINVAL;

	(void)out;
	if (!got && rq->in_length)
		got = request_read(rq, 0, label, rq->in_length);
	if (got < 0)
		return got;
	label[got] = 0;
	if (in->kind >= FAULT_KINDS || (label[0] && !point_exists(label)))
		return -EINVAL;
	memcpy(wanted, label, sizeof wanted);
	kind = (enum fault_kind)in->kind;
	skip = in->skip;
	left = kind == FAULT_TWICE ? 2 : 0;
	fault_armed = kind != FAULT_NONE;
	return 0;
}

/* Whether several places share its label, and another comes first. */
static bool listed(const struct fault_point *point)
{
	for (const struct fault_point *p = __start_fault_points; p < point; p++)
		if (!strcmp(p->label, point->label))
			return true;
	return false;
}

static long do_points(struct request *rq, const struct service_points_req *in,
		      struct service_points_reply *out)
{
	uint64_t at = 0, done = 0;

	(void)out;
	for (const struct fault_point *p = __start_fault_points; p < __stop_fault_points; p++) {
		char line[LABEL_MAX + 2];
		size_t length = (size_t)snprintf(line, sizeof line, "%s\n", p->label);
		long status;

		if (listed(p))
			continue;
		at += length;
		if (at <= in->offset)
			continue;
		if (done + length > rq->out_length)
			break;
		status = request_write(rq, done, line, length);
		if (status < 0)
			return status;
		done += length;
	}
	return (long)done;
}

long fault_request(struct request *rq)
{
	static const struct service_ops operations = { .inject = do_inject, .points = do_points };

	return service_dispatch(&operations, rq);
}
