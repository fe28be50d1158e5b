/* SPDX-License-Identifier: MIT */
/*
 * Finding disks: RS names the drivers of class blk one after the other; each disk's table is read and its
 * partitions are made known to VFS. All by asynchronous calls, one disk at a time.
 */
#include "block.h"

#include <util/string.h>

#define SCRATCH_BYTES (1024u * 1024u + 64u * 1024u) /* the largest array of entries, and the texts */
#define TEXT_OFFSET (1024u * 1024u)
#define FIRST_SECTORS 34u /* table, header and the usual array */

enum step { STEP_FIRST, STEP_ENTRIES, STEP_BACKUP, STEP_BACKUP_ENTRIES, STEP_LOGICAL };

PRESERVED struct disk disks[DISKS_MAX];
PRESERVED struct device devices[DISKS_MAX * MINORS];

static PRESERVED struct finder {
	cap_t scratch, right; /* memory for transfers and names; what VFS gets */
	uint64_t next_driver; /* to ask RS for */
	uint32_t disk;        /* being looked at */
	enum step step;
	struct gpt gpt;
	struct ebr_chain logical;
	struct partition parts[PARTITIONS_MAX];
	uint32_t announce; /* next minor to tell VFS about */
} finder;
static uint8_t *scratch;

static void ask_driver(void);
static void ask_info(void);
static void announce_next(void);

struct device *device_by_number(uint64_t major, uint64_t minor)
{
	if (major != MAJOR || minor >= DISKS_MAX * MINORS || !devices[minor].present)
		return NULL;
	return &devices[minor];
}

static struct device *whole(void)
{
	return &devices[finder.disk * MINORS];
}

/* --- reading the table ---------------------------------------------------------------------------- */

static void add_partition(uint32_t i, const struct partition *part)
{
	struct device *disk = whole(), *device = disk + 1 + i;

	if (!part->count || part->start >= disk->sectors || part->count > disk->sectors - part->start)
		return;
	device->disk = finder.disk;
	device->minor = finder.disk * MINORS + 1 + i;
	device->start = part->start;
	device->sectors = part->count;
	device->max_sectors = disk->max_sectors;
	device->read_only = disk->read_only;
	snprintf(device->name, sizeof device->name, "%s%u", disk->name, i + 1);
	device->present = true;
}

static void table_read(void)
{
	for (uint32_t i = 0; i < PARTITIONS_MAX; i++)
		add_partition(i, &finder.parts[i]);
	finder.announce = 0;
	announce_next();
}

static void read_done(struct acall *call);

static void read_sectors(enum step step, uint64_t start, uint64_t count)
{
	struct blk_read_req request = { start };
	struct acall *call = acall_new(read_done, NULL);

	finder.step = step;
	if (!call) {
		table_read();
		return;
	}
	call->out = (struct call_buffer){ finder.scratch, 0, 0, count * SECTOR };
	blk_send_read(call, disks[finder.disk].driver, &request);
}

static uint64_t entries_sectors(void)
{
	return gpt_entries_bytes(&finder.gpt) / SECTOR;
}

static bool header_at(uint64_t offset, uint64_t lba)
{
	return gpt_header(scratch + offset, lba, whole()->sectors, &finder.gpt);
}

static void try_backup(void)
{
	slog("%s: partition table is damaged, trying its copy", whole()->name);
	read_sectors(STEP_BACKUP, whole()->sectors - 1, 1);
}

static void mbr_read(void)
{
	if (mbr_partitions(scratch, whole()->sectors, finder.parts) &&
	    mbr_extended(scratch, whole()->sectors, &finder.logical))
		read_sectors(STEP_LOGICAL, finder.logical.next, 1);
	else
		table_read();
}

static void logical_read(void)
{
	if (ebr_next(scratch, &finder.logical, finder.parts))
		read_sectors(STEP_LOGICAL, finder.logical.next, 1);
	else
		table_read();
}

static void first_read(void)
{
	bool protective = mbr_is_protective(scratch);

	if (whole()->sectors <= FIRST_SECTORS) {
		mbr_read();
	} else if (header_at(SECTOR, 1)) {
		read_sectors(STEP_ENTRIES, finder.gpt.entries, entries_sectors());
	} else if (protective) {
		try_backup();
	} else {
		mbr_read();
	}
}

static void read_first(void)
{
	uint64_t sectors = whole()->sectors;

	memset(finder.parts, 0, sizeof finder.parts);
	read_sectors(STEP_FIRST, 0, sectors < FIRST_SECTORS ? sectors : FIRST_SECTORS);
}

static void read_done(struct acall *call)
{
	bool good = call->status >= 0;

	if (call->status == -ERESTART) { /* the answer was lost with the incarnation before */
		read_first();
		return;
	}
	switch (finder.step) {
	case STEP_FIRST:
		if (good)
			first_read();
		else
			table_read();
		break;
	case STEP_ENTRIES:
		if (good && gpt_partitions(&finder.gpt, scratch, finder.parts))
			table_read();
		else
			try_backup();
		break;
	case STEP_BACKUP:
		if (good && header_at(0, whole()->sectors - 1))
			read_sectors(STEP_BACKUP_ENTRIES, finder.gpt.entries, entries_sectors());
		else
			table_read();
		break;
	case STEP_BACKUP_ENTRIES:
		if (!good || !gpt_partitions(&finder.gpt, scratch, finder.parts))
			slog("%s: both copies of the partition table are damaged", whole()->name);
		table_read();
		break;
	case STEP_LOGICAL:
		if (good)
			logical_read();
		else
			table_read();
	}
}

