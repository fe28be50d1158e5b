/* SPDX-License-Identifier: MIT */
/* What the parts of `power` share. */
#ifndef RECOVERY_POWER_H
#define RECOVERY_POWER_H

#include <stdbool.h>

/* Ends the program, with errno, unless it is good. */
void check(bool good, const char *what);
int read_under_kills(const char *file, const char *service, unsigned seconds);

#endif
