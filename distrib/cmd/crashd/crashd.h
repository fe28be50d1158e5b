/* SPDX-License-Identifier: MIT */
/* crashd: what its files know of each other. */
#ifndef CRASHD_CRASHD_H
#define CRASHD_CRASHD_H

#include <abi/startup.h>
#include <proto/rs_types.h>
#include <stdio.h>

/* symbols.c: the functions and frames of one service at a time (mk/frames.awk makes the files). */
void symbols_load(const char *program);
/* "name+0x12", or the number alone. Valid until the next call. */
const char *symbol_name(uint64_t address);
/* Follow one frame: changes pc, sp and bp to the caller's. 0 at the end, or where nothing is known. */
struct frame {
	uint64_t pc, sp, bp;
};
int frame_up(struct frame *frame, const struct crash_report *report);

/* report.c */
void report_write(FILE *out, const struct crash_report *report);

#endif
