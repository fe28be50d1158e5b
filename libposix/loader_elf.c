/* SPDX-License-Identifier: MIT */
/* Mapping a program. Text and data are the file's page cache, copied on write. */
#include "loader.h"

#include <proto/file.h>

#define PAGE_MASK (ANOLE_PAGE_SIZE - 1)
#define PAGE_UP(x) (((x) + PAGE_MASK) & ~PAGE_MASK)
#define PIE_BASE 0x555555554000ul
#define PIE_RANDOM_PAGES 0xffffffful

struct elf_file {
	struct elf_header header;
	struct elf_program programs[ELF_PROGRAMS_MAX];
	cap_t memory;
	uint64_t low, high;
};

static long read_at(cap_t file, uint64_t offset, void *to, size_t length)
{
	struct file_pread_req request = { .offset = offset };
	struct file_pread_reply reply;
	struct call_options options = { .out = to, .out_length = length };
	long done = file_call_pread(file, &options, &request, &reply);

	if (done < 0)
		return done;
	return (size_t)done == length ? 0 : -ENOEXEC;
}

static long read_programs(struct loader *loader, struct elf_file *elf)
{
	size_t length = elf->header.program_count * sizeof(struct elf_program);
	uint64_t offset = elf->header.program_offset;

	if (offset <= loader->head_length && length <= loader->head_length - offset) {
		memcpy(elf->programs, loader->head.text + offset, length);
		return 0;
	}
	return offset < INT64_MAX ? read_at(loader->file, offset, elf->programs, length) : -ENOEXEC;
}

static long read_headers(struct loader *loader, struct elf_file *elf)
{
	long error;

	if (loader->head_length < sizeof(struct elf_header))
		return -ENOEXEC;
	elf->header = loader->head.elf;
	error = elf_check_header(&elf->header);
	if (!error)
		error = read_programs(loader, elf);
	if (!error)
		error = elf_check_segments(&elf->header, elf->programs, (uint64_t)loader->stat.size,
					   &elf->low, &elf->high);
	return error;
}

static long get_memory(cap_t file, uint64_t size, cap_t *memory)
{
	struct file_mmap_req request = { .rights = CAP_R | CAP_X, .length = size };
	struct file_mmap_reply reply;
	long status = file_call_mmap(file, NULL, &request, &reply);

	if (status < 0)
		return status == -ENODEV ? -EACCES : status;
	*memory = ipc_page()->caps[0].slot;
	return 0;
}

/* Where a position-independent image goes: all its pages are reserved at once. */
static long reserve(const struct elf_file *elf, uint64_t wanted, uint64_t *base)
{
	long addr;

	*base = 0;
	if (elf->header.type == ELF_EXEC)
		return 0;
	addr = kcall(vm_map, CAP_SELF_SPACE, wanted, elf->high - elf->low, 0, CAP_NONE, 0);
	if (addr < 0)
		return addr;
	*base = (uint64_t)addr - elf->low;
	return 0;
}

static uint32_t protection(const struct elf_program *program)
{
	return (program->flags & PF_R ? VM_R : 0) | (program->flags & PF_W ? VM_W : 0) |
	       (program->flags & PF_X ? VM_X : 0);
}

/* The bytes behind the file's, on its last page and in pages of their own, are zero. */
static long map_zeroes(const struct elf_program *program, uint64_t address, uint32_t flags)
{
	uint64_t file_end = address + program->file_size, end = PAGE_UP(address + program->memory_size);
	uint64_t page_end = PAGE_UP(file_end);
	long status = 0;

	if (program->file_size && page_end > file_end && flags & VM_W)
		memset((void *)file_end, 0, page_end - file_end);
	if (!program->file_size)
		page_end = address & ~PAGE_MASK;
	if (end > page_end)
		status =
		    kcall(vm_map, CAP_SELF_SPACE, page_end, end - page_end, flags | VM_FIXED, CAP_NONE, 0);
	return status < 0 ? status : 0;
}

