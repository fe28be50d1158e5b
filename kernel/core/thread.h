/* SPDX-License-Identifier: MIT */
/*
 * Threads, and the caller part that threads and call objects share.
 *
 * The kernel has one stack per processor: a thread's state in the kernel is
 * only what stands here. A kernel call that must wait sets the thread's state and
 * returns KCALL_BLOCKED; whoever wakes it writes the answer into its frame. A long
 * call that must let others run returns KCALL_RESTART: the thread makes it again.
 */
#ifndef KERNEL_CORE_THREAD_H
#define KERNEL_CORE_THREAD_H

#include "core/list.h"
#include "core/object.h"

/* The user frame as the entry code saves it; arch/x86_64/entry.S knows the offsets. */
struct frame {
	uint64_t r15, r14, r13, r12, rbp, rbx;
	uint64_t r11, r10, r9, r8, rax, rcx, rdx, rsi, rdi;
	uint64_t vector, error; /* vector FRAME_SYSCALL: entered by syscall, may leave by sysret */
	uint64_t rip, cs, rflags, rsp, ss;
};
#define FRAME_SYSCALL 0x100
#define SYSCALL_LENGTH 2 /* of the instruction: rip goes back so much to make a call again */

#define KCALL_BLOCKED (-4096l)
#define KCALL_RESTART (-4097l)
#define KCALL_FRAME_SET (-4098l) /* the call has written the whole frame itself */

struct endpoint;
struct badge;
struct notify;
struct quota;
struct table;
struct callobj;

/*
 * Whoever has a call out: a thread or a call object. `index` names it in the
 * global caller table; token = sequence << 20 | index. A thread that dies while
 * its call is in service stays as a husk until the server has answered.
 */
enum caller_state { CALLER_IDLE, CALLER_QUEUED, CALLER_IN_SERVICE, CALLER_ANSWERED };
enum caller_kind { CALLER_THREAD, CALLER_OBJECT };
struct caller {
	/* The fast path compares and writes these eight bytes as one. */
	uint8_t state;       /* enum caller_state */
	uint8_t kind;        /* enum caller_kind */
	bool slow;           /* capabilities, reservations or a kernel message: no fast reply */
	bool cancelled;      /* interrupted, or its thread is dead */
	bool cancel_pending; /* on the endpoint's list of cancels to deliver */
	bool dead;
	uint8_t kernel_op; /* enum ipc_kernel_op: made by the kernel, words in kernel_words */
	uint8_t reserved_byte;
	uint64_t index;
	uint32_t flags; /* IPC_* of the call */
	uint32_t deliveries;
	uint64_t token; /* sequence << 20 | index, from its first receipt on */
	uint64_t stamp;
	uint64_t badge_number;
	struct endpoint *endpoint; /* where the call is, while not IDLE; no count */
	struct badge *badge;       /* counted while the call is out; NULL for kernel messages */
	struct list_node link;     /* queue or in-service list of the endpoint */
	struct list_node cancel_link;
	uint64_t kernel_words[IPC_WORDS];
	struct cap caps[IPC_MAX_CAPS]; /* capabilities sent, counted while the call is out */
	uint8_t caps_count, reserved_count;
	uint8_t level; /* while QUEUED: in which list (ipc/queue.c) */
	bool reserved_cloexec;
	uint16_t reserved_quota;      /* number of what pays for the badges that may come */
	struct table *reserved_table; /* counted; where the answer's capabilities go */
	uint32_t reserved[IPC_MAX_CAPS];
};

/* What a thread that does not run waits for; says how to take it off its queue. */
enum thread_wait {
	WAIT_NONE,
	WAIT_CALL,
	WAIT_RECEIVE,
	WAIT_NOTIFY,
	WAIT_FUTEX,
	WAIT_SLEEP,
	WAIT_FAULT,
	WAIT_PAGE,
};

/* Why a thread must not take the fast path or return to user mode just so. */
#define ATTENTION_STOP 0x1u   /* thread_stop: it stops when it could run */
#define ATTENTION_UPCALL 0x2u /* enter upcall_entry before going on */
#define ATTENTION_FINISH 0x4u /* killed while on another processor, which tears it down */
#define ATTENTION_YIELD \
	0x8u /* its slice has ended while it was served: the answer puts it behind its equals */
/* A processor that holds the lock and finds attention set in its current thread must not act
 * for it before thread_attend: a call is made again instead. */

