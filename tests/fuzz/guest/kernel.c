/* SPDX-License-Identifier: MIT */
/* Kernel calls past libposix, on whatever the process holds. */
#include <abi/kcall.h>

#include "../../../lib/sys/kcall.h"
#include "fuzz.h"

static const struct {
	uint16_t number, arguments;
} calls[] = {
#define K(number, name, arguments) { number, arguments },
#include <abi/kcall.def>
#undef K
};
#define CALLS (sizeof calls / sizeof *calls)

/* A slot that is likely to be taken, of either table. */
static uint64_t handle(struct dice *d)
{
	switch (below(d, 8)) {
	case 0: return (uint64_t)(int64_t) - (int)below(d, 5);
	case 1: return (uint64_t)CAP_SELF_SPACE;
	case 2: return (uint64_t)CAP_SELF_THREAD;
	case 3:
	case 4: return below(d, 40);
	case 5: return anything(d);
	}
	return CAP_PRIVATE | below(d, 48);
}

static uint64_t argument(struct dice *d)
{
	switch (below(d, 6)) {
	case 0: return handle(d);
	case 1: return (uint64_t)(uintptr_t)filled(d, 512);
	case 2: return (uint64_t)(uintptr_t)piece(d, 4096);
	case 3: return below(d, 4) * 4096;
	}
	return anything(d);
}

/* Objects of its own, so that calls come past the check of the handle. */
static void make_objects(struct dice *d)
{
	long notification = kcall(notify_create);

	kcall(mo_create, 65536, 0);
	kcall(mo_create, 1ul << below(d, 47), 0);
	kcall(watch_create, notification, below(d, 64), below(d, 64));
	if (rarely(d, 4))
		for (unsigned slot = 24; slot < 64; slot++)
			kcall(cap_close, CAP_PRIVATE | slot);
}

/* These end or stop the thread, or let it begin anew at a place of chance. */
static int is_fatal(uint64_t number)
{
	return number == KCALL_thread_exit || number == KCALL_thread_resume || number == KCALL_set_fsbase ||
	       number == KCALL_thread_kill || number == KCALL_thread_stop;
}

static void step(struct dice *d, volatile uint64_t *note)
{
	unsigned which = (unsigned)below(d, CALLS);
	uint64_t nr = calls[which].number, a[6];

	if (rarely(d, 32))
		make_objects(d);
	if (rarely(d, 64))
		nr = KCALL_FIRST + below(d, KCALL_LIMIT - KCALL_FIRST);
	if (is_fatal(nr) && !rarely(d, 64))
		return;
	*note = nr;
	if (nr <= KCALL_reply_wait)
		nr |= below(d, 64) << 16 | handle(d) << 32;
	a[0] = handle(d);
	for (unsigned i = 1; i < 6; i++)
		a[i] = argument(d);
	answered(kcall_raw(nr, a[0], a[1], a[2], a[3], a[4], a[5]));
}

const struct kind kernel_kind = { "kernel", NULL, step };
