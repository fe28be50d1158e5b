/* SPDX-License-Identifier: MIT */
/* What the families of calls share: messages that do not fit registers, strings, time, errors. */
#include "libposix.h"
#include "frame.h"

#include <proto/pm.h>

#define OFFSET(member) offsetof(struct lp_frame, member) + TB_LIBPOSIX
_Static_assert(TIME_PAGE + offsetof(struct time_page, tracing) == TIME_PAGE_TRACING, "frame.h");
_Static_assert(OFFSET(rdi) == FRAME_RDI && OFFSET(r9) == FRAME_R9, "frame.h");
_Static_assert(OFFSET(number) == FRAME_NUMBER && OFFSET(r15) == FRAME_R15, "frame.h");
_Static_assert(offsetof(struct lp_thread, full) + TB_LIBPOSIX == FRAME_FULL, "frame.h");
_Static_assert(offsetof(struct lp_thread, window) + TB_LIBPOSIX == FRAME_WINDOW, "frame.h");
_Static_assert(offsetof(struct thread_block, libposix) == TB_LIBPOSIX, "frame.h");
_Static_assert(offsetof(struct thread_block, pending) == TB_PENDING, "frame.h");
_Static_assert(offsetof(struct thread_block, mask) == TB_MASK, "frame.h");
_Static_assert(THREAD_PAGE_UPCALL - THREAD_BLOCK_OFFSET == (uint64_t)TB_UPCALL, "frame.h");
_Static_assert(offsetof(struct thread_regs, r8) == REGS_R8, "frame.h");
_Static_assert(offsetof(struct thread_regs, rip) == REGS_RIP, "frame.h");
_Static_assert(sizeof(struct ipc_page) <= THREAD_PAGE_UPCALL, "the upcall area is behind the kernel's part");

/* --- messages ------------------------------------------------------------------------------- */
static void load_caps(struct ipc_page *page, const struct call_options *options, uint32_t op_flags)
{
	page->caps_count = options ? options->caps_count : 0;
	for (unsigned i = 0; i < page->caps_count; i++)
		page->caps[i] = (struct ipc_cap){ .slot = options->caps[i], .rights = CAP_ALL };
	page->recv_count = OP_RCAPS_OF(op_flags);
	page->recv_min = options ? (cap_t)options->recv_min : 0;
}

static uint32_t general_flags(const struct call_options *options, uint32_t op_flags)
{
	uint32_t flags = IPC_EXTRA;

	if (op_flags & OP_INTR)
		flags |= IPC_INTR;
	if (OP_RCAPS_OF(op_flags))
		flags |= IPC_RECV_CAPS;
	return options ? flags | options->flags : flags;
}

/* The words of a request: five in registers, the rest in the message page. */
static void load_words(struct lp_call *call, struct ipc_page *page, const uint64_t *from, size_t count)
{
	for (unsigned i = 0; i < IPC_ALL_WORDS; i++) {
		uint64_t word = i < count ? from[i] : 0;

		if (i < IPC_WORDS)
			call->w[i] = word;
		else
			page->extra[i - IPC_WORDS] = word;
	}
}

static void store_words(const struct lp_call *call, const struct ipc_page *page, uint64_t *to, size_t count)
{
	for (unsigned i = 0; i < count; i++)
		to[i] = i < IPC_WORDS ? call->w[i] : page->extra[i - IPC_WORDS];
}

static void load_buffers(struct lp_call *call, const struct call_options *options)
{
	call->in = options ? (uint64_t)options->in : 0;
	call->in_length = options ? options->in_length : 0;
	call->out = options ? (uint64_t)options->out : 0;
	call->out_length = options ? options->out_length : 0;
}

/*
 * A copy met an absent page of ours and nothing was consumed: bring it in and call again. If there is no memory for it,
 * it is touched, as if there had been no copy: then PM ends somebody, perhaps us.
 */
static bool brought_in(struct ipc_page *page, const struct lp_call *call)
{
	uint64_t addr = page->fault_addr;
	bool write = addr - call->out < call->out_length;
	long status;

	page->fault_addr = 0;
	if (!addr)
		return false;
	status = kcall(vm_fault_in, addr, write);
	if (status == -ENOMEM && write)
		lp_writable((void *)addr, 1);
	else if (status == -ENOMEM)
		(void)*(volatile char *)addr;
	return status >= 0 || status == -ENOMEM;
}

long call_general(cap_t to, uint64_t op, uint32_t op_flags, const struct call_options *options,
		  const void *request, size_t request_size, void *reply, size_t reply_size)
{
	struct ipc_page *page = ipc_page();
	struct lp_call call;
	long status;

	do {
		page->fault_addr = 0;
		load_words(&call, page, request, request_size / 8);
		load_caps(page, options, op_flags);
		load_buffers(&call, options);
		call.op = op;
		status = ipc_register_call(to, general_flags(options, op_flags), &call);
	} while (status == -EFAULT && brought_in(page, &call));
	if (status >= 0)
		store_words(&call, page, reply, reply_size / 8);
	return status;
}

