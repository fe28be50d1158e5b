/* SPDX-License-Identifier: MIT */
/* Service binaries: static ELF executables. Knows no IPC. */
#ifndef RS_ELF_H
#define RS_ELF_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define ELF_SEGMENTS 8
#define ELF_WRITE 2u /* flags as in the file */
#define ELF_EXECUTE 1u

struct elf_segment {
	uint64_t address, memory_size;
	uint64_t offset, file_size; /* offset is congruent to address modulo the page size */
	uint32_t flags;
};

struct elf_image {
	uint64_t entry;
	unsigned count;
	struct elf_segment segments[ELF_SEGMENTS];
};

/* False if it is no executable that can be mapped: every offset and size is inside the file. */
bool elf_read(const char *data, size_t size, struct elf_image *image);

#endif
