/* SPDX-License-Identifier: MIT */
/* Calls that are cut short halfway, and bounds that a program could try to get beyond. */
#include <util/string.h>

#include "test.h"

#define SELF CAP_SELF_SPACE
#define RW (VM_R | VM_W)

static struct call calls[2];

/* --- a copy whose caller dies between two of its steps ------------------------------------- */
#define LONG_COPY (32ul << 20)

static struct killer {
	cap_t thread;
	uint64_t after;
} killer;

static void kill_soon(void *argument)
{
	struct killer *k = argument;

	kcall(sleep, now() + k->after);
	kcall(thread_kill, k->thread);
}

static void test_bounds_copy_cut_short(void)
{
	struct service_pair s = pair_create(1);
	long from = kcall(vm_map, SELF, 0, LONG_COPY, VM_R, CAP_NONE, 0);
	long to = kcall(vm_map, SELF, 0, LONG_COPY, RW | VM_POPULATE, CAP_NONE, 0);
	struct ipc_msg m;
	long result = 0;

	CHECK(from > 0 && to > 0);
	for (unsigned i = 1; i < 60 && result != -ESRCH; i++) {
		struct task *task;

		calls[0] = (struct call){ .msg = { .in_addr = (uint64_t)from, .in_len = LONG_COPY } };
		task = client(&calls[0], s.badge, 1);
		EQUAL(receive(s.endpoint, &m), IPC_CALL);
		killer = (struct killer){ task->thread, i * 200000 };
		spawn(kill_soon, &killer, HIGH);
		result = kcall(buf_read, s.endpoint, m.token, 0, to, LONG_COPY);
		while (receive(s.endpoint, &m) != IPC_CANCEL)
			continue;
		EQUAL(answer(s.endpoint, m.token, 0), 0);
		task_end(task);
	}
	EQUAL(result, -ESRCH);
	*(volatile uint64_t *)to = 77;
	calls[0] = (struct call){ .msg = { .in_addr = (uint64_t)from, .in_len = LONG_COPY } };
	client(&calls[0], s.badge, 1);
	EQUAL(receive(s.endpoint, &m), IPC_CALL);
	EQUAL(kcall(buf_read, s.endpoint, m.token, 0, to, LONG_COPY), LONG_COPY);
	EQUAL(*(volatile uint64_t *)to, 0);
	EQUAL(answer(s.endpoint, m.token, 0), 0);
	kcall(vm_unmap, SELF, from, LONG_COPY);
	kcall(vm_unmap, SELF, to, LONG_COPY);
	pair_close(&s);
}

/* --- what no program may have -------------------------------------------------------------- */

/* The sign of the GS base tells the entries of NMI and machine check whose it is. */
static void test_bounds_segment_bases(void)
{
	EQUAL(kcall(thread_set, CAP_SELF_THREAD, THREAD_GS_BASE, 0xffff888000000000ul), -EINVAL);
	EQUAL(kcall(thread_set, CAP_SELF_THREAD, THREAD_FS_BASE, 0xffff888000000000ul), -EINVAL);
	EQUAL(kcall(thread_set, CAP_SELF_THREAD, THREAD_FS_BASE, 0x800000000000ul), -EINVAL);
	EQUAL(kcall(thread_set, CAP_SELF_THREAD, THREAD_FS_BASE, 0x7fffffffffff), 0);
	EQUAL(kcall(thread_set, CAP_SELF_THREAD, THREAD_FS_BASE, 0), 0);
}

