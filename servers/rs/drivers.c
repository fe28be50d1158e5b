/* SPDX-License-Identifier: MIT */
/*
 * Device drivers: the functions that pci finds, one after the other; for each that a manifest
 * matches, a child with the function's BARs and a badge at pci. One function is looked at at a time.
 */
#include "rs.h"

#include <proto/pci.h>

#define BARS 6
#define NO_LINE 0xffu

struct waitq driver_waiters;

/* The function being looked at. */
static PRESERVED struct probe {
	uint64_t index, bar;
	uint64_t address, identity;
	struct child *child; /* the driver's, NULL if no manifest wants it */
	bool running;
} probe;

static void ask_function(void);
static void ask_bar(void);
static void ask_grant(void);

static cap_t pci_cap(void)
{
	struct child *pci = child_find("pci");

	return pci ? pci->control : CAP_NONE;
}

static bool matches(const struct manifest *manifest, uint64_t identity)
{
	for (unsigned i = 0; i < manifest->devices_count; i++)
		if (manifest->devices[i].vendor == (uint16_t)identity &&
		    manifest->devices[i].device == (uint16_t)(identity >> 16))
			return true;
	return false;
}

static const struct manifest *driver_for(uint64_t identity)
{
	const struct manifest *manifest;
	unsigned index = 0;

	while ((manifest = manifest_next(&index)))
		if (matches(manifest, identity))
			return manifest;
	return NULL;
}

/* Without memory for an asynchronous call the rest of the bus stays unused; the log says so. */
static struct acall *ask(void (*done)(struct acall *))
{
	struct acall *call = acall_new(done, NULL);

	if (!call)
		slog("pci: cannot go on looking for devices: no memory");
	return call;
}

/* An answer that was lost with the incarnation of RS that had taken it: the question is asked again. */
static bool ask_again(const struct acall *call, void (*question)(void))
{
	if (call->status != -ERESTART)
		return false;
	question();
	return true;
}

static void next_function(void)
{
	probe.index++;
	ask_function();
}

static void drop_driver(long error)
{
	slog("%s: not started: error %ld", probe.child->name, -error);
	child_free(probe.child);
	next_function();
}

static void granted(struct acall *call)
{
	long error = call->status;

	if (ask_again(call, ask_grant))
		return;
	if (error >= 0 && !call->received_count)
		error = -EIO;
	if (error >= 0)
		error = child_give(probe.child, STARTUP_DEVICE, "pci", call->received[0].slot, CAP_ALL,
				   probe.address, probe.identity, true);
	if (!error)
		error = child_launch(probe.child);
	if (error) {
		drop_driver(error);
		return;
	}
	boot_add_nodes(probe.child);
	waitq_wake(&driver_waiters);
	next_function();
}

static void ask_grant(void)
{
	struct pci_grant_req request = { probe.address };
	struct acall *call = ask(granted);

	if (call)
		pci_send_grant(call, pci_cap(), &request);
}

static long give_bar(const struct pci_bar_reply *bar)
{
	char name[8];
	long slot;

	snprintf(name, sizeof name, "bar%lu", probe.bar);
	if (bar->flags & 1) {
		slot = kcall(ports_create, root_cap, bar->base, bar->size);
		return child_give(probe.child, STARTUP_PORTS, name, (cap_t)slot, CAP_ALL, bar->base,
				  bar->size, true);
	}
	slot = kcall(mo_create_phys, root_cap, bar->base,
		     (bar->size + ANOLE_PAGE_SIZE - 1) & ~(ANOLE_PAGE_SIZE - 1), MO_UNCACHED);
	return child_give(probe.child, STARTUP_BAR, name, (cap_t)slot, CAP_ALL, probe.bar, bar->size, true);
}

static void bar_told(struct acall *call)
{
	const struct pci_bar_reply *bar = acall_reply(call);
	long error = 0;

	if (ask_again(call, ask_bar))
		return;
	if (call->status >= 0 && bar->size)
		error = give_bar(bar);
	if (error) {
		drop_driver(error);
		return;
	}
	probe.bar++;
	ask_bar();
}

static void ask_bar(void)
{
	struct pci_bar_req request = { probe.address, probe.bar };
	struct acall *call;

	if (probe.bar == BARS) {
		ask_grant();
		return;
	}
	call = ask(bar_told);
	if (call)
		pci_send_bar(call, pci_cap(), &request);
}

/* For a function without messages; the line may have other drivers. */
static void give_line(uint64_t line)
{
	long slot;

	if (!line || line >= NO_LINE)
		return;
	slot = kcall(irq_create, root_cap, line, IRQ_LEVEL | IRQ_ACTIVE_LOW);
	if (slot >= 0)
		child_give(probe.child, STARTUP_IRQ, "intx", (cap_t)slot, CAP_ALL, line, IRQ_LEVEL, true);
}

static void function_told(struct acall *call)
{
	const struct pci_enumerate_reply *function = acall_reply(call);
	const struct manifest *manifest;

	if (ask_again(call, ask_function))
		return;
	if (call->status < 0) {
		if (call->status != -ENOENT)
			slog("pci: enumerate: error %ld", -call->status);
		return;
	}
	probe.address = function->address;
	probe.identity = function->identity;
	manifest = driver_for(probe.identity);
	probe.child = manifest ? child_new(manifest) : NULL;
	if (!probe.child) {
		next_function();
		return;
	}
	probe.child->is_device = true;
	probe.child->address = probe.address;
	probe.bar = 0;
	if (child_grant(probe.child)) {
		drop_driver(-ENOMEM);
		return;
	}
	give_line(function->interrupt);
	ask_bar();
}

static void ask_function(void)
{
	struct pci_enumerate_req request = { probe.index };
	struct acall *call = ask(function_told);

	if (call)
		pci_send_enumerate(call, pci_cap(), &request);
}

void drivers_enumerate(void)
{
	if (probe.running)
		return;
	probe.running = true;
	ask_function();
}

struct child *driver_next(const char *class, uint64_t from)
{
	struct child *best = NULL;

	for (unsigned i = 0; i < CHILDREN; i++) {
		struct child *child = &children[i];

		if (child->state < CHILD_RUNNING || child->class_number == NO_NUMBER ||
		    strcmp(child->manifest->class, class) || child->class_number < from)
			continue;
		if (!best || child->class_number < best->class_number)
			best = child;
	}
	return best;
}
