/* SPDX-License-Identifier: MIT */
/*
 * The undo log. Preserved memory is taken by lines of 64 bytes; a shadow byte for each says whether it has to be saved
 * before it is changed: it is preserved, and was not saved or allocated in this transaction. A record is the old bytes,
 * then where they belong with its kind in the low bits. It counts only once tx_log.word covers it, so a crash at any
 * instruction leaves a log that leads back to the last commit. Going back is repeatable.
 */
#include "internal.h"

#define STEPS_MAX 4096u
#define KIND_MASK 7ul

enum kind {
	LINE,       /* its bytes */
	WORD,       /* eight bytes */
	ALLOCATED,  /* the same; payload is to be saved from the next transaction on */
	CAPABILITY, /* made: closed if that is undone */
	FRESH,      /* the lines from there on, so many bytes, are to be saved from the next transaction on */
};
static const uint8_t kind_size[KIND_MASK + 1] = { TX_LINE, 8, 8, 0, 8 };

_Static_assert(TX_SHADOW == 0x38000000 && TX_LINE == 64, "see tx_line.S");
_Static_assert(offsetof(struct tx_log, bytes) == 8, "see tx_line.S");

/* Both are the linker script's: a record of LINE can begin there at the latest. */
extern const uint64_t tx_log_last;
#define LOG_SIZE (tx_log_last + TX_LINE + 8)

enum step { STEP_CLOSE, STEP_START, STEP_KILL };

/* What follows the commit of the transaction `sequence`; `done` of it has been. */
static PRESERVED struct {
	uint64_t sequence;
	uint32_t count, done;
	struct {
		cap_t slot;
		uint32_t what;
	} step[STEPS_MAX];
} later;

bool tx_on, tx_effects;
static bool noticed;
void (*tx_committed)(void);

static uint32_t used(void)
{
	return (uint32_t)tx_log.word;
}

void tx_full(void)
{
	check_failed(__FILE__, __LINE__, "room in the undo log");
}

static void append(const void *old, uint64_t at, enum kind kind)
{
	uint8_t *to = tx_log.bytes + used();
	size_t size = kind_size[kind];

	if (used() > LOG_SIZE - size - 8)
		tx_full();
	memcpy(to, old, size);
	*(uint64_t *)(to + size) = at | kind;
	BARRIER();
	tx_log.word += size + 8;
	BARRIER();
}

void tx_keep_word(void *memory)
{
	txcheck_changes(memory, 8);
	uint64_t *word = (uint64_t *)((uintptr_t)memory & ~7ul);

	if (tx_on)
		append(word, (uintptr_t)word, WORD);
}

/* --- lines -------------------------------------------------------------------------------- */

static uint8_t *shadow_of(uintptr_t at)
{
	return (uint8_t *)TX_SHADOW + ((uint32_t)at >> TX_LINE_SHIFT);
}

static bool inside(const void *memory)
{
	return (uintptr_t)memory - PRESERVED_BASE < PRESERVED_LIMIT;
}

void tx_touch(void *memory, size_t length)
{
	uintptr_t at = (uintptr_t)memory & ~(TX_LINE - 1), end = (uintptr_t)memory + length;

	if (!inside(memory) || !tx_on)
		return;
	FAULT_POINT("tx: before a change");
	for (; at < end; at += TX_LINE) {
		while (!(at & (8 * TX_LINE - 1)) && end - at >= 8 * TX_LINE && !*(uint64_t *)shadow_of(at))
			at += 8 * TX_LINE;
		if (at < end && *shadow_of(at)) {
			append((void *)at, at, LINE);
			*shadow_of(at) = 0;
		}
	}
}

void tx_save(void *memory, size_t length)
{
	if (inside(memory)) {
		tx_touch(memory, length);
		return;
	}
	for (size_t at = (uintptr_t)memory & ~7ul; tx_on && at < (uintptr_t)memory + length; at += 8)
		append((void *)at, at, WORD);
}

