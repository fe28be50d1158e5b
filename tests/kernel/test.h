/* SPDX-License-Identifier: MIT */
/*
 * Tests of the kernel from user mode: one program in the place of rs, with every capability.
 * A test is a function that ends early when a CHECK fails. Threads that it started are killed
 * after it. Its variables lie in memory that clones of the space share, so a thread in a
 * cloned space sees what the test sees.
 */
#ifndef TESTS_KERNEL_TEST_H
#define TESTS_KERNEL_TEST_H

#include <abi/errno.h>
#include <sys/kcall.h>

struct test {
	const char *name;
	void (*run)(void);
};
extern const struct test ipc_tests[], death_tests[], badge_tests[], cap_tests[], async_tests[],
    signal_tests[], memory_tests[], space_tests[], thread_tests[], hostile_tests[], bounds_tests[],
    bench_tests[];
#define TEST(name)                 \
	{                          \
#name, test_##name \
	}

void say(const char *format, ...) __attribute__((format(printf, 1, 2)));
void test_failed(const char *file, int line, const char *what, long actual, long expected);
#define CHECK(condition)                                                   \
	do {                                                               \
		if (!(condition)) {                                        \
			test_failed(__FILE__, __LINE__, #condition, 0, 1); \
			return;                                            \
		}                                                          \
	} while (0)
#define EQUAL(actual, expected)                                                       \
	do {                                                                          \
		long actual_ = (long)(actual), expected_ = (long)(expected);          \
		if (actual_ != expected_) {                                           \
			test_failed(__FILE__, __LINE__, #actual, actual_, expected_); \
			return;                                                       \
		}                                                                     \
	} while (0)

/* --- threads ---------------------------------------------------------------------------- */
#define LOW 10   /* a program's: sinks with the time it uses, and rises again */
#define FIXED 16 /* a service's that stays as it is: the lowest of a band, as is FIXED + 8 */
#define HIGH 28
#define PAGE ANOLE_PAGE_SIZE

struct task {
	cap_t thread;
	struct ipc_page *page;
	void (*function)(void *argument);
	void *argument;
	volatile int done;
};
/* How threads are made from here on; reset before each test. */
extern struct thread_create model;
struct task *spawn(void (*function)(void *), void *argument, unsigned priority);
/* Not yet started. */
struct task *spawn_stopped(void (*function)(void *), void *argument, unsigned priority);
void task_end(struct task *task); /* kill and forget it */
#define main_page ((struct ipc_page *)BOOT_MESSAGE_PAGE)

uint64_t now(void);
/* Whether a nanosecond is an instruction (-icount). Else the build machine decides how long something takes, and no
 * bound of time is judged. */
bool time_is_counted(void);
void pause_ms(unsigned ms);
/* Lets others run until the condition holds, for two seconds at most. */
#define UNTIL(condition)                              \
	({                                            \
		uint64_t end_ = now() + 2000000000ul; \
		while (!(condition) && now() < end_)  \
			pause_ms(1);                  \
		(condition);                          \
	})
long thread_state(cap_t thread);
uint64_t pages_free(void);

/* --- calls -------------------------------------------------------------------------------- */
struct call {
	cap_t to;
	uint32_t flags;
	struct ipc_msg msg;
	long status;
	volatile int done;
};
void make_call(void *call); /* for spawn */
/* A client that calls through `to` with this operation. */
struct task *client(struct call *call, cap_t to, uint64_t op);
struct task *client_at(unsigned priority, struct call *call, cap_t to, uint64_t op);

/* An endpoint and a badge of it. */
struct service_pair {
	cap_t endpoint, badge;
};
struct service_pair pair_create(uint64_t badge);
void pair_close(struct service_pair *pair);
/* Wait without answering; wait for at most a moment, -ETIMEDOUT. */
long receive(cap_t endpoint, struct ipc_msg *msg);
long receive_soon(cap_t endpoint, struct ipc_msg *msg);
/* Answer without waiting. */
long answer(cap_t endpoint, uint64_t token, long status);

#endif
