/* SPDX-License-Identifier: MIT */
/* Copies between kernel, user memory and memory objects, page by page. */
#include "mm/frame.h"
#include "mm/space.h"

static size_t in_page(uint64_t addr, size_t length)
{
	size_t rest = PAGE_SIZE - (addr & PAGE_MASK);

	return length < rest ? length : rest;
}

static size_t smaller(size_t a, size_t b)
{
	return a < b ? a : b;
}

static void copy_bytes(void *to, const void *from, size_t length)
{
	size_t words = length / 8;
	uint8_t *t;
	const uint8_t *f;

	__asm__ volatile("rep movsq" : "+D"(to), "+S"(from), "+c"(words) : : "memory");
	t = to;
	f = from;
	if (length & 4) {
		__builtin_memcpy(t, f, 4);
		t += 4;
		f += 4;
	}
	if (length & 2) {
		__builtin_memcpy(t, f, 2);
		t += 2;
		f += 2;
	}
	if (length & 1)
		*t = *f;
}

static long failed(uint64_t *fault, uint64_t addr)
{
	if (fault)
		*fault = addr;
	return -EFAULT;
}

long copy_from_user(struct space *space, void *to, uint64_t from, size_t length, uint64_t *fault)
{
	while (length > 0) {
		int error;
		size_t chunk = in_page(from, length);
		const void *page = space_page(space, from, false, &error);

		if (!page)
			return failed(fault, from);
		copy_bytes(to, page, chunk);
		to = (char *)to + chunk;
		from += chunk;
		length -= chunk;
	}
	return 0;
}

long copy_to_user(struct space *space, uint64_t to, const void *from, size_t length, uint64_t *fault)
{
	while (length > 0) {
		int error;
		size_t chunk = in_page(to, length);
		void *page = space_page(space, to, true, &error);

		if (!page)
			return failed(fault, to);
		copy_bytes(page, from, chunk);
		from = (const char *)from + chunk;
		to += chunk;
		length -= chunk;
	}
	return 0;
}

/* Most copies are within one page on both sides. */
static inline __attribute__((always_inline)) long copy_within_page(struct space *to_space, uint64_t to,
								   struct space *from_space, uint64_t from,
								   size_t length, bool *to_side,
								   uint64_t *fault)
{
	int error;
	/* The destination first: making it writable may replace the frame of the source, if both are the same page. */
	void *target = space_page(to_space, to, true, &error);
	const void *source;

	*to_side = !target;
	if (!target)
		return failed(fault, to);
	source = space_page(from_space, from, false, &error);
	if (!source)
		return failed(fault, from);
	copy_bytes(target, source, length);
	return (long)length;
}

/* Where one side comes to its next page, the other's is known already. */
static __attribute__((noinline)) long copy_pages(struct space *to_space, uint64_t to,
						 struct space *from_space, uint64_t from, size_t length,
						 bool *to_side, uint64_t *fault)
{
	char *target = NULL;
	const char *source = NULL;
	size_t done = 0, chunk;
	int error;

	for (; done < length; done += chunk, target += chunk, source += chunk) {
		chunk = in_page(to + done, in_page(from + done, length - done));
		if (!target || !((to + done) & PAGE_MASK)) {
			target = space_page(to_space, to + done, true, &error);
			*to_side = !target;
			if (!target)
				return failed(fault, to + done);
			if (to_space == from_space)
				source = NULL;
		}
		if (!source || !((from + done) & PAGE_MASK))
			source = space_page(from_space, from + done, false, &error);
		if (!source)
			return failed(fault, from + done);
		copy_bytes(target, source, chunk);
	}
	return (long)done;
}

long copy_user_user(struct space *to_space, uint64_t to, struct space *from_space, uint64_t from,
		    size_t length, bool *to_side, uint64_t *fault)
{
	if (in_page(to, in_page(from, length)) == length)
		return length ? copy_within_page(to_space, to, from_space, from, length, to_side, fault) : 0;
	return copy_pages(to_space, to, from_space, from, length, to_side, fault);
}

/* A page of an object for a copy, at the offset's address; NULL: stop there. */
static void *object_page(struct memory *memory, uint64_t offset, enum memory_access access,
			 struct quota *payer)
{
	int error;
	uint64_t frame = memory_frame(memory, offset >> ANOLE_PAGE_SHIFT, access, payer, &error);

	return frame ? phys_to_virt(frame | (offset & PAGE_MASK)) : NULL;
}

static size_t in_object(const struct memory *memory, uint64_t offset, size_t length)
{
	if (offset >= memory->size)
		return 0;
	return smaller(length, memory->size - offset);
}

static long object_user(struct memory *memory, enum memory_access access, uint64_t offset,
			struct space *space, uint64_t addr, size_t length, bool to_user, uint64_t *fault)
{
	size_t done = 0;

	length = in_object(memory, offset, length);
	while (done < length) {
		int error;
		size_t chunk = in_page(offset + done, in_page(addr + done, length - done));
		void *user = space_page(space, addr + done, to_user, &error);

		if (!user)
			return failed(fault, addr + done);
		void *page = object_page(memory, offset + done, access, space->quota);
		if (!page)
			break;
		if (to_user)
			copy_bytes(user, page, chunk);
		else
			copy_bytes(page, user, chunk);
		done += chunk;
	}
	return done;
}

long copy_memory_user(struct memory *memory, uint64_t offset, struct space *space, uint64_t addr,
		      size_t length, bool to_user, uint64_t *fault)
{
	return object_user(memory, to_user ? MEMORY_READ : MEMORY_WRITE, offset, space, addr, length, to_user,
			   fault);
}

long copy_buffer_user(struct memory *buffer, uint64_t offset, struct space *space, uint64_t addr,
		      size_t length, bool to_user, uint64_t *fault)
{
	return object_user(buffer, to_user ? MEMORY_READ : MEMORY_FILL, offset, space, addr, length, to_user,
			   fault);
}

static long object_object(struct memory *to, enum memory_access access, uint64_t to_offset,
			  struct memory *from, uint64_t from_offset, size_t length)
{
	size_t done = 0;

	length = in_object(to, to_offset, in_object(from, from_offset, length));
	while (done < length) {
		size_t chunk = in_page(to_offset + done, in_page(from_offset + done, length - done));
		void *target = object_page(to, to_offset + done, access, to->quota);
		void *source = target ? object_page(from, from_offset + done, MEMORY_READ, NULL) : NULL;

		if (!source)
			break;
		copy_bytes(target, source, chunk);
		done += chunk;
	}
	return done;
}

long copy_memory_memory(struct memory *to, uint64_t to_offset, struct memory *from, uint64_t from_offset,
			size_t length)
{
	return object_object(to, MEMORY_WRITE, to_offset, from, from_offset, length);
}

long copy_buffer_memory(struct memory *buffer, uint64_t buffer_offset, struct memory *memory,
			uint64_t memory_offset, size_t length, bool to_memory)
{
	if (to_memory)
		return object_object(memory, MEMORY_WRITE, memory_offset, buffer, buffer_offset, length);
	return object_object(buffer, MEMORY_FILL, buffer_offset, memory, memory_offset, length);
}
