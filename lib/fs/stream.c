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

/* --- limits of time ------------------------------------------------------------------------------------------------- */

long stream_wait(struct request *rq, struct waitq *queue, struct timer *timer, uint64_t timeout,
		 void (*over)(struct timer *))
{
	uint64_t now;

	if (!timeout)
		return request_park(rq, queue);
	now = clock_monotonic_ns();
	if (!rq->progress[7])
		rq->progress[7] = now + timeout;
	if (rq->progress[7] <= now)
		return -EAGAIN;
	if (!timer->deadline || timer->deadline <= now || rq->progress[7] < timer->deadline)
		timer_start(timer, rq->progress[7], over);
	return request_park(rq, queue);
}

#define NS 1000000000ull
#define SECONDS_MAX 1000000000

struct timeval {
	int64_t seconds, microseconds;
};

long stream_take_timeout(struct request *rq, uint64_t *ns)
{
	struct timeval time;
	long status = stream_take(rq, &time, sizeof(time));

	if (status < 0)
		return status;
	if (time.microseconds < 0 || time.microseconds >= 1000000)
		return -EDOM;
	if (time.seconds < 0)
		*ns = 1; /* it is over at once */
	else
		*ns = time.seconds > SECONDS_MAX
			  ? 0
			  : (uint64_t)time.seconds * NS + (uint64_t)time.microseconds * 1000;
	return 0;
}

long stream_put_timeout(struct request *rq, uint64_t ns)
{
	struct timeval time = { (int64_t)(ns / NS), (int64_t)(ns % NS / 1000) };

	return request_write(rq, 0, &time, sizeof(time) < rq->out_length ? sizeof(time) : rq->out_length);
}
