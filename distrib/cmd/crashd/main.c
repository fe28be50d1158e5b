/* SPDX-License-Identifier: MIT */
/*
 * crashd: waits for services to die and leaves /var/log/crash/NAME.N, the newest ten of each. init starts it again if
 * it ends. Which reports have been written stands in /run, which is as old as the boot. If the service's manifest names a
 * script, it is run with the service's name, what was done (restarted, clean, failed), the number of the death in
 * succession and the path of the report.
 */
#include "crashd.h"

#include <ctype.h>
#include <dirent.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define SOURCE "/proc/crashes"
#define DIRECTORY "/var/log/crash"
#define WRITTEN "/run/crashd"
#define KEPT 10
#define PATH_LENGTH 128

static uint64_t written(void)
{
	FILE *file = fopen(WRITTEN, "r");
	uint64_t number = 0;

	if (!file)
		return 0;
	if (fscanf(file, "%lu", &number) != 1)
		number = 0;
	fclose(file);
	return number;
}

static void remember(uint64_t number)
{
	FILE *file = fopen(WRITTEN, "w");

	if (!file)
		return;
	fprintf(file, "%lu\n", number);
	fclose(file);
}

/* N of a file NAME.N, or -1. */
static long number_of(const char *file, const char *name)
{
	size_t length = strlen(name);
	char *end;
	long n;

	if (strncmp(file, name, length) || file[length] != '.' || !isdigit((unsigned char)file[length + 1]))
		return -1;
	n = strtol(file + length + 1, &end, 10);
	return *end ? -1 : n;
}

static long highest(const char *name)
{
	DIR *directory = opendir(DIRECTORY);
	struct dirent *entry;
	long found = -1;

	while (directory && (entry = readdir(directory)))
		if (number_of(entry->d_name, name) > found)
			found = number_of(entry->d_name, name);
	if (directory)
		closedir(directory);
	return found;
}

/* The numbers of a service go on; only the last ones are there. */
static FILE *create(const char *name, char path[PATH_LENGTH])
{
	long n = highest(name) + 1;

	if (n >= KEPT) {
		snprintf(path, PATH_LENGTH, DIRECTORY "/%s.%ld", name, n - KEPT);
		unlink(path);
	}
	snprintf(path, PATH_LENGTH, DIRECTORY "/%s.%ld", name, n);
	return fopen(path, "w");
}

static const char *action_name(uint64_t action)
{
	switch (action) {
	case CRASH_RESTARTED: return "restarted";
	case CRASH_STARTED_CLEAN: return "clean";
	}
	return "failed";
}

/* It may take its time: nobody waits for it. */
static void run_script(const struct crash_report *report, const char *path)
{
	char crashes[16];

	snprintf(crashes, sizeof crashes, "%u", report->crashes);
	signal(SIGCHLD, SIG_IGN);
	if (fork())
		return;
	signal(SIGCHLD, SIG_DFL);
	execl(report->script, report->script, report->name, action_name(report->action), crashes, path, NULL);
	_exit(127);
}

static void keep(const struct crash_report *report)
{
	char path[PATH_LENGTH];
	FILE *file;

	symbols_load(report->program);
	file = strchr(report->name, '/') ? NULL : create(report->name, path);
	if (!file)
		return;
	report_write(file, report);
	fflush(file);
	fsync(fileno(file));
	fclose(file);
	remember(report->number);
	if (report->script[0])
		run_script(report, path);
}

int main(void)
{
	static struct crash_report report;
	uint64_t last = written();
	int file;

	mkdir("/var/log", 0755);
	mkdir(DIRECTORY, 0700);
	file = open(SOURCE, O_RDONLY | O_CLOEXEC);
	if (file < 0) {
		perror("crashd: " SOURCE);
		sleep(10);
		return 1;
	}
	while (read(file, &report, sizeof report) == sizeof report) {
		report.name[sizeof report.name - 1] = report.program[sizeof report.program - 1] = 0;
		report.reason[sizeof report.reason - 1] = report.script[sizeof report.script - 1] = 0;
		if (report.number > last)
			keep(&report);
	}
	sleep(1); /* not again and again, whatever is wrong */
	return 1;
}
