/* SPDX-License-Identifier: MIT */
/* Finding the journal, and writing transactions: see journal.h. */
#include "journal.h"

#include <util/string.h>

#include "ext2.h"
#include "jbd2.h"

#define STAGE_BYTES (8u << 20)
#define PLACED (1ull << 62) /* in homes: the block has a place, which may be block 0 */
#define ESCAPED (1ull << 63)
#define HOME_BLOCK 0xffffffffull
#define BARRIER() __atomic_signal_fence(__ATOMIC_SEQ_CST)

/* --- opening ------------------------------------------------------------------------------------ */

static long map_blocks(struct ext2 *fs, struct inode *inode)
{
	struct journal *j = &fs->journal;

	while (j->mapped < j->length) {
		struct extent e;
		long status = map_find(inode, j->mapped, j->length - j->mapped, &e);

		if (status < 0)
			return status;
		if (!e.physical)
			return corrupt(fs, "the journal has a hole", j->mapped);
		for (uint32_t i = 0; i < e.count; i++)
			j->map[j->mapped + i] = (uint32_t)e.physical + i;
		BARRIER();
		j->mapped += (uint32_t)e.count;
	}
	return 0;
}

static long find_blocks(struct ext2 *fs)
{
	struct journal *j = &fs->journal;
	struct inode *inode = inode_get(fs, j->inode);
	uint64_t length;
	long status;

	if (is_error(inode))
		return error_of(inode);
	length = inode->d.size >> fs->block_shift;
	if ((inode->d.mode & MODE_FORMAT) != MODE_REGULAR || length < JBD2_MIN_BLOCKS || length > fs->blocks)
		return corrupt(fs, "the journal's inode", j->inode);
	j->length = (uint32_t)length;
	if (!j->map)
		j->map = core_alloc(length * sizeof *j->map);
	if (!j->map)
		return -ENOMEM;
	status = map_blocks(fs, inode);
	if (status == 0 && inode_idle(inode))
		inode_drop(inode);
	return status;
}

static struct jbd2_super *journal_super(struct ext2 *fs)
{
	return meta_get(fs, fs->journal.map[0]);
}

static long check_super(struct ext2 *fs, const struct jbd2_super *super)
{
	struct journal *j = &fs->journal;
	uint32_t type = be32(super->header.type), length = be32(super->length), first = be32(super->first);
	uint32_t incompat = type == JBD2_SUPER_V2 ? be32(super->incompat) : 0;

	if (be32(super->header.magic) != JBD2_MAGIC || (type != JBD2_SUPER_V1 && type != JBD2_SUPER_V2))
		return corrupt(fs, "the journal's superblock", j->map[0]);
	if (type == JBD2_SUPER_V2 &&
	    ((incompat & ~JBD2_INCOMPAT_KNOWN) || super->ro_compat || super->compat)) {
		core_log("unknown features of the journal, %x: not mounted", incompat & ~JBD2_INCOMPAT_KNOWN);
		return -EINVAL;
	}
	if (be32(super->block_size) != fs->block_size || length < JBD2_MIN_BLOCKS || length > j->mapped ||
	    !first || first > length / 2 || be32(super->start) >= length)
		return corrupt(fs, "the journal's superblock", j->map[0]);
	j->length = length;
	j->first = first;
	j->tag_bytes = incompat & JBD2_INCOMPAT_64BIT ? 12 : 8;
	return 0;
}

/* A quarter is left for records that are being written while the one before counts. */
static uint32_t capacity_of(const struct ext2 *fs)
{
	uint32_t half = (fs->journal.length - fs->journal.first) / 2 - 1,
		 most = STAGE_BYTES >> fs->block_shift;

	return half < most ? half : most;
}

uint64_t journal_stage_bytes(const struct ext2 *fs)
{
	uint64_t capacity = capacity_of(fs);

	return ((capacity + 1) << fs->block_shift) + capacity * sizeof(uint64_t);
}

static long make_stage(struct ext2 *fs, const struct jbd2_super *super)
{
	struct journal *j = &fs->journal;

	if (!j->stage)
		j->stage = core_stage(fs, journal_stage_bytes(fs));
	if (!j->stage)
		return -ENOMEM;
	j->capacity = capacity_of(fs);
	j->homes = (uint64_t *)(j->stage + ((uint64_t)(j->capacity + 1) << fs->block_shift));
	memcpy(j->stage + ((uint64_t)j->capacity << fs->block_shift), super, fs->block_size);
	j->head = j->first;
	j->phase = JOURNAL_IDLE;
	j->ready = true;
	return 0;
}

