/* SPDX-License-Identifier: MIT */
/* Threads' own calls: identity, robust lists, futexes, scheduling. */
#include "thread.h"

#include <proto/pm.h>

long lp_gettid(void)
{
	return tb()->tid;
}

long lp_set_tid_address(uint64_t address)
{
	tb()->clear_tid = address;
	return tb()->tid;
}

long lp_set_robust_list(uint64_t head, uint64_t size)
{
	if (size != 24)
		return -EINVAL;
	tb()->robust_list = head;
	return 0;
}

long lp_get_robust_list(uint64_t tid, uint64_t head, uint64_t size)
{
	if (tid && tid != tb()->tid)
		return -EPERM;
	*(uint64_t *)head = tb()->robust_list;
	*(uint64_t *)size = 24;
	return 0;
}

/* --- futex ----------------------------------------------------------------------------------- */
enum {
	FUTEX_WAIT,
	FUTEX_WAKE,
	FUTEX_FD,
	FUTEX_REQUEUE,
	FUTEX_CMP_REQUEUE,
	FUTEX_WAKE_OP,
	FUTEX_LOCK_PI,
	FUTEX_UNLOCK_PI,
	FUTEX_TRYLOCK_PI,
	FUTEX_WAIT_BITSET,
	FUTEX_WAKE_BITSET,
};
#define FUTEX_PRIVATE 128u
#define FUTEX_CLOCK_REALTIME 256u

/* Monotonic deadline of a wait, UINT64_MAX for ever. FUTEX_WAIT's is from now on. */
static long futex_deadline(uint32_t op, bool relative, uint64_t timeout, uint64_t *deadline)
{
	long ns;

	*deadline = UINT64_MAX;
	if (!timeout)
		return 0;
	ns = lp_timespec_ns((struct lp_timespec *)timeout);
	if (ns < 0)
		return ns;
	*deadline = (uint64_t)ns;
	if (relative)
		*deadline = lp_deadline((uint64_t)ns);
	else if (op & FUTEX_CLOCK_REALTIME) {
		uint64_t offset = lp_realtime() - lp_monotonic();

		*deadline = *deadline > offset ? *deadline - offset : 1;
	}
	return 0;
}

static long futex_wait(uint64_t addr, uint32_t op, uint32_t value, uint64_t timeout, bool relative)
{
	uint32_t shared = op & FUTEX_PRIVATE ? 0 : FUTEX_OP_SHARED;
	uint64_t deadline;
	long status = futex_deadline(op, relative, timeout, &deadline);

	if (!status && __atomic_load_n((uint32_t *)addr, __ATOMIC_SEQ_CST) != value)
		status = -EAGAIN;
	if (!status)
		status = lp_sleepy_raw(KCALL_futex, addr, FUTEX_OP_WAIT | shared, value, deadline, 0, 0);
	return lp_deadline_end(status);
}

static long futex_wake(uint64_t addr, uint32_t op, uint32_t count)
{
	return kcall(futex, addr, FUTEX_OP_WAKE | (op & FUTEX_PRIVATE ? 0 : FUTEX_OP_SHARED), count, 0, 0, 0);
}

static int32_t futex_apply(uint32_t operation, uint32_t *word, int32_t argument)
{
	switch (operation) {
	case 0: return (int32_t)__atomic_exchange_n(word, (uint32_t)argument, __ATOMIC_SEQ_CST);
	case 1: return (int32_t)__atomic_fetch_add(word, (uint32_t)argument, __ATOMIC_SEQ_CST);
	case 2: return (int32_t)__atomic_fetch_or(word, (uint32_t)argument, __ATOMIC_SEQ_CST);
	case 3: return (int32_t)__atomic_fetch_and(word, ~(uint32_t)argument, __ATOMIC_SEQ_CST);
	default: return (int32_t)__atomic_fetch_xor(word, (uint32_t)argument, __ATOMIC_SEQ_CST);
	}
}

static bool futex_compare(uint32_t comparison, int32_t old, int32_t argument)
{
	switch (comparison) {
	case 0: return old == argument;
	case 1: return old != argument;
	case 2: return old < argument;
	case 3: return old <= argument;
	case 4: return old > argument;
	default: return old >= argument;
	}
}

/* Changes a second word, wakes on the first, and on the second if its old value says so. */
static long futex_wake_op(uint64_t addr, uint32_t op, uint32_t wake, uint32_t wake2, uint64_t addr2,
			  uint32_t code)
{
	uint32_t operation = code >> 28 & 7, comparison = code >> 24 & 15;
	int32_t argument = (int32_t)(code << 8) >> 20, against = (int32_t)(code << 20) >> 20, old;
	long woken, more = 0;

	if (operation > 4 || comparison > 5)
		return -ENOSYS;
	if (code >> 31)
		argument = (int32_t)(1u << (argument & 31));
	old = futex_apply(operation, (uint32_t *)addr2, argument);
	woken = futex_wake(addr, op, wake);
	if (woken >= 0 && futex_compare(comparison, old, against))
		more = futex_wake(addr2, op, wake2);
	return woken < 0 || more < 0 ? woken : woken + more;
}

static long futex_requeue(uint64_t addr, uint32_t op, uint32_t wake, uint64_t move, uint64_t addr2,
			  uint64_t compare)
{
	uint32_t shared = op & FUTEX_PRIVATE ? 0 : FUTEX_OP_SHARED;

	return kcall(futex, addr, FUTEX_OP_REQUEUE | shared, wake, compare, addr2, move);
}

