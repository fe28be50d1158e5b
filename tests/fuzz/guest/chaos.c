/* SPDX-License-Identifier: MIT */
/* What the calls of the other threads stand on changes while they are made. */
#define _GNU_SOURCE
#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "fuzz.h"

static char *some_page(struct dice *d)
{
	return arena + below(d, ARENA_PAGES) * 4096;
}

static void unmap(struct dice *d)
{
	munmap(some_page(d), 4096 * (1 + below(d, 4)));
}

/* Fixed mappings do not reach beyond the arena. */
static char *some_pages(struct dice *d, size_t *length)
{
	size_t first = below(d, ARENA_PAGES), count = 1 + below(d, 8);

	*length = 4096 * (count < ARENA_PAGES - first ? count : ARENA_PAGES - first);
	return arena + first * 4096;
}

static void map_fresh(struct dice *d)
{
	size_t length;
	char *at = some_pages(d, &length);

	mmap(at, length, PROT_READ | PROT_WRITE,
	     MAP_FIXED | MAP_ANONYMOUS | (rarely(d, 3) ? MAP_SHARED : MAP_PRIVATE), -1, 0);
}

/* Pages of files, which come and go with the file's size. */
static void map_file(struct dice *d)
{
	size_t length;
	char *at = some_pages(d, &length);

	mmap(at, length, PROT_READ | PROT_WRITE, MAP_FIXED | (rarely(d, 2) ? MAP_SHARED : MAP_PRIVATE),
	     (int)(3 + below(d, 6)), (off_t)(below(d, 80) * 4096));
}

static void protect(struct dice *d)
{
	mprotect(some_page(d), 4096, (int)below(d, 4));
}

static void resize(struct dice *d)
{
	(void)!ftruncate((int)(3 + below(d, 6)), (off_t)below(d, 400000));
}

static void scribble(struct dice *d)
{
	for (unsigned i = 0; i < 16; i++)
		memset(piece(d, 64), (int)word(d), 1 + below(d, 63));
}

static void shuffle_descriptors(struct dice *d)
{
	if (rarely(d, 3))
		close((int)(9 + below(d, 40)));
	else
		dup2((int)(3 + below(d, 30)), (int)(9 + below(d, 40)));
}

static void interrupt(struct dice *d)
{
	kill(getpid(), rarely(d, 2) ? SIGUSR1 : (int)(1 + below(d, 8)) == SIGILL ? SIGUSR2 : SIGHUP);
}

/* A child that copies the space in whatever state it is in. */
static void child(struct dice *d)
{
	uint64_t what = word(d);
	pid_t pid = fork();

	if (pid == 0) {
		struct dice own = { what };

		alarm(2);
		for (unsigned i = (unsigned)below(&own, 4); i > 0; i--)
			posix_kind.step(&own, &own.state);
		if (rarely(&own, 2))
			execl("/bin/true", "true", (char *)NULL);
		_exit(0);
	}
	if (pid > 0 && rarely(d, 2))
		kill(pid, SIGKILL);
}

static void step(struct dice *d, volatile uint64_t *note)
{
	static void (*const ways[])(struct dice *) = {
		unmap,    map_fresh, map_fresh,           map_file,  protect, resize,
		scribble, scribble,  shuffle_descriptors, interrupt, child,
	};

	*note = below(d, sizeof ways / sizeof *ways);
	ways[*note](d);
	answered(0);
}

const struct kind chaos_kind = { "chaos", NULL, step };
