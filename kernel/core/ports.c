/* SPDX-License-Identifier: MIT */
/* Ranges of I/O ports. */
#include "arch/arch.h"
#include "core/kcall.h"
#include "mm/mm.h"

#define PORTS 0x10000ul

struct ports {
	struct object object;
	uint32_t base, count;
};

void ports_destroy(struct object *object)
{
	object_free(object);
}

long sys_ports_create(uint64_t root, uint64_t base, uint64_t count)
{
	struct ports *ports;
	int error;

	if (!cap_lookup((cap_t)root, CAPT_ROOT, CAP_CONTROL, &error))
		return -error;
	if (base >= PORTS || !count || count > PORTS - base)
		return -EINVAL;
	ports = kalloc(sizeof(*ports));
	if (!ports)
		return -ENOMEM;
	*ports = (struct ports){ .base = (uint32_t)base, .count = (uint32_t)count };
	object_begin(&ports->object, CAPT_PORTS);
	return cap_install(&ports->object, CAP_ALL);
}

/* 0 if the handle allows an access of `width` bytes at `port`. */
static long check(uint64_t handle, uint64_t port, uint64_t width, uint32_t right)
{
	int error;
	struct ports *ports = (struct ports *)cap_lookup((cap_t)handle, CAPT_PORTS, right, &error);

	if (!ports)
		return -error;
	if ((width != 1 && width != 2 && width != 4) || port < ports->base ||
	    port + width > ports->base + ports->count || port >= PORTS)
		return -EINVAL;
	return 0;
}

long sys_port_in(uint64_t handle, uint64_t port, uint64_t width)
{
	long error = check(handle, port, width, CAP_R);

	return error ? error : (long)arch_port_in((uint16_t)port, (unsigned)width);
}

long sys_port_out(uint64_t handle, uint64_t port, uint64_t width, uint64_t value)
{
	long error = check(handle, port, width, CAP_W);

	if (!error)
		arch_port_out((uint16_t)port, (unsigned)width, (uint32_t)value);
	return error;
}
