/* SPDX-License-Identifier: MIT */
/* The loader's state, on libposix's stack while a new image is made. */
#ifndef LIBPOSIX_LOADER_H
#define LIBPOSIX_LOADER_H

#include "elf.h"
#include "libposix.h"

#include <proto/file_types.h>

#define SCRIPT_DEPTH_MAX 5
#define HEAD_SIZE 1024u   /* of a file that is looked at: script line, ELF headers */
#define PREFIX_SIZE 6144u /* interpreters and their arguments */

struct loader {
	struct exec_args args;
	uint64_t strings; /* the program's copy of everything behind struct exec_args, on its stack */
	uint64_t strings_end;
	uint64_t argv_start, argv_end, envp_start, envp_end;
	const char *path; /* of the file to load */
	const char *name; /* of the file that was asked for: AT_EXECFN, comm */
	cap_t file;
	struct file_stat stat;
	struct elf_image program, interpreter;
	uint64_t entry; /* where to begin */
	uint64_t stack; /* the program's stack pointer */
	uint64_t secure, uids, gids;
	/* What `#!` puts before the arguments: NUL-ended strings at the end of prefix. */
	uint32_t prefix_at, prefix_count;
	bool script;
	union {
		char text[HEAD_SIZE];
		struct elf_header elf;
	} head;
	size_t head_length;
	char prefix[PREFIX_SIZE];
};

/* loader_elf.c: map the program, and its interpreter if it names one; the file is closed. */
long load_elf(struct loader *loader);
/* loader_stack.c: strings, from the arguments object to the stack's top; then all below them. */
long load_strings(struct loader *loader);
void load_prefix(struct loader *loader);
void load_stack(struct loader *loader);
/* loader.c */
long load_open(struct loader *loader, const char *path, int dir, uint32_t flags);

#endif
