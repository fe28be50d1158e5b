/* SPDX-License-Identifier: MIT */
/*
 * RS: its program is loaded from the boot archive into a new address space, and its
 * private table gets the capabilities from which everything else in the system is made.
 */
#include "core/boot.h"
#include "core/table.h"
#include "core/thread.h"
#include "mm/mm.h"

#define RS_NAME "rs"
#define RS_PRIORITY 24
#define RS_STAMP (STAMP_SERVICE | 1)
#define RS_TABLE_SLOTS 4096
#define STACK_BASE (BOOT_MESSAGE_PAGE + 0x10000)
#define STACK_SIZE 0x10000ul

struct elf_header {
	uint8_t ident[16];
	uint16_t type, machine;
	uint32_t version;
	uint64_t entry, program_offset, section_offset;
	uint32_t flags;
	uint16_t size, program_size, program_count, section_size, section_count, names;
};

struct elf_segment {
	uint32_t type, flags;
	uint64_t offset, address, physical, file_size, memory_size, alignment;
};

#define ELF_EXECUTABLE 2
#define ELF_X86_64 62
#define SEGMENT_LOAD 1
#define SEGMENT_X 1u
#define SEGMENT_W 2u

static struct object root = { CAPT_ROOT, 1 };

/* The parts of the program that is being made. */
static struct rs {
	struct space *space;
	struct table *table;
	struct memory *archive;
	struct thread *thread;
} rs;

static uint64_t page_down(uint64_t address)
{
	return address & ~(ANOLE_PAGE_SIZE - 1);
}

static uint64_t page_up(uint64_t address)
{
	return page_down(address + ANOLE_PAGE_SIZE - 1);
}

static void *need(void *object, const char *what)
{
	if (!object)
		panic("boot: no memory for the %s of RS", what);
	return object;
}

/* Bytes from the kernel's memory into an object. */
static void fill(struct memory *memory, uint64_t offset, const uint8_t *from, uint64_t length)
{
	while (length) {
		uint64_t in_page = offset % ANOLE_PAGE_SIZE, part = ANOLE_PAGE_SIZE - in_page;
		int error;
		void *page = need(memory_page(memory, page_down(offset), true, &error), "program");

		if (part > length)
			part = length;
		__builtin_memcpy((uint8_t *)page + in_page, from, part);
		offset += part;
		from += part;
		length -= part;
	}
}

/* Map an object, or anonymous memory if there is none, at a fixed address. */
static void map(uint64_t address, uint64_t length, uint32_t flags, void *memory, const char *what)
{
	long error = space_map(rs.space, &address, length, flags | VM_FIXED_NOREPLACE, memory, 0);

	if (error)
		panic("boot: cannot map the %s of RS at %lx: error %ld", what, address, -error);
}

static void load_segment(const uint8_t *file, size_t size, const struct elf_segment *s)
{
	uint64_t start = page_down(s->address), end = page_up(s->address + s->memory_size);
	uint32_t flags = VM_R | VM_SHARED;
	struct memory *memory;

	if (s->offset > size || s->file_size > size - s->offset || s->file_size > s->memory_size ||
	    s->address < VM_USER_LOW || s->address + s->memory_size < s->address ||
	    s->address + s->memory_size > VM_USER_HIGH)
		panic("boot: the program header of RS is damaged");
	if (s->flags & SEGMENT_W)
		flags |= VM_W;
	if (s->flags & SEGMENT_X)
		flags |= VM_X;
	memory = need(memory_new(&root_quota, end - start, 0), "program");
	fill(memory, s->address - start, file + s->offset, s->file_size);
	map(start, end - start, flags, memory, "program");
	object_put(memory);
}

