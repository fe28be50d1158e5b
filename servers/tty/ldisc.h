/* SPDX-License-Identifier: MIT */
/*
 * The line discipline: what turns typed bytes into lines, echo and signals, and program output
 * into terminal output. It knows no IPC and runs in host tests; termios(3) and POSIX.1-2017 chapter 11 are the
 * specification, Linux the arbiter.
 */
#ifndef TTY_LDISC_H
#define TTY_LDISC_H

#include <stdbool.h>
#include <stddef.h>

#include "termios.h"

#define LDISC_INPUT 4096u
#define LDISC_OUTPUT 8192u

/* An input cell: the byte and what it ends. */
#define CELL_END 0x100u /* the last of a line */
#define CELL_EOF 0x200u /* end of file: ends a line, is no byte */
#define CELL_BYTE 0xffu

struct ldisc {
	struct termios termios;
	uint16_t input[LDISC_INPUT]; /* ring */
	uint32_t input_head, input_used;
	uint32_t lines;               /* complete ones in the ring */
	uint32_t line_length;         /* cells of the unfinished line at the end of the ring */
	uint8_t output[LDISC_OUTPUT]; /* ring */
	uint32_t output_head, output_used;
	uint32_t column;
	bool stopped; /* by VSTOP */
	bool literal; /* the next byte is taken as it is (VLNEXT) */
};

void ldisc_reset(struct ldisc *l);

/* A byte has come from the line. Answers the signal that it means (SIGINT, SIGQUIT, SIGTSTP), or 0. */
int ldisc_input(struct ldisc *l, uint8_t byte);
/* How many bytes may come without one being lost that a reader would make room for: in canonical mode a line that
 * is too long loses its end. */
uint32_t ldisc_input_room(const struct ldisc *l);
/* Bytes that a read would get now, in canonical mode of the first line. */
uint32_t ldisc_readable(const struct ldisc *l);
/* Whether a read can answer: data, or an end of file. min as VMIN (at least 1). */
bool ldisc_ready(const struct ldisc *l, uint32_t min);
/* Copy up to `size` input bytes out without taking them; *cells: how many cells they and their
 * line end are, for ldisc_take. */
size_t ldisc_peek(const struct ldisc *l, uint8_t *to, size_t size, uint32_t *cells);
void ldisc_take(struct ldisc *l, uint32_t cells);

/* Program output: answers how many bytes were accepted (fewer if the output ring is full). */
size_t ldisc_write(struct ldisc *l, const uint8_t *from, size_t length);
/* The next contiguous piece to send; ldisc_sent takes it. NULL while stopped or empty. */
const uint8_t *ldisc_output_piece(const struct ldisc *l, uint32_t *length);
void ldisc_sent(struct ldisc *l, uint32_t length);

void ldisc_flush_input(struct ldisc *l);
void ldisc_flush_output(struct ldisc *l);
/* New settings: leaving canonical mode makes what was typed readable. */
void ldisc_set(struct ldisc *l, const struct termios *termios);

#endif
