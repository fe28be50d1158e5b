/* SPDX-License-Identifier: MIT */
/*
 * Asking others. A gathering belongs to one request; its answers come in any order. Nothing of it survives a
 * restart: the request comes again and asks again.
 */
#include "procfs.h"

#include <util/string.h>

#define GATHERS 24u
#define SLOT_BYTES 524288ul /* of the shared memory, for each gathering */
#define TIMES_AT 0u
#define HOST_AT 64u
#define LIMITS_AT 256u
#define TIDS_AT 512u
#define TIDS_MAX 1024u
#define TEXT_AT 8192u
#define SERVICES_AT TEXT_AT
#define OF_PROCESS                                                                                   \
	(NEED_TIMES | NEED_SPACE | NEED_TABLE | NEED_THREADS | NEED_CWD | NEED_ROOT | NEED_FD_PATH | \
	 NEED_ENTRY | NEED_LIMITS)
_Static_assert(TEXT_AT + GATHER_TEXT <= SLOT_BYTES, "texts fit");
_Static_assert(sizeof(struct crash_report) <= GATHER_TEXT, "reports fit");
_Static_assert(SERVICES_MAX * sizeof(struct service_info) <= GATHER_TEXT, "services fit");
_Static_assert(HOST_AT + sizeof(struct host_names) <= LIMITS_AT, "names fit");
_Static_assert(LIMITS_AT + sizeof(struct process_limits) <= TIDS_AT, "limits fit");
_Static_assert(TIDS_AT + 4 * TIDS_MAX <= TEXT_AT, "tids fit");

static struct gather gathers[GATHERS];
static cap_t shared;
static uint8_t *shared_at;
static struct waitq free_queue;
static PRESERVED cap_t shared_slot;
static PRESERVED uint64_t serial; /* tells answers of this gathering from those to the one before */
static uint64_t serials[GATHERS];

void gather_start(void)
{
	long slot;

	if (!shared_slot) {
		slot = tx_made(kcall(mo_create, GATHERS * SLOT_BYTES, 0ul));
		if (slot >= 0)
			shared_slot = (cap_t)slot;
	}
	shared = shared_slot;
	shared_at = shared ? map_memory(shared, 0, GATHERS * SLOT_BYTES, VM_R | VM_W | VM_SHARED) : NULL;
	/* Answers to the last incarnation may still arrive: none of them is meant for us. */
	serial += 1ull << 32;
}

static uint8_t *slot_of(const struct gather *g)
{
	return shared_at + (size_t)(g - gathers) * SLOT_BYTES;
}

static struct call_buffer buffer(const struct gather *g, uint64_t at, uint64_t length)
{
	return (struct call_buffer){ shared, 0, (uint64_t)(g - gathers) * SLOT_BYTES + at, length };
}

/* --- answers ----------------------------------------------------------------------------------- */

static void take_cap(struct acall *call, cap_t *to)
{
	if (!call->received_count)
		return;
	*to = call->received[0].slot;
	call->received_count = 0;
}

static void take_times(struct gather *g, const struct pm_process_times_reply *reply)
{
	static const char letters[] = {
		[PROCESS_ALIVE] = 'S', [PROCESS_STOPPED] = 'T', [PROCESS_ZOMBIE] = 'Z'
	};

	memcpy(&g->times, slot_of(g) + TIMES_AT, sizeof g->times);
	g->state = reply->state < sizeof letters && letters[reply->state] ? letters[reply->state] : 'S';
	/* Who asks is in a call to us, but as everywhere else it is seen to run. */
	if (g->state == 'S' && (reply->running || g->stamp == g->reader))
		g->state = 'R';
	g->priority = (int64_t)reply->priority;
	g->processor = reply->processor;
}

