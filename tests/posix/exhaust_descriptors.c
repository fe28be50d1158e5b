/* SPDX-License-Identifier: MIT */
/* TEST: stock */
/* All descriptors in use: EMFILE, nothing created, and everything works again afterwards. */
#define _GNU_SOURCE
#include <sys/eventfd.h>
#include <sys/socket.h>

#include "hostile.h"

#define LIMIT 48

static int opened[4096];
static unsigned count;

static int make_null(void)
{
	return open("/dev/null", O_RDONLY);
}

static int make_file(void)
{
	return open("full", O_CREAT | O_RDWR, 0600);
}

static int make_dup(void)
{
	return dup(0);
}

static int make_eventfd(void)
{
	return eventfd(0, 0);
}

static int make_directory(void)
{
	return open(".", O_RDONLY | O_DIRECTORY);
}

/* Until it fails; the errno. */
static int fill(int (*make)(void))
{
	for (count = 0; count < sizeof opened / sizeof *opened; count++) {
		opened[count] = make();
		if (opened[count] < 0)
			return errno;
	}
	return 0;
}

static void empty(void)
{
	while (count > 0)
		close(opened[--count]);
}

static void limit(rlim_t value)
{
	struct rlimit old;

	NEED(getrlimit(RLIMIT_NOFILE, &old) == 0);
	old.rlim_cur = value;
	NEED(setrlimit(RLIMIT_NOFILE, &old) == 0);
}

static void check_each(void)
{
	static const struct {
		const char *name;
		int (*make)(void);
	} kinds[] = {
		{ "open of a device", make_null },
		{ "open of a file", make_file },
		{ "dup", make_dup },
		{ "open of a directory", make_directory },
		{ "eventfd", make_eventfd },
	};

	for (unsigned i = 0; i < sizeof kinds / sizeof *kinds; i++) {
		int error = fill(kinds[i].make);

		CHECK(kinds[i].name, error == EMFILE && count == LIMIT - 3);
		empty();
	}
}

static void check_pairs(void)
{
	int ends[2] = { -7, -7 };

	NEED(fill(make_null) == EMFILE);
	CHECK_ERROR("pipe without descriptors", pipe(ends), EMFILE);
	CHECK_ERROR("socketpair without descriptors", socketpair(AF_UNIX, SOCK_STREAM, 0, ends), EMFILE);
	close(opened[--count]);
	CHECK_ERROR("pipe with one descriptor", pipe(ends), EMFILE);
	CHECK("nothing was stored", ends[0] == -7 && ends[1] == -7);
	CHECK("the one is still free", (opened[count] = dup(0)) == LIMIT - 1);
	count++;
	empty();
	CHECK("pipe again", pipe(ends) == 0 && close(ends[0]) == 0 && close(ends[1]) == 0);
}

static void check_nothing_created(void)
{
	NEED(fill(make_null) == EMFILE);
	CHECK_ERROR("O_CREAT without a descriptor", open("new", O_CREAT | O_RDWR, 0600), EMFILE);
	empty();
	CHECK_ERROR("no file was made", access("new", F_OK), ENOENT);
}

static void check_others(void)
{
	int status = -1;
	pid_t pid;

	NEED(fill(make_null) == EMFILE);
	CHECK("dup2 onto one in use", dup2(0, LIMIT - 1) == LIMIT - 1);
	CHECK_ERROR("dup2 at the limit", dup2(0, LIMIT), EBADF);
	CHECK_ERROR("F_DUPFD at the limit", fcntl(0, F_DUPFD, LIMIT), EINVAL);
	CHECK_ERROR("F_DUPFD", fcntl(0, F_DUPFD, 0), EMFILE);
	CHECK("stat needs none", access("/tmp", F_OK) == 0);
	pid = fork();
	if (pid == 0)
		_exit(dup(0) == -1 && errno == EMFILE ? 5 : 6);
	CHECK("a child inherits all", pid > 0 && waitpid(pid, &status, 0) == pid && WEXITSTATUS(status) == 5);
	empty();
}

static void check_hard_limit(void)
{
	struct rlimit all;

	NEED(getrlimit(RLIMIT_NOFILE, &all) == 0);
	all.rlim_cur = all.rlim_max < 4000 ? all.rlim_max : 4000;
	CHECK("raise the limit", setrlimit(RLIMIT_NOFILE, &all) == 0);
	CHECK("many descriptors", fill(make_null) == EMFILE && count == all.rlim_cur - 3);
	empty();
}

int main(void)
{
	hostile_setup();
	services_now(services_before);
	check_enter_directory();
	for (int fd = 3; fd < 256; fd++)
		close(fd);
	limit(LIMIT);
	check_each();
	check_pairs();
	check_nothing_created();
	check_others();
	check_hard_limit();
	check_system("descriptors ran out");
	return check_result();
}
