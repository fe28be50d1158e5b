/* SPDX-License-Identifier: MIT */
/* The supervisor: workers are started, watched, replaced and in the end all killed. */
#define _GNU_SOURCE
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "distrib/lib/names.h"
#include "fuzz.h"

#define PATIENCE_MS 1000u
#define LIFE_MS 3000u /* so that what a worker has spoilt for itself does not stay */

struct book *book;
struct probe_book *probe_book;

static struct place {
	pid_t pid;
	unsigned incarnation;
	uint64_t steps, started_ms, moved_ms;
} places[WORKERS_MAX];

static unsigned deaths, stalls;
static unsigned endings[256]; /* by signal, or exit status + 128 */

static uint64_t now_ms(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000 + (uint64_t)t.tv_nsec / 1000000;
}

static void sleep_ms(unsigned ms)
{
	struct timespec t = { ms / 1000, (long)(ms % 1000) * 1000000 };

	nanosleep(&t, NULL);
}

/* --- options ------------------------------------------------------------------------------------------ */

static const struct kind *const all_kinds[] = { &kernel_kind, &chaos_kind, &proto_kind, &posix_kind,
						&replay_kind };
#define KINDS (sizeof all_kinds / sizeof *all_kinds)

static void usage(void)
{
	fprintf(stderr, "usage: fuzz [--seed N] [--seconds S] [--workers N] [--threads N] [--uid N]\n"
			"            [--only kernel|proto|posix|replay|chaos]...\n");
	exit(2);
}

static void add_kind(struct run *run, const char *name)
{
	for (unsigned i = 0; i < KINDS; i++)
		if (!strcmp(all_kinds[i]->name, name) && run->kind_count < KINDS) {
			run->kinds[run->kind_count++] = all_kinds[i];
			return;
		}
	usage();
}

static unsigned bounded(const char *text, unsigned limit)
{
	unsigned value = (unsigned)strtoul(text, NULL, 0);

	if (!value || value > limit)
		usage();
	return value;
}

static void parse(struct run *run, int argc, char **argv)
{
	for (int i = 1; i < argc; i += 2) {
		if (i + 1 == argc)
			usage();
		if (!strcmp(argv[i], "--seed"))
			run->seed = (unsigned)strtoul(argv[i + 1], NULL, 0);
		else if (!strcmp(argv[i], "--seconds"))
			run->seconds = bounded(argv[i + 1], 1000000);
		else if (!strcmp(argv[i], "--workers"))
			run->workers = bounded(argv[i + 1], WORKERS_MAX);
		else if (!strcmp(argv[i], "--threads"))
			run->threads = bounded(argv[i + 1], STREAMS_MAX);
		else if (!strcmp(argv[i], "--uid"))
			run->uid = bounded(argv[i + 1], 65534);
		else if (!strcmp(argv[i], "--only"))
			add_kind(run, argv[i + 1]);
		else
			usage();
	}
	if (!run->kind_count) {
		memcpy(run->kinds, all_kinds, sizeof all_kinds);
		run->kind_count = KINDS;
	}
}

/* --- workers ---------------------------------------------------------------------------------------------- */

static uint64_t steps_of(const struct run *run, unsigned worker)
{
	uint64_t sum = 0;

	for (unsigned i = 0; i < run->threads; i++)
		sum += book->threads[worker][i].steps;
	return sum;
}

static void start(const struct run *run, unsigned worker)
{
	struct place *place = &places[worker];
	pid_t pid;

	fflush(stdout);
	pid = fork();
	if (pid == 0)
		worker_run(run, worker, place->incarnation);
	place->incarnation++;
	place->pid = pid > 0 ? pid : 0;
	place->started_ms = place->moved_ms = now_ms();
}

/* What its threads were about. */
static void tell_stall(const struct run *run, unsigned worker)
{
	printf("# stuck:");
	for (unsigned i = 0; i < run->threads; i++) {
		const struct kind *kind = worker_kind(run, worker, places[worker].incarnation - 1, i);
		uint64_t note = book->threads[worker][i].note;

		printf(" %s %#lx", kind->name, note);
		if (kind == &posix_kind)
			printf(" %s", system_call_name(note, &(unsigned){ 0 }));
		else if (kind == &proto_kind)
			printf(" %s", operation_name(note));
		printf(i + 1 < run->threads ? "," : "");
	}
	printf("\n");
}

static void watch(const struct run *run, unsigned worker)
{
	struct place *place = &places[worker];
	uint64_t steps = steps_of(run, worker), now = now_ms();

	if (steps != place->steps)
		place->moved_ms = now;
	place->steps = steps;
	if (!place->pid) {
		start(run, worker);
	} else if (now - place->moved_ms > PATIENCE_MS) {
		stalls++;
		tell_stall(run, worker);
		kill(place->pid, SIGKILL);
		place->moved_ms = now;
	} else if (now - place->started_ms > LIFE_MS) {
		kill(place->pid, SIGKILL);
	}
}

