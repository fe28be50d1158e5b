/* SPDX-License-Identifier: MIT */
/*
 * The undo log. A record is the old bytes, padded to words, then where they belong and how many; a capability is a
 * record without an address. It counts only once tx_log.word covers it, so a crash at any instruction leaves a log that
 * leads back to the last commit. Going back is repeatable.
 */
#include "internal.h"

#define BARRIER() __atomic_signal_fence(__ATOMIC_SEQ_CST)
#define STEPS_MAX 4096u

enum step { STEP_CLOSE, STEP_START, STEP_KILL };

PRESERVED struct tx_log tx_log;

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

static uint8_t *reserve(size_t bytes)
{
	CHECK(bytes <= TX_LOG_SIZE - used());
	return tx_log.bytes + used();
}

static void append(uint8_t *at, void *memory, uint64_t length, size_t padded)
{
	*(struct tx_record *)(at + padded) = (struct tx_record){ memory, length };
	BARRIER();
	tx_log.word += padded + sizeof(struct tx_record);
	BARRIER();
}

void tx_save(void *memory, size_t length)
{
	size_t padded = (length + 7) & ~7ul;
	uint8_t *at;

	if (!tx_on)
		return;
	at = reserve(padded + sizeof(struct tx_record));
	FAULT_POINT("tx: before a change");
	memcpy(at, memory, length);
	append(at, memory, length, padded);
}

void tx_save_word(void *memory)
{
	uint8_t *at;

	if (!tx_on)
		return;
	at = reserve(8 + sizeof(struct tx_record));
	FAULT_POINT("tx: before a change");
	*(uint64_t *)at = *(uint64_t *)memory;
	append(at, memory, 8, 8);
}

long tx_made(long slot)
{
	if (slot >= 0 && tx_on)
		append(reserve(sizeof(struct tx_record)), NULL, (uint64_t)slot, 0);
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
static void take_steps(void)
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
	return used() > TX_LOG_SIZE / 4 || (later.sequence == tx_sequence() && later.count > STEPS_MAX / 4);
}

const struct tx_record *tx_last_record(const uint8_t *bytes, uint32_t *size)
{
	const struct tx_record *record;
	size_t padded;

	if (*size < sizeof *record)
		return NULL;
	*size -= (uint32_t)sizeof *record;
	record = (const struct tx_record *)(bytes + *size);
	padded = record->at ? (record->length + 7) & ~7ul : 0;
	if (padded > *size)
		return NULL;
	*size -= (uint32_t)padded;
	return record;
}

void tx_undo(void)
{
	uint32_t size = used();
	const struct tx_record *record;

	while ((record = tx_last_record(tx_log.bytes, &size))) {
		if (record->at)
			memcpy(record->at, tx_log.bytes + size, record->length);
		else
			kcall(cap_close, (cap_t)record->length);
	}
	BARRIER();
	tx_log.word &= ~(uint64_t)UINT32_MAX;
	if (later.sequence == tx_sequence())
		later.count = later.done = 0;
	else
		take_steps();
}

/* What only a transaction that has something to show needs. */
void tx_finish(void)
{
	FAULT_POINT("tx: before the commit");
	pheap_commit();
	tx_next();
	FAULT_POINT("tx: after the commit");
	tx_effects = false;
	take_steps();
	acalls_flush();
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
