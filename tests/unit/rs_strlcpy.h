/* SPDX-License-Identifier: MIT */
/* What lib/util has and the build machine's C library may not have. */
#ifndef TESTS_RS_STRLCPY_H
#define TESTS_RS_STRLCPY_H

#include <string.h>

size_t strlcpy(char *to, const char *from, size_t size)
{
	size_t length = strlen(from), fit = length < size ? length : size - 1;

	memcpy(to, from, fit);
	to[fit] = 0;
	return length;
}

#endif
