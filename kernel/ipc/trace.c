/* SPDX-License-Identifier: MIT */
/*
 * The trace: a ring of records in frames of its own, which exist while it is on. One ring serves all processors,
 * because whatever is recorded happens under the kernel lock; so the records are in order.
 */
#include "ipc/trace.h"
#include <abi/trace.h>
#include "arch/arch.h"
#include "core/clock.h"
#include "core/kcall.h"
#include "core/table.h"
#include "mm/memory.h"

#define PAGES 1024u
#define PAGE_RECORDS (ANOLE_PAGE_SIZE / sizeof(struct trace_record))
#define RING (PAGES * PAGE_RECORDS)
#define READ_MAX 256u /* records copied in one go */

struct trace {
	struct object object; /* the right to trace; all name the one ring */
};

bool tracing;
static uint64_t frames[PAGES];
static uint64_t next, first; /* sequence numbers: of the next record, and the oldest of this ring */

static struct trace_record *record_at(uint64_t sequence)
{
	uint64_t index = sequence % RING;

	return (struct trace_record *)phys_to_virt(frames[index / PAGE_RECORDS]) + index % PAGE_RECORDS;
}

static struct trace_record *record_new(enum trace_kind kind, const struct thread *who, uint64_t stamp)
{
	struct trace_record *record = record_at(next);

	__builtin_memset(record, 0, sizeof(*record));
	record->sequence = next++;
	if (next - first > RING)
		first = next - RING;
	record->time_ns = arch_now_ns();
	record->kind = kind;
	record->processor = this_cpu()->id;
	record->stamp = stamp;
	if (who) {
		record->number = who->number;
		__builtin_memcpy(record->name, who->name, TRACE_NAME);
	}
	return record;
}

/* --- texts ------------------------------------------------------------------------------ */

static void text_of_memory(struct trace_record *record, const struct call_range *range, uint64_t length)
{
	uint64_t room = ANOLE_PAGE_SIZE - range->offset % ANOLE_PAGE_SIZE;
	const void *from;
	int error;

	if (!range->memory || !length ||
	    (range->memory->kind == MEMORY_PHYSICAL && !range->memory->owned)) /* device registers */
		return;
	from = memory_page(range->memory, range->offset, false, &error);
	if (!from)
		return;
	length = length < room ? length : room;
	record->text_length = length < TRACE_TEXT ? length : TRACE_TEXT;
	__builtin_memcpy(record->text, from, record->text_length);
}

/* Nothing beyond the page in which it begins: the next may be absent. */
static void text_of_user(struct trace_record *record, struct space *space, uint64_t address, uint64_t length)
{
	uint64_t room = ANOLE_PAGE_SIZE - address % ANOLE_PAGE_SIZE;

	length = length < TRACE_TEXT ? length : TRACE_TEXT;
	length = length < room ? length : room;
	if (length && !copy_from_user(space, record->text, address, length, NULL))
		record->text_length = length;
}

/* --- calls -------------------------------------------------------------------------------- */

static void describe_object(struct trace_record *record, const struct callobj *call)
{
	record->flags = TRACE_OBJECT;
	record->op = call->op;
	record->in_length = call->in.memory ? call->in.length : 0;
	record->out_length = call->out.memory ? call->out.length : 0;
	__builtin_memcpy(record->words, call->words, sizeof(record->words));
	text_of_memory(record, &call->in, record->in_length);
}

static void describe_thread(struct trace_record *record, struct thread *thread)
{
	const struct frame *f = &thread->frame;

	record->op = f->rdi;
	record->words[0] = f->rsi;
	record->words[1] = f->rdx;
	record->words[2] = f->r10;
	record->words[3] = f->r8;
	record->words[4] = f->r9;
	record->in_length = f->rbp;
	record->out_length = f->r13;
	if (thread->caller.flags & IPC_EXTRA && thread->message_page)
		for (unsigned i = 0; i < IPC_EXTRA_WORDS; i++)
			record->words[IPC_WORDS + i] = thread->message_page->extra[i];
	text_of_user(record, thread->space, f->rbx, record->in_length);
}

/* An asynchronous call is the current thread's; others are the caller's own. */
void trace_record_call(struct caller *caller)
{
	struct thread *who = caller->kind == CALLER_OBJECT ? current_thread() : caller_thread(caller);
	struct trace_record *record = record_new(TRACE_CALL, who, caller->stamp);

	record->caller = caller->index;
	record->badge = caller->badge_number;
	if (caller->kind == CALLER_OBJECT) {
		describe_object(record, caller_callobj(caller));
	} else if (caller->kernel_op) {
		record->flags = TRACE_KERNEL;
		record->op = caller->kernel_op;
		__builtin_memcpy(record->words, caller->kernel_words, sizeof(caller->kernel_words));
	} else {
		describe_thread(record, who);
	}
}

