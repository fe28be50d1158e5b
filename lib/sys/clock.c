/* SPDX-License-Identifier: MIT */
/* The clock, from the kernel's time page without a kernel call, and timers on it. */
#include "internal.h"

static const struct time_page *time_page;
static struct timer *timers; /* by deadline */

void clock_start(void)
{
	long memory = kcall(time_page);

	if (memory < 0)
		return;
	time_page = map_memory((cap_t)memory, 0, ANOLE_PAGE_SIZE, VM_R | VM_SHARED);
	kcall(cap_close, memory);
}

static uint64_t read_tsc(void)
{
	uint32_t low, high;

	__asm__ volatile("rdtsc" : "=a"(low), "=d"(high));
	return (uint64_t)high << 32 | low;
}

static uint64_t read_clock(bool realtime)
{
	uint32_t sequence;
	uint64_t now;

	if (!time_page)
		return 0;
	do {
		sequence = time_page->sequence;
		__atomic_signal_fence(__ATOMIC_SEQ_CST);
		uint64_t cycles = read_tsc() - time_page->base_tsc;
		now =
		    time_page->base_ns + (uint64_t)((unsigned __int128)cycles * time_page->multiplier >> 32);
		if (realtime)
			now += time_page->realtime_offset_ns;
		__atomic_signal_fence(__ATOMIC_SEQ_CST);
	} while (sequence & 1 || sequence != time_page->sequence);
	return now;
}

uint64_t clock_monotonic_ns(void)
{
	return read_clock(false);
}

uint64_t clock_realtime_ns(void)
{
	return read_clock(true);
}

static void program(void)
{
	kcall(notify_timer, SLOT_NOTIFY, NOTIFY_TIMER, timers ? timers->deadline : 0);
}

static bool unlink_timer(struct timer *timer)
{
	for (struct timer **at = &timers; *at; at = &(*at)->next)
		if (*at == timer) {
			txcheck_changes(at, sizeof *at);
			*at = timer->next;
			return true;
		}
	return false;
}

void timer_start(struct timer *timer, uint64_t deadline_ns, void (*fire)(struct timer *))
{
	struct timer *first = timers, **at = &timers;

	unlink_timer(timer);
	txcheck_changes(timer, sizeof *timer);
	timer->deadline = deadline_ns ? deadline_ns : 1;
	timer->fire = fire;
	while (*at && (*at)->deadline <= timer->deadline)
		at = &(*at)->next;
	timer->next = *at;
	txcheck_changes(at, sizeof *at);
	*at = timer;
	if (timers != first || timers == timer)
		program();
}

void timer_stop(struct timer *timer)
{
	struct timer *first = timers;

	txcheck_changes(timer, sizeof *timer);
	timer->deadline = 0;
	if (unlink_timer(timer) && timers != first)
		program();
}

/* What is due now; what a timer starts anew is for the next time, after the messages that wait. */
void timers_run(void)
{
	uint64_t now = clock_monotonic_ns();

	while (timers && timers->deadline <= now) {
		struct timer *timer = timers;

		timers = timer->next;
		txcheck_changes(timer, sizeof *timer);
		timer->deadline = 0;
		timer->fire(timer);
	}
	if (timers)
		program();
}
