/* SPDX-License-Identifier: MIT */
/* Calls to file servers and other services, and what their answers mean for the cache. */
#include "vfs.h"

#define JOB_MAX 512u
/* For one request; progress[6] counts. A path has far fewer names. */
#define FILLS_MAX 100000u

static PRESERVED struct job jobs[JOB_MAX];
static PRESERVED uint32_t jobs_touched;

static struct job *free_jobs;
static struct waitq in_flight, dir_waiters;
static struct share share = { .total = JOB_MAX };

static struct call_buffer preserved_buffer(void *at, size_t length)
{
	if (!length)
		return (struct call_buffer){ .memory = CAP_NONE };
	return (struct call_buffer){ SLOT_PRESERVED, 0, (uintptr_t)at - PRESERVED_BASE, length };
}

long job_wait(struct request *rq)
{
	return share_park(&share, share_payer(rq->stamp), rq);
}

long dir_wait(struct request *rq)
{
	return request_park(rq, &dir_waiters);
}

/* Of one that was free before this transaction nothing is put back but that it was. */
static void job_reset(struct job *job)
{
	if (job->freed != tx_sequence())
		tx_fresh(&job->kind, offsetof(struct job, stat) - offsetof(struct job, kind));
	job->done = false;
	job->rq = NULL;
	job->call = NULL;
	job->token = job->op = 0;
	job->op_flags = job->words_count = job->epoch = 0;
	job->dir = job->dir2 = job->entry = NULL;
	job->node = NULL;
	job->changes = job->name_at = job->name_length = job->in_length = job->out_length = 0;
	job->big = NULL;
	job->sent = job->received = job->second = CAP_NONE;
	job->status = 0;
}

/* Its client has died or was answered by an incarnation before. */
static bool client_gone(const struct job *job)
{
	const struct request *rq = job->rq;

	return !rq || !rq->state || rq->context != job || rq->token != job->token;
}

/* Jobs that finished for a client which died while VFS was down. */
static void sweep(void)
{
	for (uint32_t i = 0; i < jobs_touched; i++)
		if (jobs[i].used && jobs[i].done && client_gone(&jobs[i])) {
			jobs[i].rq = NULL;
			job_free(&jobs[i]);
		}
}

struct job *job_new(struct request *rq, enum job_kind kind, cap_t to)
{
	uint32_t payer = rq ? share_payer(rq->stamp) : 0;
	struct job *job;

	if (!share_left(&share, payer))
		sweep();
	if (!share_take(&share, payer, 1))
		return NULL;
	job = free_jobs;
	if (job)
		free_jobs = job->next;
	else
		job = &jobs[jobs_touched++];
	job_reset(job);
	job->used = true;
	job->payer = payer;
	job->kind = kind;
	job->to = to;
	job->rq = rq;
	if (rq) {
		job->token = rq->token;
		rq->context = job;
	}
	return job;
}

void job_hold_dir(struct job *job, struct dentry *dir)
{
	dentry_get(dir);
	job->dir = dir;
	job->changes = dir->node->changes;
}

void job_hold_dir2(struct job *job, struct dentry *dir)
{
	dentry_get(dir);
	job->dir2 = dir;
}

void job_hold_entry(struct job *job, struct dentry *entry)
{
	dentry_get(entry);
	job->entry = entry;
}

void job_hold_node(struct job *job, struct vnode *node)
{
	vnode_get(node);
	job->node = node;
}

bool job_text(struct job *job, const char *text, size_t length)
{
	char *to = job->text;

	if (length > JOB_TEXT) {
		to = job->big = pheap_alloc(length);
		if (!to)
			return false;
	}
	memcpy(to, text, length);
	job->in_length = (uint32_t)length;
	return true;
}

static bool changes_dirs(enum job_kind kind)
{
	return kind == JOB_MAKE || kind == JOB_LINK || kind == JOB_UNLINK || kind == JOB_RENAME;
}

