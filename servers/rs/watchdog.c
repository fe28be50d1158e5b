/* SPDX-License-Identifier: MIT */
/*
 * Services that run without end, and such as wait for what is not a message. One that has used most of the time
 * between two looks is pinged; if it burns much more without answering, it hangs. Only processor time counts, so a
 * service that others keep from running is left alone, and an idle system is not woken by pings. One that neither runs
 * nor receives nor has a call of its own out, look after look, while calls are there for it, holds them too long.
 */
#include "rs.h"

#include <proto/service.h>

#define LOOK_NS (1 * SECONDS)
#define SUSPICIOUS_NS (LOOK_NS / 2)
#define HANG_NS (2 * SECONDS)
#define SILENT_LOOKS 2

static struct timer look_timer;
static struct watched {
	uint64_t used_ns;   /* at the last look */
	uint64_t pinged_ns; /* used when the ping went out */
	uint32_t incarnation;
	uint32_t silent; /* looks in a row */
	bool pinged;
} watched[CHILDREN];

static void answered(struct acall *call)
{
	struct child *child = call->owner;

	watched[child - children].pinged = false;
}

static void ping(struct child *child, struct watched *watch, uint64_t used_ns)
{
	struct service_ping_req request = {};
	struct acall *call = acall_new(answered, child);

	if (!call)
		return;
	watch->pinged = true;
	watch->pinged_ns = used_ns;
	service_send_ping(call, child->control, &request);
}

/* Neither running, nor in its loop, nor waiting for an answer; and somebody waits for it. */
static bool keeps_silent(const struct child *child, const struct thread_info *info)
{
	struct ep_call call;

	if (info->state != THREAD_SLEEPING && info->state != THREAD_STOPPED && info->state != THREAD_FAULTED)
		return false;
	return kcall(ep_calls, child->endpoint, &call, 1) > 0;
}

static void look_at(struct child *child, struct watched *watch)
{
	struct thread_info info;
	uint64_t used_ns;

	if (kcall(thread_info, child->thread, &info) < 0)
		return;
	if (info.state == THREAD_DEAD) {
		slog("%s: its thread has ended", child->name);
		child_crashed(child, "its thread has ended");
		return;
	}
	used_ns = info.user_ns + info.system_ns;
	if (watch->incarnation != child->restarts) {
		watch->incarnation = child->restarts;
		watch->used_ns = watch->pinged_ns = 0;
	}
	if (!watch->pinged && used_ns - watch->used_ns > SUSPICIOUS_NS)
		ping(child, watch, used_ns);
	watch->silent = used_ns == watch->used_ns && keeps_silent(child, &info) ? watch->silent + 1 : 0;
	watch->used_ns = used_ns;
	if (watch->silent == SILENT_LOOKS) {
		slog("%s: waits at %lx with requests in service", child->name, info.rip);
		child_crashed(child, "holds requests too long");
		return;
	}
	if (!watch->pinged || used_ns - watch->pinged_ns < HANG_NS)
		return;
	slog("%s: hangs at %lx", child->name, info.rip);
	child_crashed(child, "hangs");
}

static void look(struct timer *timer)
{
	bool all = !is_standby() || standby_look();

	for (unsigned i = 0; i < CHILDREN && all; i++)
		if (children[i].state == CHILD_RUNNING && (&children[i] != RS_RECORD || is_standby()))
			look_at(&children[i], &watched[i]);
	timer_start(timer, clock_monotonic_ns() + LOOK_NS, look);
}

/* `watchdog=0` on the kernel command line: measurements, in which no timer may move the clock. */
void watchdog_start(void)
{
	char value[8];

	if (word_of_command_line("watchdog=", value, sizeof value) && value[0] == '0')
		return;
	timer_start(&look_timer, clock_monotonic_ns() + LOOK_NS, look);
}
