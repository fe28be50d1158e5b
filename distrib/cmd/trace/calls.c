/* SPDX-License-Identifier: MIT */
/* From records to calls: a caller has one out at a time, so its index finds it. */
#include "trace.h"

#include <stdlib.h>
#include <string.h>

#define INDICES (1u << 20)

uint64_t lost_records;

static struct call *messages[INDICES], *system_calls[INDICES];
static uint64_t next, now;

static struct call *call_of(struct call **table, uint32_t index)
{
	struct call **call = &table[index % INDICES];

	if (!*call)
		*call = calloc(1, sizeof **call);
	if (!*call) {
		fprintf(stderr, "trace: out of memory\n");
		exit(1);
	}
	return *call;
}

static void finish(struct call *call, const struct trace_record *answer, const struct output *output,
		   FILE *out)
{
	if (call->shown)
		output->call(out, call, answer, answer ? answer->time_ns : now);
	memset(call, 0, sizeof *call);
}

static void begin(struct call *call, const struct trace_record *record, int shown)
{
	memset(call, 0, sizeof *call);
	call->sent = *record;
	call->shown = selected(record, call) && shown;
}

static void take_sequence(const struct trace_record *record, const struct output *output, FILE *out)
{
	if (next && record->sequence > next) {
		lost_records += record->sequence - next;
		output->lost(out, record->sequence - next, record->time_ns);
	}
	next = record->sequence + 1;
	now = record->time_ns;
}

void calls_take(const struct trace_record *record, const struct output *output, FILE *out, enum show show)
{
	int is_message =
	    record->kind == TRACE_CALL || record->kind == TRACE_RECEIVE || record->kind == TRACE_ANSWER;
	struct call *call = call_of(is_message ? messages : system_calls, record->caller);

	take_sequence(record, output, out);
	switch (record->kind) {
	case TRACE_CALL: begin(call, record, show & SHOW_MESSAGES); break;
	case TRACE_ENTER: begin(call, record, show & SHOW_SYSTEM_CALLS); break;
	case TRACE_RECEIVE: call->taken = *record; break;
	case TRACE_ANSWER:
		selected(record, call);
		finish(call, record, output, out);
		break;
	case TRACE_LEAVE: finish(call, record, output, out); break;
	}
}

void calls_end(const struct output *output, FILE *out)
{
	for (unsigned i = 0; i < INDICES; i++) {
		if (messages[i])
			finish(messages[i], NULL, output, out);
		if (system_calls[i])
			finish(system_calls[i], NULL, output, out);
	}
	output->end(out);
}
