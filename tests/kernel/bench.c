/* SPDX-License-Identifier: MIT */
/*
 * Guest instructions of a round trip, under -icount with one nanosecond an instruction.
 * As sel4bench counts them: the stamp counter before and after one call in a loop, less what
 * two adjacent readings cost; the least of many.
 */
#include "test.h"

#define ROUNDS 64

static inline uint64_t tsc(void)
{
	uint32_t low, high;

	__asm__ volatile("rdtsc" : "=a"(low), "=d"(high) : : "memory");
	return (uint64_t)high << 32 | low;
}

static uint64_t overhead(void)
{
	uint64_t least = ~0ul;

	for (int i = 0; i < ROUNDS; i++) {
		uint64_t start = tsc(), passed = tsc() - start;

		if (passed < least)
			least = passed;
	}
	return least;
}

/* Five words each way, all that is received is looked at by nobody. */
static inline void call_five(uint64_t first)
{
	register uint64_t r10 __asm__("r10") = 3;
	register uint64_t r8 __asm__("r8") = 4;
	register uint64_t r9 __asm__("r9") = 5;
	uint64_t rdi = 1, rsi = 1, rdx = 2;

	__asm__ volatile("push %%rbp; xor %%ebp, %%ebp; xor %%r13d, %%r13d; syscall; pop %%rbp"
			 : "+a"(first), "+D"(rdi), "+S"(rsi), "+d"(rdx), "+r"(r10), "+r"(r8), "+r"(r9)
			 :
			 : "rcx", "r11", "r13", "memory");
}

static inline uint64_t first_word(cap_t cap, uint32_t flags, uint64_t number)
{
	return (uint64_t)(uint32_t)cap << 32 | flags << 16 | number;
}

struct meter {
	cap_t badge;
	uint32_t flags;
	bool stub;
	struct ipc_page *page;
	volatile uint64_t result;
};

static void measure(void *argument)
{
	struct meter *meter = argument;
	uint64_t least = ~0ul, first = first_word(meter->badge, meter->flags, KCALL_call);
	struct ipc_msg m = { 0 };

	for (int i = 0; i < ROUNDS; i++) {
		uint64_t start = tsc(), passed;

		if (meter->stub)
			ipc_call(meter->badge, meter->flags, &m);
		else
			call_five(first);
		passed = tsc() - start;
		if (passed < least)
			least = passed;
	}
	meter->result = least - overhead();
}

/* seL4's loop: reply and wait, and nothing else. */
void bench_server(uint64_t first);
__asm__(".text\nbench_server:\n mov %rdi, %rbx\n mov %rdi, %rax\n xor %r14d, %r14d\n"
	"1: syscall\n mov bench_first(%rip), %rax\n xor %edi, %edi\n jmp 1b\n");
static __attribute__((used)) volatile uint64_t first_for_server __asm__("bench_first");

static void serve(void *argument)
{
	bench_server((uint64_t)argument);
}

static void serve_stub(void *argument)
{
	struct ipc_msg m = { 0 };

	for (;;) {
		ipc_reply_wait((cap_t)(uint64_t)argument, 0, &m);
		m.op = 0;
	}
}

/* Answers each call with a capability, as open does. */
static void serve_cap(void *argument)
{
	struct service_pair *s = argument;
	struct ipc_page *page = NULL;
	struct ipc_msg m = { 0 };

	for (;;) {
		ipc_reply_wait(s->endpoint, m.token ? IPC_EXTRA : 0, &m);
		if (!page)
			page = (struct ipc_page *)m.w[0];
		page->caps_count = 1;
		page->caps[0] = (struct ipc_cap){ .slot = s->badge, .rights = CAP_ALL };
		m.op = 0;
	}
}

static void measure_cap(void *argument)
{
	struct meter *meter = argument;
	uint64_t least = ~0ul;
	struct ipc_msg m = { .w = { meter->result } };

	for (int i = 0; i < ROUNDS; i++) {
		uint64_t start, passed;

		meter->page->recv_count = 1;
		start = tsc();
		ipc_call(meter->badge, IPC_RECV_CAPS, &m);
		passed = tsc() - start;
		if (passed < least)
			least = passed;
		kcall(cap_close, meter->page->caps[0].slot);
	}
	meter->result = least - overhead();
}

