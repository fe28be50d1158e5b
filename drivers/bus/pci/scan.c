/* SPDX-License-Identifier: MIT */
/*
 * Looking at the bus: from bus 0 through the bridges that the firmware has set up, so no bus is
 * probed that has nothing on it.
 */
#include "pci_bus.h"

#include <sys/server.h>

#define CONFIG_HEADER_TYPE 0x0eu
#define CONFIG_BAR 0x10u
#define CONFIG_SUBSYSTEM 0x2cu
#define CONFIG_CAPABILITIES 0x34u
#define CONFIG_INTERRUPT 0x3cu
#define CONFIG_SECONDARY 0x19u /* of a bridge: the bus behind it */
#define STATUS_CAPABILITIES 0x10u
#define HEADER_BRIDGE 1u
#define HEADER_MULTIPLE 0x80u
#define CAPABILITY_MSI 0x05u
#define CAPABILITY_EXPRESS 0x10u
#define CAPABILITY_MSIX 0x11u
#define CAPABILITIES_LIMIT 48 /* a list longer than configuration space is a loop */

static PRESERVED struct pci_function functions[FUNCTIONS];
static PRESERVED uint32_t function_count;
static PRESERVED bool scanned;

static void find_capabilities(struct pci_function *function)
{
	uint64_t address = function->address;
	unsigned at;

	if (!(config_read(address, CONFIG_STATUS, 2) & STATUS_CAPABILITIES))
		return;
	at = config_read(address, CONFIG_CAPABILITIES, 1) & 0xfc;
	for (unsigned i = 0; at >= 0x40 && i < CAPABILITIES_LIMIT; i++) {
		uint32_t header = config_read(address, at, 2);

		switch (header & 0xff) {
		case CAPABILITY_MSI: function->msi = (uint16_t)at; break;
		case CAPABILITY_EXPRESS: function->express = (uint16_t)at; break;
		case CAPABILITY_MSIX: function->msix = (uint16_t)at; break;
		}
		at = header >> 8 & 0xfc;
	}
}

static void add_function(uint64_t address, uint32_t identity, uint8_t header)
{
	struct pci_function *function = &functions[function_count];

	if (function_count == FUNCTIONS)
		return;
	*function = (struct pci_function){ .address = address, .identity = identity };
	function->class = config_read(address, 8, 4) >> 8;
	function->interrupt = config_read(address, CONFIG_INTERRUPT, 1);
	function->is_bridge = (header & ~HEADER_MULTIPLE) != 0;
	if (!function->is_bridge)
		function->identity |= (uint64_t)config_read(address, CONFIG_SUBSYSTEM, 4) << 32;
	find_capabilities(function);
	function_count++;
}

static void scan_bus(unsigned bus, unsigned depth);

/* Answers the header type, 0 if there is no such function. */
static uint8_t scan_function(uint64_t address, unsigned depth)
{
	uint32_t identity = config_read(address, 0, 4);
	uint8_t header;

	if ((identity & 0xffff) == 0xffff || !identity)
		return 0;
	header = (uint8_t)config_read(address, CONFIG_HEADER_TYPE, 1);
	add_function(address, identity, header);
	if ((header & ~HEADER_MULTIPLE) == HEADER_BRIDGE) {
		unsigned bus = config_read(address, CONFIG_SECONDARY, 1);

		if (bus > address >> 8 && depth)
			scan_bus(bus, depth - 1);
	}
	return header;
}

static void scan_bus(unsigned bus, unsigned depth)
{
	for (uint64_t device = 0; device < 32; device++) {
		uint64_t address = (uint64_t)bus << 8 | device << 3;

		if (!(scan_function(address, depth) & HEADER_MULTIPLE))
			continue;
		for (uint64_t function = 1; function < 8; function++)
			scan_function(address | function, depth);
	}
}

void bus_scan(void)
{
	if (scanned)
		return;
	function_count = 0;
	scan_bus(0, 8);
	scanned = true;
}

const struct pci_function *bus_function(uint64_t index)
{
	return index < function_count ? &functions[index] : NULL;
}

struct pci_function *bus_find(uint64_t address)
{
	for (uint32_t i = 0; i < function_count; i++)
		if (functions[i].address == address)
			return &functions[i];
	return NULL;
}

/* --- base address registers --------------------------------------------------------------- */

/* PCI Local Bus 3.0, 6.2.5.1: written with ones, the bits that stay zero tell the size. */
static uint32_t probe_register(uint64_t address, unsigned offset, uint32_t *value)
{
	uint32_t mask;

	*value = config_read(address, offset, 4);
	config_write(address, offset, 4, UINT32_MAX);
	mask = config_read(address, offset, 4);
	config_write(address, offset, 4, *value);
	return mask;
}

/* Answers how many registers the BAR takes. */
static unsigned probe_bar(const struct pci_function *function, unsigned index, struct pci_bar *bar)
{
	unsigned offset = CONFIG_BAR + 4 * index;
	uint32_t low, high = 0, mask = probe_register(function->address, offset, &low);
	uint64_t size_mask = 0xffffffff00000000u | mask;

	*bar = (struct pci_bar){ 0 };
	if (!mask)
		return 1;
	if (low & 1) {
		bar->base = low & 0xfffc;
		bar->size = ~(0xffff0000u | (mask & 0xfffc)) + 1u;
		bar->flags = BAR_IO;
		return 1;
	}
	if ((low & 6) == 4 && index + 1 < BARS)
		size_mask = (uint64_t)probe_register(function->address, offset + 4, &high) << 32 | mask;
	bar->base = (uint64_t)high << 32 | (low & ~0xfu);
	bar->size = ~(size_mask & ~0xful) + 1;
	bar->flags = low & 8 ? BAR_PREFETCH : 0;
	if (!bar->base) /* the firmware gave it no address */
		bar->size = 0;
	return (low & 6) == 4 ? 2 : 1;
}

/* While a register holds ones it must not decode: the function is off for the time. */
static void probe_bars(struct pci_function *function)
{
	uint32_t command = config_read(function->address, CONFIG_COMMAND, 2);

	config_write(function->address, CONFIG_COMMAND, 2,
		     command & ~(COMMAND_IO | COMMAND_MEMORY | COMMAND_MASTER));
	for (unsigned i = 0; i < BARS;)
		i += probe_bar(function, i, &function->bars[i]);
	config_write(function->address, CONFIG_COMMAND, 2, command);
	function->bars_known = true;
}

const struct pci_bar *bus_bars(struct pci_function *function)
{
	if (!function->bars_known && !function->is_bridge)
		probe_bars(function);
	return function->bars;
}
