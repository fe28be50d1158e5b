/* SPDX-License-Identifier: MIT */
/* Notifications, watches, futexes. */
#include "test.h"

struct waiter {
	cap_t notify;
	volatile uint32_t *word;
	uint64_t deadline;
	volatile long result;
};
static struct waiter waiters[6];

static void wait_bits(void *argument)
{
	struct waiter *w = argument;

	w->result = kcall(notify_wait, w->notify, w->deadline);
}

static void test_notify_wait(void)
{
	cap_t notify = (cap_t)kcall(notify_create);
	struct task *task;

	EQUAL(kcall(notify_wait, notify, 0), -ETIMEDOUT);
	EQUAL(kcall(notify_signal, notify, 5), 0);
	EQUAL(kcall(notify_signal, notify, 8), 0);
	EQUAL(kcall(notify_wait, notify, 0), 13);
	EQUAL(kcall(notify_wait, notify, now() + 1000000), -ETIMEDOUT);
	waiters[0] = (struct waiter){ .notify = notify, .deadline = UINT64_MAX };
	task = spawn(wait_bits, &waiters[0], LOW);
	CHECK(UNTIL(thread_state(task->thread) == THREAD_SLEEPING));
	EQUAL(kcall(notify_signal, notify, 1ul << 62 | 1ul << 63), 0);
	CHECK(UNTIL(task->done));
	EQUAL(waiters[0].result, 1l << 62);
	task = spawn(wait_bits, &waiters[0], LOW);
	CHECK(UNTIL(thread_state(task->thread) == THREAD_SLEEPING));
	EQUAL(kcall(thread_interrupt, task->thread, 0), 0);
	CHECK(UNTIL(task->done));
	EQUAL(waiters[0].result, -EINTR);
	task = spawn(wait_bits, &waiters[0], LOW);
	CHECK(UNTIL(thread_state(task->thread) == THREAD_SLEEPING));
	kcall(cap_close, notify);
	CHECK(UNTIL(task->done));
	EQUAL(waiters[0].result, -EBADF);
}

static void test_notify_bound(void)
{
	struct service_pair s = pair_create(1), other = pair_create(1);
	cap_t notify = (cap_t)kcall(notify_create);
	struct ipc_msg m;

	EQUAL(kcall(notify_signal, notify, 6), 0);
	EQUAL(kcall(ep_bind, s.endpoint, notify), 0);
	EQUAL(kcall(ep_bind, other.endpoint, notify), -EBUSY);
	EQUAL(receive(s.endpoint, &m), IPC_NOTIFY);
	EQUAL(m.op, 6);
	EQUAL(kcall(notify_timer, notify, 64, now() + 2000000), 0);
	EQUAL(receive(s.endpoint, &m), IPC_NOTIFY);
	EQUAL(m.op, 64);
	EQUAL(kcall(notify_timer, notify, 64, now() + 2000000), 0);
	EQUAL(kcall(notify_timer, notify, 0, 0), 0);
	pause_ms(4);
	EQUAL(kcall(notify_wait, notify, 0), -ETIMEDOUT);
	EQUAL(kcall(ep_bind, s.endpoint, CAP_NONE), 0);
	kcall(cap_close, notify);
	pair_close(&s);
	pair_close(&other);
}

struct watcher {
	cap_t notify, watch;
	volatile int stage;
	volatile long revoked;
};
static struct watcher watcher;

static void watch_thread(void *argument)
{
	struct watcher *w = argument;

	w->watch = (cap_t)kcall(watch_create, w->notify, 3, 17);
	w->stage = 1;
	while (w->stage == 1)
		pause_ms(1);
	w->revoked = kcall(watch_revoke, 1ull << 17);
	w->stage = 3;
	for (;;)
		pause_ms(100);
}

static void test_watch(void)
{
	struct task *task;

	watcher = (struct watcher){ .notify = (cap_t)kcall(notify_create) };
	task = spawn(watch_thread, &watcher, LOW);
	CHECK(UNTIL(watcher.stage == 1));
	CHECK(watcher.watch > 0);
	EQUAL(kcall(watch_signal, watcher.watch, 0x10), 0);
	EQUAL(kcall(watch_signal, watcher.watch, 0x01), 0);
	EQUAL(task->page->watches[17], 0x11);
	EQUAL(kcall(notify_wait, watcher.notify, 0), 8);
	EQUAL(kcall(watch_signal, watcher.watch, 0), 0);
	EQUAL(kcall(notify_wait, watcher.notify, 0), -ETIMEDOUT);
	watcher.stage = 2;
	CHECK(UNTIL(watcher.stage == 3));
	EQUAL(watcher.revoked, 0);
	EQUAL(task->page->watches[17], 0);
	EQUAL(kcall(watch_signal, watcher.watch, 1), -ESTALE);
	kcall(cap_close, watcher.watch);
	EQUAL(kcall(watch_create, watcher.notify, 63, 0), -EINVAL);
	EQUAL(kcall(watch_create, watcher.notify, 0, 64), -EINVAL);
	kcall(cap_close, watcher.notify);
}

