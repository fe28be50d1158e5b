/* SPDX-License-Identifier: MIT */
/* For lwIP, which includes the C library's and prints nothing. */
#include <util/string.h>
