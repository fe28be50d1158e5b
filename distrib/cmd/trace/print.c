/* SPDX-License-Identifier: MIT */
/* One line for each call, when it is over. */
#include "trace.h"

#include <string.h>

/* In quotes, with dots if there was more. */
static void put_text(FILE *out, const struct trace_record *record, uint64_t length)
{
	unsigned count = record->text_length < TRACE_TEXT ? record->text_length : TRACE_TEXT;

	fputc('"', out);
	for (unsigned i = 0; i < count; i++) {
		unsigned char c = (unsigned char)record->text[i];

		if (c == '\n')
			fputs("\\n", out);
		else if (c == '"' || c == '\\')
			fprintf(out, "\\%c", c);
		else if (c < 32 || c > 126)
			fprintf(out, "\\x%02x", c);
		else
			fputc(c, out);
	}
	fputs(length > count ? "\"..." : "\"", out);
}

static void put_who(FILE *out, const struct trace_record *record)
{
	fprintf(out, "%.*s", TRACE_NAME, record->name[0] ? record->name : "?");
	if (!(record->stamp & STAMP_SERVICE))
		fprintf(out, "[%d]", record->number);
}

static void put_result(FILE *out, long status)
{
	if (status < 0 && status > -4096)
		fprintf(out, "%ld (%s)", status, strerror((int)-status));
	else if (status > 0xffffff || status < 0)
		fprintf(out, "%#lx", (unsigned long)status);
	else
		fprintf(out, "%ld", status);
}

static void put_system_call(FILE *out, const struct call *call, const struct trace_record *answer)
{
	unsigned arguments;

	fprintf(out, " %s(", system_call_name(call->sent.op, &arguments));
	for (unsigned i = 0; i < arguments; i++) {
		long word = (long)call->sent.words[i];

		fprintf(out, word > -10000 && word < 10000 ? "%s%ld" : "%s%#lx", i ? ", " : "", word);
	}
	fputc(')', out);
	if (call->sent.text_length) {
		fputc(' ', out);
		put_text(out, &call->sent, call->sent.text_length);
	}
	if (!answer)
		return;
	fputs(" = ", out);
	put_result(out, (long)answer->words[0]);
	if (answer->text_length) {
		fputc(' ', out);
		put_text(out, answer, answer->words[0]);
	}
}

static void put_message(FILE *out, const struct call *call, const struct trace_record *answer)
{
	const struct trace_record *sent = &call->sent;

	fprintf(out, " %s(", operation_name(sent->op));
	if (sent->in_length) {
		put_text(out, sent, sent->in_length);
		fprintf(out, "[%lu] ", sent->in_length);
	}
	if (sent->out_length)
		fprintf(out, "[%lu] ", sent->out_length);
	put_fields(out, sent->op, 0, sent->words);
	fprintf(out, ") to %.*s", TRACE_NAME, call->taken.name[0] ? call->taken.name : "nobody yet");
	if (call->taken.in_length)
		fprintf(out, ", delivery %lu", call->taken.in_length + 1);
	if (!answer)
		return;
	fputs(" = ", out);
	put_result(out, (long)answer->op);
	fputc(' ', out);
	if ((long)answer->op >= 0)
		put_fields(out, sent->op, 1, answer->words);
	if (answer->text_length)
		put_text(out, answer, answer->op);
}

static void put_begin(FILE *out)
{
	(void)out;
}

static void put_call(FILE *out, const struct call *call, const struct trace_record *answer, uint64_t time_ns)
{
	const struct trace_record *sent = &call->sent;
	uint64_t us = (time_ns - sent->time_ns) / 1000;

	fprintf(out, "%lu.%06lu ", sent->time_ns / 1000000000, sent->time_ns / 1000 % 1000000);
	put_who(out, sent);
	if (sent->kind == TRACE_ENTER)
		put_system_call(out, call, answer);
	else
		put_message(out, call, answer);
	if (answer)
		fprintf(out, " <%lu.%03lu ms>%s\n", us / 1000, us % 1000,
			sent->flags & TRACE_OBJECT ? " async" : "");
	else
		fprintf(out, " unfinished\n");
}

static void put_lost(FILE *out, uint64_t count, uint64_t time_ns)
{
	fprintf(out, "%lu.%06lu %lu records lost\n", time_ns / 1000000000, time_ns / 1000 % 1000000, count);
}

const struct output printing = { put_begin, put_call, put_lost, put_begin };
