/* SPDX-License-Identifier: MIT */
/* The address space: Linux's calls in terms of the kernel's. A file's pages come as a memory object. */
#include "libposix.h"

#include <proto/file.h>
#include <proto/vfs.h>

#define PROT_READ 1u
#define PROT_WRITE 2u
#define PROT_EXEC 4u
#define PROT_GROWSDOWN 0x01000000u
#define MAP_SHARED 0x01u
#define MAP_PRIVATE 0x02u
#define MAP_TYPE 0x0fu
#define MAP_FIXED 0x10u
#define MAP_ANONYMOUS 0x20u
#define MAP_GROWSDOWN 0x100u
#define MAP_POPULATE 0x8000u
#define MAP_HUGETLB 0x40000u
#define MAP_FIXED_NOREPLACE 0x100000u

#define PAGE_UP(x) (((x) + ANOLE_PAGE_SIZE - 1) & ~(ANOLE_PAGE_SIZE - 1))
#define PAGE_OFFSET(x) ((x) & (ANOLE_PAGE_SIZE - 1))

static uint32_t vm_protection(uint64_t prot)
{
	uint32_t flags = 0;

	if (prot & (PROT_READ | PROT_WRITE | PROT_EXEC))
		flags |= VM_R;
	if (prot & PROT_WRITE)
		flags |= VM_W;
	if (prot & PROT_EXEC)
		flags |= VM_X;
	return flags;
}

static uint32_t vm_flags(uint64_t prot, uint64_t flags)
{
	uint32_t result = vm_protection(prot);

	if ((flags & MAP_TYPE) != MAP_PRIVATE)
		result |= VM_SHARED;
	if (flags & MAP_FIXED_NOREPLACE)
		result |= VM_FIXED_NOREPLACE;
	else if (flags & MAP_FIXED)
		result |= VM_FIXED;
	if (flags & MAP_GROWSDOWN && flags & MAP_ANONYMOUS)
		result |= VM_STACK;
	if (flags & MAP_POPULATE)
		result |= VM_POPULATE;
	return result;
}

/* Programs know a missing right as EACCES. */
static long map(uint64_t addr, uint64_t length, uint32_t flags, cap_t memory, uint64_t offset)
{
	long status = kcall(vm_map, CAP_SELF_SPACE, addr, length, flags, memory, offset);

	return status == -EPERM ? -EACCES : status;
}

/* Which rights a mapping may ever want: mprotect comes later. */
static long map_file(uint64_t addr, uint64_t length, uint32_t flags, cap_t fd, uint64_t offset)
{
	struct file_mmap_req request = {
		.rights = CAP_R | CAP_X | (flags & VM_SHARED ? CAP_W : 0),
		.offset = offset,
		.length = length,
	};
	struct file_mmap_reply reply;
	cap_t memory;
	long status = file_call_mmap(fd, NULL, &request, &reply);

	if (status < 0)
		return status;
	memory = ipc_page()->caps[0].slot;
	status = map(addr, length, flags, memory, offset);
	kcall(cap_close, memory);
	return status;
}

long lp_mmap(uint64_t addr, uint64_t length, uint64_t prot, uint64_t flags, uint64_t fd, uint64_t offset)
{
	uint32_t type = flags & MAP_TYPE;

	if (PAGE_OFFSET(offset) || !length || !type || type > 3 || flags & MAP_HUGETLB)
		return -EINVAL;
	if (flags & (MAP_FIXED | MAP_FIXED_NOREPLACE) && PAGE_OFFSET(addr))
		return -EINVAL;
	if (length > VM_USER_HIGH)
		return -ENOMEM;
	if (flags & MAP_ANONYMOUS)
		return map(addr, PAGE_UP(length), vm_flags(prot, flags), CAP_NONE, 0);
	if ((int32_t)fd < 0 || fd >= CAP_PRIVATE)
		return -EBADF;
	return map_file(addr, PAGE_UP(length), vm_flags(prot, flags), (cap_t)fd, offset);
}

long lp_munmap(uint64_t addr, uint64_t length)
{
	if (PAGE_OFFSET(addr) || !length || length > VM_USER_HIGH || addr > VM_USER_HIGH - length)
		return -EINVAL;
	return kcall(vm_unmap, CAP_SELF_SPACE, addr, PAGE_UP(length));
}

long lp_mprotect(uint64_t addr, uint64_t length, uint64_t prot)
{
	long status;

	if (PAGE_OFFSET(addr) || prot & ~(uint64_t)(PROT_READ | PROT_WRITE | PROT_EXEC | PROT_GROWSDOWN))
		return -EINVAL;
	if (!length)
		return 0;
	if (length > VM_USER_HIGH)
		return -ENOMEM;
	status = kcall(vm_protect, CAP_SELF_SPACE, addr, PAGE_UP(length), vm_protection(prot));
	return status == -EPERM ? -EACCES : status;
}

