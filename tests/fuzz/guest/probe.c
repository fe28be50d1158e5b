/* SPDX-License-Identifier: MIT */
/* How long a shell of root's takes to answer: a line to it, a pipeline of two programs, a line back. */
#define _GNU_SOURCE
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "fuzz.h"

#define LATE_NS 1000000000ull

static uint64_t now_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

static void start_shell(int ends[2])
{
	int to[2], from[2];

	if (pipe(to) || pipe(from))
		_exit(5);
	if (fork() == 0) {
		dup2(to[0], 0);
		dup2(from[1], 1);
		close(to[1]);
		close(from[0]);
		execl("/bin/sh", "sh", (char *)NULL);
		_exit(6);
	}
	close(to[0]);
	close(from[1]);
	ends[0] = from[0];
	ends[1] = to[1];
}

static void ask(const int ends[2])
{
	static const char line[] = "echo fine | cat\n";
	char answer[8];

	if (write(ends[1], line, sizeof line - 1) != sizeof line - 1 ||
	    read(ends[0], answer, sizeof answer) != 5 || memcmp(answer, "fine\n", 5))
		_exit(7);
}

static void enter(uint64_t took)
{
	probe_book->asked_ns = 0;
	probe_book->count++;
	probe_book->total_ns += took;
	probe_book->late += took > LATE_NS;
	if (took > probe_book->worst_ns)
		probe_book->worst_ns = took;
}

void probe_end(void)
{
	if (probe_book->asked_ns)
		enter(now_ns() - probe_book->asked_ns);
}

void probe_run(void)
{
	struct timespec pause = { 0, 100000000 };
	int ends[2];

	start_shell(ends);
	ask(ends);
	for (;;) {
		probe_book->asked_ns = now_ns();
		ask(ends);
		enter(now_ns() - probe_book->asked_ns);
		nanosleep(&pause, NULL);
	}
}
