/* SPDX-License-Identifier: MIT */
/* poll and select; pipes, FIFOs, eventfd, timerfd. */
#define _GNU_SOURCE
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <sys/select.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/timerfd.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "check.h"

static char buffer[200000];

static long milliseconds(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

static int status_of(pid_t pid)
{
	int status;

	NEED(pid > 0 && waitpid(pid, &status, 0) == pid);
	return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

static int ready(int fd, short events, int timeout)
{
	struct pollfd p = { fd, events, 0 };
	int n = poll(&p, 1, timeout);

	return n < 0 ? n : p.revents;
}

static void pipes(void)
{
	int p[2], n;

	NEED(pipe(p) == 0);
	CHECK("through a pipe",
	      write(p[1], "hello", 5) == 5 && read(p[0], buffer, 100) == 5 && !memcmp(buffer, "hello", 5));
	CHECK_ERROR("no seeking", lseek(p[0], 0, SEEK_CUR), ESPIPE);
	CHECK("FIONREAD", write(p[1], "abc", 3) == 3 && ioctl(p[0], FIONREAD, &n) == 0 && n == 3);
	NEED(read(p[0], buffer, 3) == 3 && fcntl(p[0], F_SETFL, O_NONBLOCK) == 0);
	CHECK_ERROR("O_NONBLOCK on an empty one", read(p[0], buffer, 1), EAGAIN);
	NEED(fcntl(p[1], F_SETFL, O_NONBLOCK) == 0);
	n = (int)write(p[1], buffer, sizeof(buffer));
	CHECK("a full one takes what fits", n >= 4096 && n < (int)sizeof(buffer));
	CHECK_ERROR("then nothing", write(p[1], buffer, 5000), EAGAIN);
	CHECK("not writable", ready(p[1], POLLOUT, 0) == 0);
	CHECK("emptied", read(p[0], buffer, sizeof(buffer)) == n);
	CHECK("writable", ready(p[1], POLLOUT, 0) == POLLOUT);
	close(p[1]);
	CHECK("the end", read(p[0], buffer, 1) == 0 && ready(p[0], POLLIN, 0) & POLLHUP);
	close(p[0]);
	NEED(pipe(p) == 0);
	close(p[0]);
	signal(SIGPIPE, SIG_IGN);
	CHECK_ERROR("without a reader", write(p[1], "x", 1), EPIPE);
	CHECK("POLLERR", ready(p[1], POLLOUT, 0) & POLLERR);
	close(p[1]);
}

static void broken(void)
{
	int p[2];
	pid_t pid;

	NEED(pipe(p) == 0);
	close(p[0]);
	pid = fork();
	if (!pid) {
		signal(SIGPIPE, SIG_DFL);
		_exit(write(p[1], "x", 1) == -1);
	}
	CHECK("SIGPIPE", status_of(pid) == 128 + SIGPIPE);
	close(p[1]);
}

static void waiting(void)
{
	int p[2];
	long start;
	pid_t pid;

	NEED(pipe(p) == 0);
	start = milliseconds();
	CHECK("a timeout", ready(p[0], POLLIN, 100) == 0 && milliseconds() - start >= 99);
	pid = fork();
	if (!pid) {
		usleep(50000);
		_exit(write(p[1], "x", 1) != 1);
	}
	CHECK("poll waits for data", ready(p[0], POLLIN, 10000) == POLLIN);
	CHECK("which is there", read(p[0], buffer, 10) == 1 && status_of(pid) == 0);
	pid = fork();
	if (!pid) {
		close(p[0]);
		usleep(50000);
		_exit(0);
	}
	close(p[1]);
	CHECK("and for the end", ready(p[0], POLLIN, 10000) & POLLHUP);
	status_of(pid);
	close(p[0]);
}

static void many(void)
{
	struct pollfd set[80];
	int p[80][2];
	pid_t pid;

	for (int i = 0; i < 80; i++) {
		NEED(pipe(p[i]) == 0);
		set[i] = (struct pollfd){ p[i][0], POLLIN, 0 };
	}
	pid = fork();
	if (!pid) {
		usleep(50000);
		_exit(write(p[70][1], "x", 1) != 1);
	}
	CHECK("one of many", poll(set, 80, 10000) == 1 && set[70].revents == POLLIN);
	status_of(pid);
	for (int i = 0; i < 80; i++) {
		close(p[i][0]);
		close(p[i][1]);
	}
}

static void odd(void)
{
	struct pollfd p[3] = { { 99, POLLIN, 0 }, { -1, POLLIN, 7 }, { 0, 0, 0 } };
	int fd = open("f", O_CREAT | O_RDWR, 0600);

	p[2] = (struct pollfd){ fd, POLLIN | POLLOUT, 0 };
	CHECK("a closed descriptor", poll(p, 3, 0) == 2 && p[0].revents == POLLNVAL);
	CHECK("a negative one", p[1].revents == 0);
	CHECK("a file is always ready", p[2].revents == (POLLIN | POLLOUT));
	CHECK("nothing to poll", poll(NULL, 0, 10) == 0);
	close(fd);
}

static volatile int caught;
static void handler(int signo)
{
	caught = signo;
}

static void interrupted(void)
{
	struct sigaction action = { .sa_handler = handler };
	sigset_t block, old;
	int p[2];
	struct timespec limit = { 10, 0 };

	NEED(pipe(p) == 0);
	sigaction(SIGALRM, &action, NULL);
	alarm(1);
	CHECK_ERROR("poll is interrupted", ready(p[0], POLLIN, 10000), EINTR);
	sigemptyset(&block);
	sigaddset(&block, SIGUSR1);
	sigprocmask(SIG_BLOCK, &block, &old);
	sigaction(SIGUSR1, &action, NULL);
	caught = 0;
	kill(getpid(), SIGUSR1);
	CHECK_ERROR("ppoll unblocks", ppoll(&(struct pollfd){ p[0], POLLIN, 0 }, 1, &limit, &old), EINTR);
	CHECK("and the handler has run", caught == SIGUSR1);
	sigprocmask(SIG_SETMASK, &old, NULL);
	close(p[0]);
	close(p[1]);
}

static void selecting(void)
{
	struct timeval t = { 0, 50000 };
	fd_set in, out;
	int p[2];

	NEED(pipe(p) == 0);
	FD_ZERO(&in);
	FD_ZERO(&out);
	FD_SET(p[0], &in);
	FD_SET(p[1], &out);
	CHECK("select",
	      select(p[1] + 1, &in, &out, NULL, NULL) == 1 && !FD_ISSET(p[0], &in) && FD_ISSET(p[1], &out));
	FD_SET(p[0], &in);
	CHECK("its timeout", select(p[1] + 1, &in, NULL, NULL, &t) == 0 && !FD_ISSET(p[0], &in));
	NEED(write(p[1], "x", 1) == 1);
	FD_SET(p[0], &in);
	FD_SET(p[1], &out);
	CHECK("both", select(p[1] + 1, &in, &out, NULL, NULL) == 2);
	close(p[1]);
	FD_SET(p[1], &out);
	CHECK_ERROR("a closed descriptor", select(p[1] + 1, NULL, &out, NULL, NULL), EBADF);
	close(p[0]);
}

static void fifo(void)
{
	struct stat st;
	int fd, other;
	pid_t pid;

	CHECK("mkfifo", mkfifo("fifo", 0600) == 0 && stat("fifo", &st) == 0 && S_ISFIFO(st.st_mode));
	CHECK_ERROR("a writer without a reader", open("fifo", O_WRONLY | O_NONBLOCK), ENXIO);
	CHECK("a reader that does not wait", (fd = open("fifo", O_RDONLY | O_NONBLOCK)) >= 0);
	CHECK("a writer then", (other = open("fifo", O_WRONLY | O_NONBLOCK)) >= 0);
	CHECK("through it", write(other, "abc", 3) == 3 && read(fd, buffer, 10) == 3);
	close(fd);
	close(other);
	pid = fork();
	if (!pid) {
		fd = open("fifo", O_WRONLY);
		_exit(fd < 0 || write(fd, "hello", 5) != 5);
	}
	fd = open("fifo", O_RDONLY);
	CHECK("both wait for each other", fd >= 0 && read(fd, buffer, 10) == 5 && status_of(pid) == 0);
	CHECK("the end", read(fd, buffer, 10) == 0);
	close(fd);
}

static void events(void)
{
	struct itimerspec when = { { 0, 0 }, { 0, 50000000 } };
	uint64_t value = 5, got = 0;
	int fd = eventfd(1, EFD_NONBLOCK), s[2];

	CHECK("eventfd", write(fd, &value, 8) == 8 && read(fd, &got, 8) == 8 && got == 6);
	CHECK_ERROR("empty", read(fd, &got, 8), EAGAIN);
	CHECK("not ready", ready(fd, POLLIN, 0) == 0);
	close(fd);
	fd = timerfd_create(CLOCK_MONOTONIC, 0);
	CHECK("timerfd", fd >= 0 && timerfd_settime(fd, 0, &when, NULL) == 0 &&
			     ready(fd, POLLIN, 5000) == POLLIN && read(fd, &got, 8) == 8 && got == 1);
	close(fd);
	CHECK("socketpair", socketpair(AF_UNIX, SOCK_STREAM, 0, s) == 0 && write(s[0], "ab", 2) == 2 &&
				write(s[1], "cd", 2) == 2 && read(s[1], buffer, 9) == 2 &&
				read(s[0], buffer, 9) == 2);
	close(s[0]);
	close(s[1]);
}

int main(void)
{
	check_enter_directory();
	pipes();
	broken();
	waiting();
	many();
	odd();
	interrupted();
	selecting();
	fifo();
	events();
	return check_result();
}
