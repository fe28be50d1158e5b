/* SPDX-License-Identifier: MIT */
/* Reading as fast as it comes while a service dies. */
#define _GNU_SOURCE
#include "crowd.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define DEATHS 5u /* at least */

static uint8_t buffer[65536];

static uint64_t now(void)
{
	struct timespec time;

	clock_gettime(CLOCK_MONOTONIC, &time);
	return (uint64_t)time.tv_sec * 1000000000u + (uint64_t)time.tv_nsec;
}

static void kill_service(const char *service)
{
	char line[64];
	int length = snprintf(line, sizeof(line), "kill %s\n", service);
	int fd = open("/proc/service_control", O_WRONLY | O_CLOEXEC);

	if (fd < 0 || write(fd, line, (size_t)length) != length)
		fail("cannot kill", 0);
	close(fd);
}

static uint64_t wanted[DRAIN_WORDS];

static void check(const uint8_t *bytes, size_t length, uint64_t at)
{
	while (length) {
		size_t from = at % sizeof(wanted), part = sizeof(wanted) - from;

		if (part > length)
			part = length;
		if (memcmp(bytes, (const uint8_t *)wanted + from, part))
			fail("wrong bytes", (long)at);
		bytes += part;
		at += part;
		length -= part;
	}
}

/* What was read in spans of one kind. */
struct spans {
	uint64_t bytes, ns, best;
	unsigned count;
};

static void add(struct spans *spans, uint64_t bytes, uint64_t ns)
{
	uint64_t rate = bytes * 1000000 / (ns / 1000 + 1);

	spans->bytes += bytes;
	spans->ns += ns;
	spans->count++;
	if (rate > spans->best)
		spans->best = rate;
}

static void report(const char *how, const struct spans *spans)
{
	printf("%s: best %llu all %llu bytes/s in %u spans\n", how, (unsigned long long)spans->best,
	       (unsigned long long)(spans->bytes * 1000000 / (spans->ns / 1000 + 1)), spans->count);
}

int drain(const struct sockaddr_in *from, uint64_t bytes, const char *service, uint64_t ms)
{
	int fd = connection_to(from, 0);
	struct spans spans[2] = {};
	uint64_t done = 0, in_span = 0, begun = now();
	unsigned dying = 0;

	for (uint64_t i = 0; i < DRAIN_WORDS; i++)
		wanted[i] = i * DRAIN_FACTOR;
	while (done < bytes || spans[1].count < DEATHS) {
		ssize_t part = recv(fd, buffer, sizeof(buffer), 0);
		uint64_t time;

		if (part <= 0)
			fail(part ? "recv" : "it has been ended", (long)done);
		check(buffer, (size_t)part, done);
		done += (uint64_t)part;
		in_span += (uint64_t)part;
		time = now() - begun;
		if (time < ms * 1000000)
			continue;
		add(&spans[dying], in_span, time);
		dying = !dying;
		in_span = 0;
		begun = now();
		if (dying)
			kill_service(service);
	}
	report("without", &spans[0]);
	report("with", &spans[1]);
	printf("drained %llu\n", (unsigned long long)done);
	return 0;
}
