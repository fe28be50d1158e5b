/* SPDX-License-Identifier: MIT */
/*
 * Endpoints, badges, call objects, notifications, watches: the structures and what
 * the files of ipc/ offer one another. All under the kernel lock.
 */
#ifndef KERNEL_IPC_IPC_H
#define KERNEL_IPC_IPC_H

#include "core/list.h"
#include "core/object.h"
#include "core/thread.h"
#include "core/timer.h"

/* Bits of endpoint.pending: something other than a call waits to be delivered. */
#define PENDING_CANCEL 0x1u
#define PENDING_ANSWER 0x2u
#define PENDING_NOTIFY 0x4u
#define PENDING_RELEASE 0x8u
#define PENDING_CALL 0x10u

/* Calls not yet received. */
#define CALL_LEVELS 32u /* the priorities there are */
struct call_queue {
	uint32_t levels; /* bit n: level n is not empty */
	uint32_t taken;  /* how often the next has been asked for */
	struct list_node calls[CALL_LEVELS];
};

struct endpoint {
	struct object object;
	/* The fast path wants these eight bytes to be 0. */
	uint32_t pending; /* PENDING_* */
	uint16_t refuse;  /* errno: answer every call with it */
	bool dead;
	uint8_t reserved;
	bool dma;                            /* ep_allow_dma */
	bool calls_turn;                     /* calls and releases are delivered in turn */
	struct list_node receivers;          /* threads in WAIT_RECEIVE */
	struct list_node in_service;         /* callers, in order of receipt */
	struct list_node cancels;            /* callers in service whose cancel is not yet delivered */
	struct list_node answers;            /* call objects whose answer waits to be taken */
	struct list_node releases;           /* badges without a capability, not yet delivered */
	struct list_node delivered_releases; /* delivered, not acknowledged */
	struct notify *notify;               /* bound; counted */
	struct callobj *taken;               /* whose answer was delivered last, if it was not sent again */
	struct badge *badges;                /* treap by number */
	uint64_t reset_count;                /* calls put back so far by an ep_reset under way */
	struct list_node reap_link;
	struct call_queue queue; /* callers, not yet received */
};

/* A send right's target. One count per capability and call; the endpoint holds none. */
struct badge {
	struct object object;
	struct endpoint *endpoint; /* NULL: destroyed, calls answer EIO */
	uint64_t number;
	uint32_t heap;  /* treap priority */
	bool released;  /* on releases or delivered_releases */
	uint16_t owner; /* number of the quota of the program that got it first; 0: none yet */
	struct badge *left, *right;
	struct list_node link;
};

/* ipc/callers.c: the global table of callers, by index. Slots not in use name no_caller. */
#define CALLER_BITS 20
#define CALLER_CHUNK_BITS 10
#define CALLER_CHUNK (1u << CALLER_CHUNK_BITS)
#define CALLER_CHUNKS (1u << (CALLER_BITS - CALLER_CHUNK_BITS))
struct caller_chunk {
	struct caller *slot[CALLER_CHUNK];
	uint64_t used[CALLER_CHUNK / 64];
};
extern struct caller_chunk *caller_chunks[CALLER_CHUNKS];
extern uint64_t next_token;                  /* without the index */
long caller_register(struct caller *caller); /* 0 or -EAGAIN, -ENOMEM */
void caller_unregister(struct caller *caller);
/* The call in service at `endpoint` that a token names, or NULL. */
struct caller *caller_find(struct endpoint *endpoint, uint64_t token);
static inline struct thread *caller_thread(struct caller *caller)
{
	return container_of(caller, struct thread, caller);
}

/* ipc/queue.c */
void call_queue_init(struct call_queue *queue);
void call_queue_enter(struct call_queue *queue, struct caller *caller);
/* Before all others: one that had been received. */
void call_queue_return(struct call_queue *queue, struct caller *caller);
void call_queue_leave(struct call_queue *queue, struct caller *caller);
/* There is one. */
struct caller *call_queue_next(struct call_queue *queue);

/* ipc/endpoint.c */
void endpoint_queue(struct endpoint *endpoint, struct caller *caller);   /* deliver or queue */
void endpoint_unqueue(struct endpoint *endpoint, struct caller *caller); /* a call that waits there */
/* Give receivers that wait the next things, while there are any. */
void endpoint_poll(struct endpoint *endpoint);
/* The call was interrupted or its thread has died. */
void endpoint_cancel(struct caller *caller, bool dead);
/* Take a call out of service or queue; drops what it holds except the reservations. */
void caller_detach(struct caller *caller);
/* Undo what hangs on an endpoint whose last receive right has gone, at most `budget` things;
 * answers whether it is done. */
