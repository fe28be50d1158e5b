/* SPDX-License-Identifier: MIT */
/* What the files of lib/sys know of each other. */
#ifndef LIB_SYS_INTERNAL_H
#define LIB_SYS_INTERNAL_H

#define ERRNO_MAX 4095 /* what a status may be below zero */

#include <sys/server.h>
#include <util/string.h>

/* What is stored before it is there before what is stored behind it, whatever instruction is the last. */
#define BARRIER() __atomic_signal_fence(__ATOMIC_SEQ_CST)
#define ROUND_PAGE(x) (((x) + ANOLE_PAGE_SIZE - 1) & ~(ANOLE_PAGE_SIZE - 1))

/* The preserved segment of the binary (mk/server.ld). */
extern char __preserved_start[], __preserved_end[];
/* Whether a preserved variable or heap block can be at this address. */
bool preserved_contains(const void *at, size_t length);
void pheap_start(void); /* fresh: formats it; else makes the free lists anew */

/* Where this thread's message page is; RS sets its own before service_main. */
extern struct ipc_page *message_page;

/* Behind it lie those of the service and its other libraries; before it lib/sys's own, which the log does not guard. */
extern char __preserved_guarded[];

/* tx.c */
extern void (*tx_committed)(void); /* service->committed */
extern bool tx_effects;            /* something waits for the commit besides what the log has saved */
void tx_undo(void);
void tx_take_steps(void); /* closes and starts what the last commit has said */
void tx_guard_statics(void);
void tx_full(void) __attribute__((noreturn));
/* Of memory that is not guarded: eight aligned bytes that will be changed. */
void tx_keep_word(void *memory);
void tx_keep_words(void *memory, size_t count); /* the same, of no more than six */
#define tx_keep_set(variable, value)       \
	do {                               \
		tx_keep_word(&(variable)); \
		(variable) = (value);      \
	} while (0)
/* Whole lines: from now on, or no longer, to be saved before they are changed. */
void tx_unguard(void *memory, size_t length);
static inline uint8_t *shadow_of(uintptr_t at)
{
	return (uint8_t *)TX_SHADOW + ((uint32_t)at >> TX_LINE_SHIFT);
}
/* A block whose header is about to say that it is used: its payload is guarded from the commit on. */
void tx_allocated(void *payload, size_t length, uint64_t *header);
void pheap_guard(const uint64_t *header);
bool pheap_frees_many(void);
extern uint32_t tx_lines_count, tx_ranges_count; /* what a commit has to guard again */
void tx_finish(void);
void tx_finish_lines(void);
static inline void tx_next(void)
{
	tx_log.word = (tx_log.word | UINT32_MAX) + 1;
}

/* txcheck.c, only in a build that checks */
#ifdef TXCHECK
#define TX_LOOK_AT_ALL true
void txcheck_start(void);
void txcheck_guarded(const void *memory, size_t length);
/* Those of a transaction that is about to be committed, by a function that calls another with each. */
typedef void txcheck_see(uintptr_t at, const uint8_t *old, size_t size);
void txcheck_records(void (*each)(txcheck_see *see));
void txcheck_commit(void);
/* Every incarnation makes it anew, so it is only saved for the check. */
#define txcheck_changes tx_touch
void pheap_unguard_freed(void);
#else
#define TX_LOOK_AT_ALL false
static inline void txcheck_start(void) {}
static inline void txcheck_guarded(const void *memory, size_t length)
{
	(void)memory, (void)length;
}
#define txcheck_records(each) ((void)(each))
static inline void txcheck_commit(void) {}
static inline void pheap_unguard_freed(void) {}
static inline void txcheck_changes(void *memory, size_t length)
{
	(void)memory, (void)length;
}
#endif

/* For whole lines, of a number that the compiler knows. */
static inline void tx_guard_lines(void *memory, size_t length)
{
	if (tx_on)
		__builtin_memset(shadow_of((uintptr_t)memory), 1, length >> TX_LINE_SHIFT);
	txcheck_guarded(memory, length);
}
static inline void tx_unguard_lines(void *memory, size_t length)
{
	if (tx_on)
		__builtin_memset(shadow_of((uintptr_t)memory), 0, length >> TX_LINE_SHIFT);
}

