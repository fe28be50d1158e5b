/* SPDX-License-Identifier: MIT */
/* For lwIP, which includes the C library's. */
#include <stddef.h>

int atoi(const char *text);
