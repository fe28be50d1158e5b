/* SPDX-License-Identifier: MIT */
/* What a worker says of itself. */
#include "effects.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

uint64_t now_us(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000000 + (uint64_t)now.tv_nsec / 1000;
}

bool done(struct account *a, const char *what, bool good)
{
	uint64_t took = now_us() - a->began_us;

	if (took > a->longest_us) {
		a->longest_us = took;
		snprintf(a->longest, sizeof a->longest, "%s", what);
	}
	return done_by_host(a, what, good);
}

bool done_by_host(struct account *a, const char *what, bool good)
{
	int error = errno;

	snprintf(a->last, sizeof a->last, "%s", what);
	if (!good && !a->failed) {
		snprintf(a->failure, sizeof a->failure, "%s: %s, in round %lu", what, strerror(error),
			 (unsigned long)a->rounds);
		a->failed = true;
	}
	a->began_us = now_us();
	errno = 0;
	return good;
}

void fill(char *record, size_t size, uint64_t number)
{
	size_t length = (size_t)snprintf(record, size, "%lu:", (unsigned long)number);

	for (size_t i = length; i < size - 1; i++)
		record[i] = (char)('a' + (number * 7 + i) % 26);
	record[size - 1] = '\n';
}