/* A device's memory beyond the direct map is no buffer: the kernel has no address for it. */
static void test_bounds_device_memory(void)
{
	cap_t memory = (cap_t)kcall(mo_create_phys, BOOT_CAP_ROOT, 1ul << 40, PAGE, MO_UNCACHED);
	long address;

	CHECK(memory > 0);
	address = kcall(vm_map, SELF, 0, PAGE, RW | VM_SHARED, memory, 0);
	CHECK(address > 0);
	EQUAL(kcall(klog_write, address, 8), -EFAULT);
	EQUAL(kcall(vm_fault_in, address, 1), 0);
	EQUAL(kcall(klog_write, address, 8), -EFAULT);
	EQUAL(kcall(vm_protect, SELF, address, PAGE, VM_R), 0);
	EQUAL(kcall(system_info, address), -EFAULT);
	EQUAL(kcall(klog_write, address, 8), -EFAULT);
	EQUAL(kcall(vm_unmap, SELF, address, PAGE), 0);
	kcall(cap_close, memory);
}

static void test_bounds_shared_stack(void)
{
	EQUAL(kcall(vm_map, SELF, 0, PAGE, RW | VM_SHARED | VM_STACK, CAP_NONE, 0), -EINVAL);
}

/* What was written behind the end through a mapping does not show when the object grows. */
static void test_bounds_tail_of_object(void)
{
	cap_t memory = (cap_t)kcall(mo_create, 100, 0);
	long address = kcall(vm_map, SELF, 0, PAGE, RW | VM_SHARED, memory, 0);
	uint64_t value = 1;

	CHECK(memory > 0 && address > 0);
	*(volatile uint64_t *)(address + 200) = 0x1234;
	EQUAL(kcall(vm_unmap, SELF, address, PAGE), 0);
	EQUAL(kcall(mo_resize, memory, PAGE), 0);
	EQUAL(kcall(mo_read, memory, 200, &value, sizeof(value)), sizeof(value));
	EQUAL(value, 0);
	kcall(cap_close, memory);
}

/* --- memory -------------------------------------------------------------------------------- */

static cap_t hoard;

static void fill_hoard(void *argument)
{
	static uint8_t page[PAGE];
	uint64_t offset = 0;

	(void)argument;
	while (kcall(mo_write, hoard, offset, page, PAGE) == PAGE)
		offset += PAGE;
}

/* A program that shares memory cannot take what is kept for services. */
static void test_bounds_reserve(void)
{
	struct task *task;
	long address;

	hoard = (cap_t)kcall(mo_create, pages_free() * PAGE, 0);
	CHECK(hoard > 0);
	model.stamp = 5;
	task = spawn(fill_hoard, NULL, LOW);
	while (!task->done)
		pause_ms(5);
	address = kcall(vm_map, SELF, 0, 16 * PAGE, RW | VM_PINNED, CAP_NONE, 0);
	kcall(cap_close, hoard);
	CHECK(address > 0);
	kcall(vm_unmap, SELF, address, 16 * PAGE);
}

#define SPREAD 6000ul /* page tables */
#define TABLE_SPAN (512 * PAGE)
#define DELAY_MAX 1000000ul

static volatile uint64_t longest;
static volatile bool watching;

/* How long it is kept waiting by another's call, at most. */
static void watch_delay(void *argument)
{
	(void)argument;
	while (watching) {
		uint64_t due = now() + 1000000, late;

		kcall(sleep, due);
		late = now() - due;
		if (watching && late > longest)
			longest = late;
	}
}

