/* SPDX-License-Identifier: MIT */
/*
 * Several processors: busy processes use all, share fairly when there are fewer, obey
 * affinity and niceness; the clock is one on all. On one processor what remains is tested.
 * TEST: stock timeout=180
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "check.h"

#define LOOPS_MAX 8
#define NS 1000000000l

static long processors;

/* What the busy children tell. */
static struct shared {
	volatile int go, stop;
	struct {
		volatile unsigned long turns;
	} of[LOOPS_MAX];
	volatile long latest_ns;
	volatile unsigned long backwards;
} * shared;

static long now_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return now.tv_sec * NS + now.tv_nsec;
}

/* The field of /proc/PID/stat, counted from 1 as proc(5) does. */
static long stat_field(pid_t pid, int field)
{
	char path[64], text[1024], *at;
	ssize_t length;
	int fd;

	snprintf(path, sizeof(path), "/proc/%d/stat", pid);
	fd = open(path, O_RDONLY);
	if (fd < 0)
		return -1;
	length = read(fd, text, sizeof(text) - 1);
	close(fd);
	if (length <= 0)
		return -1;
	text[length] = 0;
	at = strrchr(text, ')');
	for (int i = 2; at && i < field; i++)
		at = strchr(at + 1, ' ');
	return at ? atol(at) : -1;
}

static long cpu_ms(pid_t pid)
{
	return (stat_field(pid, 14) + stat_field(pid, 15)) * 1000 / sysconf(_SC_CLK_TCK);
}

static pid_t busy(int number, int nice_value, long processor)
{
	pid_t pid = fork();

	NEED(pid >= 0);
	if (pid)
		return pid;
	if (processor >= 0) {
		cpu_set_t set;

		CPU_ZERO(&set);
		CPU_SET(processor, &set);
		if (sched_setaffinity(0, sizeof(set), &set))
			_exit(1);
	}
	if (nice_value && setpriority(PRIO_PROCESS, 0, nice_value))
		_exit(1);
	while (!shared->go)
		usleep(1000);
	while (!shared->stop)
		shared->of[number].turns++;
	_exit(0);
}

static void begin(void)
{
	memset((void *)shared, 0, sizeof(*shared));
}

/* Let them run for so long; what each used of the processors in that time, and how long it really was. */
static long run(pid_t *pids, int count, long ms, long *used)
{
	long start;

	shared->go = 1;
	usleep(50000);
	start = now_ns();
	for (int i = 0; i < count; i++)
		used[i] = cpu_ms(pids[i]);
	usleep((useconds_t)ms * 1000);
	for (int i = 0; i < count; i++)
		used[i] = cpu_ms(pids[i]) - used[i];
	return (now_ns() - start) / 1000000;
}

static int end(pid_t *pids, int count)
{
	int bad = 0, status;

	shared->stop = 1;
	for (int i = 0; i < count; i++)
		bad += waitpid(pids[i], &status, 0) != pids[i] || status;
	return bad;
}

static int all_apart(pid_t *pids, int count)
{
	unsigned long seen = 0;

	for (int i = 0; i < count; i++)
		seen |= 1ul << (stat_field(pids[i], 39) & 63);
	return __builtin_popcountl(seen) == count;
}

/*
 * A host that takes processors away makes shares and delays worse, never better: what misses its
 * bound is measured again. What the scheduler does wrong it does wrong each time.
 */
#define ATTEMPTS 3

static int measured(int (*good)(void))
{
	for (int i = 0; i < ATTEMPTS; i++)
		if (good())
			return 1;
	return 0;
}

/* As many loops as there are processors: each has one to itself. Looking takes a processor too, so that
 * it need not be so at each look. */
static int one_each(void)
{
	long used[LOOPS_MAX], least, passed;
	pid_t pids[LOOPS_MAX];
	int count = processors > LOOPS_MAX ? LOOPS_MAX : (int)processors, apart = 0;

	begin();
	for (int i = 0; i < count; i++)
		pids[i] = busy(i, 0, -1);
	passed = run(pids, count, 1000, used);
	least = used[0];
	for (int i = 0; i < count; i++)
		least = used[i] < least ? used[i] : least;
	for (int i = 0; i < 20; i++, usleep(10000))
		apart += all_apart(pids, count);
	NEED(end(pids, count) == 0);
	printf("apart at %d of 20 looks, the least had %ld of %ld ms\n", apart, least, passed);
	return apart >= 5 && least > passed * 6 / 10;
}

