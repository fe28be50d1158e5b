/* SPDX-License-Identifier: MIT */
/* One mount: attaching the device, the life of the whole state, restarts. */
#include "server.h"

#include <util/string.h>

/* The same in every incarnation, since the undo log holds addresses. */
#define META_WINDOW 0x400000000000ul
#define TABLES_WINDOW 0x600000000000ul
#define STAGE_WINDOW 0x680000000000ul
#define META_LIMIT (1ull << 44)
#define MS_RDONLY 1u
#define MOUNT_INFO 0
#define INFO_ASKED 1u
#define INFO_THERE 2u
#define BLK_READ_ONLY 1u

PRESERVED struct ext2 fs;
PRESERVED struct mount mount;
static struct waitq info_queue;

/* --- memory ---------------------------------------------------------------------------------------- */

struct tables {
	uint64_t state, bits, summary;
	uint64_t block_bits, block_summary; /* blocks may be smaller than pages */
	uint64_t total;
};

static uint64_t whole(uint64_t bytes)
{
	return (bytes + PAGE_BYTES - 1) & ~(PAGE_BYTES - 1);
}

static struct tables tables_of(uint64_t pages)
{
	struct tables t = { whole(pages + 64),     whole(pages / 8 + 64),   whole(pages / 512 + 64),
			    whole(pages / 2 + 64), whole(pages / 128 + 64), 0 };

	t.total = t.state + 2 * (t.bits + t.summary) + 3 * (t.block_bits + t.block_summary);
	return t;
}

static uint64_t device_pages(void)
{
	return (mount.sectors + 7) / 8;
}

/* A set of blocks; answers where the next one may lie. */
static uint64_t place_blocks(struct page_set *set, const struct tables *t, uint64_t at)
{
	set->bits = (uint64_t *)at;
	set->summary = (uint64_t *)(at + t->block_bits);
	return at + t->block_bits + t->block_summary;
}

static long map_stage(void)
{
	struct mo_info info;
	long status = kcall(mo_info, mount.stage, &info);

	if (status == 0)
		status = kcall(vm_map, CAP_SELF_SPACE, STAGE_WINDOW, whole(info.size),
			       VM_R | VM_W | VM_SHARED | VM_FIXED, mount.stage, 0ul);
	return status < 0 ? status : 0;
}

void *core_stage(struct ext2 *core, uint64_t bytes)
{
	long memory;

	(void)core;
	if (!mount.stage) {
		memory = kcall(mo_create, whole(bytes), 0ul);
		if (memory < 0)
			return NULL;
		mount.stage = (cap_t)memory;
	}
	return map_stage() < 0 ? NULL : (void *)STAGE_WINDOW;
}

static long map_cache(void)
{
	uint64_t pages = device_pages(), at = TABLES_WINDOW;
	struct tables t = tables_of(pages);
	struct cache *cache = &fs.cache;
	long status;

	status = kcall(vm_map, CAP_SELF_SPACE, META_WINDOW, pages << PAGE_BITS,
		       VM_R | VM_W | VM_SHARED | VM_FIXED, mount.meta, 0ul);
	if (status < 0)
		return status;
	status =
	    kcall(vm_map, CAP_SELF_SPACE, at, t.total, VM_R | VM_W | VM_SHARED | VM_FIXED, mount.tables, 0ul);
	if (status < 0)
		return status;
	cache->base = (uint8_t *)META_WINDOW;
	cache->state = (uint8_t *)at;
	cache->present.bits = (uint64_t *)(at += t.state);
	cache->present.summary = (uint64_t *)(at += t.bits);
	cache->dirty.bits = (uint64_t *)(at += t.summary);
	cache->dirty.summary = (uint64_t *)(at += t.bits);
	at += t.summary;
	at = place_blocks(&fs.journal.fresh, &t, at);
	at = place_blocks(&fs.journal.freed[0], &t, at);
	place_blocks(&fs.journal.freed[1], &t, at);
	return mount.stage ? map_stage() : 0;
}

