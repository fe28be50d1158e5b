/* SPDX-License-Identifier: MIT */
/* Calls and answers between living partners. */
#include <util/string.h>

#include "test.h"

static struct call calls[8];

static void test_ipc_words(void)
{
	struct service_pair s = pair_create(77);
	struct ipc_msg m;

	calls[0] = (struct call){ .msg = { .w = { 1, 2, 3, 4, 5 }, .in_len = 6, .out_len = 7 } };
	client(&calls[0], s.badge, 0xabc);
	EQUAL(receive(s.endpoint, &m), IPC_CALL);
	EQUAL(m.op, 0xabc);
	for (int i = 0; i < IPC_WORDS; i++)
		EQUAL(m.w[i], i + 1);
	EQUAL(m.badge, 77);
	EQUAL(m.stamp, STAMP_SERVICE | 99);
	EQUAL(m.in_len, 6);
	EQUAL(m.out_len, 7);
	EQUAL(m.flags, 0);
	CHECK(m.token);
	m.op = 42;
	for (int i = 0; i < IPC_WORDS; i++)
		m.w[i] = 10 + i;
	EQUAL(kcall(reply, s.endpoint, m.token, &m), 0);
	CHECK(UNTIL(calls[0].done));
	EQUAL(calls[0].status, 42);
	for (int i = 0; i < IPC_WORDS; i++)
		EQUAL(calls[0].msg.w[i], 10 + i);
	EQUAL(calls[0].msg.flags, 0);
	pair_close(&s);
}

/* The server waits before the call comes: both directions take the fast path. */
static void echo(void *argument)
{
	struct service_pair *s = argument;
	struct ipc_msg m = { 0 };

	for (;;) {
		if (ipc_reply_wait(s->endpoint, 0, &m) != IPC_CALL)
			return;
		m.op = m.op + m.badge;
		m.w[0]++;
		m.flags = 0;
	}
}

static void check_echo(struct service_pair *s, struct ipc_msg *m, uint64_t i)
{
	m->op = i;
	m->w[0] = i;
	m->w[4] = ~i;
	EQUAL(ipc_call(s->badge, 0, m), i + 5);
	EQUAL(m->w[0], i + 1);
	EQUAL(m->w[4], ~i);
}

static void test_ipc_fast(void)
{
	struct service_pair s = pair_create(5);
	struct ipc_msg m = { 0 };

	spawn(echo, &s, HIGH);
	for (uint64_t i = 0; i < 100; i++)
		check_echo(&s, &m, i);
	pair_close(&s);
}

static void test_ipc_other_space(void)
{
	struct service_pair s = pair_create(5);
	struct ipc_msg m = { 0 };

	model.space = (cap_t)kcall(space_clone, CAP_SELF_SPACE);
	CHECK(model.space >= 0);
	spawn(echo, &s, LOW);
	for (uint64_t i = 0; i < 100; i++)
		check_echo(&s, &m, i);
	kcall(cap_close, model.space);
	pair_close(&s);
}

/* Of one priority the first comes first, which a program's, that changes with the time it uses, would not show. */
static void test_ipc_order_and_park(void)
{
	struct service_pair s = pair_create(1);
	struct ipc_msg m[4];
	struct task *task;

	for (int i = 0; i < 4; i++) {
		calls[i] = (struct call){ 0 };
		task = client_at(FIXED, &calls[i], s.badge, i);
		CHECK(UNTIL(thread_state(task->thread) == THREAD_CALLING));
	}
	for (int i = 0; i < 4; i++) {
		EQUAL(receive(s.endpoint, &m[i]), IPC_CALL);
		EQUAL(m[i].op, i);
	}
	for (int i = 3; i >= 0; i--) {
		EQUAL(answer(s.endpoint, m[i].token, 100 + i), 0);
		CHECK(UNTIL(calls[i].done));
		EQUAL(calls[i].status, 100 + i);
	}
	pair_close(&s);
}

static void test_ipc_order_by_priority(void)
{
	static const unsigned priorities[4] = { LOW, FIXED, FIXED + 8, FIXED + 8 };
	static const unsigned order[4] = { 2, 3, 1, 0 };
	struct service_pair s = pair_create(1);
	struct ipc_msg m;
	struct task *task;

	for (unsigned i = 0; i < 4; i++) {
		calls[i] = (struct call){ 0 };
		task = client_at(priorities[i], &calls[i], s.badge, i);
		CHECK(UNTIL(thread_state(task->thread) == THREAD_CALLING));
	}
	for (unsigned i = 0; i < 4; i++) {
		EQUAL(receive(s.endpoint, &m), IPC_CALL);
		EQUAL(m.op, order[i]);
		EQUAL(answer(s.endpoint, m.token, 0), 0);
		CHECK(UNTIL(calls[order[i]].done));
	}
	pair_close(&s);
}

