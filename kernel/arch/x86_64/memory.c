/* SPDX-License-Identifier: MIT */
/*
 * The kernel's half of every address space, made once: the direct map of all memory up
 * to the highest usable address and of everything below 4 GiB, and the kernel itself at
 * KERNEL_BASE. Only kernel text is executable and neither mapping of it is writable. Then the
 * usable memory goes to mm.
 */
#include "machine.h"

#define PTE_PRESENT 0x1ul
#define PTE_WRITE 0x2ul
#define PTE_UNCACHED 0x18ul /* PCD and PWT: strong uncacheable in the PAT as it comes */
#define PTE_LARGE 0x80ul
#define PTE_GLOBAL 0x100ul
#define PTE_NX (1ul << 63)
#define SIZE_4K 0x1000ul
#define SIZE_2M 0x200000ul
#define SIZE_1G 0x40000000ul
#define SIZE_4G 0x100000000ul
#define LOW_MEMORY 0x100000ul

uint64_t kernel_cr3;
uint64_t direct_map_end = SIZE_4G; /* as boot.S has made it */

static struct memory_range usable[MEMORY_RANGES];
static unsigned usable_count;
static uint64_t *top;

static void usable_remove(unsigned i)
{
	usable[i] = usable[--usable_count];
}

/* Take [start, end) out of the usable ranges. */
static void reserve(uint64_t start, uint64_t end)
{
	for (unsigned i = usable_count; i-- > 0;) {
		struct memory_range *r = &usable[i];

		if (r->end <= start || r->start >= end)
			continue;
		if (r->start < start && r->end > end && usable_count < MEMORY_RANGES)
			usable[usable_count++] = (struct memory_range){ end, r->end, r->kind };
		if (r->start < start)
			r->end = start;
		else if (r->end > end)
			r->start = end;
		else
			usable_remove(i);
	}
}

static void usable_init(void)
{
	for (unsigned i = 0; i < boot.memory_count; i++) {
		const struct memory_range *m = &boot.memory[i];
		uint64_t start = (m->start + SIZE_4K - 1) & ~(SIZE_4K - 1);
		uint64_t end = m->end & ~(SIZE_4K - 1);

		if (m->kind != MEMORY_USABLE || end <= start)
			continue;
		usable[usable_count++] = (struct memory_range){ start, end, m->kind };
		if (end > direct_map_end)
			direct_map_end = end;
	}
	/* Firmware may list a range twice; what is not usable in one entry is not at all. */
	for (unsigned i = 0; i < boot.memory_count; i++)
		if (boot.memory[i].kind != MEMORY_USABLE)
			reserve(boot.memory[i].start & ~(SIZE_4K - 1),
				(boot.memory[i].end + SIZE_4K - 1) & ~(SIZE_4K - 1));
	reserve(0, LOW_MEMORY);
	reserve((uint64_t)kernel_start - KERNEL_BASE, (uint64_t)kernel_end - KERNEL_BASE);
	reserve(boot.archive.start & ~(SIZE_4K - 1), (boot.archive.end + SIZE_4K - 1) & ~(SIZE_4K - 1));
	direct_map_end = (direct_map_end + SIZE_2M - 1) & ~(SIZE_2M - 1);
	if (direct_map_end > 512 * SIZE_1G)
		direct_map_end = 512 * SIZE_1G;
	reserve(direct_map_end, UINT64_MAX);
}

/* A zeroed page for a table, from the end of a range below 4 GiB. */
static uint64_t *table_page(void)
{
	for (unsigned i = 0; i < usable_count; i++) {
		if (usable[i].end > SIZE_4G || usable[i].end - usable[i].start < SIZE_4K)
			continue;
		usable[i].end -= SIZE_4K;
		return __builtin_memset(phys_to_virt(usable[i].end), 0, SIZE_4K);
	}
	panic("boot: no memory below 4 GiB");
}

