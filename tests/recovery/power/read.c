/* SPDX-License-Identifier: MIT */
/*
 * power read FILE SERVICE SECONDS: FILE, which is larger than the cache, is read from one end to the other, over and
 * over. In every other second SERVICE is killed. Prints, for the seconds without and those with a kill, the bytes of the
 * best one and of the median one, and the longest that one read took in the median one.
 */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "power.h"

#define SECONDS_MAX 200

static unsigned long bytes[2][SECONDS_MAX], pauses[2][SECONDS_MAX]; /* without, with a kill */

static unsigned long slowest; /* of the last second's reads, in us */

static unsigned long now_us(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (unsigned long)t.tv_sec * 1000000 + (unsigned long)t.tv_nsec / 1000;
}

static void kill_service(const char *service)
{
	char command[64];
	int fd = open("/proc/service_control", O_WRONLY), length;

	length = snprintf(command, sizeof command, "kill %s\n", service);
	check(fd >= 0 && write(fd, command, (size_t)length) == length, "/proc/service_control");
	close(fd);
}

static unsigned long read_for(int fd, unsigned long ms)
{
	static char buffer[65536];
	unsigned long end = now_us() + ms * 1000, total = 0;

	slowest = 0;
	while (now_us() < end) {
		unsigned long began = now_us();
		ssize_t n = read(fd, buffer, sizeof buffer);
		unsigned long took = now_us() - began;

		slowest = took > slowest ? took : slowest;

		check(n >= 0, "read");
		if (n == 0)
			check(lseek(fd, 0, SEEK_SET) == 0, "lseek");
		total += (unsigned long)n;
	}
	return total;
}

static int ascending(const void *a, const void *b)
{
	unsigned long x = *(const unsigned long *)a, y = *(const unsigned long *)b;

	return x < y ? -1 : x > y;
}

static void tell(const char *what, unsigned kind, unsigned count)
{
	qsort(bytes[kind], count, sizeof bytes[kind][0], ascending);
	qsort(pauses[kind], count, sizeof pauses[kind][0], ascending);
	printf("%s: best %lu median %lu pause %lu us\n", what, bytes[kind][count - 1], bytes[kind][count / 2],
	       pauses[kind][count / 2]);
}

int read_under_kills(const char *file, const char *service, unsigned seconds)
{
	int fd = open(file, O_RDONLY);

	check(fd >= 0, file);
	seconds = seconds < SECONDS_MAX ? seconds : SECONDS_MAX;
	read_for(fd, 1000);
	for (unsigned i = 0; i < seconds; i++) {
		if (i % 2)
			kill_service(service);
		bytes[i % 2][i / 2] = read_for(fd, 1000);
		pauses[i % 2][i / 2] = slowest;
	}
	tell("without", 0, (seconds + 1) / 2);
	tell("with", 1, seconds / 2);
	return 0;
}
