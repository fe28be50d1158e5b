/* SPDX-License-Identifier: MIT */
/*
 * What every file of libposix stands on.
 *
 * A handler of syscalls.def is `long lp_NAME(uint64_t a, ...)` with up to six arguments, declared
 * below; it answers as Linux does, >= 0 or -errno. Pointers of the program are used directly, as if
 * they were good: when one is not, PM sends the thread to the header's `fault` entry, and the whole
 * call answers EFAULT at once. A handler that would leave something behind then (a descriptor, a
 * lock) tests with lp_writable() first. Kernel and servers answer EFAULT by themselves.
 *
 * There is no writable data: state lies in the thread's block (lp_thread()) or in the process block.
 * A handler never has to mind signals: they are delivered on the way out. A call that a signal cut
 * off answers -EINTR; entry.S and signal.c run it again where Linux would (RESTART in syscalls.def,
 * or no handler ran). One with a timeout takes its deadline from lp_deadline(), so that running
 * again does not start the time anew.
 */
#ifndef LIBPOSIX_LIBPOSIX_H
#define LIBPOSIX_LIBPOSIX_H

#include <abi/errno.h>
#include <abi/thread_block.h>
#include <sys/kcall.h>

/* proto_call is expanded in line here: sizes and flags are constants at each use. */
struct call_options;
static inline long proto_call(cap_t to, uint64_t op, uint32_t op_flags, const struct call_options *options,
			      const void *request, size_t request_size, void *reply, size_t reply_size)
    __attribute__((always_inline, unused));
static inline struct ipc_page *ipc_page(void) __attribute__((unused));
#include <proto/proto.h>
#include <proto/pm_types.h>

/* The program's registers at the entry; entry.S knows the offsets (frame.h). */
struct lp_frame {
	uint64_t rdi, rsi, rdx, r10, r8, r9;   /* 0x00 */
	uint64_t number;                       /* 0x30: rax at the entry */
	uint64_t return_pc;                    /* 0x38: rcx at the entry */
	uint64_t rbx, rbp, r12, r13, r14, r15; /* 0x40 */
};

/* In thread_block.libposix. */
struct lp_thread {
	struct lp_frame frame;
	uint32_t full;       /* the way out restores all of the upcall area: see entry.S */
	uint32_t window;     /* about to sleep in the kernel: see entry.S */
	uint32_t delivering; /* a signal frame is being written */
	uint32_t reserved;
	uint64_t deadline;             /* of the call that is run again, 0 none */
	uint64_t tls;                  /* FS base, as the program has set it */
	uint32_t vforked, own_actions; /* in the parent's memory; has a table of actions of its own */
	/* Zeroed in a forked child and after exec: */
	cap_t poll_notify; /* poll.c: notification of this thread, 0 none */
	uint32_t poll_words;
	uint64_t files[24]; /* poll.c, fd.c: their own */
};
_Static_assert(sizeof(struct lp_thread) <= sizeof(((struct thread_block *)0)->libposix), "room");

/* One page of each process, copied by fork, shared by its threads and a vfork child. */
struct process_block {
	uint64_t brk_start, brk_end, brk_mapped;
	uint64_t random_key[4], random_count;
	uint32_t random_lock, mm_lock, action_lock, reserved;
	uint64_t personality;
	uint64_t hardware;                /* AT_HWCAP */
	uint64_t lock_files;              /* files*.c: record locks that this process may hold */
	uint64_t lingers;                 /* socket.c: a socket may have SO_LINGER */
	uint64_t unknown_traced[8];       /* one bit per unknown call number */
	uint64_t files[128];              /* files*.c: their own */
	struct signal_action actions[65]; /* by signal number: action.c */
};
_Static_assert(sizeof(struct process_block) <= ANOLE_PAGE_SIZE, "one page");
static inline struct process_block *this_process(void)
{
	return (struct process_block *)PROCESS_BLOCK;
}