static void lock_dirs(struct job *job, bool lock)
{
	if (!changes_dirs(job->kind))
		return;
	if (job->dir)
		job->dir->node->locked = lock;
	if (job->dir2)
		job->dir2->node->locked = lock;
	if (job->kind == JOB_RENAME && job->dir != job->dir2)
		job->dir->mount->super->renaming = lock;
	if (!lock && job->kind == JOB_UNLINK && job->entry && job->entry->node)
		job->entry->node->going = false;
	if (!lock)
		waitq_wake(&dir_waiters);
}

static void let_go(struct job *job)
{
	if (job->entry)
		dentry_put(job->entry);
	if (job->node)
		vnode_put(job->node);
	if (job->dir)
		dentry_put(job->dir);
	if (job->dir2)
		dentry_put(job->dir2);
}

void job_free(struct job *job)
{
	if (!job->used)
		return;
	let_go(job);
	if (job->rq && job->rq->context == job)
		job->rq->context = NULL;
	if (job->received != CAP_NONE)
		tx_close(job->received);
	if (job->second != CAP_NONE)
		tx_close(job->second);
	if (job->sent != CAP_NONE)
		tx_close(job->sent);
	pheap_free(job->big);
	job->used = false;
	job->freed = tx_sequence();
	job->next = free_jobs;
	free_jobs = job;
	share_give(&share, job->payer, 1);
}

long job_finish(struct request *rq, struct job *job)
{
	long status = job->status;

	(void)rq;
	job_free(job);
	return status;
}

cap_t job_take_cap(struct job *job)
{
	cap_t cap = job->received;

	job->received = CAP_NONE;
	return cap;
}

cap_t job_take_second_cap(struct job *job)
{
	cap_t cap = job->second;

	job->second = CAP_NONE;
	return cap;
}

/* Nobody looks at them before it is done, and if that is undone the answer comes again. */
TX_DERIVED static void take_words(struct job *job, const struct acall *call)
{
	job->status = call->status;
	for (unsigned i = 0; i < IPC_WORDS; i++)
		job->answer[i] = call->words[i];
}

static void take_answer(struct job *job, struct acall *call)
{
	take_words(job, call);
	if (call->received_count)
		job->received = call->received[0].slot;
	if (call->received_count > 1)
		job->second = call->received[1].slot;
}

static void job_over(struct job *job)
{
	job->done = true;
	if (client_gone(job)) {
		job->rq = NULL;
		job_free(job);
	} else {
		request_wake(job->rq);
	}
}

static void answered(struct acall *call)
{
	struct job *job = call->owner;

	/* After a crash the same answer may come twice. */
	if (!job || !job->used || job->done || job->call != call)
		return;
	job->call = NULL;
	take_answer(job, call);
	if (job->kind == JOB_MAKE && job_make_again(job))
		return;
	lock_dirs(job, false);
	job_conclude(job);
	job_over(job);
	forget_flush();
}

/* Without a call object it fails as if the server had refused. */
static void job_dispatch(struct job *job)
{
	struct acall *call = acall_new(answered, job);
	void *out = job->big && !job->in_length ? (void *)job->big : (void *)&job->stat;

	if (!call) {
		job->status = -EAGAIN;
		lock_dirs(job, false);
		job_conclude(job);
		job_over(job);
		return;
	}
	job->call = call;
	call->in = preserved_buffer(job->big && job->in_length ? job->big : job->text, job->in_length);
	call->out = preserved_buffer(out, job->out_length);
	call->caps_count = job->sent != CAP_NONE;
	call->caps[0] = (struct ipc_cap){ job->sent, CAP_ALL, 0 };
	proto_send(call, job->to, job->op, job->op_flags, job->words, 8 * job->words_count);
}

long job_send(struct job *job, uint64_t op, uint32_t op_flags, const void *request, size_t size)
{
	long status = job->rq ? request_park(job->rq, &in_flight) : PARK;

	job->op = op;
	job->op_flags = op_flags;
	job->words_count = (uint32_t)(size / 8);
	memcpy(job->words, request, size);
	lock_dirs(job, true);
	job_dispatch(job);
	return status;
}

/* --- the handler's side -------------------------------------------------------------------------------- */

