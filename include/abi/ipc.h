/* SPDX-License-Identifier: MIT */
/*
 * The message: what travels between a caller and a server.
 *
 * A call carries an operation word, five words and two buffers in registers;
 * with IPC_EXTRA, five more words and up to IPC_MAX_CAPS capabilities travel
 * through the message pages of the two threads. The buffers are ranges of the
 * caller's memory: `in` may be read by the server and `out` written by it
 * while the call is in service, through the buf_* kernel calls only.
 *
 * Registers of KCALL_CALL          on entry            on return
 *   rax   nr | flags << 16 | cap << 32                 status (>= 0 or -errno)
 *   rdi   operation word                               IPC_* flags of the reply
 *   rsi rdx r10 r8 r9   five words                     five words of the reply
 *   rbx rbp             in.addr, in.len                unchanged
 *   r12 r13             out.addr, out.len              unchanged
 *   rcx r11             destroyed
 *
 * Registers of KCALL_REPLY_WAIT    on entry            on return
 *   rax   nr | flags << 16 | endpoint << 32            kind (enum ipc_kind) or -errno
 *   rdi   status of the reply                          CALL, CANCEL: operation word;
 *                                                      NOTIFY: bits; REPLY: status
 *   rsi rdx r10 r8 r9   words of the reply             words
 *   rbx                                                CALL, CANCEL, RELEASE: badge;
 *                                                      REPLY: cookie
 *   rbp                                                stamp of the caller
 *   r12 r13                                            in.len, out.len
 *   r14   token to answer, 0 for none                  token of the call
 *   r15                                                IPC_* flags | caps << 8 | delivery << 16
 *   rcx r11             destroyed
 */
#ifndef ABI_IPC_H
#define ABI_IPC_H

#include <abi/types.h>

#define IPC_WORDS 5       /* words in registers */
#define IPC_EXTRA_WORDS 5 /* further words in the message page */
#define IPC_ALL_WORDS (IPC_WORDS + IPC_EXTRA_WORDS)
#define IPC_MAX_CAPS 4 /* capabilities in one message, either way */

/* Flags of a message: bits 16..31 of rax on entry, rdi or r15 on return. */
#define IPC_EXTRA 0x01u        /* message page: extra words and capabilities are used */
#define IPC_INTR 0x02u         /* call: a signal may cancel it */
#define IPC_RECV_FD 0x04u      /* call: received capabilities go to the descriptor table */
#define IPC_RECV_CLOEXEC 0x08u /* ... with close-on-exec */
#define IPC_RECV_CAPS 0x10u    /* call: reserve recv_count slots before sending (EMFILE) */
#define IPC_CANCELLED 0x20u    /* delivered: the caller has been interrupted or has died */

/* What wait delivers. */
enum ipc_kind {
	IPC_CALL = 0,    /* a request; answer it with its token */
	IPC_NOTIFY = 1,  /* bits of the bound notification */
	IPC_REPLY = 2,   /* the answer to an asynchronous call of ours */
	IPC_CANCEL = 3,  /* the caller of `token`, in service here, was interrupted
	                  * (answer EINTR or a result) or has died (answer anything) */
	IPC_RELEASE = 4, /* no capability with this badge is left; acknowledge with
	                  * badge_destroy(), until then it is delivered to each new
	                  * incarnation again */
};

/* A capability as it travels. To the receiver's own endpoint it arrives as the badge. */
struct ipc_cap {
	cap_t slot;      /* sender: slot to copy, with `rights`; receiver: new slot, or CAP_NONE */
	uint32_t rights; /* sender: rights to pass, CAP_ALL to keep all; receiver: enum cap_type */
	uint64_t badge;  /* receiver: if the badge is of its own endpoint (rights == CAPT_BADGE
	                 * and slot == CAP_NONE): that badge */
};

/*
 * A service's page outlives it. `unnoted` is the slot of the capability that a kernel call has made last, or how many of
 * `caps` a call has brought; the service clears it when it has noted them elsewhere. What is there in the next
 * incarnation nobody knows of.
 */
/*
 * The message page, one per thread, pinned, at an address fixed at thread
 * creation. The kernel reads and writes only the part up to `user`; the rest
 * of the page belongs to libposix and PM (libposix/thread_page.h) or is unused
 * (services).
 */
struct ipc_page {
	uint64_t extra[IPC_EXTRA_WORDS]; /* further words, out and in */
	uint32_t caps_count;             /* sent; overwritten with those received */
	uint32_t recv_count;             /* slots to reserve for the reply (IPC_RECV_CAPS) */
	cap_t recv_min;                  /* lowest slot to reserve, 0 normally */
	uint32_t unnoted;                /* what was put into the private table last: see below */
	struct ipc_cap caps[IPC_MAX_CAPS];
	uint64_t fault_addr;  /* after EFAULT from a copy: the address that was absent, or 0 */
	uint64_t watches[64]; /* the words that watches or events into */
	uint8_t user[];       /* from here on not the kernel's */
};

/* A message as lib and libposix hold it; ipc.S moves it in and out of registers. */
struct ipc_msg {
	uint64_t op; /* operation word; in a reply the status */
	uint64_t w[IPC_WORDS];
	uint64_t in_addr, in_len;
	uint64_t out_addr, out_len;
	uint64_t badge; /* received: badge, or cookie of a REPLY */
	uint64_t stamp; /* received: who calls */
	uint64_t token; /* reply_wait: which call */
	uint64_t flags; /* IPC_* | caps << 8 | delivery << 16 as received */
};

/* Operation words: protocol number << 16 | operation. */
#define IPC_OP(proto, number) ((uint64_t)(proto) << 16 | (number))
#define IPC_OP_PROTO(op) ((uint32_t)((op) >> 16))
#define IPC_OP_NUMBER(op) ((uint32_t)((op)&0xffff))

/* Protocol 0 is the kernel's own: messages that the kernel itself sends. */
enum ipc_kernel_op {
	/*
	 * A thread faulted; it waits for the answer. Sent to the thread's fault
	 * endpoint with the thread's stamp. w = { vector, address, rip, error
	 * code, rsp }; the error code may have IPC_FAULT_BUS or IPC_FAULT_MEMORY
	 * added. Status 0 resumes the thread, anything else leaves it
	 * stopped.
	 */
	IPC_KERNEL_FAULT = 1,
	/*
	 * A page of a paged memory object is missing. Sent to the object's pager
	 * with the object's badge. w = { page index, write }. The pager fills the
	 * page (mo_fill_begin, mo_fill_end) and answers 0, or an error, which
	 * faults the thread with SIGBUS semantics.
	 */
	IPC_KERNEL_PAGE = 2,
};

/* Added to the error code of a page fault. */
#define IPC_FAULT_BUS (1ull << 32)    /* the pager could not bring the page: SIGBUS */
#define IPC_FAULT_MEMORY (1ull << 33) /* no memory was left for it */

/* IPC_CANCEL: w[0]. */
#define IPC_CANCEL_INTERRUPTED 0
#define IPC_CANCEL_DEAD 1

#endif
