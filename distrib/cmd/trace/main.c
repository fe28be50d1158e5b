/* SPDX-License-Identifier: MIT */
/*
 * trace: every message between processes and servers, by name.
 *
 *     trace [-s] CMD ARGS...       the calls of a program and of its children
 *     trace [-s] -p PID            of a process, until Ctrl-C or its end
 *     trace [-s] -a [CMD ARGS...]  of everybody, servers too: while CMD runs, or until Ctrl-C
 *     -s                           system calls instead of messages
 *     -o FILE                      record; `trace -r FILE` shows a recording
 *     --timeline FILE              write JSON for ui.perfetto.dev
 *
 * The kernel writes its records while /proc/trace is open; only root may open it.
 */
#include "trace.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#define TRACE_FILE "/proc/trace"
#define BATCH 256
#define PAUSE_US 10000

static struct {
	enum show show;
	int pid;
	const char *record, *replay, *timeline;
	char **command;
} options = { .show = SHOW_MESSAGES };

static volatile sig_atomic_t stopped;
static FILE *out, *recording;
static const struct output *output = &printing;

static int usage(void)
{
	fprintf(stderr,
		"usage: trace [-s] [-o FILE | --timeline FILE] CMD ARGS... | -p PID | -a [CMD ARGS...]\n"
		"       trace [-s] [--timeline FILE] [-p PID | -a] -r FILE\n");
	return 2;
}

static int complain(const char *what)
{
	fprintf(stderr, "trace: %s: %s\n", what, strerror(errno));
	return 1;
}

static void stop(int signal)
{
	(void)signal;
	stopped = 1;
}

static void take(const struct trace_record *records, size_t count)
{
	if (recording) {
		fwrite(records, sizeof *records, count, recording);
		return;
	}
	for (size_t i = 0; i < count; i++)
		calls_take(&records[i], output, out, options.show);
}

/* What is there now; -1 on an error, for which errno stands. Reading makes records too: so there is always one more. */
static int drain(int file)
{
	static struct trace_record records[BATCH];
	ssize_t length;

	do {
		length = read(file, records, sizeof records);
		if (length > 0)
			take(records, (size_t)length / sizeof *records);
	} while (length == sizeof records);
	return length < 0 && errno != EINTR ? -1 : 0;
}

/* The child waits at the pipe until the trace is on. */
static int start(int go[2])
{
	int pid = fork();
	char byte;

	if (pid)
		return pid;
	close(go[1]);
	signal(SIGINT, SIG_DFL);
	if (read(go[0], &byte, 1) != 1)
		_exit(126);
	close(go[0]);
	execvp(options.command[0], options.command);
	complain(options.command[0]);
	_exit(127);
}

/* One that nobody has waited for yet has ended too. */
static int is_gone(int pid)
{
	char path[32], state = 0;
	FILE *stat;

	snprintf(path, sizeof path, "/proc/%d/stat", pid);
	stat = fopen(path, "r");
	if (!stat)
		return 1;
	if (fscanf(stat, "%*d %*[^)]) %c", &state) != 1)
		state = 'Z';
	fclose(stat);
	return state == 'Z';
}

static int ended(int child, int *status)
{
	if (child)
		return waitpid(child, status, WNOHANG) == child;
	return options.pid && is_gone(options.pid);
}

/* On a terminal a trace of everybody would see its own lines go by without end: it is kept until it is over. */
static FILE *place_of_output(void)
{
	if (options.timeline)
		return fopen(options.timeline, "w");
	return select_all && isatty(1) ? tmpfile() : stdout;
}

static void copy_out(FILE *from)
{
	char buffer[4096];
	size_t length;

	rewind(from);
	while ((length = fread(buffer, 1, sizeof buffer, from)) > 0)
		fwrite(buffer, 1, length, stdout);
}

static int finish(void)
{
	if (recording)
		return fclose(recording) ? complain(options.record) : 0;
	calls_end(output, out);
	if (fflush(out) || ferror(out))
		return complain(options.timeline ? options.timeline : "output");
	if (out != stdout && !options.timeline)
		copy_out(out);
	fflush(stdout);
	if (lost_records)
		fprintf(stderr, "trace: %lu records lost\n", lost_records);
	return 0;
}

static int watch(int file, int child)
{
	int status = 0, over = 0;

	while (!over && !stopped) {
		over = ended(child, &status);
		if (drain(file) < 0)
			return complain(TRACE_FILE);
		if (!over)
			usleep(PAUSE_US);
	}
	drain(file);
	if (finish())
		return 1;
	return child && WIFEXITED(status) ? WEXITSTATUS(status) : 0;
}

static int live(void)
{
	int go[2], child = 0, file;

	/* Opened first, so that the child does not come into it. */
	file = open(TRACE_FILE, O_RDONLY | O_CLOEXEC);
	if (file < 0)
		return complain(TRACE_FILE);
	signal(SIGINT, stop);
	signal(SIGTERM, stop);
	if (options.command) {
		if (pipe(go) || (child = start(go)) < 0)
			return complain(options.command[0]);
		select_program(child);
		close(go[0]);
		if (write(go[1], "", 1) != 1)
			return complain("pipe");
		close(go[1]);
	}
	return watch(file, child);
}

static int replay(void)
{
	FILE *from = fopen(options.replay, "r");
	struct trace_record record;

	if (!from)
		return complain(options.replay);
	while (fread(&record, sizeof record, 1, from) == 1)
		take(&record, 1);
	fclose(from);
	return finish();
}

static int parse(char **argv)
{
	for (; *argv && **argv == '-'; argv++) {
		const char *option = *argv;

		if (!strcmp(option, "-s"))
			options.show = SHOW_SYSTEM_CALLS;
		else if (!strcmp(option, "-a"))
			select_all = 1;
		else if (!argv[1])
			return 0;
		else if (!strcmp(option, "-p"))
			select_pid(options.pid = atoi(*++argv));
		else if (!strcmp(option, "-o"))
			options.record = *++argv;
		else if (!strcmp(option, "-r"))
			options.replay = *++argv;
		else if (!strcmp(option, "--timeline"))
			options.timeline = *++argv;
		else
			return 0;
	}
	options.command = *argv ? argv : NULL;
	return options.command || options.pid > 0 || select_all || options.replay;
}

int main(int argc, char **argv)
{
	(void)argc;
	if (!parse(argv + 1))
		return usage();
	if (options.replay && !options.pid)
		select_all = 1;
	if (options.record && !(recording = fopen(options.record, "w")))
		return complain(options.record);
	out = place_of_output();
	if (!out)
		return complain(options.timeline ? options.timeline : "temporary file");
	if (options.timeline) {
		output = &timeline;
		options.show = SHOW_MESSAGES | SHOW_SYSTEM_CALLS;
	}
	output->begin(out);
	return options.replay ? replay() : live();
}
