/* SPDX-License-Identifier: MIT */
/* The protocol of the bus: RS enumerates and grants, drivers reach their own function. */
#include "pci_bus.h"

#include <proto/pci.h>
#include <proto/rs.h>
#include <sys/server.h>

/* The badge of a device: its address and this. */
#define BADGE_DEVICE 0x10000ull

static PRESERVED struct waitq resetting;
static struct timer reset_timer;

/* Each that waits sees for itself whether its time has come. */
static void resets_over(struct timer *timer)
{
	(void)timer;
	waitq_wake(&resetting);
}

static struct pci_function *device_of(const struct request *rq)
{
	if (rq->badge < BADGE_DEVICE || rq->badge > BADGE_DEVICE + 0xffff)
		return NULL;
	return bus_find(rq->badge - BADGE_DEVICE);
}

static long do_enumerate(struct request *rq, const struct pci_enumerate_req *request,
			 struct pci_enumerate_reply *reply)
{
	const struct pci_function *function = bus_function(request->index);

	if (rq->badge != BADGE_RS && !(rq->badge & BADGE_SERVICE))
		return -EPERM;
	if (!function)
		return -ENOENT;
	reply->address = function->address;
	reply->identity = function->identity;
	reply->class = function->class;
	reply->interrupt = function->interrupt;
	return 0;
}

static long do_bar(struct request *rq, const struct pci_bar_req *request, struct pci_bar_reply *reply)
{
	struct pci_function *function = bus_find(request->address);
	const struct pci_bar *bar;

	if (rq->badge != BADGE_RS)
		return -EPERM;
	if (!function)
		return -ENODEV;
	if (request->bar >= BARS)
		return -EINVAL;
	bar = &bus_bars(function)[request->bar];
	reply->base = bar->base;
	reply->size = bar->size;
	reply->flags = bar->flags;
	return 0;
}

static long do_grant(struct request *rq, const struct pci_grant_req *request, struct pci_grant_reply *reply)
{
	(void)reply;
	if (rq->badge != BADGE_RS)
		return -EPERM;
	if (!bus_find(request->address))
		return -ENODEV;
	return request_give_badge(rq, BADGE_DEVICE + request->address);
}

/* The reset begins in the first run, and again after a crash; it is over when its deadline has
 * passed. */
static long do_quiesce(struct request *rq, const struct pci_quiesce_req *request,
		       struct pci_quiesce_reply *reply)
{
	struct pci_function *function = bus_find(request->address);
	uint64_t wait;

	(void)reply;
	if (rq->badge != BADGE_RS)
		return -EPERM;
	if (!function)
		return -ENODEV;
	if (!rq->progress[0]) {
		wait = function_quiesce(function);
		if (!wait)
			return 0;
		rq->progress[0] = clock_monotonic_ns() + wait;
	}
	if (clock_monotonic_ns() < rq->progress[0]) {
		timer_start(&reset_timer, rq->progress[0], resets_over);
		return request_park(rq, &resetting);
	}
	function_reset_over(function);
	return 0;
}

static bool valid_access(uint64_t offset, uint64_t width)
{
	return (width == 1 || width == 2 || width == 4) && offset < 0x100 && offset % width == 0;
}

static long do_config_read(struct request *rq, const struct pci_config_read_req *request,
			   struct pci_config_read_reply *reply)
{
	const struct pci_function *function = device_of(rq);

	if (!function)
		return -EPERM;
	if (!valid_access(request->offset, request->width))
		return -EINVAL;
	reply->value = config_read(function->address, (unsigned)request->offset, (unsigned)request->width);
	return 0;
}

static long do_config_write(struct request *rq, const struct pci_config_write_req *request,
			    struct pci_config_write_reply *reply)
{
	const struct pci_function *function = device_of(rq);

	(void)reply;
	if (!function)
		return -EPERM;
	if (!valid_access(request->offset, request->width))
		return -EINVAL;
	if (!function_may_write(function, request->offset, request->width))
		return -EPERM;
	config_write(function->address, (unsigned)request->offset, (unsigned)request->width,
		     (uint32_t)request->value);
	return 0;
}

static long do_enable(struct request *rq, const struct pci_enable_req *request,
		      struct pci_enable_reply *reply)
{
	const struct pci_function *function = device_of(rq);

	(void)request, (void)reply;
	if (!function)
		return -EPERM;
	function_enable(function);
	return 0;
}

static long do_set_message(struct request *rq, const struct pci_set_message_req *request,
			   struct pci_set_message_reply *reply)
{
	const struct pci_function *function = device_of(rq);

	(void)reply;
	if (!function)
		return -EPERM;
	return function_set_message(function, request->index, request->message_address,
				    request->message_data);
}

static long do_use_line(struct request *rq, const struct pci_use_line_req *request,
			struct pci_use_line_reply *reply)
{
	const struct pci_function *function = device_of(rq);

	(void)request, (void)reply;
	if (!function)
		return -EPERM;
	function_use_line(function);
	return 0;
}

static const struct pci_ops operations = {
	.enumerate = do_enumerate,
	.bar = do_bar,
	.grant = do_grant,
	.quiesce = do_quiesce,
	.config_read = do_config_read,
	.config_write = do_config_write,
	.enable = do_enable,
	.set_message = do_set_message,
	.use_line = do_use_line,
};

static long dispatch(struct request *rq)
{
	return pci_dispatch(&operations, rq);
}

static void told(struct acall *call)
{
	(void)call;
}

static long start(bool restarted)
{
	struct rs_ready_req request = {};
	struct acall *call;
	long error = config_open();

	(void)restarted;
	if (error)
		return error;
	bus_scan();
	call = acall_new(told, NULL);
	return call ? rs_send_ready(call, SLOT_RS, &request) : -ENOMEM;
}

int main(void)
{
	/* Without transactions: it keeps nothing, the bus is scanned again. */
	static const struct service service = { .name = "pci", .dispatch = dispatch, .start = start };

	return service_main(&service);
}
