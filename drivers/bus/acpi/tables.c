/* SPDX-License-Identifier: MIT */
/* FADT and \_S5_ (Advanced Configuration and Power Interface 6.3: 5.2.9, 7.4.2, 20.2). */
#include "tables.h"

#include <util/string.h>

#define FADT_DSDT 40
#define FADT_SMI_PORT 48
#define FADT_ENABLE 52
#define FADT_PM1A 64
#define FADT_PM1B 68
#define FADT_FLAGS 112
#define FADT_RESET 116
#define FADT_RESET_VALUE 128
#define FADT_X_DSDT 140
#define FLAG_RESET (1u << 10)
#define NAME_OP 0x08
#define PACKAGE_OP 0x12
#define BYTE_PREFIX 0x0a
#define ZERO_OP 0x00
#define ONE_OP 0x01

static uint64_t get(const uint8_t *table, size_t offset, unsigned width)
{
	uint64_t value = 0;

	memcpy(&value, table + offset, width);
	return value;
}

bool acpi_parse_fadt(const uint8_t *table, size_t length, struct acpi_fadt *fadt)
{
	memset(fadt, 0, sizeof *fadt);
	if (length < FADT_FLAGS + 4)
		return false;
	fadt->dsdt = get(table, FADT_DSDT, 4);
	fadt->smi_port = (uint16_t)get(table, FADT_SMI_PORT, 2);
	fadt->enable = table[FADT_ENABLE];
	fadt->pm1a = (uint16_t)get(table, FADT_PM1A, 2);
	fadt->pm1b = (uint16_t)get(table, FADT_PM1B, 2);
	if (length > FADT_RESET_VALUE && get(table, FADT_FLAGS, 4) & FLAG_RESET) {
		fadt->has_reset = true;
		fadt->reset.space = table[FADT_RESET];
		fadt->reset.address = get(table, FADT_RESET + 4, 8);
		fadt->reset_value = table[FADT_RESET_VALUE];
	}
	if (length >= FADT_X_DSDT + 8 && get(table, FADT_X_DSDT, 8))
		fadt->dsdt = get(table, FADT_X_DSDT, 8);
	return true;
}

/* A small integer constant at *at, which advances. */
static bool integer(const uint8_t *table, size_t length, size_t *at, uint8_t *value)
{
	if (*at >= length)
		return false;
	switch (table[*at]) {
	case ZERO_OP:
	case ONE_OP: *value = table[(*at)++]; return true;
	case BYTE_PREFIX:
		if (*at + 1 >= length)
			return false;
		*value = table[*at + 1];
		*at += 2;
		return true;
	}
	return false;
}

/* Package, its length, the number of its elements, the elements. */
static bool parse_package(const uint8_t *table, size_t length, size_t at, uint8_t *type_a, uint8_t *type_b)
{
	if (at + 3 > length || table[at++] != PACKAGE_OP)
		return false;
	at += 1 + (table[at] >> 6); /* the length's first byte counts those that follow */
	at++;
	return integer(table, length, &at, type_a) && integer(table, length, &at, type_b);
}

bool acpi_find_s5(const uint8_t *table, size_t length, uint8_t *type_a, uint8_t *type_b)
{
	for (size_t at = TABLE_HEADER; at + 4 < length; at++) {
		if (memcmp(table + at, "_S5_", 4))
			continue;
		if (table[at - 1] != NAME_OP && (table[at - 1] != '\\' || table[at - 2] != NAME_OP))
			continue;
		if (parse_package(table, length, at + 4, type_a, type_b))
			return true;
	}
	return false;
}
