/* SPDX-License-Identifier: MIT */
/*
 * Frames of physical memory.
 *
 * Each zone (a usable range) has a part in the middle that was never used:
 * single frames are taken from its upper end, contiguous ones for devices from
 * its lower end. Nothing of that part is touched, neither memory nor frame
 * table, so boot costs the same with 128 MiB and with 8 GiB. What was
 * used once and is free again is on one list, the last freed first, since that
 * is the most likely to be in the cache.
 */
#include "mm/frame.h"

#include "arch/arch.h"
#include "arch/x86_64/pagetable.h"

#define MAX_ZONES 32
#define RESERVE_MAX 2048u /* frames */

/* Frame numbers: [low, high) was never used. */
struct zone {
	uint64_t start, low, high, end;
};

struct page *frame_table;

static struct zone zones[MAX_ZONES];
static unsigned zone_count;
struct frame_pool frame_pool;
static size_t total, reserve;

void frames_add(uint64_t start, uint64_t end)
{
	struct zone zone;

	start = (start + ANOLE_PAGE_SIZE - 1) >> ANOLE_PAGE_SHIFT;
	end >>= ANOLE_PAGE_SHIFT;
	if (start == 0)
		start = 1; /* frame number 0 means none */
	if (start >= end || end > UINT32_MAX || zone_count == MAX_ZONES)
		return;
	zone = (struct zone){ .start = start, .low = start, .high = end, .end = end };
	unsigned at = zone_count++;
	for (; at > 0 && zones[at - 1].start > start; at--)
		zones[at] = zones[at - 1];
	zones[at] = zone;
	total += end - start;
}

/* The frame table goes to the top of the highest zone that has room for it. */
void frames_init(void)
{
	ASSERT(zone_count > 0);
	uint64_t bytes = zones[zone_count - 1].end * sizeof(struct page);
	uint64_t needed = (bytes + ANOLE_PAGE_SIZE - 1) >> ANOLE_PAGE_SHIFT;

	for (unsigned at = zone_count; at-- > 0;) {
		struct zone *zone = &zones[at];

		if (zone->end - zone->start <= needed)
			continue;
		zone->end -= needed;
		zone->high = zone->end;
		frame_table = phys_to_virt(zone->end << ANOLE_PAGE_SHIFT);
		total -= needed;
		frame_pool.available = total;
		reserve = total / 64 < RESERVE_MAX ? total / 64 : RESERVE_MAX;
		mm_init();
		return;
	}
	panic("no room for the frame table");
}

static uint64_t take(uint32_t index)
{
	frame_table[index].refs = 1;
	frame_table[index].owner = 0;
	frame_pool.available--;
	return (uint64_t)index << ANOLE_PAGE_SHIFT;
}

static void list_take(uint32_t index)
{
	struct page *page = &frame_table[index];

	if (page->prev)
		frame_table[page->prev].next = page->next;
	else
		frame_pool.head = page->next;
	if (page->next)
		frame_table[page->next].prev = page->prev;
}

/* A frame that was never used, from the top of memory. */
static uint64_t take_unused(void)
{
	for (unsigned at = zone_count; at-- > 0;)
		if (zones[at].high > zones[at].low)
			return take(--zones[at].high);
	return 0;
}

/* Free something that is only kept; false if there is nothing. */
static bool reclaim(void)
{
	return quota_reclaim() || slab_shrink() || pagetable_shrink();
}

uint64_t frame_alloc(void)
{
	uint32_t index = frame_pool.head;

	if (!index) {
		uint64_t frame = take_unused();

		if (frame)
			return frame;
		while (!frame_pool.head && reclaim())
			continue;
		index = frame_pool.head;
		if (!index)
			return 0;
	}
	frame_pool.head = frame_table[index].next;
	frame_table[frame_pool.head].prev = 0; /* entry 0 is nobody's */
	return take(index);
}

bool frames_above(size_t keep)
{
	while (__builtin_expect(frame_pool.available <= keep, 0))
		if (!reclaim() && frame_pool.available <= keep)
			return false;
	return true;
}

