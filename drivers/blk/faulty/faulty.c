/* SPDX-License-Identifier: MIT */
/*
 * A block driver on another one that lets requests go wrong. Every transfer goes through a slot of our own memory: so
 * the driver below never has more of it than it should.
 */
#include <drv/below.h>
#include <drv/blk.h>
#include <proto/blk.h>
#include <util/string.h>

#include "schedule.h"

#define SLOTS 8u
#define SLOT_RANGES 33u /* lib/drv/blk.c reckons with one page less */
#define SLOT_BYTES ((uint64_t)(SLOT_RANGES - 1) * ANOLE_PAGE_SIZE)
#define PATIENCE_NS 2000000000ull
#define DELAY_NS 500000000ull

/* A transfer on its way; in use until the driver below has answered, which may be in a later incarnation. */
struct slot {
	bool used, sent;
	uint32_t incarnation;
	struct request *rq;
	uint64_t token;
	enum blk_kind kind;
	enum fault fault;
	uint64_t sector, length;
};

static PRESERVED struct slot slots[SLOTS];
static PRESERVED cap_t memory, lower;
static struct schedule schedule;
static bool schedule_read;
static uint8_t *window;
static struct timer delays[SLOTS];

static uint64_t offset_of(const struct slot *slot)
{
	return (uint64_t)(slot - slots) * SLOT_BYTES;
}

static bool alive(const struct slot *slot)
{
	return slot->incarnation == startup->incarnation && slot->rq->token == slot->token;
}

static void answered(struct acall *call)
{
	struct slot *slot = call->owner;
	long status = call->status;

	slot->used = false;
	if (!alive(slot))
		return;
	if (status >= 0 && slot->kind == BLK_READ)
		status = request_write(slot->rq, 0, window + offset_of(slot), slot->length);
	if (status >= 0 && slot->fault == FAULTY_SHORT)
		status = -EIO;
	blk_done(slot->rq, status < 0 ? status : 0);
}

static long pass_on(struct slot *slot)
{
	struct blk_read_req read = { slot->sector };
	struct blk_write_req write = { slot->sector };
	struct blk_flush_req flush;
	struct acall *call = acall_new(answered, slot);

	if (!call)
		return -ENOMEM;
	slot->sent = true;
	switch (slot->kind) {
	case BLK_READ:
		call->out = (struct call_buffer){ memory, 0, offset_of(slot), slot->length };
		blk_send_read(call, lower, &read);
		break;
	case BLK_WRITE:
		call->in = (struct call_buffer){ memory, 0, offset_of(slot), slot->length };
		blk_send_write(call, lower, &write);
		break;
	case BLK_FLUSH: blk_send_flush(call, lower, &flush); break;
	}
	return 0;
}

static void delay_over(struct timer *timer)
{
	struct slot *slot = &slots[timer - delays];

	if (pass_on(slot) < 0) {
		slot->used = false;
		blk_done(slot->rq, -ENOMEM);
	}
}

static long fill_slot(struct slot *slot, const struct blk_transfer *transfer, enum fault fault)
{
	*slot = (struct slot){
		.used = true,
		.incarnation = startup->incarnation,
		.rq = transfer->rq,
		.token = transfer->rq->token,
		.kind = transfer->kind,
		.fault = fault,
		.sector = transfer->sector,
		.length = transfer->length,
	};
	if ((fault == FAULTY_TORN || fault == FAULTY_SHORT) && slot->length > BLK_SECTOR)
		slot->length = slot->length / BLK_SECTOR / 2 * BLK_SECTOR;
	if (slot->kind != BLK_WRITE)
		return 0;
	return request_read(slot->rq, 0, window + offset_of(slot), slot->length);
}

static long begin(const struct blk_transfer *transfer)
{
	struct slot *slot = slots;
	enum fault fault;
	long status;

	while (slot < slots + SLOTS && slot->used)
		slot++;
	if (slot == slots + SLOTS || !schedule_read)
		return -EAGAIN;
	fault = schedule_next(&schedule, transfer->kind, transfer->sector, transfer->length / BLK_SECTOR);
	if (fault == FAULTY_ERROR)
		return -EIO;
	if (fault == FAULTY_LOSE)
		return 0;
	if (fault == FAULTY_TORN && transfer->kind != BLK_WRITE)
		fault = FAULTY_NONE;
	status = fill_slot(slot, transfer, fault);
	if (status >= 0 && fault == FAULTY_DELAY)
		timer_start(&delays[slot - slots], clock_monotonic_ns() + DELAY_NS, delay_over);
	else if (status >= 0)
		status = pass_on(slot);
	if (status < 0)
		slot->used = false;
	return status < 0 ? status : 0;
}

/* --- starting --------------------------------------------------------------------------------------------- */

static long ask_lower(struct blk_device *device)
{
	struct blk_info_req request;
	struct blk_info_reply info;
	long status = blk_call_info(lower, NULL, &request, &info);

	if (status < 0)
		return status;
	if (info.sectors < 2)
		return -EINVAL;
	*device = (struct blk_device){
		.sectors = info.sectors - 1,
		.read_only = info.flags & 1,
		.has_cache = true,
		.max_ranges = SLOT_RANGES,
		.copies = true,
		.patience_ns = PATIENCE_NS,
	};
	return 0;
}

/* Until it has been read nothing is begun. */
static void schedule_told(struct acall *call)
{
	struct slot *slot = call->owner;
	char *text = (char *)window + offset_of(slot);

	slot->used = false;
	if (slot->incarnation != startup->incarnation)
		return;
	text[BLK_SECTOR - 1] = 0;
	if (call->status < 0 || !schedule_parse(&schedule, text))
		slog("no schedule in the last sector: nothing will go wrong");
	else
		slog("seed %lu, %u rules", schedule.seed, schedule.rules_count);
	schedule_read = true;
	blk_room();
}

static long read_schedule(uint64_t sector)
{
	struct blk_read_req request = { sector };
	struct acall *call = acall_new(schedule_told, NULL);
	struct slot *slot = slots;

	while (slot < slots + SLOTS && slot->used)
		slot++;
	if (!call || slot == slots + SLOTS)
		return -EAGAIN;
	*slot = (struct slot){ .used = true, .sent = true, .incarnation = startup->incarnation };
	call->owner = slot;
	call->out = (struct call_buffer){ memory, 0, offset_of(slot), BLK_SECTOR };
	blk_send_read(call, lower, &request);
	return 0;
}

static long start(bool restarted, struct blk_device *device)
{
	long status = restarted && lower ? 0 : below_find("blk", "faulty", &lower);

	for (unsigned i = 0; i < SLOTS; i++)
		slots[i].used = slots[i].used && slots[i].sent; /* no timer will come for what was delayed */

	if (status == 0)
		status = ask_lower(device);
	if (status == 0 && !memory) {
		status = kcall(mo_create, SLOTS * SLOT_BYTES, 0ul);
		memory = status < 0 ? CAP_NONE : (cap_t)status;
	}
	if (status < 0)
		return status;
	window = map_memory(memory, 0, SLOTS * SLOT_BYTES, VM_R | VM_W | VM_SHARED);
	return window ? read_schedule(device->sectors) : -ENOMEM;
}

static void interrupt(uint64_t bits)
{
	(void)bits;
}

int main(void)
{
	static const struct blk_driver driver = {
		.name = "faulty",
		.start = start,
		.begin = begin,
		.interrupt = interrupt,
	};

	return blk_main(&driver);
}
