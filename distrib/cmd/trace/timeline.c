/* SPDX-License-Identifier: MIT */
/*
 * The Trace Event Format that chrome://tracing and ui.perfetto.dev read. Calls of threads are slices of the thread, and
 * nest in their system calls. What a server does for a call, and the calls that servers send each other, overlap: those
 * are asynchronous slices, each with an id of its own.
 */
#include "trace.h"

#include <stdlib.h>
#include <string.h>

static int first = 1;
static unsigned long next_id = 1;

/* Names of processes as they were last seen, told at the end. A process's stamp outlives its threads. */
struct process {
	uint64_t stamp;
	int pid;
	char name[TRACE_NAME + 1];
	uint64_t named_ns; /* records are not shown in the order of their making */
	struct process *next;
};
static struct process *processes;

static int pid_of(const struct trace_record *record)
{
	struct process *p = processes;

	while (p && p->stamp != record->stamp)
		p = p->next;
	if (!p) {
		p = calloc(1, sizeof *p);
		if (!p)
			return record->number;
		p->stamp = record->stamp;
		p->pid = record->stamp & STAMP_SERVICE ? SERVICE_PID + record->number : record->number;
		p->next = processes;
		processes = p;
	}
	if (record->name[0] && record->time_ns >= p->named_ns) {
		memcpy(p->name, record->name, TRACE_NAME);
		p->named_ns = record->time_ns;
	}
	return p->pid;
}

static int tid_of(const struct trace_record *record)
{
	return record->stamp & STAMP_SERVICE ? SERVICE_PID + record->number : record->number;
}

static void put_string(FILE *out, const char *text, size_t length)
{
	fputc('"', out);
	for (size_t i = 0; i < length && text[i]; i++) {
		unsigned char c = (unsigned char)text[i];

		if (c == '"' || c == '\\')
			fprintf(out, "\\%c", c);
		else if (c < 32 || c > 126)
			fprintf(out, "\\u%04x", c);
		else
			fputc(c, out);
	}
	fputc('"', out);
}

static void put_begin(FILE *out)
{
	fputs("{\"displayTimeUnit\":\"ns\",\"traceEvents\":[", out);
}

static void put_time(FILE *out, const char *key, uint64_t ns)
{
	fprintf(out, ",\"%s\":%lu.%03lu", key, ns / 1000, ns % 1000);
}

/* Up to where the members of its own follow. */
static void event(FILE *out, const char *phase, const char *category, const char *name, int pid, int tid,
		  uint64_t ns)
{
	fprintf(out, "%s\n{\"ph\":\"%s\",\"cat\":\"%s\",\"name\":\"%s\",\"pid\":%d,\"tid\":%d",
		first ? "" : ",", phase, category, name, pid, tid);
	first = 0;
	put_time(out, "ts", ns);
}

static void put_arguments(FILE *out, const struct call *call, const struct trace_record *answer)
{
	char *text = NULL;
	size_t size = 0;
	FILE *memory = open_memstream(&text, &size);

	fputs(",\"args\":{", out);
	if (memory) {
		if (call->sent.kind == TRACE_CALL)
			put_fields(memory, call->sent.op, 0, call->sent.words);
		fclose(memory);
		fputs("\"request\":", out);
		put_string(out, text, size);
		fputc(',', out);
		free(text);
	}
	if (call->sent.text_length) {
		fputs("\"text\":", out);
		put_string(out, call->sent.text, call->sent.text_length);
		fputc(',', out);
	}
	fputs("\"server\":", out);
	put_string(out, call->taken.name, TRACE_NAME);
	if (answer)
		fprintf(out, ",\"status\":%ld",
			(long)(call->sent.kind == TRACE_ENTER ? answer->words[0] : answer->op));
	fputs("}}", out);
}

static void slice(FILE *out, const struct call *call, const struct trace_record *answer, uint64_t time_ns)
{
	const struct trace_record *sent = &call->sent;
	int is_system_call = sent->kind == TRACE_ENTER;
	unsigned arguments;

	event(out, "X", is_system_call ? "syscall" : "call",
	      is_system_call ? system_call_name(sent->op, &arguments) : operation_name(sent->op),
	      pid_of(sent), tid_of(sent), sent->time_ns);
	put_time(out, "dur", time_ns - sent->time_ns);
	put_arguments(out, call, answer);
}

/* From one time to another in a process, under its own id. */
static void span(FILE *out, const struct trace_record *who, const char *category, const struct call *call,
		 const struct trace_record *answer, uint64_t time_ns)
{
	const char *name = operation_name(call->sent.op);
	unsigned long id = next_id++;

	event(out, "b", category, name, pid_of(who), tid_of(who), who->time_ns);
	fprintf(out, ",\"id\":\"%#lx\"", id);
	put_arguments(out, call, answer);
	event(out, "e", category, name, pid_of(who), tid_of(who), time_ns);
	fprintf(out, ",\"id\":\"%#lx\"}", id);
}

static void put_call(FILE *out, const struct call *call, const struct trace_record *answer, uint64_t time_ns)
{
	if (call->sent.flags & TRACE_OBJECT)
		span(out, &call->sent, "async call", call, answer, time_ns);
	else
		slice(out, call, answer, time_ns);
	if (call->taken.kind)
		span(out, &call->taken, "service", call, answer, time_ns);
}

static void put_lost(FILE *out, uint64_t count, uint64_t time_ns)
{
	event(out, "i", "trace", "records lost", 0, 0, time_ns);
	fprintf(out, ",\"s\":\"g\",\"args\":{\"count\":%lu}}", count);
}

static void put_end(FILE *out)
{
	for (const struct process *p = processes; p; p = p->next) {
		event(out, "M", "trace", "process_name", p->pid, p->pid, 0);
		fputs(",\"args\":{\"name\":", out);
		put_string(out, p->name, TRACE_NAME);
		fputs("}}", out);
	}
	fputs("\n]}\n", out);
}

const struct output timeline = { put_begin, put_call, put_lost, put_end };
