/* SPDX-License-Identifier: MIT */
/*
 * The protocol of block drivers. A request's progress says how far it is in this incarnation; what
 * was in flight in an earlier one is begun again, for the device was reset in between.
 */
#include <drv/blk.h>
#include <proto/blk.h>

#define RANGES_MADE 256
#define LOST_MAX 2
#define FLAG_READ_ONLY 1u

/* progress[0]: incarnation << 2 | enum; progress[1]: the status once it is DONE; progress[3]: how often the device
 * has lost it; progress[4]: when it began. */
enum progress { FRESH = 0, IN_FLIGHT = 1, DONE = 2 };

/* A part of the device, made by blk.range; its badge is BADGE_FIRST_OWN plus its place. */
struct part {
	bool used, read_only;
	uint64_t start, count;
};

static PRESERVED struct part parts[RANGES_MADE];
static PRESERVED struct waitq no_room, stopping;
static PRESERVED struct waitq flying; /* in the order of their begin */
static struct timer watchdog;
static const struct blk_driver *driver;
static struct blk_device device;
static unsigned in_flight;
static bool stopped;

/* What the caller's badge gives it; count 0: nothing. */
static struct part part_of(uint64_t badge)
{
	if (badge & (BADGE_SERVICE | BADGE_RS))
		return (struct part){ true, device.read_only, 0, device.sectors };
	if (badge >= BADGE_FIRST_OWN && badge - BADGE_FIRST_OWN < RANGES_MADE)
		return parts[badge - BADGE_FIRST_OWN];
	return (struct part){ 0 };
}

static enum progress progress_of(const struct request *rq)
{
	return rq->progress[0] >> 2 == startup->incarnation ? rq->progress[0] & 3 : FRESH;
}

static void set_progress(struct request *rq, enum progress progress)
{
	rq->progress[0] = (uint64_t)startup->incarnation << 2 | (unsigned)progress;
}

/* An unaligned start costs one range more than there are pages. */
static uint64_t max_sectors(void)
{
	return (device.max_ranges - 1) * (ANOLE_PAGE_SIZE / BLK_SECTOR);
}

static uint64_t patience(void)
{
	return device.patience_ns ? device.patience_ns : BLK_PATIENCE_NS;
}

/*
 * The oldest transfer has not come back. Its buffer may be answered only when the device cannot write there any more,
 * so this incarnation ends; the next one finds in progress[3] whether to try again.
 */
static void watch(struct timer *timer)
{
	struct request *oldest = flying.first;

	if (!oldest)
		return;
	if (clock_monotonic_ns() < oldest->progress[4] + patience()) {
		timer_start(timer, oldest->progress[4] + patience(), watch);
		return;
	}
	slog("no answer from the device for %lu ms: reset", patience() / 1000000);
	oldest->progress[3]++;
	service_exit(EIO);
}

static long wait_for_device(struct request *rq)
{
	in_flight++;
	rq->progress[4] = clock_monotonic_ns();
	if (!watchdog.deadline)
		timer_start(&watchdog, rq->progress[4] + patience(), watch);
	return request_park(rq, &flying);
}

static long begin(struct request *rq, enum blk_kind kind, uint64_t sector, uint64_t length)
{
	static struct phys_range ranges[BLK_RANGES];
	struct blk_transfer transfer = { kind, sector, 0, ranges, length, rq };
	uint64_t covered = 0;
	long status = 0;

	if (stopped)
		return -ENODEV;
	if (length && !device.copies)
		status =
		    kcall(buf_phys, SLOT_ENDPOINT, rq->token, kind == BLK_READ, 0, ranges, device.max_ranges);
	if (status < 0)
		return status;
	transfer.count = (unsigned)status;
	for (unsigned i = 0; i < transfer.count; i++)
		covered += ranges[i].length;
	if (covered != length && !device.copies)
		return -EINVAL;
	set_progress(rq, IN_FLIGHT);
	status = driver->begin(&transfer);
	if (status) {
		set_progress(rq, FRESH);
		return status == -EAGAIN ? request_park(rq, &no_room) : status;
	}
	return wait_for_device(rq);
}

