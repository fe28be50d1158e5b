/* SPDX-License-Identifier: MIT */
/* What the driver needs of the ACPI tables. Knows no IPC: tables are bytes; tested on the host. */
#ifndef ACPI_TABLES_H
#define ACPI_TABLES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define TABLE_HEADER 36u

/* A register as the FADT describes it: space 0 memory, 1 I/O ports, 2 PCI configuration. */
struct acpi_register {
	uint8_t space;
	uint64_t address;
};

struct acpi_fadt {
	uint64_t dsdt;
	uint16_t pm1a, pm1b; /* control blocks, port numbers; 0: none */
	uint16_t smi_port;   /* writing `enable` there switches ACPI mode on; 0: always on */
	uint8_t enable;
	bool has_reset;
	struct acpi_register reset;
	uint8_t reset_value;
};

/* The FADT from its first `length` bytes; false if it is too short to be one. */
bool acpi_parse_fadt(const uint8_t *table, size_t length, struct acpi_fadt *fadt);
/* The sleep types of \_S5_ in a DSDT or SSDT. */
bool acpi_find_s5(const uint8_t *table, size_t length, uint8_t *type_a, uint8_t *type_b);

#endif