/* --- telling VFS -------------------------------------------------------------------------------------- */

static void announced(struct acall *call)
{
	if (call->status == -ERESTART) {
		announce_next();
		return;
	}
	if (call->status < 0)
		slog("%s: not entered under /dev: error %ld", whole()[finder.announce].name, -call->status);
	finder.announce++;
	announce_next();
}

static void announce_next(void)
{
	struct vfs_add_device_req request = { S_IFBLK, MAJOR, 0, 1, 0600 };
	struct device *device;
	struct acall *call;

	while (finder.announce < MINORS && !whole()[finder.announce].present)
		finder.announce++;
	if (finder.announce == MINORS) {
		ask_driver();
		return;
	}
	device = &whole()[finder.announce];
	call = acall_new(announced, NULL);
	if (!call)
		return;
	request.minor = device->minor;
	strlcpy((char *)scratch + TEXT_OFFSET, device->name, sizeof device->name);
	call->in = (struct call_buffer){ finder.scratch, 0, TEXT_OFFSET, strlen(device->name) };
	call->caps[0] = (struct ipc_cap){ finder.right, CAP_ALL, 0 };
	call->caps_count = 1;
	vfs_send_add_device(call, service_cap("vfs"), &request);
}

/* --- finding drivers ------------------------------------------------------------------------------------ */

static void info_done(struct acall *call)
{
	const struct blk_info_reply *info = acall_reply(call);
	struct device *disk = whole();

	if (call->status == -ERESTART) {
		ask_info();
		return;
	}
	if (call->status < 0 || !info->sectors) {
		slog("%s: says nothing of itself: error %ld", disk->name, -call->status);
		ask_driver();
		return;
	}
	disk->sectors = info->sectors;
	disk->max_sectors = info->max_sectors & ~7ull;
	disk->read_only = info->flags & 1;
	disk->present = true;
	read_first();
}

static void ask_info(void)
{
	struct blk_info_req request;
	struct acall *call = acall_new(info_done, NULL);

	if (call)
		blk_send_info(call, disks[finder.disk].driver, &request);
}

static void driver_found(struct acall *call)
{
	const struct rs_next_driver_reply *reply = acall_reply(call);
	struct device *disk;

	if (call->status == -ERESTART) {
		ask_driver();
		return;
	}
	if (call->status < 0 || !call->received_count) {
		slog("no more drivers from rs: error %ld", -call->status);
		return;
	}
	finder.next_driver = reply->number + 1;
	finder.disk = 0;
	while (finder.disk < DISKS_MAX && disks[finder.disk].present &&
	       disks[finder.disk].number !=
		   reply->number) /* the same: a crash has brought the answer again */
		finder.disk++;
	if (finder.disk == DISKS_MAX) {
		kcall(cap_close, call->received[0].slot);
		return;
	}
	disk = whole();
	disks[finder.disk] = (struct disk){ true, call->received[0].slot, reply->number };
	disk->disk = finder.disk;
	disk->minor = finder.disk * MINORS;
	snprintf(disk->name, sizeof disk->name, "vd%c", 'a' + (int)finder.disk);
	ask_info();
}

/* Parks there until a driver comes. */
static void ask_driver(void)
{
	struct rs_next_driver_req request = { finder.next_driver };
	struct acall *call = acall_new(driver_found, NULL);

	if (!call)
		return;
	memcpy(scratch + TEXT_OFFSET, "blk", 3);
	call->in = (struct call_buffer){ finder.scratch, 0, TEXT_OFFSET, 3 };
	rs_send_next_driver(call, SLOT_RS, &request);
}

/* What was on its way is answered to this incarnation, and goes on from there; only if nothing was, because the
 * crash came in between, is it begun again where it stood. */
static long resume(void)
{
	if (finder.right)
		return 0;
	return -EIO;
}

long disks_start(bool restarted)
{
	long slot;

	if (!finder.scratch) {
		slot = kcall(mo_create, (uint64_t)SCRATCH_BYTES, 0ul);
		if (slot < 0)
			return slot;
		finder.scratch = (cap_t)slot;
	}
	scratch = map_memory(finder.scratch, 0, SCRATCH_BYTES, VM_R | VM_W | VM_SHARED);
	if (!scratch)
		return -ENOMEM;
	if (restarted && resume() == 0)
		return 0;
	slot = kcall(badge_create, SLOT_ENDPOINT, DEVICE_BADGE);
	if (slot == -EEXIST)
		slot = kcall(badge_cap, SLOT_ENDPOINT, DEVICE_BADGE);
	if (slot < 0)
		return slot;
	finder.right = (cap_t)slot;
	ask_driver();
	return 0;
}