long lp_mremap(uint64_t old, uint64_t old_length, uint64_t new_length, uint64_t flags, uint64_t new)
{
	if (PAGE_OFFSET(old) || flags & ~3ull || !new_length || (flags & 3) == 2)
		return -EINVAL;
	if (flags & 2 && PAGE_OFFSET(new))
		return -EINVAL;
	if (old_length > VM_USER_HIGH || new_length > VM_USER_HIGH)
		return -ENOMEM;
	return kcall(vm_move, CAP_SELF_SPACE, old, PAGE_UP(old_length), PAGE_UP(new_length), flags, new);
}

/* Walks the mappings of a range: ENOMEM if there is a hole. `paged`: whether a file is among them. */
static long check_mapped(uint64_t addr, uint64_t length, bool *paged)
{
	uint64_t end = addr + length;
	struct vm_info info;

	*paged = false;
	while (addr < end) {
		if (kcall(vm_query, CAP_SELF_SPACE, addr, &info) < 0 || info.start > addr)
			return -ENOMEM;
		if (info.badge && info.flags & VM_SHARED)
			*paged = true;
		addr = info.end;
	}
	return 0;
}

static long check_range(uint64_t addr, uint64_t *length, bool *paged)
{
	if (PAGE_OFFSET(addr) || *length > VM_USER_HIGH || addr > VM_USER_HIGH - *length)
		return -EINVAL;
	*length = PAGE_UP(*length);
	return check_mapped(addr, *length, paged);
}

static long discard(uint64_t addr, uint64_t length)
{
	long done = 0;

	for (; length && done >= 0; addr += (uint64_t)done, length -= (uint64_t)done)
		done = kcall(vm_discard, CAP_SELF_SPACE, addr, length);
	return done < 0 ? done : 0;
}

long lp_madvise(uint64_t addr, uint64_t length, uint64_t advice)
{
	bool paged;
	long error;

	/* MADV_NORMAL .. DONTNEED, FREE .. DONTFORK .. NODUMP, DODUMP, COLD, PAGEOUT */
	if (!(advice <= 4 || (advice >= 8 && advice <= 23)))
		return -EINVAL;
	error = check_range(addr, &length, &paged);
	if (error || !length)
		return error;
	if (advice == 4 || advice == 8)
		return discard(addr, length);
	return 0;
}

/* The pages of a shared mapping are the file's cache: only MS_SYNC asks for more than nothing. */
long lp_msync(uint64_t addr, uint64_t length, uint64_t flags)
{
	struct vfs_sync_req request = {};
	struct vfs_sync_reply reply;
	bool paged;
	long error;

	if (flags & ~7ull || (flags & 5) == 5)
		return -EINVAL;
	error = check_range(addr, &length, &paged);
	if (error || !paged || !(flags & 4))
		return error;
	return vfs_call_sync(PROC_SLOT_VFS, NULL, &request, &reply);
}

long lp_mincore(uint64_t addr, uint64_t length, uint64_t vector)
{
	bool paged;
	long error = check_range(addr, &length, &paged);

	if (!error)
		memset((void *)vector, 1, length / ANOLE_PAGE_SIZE);
	return error;
}

/* There is no swap: what has been touched stays. */
long lp_mlock(uint64_t addr, uint64_t length)
{
	bool paged;

	length += PAGE_OFFSET(addr);
	addr -= PAGE_OFFSET(addr);
	return check_range(addr, &length, &paged);
}

long lp_munlock(uint64_t addr, uint64_t length)
{
	return lp_mlock(addr, length);
}

long lp_mlock2(uint64_t addr, uint64_t length, uint64_t flags)
{
	return flags > 1 ? -EINVAL : lp_mlock(addr, length);
}

long lp_mlockall(uint64_t flags)
{
	return flags && flags <= 7 && flags != 4 ? 0 : -EINVAL;
}

long lp_munlockall(void)
{
	return 0;
}

/* --- brk ------------------------------------------------------------------------------------------- */
static void change_break(uint64_t wanted)
{
	struct process_block *block = this_process();
	uint64_t mapped = PAGE_UP(wanted);
	long status = 0;

	if (mapped > block->brk_mapped)
		status = kcall(vm_map, CAP_SELF_SPACE, block->brk_mapped, mapped - block->brk_mapped,
			       VM_R | VM_W | VM_FIXED_NOREPLACE, CAP_NONE, 0);
	else if (mapped < block->brk_mapped)
		status = kcall(vm_unmap, CAP_SELF_SPACE, mapped, block->brk_mapped - mapped);
	if (status < 0)
		return;
	block->brk_mapped = mapped;
	block->brk_end = wanted;
}

long lp_brk(uint64_t wanted)
{
	struct process_block *block = this_process();
	long end;

	lp_lock(&block->mm_lock);
	if (wanted >= block->brk_start && wanted < VM_USER_HIGH)
		change_break(wanted);
	end = (long)block->brk_end;
	lp_unlock(&block->mm_lock);
	return end;
}
