/* SPDX-License-Identifier: MIT */
/* What the files of effects know of each other. */
#ifndef EFFECTS_EFFECTS_H
#define EFFECTS_EFFECTS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* One worker's account of itself, in memory shared with its parent: no service is between them. */
struct account {
	uint64_t rounds;
	uint64_t began_us;   /* of the operation that goes on */
	uint64_t longest_us; /* that one operation has taken */
	char longest[32];    /* which */
	char last[32];       /* that has ended */
	bool failed;
	char failure[160]; /* what the first wrong answer was */
};

uint64_t now_us(void);

/*
 * The end of an operation; the next one begins. errno counts for the message only where the operation failed. Answers
 * `good`.
 */
bool done(struct account *account, const char *what, bool good);
/* The same for what waits for the build machine: how long is not counted. */
bool done_by_host(struct account *account, const char *what, bool good);

/* A file's or a message's contents, which tell what number they have. */
void fill(char *record, size_t size, uint64_t number);

/* Rounds of operations in a directory of its own, each of which has to happen once and be reported so. */
struct worker {
	void *(*begin)(const char *directory, struct account *account); /* NULL: the account says why */
	bool (*round)(void *work);                                      /* false: something was lost */
	bool (*end)(void *work); /* looks at all that was written, and clears up */
};

extern const struct worker mixed_worker;    /* work.c: a little of everything */
extern const struct worker pipeline_worker; /* pipeline.c: processes with pipes between them */
extern const struct worker files_worker;    /* files.c: files written, looked at, renamed and removed */
extern const struct worker shell_worker;    /* shell.c: an interactive shell on a terminal */

/* others.c: what hardly anything else uses: devices, the network, a folder of the host. */
struct others;
struct others *others_begin(struct account *account);
bool others_round(struct others *others, uint64_t number);
bool others_end(struct others *others);

/* main.c: what RS shows of a service; -1: not there. */
long restarts_of(const char *name);
bool control(const char *line);

int cost(const char *service, unsigned count);

#endif
