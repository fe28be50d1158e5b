/* SPDX-License-Identifier: MIT */
/*
 * Signals on the way out: PM says which one, its frame is built on the program's stack, and the
 * way out then leads into the handler. rt_sigreturn takes the frame down again.
 */
#include "signal.h"

#include <proto/pm.h>

extern const uint8_t lp_restartable[] __attribute__((visibility("hidden")));

static struct thread_regs *upcall_area(void)
{
	return (struct thread_regs *)((char *)ipc_page() + THREAD_PAGE_UPCALL);
}

/* The program's registers, into the upcall area, from which a frame is written. */
static void gather(long result)
{
	struct lp_thread *self = lp_thread();
	struct thread_regs *regs = upcall_area();
	const struct lp_frame *frame = &self->frame;

	if (self->full)
		return;
	*regs = (struct thread_regs){
		.rax = (uint64_t)result,
		.rbx = frame->rbx,
		.rcx = frame->return_pc,
		.rdx = frame->rdx,
		.rsi = frame->rsi,
		.rdi = frame->rdi,
		.rbp = frame->rbp,
		.rsp = tb()->user_rsp,
		.r8 = frame->r8,
		.r9 = frame->r9,
		.r10 = frame->r10,
		.r11 = 0x202,
		.r12 = frame->r12,
		.r13 = frame->r13,
		.r14 = frame->r14,
		.r15 = frame->r15,
		.rip = frame->return_pc,
		.rflags = 0x202,
	};
}

/*
 * Bytes of the entry into libposix before the return address: a syscall instruction, or lea and
 * jmp *%gs:0x10 (distrib/ports/musl/overlay). A frame that points at its start makes the call again,
 * and is inside musl's cancellation point.
 */
static uint64_t entry_length(uint64_t return_pc)
{
	static const uint8_t jump[8] = { 0x65, 0xff, 0x24, 0x25, 0x10, 0, 0, 0 };

	if (!memcmp((void *)(return_pc - sizeof(jump)), jump, sizeof(jump)))
		return 15;
	return 2;
}

/* A call that was cut off: the frame shows it as not yet made, or as having answered EINTR. */
static void rewind_call(const struct signal_action *action)
{
	struct thread_regs *regs = upcall_area();
	uint64_t number = lp_thread()->frame.number;

	lp_thread()->deadline = 0;
	if (!(action->flags & SA_RESTART) || !lp_restartable[number])
		return;
	regs->rax = number;
	regs->rip -= entry_length(regs->rip);
}

static bool on_alt_stack(uint64_t rsp)
{
	struct thread_block *block = tb();

	return rsp - block->alt_stack - 1 < block->alt_stack_size;
}

static struct signal_stack current_stack(uint64_t rsp)
{
	struct thread_block *block = tb();
	uint32_t flags = (uint32_t)block->alt_stack_flags;

	if (!block->alt_stack_size)
		flags |= SS_DISABLE;
	else if (on_alt_stack(rsp) && !(flags & SS_AUTODISARM))
		flags |= SS_ONSTACK;
	return (struct signal_stack){ block->alt_stack, flags, 0, block->alt_stack_size };
}

/* Where the frame goes: below the red zone, or at the top of the alternate stack. */
static struct signal_frame *place(uint64_t rsp, const struct signal_action *action, void **fpu)
{
	struct thread_block *block = tb();
	uint64_t top = rsp - 128;

	if (action->flags & SA_ONSTACK && block->alt_stack_size && !on_alt_stack(rsp))
		top = block->alt_stack + block->alt_stack_size;
	top = (top - SIGNAL_FPU_SIZE) & ~63ull;
	*fpu = (void *)top;
	return (struct signal_frame *)(((top - sizeof(struct signal_frame)) & ~15ull) - 8);
}

static void fill_context(struct signal_context *context, const struct thread_regs *regs)
{
	*context = (struct signal_context){
		.r8 = regs->r8,
		.r9 = regs->r9,
		.r10 = regs->r10,
		.r11 = regs->r11,
		.r12 = regs->r12,
		.r13 = regs->r13,
		.r14 = regs->r14,
		.r15 = regs->r15,
		.rdi = regs->rdi,
		.rsi = regs->rsi,
		.rbp = regs->rbp,
		.rbx = regs->rbx,
		.rdx = regs->rdx,
		.rax = regs->rax,
		.rcx = regs->rcx,
		.rsp = regs->rsp,
		.rip = regs->rip,
		.rflags = regs->rflags,
		.cs = 0x33,
		.ss = 0x2b,
	};
}

