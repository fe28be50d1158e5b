/* SPDX-License-Identifier: MIT */
/* Address spaces as IPC and processes use them: clones, pagers, exhaustion. */
#include <util/string.h>

#include "test.h"

static volatile uint64_t *private_page;
static volatile uint64_t seen[3];

static void child_writes(void *argument)
{
	(void)argument;
	seen[0] = private_page[0];
	private_page[0] = 222;
	seen[1] = private_page[0];
	private_page[512] = 5;
}

static void test_fork_copies_on_write(void)
{
	long address = kcall(vm_map, CAP_SELF_SPACE, 0, 16 * PAGE, VM_R | VM_W, CAP_NONE, 0);

	CHECK(address > 0);
	private_page = (uint64_t *)address;
	private_page[0] = 111;
	private_page[512] = 4;
	model.space = (cap_t)kcall(space_clone, CAP_SELF_SPACE);
	CHECK(model.space > 0);
	struct task *task = spawn(child_writes, NULL, LOW);
	private_page[512] = 6;
	CHECK(UNTIL(task->done));
	EQUAL(seen[0], 111);
	EQUAL(seen[1], 222);
	EQUAL(private_page[0], 111);
	EQUAL(private_page[512], 6);
	private_page[0] = 112;
	kcall(cap_close, model.space);
	EQUAL(kcall(vm_unmap, CAP_SELF_SPACE, address, 16 * PAGE), 0);
}

static struct reader {
	volatile uint64_t *address;
	volatile uint64_t value;
	volatile long result;
	bool in_call;
} reader;

static void read_page(void *argument)
{
	struct reader *r = argument;

	if (r->in_call)
		r->result = kcall(vm_fault_in, r->address, 0);
	else
		r->value = *r->address;
}

/* A paged object of two pages, mapped. */
struct paged {
	struct service_pair s;
	cap_t memory;
	long address;
};

static void paged_create(struct paged *p)
{
	p->s = pair_create(1);
	p->memory = (cap_t)kcall(mo_create_paged, p->s.endpoint, 321, 2 * PAGE);
	p->address = kcall(vm_map, CAP_SELF_SPACE, 0, 2 * PAGE, VM_R | VM_W | VM_SHARED, p->memory, 0);
	reader = (struct reader){ .address = (uint64_t *)p->address, .result = 1 };
}

static void paged_close(struct paged *p)
{
	kcall(vm_unmap, CAP_SELF_SPACE, p->address, 2 * PAGE);
	kcall(cap_close, p->memory);
	pair_close(&p->s);
}

static void fill_page(struct paged *p, uint64_t page, uint64_t value)
{
	EQUAL(kcall(mo_fill_begin, p->memory, page, 1), 1);
	EQUAL(kcall(mo_write, p->memory, page * PAGE, &value, sizeof(value)), sizeof(value));
	EQUAL(kcall(mo_fill_end, p->memory, page, 1, 1), 0);
}

static void test_pager_fills(void)
{
	struct paged p;
	struct ipc_msg m;
	struct task *task;
	uint64_t value;

	paged_create(&p);
	CHECK(p.memory > 0 && p.address > 0);
	EQUAL(kcall(mo_read, p.memory, 0, &value, 8), 0);
	task = spawn(read_page, &reader, LOW);
	EQUAL(receive(p.s.endpoint, &m), IPC_CALL);
	EQUAL(m.op, IPC_KERNEL_PAGE);
	EQUAL(m.badge, 321);
	EQUAL(m.w[0], 0);
	EQUAL(m.w[1], 0);
	EQUAL(kcall(ep_reset, p.s.endpoint), 1); /* the pager is reincarnated meanwhile */
	EQUAL(receive(p.s.endpoint, &m), IPC_CALL);
	EQUAL(m.op, IPC_KERNEL_PAGE);
	fill_page(&p, 0, 0x5151);
	EQUAL(answer(p.s.endpoint, m.token, 0), 0);
	CHECK(UNTIL(task->done));
	EQUAL(reader.value, 0x5151);
	reader.address += 512;
	reader.in_call = true;
	task = spawn(read_page, &reader, LOW);
	EQUAL(receive(p.s.endpoint, &m), IPC_CALL);
	EQUAL(m.w[0], 1);
	fill_page(&p, 1, 1);
	EQUAL(answer(p.s.endpoint, m.token, 0), 0);
	CHECK(UNTIL(task->done));
	EQUAL(reader.result, 0);
	paged_close(&p);
}

static void test_pager_fails(void)
{
	struct paged p;
	struct service_pair faults = pair_create(55);
	struct ipc_msg m;
	struct task *task;

	paged_create(&p);
	model.fault_endpoint = faults.badge;
	task = spawn(read_page, &reader, LOW);
	EQUAL(receive(p.s.endpoint, &m), IPC_CALL);
	EQUAL(answer(p.s.endpoint, m.token, -EIO), 0);
	EQUAL(receive(faults.endpoint, &m), IPC_CALL);
	EQUAL(m.op, IPC_KERNEL_FAULT);
	EQUAL(m.badge, 55);
	EQUAL(m.w[0], 14);
	EQUAL(m.w[1], p.address);
	CHECK(m.w[3] & IPC_FAULT_BUS);
	EQUAL(answer(faults.endpoint, m.token, -1), 0);
	EQUAL(thread_state(task->thread), THREAD_STOPPED);
	task_end(task);
	reader.in_call = true;
	task = spawn(read_page, &reader, LOW);
	EQUAL(receive(p.s.endpoint, &m), IPC_CALL);
	EQUAL(answer(p.s.endpoint, m.token, -EIO), 0);
	CHECK(UNTIL(task->done));
	EQUAL(reader.result, -EFAULT);
	paged_close(&p);
	pair_close(&faults);
}