/* What everybody is doing while root's shell lets its answer wait, for the kernel's log: once for each question. */
static void look_why(void)
{
	static uint64_t told_ns;
	uint64_t asked = probe_book->asked_ns;
	int control;

	if (!asked || asked == told_ns || now_ms() - asked / 1000000 < PATIENCE_MS / 2)
		return;
	told_ns = asked;
	control = open("/proc/service_control", O_WRONLY);
	if (control >= 0 && write(control, "dump", 4) == 4)
		printf("# root's shell lets wait at %lu ms\n", now_ms());
	close(control);
}

static void reap(const struct run *run, pid_t probe)
{
	int status;
	pid_t pid;

	while ((pid = waitpid(-1, &status, WNOHANG)) > 0) {
		for (unsigned i = 0; i < run->workers; i++)
			if (places[i].pid == pid) {
				places[i].pid = 0;
				deaths++;
				endings[WIFSIGNALED(status) ? WTERMSIG(status) : 128 | WEXITSTATUS(status)]++;
			}
		if (pid == probe)
			probe_book->late = ~0ull >> 1;
	}
}

static void kill_all(unsigned uid)
{
	pid_t pid = fork();

	if (pid == 0) {
		if (getuid() == 0 && setuid(uid))
			_exit(1);
		kill(-1, SIGKILL);
		_exit(0);
	}
	while (waitpid(-1, NULL, 0) > 0 || errno == EINTR)
		;
}

/* Processes of the user, but for this one. */
static unsigned processes_of(unsigned uid)
{
	DIR *dir = opendir("/proc");
	struct dirent *entry;
	struct stat st;
	unsigned count = 0;

	while (dir && (entry = readdir(dir)))
		if (atoi(entry->d_name) > 0 && atoi(entry->d_name) != getpid() &&
		    !fstatat(dirfd(dir), entry->d_name, &st, 0))
			count += st.st_uid == uid;
	if (dir)
		closedir(dir);
	return count;
}

static int end_all(const struct run *run)
{
	for (unsigned i = 0; i < 50; i++) {
		kill_all(run->uid);
		if (!processes_of(run->uid))
			return 1;
		sleep_ms(100);
	}
	return 0;
}

static void make_directory(const char *path, unsigned uid)
{
	mkdir(path, 0755);
	(void)!chown(path, uid, uid);
}

static void make_secret(void)
{
	int fd = open(SECRET_FILE, O_WRONLY | O_CREAT | O_TRUNC, 0600);

	if (fd < 0 || write(fd, SECRET_TEXT, sizeof SECRET_TEXT) != sizeof SECRET_TEXT)
		exit(1);
	close(fd);
}

static int check(const char *name, int good, const char *why)
{
	printf(good ? "ok %s\n" : "not ok %s: %s\n", name, why);
	return !good;
}

static int report(const struct run *run, int ended)
{
	uint64_t count = probe_book->count;
	char text[160];
	int bad;

	printf("# %lu calls, %lu of them refused; %u workers died, %u of them stuck\n", book->answers,
	       book->refusals, deaths, stalls);
	for (unsigned i = 0; i < 256; i++)
		if (endings[i])
			printf("#   %u by %s %u\n", endings[i], i < 128 ? "signal" : "exit", i % 128);
	printf("# root's shell answered %lu times: %lu ms on average, %lu ms at worst, %lu times late\n",
	       count, count ? probe_book->total_ns / count / 1000000 : 0, probe_book->worst_ns / 1000000,
	       probe_book->late);
	snprintf(text, sizeof text, "%lu answers, %lu of them late", count, probe_book->late);
	bad = check("every process of the user could be killed", ended, "some are left");
	bad |= check("no worker has gained a right", book->gained != GAINED, "one has");
	bad |= check("every Linux call is described", !undescribed_call(), undescribed_call());
	bad |= check("calls were made", book->answers > run->seconds * 100ul, "hardly any");
	bad |= check("root's shell answers within a second", count && !probe_book->late, text);
	return bad;
}

static void *shared(size_t size)
{
	void *at = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);

	if (at == MAP_FAILED)
		exit(1);
	return at;
}

int main(int argc, char **argv)
{
	struct run run = { .seed = 20261123, .seconds = 10, .workers = 4, .threads = 3, .uid = 1000 };
	uint64_t end;
	pid_t probe;

	parse(&run, argc, argv);
	if (getuid())
		run.uid = getuid();
	book = shared(sizeof *book);
	probe_book = shared(sizeof *probe_book);
	printf("# fuzz --seed %u --seconds %u --workers %u --threads %u --uid %u\n", run.seed, run.seconds,
	       run.workers, run.threads, run.uid);
	make_directory("/home", 0);
	make_directory("/home/fuzz", run.uid);
	make_directory("/tmp/fuzz", run.uid);
	make_secret();
	record_messages(run.uid);
	printf("# %u messages of honest programs\n", recorded_count());
	fflush(stdout);
	probe = fork();
	if (probe == 0)
		probe_run();
	for (end = now_ms() + run.seconds * 1000ull; now_ms() < end; sleep_ms(10)) {
		for (unsigned i = 0; i < run.workers; i++)
			watch(&run, i);
		reap(&run, probe);
		look_why();
	}
	kill(probe, SIGKILL);
	probe_end();
	return report(&run, end_all(&run));
}
