/* SPDX-License-Identifier: MIT */
/*
 * Handlers of the file protocol for what is neither seekable nor mappable nor a directory: pipes,
 * terminals, character devices. Each answers what Linux does.
 */
#ifndef LIB_FS_STREAM_H
#define LIB_FS_STREAM_H

#include <proto/file.h>
#include <sys/server.h>

long stream_pread(struct request *, const struct file_pread_req *, struct file_pread_reply *);
long stream_pwrite(struct request *, const struct file_pwrite_req *, struct file_pwrite_reply *);
long stream_lseek(struct request *, const struct file_lseek_req *, struct file_lseek_reply *);
long stream_ftruncate(struct request *, const struct file_ftruncate_req *, struct file_ftruncate_reply *);
long stream_fsync(struct request *, const struct file_fsync_req *, struct file_fsync_reply *);
long stream_mmap(struct request *, const struct file_mmap_req *, struct file_mmap_reply *);
long stream_getdents(struct request *, const struct file_getdents_req *, struct file_getdents_reply *);
#define STREAM_FILE_OPS                                                        \
	.pread = stream_pread, .pwrite = stream_pwrite, .lseek = stream_lseek, \
	.ftruncate = stream_ftruncate, .fsync = stream_fsync, .getdents = stream_getdents

/* The flags that fcntl(F_SETFL) can change on a stream: the new value of `flags`. */
static inline uint32_t stream_set_flags(uint32_t flags, uint64_t wanted)
{
	uint32_t settable = O_NONBLOCK | O_APPEND;

	return (flags & ~settable) | ((uint32_t)wanted & settable);
}

static inline bool stream_nonblocking(uint32_t description_flags, uint64_t call_flags)
{
	return (description_flags & O_NONBLOCK) || (call_flags & RWF_NONBLOCK);
}

/* Park for `queue`, but answer EAGAIN when `timeout` ns (0: none) are over since the call began; progress[7] is when that is.
 * The description's timer is for all that wait so: `over` wakes them. */
long stream_wait(struct request *rq, struct waitq *queue, struct timer *timer, uint64_t timeout,
		 void (*over)(struct timer *));
/* A struct timeval as SO_RCVTIMEO has it, from the in buffer and to the out buffer; ns, 0: for ever. */
long stream_take_timeout(struct request *rq, uint64_t *ns);
long stream_put_timeout(struct request *rq, uint64_t ns);

/* Answer a fixed-size result, or a text cut to the caller's buffer: 0 or the length, or -errno. */
long stream_put(struct request *rq, const void *from, size_t size);
long stream_put_text(struct request *rq, const char *text);
/* Take a fixed-size argument from the in buffer: 0 or -errno. */
long stream_take(struct request *rq, void *to, size_t size);

#endif
