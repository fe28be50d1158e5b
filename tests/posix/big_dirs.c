/* SPDX-License-Identifier: MIT */
/*
 * Big directories.
 *
 *     big_dirs                    every operation on 2,000 names in $TMPDIR
 *     big_dirs DIRECTORY COUNT    likewise there, and a line `NAME NANOSECONDS-A-NAME` for each
 */
#define _GNU_SOURCE
#include <dirent.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "check.h"
#include "kernel_calls.h"

#define STRIDE 7919u /* a prime: visits all in another order */

static unsigned count = 2000;
static bool *seen;

/* On Anole without the time that the machine was idle, which under -icount passes as it likes. */
static uint64_t now(void)
{
	struct system_info info = { 0 };
	struct timespec t;

	if (kcall(system_info, &info) == 0)
		return info.uptime_ns * info.processors - info.idle_ns;
	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000000000 + (uint64_t)t.tv_nsec;
}

static const char *name_of(const char *kind, unsigned n)
{
	static char names[2][80];
	static unsigned turn;
	char *name = names[turn++ % 2];

	snprintf(name, sizeof names[0], "%s%06u", kind, n);
	return name;
}

#define SHORT "f"
#define LONG "a-name-that-needs-more-room-than-the-one-that-was-there-"

static bool make(const char *name)
{
	int fd = open(name, O_CREAT | O_EXCL | O_WRONLY, 0600);

	return fd >= 0 && close(fd) == 0;
}

static bool create(unsigned n)
{
	return make(name_of(SHORT, n));
}

static unsigned other(unsigned n)
{
	return (unsigned)(n * (uint64_t)STRIDE % count);
}

static bool look(unsigned n)
{
	struct stat s;

	return stat(name_of(SHORT, other(n)), &s) == 0;
}

static bool miss(unsigned n)
{
	struct stat s;

	return stat(name_of("none", n), &s) == -1 && errno == ENOENT;
}

/* What goes leaves too little room for what comes. */
static bool replace(unsigned n)
{
	return unlink(name_of(SHORT, other(n))) == 0 && make(name_of(LONG, other(n)));
}

static bool change(unsigned n)
{
	return rename(name_of(LONG, n), name_of(SHORT, n)) == 0;
}

static bool remove_one(unsigned n)
{
	return unlink(name_of(SHORT, other(n))) == 0;
}

static void each(const char *what, bool (*operation)(unsigned))
{
	uint64_t begun = now();
	unsigned done = 0;

	while (done < count && operation(done))
		done++;
	if (done < count)
		printf("# the name %u: %s\n", done, strerror(errno));
	printf("%s %lu\n", what, (unsigned long)((now() - begun) / count));
	CHECK(what, done == count);
}

/* Every name once, and nothing else. */
static bool list_all(void)
{
	DIR *dir = opendir(".");
	struct dirent *entry;
	unsigned found = 0, strange = 0;

	NEED(dir);
	memset(seen, 0, count * sizeof *seen);
	while ((entry = readdir(dir))) {
		unsigned n = (unsigned)strtoul(entry->d_name + 1, NULL, 10);

		if (entry->d_name[0] == '.')
			continue;
		strange += entry->d_name[0] != 'f' || n >= count || seen[n];
		found++;
		if (n < count)
			seen[n] = true;
	}
	closedir(dir);
	return found == count && strange == 0;
}

static void list(void)
{
	uint64_t begun = now();
	bool good = list_all();

	printf("readdir %lu\n", (unsigned long)((now() - begun) / count));
	CHECK("readdir", good);
}

int main(int argc, char **argv)
{
	char place[200];

	if (argc == 3) {
		NEED(setenv("TMPDIR", argv[1], 1) == 0);
		count = (unsigned)strtoul(argv[2], NULL, 10);
	}
	seen = calloc(count + 1, sizeof *seen);
	NEED(seen && count);
	check_enter_directory();
	NEED(getcwd(place, sizeof place));
	each("create", create);
	each("stat", look);
	each("absent", miss);
	list();
	each("replace", replace);
	each("rename", change);
	list();
	each("unlink", remove_one);
	CHECK("the directory is empty now", chdir("/") == 0 && rmdir(place) == 0);
	return check_result();
}