static void bench_cap(void)
{
	static struct service_pair s;
	static struct meter meter;
	struct task *server, *caller;

	s = pair_create(1);
	server = spawn(serve_cap, &s, HIGH);
	meter = (struct meter){ .badge = s.badge, .result = (uint64_t)server->page };
	model.space = (cap_t)kcall(space_clone, CAP_SELF_SPACE);
	caller = spawn_stopped(measure_cap, &meter, LOW);
	meter.page = caller->page;
	kcall(thread_start, caller->thread);
	CHECK(UNTIL(caller->done));
	say("bench ipc_call_reply_cap %lu\n", meter.result);
	kcall(cap_close, model.space);
	model.space = CAP_SELF_SPACE;
	task_end(server);
	task_end(caller);
	pair_close(&s);
}

static void bench_round(const char *name, uint32_t flags, bool stub, bool other_space)
{
	static struct meter meter;
	struct service_pair s = pair_create(1);
	struct task *server, *caller;
	cap_t space = CAP_SELF_SPACE;
	uint32_t caller_flags = model.flags;

	model.flags = THREAD_NO_FPU;
	if (other_space)
		space = (cap_t)kcall(space_clone, CAP_SELF_SPACE);
	first_for_server = first_word(s.endpoint, flags & IPC_EXTRA, KCALL_reply_wait);
	server = stub ? spawn(serve_stub, (void *)(uint64_t)s.endpoint, HIGH)
		      : spawn(serve, (void *)first_for_server, HIGH);
	pause_ms(1);
	model.space = space;
	model.flags = caller_flags;
	meter = (struct meter){ .badge = s.badge, .flags = flags, .stub = stub };
	caller = spawn(measure, &meter, LOW);
	CHECK(UNTIL(caller->done));
	say("bench %s %lu\n", name, meter.result);
	task_end(server);
	task_end(caller);
	if (other_space)
		kcall(cap_close, space);
	model.space = CAP_SELF_SPACE;
	pair_close(&s);
}

static void test_bench_ipc(void)
{
	bench_round("ipc_call_reply_5", 0, false, true);
	bench_round("ipc_call_reply_5_same_space", 0, false, false);
	bench_round("ipc_call_reply_5_stubs", 0, true, true);
	bench_round("ipc_call_reply_10", IPC_EXTRA, false, true);
	model.flags = 0;
	bench_round("ipc_call_reply_5_fpu", 0, false, true);
	model.flags = THREAD_NO_FPU;
	bench_cap();
}

static void test_bench_page_touch(void)
{
	long address = kcall(vm_map, CAP_SELF_SPACE, 0, ROUNDS * PAGE, VM_R | VM_W, CAP_NONE, 0);
	uint64_t least = ~0ul;

	CHECK(address > 0);
	for (int i = 0; i < ROUNDS; i++) {
		uint64_t start = tsc(), passed;

		*(volatile uint64_t *)(address + i * (long)PAGE) = 1;
		passed = tsc() - start;
		if (passed < least)
			least = passed;
	}
	say("bench page_touch %lu\n", least - overhead());
	EQUAL(kcall(vm_unmap, CAP_SELF_SPACE, address, ROUNDS * PAGE), 0);
}

static void test_bench_calls(void)
{
	uint64_t least = ~0ul, first = 0x10fful;

	for (int i = 0; i < ROUNDS; i++) {
		uint64_t start = tsc(), passed;

		kcall_raw(first, 0, 0, 0, 0, 0, 0);
		passed = tsc() - start;
		if (passed < least)
			least = passed;
	}
	say("bench kernel_call_empty %lu\n", least - overhead());
}

const struct test bench_tests[] = {
	TEST(bench_ipc),
	TEST(bench_page_touch),
	TEST(bench_calls),
	{ 0 },
};
