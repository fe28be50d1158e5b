/* SPDX-License-Identifier: MIT */
/* Kernel calls on threads. */
#include "arch/arch.h"
#include "arch/x86_64/offsets.h"
#include "core/cpu.h"
#include "core/kcall.h"
#include "core/quota.h"
#include "core/table.h"
#include "ipc/ipc.h"
#include "mm/mm.h"

static struct thread *thread_arg(uint64_t handle, uint32_t rights, int *error)
{
	return (struct thread *)cap_lookup(handle, CAPT_THREAD, rights, error);
}

static bool user_address(uint64_t address)
{
	return address < VM_USER_HIGH;
}

/* A base lies in the lower half: the sign of the GS base tells trap_paranoid whose it is. */
static bool user_base(uint64_t address)
{
	return address >> 47 == 0;
}

void thread_regs_get(const struct thread *thread, struct thread_regs *regs)
{
	const struct frame *f = &thread->frame;

	*regs = (struct thread_regs){
		.rax = f->rax,
		.rbx = f->rbx,
		.rcx = f->rcx,
		.rdx = f->rdx,
		.rsi = f->rsi,
		.rdi = f->rdi,
		.rbp = f->rbp,
		.rsp = f->rsp,
		.r8 = f->r8,
		.r9 = f->r9,
		.r10 = f->r10,
		.r11 = f->r11,
		.r12 = f->r12,
		.r13 = f->r13,
		.r14 = f->r14,
		.r15 = f->r15,
		.rip = f->rip,
		.rflags = f->rflags,
		.fs_base = thread->fs_base,
		.gs_base = thread->gs_base,
	};
}

static void set_bases(struct thread *thread, uint64_t fs_base, uint64_t gs_base)
{
	if (thread->fs_base == fs_base && thread->gs_base == gs_base)
		return;
	thread->fs_base = fs_base;
	thread->gs_base = gs_base;
	arch_segments_changed(thread);
}

long thread_regs_set(struct thread *thread, const struct thread_regs *regs)
{
	struct frame *f = &thread->frame;

	if (!user_address(regs->rip) || !user_base(regs->fs_base) || !user_base(regs->gs_base))
		return -EINVAL;
	*f = (struct frame){
		.rax = regs->rax,
		.rbx = regs->rbx,
		.rcx = regs->rcx,
		.rdx = regs->rdx,
		.rsi = regs->rsi,
		.rdi = regs->rdi,
		.rbp = regs->rbp,
		.rsp = regs->rsp,
		.r8 = regs->r8,
		.r9 = regs->r9,
		.r10 = regs->r10,
		.r11 = regs->r11,
		.r12 = regs->r12,
		.r13 = regs->r13,
		.r14 = regs->r14,
		.r15 = regs->r15,
		.rip = regs->rip,
		.rflags = (regs->rflags & RFLAGS_USER) | 0x202,
		.cs = USER_CS,
		.ss = USER_SS,
		.vector = 0,
	};
	set_bases(thread, regs->fs_base, regs->gs_base);
	return 0;
}

static long check_create(const struct thread_create *create)
{
	if (create->priority > 31 || create->flags & ~THREAD_NO_FPU || !user_address(create->entry) ||
	    !user_address(create->reflect_entry) || !user_address(create->upcall_entry) ||
	    !user_base(create->gs_base))
		return -EINVAL;
	return 0;
}

static void thread_configure(struct thread *thread, const struct thread_create *create)
{
	thread->stamp = thread->caller.stamp = create->stamp;
	thread->priority = thread->base_priority = create->priority;
	thread->no_fpu = create->flags & THREAD_NO_FPU;
	thread->frame.rip = create->entry;
	thread->frame.rsp = create->stack;
	thread->frame.rdi = create->argument;
	thread->gs_base = create->gs_base;
	thread->reflect_entry = create->reflect_entry;
	thread->upcall_entry = create->upcall_entry;
	thread->image_start = create->image_start;
	thread->image_end = create->image_end;
	thread->restart_start = create->restart_start;
	thread->restart_end = create->restart_end;
	thread->affinity = current_thread()->affinity;
	thread->cpu = this_cpu()->id;
}

