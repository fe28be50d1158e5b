/* SPDX-License-Identifier: MIT */
/* What the schedules of fault-injecting drivers are read with, and how their rules choose. No IPC. */
#ifndef LIB_DRV_RULES_H
#define LIB_DRV_RULES_H

#include <stdbool.h>
#include <stdint.h>

#define RULES_WORD 16u

/* The next word of the line, cut to its buffer, "" at the line's end; answers where it ends. */
const char *rules_word(const char *at, char out[RULES_WORD]);
/* The same for a number; what is none is 0. */
const char *rules_number(const char *at, uint64_t *out);
/* Which of the names it is; `count`: none. */
unsigned rules_place(const char *const *names, unsigned count, const char *name);
/* A schedule: "NAME SEED", and a rule on each further line, for as long as `add` has room; false if it is not NAME's. */
bool rules_read(const char *text, const char *name, uint64_t *seed, void *schedule,
		bool (*add)(void *schedule, const char *line));
/* Whether event `number` is one of those that a rule strikes, which are one in `chance`; the same in every run. */
int rules_strike(uint64_t seed, uint64_t number, uint64_t chance);

#endif
