/* SPDX-License-Identifier: MIT */
/*
 * The buffers of a call in service: copies between the caller's memory and the server's,
 * one copy, bounds checked against what the caller offered. A long copy is made in steps.
 */
#include "core/kcall.h"
#include "ipc/ipc.h"
#include "mm/mm.h"

#define STEP_BYTES (128ul << 10) /* copied before others may run */

/* One buffer of a caller: user memory of `space`, or a range of `memory`. */
struct buffer {
	struct caller *caller;
	struct space *space;
	struct memory *memory;
	uint64_t start; /* address, or offset in the object */
	uint64_t length;
};

static long buffer_find(uint64_t handle, uint64_t token, bool out, struct buffer *buffer)
{
	int error;
	struct endpoint *endpoint = (struct endpoint *)cap_lookup(handle, CAPT_ENDPOINT, 0, &error);
	struct caller *caller;

	if (!endpoint)
		return -error;
	caller = caller_find(endpoint, token);
	if (!caller || caller->dead)
		return -ESRCH;
	*buffer = (struct buffer){ .caller = caller };
	if (caller->kind == CALLER_OBJECT) {
		struct callobj *call = caller_callobj(caller);
		struct call_range *range = out ? &call->out : &call->in;

		buffer->memory = range->memory;
		buffer->start = range->offset;
		buffer->length = range->memory ? range->length : 0;
	} else if (!caller->kernel_op) {
		struct thread *thread = caller_thread(caller);

		buffer->space = thread->space;
		buffer->start = out ? thread->frame.r12 : thread->frame.rbx;
		buffer->length = out ? thread->frame.r13 : thread->frame.rbp;
	}
	return 0;
}

static bool within(uint64_t offset, uint64_t length, uint64_t limit)
{
	return offset <= limit && length <= limit - offset;
}

/* The caller's side is missing a page: it learns which. */
static long client_fault(struct buffer *buffer, uint64_t address)
{
	struct ipc_page *page = caller_thread(buffer->caller)->message_page;

	if (page)
		page->fault_addr = address;
	return -EFAULT;
}

/* Between a buffer and the server's own memory. */
static long copy_own(struct buffer *buffer, uint64_t offset, uint64_t own, uint64_t length, bool out)
{
	struct space *space = current_thread()->space;
	uint64_t start = buffer->start + offset, fault = 0;
	bool to_side = false;
	long done;

	if (buffer->memory)
		return copy_buffer_user(buffer->memory, start, space, own, length, !out, &fault);
	if (out)
		done = copy_user_user(buffer->space, start, space, own, length, &to_side, &fault);
	else
		done = copy_user_user(space, own, buffer->space, start, length, &to_side, &fault);
	return done < 0 && to_side == out ? client_fault(buffer, fault) : done;
}

/* Between a buffer and a memory object of the server. */
static long copy_object(struct buffer *buffer, uint64_t offset, struct memory *memory, uint64_t memory_offset,
			uint64_t length, bool out)
{
	uint64_t start = buffer->start + offset, fault = 0;
	long done;

	if (buffer->memory)
		return copy_buffer_memory(buffer->memory, start, memory, memory_offset, length, !out);
	done = copy_memory_user(memory, memory_offset, buffer->space, start, length, out, &fault);
	return done == -EFAULT ? client_fault(buffer, fault) : done;
}

/* One step of a copy of `length` bytes has done `done`; `copied` counts the steps before. */
static long copy_ended(struct thread *thread, long done, uint64_t step, uint64_t length)
{
	uint64_t total;

	if (done >= 0 && (uint64_t)done == step && thread->copied + step < length) {
		thread->copied += step;
		return KCALL_RESTART;
	}
	total = thread->copied;
	thread->copied = 0;
	return done < 0 ? done : (long)(total + done);
}

static uint64_t step_of(struct thread *thread, uint64_t length)
{
	if (thread->copied >= length)
		thread->copied = 0; /* left over by a call that was not made again */
	length -= thread->copied;
	return length < STEP_BYTES ? length : STEP_BYTES;
}

static long buf_copy(uint64_t handle, uint64_t token, uint64_t offset, uint64_t own, uint64_t length,
		     bool out)
{
	struct thread *thread = current_thread();
	struct buffer buffer;
	uint64_t step;
	long result = buffer_find(handle, token, out, &buffer);

	if (result)
		return result;
	if (!within(offset, length, buffer.length))
		return -EINVAL;
	step = step_of(thread, length);
	result = copy_own(&buffer, offset + thread->copied, own + thread->copied, step, out);
	return copy_ended(thread, result, step, length);
}

/* A call that fails when it is made again (its caller has died) must not leave the next copy a start. */
static long copy_left(long result)
{
	if (result != KCALL_RESTART)
		current_thread()->copied = 0;
	return result;
}

