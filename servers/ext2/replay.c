/* SPDX-License-Identifier: MIT */
/*
 * Reading a log that was not emptied: find the last transaction with a commit block, collect what has been revoked, put
 * the rest in place, in the cache. Nothing in it is trusted. Each step can be done again, since the log is not
 * changed before the end.
 */
#include "journal.h"

#include <util/string.h>

#include "ext2.h"
#include "jbd2.h"

enum { REPLAY_BEGIN, REPLAY_SCAN, REPLAY_REVOKE, REPLAY_BLOCKS, REPLAY_RESET, REPLAY_DONE };

#define BATCH 1024u /* blocks that are put in place before they are written */

/* --- what has been revoked: by block, the last transaction that says so --------------------------- */

struct revoked {
	uint32_t used, size; /* a power of two */
	struct {
		uint32_t block, sequence; /* block 0: unused */
	} slots[];
};

static bool later(uint32_t a, uint32_t b)
{
	return (int32_t)(a - b) > 0;
}

static uint32_t slot_of(const struct revoked *r, uint32_t block)
{
	uint32_t n = block * 2654435761u & (r->size - 1);

	while (r->slots[n].block && r->slots[n].block != block)
		n = (n + 1) & (r->size - 1);
	return n;
}

static struct revoked *table_new(uint32_t size)
{
	struct revoked *r = core_alloc(sizeof *r + size * sizeof r->slots[0]);

	if (r)
		r->size = size;
	return r;
}

static bool make_room(struct replay *replay)
{
	struct revoked *old = replay->revoked, *grown;

	if (old && old->used < old->size / 2)
		return true;
	if (old && old->size > 1u << 24)
		return false;
	grown = table_new(old ? old->size * 2 : 256);
	if (!grown)
		return false;
	for (uint32_t i = 0; old && i < old->size; i++)
		if (old->slots[i].block) {
			grown->slots[slot_of(grown, old->slots[i].block)] = old->slots[i];
			grown->used++;
		}
	replay->revoked = grown;
	core_free(old);
	return true;
}

static long revoke(struct replay *replay, uint32_t block)
{
	struct revoked *r;
	uint32_t n;

	if (!make_room(replay))
		return -ENOMEM;
	r = replay->revoked;
	n = slot_of(r, block);
	if (!r->slots[n].block) {
		r->slots[n].block = block;
		r->slots[n].sequence = replay->sequence;
		r->used++;
	} else if (later(replay->sequence, r->slots[n].sequence)) {
		r->slots[n].sequence = replay->sequence;
	}
	return 0;
}

static bool is_revoked(const struct replay *replay, uint32_t block)
{
	const struct revoked *r = replay->revoked;
	uint32_t n = r && block ? slot_of(r, block) : 0;

	return r && block && r->slots[n].block && !later(replay->sequence, r->slots[n].sequence);
}

/* --- walking through the log ------------------------------------------------------------------------- */

static uint32_t behind(const struct journal *j, uint32_t position, uint32_t n)
{
	return j->first + (position - j->first + n) % (j->length - j->first);
}

static void *log_block(struct ext2 *fs, uint32_t position)
{
	return meta_get(fs, fs->journal.map[position]);
}

/* The tag at *offset of a descriptor, and the one behind it; NULL: the block ends before. */
static const struct jbd2_tag *next_tag(const struct ext2 *fs, const uint8_t *block, uint32_t *offset)
{
	uint32_t bytes = fs->journal.tag_bytes;
	const struct jbd2_tag *tag = (const struct jbd2_tag *)(block + *offset);

	if (*offset + bytes > fs->block_size)
		return NULL;
	*offset += bytes;
	if (!(be16(tag->flags) & JBD2_TAG_SAME_UUID))
		*offset += JBD2_UUID_SIZE;
	return tag;
}

static uint32_t count_tags(const struct ext2 *fs, const uint8_t *block)
{
	uint32_t offset = sizeof(struct jbd2_header), count = 0;
	const struct jbd2_tag *tag;

	while ((tag = next_tag(fs, block, &offset))) {
		count++;
		if (be16(tag->flags) & JBD2_TAG_LAST)
			break;
	}
	return count;
}

