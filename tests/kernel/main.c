/* SPDX-License-Identifier: MIT */
/* Runs the tests one after another and ends QEMU with the result. */
#include <stdarg.h>
#include <util/string.h>

#include "test.h"

#define TASKS 40
#define STACK 16384
#define HANG_NS 60000000000ul

static struct slot {
	uint8_t stack[STACK];
	uint8_t page[PAGE];
} slots[TASKS] __attribute__((aligned(4096)));
static struct task tasks[TASKS];
struct thread_create model;
static volatile bool failed;
static volatile unsigned passed, failures, test_number;
static const char *volatile test_name = "start";
static uint8_t watchdog_stack[4096] __attribute__((aligned(16)));

void say(const char *format, ...)
{
	char line[256];
	va_list args;
	int length;

	va_start(args, format);
	length = vsnprintf(line, sizeof(line), format, args);
	va_end(args);
	if (length > (int)sizeof(line) - 1)
		length = sizeof(line) - 1;
	kcall(klog_write, line, length);
}

static void finish(bool good)
{
	say("done %u passed, %u failed\n", passed, failures);
	kcall(system_reset, BOOT_CAP_ROOT, good ? 3 : 4);
}

void test_failed(const char *file, int line, const char *what, long actual, long expected)
{
	if (!failed)
		say("not ok %s: %s:%d: %s is %ld, not %ld\n", test_name, file, line, what, actual, expected);
	failed = true;
}

uint64_t now(void)
{
	struct system_info info;

	kcall(system_info, &info);
	return info.uptime_ns;
}

/* Then a loop takes two nanoseconds a round exactly, but when an interrupt comes between; no coarse clock does that. */
bool time_is_counted(void)
{
	uint64_t before = 0, same = 0;

	for (uint64_t i = 0; i < 16; i++) {
		uint64_t start = __builtin_ia32_rdtsc(), count = 2000 + 37 * i * i, took;

		__asm__ volatile("1: dec %0; jnz 1b" : "+r"(count));
		took = __builtin_ia32_rdtsc() - start;
		/* Two instructions a round, 37 (2 i - 1) rounds more than the time before. */
		same += i && took - before == 2 * 37 * (2 * i - 1);
		before = took;
	}
	return same >= 10; /* an interrupt spoils two */
}

uint64_t pages_free(void)
{
	struct system_info info;

	kcall(system_info, &info);
	return info.pages_free;
}

void pause_ms(unsigned ms)
{
	kcall(sleep, now() + ms * 1000000ul);
}

long thread_state(cap_t thread)
{
	struct thread_info info;
	long error = kcall(thread_info, thread, &info);

	return error ? error : (long)info.state;
}

static void task_main(void *argument)
{
	struct task *task = argument;

	task->function(task->argument);
	task->done = 1;
	kcall(thread_exit, 0);
}

static void model_reset(void)
{
	model = (struct thread_create){
		.space = CAP_SELF_SPACE,
		.private_table = BOOT_CAP_TABLE,
		.fd_table = CAP_NONE,
		.fault_endpoint = CAP_NONE,
		.quota = BOOT_CAP_QUOTA,
		.stamp = STAMP_SERVICE | 99,
		.flags = THREAD_NO_FPU,
	};
}

struct task *spawn_stopped(void (*function)(void *), void *argument, unsigned priority)
{
	struct thread_create create = model;
	unsigned i = 0;

	while (i < TASKS - 1 && tasks[i].thread)
		i++;
	memset(slots[i].page, 0, PAGE);
	tasks[i] = (struct task){ .page = (struct ipc_page *)slots[i].page,
				  .function = function,
				  .argument = argument };
	create.priority = priority;
	create.message_page = (uint64_t)slots[i].page;
	create.entry = (uint64_t)task_main;
	create.stack = (uint64_t)(slots[i].stack + STACK - 8);
	create.argument = (uint64_t)&tasks[i];
	tasks[i].thread = (cap_t)kcall(thread_create, &create);
	if (tasks[i].thread < 0)
		test_failed(__FILE__, __LINE__, "thread_create", tasks[i].thread, 0);
	return &tasks[i];
}