long lp_futex(uint64_t addr, uint64_t op, uint64_t value, uint64_t timeout, uint64_t addr2, uint64_t value3)
{
	uint32_t operation = (uint32_t)op & 127;

	if (addr & 3)
		return -EINVAL;
	switch (operation) {
	case FUTEX_WAIT: return futex_wait(addr, (uint32_t)op, (uint32_t)value, timeout, true);
	case FUTEX_WAIT_BITSET:
		/* Bit sets choose among waiters; nobody but glibc's old locks asks for less than all. */
		return (uint32_t)value3 ? futex_wait(addr, (uint32_t)op, (uint32_t)value, timeout, false)
					: -EINVAL;
	case FUTEX_WAKE: return futex_wake(addr, (uint32_t)op, (uint32_t)value);
	case FUTEX_WAKE_BITSET:
		return (uint32_t)value3 ? futex_wake(addr, (uint32_t)op, (uint32_t)value) : -EINVAL;
	case FUTEX_REQUEUE: return futex_requeue(addr, (uint32_t)op, (uint32_t)value, timeout, addr2, 0);
	case FUTEX_CMP_REQUEUE:
		return futex_requeue(addr, (uint32_t)op, (uint32_t)value, timeout, addr2,
				     (uint32_t)value3 | 1ull << 32);
	case FUTEX_WAKE_OP:
		return futex_wake_op(addr, (uint32_t)op, (uint32_t)value, (uint32_t)timeout, addr2,
				     (uint32_t)value3);
	}
	return -ENOSYS;
}

/* --- scheduling: one class, priorities are the kernel's ------------------------------------------ */
#define SCHED_OTHER 0
#define SCHED_IDLE 5

long lp_sched_yield(void)
{
	kcall(yield);
	return 0;
}

static bool policy_known(uint64_t policy)
{
	return policy <= SCHED_IDLE && policy != 4;
}

static bool policy_realtime(uint64_t policy)
{
	return policy == 1 || policy == 2;
}

long lp_sched_get_priority_max(uint64_t policy)
{
	return policy_known(policy) ? policy_realtime(policy) ? 99 : 0 : -EINVAL;
}

long lp_sched_get_priority_min(uint64_t policy)
{
	return policy_known(policy) ? policy_realtime(policy) : -EINVAL;
}

/* ESRCH if there is no such thread. */
static long thread_known(uint64_t tid)
{
	struct pm_kill_req request = { .tid = (int32_t)tid };
	struct pm_kill_reply reply;
	long status;

	if ((int32_t)tid < 0)
		return -EINVAL;
	if (!tid || tid == tb()->tid)
		return 0;
	status = pm_call_kill(PROC_SLOT_PM, NULL, &request, &reply);
	return status == -EPERM ? 0 : status;
}

long lp_sched_getscheduler(uint64_t tid)
{
	long error = thread_known(tid);

	return error ? error : SCHED_OTHER;
}

long lp_sched_setscheduler(uint64_t tid, uint64_t policy, uint64_t parameter)
{
	int32_t priority = *(int32_t *)parameter;

	policy &= ~0x40000000ull; /* SCHED_RESET_ON_FORK */
	if (!policy_known(policy) || priority < 0 || (policy_realtime(policy) != (priority > 0)))
		return -EINVAL;
	return policy_realtime(policy) ? -EPERM : thread_known(tid);
}

long lp_sched_getparam(uint64_t tid, uint64_t parameter)
{
	long error = thread_known(tid);

	if (!error)
		*(int32_t *)parameter = 0;
	return error;
}

long lp_sched_setparam(uint64_t tid, uint64_t parameter)
{
	return *(int32_t *)parameter ? -EINVAL : thread_known(tid);
}

long lp_sched_rr_get_interval(uint64_t tid, uint64_t interval)
{
	long error = thread_known(tid);

	if (!error)
		*(struct lp_timespec *)interval = (struct lp_timespec){ 0, 10000000 };
	return error;
}

static long affinity(uint64_t tid, uint64_t set, uint64_t *mask)
{
	struct pm_affinity_req request = { .set = set, .of = tid, .mask = *mask, .tid = tb()->tid };
	struct pm_affinity_reply reply;
	long error = pm_call_affinity(PROC_SLOT_PM, NULL, &request, &reply);

	if (!error)
		*mask = reply.mask;
	return error;
}

long lp_sched_getaffinity(uint64_t tid, uint64_t size, uint64_t mask)
{
	uint64_t allowed = 0;
	long error;

	if (size < 8 || size & 7)
		return -EINVAL;
	error = affinity(tid, 0, &allowed);
	if (error)
		return error;
	*(uint64_t *)mask = allowed;
	return 8;
}

long lp_sched_setaffinity(uint64_t tid, uint64_t size, uint64_t mask)
{
	uint64_t wanted = 0;

	memcpy(&wanted, (void *)mask, size < 8 ? size : 8);
	return affinity(tid, 1, &wanted);
}

long lp_getcpu(uint64_t cpu, uint64_t node, uint64_t cache)
{
	struct thread_info info = {};

	(void)cache;
	kcall(thread_info, CAP_SELF_THREAD, &info);
	if (cpu)
		*(uint32_t *)cpu = (uint32_t)info.processor;
	if (node)
		*(uint32_t *)node = 0;
	return 0;
}

/* Every entry into the kernel is a barrier; the others' are what x86 cannot be without. */
long lp_membarrier(uint64_t command, uint64_t flags, uint64_t cpu)
{
	(void)cpu;
	if (flags)
		return -EINVAL;
	return command == 0 ? 0 : -EINVAL;
}
