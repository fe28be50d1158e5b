/* SPDX-License-Identifier: MIT */
/* Kernel calls on address spaces and memory objects, and translations on other processors. */
#include <util/string.h>

#include "test.h"

#define SELF CAP_SELF_SPACE
#define RW (VM_R | VM_W)

static long map(uint64_t length, uint32_t flags, cap_t memory)
{
	return kcall(vm_map, SELF, 0, length, flags, memory, 0);
}

static uint64_t resident(void)
{
	struct space_stat stat;

	kcall(space_stat, SELF, &stat);
	return stat.resident_pages;
}

static void test_space_write_xor_execute(void)
{
	long address = map(PAGE, RW, CAP_NONE);

	CHECK(address > 0);
	EQUAL(map(PAGE, VM_W | VM_X, CAP_NONE), -EACCES);
	EQUAL(kcall(vm_protect, SELF, address, PAGE, VM_R | VM_W | VM_X), -EACCES);
	EQUAL(kcall(vm_protect, SELF, address, PAGE, VM_R | VM_X), 0);
	EQUAL(kcall(mo_read, CAP_NONE, 0, address, 1), -EBADF);
	EQUAL(kcall(vm_unmap, SELF, address, PAGE), 0);
}

static void test_space_rights(void)
{
	cap_t memory = (cap_t)kcall(mo_create, PAGE);
	cap_t reader = (cap_t)kcall(cap_copy, memory, CAP_R, CAP_PRIVATE, 0);
	long address;

	CHECK(memory > 0 && reader > 0);
	EQUAL(map(PAGE, RW | VM_SHARED, reader), -EPERM);
	EQUAL(map(PAGE, VM_R | VM_X, reader), -EPERM);
	address = map(PAGE, VM_R | VM_SHARED, reader);
	CHECK(address > 0);
	EQUAL(kcall(vm_protect, SELF, address, PAGE, RW), -EACCES);
	EQUAL(kcall(vm_unmap, SELF, address, PAGE), 0);
	/* A private copy may be written. */
	address = map(PAGE, RW, reader);
	CHECK(address > 0);
	*(volatile int *)address = 5;
	EQUAL(kcall(vm_unmap, SELF, address, PAGE), 0);
	EQUAL(kcall(mo_write, reader, 0, "x", 1), -EPERM);
	EQUAL(kcall(mo_resize, reader, 0), -EPERM);
	EQUAL(kcall(cap_close, reader), 0);
	EQUAL(kcall(cap_close, memory), 0);
}

static void test_space_query(void)
{
	long address = map(3 * PAGE, RW, CAP_NONE);
	struct vm_info info;

	CHECK(address > 0);
	*(volatile char *)(address + PAGE) = 1;
	EQUAL(kcall(vm_query, SELF, address + 5, &info), 0);
	EQUAL(info.start, address);
	EQUAL(info.end, address + 3 * (long)PAGE);
	EQUAL(info.flags, RW);
	EQUAL(info.resident, 1);
	EQUAL(info.object, 0);
	EQUAL(kcall(vm_protect, SELF, address + PAGE, PAGE, VM_R), 0);
	EQUAL(kcall(vm_query, SELF, address, &info), 0);
	EQUAL(info.end, address + (long)PAGE);
	EQUAL(kcall(vm_query, SELF, VM_USER_HIGH, &info), -ENOENT);
	EQUAL(kcall(vm_unmap, SELF, address, 3 * PAGE), 0);
}

static void test_space_move_and_discard(void)
{
	uint64_t before = resident();
	long address = map(4 * PAGE, RW, CAP_NONE), moved;

	CHECK(address > 0);
	for (int i = 0; i < 4; i++)
		*(volatile int *)(address + i * (long)PAGE) = i + 1;
	moved = kcall(vm_move, SELF, address, 4 * PAGE, 600 * PAGE, 1, 0);
	CHECK(moved > 0);
	EQUAL(*(volatile int *)(moved + 3 * PAGE), 4);
	EQUAL(kcall(vm_discard, SELF, moved, PAGE), PAGE);
	EQUAL(*(volatile int *)moved, 0);
	EQUAL(*(volatile int *)(moved + PAGE), 2);
	EQUAL(kcall(vm_unmap, SELF, moved, 600 * PAGE), 0);
	EQUAL(resident(), before);
}

