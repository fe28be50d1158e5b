/* SPDX-License-Identifier: MIT */
/* ELF64 as the loader reads it (System V ABI, chapters 4 and 5; x86-64 supplement). */
#ifndef LIBPOSIX_ELF_H
#define LIBPOSIX_ELF_H

#include <abi/types.h>

struct elf_header {
	uint8_t ident[16];
	uint16_t type, machine;
	uint32_t version;
	uint64_t entry, program_offset, section_offset;
	uint32_t flags;
	uint16_t header_size, program_size, program_count, section_size, section_count, names;
};
_Static_assert(sizeof(struct elf_header) == 64, "Elf64_Ehdr");

struct elf_program {
	uint32_t type, flags;
	uint64_t offset, address, physical, file_size, memory_size, align;
};
_Static_assert(sizeof(struct elf_program) == 56, "Elf64_Phdr");

#define ELF_EXEC 2
#define ELF_DYN 3
#define ELF_X86_64 62
#define ELF_PROGRAMS_MAX 64

#define PT_LOAD 1u
#define PT_INTERP 3u
#define PT_PHDR 6u
#define PF_X 1u
#define PF_W 2u
#define PF_R 4u

/* Where an image came to lie. */
struct elf_image {
	uint64_t base; /* added to every address of the file */
	uint64_t entry, programs, program_count;
	uint64_t end; /* of the last segment, page aligned */
};

/* Addresses that programs may ask for: below stack, time page, thread blocks. */
#define ELF_ADDRESS_LIMIT 0x7f0000000000ul

/*
 * elf_check.c: no calls, so that it is tested on the host. -ENOEXEC unless `header` and `programs` (as
 * many as it says, at most ELF_PROGRAMS_MAX) describe an image that can be mapped from a file of `size`
 * bytes: segments ascend, do not overlap, lie inside file and address range. *low and *high: the pages they span.
 */
long elf_check_header(const struct elf_header *header);
long elf_check_segments(const struct elf_header *header, const struct elf_program *programs, uint64_t size,
			uint64_t *low, uint64_t *high);
/* `#! interpreter [argument]`: splits the first line of `text` in place, ending both with NUL;
 * *argument is NULL if there is none. `text` has room for SCRIPT_HEAD bytes, which is all that is looked at. -ENOEXEC. */
#define SCRIPT_HEAD 256u
long script_parse(char *text, size_t length, char **interpreter, char **argument);

#endif
