/* SPDX-License-Identifier: MIT */
/*
 * Memory management, part by part.
 *
 * SOURCES: kernel/mm/frame.c kernel/mm/slab.c kernel/mm/radix.c kernel/mm/region.c
 * SOURCES: kernel/mm/fault.c kernel/mm/copy.c kernel/mm/map.c kernel/mm/protect.c kernel/mm/move.c
 * SOURCES: kernel/mm/space.c kernel/mm/memory.c kernel/mm/paged.c kernel/mm/rmap.c
 * SOURCES: kernel/arch/x86_64/pagetable.c kernel/core/quota.c
 */
#include "mm.h"

static void test_frames(void)
{
	size_t before = frames_free();
	uint64_t a = frame_alloc(), b = frame_alloc_contiguous(16, MEMORY), c = frame_alloc_block(8);

	CHECK(a && b && c);
	CHECK(frames_free() == before - 25);
	CHECK(frame_refs(a) == 1);
	frame_get(a);
	frame_put(a);
	CHECK(frame_refs(a) == 1);
	frame_put(a);
	CHECK(frame_alloc() == a);
	frame_put(a);
	for (int i = 0; i < 16; i++)
		frame_put(b + i * PAGE_SIZE);
	for (int i = 0; i < 8; i++)
		frame_put(c + i * PAGE_SIZE);
	CHECK(frames_free() == before);
	CHECK(frame_alloc_contiguous(1, PAGE_SIZE) == 0);
	CHECK(frames_overlap(0x100000, 0x101000) && !frames_overlap(0x180000, 0x200000));
	CHECK(frames_overlap(MEMORY - 0x300000 - 1, MEMORY) && !frames_overlap(MEMORY, MEMORY * 2));
}

/* Everything can be allocated, once, and a run is found again in what was given back. */
static void test_frames_exhaustion(void)
{
	size_t count = 0, before = frames_free();
	uint64_t *frames = calloc(before + 1, sizeof(*frames));

	while ((frames[count] = frame_alloc()))
		memset(phys_to_virt(frames[count++]), 0x55, PAGE_SIZE);
	CHECK(count == before && frames_free() == 0);
	CHECK(frame_alloc_contiguous(2, UINT64_MAX) == 0 && kalloc(64 << 10) == NULL);
	for (size_t i = 0; i < count; i++)
		if (frames[i] / PAGE_SIZE % 3)
			frame_put(frames[i]);
	CHECK(frame_alloc_contiguous(3, UINT64_MAX) == 0);
	uint64_t run = frame_alloc_contiguous(2, UINT64_MAX);
	CHECK(run && ((uint8_t *)phys_to_virt(run))[PAGE_SIZE + 5] == 0);
	frame_put(run);
	frame_put(run + PAGE_SIZE);
	for (size_t i = 0; i < count; i++)
		if (frames[i] / PAGE_SIZE % 3 == 0)
			frame_put(frames[i]);
	CHECK(frames_free() == before);
	run = frame_alloc_contiguous(4096, UINT64_MAX);
	CHECK(run);
	for (int i = 0; i < 4096; i++)
		frame_put(run + i * PAGE_SIZE);
	free(frames);
}

static void test_slab(void)
{
	static const size_t sizes[] = { 1,    16,   17,   100,  528,  1000, 1024,  1025,
					1344, 2000, 2016, 2017, 4096, 4097, 20000, 65536 };
	uint8_t *objects[1000];
	size_t length[1000];

	for (int round = 0; round < 3; round++) {
		for (int i = 0; i < 1000; i++) {
			length[i] = sizes[rand() % 13];
			objects[i] = kalloc(length[i]);
			CHECK(objects[i] && ((uintptr_t)objects[i] & 15) == 0);
			for (size_t j = 0; j < length[i]; j++)
				if (objects[i][j])
					CHECK(!"zeroed");
			memset(objects[i], i, length[i]);
		}
		for (int i = 0; i < 1000; i++) {
			for (size_t j = 0; j < length[i]; j++)
				if (objects[i][j] != (uint8_t)i)
					CHECK(!"kept");
			kfree(objects[i]);
		}
	}
	CHECK(kalloc(65537) == NULL);
	for (unsigned i = 0; i < sizeof(sizes) / sizeof(*sizes); i++) {
		void *a = kalloc(sizes[i]), *b = kalloc(sizes[i]);

		CHECK(a && b && a != b);
		kfree(a);
		kfree(b);
	}
	slab_shrink();
	CHECK(kalloc_pages() < 100);
}