/* A name that is not there has been entered as such. */
static long fill_status(const struct job *job)
{
	if (job->status >= 0 || job->kind == JOB_SETTLE ||
	    (job->kind == JOB_LOOKUP && job->status == -ENOENT))
		return 0;
	return job->status == -ESTALE ? -ENOENT : job->status;
}

long job_resume(struct request *rq, struct job **job)
{
	struct job *mine = rq->context;
	long status;

	*job = NULL;
	if (!mine)
		return 0;
	if (!mine->used || mine->rq != rq) {
		rq->context = NULL;
		return 0;
	}
	if (!mine->done)
		return request_park(rq, &in_flight);
	if (mine->kind == JOB_SETTLE)
		rq->progress[5] = 1;
	else if (mine->kind != JOB_LOOKUP && mine->kind != JOB_READ_LINK) {
		*job = mine;
		return 0;
	}
	status = fill_status(mine);
	job_free(mine);
	if (!status && rq->progress[6]++ > FILLS_MAX)
		return -EIO;
	return status;
}

bool job_settles(struct request *rq, long *status)
{
	struct job *job;

	*status = job_resume(rq, &job);
	if (!*status && job)
		*status = job_finish(rq, job);
	else if (!*status)
		return false;
	return true;
}

static long fetch_name(struct request *rq, const struct walk *w)
{
	struct fs_lookup_req request;
	struct job *job;

	if (w->dir->node->locked)
		return dir_wait(rq);
	job = job_new(rq, JOB_LOOKUP, w->dir->mount->fs);
	if (!job)
		return job_wait(rq);
	job_hold_dir(job, w->dir);
	job_text(job, w->name, w->name_length);
	job->name_length = w->name_length;
	request = (struct fs_lookup_req){ w->dir->node->number, rq->stamp };
	return job_send(job, fs_op_lookup, OP_IN | OP_PARK, &request, sizeof(request));
}

static long fetch_link(struct request *rq, struct vnode *node)
{
	struct fs_readlink_req request = { node->number, rq->stamp };
	struct job *job = job_new(rq, JOB_READ_LINK, node->mount->fs);

	if (!job)
		return job_wait(rq);
	job->big = pheap_alloc_data(PATH_LENGTH_MAX);
	if (!job->big) {
		job_free(job);
		return -ENOMEM;
	}
	job_hold_node(job, node);
	job->out_length = PATH_LENGTH_MAX;
	return job_send(job, fs_op_readlink, OP_OUT | OP_PARK, &request, sizeof(request));
}

long job_fill(struct request *rq, const struct walk *w, long what)
{
	return what == WALK_LOOKUP ? fetch_name(rq, w) : fetch_link(rq, w->found->node);
}

/* The client was interrupted or has died. What has been sent takes its course; what waits for a device or
 * the other end of a FIFO is called back. */
long job_cancel(struct request *rq)
{
	struct job *job = rq->context;

	if (!job || !job->used || job->rq != rq)
		return -EINTR;
	if (job->done)
		return PARK;
	if (rq->caller_dead) {
		rq->context = NULL;
		job->rq = NULL;
		if (job->kind == JOB_OPEN && job->call)
			kcall(call_cancel, job->call->object);
		return -EINTR;
	}
	if (job->kind == JOB_OPEN && job->call)
		kcall(call_cancel, job->call->object);
	return PARK;
}

/* --- after a crash ------------------------------------------------------------------------------------------- */

static void job_count(struct job *job)
{
	if (job->dir)
		dentry_get(job->dir);
	if (job->dir2)
		dentry_get(job->dir2);
	if (job->entry)
		dentry_get(job->entry);
	if (job->node)
		vnode_get(job->node);
}

void jobs_start(void)
{
	for (uint32_t i = 0; i < JOB_MAX; i++)
		tx_exclude(&jobs[i].stat, sizeof(jobs[i]) - offsetof(struct job, stat));
}

void jobs_count(void)
{
	free_jobs = NULL;
	for (uint32_t i = 0; i < jobs_touched; i++) {
		if (jobs[i].used) {
			job_count(&jobs[i]);
			share_force(&share, jobs[i].payer, 1);
			continue;
		}
		jobs[i].next = free_jobs;
		free_jobs = &jobs[i];
	}
}