/* How far a call that lets others run in between has come, for the same call made again. Whoever goes on with it looks
 * whether what it is about is still there: a call need not be made again. */
struct step {
	uint64_t call, key[4]; /* call: KCALL_*, 0: none */
	uint64_t at, done, phase, looked;
};

struct thread {
	struct object object;
	struct frame frame; /* offset 8: entry.S */
	struct caller caller;
	struct space *space;
	struct table *private_table, *fd_table; /* fd_table: NULL if it has none */
	uint64_t stamp;
	/* The fast path uses these two by two. */
	uint8_t state;        /* enum thread_state */
	uint8_t wait;         /* enum thread_wait */
	uint8_t attention;    /* ATTENTION_* */
	bool no_fast_receive; /* it has FPU state or is bound to processors */
	uint8_t priority, base_priority;
	bool no_fpu, in_ready_queue;
	bool started;                  /* holds a count of itself until it is dead */
	struct ipc_page *message_page; /* kernel address in the direct map; NULL if none */
	uint64_t message_page_user;
	uint64_t fs_base, gs_base;
	uint64_t reflect_entry, upcall_entry, image_start, image_end, restart_start, restart_end;
	void *fpu; /* fxsave area, allocated at first use */
	struct list_node ready_link;
	struct badge *fault_badge;
	struct notify *waiting_notify; /* WAIT_NOTIFY; no count */
	struct list_node wait_link;    /* receivers of an endpoint, waiters of a notification */
	struct list_node timeout_link;
	uint64_t deadline;         /* UINT64_MAX: none */
	struct list_node all_link; /* every thread */
	uint32_t cpu, affinity;
	uint64_t user_cycles, system_cycles;
	uint64_t slice_ns;   /* left of its slice when it was preempted, or 0 */
	cap_t receives_from; /* the endpoint of its last wait; 0: none */
	uint64_t other_work; /* next_token when it was last given something that is no call */
	uint16_t works_for;  /* number of the quota that pays for that; 0: none */
	struct futex_wait {
		uint64_t object, offset;
		struct list_node link;
	} futex;
	struct list_node watches;
	uint32_t watch_count;
	struct quota *quota; /* pays for it */
	uint64_t fault_address;
	bool fault_write, fault_execute;
	struct object *work;    /* what a call that is being restarted has built so far; counted */
	struct object *work_of; /* the object it is built from, to recognise it; no count */
	uint64_t work_position;
	uint64_t copied; /* by a buf_* call that is being restarted */
	struct step step;
	char name[16]; /* for people: thread_describe */
	int32_t number;
};

/* Per processor; %gs points here inside the kernel. arch/x86_64 knows the first four offsets. */
struct cpu {
	struct cpu *self;
	struct thread *current; /* 8 */
	uint64_t kernel_stack;  /* 16: top */
	uint64_t scratch;       /* 24 */
	uint32_t id, apic_id;
	bool need_resched, idle, traced; /* traced: its entry is syscall_entry_traced */
	struct thread *fpu_owner;        /* whose FPU state is in the registers */
	struct thread *segment_owner;    /* whose FS and GS base are loaded */
	uint64_t loaded_cr3;
	struct list_node ready[32];
	uint32_t ready_mask;
	struct thread *idle_thread;
	uint64_t idle_cycles, interrupts, switches, ipc_calls, faults;
	uint64_t timer_deadline;
	volatile uint32_t tlb_request;
	void *arch; /* tables of the processor */
	/* Processor time; core/account.h. */
	uint64_t charged, system_cycles, shared_cycles;
	uint64_t calls_charged; /* ipc_calls at the last charge */
	struct thread *left;    /* who returned to user mode last; only compared */
};
#define MAX_CPUS 16
extern struct cpu cpus[MAX_CPUS];
extern uint32_t cpu_count; /* that run; others are not counted */

static inline struct cpu *this_cpu(void)
{
	struct cpu *cpu;
	__asm__("mov %%gs:0, %0" : "=r"(cpu));
	return cpu;
}
static inline struct thread *current_thread(void)
{
	return this_cpu()->current;
}

/* Names and ranks threads, makes spaces, tables, endpoints and call objects: programs have no use for
 * them, and what they can hold would be bounded by nothing but memory. */
