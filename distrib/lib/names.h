/* SPDX-License-Identifier: MIT */
/* Names of what travels between processes, from the protocols' definitions. */
#ifndef DISTRIB_LIB_NAMES_H
#define DISTRIB_LIB_NAMES_H

#include <stdint.h>
#include <stdio.h>

/* "file.read"; of an unknown one the numbers. Valid until the next call. */
const char *operation_name(uint64_t op);
const char *system_call_name(uint64_t number, unsigned *arguments);
/* The fields of a request or an answer as text: "offset=0 flags=0x8000". `words`: IPC_ALL_WORDS. */
void put_fields(FILE *out, uint64_t op, int of_answer, const uint64_t *words);

#endif
