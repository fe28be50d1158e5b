/* SPDX-License-Identifier: MIT */
/* Signals: messages, and the kernel's about faults. */
#include "calls.h"
#include "image.h"

#include <util/string.h>

static PRESERVED struct waitq suspended;

static struct thread *calling_thread(const struct request *rq, uint64_t tid)
{
	struct process *process = caller_of(rq);

	return process ? process_thread(process, (int32_t)tid) : NULL;
}

static struct signal_info sender_info(const struct process *from, int signal, int code)
{
	const struct process_entry *entry = process_entry(from);

	return (struct signal_info){ .signo = signal,
				     .code = code,
				     .sender = { .pid = entry->pid, .uid = entry->uid } };
}

long do_kill(struct request *rq, const struct pm_kill_req *in, struct pm_kill_reply *out)
{
	struct process *process = caller_of(rq);
	struct signal_info info;
	long status;

	(void)out;
	if (!process || in->signal > SIGNAL_COUNT)
		return -EINVAL;
	info = sender_info(process, (int)in->signal, in->tid ? SI_TKILL : SI_USER);
	if (rq->in_length) {
		if (rq->in_length != sizeof(info))
			return -EINVAL;
		status = request_read(rq, 0, &info, sizeof(info));
		if (status < 0)
			return status;
		info.signo = (int32_t)in->signal;
		if (info.code >= 0 && in->pid != process_pid(process))
			return -EPERM;
	}
	signal_calling(process_thread(process, (int32_t)in->caller), &rq->progress[0]);
	status = signal_kill(process, (int32_t)in->pid, (int32_t)in->tid, &info);
	signal_calling(NULL, NULL);
	return status;
}

long do_sigaction(struct request *rq, const struct pm_sigaction_req *in, struct pm_sigaction_reply *out)
{
	struct process *process = caller_of(rq);

	(void)out;
	if (!process || in->signal > SIGNAL_COUNT)
		return -EINVAL;
	return signal_set_action(process, (int)in->signal, in->handler, in->flags);
}

long do_take_signal(struct request *rq, const struct pm_take_signal_req *in, struct pm_take_signal_reply *out)
{
	struct thread *thread = calling_thread(rq, in->tid);
	struct signal_info info;
	int signal;

	if (!thread)
		return -ESRCH;
	signal = signal_take(thread, in->mask, &info);
	if (signal <= 0)
		return 0;
	*out = (struct pm_take_signal_reply){ (uint64_t)info.code, info.words[0], info.words[1],
					      info.words[2], info.words[3] };
	return signal;
}

long do_sigpending(struct request *rq, const struct pm_sigpending_req *in, struct pm_sigpending_reply *out)
{
	struct thread *thread = calling_thread(rq, in->tid);

	if (!thread)
		return -ESRCH;
	out->pending = thread->signals.pending | thread->process->signals.pending;
	return 0;
}

/* Ends by cancellation only. A signal that came just before is still pending. */
long do_sigsuspend(struct request *rq, const struct pm_sigsuspend_req *in, struct pm_sigsuspend_reply *out)
{
	struct thread *thread = calling_thread(rq, in->tid);

	(void)out;
	if (!thread || rq->cancelled)
		return -EINTR;
	if ((thread->signals.pending | thread->process->signals.pending) & ~in->mask)
		return -EINTR;
	return request_park(rq, &suspended);
}

/* --- sigtimedwait -------------------------------------------------------------------------------- */
static void wait_over(struct timer *timer)
{
	struct thread *thread = (struct thread *)((char *)timer - offsetof(struct thread, timer));

	if (!thread->waiting)
		return;
	thread->waiting->progress[0] = 2;
	request_wake(thread->waiting);
}

static void end_wait(struct thread *thread)
{
	machine_timer(&thread->timer, 0, NULL);
	thread->waiting = NULL;
	thread->wait_set = 0;
}

void sigtimedwait_cancelled(struct request *rq)
{
	const struct pm_sigtimedwait_req *in = request_words(rq);
	struct thread *thread = calling_thread(rq, in->tid);

	if (thread && thread->waiting == rq)
		end_wait(thread);
}

