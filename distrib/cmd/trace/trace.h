/* SPDX-License-Identifier: MIT */
/* trace: what its files know of each other. Records are those of abi/trace.h. */
#ifndef TRACE_TRACE_H
#define TRACE_TRACE_H

#include <abi/trace.h>
#include <stdio.h>

#include "distrib/lib/names.h"

#define SERVICE_PID 100000 /* plus the service's number: its pid in a timeline */

/* A call between its records, or a system call. */
struct call {
	struct trace_record sent; /* kind 0: none is out */
	struct trace_record taken;
	int shown;
};

/* --- select.c ------------------------------------------------------------------------------------------ */
extern int select_all;
void select_pid(int pid);     /* its calls count, whatever they are */
void select_program(int pid); /* from its exec on */
/* Whether what this record begins is wanted. Learns of children from what goes by. */
int selected(const struct trace_record *record, const struct call *call);

/* --- print.c, timeline.c: what is done with a call that is over ------------------------------------------ */
struct output {
	void (*begin)(FILE *out);
	/* answer NULL: it was not over when the trace ended, at time_ns. */
	void (*call)(FILE *out, const struct call *call, const struct trace_record *answer, uint64_t time_ns);
	void (*lost)(FILE *out, uint64_t count, uint64_t time_ns);
	void (*end)(FILE *out);
};
extern const struct output printing, timeline;

/* --- calls.c ----------------------------------------------------------------------------------------------- */
enum show { SHOW_MESSAGES = 1, SHOW_SYSTEM_CALLS = 2 };
/* Feed the records one after the other, then end. */
void calls_take(const struct trace_record *record, const struct output *output, FILE *out, enum show show);
void calls_end(const struct output *output, FILE *out);
extern uint64_t lost_records;

#endif
