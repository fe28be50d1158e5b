/* SPDX-License-Identifier: MIT */
/* Kernel calls on address spaces: abi/kcall.def says what each does. */
#include "core/kcall.h"
#include "core/thread.h"
#include "mm/frame.h"
#include "mm/space.h"

static struct space *lookup(uint64_t handle, uint32_t rights, int *error)
{
	return (struct space *)cap_lookup(handle, CAPT_SPACE, rights, error);
}

/* Page-aligned bounds of [addr, addr + length); false if that is no user range. */
static bool user_range(uint64_t addr, uint64_t length, uint64_t *end)
{
	if (addr & PAGE_MASK || addr >= VM_USER_HIGH || length > VM_USER_HIGH - addr)
		return false;
	*end = page_up(addr + length);
	return true;
}

long sys_space_create(uint64_t handle)
{
	int error;
	struct object *quota = cap_lookup(handle, CAPT_QUOTA, CAP_CONTROL, &error);
	struct space *space;

	if (!caller_is_service())
		return -EPERM;
	if (!quota)
		return -error;
	space = space_new((struct quota *)quota);
	mm_reap(256);
	return space ? cap_install(&space->object, CAP_ALL) : -ENOMEM;
}

long sys_space_clone(uint64_t handle)
{
	int error;
	struct space *space = lookup(handle, CAP_CONTROL, &error), *child;
	long result;

	if (!caller_is_service())
		return -EPERM;
	if (!space)
		return -error;
	result = space_clone(space, current_thread(), &child);
	return result == 0 ? cap_install(&child->object, CAP_ALL) : result;
}

/* The rights of a memory capability that matter for mapping. */
static uint32_t memory_rights(cap_t handle)
{
	uint32_t rights = 0;
	int error;

	for (uint32_t right = CAP_R; right <= CAP_X; right <<= 1)
		if (cap_lookup(handle, CAPT_MEMORY, right, &error))
			rights |= right;
	return rights;
}

long sys_vm_map(uint64_t handle, uint64_t addr, uint64_t length, uint64_t flags, uint64_t memory,
		uint64_t offset)
{
	int error;
	struct space *space = lookup(handle, CAP_CONTROL, &error);
	struct map_request request = {
		.addr = addr,
		.length = length,
		.offset = offset,
		.flags = flags,
	};

	if (!space)
		return -error;
	if (flags > UINT32_MAX)
		return -EINVAL;
	if ((cap_t)memory != CAP_NONE) {
		request.memory = (struct memory *)cap_lookup(memory, CAPT_MEMORY, 0, &error);
		if (!request.memory)
			return -error;
		request.rights = memory_rights(memory);
	}
	return space_map_request(space, &request);
}

long sys_vm_unmap(uint64_t handle, uint64_t addr, uint64_t length)
{
	int error;
	struct space *space = lookup(handle, CAP_CONTROL, &error);
	uint64_t end;

	if (!space)
		return -error;
	if (length == 0 || !user_range(addr, length, &end))
		return -EINVAL;
	return space_unmap(space, addr, end);
}

long sys_vm_protect(uint64_t handle, uint64_t addr, uint64_t length, uint64_t prot)
{
	int error;
	struct space *space = lookup(handle, CAP_CONTROL, &error);
	uint64_t end;

	if (!space)
		return -error;
	if (addr & PAGE_MASK || prot & ~(uint64_t)PROT_BITS)
		return -EINVAL;
	if (!user_range(addr, length, &end))
		return -ENOMEM;
	return space_protect(space, addr, end, prot);
}

long sys_vm_move(uint64_t handle, uint64_t old, uint64_t old_length, uint64_t new_length, uint64_t flags,
		 uint64_t new)
{
	int error;
	struct space *space = lookup(handle, CAP_CONTROL, &error);
	struct step *step;

	if (!space)
		return -error;
	if (flags > UINT32_MAX)
		return -EINVAL;
	step = step_resume(KCALL_vm_move, (uintptr_t)space, old, old_length, new_length);
	return step_end(step, space_move(space, old, old_length, new_length, flags, new, step));
}

long sys_vm_discard(uint64_t handle, uint64_t addr, uint64_t length)
{
	int error;
	struct space *space = lookup(handle, CAP_CONTROL, &error);
	uint64_t end;

	if (!space)
		return -error;
	if (!user_range(addr, length, &end))
		return -EINVAL;
	return space_discard(space, addr, end);
}

