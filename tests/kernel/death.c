/* SPDX-License-Identifier: MIT */
/* Either partner dies or is interrupted, at every point of a call. */
#include "test.h"

static struct call calls[8];

static void test_death_queued_caller(void)
{
	struct service_pair s = pair_create(1);
	struct ipc_msg m;
	struct task *task;

	calls[0] = calls[1] = (struct call){ 0 };
	task = client(&calls[0], s.badge, 1);
	client(&calls[1], s.badge, 2);
	CHECK(UNTIL(thread_state(task->thread) == THREAD_CALLING));
	pause_ms(1);
	task_end(task);
	EQUAL(receive(s.endpoint, &m), IPC_CALL);
	EQUAL(m.op, 2);
	EQUAL(answer(s.endpoint, m.token, 0), 0);
	EQUAL(receive_soon(s.endpoint, &m), -ETIMEDOUT);
	pair_close(&s);
}

static void test_death_caller_in_service(void)
{
	struct service_pair s = pair_create(9);
	struct ipc_msg m, cancel;
	struct task *task;
	char byte;

	calls[0] = (struct call){ .msg = { .in_addr = (uint64_t)&byte, .in_len = 1 } };
	task = client(&calls[0], s.badge, 33);
	EQUAL(receive(s.endpoint, &m), IPC_CALL);
	task_end(task);
	EQUAL(receive(s.endpoint, &cancel), IPC_CANCEL);
	EQUAL(cancel.token, m.token);
	EQUAL(cancel.badge, 9);
	EQUAL(cancel.op, 33);
	EQUAL(cancel.flags & IPC_CANCELLED, IPC_CANCELLED);
	EQUAL(cancel.w[0], IPC_CANCEL_DEAD);
	EQUAL(kcall(buf_read, s.endpoint, m.token, 0, &byte, 1), -ESRCH);
	EQUAL(answer(s.endpoint, m.token, 0), 0);
	EQUAL(answer(s.endpoint, m.token, 0), -ESRCH);
	pair_close(&s);
}

static void test_death_interrupt_queued(void)
{
	struct service_pair s = pair_create(1);
	struct ipc_msg m;
	struct task *task;

	calls[0] = (struct call){ .flags = IPC_INTR };
	task = client(&calls[0], s.badge, 1);
	CHECK(UNTIL(thread_state(task->thread) == THREAD_CALLING));
	EQUAL(kcall(thread_interrupt, task->thread, 0), 0);
	CHECK(UNTIL(calls[0].done));
	EQUAL(calls[0].status, -EINTR);
	EQUAL(receive_soon(s.endpoint, &m), -ETIMEDOUT);
	pair_close(&s);
}

static void test_death_interrupt_in_service(void)
{
	struct service_pair s = pair_create(1);
	struct ipc_msg m, cancel;
	struct task *task;

	calls[0] = (struct call){ .flags = IPC_INTR };
	task = client(&calls[0], s.badge, 1);
	EQUAL(receive(s.endpoint, &m), IPC_CALL);
	EQUAL(kcall(thread_interrupt, task->thread, 0), 0);
	EQUAL(kcall(thread_interrupt, task->thread, 0), 0);
	EQUAL(receive(s.endpoint, &cancel), IPC_CANCEL);
	EQUAL(cancel.token, m.token);
	EQUAL(cancel.w[0], IPC_CANCEL_INTERRUPTED);
	EQUAL(receive_soon(s.endpoint, &cancel), -ETIMEDOUT);
	EQUAL(calls[0].done, 0);
	EQUAL(answer(s.endpoint, m.token, 3), 0);
	CHECK(UNTIL(calls[0].done));
	EQUAL(calls[0].status, 3);
	pair_close(&s);
}

static void test_death_not_interruptible(void)
{
	struct service_pair s = pair_create(1);
	struct ipc_msg m;
	struct task *task;

	calls[0] = (struct call){ 0 };
	task = client(&calls[0], s.badge, 1);
	EQUAL(receive(s.endpoint, &m), IPC_CALL);
	EQUAL(kcall(thread_interrupt, task->thread, 0), 0);
	EQUAL(receive_soon(s.endpoint, &(struct ipc_msg){ 0 }), -ETIMEDOUT);
	EQUAL(answer(s.endpoint, m.token, 4), 0);
	CHECK(UNTIL(calls[0].done));
	EQUAL(calls[0].status, 4);
	pair_close(&s);
}

