/* SPDX-License-Identifier: MIT */
/* TEST: timeout=180 stock */
/* Every Linux system call, and numbers that are none, with wild arguments, from a process without privileges. */
#define _GNU_SOURCE
#include <sys/syscall.h>

#include "hostile.h"

#define NUMBERS 501
#define ROUNDS 20

/* Not through libc, which would look at what vfork and clone answer. */
static long system_call(long number, const uint64_t a[6])
{
	register uint64_t r10 __asm__("r10") = a[3];
	register uint64_t r8 __asm__("r8") = a[4];
	register uint64_t r9 __asm__("r9") = a[5];
	long answer;

	__asm__ volatile("syscall"
			 : "=a"(answer)
			 : "a"(number), "D"(a[0]), "S"(a[1]), "d"(a[2]), "r"(r10), "r"(r8), "r"(r9)
			 : "rcx", "r11", "memory");
	return answer;
}

static int sample[4];

/* Sleeping without end is what was asked for. */
static int anything(uint64_t note)
{
	(void)note;
	return 1;
}

static void prepare(void)
{
	int null = open("/dev/null", O_RDWR);

	sample[0] = open("/tmp/hostile.sample", O_CREAT | O_RDWR, 0600);
	sample[1] = open("/tmp", O_RDONLY | O_DIRECTORY);
	NEED(pipe(sample + 2) == 0 && chdir("/") == 0);
	for (int fd = 0; fd < 3; fd++)
		dup2(null, fd);
}

/* What waits in a child that a wild clone has made must not run the campaign once more. */
static void leave_if_child(pid_t pid)
{
	static const uint64_t none[6];

	if (system_call(SYS_getpid, none) != pid)
		system_call(SYS_exit_group, none);
}

static const char *const paths[] = {
	"/",         ".",          "..",           "",        "/tmp", "/tmp/hostile.sample",
	"/dev/null", "/proc/self", "no/such/file", "/bin/sh",
};

/* Structures with wild fields, lists of good and bad pointers, paths. */
static void fill_buffer(void)
{
	uint64_t *words = (uint64_t *)hostile_buffer;

	for (unsigned i = 0; i < 64; i++)
		words[i] = random_argument();
	if (random_below(2))
		strcpy(hostile_buffer, paths[random_below(sizeof paths / sizeof *paths)]);
	if (random_below(64) == 0)
		memset(hostile_buffer, 'x', HOSTILE_BUFFER);
}

static void attack(unsigned step)
{
	static const uint64_t none[6];
	pid_t pid = (pid_t)system_call(SYS_getpid, none);
	long number = step % NUMBERS;
	uint64_t arguments[6];

	if (number == SYS_exit || number == SYS_exit_group)
		return;
	progress->note = (uint64_t)number;
	fill_buffer();
	for (unsigned i = 0; i < 6; i++)
		arguments[i] = random_argument();
	count_answer(system_call(number, arguments));
	leave_if_child(pid);
}

static const struct campaign everything = { "system calls", NUMBERS *ROUNDS, 60, prepare, attack, anything };

/* A good descriptor or path first, so that the calls get further. */
static void attack_further(unsigned step)
{
	static const uint64_t none[6];
	pid_t pid = (pid_t)system_call(SYS_getpid, none);
	long number = step % NUMBERS;
	uint64_t arguments[6];

	if (number == SYS_exit || number == SYS_exit_group)
		return;
	progress->note = (uint64_t)number;
	fill_buffer();
	for (unsigned i = 0; i < 6; i++)
		arguments[i] = random_below(2) ? (uint64_t)(uintptr_t)hostile_buffer : random_argument();
	arguments[0] = (uint64_t)sample[random_below(4)];
	if (random_below(3) == 0)
		arguments[0] = (uint64_t)(uintptr_t)paths[random_below(sizeof paths / sizeof *paths)];
	count_answer(system_call(number, arguments));
	leave_if_child(pid);
}

static const struct campaign further = {
	"system calls on good files", NUMBERS *ROUNDS, 60, prepare, attack_further, anything
};

int main(void)
{
	hostile_setup();
	services_now(services_before);
	campaign_run(&everything);
	check_system("system calls");
	campaign_run(&further);
	check_system("system calls on good files");
	unlink("/tmp/hostile.sample");
	return check_result();
}