static long map_segment(const struct elf_file *elf, const struct elf_program *program, uint64_t base)
{
	uint64_t address = base + program->address, skew = address & PAGE_MASK;
	uint32_t flags = protection(program);
	long status = 0;

	if (program->file_size)
		status = kcall(vm_map, CAP_SELF_SPACE, address - skew, PAGE_UP(program->file_size + skew),
			       flags | VM_FIXED, elf->memory, program->offset - skew);
	if (status >= 0 && program->memory_size > program->file_size)
		status = map_zeroes(program, address, flags);
	return status < 0 ? status : 0;
}

/* The program headers in memory, for AT_PHDR: in the segment that holds their place in the file. */
static uint64_t find_programs(const struct elf_file *elf, uint64_t base)
{
	uint64_t offset = elf->header.program_offset;

	for (unsigned i = 0; i < elf->header.program_count; i++) {
		const struct elf_program *program = &elf->programs[i];

		if (program->type == PT_LOAD && offset >= program->offset &&
		    offset - program->offset < program->file_size)
			return base + program->address + (offset - program->offset);
	}
	return 0;
}

static long map_image(const struct elf_file *elf, uint64_t wanted, struct elf_image *image)
{
	uint64_t base;
	long error = reserve(elf, wanted, &base);

	for (unsigned i = 0; !error && i < elf->header.program_count; i++)
		if (elf->programs[i].type == PT_LOAD && elf->programs[i].memory_size)
			error = map_segment(elf, &elf->programs[i], base);
	*image = (struct elf_image){
		.base = base,
		.entry = base + elf->header.entry,
		.programs = find_programs(elf, base),
		.program_count = elf->header.program_count,
		.end = base + elf->high,
	};
	/* Too little memory, or nowhere to put it: the file is not what it should be. */
	return error == -EINVAL || error == -EEXIST ? -ENOEXEC : error;
}

static long load_image(struct loader *loader, struct elf_file *elf, uint64_t wanted, struct elf_image *image)
{
	long error = read_headers(loader, elf);

	if (!error)
		error = get_memory(loader->file, (uint64_t)loader->stat.size, &elf->memory);
	if (error)
		return error;
	error = map_image(elf, wanted, image);
	kcall(cap_close, elf->memory);
	return error;
}

/* PT_INTERP: a path with its NUL. */
static long interpreter_path(struct loader *loader, const struct elf_file *elf, char *path, size_t size)
{
	for (unsigned i = 0; i < elf->header.program_count; i++) {
		const struct elf_program *program = &elf->programs[i];
		long error;

		if (program->type != PT_INTERP)
			continue;
		if (program->file_size < 2 || program->file_size > size)
			return -ENOEXEC;
		error = read_at(loader->file, program->offset, path, program->file_size);
		if (error)
			return error;
		return path[program->file_size - 1] ? -ENOEXEC : 1;
	}
	return 0;
}

/* The dynamic linker: an image of its own, which begins instead of the program. */
static long load_interpreter(struct loader *loader, struct elf_file *elf, const char *path)
{
	struct file_stat program = loader->stat;
	long error;

	kcall(cap_close, loader->file);
	error = load_open(loader, path, VFS_CWD, 0);
	if (error)
		return error;
	error = load_image(loader, elf, 0, &loader->interpreter);
	if (error == -ENOEXEC)
		error = -ELIBBAD; /* the program itself is good */
	loader->entry = loader->interpreter.entry;
	loader->stat = program; /* set-id is the program's */
	return error;
}

long load_elf(struct loader *loader)
{
	struct elf_file elf;
	uint64_t shift = (tb()->seed[0] & PIE_RANDOM_PAGES) * ANOLE_PAGE_SIZE;
	char path[256];
	long error = load_image(loader, &elf, PIE_BASE + shift, &loader->program);

	if (error)
		return error;
	loader->entry = loader->program.entry;
	error = interpreter_path(loader, &elf, path, sizeof(path));
	if (error > 0)
		error = load_interpreter(loader, &elf, path);
	kcall(cap_close, loader->file);
	return error;
}
