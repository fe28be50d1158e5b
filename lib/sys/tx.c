/* SPDX-License-Identifier: MIT */
/*
 * The undo log. Memory is looked at by lines of 64 bytes; a shadow byte for each says whether it has to be recorded
 * before it is changed: it is preserved, and was not recorded as a whole or allocated in this transaction. A record is
 * some words of old bytes, then where they belong with their kind in the low bits. It counts only once tx_log.word
 * covers it, so a crash at any instruction leaves a log that leads back to the last commit. Going back is repeatable.
 */
#include "internal.h"

#define STEPS_MAX 4096u
#define KIND_MASK 7ul
#define WORDS_LIMIT (64u << 10) /* bytes of the log: beyond, lines are recorded, each only once */

/* Between the two: so many words. The last has their count in its upper bits; none is a capability that was made, which
 * is closed if that is undone. */
enum kind { LINE, WORD, WORDS_MAX = 6, COUNTED };
#define COUNT_SHIFT 48
#define ADDRESS_MASK (((1ul << COUNT_SHIFT) - 1) & ~KIND_MASK)
#define COUNTED_MAX 4096u /* bytes; more are recorded as lines */

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

static size_t old_size(uint64_t record)
{
	enum kind kind = record & KIND_MASK;

	return kind == LINE ? TX_LINE : 8 * (kind == COUNTED ? record >> COUNT_SHIFT : kind);
}

static bool is_capability(uint64_t record)
{
	return (record & KIND_MASK) == COUNTED && !(record >> COUNT_SHIFT);
}

static void append(const uint64_t *old, size_t count, uint64_t record)
{
	uint64_t *to = (uint64_t *)(tx_log.bytes + used());
	size_t words = count;

	if (used() > tx_log_last)
		tx_full();
	__asm__ volatile("rep movsq" : "+D"(to), "+S"(old), "+c"(words) : : "memory");
	*to = record;
	BARRIER();
	tx_log.word += 8 * count + 8;
	BARRIER();
}

static void append_words(const uint64_t *at, size_t count)
{
	append(at, count, (uintptr_t)at | count);
}

void tx_keep_words(void *memory, size_t count)
{
	txcheck_changes(memory, 8 * count);
	if (tx_on)
		append_words(memory, count);
}

void tx_keep_word(void *memory)
{
	tx_keep_words((void *)((uintptr_t)memory & ~7ul), 1);
}

/* --- lines -------------------------------------------------------------------------------- */

/* What is to be guarded again after the commit: numbers of lines (tx_line.S adds to them as well); other memory, if
 * there is room: payloads of blocks (length 0), by their headers, and what tx_fresh was told. */
extern uint32_t tx_lines[]; /* the linker script's */
uint32_t tx_lines_count;
#define RANGES_MAX 1024u
static struct {
	void *memory;
	size_t length;
} ranges[RANGES_MAX];
uint32_t tx_ranges_count;

static bool add_range(void *memory, size_t length)
{
	if (tx_ranges_count == RANGES_MAX)
		return false;
	ranges[tx_ranges_count].memory = memory;
	ranges[tx_ranges_count++].length = length;
	return true;
}

static inline bool inside(const void *memory)
{
	return (uintptr_t)memory - PRESERVED_BASE < PRESERVED_LIMIT;
}

/* What else there is in the process does not. */
static inline bool outlives(uint64_t at)
{
	return inside((const void *)at) || at >= SERVICE_SHARES;
}

static void save_line(uintptr_t line)
{
	*shadow_of(line) = 0;
	tx_lines[tx_lines_count++] = (uint32_t)line >> TX_LINE_SHIFT;
	append((const uint64_t *)line, TX_LINE / 8, line);
}

/* From here on, or from the beginning of a line, the first that is guarded; or something not below `end`. */
static uintptr_t guarded_from(uintptr_t at, uintptr_t end)
{
	while (at < end && !*shadow_of(at))
		if (at % (8 * TX_LINE) || *(uint64_t *)shadow_of(at))
			at = (at & ~(TX_LINE - 1)) + TX_LINE;
		else
			at += 8 * TX_LINE;
	return at;
}