static long begin_wait(struct request *rq, const struct pm_sigtimedwait_req *in, struct thread *thread)
{
	thread->waiting = rq;
	thread->wait_set = in->set;
	rq->progress[0] = 1;
	if (!rq->progress[1] && in->timeout < UINT64_MAX / 2)
		rq->progress[1] = machine_now() + in->timeout;
	if (rq->progress[1])
		machine_timer(&thread->timer, rq->progress[1], wait_over);
	return request_park(rq, &suspended);
}

/* progress: 0: 1 waiting, 2 the time is over; 1: the deadline */
long do_sigtimedwait(struct request *rq, const struct pm_sigtimedwait_req *in,
		     struct pm_sigtimedwait_reply *out)
{
	struct thread *thread = calling_thread(rq, in->tid);
	struct signal_info info;
	int signal;

	(void)out;
	if (!thread)
		return -EINTR;
	signal = signal_accept(thread, in->set, &info);
	if (!signal && !rq->cancelled && rq->progress[0] != 2 && in->timeout)
		return begin_wait(rq, in, thread);
	if (thread->waiting == rq)
		end_wait(thread);
	if (!signal)
		return rq->cancelled ? -EINTR : -EAGAIN;
	if (rq->out_length >= sizeof(info))
		request_write(rq, 0, &info, sizeof(info));
	return signal;
}

/* --- terminals ----------------------------------------------------------------------------------------- */
long do_signal_group(struct request *rq, const struct pm_signal_group_req *in,
		     struct pm_signal_group_reply *out)
{
	struct signal_info info = { .signo = (int32_t)in->signal, .code = SI_KERNEL };
	uint64_t generated = SIGNAL_BIT(SIGTTIN) | SIGNAL_BIT(SIGTTOU) | SIGNAL_BIT(SIGTSTP);
	long status;

	(void)out;
	if (!stamp_is_service(rq->stamp))
		return -EPERM;
	if (in->signal < 1 || in->signal > SIGNAL_COUNT || in->pgid <= 0)
		return -EINVAL;
	if (SIGNAL_BIT(in->signal) & generated && job_group_orphaned((int32_t)in->pgid))
		return -EIO;
	signal_calling(NULL, &rq->progress[0]);
	status = signal_group(NULL, (int32_t)in->pgid, &info);
	signal_calling(NULL, NULL);
	return status;
}

/* The leader's session shares its terminal. */
long do_set_tty(struct request *rq, const struct pm_set_tty_req *in, struct pm_set_tty_reply *out)
{
	struct process *process = process_by_stamp(in->stamp);
	int32_t session;

	(void)out;
	if (!stamp_is_service(rq->stamp))
		return -EPERM;
	if (!process)
		return -ESRCH;
	session = process_entry(process)->sid;
	for (uint32_t place = 0; place < process_places(); place++)
		if (process_at(place) && proctab->entry[place].sid == session)
			proctab->entry[place].tty = (uint32_t)in->device;
	return 0;
}

long do_signal_stamp(struct request *rq, const struct pm_signal_stamp_req *in,
		     struct pm_signal_stamp_reply *out)
{
	struct process *process = process_by_stamp(in->stamp);

	(void)out;
	if (!stamp_is_service(rq->stamp))
		return -EPERM;
	if (in->signal < 1 || in->signal > SIGNAL_COUNT)
		return -EINVAL;
	if (!process)
		return -ESRCH;
	signal_simple(process, (int)in->signal);
	return 0;
}

/* --- faults ------------------------------------------------------------------------------------------------ */
enum {
	VECTOR_DIVIDE,
	VECTOR_DEBUG,
	VECTOR_BREAKPOINT = 3,
	VECTOR_OPCODE = 6,
	VECTOR_PROTECTION = 13,
	VECTOR_PAGE = 14,
	VECTOR_X87 = 16,
	VECTOR_ALIGNMENT,
	VECTOR_SIMD = 19
};
#define PAGE_PRESENT 1u

struct fault {
	uint64_t vector, address, rip, error;
};

static struct signal_info fault_info(const struct fault *fault)
{
	struct signal_info info = { .signo = SIGSEGV, .code = SI_KERNEL, .fault = { fault->rip } };

