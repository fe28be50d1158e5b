/* SPDX-License-Identifier: MIT */
/* What root asks to be done with services, by way of procfs: a command and its words on one line. */
#include "rs.h"

#include <proto/rs.h>
#include <proto/service.h>

#define PATIENCE_NS (3 * SECONDS)
#define LINE 128

/* progress: 0: how far it is, 1: what it came to */
enum { WAITS = 1, OVER };

static struct child *child_of_request(struct request *rq)
{
	return rq->context;
}

/* Who waits for the child to be where it was told to be. The record may be another request's by then. */
static PRESERVED struct waiting {
	struct request *request;
	uint64_t token;
} controlling[CHILDREN];

void control_answer(struct child *child, long status)
{
	struct waiting *waiting = &controlling[child - children];
	struct request *rq = waiting->request;

	waiting->request = NULL;
	if (!rq || rq->token != waiting->token)
		return;
	rq->progress[0] = OVER;
	rq->progress[1] = (uint64_t)status;
	request_wake(rq);
}

static void stop_ended(struct child *child)
{
	child_stopped(child);
	control_answer(child, 0);
}

static void stop_now(struct child *child)
{
	child_end(child, "stopped by request", stop_ended);
}

static void restart_now(struct child *child)
{
	child_kill(child, "restarted by request");
	control_answer(child, 0);
}

static long end_orderly(struct request *rq, void (*then)(struct child *))
{
	struct child *child = child_of_request(rq);

	long status = control_wait(rq, child);

	if (status == PARK)
		child_shut_down(child, PATIENCE_NS, then);
	return status;
}

/* Until control_answer. -EBUSY if it does not run, or somebody else waits. */
long control_wait(struct request *rq, struct child *child)
{
	struct waiting *waiting = &controlling[child - children];

	if (child->state != CHILD_RUNNING)
		return -EBUSY;
	if (waiting->request && waiting->request->token == waiting->token)
		return -EBUSY;
	*waiting = (struct waiting){ rq, rq->token };
	rq->progress[0] = WAITS;
	return PARK;
}

static long control_kill(struct request *rq, char *words)
{
	(void)words;
	if (child_of_request(rq)->state != CHILD_RUNNING)
		return -EBUSY;
	child_kill(child_of_request(rq), "killed by request");
	return 0;
}

static long control_restart(struct request *rq, char *words)
{
	(void)words;
	return end_orderly(rq, restart_now);
}

static long control_stop(struct request *rq, char *words)
{
	(void)words;
	return end_orderly(rq, stop_now);
}

static long control_start(struct request *rq, char *words)
{
	struct child *child = child_of_request(rq);

	(void)words;
	if (child->state != CHILD_STOPPED && child->state != CHILD_FAILED)
		return -EBUSY;
	child_start(child);
	return 0;
}

/* Answered by the incarnation that comes after. */
static void crash_answered(struct acall *call)
{
	control_answer(call->owner, 0);
}

static long control_crash(struct request *rq, char *words)
{
	struct child *child = child_of_request(rq);
	struct service_crash_req request = {};
	struct acall *call = acall_new(crash_answered, child);
	long status = call ? control_wait(rq, child) : -ENOMEM;

	(void)words;
	if (status == PARK)
		service_send_crash(call, child->control, &request);
	else if (call)
		acall_free(call);
	return status;
}

static const struct command {
	const char *name;
	long (*run)(struct request *rq, char *words); /* those behind the name */
} commands[] = {
	{ "kill", control_kill },   { "restart", control_restart }, { "stop", control_stop },
	{ "start", control_start }, { "crash", control_crash },     { "inject", inject },
	{ "step", step },
};

static long command_of_system(const char *line)
{
	if (!strcmp(line, "dump"))
		return kcall(system_dump, root_cap, 0);
	if (!strcmp(line, "panic"))
		return kcall(system_reset, root_cap, 5);
	return -EINVAL;
}

/* Cuts off the first word: what is behind it, "" at the end. */
char *next_word(char *line)
{
	char *end = strchr(line, ' ');

	if (!end)
		return line + strlen(line);
	*end = 0;
	return end + 1;
}

static long read_line(struct request *rq, char *line, size_t size)
{
	long length = rq->in_length < size ? request_read(rq, 0, line, rq->in_length) : -EINVAL;

	if (length < 0)
		return length;
	while (length && (line[length - 1] == '\n' || line[length - 1] == ' '))
		length--;
	line[length] = 0;
	return 0;
}

static bool may_control(const struct request *rq)
{
	return is_standby() ? rq->badge == BADGE_RS : asked_by(rq, "procfs") || asked_by(rq, "pm");
}

static long command_of_service(struct request *rq, const char *line, char *words)
{
	if (is_standby() && (!strcmp(line, "stop") || !strcmp(line, "start")))
		return -EPERM; /* without RS nobody could ask for anything again */
	for (size_t i = 0; i < sizeof commands / sizeof *commands; i++)
		if (!strcmp(line, commands[i].name))
			return commands[i].run(rq, words);
	return -EINVAL;
}

long control(struct request *rq, const struct rs_control_req *request, struct rs_control_reply *reply)
{
	char line[LINE] = "", whole[LINE], *name, *words;
	long error;

	(void)request, (void)reply;
	if (!may_control(rq))
		return -EPERM;
	if (rq->progress[0])
		return rq->progress[0] == OVER ? (long)rq->progress[1] : PARK;
	error = read_line(rq, line, sizeof line);
	if (error)
		return error;
	memcpy(whole, line, sizeof whole);
	name = next_word(line);
	if (!*name)
		return command_of_system(line);
	words = next_word(name);
	rq->context = child_find(name);
	if (!rq->context)
		return -ENOENT;
	if (rq->context == RS_RECORD && !is_standby())
		return standby_asked(rq, whole);
	return command_of_service(rq, line, words);
}
