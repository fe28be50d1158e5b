/* SPDX-License-Identifier: MIT */
/*
 * Memory management with arguments nobody sane would give, and random operations against a model.
 *
 * SOURCES: kernel/mm/frame.c kernel/mm/slab.c kernel/mm/radix.c kernel/mm/region.c
 * SOURCES: kernel/mm/fault.c kernel/mm/copy.c kernel/mm/map.c kernel/mm/protect.c kernel/mm/move.c
 * SOURCES: kernel/mm/space.c kernel/mm/memory.c kernel/mm/paged.c kernel/mm/rmap.c
 * SOURCES: kernel/arch/x86_64/pagetable.c kernel/core/quota.c
 */
#include "mm.h"

/* --- arguments nobody sane would give ------------------------------------------------- */

static uint64_t odd_number(void)
{
	static const uint64_t odd[] = {
		0,
		1,
		PAGE_SIZE - 1,
		PAGE_SIZE,
		2 * PAGE_SIZE,
		PT_SPAN,
		1ul << 30,
		1ul << 47,
		VM_USER_LOW,
		VM_USER_HIGH,
		VM_USER_HIGH - PAGE_SIZE,
		1ul << 63,
		UINT64_MAX,
		UINT64_MAX - PAGE_SIZE + 1,
		DIRECT_MAP,
		0x7f0000000000,
		0x7f0000000000 - PT_SPAN,
	};
	uint64_t number = odd[rand() % (sizeof(odd) / sizeof(*odd))];

	switch (rand() % 4) {
	case 0: return number + rand() % 3 * PAGE_SIZE;
	case 1: return number ^ (uint64_t)rand() << (rand() % 40);
	default: return number;
	}
}

static void one_odd_call(struct space *space, struct memory *memory)
{
	uint64_t a = odd_number(), b = odd_number(), c = odd_number();
	struct map_request request = {
		.addr = a,
		.length = b,
		.offset = c,
		.flags = rand() % 0x400,
		.rights = rand() % 16,
		.memory = rand() % 2 ? memory : NULL,
	};
	int error;

	switch (rand() % 8) {
	case 0:
	case 1: space_map_request(space, &request); break;
	case 2:
		if (!(a & PAGE_MASK) && a < VM_USER_HIGH && b <= VM_USER_HIGH - a)
			while (space_unmap(space, a, page_up(a + b)) == KCALL_RESTART)
				continue;
		break;
	case 3:
		if (!(a & PAGE_MASK) && a < VM_USER_HIGH && b <= VM_USER_HIGH - a)
			space_protect(space, a, page_up(a + b), rand() % 8);
		break;
	case 4: move(space, a, b, c, rand() % 4, odd_number()); break;
	case 5: touch(space, a, rand() % 2); break;
	case 6: memory_resize(memory, a); break;
	case 7:
		memory_page(memory, a, rand() % 2, &error);
		memory_fill_begin(memory, a, b % 64);
		memory_fill_end(memory, a, b, rand() % 3);
		evict(memory, a, b, rand() % 2);
		break;
	}
}

static void test_odd_arguments(void)
{
	size_t before = frames_in_use();
	struct object pager = { .type = CAPT_ENDPOINT, .refs = 1000 };

	for (int round = 0; round < 40; round++) {
		struct space *space = space_new(&payer);
		struct memory *memory = round % 2
					    ? memory_new(&payer, 1 << 20, 0)
					    : memory_new_paged(&payer, (struct endpoint *)&pager, 1, 1 << 20);

		for (int i = 0; i < 1000; i++)
			one_odd_call(space, memory);
		for (uint32_t i = 1; i < space->regions.count; i++)
			CHECK(space->regions.array[i - 1]->end <= space->regions.array[i]->start);
		object_put(clone(space));
		object_put(space);
		CHECK(memory->object.refs == 1 && memory->mapping_count == 0);
		object_put(memory);
	}
	CHECK(frames_in_use() == before);
}

/* --- random operations against a model ------------------------------------------------- */

#define SPACES 4
#define PAGES 96
#define CELLS 400000
#define BASE 0x40000000ul

struct model_page {
	uint8_t *cell; /* NULL: not mapped */
	uint8_t prot;
	bool shared;
};

static struct space *spaces[SPACES];
static struct model_page model[SPACES][PAGES];
static uint8_t cells[CELLS];
static unsigned cells_used;

/* The window lies across two page tables. */
static uint64_t address(unsigned page)
{
	return BASE + PT_SPAN - PAGES / 2 * PAGE_SIZE + page * PAGE_SIZE;
}

