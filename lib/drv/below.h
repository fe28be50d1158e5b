/* SPDX-License-Identifier: MIT */
/* Drivers that stand on another one of their class. */
#ifndef LIB_DRV_BELOW_H
#define LIB_DRV_BELOW_H

#include <abi/types.h>

/* The driver of the class whose number is the manifest's first argument, from RS, which is waited for; -ENODEV if there is none,
 * or if it is `own`, the caller. To be called from start() only. */
long below_find(const char *class, const char *own, cap_t *driver);

#endif
