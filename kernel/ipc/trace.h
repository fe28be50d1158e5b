/* SPDX-License-Identifier: MIT */
/*
 * Hooks of the trace. While it is off the fast path of syscall.S does not know of it, and the C paths test one
 * variable; while it is on every processor enters the kernel by an entry without a fast path.
 */
#ifndef KERNEL_IPC_TRACE_H
#define KERNEL_IPC_TRACE_H

#include "ipc/ipc.h"

void trace_record_call(struct caller *caller);
void trace_record_receive(struct caller *caller, const struct thread *server);
void trace_record_answer(struct caller *caller, const struct answer *answer);

static inline void trace_call(struct caller *caller)
{
	if (__builtin_expect(tracing, 0))
		trace_record_call(caller);
}

static inline void trace_receive(struct caller *caller, const struct thread *server)
{
	if (__builtin_expect(tracing, 0))
		trace_record_receive(caller, server);
}

static inline void trace_answer(struct caller *caller, const struct answer *answer)
{
	if (__builtin_expect(tracing, 0))
		trace_record_answer(caller, answer);
}

#endif
