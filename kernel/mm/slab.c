/* SPDX-License-Identifier: MIT */
/*
 * Small objects of the kernel.
 *
 * Objects of one class share pages; a page begins with a struct slab and so an
 * object never begins at a page boundary, but a block of whole frames does:
 * kfree tells them apart by that. Freed blocks are kept by length, since a
 * long run of free frames is hard to find once memory has been in use.
 */
#include "mm/frame.h"

#include "arch/arch.h"

#define SLAB_HEADER 64u
#define SLAB_STEP 16u
#define SLAB_FINE 1024u                     /* up to here a class each 16 bytes */
#define SLAB_THIRD 1344u                    /* three objects in a page */
#define SLAB_HALF 2016u                     /* two */
#define CLASSES (SLAB_FINE / SLAB_STEP + 3) /* class 0 is unused */
#define BLOCK_FRAMES 16u                    /* 64 KiB */

struct slab {
	struct list_node link; /* in the class's list while an object is free */
	void *free;            /* chained through their first words */
	uint32_t class, used;
};

static struct list_node partial[CLASSES];
static void *blocks[BLOCK_FRAMES + 1]; /* free blocks, chained through their first words */
static size_t pages_used, pages_kept, bytes_used;

static unsigned class_of(size_t size)
{
	if (size <= SLAB_FINE)
		return (size + SLAB_STEP - 1) / SLAB_STEP;
	return size <= SLAB_THIRD ? CLASSES - 2 : CLASSES - 1;
}

static size_t class_size(unsigned class)
{
	if (class <= SLAB_FINE / SLAB_STEP)
		return class * SLAB_STEP;
	return class == CLASSES - 2 ? SLAB_THIRD : SLAB_HALF;
}

static void words_zero(void *at, size_t bytes)
{
	size_t words = bytes / 8;

	__asm__ volatile("rep stosq" : "+D"(at), "+c"(words) : "a"(0ul) : "memory");
}

static struct slab *slab_new(unsigned class)
{
	uint64_t frame = frame_alloc();
	size_t size = class_size(class);

	if (!frame)
		return NULL;
	struct slab *slab = phys_to_virt(frame);
	*slab = (struct slab){ .class = class };
	for (size_t at = SLAB_HEADER; at + size <= ANOLE_PAGE_SIZE; at += size) {
		void **object = (void **)((char *)slab + at);

		*object = slab->free;
		slab->free = object;
	}
	list_push_front(&partial[class], &slab->link);
	pages_used++;
	return slab;
}

static void *block_alloc(size_t size)
{
	size_t count = (size + ANOLE_PAGE_SIZE - 1) / ANOLE_PAGE_SIZE;
	void **block = blocks[count];

	if (block) {
		blocks[count] = *block;
		pages_kept -= count;
	} else {
		uint64_t frame = frame_alloc_block(count);

		if (!frame)
			return NULL;
		block = phys_to_virt(frame);
		page_of(frame)->count = count;
		pages_used += count;
	}
	bytes_used += count * ANOLE_PAGE_SIZE;
	words_zero(block, size + 7);
	return block;
}

void *kalloc(size_t size)
{
	if (size > SLAB_HALF)
		return size <= BLOCK_FRAMES * ANOLE_PAGE_SIZE ? block_alloc(size) : NULL;
	unsigned class = class_of(size ? size : 1);
	struct list_node *list = &partial[class];
	struct slab *slab;

	if (!list->next)
		list_init(list);
	if (list_empty(list))
		slab = slab_new(class);
	else
		slab = container_of(list->next, struct slab, link);
	if (!slab)
		return NULL;
	void **object = slab->free;
	slab->free = *object;
	slab->used++;
	if (!slab->free)
		list_remove(&slab->link);
	bytes_used += class_size(class);
	words_zero(object, class_size(class));
	return object;
}

static void block_free(void **block)
{
	uint32_t count = page_of(virt_to_phys(block))->count;

	*block = blocks[count];
	blocks[count] = block;
	pages_kept += count;
	bytes_used -= count * ANOLE_PAGE_SIZE;
}

/* An empty page goes back, unless it is the last of its class that has room. */
static void slab_emptied(struct slab *slab)
{
	struct list_node *list = &partial[slab->class];

	if (list->next == list->prev)
		return;
	list_remove(&slab->link);
	pages_used--;
	frame_release(virt_to_phys(slab));
}

void kfree(void *pointer)
{
	void **object = pointer;

	if (!object)
		return;
	if (((uintptr_t)object & (ANOLE_PAGE_SIZE - 1)) == 0) {
		block_free(object);
		return;
	}
	struct slab *slab = (struct slab *)((uintptr_t)object & ~(ANOLE_PAGE_SIZE - 1));
	bool was_full = !slab->free;

	bytes_used -= class_size(slab->class);
	*object = slab->free;
	slab->free = object;
	if (was_full)
		list_push_front(&partial[slab->class], &slab->link);
	if (--slab->used == 0)
		slab_emptied(slab);
}

bool slab_shrink(void)
{
	bool any = false;

	for (unsigned count = 1; count <= BLOCK_FRAMES; count++) {
		while (blocks[count]) {
			void **block = blocks[count];

			blocks[count] = *block;
			for (unsigned i = 0; i < count; i++)
				frame_release(virt_to_phys(block) + i * ANOLE_PAGE_SIZE);
			pages_used -= count;
			pages_kept -= count;
			any = true;
		}
	}
	return any;
}

size_t kalloc_pages(void)
{
	return pages_used;
}

size_t kalloc_kept(void)
{
	return pages_kept;
}

size_t kalloc_bytes(void)
{
	return bytes_used;
}