static void test_radix(void)
{
	enum { INDEXES = 3000 };
	struct radix tree = { 0 };
	static uint64_t index[INDEXES];
	uint64_t at;

	CHECK(!radix_find(&tree, 0) && !radix_remove(&tree, 5) && !radix_next(&tree, &(uint64_t){ 0 }));
	for (int i = 0; i < INDEXES; i++) {
		index[i] = (uint64_t)i * i * i; /* ascending, ever sparser */
		CHECK(radix_insert(&tree, index[i], i + 1));
		if (i % 7 == 0)
			radix_mark(&tree, index[i]);
	}
	at = 0;
	for (int i = 0; i < INDEXES; i++, at++) {
		CHECK(radix_next(&tree, &at) && at == index[i]);
		CHECK(*radix_find(&tree, at) == (uint64_t)i + 1);
	}
	CHECK(!radix_next(&tree, &at));
	at = 0;
	for (int i = 0; i < INDEXES; i += 7, at++)
		CHECK(radix_next_marked(&tree, &at) && at == index[i]);
	CHECK(!radix_next_marked(&tree, &at));
	for (int i = 0; i < INDEXES; i += 14)
		radix_unmark(&tree, index[i]);
	at = 0;
	for (int i = 7; i < INDEXES; i += 14, at++)
		CHECK(radix_next_marked(&tree, &at) && at == index[i]);
	for (int i = 0; i < INDEXES; i += 2)
		CHECK(radix_remove(&tree, index[i]) == (uint64_t)i + 1);
	at = 0;
	for (int i = 1; i < INDEXES; i += 2, at++)
		CHECK(radix_next(&tree, &at) && at == index[i]);
	for (int i = 1; i < INDEXES; i += 2)
		CHECK(radix_remove(&tree, index[i]) == (uint64_t)i + 1);
	CHECK(!tree.root && tree.levels == 0);
	CHECK(!radix_insert(&tree, 1ul << 40, 1) && !tree.root);
}

static void test_anonymous(void)
{
	size_t before = frames_in_use();
	struct space *space = space_new(&payer);
	uint64_t addr = map(space, 0, 16 * PAGE_SIZE, VM_R | VM_W, NULL, 0);

	CHECK(addr >= VM_USER_LOW && addr < VM_USER_HIGH);
	CHECK(get(space, addr) == 0 && put(space, addr, 7) == 0 && get(space, addr) == 7);
	CHECK(get(space, addr + PAGE_SIZE) == 0);
	CHECK(touch(space, addr + 5 * PAGE_SIZE, true) == 0);
	CHECK(space->resident_pages == 3 && space->mapped_pages == 16);
	CHECK(touch(space, addr - 1, false) == -EFAULT);
	CHECK(get(space, VM_USER_HIGH) == -1 && get(space, UINT64_MAX) == -1 && get(space, 0) == -1);
	CHECK(space_fault(&test_thread, addr, false, true) == -EACCES);
	CHECK(map(space, 0, PAGE_SIZE, VM_W | VM_X, NULL, 0) == (uint64_t)-EACCES);
	CHECK(space_protect(space, addr, addr + PAGE_SIZE, VM_W | VM_X) == -EACCES);
	/* Adjacent mappings of one kind are one region. */
	CHECK(map(space, addr - PAGE_SIZE, PAGE_SIZE, VM_R | VM_W | VM_FIXED, NULL, 0) == addr - PAGE_SIZE);
	CHECK(space->regions.count == 1);
	CHECK(space_protect(space, addr, addr + PAGE_SIZE, VM_R) == 0 && space->regions.count == 3);
	CHECK(put(space, addr, 9) == -EFAULT && get(space, addr) == 7);
	CHECK(space_protect(space, addr, addr + PAGE_SIZE, 0) == 0 && get(space, addr) == -1);
	CHECK(space_protect(space, addr, addr + PAGE_SIZE, VM_R | VM_W) == 0);
	CHECK(space->regions.count == 1 && get(space, addr) == 7 && put(space, addr, 8) == 0);
	CHECK(space_discard(space, addr, addr + PAGE_SIZE) == PAGE_SIZE && get(space, addr) == 0);
	CHECK(space_unmap(space, addr + PAGE_SIZE, addr + 2 * PAGE_SIZE) == 0);
	CHECK(space->regions.count == 2 && get(space, addr + PAGE_SIZE) == -1);
	CHECK(space_protect(space, addr, addr + 3 * PAGE_SIZE, VM_R) == -ENOMEM);
	object_put(space);
	CHECK(frames_in_use() == before);
}