static void begin_pass(struct replay *r, uint8_t pass)
{
	r->position = r->start;
	r->sequence = r->first;
	r->passed = 0;
	r->tag = 0;
	r->offset = sizeof(struct jbd2_header);
	__atomic_signal_fence(__ATOMIC_SEQ_CST);
	r->pass = pass;
}

static void step_over(struct ext2 *fs, uint32_t blocks)
{
	struct replay *r = &fs->journal.replay;

	r->position = behind(&fs->journal, r->position, blocks);
	r->passed += blocks;
	r->tag = 0;
	r->offset = sizeof(struct jbd2_header);
}

/* The record here; an error where the log has no end, or is overwritten by what it says. */
static const struct jbd2_header *record(struct ext2 *fs)
{
	const struct replay *r = &fs->journal.replay;

	if (r->passed > fs->journal.length)
		return error_pointer(corrupt(fs, "the journal has no end", r->position));
	return log_block(fs, r->position);
}

/* --- the passes ----------------------------------------------------------------------------------------- */

/* 1: one record further; 0: here the log ends. */
static long scan(struct ext2 *fs)
{
	struct replay *r = &fs->journal.replay;
	const struct jbd2_header *header = record(fs);

	if (is_error(header))
		return error_of(header);
	if (be32(header->magic) != JBD2_MAGIC || be32(header->sequence) != r->sequence)
		return 0;
	switch (be32(header->type)) {
	case JBD2_DESCRIPTOR: step_over(fs, 1 + count_tags(fs, (const uint8_t *)header)); return 1;
	case JBD2_REVOKE: step_over(fs, 1); return 1;
	case JBD2_COMMIT:
		r->sequence++;
		step_over(fs, 1);
		return 1;
	}
	return 0;
}

static long read_revokes(struct ext2 *fs, const struct jbd2_revoke *list)
{
	uint32_t bytes = be32(list->bytes), width = fs->journal.tag_bytes == 12 ? 8 : 4;
	const uint8_t *at = (const uint8_t *)list;

	if (bytes < sizeof *list || bytes > fs->block_size)
		return corrupt(fs, "a record of revoked blocks", fs->journal.replay.position);
	for (uint32_t i = sizeof *list; i + width <= bytes; i += width) {
		uint32_t words[2] = { 0, 0 };
		long status;

		memcpy(words, at + i, width);
		if (width == 8 && words[0])
			continue; /* beyond what we can have */
		if (!words[width / 4 - 1])
			continue;
		status = revoke(&fs->journal.replay, be32(words[width / 4 - 1]));
		if (status < 0)
			return status;
	}
	return 0;
}

static long collect(struct ext2 *fs)
{
	struct replay *r = &fs->journal.replay;
	const struct jbd2_header *header;
	long status = 0;

	if (r->sequence == r->end)
		return 0;
	header = record(fs);
	if (is_error(header))
		return error_of(header);
	if (be32(header->type) == JBD2_REVOKE)
		status = read_revokes(fs, (const struct jbd2_revoke *)header);
	if (status < 0)
		return status;
	if (be32(header->type) == JBD2_COMMIT)
		r->sequence++;
	step_over(fs,
		  be32(header->type) == JBD2_DESCRIPTOR ? 1 + count_tags(fs, (const uint8_t *)header) : 1);
	return 1;
}

static long place(struct ext2 *fs, const struct jbd2_tag *tag, uint32_t position)
{
	uint32_t block = be32(tag->block),
		 high = fs->journal.tag_bytes == 12 ? ((const uint32_t *)tag)[2] : 0;
	const uint8_t *from;
	uint8_t *to;

	if (is_revoked(&fs->journal.replay, block))
		return 0;
	if (high || block < fs->first_data_block || block >= fs->blocks)
		return corrupt(fs, "a block in the journal", block);
	from = log_block(fs, position);
	if (is_error(from))
		return error_of(from);
	to = meta_get(fs, block);
	if (is_error(to))
		return error_of(to);
	if (from != to)
		memcpy(to, from, fs->block_size);
	if (be16(tag->flags) & JBD2_TAG_ESCAPED)
		*(uint32_t *)to = be32(JBD2_MAGIC);
	meta_change(fs, to, 0);
	return 0;
}

