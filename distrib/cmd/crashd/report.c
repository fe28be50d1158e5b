/* SPDX-License-Identifier: MIT */
/* A crash report as text. */
#include "crashd.h"

#include "distrib/lib/names.h"

#include <stddef.h>
#include <string.h>
#include <time.h>

#define FRAMES 48
#define STACK_SHOWN 512

static void put_head(FILE *out, const struct crash_report *r)
{
	struct timespec now, since_boot;
	char text[64];
	time_t when;

	clock_gettime(CLOCK_REALTIME, &now);
	clock_gettime(CLOCK_MONOTONIC, &since_boot);
	when = now.tv_sec - (since_boot.tv_sec - (time_t)(r->time_ns / 1000000000));
	strftime(text, sizeof text, "%Y-%m-%d %H:%M:%S UTC", gmtime(&when));
	fprintf(out, "service      %s (program %s)\n", r->name, r->program);
	fprintf(out, "reason       %s\n", r->reason);
	fprintf(out, "time         %s, %lu.%06lu s after the boot\n", text, r->time_ns / 1000000000,
		r->time_ns / 1000 % 1000000);
	fprintf(out, "incarnation  %u, up %lu.%06lu s, crash %u in succession\n", r->incarnation,
		r->uptime_ns / 1000000000, r->uptime_ns / 1000 % 1000000, r->crashes);
}

static void put_action(FILE *out, const struct crash_report *r)
{
	static const char *const lost[] = {
		[CRASH_RESTARTED] = "nothing: its state and the requests went to the next incarnation",
		[CRASH_STARTED_CLEAN] = "its open objects: it was started without what it had preserved",
		[CRASH_GIVEN_UP] = "all that it held: requests are answered EIO",
	};

	fprintf(out, "done         ");
	if (r->action == CRASH_GIVEN_UP)
		fprintf(out, "given up\n");
	else if (r->delay_ns)
		fprintf(out, "restarted after %lu ms\n", r->delay_ns / 1000000);
	else
		fprintf(out, "restarted at once\n");
	fprintf(out, "lost         %s\n", r->action <= CRASH_GIVEN_UP ? lost[r->action] : "not known");
}

/* A return address may be the first of the next function: the call lies before it. */
static void put_backtrace(FILE *out, const struct crash_report *r)
{
	struct frame frame = { r->regs.rip, r->regs.rsp, r->regs.rbp };

	fprintf(out, "\nbacktrace\n  #0  %016lx %s\n", frame.pc, symbol_name(frame.pc));
	for (int i = 1; i < FRAMES && frame_up(&frame, r); i++)
		fprintf(out, "  #%-2d %016lx %s\n", i, frame.pc, symbol_name(frame.pc - 1));
}

static void put_registers(FILE *out, const struct thread_regs *r)
{
	const struct {
		const char *name;
		uint64_t value;
	} all[] = {
		{ "rax", r->rax }, { "rbx", r->rbx },      { "rcx", r->rcx }, { "rdx", r->rdx },
		{ "rsi", r->rsi }, { "rdi", r->rdi },      { "rbp", r->rbp }, { "rsp", r->rsp },
		{ "r8", r->r8 },   { "r9", r->r9 },        { "r10", r->r10 }, { "r11", r->r11 },
		{ "r12", r->r12 }, { "r13", r->r13 },      { "r14", r->r14 }, { "r15", r->r15 },
		{ "rip", r->rip }, { "flags", r->rflags },
	};

	fprintf(out, "\nregisters");
	for (size_t i = 0; i < sizeof all / sizeof *all; i++)
		fprintf(out, "%s%-5s %016lx", i % 3 ? "  " : "\n  ", all[i].name, all[i].value);
	fputc('\n', out);
}

static void put_call(FILE *out, const struct ep_call *call)
{
	uint64_t words[IPC_ALL_WORDS] = { 0 };

	memcpy(words, call->words, sizeof call->words);
	fprintf(out, "  %-7s %s(", call->deliveries ? "served" : "queued", operation_name(call->op));
	put_fields(out, call->op, 0, words);
	if (call->name[0])
		fprintf(out, ") of %.16s[%d]", call->name, call->number);
	else if (call->stamp & STAMP_SERVICE)
		fprintf(out, ") of service %lu", (unsigned long)(call->stamp & ~STAMP_SERVICE));
	else
		fprintf(out, ") of stamp %lx", call->stamp);
	fprintf(out, ", badge %lx, delivered %u time%s\n", call->badge, call->deliveries,
		call->deliveries == 1 ? "" : "s");
}

static void put_stack(FILE *out, const struct crash_report *r)
{
	uint64_t word;

	fprintf(out, "\nstack");
	for (uint32_t at = 0; at + 8 <= r->stack_length && at < STACK_SHOWN; at += 8) {
		memcpy(&word, r->stack + at, 8);
		if (at % 32 == 0)
			fprintf(out, "\n  %016lx:", r->regs.rsp + at);
		fprintf(out, " %016lx", word);
	}
	fputc('\n', out);
}

void report_write(FILE *out, const struct crash_report *r)
{
	put_head(out, r);
	put_action(out, r);
	put_backtrace(out, r);
	put_registers(out, &r->regs);
	fprintf(out, "\nrequests, oldest first\n");
	for (uint32_t i = 0; i < r->call_count && i < CRASH_CALLS; i++)
		put_call(out, &r->calls[i]);
	if (!r->call_count)
		fprintf(out, "  none\n");
	put_stack(out, r);
}
