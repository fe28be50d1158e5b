/* SPDX-License-Identifier: MIT */
/* Kernel calls on memory objects: abi/kcall.def says what each does. */
#include "core/kcall.h"
#include "core/thread.h"
#include "mm/frame.h"
#include "mm/space.h"

#define CONTIGUOUS_LIMIT (16ul << 20)
#define COPY_LIMIT (4ul << 20) /* bytes of one mo_read or mo_write */
#define DIRTY_MOST 4096ul      /* pages of one mo_dirty */
#define DIRTY_STEP 512u        /* so many of them at a time */
#define DIRTY_BATCH 32u
#define DIRTY_COST 8u /* of one, in pages that are only cleared */

enum { DIRTY_LISTED = 1, DIRTY_FAILED };

static struct memory *lookup(uint64_t handle, uint32_t rights, int *error)
{
	return (struct memory *)cap_lookup(handle, CAPT_MEMORY, rights, error);
}

static struct memory *lookup_paged(uint64_t handle, int *error)
{
	struct memory *memory = lookup(handle, CAP_CONTROL, error);

	if (!memory || memory->kind == MEMORY_PAGED)
		return memory;
	*error = EINVAL;
	return NULL;
}

static long install(struct memory *memory)
{
	return memory ? cap_install(&memory->object, CAP_ALL) : -ENOMEM;
}

long sys_mo_create(uint64_t size, uint64_t flags)
{
	bool contiguous = flags & MO_CONTIGUOUS;

	if (flags & ~(uint64_t)(MO_CONTIGUOUS | MO_UNCACHED) || size > MEMORY_MAX_SIZE)
		return -EINVAL;
	if ((flags & MO_UNCACHED && !contiguous) || (contiguous && size == 0))
		return -EINVAL;
	if (contiguous && !caller_is_service()) /* for DMA, out of memory that nobody else can have then */
		return -EPERM;
	if (contiguous && size > CONTIGUOUS_LIMIT)
		return -ENOMEM;
	return install(memory_new(quota_current(), size, flags));
}

long sys_mo_create_paged(uint64_t endpoint, uint64_t badge, uint64_t size)
{
	int error;
	struct object *pager = cap_lookup(endpoint, CAPT_ENDPOINT, 0, &error);

	if (!pager)
		return -error;
	if (size > MEMORY_MAX_SIZE)
		return -EINVAL;
	return install(memory_new_paged(quota_current(), (struct endpoint *)pager, badge, size));
}

long sys_mo_create_phys(uint64_t root, uint64_t address, uint64_t size, uint64_t flags)
{
	const uint64_t limit = 1ul << 46; /* of the direct map, and more than processors have */
	int error;

	if (!cap_lookup(root, CAPT_ROOT, 0, &error))
		return -error;
	if (address & PAGE_MASK || size == 0 || address >= limit || size > limit - address ||
	    flags & ~(uint64_t)MO_UNCACHED)
		return -EINVAL;
	/* Memory that is handed out already belongs to somebody else. */
	if (frames_overlap(address, address + size))
		return -EPERM;
	return install(memory_new_phys(quota_current(), address, size, flags));
}

long sys_mo_resize(uint64_t handle, uint64_t size)
{
	int error;
	struct memory *memory = lookup(handle, CAP_CONTROL, &error);

	return memory ? memory_resize(memory, size) : -error;
}

long sys_mo_discard(uint64_t handle, uint64_t offset, uint64_t length)
{
	int error;
	struct memory *memory = lookup(handle, CAP_CONTROL, &error);
	struct step *step;

	if (!memory)
		return -error;
	if ((offset | length) & PAGE_MASK || length > memory->size || offset > memory->size - length)
		return -EINVAL;
	step = step_resume(KCALL_mo_discard, (uintptr_t)memory, offset, length, 0);
	return step_end(step, memory_discard(memory, offset >> ANOLE_PAGE_SHIFT,
					     (offset + length) >> ANOLE_PAGE_SHIFT, &step->at));
}

long sys_mo_info(uint64_t handle, uint64_t result)
{
	int error;
	struct memory *memory = lookup(handle, 0, &error);

	if (!memory)
		return -error;
	struct mo_info info = {
		.size = memory->size,
		.resident_pages = memory->resident,
		.dirty_pages = memory->dirty,
		.kind = memory->kind,
		.number = memory->number,
		.mappings = memory->mapping_count,
	};
	return copy_to_user(current_thread()->space, result, &info, sizeof(info), NULL);
}

long sys_mo_read(uint64_t handle, uint64_t offset, uint64_t to, uint64_t length)
{
	int error;
	struct memory *memory = lookup(handle, CAP_R, &error);

	if (!memory)
		return -error;
	return copy_memory_user(memory, offset, current_thread()->space, to,
				length < COPY_LIMIT ? length : COPY_LIMIT, true, NULL);
}