/* An incarnation: takes `count` calls and keeps them. */
struct incarnation {
	cap_t endpoint;
	int count;
	volatile int taken;
	uint64_t tokens[4];
};

static void take_calls(void *argument)
{
	struct incarnation *life = argument;
	struct ipc_msg m = { 0 };

	while (life->taken < life->count) {
		m.token = 0;
		if (ipc_reply_wait(life->endpoint, 0, &m) != IPC_CALL)
			return;
		life->tokens[life->taken++] = m.token;
	}
	m.token = 0;
	ipc_reply_wait(life->endpoint, 0, &m);
}

/* Three calls in service, one of them by a caller that dies, and a fourth that is queued
 * after the death of the server. */
static void test_death_server_redelivery(void)
{
	static struct incarnation life;
	struct service_pair s = pair_create(1);
	struct task *server, *victim = NULL;
	struct ipc_msg m;

	life = (struct incarnation){ .endpoint = s.endpoint, .count = 3 };
	server = spawn(take_calls, &life, HIGH);
	for (int i = 0; i < 3; i++) {
		struct task *task;

		calls[i] = (struct call){ 0 };
		task = client(&calls[i], s.badge, 10 + i);
		CHECK(UNTIL(life.taken == i + 1));
		if (i == 1)
			victim = task;
	}
	task_end(server);
	calls[3] = (struct call){ 0 };
	client(&calls[3], s.badge, 13);
	pause_ms(1);
	EQUAL(kcall(ep_reset, s.endpoint), 3);
	task_end(victim);
	for (int i = 0; i < 4; i++) {
		EQUAL(receive(s.endpoint, &m), i == 1 ? IPC_CANCEL : IPC_CALL);
		EQUAL(m.op, 10 + i);
		EQUAL(m.flags >> 16, i < 3);
		if (i < 3)
			EQUAL(m.token, life.tokens[i]);
		if (i == 1)
			EQUAL(m.w[0], IPC_CANCEL_DEAD);
		EQUAL(answer(s.endpoint, m.token, i), 0);
	}
	CHECK(UNTIL(calls[3].done));
	EQUAL(calls[2].status, 2);
	pair_close(&s);
}

/* A cancel stays with its call across redelivery. */
static void test_death_cancel_redelivered(void)
{
	struct service_pair s = pair_create(1);
	struct ipc_msg m;
	struct task *task;

	calls[0] = (struct call){ .flags = IPC_INTR };
	task = client(&calls[0], s.badge, 5);
	EQUAL(receive(s.endpoint, &m), IPC_CALL);
	EQUAL(kcall(thread_interrupt, task->thread, 0), 0);
	EQUAL(kcall(ep_reset, s.endpoint), 1);
	EQUAL(receive(s.endpoint, &m), IPC_CALL);
	EQUAL(m.flags & IPC_CANCELLED, IPC_CANCELLED);
	EQUAL(kcall(ep_reset, s.endpoint), 1);
	EQUAL(answer(s.endpoint, m.token, 0), -ESRCH);
	task_end(task);
	EQUAL(receive(s.endpoint, &m), IPC_CANCEL);
	EQUAL(m.w[0], IPC_CANCEL_DEAD);
	EQUAL(m.flags >> 16, 2);
	EQUAL(answer(s.endpoint, m.token, -EINTR), 0);
	pair_close(&s);
}

static void test_death_of_endpoint(void)
{
	struct service_pair s = pair_create(1);
	struct ipc_msg m;

	calls[0] = calls[1] = (struct call){ 0 };
	client(&calls[0], s.badge, 1);
	EQUAL(receive(s.endpoint, &m), IPC_CALL);
	client(&calls[1], s.badge, 2);
	pause_ms(1);
	EQUAL(kcall(cap_close, s.endpoint), 0);
	CHECK(UNTIL(calls[0].done && calls[1].done));
	EQUAL(calls[0].status, -EIO);
	EQUAL(calls[1].status, -EIO);
	kcall(cap_close, s.badge);
}

static void test_death_refused(void)
{
	struct service_pair s = pair_create(1);
	struct ipc_msg m;

	calls[0] = calls[1] = (struct call){ 0 };
	client(&calls[0], s.badge, 1);
	EQUAL(receive(s.endpoint, &m), IPC_CALL);
	client(&calls[1], s.badge, 2);
	pause_ms(1);
	EQUAL(kcall(ep_reset, s.endpoint), 1);
	EQUAL(kcall(ep_refuse, s.endpoint, ENXIO), 0);
	CHECK(UNTIL(calls[0].done && calls[1].done));
	EQUAL(calls[0].status, -ENXIO);
	EQUAL(calls[1].status, -ENXIO);
	pair_close(&s);
}

