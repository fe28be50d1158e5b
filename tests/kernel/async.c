/* SPDX-License-Identifier: MIT */
/* Call objects. */
#include <util/string.h>

#include "test.h"

static void test_async_answer(void)
{
	struct service_pair s = pair_create(3), own = pair_create(1);
	cap_t object = (cap_t)kcall(call_create);
	struct call_send send = { .op = 0x55,
				  .w = { 1, 2, 3, 4, 5, 6, 7, 8, 9, 10 },
				  .cookie = 0xc00c1e,
				  .reply_to = own.endpoint,
				  .in = { .memory = CAP_NONE },
				  .out = { .memory = CAP_NONE } };
	struct ipc_msg m;

	EQUAL(kcall(call_state, object), 0);
	EQUAL(kcall(call_send, object, s.badge, &send), 0);
	EQUAL(kcall(call_state, object), 1);
	EQUAL(kcall(call_send, object, s.badge, &send), -EBUSY);
	EQUAL(receive(s.endpoint, &m), IPC_CALL);
	EQUAL(kcall(call_state, object), 2);
	EQUAL(m.op, 0x55);
	EQUAL(m.badge, 3);
	EQUAL(m.w[4], 5);
	EQUAL(main_page->extra[4], 10);
	EQUAL(m.flags & IPC_INTR, IPC_INTR);
	m.w[1] = 22;
	m.op = (uint64_t)-EAGAIN;
	main_page->caps_count = 0;
	main_page->extra[2] = 88;
	m.flags = IPC_EXTRA;
	EQUAL(kcall(reply, s.endpoint, m.token, &m), 0);
	EQUAL(kcall(call_state, object), 3);
	EQUAL(kcall(ep_reset, own.endpoint), 0);
	main_page->extra[2] = 0;
	EQUAL(receive(own.endpoint, &m), IPC_REPLY);
	EQUAL(m.op, -EAGAIN);
	EQUAL(m.badge, 0xc00c1e);
	EQUAL(m.w[1], 22);
	EQUAL(main_page->extra[2], 88);
	EQUAL(kcall(call_state, object), 0);
	kcall(cap_close, object);
	pair_close(&s);
	pair_close(&own);
}

static uint8_t bytes[2 * PAGE];

static void test_async_buffers(void)
{
	struct service_pair s = pair_create(3), own = pair_create(1);
	cap_t object = (cap_t)kcall(call_create), memory = (cap_t)kcall(mo_create, 4 * PAGE, 0);
	struct call_send send = { .reply_to = own.endpoint,
				  .in = { .memory = memory, .offset = 100, .length = 5000 },
				  .out = { .memory = memory, .offset = 3 * PAGE, .length = 4096 } };
	struct phys_range ranges[4];
	struct ipc_msg m;

	EQUAL(kcall(mo_write, memory, 100, "hello", 5), 5);
	EQUAL(kcall(call_send, object, s.badge, &send), 0);
	EQUAL(kcall(cap_close, memory), 0); /* the call holds it */
	EQUAL(receive(s.endpoint, &m), IPC_CALL);
	EQUAL(m.in_len, 5000);
	EQUAL(m.out_len, 4096);
	EQUAL(kcall(buf_read, s.endpoint, m.token, 0, bytes, 5000), 5000);
	EQUAL(memcmp(bytes, "hello", 6), 0);
	EQUAL(kcall(buf_read, s.endpoint, m.token, 1, bytes, 5000), -EINVAL);
	EQUAL(kcall(buf_write, s.endpoint, m.token, 0, bytes, 4096), 4096);
	EQUAL(kcall(buf_phys, s.endpoint, m.token, 0, 0, ranges, 4), -EPERM);
	EQUAL(kcall(ep_allow_dma, BOOT_CAP_ROOT, s.endpoint), 0);
	CHECK(kcall(buf_phys, s.endpoint, m.token, 0, 0, ranges, 4) >= 1);
	EQUAL(ranges[0].address & (PAGE - 1), 100);
	EQUAL(kcall(buf_phys, s.endpoint, m.token, 1, 96, ranges, 4), 1);
	EQUAL(ranges[0].length, 4000);
	EQUAL(ranges[0].address & (PAGE - 1), 96);
	EQUAL(kcall(buf_phys, s.endpoint, m.token, 2, 0, ranges, 4), -EINVAL);
	EQUAL(answer(s.endpoint, m.token, 0), 0);
	EQUAL(receive(own.endpoint, &m), IPC_REPLY);
	kcall(cap_close, object);
	pair_close(&s);
	pair_close(&own);
}

