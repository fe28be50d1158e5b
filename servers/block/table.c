/* SPDX-License-Identifier: MIT */
#include "table.h"

#include <util/string.h>

#define GPT_SIGNATURE "EFI PART"
#define HEADER_MIN 92u
#define ENTRIES_MAX 1024u
#define ENTRY_MIN 128u
#define ENTRY_MAX 1024u
#define MBR_ENTRIES 446u
#define MBR_TYPE_PROTECTIVE 0xee
#define MBR_TYPE_EXTENDED 0x05
#define MBR_TYPE_EXTENDED_LBA 0x0f
#define MBR_TYPE_EXTENDED_LINUX 0x85

static uint32_t get32(const uint8_t *p)
{
	return p[0] | (uint32_t)p[1] << 8 | (uint32_t)p[2] << 16 | (uint32_t)p[3] << 24;
}

static uint64_t get64(const uint8_t *p)
{
	return get32(p) | (uint64_t)get32(p + 4) << 32;
}

/* CRC-32 of ISO 3309, as UEFI wants it. `skip`: four bytes there count as zero. */
static uint32_t crc32(const uint8_t *bytes, uint64_t length, uint64_t skip)
{
	uint32_t crc = ~0u;

	for (uint64_t i = 0; i < length; i++) {
		crc ^= i >= skip && i < skip + 4 ? 0 : bytes[i];
		for (int bit = 0; bit < 8; bit++)
			crc = crc >> 1 ^ (crc & 1 ? 0xedb88320u : 0);
	}
	return ~crc;
}

bool gpt_header(const uint8_t *sector, uint64_t lba, uint64_t disk_sectors, struct gpt *gpt)
{
	uint32_t size = get32(sector + 12);

	if (memcmp(sector, GPT_SIGNATURE, 8) || size < HEADER_MIN || size > SECTOR)
		return false;
	if (crc32(sector, size, 16) != get32(sector + 16) || get64(sector + 24) != lba)
		return false;
	*gpt = (struct gpt){
		.entries = get64(sector + 72),
		.entry_count = get32(sector + 80),
		.entry_size = get32(sector + 84),
		.entries_crc = get32(sector + 88),
		.first_usable = get64(sector + 40),
		.last_usable = get64(sector + 48),
	};
	if (!gpt->entry_count || gpt->entry_count > ENTRIES_MAX || gpt->entry_size < ENTRY_MIN ||
	    gpt->entry_size > ENTRY_MAX || gpt->entry_size % 8)
		return false;
	if (gpt->last_usable >= disk_sectors || gpt->first_usable > gpt->last_usable)
		return false;
	return gpt->entries < disk_sectors && gpt_entries_bytes(gpt) / SECTOR < disk_sectors - gpt->entries;
}

uint64_t gpt_entries_bytes(const struct gpt *gpt)
{
	return ((uint64_t)gpt->entry_count * gpt->entry_size + SECTOR - 1) / SECTOR * SECTOR;
}

static bool type_is_zero(const uint8_t *entry)
{
	return get64(entry) == 0 && get64(entry + 8) == 0;
}

bool gpt_partitions(const struct gpt *gpt, const uint8_t *entries, struct partition out[PARTITIONS_MAX])
{
	uint32_t limit = gpt->entry_count < PARTITIONS_MAX ? gpt->entry_count : PARTITIONS_MAX;

	if (crc32(entries, (uint64_t)gpt->entry_count * gpt->entry_size, ~0ull - 4) != gpt->entries_crc)
		return false;
	for (uint32_t i = 0; i < limit; i++) {
		const uint8_t *entry = entries + (uint64_t)i * gpt->entry_size;
		uint64_t first = get64(entry + 32), last = get64(entry + 40);

		out[i] = (struct partition){ 0, 0 };
		if (!type_is_zero(entry) && first >= gpt->first_usable && first <= last &&
		    last <= gpt->last_usable)
			out[i] = (struct partition){ first, last - first + 1 };
	}
	return true;
}

static bool has_signature(const uint8_t *sector)
{
	return sector[510] == 0x55 && sector[511] == 0xaa;
}