static inline struct thread_block *tb(void)
{
	struct thread_block *block;

	__asm__("mov %%gs:0, %0" : "=r"(block));
	return block;
}
static inline struct lp_thread *lp_thread(void)
{
	return (struct lp_thread *)tb()->libposix;
}
static inline struct ipc_page *ipc_page(void)
{
	return THREAD_PAGE(tb());
}

/* --- IPC -------------------------------------------------------------------------------------- */
/*
 * ipc_register_call: one kernel entry; w goes out and comes back in registers.
 * call_general: capabilities, more than five words, EFAULT: brings the absent page in and
 * calls again.
 */
struct lp_call {
	uint64_t op;
	uint64_t w[IPC_WORDS];
	uint64_t in, in_length, out, out_length;
	uint64_t flags; /* of the answer */
};
static inline __attribute__((always_inline)) long ipc_register_call(cap_t to, uint32_t flags,
								    struct lp_call *call)
{
	register uint64_t r10 __asm__("r10") = call->w[2];
	register uint64_t r8 __asm__("r8") = call->w[3];
	register uint64_t r9 __asm__("r9") = call->w[4];
	register uint64_t r12 __asm__("r12") = call->out;
	register uint64_t r13 __asm__("r13") = call->out_length;
	register uint64_t r11 __asm__("r11") = call->in_length;
	uint64_t rax = KCALL_call | (uint64_t)flags << 16 | (uint64_t)(uint32_t)to << 32;
	uint64_t rdi = call->op, rsi = call->w[0], rdx = call->w[1], rbx = call->in;

	/* The frame pointer cannot be named as an operand. There is no red zone for the call to destroy. */
	if (flags & IPC_INTR)
		__asm__ volatile(
		    "mov %%rbp, %%r14\n\tmov %%r11, %%rbp\n\tcall lp_sleepy_call\n\tmov %%r14, %%rbp"
		    : "+a"(rax), "+D"(rdi), "+S"(rsi), "+d"(rdx), "+r"(r10), "+r"(r8), "+r"(r9), "+r"(r11)
		    : "b"(rbx), "r"(r12), "r"(r13)
		    : "rcx", "r14", "memory");
	else
		__asm__ volatile("mov %%rbp, %%r14\n\tmov %%r11, %%rbp\n\tsyscall\n\tmov %%r14, %%rbp"
				 : "+a"(rax), "+D"(rdi), "+S"(rsi), "+d"(rdx), "+r"(r10), "+r"(r8), "+r"(r9),
				   "+r"(r11)
				 : "b"(rbx), "r"(r12), "r"(r13)
				 : "rcx", "r14", "memory");
	call->flags = rdi;
	call->w[0] = rsi;
	call->w[1] = rdx;
	call->w[2] = r10;
	call->w[3] = r8;
	call->w[4] = r9;
	return (long)rax;
}

long call_general(cap_t to, uint64_t op, uint32_t op_flags, const struct call_options *options,
		  const void *request, size_t request_size, void *reply, size_t reply_size);

/* Words, options and answer as lib/sys's. -EINTR is what a signal cut off. */
static inline long proto_call(cap_t to, uint64_t op, uint32_t op_flags, const struct call_options *options,
			      const void *request, size_t request_size, void *reply, size_t reply_size)
{
	const uint64_t *from = request;
	uint64_t *answer = reply;
	struct lp_call call;
	long status;

	if (request_size > 8 * IPC_WORDS || reply_size > 8 * IPC_WORDS || (op_flags & 0xff00) ||
	    OP_RCAPS_OF(op_flags))
		return call_general(to, op, op_flags, options, request, request_size, reply, reply_size);
	call.op = op;
	for (unsigned i = 0; i < IPC_WORDS; i++)
		call.w[i] = 8 * i < request_size ? from[i] : 0;
	call.in = options ? (uint64_t)options->in : 0;
	call.in_length = options ? options->in_length : 0;
	call.out = options ? (uint64_t)options->out : 0;
	call.out_length = options ? options->out_length : 0;
	status = ipc_register_call(to, op_flags & OP_INTR ? IPC_INTR : 0, &call);
	if (__builtin_expect(status == -EFAULT, 0))
		return call_general(to, op, op_flags, options, request, request_size, reply, reply_size);
	if (reply_size && status >= 0)
		for (unsigned i = 0; 8 * i < reply_size; i++)
			answer[i] = call.w[i];
	return status;
}

