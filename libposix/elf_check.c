/* SPDX-License-Identifier: MIT */
/* Whether bytes that claim to be a program are one. They come from anybody. */
#include "elf.h"

#include <abi/errno.h>

#define PAGE_MASK (ANOLE_PAGE_SIZE - 1)
#define PAGE_UP(x) (((x) + PAGE_MASK) & ~PAGE_MASK)

long elf_check_header(const struct elf_header *header)
{
	const uint8_t *ident = header->ident;

	/* 64 bit, little endian, version 1 */
	if (ident[0] != 0x7f || ident[1] != 'E' || ident[2] != 'L' || ident[3] != 'F' || ident[4] != 2 ||
	    ident[5] != 1 || ident[6] != 1)
		return -ENOEXEC;
	if ((header->type != ELF_EXEC && header->type != ELF_DYN) || header->machine != ELF_X86_64)
		return -ENOEXEC;
	if (header->program_size != sizeof(struct elf_program) || header->program_count == 0 ||
	    header->program_count > ELF_PROGRAMS_MAX)
		return -ENOEXEC;
	return 0;
}

static bool segment_possible(const struct elf_program *program, uint64_t size)
{
	if (program->file_size > program->memory_size || program->memory_size == 0)
		return false;
	if (program->address >= ELF_ADDRESS_LIMIT ||
	    program->memory_size > ELF_ADDRESS_LIMIT - program->address)
		return false;
	if (program->offset > size || program->file_size > size - program->offset)
		return false;
	return ((program->address ^ program->offset) & PAGE_MASK) == 0;
}

long elf_check_segments(const struct elf_header *header, const struct elf_program *programs, uint64_t size,
			uint64_t *low, uint64_t *high)
{
	uint64_t end = 0;
	bool first = true;

	for (unsigned i = 0; i < header->program_count; i++) {
		const struct elf_program *program = &programs[i];

		if (program->type != PT_LOAD || !program->memory_size)
			continue;
		if (!segment_possible(program, size) || (program->address & ~PAGE_MASK) < end)
			return -ENOEXEC;
		if (first)
			*low = program->address & ~PAGE_MASK;
		first = false;
		end = PAGE_UP(program->address + program->memory_size);
	}
	*high = end;
	if (first || (header->type == ELF_EXEC && *low < ANOLE_PAGE_SIZE * 16))
		return -ENOEXEC;
	return 0;
}

static bool blank(char c)
{
	return c == ' ' || c == '\t';
}

/* The end of what names the interpreter, as Linux finds it (fs/binfmt_script.c); NULL: none is named whole. */
static char *script_line_end(char *text)
{
	char *last = text + SCRIPT_HEAD - 1, *end = text, *at;

	while (end < last && *end && *end != '\n')
		end++;
	if (*end == '\n')
		return end;
	for (at = text + 2; at <= last && blank(*at); at++)
		;
	for (; at <= last && *at && !blank(*at); at++)
		;
	return at <= last ? last : NULL; /* a name that is cut off could be another program's */
}

long script_parse(char *text, size_t length, char **interpreter, char **argument)
{
	char *end, *at = text + 2;

	if (length < 2 || text[0] != '#' || text[1] != '!')
		return -ENOEXEC;
	if (length < SCRIPT_HEAD)
		__builtin_memset(text + length, 0, SCRIPT_HEAD - length);
	end = script_line_end(text);
	if (!end)
		return -ENOEXEC;
	while (blank(end[-1]))
		end--;
	while (at < end && blank(*at))
		at++;
	if (at >= end)
		return -ENOEXEC;
	*end = 0;
	*interpreter = at;
	*argument = NULL;
	while (*at && !blank(*at))
		at++;
	if (!*at)
		return 0;
	*at++ = 0;
	while (blank(*at))
		at++;
	*argument = at;
	return 0;
}