static void test_ipc_tokens(void)
{
	struct service_pair s = pair_create(1), other = pair_create(1);
	struct ipc_msg m, bad = { 0 };

	calls[0] = (struct call){ 0 };
	client(&calls[0], s.badge, 1);
	EQUAL(receive(s.endpoint, &m), IPC_CALL);
	EQUAL(answer(other.endpoint, m.token, 0), -ESRCH);
	EQUAL(answer(s.endpoint, m.token + (1 << 20), 0), -ESRCH);
	EQUAL(answer(s.endpoint, m.token ^ 1, 0), -ESRCH);
	EQUAL(answer(s.endpoint, 0, 0), -ESRCH);
	EQUAL(answer(s.endpoint, ~0ul, 0), -ESRCH);
	bad.token = 0xfffff;
	EQUAL(ipc_reply_wait(s.endpoint, 0, &bad), -ESRCH);
	EQUAL(answer(s.endpoint, m.token, 7), 0);
	EQUAL(answer(s.endpoint, m.token, 8), -ESRCH);
	CHECK(UNTIL(calls[0].done));
	EQUAL(calls[0].status, 7);
	pair_close(&s);
	pair_close(&other);
}

static void extra_client(void *argument)
{
	struct call *call = argument;
	struct ipc_page *page = (struct ipc_page *)call->msg.w[0];

	for (int i = 0; i < IPC_EXTRA_WORDS; i++)
		page->extra[i] = 50 + i;
	page->caps_count = 0;
	call->status = ipc_call(call->to, IPC_EXTRA, &call->msg);
	for (int i = 0; i < IPC_EXTRA_WORDS; i++)
		if (page->extra[i] != 60ul + i)
			call->status = -1;
	call->done = 1;
}

static void test_ipc_ten_words(void)
{
	struct service_pair s = pair_create(1);
	struct ipc_msg m;
	struct task *task;

	calls[0] = (struct call){ .to = s.badge };
	task = spawn_stopped(extra_client, &calls[0], LOW);
	calls[0].msg.w[0] = (uint64_t)task->page;
	kcall(thread_start, task->thread);
	EQUAL(receive(s.endpoint, &m), IPC_CALL);
	EQUAL(m.flags & 0xff, IPC_EXTRA);
	for (int i = 0; i < IPC_EXTRA_WORDS; i++)
		EQUAL(main_page->extra[i], 50 + i);
	for (int i = 0; i < IPC_EXTRA_WORDS; i++)
		main_page->extra[i] = 60 + i;
	main_page->caps_count = 0;
	m.op = 9;
	m.flags = IPC_EXTRA;
	EQUAL(kcall(reply, s.endpoint, m.token, &m), 0);
	CHECK(UNTIL(calls[0].done));
	EQUAL(calls[0].status, 9);
	EQUAL(calls[0].msg.flags & IPC_EXTRA, IPC_EXTRA);
	pair_close(&s);
}

static uint8_t in_buffer[3 * PAGE], out_buffer[3 * PAGE], own_buffer[3 * PAGE];

static void test_ipc_buffers(void)
{
	struct service_pair s = pair_create(1);
	struct ipc_msg m;

	for (unsigned i = 0; i < sizeof(in_buffer); i++)
		in_buffer[i] = (uint8_t)(i * 7);
	calls[0] = (struct call){ .msg = { .in_addr = (uint64_t)in_buffer + 1,
					   .in_len = 9000,
					   .out_addr = (uint64_t)out_buffer + 5,
					   .out_len = 8192 } };
	client(&calls[0], s.badge, 1);
	EQUAL(receive(s.endpoint, &m), IPC_CALL);
	EQUAL(kcall(buf_read, s.endpoint, m.token, 10, own_buffer, 8000), 8000);
	EQUAL(memcmp(own_buffer, in_buffer + 11, 8000), 0);
	EQUAL(kcall(buf_write, s.endpoint, m.token, 4000, own_buffer, 4192), 4192);
	EQUAL(memcmp(own_buffer, out_buffer + 4005, 4192), 0);
	EQUAL(kcall(buf_read, s.endpoint, m.token, 0, own_buffer, 9001), -EINVAL);
	EQUAL(kcall(buf_read, s.endpoint, m.token, 9001, own_buffer, 0), -EINVAL);
	EQUAL(kcall(buf_read, s.endpoint, m.token, ~0ul, own_buffer, 2), -EINVAL);
	EQUAL(kcall(buf_write, s.endpoint, m.token, 1, own_buffer, 8192), -EINVAL);
	EQUAL(kcall(buf_write, s.endpoint, m.token, 1, own_buffer, ~0ul), -EINVAL);
	EQUAL(kcall(buf_read, s.endpoint, m.token, 0, 0x10, 1), -EFAULT);
	EQUAL(kcall(buf_read, s.endpoint, m.token, 0, 0xffff800000000000, 1), -EFAULT);
	EQUAL(answer(s.endpoint, m.token, 0), 0);
	EQUAL(kcall(buf_read, s.endpoint, m.token, 0, own_buffer, 1), -ESRCH);
	pair_close(&s);
}

