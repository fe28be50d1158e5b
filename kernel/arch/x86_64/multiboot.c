/* SPDX-License-Identifier: MIT */
/*
 * What the loader tells (Multiboot2 specification 2.0, section 3.6), copied out of its
 * memory at once: nothing there is reserved afterwards but the archive.
 */
#include "machine.h"

#define MULTIBOOT_MAGIC 0x36d76289u
enum {
	TAG_END = 0,
	TAG_COMMAND_LINE = 1,
	TAG_MODULE = 3,
	TAG_MEMORY_MAP = 6,
	TAG_RSDP_OLD = 14,
	TAG_RSDP_NEW = 15
};

struct tag {
	uint32_t type, size;
};

struct tag_module {
	struct tag tag;
	uint32_t start, end;
};

struct tag_memory_map {
	struct tag tag;
	uint32_t entry_size, version;
};

struct memory_entry {
	uint64_t base, length;
	uint32_t type, reserved;
};

struct boot_data boot;
static uint8_t rsdp_copy[64] __attribute__((aligned(16)));

static void take_command_line(const struct tag *tag)
{
	const char *text = (const char *)(tag + 1);
	size_t room = tag->size - sizeof(*tag), i = 0;

	for (; i < room && i < sizeof(boot.command_line) - 1 && text[i]; i++)
		boot.command_line[i] = text[i];
	boot.command_line[i] = '\0';
}

/* The first module is the boot archive. */
static void take_module(const struct tag *tag)
{
	const struct tag_module *module = (const struct tag_module *)tag;

	if (tag->size < sizeof(*module) || boot.archive.end || module->end <= module->start)
		return;
	boot.archive = (struct boot_module){ module->start, module->end, NULL };
}

static void take_memory_map(const struct tag *tag)
{
	const struct tag_memory_map *map = (const struct tag_memory_map *)tag;
	const uint8_t *entry = (const uint8_t *)(map + 1), *end = (const uint8_t *)tag + tag->size;

	if (map->entry_size < sizeof(struct memory_entry))
		return;
	for (; entry + sizeof(struct memory_entry) <= end; entry += map->entry_size) {
		const struct memory_entry *e = (const struct memory_entry *)entry;

		if (boot.memory_count == MEMORY_RANGES || e->base + e->length < e->base)
			continue;
		boot.memory[boot.memory_count++] =
		    (struct memory_range){ e->base, e->base + e->length, e->type };
	}
}

static void take_rsdp(const struct tag *tag)
{
	size_t length = tag->size - sizeof(*tag);

	/* Both tags may be there; the new one is the later and the better. */
	if (tag->type == TAG_RSDP_OLD && boot.rsdp)
		return;
	if (length > sizeof(rsdp_copy))
		length = sizeof(rsdp_copy);
	__builtin_memcpy(rsdp_copy, tag + 1, length);
	boot.rsdp = (uint64_t)rsdp_copy - KERNEL_BASE;
}

static void take_tag(const struct tag *tag)
{
	switch (tag->type) {
	case TAG_COMMAND_LINE: take_command_line(tag); break;
	case TAG_MODULE: take_module(tag); break;
	case TAG_MEMORY_MAP: take_memory_map(tag); break;
	case TAG_RSDP_OLD:
	case TAG_RSDP_NEW: take_rsdp(tag); break;
	}
}

void multiboot_parse(uint32_t magic, uint64_t info)
{
	const uint8_t *data = phys_to_virt(info);
	uint32_t total = *(const uint32_t *)data;

	if (magic != MULTIBOOT_MAGIC)
		panic("boot: not started by a Multiboot2 loader (eax is %x)", magic);
	for (uint32_t at = 8; at + sizeof(struct tag) <= total;) {
		const struct tag *tag = (const struct tag *)(data + at);

		if (tag->type == TAG_END || tag->size < sizeof(*tag) || tag->size > total - at)
			break;
		take_tag(tag);
		at += (tag->size + 7) & ~7u;
	}
}