/* One block of the descriptor at r->position. 1: go on. */
static long put_one(struct ext2 *fs, const uint8_t *descriptor)
{
	struct replay *r = &fs->journal.replay;
	uint32_t offset = r->offset;
	const struct jbd2_tag *tag = next_tag(fs, descriptor, &offset);
	long status;

	if (!tag) {
		step_over(fs, 1 + r->tag);
		return 1;
	}
	status = place(fs, tag, behind(&fs->journal, r->position, 1 + r->tag));
	if (status < 0)
		return status;
	r->offset = offset;
	r->tag++;
	if (be16(tag->flags) & JBD2_TAG_LAST)
		step_over(fs, 1 + r->tag);
	return 1;
}

static long put(struct ext2 *fs)
{
	struct replay *r = &fs->journal.replay;
	const struct jbd2_header *header;

	if (r->sequence == r->end)
		return 0;
	header = record(fs);
	if (is_error(header))
		return error_of(header);
	if (be32(header->type) == JBD2_DESCRIPTOR)
		return put_one(fs, (const uint8_t *)header);
	if (be32(header->type) == JBD2_COMMIT)
		r->sequence++;
	step_over(fs, 1);
	return 1;
}

/* The log is empty, and what is left of it must not be taken for new. */
static long reset(struct ext2 *fs)
{
	struct jbd2_super *super = log_block(fs, 0);

	if (is_error(super))
		return error_of(super);
	meta_change(fs, super, sizeof *super);
	super->start = 0;
	super->sequence = be32(fs->journal.replay.end + 1);
	return 0;
}

static long begin(struct ext2 *fs)
{
	struct replay *r = &fs->journal.replay;
	const struct jbd2_super *super = log_block(fs, 0);

	if (is_error(super))
		return error_of(super);
	if (!super->start && fs->cache.dirty.count) /* after a crash: perhaps this very block */
		return EXT2_MORE;
	if (!super->start) {
		fs->journal.sequence = be32(super->sequence);
		r->pass = REPLAY_DONE;
		return 0;
	}
	if (be32(super->start) < fs->journal.first)
		return corrupt(fs, "the journal's superblock", fs->journal.map[0]);
	core_log("the journal is replayed");
	r->start = be32(super->start);
	r->first = be32(super->sequence);
	begin_pass(r, REPLAY_SCAN);
	return 0;
}

static long go_on(struct ext2 *fs)
{
	struct replay *r = &fs->journal.replay;
	long status;

	switch (r->pass) {
	case REPLAY_BEGIN: return begin(fs);
	case REPLAY_SCAN:
		status = scan(fs);
		if (status == 0) {
			r->end = r->sequence;
			begin_pass(r, REPLAY_REVOKE);
		}
		return status < 0 ? status : 0;
	case REPLAY_REVOKE:
		status = collect(fs);
		if (status == 0)
			begin_pass(r, REPLAY_BLOCKS);
		return status < 0 ? status : 0;
	case REPLAY_BLOCKS:
		status = put(fs);
		if (status == 0)
			r->pass = REPLAY_RESET;
		if (status == 0 || fs->cache.dirty.count >= BATCH)
			return EXT2_MORE;
		return status < 0 ? status : 0;
	default:
		status = reset(fs);
		if (status < 0)
			return status;
		fs->journal.sequence = r->end + 1;
		r->pass = REPLAY_DONE;
		return EXT2_MORE;
	}
}

long journal_replay(struct ext2 *fs)
{
	struct replay *r = &fs->journal.replay;
	long status = 0;

	while (r->pass != REPLAY_DONE && status == 0)
		status = go_on(fs);
	if (status == 0) {
		core_free(r->revoked);
		r->revoked = NULL;
	}
	return status;
}

void journal_replay_again(struct ext2 *fs)
{
	struct replay *r = &fs->journal.replay;

	core_free(r->revoked);
	*r = (struct replay){ .pass = REPLAY_BEGIN };
}
