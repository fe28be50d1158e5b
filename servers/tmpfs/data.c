/* SPDX-License-Identifier: MIT */
/* The bytes of files: a memory object each, and how many pages are charged for it. */
#include "tmpfs.h"

#define GRAIN 65536u

static uint64_t round_page(uint64_t size)
{
	return (size + ANOLE_PAGE_SIZE - 1) & ~(ANOLE_PAGE_SIZE - 1);
}

/* A mapping must not reach beyond the end of the file; otherwise growth goes in strides. */
static uint64_t capacity_for(const struct node *node, uint64_t end)
{
	uint64_t stride;

	if (node->mapped || end <= ANOLE_PAGE_SIZE)
		return round_page(end);
	stride = node->capacity / 4;
	if (end < node->capacity + stride)
		end = node->capacity + stride;
	return (end + GRAIN - 1) / GRAIN * GRAIN;
}

long data_grow(struct node *node, uint64_t end)
{
	uint64_t capacity = capacity_for(node, end);
	long status;

	if (!node->memory) {
		status = tx_made(kcall(mo_create, capacity, 0));
		if (status < 0)
			return status;
		node->memory = (cap_t)status;
	} else {
		status = kcall(mo_resize, node->memory, capacity);
		if (status < 0)
			return status;
	}
	node->capacity = capacity;
	return 0;
}

/* Pages that a write to [offset, end) may add. */
static uint64_t pages_needed(const struct node *node, uint64_t offset, uint64_t end)
{
	uint64_t first = offset / ANOLE_PAGE_SIZE, last = round_page(end) / ANOLE_PAGE_SIZE;
	uint64_t dense = round_page(node->dense) / ANOLE_PAGE_SIZE;

	if (first < dense)
		first = dense;
	return last > first ? last - first : 0;
}

long data_reserve(struct node *node, uint64_t offset, uint64_t length)
{
	uint64_t end, needed, left = share_left(&shares_of(node->mount)->pages, node->payer);

	if (offset >= FILE_SIZE_MAX)
		return -EFBIG;
	if (length > FILE_SIZE_MAX - offset)
		length = FILE_SIZE_MAX - offset;
	end = offset + length;
	needed = pages_needed(node, offset, end);
	if (needed > left) {
		uint64_t cut = (needed - left) * ANOLE_PAGE_SIZE - (round_page(end) - end);

		if (cut >= length)
			return -ENOSPC;
		end -= cut;
		length -= cut;
	}
	if (end > node->capacity) {
		long status = data_grow(node, end);

		if (status < 0)
			return status == -ENOMEM ? -ENOSPC : status;
	}
	return (long)length;
}

static void charge(struct node *node, uint64_t pages)
{
	struct share *share = &shares_of(node->mount)->pages;

	if (pages == node->pages)
		return;
	if (pages > node->pages)
		share_force(share, node->payer, pages - node->pages);
	else
		share_give(share, node->payer, node->pages - pages);
	node->pages = pages;
}

static void recount(struct node *node)
{
	struct mo_info info;

	if (node->memory && kcall(mo_info, node->memory, &info) >= 0)
		charge(node, info.resident_pages);
}

void data_written(struct node *node, uint64_t offset, uint64_t length)
{
	uint64_t end = offset + length;

	if (offset <= node->dense && end > node->dense)
		node->dense = end;
	else if (offset > node->dense)
		node->sparse = true;
	if (end > node->size)
		node->size = end;
	if (node->sparse)
		recount(node);
	else
		charge(node, round_page(node->dense) / ANOLE_PAGE_SIZE);
}

uint64_t data_pages(struct node *node)
{
	if (node->sparse || node->mapped)
		recount(node);
	return node->pages;
}

/* Bytes beyond the end are zero when they come back, also those of a mapping's last page. */
long data_truncate(struct node *node, uint64_t size)
{
	long status;

	if (size > FILE_SIZE_MAX)
		return -EFBIG;
	if (size >= node->size) {
		if (size > node->capacity && node->memory && node->mapped) {
			status = data_grow(node, size);
			if (status < 0)
				return status;
		}
		node->size = size;
		return 0;
	}
	if (!size && !node->mapped) {
		data_free(node);
	} else if (node->memory && size < node->capacity) {
		status = kcall(mo_resize, node->memory, size);
		if (status < 0)
			return status;
		node->capacity = size;
	}
	node->size = size;
	if (node->dense > size)
		node->dense = size;
	if (node->sparse || node->mapped)
		recount(node);
	else
		charge(node, round_page(node->dense) / ANOLE_PAGE_SIZE);
	return 0;
}

void data_free(struct node *node)
{
	if (node->memory)
		tx_close(node->memory);
	node->memory = 0;
	node->capacity = node->dense = 0;
	node->sparse = node->mapped = node->mapped_shared = false;
	charge(node, 0);
}

static bool page_has_data(const struct node *node, uint64_t page)
{
	if (page * ANOLE_PAGE_SIZE < node->dense)
		return true;
	return node->memory && page * ANOLE_PAGE_SIZE < node->capacity &&
	       kcall(mo_present, node->memory, page) == 1;
}

long data_seek(struct node *node, uint64_t offset, bool hole)
{
	uint64_t page, end = round_page(node->size) / ANOLE_PAGE_SIZE;

	if (offset >= node->size)
		return -ENXIO;
	if (!node->sparse && !node->mapped) {
		if (!hole)
			return offset < node->dense ? (long)offset : -ENXIO;
		return (long)(offset < node->dense
				  ? node->dense < node->size ? round_page(node->dense) : node->size
				  : offset);
	}
	for (page = offset / ANOLE_PAGE_SIZE; page < end && page_has_data(node, page) == hole; page++)
		;
	if (page == end)
		return hole ? (long)node->size : -ENXIO;
	if (page * ANOLE_PAGE_SIZE > offset)
		offset = page * ANOLE_PAGE_SIZE;
	return (long)(offset > node->size ? node->size : offset);
}

long data_map(struct node *node, cap_t *memory)
{
	uint64_t exact = node->size ? round_page(node->size) : ANOLE_PAGE_SIZE;
	long status;

	node->mapped = true;
	if (!node->memory || node->capacity < exact) {
		status = data_grow(node, exact);
		if (status < 0)
			return status;
	} else if (node->capacity != exact) {
		status = kcall(mo_resize, node->memory, exact);
		if (status < 0)
			return status;
		node->capacity = exact;
	}
	*memory = node->memory;
	return 0;
}
