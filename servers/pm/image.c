/* SPDX-License-Identifier: MIT */
#include "image.h"

#include <util/string.h>

#define BADGE_FAULT 2ull
#define PRIVATE_SLOTS 128u
/* Between the stacks and the time page: libposix lies somewhere in this gigabyte. */
#define IMAGE_AREA 0x7fdf40000000ul
#define IMAGE_AREA_PAGES 0x3fffful
#define BLOCK_STACK_SIZE (THREAD_AREA_STEP - THREAD_STACK_OFFSET)

struct libposix_header libposix;
PRESERVED cap_t public_cap;
PRESERVED cap_t fault_cap;
static PRESERVED cap_t template_table, time_memory;
static PRESERVED struct image images[PROCESS_MAX];
static PRESERVED struct {
	struct image *free;
	uint64_t used; /* beyond it none has been used yet */
} pool;
static cap_t libposix_memory;

/* --- what all share ------------------------------------------------------------------------------- */
static cap_t own_badge(uint64_t badge)
{
	long cap = kcall(badge_create, SLOT_ENDPOINT, badge);

	return (cap_t)(cap == -EEXIST ? kcall(badge_cap, SLOT_ENDPOINT, badge) : cap);
}

static long put_named(cap_t table, enum process_slot slot, const char *name)
{
	const struct startup_entry *entry = startup_find(STARTUP_SERVICE, name, 0);

	if (!entry)
		return -ENOENT;
	return kcall(table_put, table, slot & ~CAP_PRIVATE, entry->slot, CAP_ALL);
}

static long make_template(void)
{
	long status = kcall(table_create, PRIVATE_SLOTS, 0);

	if (status < 0)
		return status;
	template_table = (cap_t)status;
	put_named(template_table, PROC_SLOT_PIPE, "pipe.public");
	put_named(template_table, PROC_SLOT_NET, "net.public");
	return put_named(template_table, PROC_SLOT_VFS, "vfs.public");
}

static long find_libposix(void)
{
	const struct startup_entry *file = startup_find(STARTUP_FILE, "libposix", 0);
	long status;

	if (!file)
		return -ENOENT;
	libposix_memory = file->slot;
	status = kcall(mo_read, libposix_memory, 0, &libposix, sizeof(libposix));
	if (status < 0)
		return status;
	return libposix.magic == LIBPOSIX_MAGIC ? 0 : -ENOEXEC;
}

long image_start(bool restarted)
{
	long status = find_libposix();

	if (status || (restarted && template_table))
		return status;
	public_cap = own_badge(BADGE_PUBLIC);
	fault_cap = own_badge(BADGE_FAULT);
	time_memory = (cap_t)kcall(time_page);
	if (public_cap < 0 || fault_cap < 0 || time_memory < 0)
		return -ENOMEM;
	status = make_template();
	return status < 0 ? status : 0;
}

cap_t table_standard(cap_t pm, cap_t quota)
{
	long table = tx_made(kcall(table_clone, template_table, quota)), status;

	if (table < 0)
		return (cap_t)table;
	status = kcall(table_put, table, PROC_SLOT_PM & ~CAP_PRIVATE, pm, CAP_ALL);
	if (status >= 0)
		return (cap_t)table;
	tx_close((cap_t)table);
	return (cap_t)status;
}

/* --- images ------------------------------------------------------------------------------------------- */
static struct image *image_take(long space)
{
	struct image *image = pool.free;

	if (tx_made(space) < 0)
		return NULL;
	if (image)
		pool.free = image->next_free;
	else if (pool.used < PROCESS_MAX)
		image = &images[pool.used++];
	if (!image) {
		tx_close((cap_t)space);
		return NULL;
	}
	take_place(image, sizeof(*image), &image->next_free, image->freed);
	image->space = (cap_t)space;
	image->users = 1;
	return image;
}

