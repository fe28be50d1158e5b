/* SPDX-License-Identifier: MIT */
/*
 * What the kernel writes down while tracing is on: one record for each thing that happens to a call, and for each
 * system call that libposix marks. A caller has one call out at a time, so `caller` ties the records of one call
 * together, until that caller's next TRACE_CALL.
 */
#ifndef ABI_TRACE_H
#define ABI_TRACE_H

#include <abi/ipc.h>

enum trace_kind {
	TRACE_CALL =
	    1,         /* sent. who: the caller; op, words, lengths, badge; text: the in buffer's beginning */
	TRACE_RECEIVE, /* taken by a server. who: the server; in_length: deliveries before this one */
	TRACE_ANSWER, /* who: the caller; op: status; words: the answer's; text: the out buffer's beginning */
	TRACE_ENTER,  /* a system call. who: the thread; op: Linux's number; words: the arguments; text: the
	                 * path, or what is written */
	TRACE_LEAVE,  /* op: Linux's number; words[0]: the result; text: what was read */
};

#define TRACE_OBJECT 0x1u /* an asynchronous call: of a call object */
#define TRACE_KERNEL 0x2u /* made by the kernel for a thread: a fault or a missing page */

#define TRACE_TEXT 40
#define TRACE_NAME 16

struct trace_record {
	uint64_t sequence; /* counts all records since the boot: a gap is what was lost */
	uint64_t time_ns;  /* monotonic */
	uint64_t stamp;    /* of who, as its name and number (service, or thread as processes see it) */
	uint64_t op, badge;
	uint64_t in_length, out_length;
	uint64_t words[IPC_ALL_WORDS];
	uint32_t caller; /* index of the caller; for system calls the thread's */
	int32_t number;
	uint8_t kind, flags, processor, text_length;
	uint32_t reserved;
	char name[TRACE_NAME]; /* not terminated if it is that long */
	char text[TRACE_TEXT];
};
_Static_assert(sizeof(struct trace_record) == 208, "no padding: records are copied out whole");

/* trace_read: position in: the sequence number to begin with, TRACE_NOW for the next; out: behind the last. */
#define TRACE_NOW UINT64_MAX
struct trace_read {
	uint64_t position;
	uint64_t buffer, length;
};

/* trace_mark */
struct trace_mark {
	uint64_t kind; /* TRACE_ENTER, TRACE_LEAVE */
	uint64_t number;
	uint64_t words[6];
	uint64_t text, text_length; /* text_length UINT64_MAX: up to a NUL */
};

#endif
