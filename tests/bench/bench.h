/* SPDX-License-Identifier: MIT */
/*
 * How long an operation takes. Run it many times, several times over; the smallest figure counts, less what the loop
 * itself takes. With QEMU's -icount a nanosecond of CLOCK_MONOTONIC is one instruction of the guest.
 *
 * A program is a table of `struct bench` and one call of bench_main. It prints one line per benchmark:
 * `bench NAME VALUE UNIT`, or `bench NAME error REASON` for what this system cannot do.
 */
#ifndef TESTS_BENCH_BENCH_H
#define TESTS_BENCH_BENCH_H

#define _GNU_SOURCE
#include <errno.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define ROUNDS 5
#define ROUND_NS 4000000 /* what a round should last at least */
#define NELEMS(a) (sizeof(a) / sizeof *(a))

struct bench {
	const char *name;
	void (*run)(long count); /* the operation, count times */
	void (*setup)(void);
	void (*teardown)(void);
	long bytes; /* moved by one operation: the figure is MB/s then */
	long per;   /* parts of one operation; the figure is for one of them */
};

/* An entry of the table: BENCH(operation, .setup = ...), or by another name than the operation's. */
#define BENCH(operation, ...) BENCH_AS(#operation, operation, __VA_ARGS__)
#define BENCH_AS(as, operation, ...)                            \
	{                                                       \
		.name = as, .run = run_##operation, __VA_ARGS__ \
	}

/* An operation as a loop over one statement or block. */
#define OPERATION(name)                                                      \
	static inline __attribute__((always_inline)) void once_##name(void); \
	static void run_##name(long count)                                   \
	{                                                                    \
		while (count--)                                              \
			once_##name();                                       \
	}                                                                    \
	static inline void once_##name(void)

static int bench_error; /* the first errno of the benchmark that runs */

/* Every call that must not fail goes through here. */
static inline long must(long result)
{
	if (__builtin_expect(result < 0, 0) && !bench_error)
		bench_error = errno ? errno : EIO;
	return result;
}

/* pthread calls and posix_spawn return their error. */
static inline void must_be_zero(int error)
{
	if (__builtin_expect(error != 0, 0) && !bench_error)
		bench_error = error;
}

static inline int64_t now_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec * 1000000000ll + t.tv_nsec;
}

OPERATION(nothing)
{
	__asm__ volatile("");
}

static inline int64_t elapsed(const struct bench *b, long count)
{
	int64_t start = now_ns();

	b->run(count);
	return now_ns() - start;
}

static inline int64_t shortest(const struct bench *b, long count)
{
	int64_t best = INT64_MAX;

	for (int i = 0; i < ROUNDS && !bench_error; i++) {
		int64_t t = elapsed(b, count);

		if (t < best)
			best = t;
	}
	return best;
}

static inline long enough(const struct bench *b)
{
	long count = 1;

	while (!bench_error && elapsed(b, count) < ROUND_NS)
		count *= 2;
	return count;
}

static inline void bench_print(const struct bench *b, double ns)
{
	ns /= b->per ? b->per : 1;
	if (b->bytes)
		printf("bench %s %.0f MB/s\n", b->name, b->bytes * 1000.0 / ns);
	else
		printf("bench %s %.0f ns\n", b->name, ns);
}

static inline void bench_one(const struct bench *b)
{
	static const struct bench nothing = BENCH(nothing);
	int64_t total = 0;
	long count = 0;

	bench_error = 0;
	if (b->setup)
		b->setup();
	if (!bench_error) {
		count = enough(b);
		total = shortest(b, count) - shortest(&nothing, count);
	}
	if (bench_error)
		printf("bench %s error %s\n", b->name, strerror(bench_error));
	else
		bench_print(b, (double)total / count);
	fflush(stdout);
	if (b->teardown)
		b->teardown();
}

/* Run those whose names begin as one of the arguments does; all, without arguments. */
static inline int bench_main(const struct bench *table, size_t size, int argc, char **argv)
{
	for (size_t i = 0; i < size; i++) {
		bool wanted = argc < 2;

		for (int a = 1; a < argc; a++)
			wanted |= !strncmp(table[i].name, argv[a], strlen(argv[a]));
		if (wanted)
			bench_one(&table[i]);
	}
	return 0;
}

/* A child that ends at once must be waited for, or the next fork fails in the end. */
static inline void reap(pid_t child)
{
	int status;

	if (must(child) > 0) {
		must(waitpid(child, &status, 0));
		if (!WIFEXITED(status) || WEXITSTATUS(status))
			must(-1);
	}
}

#endif
