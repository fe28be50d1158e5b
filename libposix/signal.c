/* SPDX-License-Identifier: MIT */
/* Masks, which live in the thread's block, and the calls that ask PM about signals. */
#include "signal.h"

#include <proto/pm.h>

/* The mask is stored before the pending word is read on the way out: PM does the two in the
 * other order, so one of both sees the signal. */
static void set_mask(uint64_t mask)
{
	tb()->mask = mask & ~SIGNAL_UNBLOCKABLE;
	__atomic_thread_fence(__ATOMIC_SEQ_CST);
}

long lp_rt_sigprocmask(uint64_t how, uint64_t new, uint64_t old, uint64_t size)
{
	uint64_t before = tb()->mask, set;

	if (size != 8)
		return -EINVAL;
	if (new) {
		set = *(uint64_t *)new;
		if (how == SIG_BLOCK)
			set |= before;
		else if (how == SIG_UNBLOCK)
			set = before & ~set;
		else if (how != SIG_SETMASK)
			return -EINVAL;
		set_mask(set);
	}
	if (old)
		*(uint64_t *)old = before;
	return 0;
}

long lp_temporary_mask(const uint64_t *set, size_t size)
{
	struct thread_block *block = tb();
	uint64_t mask;

	if (!set)
		return 0;
	if (size != 8)
		return -EINVAL;
	mask = *set;
	if (!block->saved_mask_valid) {
		block->saved_mask = block->mask;
		block->saved_mask_valid = 1;
	}
	set_mask(mask);
	return lp_signal_pending() ? -EINTR : 0;
}

long lp_temporary_mask_end(long status)
{
	struct thread_block *block = tb();

	if (status != -EINTR && block->saved_mask_valid) {
		block->saved_mask_valid = 0;
		set_mask(block->saved_mask);
	}
	return status;
}

long lp_rt_sigsuspend(uint64_t set, uint64_t size)
{
	struct pm_sigsuspend_req request = { .tid = tb()->tid };
	struct pm_sigsuspend_reply reply;
	long status = set ? lp_temporary_mask((uint64_t *)set, size) : -EFAULT;

	if (!status) {
		request.mask = tb()->mask;
		status = pm_call_sigsuspend(PROC_SLOT_PM, NULL, &request, &reply);
	}
	return lp_temporary_mask_end(status);
}

long lp_pause(void)
{
	struct pm_sigsuspend_req request = { .mask = tb()->mask, .tid = tb()->tid };
	struct pm_sigsuspend_reply reply;

	return pm_call_sigsuspend(PROC_SLOT_PM, NULL, &request, &reply);
}

long lp_rt_sigpending(uint64_t set, uint64_t size)
{
	struct pm_sigpending_req request = { .tid = tb()->tid };
	struct pm_sigpending_reply reply;
	long status;

	if (size > 8)
		return -EINVAL;
	status = pm_call_sigpending(PROC_SLOT_PM, NULL, &request, &reply);
	if (status < 0)
		return status;
	reply.pending &= tb()->mask;
	memcpy((void *)set, &reply.pending, size);
	return 0;
}

/* ns from now, UINT64_MAX for ever; a call that is made again goes on with its first deadline. */
static long time_left(uint64_t timeout, uint64_t *left)
{
	uint64_t deadline, now;
	long ns;

	*left = UINT64_MAX;
	if (!timeout)
		return 0;
	ns = lp_timespec_ns((struct lp_timespec *)timeout);
	if (ns < 0)
		return ns;
	deadline = lp_deadline((uint64_t)ns);
	now = lp_monotonic();
	*left = deadline > now ? deadline - now : 0;
	return 0;
}

long lp_rt_sigtimedwait(uint64_t set, uint64_t info, uint64_t timeout, uint64_t size)
{
	struct pm_sigtimedwait_req request = { .tid = tb()->tid };
	struct pm_sigtimedwait_reply reply;
	struct signal_info got;
	struct call_options options = { .out = &got, .out_length = sizeof(got) };
	long status;

	if (size != 8)
		return -EINVAL;
	request.set = *(uint64_t *)set & ~SIGNAL_UNBLOCKABLE;
	status = time_left(timeout, &request.timeout);
	if (!status)
		status = pm_call_sigtimedwait(PROC_SLOT_PM, &options, &request, &reply);
	if (status > 0 && info) {
		memset((void *)info, 0, 128);
		memcpy((void *)info, &got, sizeof(got));
	}
	return lp_deadline_end(status);
}

/* --- sending ---------------------------------------------------------------------------------- */
static long send(int64_t pid, int64_t tid, uint64_t signal, const struct signal_info *info)
{
	struct pm_kill_req request = { .pid = pid, .tid = tid, .signal = signal, .caller = tb()->tid };
	struct pm_kill_reply reply;
	struct call_options options = { .in = info, .in_length = info ? sizeof(*info) : 0 };

	return pm_call_kill(PROC_SLOT_PM, &options, &request, &reply);
}

long lp_kill(uint64_t pid, uint64_t signal)
{
	return send((int32_t)pid, 0, (uint32_t)signal, NULL);
}

long lp_tkill(uint64_t tid, uint64_t signal)
{
	if ((int32_t)tid <= 0)
		return -EINVAL;
	return send(0, (int32_t)tid, (uint32_t)signal, NULL);
}

long lp_tgkill(uint64_t pid, uint64_t tid, uint64_t signal)
{
	if ((int32_t)pid <= 0 || (int32_t)tid <= 0)
		return -EINVAL;
	return send((int32_t)pid, (int32_t)tid, (uint32_t)signal, NULL);
}

/* The kernel's own codes (kill, tgkill, faults) are only for oneself. */
static long queue(int64_t pid, int64_t tid, uint64_t signal, const struct signal_info *from)
{
	struct signal_info info = *from;

	info.signo = (int32_t)signal;
	if ((info.code >= 0 || info.code == -6) && pid != tb()->pid)
		return -EPERM;
	return send(pid, tid, (uint32_t)signal, &info);
}

long lp_rt_sigqueueinfo(uint64_t pid, uint64_t signal, uint64_t info)
{
	if ((int32_t)pid <= 0)
		return -EINVAL;
	return queue((int32_t)pid, 0, signal, (struct signal_info *)info);
}

long lp_rt_tgsigqueueinfo(uint64_t pid, uint64_t tid, uint64_t signal, uint64_t info)
{
	if ((int32_t)pid <= 0 || (int32_t)tid <= 0)
		return -EINVAL;
	return queue((int32_t)pid, (int32_t)tid, signal, (struct signal_info *)info);
}

/* Calls are run again inside libposix: no program's frame ever names this one. */
long lp_restart_syscall(void)
{
	return -EINTR;
}