static void test_space_read_write(void)
{
	long address = map(2 * PAGE, RW, CAP_NONE);
	uint64_t value = 0x1234567890, back = 0;
	cap_t clone;

	CHECK(address > 0);
	clone = (cap_t)kcall(space_clone, SELF);
	EQUAL(kcall(space_write, clone, address + PAGE - 4, &value, 8), 8);
	EQUAL(kcall(space_read, clone, address + PAGE - 4, &back, 8), 8);
	EQUAL(back, value);
	EQUAL(*(volatile uint32_t *)(address + PAGE), 0);
	EQUAL(kcall(space_read, clone, address + 2 * PAGE, &back, 8), -EFAULT);
	EQUAL(kcall(cap_close, clone), 0);
	EQUAL(kcall(vm_unmap, SELF, address, 2 * PAGE), 0);
}

static void test_space_contiguous(void)
{
	cap_t memory = (cap_t)kcall(mo_create, 5 * PAGE, MO_CONTIGUOUS);
	struct phys_range range;
	long address = map(5 * PAGE, RW | VM_SHARED, memory);

	CHECK(memory > 0 && address > 0);
	EQUAL(kcall(mo_phys, memory, PAGE, &range, 1), 1);
	EQUAL(range.length, 4 * PAGE);
	CHECK(range.address < 1ul << 32);
	for (unsigned i = 0; i < 5 * PAGE; i++)
		EQUAL(((volatile uint8_t *)address)[i], 0);
	/* What belongs to others cannot be had as physical memory. */
	EQUAL(kcall(mo_create_phys, BOOT_CAP_ROOT, range.address & ~(PAGE - 1), PAGE, 0), -EPERM);
	EQUAL(kcall(vm_unmap, SELF, address, 5 * PAGE), 0);
	EQUAL(kcall(cap_close, memory), 0);
}

static void test_space_paged_object(void)
{
	struct service_pair s = pair_create(1);
	cap_t memory = (cap_t)kcall(mo_create_paged, s.endpoint, 9, 8 * PAGE);
	long address = map(8 * PAGE, RW | VM_SHARED, memory);
	struct mo_info info;
	uint64_t dirty[8], value = 7;

	CHECK(memory > 0 && address > 0);
	EQUAL(kcall(mo_fill_begin, memory, 2, 10), 6);
	EQUAL(kcall(mo_present, memory, 2), 2);
	EQUAL(kcall(mo_write, memory, 3 * PAGE, &value, 8), 8);
	EQUAL(kcall(mo_fill_end, memory, 2, 6, 1), 0);
	EQUAL(*(volatile uint64_t *)(address + 3 * PAGE), 7);
	EQUAL(kcall(mo_dirty, memory, 0, dirty, 8, 0), 0);
	*(volatile uint64_t *)(address + 5 * PAGE) = 1;
	EQUAL(kcall(mo_write, memory, 2 * PAGE, &value, 8), 8);
	EQUAL(kcall(mo_dirty, memory, 0, dirty, 8, 1), 2);
	EQUAL(dirty[0], 2);
	EQUAL(dirty[1], 5);
	EQUAL(kcall(mo_dirty, memory, 0, dirty, 8, 0), 0);
	*(volatile uint64_t *)(address + 5 * PAGE) = 2;
	EQUAL(kcall(mo_dirty, memory, 3, dirty, 8, 0), 1);
	kcall(mo_evict, memory, 0, 8, 1);
	EQUAL(kcall(mo_evict, memory, 0, 8, 1), 5);
	EQUAL(kcall(mo_info, memory, &info), 0);
	EQUAL(info.resident_pages, 1);
	EQUAL(info.dirty_pages, 1);
	EQUAL(kcall(mo_resize, memory, 5 * PAGE + 8), 0);
	EQUAL(*(volatile uint64_t *)(address + 5 * PAGE), 2);
	EQUAL(kcall(vm_fault_in, address + 7 * PAGE, 0), -EFAULT);
	EQUAL(kcall(vm_unmap, SELF, address, 8 * PAGE), 0);
	EQUAL(kcall(cap_close, memory), 0);
	pair_close(&s);
}

