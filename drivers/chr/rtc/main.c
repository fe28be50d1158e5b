/* SPDX-License-Identifier: MIT */
/*
 * rtc: the PC's real-time clock (Motorola MC146818A data sheet). It sets the system's clock at boot
 * and speaks for /dev/rtc0 (RTC_RD_TIME, RTC_SET_TIME: rtc(4)), so that hwclock works.
 */
#include <fs/stream.h>
#include <proto/dev.h>
#include <util/string.h>

enum {
	REG_SECOND = 0,
	REG_MINUTE = 2,
	REG_HOUR = 4,
	REG_DAY = 7,
	REG_MONTH = 8,
	REG_YEAR = 9,
	REG_A = 10,
	REG_B = 11,
	REG_CENTURY = 0x32
};
#define A_UPDATE 0x80u /* an update is in progress: the time registers are not to be read */
#define B_BINARY 0x04u
#define B_24_HOURS 0x02u
#define B_SET 0x80u
#define HOUR_PM 0x80u
#define PORT_INDEX 0x70
#define PORT_DATA 0x71
#define RTC_RD_TIME 0x80247009u
#define RTC_SET_TIME 0x4024700au
#define OWN_BADGE BADGE_FIRST_OWN

struct rtc_time { /* struct rtc_time of Linux */
	int32_t second, minute, hour, day, month, year, weekday, yearday, dst;
};

static cap_t ports;

static uint8_t read_register(uint8_t index)
{
	kcall(port_out, ports, PORT_INDEX, 1, index);
	return (uint8_t)kcall(port_in, ports, PORT_DATA, 1);
}

static void write_register(uint8_t index, uint8_t value)
{
	kcall(port_out, ports, PORT_INDEX, 1, index);
	kcall(port_out, ports, PORT_DATA, 1, value);
}

static int32_t decode(uint8_t value, uint8_t mode)
{
	return mode & B_BINARY ? value : (value >> 4) * 10 + (value & 15);
}

static uint8_t encode(int32_t value, uint8_t mode)
{
	return (uint8_t)(mode & B_BINARY ? value : value / 10 << 4 | value % 10);
}

static void read_once(struct rtc_time *time)
{
	uint8_t mode = read_register(REG_B), hour = read_register(REG_HOUR);
	int32_t century = decode(read_register(REG_CENTURY), mode);

	memset(time, 0, sizeof(*time));
	time->second = decode(read_register(REG_SECOND), mode);
	time->minute = decode(read_register(REG_MINUTE), mode);
	time->hour = decode(hour & ~HOUR_PM, mode);
	if (!(mode & B_24_HOURS))
		time->hour = time->hour % 12 + (hour & HOUR_PM ? 12 : 0);
	time->day = decode(read_register(REG_DAY), mode);
	time->month = decode(read_register(REG_MONTH), mode) - 1;
	time->year = decode(read_register(REG_YEAR), mode);
	/* The century register is a convention of PCs; without a sensible value assume 20xx. */
	time->year += century >= 19 && century <= 29 ? century * 100 - 1900 : 100;
}

/* Two equal readings, neither during an update: a consistent time. The wait is bounded, since an
 * update takes under 2 ms (data sheet, "Update Cycle"). */
static long read_clock(struct rtc_time *time)
{
	struct rtc_time again;
	unsigned tries;

	for (tries = 0; tries < 20000; tries++) {
		if (read_register(REG_A) & A_UPDATE)
			continue;
		read_once(time);
		if (read_register(REG_A) & A_UPDATE)
			continue;
		read_once(&again);
		if (!memcmp(time, &again, sizeof(again)))
			return time->month >= 0 && time->month < 12 && time->day > 0 ? 0 : -EIO;
	}
	return -EIO;
}

static void write_clock(const struct rtc_time *time)
{
	uint8_t mode = read_register(REG_B);
	int32_t year = time->year + 1900, hour = time->hour;

	write_register(REG_B, mode | B_SET | B_24_HOURS);
	write_register(REG_SECOND, encode(time->second, mode));
	write_register(REG_MINUTE, encode(time->minute, mode));
	write_register(REG_HOUR, encode(hour, mode));
	write_register(REG_DAY, encode(time->day, mode));
	write_register(REG_MONTH, encode(time->month + 1, mode));
	write_register(REG_YEAR, encode(year % 100, mode));
	write_register(REG_CENTURY, encode(year / 100, mode));
	write_register(REG_B, (mode | B_24_HOURS) & (uint8_t)~B_SET);
}

