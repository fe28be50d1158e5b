/* SPDX-License-Identifier: MIT */
/* Capability tables, and capabilities in messages. */
#include "test.h"

static struct call call;

/* Calls with what its message page has been given. */
static struct task *page_client(cap_t to, uint32_t flags)
{
	call = (struct call){ .to = to, .flags = flags };
	return spawn_stopped(make_call, &call, LOW);
}

static void test_cap_to_server(void)
{
	struct service_pair s = pair_create(1);
	cap_t notify = (cap_t)kcall(notify_create), got;
	struct task *task = page_client(s.badge, IPC_EXTRA);
	struct ipc_msg m;

	task->page->caps_count = 2;
	task->page->caps[0] = (struct ipc_cap){ .slot = notify, .rights = CAP_W };
	task->page->caps[1] = (struct ipc_cap){ .slot = s.badge, .rights = CAP_ALL };
	kcall(thread_start, task->thread);
	EQUAL(receive(s.endpoint, &m), IPC_CALL);
	EQUAL(m.flags >> 8 & 0xff, 2);
	got = main_page->caps[0].slot;
	EQUAL(main_page->caps[0].rights, CAPT_NOTIFY);
	EQUAL(kcall(cap_same, got, notify), 1);
	EQUAL(kcall(cap_type, got), CAPT_NOTIFY | CAP_W << 8);
	EQUAL(kcall(notify_wait, got, 0), -EPERM);
	EQUAL(main_page->caps[1].badge, 1);
	EQUAL(kcall(cap_close, got), 0);
	EQUAL(kcall(ep_reset, s.endpoint), 1);
	EQUAL(kcall(cap_close, notify), 0);
	EQUAL(receive(s.endpoint, &m), IPC_CALL);
	EQUAL(kcall(cap_type, main_page->caps[0].slot), CAPT_NOTIFY | CAP_W << 8);
	EQUAL(kcall(cap_close, main_page->caps[0].slot), 0);
	EQUAL(answer(s.endpoint, m.token, 0), 0);
	pair_close(&s);
}

static void test_cap_bad_slots(void)
{
	struct service_pair s = pair_create(1);
	struct task *task = page_client(s.badge, IPC_EXTRA);

	task->page->caps_count = 1;
	task->page->caps[0].slot = CAP_PRIVATE | 4090;
	kcall(thread_start, task->thread);
	CHECK(UNTIL(call.done));
	EQUAL(call.status, -EBADF);
	task = page_client(s.badge, IPC_EXTRA);
	task->page->caps_count = 1000000;
	kcall(thread_start, task->thread);
	CHECK(UNTIL(call.done));
	EQUAL(call.status, -EINVAL);
	task = page_client(s.badge, IPC_RECV_CAPS);
	task->page->recv_count = 5;
	kcall(thread_start, task->thread);
	CHECK(UNTIL(call.done));
	EQUAL(call.status, -EINVAL);
	pair_close(&s);
}

/* The table is relative: its slots as the kernel numbers them. */
static cap_t descriptors(unsigned limit)
{
	return (cap_t)kcall(table_create, limit, 1);
}

static void test_cap_descriptors_in_answer(void)
{
	struct service_pair s = pair_create(1);
	cap_t table = descriptors(16);
	struct task *task;
	struct ipc_msg m;

	EQUAL(kcall(table_put, table, 0, s.badge, CAP_ALL), 0);
	EQUAL(kcall(table_put, table, 2, s.badge, CAP_ALL), 2);
	model.fd_table = table;
	task = page_client(s.badge, IPC_EXTRA | IPC_RECV_CAPS | IPC_RECV_FD | IPC_RECV_CLOEXEC);
	task->page->recv_count = 2;
	kcall(thread_start, task->thread);
	EQUAL(receive(s.endpoint, &m), IPC_CALL);
	EQUAL(kcall(table_put, table, -1, s.badge, CAP_ALL), 4); /* 1 and 3 are reserved */
	main_page->caps_count = 1;
	main_page->caps[0] = (struct ipc_cap){ .slot = s.badge, .rights = CAP_ALL };
	m.op = 0;
	m.flags = IPC_EXTRA;
	EQUAL(kcall(reply, s.endpoint, m.token, &m), 0);
	CHECK(UNTIL(call.done));
	EQUAL(task->page->caps_count, 1);
	EQUAL(task->page->caps[0].slot, 1);
	EQUAL(task->page->caps[0].rights, CAPT_BADGE);
	EQUAL(kcall(table_next, table, 1), 1);
	EQUAL(kcall(table_next, table, 2), 2);
	EQUAL(kcall(table_next, table, 3), 4);
	EQUAL(kcall(table_put, table, -1, s.badge, CAP_ALL), 3);
	kcall(table_cloexec, table);
	EQUAL(kcall(table_next, table, 1), 2);
	kcall(cap_close, table);
	pair_close(&s);
}

