/* SPDX-License-Identifier: MIT */
/*
 * The page cache of an opened disk or partition: a paged memory object, filled and written by DMA. A call under
 * way says in its tags what it is about, so that its answer can be worked in by any incarnation.
 */
#include "block.h"

#define PAGE 4096ul
#define SECTORS_IN_PAGE 8u
#define AHEAD 16u
#define BATCH 64u
#define WRITES_MAX 16u
#define LAZY_NS 5000000000ull

static struct timer lazy_timer;
static uint64_t budget;

static uint64_t pages_of(const struct device *device)
{
	return (device->sectors + SECTORS_IN_PAGE - 1) / SECTORS_IN_PAGE;
}

static uint64_t bytes_at(const struct device *device, uint64_t page, uint64_t count)
{
	uint64_t left = device->sectors * SECTOR - page * PAGE;

	return count * PAGE < left ? count * PAGE : left;
}

long cache_open(struct device *device)
{
	long memory;

	if (device->memory)
		return 0;
	memory = kcall(mo_create_paged, SLOT_ENDPOINT, device, device->sectors * SECTOR);
	if (memory < 0)
		return memory;
	device->memory = (cap_t)memory;
	return 0;
}

/* --- filling -------------------------------------------------------------------------------------- */

static void filled(struct acall *call)
{
	struct device *device = call->owner;
	uint64_t page = call->tag[0], count = call->tag[1];

	if (device->reading)
		device->reading--;
	kcall(mo_fill_end, device->memory, page, count, call->status >= 0 ? 1ul : 0ul);
	if (call->status >= 0)
		device->resident += count;
	else if (call->status != -ERESTART)
		device->error = device->error ? device->error : -EIO;
	waitq_wake(&device->waiting);
}

static long send_fill(struct device *device, uint64_t page, uint64_t count)
{
	struct blk_read_req request = { device->start + page * SECTORS_IN_PAGE };
	struct acall *call = acall_new(filled, device);

	if (!call) {
		kcall(mo_fill_end, device->memory, page, count, 0ul);
		return -ENOMEM;
	}
	call->tag[0] = page;
	call->tag[1] = count;
	call->out = (struct call_buffer){ device->memory, 0, page * PAGE, bytes_at(device, page, count) };
	blk_send_read(call, disks[device->disk].driver, &request);
	device->reading++;
	return CACHE_WAIT;
}

long cache_fill(struct device *device, uint64_t page, uint64_t count)
{
	uint64_t limit = pages_of(device), most = device->max_sectors / SECTORS_IN_PAGE;
	long got;

	if (page >= limit)
		return -EINVAL;
	if (count < AHEAD)
		count = AHEAD;
	if (most && count > most)
		count = most;
	if (count > limit - page)
		count = limit - page;
	got = kcall(mo_fill_begin, device->memory, page, count);
	if (got < 0)
		return got;
	if (got > 0)
		return send_fill(device, page, (uint64_t)got);
	return kcall(mo_present, device->memory, page) == 1 ? 0 : CACHE_WAIT;
}

long cache_zero(struct device *device, uint64_t page, uint64_t count)
{
	while (count) {
		long got = kcall(mo_fill_begin, device->memory, page, count);
		uint64_t done = got > 0 ? (uint64_t)got : 1;

		if (got < 0)
			return got;
		if (got > 0) {
			kcall(mo_fill_end, device->memory, page, done, 1ul);
			device->resident += done;
		} else if (kcall(mo_present, device->memory, page) != 1) {
			return CACHE_WAIT; /* being read just now */
		}
		page += done;
		count -= done;
	}
	return 0;
}

/* --- writing ---------------------------------------------------------------------------------------- */

static void redirty(struct device *device, uint64_t page, uint64_t count)
{
	uint8_t byte;

	for (uint64_t i = page; i < page + count; i++)
		if (kcall(mo_read, device->memory, i * PAGE, &byte, 1ul) == 1)
			kcall(mo_write, device->memory, i * PAGE, &byte, 1ul);
	device->dirty = true;
}

static void write_some(struct device *device);

static void written(struct acall *call)
{
	struct device *device = call->owner;

	if (call->status == -ERESTART) {
		redirty(device, call->tag[0], call->tag[1]);
	} else if (call->status < 0) {
		slog("%s: writing failed: error %ld", device->name, -call->status);
		device->error = call->status;
	}
	if (device->writing)
		device->writing--;
	if (device->dirty)
		write_some(device);
	if (!device->writing)
		waitq_wake(&device->waiting);
}

/* [page, page + count) are dirty: clean from now on, and on their way. */
static bool send_write(struct device *device, uint64_t page, uint64_t count)
{
	struct blk_write_req request = { device->start + page * SECTORS_IN_PAGE };
	struct acall *call = acall_new(written, device);
	uint64_t list[BATCH];

	if (!call)
		return false;
	call->tag[0] = page;
	call->tag[1] = count;
	call->in = (struct call_buffer){ device->memory, 0, page * PAGE, bytes_at(device, page, count) };
	device->taken_page = page;
	device->taken_count = count;
	kcall(mo_dirty, device->memory, page, list, count, 1ul);
	device->writing++;
	blk_send_write(call, disks[device->disk].driver, &request);
	device->taken_count = 0;
	return true;
}