/* One page in each of many page tables: all of it goes in steps. */
static void spread_and_drop(void)
{
	long address = kcall(vm_map, SELF, 0, SPREAD * TABLE_SPAN, VM_R, CAP_NONE, 0);
	struct space_stat stat;
	struct vm_info info;
	struct task *task;
	cap_t copy;

	CHECK(address > 0);
	for (uint64_t i = 0; i < SPREAD; i++)
		(void)*(volatile char *)(address + i * TABLE_SPAN);
	watching = true;
	longest = 0;
	task = spawn(watch_delay, NULL, HIGH);
	pause_ms(3);
	for (uint64_t at = 0, done; at < SPREAD * TABLE_SPAN; at += done) {
		done = (uint64_t)kcall(vm_discard, SELF, address + at, SPREAD * TABLE_SPAN - at);
		CHECK(done - 1 < SPREAD * TABLE_SPAN - at);
	}
	EQUAL(kcall(vm_protect, SELF, address, SPREAD * TABLE_SPAN, RW), 0);
	EQUAL(kcall(space_stat, SELF, &stat), 0);
	for (uint64_t at = (uint64_t)address; at < address + SPREAD * TABLE_SPAN; at = info.counted)
		EQUAL(kcall(vm_query, SELF, at, &info), 0);
	copy = (cap_t)kcall(space_clone, SELF);
	CHECK(copy > 0);
	kcall(cap_close, copy);
	EQUAL(kcall(vm_unmap, SELF, address, SPREAD * TABLE_SPAN), 0);
	watching = false;
	CHECK(UNTIL(task->done));
}

static void test_bounds_many_tables(void)
{
	spread_and_drop();
	CHECK(longest < DELAY_MAX || !time_is_counted());
}

#define REGIONS 7000ul

/* As many mappings as a space may have, nearly, of one page each. */
static void map_and_drop(void)
{
	long address = kcall(vm_map, SELF, 0, REGIONS * PAGE, RW, CAP_NONE, 0);
	struct task *task;

	CHECK(address > 0);
	for (uint64_t i = 0; i < REGIONS; i += 2)
		EQUAL(kcall(vm_protect, SELF, address + i * PAGE, PAGE, VM_R), 0);
	watching = true;
	longest = 0;
	task = spawn(watch_delay, NULL, HIGH);
	pause_ms(3);
	EQUAL(kcall(vm_protect, SELF, address, REGIONS * PAGE, VM_R), 0);
	for (uint64_t i = 0; i < REGIONS; i += 2)
		EQUAL(kcall(vm_protect, SELF, address + i * PAGE, PAGE, RW), 0);
	EQUAL(kcall(vm_unmap, SELF, address, REGIONS * PAGE), 0);
	watching = false;
	CHECK(UNTIL(task->done));
}

static void test_bounds_many_regions(void)
{
	map_and_drop();
	CHECK(longest < DELAY_MAX || !time_is_counted());
}

/* Sparse: many page tables; dense: many pages. All of it is what it was, elsewhere. */
static void move_and_look(uint64_t stride, uint64_t count, uint64_t flags)
{
	uint64_t length = stride * count;
	long from = kcall(vm_map, SELF, 0, length, flags, CAP_NONE, 0), to;
	struct space_stat before, after;
	struct task *task;

	CHECK(from > 0);
	for (uint64_t i = 0; i < count; i++)
		if (flags & VM_W)
			*(volatile uint64_t *)(from + i * stride) = i + 1;
		else
			(void)*(volatile uint64_t *)(from + i * stride);
	to = kcall(vm_map, SELF, 0, length + PAGE, VM_R, CAP_NONE, 0);
	CHECK(to > 0);
	EQUAL(kcall(space_stat, SELF, &before), 0);
	watching = true;
	longest = 0;
	task = spawn(watch_delay, NULL, HIGH);
	pause_ms(3);
	EQUAL(kcall(vm_move, SELF, from, length, length + PAGE, 3, to), to);
	watching = false;
	CHECK(UNTIL(task->done));
	EQUAL(kcall(space_stat, SELF, &after), 0);
	EQUAL(after.resident_pages, before.resident_pages);
	EQUAL(after.mapped_pages, before.mapped_pages - length / PAGE);
	for (uint64_t i = 0; i < count; i++)
		EQUAL(*(volatile uint64_t *)(to + i * stride), flags & VM_W ? i + 1 : 0);
	EQUAL(kcall(vm_move, SELF, from, length, length, 1, 0), -EFAULT);
	EQUAL(kcall(vm_unmap, SELF, to, length + PAGE), 0);
}