static long transfer(struct request *rq, enum blk_kind kind, uint64_t sector, uint64_t length)
{
	struct part part = part_of(rq->badge);
	uint64_t count = length / BLK_SECTOR;

	if (progress_of(rq) == DONE)
		return (long)rq->progress[1];
	if (progress_of(rq) == IN_FLIGHT)
		return request_park(rq, &flying);
	if (rq->progress[3] >= LOST_MAX)
		return -EIO;
	if (!part.used)
		return -EPERM;
	if (kind == BLK_WRITE && (part.read_only || device.read_only))
		return -EROFS;
	if (length % BLK_SECTOR || count > max_sectors() || sector > part.count ||
	    count > part.count - sector || (kind != BLK_FLUSH && !count))
		return -EINVAL;
	return begin(rq, kind, part.start + sector, length);
}

void blk_done(struct request *rq, long status)
{
	in_flight--;
	rq->progress[1] = (uint64_t)status;
	set_progress(rq, DONE);
	request_wake(rq);
	waitq_wake_one(&no_room);
	if (!in_flight)
		waitq_wake(&stopping);
}

void blk_room(void)
{
	waitq_wake(&no_room);
}

static long do_info(struct request *rq, const struct blk_info_req *request, struct blk_info_reply *reply)
{
	struct part part = part_of(rq->badge);

	(void)request;
	if (!part.used)
		return -EPERM;
	reply->sectors = part.count;
	reply->flags = part.read_only || device.read_only ? FLAG_READ_ONLY : 0;
	reply->max_sectors = max_sectors();
	return 0;
}

static long do_read(struct request *rq, const struct blk_read_req *request, struct blk_read_reply *reply)
{
	(void)reply;
	return transfer(rq, BLK_READ, request->sector, rq->out_length);
}

static long do_write(struct request *rq, const struct blk_write_req *request, struct blk_write_reply *reply)
{
	(void)reply;
	return transfer(rq, BLK_WRITE, request->sector, rq->in_length);
}

static long do_flush(struct request *rq, const struct blk_flush_req *request, struct blk_flush_reply *reply)
{
	(void)request, (void)reply;
	return device.has_cache ? transfer(rq, BLK_FLUSH, 0, 0) : 0;
}

/* progress[2]: the part made for this request, plus one, so that a second run makes no other. */
static long make_part(struct request *rq, const struct part *part)
{
	uint64_t i = rq->progress[2] ? rq->progress[2] - 1 : 0;

	while (!rq->progress[2] && i < RANGES_MADE && parts[i].used)
		i++;
	if (i == RANGES_MADE)
		return -ENOSPC;
	rq->progress[2] = i + 1;
	parts[i] = *part;
	return request_give_badge(rq, BADGE_FIRST_OWN + i);
}

static long do_range(struct request *rq, const struct blk_range_req *request, struct blk_range_reply *reply)
{
	struct part whole = part_of(rq->badge), part;

	(void)reply;
	if (!whole.used)
		return -EPERM;
	if (request->start > whole.count || request->count > whole.count - request->start)
		return -EINVAL;
	part = (struct part){ true, whole.read_only || request->read_only, whole.start + request->start,
			      request->count };
	return make_part(rq, &part);
}

static const struct blk_ops operations = {
	.info = do_info,
	.read = do_read,
	.write = do_write,
	.flush = do_flush,
	.range = do_range,
};

static long dispatch(struct request *rq)
{
	return blk_dispatch(&operations, rq);
}

static void release(uint64_t badge)
{
	if (badge >= BADGE_FIRST_OWN && badge - BADGE_FIRST_OWN < RANGES_MADE)
		parts[badge - BADGE_FIRST_OWN].used = false;
}

/* What the device works on cannot be called back: it ends by itself. */
static long cancel(struct request *rq)
{
	return progress_of(rq) == IN_FLIGHT ? PARK : -EINTR;
}

static long shutdown(struct request *rq)
{
	if (in_flight)
		return request_park(rq, &stopping);
	stopped = true;
	if (driver->stop)
		driver->stop();
	return 0;
}

static long start(bool restarted)
{
	return driver->start(restarted, &device);
}

static void interrupt(uint64_t bits)
{
	driver->interrupt(bits);
}

int blk_main(const struct blk_driver *definition)
{
	/* Without transactions: it keeps nothing, what was at the device is asked again. */
	static struct service service = {
		.dispatch = dispatch,
		.start = start,
		.notify = interrupt,
		.release = release,
		.cancel = cancel,
		.shutdown = shutdown,
	};

	driver = definition;
	service.name = definition->name;
	service_main(&service);
}
