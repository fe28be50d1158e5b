/* SPDX-License-Identifier: MIT */
/* For lwIP, which includes the C library's. */
#include <util/string.h>
