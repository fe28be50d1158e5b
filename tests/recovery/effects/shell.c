/* SPDX-License-Identifier: MIT */
/* Somebody types commands to an interactive shell, each of which is a job of two processes, and reads what it says. */
#define _GNU_SOURCE
#include "effects.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/wait.h>
#include <unistd.h>

struct shell {
	struct account *account;
	int master;
	pid_t pid;
};

static void become_shell(const char *terminal)
{
	static char *const arguments[] = { "sh", "-i", NULL };
	static char *const environment[] = { "PS1=$ ", "TERM=vt100", "PATH=/bin:/sbin:/usr/bin", NULL };
	int fd;

	setsid();
	fd = open(terminal, O_RDWR);
	if (fd < 0 || ioctl(fd, TIOCSCTTY, 0) || dup2(fd, 0) < 0 || dup2(fd, 1) < 0 || dup2(fd, 2) < 0)
		_exit(1);
	if (fd > 2)
		close(fd);
	execve("/bin/sh", arguments, environment);
	_exit(1);
}

static void *shell_begin(const char *directory, struct account *account)
{
	struct shell *s = calloc(1, sizeof *s);

	(void)directory;
	if (!s)
		return NULL;
	s->account = account;
	s->master = posix_openpt(O_RDWR | O_NOCTTY | O_CLOEXEC);
	if (!done(account, "shell: terminal", s->master >= 0 && !grantpt(s->master) && !unlockpt(s->master)))
		return NULL;
	s->pid = fork();
	if (!s->pid)
		become_shell(ptsname(s->master));
	return done(account, "shell: fork", s->pid > 0) ? s : NULL;
}

/* Until that has come; what is typed is echoed, and must not contain it. */
static bool read_until(struct shell *s, const char *wanted)
{
	char text[4096];
	size_t length = 0;
	ssize_t got;

	while (length < sizeof text - 1) {
		got = read(s->master, text + length, sizeof text - 1 - length);
		if (got <= 0)
			return false;
		length += (size_t)got;
		text[length] = 0;
		if (strstr(text, wanted))
			return true;
	}
	return false;
}

static bool type(struct shell *s, const char *line)
{
	size_t length = strlen(line);

	return done(s->account, "shell: typing", write(s->master, line, length) == (ssize_t)length);
}

static bool shell_round(void *work)
{
	struct shell *s = work;
	unsigned long number = s->account->rounds;
	char line[80], answer[40];
	bool good;

	snprintf(line, sizeof line, "echo =$((%lu + 1000000))= | cat\r", number);
	snprintf(answer, sizeof answer, "=%lu=", number + 1000000);
	good = type(s, line) && done(s->account, "shell: answer", read_until(s, answer));
	s->account->rounds += good;
	return good;
}

static bool shell_end(void *work)
{
	struct shell *s = work;
	int status = -1;
	bool good = type(s, "exit 7\r") && done(s->account, "shell: exit",
						waitpid(s->pid, &status, 0) == s->pid && WIFEXITED(status) &&
						    WEXITSTATUS(status) == 7);

	close(s->master);
	free(s);
	return good;
}

const struct worker shell_worker = { shell_begin, shell_round, shell_end };