/* The objects that a thread_create names; the last two may be absent. */
struct create_parts {
	struct space *space;
	struct table *private_table, *fd_table;
	struct badge *fault_badge;
};

/* Whoever holds the quota that pays, or one above it, may name callers below it; services are the root's. */
static long check_stamp(const struct thread_create *create, const struct space *space)
{
	int error;
	struct quota *quota = (struct quota *)cap_lookup(create->quota, CAPT_QUOTA, CAP_CONTROL, &error);

	if (!quota)
		return -error;
	if (!quota_within(space->quota, quota) || (create->stamp & STAMP_SERVICE && quota->parent))
		return -EPERM;
	return 0;
}

static long find_parts(const struct thread_create *create, struct create_parts *parts)
{
	int error = 0;
	long result;

	*parts = (struct create_parts){ 0 };
	parts->space = (struct space *)cap_lookup(create->space, CAPT_SPACE, CAP_CONTROL, &error);
	if (!parts->space)
		return -error;
	result = check_stamp(create, parts->space);
	if (result)
		return result;
	parts->private_table =
	    (struct table *)cap_lookup(create->private_table, CAPT_TABLE, CAP_CONTROL, &error);
	if (!parts->private_table)
		return -error;
	if (create->fd_table != CAP_NONE)
		parts->fd_table =
		    (struct table *)cap_lookup(create->fd_table, CAPT_TABLE, CAP_CONTROL, &error);
	if (create->fault_endpoint != CAP_NONE)
		parts->fault_badge =
		    (struct badge *)cap_lookup(create->fault_endpoint, CAPT_BADGE, 0, &error);
	if (parts->private_table->kind != TABLE_PRIVATE ||
	    (parts->fd_table && parts->fd_table->kind != TABLE_DESCRIPTORS))
		return -EINVAL;
	return -error;
}

long sys_thread_create(uint64_t argument)
{
	struct thread_create create;
	struct create_parts parts;
	struct thread *thread;
	long error;

	if (!caller_is_service())
		return -EPERM;
	error = copy_from_user(current_thread()->space, &create, argument, sizeof(create), NULL);
	if (!error)
		error = check_create(&create);
	if (!error)
		error = find_parts(&create, &parts);
	if (error)
		return error;
	thread = thread_new(parts.space, parts.private_table, parts.fd_table);
	if (!thread)
		return -ENOMEM;
	thread_configure(thread, &create);
	if (parts.fault_badge)
		thread->fault_badge = object_get(parts.fault_badge);
	if (create.message_page)
		error = thread_set_message_page(thread, create.message_page);
	if (error) {
		object_put(thread);
		return error;
	}
	return cap_install(&thread->object, CAP_ALL);
}

long sys_thread_start(uint64_t handle)
{
	int error;
	struct thread *thread = thread_arg(handle, CAP_CONTROL, &error);

	if (!thread)
		return -error;
	if (thread->state == THREAD_DEAD)
		return -ESRCH;
	if (thread->state == THREAD_STOPPED && thread->caller.state != CALLER_IDLE)
		return -EBUSY;
	thread_begin(thread);
	return 0;
}

long sys_thread_stop(uint64_t handle)
{
	int error;
	struct thread *thread = thread_arg(handle, CAP_CONTROL, &error);

	if (!thread)
		return -error;
	if (thread->state == THREAD_DEAD)
		return -ESRCH;
	thread->attention |= ATTENTION_STOP;
	if (thread->state == THREAD_READY)
		thread_block(thread, THREAD_STOPPED);
	if (thread->state != THREAD_RUNNING || thread == current_thread())
		return 0;
	sched_poke(thread);
	return KCALL_RESTART; /* until the other processor has let go of it */
}

long sys_thread_kill(uint64_t handle)
{
	int error;
	struct thread *thread = thread_arg(handle, CAP_CONTROL, &error);

	if (!thread)
		return -error;
	thread_finish(thread);
	if (thread == current_thread())
		return KCALL_BLOCKED;
	return thread->state == THREAD_DEAD ? 0 : KCALL_RESTART;
}