static void test_bounds_move(void)
{
	move_and_look(TABLE_SPAN, SPREAD, VM_R);
	CHECK(longest < DELAY_MAX || !time_is_counted());
	move_and_look(PAGE, 20000, RW);
	CHECK(longest < DELAY_MAX || !time_is_counted());
}

/* No page tables left for the new place: everything is where it was. */
static void test_bounds_move_no_memory(void)
{
	uint64_t length = SPREAD * TABLE_SPAN;
	long from = kcall(vm_map, SELF, 0, length, VM_R, CAP_NONE, 0);
	long to = 0x300000000000; /* where there never were any tables */
	cap_t quota = (cap_t)kcall(quota_create, BOOT_CAP_QUOTA, UINT64_MAX);
	struct space_stat before, after;
	struct quota_info info;

	CHECK(from > 0 && quota > 0);
	for (uint64_t i = 0; i < SPREAD; i++)
		(void)*(volatile uint64_t *)(from + i * TABLE_SPAN);
	EQUAL(kcall(space_stat, SELF, &before), 0);
	EQUAL(kcall(quota_attach, SELF, quota), 0);
	EQUAL(kcall(quota_info, quota, &info), 0);
	EQUAL(kcall(quota_limit, quota, QUOTA_MEMORY, info.kind[QUOTA_MEMORY].used + 1000), 0);
	EQUAL(kcall(vm_move, SELF, from, length, length, 3, to), -ENOMEM);
	EQUAL(kcall(quota_attach, SELF, BOOT_CAP_QUOTA), 0);
	EQUAL(kcall(space_stat, SELF, &after), 0);
	EQUAL(after.resident_pages, before.resident_pages);
	EQUAL(after.mapped_pages, before.mapped_pages);
	for (uint64_t i = 0; i < SPREAD; i++)
		EQUAL(*(volatile uint64_t *)(from + i * TABLE_SPAN), 0);
	EQUAL(kcall(vm_unmap, SELF, from, length), 0);
	kcall(cap_close, quota);
}

#define OBJECT_PAGES 64ul
#define MAPPINGS 7000ul

/* One object in as many mappings as a space may have, nearly, each with all of its pages. */
static long map_often(cap_t object)
{
	long first = 0, at = 1;

	for (uint64_t i = 0; i < MAPPINGS && at > 0; i++) {
		at = kcall(vm_map, SELF, 0, OBJECT_PAGES * PAGE, RW | VM_SHARED, object, 0);
		first = first ? first : at;
		for (uint64_t page = 0; at > 0 && page < (i % 50 ? 1 : OBJECT_PAGES); page++)
			(void)*(volatile uint64_t *)(at + page * PAGE);
	}
	return at > 0 ? first : at;
}

static void unmap_all(void)
{
	struct vm_info info;
	uint64_t at = 0;

	while (kcall(vm_query, SELF, at, &info) == 0) {
		at = info.end;
		if (info.end - info.start == OBJECT_PAGES * PAGE && info.flags & VM_SHARED)
			EQUAL(kcall(vm_unmap, SELF, info.start, OBJECT_PAGES * PAGE), 0);
	}
}

static void test_bounds_many_mappings(void)
{
	cap_t object = (cap_t)kcall(mo_create, OBJECT_PAGES * PAGE, 0);
	uint64_t word = 77, pages;
	struct space_stat stat;
	struct task *task;
	long first;

	CHECK(object > 0);
	EQUAL(kcall(space_stat, SELF, &stat), 0);
	pages = stat.resident_pages;
	for (uint64_t i = 0; i < OBJECT_PAGES; i++)
		EQUAL(kcall(mo_write, object, i * PAGE, &word, sizeof(word)), sizeof(word));
	first = map_often(object);
	CHECK(first > 0);
	EQUAL(*(volatile uint64_t *)first, 77);
	watching = true;
	longest = 0;
	task = spawn(watch_delay, NULL, HIGH);
	pause_ms(3);
	EQUAL(kcall(mo_discard, object, 0, 32 * PAGE), 0);
	EQUAL(*(volatile uint64_t *)first, 0);
	EQUAL(kcall(mo_resize, object, 0), 0);
	watching = false;
	CHECK(UNTIL(task->done));
	EQUAL(kcall(space_stat, SELF, &stat), 0);
	CHECK(stat.resident_pages < pages + MAPPINGS / 50);
	EQUAL(kcall(mo_resize, object, PAGE), 0);
	EQUAL(*(volatile uint64_t *)first, 0);
	kcall(cap_close, object);
	unmap_all();
	CHECK(longest < DELAY_MAX || !time_is_counted());
}