long journal_open(struct ext2 *fs)
{
	struct journal *j = &fs->journal;
	struct jbd2_super *super;
	long status;

	j->loading = true;
	status = j->mapped && j->mapped >= j->length ? 0 : find_blocks(fs);
	j->loading = false;
	if (status < 0)
		return status;
	super = journal_super(fs);
	if (is_error(super))
		return error_of(super);
	status = check_super(fs, super);
	if (status == 0)
		status = journal_replay(fs);
	if (status)
		return status;
	super = journal_super(fs);
	return is_error(super) ? error_of(super) : make_stage(fs, super);
}

/* --- freezing ------------------------------------------------------------------------------------ */

static uint8_t *staged(const struct ext2 *fs, uint32_t n)
{
	return fs->journal.stage + ((uint64_t)n << fs->block_shift);
}

static struct jbd2_super *staged_super(const struct ext2 *fs)
{
	return (struct jbd2_super *)staged(fs, fs->journal.capacity);
}

/* A transaction's image under construction. */
struct image {
	struct ext2 *fs;
	uint8_t *tag; /* where the next one goes */
	uint8_t *limit;
	struct jbd2_tag *last;
	uint32_t count;
};

static void *add_record(struct image *image, uint32_t type)
{
	struct journal *j = &image->fs->journal;
	struct jbd2_header *header = (struct jbd2_header *)staged(image->fs, image->count);

	memset(header, 0, image->fs->block_size);
	*header = (struct jbd2_header){ be32(JBD2_MAGIC), be32(type), be32(j->sequence) };
	j->homes[image->count++] = 0;
	return header;
}

static void end_descriptor(struct image *image)
{
	if (image->last)
		image->last->flags |= be16(JBD2_TAG_LAST);
	image->last = NULL;
}

static void begin_descriptor(struct image *image)
{
	uint8_t *block;

	end_descriptor(image);
	block = add_record(image, JBD2_DESCRIPTOR);
	image->tag = block + sizeof(struct jbd2_header);
	image->limit = block + image->fs->block_size;
}

static void add_tag(struct image *image, uint64_t block, bool escaped)
{
	struct journal *j = &image->fs->journal;
	struct jbd2_tag *tag = (struct jbd2_tag *)image->tag;
	bool first = !image->last;

	*tag = (struct jbd2_tag){ be32((uint32_t)block), 0,
				  be16((escaped ? JBD2_TAG_ESCAPED : 0) | (first ? 0 : JBD2_TAG_SAME_UUID)) };
	image->tag += j->tag_bytes;
	if (first) {
		memcpy(image->tag, staged_super(image->fs)->uuid, JBD2_UUID_SIZE);
		image->tag += JBD2_UUID_SIZE;
	}
	image->last = tag;
}

static void add_block(struct image *image, uint64_t block)
{
	struct ext2 *fs = image->fs;
	uint8_t *copy;
	bool escaped;

	if (!image->last || image->tag + fs->journal.tag_bytes > image->limit)
		begin_descriptor(image);
	copy = staged(fs, image->count);
	memcpy(copy, fs->cache.base + (block << fs->block_shift), fs->block_size);
	escaped = *(uint32_t *)copy == be32(JBD2_MAGIC);
	add_tag(image, block, escaped);
	fs->journal.homes[image->count++] = block | PLACED | (escaped ? ESCAPED : 0);
}

static void end_image(struct image *image)
{
	struct timestamp now = time_now();
	struct jbd2_commit *commit;

	end_descriptor(image);
	commit = add_record(image, JBD2_COMMIT);
	commit->seconds_high = be32((uint32_t)(now.seconds >> 32));
	commit->seconds = be32((uint32_t)now.seconds);
	commit->nanoseconds = be32(now.nanoseconds);
}

/* Blocks with their descriptors and the commit block. */
static uint64_t image_length(const struct ext2 *fs, uint64_t blocks)
{
	uint64_t tags =
	    (fs->block_size - sizeof(struct jbd2_header) - JBD2_UUID_SIZE) / fs->journal.tag_bytes;

	return blocks + (blocks + tags - 1) / tags + 1;
}

static uint64_t count_dirty(struct ext2 *fs)
{
	uint64_t count = 0;

	for (uint64_t page = meta_next_dirty(fs, 0); page != NO_PAGE; page = meta_next_dirty(fs, page + 1))
		count += (uint64_t)__builtin_popcount(fs->cache.state[page] & CACHE_DIRTY);
	return count;
}

static void fill_image(struct image *image)
{
	struct ext2 *fs = image->fs;
	uint32_t per_page = 4096u >> fs->block_shift;

	for (uint64_t page = meta_next_dirty(fs, 0); page != NO_PAGE; page = meta_next_dirty(fs, page + 1))
		for (uint32_t i = 0; i < per_page; i++)
			if (fs->cache.state[page] >> i & 1)
				add_block(image, page * per_page + i);
	end_image(image);
}

