/* SPDX-License-Identifier: MIT */
/* Service binaries, as the linker script mk/server.ld makes them. */
#include "elf.h"

#include <abi/types.h>
#include <util/string.h>

#define PT_LOAD 1u
#define ADDRESS_LIMIT (1ul << 46)

struct file_header {
	uint8_t identity[16];
	uint16_t type, machine;
	uint32_t version;
	uint64_t entry, program_offset, section_offset;
	uint32_t flags;
	uint16_t header_size, program_size, program_count, section_size, section_count, names;
};

struct program_header {
	uint32_t type, flags;
	uint64_t offset, address, physical, file_size, memory_size, align;
};

static bool valid_header(const struct file_header *header, size_t size)
{
	static const uint8_t identity[7] = { 0x7f, 'E', 'L', 'F', 2, 1, 1 };

	return !memcmp(header->identity, identity, sizeof identity) && header->type == 2 &&
	       header->machine == 62 && header->program_size == sizeof(struct program_header) &&
	       header->program_offset <= size &&
	       header->program_count <= (size - header->program_offset) / sizeof(struct program_header);
}

static bool valid_segment(const struct program_header *program, size_t size)
{
	return program->file_size <= program->memory_size && program->offset <= size &&
	       program->file_size <= size - program->offset &&
	       (program->offset - program->address) % ANOLE_PAGE_SIZE == 0 &&
	       program->address < ADDRESS_LIMIT && program->memory_size < ADDRESS_LIMIT &&
	       (program->flags & (ELF_WRITE | ELF_EXECUTE)) != (ELF_WRITE | ELF_EXECUTE);
}

bool elf_read(const char *data, size_t size, struct elf_image *image)
{
	struct file_header header;
	struct program_header program;

	if (size < sizeof header)
		return false;
	memcpy(&header, data, sizeof header);
	if (!valid_header(&header, size))
		return false;
	image->entry = header.entry;
	image->count = 0;
	for (unsigned i = 0; i < header.program_count; i++) {
		memcpy(&program, data + header.program_offset + i * sizeof program, sizeof program);
		if (program.type != PT_LOAD || !program.memory_size)
			continue;
		if (image->count == ELF_SEGMENTS || !valid_segment(&program, size))
			return false;
		image->segments[image->count++] = (struct elf_segment){
			.address = program.address,
			.memory_size = program.memory_size,
			.offset = program.offset,
			.file_size = program.file_size,
			.flags = program.flags,
		};
	}
	return image->count != 0;
}
