/* SPDX-License-Identifier: MIT */
/*
 * What a server or driver is made with: life cycle, the loop, requests that wait, asynchronous
 * calls, preserved memory.
 *
 * A service fills in a struct service and calls service_main. It has one thread and never blocks:
 * a handler that lacks something starts what brings it (an asynchronous call), parks the request
 * on a wait queue, and returns PARK. When the queue is woken, the loop runs the handler again from
 * the top. What it has done so far stands in the request's `progress`. A call redelivered after a
 * crash runs the same way.
 */
#ifndef LIB_SYS_SERVER_H
#define LIB_SYS_SERVER_H

#include <abi/errno.h>
#include <abi/startup.h>
#include <proto/proto.h>
#include <sys/kcall.h>
#include <sys/tx.h>

/* State that every incarnation finds again: static variables with this attribute, zero at the
 * first start. May hold no pointers but to other preserved memory and to functions and constants of the
 * same binary. */
#define PRESERVED __attribute__((section(".preserved"), used))

/* A handler's status that says: not answered, parked on a wait queue. */
#define PARK (-100000l)
/* ... the handler has answered through request_answer already, or will. */
#define ANSWERED (-100001l)

/* Empty at first, and again in each incarnation: what waited comes again. */
struct waitq {
	struct request *first, *last;
	uint64_t incarnation; /* that has put them there */
};

/* The first part is filled by lib/sys/receive.S, which knows its layout. */
struct request {
	uint64_t token, op, badge, stamp;
	uint64_t words[IPC_ALL_WORDS]; /* the request's, unchanged */
	uint64_t in_length, out_length;
	uint64_t received;             /* IPC_* | caps << 8 | deliveries << 16 */
	long status;                   /* of the answer, once there is one */
	uint64_t reply[IPC_ALL_WORDS]; /* the answer being made */
	/* The handler's own; zero at the first run. These two lines belong to its transactions. */
	uint64_t progress[8] __attribute__((aligned(64)));
	void *context;      /* preserved memory or NULL */
	uint8_t caps_taken; /* bit i: request_take(i) was done */
	/* The library's from here on. */
	uint32_t state __attribute__((aligned(64)));
	uint32_t reply_caps_count;
	/* Only for calls that carry more than words, were cancelled, redelivered or parked; else zero. */
	uint16_t caps_count;
	bool guarded; /* progress and context are saved before they are changed */
	bool unused;
	bool cancelled, caller_dead; /* a cancel has come; handlers see it when run again */
	bool long_reply;             /* the answer has more than IPC_WORDS words */
	bool cancel_told;            /* service->cancel has been asked */
	uint8_t crashes;             /* incarnations that died running it */
	uint16_t deliveries;         /* before this one */
	struct waitq *queue;
	struct request *next, *previous;
	uint64_t sequence;                 /* lib/sys: the transaction that has changed it */
	struct ipc_cap caps[IPC_MAX_CAPS]; /* received: closed after the answer unless taken */
	struct ipc_cap reply_caps[IPC_MAX_CAPS];
	bool reply_caps_close[IPC_MAX_CAPS]; /* close our copy after the answer */
};

extern bool fault_armed;
/* What every dispatch does, in line; request.c holds the copies that are called. */
#define REQUEST_INLINE extern inline __attribute__((gnu_inline, always_inline))
REQUEST_INLINE uint64_t request_op(const struct request *rq)
{
	return rq->op;
}
REQUEST_INLINE const void *request_words(const struct request *rq)
{
	return rq->words;
}
REQUEST_INLINE void *request_reply(struct request *rq)
{
	return rq->reply;
}
bool request_buffers_allowed(const struct request *rq, uint32_t op_flags);
void request_long_reply(struct request *rq);
REQUEST_INLINE bool request_well_formed(struct request *rq, uint32_t op_flags, size_t reply_size)
{
	if (reply_size > 8 * IPC_WORDS)
		request_long_reply(rq);
	if (!OP_CAPS_OF(op_flags) && !(rq->in_length | rq->out_length | rq->caps_count))
		return true;
	return request_buffers_allowed(rq, op_flags);
}

/* The rare cases of request_checked. */
long request_judge(struct request *rq, uint32_t op_flags, long status);
REQUEST_INLINE long request_checked(struct request *rq, uint32_t op_flags, long status)
{
	if (__builtin_expect((status == 0 || status == PARK) && !fault_armed, 1))
		return status;
	return request_judge(rq, op_flags, status);
}

struct service {
	const char *name;
	/* Run a request: usually by the protocol number of its operation to X_dispatch. */
	long (*dispatch)(struct request *rq);
	/* Before the first message. restarted: preserved memory holds the state of the incarnation
	 * before; check it. An error ends the service. */
	long (*start)(bool restarted);
	/* Bits of SLOT_NOTIFY except those that lib/sys uses (NOTIFY_LIB). */
	void (*notify)(uint64_t bits);
	/* No capability with this badge is left. The loop acknowledges it afterwards. */
	void (*release)(uint64_t badge);
	/* A parked request was cancelled. NULL: it is taken off its queue and answered EINTR.
	 * Otherwise: answers its final status, or PARK to leave it parked (it will be answered
	 * soon); must undo what the request holds. */
	long (*cancel)(struct request *rq);
	/* Before an ordered end: write back, quiesce. 0, or PARK as a handler would. */
	long (*shutdown)(struct request *rq);
	/* After the commit of a transaction that has called tx_notice, and to be called by `start`: what is to go out
	 * by other ways than messages. May be called twice for the same. */
	void (*committed)(void);
	/* Its handlers are transactions: see sys/tx.h. */
	bool transactional;
};

