/* SPDX-License-Identifier: MIT */
/* TEST: stock. epoll: the list, waiting, what is forgotten when a descriptor is closed. */
#define _GNU_SOURCE
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <sys/timerfd.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "check.h"

static struct epoll_event got[16];

static int change(int ep, int operation, int fd, uint32_t events, uint64_t data)
{
	struct epoll_event e = { .events = events, .data.u64 = data };

	return epoll_ctl(ep, operation, fd, &e);
}

static int milliseconds(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (int)(t.tv_sec * 1000 + t.tv_nsec / 1000000);
}

static void list(void)
{
	int ep = epoll_create1(EPOLL_CLOEXEC), p[2], file = open("/etc/passwd", O_RDONLY);

	NEED(ep >= 0 && pipe(p) == 0 && file >= 0);
	CHECK("close-on-exec", fcntl(ep, F_GETFD) == FD_CLOEXEC);
	CHECK_ERROR("an unknown flag", epoll_create1(1), EINVAL);
	CHECK("add", change(ep, EPOLL_CTL_ADD, p[0], EPOLLIN, 1) == 0);
	CHECK_ERROR("twice", change(ep, EPOLL_CTL_ADD, p[0], EPOLLIN, 1), EEXIST);
	CHECK_ERROR("change what is not there", change(ep, EPOLL_CTL_MOD, p[1], EPOLLOUT, 1), ENOENT);
	CHECK_ERROR("remove what is not there", epoll_ctl(ep, EPOLL_CTL_DEL, p[1], NULL), ENOENT);
	CHECK_ERROR("a regular file", change(ep, EPOLL_CTL_ADD, file, EPOLLIN, 1), EPERM);
	CHECK_ERROR("itself", change(ep, EPOLL_CTL_ADD, ep, EPOLLIN, 1), EINVAL);
	CHECK_ERROR("no descriptor", change(ep, EPOLL_CTL_ADD, 999, EPOLLIN, 1), EBADF);
	CHECK_ERROR("no epoll descriptor", change(999, EPOLL_CTL_ADD, p[0], EPOLLIN, 1), EBADF);
	CHECK_ERROR("another kind of descriptor", change(p[0], EPOLL_CTL_ADD, p[1], EPOLLIN, 1), EINVAL);
	CHECK_ERROR("no such operation", change(ep, 4, p[0], EPOLLIN, 1), EINVAL);
	CHECK_ERROR("room for no event", epoll_wait(ep, got, 0, 0), EINVAL);
	CHECK_ERROR("waiting at another kind", epoll_wait(p[0], got, 1, 0), EINVAL);
	CHECK_ERROR("reading it", read(ep, got, 8), EINVAL);
	CHECK("remove", epoll_ctl(ep, EPOLL_CTL_DEL, p[0], NULL) == 0);
	CHECK("and add again", change(ep, EPOLL_CTL_ADD, p[0], EPOLLIN, 1) == 0);
	close(ep), close(p[0]), close(p[1]), close(file);
}

static void events(void)
{
	int ep = epoll_create1(0), p[2], event = eventfd(0, 0), before;
	char byte;

	NEED(ep >= 0 && pipe(p) == 0 && event >= 0);
	NEED(change(ep, EPOLL_CTL_ADD, p[0], EPOLLIN, 0x123456789abcull) == 0);
	NEED(change(ep, EPOLL_CTL_ADD, event, EPOLLIN, 2) == 0);
	CHECK("nothing yet", epoll_wait(ep, got, 16, 0) == 0);
	before = milliseconds();
	CHECK("a timeout", epoll_wait(ep, got, 16, 60) == 0 && milliseconds() - before >= 59);
	NEED(write(p[1], "x", 1) == 1);
	CHECK("input, and its data", epoll_wait(ep, got, 16, 1000) == 1 && got[0].events == EPOLLIN &&
					 got[0].data.u64 == 0x123456789abcull);
	CHECK("level-triggered", epoll_wait(ep, got, 16, 0) == 1);
	NEED(eventfd_write(event, 1) == 0);
	CHECK("both", epoll_wait(ep, got, 16, 0) == 2);
	CHECK("one at a time", epoll_wait(ep, got, 1, 0) == 1);
	NEED(read(p[0], &byte, 1) == 1);
	CHECK("taken", epoll_wait(ep, got, 16, 0) == 1 && got[0].data.u64 == 2);
	CHECK("changed to output", change(ep, EPOLL_CTL_MOD, event, EPOLLOUT, 3) == 0 &&
				       epoll_wait(ep, got, 16, 0) == 1 && got[0].events == EPOLLOUT &&
				       got[0].data.u64 == 3);
	CHECK("once", change(ep, EPOLL_CTL_MOD, event, EPOLLOUT | EPOLLONESHOT, 4) == 0 &&
			  epoll_wait(ep, got, 16, 0) == 1 && epoll_wait(ep, got, 16, 0) == 0);
	CHECK("and again", change(ep, EPOLL_CTL_MOD, event, EPOLLOUT | EPOLLONESHOT, 4) == 0 &&
			       epoll_wait(ep, got, 16, 0) == 1);
	close(p[1]);
	CHECK("hang-up", epoll_wait(ep, got, 16, 0) == 1 && got[0].events == EPOLLHUP);
	close(p[0]);
	CHECK("a closed descriptor is forgotten", epoll_wait(ep, got, 16, 0) == 0);
	close(ep), close(event);
}

