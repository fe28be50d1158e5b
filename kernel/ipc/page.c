/* SPDX-License-Identifier: MIT */
/* Messages that the kernel sends on behalf of a thread: faults and missing pages. */
#include "arch/arch.h"
#include "ipc/ipc.h"

#define VECTOR_PAGE_FAULT 14
#define FAULT_CODE_WRITE 0x2u
#define FAULT_CODE_USER 0x4u
#define FAULT_CODE_EXECUTE 0x10u

static void kernel_call(struct thread *thread, struct endpoint *endpoint, struct badge *badge,
			uint64_t badge_number)
{
	struct caller *caller = &thread->caller;

	caller->flags = 0;
	caller->slow = true;
	caller->token = 0;
	caller->deliveries = 0;
	caller->badge = badge ? object_get(badge) : NULL;
	caller->badge_number = badge_number;
	endpoint_queue(endpoint, caller);
}

static bool reachable(const struct endpoint *endpoint)
{
	return endpoint && !endpoint->dead && !endpoint->refuse;
}

void thread_fault(struct thread *thread, uint64_t vector, uint64_t address, uint64_t error)
{
	struct badge *badge = thread->fault_badge;

	if (!badge || !reachable(badge->endpoint)) {
		kprintf("thread %lx stopped: exception %lu at %lx, address %lx, code %lx\n", thread->stamp,
			vector, thread->frame.rip, address, error);
		thread_block(thread, THREAD_STOPPED);
		return;
	}
	thread_block(thread, THREAD_FAULTED);
	thread->wait = WAIT_FAULT;
	thread->caller.kernel_op = IPC_KERNEL_FAULT;
	thread->caller.kernel_words[0] = vector;
	thread->caller.kernel_words[1] = address;
	thread->caller.kernel_words[2] = thread->frame.rip;
	thread->caller.kernel_words[3] = error;
	thread->caller.kernel_words[4] = thread->frame.rsp;
	kernel_call(thread, badge->endpoint, badge, badge->number);
}

static bool in_kernel_call(const struct thread *thread)
{
	return thread->frame.vector == FRAME_SYSCALL;
}

static void page_failed(struct thread *thread, long status)
{
	uint64_t code = FAULT_CODE_USER | (status == -ENOMEM ? IPC_FAULT_MEMORY : IPC_FAULT_BUS);

	if (in_kernel_call(thread)) {
		thread_wake(thread, -EFAULT);
		return;
	}
	if (thread->fault_write)
		code |= FAULT_CODE_WRITE;
	if (thread->fault_execute)
		code |= FAULT_CODE_EXECUTE;
	thread->wait = WAIT_NONE;
	thread_fault(thread, VECTOR_PAGE_FAULT, thread->fault_address, code);
}

void ipc_page_request(struct thread *thread, struct endpoint *pager, uint64_t badge, uint64_t page,
		      bool write)
{
	thread_block(thread, THREAD_FAULTED);
	thread->wait = WAIT_PAGE;
	if (!reachable(pager)) {
		page_failed(thread, -EIO);
		return;
	}
	thread->caller.kernel_op = IPC_KERNEL_PAGE;
	thread->caller.kernel_words[0] = page;
	thread->caller.kernel_words[1] = write;
	thread->caller.kernel_words[2] = 0;
	thread->caller.kernel_words[3] = 0;
	thread->caller.kernel_words[4] = 0;
	kernel_call(thread, pager, NULL, badge);
}

/* A page has come: the access is made again, or the kernel call that wanted it. */
static void page_answered(struct thread *thread, long status)
{
	if (status < 0) {
		page_failed(thread, status);
		return;
	}
	if (in_kernel_call(thread))
		thread->frame.rip -= SYSCALL_LENGTH;
	thread_switch(thread);
}

void kernel_message_answered(struct thread *thread, uint8_t op, long status)
{
	if (op == IPC_KERNEL_PAGE) {
		page_answered(thread, status);
	} else if (status == 0) {
		thread_switch(thread);
	} else {
		thread->wait = WAIT_NONE;
		thread->state = THREAD_STOPPED;
	}
}