static void test_async_cancel(void)
{
	struct service_pair s = pair_create(3), own = pair_create(1);
	cap_t object = (cap_t)kcall(call_create);
	struct call_send send = { .reply_to = own.endpoint,
				  .cookie = 1,
				  .in = { .memory = CAP_NONE },
				  .out = { .memory = CAP_NONE } };
	struct ipc_msg m, cancel;

	EQUAL(kcall(call_send, object, s.badge, &send), 0);
	EQUAL(kcall(call_cancel, object), 0);
	EQUAL(receive(own.endpoint, &m), IPC_REPLY);
	EQUAL(m.op, -EINTR);
	EQUAL(kcall(call_send, object, s.badge, &send), 0);
	EQUAL(receive(s.endpoint, &m), IPC_CALL);
	EQUAL(kcall(call_cancel, object), 0);
	EQUAL(receive(s.endpoint, &cancel), IPC_CANCEL);
	EQUAL(cancel.token, m.token);
	EQUAL(answer(s.endpoint, m.token, 0), 0);
	EQUAL(receive(own.endpoint, &m), IPC_REPLY);
	EQUAL(m.op, 0);
	/* The object goes while its call is in service: the server is told. */
	EQUAL(kcall(call_send, object, s.badge, &send), 0);
	EQUAL(receive(s.endpoint, &m), IPC_CALL);
	EQUAL(kcall(cap_close, object), 0);
	EQUAL(receive(s.endpoint, &cancel), IPC_CANCEL);
	EQUAL(cancel.w[0], IPC_CANCEL_DEAD);
	EQUAL(answer(s.endpoint, m.token, 0), 0);
	EQUAL(receive_soon(own.endpoint, &m), -ETIMEDOUT);
	pair_close(&s);
	pair_close(&own);
}

/* A pool in a table that outlives its holder. */
static void test_async_redelivery(void)
{
	struct service_pair s = pair_create(3), own = pair_create(1);
	cap_t object = (cap_t)kcall(call_create);
	struct call_send send = { .op = 4,
				  .reply_to = own.endpoint,
				  .cookie = 1,
				  .in = { .memory = CAP_NONE },
				  .out = { .memory = CAP_NONE } };
	struct ipc_msg m, again;

	EQUAL(kcall(call_send, object, s.badge, &send), 0);
	EQUAL(receive(s.endpoint, &m), IPC_CALL);
	EQUAL(kcall(ep_reset, s.endpoint), 1);
	EQUAL(receive(s.endpoint, &again), IPC_CALL);
	EQUAL(again.token, m.token);
	EQUAL(again.flags >> 16, 1);
	EQUAL(kcall(ep_refuse, s.endpoint, ENODEV), 0);
	EQUAL(kcall(call_state, object), 2);
	EQUAL(answer(s.endpoint, m.token, 0), 0);
	EQUAL(receive(own.endpoint, &m), IPC_REPLY);
	EQUAL(kcall(call_send, object, s.badge, &send), -ENODEV);
	kcall(cap_close, object);
	pair_close(&s);
	pair_close(&own);
}

/* Who takes an answer may end before it has noted it. */
static void test_async_answer_again(void)
{
	struct service_pair s = pair_create(3), own = pair_create(1);
	cap_t object = (cap_t)kcall(call_create), other = (cap_t)kcall(call_create);
	struct call_send send = { .reply_to = own.endpoint,
				  .cookie = 7,
				  .in = { .memory = CAP_NONE },
				  .out = { .memory = CAP_NONE } };
	struct ipc_msg m;

	EQUAL(kcall(call_send, object, s.badge, &send), 0);
	EQUAL(receive(s.endpoint, &m), IPC_CALL);
	EQUAL(answer(s.endpoint, m.token, 5), 0);
	for (int i = 0; i < 3; i++) {
		EQUAL(receive(own.endpoint, &m), IPC_REPLY);
		EQUAL(m.op, 5);
		EQUAL(m.badge, 7);
		EQUAL(kcall(call_state, object), 0);
		EQUAL(kcall(ep_reset, own.endpoint), 0);
		EQUAL(kcall(call_state, object), 3);
	}
	/* Sent again it is of no interest any more; the next one that is taken is. */
	EQUAL(kcall(call_send, object, s.badge, &send), 0);
	EQUAL(receive_soon(own.endpoint, &m), -ETIMEDOUT);
	send.cookie = 8;
	EQUAL(kcall(call_send, other, s.badge, &send), 0);
	for (int i = 0; i < 2; i++) {
		EQUAL(receive(s.endpoint, &m), IPC_CALL);
		EQUAL(answer(s.endpoint, m.token, 0), 0);
		EQUAL(receive(own.endpoint, &m), IPC_REPLY);
	}
	EQUAL(kcall(ep_reset, own.endpoint), 0);
	EQUAL(receive(own.endpoint, &m), IPC_REPLY);
	EQUAL(m.badge, 8);
	EQUAL(receive_soon(own.endpoint, &m), -ETIMEDOUT);
	/* An object that goes takes it along. */
	EQUAL(kcall(cap_close, other), 0);
	EQUAL(kcall(ep_reset, own.endpoint), 0);
	EQUAL(receive_soon(own.endpoint, &m), -ETIMEDOUT);
	kcall(cap_close, object);
	pair_close(&s);
	pair_close(&own);
}