void trace_record_receive(struct caller *caller, const struct thread *server)
{
	struct trace_record *record = record_new(TRACE_RECEIVE, server, server->stamp);

	record->caller = caller->index;
	record->badge = caller->badge_number;
	record->in_length = caller->deliveries;
}

void trace_record_answer(struct caller *caller, const struct answer *answer)
{
	bool is_object = caller->kind == CALLER_OBJECT;
	struct thread *who = is_object ? NULL : caller_thread(caller);
	struct trace_record *record = record_new(TRACE_ANSWER, who, caller->stamp);
	uint64_t length = (long)answer->status > 0 ? answer->status : 0, room;

	record->caller = caller->index;
	record->op = answer->status;
	record->flags = is_object ? TRACE_OBJECT : caller->kernel_op ? TRACE_KERNEL : 0;
	__builtin_memcpy(record->words, answer->words,
			 8 * (answer->flags & IPC_EXTRA ? IPC_ALL_WORDS : IPC_WORDS));
	if (is_object || caller->kernel_op || caller->dead)
		return;
	room = who->frame.r13;
	text_of_user(record, who->space, who->frame.r12, length < room ? length : room);
}

/* --- kernel calls --------------------------------------------------------------------------- */

/* Of a system call; nothing while no trace is on. */
long sys_trace_mark(uint64_t address)
{
	struct thread *thread = current_thread();
	struct trace_record *record;
	struct trace_mark mark;

	if (!tracing)
		return 0;
	if (copy_from_user(thread->space, &mark, address, sizeof(mark), NULL))
		return -EFAULT;
	if (mark.kind != TRACE_ENTER && mark.kind != TRACE_LEAVE)
		return -EINVAL;
	record = record_new(mark.kind, thread, thread->stamp);
	record->caller = thread->caller.index;
	record->op = mark.number;
	__builtin_memcpy(record->words, mark.words, sizeof(mark.words));
	text_of_user(record, thread->space, mark.text, mark.text_length);
	for (unsigned i = 0; mark.text_length == UINT64_MAX && i < record->text_length; i++)
		if (!record->text[i])
			record->text_length = i;
	return 0;
}

long sys_trace_create(uint64_t root)
{
	struct trace *trace;
	int error;

	if (!cap_lookup((cap_t)root, CAPT_ROOT, CAP_CONTROL, &error))
		return -error;
	trace = kalloc(sizeof(*trace));
	if (!trace)
		return -ENOMEM;
	object_begin(&trace->object, CAPT_TRACE);
	return cap_install(&trace->object, CAP_ALL);
}

void trace_destroy(struct object *object)
{
	object_free(object);
}

static void ring_free(void)
{
	for (unsigned i = 0; i < PAGES && frames[i]; i++) {
		frame_put(frames[i]);
		frames[i] = 0;
	}
}

static long ring_make(void)
{
	for (unsigned i = 0; i < PAGES; i++) {
		frames[i] = frame_alloc();
		if (!frames[i]) {
			ring_free();
			return -ENOMEM;
		}
	}
	return 0;
}

static void switch_tracing(bool on)
{
	tracing = on;
	clock_set_tracing(on);
	arch_trace_changed();
}

long sys_trace_control(uint64_t handle, uint64_t on)
{
	int code;
	long error;

	if (!cap_lookup((cap_t)handle, CAPT_TRACE, CAP_CONTROL, &code))
		return -code;
	if (tracing == (on != 0))
		return 0;
	error = on ? ring_make() : 0;
	if (error)
		return error;
	switch_tracing(on != 0);
	first = next;
	if (!on)
		ring_free();
	return 0;
}

static long copy_records(struct thread *thread, struct trace_read *read)
{
	uint64_t count = next - read->position, wanted = read->length / sizeof(struct trace_record);

	if (count > wanted)
		count = wanted;
	if (count > READ_MAX)
		count = READ_MAX;
	for (uint64_t i = 0; i < count; i++)
		if (copy_to_user(thread->space, read->buffer + i * sizeof(struct trace_record),
				 record_at(read->position + i), sizeof(struct trace_record), NULL))
			return -EFAULT;
	read->position += count;
	return (long)(count * sizeof(struct trace_record));
}

long sys_trace_read(uint64_t handle, uint64_t address)
{
	struct thread *thread = current_thread();
	struct trace_read read;
	long length;
	int error;

	if (!cap_lookup((cap_t)handle, CAPT_TRACE, CAP_R, &error))
		return -error;
	if (copy_from_user(thread->space, &read, address, sizeof(read), NULL))
		return -EFAULT;
	if (read.position < first)
		read.position = first;
	if (read.position > next)
		read.position = next;
	length = copy_records(thread, &read);
	if (length >= 0 && copy_to_user(thread->space, address, &read, sizeof(read), NULL))
		return -EFAULT;
	return length;
}