/* The pages stay in memory until they are in their places: what the disk has is older. */
static void hold_pages(struct ext2 *fs, bool held)
{
	for (uint32_t i = 0; i < fs->journal.count; i++) {
		uint64_t page = (fs->journal.homes[i] & HOME_BLOCK) << fs->block_shift >> 12;

		if (!fs->journal.homes[i])
			continue;
		if (held)
			fs->cache.state[page] |= CACHE_WRITING;
		else
			fs->cache.state[page] &= (uint8_t)~CACHE_WRITING;
	}
}

static void take_dirty(struct ext2 *fs)
{
	for (uint64_t page = meta_next_dirty(fs, 0); page != NO_PAGE; page = meta_next_dirty(fs, page + 1))
		meta_take_dirty(fs, page);
	fs->cache.dirty_blocks = 0;
}

static void set_merge(struct page_set *from, struct page_set *to, uint64_t blocks)
{
	if (!from->count)
		return;
	to->count = 1;
	for (uint64_t i = 0; i <= blocks / 4096; i++) {
		uint64_t words = from->summary[i];

		to->summary[i] |= words;
		for (; words; words &= words - 1) {
			uint64_t n = i * 64 + (uint64_t)__builtin_ctzll(words);

			to->bits[n] |= from->bits[n];
		}
	}
}

static void set_clear(struct page_set *set, uint64_t blocks)
{
	if (!set->count)
		return;
	for (uint64_t i = 0; i <= blocks / 4096; i++) {
		for (uint64_t words = set->summary[i]; words; words &= words - 1)
			set->bits[i * 64 + (uint64_t)__builtin_ctzll(words)] = 0;
		set->summary[i] = 0;
	}
	set->count = 0;
}

/* Setting the phase is what takes the blocks: a crash before it leaves them dirty, one after it leaves some dirty that
 * are in the stage too, which does no harm. */
long journal_freeze(struct ext2 *fs)
{
	struct journal *j = &fs->journal;
	uint64_t dirty = count_dirty(fs);
	struct image image = { .fs = fs };
	struct jbd2_super *super = staged_super(fs);

	if (!dirty)
		return 0;
	if (image_length(fs, dirty) > j->capacity)
		return -EFBIG;
	fill_image(&image);
	super->start = be32(j->head);
	super->sequence = be32(j->sequence);
	j->frozen_head = j->head;
	j->frozen_number = j->sequence;
	j->count = image.count;
	j->cursor = 0;
	hold_pages(fs, true);
	set_clear(&j->fresh, fs->blocks);
	BARRIER();
	j->phase = JOURNAL_LOG;
	BARRIER();
	take_dirty(fs);
	set_merge(&j->freed[0], &j->freed[1], fs->blocks);
	BARRIER();
	set_clear(&j->freed[0], fs->blocks);
	return (long)j->count;
}

/* --- writing --------------------------------------------------------------------------------------- */

static uint32_t wrapped(const struct journal *j, uint32_t from, uint32_t n)
{
	return j->first + (from - j->first + n) % (j->length - j->first);
}

/* Where block `n` of the stage goes in this phase. */
static uint64_t target(const struct ext2 *fs, uint32_t n)
{
	const struct journal *j = &fs->journal;

	if (n == j->capacity)
		return j->map[0];
	if (j->phase == JOURNAL_HOME)
		return j->homes[n] & HOME_BLOCK;
	return j->map[wrapped(j, j->frozen_head, n)];
}

/* The first block of the stage from the cursor on that this phase writes; false: none is left. The log phase begins
 * with the journal's superblock, as number 0. */
static bool next_block(const struct journal *j, uint32_t *n)
{
	uint32_t at = j->cursor;

	switch (j->phase) {
	case JOURNAL_LOG: *n = at ? at - 1 : j->capacity; return at < j->count;
	case JOURNAL_COMMIT: *n = j->count - 1; return at == 0;
	case JOURNAL_CLOSE: *n = j->capacity; return at == 0;
	case JOURNAL_HOME:
		while (at < j->count && !(j->homes[at] & PLACED))
			at++;
		*n = at;
		return at < j->count;
	}
	return false;
}

static uint32_t cursor_of(const struct journal *j, uint32_t n)
{
	if (j->phase == JOURNAL_HOME)
		return n;
	return j->phase == JOURNAL_LOG && n != j->capacity ? n + 1 : 0;
}

/* Whether block n + count of the stage goes right behind those before it. */
static bool continues(const struct ext2 *fs, uint32_t n, uint32_t count, uint64_t block)
{
	const struct journal *j = &fs->journal;
	uint32_t next = n + count;

	if (j->phase == JOURNAL_LOG)
		return n != j->capacity && next < j->count - 1 && target(fs, next) == block + count;
	return j->phase == JOURNAL_HOME && next < j->count && (j->homes[next] & PLACED) &&
	       target(fs, next) == block + count;
}