/* Twice as many as processors: within 25 % of each other. */
static int shared_alike(void)
{
	long used[LOOPS_MAX], least, most;
	pid_t pids[LOOPS_MAX];
	int count = processors * 2 > LOOPS_MAX ? LOOPS_MAX : (int)processors * 2;

	begin();
	for (int i = 0; i < count; i++)
		pids[i] = busy(i, 0, -1);
	run(pids, count, 2000, used);
	NEED(end(pids, count) == 0);
	least = most = used[0];
	for (int i = 0; i < count; i++) {
		least = used[i] < least ? used[i] : least;
		most = used[i] > most ? used[i] : most;
	}
	printf("shares of %d from %ld to %ld ms\n", count, least, most);
	return least > 0 && least * 4 >= most * 3;
}

/* One loop more than processors: none may starve. */
static void test_odd(void)
{
	long used[LOOPS_MAX + 1], least, most;
	pid_t pids[LOOPS_MAX + 1];
	int count = processors + 1 > LOOPS_MAX ? LOOPS_MAX : (int)processors + 1;

	begin();
	for (int i = 0; i < count; i++)
		pids[i] = busy(i, 0, -1);
	run(pids, count, 2000, used);
	least = most = used[0];
	for (int i = 0; i < count; i++) {
		least = used[i] < least ? used[i] : least;
		most = used[i] > most ? used[i] : most;
	}
	end(pids, count);
	if (least * 4 < most)
		printf("shares of %d from %ld to %ld ms\n", count, least, most);
	CHECK("one_too_many_starves_nobody", least > 0 && least * 4 >= most);
}

static void test_affinity(void)
{
	pid_t pids[LOOPS_MAX];
	long used[LOOPS_MAX], last = processors - 1, passed;
	int wrong = 0;
	cpu_set_t set;

	begin();
	for (int i = 0; i < 3; i++)
		pids[i] = busy(i, 0, last);
	passed = run(pids, 3, 1000, used);
	for (int i = 0; i < 10; i++, usleep(10000))
		for (int j = 0; j < 3; j++)
			wrong += stat_field(pids[j], 39) != last;
	CHECK("affinity_end", end(pids, 3) == 0);
	CHECK("bound_to_the_last_processor", wrong == 0);
	CHECK("bound_ones_share_it",
	      used[0] + used[1] + used[2] <= passed + 100 && used[0] > 0 && used[1] > 0 && used[2] > 0);
	CPU_ZERO(&set);
	CPU_SET(processors, &set);
	CHECK_ERROR("no_such_processor", sched_setaffinity(0, sizeof(set), &set), EINVAL);
	CPU_ZERO(&set);
	CHECK("what_is_set_is_told",
	      sched_getaffinity(0, sizeof(set), &set) == 0 && CPU_COUNT(&set) == processors);
}

static void test_moving(void)
{
	int wrong = 0;

	for (int i = 0; i < 200; i++) {
		long to = i % processors;
		cpu_set_t set;

		CPU_ZERO(&set);
		CPU_SET(to, &set);
		NEED(sched_setaffinity(0, sizeof(set), &set) == 0);
		wrong += sched_getcpu() != to;
	}
	CHECK("moves_at_once", wrong == 0);
	cpu_set_t all;
	CPU_ZERO(&all);
	for (long i = 0; i < processors; i++)
		CPU_SET(i, &all);
	NEED(sched_setaffinity(0, sizeof(all), &all) == 0);
}

static void test_nice(void)
{
	pid_t pids[2];
	long used[2];

	begin();
	pids[0] = busy(0, 0, 0);
	pids[1] = busy(1, 19, 0);
	run(pids, 2, 1500, used);
	CHECK("nice_end", end(pids, 2) == 0);
	CHECK("nice_has_an_effect", used[0] > 2 * used[1] && used[1] > 0);
}

