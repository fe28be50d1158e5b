/* SPDX-License-Identifier: MIT */
/* RS, the first program, out of the boot archive. */
#ifndef KERNEL_CORE_BOOT_H
#define KERNEL_CORE_BOOT_H

#include "arch/arch.h"

/* Load and start RS; any failure is a panic that says what is wrong. */
void boot_rs(const struct boot_module *archive, uint64_t rsdp, const char *command_line);

/* core/archive.c: the file of that name in a cpio archive ("newc"), or NULL. Answers its size. */
const void *archive_find(const void *archive, size_t size, const char *name, size_t *file_size);

#endif
