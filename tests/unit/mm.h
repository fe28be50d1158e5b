/* SPDX-License-Identifier: MIT */
/*
 * The kernel's memory management on the build machine, with a mapping as physical memory: what the rest of the kernel
 * offers to it, and what its tests share.
 */
#ifndef TESTS_MM_H
#define TESTS_MM_H

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "arch/arch.h"
#include "core/kcall.h"
#include "core/quota.h"
#include "core/thread.h"
#include "mm/frame.h"
#include "mm/space.h"

#define MEMORY (64ul << 20)
#define CHECK(condition) check(condition, #condition, __LINE__)

uint64_t kernel_cr3, direct_map_end;
static unsigned failures, page_requests, flushes;
static struct object *work, *work_from;
static uint64_t requested_page;
/* Everything is made on its account; after each test there must be nothing. */
static struct quota payer = {
	.object = { CAPT_QUOTA, 1 }, .parent = &root_quota, .limit = { UINT64_MAX }, .number = 2, .depth = 1
};

static void check(bool good, const char *what, int line)
{
	if (good)
		return;
	if (failures++ < 5)
		printf("line %d: %s\n", line, what);
}

/* --- what the rest of the kernel offers to mm ----------------------------------------- */

void panic(const char *format, ...)
{
	va_list args;

	va_start(args, format);
	vprintf(format, args);
	va_end(args);
	abort();
}

uint64_t object_counts[CAPT_TYPES];

bool quota_reclaim(void)
{
	return mm_reap(256);
}

bool caller_may_use_reserve(void)
{
	return true;
}
void arch_tlb_flush_page(struct space *space, uint64_t addr)
{
	(void)space;
	(void)addr;
	flushes++;
}

void arch_tlb_flush_range(struct space *space, uint64_t start, uint64_t end)
{
	(void)space, (void)start, (void)end;
	flushes++;
}

void arch_tlb_flush_space(struct space *space)
{
	(void)space;
	flushes++;
}

void arch_space_leave(struct space *space)
{
	(void)space;
}

void object_put(void *pointer)
{
	struct object *object = pointer;

	if (--object->refs)
		return;
	if (object->type == CAPT_SPACE)
		space_destroy(object);
	else if (object->type == CAPT_MEMORY)
		memory_destroy(object);
}

struct object *work_resume(struct thread *thread, struct object *from, enum cap_type type)
{
	(void)thread;
	return work && work_from == from && work->type == type ? work : NULL;
}

void work_begin(struct thread *thread, struct object *from, struct object *built)
{
	(void)thread;
	work = built;
	work_from = from;
}

struct object *work_take(struct thread *thread)
{
	struct object *taken = work;

	(void)thread;
	work = NULL;
	return taken;
}

void ipc_page_request(struct thread *thread, struct endpoint *pager, uint64_t badge, uint64_t page,
		      bool write)
{
	(void)thread;
	(void)pager;
	(void)badge;
	(void)write;
	page_requests++;
	requested_page = page;
}

/* --- helpers ------------------------------------------------------------------------------ */

static void boot(void)
{
	void *memory = mmap((void *)DIRECT_MAP, MEMORY, PROT_READ | PROT_WRITE,
			    MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE, -1, 0);

	if (memory != (void *)DIRECT_MAP)
		abort();
	direct_map_end = MEMORY;
	kernel_cr3 = 0x1000;
	frames_add(0x100000, 0x180000);
	frames_add(0x200000, MEMORY - 0x300000);
	frames_init();
}

static struct thread test_thread;

static long touch(struct space *space, uint64_t addr, bool write)
{
	test_thread.space = space;
	return space_fault(&test_thread, addr, write, false);
}

static uint64_t map(struct space *space, uint64_t addr, uint64_t length, uint32_t flags,
		    struct memory *memory, uint64_t offset)
{
	long error = space_map(space, &addr, length, flags, memory ? &memory->object : NULL, offset);

	return error ? (uint64_t)error : addr;
}

static long put(struct space *space, uint64_t addr, uint8_t value)
{
	return copy_to_user(space, addr, &value, 1, NULL);
}

static int get(struct space *space, uint64_t addr)
{
	uint8_t value;

	return copy_from_user(space, &value, addr, 1, NULL) ? -1 : value;
}

static struct space *clone(struct space *space)
{
	struct space *child = NULL;
	long error;

	while ((error = space_clone(space, &test_thread, &child)) == KCALL_RESTART)
		continue;
	CHECK(error == 0);
	return child;
}

static long evict(struct memory *memory, uint64_t page, uint64_t count, bool only_idle)
{
	struct step step = { 0 };
	long answer;

	do
		answer = memory_evict(memory, page, count, only_idle, &step);
	while (answer == KCALL_RESTART);
	return answer;
}

static long move(struct space *space, uint64_t old, uint64_t old_length, uint64_t new_length, uint32_t flags,
		 uint64_t to)
{
	struct step step = { 0 };
	long answer;

	do
		answer = space_move(space, old, old_length, new_length, flags, to, &step);
	while (answer == KCALL_RESTART);
	return answer;
}

/* Frames that are neither free nor the kernel's. */
static size_t frames_in_use(void)
{
	while (mm_reap(1000))
		continue;
	slab_shrink();
	pagetable_shrink();
	return frames_total() - frames_free() - kalloc_pages();
}

struct mm_test {
	const char *name;
	void (*run)(void);
};

/* Runs them and says how each went; the program's exit status. */
static int run_tests(const struct mm_test *tests, size_t count)
{
	unsigned all = 0;

	boot();
	quotas[payer.number] = &payer;
	srand(1);
	for (size_t i = 0; i < count; i++) {
		failures = 0;
		tests[i].run();
		while (mm_reap(1000))
			continue;
		CHECK(!payer.used[QUOTA_MEMORY] && !root_quota.used[QUOTA_MEMORY]);
		printf(failures ? "not ok %s: %u checks\n" : "ok %s\n", tests[i].name, failures);
		all += failures;
	}
	return all != 0;
}

#endif
