/* SPDX-License-Identifier: MIT */
/*
 * The boot archive's parser on damaged archives, the log's formats, and timers
 * against a model.
 *
 * SOURCES: kernel/core/archive.c kernel/core/format.c kernel/core/timer.c
 */
#include <asm/prctl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "arch/arch.h"
#include "core/boot.h"
#include "core/cpu.h"
#include "core/format.h"
#include "core/timer.h"

#define CHECK(condition) check(condition, #condition, __LINE__)
#define TIMERS 200

static unsigned failures;
static struct cpu cpu;

static void check(bool good, const char *what, int line)
{
	if (!good && failures++ < 5)
		printf("line %d: %s\n", line, what);
}

/* --- the archive ---------------------------------------------------------------------- */

static size_t add_file(char *archive, size_t at, const char *name, const char *content)
{
	size_t length = strlen(content), name_size = strlen(name) + 1;

	at += (size_t)sprintf(archive + at, "070701%08x%08x%08x%08x%08x%08x%08zx%08x%08x%08x%08x%08zx%08x", 1,
			      0, 0, 0, 1, 0, length, 0, 0, 0, 0, name_size, 0);
	memcpy(archive + at, name, name_size);
	at = (at + name_size + 3) & ~3ul;
	memcpy(archive + at, content, length);
	return (at + length + 3) & ~3ul;
}

static size_t make_archive(char *archive)
{
	size_t at = add_file(archive, 0, "./first", "one");

	at = add_file(archive, at, "rs", "the program");
	at = add_file(archive, at, "rsx", "not the program");
	return add_file(archive, at, "TRAILER!!!", "");
}

static void archive_finds(const char *archive, size_t size)
{
	size_t length = 0;
	const char *file = archive_find(archive, size, "rs", &length);

	CHECK(file && length == 11 && !memcmp(file, "the program", 11));
	file = archive_find(archive, size, "first", &length);
	CHECK(file && length == 3);
	CHECK(!archive_find(archive, size, "r", &length));
	CHECK(!archive_find(archive, size, "absent", &length));
	CHECK(!archive_find(archive, 0, "rs", &length));
}

/* Whatever is answered lies inside; the sanitizer sees reads beyond the exact copy. */
static void archive_damaged(const char *archive, size_t size)
{
	for (int i = 0; i < 20000; i++) {
		size_t cut = (size_t)rand() % (size + 1), length = 0;
		char *copy = malloc(cut + 1);
		const char *file;

		memcpy(copy, archive, cut);
		for (int n = rand() % 4; n > 0 && cut; n--)
			copy[(size_t)rand() % cut] = (char)"0f7 \0zF\xff"[rand() % 8];
		copy = realloc(copy, cut ? cut : 1);
		file = archive_find(copy, cut, "rs", &length);
		CHECK(!file || (file >= copy && file + length <= copy + cut));
		free(copy);
	}
}

static void test_archive(void)
{
	static char archive[4096];
	size_t size = make_archive(archive);

	archive_finds(archive, size);
	archive_damaged(archive, size);
}

/* --- formats ---------------------------------------------------------------------------- */

static void test_format(void)
{
	char text[64];

	format_text(text, sizeof(text), "%s|%5d|%05u|%x|%lx|%c|%%|%3s", "a", -7, 42u, 0xbeefu,
		    0x123456789abcul, 'z', "b");
	CHECK(!strcmp(text, "a|   -7|00042|beef|123456789abc|z|%|  b"));
	format_text(text, 4, "%ld", -123456l);
	CHECK(!strcmp(text, "-12"));
	format_text(text, sizeof(text), "%lu", UINT64_MAX);
	CHECK(!strcmp(text, "18446744073709551615"));
}

/* --- timers -------------------------------------------------------------------------------- */

static struct timer timers[TIMERS];
static bool armed[TIMERS];
static uint64_t now, programmed = UINT64_MAX;

void arch_timer_set(uint64_t deadline)
{
	programmed = deadline;
}

void thread_timeout(struct thread *thread)
{
	(void)thread;
	CHECK(false);
}

static uint64_t random_delay(void)
{
	return ((uint64_t)rand() << 31 | (uint64_t)rand()) >> (rand() % 44 + 18);
}

static void fired(struct timer *timer)
{
	size_t i = (size_t)(timer - timers);

	CHECK(armed[i] && timer->deadline <= now && !timer_armed(timer));
	armed[i] = rand() % 4 == 0;
	if (armed[i])
		timer_set(timer, now + random_delay(), fired);
}

static uint64_t earliest(void)
{
	uint64_t first = UINT64_MAX;

	for (int i = 0; i < TIMERS; i++)
		if (armed[i] && timers[i].deadline < first)
			first = timers[i].deadline;
	return first;
}

static void timer_step(void)
{
	int i = rand() % TIMERS;

	if (rand() % 3) {
		armed[i] = true;
		timer_set(&timers[i], now + random_delay(), fired);
	} else {
		armed[i] = false;
		timer_cancel(&timers[i]);
	}
	/* Whatever is programmed comes no later than the first deadline. */
	CHECK(programmed <= earliest());
	CHECK(timers_next() <= earliest());
	if (rand() % 2)
		return;
	now = rand() % 2 && programmed != UINT64_MAX && programmed > now ? programmed : now + random_delay();
	programmed = cpu.timer_deadline = UINT64_MAX;
	timers_run(now);
	for (i = 0; i < TIMERS; i++)
		CHECK(!armed[i] || timers[i].deadline > now || timer_armed(&timers[i]));
	CHECK(earliest() > now || programmed <= now);
}

static void test_timers(void)
{
	cpu.self = &cpu;
	cpu.timer_deadline = UINT64_MAX;
	syscall(SYS_arch_prctl, ARCH_SET_GS, &cpu);
	timers_init();
	for (int i = 0; i < 20000; i++)
		timer_step();
}

int main(void)
{
	srand(1);
	test_archive();
	test_format();
	test_timers();
	printf("%s\n", failures ? "failed" : "passed");
	return failures != 0;
}