/* The list must not keep a file open. */
static void closing(void)
{
	int ep = epoll_create1(0), p[2], q[2], moved;
	char byte;

	NEED(ep >= 0 && pipe(p) == 0);
	NEED(change(ep, EPOLL_CTL_ADD, p[1], EPOLLOUT, 1) == 0);
	close(p[1]);
	CHECK("the end of the file comes", read(p[0], &byte, 1) == 0);
	NEED(pipe(q) == 0);
	moved = dup2(q[0], p[0]);
	CHECK("another file with the same number", change(ep, EPOLL_CTL_ADD, moved, EPOLLIN, 7) == 0);
	NEED(write(q[1], "x", 1) == 1);
	CHECK("is what is reported", epoll_wait(ep, got, 16, 0) == 1 && got[0].data.u64 == 7);
	close(ep), close(q[0]), close(q[1]), close(moved);
}

struct helper {
	int ep, fd;
};

static void *add_later(void *argument)
{
	const struct helper *h = argument;

	usleep(50000);
	change(h->ep, EPOLL_CTL_ADD, h->fd, EPOLLOUT, 9);
	return NULL;
}

static void on_alarm(int number)
{
	(void)number;
}

static void waiting(void)
{
	struct itimerspec soon = { .it_value.tv_nsec = 50000000 };
	struct sigaction action = { .sa_handler = on_alarm };
	int timer = timerfd_create(CLOCK_MONOTONIC, 0), s[2], status;
	struct helper h = { epoll_create1(0), -1 };
	pthread_t thread;
	pid_t pid;

	NEED(h.ep >= 0 && timer >= 0 && socketpair(AF_UNIX, SOCK_STREAM, 0, s) == 0);
	NEED(change(h.ep, EPOLL_CTL_ADD, timer, EPOLLIN, 5) == 0);
	NEED(timerfd_settime(timer, 0, &soon, NULL) == 0);
	CHECK("woken by a timer", epoll_wait(h.ep, got, 16, 3000) == 1 && got[0].data.u64 == 5);
	NEED(epoll_ctl(h.ep, EPOLL_CTL_DEL, timer, NULL) == 0);
	NEED(change(h.ep, EPOLL_CTL_ADD, s[0], EPOLLIN | EPOLLRDHUP, 6) == 0);
	pid = fork();
	if (pid == 0) {
		usleep(50000);
		_exit(write(s[1], "x", 1) != 1);
	}
	CHECK("woken by another process", epoll_wait(h.ep, got, 16, 3000) == 1 && got[0].data.u64 == 6);
	NEED(waitpid(pid, &status, 0) == pid && read(s[0], &status, 1) == 1);
	h.fd = s[1];
	NEED(pthread_create(&thread, NULL, add_later, &h) == 0);
	CHECK("woken by what another thread adds",
	      epoll_wait(h.ep, got, 16, 3000) == 1 && got[0].data.u64 == 9);
	pthread_join(thread, NULL);
	NEED(epoll_ctl(h.ep, EPOLL_CTL_DEL, s[1], NULL) == 0);
	sigaction(SIGALRM, &action, NULL);
	ualarm(50000, 0);
	CHECK_ERROR("woken by a signal", epoll_wait(h.ep, got, 16, 3000), EINTR);
	close(s[1]);
	CHECK("the other side is gone", epoll_wait(h.ep, got, 16, 1000) == 1 && got[0].events & EPOLLRDHUP);
	close(h.ep), close(s[0]), close(timer);
}

static void many(void)
{
	int ep = epoll_create1(0), event[100], i, good = 1;

	for (i = 0; i < 100; i++) {
		event[i] = eventfd(0, 0);
		good &= change(ep, EPOLL_CTL_ADD, event[i], EPOLLIN, (uint64_t)i) == 0;
	}
	CHECK("100 descriptors", good && epoll_wait(ep, got, 16, 0) == 0);
	for (i = 0; i < 100; i += 7) {
		NEED(eventfd_write(event[i], 1) == 0);
		good &= epoll_wait(ep, got, 16, 1000) == 1 && got[0].data.u64 == (uint64_t)i;
		NEED(eventfd_read(event[i], &(eventfd_t){ 0 }) == 0);
	}
	CHECK("each is told from the others", good);
	for (i = 0; i < 100; i++)
		close(event[i]);
	CHECK("all forgotten", epoll_wait(ep, got, 16, 0) == 0);
	close(ep);
}

static void exclusive(void)
{
	int ep = epoll_create1(0), event = eventfd(1, 0);

	CHECK_ERROR("EPOLLEXCLUSIVE with what it does not go with",
		    change(ep, EPOLL_CTL_ADD, event, EPOLLIN | EPOLLONESHOT | EPOLLEXCLUSIVE, 1), EINVAL);
	CHECK("EPOLLEXCLUSIVE", change(ep, EPOLL_CTL_ADD, event, EPOLLIN | EPOLLEXCLUSIVE, 1) == 0 &&
				    epoll_wait(ep, got, 16, 1000) == 1 && got[0].events == EPOLLIN);
	CHECK_ERROR("it is not modified", change(ep, EPOLL_CTL_MOD, event, EPOLLIN, 1), EINVAL);
	CHECK_ERROR("nor comes by modifying", change(ep, EPOLL_CTL_MOD, event, EPOLLIN | EPOLLEXCLUSIVE, 1),
		    EINVAL);
	CHECK("it may be taken out and put in again",
	      change(ep, EPOLL_CTL_DEL, event, 0, 0) == 0 &&
		  change(ep, EPOLL_CTL_ADD, event, EPOLLOUT, 2) == 0 &&
		  change(ep, EPOLL_CTL_MOD, event, EPOLLIN, 3) == 0);
	close(event);
	close(ep);
}

int main(void)
{
	list();
	events();
	closing();
	waiting();
	many();
	exclusive();
	return check_result();
}
