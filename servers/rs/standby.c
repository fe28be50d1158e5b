/* SPDX-License-Identifier: MIT */
/*
 * The standby: a second process of RS's program, which has RS for its only child and treats it as RS treats all others:
 * takes its faults, looks whether it hangs, starts the next incarnation. RS in turn has the standby among its children.
 * So each is made again by the other, by the code that makes every service. Both run at one priority: whichever loops,
 * the other gets its turn.
 *
 * A further one, standby1, is for the case that both are gone at once: it only looks every second whether RS has been dead
 * or faulted for so long that the first cannot be there, and then starts it. RS starts the first again.
 */
#include "rs.h"

#include <proto/rs.h>

#define NAME "standby"
#define FURTHER "standby1"
#define ABSENT_LOOKS 4 /* longer than any back-off of the first */

static struct manifest standby_manifest = {
	.name = NAME,
	.program = "rs",
	.standby = true,
	.priority = RS_PRIORITY,
	.preserved_size = 4ul << 20,
	.restart = { .delay_ms = 50, .longest_ms = 1000, .clean = UINT32_MAX, .limit = UINT32_MAX },
};
static struct manifest rs_manifest = {
	.name = "rs",
	.priority = RS_PRIORITY,
	.preserved_size = RS_PRESERVED_SIZE,
	.restart = { .delay_ms = 50, .longest_ms = 1000, .clean = UINT32_MAX, .limit = UINT32_MAX },
};

bool is_standby(void)
{
	return !strcmp(startup->name, NAME) || !strcmp(startup->name, FURTHER);
}

/* --- in RS ---------------------------------------------------------------------------------- */

void own_record(bool restarted)
{
	struct child *own = RS_RECORD;

	strlcpy(own->name, "rs", sizeof own->name);
	own->manifest = &rs_manifest;
	own->state = CHILD_RUNNING;
	own->number = FIRST_NUMBER;
	own->class_number = NO_NUMBER;
	own->incarnation = startup->incarnation;
	own->restarts = own->incarnation - 1;
	own->started_ns = clock_monotonic_ns();
	own->endpoint = SLOT_ENDPOINT;
	own->thread = SLOT_THREAD;
	own->space = SLOT_SPACE;
	own->injected = false;
	own->ready = true;
	strlcpy(own->reason, startup->reason, sizeof own->reason);
	if (!restarted)
		own->control = (cap_t)rs_right(BADGE_RS);
}

static PRESERVED cap_t count_memory; /* how often RS was started again, by whichever of them */

void standby_make(void)
{
	count_memory = (cap_t)kcall(mo_create, ANOLE_PAGE_SIZE, 0);
	for (unsigned i = 0; i < STANDBYS; i++)
		if (count_memory < 0 || !child_new(&standby_manifest))
			slog("nobody watches RS");
}

struct child *standby_number(unsigned n)
{
	return child_find(n ? FURTHER : NAME);
}

/* Everything of which it makes the next RS. */
long standby_grant(struct child *standby)
{
	const struct {
		const char *name;
		cap_t cap;
	} parts[] = {
		{ "quota", root_quota },           { "archive", archive_memory },
		{ "info", info_memory },           { "table", own_table },
		{ "endpoint", SLOT_ENDPOINT },     { "preserved", SLOT_PRESERVED },
		{ "control", RS_RECORD->control }, { "space", SLOT_SPACE },
		{ "thread", SLOT_THREAD },         { "count", count_memory },
	};
	long error = 0;

	for (size_t i = 0; i < sizeof parts / sizeof *parts && !error; i++)
		error = child_give(standby, STARTUP_GUARD, parts[i].name, parts[i].cap, CAP_ALL, 0, 0, false);
	return error;
}

static void has_answered(struct acall *call)
{
	control_answer(RS_RECORD, call->status == -ERESTART ? 0 : call->status);
}

long standby_asked(struct request *rq, const char *line)
{
	static PRESERVED cap_t text;
	const struct child *standby = child_find(NAME);
	struct rs_control_req request = {};
	long made = text ? 0 : tx_made(kcall(mo_create, ANOLE_PAGE_SIZE, 0)), status;
	struct acall *call = standby ? acall_new(has_answered, NULL) : NULL;

	if (made > 0)
		text = (cap_t)made;
	if (made < 0 || !call || kcall(mo_write, text, 0, line, strlen(line)) < 0)
		return -ENOMEM;
	status = control_wait(rq, RS_RECORD);
	if (status != PARK) {
		acall_free(call);
		return status;
	}
	call->in = (struct call_buffer){ text, 0, 0, strlen(line) };
	rs_send_control(call, standby->control, &request);
	return PARK;
}