static void take_answer(struct gather *g, struct acall *call, uint32_t need)
{
	const struct pm_system_counts_reply *counts = acall_reply(call);

	switch (need) {
	case NEED_TIMES: take_times(g, acall_reply(call)); break;
	case NEED_SPACE:
		take_cap(call, &g->space);
		if (g->space != CAP_NONE)
			kcall(space_stat, g->space, &g->memory);
		break;
	case NEED_RUNNING: g->service_count = (uint32_t)call->status; break;
	case NEED_TABLE: take_cap(call, &g->table); break;
	case NEED_THREADS:
		g->thread_count = call->status < TIDS_MAX ? (uint32_t)call->status : TIDS_MAX;
		break;
	case NEED_COUNTS:
		g->processes = counts->processes;
		g->forks = counts->forks;
		g->last_pid = counts->last_pid;
		g->loads[0] = counts->load1;
		g->loads[1] = counts->load5;
		g->loads[2] = counts->load15;
		break;
	case NEED_CRASH:
		g->crash = ((const struct rs_crash_reply *)acall_reply(call))->number;
		g->text_length = sizeof(struct crash_report);
		break;
	case NEED_HOST:
		memcpy(&g->host, slot_of(g) + HOST_AT, sizeof g->host);
		g->host.host[64] = g->host.domain[64] = 0;
		break;
	case NEED_LIMITS: memcpy(&g->limits, slot_of(g) + LIMITS_AT, sizeof g->limits); break;
	case NEED_RANDOM: memcpy(g->random, slot_of(g) + TIMES_AT, sizeof g->random); break;
	case NEED_DROP: break;
	default:
		g->text_length = (uint64_t)call->status;
		if (g->text_length > GATHER_TEXT)
			g->text_length = GATHER_TEXT;
	}
}

/* A zombie has neither space nor descriptors; what is a fact of the system does not fail. */
static bool optional(uint32_t need)
{
	return need & (NEED_SPACE | NEED_COUNTS | NEED_HOST | NEED_DISKS | NEED_NET);
}

static void close_received(struct acall *call)
{
	for (uint32_t i = 0; i < call->received_count; i++)
		if (call->received[i].slot != CAP_NONE)
			tx_close(call->received[i].slot);
	call->received_count = 0;
}

static void answered(struct acall *call)
{
	uint64_t i = call->tag[0];
	uint32_t need = (uint32_t)call->tag[1];
	struct gather *g = i < GATHERS ? &gathers[i] : NULL;

	if (g && g->pending & need && serials[i] == call->tag[2]) {
		if (call->status >= 0)
			take_answer(g, call, need);
		else if (!optional(need) && !g->error)
			g->error = call->status == -ESRCH ? -ENOENT : call->status;
		g->pending &= ~need;
		if (!g->pending)
			waitq_wake(&g->waiting);
		if (!g->pending && !g->used)
			waitq_wake(&free_queue);
	}
	if (call->tag[3])
		tx_close((cap_t)call->tag[3]);
	close_received(call);
}

/* --- questions ------------------------------------------------------------------------------------- */

static struct acall *question(struct gather *g, uint32_t need)
{
	struct acall *call = acall_new(answered, NULL);

	if (!call) {
		if (!optional(need))
			g->error = -ENOMEM;
		return NULL;
	}
	call->tag[0] = (uint64_t)(g - gathers);
	call->tag[1] = need;
	call->tag[2] = serials[g - gathers];
	g->pending |= need;
	return call;
}

static void ask_cap(struct gather *g, uint32_t need, uint64_t which)
{
	struct pm_process_cap_req request = { g->pid, which };
	struct acall *call = question(g, need);

	if (call)
		pm_send_process_cap(call, service_cap("pm"), &request);
}