static void guard_line(uintptr_t line)
{
	*shadow_of(line) = 1;
	txcheck_guarded((void *)line, TX_LINE);
}

void tx_guard(void *memory, size_t length)
{
	if (tx_on && length)
		memset(shadow_of((uintptr_t)memory), 1, (length + TX_LINE - 1) >> TX_LINE_SHIFT);
	txcheck_guarded(memory, length);
}

void tx_unguard(void *memory, size_t length)
{
	if (tx_on)
		memset(shadow_of((uintptr_t)memory), 0, (length + TX_LINE - 1) >> TX_LINE_SHIFT);
}

void tx_allocated(void *payload, size_t length, uint64_t *header)
{
	if (!tx_on)
		return;
	txcheck_changes(header, 16);
	tx_unguard(payload, length);
	append(header, (uintptr_t)header, ALLOCATED);
}

/* The whole lines of some memory. */
static size_t lines_in(void *memory, size_t length, uintptr_t *from)
{
	uintptr_t end = ((uintptr_t)memory + length) & ~(TX_LINE - 1);

	*from = ((uintptr_t)memory + TX_LINE - 1) & ~(TX_LINE - 1);
	return tx_on && inside(memory) && end > *from ? end - *from : 0;
}

void tx_fresh(void *memory, size_t length)
{
	uintptr_t from;
	uint64_t whole = lines_in(memory, length, &from);

	if (!whole)
		return;
	append(&whole, from, FRESH);
	tx_unguard((void *)from, whole);
}

void tx_exclude(void *memory, size_t length)
{
	uintptr_t from;
	size_t whole = lines_in(memory, length, &from);

	if (whole)
		tx_unguard((void *)from, whole);
}

static size_t statics(void)
{
	return (size_t)(__preserved_end - __preserved_guarded);
}

void tx_suspend(void)
{
	tx_unguard(__preserved_guarded, statics());
}

void tx_resume(void)
{
	tx_guard(__preserved_guarded, statics());
}

/* --- records ------------------------------------------------------------------------------ */

/* The last record of a log of *size bytes; *size is then the log without it, and where the old bytes begin. 0 at its
 * beginning. */
static uint64_t last_record(uint32_t *size)
{
	uint64_t record;

	if (*size < 8)
		return 0;
	record = *(const uint64_t *)(tx_log.bytes + *size - 8);
	*size -= 8 + kind_size[record & KIND_MASK];
	return record;
}

static void put_back(uint64_t record, const uint8_t *old)
{
	if ((record & KIND_MASK) == CAPABILITY)
		kcall(cap_close, (cap_t)(record >> 3));
	else if ((record & KIND_MASK) != FRESH)
		memcpy((void *)(record & ~KIND_MASK), old, kind_size[record & KIND_MASK]);
}

static void check_saved(void)
{
#ifdef TXCHECK
	uint32_t size = used();
	uint64_t record;

	while ((record = last_record(&size)))
		if ((record & KIND_MASK) == LINE)
			txcheck_saved(record, tx_log.bytes + size);
#endif
}

/* What this transaction has saved or allocated is to be saved again by the next. */
static void guard_again(void)
{
	uint32_t size = used();
	uint64_t record;

	while ((record = last_record(&size))) {
		uint64_t *at = (uint64_t *)(record & ~KIND_MASK);

		if ((record & KIND_MASK) == LINE)
			guard_line(record);
		else if ((record & KIND_MASK) == ALLOCATED)
			pheap_guard(at);
		else if ((record & KIND_MASK) == FRESH)
			tx_guard(at, *(uint64_t *)(tx_log.bytes + size));
	}
}

/* The pages of a long transaction go back. */
static void shorten(void)
{
	uintptr_t from = ROUND_PAGE((uintptr_t)tx_log.bytes + TX_LOG_SIZE);

	kcall(mo_discard, SLOT_PRESERVED, from - PRESERVED_BASE, (uintptr_t)tx_log.bytes + LOG_SIZE - from);
}