/* --- in the standby --------------------------------------------------------------------------- */

static cap_t part(const char *name)
{
	const struct startup_entry *entry = startup_find(STARTUP_GUARD, name, 0);

	return entry ? entry->slot : CAP_NONE;
}

static void find_world(void)
{
	root_quota = part("quota");
	archive_memory = part("archive");
	info_memory = part("info");
	world_again();
}

/* RS as it was started by the kernel. */
static void adopt(struct child *rs)
{
	strlcpy(rs->name, "rs", sizeof rs->name);
	rs->manifest = &rs_manifest;
	rs->image = image_of("rs");
	rs->state = CHILD_RUNNING;
	rs->number = FIRST_NUMBER;
	rs->class_number = NO_NUMBER;
	rs->incarnation = 1;
	rs->started_ns = clock_monotonic_ns();
	rs->endpoint = part("endpoint");
	rs->table = part("table");
	rs->preserved = part("preserved");
	rs->control = part("control");
	rs->space = part("space");
	rs->thread = part("thread");
	rs->fault = (cap_t)rs_right(BADGE_FAULT + FIRST_NUMBER);
}

static bool is_further(void)
{
	return !strcmp(startup->name, FURTHER);
}

uint32_t standby_next_incarnation(void)
{
	uint32_t again = 0;

	kcall(mo_read, part("count"), 0, &again, sizeof again);
	again++;
	kcall(mo_write, part("count"), 0, &again, sizeof again);
	return again + 1;
}

static void take_faults(const struct child *rs)
{
	if (!is_further() && rs->state == CHILD_RUNNING)
		kcall(thread_set, rs->thread, THREAD_FAULT_ENDPOINT, rs->fault);
}

static bool is_alive(cap_t thread)
{
	struct thread_info info;

	return thread > 0 && !kcall(thread_info, thread, &info) && info.state != THREAD_DEAD &&
	       info.state != THREAD_FAULTED && info.state != THREAD_STOPPED;
}

static long lent_to(const struct child *rs, cap_t slot)
{
	return tx_made(kcall(table_get, rs->table, slot & ~CAP_PRIVATE, CAP_ALL));
}

static void replace(cap_t *slot, cap_t by)
{
	if (*slot > 0)
		tx_close(*slot);
	*slot = by;
}

/* The other standby may have started what runs as RS now. A thread that does not run may be one that this one was about
 * to start when it died. */
static void find_running(struct child *rs)
{
	long thread = lent_to(rs, SLOT_THREAD), space = lent_to(rs, SLOT_SPACE);

	if (thread < 0 || space < 0 || !is_alive((cap_t)thread) ||
	    (rs->thread > 0 && kcall(cap_same, rs->thread, thread) == 1)) {
		if (thread >= 0)
			tx_close((cap_t)thread);
		if (space >= 0)
			tx_close((cap_t)space);
		return;
	}
	child_timer_stop(rs);
	replace(&rs->thread, (cap_t)thread);
	replace(&rs->space, (cap_t)space);
	rs->state = CHILD_RUNNING;
	rs->started_ns = clock_monotonic_ns();
	rs->steps = 0;
	rs->injected = false;
	take_faults(rs);
}

bool standby_look(void)
{
	static unsigned absent;
	struct child *rs = RS_RECORD;

	find_running(rs);
	if (!is_further())
		return true;
	absent = rs->state != CHILD_RUNNING || is_alive(rs->thread) ? 0 : absent + 1;
	if (absent >= ABSENT_LOOKS) {
		absent = 0;
		slog("rs has ended together with its standby");
		child_crashed(rs, "ended together with its standby");
	}
	return false;
}

static long start(bool restarted)
{
	struct child *rs = RS_RECORD;

	if (!restarted || rs->state == CHILD_FREE)
		adopt(rs);
	if (!rs->image || rs->fault < 0)
		return -ENOMEM;
	find_running(rs);
	if (!is_further())
		children_go_on();
	take_faults(rs);
	watchdog_start();
	return 0;
}

static long give_crash(struct request *rq, const struct rs_crash_req *request, struct rs_crash_reply *reply)
{
	return crash_give(rq, request->after, &reply->number);
}

static long dispatch(struct request *rq)
{
	static const struct rs_ops asked = { .control = control, .crash = give_crash };

	if (rq->op == IPC_KERNEL_FAULT)
		return fault_taken(rq);
	return rq->badge == BADGE_RS ? rs_dispatch(&asked, rq) : -EPERM;
}

void standby_main(void)
{
	static const struct service service = {
		.name = NAME, .dispatch = dispatch, .start = start, .transactional = true
	};

	find_world();
	service_main(&service);
}
