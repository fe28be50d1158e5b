/* SPDX-License-Identifier: MIT */
/*
 * The fuzzer that runs in the guest: fuzz [--seed N] [--seconds S] [--only KIND] [--workers N] [--threads N] [--uid N].
 *
 * A supervisor, root's, keeps worker processes of an ordinary user going. Each has threads that make one step
 * after the other: a kernel call, a message, a system call, a recorded sequence with changes, or something that
 * pulls the ground from under the others. What a thread does is drawn from a generator of its own, so that a
 * seed, a worker, its incarnation and a thread name the arguments; in which order threads get to run they do not.
 */
#ifndef TESTS_FUZZ_FUZZ_H
#define TESTS_FUZZ_FUZZ_H

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include <abi/trace.h>

/* --- chance (random.c) -------------------------------------------------------------------------- */

struct dice {
	uint64_t state;
};

uint64_t word(struct dice *d);
/* Below limit, which is not 0. */
uint64_t below(struct dice *d, uint64_t limit);
/* One time in n. */
int rarely(struct dice *d, unsigned n);
/* Sizes, counts and offsets at and beyond their limits. */
uint64_t number(struct dice *d);
/* Good and bad addresses. */
uint64_t address(struct dice *d);
/* Anything. */
uint64_t anything(struct dice *d);

/* --- what calls are made on (ground.c) ------------------------------------------------------------ */

/* Memory for arguments. Any part may be unmapped, protected or replaced at any time; who touches what is
 * not there gets a fresh page (the handler of SIGSEGV and SIGBUS). */
#define ARENA_SIZE (1u << 20)
#define ARENA_PAGES (ARENA_SIZE / 4096)
extern char *arena;

/* Descriptors of its own only; signals end no worker, but for faults outside the arena. */
void ground_catch(void);
/* Puts the arena, the descriptors and the directories of a worker in place. */
void ground_prepare(void);
/* A piece of the arena with at least `room` bytes behind it (room below 64 KiB). */
char *piece(struct dice *d, size_t room);
/* A path, good or bad, in the arena. */
char *path(struct dice *d);
/* A descriptor: mostly an open one. */
int descriptor(struct dice *d);
/* The process or one near it. */
long process(struct dice *d);
/* Words of all kinds, or text, in a piece. */
char *filled(struct dice *d, size_t room);
/* A Linux call, not through libc, which would look at what vfork and clone answer. */
long linux_call(long number, const uint64_t a[6]);

/* --- kinds of steps --------------------------------------------------------------------------------- */

struct kind {
	const char *name;
	void (*prepare)(void); /* once in each worker, may be NULL */
	/* One step; what it is about goes to *note before it begins. */
	void (*step)(struct dice *d, volatile uint64_t *note);
};

extern const struct kind kernel_kind, proto_kind, posix_kind, replay_kind, chaos_kind;

/* A Linux call that is done, but whose arguments the fuzzer has no idea of; NULL: there is none (posix.c). */
const char *undescribed_call(void);
/* Whether a protocol has it (proto.c). */
int known_operation(uint64_t op);

/* --- messages of honest programs (record.c) ------------------------------------------------------------ */

/* Before there are workers; only root can, without it there are none. */
void record_messages(unsigned uid);
unsigned recorded_count(void);
/* One of them, or NULL, half of the time. A worker may have destroyed it, but for itself only. */
const struct trace_record *recorded_message(struct dice *d);

/* --- the supervisor's books, shared with all workers -------------------------------------------------- */

#define WORKERS_MAX 16
#define STREAMS_MAX 8

struct thread_book {
	volatile uint64_t steps, note;
};

/* A worker's calls may write into it whatever they like; only the supervisor is deceived. */
struct book {
	struct thread_book threads[WORKERS_MAX][STREAMS_MAX];
	volatile uint64_t answers, refusals;
	volatile uint64_t gained; /* GAINED: a worker has read SECRET_FILE */
};
extern struct book *book;
#define GAINED 0x676169746e656421u

/* Readable by root alone. */
#define SECRET_FILE "/root/fuzz.secret"
#define SECRET_TEXT "nobody else reads this"

/* Round trips of root's shell. No worker has it. */
struct probe_book {
	volatile uint64_t count, worst_ns, total_ns, late;
	volatile uint64_t asked_ns; /* when the question was asked that waits for its answer; 0: none */
};
extern struct probe_book *probe_book;

/* Counts an answer and passes it on. */
long answered(long answer);

struct run {
	unsigned seed, seconds, workers, threads, uid;
	const struct kind *kinds[8];
	unsigned kind_count;
};

/* What a worker's thread does. */
const struct kind *worker_kind(const struct run *run, unsigned worker, unsigned incarnation, unsigned thread);
/* The life of a worker: does not return. incarnation: how many were before it in its place. */
void worker_run(const struct run *run, unsigned worker, unsigned incarnation) __attribute__((noreturn));
/* Root's shell is asked again and again until the process is killed: does not return. */
void probe_run(void) __attribute__((noreturn));
/* It has been killed: a question without an answer counts as one that is answered now. */
void probe_end(void);

#endif