void tx_finish_lines(void)
{
	bool was_long = used() > TX_LOG_SIZE;

	FAULT_POINT("tx: before the commit");
	check_saved();
	guard_again();
	pheap_unguard_freed();
	tx_next();
	if (was_long)
		shorten();
	FAULT_POINT("tx: after the commit");
}

/* --- capabilities, threads ------------------------------------------------------------------------- */

long tx_made(long slot)
{
	if (slot >= 0 && tx_on) {
		append(NULL, (uint64_t)slot << 3, CAPABILITY);
		message_page->unnoted = 0;
	}
	return slot;
}

static void take_step(enum step what, cap_t slot)
{
	if (what == STEP_KILL)
		kcall(thread_kill, slot);
	if (what == STEP_START)
		kcall(thread_start, slot);
	else
		kcall(cap_close, slot);
}

/* One that was taken just before a crash is taken again: a slot that is empty then is still empty, for this comes
 * before anything that could fill it. */
void tx_take_steps(void)
{
	for (; later.done < later.count; later.done++) {
		take_step(later.step[later.done].what, later.step[later.done].slot);
		BARRIER();
	}
}

static void add_step(enum step what, cap_t slot)
{
	if (!tx_on || (later.sequence == tx_sequence() && later.count == STEPS_MAX)) {
		take_step(what, slot);
		return;
	}
	if (later.sequence != tx_sequence()) {
		later.count = 0;
		BARRIER();
		later.done = 0;
		later.sequence = tx_sequence();
	}
	later.step[later.count].slot = slot;
	later.step[later.count].what = what;
	BARRIER();
	later.count++;
	tx_effects = true;
}

void tx_close(cap_t slot)
{
	add_step(STEP_CLOSE, slot);
}

void tx_start(cap_t thread)
{
	add_step(STEP_START, thread);
}

void tx_kill(cap_t thread)
{
	add_step(STEP_KILL, thread);
}

bool tx_is_long(void)
{
#ifdef TXCHECK
	return true; /* whoever forgets to save again after a commit in between is found */
#endif
	return used() > LOG_SIZE / 4 || pheap_frees_many() ||
	       (later.sequence == tx_sequence() && later.count > STEPS_MAX / 4);
}

/* --- beginning and end -------------------------------------------------------------------- */

/* What the incarnation before was given and had not noted yet. */
static void close_unnoted(void)
{
	uint32_t unnoted = message_page->unnoted;

	for (uint32_t i = 0; i < unnoted && unnoted <= IPC_MAX_CAPS; i++)
		if (message_page->caps[i].slot != CAP_NONE)
			kcall(cap_close, message_page->caps[i].slot);
	if (unnoted > IPC_MAX_CAPS && tx_on)
		kcall(cap_close, (cap_t)unnoted);
	message_page->unnoted = 0;
}

void tx_undo(void)
{
	uint32_t size = used();
	uint64_t record;

	close_unnoted();
	while ((record = last_record(&size)))
		put_back(record, tx_log.bytes + size);
	BARRIER();
	tx_log.word &= ~(uint64_t)UINT32_MAX;
	if (later.sequence == tx_sequence())
		later.count = later.done = 0;
}

void tx_guard_statics(void)
{
	CHECK(!tx_on || startup->preserved_size <= PRESERVED_LIMIT);
	tx_resume();
}

/* What only a transaction that has something to show needs. */
void tx_finish(void)
{
	pheap_commit();
	tx_finish_lines();
	tx_effects = false;
	acalls_flush();
	tx_take_steps();
	requests_flush();
	if (noticed) {
		noticed = false;
		tx_committed();
	}
	pheap_trim();
}

void tx_notice(void)
{
	noticed = tx_effects = true;
}

void tx_checkpoint(void)
{
	tx_end();
	requests_begin_again();
}
