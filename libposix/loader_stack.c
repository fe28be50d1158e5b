/* SPDX-License-Identifier: MIT */
/*
 * The program's first stack (System V ABI, x86-64 supplement 3.4.1), from the top down: the strings that exec
 * was given, those that `#!` added, 16 random bytes, the auxiliary vector, environment, arguments, argc.
 */
#include "loader.h"

#define PAGE_MASK (ANOLE_PAGE_SIZE - 1)
#define PAGE_UP(x) (((x) + PAGE_MASK) & ~PAGE_MASK)
#define STACK_RANDOM_PAGES 0x3ffffful
#define STACK_FIRST 0x20000ul /* mapped at once below the strings; it grows */

enum {
	AT_NULL,
	AT_IGNORE,
	AT_EXECFD,
	AT_PHDR,
	AT_PHENT,
	AT_PHNUM,
	AT_PAGESZ,
	AT_BASE,
	AT_FLAGS,
	AT_ENTRY,
	AT_NOTELF,
	AT_UID,
	AT_EUID,
	AT_GID,
	AT_EGID,
	AT_PLATFORM,
	AT_HWCAP,
	AT_CLKTCK,
	AT_SECURE = 23,
	AT_RANDOM = 25,
	AT_HWCAP2 = 26,
	AT_EXECFN = 31,
	AT_MINSIGSTKSZ = 51,
};

/* Every string ends inside, and the parts stand where the header says: it is the caller's word. */
static long check_args(const struct loader *loader)
{
	const struct exec_args *args = &loader->args;

	if (args->size > EXEC_ARGS_MAX || args->path_offset != sizeof(*args) ||
	    args->argv_offset < args->path_offset || args->envp_offset < args->argv_offset ||
	    args->size < args->envp_offset || args->argc > args->envp_offset - args->argv_offset ||
	    args->envc > args->size - args->envp_offset)
		return -EINVAL;
	return 0;
}

static long count_strings(uint64_t at, uint64_t end, uint32_t count)
{
	while (count--) {
		size_t length = strnlen((char *)at, end - at);

		if (length == end - at)
			return -EINVAL;
		at += length + 1;
	}
	return at == end ? 0 : -EINVAL;
}

/* The strings' place for good, and room below. */
static long map_stack(struct loader *loader)
{
	uint64_t length = loader->args.size - sizeof(loader->args);
	uint64_t top = USER_STACK_TOP - (tb()->seed[1] & STACK_RANDOM_PAGES) * ANOLE_PAGE_SIZE;
	uint64_t size = PAGE_UP(length + 1024) + STACK_FIRST;
	long status =
	    kcall(vm_map, CAP_SELF_SPACE, top - size, size, VM_R | VM_W | VM_STACK | VM_FIXED, CAP_NONE, 0);

	if (status < 0)
		return status;
	/* Below the page's end, by a little that nobody can guess. */
	loader->strings_end = top - 16 - (tb()->seed[1] >> 40 & 0x1f0);
	loader->strings = loader->strings_end - length;
	return 0;
}

long load_strings(struct loader *loader)
{
	struct exec_args *args = &loader->args;
	long status = kcall(mo_read, PROC_SLOT_EXEC_ARGS, 0, args, sizeof(*args));

	if (status >= 0)
		status = check_args(loader);
	if (status >= 0)
		status = map_stack(loader);
	if (status >= 0)
		status = kcall(mo_read, PROC_SLOT_EXEC_ARGS, sizeof(*args), loader->strings,
			       loader->strings_end - loader->strings);
	if (status < 0)
		return status;
	loader->path = loader->name = (char *)loader->strings;
	loader->argv_start = loader->strings + args->argv_offset - sizeof(*args);
	loader->argv_end = loader->envp_start = loader->strings + args->envp_offset - sizeof(*args);
	loader->envp_end = loader->strings_end;
	status = count_strings(loader->strings, loader->argv_start, 1);
	if (!status)
		status = count_strings(loader->argv_start, loader->argv_end, args->argc);
	return status ? status : count_strings(loader->envp_start, loader->envp_end, args->envc);
}

/* `#!`: what stands before argv[1] is the prefix. It overwrites argv[0] and the path, so that is moved
 * down first. */
void load_prefix(struct loader *loader)
{
	uint64_t size = PREFIX_SIZE - loader->prefix_at, first = loader->argv_start;
	uint64_t path_length = strlen(loader->name) + 1;

	if (!loader->script)
		return;
	if (loader->args.argc) {
		first += strlen((char *)first) + 1;
		loader->args.argc--;
	}
	loader->argv_start = first - size;
	memmove((void *)(loader->argv_start - path_length), loader->name, path_length);
	loader->name = (char *)(loader->argv_start - path_length);
	memcpy((void *)loader->argv_start, loader->prefix + loader->prefix_at, size);
	loader->args.argc += loader->prefix_count;
}

struct aux_vector {
	uint64_t *at;
};

static void aux(struct aux_vector *vector, uint64_t type, uint64_t value)
{
	*vector->at++ = type;
	*vector->at++ = value;
}

#define AUX_ENTRIES 20

static void fill_aux(const struct loader *loader, uint64_t *at, uint64_t random, uint64_t platform)
{
	struct aux_vector vector = { at };

	aux(&vector, AT_PHDR, loader->program.programs);
	aux(&vector, AT_PHENT, sizeof(struct elf_program));
	aux(&vector, AT_PHNUM, loader->program.program_count);
	aux(&vector, AT_PAGESZ, ANOLE_PAGE_SIZE);
	aux(&vector, AT_BASE, loader->interpreter.base);
	aux(&vector, AT_FLAGS, 0);
	aux(&vector, AT_ENTRY, loader->program.entry);
	aux(&vector, AT_UID, (uint32_t)loader->uids);
	aux(&vector, AT_EUID, loader->uids >> 32);
	aux(&vector, AT_GID, (uint32_t)loader->gids);
	aux(&vector, AT_EGID, loader->gids >> 32);
	aux(&vector, AT_SECURE, loader->secure);
	aux(&vector, AT_RANDOM, random);
	aux(&vector, AT_HWCAP, this_process()->hardware);
	aux(&vector, AT_HWCAP2, 0);
	aux(&vector, AT_PLATFORM, platform);
	aux(&vector, AT_CLKTCK, 100);
	aux(&vector, AT_MINSIGSTKSZ, 2048);
	aux(&vector, AT_EXECFN, (uint64_t)loader->name);
	aux(&vector, AT_NULL, 0);
}

static uint64_t *fill_pointers(uint64_t *at, uint64_t strings, uint32_t count)
{
	while (count--) {
		*at++ = strings;
		strings += strlen((char *)strings) + 1;
	}
	*at++ = 0;
	return at;
}

void load_stack(struct loader *loader)
{
	uint64_t low = (uint64_t)loader->name & ~15ull;
	uint64_t random = low - 16, platform = low - 32;
	uint32_t argc = loader->args.argc, envc = loader->args.envc;
	uint64_t words = 1 + argc + 1 + envc + 1 + 2 * AUX_ENTRIES;
	uint64_t *at = (uint64_t *)((platform - 8 * words) & ~15ull);

	lp_random((void *)random, 16);
	memcpy((void *)platform, "x86_64", 7);
	loader->stack = (uint64_t)at;
	*at++ = argc;
	at = fill_pointers(at, loader->argv_start, argc);
	at = fill_pointers(at, loader->envp_start, envc);
	fill_aux(loader, at, random, platform);
}
