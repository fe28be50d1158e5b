/* SPDX-License-Identifier: MIT */
/* The system as a whole: its name, its log, its state; odds and ends of a process. */
#include "thread.h"

#include <proto/pm.h>

/* --- names --------------------------------------------------------------------------------------- */
/* Linux, because that is the ABI: configure scripts choose by it. The version says what it really is. */
static const char utsname[6][65] = { "Linux", "", "6.1.0-anole", "Anole", "x86_64", "" };

static long host_name(uint64_t which, const char *set, size_t length, struct host_names *names)
{
	struct pm_host_name_req request = { .which = which, .set = set != NULL };
	struct pm_host_name_reply reply;
	struct call_options options = {
		.in = set,
		.in_length = set ? length : 0,
		.out = names,
		.out_length = names ? sizeof(*names) : 0,
	};

	return pm_call_host_name(PROC_SLOT_PM, &options, &request, &reply);
}

long lp_uname(uint64_t to)
{
	char(*field)[65] = (char(*)[65])to;
	struct host_names names = {};

	host_name(0, NULL, 0, &names);
	memcpy(field, utsname, sizeof(utsname));
	memcpy(field[1], names.host, sizeof(names.host));
	memcpy(field[5], names.domain, sizeof(names.domain));
	return 0;
}

long lp_sethostname(uint64_t name, uint64_t length)
{
	return length > 64 ? -EINVAL : host_name(0, (const char *)name, length, NULL);
}

long lp_setdomainname(uint64_t name, uint64_t length)
{
	return length > 64 ? -EINVAL : host_name(1, (const char *)name, length, NULL);
}

/* --- state ----------------------------------------------------------------------------------------- */
struct sysinfo {
	int64_t uptime;
	uint64_t loads[3], total_ram, free_ram, shared_ram, buffer_ram, total_swap, free_swap;
	uint16_t processes, pad[3];
	uint64_t total_high, free_high;
	uint32_t unit, pad2;
};
_Static_assert(sizeof(struct sysinfo) == 112, "struct sysinfo of x86-64");

long lp_sysinfo(uint64_t to)
{
	struct system_info info = {};
	struct pm_system_counts_req request = {};
	struct pm_system_counts_reply counts = {};

	kcall(system_info, &info);
	pm_call_system_counts(PROC_SLOT_PM, NULL, &request, &counts);
	*(struct sysinfo *)to = (struct sysinfo){
		.uptime = (int64_t)(info.uptime_ns / 1000000000),
		.loads = { counts.load1, counts.load5, counts.load15 },
		.total_ram = info.pages_total * ANOLE_PAGE_SIZE,
		.free_ram = info.pages_free * ANOLE_PAGE_SIZE,
		.processes = (uint16_t)counts.processes,
		.unit = 1,
	};
	return 0;
}

/* --- the log (dmesg) ---------------------------------------------------------------------------------- */
enum {
	SYSLOG_CLOSE,
	SYSLOG_OPEN,
	SYSLOG_READ,
	SYSLOG_READ_ALL,
	SYSLOG_READ_CLEAR,
	SYSLOG_CLEAR,
	SYSLOG_CONSOLE_OFF,
	SYSLOG_CONSOLE_ON,
	SYSLOG_CONSOLE_LEVEL,
	SYSLOG_SIZE_UNREAD,
	SYSLOG_SIZE_BUFFER,
};

static uint64_t log_length(struct system_info *info)
{
	kcall(system_info, info);
	return info->klog_end - info->klog_start;
}

static long read_log(uint64_t to, uint64_t length)
{
	struct system_info info = {};
	uint64_t there = log_length(&info);
	struct klog_read read = { .offset = info.klog_start, .buffer = to, .length = length };

	if (there > length)
		read.offset = info.klog_end - length;
	return kcall(klog_read, &read);
}

long lp_syslog(uint64_t action, uint64_t to, uint64_t length)
{
	struct system_info info = {};

	switch (action) {
	case SYSLOG_CLOSE:
	case SYSLOG_OPEN:
	case SYSLOG_CLEAR:
	case SYSLOG_CONSOLE_OFF:
	case SYSLOG_CONSOLE_ON:
	case SYSLOG_CONSOLE_LEVEL:
	case SYSLOG_SIZE_UNREAD: return 0;
	case SYSLOG_READ:
	case SYSLOG_READ_ALL:
	case SYSLOG_READ_CLEAR: return (int32_t)length < 0 ? -EINVAL : read_log(to, (uint32_t)length);
	case SYSLOG_SIZE_BUFFER: return (long)log_length(&info);
	}
	return -EINVAL;
}