static uint64_t load_program(const uint8_t *file, size_t size)
{
	const struct elf_header *header = (const struct elf_header *)file;

	if (size < sizeof(*header) || __builtin_memcmp(header->ident, "\177ELF\2\1", 6) ||
	    header->type != ELF_EXECUTABLE || header->machine != ELF_X86_64 ||
	    header->program_size != sizeof(struct elf_segment) || header->program_offset > size ||
	    header->program_count * sizeof(struct elf_segment) > size - header->program_offset)
		panic("boot: RS is no ELF64 program");
	for (unsigned i = 0; i < header->program_count; i++) {
		struct elf_segment segment;

		__builtin_memcpy(&segment, file + header->program_offset + i * sizeof(segment),
				 sizeof(segment));
		if (segment.type == SEGMENT_LOAD && segment.memory_size)
			load_segment(file, size, &segment);
	}
	return header->entry;
}

static void map_info(const struct boot_module *archive, uint64_t rsdp, const char *command_line)
{
	struct memory *memory = need(memory_new(&root_quota, ANOLE_PAGE_SIZE, 0), "boot information");
	int error;
	struct boot_info *info = need(memory_page(memory, 0, true, &error), "boot information");

	info->archive_size = archive->end - archive->start;
	info->acpi_rsdp = rsdp;
	info->kernel_entry_ns = 0; /* the clock begins there */
	for (size_t i = 0; i < sizeof(info->command_line) - 1 && command_line[i]; i++)
		info->command_line[i] = command_line[i];
	map(BOOT_INFO, ANOLE_PAGE_SIZE, VM_R | VM_SHARED, memory, "boot information");
	object_put(memory);
}

static void give(uint32_t slot, void *object, uint32_t rights)
{
	slot &= ~(uint32_t)CAP_PRIVATE;
	if (table_reserve_at(rs.table, slot) < 0)
		panic("boot: no memory for the capabilities of RS");
	table_fill(rs.table, slot, object_get(object), rights, false);
}

static void make_thread(uint64_t entry)
{
	struct thread *thread = need(thread_new(rs.space, rs.table, NULL), "thread");

	rs.thread = thread;
	thread->stamp = RS_STAMP;
	thread->base_priority = thread->priority = RS_PRIORITY;
	thread->no_fpu = true;
	thread->frame.rip = entry;
	thread->frame.rsp = STACK_BASE + STACK_SIZE;
	arch_frame_sanitize(&thread->frame);
	if (thread_set_message_page(thread, BOOT_MESSAGE_PAGE))
		panic("boot: no message page for RS");
}

static void map_archive(const struct boot_module *archive)
{
	uint64_t size = page_up(archive->end - archive->start);

	rs.archive = need(memory_new_phys(&root_quota, archive->start, size, 0), "archive");
	map(BOOT_ARCHIVE, size, VM_R | VM_SHARED, rs.archive, "archive");
}

void boot_rs(const struct boot_module *archive, uint64_t rsdp, const char *command_line)
{
	size_t size = archive->end - archive->start;
	const uint8_t *file = NULL;
	uint64_t entry;

	if (size)
		file = archive_find(phys_to_virt(archive->start), size, RS_NAME, &size);
	if (!file)
		panic("boot: no boot archive with \"" RS_NAME "\" in it");
	rs.space = need(space_new(&root_quota), "address space");
	rs.table = need(table_new(&root_quota, RS_TABLE_SLOTS, TABLE_PRIVATE), "table");
	entry = load_program(file, size);
	map_info(archive, rsdp, command_line);
	map_archive(archive);
	map(BOOT_MESSAGE_PAGE, ANOLE_PAGE_SIZE, VM_R | VM_W | VM_PINNED, NULL, "message page");
	map(STACK_BASE, STACK_SIZE, VM_R | VM_W, NULL, "stack");
	make_thread(entry);
	give(BOOT_CAP_ROOT, &root, CAP_ALL);
	give(BOOT_CAP_SPACE, rs.space, CAP_ALL);
	give(BOOT_CAP_TABLE, rs.table, CAP_ALL);
	give(BOOT_CAP_THREAD, rs.thread, CAP_ALL);
	give(BOOT_CAP_ARCHIVE, rs.archive, CAP_R | CAP_X);
	give(BOOT_CAP_QUOTA, &root_quota, CAP_ALL);
	thread_begin(rs.thread);
	/* From here on they are RS's: the first incarnation goes like any other. */
	object_put(rs.thread);
	object_put(rs.archive);
	object_put(rs.table);
	object_put(rs.space);
}
