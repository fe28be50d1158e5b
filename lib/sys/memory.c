/* SPDX-License-Identifier: MIT */
/* Mappings in the service's window. Addresses are handed out once: there are 2^46 bytes of them. */
#include "internal.h"

static uint64_t window = SERVICE_WINDOW;

static void *map(cap_t memory, uint64_t offset, size_t length, uint32_t flags)
{
	uint64_t at = window;

	length = ROUND_PAGE(length);
	if (!length || length > VM_USER_HIGH - 2 * ANOLE_PAGE_SIZE - at)
		return NULL;
	window = at + length + ANOLE_PAGE_SIZE; /* a guard page in between */
	if (kcall(vm_map, CAP_SELF_SPACE, at, length, flags | VM_FIXED, memory, offset) < 0)
		return NULL;
	return (void *)at;
}

void *scratch_map(size_t length)
{
	return map(CAP_NONE, 0, length, VM_R | VM_W);
}

void *map_memory(cap_t memory, uint64_t offset, size_t length, uint32_t vm_flags)
{
	return map(memory, offset, length, vm_flags);
}