/* The page says which capabilities have been made or have come since it was cleared. */
static void test_async_unnoted(void)
{
	struct service_pair s = pair_create(3);
	cap_t object = (cap_t)kcall(call_create), memory;
	struct call_send send = { .op = 1,
				  .reply_to = s.endpoint,
				  .in = { .memory = CAP_NONE },
				  .out = { .memory = CAP_NONE },
				  .flags = IPC_EXTRA,
				  .caps_count = 1 };
	struct ipc_msg m;

	EQUAL(main_page->unnoted, (uint32_t)object);
	memory = (cap_t)kcall(mo_create, PAGE, 0);
	EQUAL(main_page->unnoted, (uint32_t)memory);
	main_page->unnoted = 0;
	send.caps[0] = (struct ipc_cap){ memory, CAP_ALL, 0 };
	EQUAL(kcall(call_send, object, s.badge, &send), 0);
	EQUAL(main_page->unnoted, 0);
	EQUAL(receive(s.endpoint, &m), IPC_CALL);
	EQUAL(main_page->unnoted, 1);
	EQUAL(kcall(cap_close, main_page->caps[0].slot), 0);
	kcall(cap_close, memory);
	kcall(cap_close, object);
	pair_close(&s);
}

/* --- the last capability of a call object goes ----------------------------------------------- */

struct closing {
	struct service_pair s, own;
	cap_t object, memory;
	uint64_t free;
};

/* A call with a buffer and a capability that only it holds. */
static struct closing closing_begin(bool sent)
{
	struct closing c = { .free = pages_free(), .s = pair_create(3), .own = pair_create(1) };
	struct call_send call = { .reply_to = c.own.endpoint, .out = { .memory = CAP_NONE } };

	c.object = (cap_t)kcall(call_create);
	c.memory = (cap_t)kcall(mo_create, 256 * PAGE, 0);
	for (uint64_t i = 0; i < 256; i++)
		kcall(mo_write, c.memory, i * PAGE, "x", 1);
	call.in = (struct call_buffer){ .memory = c.memory, .length = PAGE };
	if (sent)
		kcall(call_send, c.object, c.s.badge, &call);
	kcall(cap_close, c.memory);
	return c;
}

/* Neither an answer nor the buffer is left. */
static void closing_end(struct closing *c)
{
	struct ipc_msg m;

	EQUAL(receive_soon(c->own.endpoint, &m), -ETIMEDOUT);
	EQUAL(receive_soon(c->s.endpoint, &m), -ETIMEDOUT);
	pair_close(&c->s);
	pair_close(&c->own);
	CHECK(UNTIL(pages_free() + 128 > c->free));
}

static void test_async_closed_idle(void)
{
	struct closing c = closing_begin(false);

	EQUAL(kcall(cap_close, c.object), 0);
	EQUAL(kcall(call_state, c.object), -EBADF);
	closing_end(&c);
}

/* Nobody has seen it: it was never sent. */
static void test_async_closed_queued(void)
{
	struct closing c = closing_begin(true);

	EQUAL(kcall(call_state, c.object), 1);
	EQUAL(kcall(cap_close, c.object), 0);
	closing_end(&c);
}

/* The server is told, may still answer, and only then the call is gone. */
static void test_async_closed_in_service(void)
{
	struct closing c = closing_begin(true);
	struct ipc_msg m;
	uint64_t token;

	EQUAL(receive(c.s.endpoint, &m), IPC_CALL);
	token = m.token;
	EQUAL(kcall(cap_close, c.object), 0);
	EQUAL(receive(c.s.endpoint, &m), IPC_CANCEL);
	EQUAL(m.token, token);
	EQUAL(m.w[0], IPC_CANCEL_DEAD);
	EQUAL(kcall(buf_read, c.s.endpoint, token, 0, bytes, 8), -ESRCH);
	EQUAL(answer(c.s.endpoint, token, 0), 0);
	EQUAL(answer(c.s.endpoint, token, 0), -ESRCH);
	closing_end(&c);
}

/* The answer that waits holds it: it comes, and with it goes the call. */
static void test_async_closed_answered(void)
{
	struct closing c = closing_begin(true);
	struct ipc_msg m;

	EQUAL(receive(c.s.endpoint, &m), IPC_CALL);
	EQUAL(answer(c.s.endpoint, m.token, 7), 0);
	EQUAL(kcall(call_state, c.object), 3);
	EQUAL(kcall(cap_close, c.object), 0);
	EQUAL(receive(c.own.endpoint, &m), IPC_REPLY);
	EQUAL(m.op, 7);
	closing_end(&c);
}

const struct test async_tests[] = {
	TEST(async_answer),
	TEST(async_buffers),
	TEST(async_cancel),
	TEST(async_redelivery),
	TEST(async_answer_again),
	TEST(async_unnoted),
	TEST(async_closed_idle),
	TEST(async_closed_queued),
	TEST(async_closed_in_service),
	TEST(async_closed_answered),
	{ 0 },
};