static void test_watch_dies_with_thread(void)
{
	struct task *task;

	watcher = (struct watcher){ .notify = (cap_t)kcall(notify_create) };
	task = spawn(watch_thread, &watcher, LOW);
	CHECK(UNTIL(watcher.stage == 1));
	task_end(task);
	EQUAL(kcall(watch_signal, watcher.watch, 1), -ESTALE);
	kcall(cap_close, watcher.watch);
	kcall(cap_close, watcher.notify);
}

static volatile uint32_t words[2];

static void wait_word(void *argument)
{
	struct waiter *w = argument;

	w->result = kcall(futex, w->word, FUTEX_OP_WAIT, 0, w->deadline);
}

static void start_waiters(int count, struct task **tasks)
{
	for (int i = 0; i < count; i++) {
		waiters[i] = (struct waiter){ .word = &words[0], .deadline = UINT64_MAX, .result = 99 };
		tasks[i] = spawn(wait_word, &waiters[i], LOW);
		CHECK(UNTIL(thread_state(tasks[i]->thread) == THREAD_SLEEPING));
	}
}

static void test_futex_wake(void)
{
	struct task *t[4];

	words[0] = words[1] = 0;
	EQUAL(kcall(futex, &words[0], FUTEX_OP_WAIT, 1, UINT64_MAX), -EAGAIN);
	EQUAL(kcall(futex, &words[0], FUTEX_OP_WAIT, 0, now() + 1000000), -ETIMEDOUT);
	EQUAL(kcall(futex, &words[0], FUTEX_OP_WAKE, 1), 0);
	EQUAL(kcall(futex, 0x10, FUTEX_OP_WAIT, 0, UINT64_MAX), -EFAULT);
	EQUAL(kcall(futex, (char *)words + 1, FUTEX_OP_WAKE, 0), -EINVAL);
	EQUAL(kcall(futex, &words[0], 3, 0), -EINVAL);
	start_waiters(4, t);
	EQUAL(kcall(futex, &words[1], FUTEX_OP_WAKE, 9), 0);
	EQUAL(kcall(futex, &words[0], FUTEX_OP_WAKE, 1), 1);
	CHECK(UNTIL(t[0]->done));
	EQUAL(waiters[0].result, 0);
	EQUAL(kcall(thread_interrupt, t[1]->thread, 0), 0);
	CHECK(UNTIL(t[1]->done));
	EQUAL(waiters[1].result, -EINTR);
	task_end(t[2]);
	EQUAL(kcall(futex, &words[0], FUTEX_OP_WAKE, 9), 1);
	CHECK(UNTIL(t[3]->done));
}

static void test_futex_requeue(void)
{
	struct task *t[4];

	words[0] = words[1] = 0;
	start_waiters(4, t);
	EQUAL(kcall(futex, &words[0], FUTEX_OP_REQUEUE, 1, 5ul | 1ul << 32, &words[1], 2), -EAGAIN);
	EQUAL(kcall(futex, &words[0], FUTEX_OP_REQUEUE, 1, 1ul << 32, &words[1], 2), 3);
	EQUAL(kcall(futex, &words[0], FUTEX_OP_WAKE, 9), 1);
	EQUAL(kcall(futex, &words[1], FUTEX_OP_WAKE, 9), 2);
	CHECK(UNTIL(t[0]->done && t[1]->done && t[2]->done && t[3]->done));
}

/* The word lies in memory that the clone shares, so both mean the same one. */
static void test_futex_shared(void)
{
	struct task *t[1];

	words[0] = 0;
	model.space = (cap_t)kcall(space_clone, CAP_SELF_SPACE);
	start_waiters(1, t);
	EQUAL(kcall(futex, &words[0], FUTEX_OP_WAKE | FUTEX_OP_SHARED, 1), 1);
	CHECK(UNTIL(t[0]->done));
	kcall(cap_close, model.space);
}

const struct test signal_tests[] = {
	TEST(notify_wait), TEST(notify_bound),  TEST(watch),        TEST(watch_dies_with_thread),
	TEST(futex_wake),  TEST(futex_requeue), TEST(futex_shared), { 0 },
};