static void ask_pm(struct gather *g, uint32_t need)
{
	struct pm_process_times_req times = { g->pid };
	struct pm_threads_req threads = { g->pid };
	struct pm_limits_req limits = { g->pid };
	struct pm_random_req random;
	struct pm_host_name_req host = { 0 };
	struct pm_system_counts_req counts;
	struct acall *call = question(g, need);
	cap_t pm = service_cap("pm");

	if (!call)
		return;
	switch (need) {
	case NEED_TIMES:
		call->out = buffer(g, TIMES_AT, sizeof(struct process_times));
		pm_send_process_times(call, pm, &times);
		break;
	case NEED_THREADS:
		call->out = buffer(g, TIDS_AT, 4 * TIDS_MAX);
		pm_send_threads(call, pm, &threads);
		break;
	case NEED_LIMITS:
		call->out = buffer(g, LIMITS_AT, sizeof(struct process_limits));
		pm_send_limits(call, pm, &limits);
		break;
	case NEED_RANDOM:
		call->out = buffer(g, TIMES_AT, sizeof g->random);
		pm_send_random(call, pm, &random);
		break;
	case NEED_HOST:
		call->out = buffer(g, HOST_AT, sizeof(struct host_names));
		pm_send_host_name(call, pm, &host);
		break;
	default: pm_send_system_counts(call, pm, &counts);
	}
}

static void ask_drop(struct gather *g)
{
	struct vfs_drop_caches_req request = { (uint64_t)g->fd };
	struct acall *call = question(g, NEED_DROP);

	if (call)
		vfs_send_drop_caches(call, service_cap("vfs"), &request);
}

/* One that the gathering is about, or all. */
static void ask_running(struct gather *g)
{
	struct rs_services_req request = { g->pid ? (uint64_t)(g->pid - PID_KERNEL) : 0 };
	struct acall *call = question(g, NEED_RUNNING);

	if (!call)
		return;
	call->out = buffer(g, SERVICES_AT, (g->pid ? 1 : SERVICES_MAX) * sizeof(struct service_info));
	rs_send_services(call, SLOT_RS, &request);
}

static void ask_text(struct gather *g, uint32_t need)
{
	struct vfs_session_path_req path = { g->stamp, need == NEED_ROOT };
	struct vfs_mounts_req mounts = { 0 };
	struct rs_list_req services = { 0 };
	struct rs_points_req points = { 0 };
	struct net_table_req table = { (uint64_t)g->fd };
	struct pipe_unix_table_req sockets = {};
	struct dev_list_req disks = { 0 };
	struct rs_crash_req crash = { (uint64_t)(uint32_t)g->fd };
	struct acall *call = question(g, need);

	if (!call)
		return;
	call->out = buffer(g, TEXT_AT, GATHER_TEXT);
	if (need == NEED_SERVICES)
		rs_send_list(call, SLOT_RS, &services);
	else if (need == NEED_POINTS)
		rs_send_points(call, SLOT_RS, &points);
	else if (need == NEED_CRASH)
		rs_send_crash(g->crash_call = call, SLOT_RS, &crash);
	else if (need == NEED_NET && g->fd == NET_TABLE_UNIX)
		pipe_send_unix_table(call, service_cap("pipe"), &sockets);
	else if (need == NEED_NET)
		net_send_table(call, service_cap("net"), &table);
	else if (need == NEED_MOUNTS)
		vfs_send_mounts(call, service_cap("vfs"), &mounts);
	else if (need == NEED_DISKS)
		dev_send_list(call, service_cap("block"), &disks);
	else
		vfs_send_session_path(call, service_cap("vfs"), &path);
}

static void ask(struct gather *g, uint32_t needs)
{
	for (uint32_t need = 1; need <= needs; need <<= 1) {
		if (!(needs & need))
			continue;
		switch (need) {
		case NEED_SPACE: ask_cap(g, need, 0); break;
		case NEED_TABLE: ask_cap(g, need, 1); break;
		case NEED_TIMES:
		case NEED_THREADS:
		case NEED_COUNTS:
		case NEED_LIMITS:
		case NEED_RANDOM:
		case NEED_HOST: ask_pm(g, need); break;
		case NEED_DROP: ask_drop(g); break;
		case NEED_RUNNING: ask_running(g); break;
		case NEED_ENTRY: break;
		case NEED_FD_PATH: /* asked of the descriptor, once the table is there */ break;
		default: ask_text(g, need);
		}
	}
}