static void test_clone(void)
{
	size_t before = frames_in_use();
	struct space *space = space_new(&payer), *child;
	uint64_t private = map(space, 0, 4 * PAGE_SIZE, VM_R | VM_W, NULL, 0);
	uint64_t shared = map(space, 0, 4 * PAGE_SIZE, VM_R | VM_W | VM_SHARED, NULL, 0);
	uint64_t pinned = map(space, 0, PAGE_SIZE, VM_R | VM_W | VM_PINNED, NULL, 0);

	CHECK(put(space, private, 1) == 0 && put(space, shared, 2) == 0 && put(space, pinned, 3) == 0);
	uint64_t frame = *pagetable_find(space, pinned) & PTE_FRAME;
	child = clone(space);
	CHECK((*pagetable_find(space, pinned) & PTE_FRAME) == frame);
	CHECK((*pagetable_find(child, pinned) & PTE_FRAME) != frame);
	CHECK(get(child, private) == 1 && get(child, shared) == 2 && get(child, pinned) == 3);
	CHECK(put(space, private, 11) == 0 && put(space, shared, 12) == 0 && put(space, pinned, 13) == 0);
	CHECK(get(child, private) == 1 && get(child, shared) == 12 && get(child, pinned) == 3);
	/* The last sharer needs no copy. */
	frame = *pagetable_find(child, private) & PTE_FRAME;
	CHECK(touch(child, private, true) == 0);
	CHECK((*pagetable_find(child, private) & PTE_FRAME) == frame);
	object_put(space);
	CHECK(get(child, private) == 1 && get(child, shared) == 12);
	object_put(child);
	CHECK(frames_in_use() == before);
}

/* A clone and a teardown that take many steps. */
static void test_clone_big(void)
{
	size_t before = frames_in_use();
	struct space *space = space_new(&payer), *child = NULL;
	uint64_t pages = 11000, addr = map(space, 0, pages * PAGE_SIZE, VM_R | VM_W, NULL, 0);
	unsigned steps = 0;
	long error;

	for (uint64_t i = 0; i < pages; i++)
		CHECK(put(space, addr + i * PAGE_SIZE, i) == 0);
	while ((error = space_clone(space, &test_thread, &child)) == KCALL_RESTART)
		steps++;
	CHECK(error == 0 && steps > 0 && child->regions.count == 1);
	CHECK(child->resident_pages == pages && child->mapped_pages == pages);
	for (uint64_t i = 0; i < pages; i += 10)
		CHECK(get(child, addr + i * PAGE_SIZE) == (uint8_t)i);
	CHECK(space_unmap(child, addr, addr + pages * PAGE_SIZE) == KCALL_RESTART);
	while ((error = space_unmap(child, addr, addr + pages * PAGE_SIZE)) == KCALL_RESTART)
		continue;
	CHECK(error == 0 && child->mapped_pages == 0 && child->resident_pages == 0);
	CHECK(child->regions.count == 0 && child->table_pages < 6);
	object_put(space);
	object_put(child);
	CHECK(mm_reap(1));
	CHECK(frames_in_use() == before);
}