long sys_buf_read(uint64_t handle, uint64_t token, uint64_t offset, uint64_t to, uint64_t length)
{
	return copy_left(buf_copy(handle, token, offset, to, length, false));
}

long sys_buf_write(uint64_t handle, uint64_t token, uint64_t offset, uint64_t from, uint64_t length)
{
	return copy_left(buf_copy(handle, token, offset, from, length, true));
}

static long buf_copy_object(uint64_t address, bool out)
{
	struct thread *thread = current_thread();
	struct buffer buffer;
	struct buf_mo args;
	struct memory *memory;
	uint64_t step;
	int error;
	long result = copy_from_user(thread->space, &args, address, sizeof(args), NULL);

	if (result)
		return result;
	memory = (struct memory *)cap_lookup(args.memory, CAPT_MEMORY, out ? CAP_R : CAP_W, &error);
	if (!memory)
		return -error;
	result = buffer_find(args.endpoint, args.token, out, &buffer);
	if (result)
		return result;
	if (!within(args.buffer_offset, args.length, buffer.length))
		return -EINVAL;
	step = step_of(thread, args.length);
	result = copy_object(&buffer, args.buffer_offset + thread->copied, memory,
			     args.memory_offset + thread->copied, step, out);
	return copy_ended(thread, result, step, args.length);
}

long sys_buf_read_mo(uint64_t address)
{
	return copy_left(buf_copy_object(address, false));
}

long sys_buf_write_mo(uint64_t address)
{
	return copy_left(buf_copy_object(address, true));
}

static uint64_t range_pages(const struct call_range *range)
{
	uint64_t end;

	if (!range->memory || !range->length)
		return 0;
	end = range->offset + range->length - 1;
	return (end >> ANOLE_PAGE_SHIFT) - (range->offset >> ANOLE_PAGE_SHIFT) + 1;
}

/* A word for each page of both buffers; what a kalloc can hold. */
static long pins_ready(struct callobj *call)
{
	uint64_t pages = range_pages(&call->in) + range_pages(&call->out);

	if (call->pins)
		return 0;
	if (pages > 8192)
		return -EINVAL;
	call->pins = kalloc(pages * sizeof(call->pins[0]));
	if (!call->pins)
		return -ENOMEM;
	call->pin_count = pages;
	return 0;
}

/* The frame of a page of the buffer, pinned until the call is answered; 0 and *error. */
static uint64_t pin_page(struct callobj *call, struct call_range *range, uint64_t page, int *error)
{
	uint64_t index = page - (range->offset >> ANOLE_PAGE_SHIFT);
	uint64_t *pin = &call->pins[index + (range == &call->out ? range_pages(&call->in) : 0)];

	if (!*pin)
		*pin = memory_pin(range->memory, page << ANOLE_PAGE_SHIFT, range->write, error);
	return *pin;
}

/* The next physically contiguous run from *position on; 0 length at an absent page. */
static struct phys_range next_run(struct callobj *call, struct call_range *range, uint64_t *position,
				  uint64_t end, int *error)
{
	struct phys_range run = { 0, 0 };

	while (*position < end) {
		uint64_t in_page = *position & (ANOLE_PAGE_SIZE - 1);
		uint64_t frame = pin_page(call, range, *position >> ANOLE_PAGE_SHIFT, error);
		uint64_t bytes = ANOLE_PAGE_SIZE - in_page;

		if (!frame || (run.length && frame + in_page != run.address + run.length))
			break;
		if (bytes > end - *position)
			bytes = end - *position;
		if (!run.length)
			run.address = frame + in_page;
		run.length += bytes;
		*position += bytes;
	}
	return run;
}

static long phys_ranges(struct callobj *call, struct call_range *range, uint64_t offset, uint64_t out,
			uint64_t count)
{
	uint64_t position = range->offset + offset, end = range->offset + range->length;
	struct space *space = current_thread()->space;
	uint64_t done = 0;
	int error = 0;

	for (; done < count && position < end; done++) {
		struct phys_range run = next_run(call, range, &position, end, &error);
		long result;

		if (!run.length)
			return done ? (long)done : -error;
		result = copy_to_user(space, out + done * sizeof(run), &run, sizeof(run), NULL);
		if (result)
			return result;
	}
	return done;
}

long sys_buf_phys(uint64_t handle, uint64_t token, uint64_t which, uint64_t offset, uint64_t out,
		  uint64_t count)
{
	struct buffer buffer;
	struct callobj *call;
	long result = buffer_find(handle, token, which, &buffer);

	if (result)
		return result;
	if (!buffer.caller->endpoint->dma)
		return -EPERM;
	if (!buffer.memory || which > 1 || offset > buffer.length || count > 512)
		return -EINVAL;
	call = caller_callobj(buffer.caller);
	result = pins_ready(call);
	return result ? result : phys_ranges(call, which ? &call->out : &call->in, offset, out, count);
}