/* Days since 1970-01-01 of a date of the Gregorian calendar (month 0..11). */
static int64_t days_of(int32_t year, int32_t month, int32_t day)
{
	int64_t y = year - (month < 2), m = (month + 10) % 12; /* years begin in March */

	return 365 * y + y / 4 - y / 100 + y / 400 + (m * 153 + 2) / 5 + day - 1 - 719468;
}

static uint64_t seconds_of(const struct rtc_time *time)
{
	int64_t days = days_of(time->year + 1900, time->month, time->day);

	return (uint64_t)(((days * 24 + time->hour) * 60 + time->minute) * 60 + time->second);
}

static void set_system_clock(void)
{
	const struct startup_entry *root = startup_find(STARTUP_ROOT, NULL, 0);
	struct rtc_time time;

	if (!root || read_clock(&time) < 0) {
		slog("rtc: no sensible time in the clock chip");
		return;
	}
	kcall(clock_set, root->slot, seconds_of(&time) * 1000000000ull);
}

static bool may_set(uint64_t stamp)
{
	const struct process_entry *process = process_find(stamp);

	return process && process->euid == 0;
}

static bool sensible(const struct rtc_time *t)
{
	return (uint32_t)t->second < 60 && (uint32_t)t->minute < 60 && (uint32_t)t->hour < 24 &&
	       t->day >= 1 && t->day <= 31 && (uint32_t)t->month < 12 && t->year >= 70 && t->year < 1000;
}

static long set_time(struct request *rq)
{
	struct rtc_time time;
	long status = stream_take(rq, &time, sizeof(time));

	if (status < 0)
		return status;
	if (!may_set(rq->stamp))
		return -EACCES;
	if (!sensible(&time))
		return -EINVAL;
	write_clock(&time);
	return 0;
}

static long rtc_ioctl(struct request *rq, const struct file_ioctl_req *in, struct file_ioctl_reply *out)
{
	struct rtc_time time;
	long status;

	(void)out;
	if (in->request == RTC_SET_TIME)
		return set_time(rq);
	if (in->request != RTC_RD_TIME)
		return -ENOTTY;
	status = read_clock(&time);
	return status < 0 ? status : stream_put(rq, &time, sizeof(time));
}

static long rtc_fstat(struct request *rq, const struct file_fstat_req *in, struct file_fstat_reply *out)
{
	struct file_stat stat = {
		.nlink = 1, .mode = S_IFCHR | 0600, .rdev = dev_make(250, 0), .blksize = 4096
	};

	(void)in, (void)out;
	return stream_put(rq, &stat, sizeof(stat));
}

static long rtc_path(struct request *rq, const struct file_path_req *in, struct file_path_reply *out)
{
	(void)in, (void)out;
	return stream_put_text(rq, "/dev/rtc0");
}

static long rtc_identify(struct request *rq, const struct file_identify_req *in,
			 struct file_identify_reply *out)
{
	(void)rq, (void)in, (void)out;
	return S_IFCHR;
}

static const struct file_ops file_ops = {
	STREAM_FILE_OPS,    .mmap = stream_mmap, .fstat = rtc_fstat,
	.ioctl = rtc_ioctl, .path = rtc_path,    .identify = rtc_identify,
};

/* Every opener shares one description: it has no state. */
static long rtc_open(struct request *rq, const struct dev_open_req *in, struct dev_open_reply *out)
{
	(void)in, (void)out;
	return request_give_badge(rq, OWN_BADGE);
}

static const struct dev_ops dev_ops = { .open = rtc_open };

static long dispatch(struct request *rq)
{
	if (rq->badge == OWN_BADGE && IPC_OP_PROTO(rq->op) == PROTO_ID_FILE)
		return file_dispatch(&file_ops, rq);
	if (rq->badge >= BADGE_SERVICE && IPC_OP_PROTO(rq->op) == PROTO_ID_DEV)
		return dev_dispatch(&dev_ops, rq);
	return -ENOSYS;
}

static long start(bool restarted)
{
	const struct startup_entry *range = startup_find(STARTUP_PORTS, NULL, 0);

	if (!range)
		return -ENODEV;
	ports = range->slot;
	if (!restarted)
		set_system_clock();
	return 0;
}

/* Without transactions: it keeps nothing, the clock has it all. */
static const struct service service = { .name = "rtc", .dispatch = dispatch, .start = start };

int main(void)
{
	service_main(&service);
}