static void write_frame(struct signal_frame *frame, void *fpu, const struct signal_delivery *delivery)
{
	struct thread_block *block = tb();
	const struct thread_regs *regs = upcall_area();

	__asm__ volatile("fxsave64 (%0)" : : "r"(fpu) : "memory");
	frame->restorer = delivery->action.restorer;
	frame->flags = 6; /* UC_SIGCONTEXT_SS, UC_STRICT_RESTORE_SS */
	frame->link = 0;
	frame->stack = current_stack(regs->rsp);
	fill_context(&frame->context, regs);
	frame->context.old_mask = block->mask;
	frame->context.fpu = (uint64_t)fpu;
	if (delivery->info.signo == SIGSEGV)
		frame->context.cr2 = delivery->info.fault.address;
	frame->mask = block->saved_mask_valid ? block->saved_mask : block->mask;
	memcpy(frame->info, &delivery->info, sizeof(delivery->info));
	memset(frame->info + sizeof(delivery->info), 0, sizeof(frame->info) - sizeof(delivery->info));
}

/* From here on the program is at the handler's first instruction. */
static void enter_handler(const struct signal_delivery *delivery, struct signal_frame *frame)
{
	struct thread_block *block = tb();
	struct lp_thread *self = lp_thread();
	uint64_t mask = block->mask | delivery->action.mask;

	if (!(delivery->action.flags & SA_NODEFER))
		mask |= SIGNAL_BIT(delivery->info.signo);
	block->mask = mask & ~SIGNAL_UNBLOCKABLE;
	block->saved_mask_valid = 0;
	if (block->alt_stack_flags & SS_AUTODISARM)
		block->alt_stack_size = block->alt_stack_flags = 0;
	self->full = 0;
	self->frame.rdi = (uint64_t)delivery->info.signo;
	self->frame.rsi = (uint64_t)frame->info;
	self->frame.rdx = (uint64_t)&frame->flags;
	self->frame.return_pc = delivery->action.handler;
	block->user_rsp = (uint64_t)frame;
}

/* The next signal with a handler, or 0; PM has done whatever else was to be done. */
static long take_signal(struct signal_delivery *delivery)
{
	struct pm_take_signal_req request = { .mask = tb()->mask, .tid = tb()->tid };
	struct pm_take_signal_reply reply;
	long signal = pm_call_take_signal(PROC_SLOT_PM, NULL, &request, &reply);

	if (signal <= 0 || !lp_action((int)signal, &delivery->action))
		return signal < 0 ? signal : 0;
	delivery->info = (struct signal_info){
		.signo = (int32_t)signal,
		.code = (int32_t)reply.code,
		.words = { reply.a, reply.b, reply.c, reply.d },
	};
	return signal;
}

static void deliver(const struct signal_delivery *delivery, bool cut_off, long result)
{
	struct signal_frame *frame;
	void *fpu;

	gather(result);
	if (cut_off)
		rewind_call(&delivery->action);
	lp_thread()->delivering = 1;
	frame = place(upcall_area()->rsp, &delivery->action, &fpu);
	write_frame(frame, fpu, delivery);
	lp_thread()->delivering = 0;
	enter_handler(delivery, frame);
}

/*
 * entry.S: signals may be pending, or the call answered EINTR. A call that was cut off and found no
 * handler to run is made again; a signal mask that held for this call only ends here.
 */
struct signal_outcome lp_signals(long result)
{
	struct thread_block *block = tb();
	bool cut_off = result == -EINTR && !lp_thread()->full;
	struct signal_delivery delivery;

	while (lp_signal_pending()) {
		long signal = take_signal(&delivery);

		if (signal < 0)
			block->pending = 0;
		if (signal <= 0)
			continue;
		deliver(&delivery, cut_off, result);
		cut_off = false;
		result = 0;
	}
	if (cut_off)
		return (struct signal_outcome){ result, 1 };
	lp_temporary_mask_end(0);
	return (struct signal_outcome){ result, 0 };
}

/* --- rt_sigreturn ------------------------------------------------------------------------------- */
static void take_context(const struct signal_context *context)
{
	*upcall_area() = (struct thread_regs){
		.rax = context->rax,
		.rbx = context->rbx,
		.rcx = context->rcx,
		.rdx = context->rdx,
		.rsi = context->rsi,
		.rdi = context->rdi,
		.rbp = context->rbp,
		.rsp = context->rsp,
		.r8 = context->r8,
		.r9 = context->r9,
		.r10 = context->r10,
		.r11 = context->r11,
		.r12 = context->r12,
		.r13 = context->r13,
		.r14 = context->r14,
		.r15 = context->r15,
		.rip = context->rip,
		/* arithmetic flags, TF, DF, AC and ID; IF and bit 1 read as one */
		.rflags = (context->rflags & 0x240dd5) | 0x202,
	};
}

