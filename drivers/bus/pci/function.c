/* SPDX-License-Identifier: MIT */
/* What is done to one function: on, quiet, interrupts; and what its driver may not touch. */
#include "pci_bus.h"

#include <sys/server.h>

#define HEADER_END 0x40u
#define CONFIG_END 0x100u
#define EXPRESS_DEVICE_CAPABILITIES 4u
#define EXPRESS_DEVICE_CONTROL 8u
#define EXPRESS_HAS_FLR (1u << 28)
#define EXPRESS_START_FLR (1u << 15)
#define FLR_NS 100000000ul /* PCI Express Base 3.0, 6.6.2: complete within 100 ms */
#define MSI_CONTROL 2u
#define MSI_ENABLE 1u
#define MSI_WIDE 0x80u
#define MSI_LENGTH 24u
#define MSIX_ENABLE 0x8000u
#define MSIX_MASK_ALL 0x4000u
#define MSIX_LENGTH 12u
#define MESSAGE_LOW 0xfee00000ul
#define MESSAGE_HIGH 0xfeeffffful

static bool overlaps(uint64_t offset, uint64_t width, uint64_t start, uint64_t length)
{
	return length && offset < start + length && start < offset + width;
}

/* The header is ours, but for cache line size and latency timer; so are the capabilities that
 * route interrupts and reset the function. */
bool function_may_write(const struct pci_function *function, uint64_t offset, uint64_t width)
{
	if (offset < HEADER_END)
		return offset >= 0x0c && offset + width <= 0x0e;
	if (function->msi && overlaps(offset, width, function->msi, MSI_LENGTH))
		return false;
	if (function->msix && overlaps(offset, width, function->msix, MSIX_LENGTH))
		return false;
	if (function->express && overlaps(offset, width, function->express, 0x3c))
		return false;
	return !function->is_bridge;
}

void function_enable(const struct pci_function *function)
{
	uint32_t command = config_read(function->address, CONFIG_COMMAND, 2);

	config_write(function->address, CONFIG_COMMAND, 2,
		     command | COMMAND_IO | COMMAND_MEMORY | COMMAND_MASTER);
}

static void disable_messages(const struct pci_function *function)
{
	unsigned at = function->msi + MSI_CONTROL;

	if (function->msi)
		config_write(function->address, at, 2, config_read(function->address, at, 2) & ~MSI_ENABLE);
	at = function->msix + MSI_CONTROL;
	if (function->msix)
		config_write(function->address, at, 2, config_read(function->address, at, 2) & ~MSIX_ENABLE);
}

static bool has_reset(const struct pci_function *function)
{
	unsigned at = function->express + EXPRESS_DEVICE_CAPABILITIES;

	return function->express && config_read(function->address, at, 4) & EXPRESS_HAS_FLR;
}

/* A function-level reset clears the header too: it is kept, once, until it has been put back. */
static void start_reset(struct pci_function *function)
{
	unsigned control = function->express + EXPRESS_DEVICE_CONTROL;

	if (!function->resetting)
		for (unsigned i = 0; i < HEADER_WORDS; i++)
			function->header[i] = config_read(function->address, 4 * i, 4);
	function->resetting = true;
	config_write(function->address, control, 2,
		     config_read(function->address, control, 2) | EXPRESS_START_FLR);
}

void function_reset_over(struct pci_function *function)
{
	if (!function->resetting)
		return;
	for (unsigned i = HEADER_WORDS; i-- > 1;)
		config_write(function->address, 4 * i, 4, function->header[i]);
	function->resetting = false;
}

uint64_t function_quiesce(struct pci_function *function)
{
	uint32_t command = config_read(function->address, CONFIG_COMMAND, 2);

	config_write(function->address, CONFIG_COMMAND, 2, (command & ~COMMAND_MASTER) | COMMAND_NO_INTX);
	disable_messages(function);
	if (!has_reset(function))
		return 0;
	start_reset(function);
	return FLR_NS;
}

static void set_msi(const struct pci_function *function, uint64_t message_address, uint64_t data)
{
	uint64_t address = function->address;
	unsigned at = function->msi;
	uint32_t control = config_read(address, at + MSI_CONTROL, 2);

	config_write(address, at + 4, 4, (uint32_t)message_address);
	if (control & MSI_WIDE)
		config_write(address, at + 8, 4, 0);
	config_write(address, at + (control & MSI_WIDE ? 12 : 8), 2, (uint16_t)data);
	config_write(address, at + MSI_CONTROL, 2, (control & ~0x70u) | MSI_ENABLE);
}

void function_use_line(const struct pci_function *function)
{
	uint32_t command = config_read(function->address, CONFIG_COMMAND, 2);

	config_write(function->address, CONFIG_COMMAND, 2, command & ~COMMAND_NO_INTX);
}

/* Only addresses of the local APICs: a message elsewhere would be a write to memory. */
long function_set_message(const struct pci_function *function, uint64_t index, uint64_t address,
			  uint64_t data)
{
	uint32_t command = config_read(function->address, CONFIG_COMMAND, 2);

	if (address < MESSAGE_LOW || address > MESSAGE_HIGH || data > 0xffff)
		return -EINVAL;
	if (function->msix) {
		unsigned at = function->msix + MSI_CONTROL;
		uint32_t control = config_read(function->address, at, 2);

		if (index > (control & 0x7ff))
			return -EINVAL;
		config_write(function->address, at, 2, (control & ~MSIX_MASK_ALL) | MSIX_ENABLE);
	} else if (function->msi && index == 0) {
		set_msi(function, address, data);
	} else {
		return -ENODEV;
	}
	config_write(function->address, CONFIG_COMMAND, 2, command | COMMAND_NO_INTX);
	return 0;
}
