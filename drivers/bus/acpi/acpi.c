/* SPDX-License-Identifier: MIT */
/*
 * Power-off and reset through ACPI. The tables are read when that is asked for: at no other time
 * does anything depend on them.
 */
#include "tables.h"

#include <proto/power.h>
#include <sys/server.h>
#include <util/string.h>

#define RSDP_LENGTH 36u
#define TABLE_LIMIT (1u << 20)
#define SLEEP_ENABLE (1u << 13)
#define SLEEP_TYPE_SHIFT 10
#define SLEEP_TYPE_MASK (7u << SLEEP_TYPE_SHIFT)
#define SCI_ENABLE 1u
#define SPACE_MEMORY 0
#define SPACE_PORT 1
/* The reset control register of most chip sets, also of those without a reset register. */
#define RESET_PORT 0xcf9u
#define RESET_HARD 0x06u
#define WAIT_NS 1000000ul

static cap_t root;

/* Physical bytes at a new address; the object is closed, the mapping stays. */
static uint8_t *map_physical(uint64_t address, size_t length)
{
	uint64_t start = address & ~(ANOLE_PAGE_SIZE - 1);
	size_t size = (address - start + length + ANOLE_PAGE_SIZE - 1) & ~(ANOLE_PAGE_SIZE - 1);
	long memory = kcall(mo_create_phys, root, start, size, 0);
	uint8_t *at;

	if (memory < 0)
		return NULL;
	at = map_memory((cap_t)memory, 0, size, VM_R | VM_SHARED);
	kcall(cap_close, memory);
	return at ? at + (address - start) : NULL;
}

static uint32_t get32(const uint8_t *at)
{
	uint32_t value;

	memcpy(&value, at, sizeof value);
	return value;
}

static uint64_t get64(const uint8_t *at)
{
	uint64_t value;

	memcpy(&value, at, sizeof value);
	return value;
}

static const uint8_t *map_table(uint64_t address, size_t *length)
{
	const uint8_t *header = address ? map_physical(address, TABLE_HEADER) : NULL;

	if (!header)
		return NULL;
	*length = get32(header + 4);
	if (*length < TABLE_HEADER || *length > TABLE_LIMIT)
		return NULL;
	return map_physical(address, *length);
}

static uint64_t rsdp_address(void)
{
	const char *at = startup->arguments;
	uint64_t value = 0;

	if (strncmp(at, "rsdp=0x", 7))
		return 0;
	for (at += 7; (*at >= '0' && *at <= '9') || (*at >= 'a' && *at <= 'f'); at++)
		value = value << 4 | (uint64_t)(*at <= '9' ? *at - '0' : *at - 'a' + 10);
	return value;
}

/* The n-th table of the RSDT or XSDT; 0 past the last. */
static uint64_t root_entry(const uint8_t *table, size_t length, bool wide, size_t n)
{
	size_t at = TABLE_HEADER + n * (wide ? 8 : 4);

	if (at + (wide ? 8 : 4) > length)
		return 0;
	return wide ? get64(table + at) : get32(table + at);
}

static const uint8_t *find_table(const char *signature, size_t *length)
{
	const uint8_t *rsdp = map_physical(rsdp_address(), RSDP_LENGTH), *tables, *table;
	uint64_t address;
	bool wide;

	if (!rsdp || memcmp(rsdp, "RSD PTR ", 8))
		return NULL;
	wide = rsdp[15] >= 2 && get64(rsdp + 24);
	tables = map_table(wide ? get64(rsdp + 24) : get32(rsdp + 16), length);
	if (!tables)
		return NULL;
	size_t tables_length = *length;
	for (size_t n = 0; (address = root_entry(tables, tables_length, wide, n)); n++) {
		table = map_table(address, length);
		if (table && !memcmp(table, signature, 4))
			return table;
	}
	return NULL;
}

static bool find_fadt(struct acpi_fadt *fadt)
{
	size_t length = 0;
	const uint8_t *table = rsdp_address() ? find_table("FACP", &length) : NULL;

	return table && acpi_parse_fadt(table, length, fadt);
}

/* --- registers ---------------------------------------------------------------------------- */

