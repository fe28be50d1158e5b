/* SPDX-License-Identifier: MIT */
/*
 * The end of the system, in stages: file systems write back while everything below them runs,
 * then the drivers become quiet, then the ACPI driver turns the machine off.
 */
#include "rs.h"

#include <proto/power.h>

#define PATIENCE_NS (5 * SECONDS)
#define POWER_NS (2 * SECONDS)
#define RESET_NOW 0
#define HALT_NOW 1

enum how { POWER_OFF = 0, REBOOT = 1, HALT = 2 };
enum stage { STAGE_NONE, STAGE_FILE_SYSTEMS, STAGE_DRIVERS, STAGE_POWER };

static PRESERVED enum stage stage;
static PRESERVED uint64_t how;
static PRESERVED unsigned outstanding;
static struct timer power_timer;

static void enter_stage(enum stage next);

static void by_kernel(struct timer *timer)
{
	(void)timer;
	slog("%s", how == REBOOT ? "resetting" : "halted");
	kcall(system_reset, root_cap, how == REBOOT ? RESET_NOW : HALT_NOW);
}

static void power_answered(struct acall *call)
{
	slog("acpi cannot do it: error %ld", -call->status);
	by_kernel(NULL);
}

static void power(void)
{
	struct child *acpi = child_find("acpi");
	struct power_off_req off = {};
	struct power_reset_req reset = {};
	struct acall *call = acpi && how != HALT ? acall_new(power_answered, NULL) : NULL;

	if (!call) {
		by_kernel(NULL);
		return;
	}
	timer_start(&power_timer, clock_monotonic_ns() + POWER_NS, by_kernel);
	if (how == POWER_OFF)
		power_send_off(call, acpi->control, &off);
	else
		power_send_reset(call, acpi->control, &reset);
}

static bool of_stage(const struct child *child)
{
	if (child->state != CHILD_RUNNING)
		return false;
	if (stage == STAGE_FILE_SYSTEMS)
		return child->manifest->instance;
	return child->manifest->class[0] || child->manifest->devices_count;
}

static void ended(struct child *child)
{
	child_end(child, "shut down", child_stopped);
	outstanding--;
	if (!outstanding)
		enter_stage(stage + 1);
}

static void enter_stage(enum stage next)
{
	stage = next;
	if (stage == STAGE_POWER) {
		power();
		return;
	}
	outstanding = 1;
	for (unsigned i = 0; i < CHILDREN; i++) {
		if (!of_stage(&children[i]))
			continue;
		outstanding++;
		child_shut_down(&children[i], PATIENCE_NS, ended);
	}
	if (--outstanding == 0)
		enter_stage(stage + 1);
}

void shutdown_begin(uint64_t wanted)
{
	if (stage != STAGE_NONE)
		return;
	how = wanted;
	slog("shutting down");
	enter_stage(STAGE_FILE_SYSTEMS);
}

/* After the power stage has begun nothing answers any more. */
void shutdown_go_on(void)
{
	if (stage == STAGE_POWER)
		timer_start(&power_timer, clock_monotonic_ns() + POWER_NS, by_kernel);
}
