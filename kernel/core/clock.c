/* SPDX-License-Identifier: MIT */
/* The clock page: one memory object, mapped read-only by whoever asks. The wall clock
 * begins in 1970; a driver that can read the time of day sets it. */
#include "core/clock.h"
#include "arch/arch.h"
#include "core/kcall.h"
#include "core/quota.h"
#include "mm/mm.h"

static struct memory *memory;
static struct time_page *page;

static void change_begin(void)
{
	page->sequence++;
	__atomic_thread_fence(__ATOMIC_SEQ_CST);
}

static void change_end(void)
{
	__atomic_thread_fence(__ATOMIC_SEQ_CST);
	page->sequence++;
}

void clock_init(void)
{
	int error;

	memory = memory_new(&root_quota, sizeof(*page), 0);
	page = memory ? memory_page(memory, 0, true, &error) : NULL;
	if (!page)
		panic("boot: no memory for the clock page");
}

void clock_rate_changed(uint64_t base_tsc, uint64_t base_ns, uint64_t multiplier)
{
	change_begin();
	page->base_tsc = base_tsc;
	page->base_ns = base_ns;
	page->multiplier = multiplier;
	change_end();
}

void clock_set_tracing(bool on)
{
	page->tracing = on;
}

long sys_time_page(void)
{
	return cap_install(object_get(memory), CAP_R);
}

long sys_clock_set(uint64_t root, uint64_t ns)
{
	int error;

	if (!cap_lookup((cap_t)root, CAPT_ROOT, CAP_CONTROL, &error))
		return -error;
	change_begin();
	page->realtime_offset_ns = ns - arch_now_ns();
	change_end();
	return 0;
}