bool endpoint_reap(struct endpoint *endpoint, unsigned budget);

/* ipc/deliver.c: fill the frame of `receiver` with the next thing to deliver; false if there
 * is none. */
bool endpoint_deliver(struct endpoint *endpoint, struct thread *receiver);

/* ipc/answer.c: what became of a call. */
struct answer {
	long status;
	uint64_t words[IPC_ALL_WORDS];
	uint32_t flags; /* IPC_EXTRA: the extra words are meant */
	uint8_t caps_count;
	struct cap caps[IPC_MAX_CAPS]; /* counted; caller_answer takes over the counts */
};
void caller_answer(struct caller *caller, struct answer *answer);
void caller_fail(struct caller *caller, long status);

/* ipc/message.c: capabilities and extra words through message pages. */
/* Take counts of the capabilities that `list` names in the tables of the current thread. */
long message_take_caps(const volatile struct ipc_cap *list, uint32_t count, struct cap *caps, uint8_t *taken);
void message_drop_caps(struct cap *caps, uint8_t *count);
/* Reserve slots of `table` for the answer. */
long message_reserve(struct caller *caller, struct table *table, uint32_t count, uint32_t min, bool cloexec);
/* Put the answer's capabilities into the reserved slots and give back the rest of those;
 * `out` gets what the caller is to see. Answers how many. */
unsigned message_fill_reserved(struct caller *caller, struct answer *answer, struct ipc_cap *out);
void message_release_reserved(struct caller *caller);
/* Install a call's capabilities in the receiver; 0 or -errno and none installed. */
long message_install(struct thread *receiver, struct endpoint *endpoint, struct caller *caller);

/* ipc/badge.c */
struct badge *badge_find(struct endpoint *endpoint, uint64_t number);
void badge_remove(struct badge *badge);
void badge_refund(struct badge *badge); /* ipc/message.c: what paid for it pays no more */

/* ipc/callobj.c */
struct callobj {
	struct object object;
	struct caller caller;
	struct endpoint *reply_to; /* counted while out */
	uint64_t op, words[IPC_ALL_WORDS], cookie;
	uint16_t payer; /* number of the quota of whom it was sent for; 0: none */
	struct call_range {
		struct memory *memory;
		uint64_t offset, length;
		bool write;
	} in, out;
	struct answer answer;                  /* while CALLER_ANSWERED */
	struct ipc_cap received[IPC_MAX_CAPS]; /* with it */
	unsigned received_count;
	struct list_node answer_link;
	struct endpoint *taken_at; /* which has it as `taken` */
	bool again;                /* the answer has been delivered before */
	uint64_t *pins;            /* frames pinned by buf_phys, a word per page of both buffers */
	uint32_t pin_count;
};
static inline struct callobj *caller_callobj(struct caller *caller)
{
	return container_of(caller, struct callobj, caller);
}
void callobj_answered(struct callobj *call, struct answer *answer);
/* Its answer was delivered last at the endpoint (NULL: it was not any more). */
void callobj_take(struct callobj *call, struct endpoint *endpoint);
/* The answer delivered last is to be delivered once more, before all others: who took it may not have got to noting it. */
void callobj_put_back(struct endpoint *endpoint);

/* ipc/notify.c */
struct notify {
	struct object object;
	uint64_t bits;
	struct endpoint *endpoint; /* bound to; no count */
	struct quota *quota;       /* pays for it */
	struct list_node waiters;
	struct timer timer;
	uint64_t timer_bits;
};
void notify_signal(struct notify *notify, uint64_t bits);

struct watch {
	struct object object;
	struct thread *thread; /* NULL: dead */
	struct notify *notify; /* counted */
	struct quota *quota;   /* pays for it */
	uint32_t word, bit;
	struct list_node link; /* the thread's watches */
};
extern uint64_t watches_dead; /* those of no thread, in capabilities only */
void watches_drop(struct thread *thread);

/* ipc/page.c: the answer to a fault or page message. */
void kernel_message_answered(struct thread *thread, uint8_t op, long status);

/* ipc/futex.c */
void futex_leave(struct thread *thread);
long futex_wake_address(struct thread *thread, uint64_t address, uint32_t count);

#endif
