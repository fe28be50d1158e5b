/* SPDX-License-Identifier: MIT */
/* Dispatch of kernel calls, and the common way out of the kernel. */
#include "core/kcall.h"
#include "arch/arch.h"
#include "arch/x86_64/offsets.h"
#include "arch/x86_64/switch.h"
#include "core/account.h"
#include "core/cpu.h"
#include "core/dump.h"
#include "core/quota.h"
#include "core/table.h"
#include "core/thread.h"
#include "ipc/ipc.h"
#include "mm/mm.h"

#define VECTOR_INVALID_OPCODE 6
#define REAP_OBJECTS 64 /* at each way out */
#define REAP_PAGES 4096

void kernel_syscall_locked(struct thread *thread);

typedef long kcall_fn(uint64_t, uint64_t, uint64_t, uint64_t, uint64_t, uint64_t);

/* A function of fewer arguments finds them in the same registers (System V ABI, 3.2.3). */
static kcall_fn *const calls[KCALL_LIMIT - KCALL_FIRST] = {
#define K(number, name, args) [number - KCALL_FIRST] = (kcall_fn *)(void (*)(void))sys_##name,
#include <abi/kcall.def>
#undef K
};

/*
 * A dead thread stays the current one until here. Its space may be loaded still:
 * arch_space_leave sees to that.
 */
void kernel_deferred(struct cpu *cpu)
{
	bool more;

	if (cpu->current && cpu->current->state == THREAD_DEAD)
		cpu->current = NULL;
	threads_release();
	quota_reclaim_end();
	more = objects_reap(REAP_OBJECTS);
	more |= mm_reap(REAP_PAGES);
	work_deferred = more;
	if (dump_requested())
		dump_deferred();
}

struct thread *kernel_leave(void)
{
	struct cpu *cpu = this_cpu();
	struct thread *thread;

	for (;;) {
		if (work_deferred)
			kernel_deferred(cpu);
		thread = cpu->current;
		if (!thread || thread->state != THREAD_RUNNING || cpu->need_resched)
			thread = schedule();
		if (!thread->attention || thread_attend(thread))
			break;
	}
	account_leave(cpu, thread);
	switch_to(cpu, thread);
	kernel_unlock();
	return thread;
}

static long dispatch(struct thread *thread)
{
	struct frame *f = &thread->frame;
	uint32_t index = (uint16_t)f->rax - KCALL_FIRST;

	if (index >= KCALL_LIMIT - KCALL_FIRST) {
		f->rip -= SYSCALL_LENGTH;
		thread_fault(thread, VECTOR_INVALID_OPCODE, f->rip, 0);
		return KCALL_BLOCKED;
	}
	if (!calls[index])
		return -ENOSYS;
	return calls[index](f->rdi, f->rsi, f->rdx, f->r10, f->r8, f->r9);
}

/* What charging a quota and allocating answer; nothing has changed then. */
static bool is_shortage(long result)
{
	return result == -ENOMEM || result == -EAGAIN || result == -ENFILE;
}

/*
 * The thread is no longer ours to act for if another processor has killed, stopped or
 * interrupted it while we came here: then the call is made again, if ever.
 */
void kernel_syscall_locked(struct thread *thread)
{
	long result = KCALL_RESTART;
	struct thread *next;

	account_user(this_cpu());
	if (!thread->attention)
		result = dispatch(thread);
	if (__builtin_expect(reclaim_cut_short, 0) && quota_reclaim_end() && is_shortage(result))
		result = KCALL_RESTART;
	if (result == KCALL_RESTART)
		thread->frame.rip -= SYSCALL_LENGTH;
	else if (result != KCALL_BLOCKED && result != KCALL_FRAME_SET)
		thread->frame.rax = result;
	next = kernel_leave();
	if (result == KCALL_RESTART)
		kernel_lock_offer();
	arch_return_to_user(next);
}

void kernel_syscall(struct thread *thread)
{
	kernel_lock();
	kernel_syscall_locked(thread);
}

/* --- what offsets.h says ---------------------------------------------------------------- */

#define OFFSET(type, member, value) _Static_assert(offsetof(type, member) == (value), #member)
OFFSET(struct frame, r15, FRAME_R15);
OFFSET(struct frame, rbx, FRAME_RBX);
OFFSET(struct frame, r11, FRAME_R11);
OFFSET(struct frame, rax, FRAME_RAX);
OFFSET(struct frame, rdi, FRAME_RDI);
OFFSET(struct frame, vector, FRAME_VECTOR);
OFFSET(struct frame, rip, FRAME_RIP);
OFFSET(struct frame, rflags, FRAME_RFLAGS);
OFFSET(struct frame, rsp, FRAME_RSP);
_Static_assert(sizeof(struct frame) == FRAME_SIZE, "FRAME_SIZE");
_Static_assert(FRAME_SYSCALL == VECTOR_SYSCALL, "VECTOR_SYSCALL");
_Static_assert(KCALL_FIRST == SYSCALL_FIRST && KCALL_LIMIT == SYSCALL_LIMIT, "offsets.h");
_Static_assert(KCALL_call == SYSCALL_CALL && KCALL_reply_wait == SYSCALL_REPLY_WAIT, "offsets.h");
_Static_assert(IPC_EXTRA == FLAG_EXTRA && IPC_INTR == FLAG_INTR, "offsets.h");
OFFSET(struct caller, state, 0);
_Static_assert(CALLER_IN_SERVICE == CALLER_WORD_IN_SERVICE && CALLER_IDLE == 0 && CALLER_THREAD == 0,
	       "the first eight bytes of a caller");
OFFSET(struct thread, wait, THREAD_STATE + 1);
OFFSET(struct thread, no_fast_receive, THREAD_ATTENTION + 1);
_Static_assert((THREAD_RUNNING | WAIT_NONE << 8) == STATE_RUNNING, "state and wait");
_Static_assert((THREAD_CALLING | WAIT_CALL << 8) == STATE_CALLING, "state and wait");
_Static_assert((THREAD_WAITING | WAIT_RECEIVE << 8) == STATE_RECEIVING, "state and wait");
OFFSET(struct endpoint, refuse, EP_PENDING + 4);
OFFSET(struct endpoint, dead, EP_PENDING + 6);
_Static_assert(CHUNK_SHIFT == 6 && sizeof(struct chunk) == 16 && sizeof(struct cap) == 16, "table.h");
_Static_assert(offsetof(struct cap, object) == 0 && offsetof(struct chunk, caps) == 0, "table.h");
_Static_assert(CALLER_BITS == 20 && CALLER_CHUNK_BITS == 10, "callers");
_Static_assert(offsetof(struct caller_chunk, slot) == 0, "callers");
_Static_assert(CAP_PRIVATE == 1 << HANDLE_PRIVATE_BIT, "handles");
_Static_assert(CAPT_BADGE == TYPE_BADGE && CAPT_ENDPOINT == TYPE_ENDPOINT, "types");
OFFSET(struct object, type, 0);
OFFSET(struct object, refs, OBJECT_REFS);
OFFSET(struct list_node, next, 0);
OFFSET(struct ipc_page, extra, 0);
OFFSET(struct ipc_page, caps_count, PAGE_CAPS_COUNT);
#define O(name, type, member) OFFSET(type, member, name);
OFFSETS(O)