static void touch_lines(uintptr_t at, uintptr_t end)
{
	for (at &= ~(TX_LINE - 1); (at = guarded_from(at, end)) < end; at += TX_LINE)
		save_line(at);
}

/* The words whose lines are guarded; a line is not taken for recorded, as with single words. */
static void touch_words(uintptr_t at, uintptr_t end)
{
	uintptr_t from;

	while (at < end) {
		from = at;
		while (at < end && *shadow_of(at))
			at = (at | (TX_LINE - 1)) + 1;
		if (at > end)
			at = end;
		if (at > from)
			append((const uint64_t *)from, (at - from) / 8,
			       from | COUNTED | (at - from) / 8 << COUNT_SHIFT);
		at = guarded_from(at, end);
	}
}

static __attribute__((noinline)) void record(uintptr_t at, uintptr_t end)
{
	FAULT_POINT("tx: before a change");
	if (end - at > COUNTED_MAX || used() > WORDS_LIMIT)
		touch_lines(at, end);
	else
		touch_words(at, end);
}

/* Where nothing is guarded, as in a service that is not transactional, this is to be short. */
void tx_touch(void *memory, size_t length)
{
	uintptr_t at = (uintptr_t)memory & ~7ul, end = ((uintptr_t)memory + length + 7) & ~7ul;

	if (tx_on && outlives((uintptr_t)memory) &&
	    (end - at > TX_LINE || *shadow_of(at) | *shadow_of(end - 8)))
		record(at, end);
}

void tx_save(void *memory, size_t length)
{
	uintptr_t at = (uintptr_t)memory & ~7ul, end = ((uintptr_t)memory + length + 7) & ~7ul;

	if (inside(memory)) {
		tx_touch(memory, length);
		return;
	}
	for (size_t step; tx_on && at < end; at += step) {
		step = end - at < 8 * WORDS_MAX ? end - at : 8 * WORDS_MAX;
		append_words((const uint64_t *)at, step / 8);
	}
}

static void guard_line(uintptr_t line)
{
	*shadow_of(line) = 1;
	if (inside((void *)line))
		txcheck_guarded((void *)line, TX_LINE);
}

void tx_guard(void *memory, size_t length)
{
	if (tx_on && length)
		memset(shadow_of((uintptr_t)memory), 1, (length + TX_LINE - 1) >> TX_LINE_SHIFT);
	if (inside(memory))
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
	append_words(header, 1);
	if (add_range(header, 0))
		tx_unguard(payload, length);
	else
		tx_guard(payload, length);
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
	size_t whole = lines_in(memory, length, &from);

	if (whole && add_range((void *)from, whole))
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
	*size -= 8 + old_size(record);
	return record;
}

static void put_back(uint64_t record, const uint8_t *old)
{
	if (is_capability(record))
		kcall(cap_close, (cap_t)(record >> 3));
	else if (outlives(record & ADDRESS_MASK))
		memcpy((void *)(record & ADDRESS_MASK), old, old_size(record));
}

/* With the bytes that each record would put back, the newest first. */
static inline void each_record(void (*see)(uintptr_t at, const uint8_t *old, size_t size))
{
	uint32_t size = used();
	uint64_t record;

	while ((record = last_record(&size))) {
		uintptr_t at = record & ADDRESS_MASK;

		if (is_capability(record) || !inside((const void *)at))
			continue;
		if ((record & KIND_MASK) != COUNTED)
			see(at, tx_log.bytes + size, old_size(record));
		for (size_t done = 0; (record & KIND_MASK) == COUNTED && done < old_size(record); done += 8)
			see(at + done, tx_log.bytes + size + done, 8);
	}
}

/* What this transaction has recorded as a whole or allocated is to be recorded again by the next. */
static void guard_again(void)
{
	for (uint32_t i = 0; i < tx_lines_count; i++)
		guard_line((uintptr_t)tx_lines[i] << TX_LINE_SHIFT);
	tx_lines_count = 0;
	for (uint32_t i = 0; i < tx_ranges_count; i++)
		if (ranges[i].length)
			tx_guard(ranges[i].memory, ranges[i].length);
		else
			pheap_guard(ranges[i].memory);
	tx_ranges_count = 0;
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
	txcheck_records(each_record);
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
		append(NULL, 0, (uint64_t)slot << 3 | COUNTED);
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