struct task *spawn(void (*function)(void *), void *argument, unsigned priority)
{
	struct task *task = spawn_stopped(function, argument, priority);

	kcall(thread_start, task->thread);
	return task;
}

void task_end(struct task *task)
{
	kcall(thread_kill, task->thread);
	kcall(cap_close, task->thread);
	task->thread = 0;
}

static void tasks_end(void)
{
	for (unsigned i = 0; i < TASKS; i++)
		if (tasks[i].thread > 0)
			task_end(&tasks[i]);
}

void make_call(void *argument)
{
	struct call *call = argument;

	call->status = ipc_call(call->to, call->flags, &call->msg);
	call->done = 1;
}

struct task *client_at(unsigned priority, struct call *call, cap_t to, uint64_t op)
{
	call->to = to;
	call->msg.op = op;
	call->done = 0;
	return spawn(make_call, call, priority);
}

struct task *client(struct call *call, cap_t to, uint64_t op)
{
	return client_at(LOW, call, to, op);
}

struct service_pair pair_create(uint64_t badge)
{
	struct service_pair pair;

	pair.endpoint = (cap_t)kcall(ep_create);
	pair.badge = (cap_t)kcall(badge_create, pair.endpoint, badge);
	return pair;
}

void pair_close(struct service_pair *pair)
{
	kcall(cap_close, pair->badge);
	kcall(cap_close, pair->endpoint);
}

long receive(cap_t endpoint, struct ipc_msg *msg)
{
	memset(msg, 0, sizeof(*msg));
	return ipc_reply_wait(endpoint, 0, msg);
}

long receive_soon(cap_t endpoint, struct ipc_msg *msg)
{
	cap_t timer = (cap_t)kcall(notify_create);
	long kind;

	kcall(ep_bind, endpoint, timer);
	kcall(notify_timer, timer, 1, now() + 20000000);
	kind = receive(endpoint, msg);
	kcall(notify_timer, timer, 0, 0);
	kcall(ep_bind, endpoint, CAP_NONE);
	kcall(cap_close, timer);
	return kind == IPC_NOTIFY ? -ETIMEDOUT : kind;
}

long answer(cap_t endpoint, uint64_t token, long status)
{
	struct ipc_msg msg = { .op = (uint64_t)status };

	return kcall(reply, endpoint, token, &msg);
}

/* Ends the run if one test takes too long: whatever it waits for will not come. */
static void watchdog(void *argument)
{
	(void)argument;
	for (;;) {
		unsigned number = test_number;

		kcall(sleep, now() + HANG_NS);
		if (number == test_number) {
			say("not ok %s: hangs\n", test_name);
			failures++;
			finish(false);
		}
	}
}

static void watchdog_start(void)
{
	struct thread_create create = model;
	cap_t thread;

	create.priority = 31;
	create.entry = (uint64_t)watchdog;
	create.stack = (uint64_t)(watchdog_stack + sizeof(watchdog_stack) - 8);
	thread = (cap_t)kcall(thread_create, &create);
	kcall(thread_start, thread);
}

static void run(const struct test *test)
{
	for (; test->name; test++) {
		test_name = test->name;
		test_number++;
		failed = false;
		model_reset();
		test->run();
		tasks_end();
		if (failed)
			failures++;
		else
			passed++;
		if (!failed)
			say("ok %s\n", test->name);
	}
}

void test_main(void)
{
	model_reset();
	watchdog_start();
	run(bench_tests);
	run(ipc_tests);
	run(death_tests);
	run(badge_tests);
	run(cap_tests);
	run(async_tests);
	run(signal_tests);
	run(memory_tests);
	run(space_tests);
	run(thread_tests);
	run(hostile_tests);
	run(bounds_tests);
	finish(!failures);
	for (;;)
		kcall(sleep, UINT64_MAX);
}