/* Memory runs out: an error, and nothing is lost. */
static void test_exhaustion(void)
{
	size_t before = frames_in_use();
	struct space *space = space_new(&payer);
	uint64_t addr = map(space, 0, 14000 * PAGE_SIZE, VM_R | VM_W, NULL, 0), at = addr;
	uint64_t other = map(space, 0, 14000 * PAGE_SIZE, VM_R | VM_W, NULL, 0);
	long error = 0;

	for (; error == 0 && at < addr + 14000 * PAGE_SIZE; at += PAGE_SIZE)
		error = touch(space, at, true);
	for (at = other; error == 0; at += PAGE_SIZE)
		error = touch(space, at, true);
	CHECK(error == -ENOMEM && frames_free() > 100);
	CHECK(map(space, 0, 1ul << 40, VM_R | VM_W, NULL, 0) == (uint64_t)-ENOMEM);
	CHECK(map(space, 0, 1ul << 40, 0, NULL, 0) < VM_USER_HIGH);
	object_put(space);
	CHECK(frames_in_use() == before);
}

static void test_stack(void)
{
	struct space *space = space_new(&payer);
	uint64_t top = 0x7fe000000000, size = 4 * PAGE_SIZE;
	uint64_t base = map(space, top - size, size, VM_R | VM_W | VM_STACK | VM_FIXED, NULL, 0);

	CHECK(base == top - size && touch(space, base - PAGE_SIZE, true) == 0);
	CHECK(touch(space, top - STACK_LIMIT, true) == 0);
	CHECK(touch(space, top - STACK_LIMIT - 1, true) == -EFAULT);
	CHECK(space->mapped_pages == STACK_LIMIT / PAGE_SIZE);
	object_put(space);
	space = space_new(&payer);
	map(space, top - size, size, VM_R | VM_W | VM_STACK | VM_FIXED, NULL, 0);
	map(space, top - 16 * PAGE_SIZE, PAGE_SIZE, VM_R | VM_FIXED, NULL, 0);
	CHECK(touch(space, top - 14 * PAGE_SIZE, true) == 0);
	CHECK(touch(space, top - 15 * PAGE_SIZE, true) == -EFAULT);
	object_put(space);
}

static void fill(struct memory *memory, uint64_t page, uint8_t value)
{
	int error;

	CHECK(memory_fill_begin(memory, page, 1) == 1);
	CHECK(!memory_page(memory, page * PAGE_SIZE, false, &error) && error == EFAULT);
	uint64_t frame = memory_pin(memory, page * PAGE_SIZE, true, &error);
	memset(phys_to_virt(frame), value, PAGE_SIZE);
	CHECK(memory_fill_end(memory, page, 1, 1) == 0);
	frame_put(frame);
}

static void sweep_all(struct memory *memory)
{
	size_t budget = STEP_PAGES;

	while (!rmap_sweep(memory, &budget))
		budget = STEP_PAGES;
}

/* What is written through a mapping that was copied or moved while a sweep goes on is noticed all the same. */
static void test_sweep_and_copies(void)
{
	struct object pager = { .type = CAPT_ENDPOINT, .refs = 1 };
	struct memory *memory = memory_new_paged(&payer, (struct endpoint *)&pager, 5, 8 * PAGE_SIZE);
	struct space *space = space_new(&payer), *child = NULL;
	uint64_t at = map(space, 0, 8 * PAGE_SIZE, VM_R | VM_W | VM_SHARED, memory, 0);
	long moved;

	for (int i = 0; i < 8; i++)
		fill(memory, i, i);
	CHECK(put(space, at + PAGE_SIZE, 7) == 0 && memory->dirty == 1);
	memory_clean(memory, 1);
	rmap_sweep_begin(memory, SWEEP_PROTECT, 1, 2);
	CHECK(space_clone(space, &test_thread, &child) == 0);
	moved = move(space, at, 8 * PAGE_SIZE, 8 * PAGE_SIZE, 1 | 2, at + 64 * PAGE_SIZE);
	CHECK(moved > 0);
	sweep_all(memory);
	CHECK(memory->dirty == 0 && put(child, at + PAGE_SIZE, 8) == 0 && memory->dirty == 1);
	memory_clean(memory, 1);
	rmap_sweep_begin(memory, SWEEP_PROTECT, 1, 2);
	sweep_all(memory);
	CHECK(memory->dirty == 0 && put(space, moved + PAGE_SIZE, 9) == 0 && memory->dirty == 1);
	object_put(space);
	object_put(child);
	object_put(memory);
}