/* The descriptor's own server knows its path. */
static void ask_fd_path(struct gather *g)
{
	struct file_path_req request;
	struct acall *call;
	long slot = tx_made(kcall(table_get, g->table, (uint64_t)(uint32_t)g->fd, (uint64_t)CAP_ALL));

	if (slot < 0) {
		g->error = -ENOENT;
		return;
	}
	call = question(g, NEED_FD_PATH);
	if (!call) {
		tx_close((cap_t)slot);
		return;
	}
	call->tag[3] =
	    (uint64_t)slot; /* closed with the answer: calls go out after the commit, as closing does */
	call->out = buffer(g, TEXT_AT, PATH_LENGTH_MAX);
	file_send_path(call, (cap_t)slot, &request);
}

/* --- for handlers -------------------------------------------------------------------------------------- */

static struct gather *gather_of(const struct request *rq)
{
	for (uint32_t i = 0; i < GATHERS; i++)
		if (gathers[i].used && gathers[i].token == rq->token)
			return &gathers[i];
	return NULL;
}

static struct gather *gather_new(const struct request *rq, int32_t pid, int32_t fd, uint32_t needs)
{
	for (uint32_t i = 0; i < GATHERS; i++) {
		struct gather *g = &gathers[i];
		const struct process_entry *process = process_by_pid(pid);

		if (g->used || g->pending)
			continue;
		memset(g, 0, sizeof *g);
		serials[i] = ++serial;
		g->used = true;
		g->token = rq->token;
		g->reader = rq->stamp;
		g->pid = pid;
		g->fd = fd;
		g->needs = pid_is_service(pid) ? (needs & ~OF_PROCESS) | NEED_RUNNING : needs;
		if (process)
			g->entry = *process;
		g->stamp = g->entry.stamp;
		g->space = g->table = CAP_NONE;
		g->text = (char *)slot_of(g) + TEXT_AT;
		g->tids = (uint32_t *)(slot_of(g) + TIDS_AT);
		g->services = (const struct service_info *)(slot_of(g) + SERVICES_AT);
		return g;
	}
	return NULL;
}

long gather(struct request *rq, int32_t pid, int32_t fd, uint32_t needs, struct gather **out)
{
	struct gather *g = gather_of(rq);

	if (!shared_at)
		return -ENOMEM;
	if (!g) {
		g = gather_new(rq, pid, fd, needs);
		if (!g)
			return request_park(rq, &free_queue);
		ask(g, g->needs);
	}
	if (g->pending)
		return request_park(rq, &g->waiting);
	if (!g->error && (g->needs & NEED_FD_PATH)) {
		g->needs &= ~NEED_FD_PATH;
		ask_fd_path(g);
		if (g->pending)
			return request_park(rq, &g->waiting);
	}
	if (!g->error && pid_is_service(pid))
		g->error = service_describe(g);
	if (!g->error && pid && !g->entry.stamp)
		g->error = -ENOENT;
	if (g->error) {
		long error = g->error;

		gather_end(rq, g);
		return error;
	}
	*out = g;
	return 0;
}

/* Answers may still be out (a cancelled request): the slot is free once they are in. */
void gather_end(struct request *rq, struct gather *g)
{
	(void)rq;
	if (g->space != CAP_NONE)
		tx_close(g->space);
	if (g->table != CAP_NONE)
		tx_close(g->table);
	g->space = g->table = CAP_NONE;
	g->used = false;
	if (!g->pending)
		waitq_wake(&free_queue);
}

void gather_cancel(struct request *rq)
{
	struct gather *g = gather_of(rq);

	if (!g)
		return;
	if (g->pending & NEED_CRASH)
		kcall(call_cancel, g->crash_call->object);
	gather_end(rq, g);
}