static inline void tx_end(void)
{
	message_page->unnoted = 0;
	if (__builtin_expect(tx_effects, 0))
		tx_finish();
	else if (tx_lines_count | tx_ranges_count | TX_LOOK_AT_ALL | fault_armed)
		tx_finish_lines();
	else
		tx_next();
	txcheck_commit();
}
void pheap_commit(void); /* frees what was freed in this transaction */
void pheap_trim(void);

/* request.c */
/* In request.sequence, beside the number of the transaction that has changed it last. */
#define REQUEST_RUNS (1ull << 63)  /* it was its own handler */
#define REQUEST_FRESH (1ull << 62) /* ... for the first time: its fields were zero before */
#define REQUEST_SEQUENCE (UINT64_MAX >> 2)
void requests_flush(void);              /* answers what was answered out of turn */
void request_begin(struct request *rq); /* its handler runs, in this transaction */
void request_guard(struct request *rq); /* it outlives its transaction */
void requests_begin_again(void);        /* the running one, in a new transaction */
enum request_state {
	REQUEST_FREE = 0,
	REQUEST_RUNNING, /* its handler runs, or ran in an incarnation before */
	REQUEST_PARKED,  /* answered later; on `queue` if that is set */
	REQUEST_READY,   /* woken; on the loop's list */
	REQUEST_DONE,    /* status and reply are final; the kernel may not have them yet */
	REQUEST_OVER,    /* the kernel has them; what came with it is being closed */
};
extern const struct service *service;
extern struct request *running_request;
void fault_start(void);
/* The status of an answer, or what stands in its place if the fault is that. */
long fault_status(const struct request *rq, long status);
long fault_request(struct request *rq); /* fault.c: service.inject, service.points */
void requests_start(bool restarted);
void requests_grow(void); /* if memory allows */
struct request *request_find(uint64_t token);
void request_release(struct request *rq); /* the kernel has the answer */
extern struct waitq ready_requests;
struct request *request_next_ready(void); /* taken off the list, or NULL */
void request_send(struct request *rq);    /* answer with a kernel entry of its own, release */
void request_close_given(struct request *rq);
/* What did not come in registers: words, capabilities, an early cancel. */
void request_receive_rest(struct request *rq);
/* The record of an earlier delivery of this call, brought up to date; the call's own if there is none. */
struct request *request_receive_again(struct request *rq);
/* Whether some record may be left from the incarnation before. */
extern unsigned stale_count;
extern struct request *free_requests;
/* Flags that need nothing of the receiver. */
#define IPC_PLAIN_FLAGS ((uint64_t)(IPC_INTR | IPC_RECV_FD | IPC_RECV_CLOEXEC | IPC_RECV_CAPS))
/* Whether it is a call of words alone, with nothing to close and nothing to clear. caps_count and the
 * flags behind it are looked at as one word. */
static inline bool request_plain(const struct request *rq)
{
	return !((rq->received & ~IPC_PLAIN_FLAGS) | *(const uint64_t *)&rq->caps_count |
		 rq->reply_caps_count | (uintptr_t)rq->context);
}

/* receive.S: answer `answered` (NULL: none) with status and reply words, then
 * wait. A clean record takes what comes: a CALL or CANCEL as it is; of a NOTIFY op is the bits,
 * of a REPLY op is the status and badge the cookie. Answers enum ipc_kind or -errno. */
long request_exchange(struct request *fresh, const struct request *answered, uint64_t first_word);

/* acall.c */
void acalls_start(bool restarted);
void acall_answered(const struct request *message);
bool acalls_run_failed(void); /* `done` of one that could not be sent; false if there is none */
extern struct acall *failed_calls;
void acalls_flush(void); /* sends what was sent in the transaction */

/* watch.c, timer.c, clock.c */
void watches_start(bool restarted);
void clock_start(void);
void timers_run(void);

#endif