static void test_paged(void)
{
	size_t before = frames_in_use();
	struct object pager = { .type = CAPT_ENDPOINT, .refs = 1 };
	struct memory *memory = memory_new_paged(&payer, (struct endpoint *)&pager, 5, 20 * PAGE_SIZE - 100);
	struct space *space = space_new(&payer);
	uint64_t shared = map(space, 0, 32 * PAGE_SIZE, VM_R | VM_W | VM_SHARED, memory, 0);
	uint64_t private = map(space, 0, 32 * PAGE_SIZE, VM_R | VM_W, memory, 0), page = 0;

	page_requests = 0;
	CHECK(touch(space, shared + 3 * PAGE_SIZE, true) == FAULT_WAITS && requested_page == 3);
	CHECK(get(space, shared) == -1 && page_requests == 1);
	for (int i = 0; i < 20; i++)
		fill(memory, i, i);
	CHECK(memory_fill_begin(memory, 3, 1) == 0);
	/* A read maps the neighbours, a write marks dirty only what it writes. */
	CHECK(touch(space, private, false) == 0 && space->resident_pages >= 1);
	CHECK(get(space, shared + 19 * PAGE_SIZE) == 19 && memory->dirty == 0);
	CHECK(touch(space, shared + 20 * PAGE_SIZE, false) == -EIO);
	CHECK(put(space, shared + 4 * PAGE_SIZE, 44) == 0 && get(space, private + 4 * PAGE_SIZE) == 44);
	CHECK(put(space, private + 5 * PAGE_SIZE, 55) == 0 && get(space, shared + 5 * PAGE_SIZE) == 5);
	CHECK(memory->dirty == 1 && memory_next_dirty(memory, &page) && page == 4);
	memory_clean(memory, 4);
	rmap_sweep_begin(memory, SWEEP_PROTECT, 4, 5);
	sweep_all(memory);
	CHECK(memory->dirty == 0 && !(*pagetable_find(space, shared + 4 * PAGE_SIZE) & PTE_W));
	CHECK(put(space, shared + 4 * PAGE_SIZE, 45) == 0 && memory->dirty == 1);
	/* Dirty and pinned pages stay. */
	int error;
	uint64_t pinned = memory_pin(memory, 7 * PAGE_SIZE, false, &error);
	CHECK(pinned && memory->dirty == 1);
	evict(memory, 0, 20, true);
	evict(memory, 0, 20, true);
	CHECK(evict(memory, 0, 20, false) + 2 >= 2 && memory->resident == 2);
	frame_put(pinned);
	CHECK(get(space, private + 5 * PAGE_SIZE) == 55 && get(space, shared + 4 * PAGE_SIZE) == 45);
	CHECK(touch(space, shared + 8 * PAGE_SIZE, false) == FAULT_WAITS);
	/* Truncation unmaps, and the last page does not show old bytes. */
	fill(memory, 8, 8);
	CHECK(get(space, shared + 8 * PAGE_SIZE) == 8);
	CHECK(memory_resize(memory, 4 * PAGE_SIZE + 10) == 0 && memory->resident == 1);
	CHECK(touch(space, shared + 8 * PAGE_SIZE, false) == -EIO);
	CHECK(get(space, shared + 4 * PAGE_SIZE) == 45 && get(space, shared + 4 * PAGE_SIZE + 10) == 0);
	CHECK(memory_resize(memory, 20 * PAGE_SIZE) == 0);
	CHECK(touch(space, shared + 8 * PAGE_SIZE, false) == FAULT_WAITS);
	/* A page that was cut off while being filled. */
	CHECK(memory_fill_begin(memory, 15, 5) == 5 && memory_resize(memory, PAGE_SIZE) == 0);
	CHECK(memory_fill_end(memory, 15, 5, 1) == 0 && memory->resident == 0);
	object_put(space);
	CHECK(memory->mapping_count == 0 && pager.refs == 2);
	object_put(memory);
	CHECK(pager.refs == 1 && frames_in_use() == before);
}