static void write_some(struct device *device)
{
	uint64_t list[BATCH], most = device->max_sectors / SECTORS_IN_PAGE;
	long found;

	while (device->writing < WRITES_MAX) {
		uint64_t count = 1;

		found = kcall(mo_dirty, device->memory, 0ul, list, (uint64_t)BATCH, 0ul);
		if (found <= 0) {
			device->dirty = false;
			return;
		}
		while (count < (uint64_t)found && (!most || count < most) && list[count] == list[0] + count)
			count++;
		if (!send_write(device, list[0], count))
			return;
	}
}

static void lazy(struct timer *timer)
{
	(void)timer;
	for (uint32_t i = 0; i < DISKS_MAX * MINORS; i++)
		if (devices[i].dirty)
			write_some(&devices[i]);
}

void cache_written(struct device *device)
{
	device->dirty = true;
	if (!lazy_timer.deadline)
		timer_start(&lazy_timer, clock_monotonic_ns() + LAZY_NS, lazy);
}

/* --- flushing ---------------------------------------------------------------------------------------------- */

static void flushed(struct acall *call)
{
	struct device *device = call->owner;

	if (call->status < 0 && call->status != -EOPNOTSUPP && call->status != -ENOSYS)
		device->error = call->status;
	device->flush_finished = call->tag[0];
	waitq_wake(&device->waiting);
}

static long flush(struct request *rq, struct device *device)
{
	struct blk_flush_req request;
	struct acall *call;

	if (device->flush_finished >= rq->progress[5])
		return 0;
	if (device->flush_begun == device->flush_finished) {
		call = acall_new(flushed, device);
		if (!call)
			return -ENOMEM;
		call->tag[0] = ++device->flush_begun;
		blk_send_flush(call, disks[device->disk].driver, &request);
	}
	return request_park(rq, &device->waiting);
}

long cache_sync(struct request *rq, struct device *device)
{
	long status;

	if (!rq->progress[4]) {
		if (device->dirty)
			write_some(device);
		if (device->dirty || device->writing)
			return request_park(rq, &device->waiting);
		rq->progress[4] = 1;
		rq->progress[5] = device->flush_begun + 1;
	}
	status = flush(rq, device);
	if (status)
		return status;
	status = device->error;
	device->error = 0;
	return status;
}

/* --- bounds -------------------------------------------------------------------------------------------------- */

void cache_drop_clean(struct device *device)
{
	long gone;

	if (!device->memory || device->writing || !device->resident)
		return;
	gone = kcall(mo_evict, device->memory, 0ul, ~0ul >> 12, 0ul);
	if (gone > 0)
		device->resident -= (uint64_t)gone < device->resident ? (uint64_t)gone : device->resident;
}

static bool unused(const struct device *device)
{
	struct mo_info info;

	return device->memory && !device->opens && !device->writing && !device->reading && !device->dirty &&
	       kcall(mo_info, device->memory, &info) == 0 && !info.mappings;
}

void cache_drop_all(void)
{
	for (uint32_t i = 0; i < DISKS_MAX * MINORS; i++) {
		struct device *device = &devices[i];

		cache_drop_clean(device);
		if (!unused(device))
			continue;
		kcall(cap_close, device->memory);
		device->memory = 0;
		device->resident = 0;
	}
}

void cache_limit(void)
{
	struct system_info info;
	uint64_t resident = 0;

	if (!budget)
		budget = kcall(system_info, &info) == 0 ? info.pages_total / 16 : 1024;
	for (uint32_t i = 0; i < DISKS_MAX * MINORS; i++)
		resident += devices[i].resident;
	for (uint32_t i = 0; i < DISKS_MAX * MINORS && resident > budget; i++) {
		uint64_t before = devices[i].resident;

		if (devices[i].dirty)
			write_some(&devices[i]);
		cache_drop_clean(&devices[i]);
		resident -= before - devices[i].resident;
	}
}

/* Pages of which nobody knows whether their reading was ever sent go, and are asked for again. What is being
 * written is counted anew by looking for what is dirty. */
void cache_restart(void)
{
	for (uint32_t i = 0; i < DISKS_MAX * MINORS; i++) {
		struct device *device = &devices[i];

		if (!device->memory)
			continue;
		kcall(mo_fill_end, device->memory, 0ul, ~0ul >> 12, 0ul);
		if (device->taken_count)
			redirty(device, device->taken_page, device->taken_count);
		device->taken_count = 0;
		device->writing = device->reading = 0;
		device->flush_finished = device->flush_begun;
		device->dirty = true;
		cache_written(device);
	}
}

/* All dirty pages of all devices. */
long cache_sync_all(struct request *rq)
{
	for (; rq->progress[0] < DISKS_MAX * MINORS; rq->progress[0]++) {
		struct device *device = &devices[rq->progress[0]];
		long status = device->memory ? cache_sync(rq, device) : 0;

		if (status == PARK)
			return PARK;
		rq->progress[4] = 0;
	}
	return 0;
}