static long map_shared_parts(struct image *image)
{
	uint64_t random;
	long status;

	random_bytes(&random, sizeof(random));
	image->base = IMAGE_AREA + (random & IMAGE_AREA_PAGES) * ANOLE_PAGE_SIZE;
	status = kcall(vm_map, image->space, image->base, libposix.image_size,
		       VM_R | VM_X | VM_SHARED | VM_FIXED, libposix_memory, 0);
	if (status >= 0)
		status = kcall(vm_map, image->space, TIME_PAGE, ANOLE_PAGE_SIZE, VM_R | VM_SHARED | VM_FIXED,
			       time_memory, 0);
	if (status >= 0)
		status = kcall(vm_map, image->space, PROCESS_BLOCK, ANOLE_PAGE_SIZE, VM_R | VM_W | VM_FIXED,
			       CAP_NONE, 0);
	return status;
}

struct image *image_new(cap_t quota)
{
	struct image *image = image_take(kcall(space_create, quota));

	if (!image || map_shared_parts(image) >= 0)
		return image;
	image_put(image);
	return NULL;
}

struct image *image_clone(const struct image *of, unsigned block)
{
	struct image *image = image_take(kcall(space_clone, of->space));

	if (!image)
		return NULL;
	image->base = of->base;
	memcpy(image->blocks_mapped, of->blocks_mapped, sizeof(image->blocks_mapped));
	image->blocks_used[block / 64] = 1ull << block % 64;
	return image;
}

static void limit_space(struct image *image, unsigned what, uint64_t bytes)
{
	uint64_t pages = bytes / ANOLE_PAGE_SIZE;

	kcall(space_limit, image->space, what, bytes == UINT64_MAX ? 0 : pages ? pages : 1);
}

void image_limit(struct image *image, const struct limit *limits)
{
	if (!image)
		return;
	limit_space(image, SPACE_LIMIT_MAPPED, limits[RLIMIT_AS].soft);
	limit_space(image, SPACE_LIMIT_DATA, limits[RLIMIT_DATA].soft);
	limit_space(image, SPACE_LIMIT_STACK, limits[RLIMIT_STACK].soft);
}

void image_use(struct image *image)
{
	image->users = image->users + 1;
}

void image_put(struct image *image)
{
	if (--image->users)
		return;
	image->freed = tx_sequence();
	tx_close(image->space);
	image->next_free = pool.free;
	pool.free = image;
}

/* --- thread blocks ---------------------------------------------------------------------------------------- */
static long map_block(struct image *image, unsigned block)
{
	uint64_t page = block_page(block);
	long status = kcall(vm_map, image->space, page, ANOLE_PAGE_SIZE, VM_R | VM_W | VM_PINNED | VM_FIXED,
			    CAP_NONE, 0);

	if (status >= 0)
		status = kcall(vm_map, image->space, page + THREAD_STACK_OFFSET, BLOCK_STACK_SIZE,
			       VM_R | VM_W | VM_FIXED, CAP_NONE, 0);
	return status;
}

static long lowest_free(const struct image *image)
{
	for (unsigned word = 0; word < THREADS_MAX / 64; word++)
		if (~image->blocks_used[word])
			return word * 64 + __builtin_ctzll(~image->blocks_used[word]);
	return -EAGAIN;
}

long image_block_get(struct image *image)
{
	long block = lowest_free(image), status;
	uint64_t bit;

	if (block < 0)
		return block;
	bit = 1ull << block % 64;
	if (!(image->blocks_mapped[block / 64] & bit)) {
		status = map_block(image, (unsigned)block);
		if (status < 0)
			return status;
		image->blocks_mapped[block / 64] = image->blocks_mapped[block / 64] | bit;
	}
	image->blocks_used[block / 64] = image->blocks_used[block / 64] | bit;
	return block;
}

void image_block_put(struct image *image, unsigned block)
{
	image->blocks_used[block / 64] = image->blocks_used[block / 64] & ~(1ull << block % 64);
}