/* What a pager asks about pages goes through all mappings, but not at once. */
static void test_bounds_paged(void)
{
	struct service_pair s = pair_create(1);
	cap_t object = (cap_t)kcall(mo_create_paged, s.endpoint, 9, OBJECT_PAGES * PAGE);
	uint64_t list[OBJECT_PAGES];
	struct mo_info info;
	struct task *task;
	long first;

	CHECK(object > 0);
	EQUAL(kcall(mo_fill_begin, object, 0, OBJECT_PAGES), OBJECT_PAGES);
	EQUAL(kcall(mo_fill_end, object, 0, OBJECT_PAGES, 2), 0);
	first = map_often(object);
	CHECK(first > 0);
	*(volatile uint64_t *)first = 5;
	watching = true;
	longest = 0;
	task = spawn(watch_delay, NULL, HIGH);
	pause_ms(3);
	EQUAL(kcall(mo_dirty, object, 0, list, OBJECT_PAGES, 1), OBJECT_PAGES);
	EQUAL(list[OBJECT_PAGES - 1], OBJECT_PAGES - 1);
	EQUAL(kcall(mo_dirty, object, 0, list, OBJECT_PAGES, 0), 0);
	*(volatile uint64_t *)first = 6; /* write-protected meanwhile: this is noticed */
	EQUAL(kcall(mo_dirty, object, 0, list, OBJECT_PAGES, 0), 1);
	kcall(mo_evict, object, 0, OBJECT_PAGES, 1);
	EQUAL(kcall(mo_evict, object, 1, OBJECT_PAGES, 0) + kcall(mo_evict, object, 0, OBJECT_PAGES, 0),
	      OBJECT_PAGES - 1);
	watching = false;
	CHECK(UNTIL(task->done));
	EQUAL(kcall(mo_info, object, &info), 0);
	EQUAL(info.resident_pages, 1);
	unmap_all();
	kcall(cap_close, object);
	pair_close(&s);
	CHECK(longest < DELAY_MAX || !time_is_counted());
}

/* Who has no memory left waits for what is being torn down, and keeps nobody else waiting for it. */
static void test_bounds_charge(void)
{
	long address = kcall(vm_map, SELF, 0, SPREAD * TABLE_SPAN, VM_R, CAP_NONE, 0);
	cap_t quota = (cap_t)kcall(quota_create, BOOT_CAP_QUOTA, 8), spaces[64], copy;
	unsigned count = 0;
	struct task *task;

	for (uint64_t i = 0; i < SPREAD; i++)
		(void)*(volatile char *)(address + i * TABLE_SPAN);
	for (long made; count < 64 && (made = kcall(space_create, quota, 0)) > 0; count++)
		spaces[count] = (cap_t)made;
	CHECK(count > 0 && count < 64);
	copy = (cap_t)kcall(space_clone, SELF);
	CHECK(copy > 0);
	watching = true;
	longest = 0;
	task = spawn(watch_delay, NULL, HIGH);
	pause_ms(3);
	kcall(cap_close, copy);
	EQUAL(kcall(space_create, quota, 0), -ENOMEM);
	watching = false;
	CHECK(UNTIL(task->done));
	EQUAL(kcall(vm_unmap, SELF, address, SPREAD * TABLE_SPAN), 0);
	while (count--)
		kcall(cap_close, spaces[count]);
	kcall(cap_close, quota);
	CHECK(longest < DELAY_MAX || !time_is_counted());
}

