/* SPDX-License-Identifier: MIT */
/* Configuration mechanism #1 (PCI Local Bus 3.0, 3.2.2.3.2): an address port and a data port. */
#include "pci_bus.h"

#include <sys/server.h>

#define ADDRESS_PORT 0xcf8u
#define DATA_PORT 0xcfcu
#define ENABLE 0x80000000u

static cap_t ports;

long config_open(void)
{
	const struct startup_entry *entry = startup_find(STARTUP_PORTS, NULL, 0);

	if (!entry)
		return -ENODEV;
	ports = entry->slot;
	return 0;
}

static void select(uint64_t address, unsigned offset)
{
	kcall(port_out, ports, ADDRESS_PORT, 4, ENABLE | (uint32_t)address << 8 | (offset & 0xfc));
}

uint32_t config_read(uint64_t address, unsigned offset, unsigned width)
{
	long value;

	select(address, offset);
	value = kcall(port_in, ports, DATA_PORT + (offset & 3), width);
	return value < 0 ? UINT32_MAX : (uint32_t)value;
}

void config_write(uint64_t address, unsigned offset, unsigned width, uint32_t value)
{
	select(address, offset);
	kcall(port_out, ports, DATA_PORT + (offset & 3), width, value);
}