/*
 * A kernel call that sleeps (futex, sleep, notify_wait), so that no signal is slept through: EINTR also if one
 * is pending when it begins.
 */
static inline long lp_sleepy_raw(uint64_t nr, uint64_t a, uint64_t b, uint64_t c, uint64_t d, uint64_t e,
				 uint64_t f)
{
	long result;
	register uint64_t r10 __asm__("r10") = d;
	register uint64_t r8 __asm__("r8") = e;
	register uint64_t r9 __asm__("r9") = f;

	__asm__ volatile("call lp_sleepy_call"
			 : "=a"(result)
			 : "a"(nr), "D"(a), "S"(b), "d"(c), "r"(r10), "r"(r8), "r"(r9)
			 : "rcx", "r11", "memory");
	return result;
}

/* --- helpers (support.c) -------------------------------------------------------------------------- */
/* Faults here, answering EFAULT for the call, unless the bytes may be written. */
void lp_writable(void *address, size_t length);
/* The length of a path: -ENOENT if empty (unless allowed), -ENAMETOOLONG from 4096 on. */
long lp_path_length(const char *path, bool may_be_empty);
/* Sends a signal to the calling thread (SIGPIPE). */
void lp_raise(int signal);
/* Monotonic deadline of this call, `timeout` ns from its first run. A call that took one ends with
 * `return lp_deadline_end(status)`. */
uint64_t lp_deadline(uint64_t timeout);
long lp_deadline_end(long status);
/* Signals that PM holds for this thread and that are not blocked: a call should answer -EINTR. */
static inline bool lp_signal_pending(void)
{
	return tb()->pending & ~tb()->mask;
}
/* Replace the mask until the call is over and its signals are delivered (ppoll, pselect, sigsuspend);
 * set: a sigset_t, or NULL to keep it. Answers 0, -EINVAL, or -EINTR if one that is unblocked now
 * is pending. Such a call ends with `return lp_temporary_mask_end(status)`, whatever status is. */
long lp_temporary_mask(const uint64_t *set, size_t size);
long lp_temporary_mask_end(long status);
uint64_t lp_monotonic(void);
uint64_t lp_realtime(void);
/* struct timespec: ns, or -EINVAL. */
struct lp_timespec {
	int64_t seconds, nanoseconds;
};
struct lp_timeval {
	int64_t seconds, microseconds;
};
long lp_timespec_ns(const struct lp_timespec *time);
void lp_random(void *to, size_t length);
/* A lock in the process block, for short steps. */
void lp_lock(uint32_t *lock);
void lp_unlock(uint32_t *lock);

/* Kernel's errors for a descriptor slot that holds no open file (a badge) are the right ones: EBADF. */

/* entry.S: what a call answers that a bad pointer ended. */
long lp_faulted(void);
void lp_trace_enter(void);
long lp_trace_leave(long result);

void *memcpy(void *to, const void *from, size_t length);
void *memmove(void *to, const void *from, size_t length);
void *memset(void *to, int byte, size_t length);
int memcmp(const void *a, const void *b, size_t length);
size_t strlen(const char *s);
size_t strnlen(const char *s, size_t limit);

/* --- every handler ----------------------------------------------------------------------------------- */
#define LP_ARGS_0 void
#define LP_ARGS_1 uint64_t a
#define LP_ARGS_2 uint64_t a, uint64_t b
#define LP_ARGS_3 uint64_t a, uint64_t b, uint64_t c
#define LP_ARGS_4 uint64_t a, uint64_t b, uint64_t c, uint64_t d
#define LP_ARGS_5 uint64_t a, uint64_t b, uint64_t c, uint64_t d, uint64_t e
#define LP_ARGS_6 uint64_t a, uint64_t b, uint64_t c, uint64_t d, uint64_t e, uint64_t f
#define L(number, name, handler, args, status) long handler(LP_ARGS_##args);
#include "syscalls.def"
#undef L

#endif
