/* SPDX-License-Identifier: MIT */
/*
 * demo recovery [SECONDS]: a copy and a shell loop run while every service is killed in turn beneath them, one a second;
 * shows the throughput, each restart as it happens and the longest that anybody had to wait. The status is 0 if nothing
 * was lost.
 */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define LIST "/proc/services"
#define CONTROL "/proc/service_control"
#define SOURCE "/var/tmp/demo.source"
#define COPY "/var/tmp/demo.copy"
#define FILE_SIZE (2u << 20)
#define CHUNK (64u << 10)
#define BAR 40
#define TICK_NS 200000000ll
#define TICKS 8
#define SECOND_NS 1000000000ll
#define SERVICES_MAX 64

/* What the two workers tell; each field has one writer. */
struct shared {
	volatile uint64_t bytes, copies, lines;
	volatile int64_t copy_wait, loop_wait;
	volatile int lost;
};

struct service {
	char name[24];
	unsigned long kills;
};

static struct shared *shared;
static struct service services[SERVICES_MAX];
static unsigned service_count;
static volatile sig_atomic_t interrupted;

static int64_t now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec * SECOND_NS + t.tv_nsec;
}

static void lose(const char *what)
{
	printf("\r\033[K  LOST: %s: %s\n", what, strerror(errno));
	fflush(stdout);
	shared->lost = 1;
	_exit(1);
}

/* --- the copy --- */

static unsigned char pattern[CHUNK], chunk[CHUNK];

static void note_wait(volatile int64_t *longest, int64_t since)
{
	int64_t waited = now() - since;

	if (waited > *longest)
		*longest = waited;
}

static void make_source(void)
{
	int file = open(SOURCE, O_WRONLY | O_CREAT | O_TRUNC, 0600);
	uint64_t x = 88172645463325252ull;

	if (file < 0)
		lose(SOURCE);
	for (unsigned done = 0; done < FILE_SIZE; done += CHUNK) {
		for (unsigned i = 0; i < CHUNK; i += 8) {
			x ^= x << 13, x ^= x >> 7, x ^= x << 17;
			memcpy(pattern + i, &x, 8);
		}
		if (write(file, pattern, CHUNK) != CHUNK)
			lose("writing the source");
	}
	close(file);
}

/* Each read and write is a wait that may be long if what serves it dies. */
static void copy_chunk(int from, int to)
{
	int64_t start = now();

	if (read(from, chunk, CHUNK) != CHUNK)
		lose("reading the source");
	note_wait(&shared->copy_wait, start);
	start = now();
	if (write(to, chunk, CHUNK) != CHUNK)
		lose("writing the copy");
	note_wait(&shared->copy_wait, start);
	shared->bytes += CHUNK;
}

static void compare(int from, int to)
{
	lseek(from, 0, SEEK_SET);
	lseek(to, 0, SEEK_SET);
	for (unsigned done = 0; done < FILE_SIZE; done += CHUNK) {
		if (read(from, pattern, CHUNK) != CHUNK || read(to, chunk, CHUNK) != CHUNK)
			lose("reading the copy");
		errno = EIO;
		if (memcmp(pattern, chunk, CHUNK))
			lose("the copy differs");
		shared->bytes += CHUNK;
	}
}

static void copy_once(void)
{
	int from = open(SOURCE, O_RDONLY), to = open(COPY, O_RDWR | O_CREAT | O_TRUNC, 0600);

	if (from < 0 || to < 0)
		lose("opening the files");
	for (unsigned done = 0; done < FILE_SIZE; done += CHUNK)
		copy_chunk(from, to);
	if (fsync(to))
		lose("fsync");
	compare(from, to);
	close(from);
	close(to);
	if (unlink(COPY))
		lose("removing the copy");
	shared->copies++;
}

static void copier(void)
{
	for (;;)
		copy_once();
}

/* --- the loop of the shell, whose lines come through two pipes and a process each --- */

static void looper(void)
{
	FILE *stream = popen("i=0; while :; do i=$((i+1)); echo $i | cat; done", "r");
	char line[32];
	int64_t start = now();

	if (!stream)
		lose("starting a shell");
	while (fgets(line, sizeof line, stream)) {
		note_wait(&shared->loop_wait, start);
		errno = EIO;
		if (strtoul(line, NULL, 10) != shared->lines + 1)
			lose("a line of the loop");
		shared->lines++;
		start = now();
	}
	lose("the loop has ended");
}

static pid_t begin(void (*work)(void))
{
	pid_t child = fork();

	if (child < 0) {
		perror("fork");
		exit(1);
	}
	setpgid(child, child);
	if (child)
		return child;
	signal(SIGINT, SIG_DFL);
	work();
	_exit(1);
}

/* --- who dies --- */