long lp_reboot(uint64_t magic, uint64_t magic2, uint64_t command, uint64_t argument)
{
	struct pm_reboot_req request;
	struct pm_reboot_reply reply;

	(void)argument;
	if ((uint32_t)magic != 0xfee1dead || ((uint32_t)magic2 != 672274793 && (uint32_t)magic2 != 85072278 &&
					      (uint32_t)magic2 != 369367448 && (uint32_t)magic2 != 537993216))
		return -EINVAL;
	switch ((uint32_t)command) {
	case 0x4321fedc: request.how = 0; break;
	case 0x01234567: request.how = 1; break;
	case 0xcdef0123: request.how = 2; break;
	case 0x89abcdef: /* Ctrl-Alt-Del on and off: no keyboard does that here */
	case 0: return 0;
	default: return -EINVAL;
	}
	return pm_call_reboot(PROC_SLOT_PM, NULL, &request, &reply);
}

/* --- prctl, arch_prctl, personality ---------------------------------------------------------------------- */
enum {
	PR_SET_PDEATHSIG = 1,
	PR_GET_PDEATHSIG = 2,
	PR_GET_DUMPABLE = 3,
	PR_SET_DUMPABLE = 4,
	PR_GET_KEEPCAPS = 7,
	PR_SET_KEEPCAPS = 8,
	PR_SET_NAME = 15,
	PR_GET_NAME = 16,
	PR_GET_SECCOMP = 21,
	PR_CAPBSET_READ = 23,
	PR_SET_TIMERSLACK = 29,
	PR_GET_TIMERSLACK = 30,
	PR_SET_CHILD_SUBREAPER = 36,
	PR_GET_CHILD_SUBREAPER = 37,
	PR_SET_NO_NEW_PRIVS = 38,
	PR_GET_NO_NEW_PRIVS = 39,
	PR_GET_TID_ADDRESS = 40,
};

static long option(enum pm_option which, bool set, uint64_t value)
{
	struct pm_option_req request = { .which = which, .set = set, .value = value };
	struct pm_option_reply reply;

	return pm_call_option(PROC_SLOT_PM, NULL, &request, &reply);
}

static long thread_name(bool set, char *name)
{
	struct pm_name_req request = { .set = set };
	struct pm_name_reply reply;
	struct call_options options = {};

	if (set) {
		options.in = name;
		options.in_length = strnlen(name, 15);
	} else {
		options.out = name;
		options.out_length = 16;
	}
	return pm_call_name(PROC_SLOT_PM, &options, &request, &reply);
}

static long get_option(enum pm_option which, uint64_t to)
{
	long value = option(which, false, 0);

	if (value >= 0)
		*(int32_t *)to = (int32_t)value;
	return value < 0 ? value : 0;
}

long lp_prctl(uint64_t operation, uint64_t a, uint64_t b, uint64_t c, uint64_t d)
{
	switch (operation) {
	case PR_SET_PDEATHSIG: return option(PM_OPTION_DEATH_SIGNAL, true, a);
	case PR_GET_PDEATHSIG: return get_option(PM_OPTION_DEATH_SIGNAL, a);
	case PR_GET_DUMPABLE: return option(PM_OPTION_DUMPABLE, false, 0);
	case PR_SET_DUMPABLE: return a > 1 ? -EINVAL : option(PM_OPTION_DUMPABLE, true, a);
	case PR_GET_KEEPCAPS: return option(PM_OPTION_KEEP_CAPS, false, 0);
	case PR_SET_KEEPCAPS: return a > 1 ? -EINVAL : option(PM_OPTION_KEEP_CAPS, true, a);
	case PR_SET_NAME: return thread_name(true, (char *)a);
	case PR_GET_NAME: return thread_name(false, (char *)a);
	case PR_GET_SECCOMP:
	case PR_SET_TIMERSLACK: return 0;
	case PR_GET_TIMERSLACK: return 50000;
	case PR_CAPBSET_READ: return a <= 40 ? 1 : -EINVAL;
	case PR_SET_CHILD_SUBREAPER: return option(PM_OPTION_SUBREAPER, true, a != 0);
	case PR_GET_CHILD_SUBREAPER: return get_option(PM_OPTION_SUBREAPER, a);
	case PR_SET_NO_NEW_PRIVS:
		return a == 1 && !b && !c && !d ? option(PM_OPTION_NO_NEW_PRIVS, true, 1) : -EINVAL;
	case PR_GET_NO_NEW_PRIVS: return option(PM_OPTION_NO_NEW_PRIVS, false, 0);
	case PR_GET_TID_ADDRESS: *(uint64_t *)a = tb()->clear_tid; return 0;
	}
	return -EINVAL;
}

/* GS is libposix's own. */
long lp_arch_prctl(uint64_t operation, uint64_t address)
{
	long status;

	switch (operation) {
	case ARCH_SET_FS:
		status = kcall(set_fsbase, address);
		if (status >= 0)
			lp_thread()->tls = address;
		return status < 0 ? -EPERM : 0;
	case ARCH_GET_FS: *(uint64_t *)address = lp_thread()->tls; return 0;
	case ARCH_SET_GS: return -EPERM;
	case ARCH_GET_GS: *(uint64_t *)address = 0; return 0;
	}
	return -EINVAL;
}

long lp_personality(uint64_t persona)
{
	long old = (long)this_process()->personality;

	if ((uint32_t)persona != 0xffffffff)
		this_process()->personality = (uint32_t)persona;
	return old;
}