#define BADGES 20000ul

/* Listing is done in steps too, also where nothing is found for long: the released ones are left out. */
static void test_bounds_badge_list(void)
{
	cap_t endpoint = (cap_t)kcall(ep_create), kept = CAP_NONE;
	struct task *task;
	uint64_t number;

	for (uint64_t i = 1; i <= BADGES; i++) {
		cap_t badge = (cap_t)kcall(badge_create, endpoint, i);

		CHECK(badge > 0);
		if (i == BADGES)
			kept = badge;
		else
			kcall(cap_close, badge);
	}
	watching = true;
	longest = 0;
	task = spawn(watch_delay, NULL, HIGH);
	pause_ms(3);
	EQUAL(kcall(badge_list, endpoint, 0, &number, 1), 1);
	EQUAL(number, BADGES);
	EQUAL(kcall(badge_list, endpoint, BADGES, &number, 1), 0);
	watching = false;
	CHECK(UNTIL(task->done));
	for (uint64_t i = 1; i < BADGES; i++)
		EQUAL(kcall(badge_destroy, endpoint, i), 0);
	kcall(cap_close, kept);
	kcall(cap_close, endpoint);
	CHECK(longest < DELAY_MAX || !time_is_counted());
}

/* --- deferred work ------------------------------------------------------------------------- */

/* What is torn down while the processor has nothing else to do wakes who waits for it, at once. */
static void test_bounds_idle_release(void)
{
	uint64_t most = 0;

	for (int round = 0; round < 8; round++) {
		cap_t endpoint = (cap_t)kcall(ep_create), other = (cap_t)kcall(notify_create);
		cap_t badge = (cap_t)kcall(badge_create, endpoint, 1), table;
		struct ipc_msg m;
		uint64_t start;

		table = (cap_t)kcall(table_create, 512, 0);
		for (long slot = 0; slot < 300; slot++)
			EQUAL(kcall(table_put, table, slot, slot == 299 ? badge : other, CAP_ALL), slot);
		kcall(cap_close, badge);
		kcall(cap_close, other);
		pause_ms(1);
		start = now();
		kcall(cap_close, table);
		EQUAL(receive(endpoint, &m), IPC_RELEASE);
		if (now() - start > most)
			most = now() - start;
		EQUAL(kcall(badge_destroy, endpoint, 1), 0);
		kcall(cap_close, endpoint);
	}
	CHECK(most < 1000000 || !time_is_counted());
}

/* --- answers ------------------------------------------------------------------------------- */

/* Words that the answer did not have are not what lay on the kernel's stack. */
static void test_bounds_short_answer(void)
{
	struct service_pair s = pair_create(1);
	cap_t call = (cap_t)kcall(call_create);
	struct call_send send = {
		.reply_to = s.endpoint, .op = 3, .in.memory = CAP_NONE, .out.memory = CAP_NONE
	};
	struct ipc_msg m;

	EQUAL(kcall(call_send, call, s.badge, &send), 0);
	EQUAL(receive(s.endpoint, &m), IPC_CALL);
	memset(main_page->extra, 7, sizeof(main_page->extra));
	EQUAL(answer(s.endpoint, m.token, 0), 0);
	EQUAL(receive(s.endpoint, &m), IPC_REPLY);
	for (int i = 0; i < IPC_EXTRA_WORDS; i++)
		EQUAL(main_page->extra[i], 0);
	kcall(cap_close, call);
	pair_close(&s);
}

/* --- priority ------------------------------------------------------------------------------ */

static volatile bool spinning;

static void serve_one(void *argument)
{
	cap_t endpoint = *(cap_t *)argument;
	struct ipc_msg m = { 0 };

	if (ipc_reply_wait(endpoint, 0, &m) == IPC_CALL)
		answer(endpoint, m.token, 5);
}

