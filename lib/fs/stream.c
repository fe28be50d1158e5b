/* SPDX-License-Identifier: MIT */
#include <fs/stream.h>
#include <util/string.h>

long stream_pread(struct request *rq, const struct file_pread_req *in, struct file_pread_reply *out)
{
	(void)rq, (void)in, (void)out;
	return -ESPIPE;
}

long stream_pwrite(struct request *rq, const struct file_pwrite_req *in, struct file_pwrite_reply *out)
{
	(void)rq, (void)in, (void)out;
	return -ESPIPE;
}

long stream_lseek(struct request *rq, const struct file_lseek_req *in, struct file_lseek_reply *out)
{
	(void)rq, (void)in, (void)out;
	return -ESPIPE;
}

long stream_ftruncate(struct request *rq, const struct file_ftruncate_req *in,
		      struct file_ftruncate_reply *out)
{
	(void)rq, (void)in, (void)out;
	return -EINVAL;
}

long stream_fsync(struct request *rq, const struct file_fsync_req *in, struct file_fsync_reply *out)
{
	(void)rq, (void)in, (void)out;
	return -EINVAL;
}

long stream_mmap(struct request *rq, const struct file_mmap_req *in, struct file_mmap_reply *out)
{
	(void)rq, (void)in, (void)out;
	return -ENODEV;
}

long stream_getdents(struct request *rq, const struct file_getdents_req *in, struct file_getdents_reply *out)
{
	(void)rq, (void)in, (void)out;
	return -ENOTDIR;
}

long stream_put(struct request *rq, const void *from, size_t size)
{
	long status = rq->out_length < size ? -EINVAL : request_write(rq, 0, from, size);

	return status < 0 ? status : 0;
}

long stream_put_text(struct request *rq, const char *text)
{
	size_t length = strlen(text);

	return request_write(rq, 0, text, length < rq->out_length ? length : rq->out_length);
}

long stream_take(struct request *rq, void *to, size_t size)
{
	long status = rq->in_length < size ? -EINVAL : request_read(rq, 0, to, size);

	return status < 0 ? status : 0;
}