static long make_cache(void)
{
	uint64_t pages = device_pages();
	long memory;

	if (!pages || pages << PAGE_BITS > META_LIMIT)
		return -EFBIG;
	if (!mount.meta) {
		memory = kcall(mo_create_paged, SLOT_ENDPOINT, 0ul, pages << PAGE_BITS);
		if (memory < 0)
			return memory;
		mount.meta = (cap_t)memory;
	}
	if (!mount.tables) {
		memory = kcall(mo_create, tables_of(pages).total, 0ul);
		if (memory < 0)
			return memory;
		mount.tables = (cap_t)memory;
	}
	return map_cache();
}

_Static_assert(EPOCHS == FS_EPOCHS, "the core counts them as VFS does");

/* Without them VFS asks for attributes each time. */
static void map_epochs(void)
{
	long memory;

	if (!mount.epochs) {
		memory = kcall(mo_create, sizeof(struct fs_epochs), 0ul);
		if (memory >= 0)
			mount.epochs = (cap_t)memory;
	}
	fs.epochs = mount.epochs
			? map_memory(mount.epochs, 0, sizeof(struct fs_epochs), VM_R | VM_W | VM_SHARED)
			: NULL;
}

static void set_budget(void)
{
	struct system_info info;

	pages_budget = 4096;
	if (kcall(system_info, &info) == 0 && info.pages_total)
		pages_budget = info.pages_total / 4;
}

/* --- mounting ---------------------------------------------------------------------------------------- */

static void info_answered(struct acall *call)
{
	const struct blk_info_reply *info = acall_reply(call);

	if (call->status >= 0) {
		mount.sectors = info->sectors;
		mount.max_sectors = info->max_sectors & ~7ull;
		mount.device_read_only = info->flags & BLK_READ_ONLY;
		fs.read_only = fs.read_only || mount.device_read_only;
	}
	mount.info_status = call->status == -ERESTART ? 0 : call->status;
	waitq_wake(&info_queue);
}

static long ask_info(struct request *rq)
{
	struct blk_info_req info;
	struct acall *call = acall_new(info_answered, NULL);

	if (!call)
		return -ENOMEM;
	mount.info_status = PARK;
	blk_send_info(call, mount.device, &info);
	return request_park(rq, &info_queue);
}

/* Whether the word is one of the options, which commas separate. */
static bool has_option(const char *options, const char *word)
{
	size_t length = strlen(word);

	while (options) {
		if (!strncmp(options, word, length) && (!options[length] || options[length] == ','))
			return true;
		options = strchr(options, ',');
		options = options ? options + 1 : NULL;
	}
	return false;
}

static void read_options(struct request *rq)
{
	char options[256] = "";
	size_t length = rq->in_length < sizeof options ? rq->in_length : sizeof options - 1;

	if (request_read(rq, 0, options, length) != (long)length)
		return;
	if (has_option(options, "ro"))
		fs.read_only = true;
	mount.stop_on_damage = has_option(options, "errors=remount-ro");
	mount.go_on_after_damage = has_option(options, "errors=continue");
}

static long attach(struct request *rq, const struct fs_mount_req *in)
{
	long status;

	if (!mount.device) {
		if (!rq->caps_count || rq->caps[0].slot == CAP_NONE)
			return -ENOTBLK;
		mount.device = request_take(rq, 0);
		mount.device_number = in->device;
		fs.read_only = in->flags & MS_RDONLY;
		read_options(rq);
	}
	if (!mount.sectors)
		return mount.info_status < 0 && mount.info_status != PARK ? mount.info_status : ask_info(rq);
	set_budget();
	status = make_cache();
	if (status < 0)
		return status;
	map_epochs();
	fs.cache.pages = device_pages();
	mount.attached = true;
	return 0;
}

