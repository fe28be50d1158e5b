/* SPDX-License-Identifier: MIT */
/* Types that kernel, servers and libposix agree on. */
#ifndef ABI_TYPES_H
#define ABI_TYPES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define ANOLE_PAGE_SHIFT 12
#define ANOLE_PAGE_SIZE 4096ul

/*
 * A capability handle, always relative to the calling thread. Handles below
 * CAP_PRIVATE are slots of the descriptor table (they are POSIX file
 * descriptors); handles with the CAP_PRIVATE bit are slots of the private
 * table. Negative values are the fixed names below, or absent (CAP_NONE).
 */
typedef int32_t cap_t;

#define CAP_PRIVATE 0x40000000
#define CAP_NONE (-1)
#define CAP_SELF_SPACE (-2)  /* the caller's own address space */
#define CAP_SELF_THREAD (-3) /* the calling thread */

/* Rights of a capability; a copy may only drop some. */
#define CAP_R 0x1u       /* map or read memory; wait on a notification */
#define CAP_W 0x2u       /* map for writing; signal a notification */
#define CAP_X 0x4u       /* map executable */
#define CAP_CONTROL 0x8u /* change or destroy the object itself */
#define CAP_ALL 0xfu

/* What a slot holds, as cap_type() answers. */
enum cap_type {
	CAPT_NONE = 0,
	CAPT_SPACE,
	CAPT_TABLE,
	CAPT_THREAD,
	CAPT_ENDPOINT, /* the receive right */
	CAPT_BADGE,    /* a send right: endpoint plus badge */
	CAPT_CALL,     /* call object for asynchronous calls */
	CAPT_NOTIFY,
	CAPT_WATCH,
	CAPT_MEMORY,
	CAPT_IRQ,
	CAPT_PORTS,
	CAPT_QUOTA,
	CAPT_ROOT,  /* may make physical memory, interrupts, port ranges, set clock, reset */
	CAPT_TRACE, /* may see every message: trace_control, trace_read */
	CAPT_TYPES,
};

/*
 * Stamps name callers; the kernel delivers them with each message. A process's
 * stamp is (generation << STAMP_SLOT_BITS | process-table slot), set by PM and
 * never reused. Stamps with STAMP_SERVICE set are services, set by RS: the low
 * bits are the service's number.
 */
#define STAMP_SLOT_BITS 16
#define STAMP_SLOT_MASK 0xffffull
#define STAMP_SERVICE (1ull << 63)

#endif
