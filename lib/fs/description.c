/* SPDX-License-Identifier: MIT */
#include <fs/description.h>
#include <fs/stream.h>

#define INDEX_MASK 0xffffffffull
#define GENERATION_MASK 0x3fffffffu /* badges stay below BADGE_SERVICE */
#define KEPT_FLAGS ((uint32_t)(O_ACCMODE | O_NONBLOCK | O_APPEND))
#define NANOSECONDS 1000000000ull

static bool claim(struct description *d)
{
	uint32_t n, index;

	for (n = 0; n < DESCRIPTIONS_MAX; n++) {
		index = (descriptions.free_hint + n) % DESCRIPTIONS_MAX;
		if (descriptions.slot[index])
			continue;
		descriptions.generation = descriptions.generation % GENERATION_MASK + 1; /* never 0 */
		d->badge = (uint64_t)descriptions.generation << 32 | (index + BADGE_FIRST_OWN);
		descriptions.slot[index] = d;
		descriptions.free_hint = index + 1;
		return true;
	}
	return false;
}

void *description_new(size_t size, uint64_t flags)
{
	struct description *d = pheap_alloc(size);

	if (!d)
		return NULL;
	d->flags = (uint32_t)flags & KEPT_FLAGS;
	d->opened_ns = clock_realtime_ns();
	if (claim(d))
		return d;
	pheap_free(d);
	return NULL;
}

void *description_new_special(size_t size, const struct dev_open_req *in)
{
	struct description *d = description_new(size, in->flags);

	if (!d)
		return NULL;
	d->device = in->device;
	d->node = in->node;
	d->rdev = dev_make((uint32_t)in->major, (uint32_t)in->minor);
	d->mode = in->mode ? (uint32_t)in->mode : S_IFCHR | 0600;
	d->uid = (uint32_t)in->owner;
	d->gid = (uint32_t)(in->owner >> 32);
	return d;
}

uint32_t description_index(uint64_t badge)
{
	return (uint32_t)((badge & INDEX_MASK) - BADGE_FIRST_OWN);
}

void *description_find(uint64_t badge)
{
	uint32_t index = description_index(badge);
	struct description *d = index < DESCRIPTIONS_MAX ? descriptions.slot[index] : NULL;

	return d && d->badge == badge ? d : NULL;
}

void description_delete(void *description)
{
	struct description *d = description;
	uint32_t index = description_index(d->badge);

	watch_drop(&d->watches);
	descriptions.slot[index] = NULL;
	if (index < descriptions.free_hint)
		descriptions.free_hint = index;
	pheap_free(d);
}

void *description_next(uint32_t *index)
{
	while (*index < DESCRIPTIONS_MAX && !descriptions.slot[*index])
		(*index)++;
	return *index < DESCRIPTIONS_MAX ? descriptions.slot[(*index)++] : NULL;
}

void description_stat(const struct description *d, struct file_stat *stat)
{
	*stat = (struct file_stat){
		.dev = d->device,
		.ino = d->node,
		.nlink = 1,
		.mode = d->mode,
		.uid = d->uid,
		.gid = d->gid,
		.rdev = d->rdev,
		.blksize = 4096,
	};
	stat->atime = stat->mtime = stat->ctime = d->opened_ns / NANOSECONDS;
	stat->atime_nsec = stat->mtime_nsec = stat->ctime_nsec = d->opened_ns % NANOSECONDS;
}

long description_fstat(struct request *rq, const struct file_fstat_req *in, struct file_fstat_reply *out)
{
	const struct description *d = description_find(rq->badge);
	struct file_stat stat;

	(void)in, (void)out;
	if (!d)
		return -EBADF;
	description_stat(d, &stat);
	return stream_put(rq, &stat, sizeof(stat));
}

long description_get_flags(struct request *rq, const struct file_get_flags_req *in,
			   struct file_get_flags_reply *out)
{
	const struct description *d = description_find(rq->badge);

	(void)in, (void)out;
	return d ? (long)d->flags : -EBADF;
}

long description_set_flags(struct request *rq, const struct file_set_flags_req *in,
			   struct file_set_flags_reply *out)
{
	struct description *d = description_find(rq->badge);

	(void)out;
	if (!d)
		return -EBADF;
	d->flags = stream_set_flags(d->flags, in->flags);
	return 0;
}

long description_identify(struct request *rq, const struct file_identify_req *in,
			  struct file_identify_reply *out)
{
	const struct description *d = description_find(rq->badge);

	(void)in;
	if (!d)
		return -EBADF;
	out->device = d->device;
	out->inode = d->node;
	out->flags = d->flags;
	return d->mode & S_IFMT;
}