static void test_ipc_buffer_objects(void)
{
	struct service_pair s = pair_create(1);
	cap_t memory = (cap_t)kcall(mo_create, 4 * PAGE, 0);
	struct buf_mo args = { .endpoint = s.endpoint,
			       .memory = memory,
			       .buffer_offset = 1,
			       .memory_offset = 4000,
			       .length = 8000 };
	struct ipc_msg m;

	calls[0] = (struct call){ .msg = { .in_addr = (uint64_t)in_buffer,
					   .in_len = 9000,
					   .out_addr = (uint64_t)out_buffer,
					   .out_len = 9000 } };
	client(&calls[0], s.badge, 1);
	EQUAL(receive(s.endpoint, &m), IPC_CALL);
	args.token = m.token;
	EQUAL(kcall(buf_read_mo, &args), 8000);
	EQUAL(kcall(mo_read, memory, 4000, own_buffer, 8000), 8000);
	EQUAL(memcmp(own_buffer, in_buffer + 1, 8000), 0);
	EQUAL(kcall(buf_write_mo, &args), 8000);
	EQUAL(memcmp(out_buffer + 1, in_buffer + 1, 8000), 0);
	args.length = 9000;
	EQUAL(kcall(buf_write_mo, &args), -EINVAL);
	EQUAL(answer(s.endpoint, m.token, 0), 0);
	kcall(cap_close, memory);
	pair_close(&s);
}

static void test_ipc_buffer_absent(void)
{
	struct service_pair s = pair_create(1);
	struct ipc_msg m;
	struct task *task;

	calls[0] = (struct call){ .msg = { .in_addr = 0x123456000, .in_len = 100 } };
	task = client(&calls[0], s.badge, 1);
	EQUAL(receive(s.endpoint, &m), IPC_CALL);
	EQUAL(kcall(buf_read, s.endpoint, m.token, 8, own_buffer, 50), -EFAULT);
	EQUAL(task->page->fault_addr, 0x123456008);
	EQUAL(answer(s.endpoint, m.token, -EFAULT), 0);
	CHECK(UNTIL(calls[0].done));
	EQUAL(calls[0].status, -EFAULT);
	pair_close(&s);
}

/* Two threads with FPU registers and FS bases of their own, each calling in turn. */
static struct fpu_user {
	cap_t badge;
	uint64_t mark;
	volatile long wrong;
} fpu_users[2];

static void use_fpu(void *argument)
{
	struct fpu_user *user = argument;
	struct ipc_msg m = { 0 };
	uint64_t seen, base;

	kcall(set_fsbase, user);
	__asm__ volatile("movq %0, %%xmm7" : : "r"(user->mark));
	for (int i = 0; i < 200; i++) {
		ipc_call(user->badge, 0, &m);
		__asm__ volatile("movq %%xmm7, %0; mov %%fs:8, %1" : "=r"(seen), "=r"(base));
		user->wrong += seen != user->mark || base != user->mark;
	}
}

static void test_ipc_keeps_fpu(void)
{
	struct service_pair s = pair_create(5);
	struct task *t[2];

	spawn(echo, &s, HIGH);
	model.flags = 0;
	for (int i = 0; i < 2; i++) {
		fpu_users[i] = (struct fpu_user){ .badge = s.badge, .mark = 0x1234567 + i };
		t[i] = spawn(use_fpu, &fpu_users[i], LOW);
	}
	CHECK(UNTIL(t[0]->done && t[1]->done));
	EQUAL(fpu_users[0].wrong, 0);
	EQUAL(fpu_users[1].wrong, 0);
	pair_close(&s);
}

static void test_ipc_errors(void)
{
	struct service_pair s = pair_create(1);
	struct ipc_msg m = { 0 };

	EQUAL(ipc_call(s.endpoint, 0, &m), -EBADF);
	EQUAL(ipc_call(CAP_PRIVATE | 4000, 0, &m), -EBADF);
	EQUAL(ipc_call(CAP_NONE, 0, &m), -EBADF);
	EQUAL(ipc_call(3, 0, &m), -EBADF);
	EQUAL(ipc_call(s.badge, 0x8000, &m), -EINVAL);
	EQUAL(ipc_reply_wait(s.badge, 0, &m), -EBADF);
	EQUAL(kcall(badge_create, s.endpoint, 0), -EINVAL);
	EQUAL(kcall(reply, s.endpoint, 1, &m), -ESRCH);
	EQUAL(kcall(ep_refuse, s.endpoint, EIO), 0);
	EQUAL(ipc_call(s.badge, 0, &m), -EIO);
	EQUAL(kcall(ep_refuse, s.endpoint, 0), 0);
	EQUAL(kcall(cap_close, s.endpoint), 0);
	EQUAL(ipc_call(s.badge, 0, &m), -EIO);
	kcall(cap_close, s.badge);
}

const struct test ipc_tests[] = {
	TEST(ipc_words),
	TEST(ipc_fast),
	TEST(ipc_other_space),
	TEST(ipc_order_and_park),
	TEST(ipc_order_by_priority),
	TEST(ipc_tokens),
	TEST(ipc_ten_words),
	TEST(ipc_buffers),
	TEST(ipc_buffer_objects),
	TEST(ipc_buffer_absent),
	TEST(ipc_keeps_fpu),
	TEST(ipc_errors),
	{ 0 },
};
