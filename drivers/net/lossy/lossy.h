/* SPDX-License-Identifier: MIT */
/* The two halves: packets on their way, and the file that says what is to become of them. */
#ifndef LOSSY_LOSSY_H
#define LOSSY_LOSSY_H

#include <proto/file.h>
#include <sys/server.h>

#include "schedule.h"

struct lossy_counts {
	uint64_t packets[LOSSY_WAYS], accidents[LOSSY_ACCIDENTS];
};

/* packets.c, changed by control.c */
extern struct schedule schedule;
extern struct lossy_counts counts;

/* control.c: /dev/lossy */
long control_dispatch(struct request *rq);
void control_release(uint64_t badge);

#endif