bool journal_next(struct ext2 *fs, uint32_t most, struct journal_write *out)
{
	struct journal *j = &fs->journal;
	uint32_t n;

	if (!next_block(j, &n))
		return false;
	*out = (struct journal_write){ (uint64_t)n << fs->block_shift, target(fs, n), 1 };
	while (out->count < most && continues(fs, n, out->count, out->block))
		out->count++;
	j->cursor = cursor_of(j, n) + out->count;
	return true;
}

void journal_back(struct ext2 *fs, const struct journal_write *write)
{
	fs->journal.cursor = cursor_of(&fs->journal, (uint32_t)(write->offset >> fs->block_shift));
}

/* In the log an escaped block begins with 0, in its place with the magic number. */
static void escape(struct ext2 *fs, uint32_t word)
{
	struct journal *j = &fs->journal;

	for (uint32_t i = 0; i < j->count; i++)
		if (j->homes[i] & ESCAPED)
			*(uint32_t *)staged(fs, i) = word;
}

static void begin_phase(struct journal *j, enum journal_phase phase)
{
	BARRIER();
	j->cursor = 0;
	BARRIER();
	j->phase = (uint8_t)phase;
	BARRIER();
}

/* What is computed here comes from what freezing has noted, so that it can be done twice. */
static void settle(struct ext2 *fs)
{
	struct journal *j = &fs->journal;

	j->head = wrapped(j, j->frozen_head, j->count);
	j->sequence = j->frozen_number + 1;
	hold_pages(fs, false);
	begin_phase(j, JOURNAL_IDLE);
}

void journal_advance(struct ext2 *fs)
{
	struct journal *j = &fs->journal;

	switch (j->phase) {
	case JOURNAL_LOG: begin_phase(j, JOURNAL_COMMIT); break;
	case JOURNAL_COMMIT:
		set_clear(&j->freed[1], fs->blocks);
		escape(fs, be32(JBD2_MAGIC));
		begin_phase(j, JOURNAL_HOME);
		break;
	case JOURNAL_HOME: settle(fs); break;
	case JOURNAL_CLOSE: begin_phase(j, JOURNAL_IDLE); break;
	}
}

void journal_restart(struct ext2 *fs)
{
	struct journal *j = &fs->journal;

	if (j->phase == JOURNAL_IDLE)
		return;
	if (j->phase == JOURNAL_CLOSE) {
		begin_phase(j, JOURNAL_IDLE);
		return;
	}
	hold_pages(fs, true);
	escape(fs, 0);
	begin_phase(j, JOURNAL_LOG);
}

void journal_close(struct ext2 *fs)
{
	struct jbd2_super *super = staged_super(fs);

	super->start = 0;
	super->sequence = be32(fs->journal.sequence);
	begin_phase(&fs->journal, JOURNAL_CLOSE);
}

/* --- blocks that may not be used yet ---------------------------------------------------------------- */

/* The bits of [start, start + count) in the word that begins with block `from`. */
static uint64_t bits_of(uint64_t from, uint64_t start, uint64_t count)
{
	uint64_t first = start > from ? start - from : 0, end = start + count - from;

	return (end < 64 ? 1ull << end : 0) - (1ull << first);
}

/* The bits come last: a crash in between leaves none that a search does not see. */
static void set_add(struct page_set *set, uint64_t from, uint64_t bits)
{
	set->count = 1;
	set->summary[from / 4096] |= 1ull << from / 64 % 64;
	BARRIER();
	set->bits[from / 64] |= bits;
}

void journal_allocated(struct ext2 *fs, uint64_t start, uint64_t count)
{
	if (!fs->journal.ready)
		return;
	for (uint64_t from = start & ~63ull; from < start + count; from += 64)
		set_add(&fs->journal.fresh, from, bits_of(from, start, count));
}

void journal_freed(struct ext2 *fs, uint64_t start, uint64_t count)
{
	struct journal *j = &fs->journal;

	if (!j->ready)
		return;
	for (uint64_t from = start & ~63ull; from < start + count; from += 64) {
		uint64_t bits = bits_of(from, start, count) & ~j->fresh.bits[from / 64];

		if (bits)
			set_add(&j->freed[0], from, bits);
	}
}

uint64_t journal_usable(const struct ext2 *fs, uint64_t block, uint64_t limit)
{
	const struct page_set *sets = fs->journal.freed;
	uint64_t before;

	do {
		before = block;
		for (int i = 0; i < 2; i++)
			if (sets[i].count)
				block = find_clear((const uint8_t *)sets[i].bits, (uint32_t)block,
						   (uint32_t)limit);
	} while (block != before && block < limit);
	return block;
}

bool journal_holds(const struct ext2 *fs, uint32_t quarters)
{
	return fs->journal.ready && (fs->cache.dirty_blocks + fs->dirty_inodes + 8) * 4 >=
					(uint64_t)fs->journal.capacity * quarters;
}
