/* SPDX-License-Identifier: MIT */
/* Calls on open files: one round trip to the server that holds the file. */
#include "files.h"

#include <proto/pm.h>

static inline long do_read(cap_t fd, void *to, size_t length, uint64_t flags)
{
	struct call_options options = { .out = to, .out_length = length };
	struct file_read_req request = { flags };

	return file_call_read(fd, &options, &request, NULL);
}

#define RLIMIT_FSIZE 1

/* Whether a file was too large for the process, not just for the file system. */
static bool file_size_limited(void)
{
	struct pm_limit_req request = { .resource = RLIMIT_FSIZE };
	struct pm_limit_reply reply;

	return pm_call_limit(PROC_SLOT_PM, NULL, &request, &reply) >= 0 && reply.soft != UINT64_MAX;
}

/* EPIPE and the limit of the size come with a signal. */
static __attribute__((noinline, cold)) long write_error(long status)
{
	if (status == -EPIPE)
		lp_raise(SIGPIPE);
	if (status == -EFBIG && file_size_limited())
		lp_raise(SIGXFSZ);
	return status;
}

static inline long do_write(cap_t fd, const void *from, size_t length, uint64_t flags)
{
	struct call_options options = { .in = from, .in_length = length };
	struct file_write_req request = { flags };
	long status = file_call_write(fd, &options, &request, NULL);

	return __builtin_expect(status < 0, 0) ? write_error(status) : status;
}

static long do_pread(cap_t fd, void *to, size_t length, uint64_t offset, uint64_t flags)
{
	struct call_options options = { .out = to, .out_length = length };
	struct file_pread_req request = { offset, flags };

	return file_call_pread(fd, &options, &request, NULL);
}

static long do_pwrite(cap_t fd, const void *from, size_t length, uint64_t offset, uint64_t flags)
{
	struct call_options options = { .in = from, .in_length = length };
	struct file_pwrite_req request = { offset, flags };
	long status = file_call_pwrite(fd, &options, &request, NULL);

	return status < 0 ? write_error(status) : status;
}

static inline size_t bounded(uint64_t length)
{
	return length < RW_MAX ? length : RW_MAX;
}

long lp_read(uint64_t a, uint64_t b, uint64_t c)
{
	return do_read(fd_cap(a), (void *)b, bounded(c), 0);
}

long lp_write(uint64_t a, uint64_t b, uint64_t c)
{
	return do_write(fd_cap(a), (const void *)b, bounded(c), 0);
}

long lp_pread64(uint64_t a, uint64_t b, uint64_t c, uint64_t d)
{
	return (int64_t)d < 0 ? -EINVAL : do_pread(fd_cap(a), (void *)b, bounded(c), d, 0);
}

long lp_pwrite64(uint64_t a, uint64_t b, uint64_t c, uint64_t d)
{
	return (int64_t)d < 0 ? -EINVAL : do_pwrite(fd_cap(a), (const void *)b, bounded(c), d, 0);
}

/* --- vectors ------------------------------------------------------------------------------------ */

/* offset -1: at the description's, which advances. */
struct transfer {
	cap_t fd;
	bool write;
	int64_t offset;
	uint64_t flags;
};

static long move(struct transfer *t, char *at, size_t length)
{
	long status;

	if (t->offset < 0)
		return t->write ? do_write(t->fd, at, length, t->flags)
				: do_read(t->fd, at, length, t->flags);
	status = t->write ? do_pwrite(t->fd, at, length, (uint64_t)t->offset, t->flags)
			  : do_pread(t->fd, at, length, (uint64_t)t->offset, t->flags);
	if (status > 0)
		t->offset += status;
	return status;
}

static long vector_length(const struct lp_iovec *vector, uint64_t count)
{
	uint64_t total = 0;

	if (count > 1024)
		return -EINVAL;
	for (uint64_t i = 0; i < count; i++) {
		if ((int64_t)vector[i].length < 0 || total + vector[i].length > INT64_MAX)
			return -EINVAL;
		total += vector[i].length;
	}
	return (long)total;
}