/* --- two processors -------------------------------------------------------------------- */

#define HAMMERED 16
static struct hammer {
	volatile uint64_t *pages;
	volatile bool stop;
	volatile uint64_t rounds;
} hammer;

static void hammer_pages(void *argument)
{
	struct hammer *h = argument;

	for (uint64_t n = 1; !h->stop; n++) {
		for (int i = 0; i < HAMMERED; i++)
			h->pages[i * 512] = n;
		h->rounds = n;
	}
}

static void wait_rounds(uint64_t more)
{
	uint64_t until = hammer.rounds + more;

	CHECK(UNTIL(hammer.rounds >= until));
}

/* A clone does not see what the parent writes later, through old translations either. */
static void check_clone_is_frozen(long address)
{
	uint64_t first[HAMMERED], second;
	cap_t clone = (cap_t)kcall(space_clone, SELF);

	CHECK(clone > 0);
	for (int i = 0; i < HAMMERED; i++)
		EQUAL(kcall(space_read, clone, address + i * (long)PAGE, &first[i], 8), 8);
	wait_rounds(2);
	for (int i = 0; i < HAMMERED; i++) {
		EQUAL(kcall(space_read, clone, address + i * (long)PAGE, &second, 8), 8);
		EQUAL(second, first[i]);
	}
	EQUAL(kcall(cap_close, clone), 0);
}

/* Frames that were given back are no longer written. */
static void check_discard(long address)
{
	long other;

	EQUAL(kcall(vm_discard, SELF, address, HAMMERED * PAGE), HAMMERED * PAGE);
	other = map(HAMMERED * PAGE, RW, CAP_NONE);
	CHECK(other > 0);
	for (int i = 0; i < HAMMERED; i++)
		*(volatile uint64_t *)(other + i * (long)PAGE) = ~0ul;
	wait_rounds(2);
	for (int i = 0; i < HAMMERED; i++)
		EQUAL(*(volatile uint64_t *)(other + i * (long)PAGE), ~0ul);
	EQUAL(kcall(vm_unmap, SELF, other, HAMMERED * PAGE), 0);
}

static void test_space_translations(void)
{
	long address = map(HAMMERED * PAGE, RW, CAP_NONE);
	struct task *task;

	CHECK(address > 0);
	hammer = (struct hammer){ .pages = (uint64_t *)address };
	kcall(thread_set, CAP_SELF_THREAD, THREAD_AFFINITY, 1);
	task = spawn(hammer_pages, &hammer, LOW);
	kcall(thread_set, task->thread, THREAD_AFFINITY, 2); /* refused if there is no such processor */
	for (int i = 0; i < 20; i++) {
		check_clone_is_frozen(address);
		check_discard(address);
	}
	hammer.stop = true;
	CHECK(UNTIL(task->done));
	kcall(thread_set, CAP_SELF_THREAD, THREAD_AFFINITY, ~0ul);
	EQUAL(kcall(vm_unmap, SELF, address, HAMMERED * PAGE), 0);
}

const struct test space_tests[] = {
	TEST(space_write_xor_execute), TEST(space_rights),       TEST(space_query),
	TEST(space_move_and_discard),  TEST(space_read_write),   TEST(space_contiguous),
	TEST(space_paged_object),      TEST(space_translations), { 0 },
};
