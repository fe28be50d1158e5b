/* SPDX-License-Identifier: MIT */
/* What rs.crash and rs.services answer. */
#ifndef PROTO_RS_TYPES_H
#define PROTO_RS_TYPES_H

#include <abi/kcall.h>

#define CRASH_CALLS 8
#define CRASH_STACK 8192 /* from the stack pointer upwards */

/* What RS does after a death. */
enum crash_action {
	CRASH_RESTARTED,     /* with all that it has preserved */
	CRASH_STARTED_CLEAN, /* without: its open objects are lost */
	CRASH_GIVEN_UP,
};

/* A service's death as RS saw it. /proc/crashes gives these out one after the other. */
struct crash_report {
	uint64_t number;    /* counts from 1 since the boot */
	uint64_t time_ns;   /* monotonic */
	uint64_t uptime_ns; /* of the incarnation */
	uint32_t incarnation, crashes;
	uint32_t call_count, stack_length;
	struct thread_regs regs;           /* zero if the thread could not be stopped */
	char name[32], program[32];        /* of the service, and of its binary */
	char reason[80];                   /* what RS says of it */
	uint64_t action, delay_ns;         /* enum crash_action; how long it is not there */
	char script[64];                   /* of the manifest; "": none */
	struct ep_call calls[CRASH_CALLS]; /* what it was serving, oldest first, and what waited */
	uint8_t stack[CRASH_STACK];
};

/* rs.services: a service as it runs now. */
struct service_info {
	uint64_t number; /* BADGE_SERVICE | number is its badge; RS is 1 */
	char name[32];
	uint64_t user_ns, system_ns; /* of this incarnation, as is start_ns (monotonic) */
	uint64_t start_ns, incarnation;
	uint64_t priority, processor, state; /* enum thread_state */
	struct space_stat memory;
};

#endif