static void scatter(const struct lp_iovec *vector, const char *from, size_t length)
{
	for (; length; vector++) {
		size_t part = vector->length < length ? vector->length : length;

		memcpy(vector->base, from, part);
		from += part;
		length -= part;
	}
}

/* In one message, so that what others write does not come between. */
static __attribute__((noinline)) long move_gathered(struct transfer *t, const struct lp_iovec *vector,
						    uint64_t count, size_t total)
{
	char buffer[GATHER_MAX];
	size_t at = 0;
	long status;

	for (uint64_t i = 0; t->write && i < count; i++) {
		memcpy(buffer + at, vector[i].base, vector[i].length);
		at += vector[i].length;
	}
	status = move(t, buffer, total);
	if (!t->write && status > 0)
		scatter(vector, buffer, (size_t)status);
	return status;
}

/* Part by part; only the first waits. */
static long move_parts(struct transfer *t, const struct lp_iovec *vector, uint64_t count)
{
	long total = 0;

	for (uint64_t i = 0; i < count; i++) {
		size_t length = bounded(vector[i].length);
		long status;

		if (!length)
			continue;
		status = move(t, vector[i].base, length);
		if (status < 0)
			return total ? total : status;
		total += status;
		if ((size_t)status < length)
			break;
		if (!t->write)
			t->flags |= RWF_NONBLOCK;
	}
	return total;
}

static long move_vector(struct transfer *t, const struct lp_iovec *vector, uint64_t count)
{
	long total = vector_length(vector, count);

	if (total < 0)
		return total;
	if (count == 1)
		return move(t, vector->base, bounded(vector->length));
	if (!total)
		return move(t, NULL, 0);
	if (total <= (long)GATHER_MAX)
		return move_gathered(t, vector, count, (size_t)total);
	return move_parts(t, vector, count);
}

long lp_readv(uint64_t a, uint64_t b, uint64_t c)
{
	struct transfer t = { fd_cap(a), false, -1, 0 };

	return move_vector(&t, (const void *)b, c);
}

long lp_writev(uint64_t a, uint64_t b, uint64_t c)
{
	struct transfer t = { fd_cap(a), true, -1, 0 };

	return move_vector(&t, (const void *)b, c);
}

long lp_preadv(uint64_t a, uint64_t b, uint64_t c, uint64_t d, uint64_t e)
{
	struct transfer t = { fd_cap(a), false, (int64_t)d, 0 };

	(void)e;
	return (int64_t)d < 0 ? -EINVAL : move_vector(&t, (const void *)b, c);
}

long lp_pwritev(uint64_t a, uint64_t b, uint64_t c, uint64_t d, uint64_t e)
{
	struct transfer t = { fd_cap(a), true, (int64_t)d, 0 };

	(void)e;
	return (int64_t)d < 0 ? -EINVAL : move_vector(&t, (const void *)b, c);
}

#define RWF_NOWAIT 8u
#define RWF_HINTS 7u /* HIPRI, DSYNC, SYNC: what the server does anyway */

static long move_flagged(struct transfer *t, uint64_t vector, uint64_t count, uint64_t flags)
{
	if (flags & ~(uint64_t)(RWF_NOWAIT | RWF_HINTS))
		return -EOPNOTSUPP;
	if (t->offset < -1)
		return -EINVAL;
	t->flags = flags & RWF_NOWAIT ? RWF_NONBLOCK : 0;
	return move_vector(t, (const void *)vector, count);
}

long lp_preadv2(uint64_t a, uint64_t b, uint64_t c, uint64_t d, uint64_t e, uint64_t f)
{
	struct transfer t = { fd_cap(a), false, (int64_t)d, 0 };

	(void)e;
	return move_flagged(&t, b, c, f);
}

long lp_pwritev2(uint64_t a, uint64_t b, uint64_t c, uint64_t d, uint64_t e, uint64_t f)
{
	struct transfer t = { fd_cap(a), true, (int64_t)d, 0 };

	(void)e;
	return move_flagged(&t, b, c, f);
}