bool mbr_is_protective(const uint8_t *sector)
{
	if (!has_signature(sector))
		return false;
	for (unsigned i = 0; i < 4; i++)
		if (sector[MBR_ENTRIES + 16 * i + 4] == MBR_TYPE_PROTECTIVE)
			return true;
	return false;
}

static bool type_is_extended(uint8_t type)
{
	return type == MBR_TYPE_EXTENDED || type == MBR_TYPE_EXTENDED_LBA || type == MBR_TYPE_EXTENDED_LINUX;
}

static bool type_holds_data(uint8_t type)
{
	return type && type != MBR_TYPE_PROTECTIVE && !type_is_extended(type);
}

/* A boot sector of a file system has the signature as well: its "entries" are then nonsense. */
static bool entries_plausible(const uint8_t *sector, uint64_t disk_sectors)
{
	for (unsigned i = 0; i < 4; i++) {
		const uint8_t *entry = sector + MBR_ENTRIES + 16 * i;

		if (entry[0] != 0 && entry[0] != 0x80)
			return false;
		if (entry[4] && get32(entry + 8) >= disk_sectors)
			return false;
	}
	return true;
}

bool mbr_partitions(const uint8_t *sector, uint64_t disk_sectors, struct partition out[PARTITIONS_MAX])
{
	if (!has_signature(sector) || !entries_plausible(sector, disk_sectors))
		return false;
	for (unsigned i = 0; i < PARTITIONS_MAX; i++)
		out[i] = (struct partition){ 0, 0 };
	for (unsigned i = 0; i < 4; i++) {
		const uint8_t *entry = sector + MBR_ENTRIES + 16 * i;
		uint64_t start = get32(entry + 8), count = get32(entry + 12);

		if (!type_holds_data(entry[4]) || !start || start >= disk_sectors)
			continue;
		out[i] =
		    (struct partition){ start, count < disk_sectors - start ? count : disk_sectors - start };
	}
	return true;
}

bool mbr_extended(const uint8_t *sector, uint64_t disk_sectors, struct ebr_chain *chain)
{
	for (unsigned i = 0; i < 4; i++) {
		const uint8_t *entry = sector + MBR_ENTRIES + 16 * i;
		uint64_t start = get32(entry + 8), count = get32(entry + 12);

		if (!type_is_extended(entry[4]) || !start || start >= disk_sectors)
			continue;
		if (count > disk_sectors - start)
			count = disk_sectors - start;
		*chain = (struct ebr_chain){ .start = start, .end = start + count, .next = start };
		return count != 0;
	}
	return false;
}

/* Where the first entry that is (or is not) one of a further table says, relative to `base`. */
static bool ebr_entry(const uint8_t *sector, bool extended, uint64_t base, const struct ebr_chain *chain,
		      struct partition *out)
{
	for (unsigned i = 0; i < 4; i++) {
		const uint8_t *entry = sector + MBR_ENTRIES + 16 * i;
		uint64_t start = base + get32(entry + 8), count = get32(entry + 12);

		if (extended ? !type_is_extended(entry[4]) : !type_holds_data(entry[4]))
			continue;
		*out = (struct partition){ start, count };
		return start >= chain->start && start < chain->end && count && count <= chain->end - start;
	}
	return false;
}

static bool ebr_seen(const struct ebr_chain *chain, uint64_t sector)
{
	for (uint32_t i = 0; i < chain->seen_count; i++)
		if (chain->seen[i] == sector)
			return true;
	return false;
}

bool ebr_next(const uint8_t *sector, struct ebr_chain *chain, struct partition out[PARTITIONS_MAX])
{
	struct partition part, further;

	if (!has_signature(sector))
		return false;
	chain->seen[chain->seen_count++] = chain->next;
	if (ebr_entry(sector, false, chain->next, chain, &part) && part.start > chain->next)
		out[4 + chain->found++] = part;
	if (chain->seen_count == EBR_MAX || 4 + chain->found == PARTITIONS_MAX)
		return false;
	if (!ebr_entry(sector, true, chain->start, chain, &further) || ebr_seen(chain, further.start))
		return false;
	chain->next = further.start;
	return true;
}
