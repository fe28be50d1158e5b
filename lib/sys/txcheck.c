/* SPDX-License-Identifier: MIT */
/*
 * Finds forgotten tx_save: in a build that checks (make TXCHECK=1), every store of a transactional service to
 * preserved memory that its log does not cover is told once, by the address of the code that makes it.
 */
#include "internal.h"

#ifdef TXCHECK

#define ALLOCATIONS 256u
#define TOLD 512u

static struct {
	const char *at;
	size_t size;
	uint64_t sequence;
} allocations[ALLOCATIONS];
static unsigned next_allocation, told_count;
static const void *told[TOLD];
static bool started;
static const void *outside;
static size_t outside_length;

void txcheck_start(void)
{
	started = true;
}

void txcheck_allocated(const void *at, size_t size)
{
	allocations[next_allocation].at = at;
	allocations[next_allocation].size = size;
	allocations[next_allocation].sequence = tx_sequence();
	next_allocation = (next_allocation + 1) % ALLOCATIONS;
}

void tx_fresh(const void *memory, size_t length)
{
	txcheck_allocated(memory, length);
}

void tx_checked(const void *memory, size_t length)
{
	outside = memory;
	outside_length = length;
}

static bool inside(const char *at, size_t length, const void *whole, size_t size)
{
	return at >= (const char *)whole && at + length <= (const char *)whole + size;
}

static bool fresh(const char *at, size_t length)
{
	for (unsigned i = 0; i < ALLOCATIONS; i++)
		if (allocations[i].sequence == tx_sequence() &&
		    inside(at, length, allocations[i].at, allocations[i].size))
			return true;
	return false;
}

static bool saved(const char *at, size_t length)
{
	uint32_t size = (uint32_t)tx_log.word;
	const struct tx_record *record;

	while ((record = tx_last_record(tx_log.bytes, &size)))
		if (record->at && inside(at, length, record->at, record->length))
			return true;
	return false;
}

static void tell(const void *at, size_t length, const void *code)
{
	for (unsigned i = 0; i < told_count; i++)
		if (told[i] == code)
			return;
	if (told_count < TOLD)
		told[told_count++] = code;
	slog("tx: %lu bytes at %p changed without tx_save by %p", length, at, code);
}

static void check(const void *at, size_t length, const void *code)
{
	if (!started || !tx_on ||
	    (!preserved_contains(at, length) && !inside(at, length, outside, outside_length)))
		return;
	if (request_is_own(at) || acall_contains(at) || fresh(at, length) || saved(at, length))
		return;
	tell(at, length, code);
}

#define STORE(size)                                           \
	void __asan_store##size##_noabort(void *at);          \
	void __asan_store##size##_noabort(void *at)           \
	{                                                     \
		check(at, size, __builtin_return_address(0)); \
	}
STORE(1)
STORE(2)
STORE(4)
STORE(8)
STORE(16)

void __asan_storeN_noabort(void *at, long length);
void __asan_storeN_noabort(void *at, long length)
{
	check(at, (size_t)length, __builtin_return_address(0));
}

void __asan_handle_no_return(void);
void __asan_handle_no_return(void) {}

#endif