/* --- from file to file ---------------------------------------------------------------------------- */

/* Moves up to `length` bytes through a buffer; what could not be written is not consumed. */
static long copy_some(struct transfer *in, struct transfer *out, char *buffer, size_t length)
{
	long got = move(in, buffer, length), put;

	if (got <= 0)
		return got;
	put = move(out, buffer, (size_t)got);
	if (put == got)
		return put;
	if (in->offset >= 0) {
		in->offset -= got - (put > 0 ? put : 0);
	} else {
		struct file_lseek_req back = { (put > 0 ? put : 0) - got, 1 };

		file_call_lseek(in->fd, NULL, &back, NULL);
	}
	return put;
}

static __attribute__((noinline)) long copy_all(struct transfer *in, struct transfer *out, uint64_t length)
{
	char buffer[GATHER_MAX];
	long total = 0;

	length = bounded(length);
	while (length) {
		size_t part = length < sizeof(buffer) ? length : sizeof(buffer);
		long moved = copy_some(in, out, buffer, part);

		if (moved < 0)
			return total ? total : moved;
		total += moved;
		length -= (size_t)moved;
		if ((size_t)moved < part)
			break;
	}
	return total;
}

long lp_sendfile(uint64_t a, uint64_t b, uint64_t c, uint64_t d)
{
	int64_t *offset = (int64_t *)c;
	struct transfer out = { fd_cap(a), true, -1, 0 }, in = { fd_cap(b), false, offset ? *offset : -1, 0 };
	long status;

	if (offset && *offset < 0)
		return -EINVAL;
	status = copy_all(&in, &out, d);
	if (offset)
		*offset = in.offset;
	return status;
}

long lp_copy_file_range(uint64_t a, uint64_t b, uint64_t c, uint64_t d, uint64_t e, uint64_t f)
{
	int64_t *from = (int64_t *)b, *to = (int64_t *)d;
	struct transfer in = { fd_cap(a), false, from ? *from : -1, 0 },
			out = { fd_cap(c), true, to ? *to : -1, 0 };
	struct file_identify_reply what;
	long status;

	if (f || (from && *from < 0) || (to && *to < 0))
		return -EINVAL;
	for (int i = 0; i < 2; i++) {
		status = file_call_identify(i ? out.fd : in.fd, NULL, &(struct file_identify_req){}, &what);
		if (status < 0)
			return status;
		if (status != S_IFREG)
			return status == S_IFDIR ? -EISDIR : -EINVAL;
	}
	status = copy_all(&in, &out, e);
	if (from)
		*from = in.offset;
	if (to)
		*to = out.offset;
	return status;
}

/* --- the rest ---------------------------------------------------------------------------------------- */

long lp_lseek(uint64_t a, uint64_t b, uint64_t c)
{
	struct file_lseek_req request = { (int64_t)b, (uint32_t)c };

	return file_call_lseek(fd_cap(a), NULL, &request, NULL);
}

long lp_fstat(uint64_t a, uint64_t b)
{
	struct call_options options = { .out = (void *)b, .out_length = sizeof(struct file_stat) };

	return file_call_fstat(fd_cap(a), &options, &(struct file_fstat_req){}, NULL);
}

long lp_fstatfs(uint64_t a, uint64_t b)
{
	struct call_options options = { .out = (void *)b, .out_length = sizeof(struct file_statfs) };

	return file_call_statfs(fd_cap(a), &options, &(struct file_statfs_req){}, NULL);
}

long lp_ftruncate(uint64_t a, uint64_t b)
{
	struct file_ftruncate_req request = { b };
	long status;

	if ((int64_t)b < 0)
		return -EINVAL;
	status = file_call_ftruncate(fd_cap(a), NULL, &request, NULL);
	return status == -EFBIG ? write_error(status) : status;
}

long lp_fallocate(uint64_t a, uint64_t b, uint64_t c, uint64_t d)
{
	struct file_allocate_req request = { b, c, d };

	if ((int64_t)c < 0 || (int64_t)d <= 0)
		return -EINVAL;
	return file_call_allocate(fd_cap(a), NULL, &request, NULL);
}