static inline bool caller_is_service(void)
{
	return current_thread()->stamp & STAMP_SERVICE;
}

/* Every message is recorded: ipc/trace.c. */
extern bool tracing;

/* --- core/sched.c -------------------------------------------------------------- */
void sched_init(void);
void thread_ready(struct thread *thread); /* runnable; may ask another processor to look */
/* The same with the priority that it has been given by who it serves. */
void thread_ready_inherited(struct thread *thread);
void thread_block(struct thread *thread, enum thread_state state); /* off the processor */
/* Pick the next thread; the exit path of every kernel entry calls it when current cannot go on
 * or need_resched is set. Answers the thread to return to (sets cpu->current). */
struct thread *schedule(void);
void sched_tick(uint64_t now_ns, bool shared); /* timer interrupt; shared: account_user() */
/* Wake threads and timers whose deadline has passed; program the next. core/timer.c */
void timers_run(uint64_t now_ns);
void timeout_add(struct thread *thread, uint64_t deadline_ns);
void timeout_remove(struct thread *thread);

/* --- core/thread.c --------------------------------------------------------------- */
extern struct list_node all_threads;
extern uint32_t thread_count;
/* A stopped thread with zero registers, one count for the caller; takes counts of the rest. */
struct thread *thread_new(struct space *space, struct table *private_table, struct table *fd_table);
void thread_begin(struct thread *thread);  /* first start, or resume after a stop */
void thread_finish(struct thread *thread); /* kill: cancel its call, leave every queue */
/* Give back what dead threads held; not before they have left the processor. */
void threads_release(void);
extern struct list_node dead_threads;
/* The message page of a thread: pins the frame behind the user address. */
long thread_set_message_page(struct thread *thread, uint64_t user);
/* The current thread is blocked: run `thread` at once on this processor if it may. */
void thread_switch(struct thread *thread);
/* Off every queue, with this answer in rax, and ready (or stopped). */
void thread_wake(struct thread *thread, long answer);
/* As thread_wake, but the frame stays as it is. */
void thread_continue(struct thread *thread);
/* Its deadline has passed: called by timers_run after timeout_remove. */
void thread_timeout(struct thread *thread);
/* Before `thread` returns to user mode with attention set: stops it, tears it down or moves
 * it to its upcall. Answers whether it may run. core/thread.c; called by kernel_leave. */
bool thread_attend(struct thread *thread);
/* A fault of the current thread that nothing resolved: send IPC_KERNEL_FAULT. For a failed
 * pager add IPC_FAULT_BUS to error, for lack of memory IPC_FAULT_MEMORY. */
void thread_fault(struct thread *thread, uint64_t vector, uint64_t address, uint64_t error);
/* A page of a paged object is missing: send IPC_KERNEL_PAGE on behalf of thread to the pager of
 * `memory` (its badge), block the thread. If the thread is in a kernel call (vm_fault_in), the
 * call is made again after status 0 and answers EFAULT after another. ipc/page.c */
void ipc_page_request(struct thread *thread, struct endpoint *pager, uint64_t badge, uint64_t page,
		      bool write);

/* --- core/thread_calls.c ------------------------------------------------------------ */
#define RFLAGS_TF 0x100ul
#define RFLAGS_DF 0x400ul
#define RFLAGS_AC 0x40000ul
#define RFLAGS_USER 0x240dd5ul /* what a program may set: arithmetic, TF, DF, AC, ID */
struct thread_regs;
void thread_regs_get(const struct thread *thread, struct thread_regs *regs);
/* Sanitised, whatever they hold. -EINVAL if an address is not a user's. */
long thread_regs_set(struct thread *thread, const struct thread_regs *regs);

/* --- core/kcall.c ------------------------------------------------------------------ */
/*
 * The common end of every entry from user mode, with the kernel lock held: does deferred
 * work, attends to the current thread, schedules if it cannot go on or need_resched is set,
 * loads the next thread's context (arch_switch_to) and releases the lock. The caller then
 * jumps to arch_return_to_user(thread).
 */
struct thread *kernel_leave(void);
/* syscall.S: restores the frame; sysret if frame.vector is FRAME_SYSCALL, else iret. */
void arch_return_to_user(struct thread *thread) __attribute__((noreturn));
void syscall_entry(void);        /* for MSR LSTAR */
void syscall_entry_traced(void); /* the same without the fast path, which leaves no trace */

#endif
