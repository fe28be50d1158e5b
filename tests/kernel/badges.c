/* SPDX-License-Identifier: MIT */
/* Badges: release, revocation, listing. */
#include "test.h"

static struct call call;

static void test_badge_release(void)
{
	struct service_pair s = pair_create(7);
	cap_t copy = (cap_t)kcall(cap_copy, s.badge, CAP_ALL, CAP_PRIVATE, 0);
	struct ipc_msg m;

	EQUAL(kcall(cap_same, copy, s.badge), 1);
	EQUAL(kcall(cap_close, s.badge), 0);
	EQUAL(receive_soon(s.endpoint, &m), -ETIMEDOUT);
	EQUAL(kcall(cap_close, copy), 0);
	EQUAL(receive(s.endpoint, &m), IPC_RELEASE);
	EQUAL(m.badge, 7);
	EQUAL(kcall(badge_create, s.endpoint, 7), -EEXIST);
	EQUAL(kcall(badge_cap, s.endpoint, 7), -ENOENT);
	EQUAL(receive_soon(s.endpoint, &m), -ETIMEDOUT);
	EQUAL(kcall(ep_reset, s.endpoint), 0);
	EQUAL(receive(s.endpoint, &m), IPC_RELEASE);
	EQUAL(m.badge, 7);
	EQUAL(kcall(badge_destroy, s.endpoint, 7), 0);
	EQUAL(kcall(badge_destroy, s.endpoint, 7), -ENOENT);
	EQUAL(kcall(ep_reset, s.endpoint), 0);
	EQUAL(receive_soon(s.endpoint, &m), -ETIMEDOUT);
	copy = (cap_t)kcall(badge_create, s.endpoint, 7);
	CHECK(copy > 0);
	kcall(cap_close, copy);
	kcall(cap_close, s.endpoint);
}

static void test_badge_revoke(void)
{
	struct service_pair s = pair_create(7);
	struct ipc_msg m = { 0 };

	call = (struct call){ 0 };
	client(&call, s.badge, 1);
	EQUAL(receive(s.endpoint, &m), IPC_CALL);
	EQUAL(kcall(badge_destroy, s.endpoint, 7), 0);
	EQUAL(answer(s.endpoint, m.token, 5), 0); /* one in service may still be answered */
	CHECK(UNTIL(call.done));
	EQUAL(call.status, 5);
	EQUAL(ipc_call(s.badge, 0, &m), -EIO);
	EQUAL(kcall(cap_close, s.badge), 0);
	EQUAL(receive_soon(s.endpoint, &m), -ETIMEDOUT);
	kcall(cap_close, s.endpoint);
}

static void test_badge_revoke_queued(void)
{
	struct service_pair s = pair_create(7);
	struct ipc_msg m;

	call = (struct call){ 0 };
	client(&call, s.badge, 1);
	pause_ms(1);
	EQUAL(kcall(badge_destroy, s.endpoint, 7), 0);
	EQUAL(receive_soon(s.endpoint, &m), -ETIMEDOUT);
	CHECK(UNTIL(call.done));
	EQUAL(call.status, -EIO);
	pair_close(&s);
}

/* A call in service keeps its badge: the release comes after the answer. */
static void test_badge_release_waits_for_call(void)
{
	struct service_pair s = pair_create(8);
	struct ipc_msg m;

	call = (struct call){ 0 };
	client(&call, s.badge, 1);
	EQUAL(receive(s.endpoint, &m), IPC_CALL);
	EQUAL(kcall(cap_close, s.badge), 0);
	EQUAL(receive_soon(s.endpoint, &(struct ipc_msg){ 0 }), -ETIMEDOUT);
	EQUAL(answer(s.endpoint, m.token, 0), 0);
	EQUAL(receive(s.endpoint, &m), IPC_RELEASE);
	EQUAL(m.badge, 8);
	kcall(cap_close, s.endpoint);
}

#define MANY 1000

/* In an order that is neither ascending nor descending. */
static void test_badge_many(void)
{
	static uint64_t numbers[MANY];
	static cap_t caps[MANY];
	cap_t endpoint = (cap_t)kcall(ep_create), copy;
	uint64_t after = 0;

	for (uint64_t i = 0; i < MANY; i++) {
		caps[i] = (cap_t)kcall(badge_create, endpoint, 1 + i * 7919 % MANY);
		CHECK(caps[i] > 0);
	}
	EQUAL(kcall(badge_list, endpoint, 0, numbers, MANY), MANY);
	for (uint64_t i = 0; i < MANY; i++)
		EQUAL(numbers[i], i + 1);
	EQUAL(kcall(badge_list, endpoint, 990, numbers, MANY), 10);
	copy = (cap_t)kcall(badge_cap, endpoint, 500);
	CHECK(copy > 0);
	kcall(cap_close, copy);
	for (uint64_t i = 0; i < MANY; i += 2)
		EQUAL(kcall(badge_destroy, endpoint, i + 1), 0);
	for (long n; (n = kcall(badge_list, endpoint, after, numbers, 7)) > 0;) {
		for (long i = 0; i < n; i++) {
			EQUAL(numbers[i], after + 2);
			after = numbers[i];
		}
	}
	EQUAL(after, MANY);
	for (int i = 0; i < MANY; i++)
		EQUAL(kcall(cap_close, caps[i]), 0);
	kcall(cap_close, endpoint);
}

static void send_badge(void *argument)
{
	struct call *c = argument;
	struct ipc_page *page = (struct ipc_page *)c->msg.w[0];

	page->caps_count = 1;
	page->caps[0] = (struct ipc_cap){ .slot = (cap_t)c->msg.w[1], .rights = CAP_ALL };
	make_call(c);
}

static void test_badge_own_arrives_as_number(void)
{
	struct service_pair s = pair_create(7);
	cap_t other = (cap_t)kcall(badge_create, s.endpoint, 1234);
	struct ipc_msg m;
	struct task *task;

	call = (struct call){ .to = s.badge, .flags = IPC_EXTRA };
	task = spawn_stopped(send_badge, &call, LOW);
	call.msg.w[0] = (uint64_t)task->page;
	call.msg.w[1] = (uint64_t)other;
	kcall(thread_start, task->thread);
	EQUAL(receive(s.endpoint, &m), IPC_CALL);
	EQUAL(m.flags >> 8 & 0xff, 1);
	EQUAL(main_page->caps_count, 1);
	EQUAL(main_page->caps[0].slot, CAP_NONE);
	EQUAL(main_page->caps[0].rights, CAPT_BADGE);
	EQUAL(main_page->caps[0].badge, 1234);
	EQUAL(answer(s.endpoint, m.token, 0), 0);
	kcall(cap_close, other);
	pair_close(&s);
}

const struct test badge_tests[] = {
	TEST(badge_release),
	TEST(badge_revoke),
	TEST(badge_revoke_queued),
	TEST(badge_release_waits_for_call),
	TEST(badge_many),
	TEST(badge_own_arrives_as_number),
	{ 0 },
};
