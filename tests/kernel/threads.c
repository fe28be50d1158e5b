/* SPDX-License-Identifier: MIT */
/* Stopping, faults, registers, upcalls, reflected system calls. */
#include "test.h"

static volatile uint64_t counter;
static volatile long result;

static void count(void *argument)
{
	(void)argument;
	for (;;)
		counter++;
}

static void test_thread_stop(void)
{
	struct task *task = spawn(count, NULL, LOW);
	struct thread_regs regs;
	uint64_t seen;

	pause_ms(2);
	CHECK(counter);
	EQUAL(kcall(thread_stop, task->thread), 0);
	CHECK(UNTIL(thread_state(task->thread) == THREAD_STOPPED));
	seen = counter;
	pause_ms(2);
	EQUAL(counter, seen);
	EQUAL(kcall(thread_regs, task->thread, 0, &regs), 0);
	CHECK(regs.rip >= (uint64_t)count && regs.rip < (uint64_t)count + 100);
	EQUAL(kcall(thread_start, task->thread), 0);
	CHECK(UNTIL(counter > seen));
	task_end(task);
}

static void touch_wild(void *argument)
{
	*(volatile uint64_t *)argument = 7;
	result = 5;
}

static void test_thread_fault(void)
{
	struct service_pair faults = pair_create(66);
	struct thread_regs regs;
	struct ipc_msg m;
	struct task *task;

	result = 0;
	model.fault_endpoint = faults.badge;
	task = spawn(touch_wild, (void *)0x12345678000, LOW);
	EQUAL(receive(faults.endpoint, &m), IPC_CALL);
	EQUAL(m.op, IPC_KERNEL_FAULT);
	EQUAL(m.badge, 66);
	EQUAL(m.stamp, STAMP_SERVICE | 99);
	EQUAL(m.w[0], 14);
	EQUAL(m.w[1], 0x12345678000);
	EQUAL(m.w[3] & 7, 6);
	EQUAL(thread_state(task->thread), THREAD_FAULTED);
	EQUAL(kcall(vm_map, CAP_SELF_SPACE, 0x12345678000, PAGE, VM_R | VM_W | VM_FIXED, CAP_NONE, 0),
	      0x12345678000);
	EQUAL(kcall(thread_regs, task->thread, 0, &regs), 0);
	EQUAL(regs.rip, m.w[2]);
	EQUAL(answer(faults.endpoint, m.token, 0), 0);
	CHECK(UNTIL(task->done));
	EQUAL(result, 5);
	EQUAL(kcall(vm_unmap, CAP_SELF_SPACE, 0x12345678000, PAGE), 0);
	pair_close(&faults);
}

static void test_thread_fault_unhandled(void)
{
	struct task *task = spawn(touch_wild, (void *)8, LOW);

	CHECK(UNTIL(thread_state(task->thread) == THREAD_STOPPED));
}

static void divide(void *argument)
{
	__asm__ volatile("xor %%edx, %%edx; mov $1, %%eax; div %0" : : "r"(argument) : "rax", "rdx");
}

static void privileged(void *argument)
{
	(void)argument;
	__asm__ volatile("cli");
}

static void test_thread_exceptions(void)
{
	struct service_pair faults = pair_create(66);
	struct ipc_msg m;

	model.fault_endpoint = faults.badge;
	spawn(divide, NULL, LOW);
	EQUAL(receive(faults.endpoint, &m), IPC_CALL);
	EQUAL(m.w[0], 0);
	EQUAL(answer(faults.endpoint, m.token, -1), 0);
	spawn(privileged, NULL, LOW);
	EQUAL(receive(faults.endpoint, &m), IPC_CALL);
	EQUAL(m.w[0], 13);
	EQUAL(answer(faults.endpoint, m.token, -1), 0);
	pair_close(&faults);
}

/* The entry of reflected system calls: answers rdi + 1 and goes where rcx says. */
void reflect_entry(void);
__asm__(".text\nreflect_entry:\n lea 1(%rdi), %rax\n jmp *%rcx\n");

static void call_foreign(void *argument)
{
	long answer;

	(void)argument;
	__asm__ volatile("syscall" : "=a"(answer) : "a"(39), "D"(41) : "rcx", "r11", "memory");
	result = answer;
}