/* Others come and go, of which none uses up a slice. */
static pid_t forking(void)
{
	pid_t pid = fork();
	cpu_set_t set;

	NEED(pid >= 0);
	if (pid)
		return pid;
	CPU_ZERO(&set);
	CPU_SET(0, &set);
	if (sched_setaffinity(0, sizeof(set), &set))
		_exit(1);
	while (!shared->stop) {
		pid = fork();
		if (!pid)
			_exit(0);
		if (pid < 0 || waitpid(pid, NULL, 0) != pid)
			_exit(1);
	}
	_exit(0);
}

static int computes_beside(void)
{
	pid_t pids[4];
	long used[4], passed;

	begin();
	pids[0] = busy(0, 0, 0);
	for (int i = 1; i < 4; i++)
		pids[i] = forking();
	shared->go = 1;
	usleep(1500000); /* until their user has used so much that all are as low as they get */
	passed = run(pids, 1, 2000, used);
	CHECK("short_ones_end", end(pids, 4) == 0);
	printf("%ld ms of %ld beside programs that come and go\n", used[0], passed);
	return used[0] > passed / 20;
}

#define WAKES 51
#define SLICE_NS 10000000

static int by_size(const void *a, const void *b)
{
	long x = *(const long *)a, y = *(const long *)b;

	return (x > y) - (x < y);
}

/*
 * Who sleeps and wakes again goes before who does nothing else but work: it does not wait for the
 * slices of those to end. The median tells, for a machine that is itself kept waiting by
 * its host makes some wakes late whatever is done here.
 */
static int woken_soon(void)
{
	long used[LOOPS_MAX], late[WAKES];
	pid_t pids[LOOPS_MAX];
	int count = processors * 2 > LOOPS_MAX ? LOOPS_MAX : (int)processors * 2;

	begin();
	for (int i = 0; i < count; i++)
		pids[i] = busy(i, 0, -1);
	run(pids, count, 200, used);
	for (int i = 0; i < WAKES; i++) {
		long before = now_ns();

		usleep(10000);
		late[i] = now_ns() - before - 10000000;
	}
	end(pids, count);
	qsort(late, WAKES, sizeof(*late), by_size);
	printf("woken %ld us late, half of the times; %ld us at worst\n", late[WAKES / 2] / 1000,
	       late[WAKES - 1] / 1000);
	return late[WAKES / 2] < SLICE_NS;
}

/* Each reads the clock and compares it with the latest that any has read. */
static void clock_watch(void)
{
	for (int i = 0; i < 100000; i++) {
		long seen = shared->latest_ns, now = now_ns();

		if (now < seen)
			__atomic_fetch_add(&shared->backwards, 1, __ATOMIC_RELAXED);
		while (seen < now && !__atomic_compare_exchange_n(&shared->latest_ns, &seen, now, 0,
								  __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST))
			;
	}
	_exit(0);
}

static void test_clock(void)
{
	int count = processors > LOOPS_MAX ? LOOPS_MAX : (int)processors, bad = 0, status;

	begin();
	for (int i = 0; i < count; i++)
		if (!fork())
			clock_watch();
	for (int i = 0; i < count; i++)
		bad += wait(&status) < 0 || status;
	CHECK("one_clock_on_all", bad == 0 && shared->backwards == 0);
}

int main(void)
{
	shared = mmap(NULL, sizeof(*shared), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	NEED(shared != MAP_FAILED);
	processors = sysconf(_SC_NPROCESSORS_ONLN);
	CHECK("processors", processors >= 1);
	test_clock();
	CHECK("each_has_a_whole_processor", measured(one_each));
	CHECK("twice_as_many_share_alike", measured(shared_alike));
	test_odd();
	test_affinity();
	test_moving();
	test_nice();
	CHECK("computes_beside_short_programs", measured(computes_beside));
	CHECK("who_sleeps_is_woken_soon", measured(woken_soon));
	return check_result();
}