static void test_cap_no_slots(void)
{
	struct service_pair s = pair_create(1);
	cap_t table = descriptors(2);
	struct task *task;
	struct ipc_msg m;

	EQUAL(kcall(table_put, table, 0, s.badge, CAP_ALL), 0);
	model.fd_table = table;
	task = page_client(s.badge, IPC_RECV_CAPS | IPC_RECV_FD);
	task->page->recv_count = 2;
	kcall(thread_start, task->thread);
	CHECK(UNTIL(call.done));
	EQUAL(call.status, -EMFILE);
	EQUAL(receive_soon(s.endpoint, &m), -ETIMEDOUT);
	EQUAL(kcall(table_put, table, -1, s.badge, CAP_ALL), 1); /* nothing stays reserved */
	EQUAL(kcall(table_put, table, -1, s.badge, CAP_ALL), -EMFILE);
	EQUAL(kcall(table_put, table, 2, s.badge, CAP_ALL), -EINVAL);
	kcall(cap_close, table);
	pair_close(&s);
}

/* Reservations of a caller that is killed or withdrawn are given back. */
static void test_cap_reservation_released(void)
{
	struct service_pair s = pair_create(1);
	cap_t table = descriptors(4);
	struct task *task;
	struct ipc_msg m;

	model.fd_table = table;
	task = page_client(s.badge, IPC_RECV_CAPS | IPC_RECV_FD);
	task->page->recv_count = 3;
	kcall(thread_start, task->thread);
	EQUAL(receive(s.endpoint, &m), IPC_CALL);
	EQUAL(kcall(table_put, table, -1, s.badge, CAP_ALL), 3);
	task_end(task);
	EQUAL(kcall(table_put, table, -1, s.badge, CAP_ALL), 0);
	EQUAL(receive(s.endpoint, &m), IPC_CANCEL);
	main_page->caps_count = 1;
	main_page->caps[0] = (struct ipc_cap){ .slot = s.badge, .rights = CAP_ALL };
	m.flags = IPC_EXTRA;
	EQUAL(kcall(reply, s.endpoint, m.token, &m), 0);
	EQUAL(kcall(table_next, table, 1), 3);
	kcall(cap_close, table);
	pair_close(&s);
}

static void test_cap_clone_skips_reserved(void)
{
	struct service_pair s = pair_create(1);
	cap_t table = descriptors(100), clone;
	struct task *task;
	struct ipc_msg m;

	EQUAL(kcall(table_put, table, 70, s.badge, CAP_ALL), 70);
	model.fd_table = table;
	task = page_client(s.badge, IPC_RECV_CAPS | IPC_RECV_FD);
	task->page->recv_count = 1;
	task->page->recv_min = 5;
	kcall(thread_start, task->thread);
	EQUAL(receive(s.endpoint, &m), IPC_CALL);
	clone = (cap_t)kcall(table_clone, table, CAP_NONE);
	CHECK(clone > 0);
	EQUAL(kcall(table_next, clone, 0), 70);
	EQUAL(kcall(table_put, clone, -1, s.badge, CAP_ALL), 0);
	EQUAL(kcall(table_put, table, 5, s.badge, CAP_ALL), -EBUSY);
	EQUAL(answer(s.endpoint, m.token, 0), 0);
	kcall(cap_close, clone);
	kcall(cap_close, table);
	pair_close(&s);
}