/* Its pager may so write pages that are being filled. */
long sys_mo_write(uint64_t handle, uint64_t offset, uint64_t from, uint64_t length)
{
	int error;
	struct memory *memory = lookup(handle, CAP_W, &error);

	if (!memory)
		return -error;
	return copy_buffer_user(memory, offset, current_thread()->space, from,
				length < COPY_LIMIT ? length : COPY_LIMIT, false, NULL);
}

long sys_mo_phys(uint64_t handle, uint64_t offset, uint64_t result, uint64_t count)
{
	int error;
	struct memory *memory = lookup(handle, CAP_CONTROL, &error);

	if (!memory)
		return -error;
	if (memory->kind != MEMORY_PHYSICAL || offset >= memory->size || count == 0)
		return -EINVAL;
	struct phys_range range = {
		.address = memory->address + offset,
		.length = memory->size - offset,
	};
	long status = copy_to_user(current_thread()->space, result, &range, sizeof(range), NULL);
	return status ? status : 1;
}

long sys_mo_fill_begin(uint64_t handle, uint64_t page, uint64_t count)
{
	int error;
	struct memory *memory = lookup_paged(handle, &error);

	return memory ? memory_fill_begin(memory, page, count) : -error;
}

long sys_mo_fill_end(uint64_t handle, uint64_t page, uint64_t count, uint64_t ok)
{
	int error;
	struct memory *memory = lookup_paged(handle, &error);

	if (!memory)
		return -error;
	return ok > 2 ? -EINVAL : memory_fill_end(memory, page, count, ok);
}

/* Hand out one batch; its pages become clean only when the caller has their numbers. */
static long dirty_batch(struct memory *memory, uint64_t *page, uint64_t result, unsigned count, bool clean)
{
	uint64_t batch[DIRTY_BATCH];
	unsigned found = 0;
	long error;

	while (found < count && memory_next_dirty(memory, page))
		batch[found++] = (*page)++;
	error = copy_to_user(current_thread()->space, result, batch, found * sizeof(*batch), NULL);
	if (error != 0)
		return error;
	for (unsigned i = 0; clean && i < found; i++)
		memory_clean(memory, batch[i]);
	return found;
}

/* Up to DIRTY_STEP pages. What maps them is swept before the caller hears of them, but not at once. */
static void dirty_step(struct memory *memory, struct step *step, uint64_t result, uint64_t count, bool clean)
{
	uint64_t first = step->at;

	for (unsigned i = 0; i < DIRTY_STEP / DIRTY_BATCH && !step->phase; i++) {
		uint64_t left = count - step->done;
		unsigned wanted = left < DIRTY_BATCH ? left : DIRTY_BATCH;
		long found =
		    dirty_batch(memory, &step->at, result + step->done * sizeof(uint64_t), wanted, clean);

		step->done += found > 0 ? found : 0;
		if (found < DIRTY_BATCH)
			step->phase = found < 0 ? DIRTY_FAILED : DIRTY_LISTED;
	}
	if (clean && step->at > first)
		rmap_sweep_begin(memory, SWEEP_PROTECT, first, step->at);
}

static long dirty_list(struct memory *memory, struct step *step, uint64_t result, uint64_t count, bool clean)
{
	size_t budget = STEP_PAGES;

	for (;;) {
		if (clean && !rmap_sweep(memory, &budget))
			return KCALL_RESTART;
		if (step->phase)
			return step->phase == DIRTY_FAILED && !step->done ? -EFAULT : (long)step->done;
		if (budget < DIRTY_STEP * DIRTY_COST)
			return KCALL_RESTART;
		dirty_step(memory, step, result, count, clean);
		budget -= DIRTY_STEP * DIRTY_COST;
	}
}

long sys_mo_dirty(uint64_t handle, uint64_t page, uint64_t result, uint64_t count, uint64_t flags)
{
	int error;
	struct memory *memory = lookup_paged(handle, &error);
	struct step *step;

	if (!memory)
		return -error;
	if (flags > 1)
		return -EINVAL;
	if (count > DIRTY_MOST)
		count = DIRTY_MOST;
	step = step_resume(KCALL_mo_dirty, (uintptr_t)memory, page, result, count << 1 | flags);
	if (step->at < page)
		step->at = page;
	return step_end(step, dirty_list(memory, step, result, count, flags));
}

long sys_mo_present(uint64_t handle, uint64_t page)
{
	int error;
	struct memory *memory = lookup(handle, 0, &error);
	uint64_t *slot;

	if (!memory)
		return -error;
	if (memory->kind == MEMORY_PHYSICAL)
		return page < memory_pages(memory);
	slot = radix_find(&memory->tree, page);
	if (!slot)
		return 0;
	return *slot & SLOT_FILLING ? 2 : 1;
}

long sys_mo_evict(uint64_t handle, uint64_t page, uint64_t count, uint64_t flags)
{
	int error;
	struct memory *memory = lookup_paged(handle, &error);
	struct step *step;

	if (!memory)
		return -error;
	if (flags > 1)
		return -EINVAL;
	step = step_resume(KCALL_mo_evict, (uintptr_t)memory, page, count, flags);
	return step_end(step, memory_evict(memory, page, count, flags, step));
}