static void test_move(void)
{
	struct space *space = space_new(&payer);
	uint64_t addr = map(space, 0x10000000, 4 * PAGE_SIZE, VM_R | VM_W | VM_FIXED, NULL, 0), moved;

	for (int i = 0; i < 4; i++)
		put(space, addr + i * PAGE_SIZE, i + 1);
	map(space, addr + 8 * PAGE_SIZE, PAGE_SIZE, VM_R | VM_FIXED, NULL, 0);
	CHECK(move(space, addr, 4 * PAGE_SIZE, 8 * PAGE_SIZE, 0, 0) == (long)addr);
	CHECK(move(space, addr, 8 * PAGE_SIZE, 9 * PAGE_SIZE, 0, 0) == -ENOMEM);
	moved = move(space, addr, 8 * PAGE_SIZE, 1000 * PAGE_SIZE, 1, 0);
	CHECK(moved < VM_USER_HIGH && moved != addr && get(space, addr) == -1);
	for (int i = 0; i < 4; i++)
		CHECK(get(space, moved + i * PAGE_SIZE) == i + 1);
	CHECK(move(space, moved, 1000 * PAGE_SIZE, PAGE_SIZE, 0, 0) == (long)moved);
	CHECK(space->mapped_pages == 2 && get(space, moved + PAGE_SIZE) == -1);
	CHECK(move(space, moved, PAGE_SIZE, 3 * PAGE_SIZE, 3, addr) == (long)addr);
	CHECK(get(space, addr) == 1 && space->mapped_pages == 4);
	CHECK(move(space, addr, 3 * PAGE_SIZE, 3 * PAGE_SIZE, 3, addr + PAGE_SIZE) == -EINVAL);
	CHECK(move(space, addr + 100 * PAGE_SIZE, PAGE_SIZE, 2 * PAGE_SIZE, 1, 0) == -EFAULT);
	object_put(space);
}