#define NOTIFY_TIMER (1ull << 62) /* lib/sys: timers */
#define NOTIFY_LIB NOTIFY_TIMER

int service_main(const struct service *service) __attribute__((noreturn));

/* A service ends itself by an invalid instruction with this in rax and its status in rdi. */
#define SERVICE_EXIT_MAGIC 0x65786974ul

/* --- requests ------------------------------------------------------------------------------ */
long request_park(struct request *rq, struct waitq *queue); /* answers PARK */
void request_dequeue(struct request *rq);         /* it no longer waits there, as one that gives up */
struct request *waitq_first(struct waitq *queue); /* NULL: nothing waits */
void waitq_wake(struct waitq *queue);             /* every request on it will be run again, in order */
void waitq_wake_one(struct waitq *queue);
void request_wake(struct request *rq); /* just this one */
/* Answer a parked request now, out of turn. */
void request_answer(struct request *rq, long status);
/* This is the answer that the handler is about to give, with what it has given so far. For a service with an undo log of
 * its own, which has saved rq->state: whether the request has been done is part of what it commits. */
void request_settle(struct request *rq, long status);
/* Copy from the caller's in buffer (at offset) or into its out buffer. Answer length or -errno
 * (EFAULT: answer that; libposix brings the page in and calls again). */
long request_read(struct request *rq, uint64_t offset, void *to, size_t length);
/* The same to memory of pheap_alloc_data, which no transaction puts back. */
long request_read_data(struct request *rq, uint64_t offset, void *to, size_t length);
long request_write(struct request *rq, uint64_t offset, const void *from, size_t length);
/* The same with a memory object: bytes copied, fewer at an absent page. */
long request_read_memory(struct request *rq, uint64_t offset, cap_t memory, uint64_t at, size_t length);
long request_write_memory(struct request *rq, uint64_t offset, cap_t memory, uint64_t at, size_t length);
/* The reply carries this capability; `close`: our own copy goes once it is sent. -E2BIG. */
long request_give(struct request *rq, cap_t slot, uint32_t rights, bool close);
/* A fresh badge of our endpoint, given with the reply. */
long request_give_badge(struct request *rq, uint64_t badge);
/* Keep received capability i beyond the answer: its slot (or CAP_NONE if it was our own badge). */
cap_t request_take(struct request *rq, unsigned i);

/* --- asynchronous calls (sys/acall.c) ----------------------------------------------------------
 * acall_new() (NULL: none free), fill in buffers and capabilities, X_send_OP(call, to, &req); `done` runs
 * from the loop when the answer is there; the call is freed after it unless `keep` or it was sent
 * again. What goes wrong in sending comes to `done` as well (X_send_OP answers 0), so there is one
 * place for errors. After a crash `done` may run a second time for the same answer, in a service without
 * transactions. */
struct acall {
	void (*done)(struct acall *call) __attribute__((aligned(64)));
	void *owner;                /* whose it is: preserved memory or NULL */
	uint64_t tag[4];            /* the owner's */
	struct call_buffer in, out; /* ranges of memory objects; memory 0: none */
	uint32_t caps_count, recv_count;
	struct ipc_cap caps[IPC_MAX_CAPS]; /* sent */
	bool keep;
	/* The answer. What is above belongs to transactions, what follows is the library's. */
	long status __attribute__((aligned(64)));
	uint64_t words[IPC_ALL_WORDS];
	uint32_t received_count;
	struct ipc_cap received[IPC_MAX_CAPS]; /* ours to close */
	/* lib/sys's */
	cap_t object;
	uint32_t state;
	uint32_t sends; /* counted, for the answer to tell which it is of */
	struct acall *next;
	uint64_t made, ran,
	    freed; /* the transactions that have taken it from the pool, run `done`, freed it; or 0 */
	/* What is sent once the transaction is committed. */
	uint64_t sent_in, op;
	uint32_t op_flags;
	cap_t to;
	uint64_t request[IPC_ALL_WORDS];
};
struct acall *acall_new(void (*done)(struct acall *call), void *owner);
void acall_free(struct acall *call);
/* Whether `done` will run: it was sent, perhaps by an incarnation before, and its answer has not been worked in. */
bool acall_is_out(const struct acall *call);
/* A typed view of the answer: const struct blk_info_reply *r = acall_reply(call). */
static inline const void *acall_reply(const struct acall *call)
{
	return call->words;
}

/* --- what RS gave us --------------------------------------------------------------------------- */
extern const struct startup *const startup;
cap_t service_cap(const char *name); /* send right, CAP_NONE */
const struct startup_entry *startup_find(enum startup_kind kind, const char *name, unsigned nth);
void *share_address(const char *name); /* shared memory, NULL */