static long sync_file(uint64_t fd, uint64_t data_only)
{
	struct file_fsync_req request = { data_only };

	return file_call_fsync(fd_cap(fd), NULL, &request, NULL);
}

long lp_fsync(uint64_t a)
{
	return sync_file(a, 0);
}

long lp_fdatasync(uint64_t a)
{
	return sync_file(a, 1);
}

long lp_sync_file_range(uint64_t a, uint64_t b, uint64_t c, uint64_t d)
{
	if ((int64_t)b < 0 || (int64_t)c < 0 || d > 7)
		return -EINVAL;
	return sync_file(a, 1);
}

long lp_syncfs(uint64_t a)
{
	long type = kcall(cap_type, fd_cap(a));

	return type < 0 || (type & 0xff) != CAPT_BADGE ? -EBADF : lp_sync();
}

/* Advice is taken note of by ignoring it. */
long lp_fadvise64(uint64_t a, uint64_t b, uint64_t c, uint64_t d)
{
	struct file_identify_reply what;
	long status = file_call_identify(fd_cap(a), NULL, &(struct file_identify_req){}, &what);

	(void)b;
	if (status < 0)
		return status;
	if (status == S_IFIFO)
		return -ESPIPE;
	return (int64_t)c < 0 || d > 5 ? -EINVAL : 0;
}

long lp_readahead(uint64_t a, uint64_t b, uint64_t c)
{
	struct file_identify_reply what;
	long status = file_call_identify(fd_cap(a), NULL, &(struct file_identify_req){}, &what);

	(void)b;
	(void)c;
	if (status < 0)
		return status;
	return status == S_IFREG ? 0 : -EINVAL;
}

long lp_getdents64(uint64_t a, uint64_t b, uint64_t c)
{
	struct call_options options = { .out = (void *)b, .out_length = (uint32_t)c };

	return file_call_getdents(fd_cap(a), &options, &(struct file_getdents_req){}, NULL);
}

/* Records of the old form have the same length: the name begins one byte earlier, the type is the last byte. */
long lp_getdents(uint64_t a, uint64_t b, uint64_t c)
{
	long length = lp_getdents64(a, b, c);

	for (long at = 0; at < length;) {
		struct file_dirent *entry = (void *)(b + (uint64_t)at);
		uint8_t type = entry->type;
		uint16_t record = entry->length;

		if (record < sizeof(*entry))
			break;
		memmove(&entry->type, entry->name, record - sizeof(*entry));
		((uint8_t *)entry)[record - 1] = type;
		at += record;
	}
	return length;
}

/* --- attributes of an open file ------------------------------------------------------------------------ */

/* VFS keeps mode and owner with names: it looks anew. */
static long set_attr(uint64_t fd, const struct file_set_attr_req *request)
{
	struct call_options options = { .caps_count = 1, .caps = { fd_cap(fd) } };
	long status = file_call_set_attr(fd_cap(fd), NULL, request, NULL);

	if (status >= 0)
		vfs_call_attr_changed(PROC_SLOT_VFS, &options, &(struct vfs_attr_changed_req){}, NULL);
	return status < 0 ? status : 0;
}

long lp_fchmod(uint64_t a, uint64_t b)
{
	struct file_set_attr_req request = { .valid = FILE_SET_MODE, .mode = b & 07777 };

	return set_attr(a, &request);
}

long lp_fchown(uint64_t a, uint64_t b, uint64_t c)
{
	struct file_set_attr_req request = { .uid = (uint32_t)b, .gid = (uint32_t)c };

	if ((uint32_t)b != UINT32_MAX)
		request.valid |= FILE_SET_UID;
	if ((uint32_t)c != UINT32_MAX)
		request.valid |= FILE_SET_GID;
	return set_attr(a, &request);
}

/* For path.c: futimens. */
long file_set_times(uint64_t fd, const struct file_set_attr_req *request)
{
	return file_call_set_attr(fd_cap(fd), NULL, request, NULL);
}
