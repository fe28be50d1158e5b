/* SPDX-License-Identifier: MIT */
/* A worker: threads that make steps until the supervisor ends them all. */
#define _GNU_SOURCE
#include <fcntl.h>
#include <grp.h>
#include <pthread.h>
#include <signal.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

#include "fuzz.h"

struct thread {
	struct dice dice;
	const struct kind *kind;
	struct thread_book *book;
	pthread_t id;
};

long answered(long answer)
{
	__atomic_fetch_add(&book->answers, 1, __ATOMIC_RELAXED);
	if (answer < 0)
		__atomic_fetch_add(&book->refusals, 1, __ATOMIC_RELAXED);
	return answer;
}

static void limit(int what, unsigned long value)
{
	struct rlimit both = { value, value };

	setrlimit(what, &both);
}

/* What it may use up is bounded as an administrator would. */
static void become(unsigned uid)
{
	limit(RLIMIT_NPROC, 100);
	limit(RLIMIT_NOFILE, 64);
	limit(RLIMIT_FSIZE, 4ul << 20);
	limit(RLIMIT_AS, 256ul << 20);
	limit(RLIMIT_CORE, 0);
	if (getuid() == 0 && (setgroups(0, NULL) || setgid(uid) || setuid(uid)))
		_exit(99);
}

/* What only root may read, with text in it that cannot come from anywhere else. What getuid says is no sign: it is the
 * process's own memory, which the calls may have overwritten. */
static void check_rights(void)
{
	static const char path[] = SECRET_FILE;
	char text[sizeof SECRET_TEXT] = "";
	int fd = open(path, O_RDONLY);

	if (fd >= 0 && read(fd, text, sizeof text) > 0 && !strcmp(text, SECRET_TEXT))
		book->gained = GAINED;
	if (fd > 47)
		close(fd);
}

static void *live(void *argument)
{
	struct thread *t = argument;

	for (;;) {
		t->kind->step(&t->dice, &t->book->note);
		if (t->book->steps++ % 64 == 0)
			check_rights();
	}
	return NULL;
}

/* Whoever sleeps in a call is interrupted now and then. */
static void tick(const struct thread *threads, unsigned count)
{
	struct timespec pause = { 0, 20000000 };
	uint64_t last[STREAMS_MAX] = { 0 };

	for (;;) {
		nanosleep(&pause, NULL);
		for (unsigned i = 0; i < count; i++) {
			if (threads[i].book->steps == last[i])
				pthread_kill(threads[i].id, SIGUSR1);
			last[i] = threads[i].book->steps;
		}
	}
}

const struct kind *worker_kind(const struct run *run, unsigned worker, unsigned incarnation, unsigned thread)
{
	return run->kinds[(worker + incarnation + thread) % run->kind_count];
}

/* Other workers may have made fifos of its files: what blocks is interrupted here too. */
static void prepare(const struct run *run)
{
	struct itimerval often = { { 0, 20000 }, { 0, 20000 } }, never = { 0 };

	ground_catch();
	setitimer(ITIMER_REAL, &often, NULL);
	ground_prepare();
	for (unsigned i = 0; i < run->kind_count; i++)
		if (run->kinds[i]->prepare)
			run->kinds[i]->prepare();
	setitimer(ITIMER_REAL, &never, NULL);
}

void worker_run(const struct run *run, unsigned worker, unsigned incarnation)
{
	struct thread threads[STREAMS_MAX];

	munmap(probe_book, sizeof *probe_book);
	setsid();
	become(run->uid);
	prepare(run);
	for (unsigned i = 0; i < run->threads; i++) {
		struct dice mix = { run->seed + (worker * 4096ull + incarnation) * STREAMS_MAX + i };

		threads[i].dice.state = word(&mix);
		threads[i].kind = worker_kind(run, worker, incarnation, i);
		threads[i].book = &book->threads[worker][i];
		if (pthread_create(&threads[i].id, NULL, live, &threads[i]))
			_exit(4);
	}
	tick(threads, run->threads);
	_exit(0);
}