static uint64_t *next_table(uint64_t *entry)
{
	if (!(*entry & PTE_PRESENT))
		*entry = virt_to_phys(table_page()) | PTE_PRESENT | PTE_WRITE;
	return phys_to_virt(*entry & ~0xffful & ~PTE_NX);
}

static void map(uint64_t address, uint64_t physical, uint64_t size, uint64_t flags)
{
	uint64_t *entry = &next_table(&top[address >> 39 & 511])[address >> 30 & 511];

	flags |= PTE_PRESENT | PTE_GLOBAL;
	if (size != SIZE_1G)
		entry = &next_table(entry)[address >> 21 & 511];
	if (size == SIZE_4K)
		entry = &next_table(entry)[address >> 12 & 511];
	*entry = physical | flags | (size == SIZE_4K ? 0 : PTE_LARGE);
}

/* Whether anything that behaves as memory is in the range: the rest is devices. */
static bool is_memory(uint64_t start, uint64_t end)
{
	for (unsigned i = 0; i < boot.memory_count; i++) {
		const struct memory_range *m = &boot.memory[i];

		if (m->start < end && m->end > start && m->kind != MEMORY_RESERVED)
			return true;
	}
	return start < LOW_MEMORY;
}

static bool is_kernel(uint64_t start, uint64_t end)
{
	return start < (uint64_t)kernel_end - KERNEL_BASE && end > (uint64_t)kernel_start - KERNEL_BASE;
}

/* Rights of a page of the kernel image; of others in the same 2 MiB. */
static uint64_t image_flags(uint64_t physical)
{
	uint64_t address = physical + KERNEL_BASE;

	if (address >= (uint64_t)kernel_start && address < (uint64_t)kernel_rodata_end)
		return PTE_NX;
	return PTE_NX | PTE_WRITE;
}

static void map_image_part(uint64_t at)
{
	for (uint64_t page = at; page < at + SIZE_2M; page += SIZE_4K) {
		uint64_t flags = image_flags(page), address = page + KERNEL_BASE;

		map(DIRECT_MAP + page, page, SIZE_4K, flags);
		if (address < (uint64_t)kernel_start || address >= (uint64_t)kernel_end)
			continue;
		if (address < (uint64_t)kernel_text_end)
			flags &= ~PTE_NX;
		map(address, page, SIZE_4K, flags);
	}
}

static void direct_map_init(void)
{
	for (uint64_t at = 0; at < direct_map_end;) {
		bool memory = is_memory(at, at + SIZE_2M);

		if (features.large_pages && at >= SIZE_4G && direct_map_end - at >= SIZE_1G) {
			map(DIRECT_MAP + at, at, SIZE_1G, PTE_NX | PTE_WRITE);
			at += SIZE_1G;
			continue;
		}
		if (is_kernel(at, at + SIZE_2M))
			map_image_part(at);
		else
			map(DIRECT_MAP + at, at, SIZE_2M, PTE_NX | PTE_WRITE | (memory ? 0 : PTE_UNCACHED));
		at += SIZE_2M;
	}
}

/* From the map, as all low memory is kept from mm. */
uint64_t memory_low_page(void)
{
	for (unsigned i = 0; i < boot.memory_count; i++) {
		const struct memory_range *m = &boot.memory[i];
		uint64_t page = (m->end < 0xa0000 ? m->end : 0xa0000) - SIZE_4K;

		page &= ~(SIZE_4K - 1);
		if (m->kind == MEMORY_USABLE && m->start <= page && page >= SIZE_4K && page < 0xa0000)
			return page;
	}
	return 0;
}

void memory_init(void)
{
	uint64_t total = 0;

	usable_init();
	top = table_page();
	direct_map_init();
	kernel_cr3 = virt_to_phys(top);
	write_cr3(kernel_cr3);
	this_cpu()->loaded_cr3 = kernel_cr3;
	for (unsigned i = 0; i < usable_count; i++) {
		frames_add(usable[i].start, usable[i].end);
		total += usable[i].end - usable[i].start;
	}
	frames_init();
	kprintf("memory: %lu KiB usable\n", total >> 10);
}