/* Before the geometry is known blocks cannot be asked for; the page with the superblock can. */
static long read_super(void)
{
	uint64_t page = EXT2_SUPER_OFFSET >> PAGE_BITS;

	long status;

	if (!(fs.cache.state[page] & CACHE_PRESENT)) {
		status = core_fetch(&fs, page);

		if (status < 0) {
			fs.wait_page = page;
			return status;
		}
	}
	status =
	    super_read(&fs, (struct ext2_super *)(fs.cache.base + EXT2_SUPER_OFFSET), mount.sectors * 512);
	fs.stop_on_damage = mount.stop_on_damage || (fs.stop_on_damage && !mount.go_on_after_damage);
	return status;
}

/* Let the writer write all that is dirty, and run the request again. */
static long write_first(struct request *rq)
{
	tx_commit(&fs);
	return write_wait(rq, WRITE_SAFE);
}

/* 0: the writing that the request has asked for is done, or it has asked for none. */
static long written(struct request *rq)
{
	long status = rq->progress[4] ? write_wait(rq, WRITE_SAFE) : 0;

	if (status == 0 && rq->progress[4]) {
		rq->progress[4] = 0;
		status = write_result();
	}
	return status;
}

/* A journal that has to be replayed is, even where nothing else is to be written. */
static long open_journal(struct request *rq)
{
	bool recover = fs.incompat & EXT2_INCOMPAT_RECOVER;
	long status;

	if (!(fs.compat & EXT2_COMPAT_HAS_JOURNAL) || fs.journal.ready || (fs.read_only && !recover))
		return 0;
	if (recover && mount.device_read_only) {
		slog("the journal cannot be replayed on a device that cannot be written");
		return -EROFS;
	}
	status = fs.journal.inode ? journal_open(&fs) : -EINVAL;
	if (status == EXT2_MORE)
		return write_first(rq);
	if (status == -EINVAL && !recover) {
		slog("the journal cannot be used: read-only");
		fs.read_only = true;
		return 0;
	}
	return status == 0 && recover ? read_super() : status;
}

static struct inode *half_cut(void)
{
	struct inode *inode = fs.orphans;

	while (inode && !inode->d.links)
		inode = inode->orphan_next;
	return inode;
}

/* What lies behind the ends of files that were being cut is freed before anybody can write there. */
static long finish_cuts(struct request *rq)
{
	struct inode *inode;

	while ((inode = half_cut())) {
		long status = orphan_trim_step(inode);

		tx_commit(&fs);
		if (status == EXT2_WAIT)
			return status;
		if (write_crowded())
			return write_first(rq);
	}
	return 0;
}

/* A file system of which an unclean end is known is mounted all the same, as Linux does, with a word; it is not
 * called clean before e2fsck has seen it. */
static long bring_up(struct request *rq)
{
	long status = written(rq);

	mount.recovering = true;
	if (status == 0 && !fs.blocks)
		status = read_super();
	if (status == 0)
		status = open_journal(rq);
	while (status == 0 && (status = orphan_load(&fs)) == EXT2_MORE) {
		tx_commit(&fs);
		status = 0;
	}
	if (status < 0 || fs.read_only)
		return status;
	if (!(fs.state_at_mount & EXT2_STATE_VALID))
		slog("was not unmounted cleanly: e2fsck is recommended");
	status = finish_cuts(rq);
	return status < 0 ? status : super_mounted(&fs);
}

static void tell_root(const struct inode *root, struct fs_mount_reply *out)
{
	out->node = root->number;
	out->mode = root->d.mode | (uint64_t)root->d.links << 32;
	out->owner = root->d.uid | (uint64_t)root->d.gid << 32;
	out->size = root->d.size;
	out->rdev = 0;
}