/* Entries of a region that are there, from *addr on; it moves up to where that was enough for one call. */
static uint64_t count_resident(const struct region *region, uint64_t *addr)
{
	uint64_t count = 0;

	for (unsigned tables = 0; tables < STEP_PAGES / TABLE_COST &&
				  (*addr = pagetable_next(region->space, *addr, region->end)) < region->end;
	     tables++) {
		pte_t *entry = pagetable_find(region->space, *addr);
		uint64_t stop = (*addr | (PT_SPAN - 1)) + 1;

		if (stop > region->end)
			stop = region->end;
		for (; *addr < stop; *addr += PAGE_SIZE)
			count += *entry++ != 0;
	}
	return count;
}

long sys_vm_query(uint64_t handle, uint64_t addr, uint64_t result)
{
	int error;
	struct space *space = lookup(handle, CAP_R, &error);
	const struct region *region;
	uint32_t index;

	if (!space)
		return -error;
	index = regions_search(&space->regions, addr);
	if (index == space->regions.count)
		return -ENOENT;
	region = space->regions.array[index];
	struct vm_info info = {
		.start = region->start,
		.end = region->end,
		.offset = region->offset,
		.flags = region->flags,
		.object = region->memory ? region->memory->number : 0,
		.badge = region->memory ? region->memory->badge : 0,
		.counted = region->start > addr ? region->start : page_down(addr),
	};
	info.resident = count_resident(region, &info.counted);
	return copy_to_user(current_thread()->space, result, &info, sizeof(info), NULL);
}

long sys_vm_fault_in(uint64_t addr, uint64_t write)
{
	long result = space_fault(current_thread(), addr, write != 0, false);

	if (result == FAULT_WAITS)
		return KCALL_BLOCKED;
	return result == 0 || result == -ENOMEM ? result : -EFAULT;
}

/* What was copied before a failure counts, if it is anything. */
static long transfer(struct space *to_space, uint64_t to, struct space *from_space, uint64_t from,
		     uint64_t length)
{
	const uint64_t limit = 4ul << 20;
	uint64_t start = to, fault;
	bool to_side;

	if (length > limit)
		length = limit;
	long result = copy_user_user(to_space, to, from_space, from, length, &to_side, &fault);
	if (result < 0)
		result = fault - (to_side ? start : from);
	return result > 0 || length == 0 ? result : -EFAULT;
}

long sys_space_read(uint64_t handle, uint64_t addr, uint64_t to, uint64_t length)
{
	int error;
	struct space *space = lookup(handle, CAP_R, &error);

	return space ? transfer(current_thread()->space, to, space, addr, length) : -error;
}

long sys_space_write(uint64_t handle, uint64_t addr, uint64_t from, uint64_t length)
{
	int error;
	struct space *space = lookup(handle, CAP_W | CAP_CONTROL, &error);

	return space ? transfer(space, addr, current_thread()->space, from, length) : -error;
}

long sys_space_stat(uint64_t handle, uint64_t result)
{
	int error;
	struct space *space = lookup(handle, CAP_R, &error);

	if (!space)
		return -error;
	struct space_stat stat = {
		.mapped_pages = space->mapped_pages,
		.resident_pages = space->resident_pages,
		.table_pages = space->table_pages,
		.shared_pages = space->shared_pages,
	};
	return copy_to_user(current_thread()->space, result, &stat, sizeof(stat), NULL);
}

long sys_space_limit(uint64_t handle, uint64_t what, uint64_t pages)
{
	int error;
	struct space *space = lookup(handle, CAP_CONTROL, &error);

	if (!space)
		return -error;
	if (!caller_is_service())
		return -EPERM;
	if (what > SPACE_LIMIT_STACK)
		return -EINVAL;
	space->limits[what] = pages;
	return 0;
}

long space_futex_key(struct space *space, uint64_t addr, struct futex_key *key)
{
	const struct region *region = regions_find(&space->regions, addr);

	if (!region || addr >= VM_USER_HIGH || addr & 3)
		return addr & 3 ? -EINVAL : -EFAULT;
	if (region->flags & VM_SHARED) {
		key->object = region->memory->number;
		key->offset = addr - region->start + region->offset;
	} else {
		/* A kernel address: no object number is as big. */
		key->object = (uint64_t)space;
		key->offset = addr;
	}
	return 0;
}