static uint8_t *new_cell(uint8_t value)
{
	cells[cells_used % CELLS] = value;
	return &cells[cells_used++ % CELLS];
}

static void model_map(unsigned s, unsigned first, unsigned count)
{
	bool shared = rand() % 4 == 0;
	uint32_t prot = rand() % 3 ? VM_R | VM_W : VM_R;
	uint64_t addr = address(first);

	CHECK(map(spaces[s], addr, count * PAGE_SIZE, prot | VM_FIXED | (shared ? VM_SHARED : 0), NULL, 0) ==
	      addr);
	for (unsigned i = first; i < first + count; i++)
		model[s][i] = (struct model_page){ new_cell(0), prot, shared };
}

static void model_protect(unsigned s, unsigned first, unsigned count)
{
	static const uint32_t prots[] = { 0, VM_R, VM_R | VM_W, VM_R | VM_X };
	uint32_t prot = prots[rand() % 4];
	bool hole = false;

	for (unsigned i = first; i < first + count; i++)
		hole |= !model[s][i].cell;
	CHECK(space_protect(spaces[s], address(first), address(first + count), prot) == (hole ? -ENOMEM : 0));
	for (unsigned i = first; !hole && i < first + count; i++)
		model[s][i].prot = prot;
}

static void model_drop(unsigned s, unsigned first, unsigned count, bool unmap)
{
	uint64_t start = address(first), end = address(first + count);

	if (unmap)
		CHECK(space_unmap(spaces[s], start, end) == 0);
	else
		CHECK(space_discard(spaces[s], start, end) == (long)(end - start));
	for (unsigned i = first; i < first + count; i++) {
		if (unmap)
			model[s][i] = (struct model_page){ 0 };
		else if (model[s][i].cell && !model[s][i].shared)
			model[s][i].cell = new_cell(0);
	}
}

static void model_clone(unsigned s)
{
	unsigned to = (s + 1 + rand() % (SPACES - 1)) % SPACES;

	object_put(spaces[to]);
	spaces[to] = clone(spaces[s]);
	for (unsigned i = 0; i < PAGES; i++) {
		model[to][i] = model[s][i];
		if (model[s][i].cell && !model[s][i].shared)
			model[to][i].cell = new_cell(*model[s][i].cell);
	}
}

static void model_access(unsigned s, unsigned page)
{
	struct model_page *m = &model[s][page];
	uint64_t addr = address(page);
	uint8_t value = rand();

	if (rand() % 2) {
		bool may = m->cell && m->prot & VM_W;

		CHECK((put(spaces[s], addr, value) == 0) == may);
		if (may)
			*m->cell = value;
	}
	int expected = m->cell && m->prot ? *m->cell : -1;
	CHECK(get(spaces[s], addr) == expected);
}

/* The numbers that are kept are those that are there. */
static void check_counts(struct space *space)
{
	uint64_t resident = 0, shared = 0;

	for (uint32_t i = 0; i < space->regions.count; i++) {
		const struct region *region = space->regions.array[i];

		for (uint64_t at = region->start; at < region->end; at += PAGE_SIZE) {
			bool there =
			    pagetable_next(space, at, at + PAGE_SIZE) == at && *pagetable_find(space, at);

			resident += there;
			shared += there && region->flags & VM_SHARED;
		}
	}
	CHECK(space->resident_pages == resident && space->shared_pages == shared);
}

static void test_random(void)
{
	size_t before = frames_in_use();

	for (unsigned s = 0; s < SPACES; s++)
		spaces[s] = space_new(&payer);
	for (unsigned step = 0; step < 20000 && failures < 10; step++) {
		unsigned s = rand() % SPACES, first = rand() % PAGES, count = 1 + rand() % (PAGES - first);

		switch (rand() % 16) {
		case 0: model_map(s, first, count); break;
		case 1: model_drop(s, first, count > 8 ? 8 : count, true); break;
		case 2: model_drop(s, first, count, false); break;
		case 3: model_protect(s, first, count); break;
		case 4: model_clone(s); break;
		default: model_access(s, first); break;
		}
		if (step % 16 == 0)
			check_counts(spaces[s]);
	}
	for (unsigned s = 0; s < SPACES; s++)
		object_put(spaces[s]);
	CHECK(frames_in_use() == before);
}

static const struct mm_test tests[] = {
	{ "odd_arguments", test_odd_arguments },
	{ "random", test_random },
};

int main(void)
{
	return run_tests(tests, sizeof(tests) / sizeof(*tests));
}
