/* SPDX-License-Identifier: MIT */
/* TEST: stock. Pseudo-terminals: a program in the place of the line. */
#define _GNU_SOURCE
#include <dirent.h>
#include <fcntl.h>
#include <poll.h>
#include <pty.h>
#include <signal.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <termios.h>
#include <unistd.h>

#include "check.h"

static char text[8192];

static int ready(int fd, short events, int timeout)
{
	struct pollfd p = { fd, events, 0 };
	int n = poll(&p, 1, timeout);

	return n < 0 ? n : p.revents;
}

/* What comes within a second of silence or until `end` has come. */
static const char *take(int fd, const char *end)
{
	size_t used = 0;
	ssize_t n;

	memset(text, 0, sizeof(text));
	while (used < sizeof(text) - 1 && ready(fd, POLLIN, 3000) & POLLIN) {
		n = read(fd, text + used, sizeof(text) - 1 - used);
		if (n <= 0)
			break;
		used += (size_t)n;
		if (strstr(text, end))
			break;
	}
	return text;
}

static int status_of(pid_t pid)
{
	int status;

	NEED(pid > 0 && waitpid(pid, &status, 0) == pid);
	return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

static void names(void)
{
	int master = posix_openpt(O_RDWR | O_NOCTTY), slave;
	char name[64], again[64];
	struct stat st, by_name;

	NEED(master >= 0);
	CHECK("the slave's name",
	      ptsname_r(master, name, sizeof(name)) == 0 && !strncmp(name, "/dev/pts/", 9));
	CHECK("its node is there and the opener's",
	      stat(name, &by_name) == 0 && S_ISCHR(by_name.st_mode) && by_name.st_uid == getuid());
	CHECK_ERROR("it is locked", open(name, O_RDWR | O_NOCTTY), EIO);
	CHECK("grantpt and unlockpt", grantpt(master) == 0 && unlockpt(master) == 0);
	slave = open(name, O_RDWR | O_NOCTTY);
	CHECK("the slave opens", slave >= 0);
	CHECK("both are terminals", isatty(master) && isatty(slave));
	CHECK("fstat and stat agree",
	      fstat(slave, &st) == 0 && st.st_rdev == by_name.st_rdev && st.st_ino == by_name.st_ino);
	CHECK("ttyname", ttyname_r(slave, again, sizeof(again)) == 0 && !strcmp(name, again));
	CHECK_ERROR("no seeking", lseek(slave, 0, SEEK_CUR), ESPIPE);
	close(slave);
	close(master);
	CHECK_ERROR("the node goes with the master", stat(name, &st), ENOENT);
}

static int listed(const char *name)
{
	DIR *dir = opendir("/dev/pts");
	struct dirent *entry;
	int found = 0;

	NEED(dir);
	while ((entry = readdir(dir)))
		found |= !strcmp(entry->d_name, name + strlen("/dev/pts/"));
	closedir(dir);
	return found;
}

/* Whoever closes the master, also by ending, whoever looks: nobody finds the node afterwards. */
static void gone(void)
{
	int by_stat = 0, by_list = 0, by_end = 0;
	char name[64];
	struct stat st;

	for (unsigned i = 0; i < 30; i++) {
		int master = posix_openpt(O_RDWR | O_NOCTTY);
		pid_t pid;

		NEED(master >= 0 && ptsname_r(master, name, sizeof(name)) == 0);
		if (i % 3 == 2 && (pid = fork()) == 0) {
			usleep(100);
			_exit(0);
		}
		close(master);
		if (i % 3 == 0)
			by_stat += stat(name, &st) == 0;
		else if (i % 3 == 1)
			by_list += listed(name);
		else
			by_end += waitpid(pid, NULL, 0) != pid || stat(name, &st) == 0;
	}
	CHECK("the node is gone for stat", by_stat == 0);
	CHECK("and for readdir", by_list == 0);
	CHECK("and when a process ends", by_end == 0);
}

static void make_raw(int fd)
{
	struct termios t;

	NEED(tcgetattr(fd, &t) == 0);
	cfmakeraw(&t);
	NEED(tcsetattr(fd, TCSANOW, &t) == 0);
}

static void data(void)
{
	struct termios t;
	int master, slave, n = 0;

	NEED(openpty(&master, &slave, NULL, NULL, NULL) == 0);
	NEED(write(slave, "out\n", 4) == 4);
	CHECK("output comes to the master, with its line end", !strcmp(take(master, "\n"), "out\r\n"));
	NEED(write(master, "line\n", 5) == 5);
	CHECK("a line comes to the slave",
	      read(slave, text, sizeof(text)) == 5 && !memcmp(text, "line\n", 5));
	CHECK("and is echoed", !strcmp(take(master, "\n"), "line\r\n"));
	NEED(write(master, "half", 4) == 4);
	CHECK("no line yet", ready(slave, POLLIN, 50) == 0);
	NEED(write(master, "\177\177\n", 3) == 3);
	CHECK("the line is edited", read(slave, text, sizeof(text)) == 3 && !memcmp(text, "ha\n", 3));
	NEED(write(master, "\4", 1) == 1);
	CHECK("an end of file", read(slave, text, sizeof(text)) == 0);
	take(master, "\n");
	make_raw(slave);
	CHECK("the master sees the settings", tcgetattr(master, &t) == 0 && !(t.c_lflag & ICANON));
	NEED(write(slave, "a\nb", 3) == 3);
	CHECK("raw output", !strcmp(take(master, "b"), "a\nb"));
	NEED(write(master, "\3x", 2) == 2);
	CHECK("FIONREAD", ready(slave, POLLIN, 3000) && ioctl(slave, FIONREAD, &n) == 0 && n == 2);
	CHECK("raw input", read(slave, text, sizeof(text)) == 2 && !memcmp(text, "\3x", 2));
	close(master);
	close(slave);
}

/* More than any buffer holds, in both directions. */
static void volume(void)
{
	static char piece[1000];
	int master, slave, i, j, full, good = 1;
	size_t total = 0;
	ssize_t n;
	pid_t pid;

	NEED(openpty(&master, &slave, NULL, NULL, NULL) == 0);
	make_raw(slave);
	pid = fork();
	if (pid == 0) {
		for (i = 0; i < 100; i++) {
			memset(piece, 'a' + i % 26, sizeof(piece));
			if (write(slave, piece, sizeof(piece)) != sizeof(piece))
				_exit(1);
		}
		_exit(0);
	}
	while (total < 100000 && (n = read(master, text, sizeof(text))) > 0)
		for (j = 0; j < n; j++)
			good &= text[j] == (char)('a' + total++ / 1000 % 26);
	CHECK("100,000 bytes from the slave", good && total == 100000 && status_of(pid) == 0);
	pid = fork();
	if (pid == 0) {
		memset(piece, 'z', sizeof(piece));
		for (i = 0; i < 100; i++)
			if (write(master, piece, sizeof(piece)) != sizeof(piece))
				_exit(1);
		_exit(0);
	}
	for (total = 0; total < 100000 && (n = read(slave, text, sizeof(text))) > 0; total += (size_t)n)
		for (j = 0; j < n; j++)
			good &= text[j] == 'z';
	CHECK("100,000 bytes to the slave", good && total == 100000 && status_of(pid) == 0);
	fcntl(master, F_SETFL, O_NONBLOCK);
	CHECK_ERROR("nothing there, without waiting", read(master, text, 1), EAGAIN);
	for (total = 0; (n = write(master, piece, sizeof(piece))) > 0 && total < 1000000; total += (size_t)n)
		;
	full = errno;
	CHECK("a full master says so", n == -1 && full == EAGAIN && total > 0);
	CHECK("and polls so", (ready(master, POLLOUT, 0) & POLLOUT) == 0);
	close(master);
	close(slave);
}

static volatile sig_atomic_t resized, interrupted;

static void on_signal(int number)
{
	if (number == SIGWINCH)
		resized = 1;
	else
		interrupted = 1;
}

/* The session that has the slave: what it says is read at the master. */
static void session(void)
{
	struct winsize size;
	sigset_t none;

	signal(SIGWINCH, on_signal);
	signal(SIGINT, on_signal);
	sigemptyset(&none);
	if (getpgrp() != tcgetpgrp(0) || getsid(0) != tcgetsid(0) || open("/dev/tty", O_RDWR) < 0)
		_exit(1);
	printf("ready\n");
	fflush(stdout);
	while (!resized)
		usleep(1000);
	ioctl(0, TIOCGWINSZ, &size);
	printf("size %d %d\n", size.ws_row, size.ws_col);
	fflush(stdout);
	while (!interrupted)
		usleep(1000);
	printf("interrupted\n");
	fflush(stdout);
	for (;;)
		pause(); /* until the hang-up */
}

static void sessions(void)
{
	struct winsize size = { 24, 80, 0, 0 };
	int master, status;
	pid_t pid = forkpty(&master, NULL, NULL, &size);

	if (pid == 0)
		session();
	NEED(pid > 0);
	CHECK("forkpty: a session with a terminal", strstr(take(master, "ready\r\n"), "ready") != NULL);
	CHECK("the foreground group, at the master", tcgetpgrp(master) == pid);
	size.ws_row = 50, size.ws_col = 132;
	CHECK("the size is set at the master", ioctl(master, TIOCSWINSZ, &size) == 0);
	CHECK("SIGWINCH, and the new size", strstr(take(master, "132\r\n"), "size 50 132\r\n") != NULL);
	NEED(write(master, "\3", 1) == 1);
	CHECK("Ctrl-C is SIGINT", strstr(take(master, "interrupted\r\n"), "interrupted") != NULL);
	CHECK("still running", waitpid(pid, &status, WNOHANG) == 0);
	close(master);
	CHECK("closing the master is SIGHUP", status_of(pid) == 128 + SIGHUP);
}

static void closing(void)
{
	int master, slave;
	char name[64];

	NEED(openpty(&master, &slave, name, NULL, NULL) == 0);
	CHECK("nothing to read", ready(master, POLLIN, 0) == 0);
	NEED(write(slave, "last", 4) == 4);
	close(slave);
	CHECK("the slave is closed: hang-up", ready(master, POLLIN, 1000) & POLLHUP);
	CHECK("what it wrote is still there",
	      read(master, text, sizeof(text)) == 4 && !memcmp(text, "last", 4));
	CHECK_ERROR("then an error", read(master, text, sizeof(text)), EIO);
	slave = open(name, O_RDWR | O_NOCTTY);
	CHECK("opened again", slave >= 0 && !(ready(master, POLLIN, 0) & POLLHUP));
	NEED(write(slave, "x", 1) == 1);
	CHECK("it works again", read(master, text, 1) == 1 && text[0] == 'x');
	close(master);
	CHECK("the master is closed: end of file", read(slave, text, 1) == 0);
	CHECK_ERROR("and no output", write(slave, "x", 1), EIO);
	CHECK("poll tells", ready(slave, POLLIN, 0) & POLLHUP);
	CHECK_ERROR("no settings either", tcgetattr(slave, &(struct termios){ 0 }), EIO);
	close(slave);
}

/* The session leader's end is SIGHUP for the foreground group. */
static void leader_exits(void)
{
	int master, ends[2];
	char byte = 0;
	pid_t pid;

	NEED(pipe(ends) == 0);
	pid = forkpty(&master, NULL, NULL, NULL);
	if (pid == 0) {
		if (fork() == 0)
			for (;;)
				pause();
		usleep(100000);
		_exit(7);
	}
	close(ends[1]);
	CHECK("the session leader exits", status_of(pid) == 7);
	CHECK("who is in the foreground is killed", read(ends[0], &byte, 1) == 0);
	CHECK("when all are gone the master is told", ready(master, POLLIN, 2000) & POLLHUP);
	CHECK_ERROR("it reads an error", read(master, text, sizeof(text)), EIO);
	close(ends[0]);
	close(master);
}

static void many(void)
{
	int masters[40], slaves[40], i, good = 1;

	for (i = 0; i < 40; i++)
		good &= openpty(&masters[i], &slaves[i], NULL, NULL, NULL) == 0;
	CHECK("40 pairs", good);
	for (i = 0; i < 40; i++) {
		char byte = (char)('0' + i);

		good &= write(slaves[i], &byte, 1) == 1;
	}
	for (i = 39; i >= 0; i--)
		good &= read(masters[i], text, 1) == 1 && text[0] == (char)('0' + i);
	CHECK("each has its own data", good);
	for (i = 0; i < 40; i++)
		close(masters[i]), close(slaves[i]);
	for (i = 0; i < 300; i++) {
		good &= openpty(&masters[0], &slaves[0], NULL, NULL, NULL) == 0;
		close(masters[0]), close(slaves[0]);
	}
	CHECK("300 pairs one after the other", good);
}

static int terminals(void)
{
	DIR *dir = opendir("/dev/pts");
	int count = 0;

	while (dir && readdir(dir))
		count++;
	if (dir)
		closedir(dir);
	return count;
}

/* A process that is killed while it opens one leaves none. */
static void killed_opening(void)
{
	int before = terminals(), left = -1;

	for (int i = 0; i < 100; i++) {
		pid_t child = fork();

		while (child == 0)
			close(open("/dev/ptmx", O_RDWR | O_NOCTTY));
		usleep((useconds_t)(1000 + i * 97));
		kill(child, SIGKILL);
		waitpid(child, NULL, 0);
	}
	for (int i = 0; i < 50 && left != before; i++) { /* what has been made goes first */
		left = terminals();
		usleep(left == before ? 0 : 20000);
	}
	CHECK("killed while it is opened", left == before);
}

int main(void)
{
	names();
	gone();
	data();
	volume();
	sessions();
	closing();
	leader_exits();
	many();
	killed_opening();
	return check_result();
}
