/* SPDX-License-Identifier: MIT */
/*
 * The few static ACPI tables that the kernel needs itself (ACPI specification 6.5,
 * chapter 5.2): processors and interrupt controllers from the MADT, the timer and the
 * reset register from the FADT. Tables are checked before use: firmware errs too.
 */
#include "machine.h"

struct rsdp {
	char signature[8];
	uint8_t checksum;
	char oem[6];
	uint8_t revision;
	uint32_t rsdt;
	uint32_t length;
	uint64_t xsdt;
} __attribute__((packed));

struct table {
	char signature[4];
	uint32_t length;
	uint8_t revision, checksum;
	char oem[6], oem_table[8];
	uint32_t oem_revision, creator, creator_revision;
} __attribute__((packed));

struct madt {
	struct table header;
	uint32_t lapic, flags;
} __attribute__((packed));

enum { MADT_LAPIC = 0, MADT_IOAPIC = 1, MADT_OVERRIDE = 2, MADT_X2APIC = 9 };

/* Offsets within the FADT. */
enum { FADT_PM_TIMER = 76, FADT_FLAGS = 112, FADT_RESET = 116, FADT_RESET_VALUE = 128 };
#define FADT_FLAG_RESET (1u << 10)

struct acpi_info acpi = { .reset.space = 0xff };

static uint8_t sum(const void *data, size_t length)
{
	uint8_t total = 0;

	for (size_t i = 0; i < length; i++)
		total += ((const uint8_t *)data)[i];
	return total;
}

static const struct table *table_at(uint64_t physical)
{
	const struct table *table = phys_to_virt(physical);

	if (!physical || physical > direct_map_end - sizeof(*table) || table->length < sizeof(*table) ||
	    table->length > direct_map_end - physical || table->length > 1u << 20 ||
	    sum(table, table->length))
		return NULL;
	return table;
}

static uint32_t read32(const uint8_t *at)
{
	return at[0] | at[1] << 8 | at[2] << 16 | (uint32_t)at[3] << 24;
}

static void add_cpu(uint32_t apic_id, uint32_t flags)
{
	if ((flags & 1) && acpi.cpu_count < MAX_CPUS)
		acpi.apic_ids[acpi.cpu_count++] = apic_id;
}

static void madt_entry(const uint8_t *e, uint8_t length)
{
	if (e[0] == MADT_LAPIC && length >= 8) {
		add_cpu(e[3], read32(e + 4));
	} else if (e[0] == MADT_X2APIC && length >= 16) {
		add_cpu(read32(e + 4), read32(e + 8));
	} else if (e[0] == MADT_IOAPIC && length >= 12 && acpi.ioapic_count < 8) {
		acpi.ioapics[acpi.ioapic_count].address = read32(e + 4);
		acpi.ioapics[acpi.ioapic_count++].gsi_base = read32(e + 8);
	} else if (e[0] == MADT_OVERRIDE && length >= 10 && acpi.override_count < 16) {
		acpi.overrides[acpi.override_count].source = e[3];
		acpi.overrides[acpi.override_count].gsi = read32(e + 4);
		acpi.overrides[acpi.override_count++].flags = (uint16_t)(e[8] | e[9] << 8);
	}
}

static void madt_read(const struct table *table)
{
	const struct madt *madt = (const struct madt *)table;
	const uint8_t *e = (const uint8_t *)(madt + 1), *end = (const uint8_t *)table + table->length;

	if (table->length < sizeof(*madt))
		return;
	acpi.lapic = madt->lapic;
	for (; e + 2 <= end && e[1] >= 2 && e + e[1] <= end; e += e[1])
		madt_entry(e, e[1]);
}

static void fadt_read(const struct table *table)
{
	const uint8_t *fadt = (const uint8_t *)table;

	if (table->length < FADT_FLAGS + 4)
		return;
	acpi.pm_timer = (uint16_t)read32(fadt + FADT_PM_TIMER);
	/* That of ACPI 1.0 ends behind the flags. */
	if (table->length < FADT_RESET_VALUE + 1 || !(read32(fadt + FADT_FLAGS) & FADT_FLAG_RESET))
		return;
	acpi.reset.space = fadt[FADT_RESET];
	acpi.reset.address = read32(fadt + FADT_RESET + 4);
	acpi.reset.value = fadt[FADT_RESET_VALUE];
}

static bool is(const struct table *table, const char *signature)
{
	return !__builtin_memcmp(table->signature, signature, 4);
}

static void root_read(const struct table *root, size_t width)
{
	const uint8_t *at = (const uint8_t *)(root + 1), *end = (const uint8_t *)root + root->length;

	for (; at + width <= end; at += width) {
		uint64_t address = read32(at);
		const struct table *table;

		if (width == 8)
			address |= (uint64_t)read32(at + 4) << 32;
		table = table_at(address);
		if (table && is(table, "APIC"))
			madt_read(table);
		else if (table && is(table, "FACP"))
			fadt_read(table);
	}
}

void acpi_init(uint64_t physical)
{
	const struct rsdp *rsdp = phys_to_virt(physical);
	const struct table *root = NULL;

	if (!physical || __builtin_memcmp(rsdp->signature, "RSD PTR ", 8) || sum(rsdp, 20)) {
		kprintf("acpi: no tables; one processor, no interrupt lines\n");
		return;
	}
	if (rsdp->revision >= 2)
		root = table_at(rsdp->xsdt);
	if (root)
		root_read(root, 8);
	else if ((root = table_at(rsdp->rsdt)))
		root_read(root, 4);
}