static void test_thread_reflect(void)
{
	struct task *task;

	result = 0;
	model.reflect_entry = (uint64_t)reflect_entry;
	task = spawn(call_foreign, NULL, LOW);
	CHECK(UNTIL(task->done));
	EQUAL(result, 42);
	model.reflect_entry = 0;
	task = spawn(call_foreign, NULL, LOW);
	CHECK(UNTIL(thread_state(task->thread) == THREAD_STOPPED));
}

/* Counts upcalls and goes on where the thread was. */
static volatile int upcalls;
static struct ipc_page *volatile upcall_page;

void upcall_entry(void);
__asm__(".text\nupcall_entry:\n and $-16, %rsp\n sub $256, %rsp\n call upcall_main\n");
__attribute__((used)) void upcall_main(void);
void upcall_main(void)
{
	upcalls++;
	kcall(thread_resume, (char *)upcall_page + THREAD_PAGE_UPCALL);
}

static void count_to(void *argument)
{
	volatile uint64_t *limit = argument;

	for (counter = 0; counter < *limit; counter++)
		;
}

static void test_thread_upcall(void)
{
	static volatile uint64_t limit;
	struct task *task;

	upcalls = 0;
	limit = UINT64_MAX;
	model.upcall_entry = (uint64_t)upcall_entry;
	task = spawn_stopped(count_to, (void *)&limit, LOW);
	upcall_page = task->page;
	kcall(thread_start, task->thread);
	for (int i = 1; i <= 5; i++) {
		uint64_t seen;

		EQUAL(kcall(thread_interrupt, task->thread, 0), 0);
		CHECK(UNTIL(upcalls == i));
		seen = counter;
		CHECK(UNTIL(counter > seen));
	}
	*(uint32_t *)((char *)task->page + THREAD_PAGE_INSIDE) = 1;
	EQUAL(kcall(thread_interrupt, task->thread, 0), 0);
	pause_ms(2);
	EQUAL(upcalls, 5);
	limit = 0;
	CHECK(UNTIL(task->done));
}

static void test_thread_regs_are_sanitised(void)
{
	struct task *task = spawn_stopped(count, NULL, LOW);
	struct thread_regs regs;

	EQUAL(kcall(thread_regs, task->thread, 0, &regs), 0);
	regs.rflags = ~0ul;
	regs.fs_base = 0x1000;
	EQUAL(kcall(thread_regs, task->thread, 1, &regs), 0);
	EQUAL(kcall(thread_regs, task->thread, 0, &regs), 0);
	EQUAL(regs.rflags & 0x3000, 0);
	EQUAL(regs.rflags & 0x200, 0x200);
	EQUAL(regs.fs_base, 0x1000);
	regs.rip = 0xffffffff80000000;
	EQUAL(kcall(thread_regs, task->thread, 1, &regs), -EINVAL);
	regs.rip = 0x400000;
	regs.gs_base = 0x8000000000000000;
	EQUAL(kcall(thread_regs, task->thread, 1, &regs), -EINVAL);
	EQUAL(kcall(thread_resume, &regs), -EINVAL);
	EQUAL(kcall(thread_resume, 0x10), -EFAULT);
}

/* fork: the child goes on where the parent waits, with another answer. */
static volatile uint64_t answers[2];
static volatile int forks;

static void fork_caller(void *argument)
{
	struct call *call = argument;

	call->status = ipc_call(call->to, 0, &call->msg);
	answers[forks++] = (uint64_t)call->status;
	for (;;)
		pause_ms(100);
}

static void test_thread_copy(void)
{
	static struct call call;
	struct service_pair s = pair_create(1);
	struct thread_regs regs;
	struct task *parent, *child;
	struct ipc_msg m;

	forks = 0;
	call = (struct call){ .to = s.badge };
	parent = spawn(fork_caller, &call, LOW);
	EQUAL(receive(s.endpoint, &m), IPC_CALL);
	model.space = (cap_t)kcall(space_clone, CAP_SELF_SPACE);
	child = spawn_stopped(count, NULL, LOW);
	EQUAL(kcall(thread_copy, child->thread, parent->thread), 0);
	EQUAL(kcall(thread_regs, child->thread, 0, &regs), 0);
	regs.rax = 77;
	EQUAL(kcall(thread_regs, child->thread, 1, &regs), 0);
	EQUAL(answer(s.endpoint, m.token, 76), 0);
	CHECK(UNTIL(forks == 1));
	task_end(parent); /* its stack is the child's too: this memory is shared */
	EQUAL(answers[0], 76);
	kcall(cap_close, model.space);
	task_end(child);
	pair_close(&s);
}

