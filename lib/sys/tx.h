/* SPDX-License-Identifier: MIT */
/*
 * Transactions on preserved memory. Each run of a handler (of a request, a notification, a release, the answer of a
 * call) is one transaction; tx_checkpoint ends it earlier and begins the next. What a service that says
 * `.transactional = true` changes in PRESERVED variables and memory of pheap_alloc is put back if it dies before the
 * commit, and the handler runs again as if it never had. The progress of requests, and which calls have been sent and
 * which requests answered, belong to the transaction too: what is to go out goes out after the commit.
 *
 * The compiler asks before each store whether the undo log has the 64 bytes around it (mk/tx.cc), so nobody has to say
 * what will be changed. tx_save does so beforehand, for all of an object at once, and in code which was compiled without
 * that (lib/sys, lib/util, assembly).
 *
 * Not put back: memory of pheap_alloc_data, mappings, variables that are not preserved; wait queues, which are empty in a
 * new incarnation. What the kernel is told at once (making objects, starting threads, copying to the caller) is not
 * undone. Doing it again has to be harmless, or a commit of its own has to come before it that says what will be done.
 */
#ifndef LIB_SYS_TX_H
#define LIB_SYS_TX_H

#include <abi/startup.h>
#include <abi/types.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define TX_LINE_SHIFT 6
#define TX_LINE (1ul << TX_LINE_SHIFT)
#define TX_LOG_SIZE (256u << 10) /* if the Makefile does not say TX_LOG = SIZE */

/* One store commits: the number of the transaction in the upper half, the bytes that its log has in the lower. */
struct tx_log {
	uint64_t word;
	uint8_t bytes[TX_LOG_SIZE];
};
extern struct tx_log tx_log;

/* Whether the service is transactional; where it is not, nothing is saved and everything goes out at once. */
extern bool tx_on;

/* The log needs the lines of this memory, if it is preserved, before it is changed. The log has a bound: a transaction
 * that outgrows it ends the service, so long work commits in between. */
void tx_touch(void *memory, size_t length);
/* The same; memory that is not preserved but outlives the service (a share) is put back as well. */
void tx_save(void *memory, size_t length);
/* The same for eight aligned bytes. */
static inline void tx_save_word(void *memory)
{
	tx_save(memory, 8);
}
/* Lines of memory from pheap_alloc_data, or of one share, that are saved all the same; to be said again by each
 * incarnation. */
void tx_guard(void *memory, size_t length);
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
/* Memory whose old content does not matter, because nobody has it unless the transaction is committed. */
void tx_fresh(void *memory, size_t length);

/* The service's `committed` is to run after the commit. */
void tx_notice(void);

/* The whole lines of this memory are not saved any more, in this incarnation: others write to them. */
void tx_exclude(void *memory, size_t length);
/* In `start`: variables that are changed between the two are not put back, for the next incarnation makes them anew. */
void tx_suspend(void);
void tx_resume(void);

/* For a function that stores only to what is not preserved, or what every incarnation makes anew, such as hash chains,
 * or what nobody reads before it is stored to again: its stores are not put back. */
#ifdef TXCHECK
#define TX_DERIVED
#else
#define TX_DERIVED __attribute__((no_instrument_function, noinline))
#endif

/* For a field that every incarnation makes anew before it reads it: stores by its name are not put back. */
#if defined(TX_PLUGIN) && !defined(TXCHECK)
#define TX_DERIVED_FIELD __attribute__((tx_derived))
#else
#define TX_DERIVED_FIELD
#endif

/* For a type of which no object lies in preserved memory, written to by its own pointers: nothing is asked for those. */
#ifdef TX_PLUGIN
#define TX_LOCAL __attribute__((tx_local))
#else
#define TX_LOCAL
#endif

static inline uint64_t tx_sequence(void)
{
	return tx_log.word >> 32;
}

#endif