static void test_pager_waiter_dies(void)
{
	struct paged p;
	struct ipc_msg m, cancel;
	struct task *task;

	paged_create(&p);
	task = spawn(read_page, &reader, LOW);
	EQUAL(receive(p.s.endpoint, &m), IPC_CALL);
	task_end(task);
	EQUAL(receive(p.s.endpoint, &cancel), IPC_CANCEL);
	EQUAL(cancel.token, m.token);
	EQUAL(answer(p.s.endpoint, m.token, 0), 0);
	paged_close(&p);
}

/* Until nothing is left; then all of it comes back. */
static void test_memory_exhaustion(void)
{
	static uint8_t page[PAGE];
	uint64_t before = pages_free(), size = before * PAGE, offset = 0;
	cap_t memory = (cap_t)kcall(mo_create, size, 0);
	long result;

	CHECK(memory > 0);
	while ((result = kcall(mo_write, memory, offset, page, PAGE)) == PAGE)
		offset += PAGE;
	CHECK(result == -ENOMEM || result == 0);
	CHECK(offset > size / 2);
	EQUAL(kcall(cap_close, memory), 0);
	CHECK(UNTIL(pages_free() + 256 > before));
}

static void test_slot_exhaustion(void)
{
	static cap_t table;
	long slot = 0;
	cap_t thread_cap;

	table = (cap_t)kcall(table_create, 64, 0);
	thread_cap = (cap_t)kcall(notify_create);
	while (slot >= 0)
		slot = kcall(table_put, table, -1, thread_cap, CAP_ALL);
	EQUAL(slot, -ENFILE);
	EQUAL(kcall(cap_close, table), 0);
	EQUAL(kcall(cap_close, thread_cap), 0);
}

/* One of everything, many times: nothing may stay behind. */
static void make_and_drop(void)
{
	struct service_pair s = pair_create(1);
	cap_t caps[] = {
		(cap_t)kcall(call_create),
		(cap_t)kcall(notify_create),
		(cap_t)kcall(table_create, 100, 1),
		(cap_t)kcall(space_create, BOOT_CAP_QUOTA),
		(cap_t)kcall(mo_create, PAGE * 10, 0),
		(cap_t)kcall(quota_create, BOOT_CAP_QUOTA, 5),
		(cap_t)kcall(space_clone, CAP_SELF_SPACE),
	};

	kcall(mo_write, caps[4], 0, "x", 1);
	for (unsigned i = 0; i < sizeof(caps) / sizeof(caps[0]); i++) {
		CHECK(caps[i] > 0);
		kcall(cap_close, caps[i]);
	}
	task_end(spawn_stopped(read_page, NULL, LOW));
	pair_close(&s);
}

static void test_nothing_leaks(void)
{
	uint64_t before;

	for (int i = 0; i < 20; i++)
		make_and_drop();
	pause_ms(2);
	before = pages_free();
	for (int i = 0; i < 200; i++)
		make_and_drop();
	pause_ms(2);
	CHECK(UNTIL(pages_free() + 8 >= before));
}

/* Pages go, also under a mapping, and what is around them stays. */
static void test_discard(void)
{
	cap_t memory = (cap_t)kcall(mo_create, 16 * ANOLE_PAGE_SIZE, 0);
	struct mo_info info;
	volatile char *at = (volatile char *)kcall(vm_map, CAP_SELF_SPACE, 0, 16 * ANOLE_PAGE_SIZE,
						   VM_R | VM_W | VM_SHARED, memory, 0);

	for (unsigned i = 0; i < 16; i++)
		at[i * ANOLE_PAGE_SIZE] = (char)(i + 1);
	CHECK(kcall(mo_discard, memory, 4 * ANOLE_PAGE_SIZE, 8 * ANOLE_PAGE_SIZE) == 0);
	CHECK(kcall(mo_info, memory, &info) == 0 && info.resident_pages == 8);
	for (unsigned i = 0; i < 16; i++)
		CHECK(at[i * ANOLE_PAGE_SIZE] == (i >= 4 && i < 12 ? 0 : (char)(i + 1)));
	CHECK(kcall(mo_discard, memory, 1, ANOLE_PAGE_SIZE) == -EINVAL);
	CHECK(kcall(mo_discard, memory, 8 * ANOLE_PAGE_SIZE, 9 * ANOLE_PAGE_SIZE) == -EINVAL);
	CHECK(kcall(mo_discard, memory, UINT64_MAX & ~(ANOLE_PAGE_SIZE - 1), ANOLE_PAGE_SIZE) == -EINVAL);
	kcall(vm_unmap, CAP_SELF_SPACE, (uint64_t)at, 16 * ANOLE_PAGE_SIZE);
	kcall(cap_close, memory);
}

const struct test memory_tests[] = {
	TEST(fork_copies_on_write), TEST(pager_fills),     TEST(pager_fails),
	TEST(pager_waiter_dies),    TEST(slot_exhaustion), TEST(nothing_leaks),
	TEST(memory_exhaustion),    TEST(discard),         { 0 },
};
