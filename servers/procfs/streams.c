/* SPDX-License-Identifier: MIT */
/*
 * The two files that are no texts: `trace`, records of the kernel's trace, which is on while somebody has the file
 * open for reading, and `crashes`, whose every read waits for the next death of a service and gives its report. A
 * description's offset is the next record's sequence number, or the last report's number.
 */
#include "procfs.h"

#include <abi/trace.h>
#include <util/string.h>

#define READ_BYTES (256 * sizeof(struct trace_record))

static PRESERVED uint32_t tracers;
static uint8_t records[READ_BYTES] __attribute__((aligned(8)));

static cap_t trace_cap(void)
{
	const struct startup_entry *entry = startup_find(STARTUP_TRACE, "trace", 0);

	return entry ? entry->slot : CAP_NONE;
}

long trace_open(struct opened *d)
{
	long status = kcall(trace_control, trace_cap(), 1);
	struct trace_read now = { .position = TRACE_NOW };

	if (status < 0)
		return status;
	tracers++;
	kcall(trace_read, trace_cap(), &now);
	d->offset = now.position;
	return 0;
}

void trace_close(void)
{
	if (--tracers == 0)
		kcall(trace_control, trace_cap(), 0);
}

static long trace_read(struct request *rq, struct opened *d)
{
	struct trace_read read = { d->offset, (uint64_t)records, READ_BYTES };
	long length, status;

	if (rq->out_length < read.length)
		read.length = rq->out_length;
	length = kcall(trace_read, trace_cap(), &read);
	if (length > 0) {
		status = request_write(rq, 0, records, (size_t)length);
		if (status < 0)
			return status;
	}
	if (length >= 0)
		d->offset = read.position;
	return length;
}

static long crashes_read(struct request *rq, struct opened *d)
{
	struct gather *g;
	long status = gather(rq, 0, (int32_t)d->offset, NEED_CRASH, &g);

	if (status)
		return status;
	status =
	    request_write(rq, 0, g->text, g->text_length < rq->out_length ? g->text_length : rq->out_length);
	if (status >= 0)
		d->offset = g->crash;
	gather_end(rq, g);
	return status;
}

long stream_read(struct request *rq, struct opened *d, const struct file_kind *kind)
{
	return kind->type == TYPE_TRACE ? trace_read(rq, d) : crashes_read(rq, d);
}
