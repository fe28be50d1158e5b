/* SPDX-License-Identifier: MIT */
/*
 * The undo log. A record is the old bytes, padded to words, then where they belong and how many; a capability is a
 * record without an address. It counts only once tx_log.word covers it, so a crash at any instruction leaves a log that
 * leads back to the last commit. Going back is repeatable.
 */
#include "internal.h"

#define BARRIER() __atomic_signal_fence(__ATOMIC_SEQ_CST)
#define CLOSES_MAX 1024u

PRESERVED struct tx_log tx_log;

/* What is closed once transaction `sequence` is committed, also by the next incarnation. */
static PRESERVED struct {
	uint64_t sequence;
	uint32_t count, done;
	cap_t slot[CLOSES_MAX];
} closes;

bool tx_on, tx_effects;

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

void tx_close(cap_t slot)
{
	if (tx_on && closes.sequence != tx_sequence()) {
		closes.count = 0;
		BARRIER();
		closes.done = 0;
		closes.sequence = tx_sequence();
	}
	if (!tx_on || closes.count == CLOSES_MAX) {
		kcall(cap_close, slot);
		return;
	}
	closes.slot[closes.count] = slot;
	BARRIER();
	closes.count++;
	tx_effects = true;
}

/* What was closed just before a crash is closed again: its slot is still empty, for this comes before anything that
 * could fill it. */
static void close_all(void)
{
	for (; closes.done < closes.count; closes.done++) {
		kcall(cap_close, closes.slot[closes.done]);
		BARRIER();
	}
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
	if (closes.sequence == tx_sequence())
		closes.count = closes.done = 0;
	else
		close_all();
}

/* What only a transaction that has something to show needs. */
void tx_finish(void)
{
	FAULT_POINT("tx: before the commit");
	pheap_commit();
	tx_next();
	FAULT_POINT("tx: after the commit");
	tx_effects = false;
	close_all();
	acalls_flush();
	requests_flush();
	pheap_trim();
}

void tx_checkpoint(void)
{
	tx_end();
	requests_begin_again();
}
