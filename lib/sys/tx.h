/* SPDX-License-Identifier: MIT */
/*
 * Transactions on preserved memory. Each run of a handler (of a request, a notification, a release, the answer of a
 * call) is one transaction; tx_checkpoint ends it earlier and begins the next. Before a handler changes preserved memory it
 * saves what was there with tx_save. If the service dies before the commit, the next incarnation puts the old bytes
 * back, and the handler runs again as if it never had. The progress of requests, and which calls have been sent and
 * which requests answered, belong to the transaction too: what is to go out goes out after the commit.
 *
 * It needs no tx_save: memory that pheap_alloc gave in the same transaction, the fields of the request that is running,
 * wait queues, and calls (struct acall). A service says `.transactional = true` if it keeps to this.
 *
 * What the kernel is told at once (making objects, starting threads, copying to the caller) is not undone. Doing it
 * again has to be harmless, or a commit of its own has to come before it that says what will be done.
 */
#ifndef LIB_SYS_TX_H
#define LIB_SYS_TX_H

#include <abi/types.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define TX_LOG_SIZE (256u << 10)

/* One store commits: the number of the transaction in the upper half, the bytes that its log has in the lower. */
struct tx_log {
	uint64_t word;
	uint8_t bytes[TX_LOG_SIZE];
};
extern struct tx_log tx_log;

/* Whether the service is transactional; where it is not, nothing is saved and everything goes out at once. */
extern bool tx_on;

/* Save `length` bytes before they are changed. The log has a bound: a transaction that outgrows it ends the service, so
 * long work commits in between. */
void tx_save(void *memory, size_t length);
/* The same for eight aligned bytes. */
void tx_save_word(void *memory);
/* Save and change one variable. */
#define tx_set(variable, value)                         \
	do {                                            \
		tx_save(&(variable), sizeof(variable)); \
		(variable) = (value);                   \
	} while (0)
/* What was done so far holds, and goes out; what follows is another transaction of the same handler. */
void tx_checkpoint(void);
/* A capability made in this transaction: closed if that is undone. Answers `slot`, which may be an error. */
long tx_made(long slot);
/* Once the transaction is committed, and then whatever happens, in this order: close a capability; let a thread run;
 * end a thread and close its capability. */
void tx_close(cap_t slot);
void tx_start(cap_t thread);
void tx_kill(cap_t thread);
/* So much has been changed that a loop had better commit with tx_checkpoint before it goes on. */
bool tx_is_long(void);
/* For a build that checks (txcheck.c): memory whose old content does not matter, because nobody has it unless the
 * transaction is committed; memory outside the preserved region that takes part in transactions. */
#ifdef TXCHECK
void tx_fresh(const void *memory, size_t length);
void tx_checked(const void *memory, size_t length);
#else
static inline void tx_fresh(const void *memory, size_t length)
{
	(void)memory, (void)length;
}
static inline void tx_checked(const void *memory, size_t length)
{
	(void)memory, (void)length;
}
#endif

/* The service's `committed` is to run after the commit. */
void tx_notice(void);

/* For a function that changes what preserved memory holds but every incarnation makes anew, such as hash chains: a
 * build that checks does not ask for tx_save there. */
#define TX_DERIVED __attribute__((no_sanitize("kernel-address")))

static inline uint64_t tx_sequence(void)
{
	return tx_log.word >> 32;
}

#endif
