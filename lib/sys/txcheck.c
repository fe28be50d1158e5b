/* SPDX-License-Identifier: MIT */
/*
 * Proves that a transaction which is not committed would leave no trace: a build that checks (make TXCHECK=1) keeps a
 * twin of all memory that is to be saved before it is changed. At each commit, what going back would lead to has to be the twin,
 * and so has memory that was not saved (a part of it each time, all of it in turn). What is not is told once.
 */
#include "internal.h"

#ifdef TXCHECK

#define LINES_EACH 2048u
#define TOLD 64u
#define LINE_MASK (~(TX_LINE - 1))

static uint8_t *twin, *undone;
static uint32_t told[TOLD], told_count, next;

static uint8_t *twin_of(uintptr_t at)
{
	return twin + (at - PRESERVED_BASE);
}

static bool guarded(uintptr_t at)
{
	return ((const uint8_t *)TX_SHADOW)[(uint32_t)at >> TX_LINE_SHIFT];
}

static void compare(uintptr_t line, const uint8_t *bytes, const char *what)
{
	uint32_t at = 0;

	if (!memcmp(bytes, twin_of(line), TX_LINE))
		return;
	while (bytes[at] == twin_of(line)[at])
		at++;
	for (uint32_t i = 0; i < told_count; i++)
		if (told[i] == (uint32_t)line + at)
			return;
	if (told_count < TOLD)
		told[told_count++] = (uint32_t)line + at;
	slog("tx: %lx changed without being saved (%s)", line + at, what);
}

static void copy(uintptr_t line)
{
	memcpy(twin_of(line), (const void *)line, TX_LINE);
}

void txcheck_start(void)
{
	if (tx_on) {
		twin = scratch_map(startup->preserved_size);
		undone = scratch_map(startup->preserved_size);
	}
}

void txcheck_guarded(const void *memory, size_t length)
{
	if (tx_on && twin)
		memcpy(twin_of((uintptr_t)memory), memory, (length + TX_LINE - 1) & ~(TX_LINE - 1));
}

static uint8_t *undone_of(uintptr_t at)
{
	return undone + (at - PRESERVED_BASE);
}

static void take_line(uintptr_t at, const uint8_t *old, size_t size)
{
	(void)old;
	memcpy(undone_of(at & LINE_MASK), (const void *)(at & LINE_MASK), TX_LINE);
	if (size > TX_LINE - at % TX_LINE)
		take_line((at & LINE_MASK) + TX_LINE, old, 0);
}

static void undo(uintptr_t at, const uint8_t *old, size_t size)
{
	memcpy(undone_of(at), old, size);
}

/* Words of memory that is not guarded (of lib/sys itself) are not looked at. */
static void compare_line(uintptr_t at, const uint8_t *old, size_t size)
{
	(void)old;
	if (size == TX_LINE || guarded(at))
		compare(at & LINE_MASK, undone_of(at & LINE_MASK), "found as it was saved");
}

static void copy_line(uintptr_t at, const uint8_t *old, size_t size)
{
	(void)old;
	if (guarded(at))
		copy(at & LINE_MASK);
	if (size > TX_LINE - at % TX_LINE && guarded(at + size))
		copy((at & LINE_MASK) + TX_LINE);
}

void txcheck_records(void (*each)(txcheck_see *see))
{
	if (!twin || !undone)
		return;
	each(take_line);
	each(undo);
	each(compare_line);
	each(copy_line);
}

void txcheck_commit(void)
{
	uint32_t lines = (uint32_t)(startup->preserved_size >> TX_LINE_SHIFT);

	if (!tx_on || !twin)
		return;
	for (uint32_t i = 0; i < LINES_EACH; i++, next = next + 1 < lines ? next + 1 : 0) {
		uintptr_t line = PRESERVED_BASE + ((uintptr_t)next << TX_LINE_SHIFT);

		if (!guarded(line))
			continue;
		compare(line, (const uint8_t *)line, "found at a commit");
		copy(line);
	}
}

#endif
