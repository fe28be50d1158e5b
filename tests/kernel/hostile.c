/* SPDX-License-Identifier: MIT */
/* Arguments that no honest program passes, to every kernel call. */
#include "test.h"

static const uint64_t values[] = {
	0,
	1,
	2,
	7,
	63,
	64,
	4095,
	4096,
	0x7fffffff,
	0x80000000,
	0xffffffff,
	0x100000000,
	CAP_PRIVATE | 1,
	CAP_PRIVATE | 2,
	CAP_PRIVATE | 5,
	CAP_PRIVATE | 63,
	CAP_PRIVATE | 64,
	CAP_PRIVATE | 0xffffff,
	(uint64_t)CAP_NONE,
	(uint64_t)CAP_SELF_SPACE,
	(uint64_t)CAP_SELF_THREAD,
	0x10000,
	0x400000,
	0x7fffffffe000,
	0x7ffffffff000,
	0x7ffffffffff8,
	0x800000000000,
	0xffff800000000000,
	0xffffffff80000000,
	~0ul,
	~0ul - 7,
	1ul << 63,
};
#define VALUES (sizeof(values) / sizeof(values[0]))

static const uint16_t numbers[] = {
#define K(number, name, args) number,
#include <abi/kcall.def>
#undef K
	0x1007,
	0x10ff,
	0x10a0,
};
#define NUMBERS (sizeof(numbers) / sizeof(numbers[0]))

static volatile unsigned number_index;
static volatile uint64_t seed;

static uint64_t random_value(void)
{
	seed = seed * 6364136223846793005ul + 1442695040888963407ul;
	return seed >> 33;
}

static uint64_t argument(void)
{
	return values[random_value() % VALUES];
}

/* One call after the other, until one ends or blocks the thread. */
static void attack(void *unused)
{
	(void)unused;
	while (number_index < NUMBERS * 40) {
		uint64_t nr = numbers[number_index++ % NUMBERS];

		if (nr <= KCALL_reply_wait)
			nr |= argument() << 16;
		kcall_raw(nr, argument(), argument(), argument(), argument(), argument(), argument());
	}
}

/* A thread in a space and tables of its own, with a capability of every harmless kind. */
static void victim_prepare(cap_t *space, cap_t *table, cap_t *fds)
{
	struct service_pair s = pair_create(1);
	cap_t own[] = { (cap_t)kcall(notify_create), s.endpoint, (cap_t)kcall(call_create),
			(cap_t)kcall(mo_create, 8 * PAGE, 0), s.badge };

	*space = (cap_t)kcall(space_clone, CAP_SELF_SPACE);
	*table = (cap_t)kcall(table_create, 64, 0);
	*fds = (cap_t)kcall(table_create, 64, 1);
	for (unsigned i = 0; i < sizeof(own) / sizeof(own[0]); i++) {
		kcall(table_put, *table, 1 + i, own[i], CAP_ALL);
		kcall(table_put, *fds, i, own[i], CAP_ALL);
		kcall(cap_close, own[i]);
	}
}

static void attack_round(uint64_t stamp)
{
	cap_t space, table, fds;
	struct task *task;
	unsigned last = number_index;

	victim_prepare(&space, &table, &fds);
	model.space = space;
	model.private_table = table;
	model.fd_table = fds;
	model.stamp = stamp;
	task = spawn(attack, NULL, LOW);
	for (;;) {
		long state;

		pause_ms(1);
		state = thread_state(task->thread);
		if (state == THREAD_DEAD ||
		    (state != THREAD_READY && state != THREAD_RUNNING && last == number_index))
			break;
		last = number_index;
	}
	task_end(task);
	kcall(cap_close, space);
	kcall(cap_close, table);
	kcall(cap_close, fds);
}

static void test_hostile_arguments(void)
{
	seed = 12345;
	number_index = 0;
	while (number_index < NUMBERS * 40)
		attack_round(17);
}

static void test_hostile_service(void)
{
	seed = 54321;
	number_index = 0;
	while (number_index < NUMBERS * 40)
		attack_round(STAMP_SERVICE | 98);
}

/* What only services may do. */
static volatile long denied[3];

static void try_as_program(void *argument)
{
	(void)argument;
	denied[0] = kcall(thread_create, &model);
	denied[1] = kcall(thread_set, CAP_SELF_THREAD, THREAD_PRIORITY, 31);
	denied[2] = kcall(klog_write, "x", 1);
}

static void test_hostile_needs_stamp(void)
{
	struct task *task;

	model.stamp = 5;
	task = spawn(try_as_program, NULL, LOW);
	CHECK(UNTIL(task->done));
	EQUAL(denied[0], -EPERM);
	EQUAL(denied[1], -EPERM);
	EQUAL(denied[2], -EPERM);
}

const struct test hostile_tests[] = {
	TEST(hostile_needs_stamp),
	TEST(hostile_arguments),
	TEST(hostile_service),
	{ 0 },
};