long mount_request(struct request *rq, const struct fs_mount_req *in, struct fs_mount_reply *out)
{
	struct inode *root;
	long status;

	if (mount.mounted)
		return -EBUSY;
	if (!mount.attached) {
		status = attach(rq, in);
		if (status < 0)
			return status;
	}
	status = bring_up(rq);
	if (status < 0)
		return status;
	root = inode_get(&fs, EXT2_ROOT_INODE);
	if (is_error(root))
		return error_of(root);
	if ((root->d.mode & S_IFMT) != S_IFDIR)
		return -EUCLEAN;
	tx_add(&fs, &root->held, sizeof root->held);
	root->held++;
	tell_root(root, out);
	tx_add(&fs, &mount.mounted, sizeof mount.mounted);
	mount.mounted = true;
	mount.recovering = false;
	reap_soon();
	status = request_give_badge(rq, MOUNT_BADGE);
	return status < 0 || !mount.epochs ? status : request_give(rq, mount.epochs, CAP_R, false);
}

static bool anything_open(void)
{
	for (struct inode *inode = fs.lru.first; inode; inode = inode->lru_next)
		if (inode->opens)
			return true;
	return false;
}

long unmount_request(struct request *rq, const struct fs_unmount_req *in, struct fs_unmount_reply *out)
{
	long status;

	(void)out;
	if (!(in->flags & 1) && !rq->progress[4] && anything_open())
		return -EBUSY;
	reap_run();
	status = write_wait(rq, WRITE_CLEAN);
	if (status == 0)
		fs.read_only = true; /* what is on the disk now is the end of it */
	return status;
}

static long make_writable(struct request *rq)
{
	long status = written(rq);

	if (mount.device_read_only)
		return -EROFS;
	mount.recovering = true;
	fs.read_only = false;
	if (status == 0)
		status = open_journal(rq);
	if (status == 0)
		status = fs.read_only ? -EROFS : finish_cuts(rq);
	if (status == 0)
		status = super_mounted(&fs);
	mount.recovering = status == PARK;
	fs.read_only = status != 0;
	return status;
}

long remount_request(struct request *rq, const struct fs_remount_req *in, struct fs_remount_reply *out)
{
	long status;

	(void)out;
	if (in->flags & MS_RDONLY) {
		status = write_wait(rq, WRITE_CLEAN);
		if (status == 0)
			fs.read_only = true;
		return status;
	}
	fs.stopped = false;
	if (!fs.read_only)
		return 0;
	return fs.ro_compat & ~EXT2_RO_KNOWN ? -EROFS : make_writable(rq);
}

/* --- after a crash --------------------------------------------------------------------------------------- */

/* A crash may have hit between a bit and its summary. */
static void rebuild_set(struct page_set *set)
{
	uint64_t words = fs.cache.pages / 64 + 1;

	set->count = 0;
	memset(set->summary, 0, words / 64 * 8 + 8);
	for (uint64_t i = 0; i < words; i++) {
		if (!set->bits[i])
			continue;
		set->summary[i / 64] |= 1ull << i % 64;
		set->count += (uint64_t)__builtin_popcountll(set->bits[i]);
	}
}

static void recount_pages(void)
{
	pages_resident = 0;
	for (struct inode *inode = fs.lru.first; inode; inode = inode->lru_next) {
		inode->pinned &= (uint8_t)~INODE_IO;
		if (!inode->pages)
			continue;
		inode->pages->reading = inode->pages->writing = 0;
		pages_resident += inode->pages->resident;
	}
}

long mount_start(bool restarted)
{
	long status;

	if (!restarted || !mount.attached)
		return 0;
	set_budget();
	status = map_cache();
	if (status < 0)
		return status;
	map_epochs();
	tx_rollback(&fs);
	fs.tx.index_changed = 0;
	rebuild_set(&fs.cache.present);
	rebuild_set(&fs.cache.dirty);
	inodes_rebuild(&fs);
	files_recover();
	recount_pages();
	fs.journal.loading = false;
	fs.cache.dirty_blocks = fs.cache.dirty.count * (fs.block_size ? PAGE_BYTES / fs.block_size : 1);
	if (!fs.journal.ready)
		journal_replay_again(&fs);
	io_recover();
	if (mount.mounted || mount.recovering)
		write_recover();
	reap_soon();
	return 0;
}
