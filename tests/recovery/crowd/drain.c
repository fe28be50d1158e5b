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

static void check(const uint8_t *bytes, size_t length, uint64_t at)
{
	for (size_t i = 0; i < length; i++, at++)
		if (bytes[i] != (uint8_t)(at / 8 * DRAIN_FACTOR >> at % 8 * 8))
			fail("a wrong byte", (long)at);
}

static void report(const char *how, uint64_t bytes, uint64_t ns, unsigned spans)
{
	printf("%s: %llu KiB/s in %u spans\n", how,
	       (unsigned long long)(ns ? bytes * 1000000 / 1024 * 1000 / ns : 0), spans);
}

int drain(const struct sockaddr_in *from, uint64_t bytes, const char *service, int seconds)
{
	int fd = connection_to(from, 0);
	uint64_t read[2] = {}, spent[2] = {}, best[2] = {}, done = 0, begun, in_span = 0;
	unsigned spans[2] = {}, dying = 0;
	ssize_t part;

	begun = now();
	while (done < bytes) {
		uint64_t time;

		part = recv(fd, buffer, sizeof(buffer), 0);
		if (part <= 0)
			fail(part ? "recv" : "it has been ended", (long)done);
		check(buffer, (size_t)part, done);
		done += (uint64_t)part;
		in_span += (uint64_t)part;
		time = now() - begun;
		if (time < (uint64_t)seconds * 1000000000u)
			continue;
		read[dying] += in_span;
		spent[dying] += time;
		spans[dying]++;
		if (in_span * 1000000000 / time > best[dying])
			best[dying] = in_span * 1000000000 / time;
		dying = !dying;
		in_span = 0;
		begun = now();
		if (dying)
			kill_service(service);
	}
	report("without", read[0], spent[0], spans[0]);
	report("with", read[1], spent[1], spans[1]);
	printf("best %llu and %llu bytes/s\n", (unsigned long long)best[0], (unsigned long long)best[1]);
	printf("drained %llu\n", (unsigned long long)done);
	return 0;
}
