/* SPDX-License-Identifier: MIT */
/* TEST: timeout=180 */
/* Every kernel call, and every number between that is none, with arguments no honest program passes. */
#define _GNU_SOURCE
#include "hostile.h"
#include "kernel_calls.h"

#define NUMBERS (KCALL_LIMIT - KCALL_FIRST)
#define ROUNDS 24

static const uint16_t known[] = {
#define K(number, name, args) number,
#include <abi/kcall.def>
#undef K
};

static int is_known(unsigned number)
{
	for (unsigned i = 0; i < sizeof known / sizeof *known; i++)
		if (known[i] == number)
			return 1;
	return 0;
}

/* Objects of its own, so that calls come past the check of the handle. */
static cap_t objects[8];
#define OBJECTS (sizeof objects / sizeof *objects)

/* Sleeping without end is what was asked for. */
static int anything(uint64_t note)
{
	(void)note;
	return 1;
}

static void prepare(void)
{
	cap_t notification = (cap_t)kcall(notify_create);

	objects[0] = notification;
	objects[1] = (cap_t)kcall(mo_create, 65536, 0);
	objects[2] = (cap_t)kcall(mo_create, 1ul << 40, 0);
	objects[3] = (cap_t)kcall(watch_create, notification, 3, 5);
	objects[4] = PROC_SLOT_PM;
	objects[5] = PROC_SLOT_VFS;
	objects[6] = CAP_SELF_SPACE;
	objects[7] = CAP_SELF_THREAD;
}

static uint64_t handle(void)
{
	switch (random_below(6)) {
	case 0: return (uint64_t)(int64_t) - (int)random_below(5);
	case 1: return CAP_PRIVATE | random_below(40);
	case 2: return random_below(8);
	case 3: return random_argument();
	}
	return (uint64_t)objects[random_below(OBJECTS)];
}

static uint64_t argument(void)
{
	return random_below(3) ? random_argument() : handle();
}

static void fill_buffer(void)
{
	uint64_t *words = (uint64_t *)hostile_buffer;

	for (unsigned i = 0; i < 64; i++)
		words[i] = argument();
}

static void attack(unsigned step)
{
	uint64_t number = KCALL_FIRST + step % NUMBERS;

	progress->note = number;
	fill_buffer();
	if (number <= KCALL_reply_wait)
		number |= random_below(64) << 16 | handle() << 32;
	count_answer(kcall_raw(number, handle(), argument(), argument(), argument(), argument(), argument()));
}

static const struct campaign everything = { "kernel calls", NUMBERS *ROUNDS, 40, prepare, attack, anything };

/* The handle is right, all else is not. */
static void attack_object(unsigned step)
{
	uint64_t number = known[step % (sizeof known / sizeof *known)];

	progress->note = number;
	fill_buffer();
	if (number <= KCALL_reply_wait)
		number |= random_below(64) << 16 | (uint64_t)(uint32_t)objects[random_below(OBJECTS)] << 32;
	count_answer(kcall_raw(number, (uint64_t)objects[random_below(OBJECTS)], argument(),
			       random_argument(), random_argument(), random_argument(), argument()));
}

static const struct campaign good_handles = { "kernel calls on good handles",
					      sizeof known / sizeof *known * 60,
					      40,
					      prepare,
					      attack_object,
					      anything };

static int unknown_numbers_refused(void)
{
	int good = 1;

	for (unsigned number = KCALL_FIRST; number < KCALL_LIMIT; number++)
		if (!is_known(number) && kcall_raw(number, 1, 2, 3, 4, 5, 6) != -ENOSYS) {
			printf("# number %x is not refused\n", number);
			good = 0;
		}
	return good;
}

/* What an ordinary process must never be given. */
static void check_privileges(void)
{
	struct thread_create create = { .space = CAP_SELF_SPACE, .private_table = CAP_NONE };

	CHECK("no thread without a service's stamp", kcall(thread_create, &create) == -EPERM);
	CHECK("no stamp of a service", kcall(thread_set, CAP_SELF_THREAD, 2, STAMP_SERVICE | 1) == -EINVAL);
	CHECK("no priority", kcall(thread_set, CAP_SELF_THREAD, THREAD_PRIORITY, 31) == -EPERM);
	CHECK("no log", kcall(klog_write, "x", 1) == -EPERM);
	CHECK("no endpoint", kcall(ep_create) == -EPERM);
	CHECK("no call object", kcall(call_create) == -EPERM);
	CHECK("no address space", kcall(space_create, CAP_NONE) == -EPERM);
	CHECK("no copy of its own", kcall(space_clone, CAP_SELF_SPACE) == -EPERM);
	CHECK("no memory for DMA", kcall(mo_create, 4096, MO_CONTIGUOUS) == -EPERM);
	CHECK("no table", kcall(table_create, 16, 0) == -EPERM);
	for (cap_t slot = CAP_PRIVATE; slot < (CAP_PRIVATE | 256); slot++) {
		long type = kcall(cap_type, slot);

		if (type < 0)
			continue;
		type &= 0xff;
		if (type == CAPT_ROOT || type == CAPT_ENDPOINT || type == CAPT_TABLE || type == CAPT_THREAD ||
		    type == CAPT_SPACE || type == CAPT_PORTS || type == CAPT_IRQ)
			CHECK("a capability that no process should have", !type);
		if (type != CAPT_BADGE)
			continue;
		CHECK("no receiving on a send right", kcall(ep_reset, slot) < 0);
		CHECK("no badges on a send right", kcall(badge_create, slot, 1234) < 0);
		CHECK("no refusing on a send right", kcall(ep_refuse, slot, EIO) < 0);
		CHECK("no reset by a send right", kcall(system_reset, slot, 1) < 0);
		CHECK("no clock by a send right", kcall(clock_set, slot, 1) < 0);
		CHECK("no memory by a send right", kcall(mo_create_phys, slot, 0, 4096, 0) < 0);
	}
}

static uint64_t free_pages(void)
{
	struct system_info info = { 0 };

	kcall(system_info, &info);
	return info.pages_free;
}

int main(void)
{
	uint64_t before, after;

	if (!on_anole())
		return 0;
	hostile_setup();
	services_now(services_before);
	CHECK("unknown numbers", unknown_numbers_refused());
	check_privileges();
	before = free_pages();
	campaign_run(&everything);
	check_system("kernel calls");
	campaign_run(&good_handles);
	check_system("kernel calls on good handles");
	sleep_ms(200);
	after = free_pages();
	printf("# free pages: %lu, then %lu\n", before, after);
	CHECK("memory given back", after + 4096 > before);
	return check_result();
}