static void find_services(void)
{
	FILE *stream = fopen(LIST, "r");
	char line[256];

	if (!stream) {
		perror(LIST);
		exit(1);
	}
	fgets(line, sizeof line, stream);
	while (service_count < SERVICES_MAX && fgets(line, sizeof line, stream))
		if (sscanf(line, "%23s", services[service_count].name) == 1)
			service_count++;
	fclose(stream);
}

/* Whether it could be killed: not everything on the list runs. */
static int kill_service(struct service *victim)
{
	char line[40];
	int length = snprintf(line, sizeof line, "kill %s\n", victim->name);
	int file = open(CONTROL, O_WRONLY), done;

	if (file < 0) {
		perror(CONTROL);
		exit(1);
	}
	done = write(file, line, (size_t)length) == length;
	close(file);
	victim->kills += done;
	return done;
}

static const char *kill_next(void)
{
	static unsigned next;

	for (unsigned tries = 0; tries < service_count; tries++) {
		struct service *victim = &services[next++ % service_count];

		if (kill_service(victim))
			return victim->name;
	}
	return NULL;
}

/* --- the screen --- */

/* Bytes copied or compared in a second, over the last ticks. */
static double throughput(void)
{
	static uint64_t bytes[TICKS];
	static int64_t times[TICKS];
	static unsigned next;
	unsigned at = next++ % TICKS;
	uint64_t done = shared->bytes - bytes[at];
	int64_t elapsed = now() - times[at];

	bytes[at] += done;
	times[at] += elapsed;
	return (double)done / ((double)elapsed / 1e9) / 1e6;
}

/* The fastest so far is a full bar. */
static void show_bar(void)
{
	static double fastest;
	double rate = throughput();
	char bar[BAR + 1];
	int full;

	if (rate > fastest)
		fastest = rate;
	full = fastest > 0 ? (int)(rate / fastest * BAR) : 0;
	memset(bar, '.', BAR);
	memset(bar, '#', (size_t)full);
	bar[BAR] = 0;
	printf("\r\033[K  [%s] %6.1f MB/s  %llu copies  loop %llu", bar, rate,
	       (unsigned long long)shared->copies, (unsigned long long)shared->lines);
	fflush(stdout);
}

static void show_restart(const char *name, int64_t since_start)
{
	printf(
	    "\r\033[K%5.1f s  %-14s killed; so far the copy has waited %4lld ms at most, the loop %4lld ms\n",
	    (double)since_start / 1e9, name, (long long)(shared->copy_wait / 1000000),
	    (long long)(shared->loop_wait / 1000000));
}

static void on_interrupt(int number)
{
	(void)number;
	interrupted = 1;
}

/* Until the time is over, somebody has lost something or the user has seen enough; answers how many were killed. */
static unsigned show(int64_t seconds)
{
	int64_t start = now(), next_kill = start + SECOND_NS;
	unsigned kills = 0;

	while (!interrupted && !shared->lost && now() - start < seconds * SECOND_NS) {
		struct timespec pause = { .tv_nsec = TICK_NS };
		const char *name = now() >= next_kill ? kill_next() : NULL;

		if (name) {
			show_restart(name, now() - start);
			next_kill += SECOND_NS;
			kills++;
		}
		nanosleep(&pause, NULL);
		show_bar();
	}
	return kills;
}

static void end(pid_t child)
{
	kill(-child, SIGKILL);
	waitpid(child, NULL, 0);
}

static int recovery(int64_t seconds)
{
	pid_t copy, loop;
	unsigned kills;

	shared = mmap(NULL, sizeof *shared, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (shared == MAP_FAILED) {
		perror("mmap");
		return 1;
	}
	if (access(CONTROL, W_OK)) {
		perror(CONTROL);
		return 1;
	}
	find_services();
	make_source();
	printf("Files of 2 MiB are copied, synced and compared; a shell counts through a pipe.\n"
	       "Meanwhile one service a second is killed, each of %u in turn.\n\n",
	       service_count);
	signal(SIGINT, on_interrupt);
	copy = begin(copier);
	loop = begin(looper);
	kills = show(seconds);
	end(copy);
	end(loop);
	unlink(COPY);
	unlink(SOURCE);
	printf("\r\033[K\n%u kills; %llu copies compared, %llu lines counted: %s\n", kills,
	       (unsigned long long)shared->copies, (unsigned long long)shared->lines,
	       shared->lost ? "something was lost" : "nothing was lost");
	return shared->lost;
}

int main(int argc, char **argv)
{
	long seconds = argc > 2 ? strtol(argv[2], NULL, 10) : 30;

	if (argc < 2 || argc > 3 || strcmp(argv[1], "recovery") || seconds <= 0) {
		fprintf(stderr, "usage: demo recovery [SECONDS]\n");
		return 2;
	}
	return recovery(seconds);
}