static void test_cap_copy(void)
{
	cap_t a = (cap_t)kcall(notify_create), b;

	b = (cap_t)kcall(cap_copy, a, CAP_R, CAP_PRIVATE | 1000, 0);
	EQUAL(b, CAP_PRIVATE | 1000);
	EQUAL(kcall(cap_copy, a, CAP_R, CAP_PRIVATE | 1000, 1), CAP_PRIVATE | 1001);
	EQUAL(kcall(fd_flags, CAP_PRIVATE | 1001, 0, 0), 1);
	EQUAL(kcall(fd_flags, CAP_PRIVATE | 1001, 1, 0), 0);
	EQUAL(kcall(fd_flags, CAP_PRIVATE | 1001, 0, 0), 0);
	EQUAL(kcall(cap_copy_to, b, CAP_ALL, CAP_PRIVATE | 1001, 0), CAP_PRIVATE | 1001);
	EQUAL(kcall(cap_type, CAP_PRIVATE | 1001), CAPT_NOTIFY | CAP_R << 8);
	EQUAL(kcall(notify_signal, b, 1), -EPERM);
	EQUAL(kcall(cap_copy_to, b, CAP_ALL, b, 0), b);
	EQUAL(kcall(cap_copy, a, CAP_R, 0, 0), -EBADF); /* no descriptor table */
	EQUAL(kcall(cap_copy, a, CAP_R, CAP_PRIVATE | 999999, 0), -EINVAL);
	EQUAL(kcall(cap_copy_to, a, CAP_R, CAP_PRIVATE | 999999, 0), -EBADF);
	EQUAL(kcall(cap_close, CAP_PRIVATE | 1001), 0);
	EQUAL(kcall(cap_close, CAP_PRIVATE | 1001), -EBADF);
	EQUAL(kcall(cap_close, b), 0);
	EQUAL(kcall(cap_close, a), 0);
}

static void test_cap_big_table(void)
{
	cap_t table = descriptors(100000), notify = (cap_t)kcall(notify_create), clone;

	for (long i = 0; i < 3000; i++)
		EQUAL(kcall(table_put, table, -1, notify, CAP_ALL), i);
	EQUAL(kcall(table_put, table, 99999, notify, CAP_ALL), 99999);
	EQUAL(kcall(table_remove, table, 1500), 0);
	EQUAL(kcall(table_remove, table, 1500), -EBADF);
	EQUAL(kcall(table_next, table, 1500), 1501);
	EQUAL(kcall(table_put, table, -1, notify, CAP_ALL), 1500);
	EQUAL(kcall(table_next, table, 3000), 99999);
	clone = (cap_t)kcall(table_clone, table, CAP_NONE);
	EQUAL(kcall(table_next, clone, 3000), 99999);
	EQUAL(kcall(table_limit, table, 10), 0);
	EQUAL(kcall(table_put, table, -1, notify, CAP_ALL), -EMFILE);
	EQUAL(kcall(cap_close, clone), 0);
	EQUAL(kcall(cap_close, table), 0);
	EQUAL(kcall(cap_close, notify), 0);
}

/* A chain of tables, each held by the next: taken down without recursion. */
static void test_cap_nested_tables(void)
{
	cap_t outer = (cap_t)kcall(table_create, 4, 0);

	for (int i = 0; i < 2000; i++) {
		cap_t next = (cap_t)kcall(table_create, 4, 0);

		CHECK(next > 0);
		EQUAL(kcall(table_put, next, 0, outer, CAP_ALL), 0);
		EQUAL(kcall(cap_close, outer), 0);
		outer = next;
	}
	EQUAL(kcall(cap_close, outer), 0);
}

const struct test cap_tests[] = {
	TEST(cap_to_server),
	TEST(cap_bad_slots),
	TEST(cap_descriptors_in_answer),
	TEST(cap_no_slots),
	TEST(cap_reservation_released),
	TEST(cap_clone_skips_reserved),
	TEST(cap_copy),
	TEST(cap_big_table),
	TEST(cap_nested_tables),
	{ 0 },
};
