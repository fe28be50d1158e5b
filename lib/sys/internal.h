/* SPDX-License-Identifier: MIT */
/* What the files of lib/sys know of each other. */
#ifndef LIB_SYS_INTERNAL_H
#define LIB_SYS_INTERNAL_H

#include <sys/server.h>
#include <util/string.h>

#define ROUND_PAGE(x) (((x) + ANOLE_PAGE_SIZE - 1) & ~(ANOLE_PAGE_SIZE - 1))

/* The preserved segment of the binary (mk/server.ld). */
extern char __preserved_start[], __preserved_end[];
/* Whether a preserved variable or heap block can be at this address. */
bool preserved_contains(const void *at, size_t length);
void pheap_start(void); /* fresh: formats it; else makes the free lists anew */

/* Where this thread's message page is; RS sets its own before service_main. */
extern struct ipc_page *message_page;

/* request.c */
enum request_state {
	REQUEST_FREE = 0,
	REQUEST_RUNNING, /* its handler runs, or ran in an incarnation before */
	REQUEST_PARKED,  /* answered later; on `queue` if that is set */
	REQUEST_READY,   /* woken; on the loop's list */
	REQUEST_DONE,    /* status and reply are final; the kernel may not have them yet */
};
extern const struct service *service;
void requests_start(bool restarted);
/* The record of a call that has come: a fresh one, or that of an earlier delivery; NULL: none is
 * left. */
struct request *request_receive(const struct ipc_msg *msg);
struct request *request_find(uint64_t token);
void request_release(struct request *rq);  /* the kernel has the answer */
void request_dequeue(struct request *rq);
struct request *request_next_ready(void);  /* taken off the list, or NULL */
void request_send(struct request *rq);     /* answer with a kernel entry of its own, release */
void request_close_given(struct request *rq);
/* Put the answer into *msg; answers the IPC_* flags for it. */
uint32_t request_load_answer(struct request *rq, struct ipc_msg *msg);
/* Whether something must be done between the answer and the release. */
static inline bool request_gives(const struct request *rq) { return rq->reply_caps_count != 0; }

/* acall.c */
void acalls_start(bool restarted);
void acall_answered(struct ipc_msg *msg);
bool acalls_run_failed(void); /* `done` of those that could not be sent */

/* watch.c, timer.c, clock.c */
void watches_start(bool restarted);
void clock_start(void);
void timers_run(void);

#endif
