/* SPDX-License-Identifier: MIT */
/*
 * The undo log. A record is the old bytes, then where they belong; it counts only once `used` covers it, so a
 * crash at any instruction leaves a log that rolls back to the state before the transaction. Rolling back is
 * itself repeatable.
 */
#include "ext2.h"

#include <util/string.h>

#define BARRIER() __asm__ volatile("" ::: "memory")

void tx_add(struct ext2 *fs, void *memory, size_t length)
{
	struct tx *tx = &fs->tx;
	size_t padded = (length + 7) & ~7ul;
	struct tx_record *record;

	if (tx->used + padded + sizeof *record > TX_SIZE) {
		tx->overflow = true;
		return;
	}
	memcpy(tx->log + tx->used, memory, length);
	record = (struct tx_record *)(tx->log + tx->used + padded);
	*record = (struct tx_record){ memory, length };
	BARRIER();
	tx->used += (uint32_t)(padded + sizeof *record);
	BARRIER();
}

void tx_commit_rest(struct ext2 *fs)
{
	if (fs->tx.index_changed)
		index_transaction_end(fs, true);
	if (fs->tx.overflow) {
		fs->tx.overflow = false;
		core_log("a transaction was longer than its log");
	}
}

void tx_rollback(struct ext2 *fs)
{
	struct tx *tx = &fs->tx;

	if (tx->overflow)
		corrupt(fs, "a transaction could not be undone", 0);
	for (uint32_t used = tx->used; used >= sizeof(struct tx_record);) {
		struct tx_record *record = (struct tx_record *)(tx->log + used - sizeof *record);
		size_t padded = (record->length + 7) & ~7ul;

		used -= (uint32_t)sizeof *record;
		if (padded > used)
			break;
		used -= (uint32_t)padded;
		memcpy(record->at, tx->log + used, record->length);
	}
	BARRIER();
	tx->used = 0;
	tx->overflow = false;
	fs->epoch++;
	if (tx->index_changed)
		index_transaction_end(fs, false);
}