static long set_fd_table(struct thread *thread, uint64_t handle)
{
	int error;
	struct table *table = (struct table *)cap_lookup(handle, CAPT_TABLE, CAP_CONTROL, &error);
	struct table *old = thread->fd_table;

	if (!table)
		return -error;
	if (table->kind != TABLE_DESCRIPTORS)
		return -EINVAL;
	thread->fd_table = object_get(table);
	if (old)
		object_put(old);
	return 0;
}

static long set_fault_endpoint(struct thread *thread, uint64_t handle)
{
	struct badge *old = thread->fault_badge, *badge = NULL;
	int error;

	if ((cap_t)handle != CAP_NONE) {
		badge = (struct badge *)cap_lookup(handle, CAPT_BADGE, 0, &error);
		if (!badge)
			return -error;
		object_get(badge);
	}
	thread->fault_badge = badge;
	if (old)
		object_put(old);
	return 0;
}

static uint64_t all_processors(void)
{
	return (1ul << cpu_count) - 1;
}

static long set_affinity(struct thread *thread, uint64_t mask)
{
	uint64_t all = all_processors();

	if (!(mask & all))
		return -EINVAL;
	thread->affinity = (mask & all) == all ? ~0u : mask;
	thread->no_fast_receive = !thread->no_fpu || ~thread->affinity;
	thread->caller.slow = true; /* the answer to a call that is out must look at it */
	sched_changed(thread);
	return 0;
}

static long set_priority(struct thread *thread, uint64_t value)
{
	if (!caller_is_service())
		return -EPERM;
	if (value > 31)
		return -EINVAL;
	/* Else a service could keep the processor from whoever would end it. */
	if (value > current_thread()->base_priority)
		return -EPERM;
	thread->priority = thread->base_priority = value;
	sched_changed(thread);
	return 0;
}

long sys_thread_set(uint64_t handle, uint64_t what, uint64_t value)
{
	int error;
	struct thread *thread = thread_arg(handle, CAP_CONTROL, &error);

	if (!thread)
		return -error;
	if (thread->state == THREAD_DEAD)
		return -ESRCH;
	switch (what) {
	case THREAD_PRIORITY: return set_priority(thread, value);
	case THREAD_FS_BASE:
	case THREAD_GS_BASE:
		if (!user_base(value))
			return -EINVAL;
		set_bases(thread, what == THREAD_FS_BASE ? value : thread->fs_base,
			  what == THREAD_GS_BASE ? value : thread->gs_base);
		return 0;
	case THREAD_FD_TABLE: return set_fd_table(thread, value);
	case THREAD_FAULT_ENDPOINT: return set_fault_endpoint(thread, value);
	case THREAD_AFFINITY: return set_affinity(thread, value);
	default: return -EINVAL;
	}
}

/* Whether its frame holds what it will go on with. */
static long frame_at_rest(const struct thread *thread)
{
	if (thread->state == THREAD_DEAD)
		return -ESRCH;
	return thread->state == THREAD_RUNNING || thread->state == THREAD_READY ? -EBUSY : 0;
}

long sys_thread_regs(uint64_t handle, uint64_t set, uint64_t address)
{
	int error;
	struct thread *thread = thread_arg(handle, CAP_CONTROL, &error);
	struct space *space = current_thread()->space;
	struct thread_regs regs;
	long result;

	if (!thread)
		return -error;
	result = frame_at_rest(thread);
	if (result)
		return result;
	if (set) {
		result = copy_from_user(space, &regs, address, sizeof(regs), NULL);
		return result ? result : thread_regs_set(thread, &regs);
	}
	thread_regs_get(thread, &regs);
	return copy_to_user(space, address, &regs, sizeof(regs), NULL);
}