static void spin(void *argument)
{
	(void)argument;
	while (spinning)
		;
}

/* A server that cannot be switched to directly has its caller's priority all the same. */
static void test_bounds_priority_elsewhere(void)
{
	struct service_pair s = pair_create(1);
	struct task *server, *busy;

	server = spawn_stopped(serve_one, &s.endpoint, LOW);
	if (kcall(thread_set, server->thread, THREAD_AFFINITY, 2ul) < 0)
		return; /* there is one processor */
	kcall(thread_start, server->thread);
	CHECK(UNTIL(thread_state(server->thread) == THREAD_WAITING));
	spinning = true;
	busy = spawn_stopped(spin, NULL, LOW + 8);
	kcall(thread_set, busy->thread, THREAD_AFFINITY, 2ul);
	kcall(thread_start, busy->thread);
	calls[1] = (struct call){ .to = s.badge };
	struct task *task = spawn_stopped(make_call, &calls[1], HIGH);
	kcall(thread_set, task->thread, THREAD_AFFINITY, 1ul);
	kcall(thread_start, task->thread);
	bool done = UNTIL(calls[1].done);
	spinning = false;
	CHECK(done);
	EQUAL(calls[1].status, 5);
	CHECK(UNTIL(server->done));
	pair_close(&s);
}

static void call_and_spin(void *argument)
{
	struct ipc_msg m = { 0 };

	ipc_call(*(cap_t *)argument, 0, &m);
	while (spinning)
		;
}

/* A caller that was bound to another processor meanwhile goes on there. */
static void test_bounds_affinity_in_call(void)
{
	struct service_pair s = pair_create(1);
	struct thread_info info = { 0 };
	struct task *task;
	cap_t woken = (cap_t)kcall(notify_create);
	struct ipc_msg m;

	if (kcall(thread_set, CAP_SELF_THREAD, THREAD_AFFINITY, 2ul) < 0)
		return; /* there is one processor */
	kcall(thread_set, CAP_SELF_THREAD, THREAD_AFFINITY, 1ul);
	task = spawn_stopped(call_and_spin, &s.badge, LOW);
	kcall(thread_start, task->thread); /* it has our affinity */
	EQUAL(receive(s.endpoint, &m), IPC_CALL);
	EQUAL(kcall(thread_set, task->thread, THREAD_AFFINITY, 2ul), 0);
	spinning = true;
	m.op = 0;
	kcall(notify_timer, woken, 1, now() + 5000000);
	kcall(ep_bind, s.endpoint, woken);
	EQUAL(ipc_reply_wait(s.endpoint, 0, &m), IPC_NOTIFY);
	CHECK(UNTIL(kcall(thread_info, task->thread, &info) == 0 && info.processor == 1));
	spinning = false;
	kcall(thread_set, CAP_SELF_THREAD, THREAD_AFFINITY, ~0ul);
	CHECK(UNTIL(task->done));
	kcall(ep_bind, s.endpoint, CAP_NONE);
	kcall(cap_close, woken);
	pair_close(&s);
}

const struct test bounds_tests[] = {
	TEST(bounds_copy_cut_short),
	TEST(bounds_segment_bases),
	TEST(bounds_shared_stack),
	TEST(bounds_tail_of_object),
	TEST(bounds_many_tables),
	TEST(bounds_many_regions),
	TEST(bounds_move),
	TEST(bounds_move_no_memory),
	TEST(bounds_many_mappings),
	TEST(bounds_paged),
	TEST(bounds_charge),
	TEST(bounds_badge_list),
	TEST(bounds_idle_release),
	TEST(bounds_short_answer),
	TEST(bounds_priority_elsewhere),
	TEST(bounds_reserve),
	TEST(bounds_device_memory),
	TEST(bounds_affinity_in_call),
	{ 0 },
};