	switch (fault->vector) {
	case VECTOR_DIVIDE: info.signo = SIGFPE, info.code = FPE_INTDIV; break;
	case VECTOR_X87:
	case VECTOR_SIMD: info.signo = SIGFPE, info.code = FPE_FLTINV; break;
	case VECTOR_DEBUG: info.signo = SIGTRAP, info.code = TRAP_TRACE; break;
	case VECTOR_BREAKPOINT: info.signo = SIGTRAP; break;
	case VECTOR_OPCODE: info.signo = SIGILL, info.code = ILL_ILLOPN; break;
	case VECTOR_ALIGNMENT: info.signo = SIGBUS, info.code = BUS_ADRALN; break;
	case VECTOR_PAGE:
		info.fault.address = fault->address;
		info.code = fault->error & PAGE_PRESENT ? SEGV_ACCERR : SEGV_MAPERR;
		if (fault->error & IPC_FAULT_BUS)
			info.signo = SIGBUS, info.code = BUS_ADRERR;
		break;
	default: info.fault.address = 0;
	}
	return info;
}

static bool stands_faulted(const struct thread *thread, uint64_t rip)
{
	struct thread_info info = { 0 };

	kcall(thread_info, thread->cap, &info);
	return info.state == THREAD_FAULTED &&
	       (info.rip == rip || info.rip == thread->process->image->base + libposix.fault);
}

static struct thread *faulted_thread(struct process *process, uint64_t rip)
{
	struct thread *thread = process->threads;

	if (thread && !thread->next && !process->exec.loader)
		return thread;
	for (; thread; thread = thread->next)
		if (stands_faulted(thread, rip))
			return thread;
	return NULL;
}

/* Inside libposix it was the program's pointer: the call answers EFAULT. What is done here is done again after a
 * crash, when the thread stands at the entry already. */
static long to_fault_entry(struct thread *thread)
{
	struct thread_regs regs;
	long status = kcall(thread_regs, thread->cap, 0, &regs);

	if (status < 0)
		return status;
	regs.rip = thread->process->image->base + libposix.fault;
	return kcall(thread_regs, thread->cap, 1, &regs);
}

/* The page was not there, but something is mapped at its place: a right was missing. */
static void look_closer(const struct process *process, const struct fault *fault, struct signal_info *info)
{
	struct vm_info mapping;

	if (info->signo == SIGSEGV && info->code == SEGV_MAPERR &&
	    kcall(vm_query, process->image->space, fault->address, &mapping) >= 0 &&
	    mapping.start <= fault->address)
		info->code = SEGV_ACCERR;
}

static long resolve_fault(struct thread *thread, const struct fault *fault)
{
	struct process *process = thread->process;
	struct signal_info info = fault_info(fault);

	if (fault->error & IPC_FAULT_MEMORY && fault->vector == VECTOR_PAGE) {
		shortage_fault(process);
		return 0;
	}
	if (image_holds(process->image, fault->rip) &&
	    (fault->vector == VECTOR_PAGE || fault->vector == VECTOR_PROTECTION))
		return to_fault_entry(thread);
	look_closer(process, fault, &info);
	signal_force(thread, &info);
	return 0;
}

long thread_faulted(struct request *rq)
{
	struct process *process = caller_of(rq);
	struct fault fault = { rq->words[0], rq->words[1], rq->words[2], rq->words[3] };
	struct thread *thread;
	long status;

	if (!process)
		return -ESRCH;
	if (process->exec.loader && stands_faulted(process->exec.loader, fault.rip)) {
		bool first = !process->exec.request;

		if (fault.error & IPC_FAULT_MEMORY && shortage_relieve(process))
			return 0;
		exec_abandon(process, fault.error & IPC_FAULT_MEMORY ? ENOMEM : ENOEXEC);
		if (first)
			init_exec_failed(process, ENOEXEC);
		return -ESRCH;
	}
	thread = faulted_thread(process, fault.rip);
	if (!thread)
		return -ESRCH;
	status = resolve_fault(thread, &fault);
	return status < 0 ? status : 0;
}
