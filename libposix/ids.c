/* SPDX-License-Identifier: MIT */
/* Who a process is: ids, groups, sessions. */
#include "libposix.h"

#include <proto/pm.h>

long lp_getpid(void)
{
	return tb()->pid;
}

long lp_getppid(void)
{
	return tb()->ppid;
}

static struct pm_get_ids_reply ids(void)
{
	struct pm_get_ids_req request = {};
	struct pm_get_ids_reply reply = {};

	pm_call_get_ids(PROC_SLOT_PM, NULL, &request, &reply);
	return reply;
}

#define LOW(word) ((uint32_t)(word))
#define HIGH(word) ((uint32_t)((word) >> 32))

long lp_getuid(void)
{
	return LOW(ids().uid_euid);
}
long lp_geteuid(void)
{
	return HIGH(ids().uid_euid);
}
long lp_getgid(void)
{
	return LOW(ids().gid_egid);
}
long lp_getegid(void)
{
	return HIGH(ids().gid_egid);
}

static void store_three(uint64_t a, uint64_t b, uint64_t c, uint32_t x, uint32_t y, uint32_t z)
{
	*(uint32_t *)a = x;
	*(uint32_t *)b = y;
	*(uint32_t *)c = z;
}

long lp_getresuid(uint64_t real, uint64_t effective, uint64_t saved)
{
	struct pm_get_ids_reply now = ids();

	store_three(real, effective, saved, LOW(now.uid_euid), HIGH(now.uid_euid), LOW(now.suid_sgid));
	return 0;
}

long lp_getresgid(uint64_t real, uint64_t effective, uint64_t saved)
{
	struct pm_get_ids_reply now = ids();

	store_three(real, effective, saved, LOW(now.gid_egid), HIGH(now.gid_egid), HIGH(now.suid_sgid));
	return 0;
}

static long set_ids(enum pm_id which, uint64_t a, uint64_t b, uint64_t c)
{
	struct pm_set_ids_req request = { .which = which, .a = (int32_t)a, .b = (int32_t)b, .c = (int32_t)c };
	struct pm_set_ids_reply reply;

	return pm_call_set_ids(PROC_SLOT_PM, NULL, &request, &reply);
}

long lp_setuid(uint64_t uid)
{
	return set_ids(PM_ID_UID, uid, 0, 0);
}
long lp_setgid(uint64_t gid)
{
	return set_ids(PM_ID_GID, gid, 0, 0);
}
long lp_setreuid(uint64_t real, uint64_t effective)
{
	return set_ids(PM_ID_REUID, real, effective, 0);
}
long lp_setregid(uint64_t real, uint64_t effective)
{
	return set_ids(PM_ID_REGID, real, effective, 0);
}
long lp_setresuid(uint64_t r, uint64_t e, uint64_t s)
{
	return set_ids(PM_ID_RESUID, r, e, s);
}
long lp_setresgid(uint64_t r, uint64_t e, uint64_t s)
{
	return set_ids(PM_ID_RESGID, r, e, s);
}

/* These two answer the old id, whatever happens. */
long lp_setfsuid(uint64_t uid)
{
	uint32_t old = LOW(ids().fsuid_fsgid);

	set_ids(PM_ID_FSUID, uid, 0, 0);
	return old;
}

long lp_setfsgid(uint64_t gid)
{
	uint32_t old = HIGH(ids().fsuid_fsgid);

	set_ids(PM_ID_FSGID, gid, 0, 0);
	return old;
}

long lp_getgroups(uint64_t size, uint64_t list)
{
	struct pm_get_groups_req request = {};
	struct pm_get_groups_reply reply;
	struct call_options options = { .out = (void *)list };

	if ((int32_t)size < 0)
		return -EINVAL;
	options.out_length = (uint32_t)size < PROCESS_GROUPS ? size * 4 : PROCESS_GROUPS * 4;
	return pm_call_get_groups(PROC_SLOT_PM, &options, &request, &reply);
}

long lp_setgroups(uint64_t size, uint64_t list)
{
	struct pm_set_groups_req request = {};
	struct pm_set_groups_reply reply;
	struct call_options options = { .in = (void *)list, .in_length = (uint32_t)size * 4ull };

	return pm_call_set_groups(PROC_SLOT_PM, &options, &request, &reply);
}

long lp_setpgid(uint64_t pid, uint64_t pgid)
{
	struct pm_setpgid_req request = { .pid = (int32_t)pid, .pgid = (int32_t)pgid };
	struct pm_setpgid_reply reply;

	return pm_call_setpgid(PROC_SLOT_PM, NULL, &request, &reply);
}

long lp_getpgid(uint64_t pid)
{
	struct pm_getpgid_req request = { .pid = (int32_t)pid };
	struct pm_getpgid_reply reply;

	return pm_call_getpgid(PROC_SLOT_PM, NULL, &request, &reply);
}

long lp_getpgrp(void)
{
	return lp_getpgid(0);
}

long lp_setsid(void)
{
	struct pm_setsid_req request = {};
	struct pm_setsid_reply reply;

	return pm_call_setsid(PROC_SLOT_PM, NULL, &request, &reply);
}

long lp_getsid(uint64_t pid)
{
	struct pm_getsid_req request = { .pid = (int32_t)pid };
	struct pm_getsid_reply reply;

	return pm_call_getsid(PROC_SLOT_PM, NULL, &request, &reply);
}

/* --- capabilities in Linux's sense: root has all, others none -------------------------------------- */
#define CAPABILITY_VERSION_3 0x20080522u

struct capability_data {
	uint32_t effective, permitted, inheritable;
};

long lp_capget(uint64_t header, uint64_t data)
{
	struct capability_data *sets = (struct capability_data *)data;
	uint32_t *version = (uint32_t *)header, known = *version == CAPABILITY_VERSION_3;
	uint32_t low, high;

	*version = CAPABILITY_VERSION_3;
	if (!known)
		return data ? -EINVAL : 0;
	if (!data)
		return 0;
	low = lp_geteuid() ? 0 : ~0u;
	high = low & 0x1ff;
	sets[0] = (struct capability_data){ low, low, 0 };
	sets[1] = (struct capability_data){ high, high, 0 };
	return 0;
}

long lp_capset(uint64_t header, uint64_t data)
{
	(void)data;
	if (*(uint32_t *)header != CAPABILITY_VERSION_3)
		return -EINVAL;
	return lp_geteuid() ? -EPERM : 0;
}