static void test_copies(void)
{
	static uint8_t out[3 * PAGE_SIZE], in[3 * PAGE_SIZE];
	struct space *a = space_new(&payer), *b = space_new(&payer);
	uint64_t at = map(a, 0, 8 * PAGE_SIZE, VM_R | VM_W, NULL, 0), fault = 0;
	uint64_t to = map(b, 0, 8 * PAGE_SIZE, VM_R | VM_W, NULL, 0);
	struct memory *memory = memory_new(&payer, 2 * PAGE_SIZE, 0);
	bool to_side;

	for (size_t i = 0; i < sizeof(out); i++)
		out[i] = i * 7 + i / 256;
	for (size_t length = 0; length < sizeof(out); length = length * 3 + 1) {
		memset(in, 0, sizeof(in));
		CHECK(copy_to_user(a, at + 4000, out, length, NULL) == 0);
		CHECK(copy_user_user(b, to + 123, a, at + 4000, length, &to_side, NULL) == (long)length);
		CHECK(copy_from_user(b, in, to + 123, length, NULL) == 0);
		CHECK(memcmp(in, out, length) == 0 && in[length] == 0);
	}
	CHECK(copy_to_user(a, at + 7 * PAGE_SIZE, out, 2 * PAGE_SIZE, &fault) == -EFAULT);
	CHECK(fault == at + 8 * PAGE_SIZE);
	CHECK(copy_user_user(b, to + 8 * PAGE_SIZE - 1, a, at, 2, &to_side, &fault) == -EFAULT);
	CHECK(to_side && fault == to + 8 * PAGE_SIZE);
	CHECK(copy_from_user(a, in, UINT64_MAX - 10, 20, NULL) == -EFAULT);
	CHECK(copy_from_user(a, in, VM_USER_HIGH - 10, 20, NULL) == -EFAULT);
	/* An object ends at its size; what was never written reads as zero. */
	CHECK(copy_memory_user(memory, 100, a, at, 3 * PAGE_SIZE, false, NULL) == 2 * PAGE_SIZE - 100);
	CHECK(copy_memory_user(memory, 2 * PAGE_SIZE, a, at, 1, true, NULL) == 0);
	CHECK(copy_memory_user(memory, UINT64_MAX, a, at, 1, true, NULL) == 0);
	struct memory *other = memory_new(&payer, 2 * PAGE_SIZE, 0);
	CHECK(copy_memory_memory(other, 50, memory, 150, PAGE_SIZE) == PAGE_SIZE);
	CHECK(copy_memory_user(other, 0, b, to, 2 * PAGE_SIZE, true, NULL) == 2 * PAGE_SIZE);
	copy_from_user(a, out, at, sizeof(out), NULL);
	copy_from_user(b, in, to, sizeof(in), NULL);
	CHECK(memcmp(in + 50, out + 50, PAGE_SIZE) == 0 && in[49] == 0 && in[50 + PAGE_SIZE] == 0);
	object_put(memory);
	object_put(other);
	object_put(a);
	object_put(b);
}

/* A page being filled is seen by the answer of a driver only. */
static void test_fill_by_copy(void)
{
	struct object pager = { .type = CAPT_ENDPOINT, .refs = 1 };
	struct memory *memory = memory_new_paged(&payer, (struct endpoint *)&pager, 5, 4 * PAGE_SIZE);
	struct space *space = space_new(&payer);
	uint64_t at = map(space, 0, PAGE_SIZE, VM_R | VM_W, NULL, 0);

	put(space, at, 77);
	CHECK(copy_buffer_user(memory, 0, space, at, 8, false, NULL) == 0);
	CHECK(memory_fill_begin(memory, 0, 2) == 2);
	CHECK(copy_memory_user(memory, 0, space, at, 8, false, NULL) == 0);
	CHECK(copy_buffer_user(memory, 0, space, at, 3 * PAGE_SIZE, false, NULL) == -EFAULT);
	CHECK(copy_buffer_user(memory, 0, space, at, PAGE_SIZE, false, NULL) == PAGE_SIZE);
	CHECK(copy_memory_user(memory, 0, space, at, 8, true, NULL) == 0);
	CHECK(memory_fill_end(memory, 0, 1, 1) == 0 && memory_fill_end(memory, 1, 1, 0) == 0);
	CHECK(memory->resident == 1 && memory->dirty == 0);
	put(space, at, 0);
	CHECK(copy_memory_user(memory, 0, space, at, 2 * PAGE_SIZE, true, NULL) == -EFAULT ||
	      get(space, at) == 77);
	CHECK(copy_memory_user(memory, 1, space, at, 8, false, NULL) == 8 && memory->dirty == 1);
	object_put(space);
	object_put(memory);
}

static const struct mm_test tests[] = {
	{ "frames", test_frames },
	{ "frames_exhaustion", test_frames_exhaustion },
	{ "slab", test_slab },
	{ "radix", test_radix },
	{ "anonymous", test_anonymous },
	{ "clone", test_clone },
	{ "clone_big", test_clone_big },
	{ "exhaustion", test_exhaustion },
	{ "stack", test_stack },
	{ "paged", test_paged },
	{ "sweeps", test_sweep_and_copies },
	{ "move", test_move },
	{ "copies", test_copies },
	{ "fill_by_copy", test_fill_by_copy },
};

int main(void)
{
	return run_tests(tests, sizeof(tests) / sizeof(*tests));
}