long sys_thread_interrupt(uint64_t handle, uint64_t flags)
{
	int error;
	struct thread *thread = thread_arg(handle, CAP_CONTROL, &error);

	if (!thread)
		return -error;
	if (flags)
		return -EINVAL;
	if (thread->state == THREAD_DEAD)
		return -ESRCH;
	thread->attention |= ATTENTION_UPCALL;
	if (thread->state == THREAD_RUNNING)
		sched_poke(thread);
	else if (thread->wait == WAIT_NOTIFY || thread->wait == WAIT_FUTEX || thread->wait == WAIT_SLEEP)
		thread_wake(thread, -EINTR);
	else if (thread->wait == WAIT_CALL && thread->caller.flags & IPC_INTR)
		endpoint_cancel(&thread->caller, false);
	return 0;
}

static void fill_info(struct thread *thread, struct thread_info *info)
{
	*info = (struct thread_info){
		.state = thread->state,
		.priority = thread->base_priority,
		.processor = thread->cpu,
		.user_ns = arch_cycles_ns(thread->user_cycles),
		.system_ns = arch_cycles_ns(thread->system_cycles),
		.rip = thread->frame.rip,
		.rsp = thread->frame.rsp,
		.affinity = thread->affinity & all_processors(),
	};
	if (thread->state == THREAD_CALLING && thread->caller.badge) {
		info->calling_badge = thread->caller.badge_number;
		info->calling_op = thread->frame.rdi;
	}
}

long sys_thread_describe(uint64_t handle, uint64_t address, uint64_t length, uint64_t number)
{
	int error;
	struct thread *thread = thread_arg(handle, CAP_CONTROL, &error);
	char name[sizeof(thread->name)] = { 0 };

	if (!thread)
		return -error;
	if (length >= sizeof(name))
		return -EINVAL;
	if (copy_from_user(current_thread()->space, name, address, length, NULL))
		return -EFAULT;
	for (unsigned i = 0; i < length && name[i]; i++)
		if ((uint8_t)name[i] < 32 || name[i] == 127)
			name[i] = '?';
	__builtin_memcpy(thread->name, name, sizeof(name));
	thread->number = (int32_t)number;
	return 0;
}

long sys_thread_info(uint64_t handle, uint64_t address)
{
	int error;
	struct thread *thread = thread_arg(handle, CAP_R, &error);
	struct thread_info info;

	if (!thread)
		return -error;
	sched_account();
	fill_info(thread, &info);
	return copy_to_user(current_thread()->space, address, &info, sizeof(info), NULL);
}

long sys_thread_exit(uint64_t address)
{
	struct thread *thread = current_thread();
	uint32_t zero = 0;

	if (address && !copy_to_user(thread->space, address, &zero, sizeof(zero), NULL))
		futex_wake_address(thread, address, 1);
	thread_finish(thread);
	return KCALL_BLOCKED;
}

long sys_thread_resume(uint64_t address)
{
	struct thread *thread = current_thread();
	struct thread_regs regs;
	long error = copy_from_user(thread->space, &regs, address, sizeof(regs), NULL);

	if (!error)
		error = thread_regs_set(thread, &regs);
	return error ? error : KCALL_FRAME_SET;
}

long sys_set_fsbase(uint64_t value)
{
	struct thread *thread = current_thread();

	if (!user_base(value))
		return -EINVAL;
	set_bases(thread, value, thread->gs_base);
	return 0;
}

long sys_yield(void)
{
	sched_yield_current();
	return 0;
}

long sys_sleep(uint64_t deadline)
{
	struct thread *thread = current_thread();

	if (deadline <= arch_now_ns())
		return 0;
	thread_block(thread, THREAD_SLEEPING);
	thread->wait = WAIT_SLEEP;
	if (deadline != UINT64_MAX)
		timeout_add(thread, deadline);
	return KCALL_BLOCKED;
}

long sys_thread_copy(uint64_t child_handle, uint64_t parent_handle)
{
	int error;
	struct thread *child = thread_arg(child_handle, CAP_CONTROL, &error), *parent;

	if (!child)
		return -error;
	parent = thread_arg(parent_handle, CAP_CONTROL, &error);
	if (!parent)
		return -error;
	if (child->state != THREAD_STOPPED || child->caller.state != CALLER_IDLE || frame_at_rest(parent))
		return -EBUSY;
	child->frame = parent->frame;
	set_bases(child, parent->fs_base, child->gs_base);
	arch_fpu_copy(child, parent);
	return 0;
}
