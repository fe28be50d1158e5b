/* SPDX-License-Identifier: MIT */
/* Which packet meets with which accident. No IPC. */
#ifndef LOSSY_SCHEDULE_H
#define LOSSY_SCHEDULE_H

#include <stdbool.h>
#include <stdint.h>

#define RULES_MAX 16u
#define SCHEDULE_TEXT 1024u

enum way { LOSSY_SEND, LOSSY_RECEIVE, LOSSY_WAYS };
enum accident { LOSSY_NONE, LOSSY_DROP, LOSSY_DUPLICATE, LOSSY_REORDER, LOSSY_DELAY, LOSSY_ACCIDENTS };

struct rule {
	unsigned ways; /* a bit for each enum way */
	enum accident accident;
	uint64_t chance, least, times, ms, struck;
};

struct schedule {
	uint64_t seed, number;
	unsigned rules_count;
	struct rule rules[RULES_MAX];
};

/* Reads the text, which ends with a NUL; false if it is no schedule. Rules that make no sense are left out. */
bool schedule_parse(struct schedule *schedule, const char *text);
/* The rule that the next packet of so many bytes is struck by, or NULL. */
const struct rule *schedule_next(struct schedule *schedule, enum way way, uint32_t length);

#endif