static void test_thread_priority(void)
{
	EQUAL(kcall(thread_set, CAP_SELF_THREAD, THREAD_PRIORITY, 32), -EINVAL);
	EQUAL(kcall(thread_set, CAP_SELF_THREAD, THREAD_PRIORITY, 31), -EPERM);
	EQUAL(kcall(thread_set, CAP_SELF_THREAD, 99, 0), -EINVAL);
	EQUAL(kcall(thread_set, CAP_SELF_THREAD, THREAD_FS_BASE, 0x8000000000000000), -EINVAL);
	EQUAL(kcall(thread_set, CAP_SELF_THREAD, THREAD_AFFINITY, 0), -EINVAL);
	EQUAL(kcall(thread_regs, CAP_SELF_THREAD, 0, &counter), -EBUSY);
	EQUAL(kcall(thread_start, CAP_PRIVATE | 3999), -EBADF);
}

static void exit_with_word(void *argument)
{
	kcall(thread_exit, argument);
}

static void test_thread_exit_wakes(void)
{
	static volatile uint32_t word;
	struct task *task;

	word = 1;
	task = spawn_stopped(exit_with_word, (void *)&word, LOW);
	kcall(thread_start, task->thread);
	while (word)
		kcall(futex, &word, FUTEX_OP_WAIT, 1, now() + 100000000);
	CHECK(UNTIL(thread_state(task->thread) == THREAD_DEAD));
	EQUAL(kcall(thread_start, task->thread), -ESRCH);
}

/* What a thread_create answers; one that was made is ended. */
static long try_create(cap_t space, cap_t quota, uint64_t stamp)
{
	struct thread_create create = model;
	long slot;

	create.space = space;
	create.quota = quota;
	create.stamp = stamp;
	create.message_page = BOOT_MESSAGE_PAGE;
	slot = kcall(thread_create, &create);
	if (slot < 0)
		return slot;
	kcall(thread_kill, slot);
	kcall(cap_close, slot);
	return 0;
}

/* Who calls is believed, so nobody may make threads that are called what they are not his to name. */
static void test_thread_stamps(void)
{
	cap_t below = (cap_t)kcall(quota_create, BOOT_CAP_QUOTA, QUOTA_NO_LIMIT);
	cap_t other = (cap_t)kcall(quota_create, BOOT_CAP_QUOTA, QUOTA_NO_LIMIT);
	cap_t reader = (cap_t)kcall(cap_copy, BOOT_CAP_QUOTA, CAP_R, CAP_PRIVATE, 0);
	cap_t space = (cap_t)kcall(space_create, below);

	CHECK(below > 0 && other > 0 && reader > 0 && space > 0);
	EQUAL(kcall(vm_map, space, BOOT_MESSAGE_PAGE, PAGE, VM_R | VM_W | VM_FIXED | VM_PINNED, CAP_NONE, 0),
	      BOOT_MESSAGE_PAGE);
	EQUAL(try_create(space, BOOT_CAP_QUOTA, STAMP_SERVICE | 5), 0);
	EQUAL(try_create(space, BOOT_CAP_QUOTA, 5), 0);
	EQUAL(try_create(space, below, 5), 0);
	EQUAL(try_create(space, below, STAMP_SERVICE | 5), -EPERM);
	EQUAL(try_create(space, other, 5), -EPERM);
	EQUAL(try_create(space, other, STAMP_SERVICE | 5), -EPERM);
	EQUAL(try_create(space, reader, 5), -EPERM);
	EQUAL(try_create(space, CAP_NONE, 5), -EBADF);
	/* Its own space is the root quota's. */
	EQUAL(try_create(CAP_SELF_SPACE, below, 5), -EPERM);
	EQUAL(try_create(CAP_SELF_SPACE, CAP_NONE, STAMP_SERVICE | 99), -EBADF);
	kcall(cap_close, space);
	kcall(cap_close, reader);
	kcall(cap_close, other);
	kcall(cap_close, below);
}

const struct test thread_tests[] = {
	TEST(thread_stamps),     TEST(thread_stop),
	TEST(thread_fault),      TEST(thread_fault_unhandled),
	TEST(thread_exceptions), TEST(thread_reflect),
	TEST(thread_upcall),     TEST(thread_regs_are_sanitised),
	TEST(thread_copy),       TEST(thread_priority),
	TEST(thread_exit_wakes), { 0 },
};