static long out(uint16_t port, unsigned width, uint32_t value)
{
	long ports = kcall(ports_create, root, port, width), error;

	if (ports < 0)
		return ports;
	error = kcall(port_out, ports, port, width, value);
	kcall(cap_close, ports);
	return error;
}

static uint32_t in(uint16_t port, unsigned width)
{
	long ports = kcall(ports_create, root, port, width), value;

	if (ports < 0)
		return 0;
	value = kcall(port_in, ports, port, width);
	kcall(cap_close, ports);
	return (uint32_t)value;
}

/* Firmware without a legacy mode has it on already, and no port to switch it. */
static void enable_acpi(const struct acpi_fadt *fadt)
{
	if (!fadt->smi_port || !fadt->enable || in(fadt->pm1a, 2) & SCI_ENABLE)
		return;
	out(fadt->smi_port, 1, fadt->enable);
	for (int i = 0; i < 300 && !(in(fadt->pm1a, 2) & SCI_ENABLE); i++)
		kcall(sleep, clock_monotonic_ns() + WAIT_NS);
}

static void sleep_control(uint16_t port, uint8_t type)
{
	if (port)
		out(port, 2,
		    (in(port, 2) & ~SLEEP_TYPE_MASK) | (uint32_t)(type & 7) << SLEEP_TYPE_SHIFT |
			SLEEP_ENABLE);
}

/* --- operations --------------------------------------------------------------------------- */

static long do_off(struct request *rq, const struct power_off_req *request, struct power_off_reply *reply)
{
	struct acpi_fadt fadt;
	const uint8_t *dsdt;
	size_t length = 0;
	uint8_t type_a, type_b;

	(void)request, (void)reply;
	if (rq->badge != BADGE_RS)
		return -EPERM;
	if (!find_fadt(&fadt) || !fadt.pm1a)
		return -ENODEV;
	dsdt = map_table(fadt.dsdt, &length);
	if (!dsdt || !acpi_find_s5(dsdt, length, &type_a, &type_b))
		return -ENODEV;
	enable_acpi(&fadt);
	sleep_control(fadt.pm1a, type_a);
	sleep_control(fadt.pm1b, type_b);
	kcall(sleep, clock_monotonic_ns() + 100 * WAIT_NS);
	return -EIO; /* the machine should be off by now */
}

static void write_reset(const struct acpi_fadt *fadt)
{
	if (fadt->reset.space == SPACE_PORT && fadt->reset.address <= 0xffff) {
		out((uint16_t)fadt->reset.address, 1, fadt->reset_value);
	} else if (fadt->reset.space == SPACE_MEMORY && fadt->reset.address) {
		uint64_t page = fadt->reset.address & ~(ANOLE_PAGE_SIZE - 1);
		long memory = kcall(mo_create_phys, root, page, ANOLE_PAGE_SIZE, MO_UNCACHED);
		volatile uint8_t *at =
		    map_memory((cap_t)memory, 0, ANOLE_PAGE_SIZE, VM_R | VM_W | VM_SHARED | VM_UNCACHED);

		if (at)
			at[fadt->reset.address - page] = fadt->reset_value;
	}
}

static long do_reset(struct request *rq, const struct power_reset_req *request,
		     struct power_reset_reply *reply)
{
	struct acpi_fadt fadt;

	(void)request, (void)reply;
	if (rq->badge != BADGE_RS)
		return -EPERM;
	if (find_fadt(&fadt) && fadt.has_reset) {
		write_reset(&fadt);
		kcall(sleep, clock_monotonic_ns() + 50 * WAIT_NS);
	}
	out(RESET_PORT, 1, RESET_HARD);
	kcall(sleep, clock_monotonic_ns() + 50 * WAIT_NS);
	return -EIO;
}

static const struct power_ops operations = {
	.off = do_off,
	.reset = do_reset,
};

static long dispatch(struct request *rq)
{
	return power_dispatch(&operations, rq);
}

static long start(bool restarted)
{
	const struct startup_entry *entry = startup_find(STARTUP_ROOT, NULL, 0);

	(void)restarted;
	if (!entry)
		return -EPERM;
	root = entry->slot;
	return 0;
}

int main(void)
{
	/* Without transactions: it keeps nothing, the tables are read again. */
	static const struct service service = { .name = "acpi", .dispatch = dispatch, .start = start };

	service_main(&service);
}