/* --- the program's memory ---------------------------------------------------------------------- */
void lp_writable(void *address, size_t length)
{
	volatile char *byte = address;

	if (!length)
		return;
	for (size_t at = 0; at < length; at += ANOLE_PAGE_SIZE)
		__asm__ volatile("lock; orb $0, %0" : "+m"(byte[at]));
	__asm__ volatile("lock; orb $0, %0" : "+m"(byte[length - 1]));
}

long lp_path_length(const char *path, bool may_be_empty)
{
	size_t length = strnlen(path, 4096);

	if (!length && !may_be_empty)
		return -ENOENT;
	return length < 4096 ? (long)length : -ENAMETOOLONG;
}

/* lp_fault in entry.S: what the call answers. */
long lp_faulted(void)
{
	struct lp_thread *self = lp_thread();
	struct pm_exit_req request = { .status = 11 };
	struct pm_exit_reply reply;

	self->full = 0;
	self->deadline = 0;
	/* The stack has no room for a signal's frame: nothing can be told to the program. */
	if (self->delivering)
		pm_call_exit(PROC_SLOT_PM, NULL, &request, &reply);
	if (((volatile struct time_page *)TIME_PAGE)->tracing)
		lp_trace_leave(-EFAULT);
	return lp_temporary_mask_end(-EFAULT);
}

void lp_raise(int signal)
{
	struct pm_kill_req request = {
		.pid = tb()->pid,
		.tid = tb()->tid,
		.signal = (uint64_t)signal,
		.caller = tb()->tid,
	};
	struct pm_kill_reply reply;

	pm_call_kill(PROC_SLOT_PM, NULL, &request, &reply);
}

/* --- time ------------------------------------------------------------------------------------------ */
uint64_t lp_deadline(uint64_t timeout)
{
	struct lp_thread *self = lp_thread();

	if (!self->deadline) {
		uint64_t now = lp_monotonic();

		self->deadline = timeout < UINT64_MAX - now ? now + timeout : UINT64_MAX;
	}
	return self->deadline;
}

long lp_deadline_end(long status)
{
	if (status != -EINTR)
		lp_thread()->deadline = 0;
	return status;
}

long lp_timespec_ns(const struct lp_timespec *time)
{
	int64_t seconds = time->seconds, nanoseconds = time->nanoseconds;

	if (seconds < 0 || (uint64_t)nanoseconds >= 1000000000)
		return -EINVAL;
	if (seconds > 9000000000)
		return INT64_MAX;
	return seconds * 1000000000 + nanoseconds;
}

/* --- locks --------------------------------------------------------------------------------------------- */
/* 0 free, 1 held, 2 held and waited for. */
void lp_lock(uint32_t *lock)
{
	uint32_t free = 0;

	if (__atomic_compare_exchange_n(lock, &free, 1, false, __ATOMIC_ACQUIRE, __ATOMIC_RELAXED))
		return;
	while (__atomic_exchange_n(lock, 2, __ATOMIC_ACQUIRE))
		kcall(futex, lock, FUTEX_OP_WAIT, 2, UINT64_MAX, 0, 0);
}

void lp_unlock(uint32_t *lock)
{
	if (__atomic_exchange_n(lock, 0, __ATOMIC_RELEASE) == 2)
		kcall(futex, lock, FUTEX_OP_WAKE, 1, 0, 0, 0);
}

/* --- errors ------------------------------------------------------------------------------------------------ */
long lp_unknown(uint64_t number)
{
	uint64_t bit = 1ull << (number & 63), *word = &this_process()->unknown_traced[number >> 6 & 7];

	if (!(__atomic_fetch_or(word, bit, __ATOMIC_RELAXED) & bit)) {
		struct pm_trace_unknown_req request = { .number = number };
		struct pm_trace_unknown_reply reply;

		pm_call_trace_unknown(PROC_SLOT_PM, NULL, &request, &reply);
	}
	return -ENOSYS;
}

long lp_unknown_numbered(void)
{
	return lp_unknown(lp_thread()->frame.number);
}
long lp_answer_enosys(void)
{
	return -ENOSYS;
}
long lp_answer_eperm(void)
{
	return -EPERM;
}
long lp_answer_einval(void)
{
	return -EINVAL;
}
long lp_answer_eopnotsupp(void)
{
	return -EOPNOTSUPP;
}
long lp_answer_eafnosupport(void)
{
	return -EAFNOSUPPORT;
}
