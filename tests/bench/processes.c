/* SPDX-License-Identifier: MIT */
/* Making processes. What is executed is this very program, which leaves at once when told to: static, and small. */
#include "bench.h"
#include <spawn.h>
#include <sys/mman.h>

#define TOUCHED (16 << 20)

extern char **environ;
static char *self;
static char *touched;

OPERATION(fork_exit_wait)
{
	pid_t child = fork();

	if (child == 0)
		_exit(0);
	reap(child);
}

static void execute(char *path, char **arguments)
{
	pid_t child = fork();

	if (child == 0) {
		execv(path, arguments);
		_exit(127);
	}
	reap(child);
}

OPERATION(fork_exec_wait)
{
	char *arguments[] = { self, "-x", NULL };

	execute(self, arguments);
}

OPERATION(sh_c_true)
{
	char *arguments[] = { "sh", "-c", "true", NULL };

	execute("/bin/sh", arguments);
}

OPERATION(posix_spawn_wait)
{
	char *arguments[] = { self, "-x", NULL };
	pid_t child = -1;

	must_be_zero(posix_spawn(&child, self, NULL, NULL, arguments, environ));
	reap(child);
}

static void touch(void)
{
	touched = mmap(NULL, TOUCHED, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	must(touched == MAP_FAILED ? -1 : 0);
	for (long at = 0; touched != MAP_FAILED && at < TOUCHED; at += 4096)
		touched[at] = 1;
}

static void untouch(void)
{
	munmap(touched, TOUCHED);
}

static const struct bench table[] = {
	BENCH(fork_exit_wait),   BENCH(fork_exec_wait),
	BENCH(posix_spawn_wait), BENCH_AS("fork_16M", fork_exit_wait, .setup = touch, .teardown = untouch),
	BENCH(sh_c_true),
};

int main(int argc, char **argv)
{
	if (argc > 1 && !strcmp(argv[1], "-x"))
		return 0;
	self = argv[0];
	return bench_main(table, NELEMS(table), argc, argv);
}