static void restore_fpu(const struct signal_context *context)
{
	struct {
		uint8_t area[SIGNAL_FPU_SIZE];
	} __attribute__((aligned(16))) copy;
	uint32_t *mxcsr = (uint32_t *)(copy.area + 24);

	if (!context->fpu)
		return;
	memcpy(copy.area, (void *)context->fpu, sizeof(copy.area));
	*mxcsr &= 0xffff; /* reserved bits would fault */
	__asm__ volatile("fxrstor64 (%0)" : : "r"(copy.area) : "memory");
}

static void restore_alt_stack(const struct signal_stack *stack)
{
	struct thread_block *block = tb();

	if (stack->flags & SS_DISABLE) {
		block->alt_stack_size = 0;
		return;
	}
	block->alt_stack = stack->address;
	block->alt_stack_size = stack->size;
	block->alt_stack_flags = stack->flags & SS_AUTODISARM;
}

/* A frame that cannot be: as a bad pc would do. */
static bool context_possible(const struct signal_context *context)
{
	return context->rip < VM_USER_HIGH && context->rsp < VM_USER_HIGH;
}

/* The context of a call: rcx and r11 are as the call leaves them, so the short way out will do. */
static bool is_call_context(const struct signal_context *context)
{
	return context->rcx == context->rip && context->r11 == 0x202 && context->rflags == 0x202;
}

static void take_call_context(const struct signal_context *context)
{
	lp_thread()->frame = (struct lp_frame){
		.rdi = context->rdi,
		.rsi = context->rsi,
		.rdx = context->rdx,
		.r10 = context->r10,
		.r8 = context->r8,
		.r9 = context->r9,
		.return_pc = context->rip,
		.rbx = context->rbx,
		.rbp = context->rbp,
		.r12 = context->r12,
		.r13 = context->r13,
		.r14 = context->r14,
		.r15 = context->r15,
	};
	tb()->user_rsp = context->rsp;
}

/* entry.S: answers rax, and in rdx whether the frame holds the context, else the upcall area does. */
struct signal_outcome lp_sigreturn(void)
{
	struct thread_block *block = tb();
	const struct signal_frame *frame = (struct signal_frame *)(block->user_rsp - 8);
	bool light;
	long result;

	lp_thread()->delivering = 1; /* a fault here is the end */
	if (!context_possible(&frame->context))
		lp_faulted();
	light = is_call_context(&frame->context);
	result = (long)frame->context.rax;
	if (!light)
		take_context(&frame->context);
	restore_fpu(&frame->context);
	restore_alt_stack(&frame->stack);
	block->mask = frame->mask & ~SIGNAL_UNBLOCKABLE;
	__atomic_thread_fence(__ATOMIC_SEQ_CST);
	if (light)
		take_call_context(&frame->context);
	lp_thread()->delivering = 0;
	lp_thread()->full = !light;
	return (struct signal_outcome){ result, light };
}

/* --- alternate stack -------------------------------------------------------------------------------- */
static long set_alt_stack(const struct signal_stack *stack)
{
	struct thread_block *block = tb();
	uint32_t mode = stack->flags & ~(SS_AUTODISARM | SS_ONSTACK);

	if (block->alt_stack_size && on_alt_stack(block->user_rsp) &&
	    !(block->alt_stack_flags & SS_AUTODISARM))
		return -EPERM;
	if (mode && mode != SS_DISABLE)
		return -EINVAL;
	if (mode == SS_DISABLE) {
		block->alt_stack_size = block->alt_stack_flags = 0;
		return 0;
	}
	if (stack->size < MINSIGSTKSZ)
		return -ENOMEM;
	block->alt_stack = stack->address;
	block->alt_stack_size = stack->size;
	block->alt_stack_flags = stack->flags & SS_AUTODISARM;
	return 0;
}

long lp_sigaltstack(uint64_t new, uint64_t old)
{
	struct signal_stack before = current_stack(tb()->user_rsp), wanted;
	long error = 0;

	if (new) {
		wanted = *(struct signal_stack *)new;
		error = set_alt_stack(&wanted);
	}
	if (!error && old)
		*(struct signal_stack *)old = before;
	return error;
}