uint64_t frame_alloc_above(size_t keep)
{
	return frames_above(keep) ? frame_alloc() : 0;
}

uint64_t frame_alloc_for(struct quota *quota, size_t keep)
{
	uint64_t frame;

	if (quota_charge(quota, QUOTA_MEMORY, ANOLE_PAGE_SIZE))
		return 0;
	frame = frame_alloc_above(keep);
	if (!frame)
		quota_uncharge(quota, QUOTA_MEMORY, ANOLE_PAGE_SIZE);
	else if (quota)
		page_of(frame)->owner = quota->number;
	return frame;
}

uint64_t frame_alloc_zeroed(void)
{
	uint64_t frame = frame_alloc();

	if (frame)
		page_zero(phys_to_virt(frame));
	return frame;
}

static uint64_t take_run(uint64_t first, size_t count)
{
	for (size_t i = 0; i < count; i++)
		take(first + i);
	return first << ANOLE_PAGE_SHIFT;
}

/* A run of free frames in a part that was in use before. */
static uint64_t scan(uint64_t from, uint64_t to, size_t count)
{
	size_t run = 0;

	for (uint64_t at = from; at < to; at++) {
		run = frame_table[at].refs ? 0 : run + 1;
		if (run < count)
			continue;
		at -= count - 1;
		for (size_t i = 0; i < count; i++)
			list_take(at + i);
		return take_run(at, count);
	}
	return 0;
}

static uint64_t scan_zones(size_t count, uint64_t limit)
{
	uint64_t frame = 0;

	for (unsigned at = 0; at < zone_count && !frame; at++) {
		struct zone *zone = &zones[at];
		uint64_t end = zone->end < limit ? zone->end : limit;

		frame = scan(zone->start, zone->low < end ? zone->low : end, count);
		if (!frame)
			frame = scan(zone->high, end, count);
	}
	return frame;
}

uint64_t frame_alloc_contiguous(size_t count, uint64_t below)
{
	uint64_t limit = below >> ANOLE_PAGE_SHIFT;
	uint64_t frame = 0;

	if (count == 0 || count > frame_pool.available)
		return 0;
	for (unsigned at = 0; at < zone_count && !frame; at++) {
		struct zone *zone = &zones[at];
		uint64_t high = zone->high < limit ? zone->high : limit;

		if (zone->low + count > high)
			continue;
		frame = take_run(zone->low, count);
		zone->low += count;
	}
	if (!frame)
		frame = scan_zones(count, limit);
	for (size_t i = 0; frame && i < count; i++)
		page_zero(phys_to_virt(frame + i * ANOLE_PAGE_SIZE));
	return frame;
}

uint64_t frame_alloc_block(size_t count)
{
	if (count == 1)
		return frame_alloc();
	if (count == 0 || count > frame_pool.available)
		return 0;
	for (unsigned at = zone_count; at-- > 0;) {
		struct zone *zone = &zones[at];

		if (zone->low + count > zone->high)
			continue;
		zone->high -= count;
		return take_run(zone->high, count);
	}
	return scan_zones(count, UINT64_MAX);
}

bool frames_overlap(uint64_t start, uint64_t end)
{
	uint64_t first = start >> ANOLE_PAGE_SHIFT;
	uint64_t last = (end + ANOLE_PAGE_SIZE - 1) >> ANOLE_PAGE_SHIFT;

	for (unsigned at = 0; at < zone_count; at++)
		if (first < zones[at].end && last > zones[at].start)
			return true;
	uint64_t table = virt_to_phys(frame_table) >> ANOLE_PAGE_SHIFT;
	uint64_t size = zones[zone_count - 1].end * sizeof(struct page) / ANOLE_PAGE_SIZE + 1;

	return first < table + size && last > table;
}

void frame_get(uint64_t frame)
{
	frame_hold(frame);
}
void frame_put(uint64_t frame)
{
	frame_release(frame);
}
uint32_t frame_refs(uint64_t frame)
{
	return page_of(frame)->refs;
}
size_t frames_total(void)
{
	return total;
}
size_t frames_free(void)
{
	return frame_pool.available;
}
size_t frames_reserve(void)
{
	return reserve;
}
