/* SPDX-License-Identifier: MIT */
/* What the files of effects know of each other. */
#ifndef EFFECTS_EFFECTS_H
#define EFFECTS_EFFECTS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define WORKERS 3

/* One worker's account of itself, in memory shared with its parent: no service is between them. */
struct account {
	uint64_t rounds;
	uint64_t longest_us; /* that one operation has taken */
	char longest[32];    /* which */
	bool failed;
	char failure[160]; /* what the first wrong answer was */
};

/* work.c: rounds of operations in a directory of its own, each of which has to happen once and be reported so. */
struct work;
struct work *work_begin(const char *directory, struct account *account);
bool work_round(struct work *work); /* false: something was lost, and the account says what */
bool work_end(struct work *work);   /* looks at all that was written, and clears up */

/* cells.c: what RS shows of a service; -1: not there. */
long restarts_of(const char *name);
bool control(const char *line);

#endif