/* --- preserved heap, scratch heap ------------------------------------------------------------------ */
/* Zeroed memory out of the preserved region, at 64 bytes; NULL if it is full. What a transaction has changed in memory of
 * the second kind stays changed if it is undone: for contents that say nothing until something else refers to them. */
void *pheap_alloc(size_t size);
void *pheap_alloc_data(size_t size);
void pheap_free(void *memory);
/* A fresh private mapping of `length` bytes, not preserved; NULL. */
void *scratch_map(size_t length);
/* Map an object at a free address of the service's window. */
void *map_memory(cap_t memory, uint64_t offset, size_t length, uint32_t vm_flags);

/* --- time, timers ------------------------------------------------------------------------------------ */
uint64_t clock_monotonic_ns(void);
uint64_t clock_realtime_ns(void);
struct timer {
	uint64_t deadline; /* 0: not set */
	void (*fire)(struct timer *timer);
	struct timer *next;
};
void timer_start(struct timer *timer, uint64_t deadline_ns, void (*fire)(struct timer *));
void timer_stop(struct timer *timer);

/* --- watches: who polls a description ---------------------------------------------------------------- */
struct watch {
	cap_t slot;
	uint32_t events;
	uint32_t payer; /* whose share it is of */
	struct watch *next;
	uint64_t owner; /* stamp */
};
struct watch_list {
	struct watch *first, *probed; /* probed: those behind it are asked next whether they live */
	uint32_t count;
};
/* The body of a poll handler: ready: which events hold. Answers the status; keeps the request's watch if none of the
 * wanted holds. */
long watch_poll(struct watch_list *list, struct request *rq, uint64_t wanted, uint64_t ready);
void watch_notify(struct watch_list *list, uint64_t events); /* something changed */
void watch_drop(struct watch_list *list);

/* --- processes ------------------------------------------------------------------------------------------ */
#include <proto/pm_types.h>
/* The caller's entry in PM's table (share "proctab"), NULL if it is gone or a service. */
const struct process_entry *process_find(uint64_t stamp);
static inline bool stamp_is_service(uint64_t stamp)
{
	return stamp & STAMP_SERVICE;
}
bool process_in_group(const struct process_entry *process, uint32_t gid); /* fsgid or supplementary */

/* --- fault injection: sys/fault.c ------------------------------------------------------------------------------ */
/* A labelled point at which RS can have the service fail, to test that nothing is lost. */
struct fault_point {
	const char *label;
};
enum fault_kind {
	FAULT_NONE,
	FAULT_SEGFAULT,
	FAULT_ABORT, /* an invalid instruction */
	FAULT_EXIT,
	FAULT_LOOP,
	FAULT_SILENT, /* waits for ever */
	FAULT_TWICE, /* a segmentation fault, in this incarnation and in the next, and both are crashes of its own */
	FAULT_WILD,      /* overwrites words of its own data, and goes on */
	FAULT_VANISH,    /* its thread ends, and nobody is told */
	FAULT_MALFORMED, /* answers what the protocol does not allow, wherever the point is */
	FAULT_KINDS,
};
void fault_hit(const struct fault_point *point);
#define FAULT_POINT(text)                                                      \
	do {                                                                   \
		static const struct fault_point fault_point                    \
		    __attribute__((section("fault_points"), used)) = { text }; \
                                                                               \
		if (__builtin_expect(fault_armed, 0))                          \
			fault_hit(&fault_point);                               \
	} while (0)
/* --- shares: what a server has only so much of (sys/share.c) ---------------------------------------------
 * One user but root may have half of it, all such users three quarters; root and services (payer 0)
 * what there is. Counts are not preserved: a new incarnation makes them anew (share_force) from what it
 * keeps, which must say who pays. */
#define SHARE_USERS 32
struct share {
	uint64_t total, used, users_used;
	struct share_part {
		uint32_t uid;
		uint64_t used;
		struct waitq waiters;
	} parts[SHARE_USERS];
	struct waitq waiters;
};
uint32_t share_payer(uint64_t stamp); /* the caller's real user; 0 for services */
uint64_t share_left(struct share *share, uint32_t payer);
bool share_take(struct share *share, uint32_t payer, uint64_t amount);
void share_force(struct share *share, uint32_t payer, uint64_t amount); /* whatever is left */
void share_give(struct share *share, uint32_t payer, uint64_t amount);
/* Park until some is given back by the same user, or by anybody if it is not the user's part that is used up. */
long share_park(struct share *share, uint32_t payer, struct request *rq);

/* --- log, strings -------------------------------------------------------------------------------------------- */
void slog(const char *format, ...) __attribute__((format(printf, 1, 2)));
void service_exit(int status) __attribute__((noreturn));
#define CHECK(condition)                                              \
	do {                                                          \
		if (!(condition))                                     \
			check_failed(__FILE__, __LINE__, #condition); \
	} while (0)
void check_failed(const char *file, int line, const char *what) __attribute__((noreturn));

#endif
