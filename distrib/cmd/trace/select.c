/* SPDX-License-Identifier: MIT */
/* Whose calls are wanted. A process is known by its stamp, which the first record of its first thread tells. */
#include <proto/proto.h>

#include <proto/pm.h>

#include "trace.h"

#include <stdlib.h>
#include <unistd.h>

#define WANTED 4096
#define CALL_EXECVE 59

int select_all;

static struct {
	int pid;
	int waits; /* for its exec */
	uint64_t stamp;
} wanted[WANTED];
static int count, own_pid;

void select_pid(int pid)
{
	if (count < WANTED)
		wanted[count++].pid = pid;
}

void select_program(int pid)
{
	select_pid(pid);
	wanted[count - 1].waits = 1;
}

static int is_wanted(const struct trace_record *record)
{
	for (int i = 0; i < count; i++) {
		if (!wanted[i].stamp && record->number == wanted[i].pid && !(record->stamp & STAMP_SERVICE))
			wanted[i].stamp = record->stamp;
		if (wanted[i].stamp != record->stamp)
			continue;
		if (record->kind == TRACE_ENTER && record->op == CALL_EXECVE)
			wanted[i].waits = 0;
		return !wanted[i].waits;
	}
	return 0;
}

int selected(const struct trace_record *record, const struct call *call)
{
	if (record->kind == TRACE_ANSWER) {
		if (call->sent.op == pm_op_fork && (long)record->op > 0 && is_wanted(record))
			select_pid((int)record->op);
		return 0;
	}
	if (record->kind != TRACE_CALL && record->kind != TRACE_ENTER)
		return 0;
	if (!own_pid) /* asked once: asking is traced as well */
		own_pid = getpid();
	if (select_all)
		return record->number != own_pid || record->stamp & STAMP_SERVICE;
	return is_wanted(record);
}
