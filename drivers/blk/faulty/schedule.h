/* SPDX-License-Identifier: MIT */
/* Which request is struck by which fault. No IPC. */
#ifndef FAULTY_SCHEDULE_H
#define FAULTY_SCHEDULE_H

#include <stdbool.h>
#include <stdint.h>

#define RULES_MAX 16u

enum fault { FAULTY_NONE, FAULTY_ERROR, FAULTY_SHORT, FAULTY_TORN, FAULTY_LOSE, FAULTY_DELAY };

struct rule {
	unsigned kinds; /* a bit for each enum blk_kind */
	enum fault fault;
	uint64_t chance, first, count, times, struck;
};

struct schedule {
	uint64_t seed, number;
	unsigned rules_count;
	struct rule rules[RULES_MAX];
};

/* Reads the text, which ends with a NUL; false if it is no schedule. Rules that make no sense are left out. */
bool schedule_parse(struct schedule *schedule, const char *text);
/* What is to become of the next request. */
enum fault schedule_next(struct schedule *schedule, unsigned kind, uint64_t sector, uint64_t sectors);

#endif