/* A waiting server is killed: the next receiver gets the call. */
static void test_death_waiting_server(void)
{
	static struct incarnation life;
	struct service_pair s = pair_create(1);
	struct task *server;
	struct ipc_msg m;

	life = (struct incarnation){ .endpoint = s.endpoint, .count = 1 };
	server = spawn(take_calls, &life, LOW);
	CHECK(UNTIL(thread_state(server->thread) == THREAD_WAITING));
	task_end(server);
	calls[0] = (struct call){ 0 };
	client(&calls[0], s.badge, 6);
	EQUAL(receive(s.endpoint, &m), IPC_CALL);
	EQUAL(m.op, 6);
	EQUAL(m.flags >> 16, 0);
	EQUAL(answer(s.endpoint, m.token, 0), 0);
	pair_close(&s);
}

/* The answer to a stopped thread completes into its frame. */
static void test_death_stopped_caller(void)
{
	struct service_pair s = pair_create(1);
	struct ipc_msg m;
	struct task *task;

	calls[0] = (struct call){ 0 };
	task = client(&calls[0], s.badge, 1);
	EQUAL(receive(s.endpoint, &m), IPC_CALL);
	EQUAL(kcall(thread_stop, task->thread), 0);
	EQUAL(answer(s.endpoint, m.token, 11), 0);
	pause_ms(2);
	EQUAL(calls[0].done, 0);
	EQUAL(thread_state(task->thread), THREAD_STOPPED);
	EQUAL(kcall(thread_start, task->thread), 0);
	CHECK(UNTIL(calls[0].done));
	EQUAL(calls[0].status, 11);
	pair_close(&s);
}

/* Callers and servers that come and go at any moment, on all processors. */
static volatile uint64_t stormed;
static volatile bool storm_over;
static struct service_pair storm;

static void storm_caller(void *argument)
{
	struct ipc_msg m = { 0 };

	(void)argument;
	while (!storm_over)
		stormed += ipc_call(storm.badge, IPC_INTR, &m) == 0;
}

static void storm_server(void *argument)
{
	struct ipc_msg m = { 0 };

	(void)argument;
	for (;;) {
		long kind = ipc_reply_wait(storm.endpoint, 0, &m);

		if (kind < 0)
			m.token = 0;
		m.op = 0;
		if (kind == IPC_NOTIFY || kind == IPC_RELEASE)
			m.token = 0;
	}
}

#define STORM_CALLERS 8

static void test_death_storm(void)
{
	struct task *callers[STORM_CALLERS], *server;

	storm = pair_create(1);
	stormed = 0;
	storm_over = false;
	server = spawn(storm_server, NULL, HIGH);
	for (int i = 0; i < STORM_CALLERS; i++)
		callers[i] = spawn(storm_caller, NULL, LOW);
	for (unsigned round = 0; round < 300; round++) {
		unsigned i = round % STORM_CALLERS;

		if (round % 3 == 0) {
			task_end(callers[i]);
			callers[i] = spawn(storm_caller, NULL, LOW);
		} else {
			kcall(thread_interrupt, callers[i]->thread, 0);
		}
		if (round % 7 == 0) {
			task_end(server);
			kcall(ep_reset, storm.endpoint);
			server = spawn(storm_server, NULL, HIGH);
		}
		if (round % 50 == 0)
			pause_ms(1);
	}
	CHECK(UNTIL(stormed > 100));
	storm_over = true;
	for (int i = 0; i < STORM_CALLERS; i++)
		CHECK(UNTIL(callers[i]->done));
	task_end(server);
	pair_close(&storm);
}

const struct test death_tests[] = {
	TEST(death_queued_caller),
	TEST(death_caller_in_service),
	TEST(death_interrupt_queued),
	TEST(death_interrupt_in_service),
	TEST(death_not_interruptible),
	TEST(death_server_redelivery),
	TEST(death_cancel_redelivered),
	TEST(death_of_endpoint),
	TEST(death_refused),
	TEST(death_waiting_server),
	TEST(death_stopped_caller),
	TEST(death_storm),
	{ 0 },
};
